/* SPDX-License-Identifier: GPL-2.0-or-later */
/* viommu-probe map: see map-options.c for what it offers. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/signals.h"
#include "doctor/doctor.h"
#include "map/bind.h"
#include "map/hold.h"
#include "map/map-options.h"
#include "map/map-run.h"
#include "out/output.h"
#include "out/record-writer.h"
#include "probe.h"
#include "viommu/record.h"

static int
fail_unbound(const struct pci_facts *facts, struct probe_error *error)
{
	char commands[768];

	pci_bind_commands(facts, commands, sizeof commands);
	return probe_fail(error, 0,
		"%s is bound to %s and has to be bound to vfio-pci; give --bind, or run:\n%s", facts->bdf,
		facts->driver[0] ? facts->driver : "no driver", commands);
}

static int
find_device(const struct map_options *options, struct pci_facts *facts, struct probe_error *error)
{
	if (!sysfs_pci_facts(options->bdf, facts))
		return probe_fail(error, 0,
			"there is no PCI device %s here; /sys/bus/pci/devices has those there are",
			options->bdf);
	if (facts->group < 0)
		return probe_fail(error, 0,
			"%s is in no IOMMU group: the guest's IOMMU is not on for it; give QEMU -device "
			"intel-iommu "
			"and the guest's kernel intel_iommu=on (viommu-probe doctor tells more)",
			facts->bdf);
	return 0;
}

static void
say_holding(const struct map_run *run)
{
	const struct map_options *options = run->options;
	char how_long[48] = "", amount[32];
	uint64_t bytes;
	const size_t n = map_run_count(run, &bytes);

	if (bytes < PAGE_2M)
		snprintf(amount, sizeof amount, "%" PRIu64 " KiB", bytes >> 10);
	else
		snprintf(amount, sizeof amount, "%" PRIu64 " MiB", bytes >> 20);
	if (options->hold_given)
		snprintf(how_long, sizeof how_long, " for %" PRIu64 " s", options->hold_seconds);
	if (!options->hold_given && hold_is_over()) {
		probe_say("not holding %zu mapping%s (%s): standard input is at its end already; --hold SECONDS holds "
			  "without it", n, n == 1 ? "" : "s", amount);
		return;
	}
	probe_say("holding %zu mapping%s (%s)%s; press %sCtrl-C to unmap", n, n == 1 ? "" : "s", amount,
		how_long, options->hold_given ? "" : "Ctrl-D or ");
}

/* Makes, marks and holds; *REASON is why it ended. */
static int
make_and_hold(struct map_run *run, const char **reason)
{
	struct probe_error error;
	uint64_t bytes;

	if (map_run_make(run, &error) < 0) {
		probe_say("%s", error.text);
		*reason = signals_first() != NULL ? signals_first() : "failed";
		return -1;
	}
	if (run->n_failed > 0 && map_run_count(run, &bytes) == 0) {
		probe_say("no mapping was made, so there is nothing to hold");
		*reason = "failed";
		return -1;
	}
	if (run->options->unmap_half)
		map_run_unmap_half(run);
	record_mark(run->record, VIOMMU_MARK_HELD);
	if (run->record->failed) {
		*reason = "failed";
		return -1;
	}
	say_holding(run);
	*reason = hold(run->record->output, run->options->hold_given, run->options->hold_seconds);
	return 0;
}

static int
map_and_record(struct map_run *run, const struct pci_facts *facts, struct output *output)
{
	const struct backend_kind *kind = run->backend->kind;
	struct record_writer record;
	const char *reason = "failed";
	uint64_t close_ns;
	int ret;

	record_begin(&record, output);
	run->record = &record;
	record_header(&record, VIOMMU_SOURCE_MAP);
	record.at_ns = run->open_ns;
	if (run->doctor != NULL)
		record_doctor(&record, &run->doctor->json);
	record_attach(&record, run->backend->space, kind->record_name, facts->bdf, run->backend->group,
		run->backend->ranges);
	record.at_ns = 0;
	witness_write(run->witness, &record);
	ret = make_and_hold(run, &reason);
	map_run_undo(run);
	close_ns = record_clock_ns();
	kind->close(run->backend);
	record.at_ns = close_ns;
	record_detach(&record, run->backend->space, kind->record_name, facts->bdf, run->backend->group);
	record.at_ns = 0;
	witness_write(run->witness, &record);
	record_end(&record, reason);
	if (run->n_failed > 0 || record.failed)
		ret = -1;
	record_free(&record);
	return ret;
}

/* The output is made last, so that what fails before leaves no empty file. */
static int
prepare_and_map(struct map_run *run, const struct pci_facts *facts, struct probe_error *error)
{
	struct output output;
	int ret;

	if (map_run_prepare(run, error) < 0 ||
		output_open(&output, run->options->output, run->options->force, error) < 0)
		return -1;
	error->text[0] = '\0'; /* what fails from here on is said where it fails */
	ret = map_and_record(run, facts, &output);
	return output_close(&output) < 0 ? -1 : ret;
}

static int
open_and_map(const struct map_options *options, const struct pci_facts *facts, struct probe_error *error)
{
	struct backend backend;
	struct doctor doctor = { 0 };
	struct map_run run = { .options = options, .backend = &backend };
	int ret;

	memory_unlimit_lock();
	options->backend->load();
	if (options->doctor) {
		doctor_collect(&doctor, facts->bdf);
		run.doctor = &doctor;
	}
	/* Before the device is opened: its new context entry is announced, too. */
	if (options->invalidations) {
		run.witness = witness_open(error);
		if (run.witness == NULL) {
			json_free(&doctor.json);
			return -1;
		}
	}
	run.open_ns = record_clock_ns();
	ret = options->backend->open(&backend, facts, error);
	if (ret == 0) {
		ret = prepare_and_map(&run, facts, error);
		map_run_free(&run);
		backend.kind->close(&backend);
	}
	json_free(&doctor.json);
	witness_close(run.witness);
	return ret;
}

static int
run_map(const struct map_options *options, struct probe_error *error)
{
	struct pci_binding binding = { 0 };
	struct probe_error restore_error;
	struct pci_facts facts;
	int ret;

	if (output_check(options->output, options->force, error) < 0 ||
		find_device(options, &facts, error) < 0)
		return -1;
	if (strcmp(facts.driver, "vfio-pci") != 0) {
		if (!options->bind)
			return fail_unbound(&facts, error);
		if (facts.driver[0])
			probe_say("taking %s from %s, which gets it back at the end", facts.bdf, facts.driver);
		if (pci_bind_vfio(&binding, &facts, error) < 0)
			return -1;
	}
	ret = open_and_map(options, &facts, error);
	if (pci_bind_restore(&binding, &restore_error) < 0) {
		probe_say("%s", restore_error.text);
		ret = -1;
	}
	return ret;
}

int
cmd_map(int argc, char **argv)
{
	struct probe_error error = { 0 };
	struct map_options options;
	int status;

	if (!map_options_parse(&options, argc, argv, &status))
		return status;
	signals_install();
	if (run_map(&options, &error) == 0)
		return PROBE_EXIT_OK;
	if (error.text[0])
		probe_say("%s", error.text);
	return PROBE_EXIT_FAILED;
}
