/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way to a monitor and back, below QMP's commands. */
#ifndef VIOMMU_CHANNEL_H
#define VIOMMU_CHANNEL_H

#include <gio/gio.h>
#include <jansson.h>

#include "framer.h"
#include "libvirt.h"

/* Bytes. "info mtree -f" of a big machine is about a megabyte; a batch of "xp" a few. */
#define VIOMMU_ANSWER_LIMIT (256u << 20)

typedef struct {
	char *address; /* without hmp: */
	gboolean human; /* a human monitor (HMP) */
	GSocketConnection *connection;
	GSocket *socket;
	viommu_framer framer;
	unsigned timeout_ms;
	char *death; /* what made it useless; NULL while it is of use */
	pid_t peer_pid; /* of a socket; 0: not known */
	libvirt_bridge *libvirt; /* what is at the other end of our socket; NULL: a monitor's own */
} viommu_channel;

/* As it was given, hmp: included. False: it is none of those that there are. */
gboolean viommu_channel_check_address(const char *whole, GError **error);

/* As above. Connects; clear it whatever the outcome. */
gboolean viommu_channel_open(viommu_channel *self, const char *whole, unsigned timeout_ms, GError **error);
void viommu_channel_clear(viommu_channel *self);

/* What to put before an address that people left it out of: "unix:", or nothing. */
const char *viommu_channel_scheme(const char *address);

/* QEMU, or who made the socket for it; 0: not known.  Once the greeting has come. */
pid_t viommu_channel_peer_pid(const viommu_channel *self);

/* The letter of a process's state, as ps shows it; 0: there is none to be seen. */
char viommu_channel_state_of(pid_t pid);

/* When a step that begins now has to be done. */
gint64 viommu_channel_deadline(const viommu_channel *self);
/* wanted: what we wait for in the end, for people. */
gboolean viommu_channel_send(viommu_channel *self, const char *data, size_t len, gint64 deadline, const char *wanted,
	GError **error);
/* The next message of any kind. */
json_t *viommu_channel_receive(viommu_channel *self, gint64 deadline, const char *wanted, GError **error);
/* More bytes, as they come, at the end of text: for what does not speak QMP. */
gboolean viommu_channel_receive_text(viommu_channel *self, GString *text, gint64 deadline, const char *wanted, GError **error);
/* To where the greeting begins. QEMU keeps what a client that left in the middle of an answer did not
 * read, and gives it to the next one, cut anywhere. It ends in a line break, and has none inside a string. */
gboolean viommu_channel_skip_leftover(viommu_channel *self, gint64 deadline, const char *wanted, GError **error);

/* Failures that only the caller can tell.  The first is FALSE, and the channel useless. */
gboolean viommu_channel_not_qmp(viommu_channel *self, GError **error);
gboolean viommu_channel_not_human(viommu_channel *self, GError **error);
void viommu_channel_held(const viommu_channel *self, const char *what, GError **error);

#endif
