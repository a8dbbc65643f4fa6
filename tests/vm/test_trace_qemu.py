# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe trace of a VFIO program that is not ours, a QEMU in the guest: it
agrees with viommu-probe record, and is verified from outside."""

from traced import KERNEL_6_12
from traced_qemu import TracedQemu

from lab import compare

import tap


class Kernel61(TracedQemu):
    pass


class Kernel612(TracedQemu):
    kernel = KERNEL_6_12
    reasons = {compare.UNKNOWN}


del TracedQemu

if __name__ == '__main__':
    tap.main()
