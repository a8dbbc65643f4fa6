/* SPDX-License-Identifier: GPL-2.0-or-later */
/* viommu-probe trace: see trace-options.c for what it offers. */
#include <stddef.h>

#include "base/signals.h"
#include "doctor/doctor.h"
#include "probe.h"
#include "trace/trace-options.h"
#include "trace/trace-run.h"

int
cmd_trace(int argc, char **argv)
{
	struct trace_options options;
	int status;

	if (!trace_options_parse(&options, argc, argv, &status))
		return status;
	signals_install();
	return trace_run(&options, options.doctor ? doctor_record : NULL);
}
