/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report-facts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/report-parts.h"
#include "text/text.h"

/* A tracker takes a megabyte in all. */
#define MAX_COMMAND_LINE (64u << 10)

static void
fact_clear(gpointer data)
{
	g_free(((viommu_fact *) data)->value);
}

GArray *
viommu_facts_new(void)
{
	GArray *ret = g_array_new(FALSE, FALSE, sizeof(viommu_fact));

	g_array_set_clear_func(ret, fact_clear);
	return ret;
}

void
viommu_facts_add(GArray *facts, const char *name, char *value)
{
	viommu_fact fact = { name, value, true };

	g_array_append_val(facts, fact);
}

static void
add_unknown(GArray *facts, const char *name, const char *why)
{
	viommu_fact fact = { name, facts->len ? g_strdup("not known") : g_strdup_printf("not known: %s", why), false };

	g_array_append_val(facts, fact);
}

/* The program of a path. */
static char *
flavor(const char *program)
{
	g_autofree char *shown = viommu_report_shown(program);

	return g_path_get_basename(shown);
}

GArray *
viommu_report_host_facts(const viommu_report *report)
{
	const viommu_machine *machine = viommu_snapshot_machine(report->snapshot);
	static const char why[] = "QEMU's process was not at hand when it was looked at";
	GArray *ret = viommu_facts_new();

	if (machine->host_os)
		viommu_facts_add(ret, "Operating system", viommu_escape(machine->host_os));
	else
		add_unknown(ret, "Operating system", why);
	if (machine->host_kernel)
		viommu_facts_add(ret, "OS/kernel version", viommu_report_shown(machine->host_kernel));
	else
		add_unknown(ret, "OS/kernel version", why);
	if (machine->host_arch)
		viommu_facts_add(ret, "Architecture", viommu_escape(machine->host_arch));
	else
		add_unknown(ret, "Architecture", why);
	if (machine->cmdline)
		viommu_facts_add(ret, "QEMU flavor", flavor(machine->cmdline[0]));
	else
		add_unknown(ret, "QEMU flavor", why);
	{
		g_autofree char *version = viommu_escape(machine->version);
		g_autofree char *package = viommu_escape(machine->package);

		viommu_facts_add(ret, "QEMU version",
			g_strdup_printf("%s%s%s%s, %s", version, *package ? " (" : "", package, *package ? ")" : "",
				machine->kvm ? "KVM" : "no KVM"));
	}
	return ret;
}

GArray *
viommu_report_iommu_facts(const viommu_report *report)
{
	const viommu_machine *machine = viommu_snapshot_machine(report->snapshot);
	const viommu_capture_info *info = viommu_snapshot_info(report->snapshot);
	g_autofree char *source = viommu_escape(info->memory_source);
	g_autofree char *time = viommu_escape(info->time);
	g_autofree char *state = viommu_escape(machine->run_state);
	GString *properties = g_string_new(NULL);
	GArray *ret = viommu_facts_new();
	const char *name;
	json_t *value;
	vtd_unit unit;

	viommu_machine_unit(machine, viommu_snapshot_registers(report->snapshot), &unit);
	viommu_facts_add(ret, "vIOMMU",
		g_strdup_printf("intel-iommu, %u bits, %s, translation %s, caching mode %s, interrupt remapping %s",
			vtd_cap_mgaw(unit.cap), unit.scalable ? "scalable mode" : "legacy mode", vtd_gsts_tes(unit.gsts) ? "on" : "OFF",
			vtd_cap_cm(unit.cap) ? "on" : "off", vtd_gsts_ires(unit.gsts) ? "on" : "off"));
	json_object_foreach (machine->iommu_properties, name, value) {
		char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
		g_autofree char *safe_name = viommu_escape(name);
		g_autofree char *safe = viommu_escape(text ? text : "");

		g_string_append_printf(properties, "%s%s=%s", properties->len ? ", " : "", safe_name, safe);
		free(text);
	}
	viommu_facts_add(ret, "Its properties", g_string_free(properties, FALSE));
	viommu_facts_add(ret, "Read",
		g_strdup_printf("%s%s%s%s; the guest was %s", *time ? time : "at a time that was left out", *source ? ", through " : "",
			source, report->result->reads > 1 ? ", again and again until it stood still" : "",
			info->paused ? "stopped meanwhile" : *state ? state : "in a state that is not known"));
	return ret;
}

static GArray *
record_facts(const viommu_record *record)
{
	GArray *ret = viommu_facts_new();
	g_autofree char *program = viommu_report_shown(record->program);

	viommu_facts_add(ret, "Operating system", g_str_has_prefix(record->kernel, "Linux") ? g_strdup("Linux") : g_strdup("see the kernel"));
	viommu_facts_add(ret, "OS/kernel version", viommu_report_shown(record->kernel));
	viommu_facts_add(ret, "Architecture", g_strdup("x86_64 (intel-iommu)"));
	viommu_facts_add(ret, "Kernel command line", viommu_report_shown(record->cmdline));
	viommu_facts_add(ret, "Record", viommu_report_shown(record->path));
	viommu_facts_add(ret, "Written by", g_strdup_printf("%s, %s events", program, viommu_count_text(record->events).text));
	if (record->checks)
		viommu_facts_add(ret, "viommu-probe doctor", viommu_checks_summary(record->checks));
	if (record->cut)
		viommu_facts_add(ret, "Cut", g_strdup("the last line of the record is not whole and was left out"));
	if (!record->settled)
		viommu_facts_add(ret, "Incomplete", g_strdup(VIOMMU_UNSETTLED_TEXT));
	else if (record->looks_back && record->lost_behind)
		viommu_facts_add(ret, "Trace", g_strdup(record->lost_behind));
	if (record->lost_reason) {
		g_autofree char *reason = viommu_report_shown(record->lost_reason);

		viommu_facts_add(ret, "Lost", g_strdup_printf("at least %s events: %s", viommu_count_text(record->lost).text, reason));
	}
	return ret;
}

GPtrArray *
viommu_report_guest_facts(const viommu_report *report)
{
	GPtrArray *ret = g_ptr_array_new_with_free_func((GDestroyNotify) g_array_unref);
	const viommu_record *last = NULL;

	for (guint i = 0; i < report->result->targets->len; i++) {
		const viommu_record *record = g_array_index(report->result->targets, viommu_target_result, i).record;

		if (record != last)
			g_ptr_array_add(ret, record_facts(record));
		last = record;
	}
	return ret;
}

/* Needs no quotes in a shell. */
static bool
is_plain(const char *text)
{
	return *text && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-") == strlen(text);
}

char *
viommu_report_command_line(const viommu_report *report)
{
	const viommu_machine *machine = viommu_snapshot_machine(report->snapshot);
	g_autoptr(GString) ret = g_string_new(NULL);

	if (!machine->cmdline)
		return NULL;
	for (char **argument = machine->cmdline; *argument; argument++) {
		g_autofree char *shown = viommu_report_shown(*argument);
		g_autofree char *quoted = is_plain(shown) ? g_strdup(shown) : g_shell_quote(shown);

		if (ret->len + strlen(quoted) > MAX_COMMAND_LINE) {
			g_string_append_printf(ret, " \\\n# … and %u more arguments, left out", g_strv_length(argument));
			break;
		}
		if (ret->len)
			g_string_append(ret, *shown == '-' ? " \\\n  " : " ");
		g_string_append(ret, quoted);
	}
	return g_string_free(g_steal_pointer(&ret), FALSE);
}

char *
viommu_report_registers(const viommu_report *report)
{
	const vtd_registers *registers = viommu_snapshot_registers(report->snapshot);
	GString *ret = g_string_new(NULL);

	for (unsigned i = 0; i < vtd_register_count; i++) {
		const vtd_register_info *info = &vtd_register_table[i];
		uint64_t value = info->bytes == 8 ? vtd_reg64(registers, info->offset) : vtd_reg32(registers, info->offset);

		if (value)
			g_string_append_printf(ret, "%-8s 0x%0*" PRIx64 "\n", info->name, info->bytes * 2, value);
	}
	return g_string_free(ret, FALSE);
}
