/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls that are in progress while other things happen. */
#include <errno.h>
#include <linux/vfio.h>

#include "record-world.h"

/* Two threads: the unmap has happened, since the map succeeded; its return is
 * seen later. */
static void
test_order(struct fixture *f, gconstpointer data)
{
	const struct unmap_argument arg = { 24, 0, 0x1000, 0x1000 };
	struct rec_pending pending;

	(void) data;
	set_container_up(f, 10, 1, 2);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	begin(f, &pending, 10, 3, VFIO_IOMMU_UNMAP_DMA, 0x1000, &arg, sizeof arg);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	recorder_leave(&f->recorder, &pending, 0, &arg, sizeof arg);
	expect(f, ATTACHED ", map 1 1000+1000, unmap 1 1000+1000, map 1 1000+1000");
}

/* What cannot be looked at is lost, and what ends in between does no harm. */
static void
test_trouble(struct fixture *f, gconstpointer data)
{
	const struct vfio_iommu_type1_dma_map arg = { sizeof arg, 3, 0x7000000, 0x1000, 0x1000 };
	struct rec_pending pending;

	(void) data;
	put(10, 8, REC_OTHER, 0);
	g_assert_false(recorder_enter(&f->recorder, &pending, 10, 8, VFIO_IOMMU_MAP_DMA, 0, NULL, 0));
	set_container_up(f, 10, 1, 2);
	g_assert_false(recorder_enter(&f->recorder, &pending, 10, 4, VFIO_IOMMU_MAP_DMA, 0, NULL, 0));
	call(f, 10, 3, VFIO_IOMMU_MAP_DMA, 0x1000, NULL, 0, 0);
	call(f, 10, 3, VFIO_IOMMU_MAP_DMA, 0x1000, NULL, 0, -EFAULT);
	begin(f, &pending, 10, 3, VFIO_IOMMU_MAP_DMA, 0x1000, &arg, sizeof arg);
	recorder_abandon(&f->recorder, &pending);
	begin(f, &pending, 10, 3, VFIO_IOMMU_MAP_DMA, 0x1000, &arg, sizeof arg);
	drop(10, 3);
	drop(10, 4);
	recorder_watch(&f->recorder, (dev_t) REC_GROUP * 1000 + 2, true);
	recorder_watch(&f->recorder, (dev_t) REC_CONTAINER * 1000, true);
	recorder_leave(&f->recorder, &pending, 0, &arg, sizeof arg);
	expect(f, ATTACHED ", lost an ioctl's argument, note, detach 1 04.0 close, lost an ioctl's argument");
}

/* A mark where nothing goes on, once, until something does. */
static void
test_rest(struct fixture *f, gconstpointer data)
{
	const struct unmap_argument arg = { 24, 0, 0x1000, 0x1000 };
	struct queue queue = { .output = &f->output, .limit = 65536 };
	struct rec_pending pending;
	uint64_t last;

	(void) data;
	g_assert_cmpuint(recorder_rest(&f->recorder, UINT64_MAX / 2), ==, 0); /* nothing yet */
	set_container_up(f, 10, 1, 2);
	map(f, 10, 3, 0x1000, 0x1000, 0);
	last = f->record.last_ns;
	g_assert_cmpuint(recorder_rest(&f->recorder, last + 1), ==, REC_REST_NS - 1);
	begin(f, &pending, 10, 3, VFIO_IOMMU_UNMAP_DMA, 0x1000, &arg, sizeof arg);
	g_assert_cmpuint(recorder_rest(&f->recorder, last + REC_REST_NS), ==, 0); /* a call */
	recorder_leave(&f->recorder, &pending, -EINVAL, &arg, sizeof arg);
	last = f->record.last_ns;
	f->record.queue = &queue;
	queue.len = 1;
	g_assert_cmpuint(recorder_rest(&f->recorder, last + REC_REST_NS), ==, 0); /* not written yet */
	queue.len = 0;
	f->record.queue = NULL;
	expect(f, ATTACHED ", map 1 1000+1000, unmap 1 1000+1000 EINVAL");
	g_assert_cmpuint(recorder_rest(&f->recorder, last + REC_REST_NS), ==, 0);
	g_assert_cmpuint(recorder_rest(&f->recorder, last + 9 * REC_REST_NS), ==, 0);
	begin(f, &pending, 10, 3, VFIO_IOMMU_UNMAP_DMA, 0x1000, &arg, sizeof arg);
	expect(f, ATTACHED ", map 1 1000+1000, unmap 1 1000+1000 EINVAL, mark, busy");
	recorder_leave(&f->recorder, &pending, 0, &arg, sizeof arg);
	expect(f, ATTACHED ", map 1 1000+1000, unmap 1 1000+1000 EINVAL, mark, busy, unmap 1 1000+1000");
}

/* The thread ends in a call.  What it may have changed is lost, where another process
 * has the file; else it went with the process. */
static void
test_cut_off(struct fixture *f, gconstpointer data)
{
	const struct vfio_iommu_type1_dma_map arg = { sizeof arg, 3, 0x7000000, 0x1000, 0x2000 };
	const struct unmap_argument all = { 24, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0 };
	struct rec_pending pending, other;

	(void) data;
	set_container_up(f, 10, 1, 2);
	begin(f, &pending, 10, 3, VFIO_IOMMU_MAP_DMA, 0x1000, &arg, sizeof arg);
	recorder_cut_off(&f->recorder, &pending, 10);
	expect(f, ATTACHED);
	put(11, 3, REC_CONTAINER, 1);
	recorder_fork(&f->recorder, 10, 11);
	begin(f, &pending, 11, 3, VFIO_IOMMU_MAP_DMA, 0x1000, &arg, sizeof arg);
	begin(f, &other, 11, 3, VFIO_IOMMU_UNMAP_DMA, 0x1000, &all, sizeof all);
	recorder_cut_off(&f->recorder, &pending, 11);
	recorder_cut_off(&f->recorder, &other, 11);
	g_assert_cmpuint(f->recorder.n_pending, ==, 0);
	expect(f, ATTACHED ", lost 1000+2000 a thread ended in a call, lost a thread ended in a call");
	/* The process runs on, and has the file. */
	begin(f, &pending, 10, 3, VFIO_IOMMU_MAP_DMA, 0x1000, &arg, sizeof arg);
	recorder_cut_off(&f->recorder, &pending, 0);
	expect(f, ATTACHED ", lost 1000+2000 a thread ended in a call, lost a thread ended in a call"
			   ", lost 1000+2000 a thread ended in a call");
}

int
main(int argc, char **argv)
{
	static const struct model_test tests[] = {
		{ "/record-pending/order", test_order },
		{ "/record-pending/trouble", test_trouble },
		{ "/record-pending/rest", test_rest },
		{ "/record-pending/cut-off", test_cut_off },
	};

	return run_tests(argc, argv, tests, G_N_ELEMENTS(tests));
}
