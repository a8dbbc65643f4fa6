/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The invalidation queue, and the faults that are recorded. */
#include <inttypes.h>

#include "find/find.h"
#include "text/text.h"

static const struct {
	unsigned bit;
	const char *name, *meaning;
} errors[] = {
	{ 4, "IQE", "the queue holds a descriptor that QEMU cannot read or does not accept" },
	{ 5, "ICE", "an answer of a device to an invalidation was wrong" },
	{ 6, "ITE", "a device did not answer an invalidation in time" },
};

typedef struct {
	bool has;
	vtd_descriptor first; /* pending */
} pending;

static void
see_descriptor(const vtd_descriptor *descriptor, void *user)
{
	pending *p = user;

	if (p->has || descriptor->state != VTD_DESCRIPTOR_PENDING)
		return;
	p->has = true;
	p->first = *descriptor;
}

gboolean
viommu_find_queue(const viommu_finder *f, GError **error)
{
	uint32_t fsts = vtd_reg32(f->registers, VTD_REG_FSTS);
	g_autofree char *at_head = NULL;
	vtd_queue_facts facts = { 0 };
	bool broken = false;
	pending p = { 0 };
	vtd_queue queue;

	vtd_queue_init(&f->unit, f->registers, &queue);
	if (!queue.enabled) {
		if (vtd_gsts_tes(f->unit.gsts))
			viommu_findings_add(f->list, "queue-off", viommu_where_register("GSTS", f->unit.gsts).text,
				"QIES = 0 while translation is on");
		return TRUE;
	}
	if (!vtd_walk_queue(&queue, f->memory, &facts, see_descriptor, &p, error))
		return FALSE;
	if (facts.unreadable && facts.status == VIOMMU_PAGE_NOT_RAM)
		viommu_findings_add(f->list, "queue-outside-ram",
			viommu_where_register("IQA", vtd_reg64(f->registers, VTD_REG_IQA)).text,
			"%u of %u descriptors of the ring at GPA 0x%" PRIx64 " are not in RAM", facts.unreadable, queue.entries,
			queue.base.v);
	at_head = p.has ? g_strdup_printf("; at the head stands %s at GPA 0x%" PRIx64 ": 0x%016" PRIx64 " 0x%016" PRIx64,
				  p.first.name, p.first.entry.v, p.first.raw[0], p.first.raw[1])
			: g_strdup("");
	for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
		if (!(fsts >> errors[i].bit & 1))
			continue;
		broken = true;
		viommu_findings_add(f->list, "queue-error", viommu_where_register("FSTS", fsts).text,
			"%s = 1: %s; head %u, tail %u%s", errors[i].name, errors[i].meaning, queue.head, queue.tail, at_head);
	}
	if (!broken && queue.head != queue.tail)
		viommu_findings_add(f->list, "queue-stalled",
			viommu_where_register("IQH", vtd_reg64(f->registers, VTD_REG_IQH)).text,
			"head %u, tail %u of %u: QEMU has not taken what L1 put in, and no error bit is set%s", queue.head,
			queue.tail, queue.entries, at_head);
	return TRUE;
}

/* What the tables say now of the address that faulted. Caller frees. */
static char *
walk_text(const vtd_fault_record *record, const vtd_translation *walk)
{
	const vtd_answer *answer = record->read ? &walk->read : &walk->write;
	const vtd_step *blamed = answer->blame >= 0 ? &walk->steps[answer->blame] : NULL;

	if (walk->outcome == VTD_UNREADABLE)
		return g_strdup("the tables could not be read");
	if (answer->allowed)
		return g_strdup("the tables now let it through: they have changed since, or QEMU used an entry that it had cached");
	if (answer->fault == VTD_FAULT_NONE)
		return g_strdup(vtd_outcome_text(walk->outcome));
	if (!blamed)
		return g_strdup_printf("the tables now: reason 0x%x, %s", answer->fault, vtd_fault_text(answer->fault));
	return g_strdup_printf("the tables now: reason 0x%x, %s, at the %s entry at GPA 0x%" PRIx64 ": 0x%016" PRIx64,
		answer->fault, vtd_fault_text(answer->fault), vtd_step_name(blamed), blamed->entry.v, blamed->raw[0]);
}

static gboolean
find_fault(const viommu_finder *f, const vtd_fault_record *record, GError **error)
{
	g_autofree char *where = g_strdup_printf("register FRCD%u: 0x%" PRIx64 " 0x%" PRIx64, record->index, record->raw[1],
		record->raw[0]);
	g_autofree char *now = NULL;
	vtd_device device;
	vtd_translation walk;

	if (vtd_is_interrupt_fault(record->reason)) {
		viommu_findings_add(f->list, "interrupt-fault-recorded", where, "%s, interrupt index %" PRIu64 ", reason 0x%x: %s",
			viommu_bdf_text(record->sid).text, record->iova.v >> 48, record->reason,
			vtd_fault_text((vtd_fault) record->reason));
		return TRUE;
	}
	if (!(record->has_pasid
			    ? vtd_find_pasid(&f->unit, f->memory, record->sid, record->pasid, &device, error)
			    : vtd_find_device(&f->unit, f->memory, record->sid, &device, error)) ||
		!vtd_translate_in(&f->unit, f->memory, &device, record->iova, &walk, error))
		return FALSE;
	now = walk_text(record, &walk);
	viommu_findings_add(f->list, "fault-recorded", where, "%s of IOVA 0x%" PRIx64 " by %s, reason 0x%x: %s; %s",
		record->read ? "read" : "write", record->iova.v, viommu_bdf_text(record->sid).text, record->reason,
		vtd_fault_text((vtd_fault) record->reason), now);
	return TRUE;
}

gboolean
viommu_find_faults(const viommu_finder *f, GError **error)
{
	uint32_t fsts = vtd_reg32(f->registers, VTD_REG_FSTS);

	for (unsigned i = 0; i < vtd_fault_records(f->registers); i++) {
		vtd_fault_record record;

		vtd_decode_fault_record(f->registers, i, &record);
		if (record.recorded && !find_fault(f, &record, error))
			return FALSE;
	}
	if (fsts & 1)
		viommu_findings_add(f->list, "fault-overflow", viommu_where_register("FSTS", fsts).text,
			"PFO = 1: there was no room for at least one more fault");
	return TRUE;
}
