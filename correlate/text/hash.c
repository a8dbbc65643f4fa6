/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text/hash.h"

#include <stdint.h>

guint
viommu_key_hash(gconstpointer key)
{
	static gsize factor;

	if (g_once_init_enter(&factor))
		g_once_init_leave(&factor, (gsize) g_random_int() << 32 | g_random_int() | 1);
	return (guint) (GPOINTER_TO_SIZE(key) * factor >> 32);
}

guint
viommu_number_hash(gconstpointer number)
{
	return viommu_key_hash(GSIZE_TO_POINTER(*(const uint64_t *) number));
}
