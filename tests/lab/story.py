# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of tests/lab/demo that happens around a guest."""

import os
import random
import shlex
import subprocess
import sys
import time

if __name__ == '__main__':
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

from lab import cleanup, faults, kernel, viommu
from lab.errors import LabError
from lab.guest import Guest, find_probe
from lab.held import Held

BDF = '00:04.0'
_started = float(os.environ.get('LAB_STARTED', time.time()))
_steps = os.environ.get('LAB_STEPS', '8')


def line(text):
    print(f'[{time.time() - _started:5.1f} s] {text}', file=sys.stderr, flush=True)


def step(number, text):
    line(f'{number}/{_steps} {text}')


def show(expected, *arguments):
    """Runs viommu in plain sight; its exit status has to be the expected one."""
    path = viommu.find()
    short = os.path.relpath(path)
    print('\n$ ' + shlex.join([short if len(short) < len(path) else path, *arguments]), flush=True)
    status = subprocess.run([path, *arguments], stdin=subprocess.DEVNULL, timeout=120).returncode
    print(f'exit status {status}\n', flush=True)
    if status != expected:
        raise LabError(f'exit status {status}, and it should be {expected}')


def story():
    step(3, 'a Debian kernel, unpacked and not installed')
    found = kernel.find()
    line(f'    Linux {found.release}')
    step(4, 'boot L1 (4 GiB, intel-iommu with caching mode and interrupt remapping)')
    viommu.find()
    if not find_probe():
        raise LabError('viommu-probe is not built: meson setup build && ninja -C build')
    with Guest(progress=lambda text: line('    ' + text)) as guest:
        line(f'    L1 is up, {guest.boot_seconds:.1f} s after its start')
        step(5, f'in L1: viommu-probe map {BDF} --bind --invalidations')
        with Held(guest, BDF, '--invalidations') as held:
            print(held.process.output().rstrip(), flush=True)
            step(6, 'on L0: is every mapping where the hardware will look for it?')
            verify = ('verify', '-q', guest.target, held.record)
            show(0, *verify)
            fault = faults.AddressChanged(held.tables(), held.state, random.Random(), size=4096)
            with fault:
                iova = fault.step.iova
                step(7, f'overwrite one page-table entry in L1\'s memory: IOVA {iova:#x}, '
                        f'{fault.step.entry:#x} -> {fault.entry:#x}')
                show(3, *verify)
                show(0, 'walk', '-q', guest.target, BDF, f'{iova:#x}')
            line('    the entry is put back')
            show(0, *verify)
        step(8, 'clean up: L1 has unmapped everything, and ends')


def main():
    cleanup.install_signal_handlers()
    try:
        story()
    except LabError as error:
        raise SystemExit(f'failed: {error}') from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    line('everything went as it should')


if __name__ == '__main__':
    main()
