/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where QEMU's log goes.  QEMU does not tell; its process does, as far as that goes. */
#include <string.h>
#include <sys/stat.h>

#include "trace-state.h"

static char *
link_of(pid_t pid, const char *name)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int) pid, name);

	return g_file_read_link(path, NULL);
}

static bool
is_regular(const char *path)
{
	struct stat st;

	return path && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The file of -D on its command line; NULL: there is none. */
static char *
named_log(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", (int) pid);
	g_autofree char *text = NULL, *cwd = NULL;
	const char *found = NULL;
	gsize len;

	if (!g_file_get_contents(path, &text, &len, NULL))
		return NULL;
	for (const char *at = text; at < text + len; at += strlen(at) + 1)
		if ((strcmp(at, "-D") == 0 || strcmp(at, "--D") == 0) && at + strlen(at) + 1 < text + len)
			found = at + strlen(at) + 1;
	cwd = link_of(pid, "cwd");
	return !found ? NULL : g_canonicalize_filename(found, cwd);
}

gboolean
trace_find_log(trace_state *state, const char *log_was, GError **error)
{
	g_autofree char *named = named_log(state->qemu), *err = link_of(state->qemu, "fd/2");
	const char *why = NULL;

	if (log_was)
		state->log_was = g_strdup(log_was);
	else if (!err)
		why = state->qemu ? "the process cannot be looked at" : "it is not known which process it is (--pid)";
	else if (named && is_regular(named))
		state->source = g_strdup(named);
	else if (named)
		why = "the file of its -D cannot be seen from here";
	else if (is_regular(err))
		state->source = g_strdup(err);
	else if (g_str_has_prefix(err, "pipe:"))
		state->log_was = g_strdup("/dev/stderr");
	else if (g_str_has_prefix(err, "/dev/"))
		state->log_was = g_strdup(err);
	else
		why = "its stderr is a socket or a deleted file, which it cannot open again";
	if (why)
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED,
			"cannot tell where QEMU's log goes, to put it back afterwards: %s; name it with --log-was PATH (/dev/null if "
			"nobody reads it)", why);
	return why == NULL;
}
