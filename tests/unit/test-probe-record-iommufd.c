/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From ioctls of iommufd to events. */
#include <errno.h>

#include "record-world.h"

static void
iommufd_map(struct fixture *f, uint32_t ioas, uint64_t iova)
{
	const uint64_t arg[] = { 40 | 7ull << 32, ioas, 0x7000000, 0x2000, iova };

	call(f, 10, 3, 0x3b85, 0x1000, arg, sizeof arg, 0);
}

static void
attach(struct fixture *f, uint32_t pt)
{
	const uint32_t arg[] = { 12, 0, pt };

	call(f, 10, 4, 0x3b77, 0x1000, arg, sizeof arg, 0);
}

static void
set_iommufd_up(struct fixture *f, int description, uint32_t ioas)
{
	const uint32_t alloc[] = { 12, 0, ioas }, bind[] = { 16, 0, 3, 1 };

	put(10, 3, REC_IOMMUFD, description)->ioas = ioas;
	put(10, 4, REC_CDEV, 7);
	call(f, 10, 4, 0x3b76, 0x1000, bind, sizeof bind, 0);
	find(10, 4)->iommu = true;
	call(f, 10, 3, 0x3b81, 0x1000, alloc, sizeof alloc, 0);
}

static void
test_iommufd(struct fixture *f, gconstpointer data)
{
	const uint64_t copy[] = { 40 | 7ull << 32, 2 | 1ull << 32, 0x1000, 0x9000, 0x6000 };
	const uint32_t hwpt[] = { 20, 0, 1, 2, 5 }, alloc[] = { 12, 0, 2 }, destroy[] = { 8, 5 };
	const uint64_t odd[] = { 24 | 1ull << 32, 0x4800, 0x3000 };

	(void) data;
	set_iommufd_up(f, 1, 1);
	iommufd_map(f, 1, 0x5000);
	attach(f, 1);
	call(f, 10, 3, 0x3b81, 0x1000, alloc, sizeof alloc, 0);
	call(f, 10, 3, 0x3b83, 0x1000, copy, sizeof copy, 0);
	call(f, 10, 3, 0x3b89, 0x1000, hwpt, sizeof hwpt, 0);
	attach(f, 5);
	call(f, 10, 3, 0x3b80, 0x1000, destroy, sizeof destroy, -EBUSY);
	call(f, 10, 3, 0x3b86, 0x1000, odd, sizeof odd, 0);
	expect(f, "space 1 complete, map 1 5000+2000, attach 1 04.0 complete, space 2 complete, map 2 "
		  "9000+1000, "
		  "detach 1 04.0 attached elsewhere, attach 2 04.0 complete, note, unmap 1 5000+2000");
}

static void
test_iommufd_same_numbers(struct fixture *f, gconstpointer data)
{
	(void) data;
	set_iommufd_up(f, 1, 1);
	iommufd_map(f, 1, 0x5000);
	attach(f, 1);
	put(10, 3, REC_IOMMUFD, 2);
	put(10, 4, REC_CDEV, 7);
	recorder_watch(&f->recorder, (dev_t) REC_CDEV * 1000 + 7, true);
	recorder_watch(&f->recorder, (dev_t) REC_IOMMUFD * 1000, true);
	set_iommufd_up(f, 2, 1);
	iommufd_map(f, 1, 0x5000);
	attach(f, 1);
	expect(f, "space 1 complete, map 1 5000+2000, attach 1 04.0 complete, detach 1 04.0 close, "
		  "unmap 1 5000+2000 close, space 2 complete, map 2 5000+2000, attach 2 04.0 complete");
}

int
main(int argc, char **argv)
{
	static const struct model_test tests[] = {
		{ "/record-iommufd/calls", test_iommufd },
		{ "/record-iommufd/same-numbers", test_iommufd_same_numbers },
	};

	return run_tests(argc, argv, tests, G_N_ELEMENTS(tests));
}
