/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

int
probe_fail(struct probe_error *error, int err, const char *format, ...)
{
	va_list ap;

	error->err = err;
	va_start(ap, format);
	vsnprintf(error->text, sizeof error->text, format, ap);
	va_end(ap);
	return -1;
}

int
probe_print(const char *text)
{
	if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
		return PROBE_EXIT_OK;
	probe_say("cannot write to stdout: %s", strerror(errno));
	return PROBE_EXIT_FAILED;
}

void
probe_say(const char *format, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	text_make_printable(text, 1);
	fprintf(stderr, "viommu-probe: %s\n", text);
}
