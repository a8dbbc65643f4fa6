/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VFIO programs for `viommu-probe record` to record, none of which knows of it.
 * Each takes a PCI address and goes from step to step as the test lets it:
 * at step N it makes the file /run/at.N and waits for /run/go.N.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#define PAGE ((size_t) 4096)

/* How the program makes its system calls: libc's ioctl(), unless it puts
 * something else here before it begins. */
extern long (*do_ioctl)(int fd, unsigned long request, void *arg);

struct vfio {
	int container, group, device;
	char bdf[16];
};

void vfio_open(struct vfio *ret, const char *bdf);
void vfio_close(struct vfio *vfio);
/* 0 or an errno. */
int vfio_map(struct vfio *vfio, uint64_t iova, void *memory, size_t size, unsigned flags);
int vfio_unmap(struct vfio *vfio, uint64_t iova, size_t size, unsigned flags);

/* SIZE bytes, touched; with FLAGS of mmap() besides. */
void *memory(size_t size, int flags);
void expect(int got, int wanted, const char *what);
void step(int number);
uint64_t now_ns(void);

#endif
