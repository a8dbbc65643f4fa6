/* SPDX-License-Identifier: GPL-2.0-or-later */
/* viommu-probe explain: what an errno of VFIO or iommufd means. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "base/report.h"
#include "base/wrap.h"
#include "probe.h"
#include "sys/errno-table.h"
#include "sys/errno-text.h"
#include "sys/parse.h"
#include "sys/proc.h"
#include "sys/sysfs.h"

enum { INDENT = 2, LABEL = 14, CONTAINERS_MAX = 64 };

static const char help[] =
	"Usage: viommu-probe explain CALL [ERRNO] [--pid N]\n"
	"\n"
	"Says what it means when a call of VFIO or iommufd fails, and what to do. Needs\n"
	"no vIOMMU and no root. CALL is the name of the ioctl, with or without VFIO_, or\n"
	"what was opened; ERRNO is a name, a number, or the text that strerror() gives.\n"
	"Without ERRNO: all that CALL is known to return. Without CALL: the calls.\n"
	"\n"
	"      --pid N         for ENOSPC of MAP_DMA: how many mappings the containers of\n"
	"                      process N have, and the limit (as root)\n"
	"  -h, --help   -V, --version\n"
	"\n"
	"  viommu-probe explain VFIO_IOMMU_ENABLE ENOTTY\n"
	"  viommu-probe explain map_dma 28 --pid $(pidof qemu-system-x86_64)\n"
	"  viommu-probe explain open /dev/vfio/12 EBUSY\n";

enum { OPT_PID = 256 };

static const struct option long_options[] = {
	{ "pid", required_argument, NULL, OPT_PID },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

struct request {
	const char *call, *err;
	int pid;
};

static void
print_labelled(const char *label, const char *text)
{
	printf("%*s%-*s", INDENT, "", LABEL - INDENT, label);
	print_wrapped(stdout, text, LABEL, LABEL);
}

static void
print_more(const char *more)
{
	char line[1024];

	for (const char *at = more; *at; at += strspn(at, "\n")) {
		const size_t len = strcspn(at, "\n");

		snprintf(line, sizeof line, "%.*s", (int) len, at);
		print_labelled(at == more ? "also" : "", line);
		at += len;
	}
}

static void
print_meaning(const struct errno_meaning *meaning)
{
	printf("%s: %s (%d, \"%s\")\n", errno_call_name(meaning->call), errno_name(meaning->err),
		meaning->err, strerror(meaning->err));
	print_labelled("why", meaning->why);
	print_labelled("what to do", meaning->todo);
	if (meaning->more != NULL)
		print_more(meaning->more);
}

/* The mappings of a process against the limit. */
static int
print_count(int pid)
{
	struct proc_container container[CONTAINERS_MAX];
	const int n = proc_containers(pid, container, CONTAINERS_MAX);
	char text[256], number[32];
	uint64_t limit = 0;

	if (n < 0) {
		probe_say("cannot look at the files of process %d: %s%s", pid, strerror(-n),
			n == -EACCES ? "; run as root" : "");
		return PROBE_EXIT_FAILED;
	}
	if (sysfs_read("/module/vfio_iommu_type1/parameters/dma_entry_limit", number, sizeof number) < 0 ||
		!sysfs_number(number, 10, &limit))
		limit = 0;
	if (n == 0)
		print_labelled("now", "the process holds no VFIO container");
	for (int i = 0; i < n; i++) {
		const int64_t left = container[i].available;

		if (left < 0)
			snprintf(text, sizeof text,
				"the kernel does not tell about the container that is file %d (it does from "
				"Linux "
				"5.10 on, to root)",
				container[i].fd);
		else if (limit == 0 || (uint64_t) left > limit)
			snprintf(text, sizeof text,
				"the container that is file %d takes %" PRId64 " mappings more",
				container[i].fd, left);
		else
			snprintf(text, sizeof text,
				"the container that is file %d has %" PRIu64 " mappings of %" PRIu64
				", and takes %" PRId64 " more, if the limit was the same when it was opened",
				container[i].fd, limit - (uint64_t) left, limit, left);
		print_labelled(i == 0 ? "now" : "", text);
	}
	return PROBE_EXIT_OK;
}

static int
finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	probe_say("cannot write to stdout: %s", strerror(errno));
	return PROBE_EXIT_FAILED;
}

static int
list_calls(void)
{
	puts("viommu-probe explain knows these calls:");
	for (unsigned call = 0; call < ERRNO_CALLS; call++) {
		const struct errno_meaning *row = NULL;

		printf("  %-30s ", errno_call_name((enum errno_call) call));
		while ((row = errno_meaning_next((enum errno_call) call, row)) != NULL)
			printf(" %s", errno_name(row->err));
		putchar('\n');
	}
	return finish(PROBE_EXIT_OK);
}

static int
explain(const struct request *request)
{
	const struct errno_meaning *meaning = NULL;
	int status = PROBE_EXIT_OK, err;
	enum errno_call call;

	if (!errno_call_parse(request->call, &call)) {
		probe_say("'%s' is no call that this program knows; viommu-probe explain lists them",
			request->call);
		return PROBE_EXIT_USAGE;
	}
	if (request->err == NULL) {
		while ((meaning = errno_meaning_next(call, meaning)) != NULL)
			print_meaning(meaning);
		return finish(PROBE_EXIT_OK);
	}
	err = errno_parse(request->err);
	if (err == 0) {
		probe_say("'%s' is no errno such as EBUSY, 16 or \"Device or resource busy\"", request->err);
		return PROBE_EXIT_USAGE;
	}
	meaning = errno_meaning(call, err);
	if (meaning == NULL) {
		probe_say("%s is not known to return %s (%s); see dmesg for what the kernel says, and "
			  "viommu-probe explain %s for what is known",
			errno_call_name(call), errno_name(err), strerror(err), request->call);
		return PROBE_EXIT_FAILED;
	}
	print_meaning(meaning);
	if (request->pid != 0 && call == ERRNO_MAP_DMA && err == ENOSPC)
		status = print_count(request->pid);
	return finish(status);
}

static const char *
take_option(void *ret, int option, const char *arg)
{
	struct request *request = ret;
	uint64_t pid;

	(void) option;
	if (!parse_uint(arg, &pid) || pid == 0 || pid > INT_MAX)
		return "--pid wants the number of a process";
	request->pid = (int) pid;
	return NULL;
}

static const struct option_parser parser = { "explain", help, ":hV", long_options, take_option };

int
cmd_explain(int argc, char **argv)
{
	struct request request = { 0 };
	int status;

	/* "-28" is how an errno is often seen, and no option. */
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && errno_parse(argv[i]) > 0)
			argv[i]++;
	}
	if (!options_parse(&parser, &request, argc, argv, &status))
		return status;
	if (optind < argc && strcmp(argv[optind], "open") == 0 && optind + 1 < argc)
		optind++;
	if (optind == argc)
		return list_calls();
	request.call = argv[optind++];
	request.err = optind < argc ? argv[optind++] : NULL;
	if (optind < argc) {
		probe_say("what is '%s'? Put a text of several words in quotes; see viommu-probe explain "
			  "--help",
			argv[optind]);
		return PROBE_EXIT_USAGE;
	}
	return explain(&request);
}
