/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "record/rec-filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "record/rec-calls.h"

enum {
	IOCTL_64 = 16,
	IOCTL_X32 = 0x40000000 | 514,
	IOCTL_32 = 54,
};

static const size_t offset_arch = offsetof(struct seccomp_data, arch);
static const size_t offset_nr = offsetof(struct seccomp_data, nr);
/* The kernel takes the low half for the request, too (little endian). */
static const size_t offset_request = offsetof(struct seccomp_data, args[1]);

/* The filter, as it runs:
 *
 *	arch is x86-64:  nr is ioctl, or that of x32?  else allow
 *	arch is i386:    nr is ioctl?                  else allow
 *	any other arch:                                allow
 *	request is one of ours?  trace;                else allow
 */
size_t
rec_filter_make(struct sock_filter ret[REC_FILTER_MAX])
{
	enum { REQUESTS = 9 }; /* index of the first comparison of a request */
	const struct sock_filter head[REQUESTS] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset_arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset_nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IOCTL_64, 4, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IOCTL_X32, 3, 0), /* else: falls to "arch is i386?" */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset_nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IOCTL_32, 0, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset_request),
	};
	const size_t n = rec_n_requests, allow = REQUESTS + n, trace = allow + 1;

	for (size_t i = 0; i < REQUESTS; i++)
		ret[i] = head[i];
	/* What is not ioctl goes to the end. */
	ret[4].jf = (uint8_t) (allow - 5);
	ret[5].jf = (uint8_t) (allow - 6);
	ret[7].jf = (uint8_t) (allow - 8);
	for (size_t i = 0; i < n; i++)
		ret[REQUESTS + i] = (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			rec_requests[i].number, (uint8_t) (trace - (REQUESTS + i) - 1), 0);
	ret[allow] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	ret[trace] = (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
	return trace + 1;
}

int
rec_filter_install(void)
{
	struct sock_filter filter[REC_FILTER_MAX];
	struct sock_fprog program = { .len = (unsigned short) rec_filter_make(filter), .filter = filter };
	/* The program is watched, not jailed: without this flag kernels before 5.16, and later ones
	 * with spec_store_bypass_disable=seccomp or spectre_v2_user=seccomp, run the whole of it with
	 * mitigations that it does not have without us, and that cannot be switched off again. */
	const unsigned flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW;

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) == 0)
		return 0;
	if (errno != EACCES)
		return -errno;
	/* Without CAP_SYS_ADMIN the kernel wants the promise that setuid programs
	 * gain nothing, which they do not under a tracer either. */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) < 0)
		return -errno;
	return 0;
}

bool
rec_is_ioctl(uint32_t arch, uint64_t nr)
{
	if (arch == AUDIT_ARCH_X86_64)
		return nr == IOCTL_64 || nr == IOCTL_X32;
	return arch == AUDIT_ARCH_I386 && nr == IOCTL_32;
}
