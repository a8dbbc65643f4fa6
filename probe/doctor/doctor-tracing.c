/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks of what viommu-probe trace and map --invalidations stand on. */
#include <string.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "sys/lockdown.h"

static const char *const places[] = { "/kernel/tracing", "/kernel/debug/tracing" };

static bool
has_event(const char *place, const char *event)
{
	char path[128];

	snprintf(path, sizeof path, "%s/events/%s", place, event);
	return sysfs_exists(path);
}

static void
check_lockdown(struct doctor *doctor)
{
	switch (lockdown_get()) {
	case LOCKDOWN_CONFIDENTIALITY:
		doctor_check(doctor, VERDICT_WARN, "lockdown",
			"confidentiality: the kernel forbids tracing, to root as well; VFIO works");
		doctor_fix(doctor,
			"boot with lockdown=integrity or without lockdown= to use viommu-probe trace");
		break;
	case LOCKDOWN_INTEGRITY:
		doctor_check(doctor, VERDICT_OK, "lockdown",
			"integrity, which forbids nothing that is needed here");
		break;
	case LOCKDOWN_NONE:
		doctor_check(doctor, VERDICT_OK, "lockdown", "none");
		break;
	default:
		break;
	}
}

static void
check_events(struct doctor *doctor, const char *place)
{
	static const struct {
		const char *event, *what;
	} useful[] = {
		{ "intel_iommu/qi_submit", "what is announced to the vIOMMU (intel_iommu:qi_submit)" },
		{ "syscalls/sys_enter_ioctl", "which program maps (syscalls:sys_enter_ioctl)" },
		{ "dma", "for which device a driver maps (dma:*, since Linux 6.12)" },
	};
	bool complete = true;

	if (!has_event(place, "iommu/map")) {
		doctor_check(doctor, VERDICT_WARN, "tracing", "this kernel has no iommu:map tracepoint");
		doctor_fix(doctor,
			"viommu-probe trace needs a kernel with CONFIG_TRACING and CONFIG_IOMMU_API; "
			"viommu-probe record does without");
		return;
	}
	for (size_t i = 0; i < sizeof useful / sizeof useful[0]; i++)
		complete &= has_event(place, useful[i].event);
	doctor_check(doctor, VERDICT_OK, "tracing", "iommu:map and iommu:unmap are there%s",
		complete ? ", and all that tells whose a mapping is" : "");
	for (size_t i = 0; i < sizeof useful / sizeof useful[0]; i++)
		if (!has_event(place, useful[i].event))
			doctor_more(doctor, "a trace will not have: %s", useful[i].what);
}

static void
check_tracefs(struct doctor *doctor)
{
	if (geteuid() != 0) {
		doctor_check(doctor, VERDICT_SKIP, "tracing", "tracefs is for root only");
		return;
	}
	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		if (has_event(places[i], "")) {
			check_events(doctor, places[i]);
			return;
		}
	}
	doctor_check(doctor, VERDICT_WARN, "tracing",
		"there is no tracefs, so viommu-probe trace and map --invalidations do not work");
	if (lockdown_get() == LOCKDOWN_CONFIDENTIALITY)
		doctor_more(doctor, "the lockdown forbids it");
	else
		doctor_fix(doctor, "mount -t tracefs tracefs /sys/kernel/tracing");
}

void
doctor_tracing(struct doctor *doctor)
{
	doctor_section(doctor, "Tracing");
	check_lockdown(doctor);
	check_tracefs(doctor);
}
