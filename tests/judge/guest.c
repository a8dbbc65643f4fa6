/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RAM_SIZE (GUEST_LOW_SIZE + GUEST_HIGH_SIZE)
#define BIOS_SIZE 0x10000u
/* More than this without an answer, and QEMU hangs. */
#define ANSWER_SECONDS 30

struct guest {
	pid_t pid;
	int socket, ram_fd, log_fd;
	char *folder, *monitors[GUEST_MONITORS];
	uint8_t *ram;
	GString *queue;
	GArray *values; /* of uint64_t */
	unsigned queued;
	char input[4096];
	size_t used;
};

/* The one child, for exit and signal handlers. */
static volatile pid_t child;

static void
kill_child(void)
{
	if (child > 0)
		kill(child, SIGKILL);
}

static void
on_signal(int signal)
{
	kill_child();
	_exit(128 + signal);
}

static int
memory_file(const char *name, uint64_t size)
{
	int fd = memfd_create(name, 0); /* inherited by QEMU, so no CLOEXEC */

	if (fd < 0 || (size && ftruncate(fd, (off_t) size) < 0))
		g_error("memfd %s: %s", name, g_strerror(errno));
	return fd;
}

/* A firmware that halts: cli; hlt; jmp back to the hlt, at the reset vector. */
static int
halting_bios(void)
{
	static const uint8_t code[] = { 0xfa, 0xf4, 0xeb, 0xfd };
	int fd = memory_file("judge-bios", BIOS_SIZE);

	if (pwrite(fd, code, sizeof code, BIOS_SIZE - 16) != sizeof code)
		g_error("bios: %s", g_strerror(errno));
	return fd;
}

static void
run_qemu(const guest *self, const char *qemu, const char *props, int socket, int bios_fd, pid_t parent)
{
	int ram_fd = self->ram_fd, log_fd = self->log_fd;
	g_autofree char *bios = g_strdup_printf("/proc/self/fd/%d", bios_fd);
	g_autofree char *ram = g_strdup_printf("memory-backend-file,id=ram,size=%" G_GUINT64_FORMAT
		",share=on,mem-path=/proc/self/fd/%d", (guint64) RAM_SIZE, ram_fd);
	g_autofree char *memory = g_strdup_printf("%" G_GUINT64_FORMAT "M", (guint64) (RAM_SIZE >> 20));
	g_autofree char *chardev = g_strdup_printf("socket,id=qtest,fd=%d", socket);
	g_autofree char *first = g_strdup_printf("%s,server=on,wait=off", self->monitors[0]);
	g_autofree char *second = g_strdup_printf("%s,server=on,wait=off", self->monitors[1]);
	g_autofree char *iommu = g_strdup_printf("intel-iommu%s%s", *props ? "," : "", props);
	/* The devices and their places are known to device.c as well. */
	const char *argv[] = { qemu, "-machine", "q35,memory-backend=ram,pit=off,hpet=off,sata=off,smbus=off,vmport=off", "-accel", "tcg",
		"-icount", "shift=0,sleep=off", "-m", memory, "-object", ram, "-bios", bios,
		"-nodefaults", "-no-user-config", "-display", "none", "-device", iommu,
		"-device", "edu,addr=04.0,dma_mask=0xffffffffffffffff",
		"-device", "edu,addr=15.0,dma_mask=0xffffffffffffffff",
		"-device", "pcie-root-port,id=bridge,addr=03.0,chassis=1",
		"-device", "edu,bus=bridge,addr=00.0,dma_mask=0xffffffffffffffff",
		"-chardev", chardev, "-qtest", "chardev:qtest", "-qtest-log", "/dev/null",
		"-qmp", first, "-qmp", second, NULL };
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	dup2(null, 0);
	dup2(log_fd, 1);
	dup2(log_fd, 2);
	execvp(qemu, (char *const *) argv);
	dprintf(2, "%s: %s\n", qemu, strerror(errno));
	_exit(127);
}

guest *
guest_start(const char *qemu, const char *props, GError **error)
{
	static bool prepared;
	guest *self = g_new0(guest, 1);
	int sockets[2], bios = halting_bios();
	pid_t parent = getpid();

	if (!prepared) {
		prepared = true;
		atexit(kill_child);
		signal(SIGPIPE, SIG_IGN);
		for (const int *s = (const int[]){ SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, 0 }; *s; s++)
			signal(*s, on_signal);
	}
	self->ram_fd = memory_file("judge-ram", RAM_SIZE);
	self->log_fd = memory_file("judge-log", 0);
	fcntl(self->log_fd, F_SETFL, O_APPEND);
	self->ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, self->ram_fd, 0);
	if (self->ram == MAP_FAILED || socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0)
		g_error("guest: %s", g_strerror(errno));
	self->queue = g_string_new(NULL);
	self->values = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	self->folder = g_dir_make_tmp("judge-XXXXXX", NULL);
	for (unsigned i = 0; i < GUEST_MONITORS; i++)
		self->monitors[i] = g_strdup_printf("unix:%s/%u", self->folder, i);
	fcntl(sockets[0], F_SETFD, FD_CLOEXEC);
	self->socket = sockets[0];
	self->pid = fork();
	if (self->pid == 0)
		run_qemu(self, qemu, props, sockets[1], bios, parent);
	close(sockets[1]);
	close(bios);
	if (self->pid < 0)
		g_error("fork: %s", g_strerror(errno));
	child = self->pid;
	setsockopt(self->socket, SOL_SOCKET, SO_RCVTIMEO,
		&(struct timeval){ .tv_sec = ANSWER_SECONDS }, sizeof(struct timeval));

	guest_queue(self, "endianness"); /* answers when QEMU is up */
	if (!guest_run(self, error)) {
		guest_stop(self);
		return NULL;
	}
	return self;
}

const char *
guest_monitor(const guest *self, unsigned i)
{
	return self->monitors[i];
}

void
guest_forget_monitors(guest *self)
{
	for (unsigned i = 0; i < GUEST_MONITORS; i++)
		unlink(self->monitors[i] + strlen("unix:"));
	rmdir(self->folder);
}

void
guest_stop(guest *self)
{
	if (!self)
		return;
	guest_forget_monitors(self);
	for (unsigned i = 0; i < GUEST_MONITORS; i++)
		g_free(self->monitors[i]);
	g_free(self->folder);
	kill(self->pid, SIGKILL);
	waitpid(self->pid, NULL, 0);
	child = 0;
	munmap(self->ram, RAM_SIZE);
	close(self->socket);
	close(self->ram_fd);
	close(self->log_fd);
	g_string_free(self->queue, TRUE);
	g_array_free(self->values, TRUE);
	g_free(self);
}

/* ---- RAM ------------------------------------------------------------------- */

uint8_t *
guest_ram(guest *self, uint64_t gpa, uint64_t n)
{
	if (gpa < GUEST_LOW_SIZE && n <= GUEST_LOW_SIZE - gpa)
		return self->ram + gpa;
	if (gpa >= GUEST_HIGH_BASE && gpa - GUEST_HIGH_BASE < GUEST_HIGH_SIZE &&
	    n <= GUEST_HIGH_SIZE - (gpa - GUEST_HIGH_BASE))
		return self->ram + GUEST_LOW_SIZE + (gpa - GUEST_HIGH_BASE);
	return NULL;
}

void
guest_ram_clear(guest *self)
{
	if (fallocate(self->ram_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, RAM_SIZE) < 0)
		g_error("clearing the RAM: %s", g_strerror(errno));
}

void
guest_ram_touched(guest *self, guest_ram_visitor visit, void *user)
{
	off_t at = 0, end;

	while (at < (off_t) RAM_SIZE && (at = lseek(self->ram_fd, at, SEEK_DATA)) >= 0) {
		end = lseek(self->ram_fd, at, SEEK_HOLE);
		if (end < 0)
			break;
		for (off_t cut; at < end; at = cut) {
			bool low = at < (off_t) GUEST_LOW_SIZE;

			cut = low ? MIN(end, (off_t) GUEST_LOW_SIZE) : end;
			visit(low ? (uint64_t) at : (uint64_t) at - GUEST_LOW_SIZE + GUEST_HIGH_BASE,
				self->ram + at, (uint64_t) (cut - at), user);
		}
	}
}

bool
guest_is_device(uint64_t gpa)
{
	static const struct { uint64_t first, last; } devices[] = {
		{ 0xa0000, 0xfffff },       /* VGA, expansion ROMs, the firmware below 1 MiB */
		{ 0xfe000000, 0xfe4fffff }, /* where unit.c puts the edu devices             */
		{ 0xfec00000, 0xfec00fff }, /* the I/O interrupt controller                  */
		{ 0xfed00000, 0xfedfffff }, /* the VT-d unit and the chipset                 */
		{ 0xfff00000, 0xffffffff }, /* the firmware                                  */
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(devices); i++)
		if (gpa >= devices[i].first && gpa <= devices[i].last)
			return true;
	return false;
}

/* ---- qtest ------------------------------------------------------------------ */

static gboolean
gone(guest *self, const char *what, GError **error)
{
	char text[2048];
	ssize_t n = pread(self->log_fd, text, sizeof text - 1, MAX(0, lseek(self->log_fd, 0, SEEK_END) - 2000));

	text[MAX(n, 0)] = 0;
	g_set_error(error, GUEST_ERROR, 1, "QEMU %s; it said: %s", what, g_strstrip(text));
	return FALSE;
}

void
guest_queue(guest *self, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	g_string_append_vprintf(self->queue, format, args);
	va_end(args);
	g_string_append_c(self->queue, '\n');
	self->queued++;
}

/* One line without its end; NULL with error. */
static const char *
read_line(guest *self, char line[256], GError **error)
{
	char *end;

	while (!(end = memchr(self->input, '\n', self->used))) {
		ssize_t n;

		if (self->used == sizeof self->input) {
			gone(self, "sent a line without an end", error);
			return NULL;
		}
		n = recv(self->socket, self->input + self->used, sizeof self->input - self->used, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			gone(self, n == 0 ? "ended" : g_strerror(errno), error);
			return NULL;
		}
		self->used += (size_t) n;
	}
	*end = 0;
	g_strlcpy(line, self->input, 256);
	self->used -= (size_t) (end + 1 - self->input);
	memmove(self->input, end + 1, self->used);
	return line;
}

const uint64_t *
guest_run(guest *self, GError **error)
{
	unsigned wanted = self->queued;

	g_array_set_size(self->values, 0);
	for (size_t sent = 0; sent < self->queue->len;) {
		ssize_t n = send(self->socket, self->queue->str + sent, self->queue->len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			gone(self, "ended", error);
			return NULL;
		}
		sent += (size_t) n;
	}
	g_string_truncate(self->queue, 0);
	self->queued = 0;
	while (self->values->len < wanted) {
		char line[256];
		uint64_t value;

		if (!read_line(self, line, error))
			return NULL;
		if (g_str_has_prefix(line, "IRQ "))
			continue;
		if (!g_str_has_prefix(line, "OK")) {
			gone(self, line, error);
			return NULL;
		}
		value = g_ascii_strtoull(line + 2, NULL, 16);
		g_array_append_val(self->values, value);
	}
	return (const uint64_t *) (const void *) self->values->data;
}

/* ---- what this QEMU is ------------------------------------------------------- */

static char *
output_of(const char *qemu, const char *first, const char *second, GError **error)
{
	const char *argv[] = { qemu, first, second, NULL };
	g_autofree char *out = NULL;
	int status;

	if (!g_spawn_sync(NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
			&out, NULL, &status, error) ||
	    !g_spawn_check_wait_status(status, error))
		return NULL;
	return g_steal_pointer(&out);
}

char *
guest_properties(const char *qemu, GError **error)
{
	return output_of(qemu, "-device", "intel-iommu,help", error);
}

bool
guest_has_property(const char *properties, const char *name)
{
	g_autofree char *key = g_strdup_printf(" %s=<", name);

	return strstr(properties, key) != NULL;
}

char *
guest_version(const char *qemu, GError **error)
{
	static const char prefix[] = "QEMU emulator version ";
	char *text = output_of(qemu, "--version", NULL, error);

	if (!text)
		return NULL;
	text[strcspn(text, "\n")] = 0;
	if (g_str_has_prefix(text, prefix))
		memmove(text, text + strlen(prefix), strlen(text) - strlen(prefix) + 1);
	return text;
}
