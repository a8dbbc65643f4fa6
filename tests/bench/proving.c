/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Steps of verify. */
#include <stdio.h>

#include "report/report.h"
#include "steps.h"

static GPtrArray *
read_record(void)
{
	GPtrArray *ret = g_ptr_array_new();
	GError *error = NULL;
	viommu_record *record = viommu_record_read(given.record, NULL, &error);

	bench_check(record != NULL, error);
	result.count = record->events;
	g_ptr_array_add(ret, record);
	return ret;
}

void
bench_record(void)
{
	bench_begin();
	read_record();
	bench_finish();
}

static viommu_result *
verify(const GPtrArray *records, viommu_snapshot *snapshot)
{
	GError *error = NULL;
	viommu_result *ret = viommu_verify(records, snapshot, NULL, &error);

	bench_check(ret != NULL, error);
	bench_check(ret->pages[VIOMMU_MATCH] && viommu_result_faults(ret) == 0, NULL);
	result.count = ret->runs->len;
	return ret;
}

/* Without reading the record and the snapshot. */
void
bench_join(void)
{
	GPtrArray *records = read_record();
	viommu_snapshot *snapshot = bench_read_snapshot();

	bench_begin();
	verify(records, snapshot);
	bench_finish();
}

static void
step_report(void (*render)(FILE *, const viommu_report *))
{
	viommu_snapshot *snapshot = bench_read_snapshot();
	viommu_report report = { .result = verify(read_record(), snapshot), .snapshot = snapshot };
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	bench_begin();
	render(out, &report);
	fclose(out);
	bench_finish();
	result.bytes = size;
}

void
bench_json(void)
{
	step_report(viommu_report_json);
}

void
bench_html(void)
{
	step_report(viommu_report_html);
}
