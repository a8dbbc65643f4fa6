/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <viommu/vtd.h>

void
vtd_queue_init(const vtd_unit *unit, const vtd_registers *regs, vtd_queue *ret)
{
	uint64_t iqa = vtd_reg64(regs, VTD_REG_IQA);
	bool wide = iqa >> 11 & 1;
	unsigned shift;

	*ret = (vtd_queue){
		.enabled = vtd_gsts_qies(unit->gsts),
		.base = VIOMMU_GPA(iqa & VIOMMU_PAGE_MASK & ~(~0ull << unit->address_bits)),
		.width_inferred = !wide && unit->scalable,
		.error = vtd_reg32(regs, VTD_REG_FSTS) >> 4 & 1,
	};
	wide |= ret->width_inferred;
	ret->width = wide ? 32 : 16;
	shift = wide ? 5 : 4;
	ret->entries = (uint32_t) (VIOMMU_PAGE_SIZE << (iqa & 7)) / ret->width;
	ret->head = (uint32_t) vtd_bits(vtd_reg64(regs, VTD_REG_IQH), 18, shift) % ret->entries;
	ret->tail = (uint32_t) vtd_bits(vtd_reg64(regs, VTD_REG_IQT), 18, shift) % ret->entries;
}

static const char *const names[] = {
	[VTD_INV_CONTEXT] = "context-cache invalidate",
	[VTD_INV_IOTLB] = "IOTLB invalidate",
	[VTD_INV_DEVICE_TLB] = "device-TLB invalidate",
	[VTD_INV_INTERRUPT] = "interrupt-entry-cache invalidate",
	[VTD_INV_WAIT] = "invalidation wait",
	[VTD_INV_PASID_IOTLB] = "PASID-based IOTLB invalidate",
	[VTD_INV_PASID_CACHE] = "PASID-cache invalidate",
	[VTD_INV_PASID_DEVICE_TLB] = "PASID-based device-TLB invalidate",
	[VTD_INV_PAGE_RESPONSE] = "page group response",
};

/* ADDR and AM: 2^AM pages at ADDR, which is aligned to them. */
static void
set_range(vtd_descriptor *d, uint64_t high)
{
	unsigned am = (unsigned) (high & 0x3f);
	uint64_t size = am >= 52 ? 0 : 1ull << (12 + am); /* 0: all of it */
	uint64_t first = size ? high & VIOMMU_PAGE_MASK & ~(size - 1) : 0;

	d->has_range = true;
	d->range = (viommu_iova_range){ first, first + (size - 1) };
}

static const char *
pick(const char *const texts[4], uint64_t low)
{
	return texts[vtd_bits(low, 5, 4)];
}

void
vtd_decode_descriptor(const uint64_t *raw, unsigned words, vtd_descriptor *ret)
{
	static const char *const context[4] = { "reserved", "global", "domain-selective", "device-selective" };
	static const char *const iotlb[4] = { "reserved", "global", "domain-selective", "page-selective" };
	static const char *const pasid_iotlb[4] = { "reserved", "reserved", "all of the PASID", "page-selective" };
	static const char *const pasid_cache[4] = { "domain-selective", "PASID-selective", "reserved", "global" };
	uint64_t low = raw[0], high = raw[1];

	ret->words = words;
	memcpy(ret->raw, raw, words * 8);
	ret->type = (unsigned) (vtd_bits(low, 3, 0) | vtd_bits(low, 11, 9) << 4);
	ret->name = ret->type < G_N_ELEMENTS(names) && names[ret->type] ? names[ret->type] : "unknown type";
	ret->did = (uint16_t) vtd_bits(low, 31, 16);
	ret->sid.v = (uint16_t) vtd_bits(low, 47, 32);
	ret->pasid = (uint32_t) vtd_bits(low, 51, 32);
	switch (ret->type) {
	case VTD_INV_CONTEXT:
		ret->granularity = pick(context, low);
		ret->has_did = vtd_bits(low, 5, 4) >= 2;
		ret->has_sid = vtd_bits(low, 5, 4) == 3;
		break;
	case VTD_INV_IOTLB:
		ret->granularity = pick(iotlb, low);
		ret->has_did = vtd_bits(low, 5, 4) >= 2;
		if (vtd_bits(low, 5, 4) == 3)
			set_range(ret, high);
		break;
	case VTD_INV_DEVICE_TLB:
	case VTD_INV_PASID_DEVICE_TLB:
		ret->has_sid = true;
		if (ret->type == VTD_INV_PASID_DEVICE_TLB) {
			ret->sid.v = (uint16_t) vtd_bits(low, 31, 16);
			ret->has_pasid = true;
		}
		break;
	case VTD_INV_INTERRUPT:
		ret->granularity = low & 0x10 ? "index-selective" : "global";
		ret->has_index = low & 0x10;
		ret->indexes = 1u << MIN(vtd_bits(low, 31, 27), 16); /* IM: so many low bits of IIDX do not count */
		ret->first_index = (uint32_t) vtd_bits(low, 47, 32) & ~(ret->indexes - 1);
		break;
	case VTD_INV_WAIT:
		ret->interrupt = low & 0x10;
		ret->status_write = low & 0x20;
		ret->fence = low & 0x40;
		ret->status = (uint32_t) vtd_bits(low, 63, 32);
		ret->status_address.v = high & ~3ull;
		break;
	case VTD_INV_PASID_IOTLB:
		ret->granularity = pick(pasid_iotlb, low);
		ret->has_did = ret->has_pasid = true;
		if (vtd_bits(low, 5, 4) == 3)
			set_range(ret, high);
		break;
	case VTD_INV_PASID_CACHE:
		ret->granularity = pick(pasid_cache, low);
		ret->has_did = vtd_bits(low, 5, 4) <= 1;
		ret->has_pasid = vtd_bits(low, 5, 4) == 1;
		break;
	default:
		break;
	}
}

static bool
is_pending(const vtd_queue *queue, uint32_t index)
{
	uint32_t from_head = (index + queue->entries - queue->head) % queue->entries;
	uint32_t pending = (queue->tail + queue->entries - queue->head) % queue->entries;

	return from_head < pending;
}

/* All pages of the ring, at most 128 of them. */
static gboolean
read_ring(const vtd_queue *queue, viommu_memory *memory, viommu_page_read *reads, uint8_t *buffer, uint32_t pages,
	GError **error)
{
	for (uint32_t i = 0; i < pages; i++)
		reads[i] = (viommu_page_read){ .gpa = VIOMMU_GPA(queue->base.v + (uint64_t) i * VIOMMU_PAGE_SIZE),
			.buffer = buffer + (size_t) i * VIOMMU_PAGE_SIZE };
	return viommu_memory_read_pages(memory, reads, pages, error);
}

gboolean
vtd_walk_queue(const vtd_queue *queue, viommu_memory *memory, vtd_queue_facts *facts, vtd_descriptor_visitor visit,
	void *user, GError **error)
{
	uint32_t pages = queue->entries * queue->width / VIOMMU_PAGE_SIZE, per_page = VIOMMU_PAGE_SIZE / queue->width;
	g_autofree viommu_page_read *reads = g_new0(viommu_page_read, pages);
	g_autofree uint8_t *buffer = g_malloc((size_t) pages * VIOMMU_PAGE_SIZE);

	*facts = (vtd_queue_facts){ 0 };
	if (!read_ring(queue, memory, reads, buffer, pages, error))
		return FALSE;
	/* The slot at the tail is the next to be written: what stands there is the oldest. */
	for (uint32_t i = 0; i < queue->entries; i++) {
		uint32_t index = (queue->tail + i) % queue->entries;
		const viommu_page_read *page = &reads[index / per_page];
		vtd_descriptor d = { .index = index, .entry = VIOMMU_GPA(queue->base.v + (uint64_t) index * queue->width) };
		uint64_t raw[4] = { 0 };

		if (page->status != VIOMMU_PAGE_OK) {
			facts->unreadable++;
			facts->status = page->status;
			continue;
		}
		memcpy(raw, page->data + index % per_page * queue->width, queue->width);
		for (unsigned k = 0; k < 4; k++)
			raw[k] = GUINT64_FROM_LE(raw[k]);
		vtd_decode_descriptor(raw, queue->width / 8, &d);
		d.state = is_pending(queue, index) ? VTD_DESCRIPTOR_PENDING : VTD_DESCRIPTOR_DONE;
		if (d.state == VTD_DESCRIPTOR_DONE && raw[0] == 0 && raw[1] == 0)
			continue; /* never written */
		if (index >= queue->tail && d.state == VTD_DESCRIPTOR_DONE)
			facts->wrapped = true;
		visit(&d, user);
	}
	return TRUE;
}
