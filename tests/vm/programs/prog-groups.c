/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many groups in one container, and one group in a container of its own, where the
 * same IOVA is other memory; then a group changes over. */
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "program.h"

enum { RW = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE, MOST = 32 };

static void
join(struct vfio *ret, const char *bdf, int container)
{
	char path[96], target[256] = "";

	snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/iommu_group", bdf);
	expect(readlink(path, target, sizeof target - 1) > 0, 1, path);
	snprintf(path, sizeof path, "/dev/vfio%s", strrchr(target, '/'));
	snprintf(ret->bdf, sizeof ret->bdf, "%s", bdf);
	ret->container = container;
	ret->group = open(path, O_RDWR);
	expect(ret->group >= 0, 1, path);
	expect((int) do_ioctl(ret->group, VFIO_GROUP_SET_CONTAINER, &container), 0, "VFIO_GROUP_SET_CONTAINER");
	ret->device = (int) do_ioctl(ret->group, VFIO_GROUP_GET_DEVICE_FD, ret->bdf);
	expect(ret->device >= 0, 1, "VFIO_GROUP_GET_DEVICE_FD");
}

int
main(int argc, char **argv)
{
	struct vfio vfio[MOST];
	const int last = argc - 2;

	expect(argc > 3 && last < MOST, 1, "arguments"); /* BDF BDF BDF... */
	vfio_open(&vfio[0], argv[1]);
	expect(vfio_map(&vfio[0], 0x40000000, memory(4 * PAGE, 0), 4 * PAGE, RW), 0, "map");
	for (int i = 1; i < last; i++)
		join(&vfio[i], argv[1 + i], vfio[0].container);
	expect(vfio_map(&vfio[0], 0x50000000, memory(2 * PAGE, 0), 2 * PAGE, RW), 0, "map");
	vfio_open(&vfio[last], argv[argc - 1]);
	expect(vfio_map(&vfio[last], 0x40000000, memory(8 * PAGE, 0), 8 * PAGE, RW), 0, "map");
	step(1);
	close(vfio[1].device);
	expect((int) do_ioctl(vfio[1].group, VFIO_GROUP_UNSET_CONTAINER, NULL), 0, "VFIO_GROUP_UNSET_CONTAINER");
	close(vfio[1].group);
	step(2);
	join(&vfio[1], argv[2], vfio[last].container);
	step(3);
	return 0;
}
