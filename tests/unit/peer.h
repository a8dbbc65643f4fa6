/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other end of a monitor's socket: a script in a thread, which serves one
 * connection and says exactly what a test wants, QEMU's words or others.
 */
#ifndef UNIT_PEER_H
#define UNIT_PEER_H

#include <glib.h>
#include <jansson.h>
#include <viommu/monitor.h>

/* Milliseconds. Long enough for a busy machine: no test waits for it to pass. */
#define PEER_PATIENCE 20000u

typedef struct peer peer;
typedef void (*peer_script)(peer *self, gpointer user);

/* Listens at once; the script runs when a client has come. */
peer *peer_unix(peer_script script, gpointer user);
peer *peer_tcp(peer_script script, gpointer user);
/* Waits for the script's end. */
void peer_wait(peer *self);
void peer_free(peer *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(peer, peer_free)

const char *peer_address(const peer *self); /* "unix:…" or "tcp:127.0.0.1:…" */

/* The client's side, which has to succeed: opened, and the answer to a command without arguments
 * is this JSON value. */
viommu_monitor *peer_open(const peer *self);
void peer_expect(viommu_monitor *monitor, const char *command, const char *value);

/* For scripts. */
void peer_send(peer *self, const char *text);
void peer_send_bytes(peer *self, const void *data, gsize len);
/* False when the client closed first. */
gboolean peer_try_send(peer *self, const void *data, gsize len);
/* Piece by piece, until the client has heard enough. */
void peer_send_pieces(peer *self, const char *text, gsize piece);
/* The next line that the client sends; NULL when it has closed. */
char *peer_line(peer *self);
/* The same, parsed. */
json_t *peer_command(peer *self);
/* Greets as QEMU 7.2 does and answers qmp_capabilities. */
void peer_greet(peer *self);
/* Takes a command, which has to be this one, and answers it with a JSON value. */
void peer_answer(peer *self, const char *command, const char *value);
void peer_close(peer *self);
/* Reads until the client closes. */
void peer_wait_closed(peer *self);

/* One that QEMU may send at any time. */
#define PEER_EVENT                                                                                                \
	"{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"RESUME\", \"data\": {\"id\": "  \
	"2}}\r\n"

/* How many commands came. */
guint peer_commands(const peer *self);

#endif
