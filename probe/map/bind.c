/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "map/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
run_modprobe(const char *module)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		/* What it prints would land in the record, or tell of a failure that
		 * is only one if the next step fails too. */
		int null = open("/dev/null", O_RDWR);

		if (null >= 0) {
			dup2(null, 0);
			dup2(null, 1);
			dup2(null, 2);
		}
		execlp("modprobe", "modprobe", module, (char *) NULL);
		execl("/sbin/modprobe", "modprobe", module, (char *) NULL);
		_exit(127);
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
}

void
vfio_load_modules(void)
{
	if (!sysfs_exists("/bus/pci/drivers/vfio-pci"))
		run_modprobe("vfio-pci");
	if (!sysfs_exists("/module/vfio_iommu_type1"))
		run_modprobe("vfio_iommu_type1");
}

void
iommufd_load_modules(void)
{
	vfio_load_modules();
	if (access("/dev/iommu", F_OK) < 0)
		run_modprobe("iommufd");
}

static int
write_attribute(const char *bdf, const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof path, "/bus/pci/devices/%s/%s", bdf, file);
	return sysfs_write(path, text);
}

static void
read_driver(const char *bdf, char *driver, size_t size)
{
	char path[128];

	snprintf(path, sizeof path, "/bus/pci/devices/%s/driver", bdf);
	(void) sysfs_link_name(path, driver, size);
}

static int
unbind(const char *bdf)
{
	char driver[64];

	read_driver(bdf, driver, sizeof driver);
	return driver[0] ? write_attribute(bdf, "driver/unbind", bdf) : 0;
}

static int
fail_and_restore(struct pci_binding *binding, struct probe_error *error, int err, const char *what)
{
	struct probe_error ignored;
	const char *more = "";

	if (err == -EACCES || err == -EPERM)
		more = "; run as root";
	else if (err == -ENOENT)
		more = "; does this kernel have PCI driver_override?";
	(void) pci_bind_restore(binding, &ignored);
	return probe_fail(error, -err, "cannot bind %s to vfio-pci: %s: %s%s", binding->bdf, what,
		strerror(-err), more);
}

int
pci_bind_vfio(struct pci_binding *ret, const struct pci_facts *facts, struct probe_error *error)
{
	char path[128], driver[64];
	int err;

	*ret = (struct pci_binding){ 0 };
	memcpy(ret->bdf, facts->bdf, sizeof ret->bdf);
	memcpy(ret->old_driver, facts->driver, sizeof ret->old_driver);
	vfio_load_modules();
	if (!sysfs_exists("/bus/pci/drivers/vfio-pci"))
		return probe_fail(error, ENOENT,
			"the kernel has no vfio-pci driver and `modprobe vfio-pci` brought none; "
			"load the module, or use a kernel with CONFIG_VFIO_PCI");
	snprintf(path, sizeof path, "/bus/pci/devices/%s/driver_override", facts->bdf);
	(void) sysfs_read(path, ret->old_override, sizeof ret->old_override);
	if (strcmp(ret->old_override, "(null)") == 0)
		ret->old_override[0] = '\0';

	err = write_attribute(ret->bdf, "driver_override", "vfio-pci");
	if (err < 0)
		return fail_and_restore(ret, error, err, "driver_override");
	ret->changed = true;
	err = unbind(ret->bdf);
	if (err < 0)
		return fail_and_restore(ret, error, err, "unbinding the present driver");
	err = sysfs_write("/bus/pci/drivers_probe", ret->bdf);
	if (err < 0)
		return fail_and_restore(ret, error, err, "drivers_probe");
	read_driver(ret->bdf, driver, sizeof driver);
	if (strcmp(driver, "vfio-pci") != 0)
		return fail_and_restore(ret, error, -ENODEV,
			"vfio-pci did not take the device (a bridge, or no IOMMU group; see dmesg)");
	return 0;
}

int
pci_bind_restore(struct pci_binding *binding, struct probe_error *error)
{
	char path[128], now[64];
	int err;

	if (!binding->changed)
		return 0;
	binding->changed = false;
	err = write_attribute(
		binding->bdf, "driver_override", binding->old_override[0] ? binding->old_override : "\n");
	if (err == 0) {
		read_driver(binding->bdf, now, sizeof now);
		if (strcmp(now, binding->old_driver) == 0)
			return 0;
		err = unbind(binding->bdf);
	}
	if (err == 0 && binding->old_driver[0]) {
		snprintf(path, sizeof path, "/bus/pci/drivers/%s/bind", binding->old_driver);
		err = sysfs_write(path, binding->bdf);
	}
	if (err == 0)
		return 0;
	return probe_fail(error, -err,
		"cannot give %s back to %s: %s; try: echo %s > /sys/bus/pci/drivers_probe", binding->bdf,
		binding->old_driver[0] ? binding->old_driver : "no driver", strerror(-err), binding->bdf);
}

void
pci_bind_commands(const struct pci_facts *facts, char *text, size_t size)
{
	const char *device = "/sys/bus/pci/devices";
	char unbind_line[128] = "";

	if (facts->driver[0])
		snprintf(unbind_line, sizeof unbind_line, "  echo %s > %s/%s/driver/unbind\n", facts->bdf,
			device, facts->bdf);
	snprintf(text, size,
		"  modprobe vfio-pci\n"
		"  echo vfio-pci > %s/%s/driver_override\n"
		"%s"
		"  echo %s > /sys/bus/pci/drivers_probe",
		device, facts->bdf, unbind_line, facts->bdf);
}
