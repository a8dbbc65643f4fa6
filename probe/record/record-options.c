/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/record-options.h"

#include <stdint.h>
#include <string.h>

#include "base/options.h"
#include "base/report.h"
#include "out/output.h"
#include "sys/parse.h"

#define OUTPUT_DEFAULT "record.jsonl"
#define BUFFER_DEFAULT ((size_t) 16 << 20)
#define BUFFER_MIN ((uint64_t) 1 << 16)
#define BUFFER_MAX ((uint64_t) 1 << 32)

static const char help[] =
	"Usage: viommu-probe record [OPTION]... -- COMMAND [ARGUMENT]...\n"
	"       viommu-probe record [OPTION]... --pid PID\n"
	"\n"
	"Runs COMMAND and records every VFIO and iommufd mapping that it makes, with\n"
	"all its threads and children, whatever it is written in. The program is\n"
	"stopped at those ioctls only. It keeps its stdin, its signals, its place in\n"
	"the shell's jobs and its exit status (128 + the signal that killed it).\n"
	"Run it as root: others do not see guest-physical addresses, and setuid\n"
	"programs gain nothing while they are traced.\n"
	"\n"
	"Do not kill -9 it: the ioctls of the program fail with ENOSYS from then on.\n"
	"\n"
	"      --pid PID       a program that runs already, until it ends or a signal\n"
	"                      comes (it runs on). Slower: each system call stops\n"
	"  -o, --output FILE   where the record goes: a new file, a virtio-serial port,\n"
	"                      vsock:CID:PORT (CID 2 is the host), or - for stdout,\n"
	"                      which the program has too             [" OUTPUT_DEFAULT "]\n"
	"      --force         overwrite FILE\n"
	"      --buffer SIZE   what may wait for a slow reader; more is lost     [16m]\n"
	"      --no-doctor     leave out what viommu-probe doctor finds\n"
	"  -h, --help   -V, --version\n"
	"\n"
	"  viommu-probe record -- qemu-system-x86_64 -device vfio-pci,host=00:04.0 ...\n"
	"  viommu-probe record -o /dev/virtio-ports/record --pid $(pidof dpdk-testpmd)\n";

enum {
	OPT_PID = 256,
	OPT_NO_DOCTOR,
	OPT_FORCE,
	OPT_BUFFER,
};

static const struct option long_options[] = {
	{ "pid", required_argument, NULL, OPT_PID },
	{ "output", required_argument, NULL, 'o' },
	{ "no-doctor", no_argument, NULL, OPT_NO_DOCTOR },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "buffer", required_argument, NULL, OPT_BUFFER },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

/* What is wrong with OPTION's argument, or NULL. */
static const char *
take_option(void *ret, int option, const char *arg)
{
	struct record_options *options = ret;
	uint64_t number;

	switch (option) {
	case OPT_PID:
		if (!parse_uint(arg, &number) || number == 0 || number > INT32_MAX)
			return "--pid wants the number of a process";
		options->pid = (pid_t) number;
		return NULL;
	case OPT_BUFFER:
		if (!parse_size(arg, &number) || number < BUFFER_MIN || number > BUFFER_MAX)
			return "--buffer wants a size from 64k to 4g";
		options->buffer = (size_t) number;
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
check(struct record_options *options, int argc, char **argv)
{
	if (optind < argc && options->pid != 0) {
		probe_say("--pid and a command ('%s') do not go together; see viommu-probe record --help",
			argv[optind]);
		return false;
	}
	if (optind == argc && options->pid == 0) {
		probe_say("name the program to run, after --, or give --pid; see viommu-probe record --help");
		return false;
	}
	options->argv = argv + optind;
	return true;
}

/* '+': the options after the program's name are the program's. */
static const struct option_parser parser = { "record", help, "+:o:hV", long_options, take_option };

bool
record_options_parse(struct record_options *ret, int argc, char **argv, int *status)
{
	*ret = (struct record_options){ .output = OUTPUT_DEFAULT, .buffer = BUFFER_DEFAULT, .doctor = true };
	if (!options_parse(&parser, ret, argc, argv, status))
		return false;
	return check(ret, argc, argv);
}
