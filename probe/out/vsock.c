/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out/vsock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "sys/parse.h"

bool
vsock_is(const char *where)
{
	return strncmp(where, VSOCK_PREFIX, strlen(VSOCK_PREFIX)) == 0;
}

/* The bytes from BEGIN to END, or to the end of the text when END is NULL. */
static bool
parse_part(const char *begin, const char *end, uint32_t *ret)
{
	const size_t len = end != NULL ? (size_t) (end - begin) : strlen(begin);
	char text[16] = "";
	uint64_t number;

	if (len == 0 || len >= sizeof text)
		return false;
	memcpy(text, begin, len);
	if (!parse_uint(text, &number) || number >= VMADDR_CID_ANY)
		return false;
	*ret = (uint32_t) number;
	return true;
}

int
vsock_parse(const char *where, uint32_t *cid, uint32_t *port, struct probe_error *error)
{
	const char *begin = where + strlen(VSOCK_PREFIX), *colon = strchr(begin, ':');

	if (colon != NULL && parse_part(begin, colon, cid) && parse_part(colon + 1, NULL, port))
		return 0;
	return probe_fail(error, EINVAL,
		"%s is not vsock:CID:PORT, two numbers; the host's CID is 2, as in vsock:2:5000", where);
}

static int
fail_connect(const char *where, int err, struct probe_error *error)
{
	const char *hint = "";

	if (err == ECONNRESET || err == ECONNREFUSED)
		hint = "; nobody listens there: on the host, socat -u VSOCK-LISTEN:PORT OPEN:FILE,creat";
	else if (err == EAFNOSUPPORT || err == ENODEV || err == ENETUNREACH || err == EADDRNOTAVAIL)
		hint = "; give QEMU -device vhost-vsock-pci,guest-cid=3 and the guest the "
		       "vmw_vsock_virtio_transport module";
	return probe_fail(error, err, "cannot connect to %s: %s%s", where, strerror(err), hint);
}

int
vsock_open(const char *where, struct probe_error *error)
{
	struct sockaddr_vm address = { .svm_family = AF_VSOCK };
	int fd;

	if (vsock_parse(where, &address.svm_cid, &address.svm_port, error) < 0)
		return -1;
	fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail_connect(where, errno, error);
	/* Gives up by itself after two seconds (SO_VM_SOCKETS_CONNECT_TIMEOUT). */
	if (connect(fd, (const struct sockaddr *) &address, sizeof address) < 0) {
		const int err = errno;

		close(fd);
		return fail_connect(where, err, error);
	}
	return fd;
}
