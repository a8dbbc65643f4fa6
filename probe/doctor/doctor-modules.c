/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether the kernel has the modules of VFIO, and whether they are loaded. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "doctor/doctor.h"

enum module_state {
	MODULE_THERE,   /* loaded, or part of the kernel */
	MODULE_ON_DISK, /* modprobe would find it */
	MODULE_NONE,    /* the kernel was built without it */
	MODULE_UNKNOWN, /* not loaded, and there is no list of modules */
};

static const struct {
	const char *name; /* as modprobe takes it */
	const char *sysfs;
	const char *config;
} modules[] = {
	{ "vfio", "/module/vfio", "CONFIG_VFIO" },
	{ "vfio_iommu_type1", "/module/vfio_iommu_type1", "CONFIG_VFIO_IOMMU_TYPE1" },
	{ "vfio-pci", "/bus/pci/drivers/vfio-pci", "CONFIG_VFIO_PCI" },
};

/* Whether one of the lines of a list of modules ends with /NAME.ko; -1 when
 * there is no list. */
static int
listed(const char *release, const char *list, const char *name)
{
	char path[512], line[512], end[64];
	int found = 0;
	FILE *file;

	snprintf(path, sizeof path, "/lib/modules/%s/%s", release, list);
	snprintf(end, sizeof end, "/%s.ko", name);
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	while (!found && fgets(line, sizeof line, file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		found = strlen(line) > strlen(end) && strcmp(line + strlen(line) - strlen(end), end) == 0;
	}
	fclose(file);
	return found;
}

static enum module_state
look(size_t i)
{
	struct utsname kernel = { 0 };
	int built_in, on_disk;

	if (sysfs_exists(modules[i].sysfs))
		return MODULE_THERE;
	(void) uname(&kernel);
	built_in = listed(kernel.release, "modules.builtin", modules[i].name);
	on_disk = listed(kernel.release, "modules.order", modules[i].name);
	if (built_in > 0)
		return MODULE_THERE;
	if (on_disk > 0)
		return MODULE_ON_DISK;
	return built_in < 0 || on_disk < 0 ? MODULE_UNKNOWN : MODULE_NONE;
}

static void
add_name(char *text, size_t size, const char *name)
{
	const size_t len = strlen(text);

	snprintf(text + len, size - len, "%s%s", len ? ", " : "", name);
}

void
doctor_modules(struct doctor *doctor)
{
	char absent[128] = "", none[128] = "";
	bool unknown = false;

	for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++) {
		const enum module_state state = look(i);

		if (state == MODULE_NONE)
			add_name(none, sizeof none, modules[i].config);
		else if (state != MODULE_THERE)
			add_name(absent, sizeof absent, modules[i].name);
		unknown |= state == MODULE_UNKNOWN;
	}
	if (none[0]) {
		doctor_check(doctor, VERDICT_FAIL, "modules", "this kernel was built without %s", none);
		doctor_fix(doctor, "use a kernel with it");
		return;
	}
	doctor->modules_absent = absent[0] != '\0';
	if (!doctor->modules_absent) {
		doctor_check(doctor, VERDICT_OK, "modules", "vfio, vfio_iommu_type1 and vfio-pci are there");
		return;
	}
	doctor_check(doctor, VERDICT_WARN, "modules", "not loaded: %s%s", absent,
		unknown ? "; whether this kernel has them is not known, /lib/modules has no list" : "");
	doctor_fix(doctor, "modprobe vfio-pci (`map --bind` does it)");
}
