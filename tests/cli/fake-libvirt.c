/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for libvirt-qemu.so.0: each call is a line to the server at $FAKE_LIBVIRT
 * (fake_libvirt.py), whose answer is "+TEXT" or "-CODE MESSAGE". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct {
	int fd;
	FILE *answers;
} connection;

typedef struct {
	connection *of;
	char uuid[37];
	int id;
} domain;

void *virConnectOpen(const char *uri);
int virConnectClose(connection *self);
char *virConnectGetURI(connection *self);
void *virDomainLookupByName(connection *self, const char *name);
void *virDomainLookupByUUIDString(connection *self, const char *uuid);
void *virDomainLookupByID(connection *self, int id);
int virDomainGetUUIDString(const domain *self, char *uuid);
unsigned virDomainGetID(const domain *self);
int virDomainFree(domain *self);
int virDomainSuspend(const domain *self);
int virDomainResume(const domain *self);
int virDomainQemuMonitorCommand(const domain *self, const char *command, char **answer, unsigned flags);
int virGetLastErrorCode(void);
const char *virGetLastErrorMessage(void);
void virSetErrorFunc(void *user, void (*handler)(void *user, void *error));

static _Thread_local struct {
	int code;
	char message[1000];
} last;
static void (*on_error)(void *user, void *error);

static void *
fail(int code, const char *message)
{
	last.code = code;
	snprintf(last.message, sizeof(last.message), "%s", message);
	if (on_error)
		on_error(NULL, NULL);
	else
		fprintf(stderr, "libvirt: %s\n", message);
	return NULL;
}

static char *
ask(const connection *self, const char *call, const char *argument)
{
	char *line = NULL, *text;
	size_t room = 0;
	ssize_t len = snprintf(NULL, 0, "%s %s\n", call, argument);

	text = malloc((size_t) len + 1);
	snprintf(text, (size_t) len + 1, "%s %s\n", call, argument);
	/* As libvirt does it, with a signal when the other end is gone. */
	len = write(self->fd, text, (size_t) len);
	free(text);
	len = len < 0 ? -1 : getline(&line, &room, self->answers);
	if (len < 2) {
		free(line);
		return fail(38, "Cannot recv data: Connection reset by peer");
	}
	line[len - 1] = '\0';
	if (*line == '-') {
		char *message = line;
		int code = (int) strtol(line + 1, &message, 10);

		fail(code, message + 1);
		free(line);
		return NULL;
	}
	memmove(line, line + 1, (size_t) len - 1);
	return line;
}

static int
done(char *answer)
{
	free(answer);
	return answer ? 0 : -1;
}

void *
virConnectOpen(const char *uri)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	connection *self = calloc(1, sizeof(*self));

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", getenv("FAKE_LIBVIRT"));
	self->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	self->answers = fdopen(self->fd, "r");
	if (connect(self->fd, (struct sockaddr *) &at, sizeof(at)) != 0) {
		fail(38, "Failed to connect socket");
	} else {
		char *ok = ask(self, "open", uri ? uri : "-");

		free(ok);
		if (ok)
			return self;
	}
	virConnectClose(self);
	return NULL;
}

int
virConnectClose(connection *self)
{
	fclose(self->answers);
	free(self);
	return 0;
}

char *
virConnectGetURI(connection *self)
{
	return ask(self, "uri", "");
}

static void *
look_up(connection *self, const char *call, const char *argument)
{
	char *answer = ask(self, call, argument);
	domain *ret = answer ? calloc(1, sizeof(*ret)) : NULL;

	if (ret && sscanf(answer, "%36s %d", ret->uuid, &ret->id) != 2)
		abort();
	if (ret)
		ret->of = self;
	free(answer);
	return ret;
}

void *
virDomainLookupByName(connection *self, const char *name)
{
	return look_up(self, "by-name", name);
}

void *
virDomainLookupByUUIDString(connection *self, const char *uuid)
{
	return look_up(self, "by-uuid", uuid);
}

void *
virDomainLookupByID(connection *self, int id)
{
	char text[20];

	snprintf(text, sizeof(text), "%d", id);
	return look_up(self, "by-id", text);
}

int
virDomainGetUUIDString(const domain *self, char *uuid)
{
	memcpy(uuid, self->uuid, sizeof(self->uuid));
	return 0;
}

unsigned
virDomainGetID(const domain *self)
{
	return (unsigned) self->id;
}

int
virDomainFree(domain *self)
{
	free(self);
	return 0;
}

int
virDomainSuspend(const domain *self)
{
	return done(ask(self->of, "suspend", self->uuid));
}

int
virDomainResume(const domain *self)
{
	return done(ask(self->of, "resume", self->uuid));
}

int
virDomainQemuMonitorCommand(const domain *self, const char *command, char **answer, unsigned flags)
{
	if (flags)
		abort();
	*answer = ask(self->of, "command", command);
	return *answer ? 0 : -1;
}

int
virGetLastErrorCode(void)
{
	return last.code;
}

const char *
virGetLastErrorMessage(void)
{
	return last.message;
}

void
virSetErrorFunc(void *user, void (*handler)(void *user, void *error))
{
	(void) user;
	on_error = handler;
}
