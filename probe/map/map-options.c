/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "map/map-options.h"

#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "base/report.h"
#include "map/backend.h"
#include "out/output.h"

enum {
	COUNT_MAX = 1 << 22,
	HOLD_MAX = 10 * 365 * 24 * 3600,
};

static const char help[] =
	"Usage: viommu-probe map BDF [OPTION]...\n"
	"\n"
	"Makes DMA mappings for the device BDF (00:04.0) through VFIO, writes a record\n"
	"of them, holds them until stdin ends, a signal comes or --hold is over, and\n"
	"then unmaps them. Run it as root inside the guest.\n"
	"\n"
	"With none of the options of shape, a set that exercises what can go wrong:\n"
	"single pages of each permission, scattered pages, huge pages, the lowest and\n"
	"the highest IOVA, both sides of each hole, boundaries of 2 MiB, 1 and 4 GiB.\n"
	"\n"
	"Shape (each of these leaves the default set):\n"
	"      --size SIZE     size of each mapping: 64k, 2m, 0x10000     [16 pages]\n"
	"      --page 4k|2m|1g page size of the memory behind it                [4k]\n"
	"      --count N       how many mappings                                 [1]\n"
	"      --iova ADDR     IOVA of the first one                    [0x40000000]\n"
	"      --prot r|w|rw   what the device may do                           [rw]\n"
	"Other options:\n"
	"      --seed N        places what is random: the same seed, the same places [1];\n"
	"                      with a shape: random gaps between the mappings\n"
	"      --backend KIND  vfio: group and type1 container; iommufd: VFIO's character\n"
	"                      device and /dev/iommu                            [vfio]\n"
	"      --bind          bind the device to vfio-pci first; put the old driver back\n"
	"      --unmap-half    unmap every second mapping again before holding the rest\n"
	"      --no-doctor     leave out what viommu-probe doctor finds\n"
	"      --invalidations record what the kernel tells the IOMMU to forget, too\n"
	"      --hold SECONDS  hold them so long and do not look at stdin\n"
	"  -o, --output FILE   where the record goes: a new file, a virtio-serial port,\n"
	"                      vsock:CID:PORT (CID 2 is the host), or - for stdout   [-]\n"
	"      --force         overwrite FILE\n"
	"  -h, --help   -V, --version\n"
	"\n"
	"  viommu-probe map 00:04.0 --bind -o record.jsonl\n"
	"  viommu-probe map 00:04.0 --page 2m --size 8m --iova 0x80000000 --hold 60\n";

enum {
	OPT_SIZE = 256,
	OPT_PAGE,
	OPT_COUNT,
	OPT_SEED,
	OPT_IOVA,
	OPT_PROT,
	OPT_BACKEND,
	OPT_BIND,
	OPT_HOLD,
	OPT_UNMAP_HALF,
	OPT_INVALIDATIONS,
	OPT_NO_DOCTOR,
	OPT_FORCE,
};

static const struct option long_options[] = {
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "page", required_argument, NULL, OPT_PAGE },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "iova", required_argument, NULL, OPT_IOVA },
	{ "prot", required_argument, NULL, OPT_PROT },
	{ "backend", required_argument, NULL, OPT_BACKEND },
	{ "bind", no_argument, NULL, OPT_BIND },
	{ "hold", required_argument, NULL, OPT_HOLD },
	{ "unmap-half", no_argument, NULL, OPT_UNMAP_HALF },
	{ "invalidations", no_argument, NULL, OPT_INVALIDATIONS },
	{ "no-doctor", no_argument, NULL, OPT_NO_DOCTOR },
	{ "output", required_argument, NULL, 'o' },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

/* What is wrong with OPTION's argument, or NULL. */
static const char *
take_shape(struct map_options *options, int option, const char *arg)
{
	struct pattern_shape *shape = &options->shape;

	options->shaped = true;
	switch (option) {
	case OPT_SIZE:
		if (!parse_size(arg, &shape->size) || shape->size == 0)
			return "--size wants a size such as 64k, 2m or 0x10000";
		return NULL;
	case OPT_PAGE:
		return parse_page_size(arg, &shape->page_size) ? NULL : "--page wants 4k, 2m or 1g";
	case OPT_COUNT:
		if (!parse_uint(arg, &shape->count) || shape->count == 0 || shape->count > COUNT_MAX)
			return "--count wants a number from 1 to 4194304";
		return NULL;
	case OPT_IOVA:
		if (!parse_uint(arg, &shape->iova) || shape->iova & ~VIOMMU_PAGE_MASK)
			return "--iova wants an address that is a multiple of 0x1000, such as 0x40000000";
		return NULL;
	default:
		return parse_prot(arg, &shape->prot) ? NULL : "--prot wants r, w or rw";
	}
}

static const char *
take_option(void *ret, int option, const char *arg)
{
	struct map_options *options = ret;
	switch (option) {
	case OPT_SEED:
		options->shape.spaced = true;
		return parse_uint(arg, &options->seed) ? NULL : "--seed wants a number";
	case OPT_HOLD:
		options->hold_given = true;
		if (!parse_uint(arg, &options->hold_seconds) || options->hold_seconds > HOLD_MAX)
			return "--hold wants a whole number of seconds, at most ten years";
		return NULL;
	case OPT_BACKEND:
		options->backend = backend_find(arg);
		return options->backend != NULL ? NULL : "--backend wants vfio or iommufd";
	case OPT_BIND:
		options->bind = true;
		return NULL;
	case OPT_UNMAP_HALF:
		options->unmap_half = true;
		return NULL;
	case OPT_INVALIDATIONS:
		options->invalidations = true;
		return NULL;
	case OPT_NO_DOCTOR:
		options->doctor = false;
		return NULL;
	case OPT_FORCE:
		options->force = true;
		return NULL;
	case 'o':
		options->output = arg;
		return output_wrong(arg);
	default:
		return take_shape(options, option, arg);
	}
}

static bool
usage(const char *text)
{
	probe_say("%s; see viommu-probe map --help", text);
	return false;
}

static bool
check(struct map_options *options, int argc, char **argv)
{
	struct pattern_shape *shape = &options->shape;

	if (optind == argc)
		return usage("name the device, as in: viommu-probe map 00:04.0");
	if (optind + 1 < argc) {
		probe_say(
			"one device at a time: what is '%s'? See viommu-probe map --help", argv[optind + 1]);
		return false;
	}
	if (!parse_bdf(argv[optind], options->bdf)) {
		probe_say("'%s' is not a PCI address such as 00:04.0 or 0000:00:04.0", argv[optind]);
		return false;
	}
	if (shape->size == 0)
		shape->size = shape->page_size == PAGE_4K ? 16 * PAGE_4K : shape->page_size;
	if (shape->size & (shape->page_size - 1))
		return usage("--size has to be a multiple of --page");
	if (shape->count > UINT64_MAX / shape->size)
		return usage("--count times --size is more than 2^64 bytes");
	return true;
}

static const struct option_parser parser = { "map", help, ":o:hV", long_options, take_option };

bool
map_options_parse(struct map_options *ret, int argc, char **argv, int *status)
{
	*ret = (struct map_options){
		.doctor = true,
		.shape = { .page_size = PAGE_4K,
			.count = 1,
			.iova = 0x40000000,
			.prot = DMA_PROT_READ | DMA_PROT_WRITE },
		.seed = 1,
		.backend = &backend_vfio,
		.output = "-",
	};
	if (!options_parse(&parser, ret, argc, argv, status))
		return false;
	return check(ret, argc, argv);
}
