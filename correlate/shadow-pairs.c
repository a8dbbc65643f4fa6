/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "shadow-pairs.h"

#include <stdbool.h>
#include <string.h>

#include "link/links.h"
#include "text/text.h"

G_GNUC_PRINTF(2, 3)
static gboolean
usage(GError **error, const char *format, ...)
{
	va_list args;
	g_autofree char *text = NULL;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error_literal(error, VIOMMU_ERROR, VIOMMU_ERROR_USAGE, text);
	return FALSE;
}

static void
pair_clear(void *data)
{
	g_free(((viommu_shadow_pair *) data)->host);
}

static gboolean
add_named(GArray *self, const char *text, const viommu_machine *machine, GError **error)
{
	const char *equals = strchr(text, '='), *host = equals ? equals + 1 : text;
	g_autofree char *device = equals ? g_strndup(text, (gsize) (equals - text)) : NULL;
	viommu_sid unused;
	viommu_shadow_pair new = { 0 };
	guint assigned = 0;

	for (guint i = 0; !device && i < machine->pci->len; i++) {
		const viommu_pci_device *pci = &g_array_index(machine->pci, viommu_pci_device, i);

		if (viommu_device_kind_of(machine, pci->sid) != VIOMMU_DEVICE_ASSIGNED)
			continue;
		new.device = pci->sid;
		assigned++;
	}
	if (device && !viommu_parse_bdf(device, &new.device))
		return usage(error, "--shadow-device takes DEVICE=HOST, as in 00:04.0=0000:03:00.0");
	if (!device && assigned != 1)
		return usage(error, "--shadow-device %s: say which device of L1 it is, as in 00:04.0=%s", host, host);
	if (!viommu_parse_bdf(host, &unused) && strlen(host) != strlen("0000:00:00.0"))
		return usage(error, "--shadow-device takes the host's device in the form 0000:03:00.0");
	new.host = g_strdup(host);
	g_array_append_val(self, new);
	return TRUE;
}

static bool
is_named(const GArray *self, viommu_sid device)
{
	for (guint i = 0; i < self->len; i++)
		if (g_array_index(self, viommu_shadow_pair, i).device.v == device.v)
			return true;
	return false;
}

static gboolean
add_all(GArray *self, char *const *named, const viommu_machine *machine, GError **error)
{
	for (; named && *named; named++)
		if (!add_named(self, *named, machine, error))
			return FALSE;
	for (guint i = 0; i < machine->pci->len; i++) {
		const viommu_pci_device *pci = &g_array_index(machine->pci, viommu_pci_device, i);
		viommu_shadow_pair new = { .device = pci->sid };

		if (viommu_device_kind_of(machine, pci->sid) != VIOMMU_DEVICE_ASSIGNED || is_named(self, pci->sid))
			continue;
		if (!*pci->host)
			return usage(error, "it is not known which of the host's devices %s is: --shadow-device %s=HOST",
				viommu_bdf_text(pci->sid).text, viommu_bdf_text(pci->sid).text);
		new.host = g_strdup(pci->host);
		g_array_append_val(self, new);
	}
	return TRUE;
}

GArray *
viommu_shadow_pairs(char *const *named, const viommu_machine *machine, GError **error)
{
	g_autoptr(GArray) ret = g_array_new(FALSE, TRUE, sizeof(viommu_shadow_pair));

	g_array_set_clear_func(ret, pair_clear);
	return add_all(ret, named, machine, error) ? g_steal_pointer(&ret) : NULL;
}
