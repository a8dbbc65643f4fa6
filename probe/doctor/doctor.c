/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "doctor/doctor.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/report.h"
#include "base/utf8.h"
#include "base/wrap.h"
#include "out/record-writer.h"

enum { TEXT_MAX = 2048 };

static const struct {
	const char *word;
	const char *colour;
} verdicts[] = {
	[VERDICT_OK] = { "ok", "\033[32m" },
	[VERDICT_WARN] = { "warn", "\033[33m" },
	[VERDICT_FAIL] = { "FAIL", "\033[1;31m" },
	[VERDICT_SKIP] = { "skip", "\033[2m" },
};

void
doctor_begin(struct doctor *ret, FILE *out, bool as_json, const char *bdf)
{
	const char *no_colour = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	*ret = (struct doctor){ .out = out, .as_json = as_json, .bdf = bdf };
	ret->colour = !as_json && isatty(fileno(out)) && (no_colour == NULL || !no_colour[0]) &&
		      (term == NULL || strcmp(term, "dumb") != 0);
	if (!as_json)
		return;
	json_open_object(&ret->json);
	json_add_string(&ret->json, "format", "viommu-doctor");
	json_add_uint(&ret->json, "version", 1);
	json_add_string(&ret->json, "program", "viommu-probe doctor " VIOMMU_VERSION);
	if (bdf != NULL)
		json_add_string(&ret->json, "device", bdf);
	json_key(&ret->json, "checks");
	json_open_array(&ret->json);
}

void
doctor_section(struct doctor *doctor, const char *title)
{
	doctor->section = title;
	if (!doctor->as_json)
		fprintf(doctor->out, "\n%s%s%s\n", doctor->colour ? "\033[1m" : "", title,
			doctor->colour ? "\033[0m" : "");
}

static void
close_check(struct doctor *doctor)
{
	if (doctor->in_more)
		json_close_array(&doctor->json);
	if (doctor->in_check)
		json_close_object(&doctor->json);
	doctor->in_more = doctor->in_check = false;
}

void
doctor_check(struct doctor *doctor, enum verdict verdict, const char *name, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	doctor->count[verdict]++;
	if (doctor->as_json) {
		close_check(doctor);
		json_open_object(&doctor->json);
		doctor->in_check = true;
		json_add_string(&doctor->json, "section", doctor->section);
		json_add_string(&doctor->json, "name", name);
		json_add_string(&doctor->json, "verdict", verdicts[verdict].word);
		json_add_string(&doctor->json, "seen", text);
		return;
	}
	text_make_printable(text, 1);
	fprintf(doctor->out, "  %s%-4s%s  %-16s  ", doctor->colour ? verdicts[verdict].colour : "",
		verdicts[verdict].word, doctor->colour ? "\033[0m" : "", name);
	print_wrapped(doctor->out, text, 26, 26);
}

void
doctor_more(struct doctor *doctor, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (doctor->as_json) {
		if (!doctor->in_more) {
			json_key(&doctor->json, "more");
			json_open_array(&doctor->json);
			doctor->in_more = true;
		}
		json_string(&doctor->json, text);
		return;
	}
	text_make_printable(text, 1);
	fprintf(doctor->out, "%26s", "");
	print_wrapped(doctor->out, text, 26, 26);
}

void
doctor_fix(struct doctor *doctor, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	if (doctor->as_json) {
		if (doctor->in_more)
			json_close_array(&doctor->json);
		doctor->in_more = false;
		json_add_string(&doctor->json, "fix", text);
		return;
	}
	text_make_printable(text, 1);
	fprintf(doctor->out, "%19s fix:  ", "");
	print_wrapped(doctor->out, text, 26, 26);
}

static void
print_json(struct doctor *doctor)
{
	close_check(doctor);
	json_close_array(&doctor->json);
	json_key(&doctor->json, "counts");
	json_open_object(&doctor->json);
	for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
		json_add_uint(&doctor->json, verdicts[i].word, doctor->count[i]);
	}
	json_close_object(&doctor->json);
	json_close_object(&doctor->json);
	json_newline(&doctor->json);
	if (!doctor->json.oom)
		fwrite(doctor->json.data, 1, doctor->json.len, doctor->out);
}

void
doctor_collect(struct doctor *ret, const char *bdf)
{
	*ret = (struct doctor){ .as_json = true, .bdf = bdf };
	json_open_array(&ret->json);
	doctor_kernel(ret);
	doctor_iommus(ret);
	doctor_groups(ret);
	doctor_limits(ret);
	doctor_tracing(ret);
	doctor_device(ret);
	doctor_vfio(ret);
	doctor_log(ret);
	close_check(ret);
	json_close_array(&ret->json);
}

void
doctor_record(struct record_writer *record)
{
	struct doctor doctor;

	doctor_collect(&doctor, NULL);
	record_doctor(record, &doctor.json);
	json_free(&doctor.json);
}

int
doctor_end(struct doctor *doctor)
{
	const unsigned *count = doctor->count;
	bool oom;

	if (doctor->as_json)
		print_json(doctor);
	else
		fprintf(doctor->out, "\n%u ok, %u warn, %u FAIL, %u skip\n", count[VERDICT_OK],
			count[VERDICT_WARN], count[VERDICT_FAIL], count[VERDICT_SKIP]);
	oom = doctor->json.oom;
	json_free(&doctor->json);
	if (oom || fflush(doctor->out) != 0 || ferror(doctor->out)) {
		probe_say("cannot write the report");
		return PROBE_EXIT_FAILED;
	}
	return count[VERDICT_FAIL] ? PROBE_EXIT_FINDING : PROBE_EXIT_OK;
}
