/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listens on a vsock port and copies what the first peer sends to a file; with a
 * number of bytes, hangs up after these. */
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "program.h"

int
main(int argc, char **argv)
{
	struct sockaddr_vm address = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY };
	long left = argc == 4 ? atol(argv[3]) : -1;
	const int server = socket(AF_VSOCK, SOCK_STREAM, 0);
	char bytes[4096];
	int peer;
	FILE *file;

	expect(argc == 3 || argc == 4, 1, "arguments"); /* PORT FILE [BYTES] */
	address.svm_port = (unsigned) atoi(argv[1]);
	file = fopen(argv[2], "w");
	expect(file != NULL, 1, argv[2]);
	setbuf(file, NULL); /* to be read as it grows */
	expect(bind(server, (struct sockaddr *) &address, sizeof address), 0, "bind");
	expect(listen(server, 1), 0, "listen");
	step(9); /* what is recorded has the others */
	peer = accept(server, NULL, NULL);
	expect(peer >= 0, 1, "accept");
	while (left != 0) {
		const size_t size = left > 0 && left < (long) sizeof bytes ? (size_t) left : sizeof bytes;
		const ssize_t got = read(peer, bytes, size);

		if (got <= 0)
			break;
		expect(fwrite(bytes, (size_t) got, 1, file) == 1, 1, "fwrite");
		left -= left > 0 ? got : 0;
	}
	close(peer);
	expect(fclose(file), 0, "fclose");
	return 0;
}
