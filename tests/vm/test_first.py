# SPDX-License-Identifier: GPL-2.0-or-later
"""Scalable mode with a first stage, which QEMU has since 10.0."""

from common import Case
from modes import KERNEL_6_12, SMALL, Mode, Whole, WithPasid, with_faults

from lab import qemus

import tap


@with_faults
class Qemu10(WithPasid, Whole, Case):
    mode, qemu, kernel = 'first', qemus.QEMU_10, KERNEL_6_12
    bits_of = Mode.sizes


@with_faults
class Qemu10Linux61(Mode, Case):
    """Linux 6.1 sets XD in the entries, 6.12 does not."""
    mode, qemu, options, sizes = 'first', qemus.QEMU_10, SMALL, {4096, 2 << 20}


if __name__ == '__main__':
    tap.main()
