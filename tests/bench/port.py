#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A record of a million scattered pages: what writing it costs here, what it costs to
carry it out of a guest through virtio-serial, and to read it.

    meson setup build && ninja -C build && tests/bench/port.py"""

import argparse
import os
import subprocess
import sys
import time

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
sys.path.insert(0, os.path.join(TOP, 'tests'))

from lab.guest import Guest         # noqa: E402

EXTENTS = 1 << 20
MIB = 1 << 20
PORT = '/dev/virtio-ports/org.viommu.record'


def bench(name):
    return os.path.join(options.build, 'tests', 'bench', name)


def read(path):
    """Milliseconds of CPU to read a record, and how many events it has."""
    out = subprocess.run([bench('bench-steps'), 'record', f'record={path}'], check=True, capture_output=True, text=True).stdout
    return float(out.split()[0]) * 1e3, int(out.split()[3])


def carry(guest, command):
    """Seconds until the last byte is here, and how many there are."""
    guest.clear_record()
    begin = time.monotonic()
    guest.must(command, 900)
    size = -1
    while size != os.path.getsize(guest.record):    # QEMU may have some of it yet
        size = os.path.getsize(guest.record)
        time.sleep(0.1)
    return time.monotonic() - begin - 0.1, size


def native(pages, part):
    out = subprocess.run([bench('bench-writer'), '/dev/null', str(pages), str(part)], check=True, capture_output=True, text=True).stdout
    return float(out.split()[0])


def rows(guest):
    # One page a map: as many as type1 allows.
    for part, pages in ((1, 65535), (16, EXTENTS), (512, EXTENTS), (EXTENTS, EXTENTS)):
        write = min(native(pages, part) for _ in range(3))
        wall, size = carry(guest, f'bench-writer {PORT} {pages} {part}')
        ms, events = min(read(guest.record) for _ in range(3))
        if events < pages // part:
            raise SystemExit(f'{events} events of {pages // part} arrived')
        yield part, size / pages, write, wall / pages * 1e9, size / wall / MIB, ms * 1e6 / pages


def main():
    print('| pages a map | bytes a page | write, ns a page | guest to host, ns a page | MiB/s | read, ns a page |')
    print('| ----------- | ------------ | ---------------- | ------------------------ | ----- | --------------- |')
    with Guest(kernel=options.kernel, memory='1G', programs=[bench('bench-writer')]) as guest:
        for row in rows(guest):
            print('| {:>11,} | {:>12.0f} | {:>16.0f} | {:>24,.0f} | {:>5.0f} | {:>15.0f} |'.format(*row), flush=True)
        wall, size = carry(guest, f'dd if=/dev/zero of={PORT} bs=1M count=32 2>/dev/null')
        print(f'\nzeros through the same port: {size / wall / MIB:.0f} MiB/s')


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('--build', default=os.path.join(TOP, 'build'), help='where viommu was built')
parser.add_argument('--kernel', help='of the guest: as for tests/lab/lab.py boot')
options = parser.parse_args()
main()
