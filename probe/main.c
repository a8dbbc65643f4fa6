/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <string.h>

#include "base/report.h"
#include "probe.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{ "doctor", cmd_doctor, "check whether this guest can map DMA, and say what is wrong" },
	{ "explain", cmd_explain, "say what an errno of VFIO or iommufd means" },
	{ "map", cmd_map, "make test mappings, record them, hold them" },
	{ "record", cmd_record, "record the mappings of any program" },
	{ "trace", cmd_trace, "record every mapping in the system, from the kernel's tracepoints" },
};

static int
print_help(void)
{
	puts("Usage: viommu-probe COMMAND [OPTION]...\n"
	     "\n"
	     "Runs inside a guest (L1) that has a vIOMMU. What it records is compared on\n"
	     "the host with what the vIOMMU really translates, by `viommu verify`.\n"
	     "\n"
	     "Commands:");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		printf("  %-8s  %s\n", commands[i].name, commands[i].summary);
	return probe_print("\n"
			   "  viommu-probe doctor 00:04.0\n"
			   "  viommu-probe map 00:04.0 --bind -o /dev/virtio-ports/record\n"
			   "  viommu-probe COMMAND --help\n"
			   "\n"
			   "Exit status: 0 fine, 1 it could not be done, 2 wrong usage, 3 doctor: FAIL.\n"
			   "See viommu-probe(1).\n");
}

int
main(int argc, char **argv)
{
	if (argc < 2) {
		probe_say("name a command, such as map or doctor; see viommu-probe --help");
		return PROBE_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		return print_help();
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		return probe_print("viommu-probe " VIOMMU_VERSION "\n");
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	probe_say("there is no command '%s'; see viommu-probe --help", argv[1]);
	return PROBE_EXIT_USAGE;
}
