/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel VT-d: registers, table entries, and the walk from a device's IOVA to a
 * GPA, as QEMU's emulation (hw/i386/intel_iommu.c) does it.
 *
 * Pages in, leaves out: nothing here does I/O or prints.  Section numbers are
 * those of the "Intel Virtualization Technology for Directed I/O" specification,
 * revision 4.1.
 */
#ifndef VIOMMU_VTD_H
#define VIOMMU_VTD_H

#include <viommu/vtd-entries.h>
#include <viommu/vtd-faults.h>
#include <viommu/vtd-interrupts.h>
#include <viommu/vtd-queue.h>
#include <viommu/vtd-registers.h>
#include <viommu/vtd-walk.h>

#endif
