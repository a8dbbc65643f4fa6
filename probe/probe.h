/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The subcommands; main.c has their table.  Each gets its own name as argv[0]
 * and returns an exit status (enum probe_exit). */
#ifndef PROBE_PROBE_H
#define PROBE_PROBE_H

int cmd_map(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_record(int argc, char **argv);

#endif
