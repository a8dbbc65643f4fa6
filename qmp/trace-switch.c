/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What QEMU is told for a trace, and to undo it: its trace events, and the place of its log. */
#include "trace-switch.h"

#include <string.h>

/* What the chain needs, and nothing that fires for each DMA. */
static const char *const wanted[] = {
	"vtd_page_walk_one",
	"vtd_page_walk_one_skip_map",
	"vtd_page_walk_one_skip_unmap",
	"vtd_page_walk_skip_read",
	"vtd_page_walk_skip_reserve",
	"vtd_page_walk_level",
	"vtd_as_unmap_whole",
	"vtd_replay_ce_valid",
	"vtd_replay_ce_invalid",
	"vtd_inv_desc",
	"vtd_inv_desc_iotlb_pages",
	"vtd_inv_desc_iotlb_domain",
	"vtd_inv_desc_iotlb_global",
	"vtd_inv_desc_cc_global",
	"vtd_inv_desc_cc_domain",
	"vtd_inv_desc_cc_devices",
	"vtd_inv_desc_cc_device",
	"vtd_switch_address_space",
	"vtd_dmar_fault",
	"vtd_reg_read",
	"vfio_iommu_map_notify",
	"vfio_listener_region_add_iommu",
	"vfio_listener_region_del_iommu",
};

static gboolean
set_event(viommu_monitor *monitor, const char *name, gboolean on, GError **error)
{
	json_t *answer = viommu_monitor_execute(monitor, "trace-event-set-state", json_pack("{s:s, s:b}", "name", name, "enable", on),
		error);

	json_decref(answer);
	return answer != NULL;
}

gboolean
trace_look_at_events(trace_state *state, viommu_monitor *monitor, const char *pattern, unsigned *on, GError **error)
{
	json_t *answer = viommu_monitor_execute(monitor, "trace-event-get-state", json_pack("{s:s}", "name", pattern), error);
	json_t *item;
	size_t i;

	if (!answer)
		return FALSE;
	json_array_foreach (answer, i, item) {
		const char *name = json_string_value(json_object_get(item, "name"));
		const char *is = json_string_value(json_object_get(item, "state"));

		for (size_t k = 0; name && is && k < G_N_ELEMENTS(wanted); k++)
			if (strcmp(name, wanted[k]) == 0 && strcmp(is, "disabled") == 0)
				g_ptr_array_add(state->events, g_strdup(wanted[k]));
			else if (strcmp(name, wanted[k]) == 0 && strcmp(is, "enabled") == 0)
				++*on;
	}
	json_decref(answer);
	return TRUE;
}

gboolean
trace_set_logfile(viommu_monitor *monitor, const char *path, GError **error)
{
	g_autofree char *line = g_strdup_printf("logfile \"%s\"", path);
	g_autofree char *answer = viommu_monitor_hmp(monitor, line, error);
	g_autofree char *safe = NULL;

	if (!answer || *g_strstrip(answer) == '\0')
		return answer != NULL;
	safe = g_strescape(answer, NULL);
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "QEMU does not take %s as its log file: %s", path, safe);
	return FALSE;
}

gboolean
trace_events_on(const trace_state *state, viommu_monitor *monitor, GError **error)
{
	for (guint i = 0; i < state->events->len; i++)
		if (!set_event(monitor, g_ptr_array_index(state->events, i), TRUE, error))
			return FALSE;
	return TRUE;
}

gboolean
trace_restore(const trace_state *state, viommu_monitor *monitor, GError **error)
{
	gboolean ok = TRUE;

	for (guint i = 0; i < state->events->len; i++)
		ok &= set_event(monitor, g_ptr_array_index(state->events, i), FALSE, ok ? error : NULL);
	/* A stderr that QEMU may not open again (another user's pipe) leaves the log without
	 * a place: nothing is lost, since QEMU's messages do not go that way. */
	if (state->log_was) {
		g_autoptr(GError) local = NULL;

		if (!trace_set_logfile(monitor, state->log_was, &local)) {
			g_message("%s; it goes to /dev/null now", local->message);
			ok &= trace_set_logfile(monitor, "/dev/null", ok ? error : NULL);
		}
	}
	return ok;
}
