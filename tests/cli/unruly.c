/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs that a recorder has a hard time with; no VFIO is needed, since the recorder
 * stops at the numbers of its ioctls whatever they are made on.
 *
 *	unruly children N      N children that live at the same time, and end together
 *	unruly killed N SEED   N children with threads, each killed after a random time
 *	unruly exec N          execve() by a thread while others make calls, N times over
 *	unruly calls           calls of each kind with arguments that are no use; their results
 *	unruly hidden          calls by a process that may not be looked at
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 3, PAGE = 4096 };

/* Of VFIO and iommufd, as the recorder knows them. */
static const uint32_t requests[] = { 0x3b66, 0x3b68, 0x3b69, 0x3b6a, 0x3b71, 0x3b72, 0x3b76, 0x3b77, 0x3b78,
	0x3b80, 0x3b81, 0x3b83, 0x3b85, 0x3b86, 0x3b89, 0x3b8f };
enum { REQUESTS = sizeof requests / sizeof requests[0] };

static int null;

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void
call_all(void *arg)
{
	for (int i = 0; i < REQUESTS; i++)
		(void) ioctl(null, requests[i], arg);
}

static void *
call_for_ever(void *arg)
{
	for (;;)
		call_all(arg);
	return NULL;
}

static void
start_threads(void)
{
	static char argument[256];
	pthread_t thread;

	for (int i = 0; i < THREADS; i++)
		must(pthread_create(&thread, NULL, call_for_ever, argument) == 0, "pthread_create");
}

static int
children(int n)
{
	int go[2];
	char byte;

	must(pipe(go) == 0, "pipe");
	for (int i = 0; i < n; i++) {
		const pid_t pid = fork();

		must(pid >= 0, "fork");
		if (pid != 0)
			continue;
		close(go[1]);
		(void) ioctl(null, requests[i % REQUESTS], NULL);
		_exit(read(go[0], &byte, 1) != 0);
	}
	close(go[1]);
	for (int i = 0; i < n; i++) {
		int status;

		must(wait(&status) > 0 && status == 0, "a child");
	}
	return 5;
}

/* What is killed is in the middle of anything: an ioctl, fork(), execve(), its end. */
static int
killed(int n, unsigned seed, char *self)
{
	srand(seed);
	for (int i = 0; i < n; i++) {
		const int kind = rand() % 4, wait_us = rand() % 3000;
		const pid_t pid = fork();
		int status;

		must(pid >= 0, "fork");
		if (pid == 0) {
			if (kind == 1)
				start_threads();
			if (kind == 2)
				execl(self, self, "exec", "1000000", (char *) NULL);
			for (;;) {
				const pid_t child = kind == 3 ? fork() : -1;

				call_all(NULL);
				if (child == 0)
					_exit(0);
				if (child > 0)
					(void) waitpid(child, NULL, 0);
			}
		}
		usleep((useconds_t) wait_us);
		must(kill(pid, SIGKILL) == 0, "kill");
		must(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "waitpid");
	}
	return 6;
}

struct next {
	char *self;
	int n;
};

static void *
exec_next(void *data)
{
	const struct next *next = data;
	char text[16];

	snprintf(text, sizeof text, "%d", next->n - 1);
	execl(next->self, next->self, "exec", text, (char *) NULL);
	must(0, "execl");
	return NULL;
}

static int
exec_again(int n, char *self)
{
	struct next next = { self, n };
	pthread_t thread;

	if (n <= 0)
		return 7;
	start_threads();
	usleep(200);
	must(pthread_create(&thread, NULL, exec_next, &next) == 0, "pthread_create");
	call_for_ever(NULL);
	return 1;
}

static long
call_by(int kind, long fd, unsigned long request, unsigned long arg)
{
	long ret;

	if (kind == 0)
		ret = syscall(SYS_ioctl, fd, request, arg);
	else if (kind == 1)
		ret = syscall(0x40000000 | 514, fd, request, arg); /* x32 */
	else {
		__asm__ volatile("int $0x80"
				 : "=a"(ret)
				 : "0"(54L), "b"(fd), "c"(request), "d"(arg)
				 : "memory", "r8", "r9", "r10", "r11");
		return (int) ret;
	}
	return ret < 0 ? -errno : ret;
}

static int
calls(void)
{
	char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const int folder = open("/", O_RDONLY | O_DIRECTORY), pipe_end = dup(0);
	const long fds[] = { null, folder, pipe_end, -1, INT32_MAX, null | (1l << 40), AT_FDCWD };

	must(pages != MAP_FAILED && munmap(pages + PAGE, PAGE) == 0, "mmap");
	memset(pages, 0xff, PAGE);

	const unsigned long args[] = { 0, 1, (unsigned long) pages, (unsigned long) pages + PAGE - 8,
		(unsigned long) pages + PAGE, UINT64_MAX, UINT64_MAX - 7, 0xffff888000000000, 0x0000800000000000,
		0x7ffffffffffe };

	for (int kind = 0; kind < 3; kind++) {
		for (size_t i = 0; i < REQUESTS; i++) {
			for (size_t f = 0; f < sizeof fds / sizeof fds[0]; f++) {
				for (size_t a = 0; a < sizeof args / sizeof args[0]; a++) {
					printf("%d %x %zu %zu: %ld %ld\n", kind, requests[i], f, a,
						call_by(kind, fds[f], requests[i], args[a]),
						call_by(kind, fds[f], requests[i] | 0xdeadbeef00000000, args[a]));
				}
			}
		}
	}
	return 8;
}

/* Its files, its maps and its memory are closed to others who are not root. */
static int
hidden(void)
{
	must(prctl(PR_SET_DUMPABLE, 0) == 0, "prctl");
	must(prctl(PR_SET_NAME, "a) R 1 1\n(x") == 0, "prctl");
	start_threads();
	call_all(NULL);
	return 9;
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	const int n = argc > 2 ? atoi(argv[2]) : 0;

	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (strcmp(what, "children") == 0)
		return children(n);
	if (strcmp(what, "killed") == 0 && argc == 4)
		return killed(n, (unsigned) atoi(argv[3]), argv[0]);
	if (strcmp(what, "exec") == 0)
		return exec_again(n, argv[0]);
	if (strcmp(what, "calls") == 0)
		return calls();
	return strcmp(what, "hidden") == 0 ? hidden() : 2;
}
