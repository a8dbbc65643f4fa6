/* SPDX-License-Identifier: GPL-2.0-or-later */
/* viommu-probe doctor: the guest's side of the configuration, check by check. */
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "base/report.h"
#include "doctor/doctor.h"
#include "probe.h"
#include "sys/parse.h"

static const char help[] = "Usage: viommu-probe doctor [OPTION]... [BDF]\n"
			   "\n"
			   "Checks, from inside the guest, what DMA mappings through a vIOMMU stand on: the\n"
			   "kernel command line, the IOMMU and its registers (caching mode first), the\n"
			   "groups, VFIO and its modules, the limits, the kernel's log. With BDF (00:04.0)\n"
			   "also that device; if it is bound to vfio-pci and free, one page is mapped and\n"
			   "unmapped, and the answers of the ioctls are explained, ENOTTY from\n"
			   "VFIO_IOMMU_ENABLE among them. Nothing else is changed. What needs root is\n"
			   "skipped without it.\n"
			   "\n"
			   "Each check says ok, warn (works, or may), FAIL (mappings cannot work) or skip,\n"
			   "what was seen, and what to do.\n"
			   "\n"
			   "      --format text|json\n"
			   "  -h, --help   -V, --version\n"
			   "\n"
			   "  viommu-probe doctor\n"
			   "  viommu-probe doctor 00:04.0\n"
			   "\n"
			   "Exit status: 0 no FAIL, 3 a check says FAIL, 1 the report cannot be written,\n"
			   "2 wrong usage.\n";

static const struct option long_options[] = {
	{ "format", required_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static const char *
take_option(void *ret, int option, const char *arg)
{
	bool *as_json = ret;

	(void) option;
	*as_json = strcmp(arg, "json") == 0;
	return *as_json || strcmp(arg, "text") == 0 ? NULL : "--format wants text or json";
}

static const struct option_parser parser = { "doctor", help, ":hV", long_options, take_option };

static int
examine(const char *bdf, bool as_json)
{
	struct doctor doctor;

	doctor_begin(&doctor, stdout, as_json, bdf);
	doctor_kernel(&doctor);
	doctor_iommus(&doctor);
	doctor_groups(&doctor);
	doctor_limits(&doctor);
	doctor_tracing(&doctor);
	doctor_device(&doctor);
	doctor_vfio(&doctor);
	doctor_trial(&doctor);
	doctor_log(&doctor);
	return doctor_end(&doctor);
}

int
cmd_doctor(int argc, char **argv)
{
	char bdf[PCI_BDF_LEN];
	bool as_json = false;
	int status;

	if (!options_parse(&parser, &as_json, argc, argv, &status))
		return status;
	if (optind == argc)
		return examine(NULL, as_json);
	if (optind + 1 < argc) {
		probe_say("one device at a time: what is '%s'? See viommu-probe doctor --help",
			argv[optind + 1]);
		return PROBE_EXIT_USAGE;
	}
	if (!parse_bdf(argv[optind], bdf)) {
		probe_say("'%s' is not a PCI address such as 00:04.0 or 0000:00:04.0", argv[optind]);
		return PROBE_EXIT_USAGE;
	}
	return examine(bdf, as_json);
}
