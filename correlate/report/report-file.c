/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report/report-file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <viommu/error.h>

struct viommu_report_file {
	char *path, *aside; /* aside is NULL while the file has no name, for standard output, and once it is done */
	FILE *stream;
	bool nameless;      /* goes by itself when we are killed; not every file system has such files */
};

static gboolean
fail(const viommu_report_file *self, int why, GError **error)
{
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot write %s: %s", self->path, g_strerror(why));
	return FALSE;
}

static int
open_nameless(const char *path)
{
	g_autofree char *folder = g_path_get_dirname(path);

	/* Without /proc it could not get its name. */
	return access("/proc/self/fd", X_OK) == 0 ? open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666) : -1;
}

/* Gives a file without a name one: that of path, or one beside it that is put into *aside. */
static bool
name_it(const viommu_report_file *self, char **aside)
{
	g_autofree char *source = g_strdup_printf("/proc/self/fd/%d", fileno(self->stream));

	if (!aside)
		return linkat(AT_FDCWD, source, AT_FDCWD, self->path, AT_SYMLINK_FOLLOW) == 0;
	for (unsigned i = 0; i < 100; i++) {
		g_autofree char *name = g_strdup_printf("%s.%08x", self->path, g_random_int());

		if (linkat(AT_FDCWD, source, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0) {
			*aside = g_steal_pointer(&name);
			return true;
		}
		if (errno != EEXIST)
			break;
	}
	return false;
}

viommu_report_file *
viommu_report_file_open(const char *path, mode_t mode, GError **error)
{
	g_autoptr(viommu_report_file) self = g_new0(viommu_report_file, 1);
	g_autofree char *aside = g_strdup_printf("%s.XXXXXX", path);
	mode_t mask = umask(0);
	int fd;

	umask(mask);
	self->path = g_strdup(path);
	if (strcmp(path, "-") == 0) {
		self->stream = stdout;
		return g_steal_pointer(&self);
	}
	fd = open_nameless(path);
	self->nameless = fd >= 0;
	if (fd < 0)
		fd = mkostemp(aside, O_CLOEXEC);
	if (fd < 0) {
		fail(self, errno, error);
		return NULL;
	}
	if (!self->nameless)
		self->aside = g_steal_pointer(&aside);
	self->stream = fchmod(fd, mode & ~mask) == 0 ? fdopen(fd, "w") : NULL;
	if (!self->stream) {
		fail(self, errno, error);
		close(fd);
		return NULL;
	}
	return g_steal_pointer(&self);
}

FILE *
viommu_report_file_stream(viommu_report_file *self)
{
	return self->stream;
}

/* link() refuses an existing name where rename() would replace it. */
static bool
take_place_now(viommu_report_file *self, bool overwrite)
{
	if (self->nameless && name_it(self, NULL))
		return true;
	if (self->nameless && (!overwrite || errno != EEXIST || !name_it(self, &self->aside)))
		return false;
	if (overwrite)
		return rename(self->aside, self->path) == 0;
	return link(self->aside, self->path) == 0 && unlink(self->aside) == 0;
}

/* Between its two names only SIGKILL leaves something beside the file that it replaces. */
static bool
take_place(viommu_report_file *self, bool overwrite)
{
	sigset_t all, before;
	bool ok;
	int why;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	ok = take_place_now(self, overwrite);
	why = errno;
	if (ok)
		g_clear_pointer(&self->aside, g_free);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = why;
	return ok;
}

gboolean
viommu_report_file_commit(viommu_report_file *self, gboolean overwrite, GError **error)
{
	gboolean ok;

	if (self->stream == stdout) /* main() looks after standard output */
		return TRUE;
	ok = fflush(self->stream) == 0;
	if (ok && ferror(self->stream)) {
		/* A write failed before, and the stream has not kept why: the next one says it. */
		ok = FALSE;
		if (write(fileno(self->stream), "", 1) >= 0)
			errno = EIO;
	}
	ok = ok && fsync(fileno(self->stream)) == 0;
	if (!ok)
		return fail(self, errno, error);
	if (take_place(self, overwrite))
		return TRUE;
	if (errno != EEXIST)
		return fail(self, errno, error);
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED,
		"%s exists already; choose another name, or add --force to replace it", self->path);
	return FALSE;
}

void
viommu_report_file_free(viommu_report_file *self)
{
	if (!self)
		return;
	if (self->stream && self->stream != stdout)
		fclose(self->stream);
	if (self->aside)
		unlink(self->aside);
	g_free(self->aside);
	g_free(self->path);
	g_free(self);
}
