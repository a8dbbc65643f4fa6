/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The texts of QEMU's trace events (hw/i386/trace-events, hw/vfio/trace-events), and what
 * they say. */
#include "qemu-log-line.h"

#include <string.h>

#include "qemu-log-scan.h"

/* ---- trace events ----------------------------------------------------------------- */

typedef bool (*reader)(const char *rest, viommu_qlog_event *ret);

static bool
set_range(viommu_qlog_event *ret, uint64_t first, uint64_t last)
{
	ret->iova = (viommu_iova_range){ first, last };
	return first <= last;
}

static bool
set_did(viommu_qlog_event *ret, uint64_t did)
{
	ret->has_did = true;
	ret->did = (uint16_t) did;
	return did <= UINT16_MAX;
}

static bool
set_sid(viommu_qlog_event *ret, uint64_t sid)
{
	ret->has_sid = true;
	ret->sid.v = (uint16_t) sid;
	return sid <= UINT16_MAX;
}

static bool
set_bdf(viommu_qlog_event *ret, const uint64_t n[3])
{
	return n[0] <= 0xff && n[1] <= 0x1f && n[2] <= 7 && set_sid(ret, n[0] << 8 | n[1] << 3 | n[2]);
}

static bool
read_walk_one(const char *rest, viommu_qlog_event *ret)
{
	log_values v;

	if (!log_scan(rest, "domain %x iova %x -> gpa %x mask %x perm %d", &v) || v.n[4] > 3)
		return false;
	ret->kind = v.n[4] ? VIOMMU_QLOG_MAP : VIOMMU_QLOG_UNMAP; /* IOMMUAccessFlags */
	ret->read = v.n[4] & 1;
	ret->write = v.n[4] & 2;
	ret->has_gpa = v.n[4] != 0;
	ret->gpa.v = v.n[2];
	return set_did(ret, v.n[0]) && log_set_masked(ret, v.n[1], v.n[3]);
}

static bool
read_skip_map(const char *rest, viommu_qlog_event *ret)
{
	log_values v;

	if (!log_scan(rest, "iova %x mask %x translated %x", &v))
		return false;
	ret->kind = VIOMMU_QLOG_MAP_KNOWN;
	ret->has_gpa = true;
	ret->gpa.v = v.n[2];
	return log_set_masked(ret, v.n[0], v.n[1]);
}

static bool
read_skip_unmap(const char *rest, viommu_qlog_event *ret)
{
	log_values v;

	ret->kind = VIOMMU_QLOG_UNMAP_KNOWN;
	return log_scan(rest, "iova %x mask %x", &v) && log_set_masked(ret, v.n[0], v.n[1]);
}

/* The second address is the first one behind. */
static bool
read_skip(const char *rest, viommu_qlog_kind kind, viommu_qlog_event *ret)
{
	log_values v;

	ret->kind = kind;
	return log_scan(rest, "Page walk skip iova %x - %x", &v) && set_range(ret, v.n[0], v.n[1] - 1);
}

static bool
read_skip_read(const char *rest, viommu_qlog_event *ret)
{
	return read_skip(rest, VIOMMU_QLOG_SKIP_READ, ret);
}

static bool
read_skip_reserve(const char *rest, viommu_qlog_event *ret)
{
	return read_skip(rest, VIOMMU_QLOG_SKIP_RESERVED, ret);
}

static bool
read_walk_level(const char *rest, viommu_qlog_event *ret)
{
	log_values v;

	if (!log_scan(rest, "walk (base=%x, level=%d) iova range %x - %x", &v) || v.n[1] > 6)
		return false;
	ret->kind = VIOMMU_QLOG_WALK;
	ret->has_gpa = true;
	ret->gpa.v = v.n[0];
	ret->level = (uint8_t) v.n[1];
	return set_range(ret, v.n[2], v.n[3] - 1);
}

/* The size is the notifier's, which begins at start; all that is mapped goes. */
static bool
read_unmap_whole(const char *rest, viommu_qlog_event *ret)
{
	log_values v;

	ret->kind = VIOMMU_QLOG_UNMAP_ALL;
	return log_scan(rest, "Device %x:%x.%x start %x size %x", &v) && v.n[4] > 0 && set_bdf(ret, v.n) &&
		log_set_masked(ret, v.n[3], v.n[4] - 1);
}

/* With its words before "replay": the name of the address space. */
static bool
read_replay(const char *rest, viommu_qlog_event *ret)
{
	const char *at = strstr(rest, "replay valid context device ");
	log_values v;

	ret->kind = VIOMMU_QLOG_REPLAY;
	return at && log_scan(at, "replay valid context device %x:%x.%x domain %x", &v) && set_bdf(ret, v.n) &&
		set_did(ret, v.n[3]);
}

static bool
read_iotlb_pages(const char *rest, viommu_qlog_event *ret)
{
	log_values v;

	/* The mask is AM: the range has 2^AM pages. */
	if (!log_scan(rest, "iotlb invalidate domain %x addr %x mask %x", &v) || v.n[2] > 51)
		return false;
	ret->kind = VIOMMU_QLOG_IOTLB_PAGES;
	v.n[2] = (UINT64_C(0x1000) << v.n[2]) - 1;
	return set_did(ret, v.n[0]) && log_set_masked(ret, v.n[1] & ~v.n[2], v.n[2]);
}

static bool
read_iotlb_domain(const char *rest, viommu_qlog_event *ret)
{
	log_values v;

	ret->kind = VIOMMU_QLOG_IOTLB_DOMAIN;
	return log_scan(rest, "iotlb invalidate whole domain %x", &v) && set_did(ret, v.n[0]);
}

static bool
read_iotlb_global(const char *rest, viommu_qlog_event *ret)
{
	log_values v;

	ret->kind = VIOMMU_QLOG_IOTLB_GLOBAL;
	return log_scan(rest, "iotlb invalidate global", &v) != NULL;
}

static bool
read_cc_global(const char *rest, viommu_qlog_event *ret)
{
	log_values v;

	ret->kind = VIOMMU_QLOG_CONTEXT;
	return log_scan(rest, "context invalidate globally", &v) != NULL;
}

static bool
read_cc_domain(const char *rest, viommu_qlog_event *ret)
{
	log_values v;

	ret->kind = VIOMMU_QLOG_CONTEXT;
	return log_scan(rest, "context invalidate domain %x", &v) && set_did(ret, v.n[0]);
}

/* FM: which of the low three bits do not count (VT-d 6.5.2.1). */
static bool
read_cc_devices(const char *rest, viommu_qlog_event *ret)
{
	static const uint8_t masks[] = { 0, 4, 6, 7 };
	log_values v;

	if (!log_scan(rest, "context invalidate devices sid %x fmask %x", &v))
		return false;
	ret->kind = VIOMMU_QLOG_CONTEXT;
	ret->mask = masks[v.n[1] & 3];
	return set_sid(ret, v.n[0]);
}

/* After the line above, one for each device that it is about. */
static bool
read_cc_device(const char *rest, viommu_qlog_event *ret)
{
	log_values v;

	ret->kind = VIOMMU_QLOG_CONTEXT;
	return log_scan(rest, "context invalidate device %x:%x.%x", &v) && set_bdf(ret, v.n);
}

static bool
read_switch(const char *rest, viommu_qlog_event *ret)
{
	log_values v;

	if (!log_scan(rest, "Device %x:%x.%x switching address space (iommu enabled=%d)", &v) || v.n[3] > 1)
		return false;
	ret->kind = VIOMMU_QLOG_SWITCH;
	ret->value = (uint32_t) v.n[3];
	return set_bdf(ret, v.n);
}

static bool
read_register(const char *rest, viommu_qlog_event *ret)
{
	log_values v;

	ret->kind = VIOMMU_QLOG_MARK;
	return log_scan(rest, "addr %x size %x", &v) && v.n[0] == VIOMMU_TRACE_MARK && v.n[1] == VIOMMU_TRACE_MARK_SIZE;
}

static bool
read_dmar_fault(const char *rest, viommu_qlog_event *ret)
{
	log_values v;

	if (!log_scan(rest, "sid %x fault %d addr %x write %d", &v) || v.n[1] > 0xff)
		return false;
	ret->kind = VIOMMU_QLOG_DMAR_FAULT;
	ret->value = (uint32_t) v.n[1];
	ret->write = v.n[3] != 0;
	return set_sid(ret, v.n[0]) && log_set_masked(ret, v.n[2], 0);
}

static bool
read_notify(const char *rest, viommu_qlog_event *ret)
{
	log_values v;

	if (!log_scan(rest, "iommu %w @ %x - %x", &v))
		return false;
	if (v.word_len == 3 && strncmp(v.word, "MAP", 3) == 0)
		ret->kind = VIOMMU_QLOG_NOTICE_MAP;
	else if (v.word_len == 5 && strncmp(v.word, "UNMAP", 5) == 0)
		ret->kind = VIOMMU_QLOG_NOTICE_UNMAP;
	else
		return false;
	return set_range(ret, v.n[0], v.n[1]);
}

static const struct {
	const char *name;
	reader read;
} events[] = {
	{ "vtd_page_walk_one", read_walk_one },
	{ "vtd_page_walk_one_skip_map", read_skip_map },
	{ "vtd_page_walk_one_skip_unmap", read_skip_unmap },
	{ "vtd_page_walk_skip_read", read_skip_read },
	{ "vtd_page_walk_skip_reserve", read_skip_reserve },
	{ "vtd_page_walk_level", read_walk_level },
	{ "vtd_as_unmap_whole", read_unmap_whole },
	{ "vtd_replay_ce_valid", read_replay },
	{ "vtd_inv_desc_iotlb_pages", read_iotlb_pages },
	{ "vtd_inv_desc_iotlb_domain", read_iotlb_domain },
	{ "vtd_inv_desc_iotlb_global", read_iotlb_global },
	{ "vtd_inv_desc_cc_global", read_cc_global },
	{ "vtd_inv_desc_cc_domain", read_cc_domain },
	{ "vtd_inv_desc_cc_devices", read_cc_devices },
	{ "vtd_inv_desc_cc_device", read_cc_device },
	{ "vtd_switch_address_space", read_switch },
	{ "vtd_reg_read", read_register },
	{ "vtd_dmar_fault", read_dmar_fault },
	{ "vfio_iommu_map_notify", read_notify },
};

/* ---- a line ---------------------------------------------------------------------------- */

/* "PID@SECONDS.MICROS:", when QEMU was told -msg timestamp=on. */
static const char *
skip_prefix(const char *text, uint64_t *time_us)
{
	log_values v;
	const char *rest = log_scan(text, "%d@%d.%d:", &v);

	if (!rest || v.n[1] > UINT64_MAX / 2000000 || v.n[2] > 999999)
		return text;
	*time_us = v.n[1] * 1000000 + v.n[2];
	return rest;
}

static qlog_line
read_trace(const char *text, viommu_qlog_event *ret)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
	const char *rest = text[len] == ' ' ? text + len + 1 : text + len;

	if (len < 5 || (text[len] != ' ' && text[len] != '\0') ||
		(strncmp(text, "vtd_", 4) != 0 && strncmp(text, "vfio_", 5) != 0))
		return QLOG_OTHER;
	for (size_t i = 0; i < G_N_ELEMENTS(events); i++)
		if (strlen(events[i].name) == len && strncmp(text, events[i].name, len) == 0)
			return events[i].read(rest, ret) ? QLOG_EVENT : QLOG_TRACE;
	return QLOG_TRACE;
}

qlog_line
viommu_qemu_log_line(const char *text, viommu_qlog_event *ret)
{
	viommu_qlog_event blank = { .iova = { 0, UINT64_MAX } };
	qlog_line kind;

	*ret = blank;
	text = skip_prefix(text, &blank.time_us);
	*ret = blank;
	kind = read_trace(text, ret);
	if (kind != QLOG_OTHER)
		return kind;
	return viommu_qemu_log_message(text, ret) ? QLOG_EVENT : QLOG_OTHER;
}
