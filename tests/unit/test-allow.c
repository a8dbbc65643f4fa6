/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may leave the client: a list, and nothing that only looks like it. */
#include <glib.h>

#include <viommu/monitor.h>

static void
test_allowed(void)
{
	static const char *const commands[] = { "qmp_capabilities", "query-version", "query-status",
		"query-kvm", "query-pci", "query-name", "query-cpus-fast", "qom-list", "qom-get" };
	static const char *const lines[] = { "info mtree -f", "info qtree", "info pci", "xp /512gx 0x1000",
		"xp /70gx 0xfed90000", "xp /8xw 0", "gpa2hva 0x0", "gpa2hva 0xffffffffffffffff" };

	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
		g_assert_true(viommu_monitor_may_send(commands[i], NULL, FALSE));
	for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
		g_assert_true(viommu_monitor_may_send("human-monitor-command", lines[i], FALSE));
}

/* Changes the machine, or QEMU, or writes guest memory. */
static void
test_commands_refused(void)
{
	static const char *const commands[] = { "stop", "cont", "quit", "system_reset", "system_powerdown",
		"system_wakeup", "device_add", "device_del", "object-add", "object-del", "qom-set", "migrate",
		"savevm", "snapshot-save", "blockdev-add", "chardev-add", "netdev_add", "memsave", "pmemsave",
		"dump-guest-memory", "screendump", "inject-nmi", "send-key", "set_password",
		"trace-event-set-state", "getfd", "add-fd", "x-exit-preconfig", "qmp_capabilities2",
		"QUERY-STATUS", " query-status", "query-status ", "query-status\n", "query-status;quit",
		"query-", "", "info mtree -f", "xp /1gx 0" };

	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
		g_test_message("command %zu", i);
		g_assert_false(viommu_monitor_may_send(commands[i], NULL, FALSE));
		/* A line that is fine does not make the command so. */
		g_assert_false(viommu_monitor_may_send(commands[i], "info pci", FALSE));
	}
}

static void
test_pause(void)
{
	g_assert_false(viommu_monitor_may_send("stop", NULL, FALSE));
	g_assert_false(viommu_monitor_may_send("cont", NULL, FALSE));
	g_assert_true(viommu_monitor_may_send("stop", NULL, TRUE));
	g_assert_true(viommu_monitor_may_send("cont", NULL, TRUE));
	/* Nothing else comes with it, and not by the human monitor either. */
	g_assert_false(viommu_monitor_may_send("quit", NULL, TRUE));
	g_assert_false(viommu_monitor_may_send("system_reset", NULL, TRUE));
	g_assert_false(viommu_monitor_may_send("human-monitor-command", "stop", TRUE));
	g_assert_false(viommu_monitor_may_send("human-monitor-command", "cont", TRUE));
	g_assert_false(viommu_monitor_may_send("human-monitor-command", "quit", TRUE));
}

static void
test_lines_refused(void)
{
	static const char *const lines[] = {
		/* Writes to the page that it is asked about. */
		"gpa2hpa 0x1000",
		"gpa2hpa 0x0",
		/* Writes, or stops, or worse. */
		"quit",
		"system_reset",
		"pmemsave 0 4096 /tmp/x",
		"memsave 0 4096 /tmp/x",
		"dump-guest-memory /tmp/x",
		"migrate exec:id",
		"gdbserver",
		"logfile /etc/passwd",
		"trace-event vtd_inv_desc on",
		"o /b 0x80 1",
		"i /b 0x80",
		"print $rip",
		"x /4i $pc",
		"xp",
		"xp 0x1000",
		"x /4gx 0x1000",
		"info",
		"info ",
		"info mtree",
		"info mtree -f -o",
		"info mtree -f ",
		" info mtree -f",
		"info registers",
		"help",
		"",
		/* Injected. */
		"xp /4gx 0x1000\nquit",
		"xp /4gx 0x1000\r\nquit",
		"xp /4gx 0x1000;quit",
		"xp /4gx 0x1000\tquit",
		"xp /4gx $(quit)",
		"xp /4gx 0x1000 | quit",
		"xp /4gx 0x1000 && quit",
		"xp /4gx \"0x1000\"",
		"xp /4gx 'a'",
		"xp /4gx $eax",
		"xp /4gx %eax",
		"xp /4gx 1+1",
		"xp /4gx (1)",
		"xp /4gx -1",
		"xp /4gx 0X1000",
		"xp /4gx 0x1000\xff",
		"xp /4gx 0x1000\\n",
		"gpa2hva 0x1000\nquit",
		"gpa2hva 0x1000;quit",
		"gpa2hva $eax",
		"gpa2hva 4096",
		"gpa2hva",
		"info mtree -f\nquit",
		"info mtree -f\n",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_test_message("line %zu", i);
		g_assert_false(viommu_monitor_may_send("human-monitor-command", lines[i], FALSE));
		g_assert_false(viommu_monitor_may_send("human-monitor-command", lines[i], TRUE));
	}
	g_assert_false(viommu_monitor_may_send("human-monitor-command", NULL, FALSE));
}

static gboolean
may_trace(const char *command, const char *arguments)
{
	json_t *json = json_loads(arguments, JSON_ALLOW_NUL, NULL);
	gboolean ret = viommu_monitor_may_trace(command, json);

	g_assert_nonnull(json);
	json_decref(json);
	return ret;
}

/* Tracing adds three commands, and their arguments count. */
static void
test_trace(void)
{
	static const struct {
		const char *command, *arguments;
	} good[] = {
		{ "trace-event-get-state", "{\"name\":\"vtd_*\"}" },
		{ "trace-event-get-state", "{\"name\":\"vfio_*\"}" },
		{ "trace-event-get-state", "{\"name\":\"vtd_reg_read\"}" },
		{ "trace-event-set-state", "{\"name\":\"vtd_reg_read\",\"enable\":true}" },
		{ "trace-event-set-state", "{\"name\":\"vfio_iommu_map_notify\",\"enable\":false}" },
		{ "human-monitor-command", "{\"command-line\":\"logfile \\\"/tmp/a b.log\\\"\"}" },
		{ "human-monitor-command", "{\"command-line\":\"logfile \\\"/dev/stderr\\\"\"}" },
	}, bad[] = {
		{ "trace-event-get-state", "{}" },
		{ "trace-event-get-state", "{\"name\":\"*\"}" },
		{ "trace-event-get-state", "{\"name\":\"vtd\"}" },
		{ "trace-event-get-state", "{\"name\":\"vtd_*_x\"}" },
		{ "trace-event-get-state", "{\"name\":\"virtio_*\"}" },
		{ "trace-event-get-state", "{\"name\":\"vtd_*\",\"vcpu\":0}" },
		{ "trace-event-get-state", "{\"name\":\"vtd_*\\u0000\"}" },
		{ "trace-event-set-state", "{\"name\":\"vtd_*\",\"enable\":true}" },
		{ "trace-event-set-state", "{\"name\":\"vtd_reg_read\"}" },
		{ "trace-event-set-state", "{\"name\":\"vtd_reg_read\",\"enable\":1}" },
		{ "trace-event-set-state", "{\"name\":\"vtd_reg_read\",\"enable\":true,\"vcpu\":0}" },
		{ "trace-event-set-state", "{\"name\":\"memory_region_ops_read\",\"enable\":true}" },
		{ "trace-event-set-state", "{\"name\":\"vtd_reg_read\\nquit\",\"enable\":true}" },
		{ "human-monitor-command", "{\"command-line\":\"logfile /tmp/x\"}" },
		{ "human-monitor-command", "{\"command-line\":\"logfile \\\"tmp/x\\\"\"}" },
		{ "human-monitor-command", "{\"command-line\":\"logfile \\\"/\\\"\"}" },
		{ "human-monitor-command", "{\"command-line\":\"logfile \\\"/tmp/%d\\\"\"}" },
		{ "human-monitor-command", "{\"command-line\":\"logfile \\\"/tmp/x\\\" y\"}" },
		{ "human-monitor-command", "{\"command-line\":\"logfile \\\"/tmp/x\\\\\\\"\"}" },
		{ "human-monitor-command", "{\"command-line\":\"logfile \\\"/tmp/x\\nquit\\\"\"}" },
		{ "human-monitor-command", "{\"command-line\":\"logfile \\\"/tmp/x\\\"\",\"cpu-index\":0}" },
		{ "human-monitor-command", "{\"command-line\":\"log all\"}" },
		{ "human-monitor-command", "{\"command-line\":\"trace-event vtd_reg_read on\"}" },
		{ "human-monitor-command", "{\"command-line\":\"trace-file on\"}" },
		{ "human-monitor-command", "{}" },
		{ "quit", "{}" },
		{ "stop", "{}" },
		{ "query-status", "{}" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
		g_test_message("%s %s", good[i].command, good[i].arguments);
		g_assert_true(may_trace(good[i].command, good[i].arguments));
	}
	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_test_message("%s %s", bad[i].command, bad[i].arguments);
		g_assert_false(may_trace(bad[i].command, bad[i].arguments));
	}
	g_assert_false(viommu_monitor_may_trace("trace-event-get-state", NULL));
	/* By itself, none of it may be sent. */
	g_assert_false(viommu_monitor_may_send("trace-event-get-state", NULL, TRUE));
	g_assert_false(viommu_monitor_may_send("trace-event-set-state", NULL, TRUE));
	g_assert_false(viommu_monitor_may_send("human-monitor-command", "logfile \"/tmp/x\"", TRUE));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/allow/allowed", test_allowed);
	g_test_add_func("/allow/commands-refused", test_commands_refused);
	g_test_add_func("/allow/pause", test_pause);
	g_test_add_func("/allow/lines-refused", test_lines_refused);
	g_test_add_func("/allow/trace", test_trace);
	return g_test_run();
}
