/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of QEMU's monitor.
 *
 * The monitor is L0's property and it is looked at, not touched: a command
 * leaves this client only if it is on the read-only list (qmp/allow.c), and the
 * two that stop and resume the guest only after viommu_monitor_allow_pause(), those
 * that switch trace events only after viommu_monitor_allow_trace().
 *
 * Blocking; every operation has a deadline.
 */
#ifndef VIOMMU_MONITOR_H
#define VIOMMU_MONITOR_H

#include <sys/types.h>

#include <glib.h>
#include <jansson.h>
#include <viommu/error.h>

G_BEGIN_DECLS

typedef struct viommu_monitor viommu_monitor;

/* Before the address of a human monitor (HMP): "hmp:unix:PATH". */
#define VIOMMU_HUMAN_SCHEME "hmp:"

/* Connects and negotiates.  address is "unix:PATH" or "tcp:HOST:PORT" (a bare
 * path is taken as unix) of a QMP monitor, or of a human one with VIOMMU_HUMAN_SCHEME
 * before it: that is asked the same, a line at a time; or "libvirt:GUEST": then a thread runs as
 * long as the monitor is open.  timeout_ms bounds each step: connecting, the
 * greeting, and every later command.
 * Errors: CONNECT, TIMEOUT (most often: another client holds the monitor, which
 * serves one at a time), PROTOCOL, CLOSED, USAGE (the address makes no sense); with libvirt also
 * FAILED (it is not installed) and PERMISSION. */
viommu_monitor *viommu_monitor_open(const char *address, unsigned timeout_ms, GError **error);
void viommu_monitor_free(viommu_monitor *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_monitor, viommu_monitor_free)

/* Runs a QMP command.  arguments may be NULL; the reference is taken.  Returns
 * the value of "return" (caller owns it), or NULL with error: REFUSED, QEMU (the
 * message is QEMU's), TIMEOUT, CLOSED, PROTOCOL. After the last three the
 * monitor is of no more use. */
json_t *viommu_monitor_execute(viommu_monitor *self, const char *command, json_t *arguments, GError **error);

/* Gives a command whose answer will be wanted soon: it goes out with the next command that
 * is executed, and executing the same one takes its answer.  Answers have to be taken in
 * the order in which the commands were given; those in between are lost, and are asked for
 * anew.  arguments is taken.  What may not be sent is left to viommu_monitor_execute(). */
void viommu_monitor_ahead(viommu_monitor *self, const char *command, json_t *arguments);
void viommu_monitor_hmp_ahead(viommu_monitor *self, const char *line);
/* Answers that were not taken so far are not wanted any more. */
void viommu_monitor_forget_ahead(viommu_monitor *self);

/* Runs one line of the human monitor through human-monitor-command and returns
 * its text (caller frees). Errors as above. */
char *viommu_monitor_hmp(viommu_monitor *self, const char *line, GError **error);

/* From now on "stop" and "cont" may be sent. */
void viommu_monitor_allow_pause(viommu_monitor *self);

/* From now on trace events of the vIOMMU and of vfio may be looked at and switched, and the
 * log file may be set. */
void viommu_monitor_allow_trace(viommu_monitor *self);

/* The process at the other end of a local socket, 0 when it is not known (TCP).
 * It is the process that called listen(): QEMU itself, or a manager that handed
 * the socket to it. Through libvirt: QEMU. */
pid_t viommu_monitor_peer_pid(const viommu_monitor *self);

/* The greeting's "version" object: borrowed. */
const json_t *viommu_monitor_version(const viommu_monitor *self);

/* How often commands were sent so far; those that went out together count once. */
unsigned viommu_monitor_round_trips(const viommu_monitor *self);

/* The list itself: TRUE if this command may leave the client. line is for
 * human-monitor-command, else NULL. */
gboolean viommu_monitor_may_send(const char *command, const char *line, gboolean pause_allowed);
/* The same, for what viommu_monitor_allow_trace() adds; arguments are the command's. */
gboolean viommu_monitor_may_trace(const char *command, const json_t *arguments);

G_END_DECLS

#endif
