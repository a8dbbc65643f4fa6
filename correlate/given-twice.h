/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An option that takes one value and stands there twice, with two: GOption takes the last, and whoever
 * typed the first does not learn that it does not count. */
#ifndef VIOMMU_GIVEN_TWICE_H
#define VIOMMU_GIVEN_TWICE_H

#include <glib.h>

/* tables: of options, each ended by one without a name; NULL: no more. argv has been parsed with them
 * already, without an error. What is wrong, or NULL. */
char *viommu_given_twice(const GOptionEntry *const *tables, int argc, char **argv);

#endif
