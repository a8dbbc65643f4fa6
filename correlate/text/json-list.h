/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An object whose last members are long lists, written item by item: the same text as
 * json_dumpf() with JSON_INDENT(2) | JSON_ENSURE_ASCII makes of the whole, without
 * having the whole in memory.
 */
#ifndef VIOMMU_JSON_LIST_H
#define VIOMMU_JSON_LIST_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

typedef struct {
	FILE *out;
	bool open, any; /* a list is open; it has something in it */
} viommu_json_lists;

/* head: the members before the lists, at least one. Takes it. */
void viommu_json_lists_begin(viommu_json_lists *ret, FILE *out, json_t *head);
/* Begins a list, and ends the one before. */
void viommu_json_lists_next(viommu_json_lists *self, const char *name);
/* One item, as compact JSON. */
void viommu_json_lists_put_text(viommu_json_lists *self, const char *text);
/* Takes item. */
void viommu_json_lists_put(viommu_json_lists *self, json_t *item);
void viommu_json_lists_end(viommu_json_lists *self);

#endif
