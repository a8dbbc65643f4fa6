# SPDX-License-Identifier: GPL-2.0-or-later
"""An L1 that has a QEMU, the program that maps DMA and is not ours, and two
devices for its guest, L2."""

import time
import unittest

from common import boot

from lab import carry, record
from lab.errors import GuestError, Unavailable
from lab.guest import find_probe

DEVICES = ('04.0', '05.0')
QUIET_SECONDS = 6           # the firmware of L2 has done its work then
SECONDS = 240
BYTES = 256 << 20


def boot_l1(kernel, qemu=None):
    """The guest, with both devices bound to vfio-pci; `qemu`: the one that it has."""
    try:
        files = carry.qemu(qemu)
    except Unavailable as error:
        raise unittest.SkipTest(str(error)) from None
    # Huge pages that are set apart would be missing elsewhere.
    guest = boot(kernel=kernel, programs=[find_probe()], files=files, append='hugepages=0',
                 devices=('edu,addr=04.0', 'e1000e,addr=05.0'))
    for device in DEVICES:
        path = f'/sys/bus/pci/devices/0000:00:{device}'
        guest.must(f'echo vfio-pci >{path}/driver_override; '
                   f'[ ! -e {path}/driver ] || echo 0000:00:{device} >{path}/driver/unbind; '
                   f'echo 0000:00:{device} >/sys/bus/pci/drivers_probe')
    return guest


def command(options='', device=''):
    """The line that runs L2, as far as its firmware; "quit" on standard input ends it."""
    return ' '.join((*carry.QEMU, f'-accel tcg -machine q35 -m {BYTES >> 20}M -nodefaults -display none -monitor stdio',
                     options, *(f'-device vfio-pci,host=0000:00:{bdf}{device}' for bdf in DEVICES)))


def wait_until_quiet(guest, process, enough):
    """Until L2's firmware has done its work; `enough`: whether these events of the record can be all."""
    seen, since, end = 0, time.monotonic(), time.monotonic() + SECONDS
    while time.monotonic() < end:
        events = record.events(guest.record)
        if process.poll() is not None:
            raise GuestError(f'L2 has ended\n{process.output()}')
        if len(events) != seen:
            seen, since = len(events), time.monotonic()
        elif enough(events) and time.monotonic() - since > QUIET_SECONDS:
            return
        time.sleep(0.5)
    raise GuestError(f'L2 did not come up: {seen} events\n{process.output()}')


def bars(events):
    """The memory of a device is mapped for the other one, which the firmware does late."""
    return any('bar' in event for event in events)
