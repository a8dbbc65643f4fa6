/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-options.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>

#include "base/options.h"
#include "base/report.h"
#include "out/output.h"
#include "sys/parse.h"

enum {
	SECONDS_MAX = 10 * 365 * 24 * 3600,
	BUFFER_KIB_MAX = 16 << 20,
};

static const char help[] =
	"Usage: viommu-probe trace [OPTION]... [-- COMMAND [ARGUMENT]...]\n"
	"\n"
	"Records every IOMMU mapping that is made in this guest, by any program or\n"
	"driver, from the kernel's iommu tracepoints, and which devices each reaches as\n"
	"far as that can be told. Run it as root inside the guest. It ends with a signal\n"
	"(Ctrl-C), with COMMAND, with the process of --pid, or after --seconds.\n"
	"\n"
	"      --pid N         only what process N maps (not its children)\n"
	"      --seconds S     stop after S seconds\n"
	"      --buffer SIZE   trace buffer for each CPU: 4m, 512k                  [16m,\n"
	"                      less if memory is short]\n"
	"      --no-invalidations\n"
	"                      leave out what the kernel tells the IOMMU to forget\n"
	"      --no-doctor     leave out what viommu-probe doctor finds\n"
	"  -o, --output FILE   where the record goes: a new file, a virtio-serial port,\n"
	"                      vsock:CID:PORT (CID 2 is the host), or - for stdout   [-]\n"
	"      --force         overwrite FILE\n"
	"  -h, --help   -V, --version\n"
	"\n"
	"  viommu-probe trace -o record.jsonl\n"
	"  viommu-probe trace -o record.jsonl -- qemu-system-x86_64 ...\n"
	"  viommu-probe trace --pid $(pidof qemu-system-x86_64) -o record.jsonl\n";

enum {
	OPT_PID = 256,
	OPT_SECONDS,
	OPT_BUFFER,
	OPT_NO_INVALIDATIONS,
	OPT_NO_DOCTOR,
	OPT_FORCE,
};

static const struct option long_options[] = {
	{ "pid", required_argument, NULL, OPT_PID },
	{ "seconds", required_argument, NULL, OPT_SECONDS },
	{ "buffer", required_argument, NULL, OPT_BUFFER },
	{ "no-invalidations", no_argument, NULL, OPT_NO_INVALIDATIONS },
	{ "output", required_argument, NULL, 'o' },
	{ "no-doctor", no_argument, NULL, OPT_NO_DOCTOR },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

/* What is wrong with OPTION's argument, or NULL. */
static const char *
take_option(void *ret, int option, const char *arg)
{
	struct trace_options *options = ret;
	uint64_t number;

	switch (option) {
	case OPT_PID:
		if (!parse_uint(arg, &number) || number == 0 || number > INT_MAX)
			return "--pid wants the number of a process";
		options->pid = (int) number;
		return NULL;
	case OPT_SECONDS:
		options->seconds_given = true;
		if (!parse_uint(arg, &options->seconds) || options->seconds == 0 ||
			options->seconds > SECONDS_MAX)
			return "--seconds wants a whole number from 1 on";
		return NULL;
	case OPT_BUFFER:
		if (!parse_size(arg, &number) || number < 65536 || number >> 10 > BUFFER_KIB_MAX)
			return "--buffer wants a size from 64k to 16g";
		options->buffer_kib = number >> 10;
		return NULL;
	case OPT_NO_INVALIDATIONS:
		options->invalidations = false;
		return NULL;
	case OPT_NO_DOCTOR:
		options->doctor = false;
		return NULL;
	case OPT_FORCE:
		options->force = true;
		return NULL;
	default:
		options->output = arg;
		return output_wrong(arg);
	}
}

static bool
check(struct trace_options *options, int argc, char **argv)
{
	if (optind < argc) {
		if (strcmp(argv[optind - 1], "--") != 0) {
			probe_say("what is '%s'? A command comes after --; see viommu-probe trace --help",
				argv[optind]);
			return false;
		}
		options->command = argv + optind;
	}
	if (options->command != NULL && options->pid != 0) {
		probe_say("--pid and a command do not go together; see viommu-probe trace --help");
		return false;
	}
	if (options->command != NULL && strcmp(options->output, "-") == 0) {
		probe_say("the command has stdout for itself: give the record a file with -o FILE");
		return false;
	}
	if (options->pid != 0 && kill(options->pid, 0) < 0 && errno == ESRCH) {
		probe_say("there is no process %d", options->pid);
		return false;
	}
	return true;
}

/* '+': the options after the program's name are the program's. */
static const struct option_parser parser = { "trace", help, "+:o:hV", long_options, take_option };

bool
trace_options_parse(struct trace_options *ret, int argc, char **argv, int *status)
{
	*ret = (struct trace_options){ .output = "-", .invalidations = true, .doctor = true };
	if (!options_parse(&parser, ret, argc, argv, status))
		return false;
	if (!check(ret, argc, argv)) {
		/* A process that is gone is no mistake of the command line. */
		if (ret->pid != 0 && ret->command == NULL && optind == argc)
			*status = PROBE_EXIT_FAILED;
		return false;
	}
	return true;
}
