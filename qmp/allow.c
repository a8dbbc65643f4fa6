/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may be sent to a QEMU.  Everything here only reads.
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
