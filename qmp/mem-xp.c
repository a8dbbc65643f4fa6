/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hmp.h"
#include "sources.h"

#define WORDS (VIOMMU_PAGE_SIZE / 8)

typedef struct {
	viommu_memory base;
	viommu_monitor *monitor;
	const viommu_machine *machine;
} xp_memory;

static char *
page_line(viommu_gpa gpa)
{
	return g_strdup_printf("xp /%ugx 0x%" G_GINT64_MODIFIER "x", WORDS, gpa.v);
}

void
viommu_memory_xp_ahead(viommu_monitor *monitor, viommu_gpa gpa)
{
	g_autofree char *line = page_line(gpa);

	viommu_monitor_hmp_ahead(monitor, line);
}

static gboolean
read_page(xp_memory *self, viommu_page_read *read, GError **error)
{
	g_autofree char *line = page_line(read->gpa);
	g_autofree char *text = NULL;
	uint64_t words[WORDS];
	bool garbled;
	size_t got;

	text = viommu_monitor_hmp(self->monitor, line, error);
	if (!text)
		return FALSE;
	got = viommu_hmp_parse_xp(text, read->gpa, words, WORDS, &garbled);
	if (garbled) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_PROTOCOL,
			"QEMU's answer to \"%s\" is not in a form that this version knows", line);
		return FALSE;
	}
	if (got != WORDS) {
		read->status = VIOMMU_PAGE_FAILED;
		return TRUE;
	}
	for (size_t i = 0; i < WORDS; i++)
		words[i] = GUINT64_TO_LE(words[i]);
	memcpy(read->buffer, words, sizeof(words));
	read->data = read->buffer;
	read->status = VIOMMU_PAGE_OK;
	return TRUE;
}

static gboolean
read_pages(viommu_memory *memory, viommu_page_read *reads, size_t n, GError **error)
{
	xp_memory *self = (xp_memory *) memory;

	for (size_t i = 0; i < n; i++) {
		reads[i].data = NULL;
		/* xp reads device registers too, and that can have effects: RAM only. */
		reads[i].status = VIOMMU_PAGE_NOT_RAM;
		if (viommu_machine_ram_at(self->machine, reads[i].gpa) && !read_page(self, &reads[i], error))
			return FALSE;
	}
	return TRUE;
}

static void
xp_free(viommu_memory *memory)
{
	g_free(memory);
}

static const viommu_memory_ops ops = { .name = "HMP xp", .read_pages = read_pages, .free = xp_free };

viommu_memory *
viommu_memory_xp(viommu_monitor *monitor, const viommu_machine *machine)
{
	xp_memory *self = g_new0(xp_memory, 1);

	self->base.ops = &ops;
	self->monitor = monitor;
	self->machine = machine;
	return &self->base;
}
