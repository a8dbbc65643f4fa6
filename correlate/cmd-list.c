/* SPDX-License-Identifier: GPL-2.0-or-later */
/* viommu list: the QEMUs of this host, and how to reach each. */
#include <pwd.h>
#include <stdio.h>

#include "cmd.h"
#include "qemus.h"
#include "report/render.h"

static const char help[] =
	"Usage: viommu list [--format FORMAT]\n\n"
	"Shows the QEMUs of this host: whether they have a vIOMMU, and by which monitor\n"
	"viommu reaches them. Nothing is sent to them: their command lines are read.\n\n"
	"  viommu list --format json | jq .qemus[].pid\n\n"
	"      --format FORMAT   text (default) or json\n"
	"      --debug           nothing more for this command\n"
	"  -h, --help   -V, --version\n\n"
	"Then -p PID names one as a TARGET: viommu info -p 1234\n";

typedef enum { ACCESS_ALL, ACCESS_MONITOR, ACCESS_LIBVIRT, ACCESS_HELD, ACCESS_ROOT, ACCESS_NONE, ACCESSES } access_kind;

static const struct {
	const char *name, *meaning;
} accesses[ACCESSES] = {
	[ACCESS_ALL] = { "yes", NULL },
	[ACCESS_MONITOR] = { "slow", "slow: its memory may not be read, so tables are read through the monitor, about a millisecond a "
				     "page; root, or the user that it runs as, reads them at once" },
	[ACCESS_LIBVIRT] = { "libvirt", "libvirt: libvirt holds its monitor, and passes commands on: -q libvirt:GUEST, or -p PID (libvirt has to "
					"let you)" },
	[ACCESS_HELD] = { "held", "held: somebody is connected to its monitor (libvirt, a shell), which serves one client at a time; "
				  "close that one, or give QEMU one more -qmp unix:PATH,server=on,wait=off" },
	[ACCESS_ROOT] = { "root", "root: its monitor may not be used by you; run viommu as root, or as the user that it runs as" },
	[ACCESS_NONE] = { "no", "no: it has no QMP monitor that can be reached (why: --format json); start it with -qmp "
				"unix:PATH,server=on,wait=off" },
};

static access_kind
access_of(const viommu_qemu *qemu)
{
	access_kind ret = ACCESS_NONE;

	for (guint i = 0; i < qemu->monitors->len; i++) {
		const viommu_qemu_monitor *monitor = g_ptr_array_index(qemu->monitors, i);
		access_kind here = monitor->why_not	   ? ACCESS_NONE
			: !monitor->permitted		   ? ACCESS_ROOT
			: monitor->held == VIOMMU_HELD_YES ? ACCESS_HELD
			: qemu->memory			   ? ACCESS_ALL
							   : ACCESS_MONITOR;

		ret = MIN(ret, here);
	}
	return qemu->libvirt ? MIN(ret, ACCESS_LIBVIRT) : ret;
}

static const char *
said(viommu_said iommu)
{
	return iommu == VIOMMU_SAID_YES ? "yes" : iommu == VIOMMU_SAID_NO ? "no" : "?";
}

static char *
user_name(uid_t uid)
{
	const struct passwd *entry = getpwuid(uid);

	return entry ? viommu_escape(entry->pw_name) : g_strdup_printf("%u", (unsigned) uid);
}

static char *
monitors_text(const viommu_qemu *qemu, bool *unknown)
{
	static const char *const held[] = { [VIOMMU_HELD_NO] = "", [VIOMMU_HELD_YES] = " (held)", [VIOMMU_HELD_UNKNOWN] = " (held?)" };
	GString *ret = g_string_new(qemu->libvirt);

	for (guint i = 0; i < qemu->monitors->len; i++) {
		const viommu_qemu_monitor *monitor = g_ptr_array_index(qemu->monitors, i);
		g_autofree char *safe = viommu_escape(monitor->address ? monitor->address : "");

		if (!monitor->address)
			continue;
		g_string_append_printf(ret, "%s%s", ret->len ? ", " : "", safe);
		if (monitor->why_not)
			g_string_append_printf(ret, " (%s)", monitor->why_not);
		else
			g_string_append(ret, held[monitor->held]);
		*unknown |= !monitor->why_not && monitor->held == VIOMMU_HELD_UNKNOWN;
	}
	return g_string_free(ret, FALSE);
}

static void
print_text(const GPtrArray *qemus)
{
	bool used[ACCESSES] = { false }, elsewhere = false, unknown = false;

	if (!qemus->len) {
		puts("No QEMU runs on this host that can be seen from here.\nA QEMU for viommu is started with: -device "
		     "intel-iommu,intremap=on,caching-mode=on -qmp unix:/tmp/qmp,server=on,wait=off");
		return;
	}
	printf("%8s  %-12s %-6s %-7s  %s\n", "PID", "USER", "VIOMMU", "ACCESS", "NAME, MONITORS");
	for (guint i = 0; i < qemus->len; i++) {
		const viommu_qemu *qemu = g_ptr_array_index(qemus, i);
		access_kind access = access_of(qemu);
		g_autofree char *user = user_name(qemu->uid);
		g_autofree char *name = viommu_escape(qemu->name);
		g_autofree char *monitors = monitors_text(qemu, &unknown);

		printf("%8d  %-12s %-6s %s%-7s%s  %s%s%s\n", (int) qemu->pid, user, said(qemu->iommu),
			viommu_tone_on(access == ACCESS_ALL ? VIOMMU_GOOD : VIOMMU_UNSURE), accesses[access].name,
			viommu_tone_off(access == ACCESS_ALL ? VIOMMU_GOOD : VIOMMU_UNSURE), name, *monitors ? ", " : "", monitors);
		used[access] = true;
		elsewhere |= qemu->iommu == VIOMMU_SAID_ELSEWHERE;
	}
	putchar('\n');
	for (unsigned i = 0; i < ACCESSES; i++)
		if (used[i] && accesses[i].meaning)
			puts(accesses[i].meaning);
	if (unknown)
		puts("held?: whether somebody is connected to that monitor could not be seen");
	if (elsewhere)
		puts("?: what it has is in a file (-readconfig); viommu info -p PID asks it");
	puts("As a TARGET: -p PID.");
}

static json_t *
qemu_json(const viommu_qemu *qemu)
{
	json_t *monitors = json_array(), *sockets = json_array();
	g_autofree char *user = user_name(qemu->uid);

	for (guint i = 0; i < qemu->monitors->len; i++) {
		const viommu_qemu_monitor *monitor = g_ptr_array_index(qemu->monitors, i);

		json_array_append_new(monitors,
			json_pack("{s:o, s:b, s:o, s:o}", "address", monitor->address ? viommu_json_path(monitor->address) : json_null(),
				"permitted", (int) (!monitor->why_not && monitor->permitted), "held",
				monitor->held == VIOMMU_HELD_UNKNOWN ? json_null() : json_boolean(monitor->held == VIOMMU_HELD_YES), "why_not",
				monitor->why_not ? viommu_json_path(monitor->why_not) : json_null()));
	}
	for (guint i = 0; i < qemu->sockets->len; i++)
		json_array_append_new(sockets, viommu_json_path(g_ptr_array_index(qemu->sockets, i)));
	return json_pack("{s:i, s:s, s:o, s:s, s:s, s:b, s:s?, s:o, s:o}", "pid", (int) qemu->pid, "user", user, "name",
		viommu_json_path(qemu->name), "viommu", qemu->iommu == VIOMMU_SAID_ELSEWHERE ? "unknown" : said(qemu->iommu), "access",
		accesses[access_of(qemu)].name, "memory", (int) qemu->memory, "libvirt", qemu->libvirt, "monitors", monitors, "other_sockets", sockets);
}

int
viommu_cmd_list(int argc, char **argv)
{
	g_auto(viommu_cmd) cmd = VIOMMU_CMD_DEFAULTS;
	g_autoptr(GPtrArray) qemus = NULL;
	int status = viommu_cmd_parse(&cmd, argc, argv, NULL, FALSE, help);

	if (status >= 0)
		return status;
	if (cmd.arguments[0])
		return viommu_cmd_usage("list", "it takes no argument, but got \"%s\"", cmd.arguments[0]);
	qemus = viommu_qemus();
	if (cmd.json) {
		json_t *list = json_array();

		for (guint i = 0; i < qemus->len; i++)
			json_array_append_new(list, qemu_json(g_ptr_array_index(qemus, i)));
		viommu_cmd_print_json(json_pack("{s:s, s:i, s:o}", "format", "viommu-list", "version", 1, "qemus", list));
	} else {
		print_text(qemus);
	}
	return VIOMMU_EXIT_CLEAN;
}
