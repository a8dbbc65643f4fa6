/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hmp-answers.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <glib.h>

/* One line of a text, without what ends it. */
static char **
lines_of(const char *text)
{
	char **ret = g_strsplit(text, "\n", -1);

	for (char **line = ret; *line; line++)
		g_strchomp(*line);
	return ret;
}

json_t *
viommu_hmp_version(const char *text)
{
	int major, minor, micro, used = 0;
	g_autofree char *package = NULL;

	if (sscanf(text, "%4d.%4d.%4d%n", &major, &minor, &micro, &used) != 3 || major < 0 || minor < 0 || micro < 0)
		return NULL;
	package = g_strndup(text + used, strcspn(text + used, "\r\n"));
	g_strstrip(package);
	/* "7.2.22Debian 1:7.2+dfsg-7+deb12u18+b3", and built from git "v9.1.0-100-gabc" */
	return json_pack("{s:{s:i, s:i, s:i}, s:s}", "qemu", "major", major, "minor", minor, "micro", micro, "package", package);
}

json_t *
viommu_hmp_status(const char *text)
{
	static const char begin[] = "VM status: ";
	g_autofree char *state = NULL;
	const char *why;

	if (!g_str_has_prefix(text, begin))
		return NULL;
	state = g_strndup(text + strlen(begin), strcspn(text + strlen(begin), "\r\n"));
	why = strrchr(state, '(');
	/* "paused (prelaunch)", "running (single step mode)" */
	if (g_str_has_prefix(state, "running"))
		return json_pack("{s:s, s:b}", "status", "running", "running", 1);
	if (!g_str_has_prefix(state, "paused"))
		return NULL;
	if (why && strchr(why, ')') && !strchr(why, ' ')) {
		g_autofree char *name = g_strndup(why + 1, strcspn(why + 1, ")"));

		return json_pack("{s:s, s:b}", "status", name, "running", 0);
	}
	return json_pack("{s:s, s:b}", "status", "paused", "running", 0);
}

json_t *
viommu_hmp_kvm(const char *text)
{
	if (!g_str_has_prefix(text, "kvm support: "))
		return NULL;
	return json_pack("{s:b, s:b}", "enabled", g_str_has_prefix(text, "kvm support: enabled"), "present",
		!strstr(text, "not compiled"));
}

json_t *
viommu_hmp_value(const char *text)
{
	return json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
}

json_t *
viommu_hmp_qom_list(const char *text)
{
	g_auto(GStrv) lines = lines_of(text);
	json_t *ret = json_array();

	for (char **line = lines; *line; line++) {
		char *type = g_strrstr(*line, " ("), *end = type ? strrchr(type, ')') : NULL;

		if (**line == '\0')
			continue;
		if (!end || end[1]) {
			json_decref(ret);
			return NULL;
		}
		*type = *end = '\0';
		json_array_append_new(ret, json_pack("{s:s, s:s}", "name", *line, "type", type + 2));
	}
	return ret;
}

json_t *
viommu_hmp_trace_events(const char *text)
{
	g_auto(GStrv) lines = lines_of(text);
	json_t *ret = json_array();

	for (char **line = lines; *line; line++) {
		char *colon = strstr(*line, " : state ");

		if (!colon)
			continue;
		*colon = '\0';
		json_array_append_new(ret, json_pack("{s:s, s:s}", "name", *line, "state", colon[strlen(" : state ")] == '1' ? "enabled" : "disabled"));
	}
	return ret;
}

/* ---- info pci ---------------------------------------------------------------------------- */

typedef struct {
	json_t *roots, *device; /* device: that the lines are about */
	int secondary[256];     /* bus -> its root bus + 1; 0: no bridge before has it behind it */
	int root;
} pci_reader;

static json_t *
list_of(pci_reader *self, int bus)
{
	json_t *root;
	size_t i;

	json_array_foreach (self->roots, i, root)
		if (json_integer_value(json_object_get(root, "bus")) == bus)
			return json_object_get(root, "devices");
	json_array_append_new(self->roots, json_pack("{s:i, s:[]}", "bus", bus, "devices"));
	return list_of(self, bus);
}

/* "  Bus  0, device   1, function 0:" */
static bool
begin_device(pci_reader *self, const char *line)
{
	int bus, slot, function, end = 0;

	if (sscanf(line, " Bus %3d, device %2d, function %1d:%n", &bus, &slot, &function, &end) != 3 || !end || bus < 0 || bus > 255 || slot < 0 ||
		slot > 31 || function < 0 || function > 7)
		return false;
	self->root = bus && self->secondary[bus] ? self->secondary[bus] - 1 : bus;
	self->device = json_pack("{s:i, s:i, s:i, s:{}, s:{}, s:s}", "bus", bus, "slot", slot, "function", function, "class_info", "id",
		"qdev_id", "");
	json_array_append_new(list_of(self, self->root), self->device);
	return true;
}

/* "    PCI bridge: PCI device 1b36:000c", "    Class 0255: PCI device 1234:11e8" */
static bool
take_class(pci_reader *self, const char *line)
{
	const char *mark = strstr(line, ": PCI device ");
	json_t *info = json_object_get(self->device, "class_info"), *id = json_object_get(self->device, "id");
	unsigned vendor, device, class;
	g_autofree char *text = NULL;

	if (!mark || json_object_size(id) || sscanf(mark, ": PCI device %4x:%4x", &vendor, &device) != 2)
		return false;
	text = g_strndup(line, (gsize) (mark - line));
	g_strchug(text);
	if (sscanf(text, "Class %5u", &class) == 1 && class <= 0xffff)
		json_object_set_new(info, "class", json_integer(class));
	else
		json_object_set_new(info, "desc", json_string(text));
	json_object_set_new(id, "vendor", json_integer(vendor));
	json_object_set_new(id, "device", json_integer(device));
	return true;
}

/* "      secondary bus 1.", "      id \"rp0\"" */
static void
take_line(pci_reader *self, const char *line)
{
	size_t len = strlen(line);
	int bus;

	if (sscanf(line, " secondary bus %3d.", &bus) == 1 && bus >= 0 && bus <= 255) {
		json_object_set_new(self->device, "pci_bridge", json_pack("{s:{s:i}}", "bus", "secondary", bus));
		if (bus && !self->secondary[bus])
			self->secondary[bus] = self->root + 1;
	} else if (g_str_has_prefix(line, "      id \"") && len > 10 && line[len - 1] == '"') {
		g_autofree char *id = g_strndup(line + 10, len - 11);

		json_object_set_new(self->device, "qdev_id", json_string(id));
	}
}

json_t *
viommu_hmp_pci(const char *text)
{
	g_auto(GStrv) lines = lines_of(text);
	pci_reader self = { .roots = json_array() };

	for (char **line = lines; *line; line++)
		if (!begin_device(&self, *line) && self.device && !take_class(&self, *line))
			take_line(&self, *line);
	if (json_array_size(self.roots))
		return self.roots;
	json_decref(self.roots);
	return NULL;
}
