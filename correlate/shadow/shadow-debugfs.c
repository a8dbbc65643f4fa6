/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shadow by what Linux shows of its own tables in debugfs (drivers/iommu/intel/debugfs.c):
 *
 *   Device 0000:00:04.0 [with pasid N ]@0x…
 *   IOVA_PFN  PML5E  PML4E  PDPE  PDE  PTE
 *   0x0000000040000 |  0x…  0x…  0x…  0x…  0x…
 *
 * Up to Linux 6.6 one file has all devices; since 6.7 each device has one (and pasid is
 * hexadecimal, there before "default_pasid" in decimal).  A leaf above the last level has
 * zeros in the columns behind it.
 */
#include <string.h>

#include <viommu/shadow.h>

#include "text/text.h"

#define LEVELS 5

typedef struct {
	viommu_shadow *shadow;
	const char *name;
	guint line;
	bool ours, found;
	char *device; /* as the text names it */
	GError **error;
} reader;

static bool
reject(const reader *r, const char *why)
{
	g_set_error(r->error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT,
		"%s is not what Linux shows of its tables in domain_translation_struct: line %u: %s", r->name, r->line, why);
	return false;
}

/* The next word, up to a space or tab; NULL at the end of the line. */
static const char *
next_word(char **at)
{
	char *word = *at + strspn(*at, " \t"), *end = word + strcspn(word, " \t");

	*at = *end ? end + 1 : end;
	*end = '\0';
	return *word ? word : NULL;
}

static bool
read_device(reader *r, char *at)
{
	const char *name = next_word(&at), *word = next_word(&at);
	uint64_t pasid = 0;
	bool has_pasid = g_strcmp0(word, "with") == 0;

	if (!name)
		return reject(r, "a device with no name");
	if (has_pasid) {
		word = next_word(&at);
		word = next_word(&at);
		if (!word || strspn(word, "0123456789abcdef") != strlen(word))
			return reject(r, "a PASID that is no number");
		pasid = g_ascii_strtoull(word, NULL, 16);
	}
	/* DMA of a whole device has no PASID: the kernel keeps it under number 0. */
	r->ours = pasid == 0 && g_ascii_strcasecmp(name, r->device) == 0;
	if (r->ours && r->found)
		return reject(r, "the device is there twice");
	r->found |= r->ours;
	return true;
}

/* The leaf of a row decides; the directories on the way can only take away. */
static bool
read_row(reader *r, char *at)
{
	viommu_shadow_piece piece = { .hpa_known = true, .prot_known = true };
	uint64_t pfn, entry[LEVELS] = { 0 }, all = 3, size;
	const char *word = next_word(&at);
	unsigned n = 0, leaf;

	if (!viommu_parse_hex(word, &pfn) || g_strcmp0(next_word(&at), "|") != 0)
		return reject(r, "a row that is none");
	while ((word = next_word(&at)))
		if (n == LEVELS || !viommu_parse_hex(word, &entry[n++]))
			return reject(r, "an entry that is no number");
	for (leaf = n; leaf > 0 && entry[leaf - 1] == 0;)
		leaf--;
	if (leaf < 3 || pfn >> 52)
		return reject(r, "a row with no page");
	for (unsigned i = 0; i < leaf; i++)
		all &= entry[i] ? entry[i] : 3;
	size = 1ull << (12 + 9 * (LEVELS - leaf));
	piece.iova.first = pfn << VIOMMU_PAGE_SHIFT;
	piece.hpa.v = entry[leaf - 1] & 0xffffffffff000ull & ~(size - 1);
	piece.read = all & 1;
	piece.write = all >> 1 & 1;
	if (piece.iova.first & (size - 1))
		return reject(r, "a page that is not aligned");
	piece.iova.last = piece.iova.first + (size - 1);
	if (r->ours && !viommu_shadow_add(r->shadow, &piece))
		return reject(r, "its rows are not in order");
	return true;
}

static bool
read_line(reader *r, char *line)
{
	char *at = line;

	if (g_str_has_prefix(line, "Device ")) {
		at += strlen("Device ");
		return read_device(r, at);
	}
	if (g_str_has_prefix(line, "0x"))
		return read_row(r, at);
	return line[strspn(line, " \t\r")] == '\0' || g_str_has_prefix(line, "IOVA_PFN") ? true : reject(r, "a line that is none of it");
}

static char *
full_name(const char *host)
{
	return g_strdup_printf("%s%s", strlen(host) == strlen("00:00.0") ? "0000:" : "", host);
}

viommu_shadow *
viommu_shadow_of_debugfs(
	const char *text, size_t len, const char *name, viommu_sid device, const char *host, GError **error)
{
	g_autoptr(viommu_shadow) self = viommu_shadow_new(name, device, host);
	g_autofree char *wanted = full_name(host);
	reader r = { .shadow = self, .name = name, .device = wanted, .error = error };
	g_autofree char *line = NULL;

	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t part = end ? (size_t) (end - (text + at)) : len - at;

		r.line++;
		g_free(line);
		line = g_strndup(text + at, part);
		if (!end) {
			reject(&r, "it is cut off in the middle of a line");
			return NULL;
		}
		if (!read_line(&r, line))
			return NULL;
		at += part + 1;
	}
	if (!r.found) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT,
			"%s has no tables of the device %s; name L0's device with --shadow-device", name, host);
		return NULL;
	}
	return g_steal_pointer(&self);
}
