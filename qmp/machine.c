/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts about a QEMU, as an object and as JSON. */
#include <string.h>

#include <viommu/json.h>

#include "machine.h"

void
viommu_copy_text(char *to, const char *from, size_t size)
{
	const char *end;

	g_strlcpy(to, from, size);
	if (!g_utf8_validate(to, -1, &end))
		to[end - to] = '\0';
}

/* A crafted snapshot can name 65536 devices, and each of them is looked up. */
struct viommu_pci_index {
	guint n;                /* devices that are in it */
	uint32_t at[65536];     /* by source id: place of the first such device, plus 1 */
	uint32_t bridge_to[256]; /* by secondary bus: the same */
};

viommu_machine *
viommu_machine_new(void)
{
	viommu_machine *self = g_new0(viommu_machine, 1);

	self->version = g_strdup("");
	self->package = g_strdup("");
	self->run_state = g_strdup("");
	self->iommu_path = g_strdup("");
	self->iommu_properties = json_object();
	self->ram = g_array_new(FALSE, TRUE, sizeof(viommu_ram_region));
	self->pci = g_array_new(FALSE, TRUE, sizeof(viommu_pci_device));
	self->bypass = g_array_new(FALSE, TRUE, sizeof(uint8_t));
	self->index = g_new0(struct viommu_pci_index, 1);
	return self;
}

void
viommu_machine_free(viommu_machine *self)
{
	if (!self)
		return;
	g_free(self->version);
	g_free(self->package);
	g_free(self->run_state);
	g_free(self->iommu_path);
	json_decref(self->iommu_properties);
	g_array_unref(self->ram);
	g_array_unref(self->pci);
	g_array_unref(self->bypass);
	g_free(self->index);
	g_strfreev(self->cmdline);
	g_free(self->host_os);
	g_free(self->host_kernel);
	g_free(self->host_arch);
	g_free(self);
}

const viommu_ram_region *
viommu_machine_ram_at(const viommu_machine *self, viommu_gpa gpa)
{
	size_t low = 0, high = self->ram->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const viommu_ram_region *region = &g_array_index(self->ram, viommu_ram_region, mid);

		if (gpa.v < region->gpa.first)
			high = mid;
		else if (gpa.v > region->gpa.last)
			low = mid + 1;
		else if (region->gpa.last - gpa.v < VIOMMU_PAGE_SIZE - 1)
			return NULL; /* the page is not RAM to its end */
		else
			return region;
	}
	return NULL;
}

static const struct viommu_pci_index *
up_to_date(const viommu_machine *self)
{
	struct viommu_pci_index *index = self->index;

	while (index->n < self->pci->len) {
		const viommu_pci_device *device = &g_array_index(self->pci, viommu_pci_device, index->n);

		index->n++;
		if (!index->at[device->sid.v])
			index->at[device->sid.v] = index->n;
		/* A bridge has a lower bus number than what is behind it. */
		if (device->bridge && !index->bridge_to[device->secondary] && viommu_sid_bus(device->sid) < device->secondary)
			index->bridge_to[device->secondary] = index->n;
	}
	return index;
}

static const viommu_pci_device *
device_at(const viommu_machine *self, uint32_t place)
{
	return place ? &g_array_index(self->pci, viommu_pci_device, place - 1) : NULL;
}

const viommu_pci_device *
viommu_machine_pci_at(const viommu_machine *self, viommu_sid sid)
{
	return device_at(self, up_to_date(self)->at[sid.v]);
}

void
viommu_machine_set_driver(viommu_machine *self, viommu_sid sid, const char *driver, const char *host)
{
	uint32_t place = up_to_date(self)->at[sid.v];
	viommu_pci_device *device = place ? &g_array_index(self->pci, viommu_pci_device, place - 1) : NULL;

	if (!device)
		return;
	viommu_copy_text(device->driver, driver, sizeof(device->driver));
	viommu_copy_text(device->host, host, sizeof(device->host));
}

const viommu_pci_device *
viommu_machine_bridge_to(const viommu_machine *self, uint8_t bus)
{
	return device_at(self, up_to_date(self)->bridge_to[bus]);
}

void
viommu_machine_unit(const viommu_machine *self, const vtd_registers *registers, vtd_unit *ret)
{
	const json_t *stale_tm = json_object_get(self->iommu_properties, "x-stale-tm");

	if (!stale_tm)
		stale_tm = json_object_get(self->iommu_properties, "stale-tm");
	vtd_unit_init(ret, registers);
	/* The fault reasons for PASID entries, and first-stage translation, came with 10.0. */
	ret->before_qemu_10 = g_ascii_isdigit(*self->version) && g_ascii_strtoull(self->version, NULL, 10) < 10;
	if (stale_tm)
		ret->tm_allowed = ret->tm_allowed && json_is_true(stale_tm);
}

json_t *
viommu_machine_to_json(const viommu_machine *self)
{
	json_t *ram = json_array(), *pci = json_array(), *bypass = json_array(), *ret;

	for (guint i = 0; i < self->ram->len; i++) {
		const viommu_ram_region *region = &g_array_index(self->ram, viommu_ram_region, i);

		json_array_append_new(ram, json_pack("{s:o, s:o, s:s}", "first", viommu_json_hex(region->gpa.first), "last",
			viommu_json_hex(region->gpa.last), "name", region->name));
	}
	for (guint i = 0; i < self->pci->len; i++) {
		const viommu_pci_device *device = &g_array_index(self->pci, viommu_pci_device, i);

		json_array_append_new(pci, json_pack("{s:i, s:i, s:i, s:i, s:s, s:s, s:b, s:i, s:i, s:s, s:s}", "sid",
			device->sid.v, "vendor", device->vendor, "device", device->device, "class", device->class_code, "id",
			device->id, "class_text", device->class_text, "bridge", device->bridge, "secondary",
			device->secondary, "root", device->root, "driver", device->driver, "host", device->host));
	}
	for (guint i = 0; i < self->bypass->len; i++)
		json_array_append_new(bypass, json_integer(g_array_index(self->bypass, uint8_t, i)));
	ret = json_pack("{s:s, s:s, s:s, s:b, s:s, s:O, s:o, s:o, s:o, s:o, s:o}", "version", self->version, "package",
		self->package, "run_state", self->run_state, "kvm", self->kvm, "iommu_path", self->iommu_path,
		"iommu_properties", self->iommu_properties, "registers_base", viommu_json_hex(self->registers_base),
		"registers_size", viommu_json_hex(self->registers_size), "ram", ram, "pci", pci, "bypass", bypass);
	viommu_machine_put_host(self, ret);
	return ret;
}

static bool
get_text(const json_t *json, const char *key, char **value)
{
	const char *text = json_string_value(json_object_get(json, key));

	if (!text)
		return false;
	g_free(*value);
	*value = g_strdup(text);
	return true;
}

/* An integer in 0 … max; 0 when it is not there. */
static bool
get_int(const json_t *json, const char *key, json_int_t max, json_int_t *value)
{
	const json_t *number = json_object_get(json, key);

	*value = json_integer_value(number);
	return (!number || json_is_integer(number)) && *value >= 0 && *value <= max;
}

static bool
ram_from_json(viommu_machine *self, const json_t *list)
{
	size_t i;
	json_t *item;

	json_array_foreach (list, i, item) {
		viommu_ram_region region = { .name = "" };
		const char *name = json_string_value(json_object_get(item, "name"));

		if (!viommu_json_get_hex(item, "first", &region.gpa.first) || !viommu_json_get_hex(item, "last", &region.gpa.last) ||
			region.gpa.last < region.gpa.first)
			return false;
		if (self->ram->len &&
			region.gpa.first <= g_array_index(self->ram, viommu_ram_region, self->ram->len - 1).gpa.last)
			return false;
		viommu_copy_text(region.name, name ? name : "", sizeof(region.name));
		g_array_append_val(self->ram, region);
	}
	return json_is_array(list);
}

bool
viommu_machine_add_pci(viommu_machine *self, const json_t *item)
{
	viommu_pci_device device = { .bridge = json_is_true(json_object_get(item, "bridge")) };
	const char *id = json_string_value(json_object_get(item, "id"));
	const char *text = json_string_value(json_object_get(item, "class_text"));
	const char *driver = json_string_value(json_object_get(item, "driver"));
	const char *host = json_string_value(json_object_get(item, "host"));
	json_int_t sid, vendor, dev, class_code, secondary, root;

	if (!json_is_object(item) || !get_int(item, "sid", 0xffff, &sid) || !get_int(item, "vendor", 0xffff, &vendor) ||
		!get_int(item, "device", 0xffff, &dev) || !get_int(item, "class", 0xffff, &class_code) ||
		!get_int(item, "secondary", 0xff, &secondary) || !get_int(item, "root", 0xff, &root))
		return false;
	device.sid.v = (uint16_t) sid;
	device.vendor = (uint16_t) vendor;
	device.device = (uint16_t) dev;
	device.class_code = (uint16_t) class_code;
	device.secondary = (uint8_t) secondary;
	device.root = (uint8_t) root;
	viommu_copy_text(device.id, id ? id : "", sizeof(device.id));
	viommu_copy_text(device.class_text, text ? text : "", sizeof(device.class_text));
	viommu_copy_text(device.driver, driver ? driver : "", sizeof(device.driver));
	viommu_copy_text(device.host, host ? host : "", sizeof(device.host));
	g_array_append_val(self->pci, device);
	return true;
}

viommu_machine *
viommu_machine_from_json(const json_t *json, GError **error)
{
	g_autoptr(viommu_machine) self = viommu_machine_new();
	const json_t *properties = json_object_get(json, "iommu_properties");
	const json_t *pci = json_object_get(json, "pci");
	uint64_t size;
	bool ok;
	size_t i;
	json_t *item;

	ok = get_text(json, "version", &self->version) && get_text(json, "package", &self->package) &&
		get_text(json, "run_state", &self->run_state) && get_text(json, "iommu_path", &self->iommu_path) &&
		json_is_object(properties) && viommu_json_get_hex(json, "registers_base", &self->registers_base) &&
		viommu_json_get_hex(json, "registers_size", &size) && size <= VTD_REGISTERS_MAX &&
		ram_from_json(self, json_object_get(json, "ram")) && json_is_array(pci) && json_array_size(pci) <= 65536 &&
		viommu_machine_get_host(self, json);
	if (ok) {
		json_array_foreach (pci, i, item)
			ok = ok && viommu_machine_add_pci(self, item);
	}
	if (!ok) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT,
			"its description of the QEMU is not what viommu-snapshot(5) says");
		return NULL;
	}
	json_array_foreach (json_object_get(json, "bypass"), i, item) {
		uint8_t bus = (uint8_t) json_integer_value(item);
		if (i < 256) /* there are no more buses */
			g_array_append_val(self->bypass, bus);
	}
	json_object_update(self->iommu_properties, (json_t *) properties);
	self->kvm = json_is_true(json_object_get(json, "kvm"));
	self->registers_size = (uint32_t) size;
	return g_steal_pointer(&self);
}
