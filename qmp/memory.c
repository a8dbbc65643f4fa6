/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <viommu/memory.h>

const char *
viommu_page_status_text(viommu_page_status status)
{
	switch (status) {
	case VIOMMU_PAGE_OK:
		return "read";
	case VIOMMU_PAGE_NOT_RAM:
		return "not in L1's RAM";
	case VIOMMU_PAGE_FAILED:
		return "could not be read";
	case VIOMMU_PAGE_NOT_CAPTURED:
		return "not in the snapshot";
	}
	return "unknown";
}
