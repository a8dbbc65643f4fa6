/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hmp.h"
#include "machine.h"

/* Reads hexadecimal digits (with or without 0x) and moves *text behind them. */
static bool
take_hex(const char **text, uint64_t *value)
{
	const char *start;
	char *end;

	if (g_str_has_prefix(*text, "0x"))
		*text += 2;
	start = *text;
	if (!g_ascii_isxdigit(*start))
		return false;
	*value = g_ascii_strtoull(start, &end, 16);
	*text = end;
	return end - start <= 16;
}

static bool
take_word(const char **text, const char *word)
{
	if (!g_str_has_prefix(*text, word))
		return false;
	*text += strlen(word);
	return true;
}

static const char *
next_line(const char *text)
{
	const char *end = strchr(text, '\n');

	return end ? end + 1 : text + strlen(text);
}

size_t
viommu_hmp_parse_xp(const char *text, viommu_gpa gpa, uint64_t *words, size_t n, bool *garbled)
{
	size_t got = 0;

	*garbled = false;
	for (; *text && got < n; text = next_line(text)) {
		const char *at = text;
		uint64_t address;

		if (*at == '\r' || *at == '\n')
			continue;
		if (!take_hex(&at, &address) || !take_word(&at, ":") || address != gpa.v + got * 8) {
			*garbled = true;
			return got;
		}
		if (take_word(&at, " Cannot access memory"))
			return got;
		while (got < n && take_word(&at, " 0x")) {
			if (!take_hex(&at, &words[got])) {
				*garbled = true;
				return got;
			}
			got++;
		}
		if (*at != '\r' && *at != '\n' && *at != '\0') {
			*garbled = true;
			return got;
		}
	}
	*garbled = got < n; /* it ends, and QEMU did not say why */
	return got;
}

bool
viommu_hmp_parse_gpa2hva(const char *text, viommu_hva *hva)
{
	const char *at = strstr(text, " is 0x");

	if (!at || !g_str_has_prefix(text, "Host virtual address for "))
		return false;
	at += strlen(" is ");
	return take_hex(&at, &hva->v) && hva->v != 0;
}

/* "  0000000000100000-000000007fffffff (prio 0, ram): pc.ram @0000000000100000 KVM" */
static bool
parse_region(const char *line, viommu_gpa_range *range, char *type, size_t type_size, char *name, size_t name_size)
{
	const char *end = line + strcspn(line, "\r\n");
	const char *comma, *close;
	g_autofree char *full = NULL;
	size_t len;

	line += strspn(line, " ");
	if (!take_hex(&line, &range->first) || !take_word(&line, "-") || !take_hex(&line, &range->last) ||
		!take_word(&line, " (prio ") || range->last < range->first)
		return false;
	comma = memchr(line, ',', (size_t) (end - line));
	close = memchr(line, ')', (size_t) (end - line));
	if (!comma || !close || close < comma + 2 || close + 3 > end)
		return false;
	len = MIN((size_t) (close - (comma + 2)), type_size - 1);
	memcpy(type, comma + 2, len);
	type[len] = '\0';
	line = close + 3; /* behind "): " */
	len = (size_t) (end - line);
	for (size_t i = 0; i + 2 <= len; i++) /* the name may hold spaces: it ends at " @" */
		if (line[i] == ' ' && line[i + 1] == '@') {
			len = i;
			break;
		}
	full = g_strndup(line, len);
	if (g_str_has_suffix(full, " KVM"))
		full[len - 4] = '\0';
	viommu_copy_text(name, full, name_size);
	return true;
}

/* The flat view that the CPUs see: the one that lists the address space "memory". */
static const char *
system_view(const char *text)
{
	const char *view = strstr(text, " AS \"memory\", root: system");

	if (!view)
		return NULL;
	while (*view && (view = next_line(view)) && *view) {
		const char *at = view + strspn(view, " ");

		if (at[strspn(at, "0123456789abcdef")] == '-') /* "AS" begins with a hexadecimal digit too */
			return view;
		if (g_str_has_prefix(at, "FlatView") || g_str_has_prefix(at, "No rendered"))
			return NULL;
	}
	return NULL;
}

/* Not "ramd" (a device's memory) and not "romd" (flash): a read could have an effect.
 * "nv-" is what an NVDIMM's memory has before it. */
static bool
is_memory(const char *type)
{
	if (g_str_has_prefix(type, "nv-"))
		type += strlen("nv-");
	return strcmp(type, "ram") == 0 || strcmp(type, "rom") == 0;
}

bool
viommu_hmp_parse_mtree(const char *text, GArray *ram, uint64_t *base, uint32_t *size)
{
	const char *line = system_view(text);
	uint64_t last = 0;

	*base = 0;
	*size = 0;
	if (!line)
		return false;
	for (; *line; line = next_line(line)) {
		viommu_ram_region region = { .name = "" };
		char type[16];

		if (!parse_region(line, &region.gpa, type, sizeof(type), region.name, sizeof(region.name)))
			break; /* a blank line ends the view */
		if (ram->len && region.gpa.first <= last)
			return false; /* a flat view ascends */
		last = region.gpa.last;
		if (is_memory(type))
			g_array_append_val(ram, region);
		else if (strcmp(region.name, "intel_iommu") == 0 && region.gpa.last - region.gpa.first < VTD_REGISTERS_MAX) {
			*base = region.gpa.first;
			*size = (uint32_t) (region.gpa.last - region.gpa.first + 1) & ~7u;
		}
	}
	return ram->len > 0;
}

/* The text between two quotation marks: at points behind the first. */
static void
copy_quoted(char *to, size_t size, const char *at)
{
	size_t len = strcspn(at, "\"\r\n");
	g_autofree char *text = g_strndup(at, len);

	viommu_copy_text(to, text, size);
}

/* "class Ethernet controller, addr 00:01.0, pci id 8086:10d3 (sub 8086:0000)" */
static bool
parse_class(const char *line, viommu_sid *sid)
{
	size_t len = strcspn(line, "\r\n");
	const char *at = g_strstr_len(line, (gssize) len, ", addr ");
	uint64_t bus, device, function;

	if (!at)
		return false;
	at += strlen(", addr ");
	if (!take_hex(&at, &bus) || !take_word(&at, ":") || !take_hex(&at, &device) || !take_word(&at, ".") ||
		!take_hex(&at, &function) || !take_word(&at, ", pci id ") || bus > 0xff || device > 0x1f || function > 7)
		return false;
	*sid = viommu_sid_make((unsigned) bus, (unsigned) device, (unsigned) function);
	return true;
}

bool
viommu_hmp_parse_qtree(const char *text, viommu_hmp_device_visitor visit, void *user)
{
	char driver[64] = "", host[32] = "";
	bool tree = false;

	for (; *text; text = next_line(text)) {
		const char *at = text + strspn(text, " ");
		viommu_sid sid;

		tree |= g_str_has_prefix(at, "bus: ");
		if (take_word(&at, "dev: ")) {
			g_autofree char *type = g_strndup(at, strcspn(at, ",\r\n"));

			viommu_copy_text(driver, type, sizeof(driver));
			host[0] = '\0';
		} else if (take_word(&at, "host = \"")) {
			copy_quoted(host, sizeof(host), at);
		} else if (take_word(&at, "class ") && *driver && parse_class(at, &sid)) {
			visit(sid, driver, strcmp(driver, "vfio-pci") == 0 ? host : "", user);
			driver[0] = '\0';
		}
	}
	return tree;
}

/* "true", "39 (0x27)", "\"on\""; NULL: another kind of value. */
static json_t *
parse_value(const char *at, size_t len)
{
	g_autofree char *text = g_strndup(at, len);
	char *end;
	gint64 number;

	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return json_boolean(*text == 't');
	if (len >= 2 && *text == '"' && text[len - 1] == '"')
		return json_stringn(text + 1, len - 2);
	number = g_ascii_strtoll(text, &end, 10);
	return end > text && g_str_has_prefix(end, " (") ? json_integer(number) : NULL;
}

static int
cmp_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* QEMU's order changes with its version; reports read better, and compare, in name order. */
static json_t *
in_name_order(json_t *object)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	json_t *ret = json_object();
	const char *name;
	json_t *value;

	json_object_foreach (object, name, value)
		g_ptr_array_add(names, (gpointer) name);
	g_ptr_array_sort(names, cmp_name);
	for (guint i = 0; i < names->len; i++)
		json_object_set(ret, g_ptr_array_index(names, i), json_object_get(object, g_ptr_array_index(names, i)));
	json_decref(object);
	return ret;
}

json_t *
viommu_hmp_qtree_properties(const char *text, const char *driver)
{
	json_t *ret = json_object();
	bool inside = false;

	for (; *text; text = next_line(text)) {
		const char *at = text + strspn(text, " ");
		size_t len = strcspn(at, "\r\n");
		const char *equals = g_strstr_len(at, (gssize) len, " = ");

		if (inside && (g_str_has_prefix(at, "dev: ") || g_str_has_prefix(at, "bus: ")))
			break;
		if (take_word(&at, "dev: ")) {
			inside = strncmp(at, driver, strlen(driver)) == 0 && at[strlen(driver)] == ',';
		} else if (inside && equals) {
			g_autofree char *name = g_strndup(at, (size_t) (equals - at));

			json_object_set_new(ret, name, parse_value(equals + 3, (size_t) (at + len - equals - 3)));
		}
	}
	return in_name_order(ret);
}
