/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-format.h"

#include <stdlib.h>
#include <string.h>
#include <traceevent/event-parse.h>

#include "sys/parse.h"

enum {
	FIELDS_MAX = 9,
	EVENTS_MAX = 40,
	THREAD_FLAG = 0x00010000,       /* CLONE_THREAD */
	IRQ_FLAGS = 0x08 | 0x10 | 0x40, /* common_flags: hard interrupt, soft interrupt, NMI */
};

const struct trace_wanted trace_wanted[] = {
	{ "iommu", "map", TRACE_MAP, TRACE_NEEDED },
	{ "iommu", "unmap", TRACE_UNMAP, TRACE_NEEDED },
	{ "iommu", "attach_device_to_domain", TRACE_ATTACH, TRACE_NEEDED },
	{ "iommu", "detach_device_from_domain", TRACE_DETACH, TRACE_OPTIONAL }, /* until 6.2 */
	{ "iommu", "add_device_to_group", TRACE_GROUP_ADD, TRACE_OPTIONAL },
	{ "iommu", "remove_device_from_group", TRACE_GROUP_REMOVE, TRACE_OPTIONAL },
	{ "syscalls", "sys_enter_ioctl", TRACE_CALL, TRACE_OPTIONAL },
	{ "syscalls", "sys_exit_ioctl", TRACE_RETURN, TRACE_OPTIONAL },
	{ "task", "task_newtask", TRACE_TASK_NEW, TRACE_OPTIONAL },
	{ "sched", "sched_process_exit", TRACE_TASK_EXIT, TRACE_OPTIONAL },
	{ "dma", "dma_map_page", TRACE_DMA, TRACE_OPTIONAL }, /* the dma events: 6.12 */
	{ "dma", "dma_map_phys", TRACE_DMA, TRACE_OPTIONAL },
	{ "dma", "dma_map_resource", TRACE_DMA, TRACE_OPTIONAL },
	{ "dma", "dma_alloc", TRACE_DMA, TRACE_OPTIONAL },
	{ "dma", "dma_alloc_pages", TRACE_DMA, TRACE_OPTIONAL },
	{ "dma", "dma_alloc_sgt", TRACE_DMA, TRACE_OPTIONAL },
	{ "dma", "dma_map_sg", TRACE_DMA, TRACE_OPTIONAL },
	{ "intel_iommu", "cache_tag_assign", TRACE_TAG, TRACE_OPTIONAL }, /* the cache tags: 6.10 */
	{ "intel_iommu", "cache_tag_flush_range", TRACE_FLUSH, TRACE_INVALIDATION },
	{ "intel_iommu", "cache_tag_flush_range_np", TRACE_FLUSH_NP, TRACE_INVALIDATION },
	{ "intel_iommu", "cache_tag_flush_all", TRACE_FLUSH_ALL, TRACE_INVALIDATION },
	{ "intel_iommu", "qi_submit", TRACE_QI, TRACE_INVALIDATION },
	{ NULL, NULL, TRACE_LOST, TRACE_OPTIONAL },
};

/* The fields of each kind, in the order in which decode_…() takes them; NULL
 * ends them, and a name that begins with '?' may be missing. */
static const char *const field_names[][FIELDS_MAX + 1] = {
	[TRACE_MAP] = { "iova", "paddr", "size" },
	[TRACE_UNMAP] = { "iova", "unmapped_size" },
	[TRACE_ATTACH] = { "device" },
	[TRACE_DETACH] = { "device" },
	[TRACE_GROUP_ADD] = { "device" },
	[TRACE_GROUP_REMOVE] = { "device" },
	[TRACE_DMA] = { "device", "?dma_addr", "?size", "?dir", "?dma_addrs", "?lengths" },
	[TRACE_TAG] = { "iommu", "type", "domain_id", "pasid" },
	[TRACE_FLUSH] = { "iommu", "type", "domain_id", "pasid", "start", "end", "addr", "pages" },
	[TRACE_FLUSH_NP] = { "iommu", "type", "domain_id", "pasid", "start", "end", "addr", "pages" },
	[TRACE_FLUSH_ALL] = { "iommu", "type", "domain_id", "pasid" },
	[TRACE_QI] = { "iommu", "qw0", "qw1", "qw2", "qw3" },
	[TRACE_CALL] = { "fd", "cmd" },
	[TRACE_RETURN] = { "ret" },
	[TRACE_TASK_NEW] = { "pid", "clone_flags" },
	[TRACE_TASK_EXIT] = { NULL },
	[TRACE_LOST] = { NULL },
};

struct learnt {
	enum trace_kind kind;
	int id;
	struct tep_format_field *pid, *flags;
	struct tep_format_field *field[FIELDS_MAX];
};

struct trace_format {
	struct tep_handle *tep;
	struct learnt learnt[EVENTS_MAX];
	size_t n;
};

/* What is being decoded. */
struct source {
	const struct learnt *learnt;
	const char *record;
	size_t size;
};

struct trace_format *
trace_format_new(void)
{
	struct trace_format *format = calloc(1, sizeof *format);

	if (format != NULL)
		format->tep = tep_alloc();
	if (format != NULL && format->tep == NULL) {
		free(format);
		return NULL;
	}
	if (format != NULL) {
		const int one = 1;

		tep_set_file_bigendian(
			format->tep, *(const char *) &one ? TEP_LITTLE_ENDIAN : TEP_BIG_ENDIAN);
		tep_set_local_bigendian(
			format->tep, *(const char *) &one ? TEP_LITTLE_ENDIAN : TEP_BIG_ENDIAN);
	}
	return format;
}

void
trace_format_free(struct trace_format *format)
{
	if (format != NULL)
		tep_free(format->tep);
	free(format);
}

static int
find_fields(struct learnt *learnt, struct tep_event *event)
{
	const char *const *names = field_names[learnt->kind];

	learnt->pid = tep_find_common_field(event, "common_pid");
	learnt->flags = tep_find_common_field(event, "common_flags");
	if (learnt->pid == NULL || learnt->flags == NULL)
		return -1;
	for (size_t i = 0; names[i] != NULL; i++) {
		learnt->field[i] = tep_find_field(event, names[i] + (names[i][0] == '?'));
		if (learnt->field[i] == NULL && names[i][0] != '?')
			return -1;
	}
	return 0;
}

int
trace_format_add(struct trace_format *format, const char *system, const char *event, const char *text)
{
	const struct trace_wanted *wanted = trace_wanted;
	struct learnt learnt = { 0 };
	struct tep_event *parsed;

	while (wanted->system != NULL &&
		(strcmp(wanted->system, system) != 0 || strcmp(wanted->event, event) != 0))
		wanted++;
	if (wanted->system == NULL || format->n == EVENTS_MAX)
		return -1;
	/* A print format that the library does not understand is its own affair:
	 * the fields are there all the same. */
	(void) tep_parse_event(format->tep, text, strlen(text), system);
	parsed = tep_find_event_by_name(format->tep, system, event);
	learnt.kind = wanted->kind;
	if (parsed == NULL || find_fields(&learnt, parsed) < 0)
		return -1;
	learnt.id = parsed->id;
	format->learnt[format->n++] = learnt;
	return 0;
}

static bool
number(const struct source *source, const struct tep_format_field *field, uint64_t *ret)
{
	const char *at;
	uint16_t half;
	uint32_t word;

	if (field == NULL || field->offset < 0 || field->size < 0 || (size_t) field->offset > source->size ||
		(size_t) field->size > source->size - (size_t) field->offset)
		return false;
	at = source->record + field->offset;
	switch (field->size) {
	case 1:
		*ret = (uint8_t) *at;
		return true;
	case 2:
		memcpy(&half, at, sizeof half);
		*ret = half;
		return true;
	case 4:
		memcpy(&word, at, sizeof word);
		*ret = field->flags & TEP_FIELD_IS_SIGNED ? (uint64_t) (int32_t) word : word;
		return true;
	case 8:
		memcpy(ret, at, sizeof *ret);
		return true;
	default:
		return false;
	}
}

/* A field of variable length: where it is, cut to what is there. */
static bool
dynamic(const struct source *source, const struct tep_format_field *field, const char **ret, size_t *len)
{
	uint64_t where;
	size_t offset;

	if (field == NULL || !number(source, field, &where))
		return false;
	offset = where & 0xffff;
	*len = where >> 16 & 0xffff;
	if (offset > source->size || *len > source->size - offset)
		return false;
	*ret = source->record + offset;
	return true;
}

static bool
string(const struct source *source, const struct tep_format_field *field, char ret[TRACE_NAME_MAX])
{
	const char *text;
	size_t len;

	if (!dynamic(source, field, &text, &len))
		return false;
	if (len > 0 && memchr(text, '\0', len) != NULL)
		len = strlen(text);
	if (len >= TRACE_NAME_MAX)
		return false;
	memcpy(ret, text, len);
	ret[len] = '\0';
	return true;
}

/* enum dma_data_direction: for the device, "to the device" is reading. */
static unsigned
direction(const struct source *source)
{
	static const unsigned prot[] = { DMA_PROT_READ | DMA_PROT_WRITE, DMA_PROT_READ, DMA_PROT_WRITE };
	uint64_t dir;

	return number(source, source->learnt->field[3], &dir) && dir < 3 ? prot[dir] : 0;
}

/* dma_map_sg has arrays, the others have one range. */
static int
decode_dma(const struct source *source, struct trace_event *event, trace_event_fn *fn, void *data)
{
	struct tep_format_field *const *field = source->learnt->field;
	const char *addrs, *lengths;
	size_t addrs_len, lengths_len;

	event->dma.prot = direction(source);
	if (number(source, field[1], &event->dma.addr) && number(source, field[2], &event->dma.size)) {
		fn(event, data);
		return 0;
	}
	if (!dynamic(source, field[4], &addrs, &addrs_len) ||
		!dynamic(source, field[5], &lengths, &lengths_len))
		return -1;
	for (size_t i = 0; i < addrs_len / 8 && i < lengths_len / 4; i++) {
		uint32_t size;

		memcpy(&event->dma.addr, addrs + 8 * i, 8);
		memcpy(&size, lengths + 4 * i, 4);
		event->dma.size = size;
		fn(event, data);
	}
	return 0;
}

static bool
has_name(enum trace_kind kind)
{
	const char *first = field_names[kind][0];

	return first != NULL && (strcmp(first, "device") == 0 || strcmp(first, "iommu") == 0);
}

static bool
decode_numbers(const struct source *source, struct trace_event *event)
{
	struct tep_format_field *const *field = source->learnt->field;
	uint64_t value[FIELDS_MAX] = { 0 };

	for (size_t i = has_name(source->learnt->kind) ? 1 : 0; i < FIELDS_MAX && field[i] != NULL; i++)
		if (!number(source, field[i], &value[i]))
			return false;
	switch (source->learnt->kind) {
	case TRACE_MAP:
		event->map.iova = value[0], event->map.paddr = value[1], event->map.size = value[2];
		break;
	case TRACE_UNMAP:
		event->map.iova = value[0], event->map.size = value[1];
		break;
	case TRACE_CALL:
		event->call.fd = (unsigned) value[0], event->call.cmd = (unsigned) value[1];
		break;
	case TRACE_RETURN:
		event->result = (int64_t) value[0];
		break;
	case TRACE_TASK_NEW:
		event->result = value[1] & THREAD_FLAG ? -(int64_t) (int) value[0] : (int64_t) (int) value[0];
		break;
	case TRACE_QI:
		memcpy(event->qi.qw, value + 1, sizeof event->qi.qw);
		break;
	case TRACE_TAG:
	case TRACE_FLUSH:
	case TRACE_FLUSH_NP:
	case TRACE_FLUSH_ALL:
		event->flush = (struct trace_flush){ .type = (uint16_t) value[1],
			.did = (uint16_t) value[2],
			.pasid = (uint32_t) value[3],
			.start = value[4],
			.end = value[5],
			.addr = value[6],
			.pages = value[7] };
		break;
	default:
		break;
	}
	return true;
}

int
trace_format_decode(const struct trace_format *format, unsigned cpu, uint64_t ns, const void *record,
	size_t size, trace_event_fn *fn, void *data)
{
	struct source source = { .record = record, .size = size };
	struct trace_event event = { .ns = ns, .cpu = (uint16_t) cpu };
	uint64_t pid, flags;
	uint16_t id;

	if (size < sizeof id)
		return -1;
	memcpy(&id, record, sizeof id); /* common_type, first in every event (ring buffer ABI) */
	for (size_t i = 0; i < format->n && source.learnt == NULL; i++)
		if (format->learnt[i].id == id)
			source.learnt = &format->learnt[i];
	if (source.learnt == NULL || !number(&source, source.learnt->pid, &pid) ||
		!number(&source, source.learnt->flags, &flags))
		return -1;
	event.kind = (uint8_t) source.learnt->kind;
	event.pid = (int) pid;
	event.irq = (uint8_t) (flags & IRQ_FLAGS);
	if (has_name(source.learnt->kind) && !string(&source, source.learnt->field[0], event.name))
		return -1;
	if (event.kind == TRACE_DMA)
		return decode_dma(&source, &event, fn, data);
	if (!decode_numbers(&source, &event))
		return -1;
	fn(&event, data);
	return 0;
}
