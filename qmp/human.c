/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "human.h"

#include <inttypes.h>
#include <string.h>

#include <viommu/error.h>

#include "hmp-answers.h"
#include "hmp.h"

#define PROMPT "(qemu) "
/* QEMU's readline has room for 4,095 characters. */
#define LINE_LIMIT 4000

/* Appends what comes until text has mark behind from; its place, or -1. */
static gssize
read_until(viommu_channel *channel, GString *text, gsize from, const char *mark, gint64 deadline, const char *wanted, GError **error)
{
	for (;;) {
		const char *found = text->len > from ? memmem(text->str + from, text->len - from, mark, strlen(mark)) : NULL;

		if (found)
			return found - text->str;
		from = MAX(from, text->len < strlen(mark) ? 0 : text->len - strlen(mark));
		if (!viommu_channel_receive_text(channel, text, deadline, wanted, error))
			return -1;
	}
}

static gboolean
may_be_typed(const char *line)
{
	if (strlen(line) > LINE_LIMIT)
		return FALSE;
	for (const char *p = line; *p; p++)
		if (!g_ascii_isprint(*p))
			return FALSE;
	return TRUE;
}

/* What a line says.  Everything up to the number's answer belongs to this line and to the number:
 * the line's own text is between the end of its echo and the last prompt before that. */
static char *
say(viommu_channel *channel, const char *line, gint64 deadline, GError **error)
{
	uint64_t nonce = (uint64_t) g_random_int() << 32 | g_random_int() | 1ull << 63;
	g_autofree char *typed = g_strdup_printf("%s\np/x 0x%" PRIx64 "\n", line, nonce);
	g_autofree char *printed = g_strdup_printf("\n0x%" PRIx64 "\r\n" PROMPT, nonce);
	g_autofree char *wanted = g_strdup_printf("its answer to \"%s\"", line);
	g_autoptr(GString) text = g_string_new(NULL);
	const char *begin, *end;
	gssize at;

	if (!may_be_typed(line)) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "a human monitor cannot be sent this line: \"%.40s…\"", line);
		return NULL;
	}
	if (!viommu_channel_send(channel, typed, strlen(typed), deadline, wanted, error))
		return NULL;
	at = read_until(channel, text, 0, printed, deadline, wanted, error);
	if (at < 0)
		return NULL;
	g_string_truncate(text, (gsize) at);
	begin = memchr(text->str, '\n', text->len);
	end = g_strrstr_len(text->str, (gssize) text->len, PROMPT);
	if (!begin || !end || end <= begin || memchr(text->str, '\0', text->len)) {
		viommu_channel_not_human(channel, error);
		return NULL;
	}
	/* A device's property need not be UTF-8; QMP, too, has U+FFFD for what is not. */
	return g_utf8_make_valid(begin + 1, end - begin - 1);
}

json_t *
viommu_human_greet(viommu_channel *channel, gint64 deadline, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GError) local = NULL;
	g_autofree char *version = NULL;
	json_t *ret;

	/* Also behind what a client that left has not read. */
	if (read_until(channel, text, 0, PROMPT, deadline, "its prompt", &local) < 0) {
		if (text->len && g_error_matches(local, VIOMMU_ERROR, VIOMMU_ERROR_TIMEOUT))
			viommu_channel_not_human(channel, error); /* QMP's greeting, say */
		else
			g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	version = say(channel, "info version", deadline, error);
	ret = version ? viommu_hmp_version(version) : NULL;
	if (version && !ret)
		viommu_channel_not_human(channel, error);
	return ret;
}

typedef json_t *(*parser)(const char *text);

static json_t *
nothing(const char *text)
{
	(void) text;
	return json_object();
}

static json_t *
whole(const char *text)
{
	return json_string(text);
}

/* HMP's line for a command of QMP's; NULL: there is none. */
static char *
line_for(const char *command, const json_t *arguments, parser *parse)
{
	static const struct {
		const char *command, *line;
		parser parse;
	} plain[] = {
		{ "query-status", "info status", viommu_hmp_status },
		{ "query-kvm", "info kvm", viommu_hmp_kvm },
		{ "query-pci", "info pci", viommu_hmp_pci },
		{ "stop", "stop", nothing },
		{ "cont", "cont", nothing },
	};
	const char *path = json_string_value(json_object_get(arguments, "path"));
	const char *property = json_string_value(json_object_get(arguments, "property"));
	const char *name = json_string_value(json_object_get(arguments, "name"));

	for (gsize i = 0; i < G_N_ELEMENTS(plain); i++)
		if (strcmp(command, plain[i].command) == 0) {
			*parse = plain[i].parse;
			return g_strdup(plain[i].line);
		}
	if (strcmp(command, "human-monitor-command") == 0) {
		*parse = whole;
		return g_strdup(json_string_value(json_object_get(arguments, "command-line")));
	}
	if (path && strcmp(command, "qom-list") == 0) {
		*parse = viommu_hmp_qom_list;
		return g_strdup_printf("qom-list %s", path);
	}
	if (path && property && strcmp(command, "qom-get") == 0) {
		*parse = viommu_hmp_value;
		return g_strdup_printf("qom-get %s %s", path, property);
	}
	if (name && strcmp(command, "trace-event-get-state") == 0) {
		*parse = viommu_hmp_trace_events;
		return g_strdup_printf("info trace-events %s", name);
	}
	if (name && strcmp(command, "trace-event-set-state") == 0) {
		*parse = nothing;
		return g_strdup_printf("trace-event %s %s", name, json_is_true(json_object_get(arguments, "enable")) ? "on" : "off");
	}
	return NULL;
}

/* HMP has no errors but their text. */
static gboolean
is_refusal(const char *text)
{
	return g_str_has_prefix(text, "Error: ") || g_str_has_prefix(text, "unknown command: ") || g_str_has_prefix(text, "unknown event ");
}

json_t *
viommu_human_execute(viommu_channel *channel, const char *command, const json_t *arguments, gint64 deadline, GError **error)
{
	parser parse = NULL;
	g_autofree char *line = line_for(command, arguments, &parse);
	g_autofree char *text = NULL;
	json_t *ret;

	if (!line) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_QEMU, "a human monitor has nothing for %s", command);
		return NULL;
	}
	text = say(channel, line, deadline, error);
	if (!text)
		return NULL;
	if (parse != whole && is_refusal(text)) {
		g_autofree char *brief = g_strndup(text, MIN(strcspn(text, "\r\n"), 400));
		g_autofree char *safe = g_strescape(brief, NULL);

		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_QEMU, "QEMU refused %s: %s", line, safe);
		return NULL;
	}
	ret = parse(text);
	if (!ret)
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_PROTOCOL, "QEMU's answer to %s is not in a form that this version knows", line);
	return ret;
}
