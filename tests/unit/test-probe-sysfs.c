/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Over a small sysfs of our own. */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "map/bind.h"
#include "map/iommufd.h"
#include "sys/sysfs.h"
#include "map/vfio.h"

#define DEVICE "/bus/pci/devices/0000:00:04.0"

struct fixture {
	char *root;
};

static void
put(struct fixture *f, const char *path, const char *text)
{
	g_autofree char *full = g_strconcat(f->root, path, NULL);
	g_autofree char *dir = g_path_get_dirname(full);

	g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
	g_assert_true(g_file_set_contents(full, text, -1, NULL));
}

static void
put_link(struct fixture *f, const char *path, const char *target)
{
	g_autofree char *full = g_strconcat(f->root, path, NULL);
	g_autofree char *dir = g_path_get_dirname(full);

	g_assert_cmpint(g_mkdir_with_parents(dir, 0700), ==, 0);
	g_assert_cmpint(symlink(target, full), ==, 0);
}

static char *
get(struct fixture *f, const char *path)
{
	g_autofree char *full = g_strconcat(f->root, path, NULL);
	char *text = NULL;

	g_assert_true(g_file_get_contents(full, &text, NULL, NULL));
	return text;
}

static void
set_up(struct fixture *f, gconstpointer data)
{
	(void) data;
	f->root = g_dir_make_tmp("test-probe-sysfs-XXXXXX", NULL);
	g_assert_nonnull(f->root);
	put(f, DEVICE "/vendor", "0x1234\n");
	put(f, DEVICE "/device", "0x11e8\n");
	put(f, DEVICE "/class", "0x00ff00\n");
	put(f, DEVICE "/driver_override", "(null)\n");
	put(f, "/bus/pci/drivers_probe", "");
	put(f, "/bus/pci/drivers/vfio-pci/new_id", "");
	put(f, "/module/vfio_iommu_type1/initstate", "live\n");
	put_link(f, DEVICE "/iommu_group", "../../../kernel/iommu_groups/12");
	put_link(f, DEVICE "/iommu", "../../../class/iommu/dmar0");
	put(f, "/kernel/iommu_groups/12/type", "DMA-FQ\n");
	put(f, "/class/iommu/dmar0/intel-iommu/cap", "d2008c22260286\n");
	put(f, "/class/iommu/dmar0/intel-iommu/ecap", "f00f4a\n");
	put(f, "/class/iommu/dmar0/intel-iommu/address", "fed90000\n");
	put(f, "/class/iommu/dmar0/intel-iommu/version", "1:0\n");
	sysfs_set_root(f->root);
}

static void
remove_tree(const char *path)
{
	g_autoptr(GDir) dir = g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *inner = g_build_filename(path, name, NULL);

		remove_tree(inner);
	}
	g_remove(path);
}

static void
tear_down(struct fixture *f, gconstpointer data)
{
	(void) data;
	sysfs_set_root("/sys");
	remove_tree(f->root);
	g_free(f->root);
}

static void
test_facts(struct fixture *f, gconstpointer data)
{
	struct pci_facts facts;

	(void) data;
	g_assert_false(sysfs_pci_facts("0000:00:05.0", &facts));
	g_assert_true(sysfs_pci_facts("0000:00:04.0", &facts));
	g_assert_cmpstr(facts.bdf, ==, "0000:00:04.0");
	g_assert_cmpstr(facts.driver, ==, "");
	g_assert_cmpint(facts.group, ==, 12);
	g_assert_cmpstr(facts.group_type, ==, "DMA-FQ");
	g_assert_cmpstr(facts.iommu, ==, "dmar0");
	g_assert_cmpstr(facts.vendor, ==, "0x1234");
	put_link(f, DEVICE "/driver", "../../../../bus/pci/drivers/e1000e");
	g_assert_true(sysfs_pci_facts("0000:00:04.0", &facts));
	g_assert_cmpstr(facts.driver, ==, "e1000e");
}

static void
test_no_group(struct fixture *f, gconstpointer data)
{
	g_autofree char *link = g_strconcat(f->root, DEVICE "/iommu_group", NULL);
	struct pci_facts facts;

	(void) data;
	g_assert_cmpint(g_unlink(link), ==, 0);
	g_assert_true(sysfs_pci_facts("0000:00:04.0", &facts));
	g_assert_cmpint(facts.group, ==, -1);
	g_assert_cmpint(symlink("/99999999999999999999", link), ==, 0);
	g_assert_true(sysfs_pci_facts("0000:00:04.0", &facts));
	g_assert_cmpint(facts.group, ==, -1);
}

static void
test_iommus(struct fixture *f, gconstpointer data)
{
	struct iommu_facts iommus[2];

	(void) data;
	g_assert_cmpuint(sysfs_iommus(iommus, 2), ==, 1);
	g_assert_cmpstr(iommus[0].name, ==, "dmar0");
	g_assert_cmpstr(iommus[0].address, ==, "0xfed90000");
	g_assert_cmpstr(iommus[0].version, ==, "1:0");
	g_assert_cmpstr(iommus[0].cap, ==, "0xd2008c22260286");
	g_assert_cmpstr(iommus[0].ecap, ==, "0xf00f4a");
	g_assert_true(iommus[0].has_registers);
	g_assert_cmpuint(iommus[0].cap_value, ==, 0xd2008c22260286);
	/* Another make of IOMMU, and one that says nonsense. */
	put(f, "/class/iommu/ivhd0/amd-iommu/cap", "0\n");
	put(f, "/class/iommu/dmar1/intel-iommu/cap", "12\x1b[31m\n");
	put(f, "/class/iommu/dmar1/intel-iommu/ecap", "10000000000000000\n");
	g_assert_cmpuint(sysfs_iommus(iommus, 2), ==, 2);
	g_assert_cmpstr(iommus[1].name, ==, "dmar1");
	g_assert_false(iommus[1].has_registers);
	g_assert_cmpstr(iommus[1].cap, ==, "");
	g_assert_cmpstr(iommus[1].ecap, ==, "");
}

static void
test_bounded_read(struct fixture *f, gconstpointer data)
{
	g_autofree char *big = g_strnfill(100000, 'x');
	char text[16];

	(void) data;
	put(f, "/big", big);
	put(f, "/lines", "a\nb\n\n");
	g_assert_cmpint(sysfs_read("/big", text, sizeof text), ==, 15);
	g_assert_cmpstr(text, ==, "xxxxxxxxxxxxxxx");
	g_assert_cmpint(sysfs_read("/lines", text, sizeof text), ==, 3);
	g_assert_cmpstr(text, ==, "a\nb");
	g_assert_cmpint(sysfs_read("/none", text, sizeof text), ==, -ENOENT);
	g_assert_cmpstr(text, ==, "");
	g_assert_cmpint(sysfs_read("/bus", text, sizeof text), ==, -EISDIR);
}

static void
test_strangers(struct fixture *f, gconstpointer data)
{
	char text[64];

	(void) data;
	put(f, "/kernel/iommu_groups/12/devices/0000:00:04.0", "");
	vfio_group_strangers(12, "0000:00:04.0", text, sizeof text);
	g_assert_cmpstr(text, ==, "");
	for (int i = 5; i < 9; i++) {
		static const char *const drivers[] = { "e1000e", "vfio-pci", "pcieport", "nvme" };
		g_autofree char *member =
			g_strdup_printf("/kernel/iommu_groups/12/devices/0000:00:%02d.0", i);
		g_autofree char *driver = g_strdup_printf("/bus/pci/devices/0000:00:%02d.0/driver", i);

		put(f, member, "");
		put_link(f, driver, drivers[i - 5]);
	}
	vfio_group_strangers(12, "0000:00:04.0", text, sizeof text);
	g_assert_cmpstr(text, ==, "0000:00:05.0 (e1000e), 0000:00:08.0 (nvme)");
	/* No room for the second: whole names only. */
	vfio_group_strangers(12, "0000:00:04.0", text, 30);
	g_assert_cmpstr(text, ==, "0000:00:05.0 (e1000e)");
}

/* Nothing here binds a driver, so vfio-pci does not come; what was written
 * has to be taken back. */
static void
test_bind_fails(struct fixture *f, gconstpointer data)
{
	g_autofree char *override = NULL;
	g_autofree char *probe = NULL;
	struct probe_error error = { 0 };
	struct pci_binding binding;
	struct pci_facts facts;

	(void) data;
	g_assert_true(sysfs_pci_facts("0000:00:04.0", &facts));
	g_assert_cmpint(pci_bind_vfio(&binding, &facts, &error), ==, -1);
	g_assert_nonnull(strstr(error.text, "0000:00:04.0"));
	g_assert_nonnull(strstr(error.text, "did not take the device"));
	g_assert_false(binding.changed);
	probe = get(f, "/bus/pci/drivers_probe");
	g_assert_cmpstr(probe, ==, "0000:00:04.0");
	override = get(f, DEVICE "/driver_override");
	g_assert_true(g_str_has_prefix(override, "\n"));
}

static void
test_bind_and_restore(struct fixture *f, gconstpointer data)
{
	g_autofree char *driver = g_strconcat(f->root, DEVICE "/driver", NULL);
	g_autofree char *unbound = NULL;
	g_autofree char *bound = NULL;
	g_autofree char *override = NULL;
	struct probe_error error = { 0 };
	struct pci_binding binding;
	struct pci_facts facts;

	(void) data;
	put(f, "/bus/pci/drivers/vfio-pci/unbind", "");
	put(f, "/bus/pci/drivers/e1000e/bind", "");
	put(f, DEVICE "/driver_override", "e1000e\n");
	put_link(f, DEVICE "/driver", "../../../../bus/pci/drivers/vfio-pci");
	g_assert_true(sysfs_pci_facts("0000:00:04.0", &facts));
	/* As if it had been e1000e's and the kernel had moved it at once. */
	g_strlcpy(facts.driver, "e1000e", sizeof facts.driver);
	g_assert_cmpint(pci_bind_vfio(&binding, &facts, &error), ==, 0);
	g_assert_true(binding.changed);
	g_assert_cmpint(pci_bind_restore(&binding, &error), ==, 0);
	unbound = get(f, "/bus/pci/drivers/vfio-pci/unbind");
	g_assert_cmpstr(unbound, ==, "0000:00:04.0");
	bound = get(f, "/bus/pci/drivers/e1000e/bind");
	g_assert_cmpstr(bound, ==, "0000:00:04.0");
	override = get(f, DEVICE "/driver_override");
	g_assert_true(g_str_has_prefix(override, "e1000e"));
	/* Once is enough. */
	g_assert_false(binding.changed);
	g_assert_cmpint(g_unlink(driver), ==, 0);
	g_assert_cmpint(pci_bind_restore(&binding, &error), ==, 0);
}

static void
test_commands(struct fixture *f, gconstpointer data)
{
	struct pci_facts facts = { .bdf = "0000:00:04.0" };
	char text[768];

	(void) f;
	(void) data;
	pci_bind_commands(&facts, text, sizeof text);
	g_assert_cmpstr(text, ==,
		"  modprobe vfio-pci\n"
		"  echo vfio-pci > /sys/bus/pci/devices/0000:00:04.0/driver_override\n"
		"  echo 0000:00:04.0 > /sys/bus/pci/drivers_probe");
	g_strlcpy(facts.driver, "nvme", sizeof facts.driver);
	pci_bind_commands(&facts, text, sizeof text);
	g_assert_nonnull(
		strstr(text, "\n  echo 0000:00:04.0 > /sys/bus/pci/devices/0000:00:04.0/driver/unbind\n"));
}

static void
test_iommufd_device(struct fixture *f, gconstpointer data)
{
	struct pci_facts facts = { .bdf = "0000:00:04.0" };
	struct probe_error error = { 0 };
	char path[64];

	(void) data;
	/* Before 6.1, or not bound to vfio-pci. */
	g_assert_cmpint(iommufd_device_path(&facts, path, sizeof path, &error), ==, -1);
	/* Without CONFIG_VFIO_DEVICE_CDEV it has a name and no number. */
	put(f, DEVICE "/vfio-dev/vfio7/uevent", "");
	g_assert_cmpint(iommufd_device_path(&facts, path, sizeof path, &error), ==, -1);
	g_assert_cmpint(error.err, ==, ENODEV);
	g_assert_nonnull(strstr(error.text, "CONFIG_VFIO_DEVICE_CDEV"));
	put(f, DEVICE "/vfio-dev/vfio7/dev", "511:7\n");
	g_assert_cmpint(iommufd_device_path(&facts, path, sizeof path, &error), ==, 0);
	g_assert_cmpstr(path, ==, "/dev/vfio/devices/vfio7");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
#define ADD(name, fn) g_test_add("/probe/sysfs/" name, struct fixture, NULL, set_up, fn, tear_down)
	ADD("facts", test_facts);
	ADD("no-group", test_no_group);
	ADD("iommus", test_iommus);
	ADD("bounded-read", test_bounded_read);
	ADD("strangers", test_strangers);
	ADD("bind-fails", test_bind_fails);
	ADD("bind-and-restore", test_bind_and_restore);
	ADD("commands", test_commands);
	ADD("iommufd-device", test_iommufd_device);
	return g_test_run();
}
