# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU 10.0 in legacy mode."""

from common import Case
from modes import KERNEL_6_12, Whole, with_faults

from lab import qemus

import tap


@with_faults
class Legacy(Whole, Case):
    mode, qemu, kernel = 'legacy', qemus.QEMU_10, KERNEL_6_12


if __name__ == '__main__':
    tap.main()
