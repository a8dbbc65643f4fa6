/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What another process's file descriptors are open on. */
#ifndef PROBE_REC_FD_H
#define PROBE_REC_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "sys/parse.h"
#include "record/rec-calls.h"

struct rec_fd {
	enum rec_kind kind;
	dev_t device;          /* the character device's number */
	int group;             /* of a group, or -1 */
	char bdf[PCI_BDF_LEN]; /* of a cdev, or "" */
};

/* By the device number, not by the path: /dev can be another one in there. */
struct rec_fd rec_fd_look(pid_t pid, int fd);

/* Whether two descriptors share one open file; false when either is closed. */
bool rec_fd_same(pid_t pid_a, int fd_a, pid_t pid_b, int fd_b);

/* A duplicate of FD of PID in this process, for a question to the kernel; -1
 * when there is none to be had.  To be closed at once: it keeps the file alive. */
int rec_fd_borrow(pid_t pid, int fd);

typedef void rec_fd_each_fn(int fd, void *data);
void rec_fd_each(pid_t pid, rec_fd_each_fn *fn, void *data);

/* How a process that is closing its files came to it, as text: "close",
 * "exit", "killed by SIGKILL". */
void rec_fd_ending(pid_t pid, char *ret, size_t size);
const char *rec_signal_name(int signal, char *ret, size_t size);

#endif
