/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel command line, read as the kernel reads it.  Pure. */
#ifndef PROBE_CMDLINE_H
#define PROBE_CMDLINE_H

/* Looks through the comma-separated words of every KEY=… for ON and OFF; the
 * last one that comes wins.  1, 0, or -1 when neither is there. */
int cmdline_switch(const char *cmdline, const char *key, const char *on, const char *off);

#endif
