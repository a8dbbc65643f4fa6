#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What viommu-probe record costs a program, in one guest, as ratios: the same
calls (tests/vm/programs/prog-cost.c) alone and recorded, by turns.

    meson setup build && ninja -C build && tests/bench/record.py [KERNEL...]

VIOMMU_GUEST_PROGRAMS: where prog-cost is, default build/tests/vm/programs."""

import os
import statistics
import sys

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
sys.path.insert(0, os.path.join(TOP, 'tests'))

from lab.guest import Guest, find_probe         # noqa: E402

KERNELS = ('linux-image-cloud-amd64', 'linux-image-6.12*-cloud-amd64')
DEVICE = '0000:00:04.0'
TURNS = 5
HOW = {
    'alone': '',
    'recorded': 'viommu-probe record --force -o /dev/virtio-ports/org.viommu.record -- ',
    'no reader': 'viommu-probe record --force -o /dev/null -- ',
    '--pid': None,
}


def run(guest, prefix):
    if prefix is None:
        text = guest.must(f'''rm -f /run/at.* /run/go.*; prog-cost {DEVICE} wait >/run/cost &
            until [ -e /run/at.1 ]; do usleep 20000; done
            viommu-probe record --force -o /dev/null --pid $! 2>/dev/null &
            until grep -q "TracerPid:[^0-9]*[1-9]" /proc/$(pidof prog-cost)/status; do usleep 20000; done
            touch /run/go.1; wait; cat /run/cost''', 600)
    else:
        text = guest.must(f'{prefix}prog-cost {DEVICE}', 600)
    return {name: float(ns) for name, ns in map(str.split, text.strip().splitlines())}


def measure(kernel, programs):
    with Guest(kernel=kernel, programs=[find_probe(), os.path.join(programs, 'prog-cost')]) as guest:
        guest.must(f'echo vfio-pci >/sys/bus/pci/devices/{DEVICE}/driver_override; '
                   f'echo {DEVICE} >/sys/bus/pci/drivers_probe')
        print(guest.must('uname -r').strip())
        turns = [{how: run(guest, prefix) for how, prefix in HOW.items()} for _ in range(TURNS)]
    print(f'{"ns a call":10}' + ''.join(f'{how:>12}{"ratio" if i else "":>8}' for i, how in enumerate(HOW)))
    for name in turns[0]['alone']:
        line = f'{name:10}'
        for i, how in enumerate(HOW):
            line += f'{statistics.median(turn[how][name] for turn in turns):12,.0f}'
            # Of each turn by itself: what else the machine does changes slowly.
            ratio = statistics.median(turn[how][name] / turn['alone'][name] for turn in turns)
            line += f'{ratio:8.2f}' if i else ' ' * 8
        print(line, flush=True)


def main():
    programs = os.environ.get('VIOMMU_GUEST_PROGRAMS', os.path.join(TOP, 'build', 'tests', 'vm', 'programs'))
    for kernel in sys.argv[1:] or KERNELS:
        measure(kernel, programs)


if __name__ == '__main__':
    main()
