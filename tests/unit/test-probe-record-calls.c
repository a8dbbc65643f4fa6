/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ioctls that `record` stops at: which, from which callers, and what is read
 * out of their arguments. */
#include <glib.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <linux/vfio.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/parse.h"
#include "record/rec-calls.h"
#include "record/rec-filter.h"
#include "record/rec-vma.h"

/* As the kernel runs it (man 2 seccomp), for the instructions that filters of
 * this kind are made of. */
static uint32_t
run_filter(const struct seccomp_data *data)
{
	struct sock_filter filter[REC_FILTER_MAX];
	const size_t n = rec_filter_make(filter);
	uint32_t a = 0;

	g_assert_cmpuint(n, <=, REC_FILTER_MAX);
	for (size_t pc = 0; pc < n; pc++) {
		const struct sock_filter *f = &filter[pc];

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			g_assert_cmpuint(f->k, <=, sizeof *data - 4);
			memcpy(&a, (const char *) data + f->k, 4);
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == f->k ? f->jt : f->jf;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			g_assert_not_reached();
		}
	}
	g_assert_not_reached();
}

static const struct {
	uint32_t arch;
	int nr;
	bool ioctl;
} callers[] = {
	{ AUDIT_ARCH_X86_64, 16, true },
	{ AUDIT_ARCH_X86_64, 0x40000000 | 514, true },
	{ AUDIT_ARCH_I386, 54, true },
	{ AUDIT_ARCH_X86_64, 54, false }, /* setsockopt */
	{ AUDIT_ARCH_X86_64, 514, false },
	{ AUDIT_ARCH_I386, 16, false }, /* lchown */
	{ AUDIT_ARCH_I386, 0x40000000 | 514, false },
	{ AUDIT_ARCH_X86_64, 3, false }, /* close */
	{ AUDIT_ARCH_AARCH64, 29, false },
};

static void
test_filter(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(callers); i++) {
		struct seccomp_data data = { .arch = callers[i].arch, .nr = callers[i].nr };
		const uint32_t ours = callers[i].ioctl ? SECCOMP_RET_TRACE : SECCOMP_RET_ALLOW;

		g_assert_cmpint(rec_is_ioctl(data.arch, (uint64_t) data.nr), ==, callers[i].ioctl);
		for (gsize k = 0; k < rec_n_requests; k++) {
			data.args[1] = rec_requests[k].number;
			g_assert_cmphex(run_filter(&data), ==, ours);
			/* The kernel looks at the low half alone. */
			data.args[1] |= 0xdeadbeefull << 32;
			g_assert_cmphex(run_filter(&data), ==, ours);
		}
		for (uint32_t number = 0; number < 0x10000; number++) {
			bool known = false;

			for (gsize k = 0; k < rec_n_requests; k++)
				known = known || rec_requests[k].number == number;
			data.args[1] = number;
			if (!known)
				g_assert_cmphex(run_filter(&data), ==, SECCOMP_RET_ALLOW);
		}
	}
}

/* The flags of the seccomp() call that installs the filter; false where nobody may trace. */
static bool
install_traced(uint64_t *flags)
{
	const pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(2);
		raise(SIGSTOP);
		_exit(rec_filter_install() != 0);
	}
	*flags = UINT64_MAX;
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status)) {
		struct user_regs_struct regs;

		g_assert_cmpint(ptrace(PTRACE_GETREGS, pid, NULL, &regs), ==, 0);
		if (regs.orig_rax == SYS_seccomp && regs.rdi == SECCOMP_SET_MODE_FILTER)
			*flags = regs.rsi;
		g_assert_cmpint(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), ==, 0);
	}
	g_assert_true(WIFEXITED(status));
	g_assert_cmpint(WEXITSTATUS(status), !=, 1);
	return WEXITSTATUS(status) == 0;
}

/* A program that is watched keeps its speculation: the mitigations that a filter
 * brings with it on some kernels slow down all of it. */
static void
test_speculation(void)
{
	uint64_t flags;

	if (!install_traced(&flags))
		g_test_skip("this process may not be traced");
	else
		g_assert_cmphex(flags, ==, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
}

/* One number, two meanings: what the descriptor is open on decides. */
static void
test_find(void)
{
	g_assert_cmpstr(rec_request_find(VFIO_IOMMU_MAP_DMA, REC_CONTAINER)->name, ==, "VFIO_IOMMU_MAP_DMA");
	g_assert_null(rec_request_find(VFIO_DEVICE_PCI_HOT_RESET, REC_CDEV)); /* the same number */
	g_assert_null(rec_request_find(VFIO_IOMMU_MAP_DMA, REC_OTHER));
	g_assert_null(rec_request_find(VFIO_GET_API_VERSION, REC_CONTAINER));
	for (gsize i = 0; i < rec_n_requests; i++) {
		g_assert_true(
			rec_request_find(rec_requests[i].number, rec_requests[i].kind) == &rec_requests[i]);
		g_assert_cmpuint(rec_requests[i].size, <=, REC_ARG_MAX);
	}
}

/* Numbers as the kernel's headers make them: the argument's bytes by hand. */
static struct rec_call
decode(uint32_t number, enum rec_kind kind, const void *bytes, gsize size)
{
	const struct rec_request *request = rec_request_find(number, kind);
	struct rec_call call;

	g_assert_nonnull(request);
	g_assert_true(rec_decode(&call, request, 5, 0x1000, bytes, size));
	g_assert_true(call.readable);
	if (request->size > 1 && request->op != REC_GET_DEVICE) {
		struct rec_call cut;

		g_assert_false(rec_decode(&cut, request, 5, 0x1000, bytes, request->size - 1));
		g_assert_false(cut.readable);
	}
	return call;
}

static void
test_vfio(void)
{
	const uint64_t map[] = { 32 | 3ull << 32, 0x7f0000001000, 0x40000000, 0x3000 };
	const uint64_t map_w[] = { 32 | 2ull << 32, 0, UINT64_MAX, UINT64_MAX };
	const uint64_t renew[] = { 32 | 4ull << 32, 0x1000, 0x2000, 0x3000 };
	const uint64_t unmap[] = { 24, 0x40000000, 0x3000 }, all[] = { 24 | 2ull << 32, 0, 0 };
	const uint64_t dirty[] = { 24 | 1ull << 32, 0x5000, 0x1000 },
		       give_up[] = { 24 | 4ull << 32, 0x5000, 0x1000 };
	const int32_t fd = 7;
	struct rec_call call;

	call = decode(0x3b71, REC_CONTAINER, map, sizeof map);
	g_assert_cmphex(call.iova, ==, 0x40000000);
	g_assert_cmphex(call.size, ==, 0x3000);
	g_assert_cmphex(call.vaddr, ==, 0x7f0000001000);
	g_assert_cmpuint(call.prot, ==, DMA_PROT_READ | DMA_PROT_WRITE);
	g_assert_cmpint(call.fd, ==, 5);
	call = decode(0x3b71, REC_CONTAINER, map_w, sizeof map_w);
	g_assert_cmpuint(call.prot, ==, DMA_PROT_WRITE);
	g_assert_cmphex(call.iova, ==, UINT64_MAX);
	g_assert_true(decode(0x3b71, REC_CONTAINER, renew, sizeof renew).vaddr_only);
	call = decode(0x3b72, REC_CONTAINER, unmap, sizeof unmap);
	g_assert_false(call.all || call.vaddr_only);
	g_assert_cmphex(call.iova, ==, 0x40000000);
	g_assert_true(decode(0x3b72, REC_CONTAINER, all, sizeof all).all);
	call = decode(0x3b72, REC_CONTAINER, dirty, sizeof dirty);
	g_assert_false(call.all || call.vaddr_only);
	g_assert_true(decode(0x3b72, REC_CONTAINER, give_up, sizeof give_up).vaddr_only);
	g_assert_cmpint(decode(0x3b68, REC_GROUP, &fd, sizeof fd).other_fd, ==, 7);
	g_assert_cmpstr(decode(0x3b6a, REC_GROUP, "0000:00:04.0", 13).device, ==, "0000:00:04.0");
	/* A name that does not end in what could be read. */
	g_assert_cmpuint(
		strlen(decode(0x3b6a, REC_GROUP, "\x1b[31mxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 40)
				.device),
		==, REC_DEVICE_NAME - 1);
}

static void
test_iommufd(void)
{
	const uint32_t alloc[] = { 12, 0, 9 }, attach[] = { 12, 0, 4 }, bind[] = { 16, 0, 6, 0 };
	const uint32_t destroy[] = { 8, 3 }, hwpt[] = { 20, 0, 1, 2, 8 };
	const uint64_t map[] = { 40 | 7ull << 32, 2, 0x7f0000000000, 0x2000, 0x5000 };
	const uint64_t chosen[] = { 40 | 7ull << 32, 2, 0x7f0000000000, 0x2000, 0x9000 };
	const uint64_t unmap[] = { 24 | 2ull << 32, 0x5000, 0x2000 },
		       all[] = { 24 | 2ull << 32, 0, UINT64_MAX };
	const uint64_t copy[] = { 40 | 5ull << 32, 2 | 1ull << 32, 0x1000, 0x6000, 0x7000 };
	const uint64_t file[] = { 40 | 7ull << 32, 2 | 11ull << 32, 0x4000, 0x1000, 0x8000 };
	struct rec_call call;

	call = decode(0x3b81, REC_IOMMUFD, alloc, sizeof alloc);
	rec_decode_answer(&call, alloc, sizeof alloc);
	g_assert_cmpuint(call.id, ==, 9);
	call = decode(0x3b85, REC_IOMMUFD, map, sizeof map);
	g_assert_cmpuint(call.id, ==, 2);
	g_assert_cmpuint(call.prot, ==, DMA_PROT_READ | DMA_PROT_WRITE);
	g_assert_cmphex(call.vaddr, ==, 0x7f0000000000);
	g_assert_cmphex(call.iova, ==, 0x5000);
	rec_decode_answer(&call, chosen, sizeof chosen);
	g_assert_cmphex(call.iova, ==, 0x9000);
	g_assert_false(decode(0x3b86, REC_IOMMUFD, unmap, sizeof unmap).all);
	g_assert_true(decode(0x3b86, REC_IOMMUFD, all, sizeof all).all);
	call = decode(0x3b83, REC_IOMMUFD, copy, sizeof copy);
	g_assert_cmpuint(call.id, ==, 2);
	g_assert_cmpuint(call.source, ==, 1);
	g_assert_cmpuint(call.prot, ==, DMA_PROT_READ);
	g_assert_cmphex(call.size, ==, 0x1000);
	g_assert_cmphex(call.iova, ==, 0x6000);
	g_assert_cmphex(call.from, ==, 0x7000);
	call = decode(0x3b8f, REC_IOMMUFD, file, sizeof file);
	g_assert_cmpint(call.other_fd, ==, 11);
	g_assert_cmphex(call.from, ==, 0x4000);
	g_assert_cmphex(call.iova, ==, 0x8000);
	call = decode(0x3b89, REC_IOMMUFD, hwpt, sizeof hwpt);
	g_assert_cmpuint(call.source, ==, 2);
	rec_decode_answer(&call, hwpt, sizeof hwpt);
	g_assert_cmpuint(call.id, ==, 8);
	g_assert_cmpuint(decode(0x3b80, REC_IOMMUFD, destroy, sizeof destroy).id, ==, 3);
	g_assert_cmpint(decode(0x3b76, REC_CDEV, bind, sizeof bind).other_fd, ==, 6);
	g_assert_cmpuint(decode(0x3b77, REC_CDEV, attach, sizeof attach).id, ==, 4);
}

static void
test_restarts(void)
{
	/* ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK */
	static const int64_t again[] = { -512, -513, -514, -516 };
	static const int64_t done[] = { 0, 7, -1, -4, -14, -22, -511, -515, -517, 512 };

	for (gsize i = 0; i < G_N_ELEMENTS(again); i++)
		g_assert_true(rec_restarts(again[i]));
	for (gsize i = 0; i < G_N_ELEMENTS(done); i++)
		g_assert_false(rec_restarts(done[i]));
}

static void
test_vma(void)
{
	struct rec_vma vma;

	g_assert_true(rec_vma_parse(
		"7f036c005000-7f036c105000 rw-s fe900000 00:0e 9964       anon_inode:[vfio-device]\n", &vma));
	g_assert_cmphex(vma.first, ==, 0x7f036c005000);
	g_assert_cmphex(vma.last, ==, 0x7f036c104fff);
	g_assert_cmphex(vma.offset, ==, 0xfe900000);
	g_assert_cmpuint(vma.inode, ==, 9964);
	g_assert_cmpstr(vma.path, ==, "anon_inode:[vfio-device]");
	g_assert_true(rec_vma_parse("00400000-00401000 r--p 00000000 00:00 0 \n", &vma));
	g_assert_cmpstr(vma.path, ==, "");
	g_assert_false(rec_vma_parse("", &vma));
	g_assert_false(rec_vma_parse("7f-7f rw-s 0 00:0e 1 x\n", &vma));
	g_assert_false(rec_vma_parse("no map at all\n", &vma));
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/record-calls/filter", test_filter);
	g_test_add_func("/record-calls/speculation", test_speculation);
	g_test_add_func("/record-calls/find", test_find);
	g_test_add_func("/record-calls/vfio", test_vfio);
	g_test_add_func("/record-calls/iommufd", test_iommufd);
	g_test_add_func("/record-calls/restarts", test_restarts);
	g_test_add_func("/record-calls/vma", test_vma);
	return g_test_run();
}
