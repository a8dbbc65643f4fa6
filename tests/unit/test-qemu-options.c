/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QEMU's command line: where its QMP monitor is, what the guest is called, and whether it has
 * a vIOMMU. */
#include <glib.h>

#include "qemus.h"

#define PARSE(...) viommu_qemu_parse((char *[]) { (char[]) { "/usr/bin/qemu-system-x86_64" }, __VA_ARGS__, NULL })

static const viommu_qemu_monitor *
monitor(const viommu_qemu *qemu, guint n)
{
	g_assert_cmpuint(n, <, qemu->monitors->len);
	return g_ptr_array_index(qemu->monitors, n);
}

static void
reaches(const char *option, const char *value, const char *address)
{
	g_autoptr(viommu_qemu) qemu = PARSE((char *) option, (char *) value);

	g_assert_cmpuint(qemu->monitors->len, ==, 1);
	g_assert_cmpstr(monitor(qemu, 0)->address, ==, address);
	g_assert_true(!address == (monitor(qemu, 0)->why_not != NULL));
}

static void
test_qmp(void)
{
	reaches("-qmp", "unix:/tmp/qmp,server=on,wait=off", "unix:/tmp/qmp");
	reaches("--qmp", "unix:/tmp/qmp,server,nowait", "unix:/tmp/qmp");
	reaches("-qmp-pretty", "unix:/a=b,,c d,wait=off,server=on", "unix:/a=b,c d");
	reaches("-qmp", "unix:qmp.sock,server=on", "unix:qmp.sock");
	reaches("-qmp", "tcp:localhost:4444,server=on,wait=off", "tcp:localhost:4444");
	reaches("-qmp", "tcp::4444,server=on", "tcp:127.0.0.1:4444");
	reaches("-qmp", "tcp:0.0.0.0:4444,server=on", "tcp:127.0.0.1:4444");
	reaches("-qmp", "tcp:[::1]:4444,server=on", "tcp:[::1]:4444");
	/* Nobody can connect to these. */
	reaches("-qmp", "unix:/tmp/qmp", NULL);
	reaches("-qmp", "unix:/tmp/qmp,server=off", NULL);
	reaches("-qmp", "unix:name,abstract=on,server=on", NULL);
	reaches("-qmp", "tcp:4444", NULL);
	reaches("-qmp", "stdio", NULL);
	reaches("-qmp", "chardev:none", NULL);
	reaches("-qmp", "", NULL);
	reaches("-qmp", ",,,=,", NULL);
	reaches("-mon", "chardev=none,mode=control", NULL);
}

static void
test_chardev(void)
{
	g_autoptr(viommu_qemu) qemu = PARSE((char *) "-chardev", (char *) "socket,id=a,path=/run/a,server=on,wait=off", (char *) "-mon",
		(char *) "chardev=a,id=m,mode=control", (char *) "-mon", (char *) "b,mode=control", (char *) "-chardev",
		(char *) "socket,id=b,host=::,port=5,server=on", (char *) "-mon", (char *) "chardev=c,mode=readline", (char *) "-chardev",
		(char *) "socket,fd=33,id=d,server=on", (char *) "-mon", (char *) "mode=control,chardev=d", (char *) "-qmp",
		(char *) "chardev:a");

	g_assert_cmpuint(qemu->monitors->len, ==, 4);
	g_assert_cmpstr(monitor(qemu, 0)->address, ==, "unix:/run/a");
	g_assert_cmpstr(monitor(qemu, 0)->bound, ==, "/run/a");
	g_assert_cmpstr(monitor(qemu, 1)->address, ==, "tcp:[::1]:5");
	g_assert_null(monitor(qemu, 2)->address);
	g_assert_cmpint(monitor(qemu, 2)->fd, ==, 33);
	g_assert_cmpstr(monitor(qemu, 3)->address, ==, "unix:/run/a");
}

/* A human monitor that is a terminal is none of ours, and -qmp none is no monitor. */
static void
test_none(void)
{
	g_autoptr(viommu_qemu) qemu = PARSE((char *) "-monitor", (char *) "stdio", (char *) "-qmp", (char *) "none",
		(char *) "-chardev", (char *) "vc,id=m", (char *) "-mon", (char *) "chardev=m,mode=readline", (char *) "-monitor",
		(char *) "unix:/tmp/hmp", (char *) "-S", (char *) "-qmp");

	g_assert_cmpuint(qemu->monitors->len, ==, 0);
	g_assert_cmpstr(qemu->name, ==, "qemu-system-x86_64");
	g_assert_cmpint(qemu->iommu, ==, VIOMMU_SAID_NO);
}

static void
test_human(void)
{
	g_autoptr(viommu_qemu) qemu = PARSE((char *) "-monitor", (char *) "unix:/tmp/hmp,server=on", (char *) "-chardev",
		(char *) "socket,id=m,port=5,host=::1,server=on", (char *) "-mon", (char *) "m", (char *) "-qmp", (char *) "unix:/q,server=on");

	g_assert_cmpuint(qemu->monitors->len, ==, 3);
	g_assert_cmpstr(monitor(qemu, 0)->address, ==, "hmp:unix:/tmp/hmp");
	g_assert_cmpstr(monitor(qemu, 0)->bound, ==, "/tmp/hmp");
	g_assert_true(monitor(qemu, 0)->human);
	g_assert_cmpstr(monitor(qemu, 1)->address, ==, "hmp:tcp:[::1]:5");
	g_assert_true(monitor(qemu, 1)->human);
	g_assert_false(monitor(qemu, 2)->human);
}

static void
said(const char *option, const char *value, viommu_said iommu)
{
	g_autoptr(viommu_qemu) qemu = PARSE((char *) option, (char *) value);

	g_assert_cmpint(qemu->iommu, ==, iommu);
}

static void
test_iommu(void)
{
	said("-device", "intel-iommu", VIOMMU_SAID_YES);
	said("-device", "intel-iommu,intremap=on,caching-mode=on", VIOMMU_SAID_YES);
	said("-device", "driver=intel-iommu", VIOMMU_SAID_YES);
	said("-device", "{\"driver\":\"intel-iommu\",\"id\":\"iommu0\"}", VIOMMU_SAID_YES);
	said("-device", "virtio-iommu-pci", VIOMMU_SAID_NO);
	said("-device", "edu,id=intel-iommu", VIOMMU_SAID_NO);
	said("-device", "{\"driver\":1}", VIOMMU_SAID_NO);
	said("-device", "{", VIOMMU_SAID_NO);
	said("-readconfig", "/etc/machine.conf", VIOMMU_SAID_ELSEWHERE);
}

static void
named(const char *value, const char *name)
{
	g_autoptr(viommu_qemu) qemu = PARSE((char *) "-name", (char *) value);

	g_assert_cmpstr(qemu->name, ==, name);
}

static void
test_name(void)
{
	named("debian", "debian");
	named("guest=a b,,c,debug-threads=on", "a b,c");
	named("debug-threads=on", "qemu-system-x86_64");
	named("", "qemu-system-x86_64");
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/qemu-options/qmp", test_qmp);
	g_test_add_func("/qemu-options/chardev", test_chardev);
	g_test_add_func("/qemu-options/none", test_none);
	g_test_add_func("/qemu-options/human", test_human);
	g_test_add_func("/qemu-options/iommu", test_iommu);
	g_test_add_func("/qemu-options/name", test_name);
	return g_test_run();
}
