# SPDX-License-Identifier: GPL-2.0-or-later
"""Scalable mode with a second stage, on the QEMU of this machine and on QEMU 10.0."""

from common import Case
from modes import KERNEL_6_12, SMALL, Mode, Whole, WithPasid, with_faults

from lab import qemus

import tap


@with_faults
class Scalable(WithPasid, Whole, Case):
    width, levels = 39, 3


@with_faults
class Qemu10(WithPasid, Whole, Case):
    qemu, kernel = qemus.QEMU_10, KERNEL_6_12


@with_faults
class Qemu10Linux61(Mode, Case):
    qemu, options, sizes = qemus.QEMU_10, SMALL, {4096, 2 << 20}


if __name__ == '__main__':
    tap.main()
