/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "redact/redact-store.h"

const char *const viommu_redact_terms[] = {
	/* viommu-record(5): keys, then values */
	"event", "format", "version", "session", "program", "boot_id", "kernel", "cmdline", "realtime_ns", "monotonic_ns", "iommus", "name",
	"address", "cap", "ecap", "seq", "time_ns", "source", "space", "device", "backend", "group", "complete", "from_start", "iova_ranges",
	"first", "last", "reason", "evidence", "iommu", "domain_id", "iova", "size", "prot", "vaddr", "extents", "gpa", "gpa_unknown",
	"page_size", "bar", "region", "errno", "error", "meaning", "begin_ns", "after_ns", "tracepoint", "descriptor", "type", "granularity", "source_id",
	"pasid", "leaf_only", "tag_type", "pages", "count", "of", "text", "checks", "section", "verdict", "seen", "more", "fix",
	"viommu-record", "header", "attach", "detach", "map", "unmap", "invalidate", "mark", "busy", "lost", "doctor", "note", "end",
	"redacted", "ok", "warn", "FAIL", "skip",
	"viommu-probe map", "viommu-probe record", "viommu-probe trace", "vfio-type1v2", "vfio-type1", "vfio", "iommufd", "dma-api",
	"iommu-domain", "r", "w", "rw", "held", "rest", "begun", "traced", "until_ns", "close", "exit", "qi_submit", "cache_tag_flush_range", "cache_tag_flush_range_np",
	"cache_tag_flush_all", "context-cache", "iotlb", "device-tlb", "interrupt-entry-cache", "wait", "pasid-iotlb", "pasid-cache",
	"pasid-device-tlb", "page-group-response", "global", "domain", "page",
	/* viommu-snapshot(5) */
	"package", "run_state", "kvm", "iommu_path", "iommu_properties", "registers_base", "registers_size", "ram", "pci", "bypass", "sid",
	"vendor", "class", "class_text", "id", "bridge", "secondary", "root", "driver", "host", "os", "arch",
	"running", "paused", "prelaunch", "shutdown", "suspended", "x86_64",
	/* viommu-bundle(5) */
	"at", "strict", "exit_status", "log_open", "log_current", "devices", "looks", "reads", "in_flux", "shadow_unproven", "why", "now", "record",
	"otherwise", "changed", "unread", "ended", "silent", "earlier",
	/* of intel-iommu, where they decide something */
	"intremap", "eim", "x-buggy-eim", "caching-mode", "device-iotlb", "aw-bits", "scalable-mode", "x-scalable-mode", "snoop-control",
	"pt", "dma-drain", "dma-translation", "flts", "fsts", "x-flts", "fs1gp", "pasid-mode", "x-pasid-mode", "stale-tm", "x-stale-tm", "svm",
	"on", "off", "auto", "intel-iommu",
	NULL
};
