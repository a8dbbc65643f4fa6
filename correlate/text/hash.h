/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hashes of numbers that L1, a record or another user chooses: seeded, so that nobody can
 * choose many that collide.  g_int64_hash() looks at the low half alone.
 */
#ifndef VIOMMU_HASH_H
#define VIOMMU_HASH_H

#include <glib.h>

guint viommu_key_hash(gconstpointer key);       /* the pointer is the number */
guint viommu_number_hash(gconstpointer number); /* of a uint64_t */

#endif
