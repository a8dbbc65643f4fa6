/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the subcommands share. */
#ifndef VIOMMU_CMD_H
#define VIOMMU_CMD_H

#include <glib.h>
#include <jansson.h>
#include <viommu/qemu-log.h>

#include "target.h"
#include "text/text.h"

/* Exit statuses: part of the interface, in every man page. */
enum {
	VIOMMU_EXIT_CLEAN = 0,
	VIOMMU_EXIT_FAILED = 1,   /* we could not do our job */
	VIOMMU_EXIT_USAGE = 2,    /* the command line is wrong */
	VIOMMU_EXIT_FAULT = 3,    /* a mapping is not where it should be */
	VIOMMU_EXIT_REJECTED = 4, /* a record or snapshot was rejected */
};

/* Of an option --seconds that was not given: 68 years. */
#define VIOMMU_CMD_NO_END G_MAXINT

/* The parsed command line of a subcommand. */
typedef struct {
	viommu_target_options target;
	char *format_name;
	gboolean json;
	gboolean takes_markdown, markdown; /* set the first before parsing */
	gboolean live_only; /* set before parsing: a TARGET that has to be a live QEMU */
	gboolean any_format; /* set before parsing: format_name is judged by the subcommand */
	gboolean debug, help, version;
	char **arguments; /* what is left; NULL terminated */
} viommu_cmd;

#define VIOMMU_CMD_DEFAULTS { .target = VIOMMU_TARGET_DEFAULTS }
#define VIOMMU_CMD_LIVE { .target = VIOMMU_TARGET_DEFAULTS, .live_only = TRUE }

void viommu_cmd_clear(viommu_cmd *cmd);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(viommu_cmd, viommu_cmd_clear)

/* Parses argv (argv[0] is the subcommand's name).  own: options of the subcommand,
 * may be NULL.  with_target: it takes a TARGET.  Returns -1 to go on, or an exit
 * status: help was printed, or the command line is wrong and that was said. */
int viommu_cmd_parse(viommu_cmd *cmd, int argc, char **argv, const GOptionEntry *own, gboolean with_target,
	const char *help);

/* Says the error and returns the exit status that goes with it. */
int viommu_cmd_fail(const char *name, const GError *error);
/* A wrong command line: says it, points to --help, returns its exit status. */
int viommu_cmd_usage(const char *name, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Whether a file can be made at path, found out before anything is read. */
gboolean viommu_cmd_may_write(const char *path, gboolean force, GError **error);

/* Reads QEMU's log, and says so when nothing in it is known. */
viommu_qemu_log *viommu_cmd_qemu_log(const char *path, GError **error);

/* Prints JSON and a newline on stdout; takes the reference. */
void viommu_cmd_print_json(json_t *json);
/* The same in one line, for streams of objects. */
void viommu_cmd_print_json_line(json_t *json);

/* Progress on stderr, once a step has taken a second. Fits viommu_capture_options. */
void viommu_cmd_progress(size_t pages, void *user);
/* On a terminal, until it is done: what is waited for. */
void viommu_cmd_progress_wait(const char *what);
void viommu_cmd_progress_done(void);

int viommu_cmd_list(int argc, char **argv);
int viommu_cmd_info(int argc, char **argv);
int viommu_cmd_dump(int argc, char **argv);
int viommu_cmd_walk(int argc, char **argv);
int viommu_cmd_capture(int argc, char **argv);
int viommu_cmd_trace(int argc, char **argv);
int viommu_cmd_verify(int argc, char **argv);
int viommu_cmd_watch(int argc, char **argv);
int viommu_cmd_diff(int argc, char **argv);
int viommu_cmd_doctor(int argc, char **argv);
int viommu_cmd_explain(int argc, char **argv);
int viommu_cmd_report(int argc, char **argv);

#endif
