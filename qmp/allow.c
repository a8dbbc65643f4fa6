/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may be sent to a QEMU.  Everything here only reads, but for what is allowed by
 * request: to stop and resume the guest, and to switch trace events.
 *
 * Not on the list although it sounds harmless: gpa2hpa, which writes to the page
 * that it is asked about (an atomic add of 0 to fault it in).
 */
#include <string.h>

#include <viommu/monitor.h>

static const char *const qmp_commands[] = {
	"qmp_capabilities", /* leaves negotiation mode; changes nothing in the machine */
	"query-version",
	"query-status",
	"query-kvm",
	"query-pci",
	"query-name",
	"query-cpus-fast",
	"qom-list",
	"qom-get",
};

static const char *const pause_commands[] = { "stop", "cont" };

/* HMP: whole lines, or a prefix that ends in a space and is followed by one
 * argument of digits, letters and the characters of an "xp" format only. */
static const char *const hmp_lines[] = {
	"info mtree -f",
	"info qtree",
	"info pci",
	"info status",
	"info version",
};
static const char *const hmp_prefixes[] = { "xp /", "gpa2hva 0x" };

static gboolean
listed(const char *word, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, list[i]) == 0)
			return TRUE;
	return FALSE;
}

static gboolean
hmp_allowed(const char *line)
{
	if (listed(line, hmp_lines, G_N_ELEMENTS(hmp_lines)))
		return TRUE;
	for (size_t i = 0; i < G_N_ELEMENTS(hmp_prefixes); i++)
		if (g_str_has_prefix(line, hmp_prefixes[i])) {
			const char *rest = line + strlen(hmp_prefixes[i]);
			return strspn(rest, "0123456789abcdefghijklmnopqrstuvwxyz ") == strlen(rest);
		}
	return FALSE;
}

gboolean
viommu_monitor_may_send(const char *command, const char *line, gboolean pause_allowed)
{
	if (strcmp(command, "human-monitor-command") == 0)
		return line && hmp_allowed(line);
	if (pause_allowed && listed(command, pause_commands, G_N_ELEMENTS(pause_commands)))
		return TRUE;
	return listed(command, qmp_commands, G_N_ELEMENTS(qmp_commands));
}

/* ---- tracing ----------------------------------------------------------------------- */

/* The vIOMMU's and vfio's events; a pattern has its star at the end. */
static gboolean
event_allowed(const json_t *name, gboolean pattern)
{
	const char *text = json_string_value(name);
	size_t len;

	if (!text || json_string_length(name) != strlen(text) ||
		(!g_str_has_prefix(text, "vtd_") && !g_str_has_prefix(text, "vfio_")))
		return FALSE;
	len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");
	return text[len] == '\0' || (pattern && strcmp(text + len, "*") == 0);
}

/* logfile "PATH", the path absolute and without what HMP or QEMU would read as something
 * else (quotes, escapes, % for the process id). */
static gboolean
logfile_allowed(const char *line)
{
	static const char begin[] = "logfile \"/";
	const char *path = line + sizeof(begin) - 1, *at = path;

	if (!g_str_has_prefix(line, begin))
		return FALSE;
	while (*at >= ' ' && *at < 0x7f && !strchr("\"\\%", *at))
		at++;
	return at > path && at[0] == '"' && at[1] == '\0';
}

gboolean
viommu_monitor_may_trace(const char *command, const json_t *arguments)
{
	const json_t *name = json_object_get(arguments, "name");

	if (strcmp(command, "trace-event-get-state") == 0)
		return json_object_size(arguments) == 1 && event_allowed(name, TRUE);
	if (strcmp(command, "trace-event-set-state") == 0)
		return json_object_size(arguments) == 2 && event_allowed(name, FALSE) &&
			json_is_boolean(json_object_get(arguments, "enable"));
	if (strcmp(command, "human-monitor-command") == 0) {
		const char *line = json_string_value(json_object_get(arguments, "command-line"));

		return json_object_size(arguments) == 1 && line && logfile_allowed(line);
	}
	return FALSE;
}
