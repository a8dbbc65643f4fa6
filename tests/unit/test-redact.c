/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is private goes, what is needed stays, and the same stays the same. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "redact/redact.h"

static void
check_text(viommu_redact *self, const char *text, const char *want)
{
	g_autofree char *got = viommu_redact_text(self, text);
	g_autofree char *again = viommu_redact_text(self, got);

	g_assert_cmpstr(got, ==, want);
	g_assert_cmpstr(again, ==, want);
}

static void
test_shapes(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "" },
		{ "mac 52:54:00:AB:cd:01.", "mac <mac-1>." },
		{ "52-54-00-ab-cd-01", "<mac-1>" },
		{ "boot 0c9f6f0e-8f2e-4a39-9d4e-b5b2a1a3b6f1,x", "boot <uuid-1>,x" },
		{ "at 192.168.122.7:5900 and 127.0.0.1", "at <host-1>:5900 and 127.0.0.1" },
		{ "deb12u18 1.2.3.4.5 7.2.22 300.1.1.1", "deb12u18 1.2.3.4.5 7.2.22 300.1.1.1" },
		{ "[fe80::5054:ff:fe12:3456] [::1]", "[<host-1>] [::1]" },
		{ "00:04.0 0000:00:04.0 16:55:20 2026-11-22T16:55:20Z", "00:04.0 0000:00:04.0 16:55:20 2026-11-22T16:55:20Z" },
		{ "see nbd://user:pw@store.example/disk, and", "see <url-1>, and" },
		{ "by anna@example.org now", "by <user-1> now" },
		{ "4242@1700000000.123456:vtd_inv_desc x", "4242@1700000000.123456:vtd_inv_desc x" },
		{ "/home/anna/vm.img: cut", "<path-1>: cut" },
		{ "file:/var/lib/x:1/y,on", "file:<path-1>,on" },
		{ "~/vm.img ~anna/vm.img", "<path-1> <path-2>" },
		{ "/usr/bin/qemu-system-x86_64 /dev/vfio/12 /sys/x /dev/sda1", "/usr/bin/qemu-system-x86_64 /dev/vfio/12 /sys/x /dev/sda1" },
		{ "/dev/mapper/vg-root /dev/disk/by-id/x /usr/bin/../../home/x", "<path-1> <path-2> <path-3>" },
		{ "read/write 1/8 a / b //c", "read/write 1/8 a / b //c" },
		{ "0xfee00000-0xfeefffff QEMU 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)",
			"0xfee00000-0xfeefffff QEMU 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)" },
		{ "<path-1> <mac-x> <none-1>", "<path-1> <mac-x> <none-1>" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(viommu_redact) self = viommu_redact_new();

		check_text(self, cases[i].text, cases[i].want);
	}
}

/* What looks like the beginning of something private at every place: were it followed to the
 * end each time, a megabyte of it would take hours. Behind the page there is nothing to read. */
static void
test_looks_ahead(void)
{
	static const char *const patterns[] = { "1:", "abcd:", "a.", "1.", "a+" };
	const size_t page = (size_t) sysconf(_SC_PAGESIZE);
	char *text = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	g_assert_true(text != MAP_FAILED);
	g_assert_cmpint(mprotect(text + page, page, PROT_NONE), ==, 0);
	for (gsize i = 0; i < G_N_ELEMENTS(patterns); i++) {
		viommu_redact_kind kind;

		for (size_t at = 0; at < page; at++)
			text[at] = patterns[i][at % strlen(patterns[i])];
		g_assert_cmpuint(viommu_redact_shape(text, 1000000, 0, true, &kind), ==, 0);
	}
	munmap(text, 2 * page);
}

/* Only the last eight groups are an address, and what stands behind is found as ever. */
static void
test_colons(void)
{
	static const char end[] = " 1:2:3:4:5:6:7:8 fe80::1:2", shown[] = "<host-1>: <host-2> <host-3>";
	g_autoptr(viommu_redact) self = viommu_redact_new();
	g_autoptr(GString) text = g_string_new(NULL);
	g_autofree char *got = NULL;
	size_t same;

	for (unsigned i = 0; i < 1000000; i++)
		g_string_append(text, "1:");
	same = text->len - 16;
	g_string_append(text, end);
	got = viommu_redact_text(self, text->str);
	g_assert_cmpuint(strlen(got), ==, same + strlen(shown));
	g_assert_cmpint(memcmp(got, text->str, same), ==, 0);
	g_assert_cmpstr(got + same, ==, shown);
}

static void
test_consistent(void)
{
	g_autoptr(viommu_redact) self = viommu_redact_new();
	uint64_t times;

	check_text(self, "/srv/a /srv/b /srv/a", "<path-1> <path-2> <path-1>");
	check_text(self, "/srv/b AA:bb:cc:00:11:22", "<path-2> <mac-1>");
	check_text(self, "aa:BB:cc:00:11:22", "<mac-1>");
	g_assert_cmpuint(viommu_redact_count(self, VIOMMU_REDACT_PATH, &times), ==, 2);
	g_assert_cmpuint(times, ==, 4);
}

static void
test_learned(void)
{
	g_autoptr(viommu_redact) self = viommu_redact_new();

	viommu_redact_learn(self, VIOMMU_REDACT_USER, "anna");
	viommu_redact_learn(self, VIOMMU_REDACT_HOST, "anna-pc");
	viommu_redact_learn(self, VIOMMU_REDACT_SECRET, "hunter2hunter2");
	viommu_redact_learn(self, VIOMMU_REDACT_SECRET, "abc");
	viommu_redact_learn(self, VIOMMU_REDACT_USER, "root");
	viommu_redact_learn(self, VIOMMU_REDACT_USER, "ab");
	check_text(self, "anna on anna-pc, annabel, root ab abcd", "<user-1> on <host-1>, annabel, root ab abcd");
	check_text(self, "xhunter2hunter2x abc", "x<secret-1>x <secret-2>");
	viommu_redact_learn_homes(self, "x /home/bob/y", 13);
	check_text(self, "bob's /home/bob/y", "<user-2>'s <path-1>");
}

/* What was cut off within something private: the beginning of it is as private. */
static void
test_shortened(void)
{
	static const struct {
		const char *text, *want, *whole;
	} cases[] = {
		{ "port hunter2hunter2", "port <secret-1>", "port <secret-1>" },
		{ "port hunter2hun", "port <secret-1>", "port <secret-1>" },
		{ "porthunter2h", "port<secret-1>", "port<secret-1>" },
		{ "port hunt", "port <secret-1>", "port hunt" },
		{ "port hunt x", "port hunt x", "port hunt x" },
		{ "port hu", "port hu", "port hu" },
		{ "at store.exam", "at <host-1>", "at store.exam" },
		{ "restore.exam", "restore.exam", "restore.exam" },
		{ "at store.example", "at <host-1>", "at <host-1>" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(viommu_redact) self = viommu_redact_new();
		g_autofree char *got = NULL;

		viommu_redact_learn(self, VIOMMU_REDACT_SECRET, "hunter2hunter2");
		viommu_redact_learn(self, VIOMMU_REDACT_HOST, "store.example");
		got = viommu_redact_shortened(self, cases[i].text);
		g_assert_cmpstr(got, ==, cases[i].want);
		check_text(self, cases[i].text, cases[i].whole);
	}
}

/* Numbers that older text has are not given again. */
static void
test_taken(void)
{
	g_autoptr(viommu_redact) self = viommu_redact_new();

	viommu_redact_taken(self, VIOMMU_REDACT_PATH, 4, 9);
	check_text(self, "<path-2> /srv/x", "<path-2> <path-5>");
}

static const char *const arguments[] = {
	"/usr/bin/qemu-system-x86_64", "-enable-kvm",
	"-name", "guest=payroll,debug-threads=on",
	"-m", "4G", "-machine", "q35,kernel-irqchip=split",
	"-device", "intel-iommu,intremap=on,caching-mode=on",
	"-drive", "file=/srv/vm,,odd/payroll disk.qcow2,if=none,id=d0,file.password=s3cr3tpw",
	"-device", "virtio-blk-pci,drive=d0,serial=WD-X1Y2Z3",
	"-device", "vfio-pci,host=0000:03:00.0",
	"-netdev", "user,id=n0,hostfwd=tcp:10.1.2.3:2222-:22,hostname=payroll-guest",
	"-device", "{\"driver\":\"e1000e\",\"mac\":\"52:54:00:12:34:56\",\"addr\":\"05.0\"}",
	"-object", "secret,id=s0,data=TopSecretData",
	"-object", "{\"qom-type\":\"secret\",\"id\":\"s1\",\"data\":\"Quo\\\"ted\"}",
	"-blockdev", "{\"driver\":\"luks\",\"key-secret\":\"s0\",\"file\":{\"driver\":\"file\",\"filename\":\"luksdisk.img\"}}",
	"-vnc", "vnc.example.net:1,password=on", "-spice", "port=5900,password=spicepw",
	"-smbios", "type=1,serial=SER123,manufacturer=Acme Corp", "-fw_cfg", "name=opt/x,string=ignition blob",
	"-append", "root=UUID=11111111-2222-3333-4444-555555555555 ip=10.9.8.7 rd.luks.key=kkk quiet intel_iommu=on",
	"-qmp", "unix:/run/me/q.sock,server=on", "-serial", "mon:stdio", "-uuid", "99999999-2222-3333-4444-555555555555",
	"-iscsi", "user=chapuser,password=chappass", "-nographic", "leftover.img", NULL
};

static void
test_arguments(void)
{
	g_autoptr(viommu_redact) self = viommu_redact_new();
	static const char *const want[] = {
		"/usr/bin/qemu-system-x86_64", "-enable-kvm",
		"-name", "guest=<name-1>,debug-threads=on",
		"-m", "4G", "-machine", "q35,kernel-irqchip=split",
		"-device", "intel-iommu,intremap=on,caching-mode=on",
		"-drive", "file=<path-1>,if=none,id=d0,file.password=<secret-1>",
		"-device", "virtio-blk-pci,drive=d0,serial=<serial-1>",
		"-device", "vfio-pci,host=0000:03:00.0",
		"-netdev", "user,id=n0,hostfwd=tcp:<host-1>:2222-:22,hostname=<host-2>",
		"-device", "{\"driver\":\"e1000e\",\"mac\":\"<mac-1>\",\"addr\":\"05.0\"}",
		"-object", "secret,id=s0,data=<secret-2>",
		"-object", "{\"qom-type\":\"secret\",\"id\":\"s1\",\"data\":\"<secret-3>\"}",
		"-blockdev", "{\"driver\":\"luks\",\"key-secret\":\"s0\",\"file\":{\"driver\":\"file\",\"filename\":\"<path-2>\"}}",
		"-vnc", "<host-3>:1,password=on", "-spice", "port=5900,password=<secret-4>",
		"-smbios", "type=1,serial=<serial-2>,manufacturer=<text-1>", "-fw_cfg", "name=opt/x,string=<text-2>",
		"-append", "root=UUID=<uuid-1> ip=<host-4> rd.luks.key=<secret-5> quiet intel_iommu=on",
		"-qmp", "unix:<path-3>,server=on", "-serial", "mon:stdio", "-uuid", "<uuid-2>",
		"-iscsi", "user=<user-1>,password=<secret-6>", "-nographic", "<path-4>", NULL
	};

	viommu_redact_learn_arguments(self, (char **) arguments);
	for (gsize i = 0; arguments[i]; i++) {
		g_autofree char *got = viommu_redact_argument(self, arguments[i]);
		g_autofree char *again = viommu_redact_argument(self, got);

		g_assert_cmpstr(got, ==, want[i]);
		g_assert_cmpstr(again, ==, want[i]);
	}
	check_text(self, "could not open '/srv/vm,odd/payroll disk.qcow2' nor payroll disk.qcow2: chappass, spicepw",
		"could not open '<path-1>' nor <path-5>: <secret-6>, <secret-4>");
}

/* An argument list that was redacted comes out as it went in. */
static void
test_arguments_again(void)
{
	g_autoptr(viommu_redact) first = viommu_redact_new(), second = viommu_redact_new();
	g_autoptr(GPtrArray) shown = g_ptr_array_new_with_free_func(g_free);

	viommu_redact_learn_arguments(first, (char **) arguments);
	for (gsize i = 0; arguments[i]; i++)
		g_ptr_array_add(shown, viommu_redact_argument(first, arguments[i]));
	g_ptr_array_add(shown, NULL);
	viommu_redact_learn_arguments(second, (char **) shown->pdata);
	for (gsize i = 0; arguments[i]; i++) {
		g_autofree char *got = viommu_redact_argument(second, shown->pdata[i]);

		g_assert_cmpstr(got, ==, shown->pdata[i]);
	}
}

static void
test_odd_arguments(void)
{
	static const char *const odd[] = { "qemu", "-drive", "", "-drive", ",", "-drive", ",,", "-drive", "file=", "-drive", "=x",
		"-object", "{", "-blockdev", "json:{\"a\":", "-device", "{\"driver\":[],\"serial\":{\"serial\":[1,\"zzzz\"]}}", "-netdev", "user,hostfwd=",
		"-append", "root= =\" \"\" x=\"a b", "-", "--", "-name", "\xff\xfe", "-smbios", "\xee\x80\x81" "7\xee\x80\x81", NULL };
	g_autoptr(viommu_redact) self = viommu_redact_new();

	viommu_redact_learn_arguments(self, (char **) odd);
	viommu_redact_learn_arguments(self, NULL);
	for (gsize i = 0; odd[i]; i++) {
		g_autofree char *got = viommu_redact_argument(self, odd[i]);

		g_assert_true(g_utf8_validate(got, -1, NULL));
		g_assert_null(strstr(got, "zzzz"));
	}
}

static void
test_kernel(void)
{
	g_autoptr(viommu_redact) self = viommu_redact_new();
	g_autofree char *got = viommu_redact_kernel(self,
		"BOOT_IMAGE=/boot/vmlinuz-6.1 root=/dev/mapper/vg-root ro resume=/dev/sda2 intel_iommu=on,sm_on iommu=pt hugepages=16 "
		"systemd.hostname=payroll ip=dhcp nfsroot=10.0.0.1:/x cryptdevice=UUID=1:root drm.edid=x api_token=\"a b\" quiet");

	g_assert_cmpstr(got, ==,
		"BOOT_IMAGE=/boot/vmlinuz-6.1 root=<path-1> ro resume=/dev/sda2 intel_iommu=on,sm_on iommu=pt hugepages=16 "
		"systemd.hostname=<host-1> ip=dhcp nfsroot=<host-2> cryptdevice=<secret-1> drm.edid=x api_token=<secret-2> quiet");
}

static void
test_counts(void)
{
	g_autoptr(viommu_redact) self = viommu_redact_new();
	g_autofree char *none = viommu_redact_counts_text(self), *some = NULL, *text = NULL;
	json_t *json;

	g_assert_cmpstr(none, ==, "nothing");
	text = viommu_redact_text(self, "/srv/a /srv/b 52:54:00:ab:cd:01 /srv/a");
	some = viommu_redact_counts_text(self);
	g_assert_cmpstr(some, ==, "2 paths, 1 MAC address");
	json = viommu_redact_counts_json(self);
	g_assert_cmpint(json_array_size(json), ==, 2);
	g_assert_cmpint(json_integer_value(json_object_get(json_array_get(json, 0), "times")), ==, 3);
	json_decref(json);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/redact/shapes", test_shapes);
	g_test_add_func("/redact/looks-ahead", test_looks_ahead);
	g_test_add_func("/redact/colons", test_colons);
	g_test_add_func("/redact/consistent", test_consistent);
	g_test_add_func("/redact/learned", test_learned);
	g_test_add_func("/redact/shortened", test_shortened);
	g_test_add_func("/redact/taken", test_taken);
	g_test_add_func("/redact/arguments", test_arguments);
	g_test_add_func("/redact/arguments-again", test_arguments_again);
	g_test_add_func("/redact/odd-arguments", test_odd_arguments);
	g_test_add_func("/redact/kernel", test_kernel);
	g_test_add_func("/redact/counts", test_counts);
	return g_test_run();
}
