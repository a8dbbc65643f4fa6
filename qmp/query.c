/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks a live QEMU for its facts, over QMP where QMP has the answer. */
#include <string.h>

#include "hmp.h"
#include "machine.h"

static gboolean
bad_answer(const char *command, GError **error)
{
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_PROTOCOL,
		"QEMU's answer to %s is not in a form that this version knows", command);
	return FALSE;
}

char *
viommu_machine_run_state(viommu_monitor *monitor, GError **error)
{
	json_t *status = viommu_monitor_execute(monitor, "query-status", NULL, error);
	const char *text = json_string_value(json_object_get(status, "status"));
	char *ret = g_strdup(text);

	if (status && !ret)
		bad_answer("query-status", error);
	json_decref(status);
	return ret;
}

static gboolean
query_basics(viommu_machine *self, viommu_monitor *monitor, GError **error)
{
	const json_t *version = viommu_monitor_version(monitor);
	const json_t *qemu = json_object_get(version, "qemu");
	const char *package = json_string_value(json_object_get(version, "package"));
	json_t *kvm;

	g_free(self->version);
	self->version = g_strdup_printf("%d.%d.%d", (int) json_integer_value(json_object_get(qemu, "major")),
		(int) json_integer_value(json_object_get(qemu, "minor")),
		(int) json_integer_value(json_object_get(qemu, "micro")));
	g_free(self->package);
	self->package = g_strdup(package ? package : "");
	g_free(self->run_state);
	self->run_state = viommu_machine_run_state(monitor, error);
	if (!self->run_state)
		return FALSE;
	kvm = viommu_monitor_execute(monitor, "query-kvm", NULL, error);
	if (!kvm)
		return FALSE;
	self->kvm = json_is_true(json_object_get(kvm, "enabled"));
	json_decref(kvm);
	return TRUE;
}

/* Where the devices that the command line names stand in QOM. */
static const char *const containers[] = { "/machine/peripheral-anon", "/machine/peripheral" };

/* What is in them, as "qom-list" gives it. */
typedef struct {
	json_t *lists[G_N_ELEMENTS(containers)];
} contents;

static void
clear_contents(contents *self)
{
	for (size_t c = 0; c < G_N_ELEMENTS(containers); c++)
		json_decref(self->lists[c]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(contents, clear_contents)

static json_t *
path_argument(const char *path)
{
	return json_pack("{s:s}", "path", path);
}

static gboolean
list_contents(contents *self, viommu_monitor *monitor, GError **error)
{
	for (size_t c = 0; c < G_N_ELEMENTS(containers); c++) {
		self->lists[c] = viommu_monitor_execute(monitor, "qom-list", path_argument(containers[c]), error);
		if (!self->lists[c])
			return FALSE;
	}
	return TRUE;
}

/* The QOM path of the first device of this type; NULL when there is none. */
static char *
find_device(const contents *self, const char *type)
{
	g_autofree char *wanted = g_strdup_printf("child<%s>", type);
	size_t i;
	json_t *item;

	for (size_t c = 0; c < G_N_ELEMENTS(containers); c++)
		json_array_foreach (self->lists[c], i, item) {
			const char *name = json_string_value(json_object_get(item, "name"));

			if (name && g_strcmp0(json_string_value(json_object_get(item, "type")), wanted) == 0)
				return g_strdup_printf("%s/%s", containers[c], name);
		}
	return NULL;
}

static gboolean
no_iommu(const contents *self, GError **error)
{
	static const char *const others[] = { "amd-iommu", "virtio-iommu-pci" };
	const char *other = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(others) && !other; i++) {
		g_autofree char *path = find_device(self, others[i]);

		if (path)
			other = others[i];
	}
	if (other)
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_NO_IOMMU,
			"this QEMU has %s, not intel-iommu; viommu reads the tables of intel-iommu only", other);
	else
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_NO_IOMMU,
			"this QEMU has no intel-iommu device, so there are no tables to read; start it with "
			"-machine q35 -device intel-iommu,intremap=on,caching-mode=on");
	return FALSE;
}

/* One device of "query-pci" in the form that the snapshot keeps. */
static json_t *
pci_item(const json_t *device, json_int_t root)
{
	const json_t *id = json_object_get(device, "id");
	const json_t *info = json_object_get(device, "class_info");
	const json_t *bus = json_object_get(json_object_get(device, "pci_bridge"), "bus");
	const char *qdev_id = json_string_value(json_object_get(device, "qdev_id"));
	const char *text = json_string_value(json_object_get(info, "desc"));
	viommu_sid sid = viommu_sid_make((unsigned) json_integer_value(json_object_get(device, "bus")),
		(unsigned) json_integer_value(json_object_get(device, "slot")),
		(unsigned) json_integer_value(json_object_get(device, "function")));

	return json_pack("{s:i, s:I, s:I, s:I, s:s, s:s, s:b, s:I, s:I}", "sid", sid.v, "vendor",
		json_integer_value(json_object_get(id, "vendor")), "device",
		json_integer_value(json_object_get(id, "device")), "class",
		json_integer_value(json_object_get(info, "class")), "id", qdev_id ? qdev_id : "", "class_text",
		text ? text : "", "bridge", bus != NULL, "secondary",
		json_integer_value(json_object_get(bus, "secondary")), "root", root);
}

static gboolean
add_devices(viommu_machine *self, const json_t *devices, json_int_t root, unsigned depth)
{
	size_t i;
	json_t *device;

	if (depth > 256)
		return FALSE;
	json_array_foreach (devices, i, device) {
		json_t *item = pci_item(device, root);
		const json_t *below = json_object_get(json_object_get(device, "pci_bridge"), "devices");
		gboolean ok = viommu_machine_add_pci(self, item);

		json_decref(item);
		if (!ok || (below && !add_devices(self, below, root, depth + 1)))
			return FALSE;
	}
	return TRUE;
}

static gboolean
query_pci(viommu_machine *self, viommu_monitor *monitor, GError **error)
{
	json_t *buses = viommu_monitor_execute(monitor, "query-pci", NULL, error);
	gboolean ok = TRUE;
	size_t i;
	json_t *bus;

	if (!buses)
		return FALSE;
	json_array_foreach (buses, i, bus)
		ok = ok && add_devices(self, json_object_get(bus, "devices"), json_integer_value(json_object_get(bus, "bus")), 0);
	json_decref(buses);
	return ok || bad_answer("query-pci", error);
}

static void
on_driver(viommu_sid sid, const char *driver, const char *host, void *user)
{
	viommu_machine_set_driver(user, sid, driver, host);
}

/* query-pci does not say which of QEMU's devices stands behind a source id.  The vIOMMU's
 * properties are there as well: qom-get would have each of them cost a command, and QEMU
 * (up to 10.0 at least) reads commands byte by byte. */
static gboolean
query_qtree(viommu_machine *self, viommu_monitor *monitor, GError **error)
{
	g_autofree char *text = viommu_monitor_hmp(monitor, "info qtree", error);

	if (!text)
		return FALSE;
	json_decref(self->iommu_properties);
	self->iommu_properties = viommu_hmp_qtree_properties(text, "intel-iommu");
	return viommu_hmp_parse_qtree(text, on_driver, self) || bad_answer("info qtree", error);
}

static json_t *
property_argument(const char *path, const char *name)
{
	return json_pack("{s:s, s:s}", "path", path, "property", name);
}

/* A property that may not exist in this QEMU; NULL then. */
static json_t *
get_property(viommu_monitor *monitor, const char *path, const char *name)
{
	return viommu_monitor_execute(monitor, "qom-get", property_argument(path, name), NULL);
}

static void
add_bypass(viommu_machine *self, viommu_monitor *monitor, const char *path, const char *name, const char *bus_name)
{
	json_t *bypass = get_property(monitor, path, name);
	json_t *bus = json_is_true(bypass) && bus_name ? get_property(monitor, path, bus_name) : NULL;
	uint8_t number = (uint8_t) json_integer_value(bus);

	if (json_is_true(bypass))
		g_array_append_val(self->bypass, number);
	json_decref(bus);
	json_decref(bypass);
}

#define Q35 "/machine/q35"
#define Q35_BYPASS "bypass-iommu"

/* Root buses that are kept away from the vIOMMU: the machine's own, and those of
 * the expander bridges (pxb, pxb-pcie, pxb-cxl). */
static void
query_bypass(viommu_machine *self, viommu_monitor *monitor, const contents *devices)
{
	size_t i;
	json_t *item;

	add_bypass(self, monitor, Q35, Q35_BYPASS, NULL);
	for (size_t c = 0; c < G_N_ELEMENTS(containers); c++)
		json_array_foreach (devices->lists[c], i, item) {
			const char *name = json_string_value(json_object_get(item, "name"));
			g_autofree char *path = g_strdup_printf("%s/%s", containers[c], name ? name : "");
			const char *type = json_string_value(json_object_get(item, "type"));

			if (type && g_str_has_prefix(type, "child<pxb"))
				add_bypass(self, monitor, path, "bypass_iommu", "bus_nr");
		}
}

static gboolean
query_mtree(viommu_machine *self, viommu_monitor *monitor, GError **error)
{
	g_autofree char *text = viommu_monitor_hmp(monitor, "info mtree -f", error);

	if (!text)
		return FALSE;
	return (viommu_hmp_parse_mtree(text, self->ram, &self->registers_base, &self->registers_size) &&
		       self->registers_size >= VTD_REGISTERS_MIN) ||
		bad_answer("info mtree -f", error);
}

/* What depends on no answer, in the order in which it is asked for below. */
static void
ask_ahead(viommu_monitor *monitor)
{
	viommu_monitor_ahead(monitor, "query-status", NULL);
	viommu_monitor_ahead(monitor, "query-kvm", NULL);
	for (size_t c = 0; c < G_N_ELEMENTS(containers); c++)
		viommu_monitor_ahead(monitor, "qom-list", path_argument(containers[c]));
	viommu_monitor_ahead(monitor, "query-pci", NULL);
	viommu_monitor_hmp_ahead(monitor, "info qtree");
	viommu_monitor_hmp_ahead(monitor, "info mtree -f");
	viommu_monitor_ahead(monitor, "qom-get", property_argument(Q35, Q35_BYPASS));
}

static gboolean
query(viommu_machine *self, viommu_monitor *monitor, GError **error)
{
	g_auto(contents) devices = { 0 };
	g_autofree char *path = NULL;

	if (!query_basics(self, monitor, error) || !list_contents(&devices, monitor, error))
		return FALSE;
	path = find_device(&devices, "intel-iommu");
	if (!path)
		return no_iommu(&devices, error);
	g_free(self->iommu_path);
	self->iommu_path = g_steal_pointer(&path);
	if (!query_pci(self, monitor, error) || !query_qtree(self, monitor, error) || !query_mtree(self, monitor, error))
		return FALSE;
	query_bypass(self, monitor, &devices);
	return TRUE;
}

viommu_machine *
viommu_machine_query(viommu_monitor *monitor, GError **error)
{
	g_autoptr(viommu_machine) self = viommu_machine_new();
	gboolean ok;

	ask_ahead(monitor);
	ok = query(self, monitor, error);
	viommu_monitor_forget_ahead(monitor);
	return ok ? g_steal_pointer(&self) : NULL;
}

static char *
registers_line(const viommu_machine *self)
{
	return g_strdup_printf("xp /%ugx 0x%" G_GINT64_MODIFIER "x", self->registers_size / 8, self->registers_base);
}

void
viommu_machine_registers_ahead(const viommu_machine *self, viommu_monitor *monitor)
{
	g_autofree char *line = registers_line(self);

	viommu_monitor_hmp_ahead(monitor, line);
}

gboolean
viommu_machine_read_registers(const viommu_machine *self, viommu_monitor *monitor, vtd_registers *ret,
	GError **error)
{
	size_t n = self->registers_size / 8;
	g_autofree char *line = registers_line(self);
	g_autofree char *text = viommu_monitor_hmp(monitor, line, error);
	uint64_t words[VTD_REGISTERS_MAX / 8];
	bool garbled;

	if (!text)
		return FALSE;
	if (viommu_hmp_parse_xp(text, VIOMMU_GPA(self->registers_base), words, n, &garbled) != n)
		return bad_answer(line, error);
	*ret = (vtd_registers){ .base = self->registers_base, .size = (uint32_t) n * 8 };
	for (size_t i = 0; i < n; i++) {
		words[i] = GUINT64_TO_LE(words[i]);
		memcpy(ret->bytes + i * 8, &words[i], 8);
	}
	return TRUE;
}
