/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's messages: refusals and failures, in the words of each version. */
#include <string.h>

#include "qemu-log-line.h"
#include "qemu-log-scan.h"

/* vfio_dma_map, vfio_container_dma_map and the two that unmap:
 * NAME(CONTAINER, IOVA, SIZE[, VADDR]) = -ERRNO (TEXT) */
static bool
read_dma_failed(const char *text, viommu_qlog_event *ret)
{
	uint64_t code;
	log_values v;

	if (log_find(text, "dma_map(%x, %x, %x, %x) = %d", &v)) {
		ret->kind = VIOMMU_QLOG_MAP_FAILED;
		code = v.n[4];
	} else if (log_find(text, "dma_unmap(%x, %x, %x) = %d", &v)) {
		ret->kind = VIOMMU_QLOG_UNMAP_FAILED;
		code = v.n[3];
	} else {
		return false;
	}
	code = 0 - code; /* it is negative */
	if (!strstr(text, "vfio_") || code == 0 || code > 4095 || v.n[2] == 0)
		return false;
	ret->value = (uint32_t) code;
	return log_set_masked(ret, v.n[1], v.n[2] - 1);
}

/* "detected splte reserve non-zero iova=…", with the names that the entry has had:
 * slpte, splte, sspte, flpte, fspte. */
static bool
read_reserved(const char *text, viommu_qlog_event *ret)
{
	const char *at = strstr(text, "detected "), *words = at ? strstr(at, " reserve") : NULL;
	log_values v;

	if (!words || words - at > 16 || !(words = strstr(words, " non-zero")))
		return false;
	ret->kind = VIOMMU_QLOG_RESERVED_BIT;
	return log_find(words, "iova=%x, level=%x", &v) && log_set_masked(ret, v.n[0], 0);
}

static bool
read_refusal(const char *text, viommu_qlog_event *ret)
{
	static const struct {
		const char *words;
		viommu_qlog_kind kind;
	} refusals[] = {
		{ "We need to set caching-mode=on for intel-iommu", VIOMMU_QLOG_CACHING_MODE },
		{ "not allowed without enabling caching-mode=on", VIOMMU_QLOG_CACHING_MODE },
		{ " requires caching mode", VIOMMU_QLOG_CACHING_MODE },
		{ " requires device IOTLB mode", VIOMMU_QLOG_DEVICE_IOTLB },
		{ " > host aw-bits ", VIOMMU_QLOG_AW_BITS },
		{ "Snoop Control with vhost or VFIO is not supported", VIOMMU_QLOG_SNOOP_CONTROL },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++)
		if (strstr(text, refusals[i].words)) {
			ret->kind = refusals[i].kind;
			return true;
		}
	return false;
}

bool
viommu_qemu_log_message(const char *text, viommu_qlog_event *ret)
{
	const viommu_qlog_event blank = *ret;

	if (read_refusal(text, ret))
		return true;
	*ret = blank;
	if (read_dma_failed(text, ret))
		return true;
	*ret = blank;
	return read_reserved(text, ret);
}
