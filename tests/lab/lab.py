#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots lab guests for people:

    python3 tests/lab/lab.py boot [options]     a guest (L1) with a vIOMMU
    python3 tests/lab/lab.py nested [options]   a guest in a guest, with an assigned device
    python3 tests/lab/lab.py attach SOCKET      a shell of lab.py nested"""

import argparse
import os
import shlex
import signal
import sys
import time

if __name__ == '__main__':
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

from lab import cleanup, levels, qemus
from lab.errors import LabError
from lab.guest import DEFAULT_APPEND, DEFAULT_DEVICES, DEFAULT_IOMMU, RECORD_PORT, Guest, say


def options():
    parser = argparse.ArgumentParser(
        prog='lab.py', description='Boots a guest (L1) with a vIOMMU and keeps it until Ctrl-C.',
        epilog='A guest in a guest: lab.py nested --help. A shell in one of its guests: lab.py attach SOCKET. Lines on stdin are run as shell commands in the guest, e.g. viommu-probe doctor. '
               'Environment: VIOMMU_LAB_CACHE, VIOMMU_LAB_KERNEL, VIOMMU_LAB_QEMU, '
               'VIOMMU_LAB_ACCEL (tcg, kvm), VIOMMU_PROBE.')
    parser.add_argument('action', choices=['boot'])
    parser.add_argument('--kernel', help='Debian package, package pattern, path of a bzImage, or "small" (smallkernel.py)')
    parser.add_argument('--modules', help='with a bzImage: its lib/modules/RELEASE; none if all is built in')
    parser.add_argument('--qemu', help=f'QEMU binary, or "{qemus.QEMU_10}" for that of Debian\'s backports')
    parser.add_argument('--mode', choices=qemus.MODES,
                        help='of the vIOMMU, instead of --iommu: scalable with the second or the first stage '
                             '(which QEMU 10.0 has)')
    parser.add_argument('--memory', default='4G', help='default %(default)s')
    parser.add_argument('--smp', type=int, default=1)
    parser.add_argument('--iommu', default=DEFAULT_IOMMU, metavar='PROPS',
                        help='properties of intel-iommu, or "none"; default %(default)s')
    parser.add_argument('--device', action='append', metavar='DEVICE',
                        help=f'QEMU -device, repeatable; default {" ".join(DEFAULT_DEVICES)}')
    parser.add_argument('--append', default='', help=f'added to "{DEFAULT_APPEND}"')
    parser.add_argument('--qemu-args', default='', help='more QEMU arguments, in one string')
    parser.add_argument('--program', action='append', metavar='FILE',
                        help='static program for the guest\'s /bin, repeatable; default viommu-probe')
    return parser.parse_args()


def attach_options(arguments):
    parser = argparse.ArgumentParser(prog='lab.py attach', description='A shell in a guest of lab.py nested, until Ctrl-].')
    parser.add_argument('socket', metavar='SOCKET', help='as lab.py nested printed it')
    return parser.parse_args(arguments)


def boot():
    chosen = options()
    qemu, iommu, append = chosen.qemu, chosen.iommu, chosen.append
    if chosen.mode:
        mode = qemus.mode(chosen.mode, qemu)
        qemu, iommu, append = mode['qemu'], mode['iommu'], f'{mode["append"]} {append}'
    with Guest(kernel=chosen.kernel, modules=chosen.modules, qemu=qemu,
               memory=chosen.memory, smp=chosen.smp, iommu=None if iommu == 'none' else iommu,
               devices=chosen.device or DEFAULT_DEVICES, append=append,
               qemu_args=shlex.split(chosen.qemu_args), programs=chosen.program,
               progress=say) as guest:
        print(f'L1 is up after {guest.boot_seconds:.1f} s. QEMU is process {guest.pid}.\n'
              f'  for viommu   -q {guest.target}, or -p {guest.pid}\n'
              f'  HMP          unix:{guest.dir}/hmp.sock\n'
              f'  record       {guest.record}: what the guest writes to {RECORD_PORT},\n'
              f'               e.g. viommu-probe map 00:04.0 --bind -o {RECORD_PORT}\n'
              f'               (QEMU adds to the file, and a file holds one record: before the\n'
              f'               next run, empty it with truncate -s 0 {guest.record})\n'
              f'  console      {guest.console}\n'
              'Type commands for the guest; Ctrl-C ends it.', flush=True)
        for line in sys.stdin:
            status, text = guest.sh(line, seconds=600)
            print(text + (f'[status {status}]' if status else ''), flush=True)
        while guest.alive():
            time.sleep(0.5)


def main():
    cleanup.install_signal_handlers()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if sys.argv[1:2] == ['nested']:
            levels.nested(sys.argv[2:])
        elif sys.argv[1:2] == ['attach']:
            levels.attach(attach_options(sys.argv[2:]).socket)
        else:
            boot()
    except LabError as error:
        raise SystemExit(f'lab: {error}') from None
    except KeyboardInterrupt:
        raise SystemExit(0) from None


if __name__ == '__main__':
    main()
