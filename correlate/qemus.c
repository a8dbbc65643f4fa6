/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which process is a QEMU, and which of its sockets is a monitor that can be used. */
#include "qemus.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <viommu/monitor.h>

#include "text/hash.h"
#include "text/text.h"
#include "unix-sockets.h"

#define MAX_COMMAND_LINE (4u << 20)

static char *
proc_path(pid_t pid, const char *name)
{
	return g_strdup_printf("/proc/%d/%s", (int) pid, name);
}

/* Whoever runs a program chooses how long this is: gigabytes are not even read. */
static char *
read_command_line(pid_t pid, gsize *len)
{
	g_autofree char *path = proc_path(pid, "cmdline");
	g_autofree char *ret = NULL;
	gsize room = 4096;
	ssize_t got = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*len = 0;
	while (fd >= 0 && got > 0 && *len <= MAX_COMMAND_LINE) {
		room = ret ? MIN(2 * room, MAX_COMMAND_LINE + 1) : room;
		ret = g_realloc(ret, room + 1);
		do {
			got = read(fd, ret + *len, room - *len);
			*len += got > 0 ? (gsize) got : 0;
		} while ((got > 0 && *len < room) || (got < 0 && errno == EINTR));
	}
	if (fd >= 0)
		close(fd);
	if (got < 0 || *len == 0 || *len > MAX_COMMAND_LINE)
		return NULL;
	ret[*len] = '\0';
	return g_steal_pointer(&ret);
}

static char **
read_arguments(pid_t pid)
{
	gsize len;
	g_autofree char *bytes = read_command_line(pid, &len);
	GPtrArray *ret;

	if (!bytes)
		return NULL;
	ret = g_ptr_array_new();
	for (gsize at = 0; at < len; at += strlen(bytes + at) + 1)
		g_ptr_array_add(ret, g_strdup(bytes + at));
	g_ptr_array_add(ret, NULL);
	return (char **) g_ptr_array_free(ret, FALSE);
}

static bool
is_qemu_name(const char *name)
{
	return g_str_has_prefix(name, "qemu-system-") || strcmp(name, "qemu-kvm") == 0 || strcmp(name, "kvm") == 0;
}

/* Anybody can choose the name that a program is started with (first), so that counts only
 * where the program itself may not be seen. */
static char *
program_of(pid_t pid, const char *first)
{
	g_autofree char *path = proc_path(pid, "exe");
	g_autofree char *exe = g_file_read_link(path, NULL);

	/* An upgrade has replaced it since. */
	if (exe && g_str_has_suffix(exe, " (deleted)"))
		exe[strlen(exe) - strlen(" (deleted)")] = '\0';
	return g_path_get_basename(exe ? exe : first);
}

/* Of the network namespace of a process; NULL: it may not be read. */
static GArray *
read_sockets(pid_t pid)
{
	g_autofree char *path = proc_path(pid, "net/unix");
	g_autofree char *text = NULL;

	return g_file_get_contents(path, &text, NULL, NULL) ? viommu_unix_sockets_parse(text) : NULL;
}

/* 0: not a socket, or it may not be seen. */
static guint64
inode_of(const char *link)
{
	g_autofree char *what = g_file_read_link(link, NULL);

	return what && g_str_has_prefix(what, "socket:[") ? g_ascii_strtoull(what + 8, NULL, 10) : 0;
}

/* The inodes of the sockets that a process has open; NULL: may not be seen. */
static GHashTable *
read_open_sockets(pid_t pid)
{
	g_autofree char *path = proc_path(pid, "fd");
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	GHashTable *ret;
	const char *name;

	if (!dir)
		return NULL;
	ret = g_hash_table_new_full(viommu_number_hash, g_int64_equal, g_free, NULL);
	while ((name = g_dir_read_name(dir))) {
		g_autofree char *link = g_build_filename(path, name, NULL);
		guint64 inode = inode_of(link);

		if (inode)
			g_hash_table_add(ret, g_memdup2(&inode, sizeof(inode)));
	}
	return ret;
}

static bool
same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The path by which we find what the process bound: its working directory and its root may
 * be others than ours. NULL: it is relative to what may not be seen. */
static char *
our_path(pid_t pid, const char *bound)
{
	g_autofree char *root = proc_path(pid, "root");
	g_autofree char *link = proc_path(pid, "cwd");
	g_autofree char *cwd = g_path_is_absolute(bound) ? NULL : g_file_read_link(link, NULL);
	g_autofree char *path = cwd ? g_build_filename(cwd, bound, NULL) : g_strdup(bound);
	g_autofree char *within = g_strconcat(root, path, NULL);

	if (!g_path_is_absolute(path))
		return NULL;
	/* What may not be looked at is named as it is. */
	if (!same_file(path, within) && g_file_test(within, G_FILE_TEST_EXISTS))
		return g_steal_pointer(&within);
	return g_steal_pointer(&path);
}

/* A socket that was handed over is known by its number only, and who bound it had a working
 * directory of his own. */
static void
find_by_fd(pid_t pid, viommu_qemu_monitor *monitor, const GArray *sockets)
{
	g_autofree char *link = g_strdup_printf("/proc/%d/fd/%d", (int) pid, monitor->fd);
	guint64 inode = inode_of(link);
	const viommu_unix_socket *found = NULL;

	for (guint i = 0; inode && sockets && !found && i < sockets->len; i++) {
		const viommu_unix_socket *item = &g_array_index(sockets, viommu_unix_socket, i);

		if (item->inode == inode && (item->doubtful || (item->listens && item->path)))
			found = item;
	}
	if (!found)
		return;
	g_free(monitor->why_not);
	monitor->why_not = NULL;
	if (found->doubtful)
		monitor->why_not = g_strdup("it is a socket that QEMU was given, and the kernel's list of sockets is ambiguous about it");
	else if (*found->path == '@')
		monitor->why_not = g_strdup("it is an abstract socket that QEMU was given, which viommu cannot use");
	else if (*found->path != '/')
		monitor->why_not = g_strdup_printf("it is a socket that QEMU was given, and its path \"%s\" is relative to a directory that "
						   "is not known", found->path);
	else
		monitor->bound = g_strdup(found->path);
}

/* Is somebody connected? What is accepted has the path of what listens. */
static viommu_held
is_held(const char *bound, const GArray *sockets, GHashTable *open_sockets)
{
	viommu_held ret = VIOMMU_HELD_NO;

	if (!sockets || strchr(bound, '\n'))
		return VIOMMU_HELD_UNKNOWN;
	for (guint i = 0; i < sockets->len; i++) {
		const viommu_unix_socket *item = &g_array_index(sockets, viommu_unix_socket, i);

		if (item->listens || g_strcmp0(item->path, bound) != 0)
			continue;
		/* Others can bind the same path, elsewhere or before. */
		if (!open_sockets || (item->doubtful && g_hash_table_contains(open_sockets, &item->inode)))
			ret = VIOMMU_HELD_UNKNOWN;
		else if (g_hash_table_contains(open_sockets, &item->inode))
			return VIOMMU_HELD_YES;
	}
	return ret;
}

static char *
why_not_there(pid_t pid, int errnum)
{
	g_autofree char *link = proc_path(pid, "root");
	g_autofree char *root = g_file_read_link(link, NULL);

	if (errnum == ENOENT || errnum == ENOTDIR)
		return g_strdup_printf("its socket file is %s: %s", root ? "gone" : "not there, as far as can be seen", g_strerror(errnum));
	return g_strdup_printf("its socket file cannot be used: %s", g_strerror(errnum));
}

static void
look_at_monitor(pid_t pid, viommu_qemu_monitor *monitor, const GArray *sockets, GHashTable *open_sockets)
{
	g_autofree char *path = NULL;

	monitor->permitted = true;
	monitor->held = VIOMMU_HELD_UNKNOWN;
	if (monitor->fd >= 0)
		find_by_fd(pid, monitor, sockets);
	if (!monitor->bound)
		return;
	path = our_path(pid, monitor->bound);
	g_clear_pointer(&monitor->address, g_free);
	if (!path) {
		monitor->why_not = g_strdup_printf("its path \"%s\" is relative to QEMU's working directory, which may not be seen (root may)",
			monitor->bound);
		return;
	}
	monitor->address = g_strdup_printf("%sunix:%s", monitor->human ? VIOMMU_HUMAN_SCHEME : "", path);
	monitor->held = is_held(monitor->bound, sockets, open_sockets);
	if (access(path, W_OK) != 0) {
		monitor->permitted = false;
		if (errno != EACCES && errno != EPERM)
			monitor->why_not = why_not_there(pid, errno);
	}
}

static bool
is_a_monitor(const viommu_qemu *self, const char *path)
{
	for (guint i = 0; i < self->monitors->len; i++)
		if (g_strcmp0(((const viommu_qemu_monitor *) g_ptr_array_index(self->monitors, i))->bound, path) == 0)
			return true;
	return false;
}

static void
look_at(viommu_qemu *self)
{
	g_autofree char *mem = proc_path(self->pid, "mem");
	g_autofree char *dir = g_strdup_printf("/proc/%d", (int) self->pid);
	g_autoptr(GArray) sockets = read_sockets(self->pid);
	g_autoptr(GHashTable) open_sockets = read_open_sockets(self->pid);
	struct stat st;
	int fd = open(mem, O_RDONLY | O_CLOEXEC);

	self->memory = fd >= 0;
	if (fd >= 0)
		close(fd);
	if (stat(dir, &st) == 0)
		self->uid = st.st_uid;
	for (guint i = 0; i < self->monitors->len; i++)
		look_at_monitor(self->pid, g_ptr_array_index(self->monitors, i), sockets, open_sockets);
	viommu_qemu_find_libvirt(self);
	for (guint i = 0; sockets && open_sockets && i < sockets->len; i++) {
		const viommu_unix_socket *item = &g_array_index(sockets, viommu_unix_socket, i);
		char *path;

		if (!item->listens || item->doubtful || !item->path || *item->path == '@' ||
			!g_hash_table_contains(open_sockets, &item->inode) || is_a_monitor(self, item->path))
			continue;
		path = our_path(self->pid, item->path);
		if (path)
			g_ptr_array_add(self->sockets, path);
	}
}

bool
viommu_is_qemu(pid_t pid)
{
	g_auto(GStrv) arguments = read_arguments(pid);
	g_autofree char *name = arguments ? program_of(pid, arguments[0]) : NULL;

	return name && is_qemu_name(name);
}

/* NULL: it is no QEMU. *there: there is such a process, and then *program is its name. */
static viommu_qemu *
qemu_new(pid_t pid, bool *there, char **program)
{
	g_auto(GStrv) arguments = read_arguments(pid);
	g_autofree char *name = arguments ? program_of(pid, arguments[0]) : NULL;
	viommu_qemu *self;

	*there = arguments != NULL;
	if (!name || !is_qemu_name(name)) {
		if (program)
			*program = g_steal_pointer(&name);
		return NULL;
	}
	self = viommu_qemu_parse(arguments);
	self->pid = pid;
	look_at(self);
	return self;
}

static int
by_pid(const void *a, const void *b)
{
	const viommu_qemu *x = *(const viommu_qemu *const *) a, *y = *(const viommu_qemu *const *) b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static void
free_qemu(gpointer qemu)
{
	viommu_qemu_free(qemu);
}

GPtrArray *
viommu_qemus(void)
{
	GPtrArray *ret = g_ptr_array_new_with_free_func(free_qemu);
	g_autoptr(GDir) dir = g_dir_open("/proc", 0, NULL);
	const char *name;
	bool there;

	while (dir && (name = g_dir_read_name(dir))) {
		viommu_qemu *qemu = g_ascii_isdigit(*name) ? qemu_new((pid_t) atoi(name), &there, NULL) : NULL;

		if (qemu)
			g_ptr_array_add(ret, qemu);
	}
	g_ptr_array_sort(ret, by_pid);
	return ret;
}

viommu_qemu *
viommu_qemu_of(pid_t pid, GError **error)
{
	g_autofree char *program = NULL;
	g_autofree char *dir = g_strdup_printf("/proc/%d", (int) pid);
	bool there;
	viommu_qemu *self = qemu_new(pid, &there, &program);

	if (self)
		return self;
	if (there)
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CONNECT, "process %d (%s) is not a QEMU; viommu list shows those of this host",
			(int) pid, program);
	else
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CONNECT, "there is no process %d%s; viommu list shows the QEMUs of this host",
			(int) pid, g_file_test(dir, G_FILE_TEST_EXISTS) ? " with a command line that can be read" : "");
	return NULL;
}

/* QMP is better than HMP, but for one that somebody holds. */
static const viommu_qemu_monitor *
best_monitor(const viommu_qemu *self)
{
	static const int ease[] = { [VIOMMU_HELD_NO] = 6, [VIOMMU_HELD_UNKNOWN] = 4, [VIOMMU_HELD_YES] = 0 };
	const viommu_qemu_monitor *ret = NULL;
	int best = -1;

	for (guint i = 0; i < self->monitors->len; i++) {
		const viommu_qemu_monitor *monitor = g_ptr_array_index(self->monitors, i);
		int worth = monitor->why_not ? 0 : 4 + 10 * monitor->permitted + ease[monitor->held] - 3 * monitor->human;

		if (monitor->address && worth > best) {
			ret = monitor;
			best = worth;
		}
	}
	return ret;
}

char *
viommu_qemu_address(const viommu_qemu *self, bool *handed_over, GError **error)
{
	const viommu_qemu_monitor *monitor = best_monitor(self);
	g_autoptr(GString) more = g_string_new(NULL);

	*handed_over = false;
	if (self->libvirt && !(monitor && !monitor->why_not && monitor->permitted && monitor->held == VIOMMU_HELD_NO))
		return g_strdup_printf("libvirt:%s", self->uuid);
	if (monitor) {
		*handed_over = monitor->fd >= 0;
		return g_strdup(monitor->address);
	}
	for (guint i = 0; i < self->monitors->len; i++)
		g_string_append_printf(more, "%s%s", i ? "; " : " that can be reached: ",
			((const viommu_qemu_monitor *) g_ptr_array_index(self->monitors, i))->why_not);
	g_string_append(more, "; start QEMU with -qmp unix:PATH,server=on,wait=off");
	for (guint i = 0; i < self->sockets->len; i++)
		g_string_append_printf(more, "%sunix:%s", i ? ", " : " (if one of these sockets of its is a QMP monitor, name it with -q: ",
			(const char *) g_ptr_array_index(self->sockets, i));
	g_string_append(more, self->sockets->len ? ")" : "");
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CONNECT, "QEMU process %d (%s) has no QMP monitor%s", (int) self->pid, self->name,
		more->str);
	return NULL;
}
