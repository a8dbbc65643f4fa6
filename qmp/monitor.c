/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The QMP client (QEMU: docs/interop/qmp-spec).  Greeting, capabilities, commands with
 * an id each, events in between thrown away.
 *
 * QEMU takes commands one after the other, and answers in order.  What does not depend on
 * an answer can be sent ahead of the wait for it, so that many share one wait.
 */
#include <string.h>

#include <viommu/monitor.h>

#include "channel.h"
#include "human.h"

/* A command that was given before its answer was asked for. */
typedef struct {
	char *key; /* the command and its arguments */
	unsigned id;
} sent_ahead;

struct viommu_monitor {
	viommu_channel channel;
	json_t *version;
	unsigned commands; /* also the id of the last one */
	unsigned trips;
	GString *unsent;   /* commands that go out with the next wait */
	GQueue ahead;      /* of sent_ahead: answers that are not asked for yet, in order */
	gboolean pause_allowed, trace_allowed;
};

static gboolean
greet(viommu_monitor *self, GError **error)
{
	g_autoptr(GError) local = NULL;
	gint64 deadline = viommu_channel_deadline(&self->channel);
	json_t *greeting = NULL, *answer;

	if (self->channel.human)
		self->version = viommu_human_greet(&self->channel, deadline, &local);
	else if (viommu_channel_skip_leftover(&self->channel, deadline, "its greeting", &local))
		greeting = viommu_channel_receive(&self->channel, deadline, "its greeting", &local);
	if (self->version)
		return TRUE;
	if (!greeting) {
		if (g_error_matches(local, VIOMMU_ERROR, VIOMMU_ERROR_TIMEOUT) && self->channel.framer.bytes->len == 0) {
			g_autofree char *what = g_strdup_printf(
				"%s within %.1f s", self->channel.libvirt ? "cannot be asked" : "accepts connections but sent no greeting",
				self->channel.timeout_ms / 1000.0);

			viommu_channel_held(&self->channel, what, error);
		} else {
			g_propagate_error(error, g_steal_pointer(&local));
		}
		return FALSE;
	}
	self->version = json_incref(json_object_get(json_object_get(greeting, "QMP"), "version"));
	json_decref(greeting);
	if (!json_is_object(self->version))
		return viommu_channel_not_qmp(&self->channel, error);
	answer = viommu_monitor_execute(self, "qmp_capabilities", NULL, error);
	json_decref(answer);
	return answer != NULL;
}

viommu_monitor *
viommu_monitor_open(const char *address, unsigned timeout_ms, GError **error)
{
	g_autoptr(viommu_monitor) self = g_new0(viommu_monitor, 1);

	self->unsent = g_string_new(NULL);
	g_queue_init(&self->ahead);
	if (!viommu_channel_check_address(address, error))
		return NULL;
	if (!viommu_channel_open(&self->channel, address, timeout_ms, error) || !greet(self, error))
		return NULL;
	return g_steal_pointer(&self);
}

void
viommu_monitor_free(viommu_monitor *self)
{
	if (!self)
		return;
	viommu_monitor_forget_ahead(self);
	g_string_free(self->unsent, TRUE);
	viommu_channel_clear(&self->channel);
	json_decref(self->version);
	g_free(self);
}

/* Its text goes out with the next wait.  Returns its id, 0 when it cannot be encoded. */
static unsigned
add_command(viommu_monitor *self, const char *command, json_t *arguments)
{
	json_t *message = json_pack("{s:s, s:I, s:O*}", "execute", command, "id", (json_int_t) self->commands + 1,
		"arguments", arguments);
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	unsigned id = 0;

	if (text) {
		g_string_append_printf(self->unsent, "%s\n", text);
		id = ++self->commands;
	}
	free(text);
	json_decref(message);
	return id;
}

static gboolean
send_all(viommu_monitor *self, gint64 deadline, const char *wanted, GError **error)
{
	if (self->unsent->len == 0)
		return TRUE;
	self->trips++;
	if (!viommu_channel_send(&self->channel, self->unsent->str, self->unsent->len, deadline, wanted, error))
		return FALSE;
	g_string_truncate(self->unsent, 0);
	return TRUE;
}

/* "return" or "error" with our id; anything else that comes by is not for us. */
static json_t *
take_answer(viommu_monitor *self, const char *command, const json_t *message, GError **error)
{
	json_t *ret = json_object_get(message, "return");
	json_t *failure = json_object_get(message, "error");

	if (ret)
		return json_incref(ret);
	if (json_is_object(failure)) {
		const char *desc = json_string_value(json_object_get(failure, "desc"));
		g_autofree char *brief = g_strndup(desc ? desc : "no description", 400); /* a sentence, not a book */
		g_autofree char *safe = g_strescape(brief, NULL);

		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_QEMU, "QEMU refused %s: %s", command, safe);
		return NULL;
	}
	viommu_channel_not_qmp(&self->channel, error);
	return NULL;
}

static json_t *
wait_answer(viommu_monitor *self, const char *command, unsigned id, gint64 deadline, const char *wanted, GError **error)
{
	for (;;) {
		json_t *message = viommu_channel_receive(&self->channel, deadline, wanted, error);
		json_t *ret;

		if (!message)
			return NULL;
		if (json_object_get(message, "event") || json_integer_value(json_object_get(message, "id")) != (json_int_t) id) {
			json_decref(message);
			continue;
		}
		ret = take_answer(self, command, message, error);
		json_decref(message);
		return ret;
	}
}

/* A NUL byte would hide the rest of the line from the list. */
static gboolean
may_send(const viommu_monitor *self, const char *command, const json_t *arguments)
{
	const json_t *command_line = json_object_get(arguments, "command-line");
	const char *line = json_string_value(command_line);

	return (viommu_monitor_may_send(command, line, self->pause_allowed) ||
		       (self->trace_allowed && viommu_monitor_may_trace(command, arguments))) &&
		(!line || strlen(line) == json_string_length(command_line));
}

static char *
key_of(const char *command, const json_t *arguments)
{
	char *text = arguments ? json_dumps(arguments, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	char *ret = g_strconcat(command, " ", text, NULL);

	free(text);
	return ret;
}

static void
free_ahead(gpointer data)
{
	sent_ahead *self = data;

	g_free(self->key);
	g_free(self);
}

void
viommu_monitor_ahead(viommu_monitor *self, const char *command, json_t *arguments)
{
	/* A human monitor is asked one thing at a time. */
	sent_ahead next = { .id = !self->channel.human && may_send(self, command, arguments) ? add_command(self, command, arguments) : 0 };

	if (next.id) {
		next.key = key_of(command, arguments);
		g_queue_push_tail(&self->ahead, g_memdup2(&next, sizeof(next)));
	}
	json_decref(arguments);
}

void
viommu_monitor_hmp_ahead(viommu_monitor *self, const char *line)
{
	viommu_monitor_ahead(self, "human-monitor-command", json_pack("{s:s}", "command-line", line));
}

void
viommu_monitor_forget_ahead(viommu_monitor *self)
{
	g_queue_clear_full(&self->ahead, free_ahead);
}

/* The id of this command if it was given ahead, else 0.  Answers before its own are not
 * kept, so none can be taken later for news. */
static unsigned
take_ahead(viommu_monitor *self, const char *command, const json_t *arguments)
{
	g_autofree char *key = self->ahead.length ? key_of(command, arguments) : NULL;
	unsigned id = 0;

	while (!id && self->ahead.length) {
		sent_ahead *next = g_queue_pop_head(&self->ahead);

		if (strcmp(next->key, key) == 0)
			id = next->id;
		free_ahead(next);
	}
	return id;
}

json_t *
viommu_monitor_execute(viommu_monitor *self, const char *command, json_t *arguments, GError **error)
{
	const char *line = json_string_value(json_object_get(arguments, "command-line"));
	g_autofree char *name = g_strdup(line ? line : command); /* the line goes with the arguments */
	g_autofree char *wanted = g_strdup_printf("its answer to \"%s\"", name);
	gint64 deadline = viommu_channel_deadline(&self->channel);
	json_t *ret = NULL;
	unsigned id = 0;

	if (!may_send(self, command, arguments))
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_REFUSED,
			"the command \"%s\" is not on the read-only list and was not sent", name);
	else if (self->channel.death)
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CLOSED, "the monitor is gone: %s", self->channel.death);
	else if (self->channel.human && ++self->trips)
		ret = viommu_human_execute(&self->channel, command, arguments, deadline, error);
	else if (!(id = take_ahead(self, command, arguments)) && !(id = add_command(self, command, arguments)))
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot encode the command %s", command);
	else if (send_all(self, deadline, wanted, error))
		ret = wait_answer(self, name, id, deadline, wanted, error);
	json_decref(arguments);
	return ret;
}

char *
viommu_monitor_hmp(viommu_monitor *self, const char *line, GError **error)
{
	json_t *answer = viommu_monitor_execute(self, "human-monitor-command",
		json_pack("{s:s}", "command-line", line), error);
	char *ret;

	if (!answer)
		return NULL;
	if (!json_is_string(answer)) {
		json_decref(answer);
		viommu_channel_not_qmp(&self->channel, error);
		return NULL;
	}
	ret = g_strdup(json_string_value(answer));
	json_decref(answer);
	return ret;
}

void
viommu_monitor_allow_pause(viommu_monitor *self)
{
	self->pause_allowed = TRUE;
}

void
viommu_monitor_allow_trace(viommu_monitor *self)
{
	self->trace_allowed = TRUE;
}

pid_t
viommu_monitor_peer_pid(const viommu_monitor *self)
{
	return viommu_channel_peer_pid(&self->channel);
}

const json_t *
viommu_monitor_version(const viommu_monitor *self)
{
	return self->version;
}

unsigned
viommu_monitor_round_trips(const viommu_monitor *self)
{
	return self->trips;
}
