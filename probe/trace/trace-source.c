/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-source.h"

#include <errno.h>
#include <inttypes.h>
#include <kbuffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tracefs.h>
#include <unistd.h>

#include "trace/trace-format.h"
#include "trace/trace-instance.h"

enum { PAGES_AT_ONCE = 256 }; /* of one CPU, so that none waits for ever */

struct trace_cpu {
	unsigned number;
	struct tracefs_cpu *file;
	struct kbuffer *buffer;
	void *page;
	uint64_t last_ns;
	uint64_t told_lost;
};

struct trace_source {
	struct tracefs_instance *instance;
	struct trace_format *format;
	struct trace_cpu *cpu;
	size_t n_cpus;
	char lacks[512];
};

static void
note_lack(struct trace_source *source, const char *event, const char *why)
{
	const size_t len = strlen(source->lacks);

	snprintf(source->lacks + len, sizeof source->lacks - len, "%sno %s: %s", len ? "; " : "", event, why);
}

/* Before the event is switched on, so that nothing else gets into the buffer. */
static int
narrow(struct trace_source *source, const struct trace_wanted *wanted, int only_thread)
{
	/* The ioctls of VFIO and iommufd (_IO(';', …)) and not those of everyone, nor the
	 * two that only ask (0x3b64 and 0x3b65). */
	char filter[48] = "cmd >= 0x3b66 && cmd <= 0x3bff";

	if (only_thread == 0 && wanted->kind != TRACE_CALL)
		return 0;
	if (only_thread != 0)
		snprintf(filter, sizeof filter, "common_pid == %d", only_thread);
	return tracefs_event_file_write(source->instance, wanted->system, wanted->event, "filter", filter);
}

static int
learn(struct trace_source *source, const struct trace_wanted *wanted, int only_thread,
	struct probe_error *error)
{
	char *text = tracefs_event_file_read(source->instance, wanted->system, wanted->event, "format", NULL);
	const bool known =
		text != NULL && trace_format_add(source->format, wanted->system, wanted->event, text) == 0;

	free(text);
	if (!known && wanted->need == TRACE_NEEDED)
		return probe_fail(error, ENOENT,
			"this kernel has no %s:%s tracepoint that we can read; it needs Linux 3.13 or later "
			"with "
			"CONFIG_IOMMU_API and CONFIG_TRACING",
			wanted->system, wanted->event);
	if (!known)
		return 0;
	if (narrow(source, wanted, only_thread) < 0)
		return 0;
	if (tracefs_event_enable(source->instance, wanted->system, wanted->event) == 0)
		return 1;
	if (wanted->need != TRACE_NEEDED)
		return 0;
	return probe_fail(error, errno, "cannot switch on the tracepoint %s:%s: %s", wanted->system,
		wanted->event, strerror(errno));
}

static int
learn_all(struct trace_source *source, const struct trace_source_options *options, struct probe_error *error)
{
	bool calls = false, submits = false;

	source->format = trace_format_new();
	if (source->format == NULL)
		return probe_fail(error, ENOMEM, "out of memory");
	for (const struct trace_wanted *wanted = trace_wanted; wanted->system != NULL; wanted++) {
		int ret;

		if (wanted->need == TRACE_INVALIDATION ? !options->invalidations : options->only_thread != 0)
			continue;
		ret = learn(source, wanted, options->only_thread, error);
		if (ret < 0)
			return -1;
		calls |= ret > 0 && wanted->kind == TRACE_RETURN;
		submits |= ret > 0 && wanted->kind == TRACE_QI;
	}
	if (options->only_thread != 0)
		return submits ? 0
			       : probe_fail(error, ENOENT,
					 "this kernel has no intel_iommu:qi_submit tracepoint that we can "
					 "use "
					 "(Linux 6.1 and later have it, with CONFIG_INTEL_IOMMU and "
					 "CONFIG_TRACING)");
	if (options->invalidations && !submits)
		note_lack(source, "intel_iommu:qi_submit", "what was announced to the IOMMU is not known");
	if (!calls)
		note_lack(source, "syscalls:sys_exit_ioctl",
			"which mappings are those of a VFIO program is not known (CONFIG_FTRACE_SYSCALLS)");
	return 0;
}

static int
open_cpu(struct trace_source *source, unsigned number, struct probe_error *error)
{
	struct trace_cpu *cpu = &source->cpu[source->n_cpus];
	const int one = 1, fd = trace_instance_open_cpu(source->instance, number);

	*cpu = (struct trace_cpu){ .number = number };
	cpu->file = fd >= 0 ? tracefs_cpu_alloc_fd(fd, (int) sysconf(_SC_PAGESIZE), true) : NULL;
	if (cpu->file == NULL)
		return probe_fail(
			error, errno, "cannot open the trace buffer of CPU %u: %s", number, strerror(errno));
	source->n_cpus++;
	cpu->page = malloc((size_t) tracefs_cpu_read_size(cpu->file));
	cpu->buffer = kbuffer_alloc(sizeof(long) == 8 ? KBUFFER_LSIZE_8 : KBUFFER_LSIZE_4,
		*(const char *) &one ? KBUFFER_ENDIAN_LITTLE : KBUFFER_ENDIAN_BIG);
	return cpu->page != NULL && cpu->buffer != NULL ? 0 : probe_fail(error, ENOMEM, "out of memory");
}

static int
open_cpus(struct trace_source *source, struct probe_error *error)
{
	const long n = sysconf(_SC_NPROCESSORS_CONF);

	source->cpu = calloc(n > 0 ? (size_t) n : 1, sizeof *source->cpu);
	if (source->cpu == NULL)
		return probe_fail(error, ENOMEM, "out of memory");
	for (long i = 0; i < n; i++)
		if (open_cpu(source, (unsigned) i, error) < 0 && error->err != ENOENT)
			return -1;
	return source->n_cpus > 0 ? 0 : probe_fail(error, 0, "the trace instance has no buffers");
}

struct trace_source *
trace_source_open(const struct trace_source_options *options, struct probe_error *error)
{
	struct trace_source *source = calloc(1, sizeof *source);

	if (source == NULL) {
		(void) probe_fail(error, ENOMEM, "out of memory");
		return NULL;
	}
	source->instance = trace_instance_new(options->buffer_kib, error);
	/* The buffers are opened first: an instance with an open file cannot be
	 * removed by the next trace, which might take us for dead. */
	if (source->instance == NULL || open_cpus(source, error) < 0 ||
		learn_all(source, options, error) < 0) {
		trace_source_close(source);
		return NULL;
	}
	return source;
}

static int
hand_out_page(struct trace_source *source, struct trace_cpu *cpu, trace_event_fn *fn, void *data)
{
	unsigned long long ns = 0;
	int n = 0, missed;
	void *record;

	if (kbuffer_load_subbuffer(cpu->buffer, cpu->page) < 0)
		return 0;
	missed = kbuffer_missed_events(cpu->buffer);
	record = kbuffer_read_event(cpu->buffer, &ns);
	if (missed != 0) {
		const struct trace_event lost = { .kind = TRACE_LOST,
			.cpu = (uint16_t) cpu->number,
			.ns = record != NULL ? ns : cpu->last_ns,
			.lost = missed > 0 ? (uint64_t) missed : 0 };

		cpu->told_lost += lost.lost;
		fn(&lost, data);
	}
	for (; record != NULL; record = kbuffer_next_event(cpu->buffer, &ns)) {
		cpu->last_ns = ns;
		(void) trace_format_decode(source->format, cpu->number, ns, record,
			(size_t) kbuffer_event_size(cpu->buffer), fn, data);
		n++;
	}
	return n;
}

int
trace_source_read(struct trace_source *source, trace_event_fn *fn, void *data, uint64_t *until,
	struct probe_error *error)
{
	struct timespec now = { 0 };
	int n = 0;

	clock_gettime(CLOCK_MONOTONIC, &now);
	*until = (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
	for (size_t i = 0; i < source->n_cpus; i++) {
		struct trace_cpu *cpu = &source->cpu[i];
		int pages = 0, got = 1;

		while (pages < PAGES_AT_ONCE && (got = tracefs_cpu_read(cpu->file, cpu->page, true)) > 0) {
			n += hand_out_page(source, cpu, fn, data);
			pages++;
		}
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return probe_fail(error, errno, "cannot read the trace buffer of CPU %u: %s",
				cpu->number, strerror(errno));
		/* There is more, later than what we have. */
		if (got > 0 && cpu->last_ns < *until)
			*until = cpu->last_ns;
	}
	return n;
}

int
trace_source_start(struct trace_source *source, struct probe_error *error)
{
	if (tracefs_instance_file_write(source->instance, "tracing_on", "1") >= 0)
		return 0;
	return probe_fail(error, errno, "cannot switch tracing on: %s", strerror(errno));
}

void
trace_source_stop(struct trace_source *source)
{
	(void) tracefs_instance_file_write(source->instance, "tracing_on", "0");
}

uint64_t
trace_source_untold(const struct trace_source *source)
{
	uint64_t untold = 0;

	for (size_t i = 0; i < source->n_cpus; i++) {
		const uint64_t lost = trace_instance_lost(source->instance, source->cpu[i].number);

		if (lost > source->cpu[i].told_lost)
			untold += lost - source->cpu[i].told_lost;
	}
	return untold;
}

const char *
trace_source_lacks(const struct trace_source *source)
{
	return source->lacks;
}

void
trace_source_close(struct trace_source *source)
{
	for (size_t i = 0; i < source->n_cpus; i++) {
		tracefs_cpu_close(source->cpu[i].file);
		if (source->cpu[i].buffer != NULL)
			kbuffer_free(source->cpu[i].buffer);
		free(source->cpu[i].page);
	}
	free(source->cpu);
	trace_format_free(source->format);
	trace_instance_free(source->instance);
	free(source);
}
