/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From ioctls of VFIO to events. */
#include <errno.h>
#include <linux/vfio.h>

#include "record-world.h"

static void
test_map_and_unmap(struct fixture *f, gconstpointer data)
{
	const struct unmap_argument all = { 24, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0 };
	const struct unmap_argument vaddr = { 24, VFIO_DMA_UNMAP_FLAG_VADDR, 0x1000, 0x1000 };

	(void) data;
	set_container_up(f, 10, 1, 2);
	map(f, 10, 3, 0x1000, 0x2000, 0);
	map(f, 10, 3, 0x1000, 0x1000, -EEXIST);
	map(f, 10, 3, 0x3000, 0x1000, 0);
	map(f, 10, 3, 0x8000, 0x1000, 0);
	map(f, 10, 3, 0xa000, 0x1000, -512); /* ERESTARTSYS: not yet */
	unmap(f, 10, 3, 0x8000, 0x1000, 0);
	unmap(f, 10, 3, 0x1000, 0x1000, -EINVAL);
	call(f, 10, 3, VFIO_IOMMU_UNMAP_DMA, 0x1000, &vaddr, sizeof vaddr, 0);
	call(f, 10, 3, VFIO_IOMMU_UNMAP_DMA, 0x1000, &all, sizeof all, 0);
	expect(f, ATTACHED ", map 1 1000+2000, map 1 1000+1000 EEXIST, map 1 3000+1000, map 1 8000+1000, "
			   "unmap 1 8000+1000, unmap 1 1000+1000 EINVAL, unmap 1 1000+3000");
}

/* The same number, a child, a duplicate, and another container. */
static void
test_descriptors(struct fixture *f, gconstpointer data)
{
	(void) data;
	set_container_up(f, 10, 1, 2);
	put(11, 3, REC_CONTAINER, 1)->iommu = true;
	put(11, 4, REC_GROUP, 2);
	recorder_fork(&f->recorder, 10, 11);
	drop(10, 3);
	drop(10, 4);
	recorder_exit(&f->recorder, 10, "exit");
	map(f, 11, 3, 0x1000, 0x1000, 0);
	put(11, 9, REC_CONTAINER, 1)->iommu = true; /* dup() */
	map(f, 11, 9, 0x2000, 0x1000, 0);
	drop(11, 3);
	map(f, 11, 9, 0x3000, 0x1000, 0);
	/* Sent to a process that we know nothing of. */
	put(20, 5, REC_CONTAINER, 1)->iommu = true;
	map(f, 20, 5, 0x4000, 0x1000, 0);
	expect(f, ATTACHED ", map 1 1000+1000, map 1 2000+1000, map 1 3000+1000, map 1 4000+1000");
}

static void
test_two_containers(struct fixture *f, gconstpointer data)
{
	const int32_t second = 5;

	(void) data;
	set_container_up(f, 10, 1, 2);
	put(10, 5, REC_CONTAINER, 2);
	put(10, 6, REC_GROUP, 3);
	call(f, 10, 6, VFIO_GROUP_SET_CONTAINER, 0x1000, &second, sizeof second, 0);
	find(10, 5)->iommu = true;
	call(f, 10, 5, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU, NULL, 0, 0);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	map(f, 10, 5, 0x1000, 0x1000, 0);
	unmap(f, 10, 3, 0x1000, 0x1000, 0);
	expect(f, ATTACHED ", attach 2 05.0 complete, map 1 1000+1000, map 2 1000+1000, unmap 1 1000+1000");
}

/* A container with two groups lives as long as one is in it. */
static void
test_groups(struct fixture *f, gconstpointer data)
{
	const int32_t container = 3;

	(void) data;
	set_container_up(f, 10, 1, 2);
	put(10, 6, REC_GROUP, 3);
	call(f, 10, 6, VFIO_GROUP_SET_CONTAINER, 0x1000, &container, sizeof container, 0);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	map(f, 10, 3, 0x2000, 0x1000, 0);
	call(f, 10, 4, VFIO_GROUP_UNSET_CONTAINER, 0, NULL, 0, 0);
	drop(10, 3); /* the container's own file: nothing ends */
	recorder_watch(&f->recorder, (dev_t) REC_CONTAINER * 1000, true);
	ending = "killed by SIGKILL";
	recorder_watch(&f->recorder, (dev_t) REC_GROUP * 1000 + 3, true);
	expect(f, ATTACHED ", attach 1 05.0 complete, map 1 1000+1000, map 1 2000+1000, detach 1 04.0, "
			   "unmap 1 1000+2000 killed by SIGKILL, detach 1 05.0 killed by SIGKILL");
}

/* Closed and opened anew before we look: the same numbers, a new container. */
static void
test_same_numbers(struct fixture *f, gconstpointer data)
{
	(void) data;
	set_container_up(f, 10, 1, 2);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	put(10, 3, REC_CONTAINER, 2);
	put(10, 4, REC_GROUP, 2);
	recorder_watch(&f->recorder, (dev_t) REC_GROUP * 1000 + 2, true);
	recorder_watch(&f->recorder, (dev_t) REC_CONTAINER * 1000, true);
	recorder_watch(&f->recorder, (dev_t) REC_CONTAINER * 1000, false);
	set_container_up(f, 10, 2, 2);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	expect(f, ATTACHED ", map 1 1000+1000, unmap 1 1000+1000 close, detach 1 04.0 close, "
			   "attach 2 04.0 complete, map 2 1000+1000");
}

/* The container's file is closed, its group is not; the number names another. */
static void
test_new_container(struct fixture *f, gconstpointer data)
{
	const int32_t container = 3;

	(void) data;
	set_container_up(f, 10, 1, 2);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	put(10, 3, REC_CONTAINER, 2);
	recorder_watch(&f->recorder, (dev_t) REC_CONTAINER * 1000, false);
	put(10, 6, REC_GROUP, 3);
	call(f, 10, 6, VFIO_GROUP_SET_CONTAINER, 0x1000, &container, sizeof container, 0);
	find(10, 3)->iommu = true;
	call(f, 10, 3, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU, NULL, 0, 0);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	recorder_watch(&f->recorder, (dev_t) REC_GROUP * 1000 + 2, true);
	expect(f, ATTACHED
		", map 1 1000+1000, attach 2 05.0 complete, map 2 1000+1000, unmap 1 1000+1000 close, "
		"detach 1 04.0 close");
}

static void
test_adopted(struct fixture *f, gconstpointer data)
{
	(void) data;
	put(10, 4, REC_GROUP, 2);
	put(10, 3, REC_CONTAINER, 1)->iommu = true;
	call(f, 10, 4, VFIO_GROUP_GET_DEVICE_FD, 0x1000, "0000:00:04.0", 13, 9);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	expect(f, "attach 1 04.0, map 1 1000+1000");
}

int
main(int argc, char **argv)
{
	static const struct model_test tests[] = {
		{ "/record-model/map-and-unmap", test_map_and_unmap },
		{ "/record-model/descriptors", test_descriptors },
		{ "/record-model/two-containers", test_two_containers },
		{ "/record-model/groups", test_groups },
		{ "/record-model/same-numbers", test_same_numbers },
		{ "/record-model/new-container", test_new_container },
		{ "/record-model/adopted", test_adopted },
	};

	return run_tests(argc, argv, tests, G_N_ELEMENTS(tests));
}
