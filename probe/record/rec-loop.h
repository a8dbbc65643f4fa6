/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The threads that are traced, and their stops.  The kernel stops them at the
 * ioctls that matter (rec-filter.c), when they start others, and for signals,
 * which are passed on; everything else they do is not even noticed.
 */
#ifndef PROBE_REC_LOOP_H
#define PROBE_REC_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/report.h"
#include "out/queue.h"
#include "record/rec-watch.h"
#include "record/recorder.h"

struct rec_task {
	pid_t tid, tgid;
	bool in_call; /* an ioctl of ours, whose end is waited for */
	struct rec_pending pending;
};

struct rec_loop {
	struct recorder *recorder;
	struct rec_watch *watch;
	struct queue *queue;
	struct rec_task **task;
	size_t n, last; /* `last`: where the last search ended */
	bool all_calls; /* no filter: every system call stops */
	bool attached;  /* to a program that is not our child: it outlives us */
	pid_t child;    /* the program that was started, or 0 */
	int status;     /* its wait status, once it has one */
	bool child_ended, child_ran;
	bool told_rest; /* that its children run on was said */
	bool detaching;
	const char *reason; /* why the recording ended; NULL: nobody is left */
	int signals;        /* signalfd */
};

/* Blocks the signals that the loop deals with. */
void rec_loop_begin(struct rec_loop *loop);
void rec_loop_end(struct rec_loop *loop);

/* The options of PTRACE_SEIZE. */
unsigned long rec_loop_options(void);
/* Notes a thread that is traced from now on. */
struct rec_task *rec_loop_add(struct rec_loop *loop, pid_t tid, pid_t tgid);
struct rec_task *rec_loop_find(struct rec_loop *loop, pid_t tid);
/* Lets a stopped thread go on, handing it SIGNAL if not 0. */
void rec_loop_resume(struct rec_loop *loop, struct rec_task *task, int signal);

/* Until nothing is traced any more. */
void rec_loop_run(struct rec_loop *loop);

/* rec-stops.c: what wait() said of a thread. */
void rec_loop_event(struct rec_loop *loop, pid_t tid, int status);
/* rec-loop.c: what the watch knows; before the order of things matters. */
void rec_loop_look(struct rec_loop *loop);
void rec_loop_remove(struct rec_loop *loop, struct rec_task *task);
/* The thread group of a thread; its own number when it is gone. */
pid_t rec_tgid(pid_t tid);

#endif
