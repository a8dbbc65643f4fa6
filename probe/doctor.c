/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "doctor.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"
#include "utf8.h"
#include "wrap.h"

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
doctor_begin(struct doctor *ret, FILE *out)
{
	const char *no_colour = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	*ret = (struct doctor){ .out = out };
	ret->colour = isatty(fileno(out)) && (no_colour == NULL || !no_colour[0]) &&
		      (term == NULL || strcmp(term, "dumb") != 0);
}

void
doctor_section(struct doctor *doctor, const char *title)
{
	fprintf(doctor->out, "\n%s%s%s\n", doctor->colour ? "\033[1m" : "", title,
		doctor->colour ? "\033[0m" : "");
}

void
doctor_check(struct doctor *doctor, enum verdict verdict, const char *name, const char *format, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	text_make_printable(text, 1);
	doctor->count[verdict]++;
	fprintf(doctor->out, "  %s%-4s%s  %-16s  ", doctor->colour ? verdicts[verdict].colour : "",
		verdicts[verdict].word, doctor->colour ? "\033[0m" : "", name);
	print_wrapped(doctor->out, text, 26, 26);
}

void
doctor_more(struct doctor *doctor, const char *format, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	text_make_printable(text, 1);
	fprintf(doctor->out, "%26s", "");
	print_wrapped(doctor->out, text, 26, 26);
}

void
doctor_fix(struct doctor *doctor, const char *format, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	text_make_printable(text, 1);
	fprintf(doctor->out, "%19s fix:  ", "");
	print_wrapped(doctor->out, text, 26, 26);
}

int
doctor_end(struct doctor *doctor)
{
	const unsigned *count = doctor->count;

	fprintf(doctor->out, "\n%u ok, %u warn, %u FAIL, %u skip\n", count[VERDICT_OK], count[VERDICT_WARN],
		count[VERDICT_FAIL], count[VERDICT_SKIP]);
	if (fflush(doctor->out) != 0 || ferror(doctor->out)) {
		probe_say("cannot write the report");
		return PROBE_EXIT_FAILED;
	}
	return count[VERDICT_FAIL] ? PROBE_EXIT_FINDING : PROBE_EXIT_OK;
}
