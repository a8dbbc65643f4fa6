# SPDX-License-Identifier: GPL-2.0-or-later
"""The nested lab for people: lab.py nested, and lab.py attach SOCKET."""

import argparse
import os
import select
import shlex
import socket
import sys
import termios
import time
import tty

from . import qemus, viommu
from .guest import RECORD_PORT, say
from .nested import BDF, DEVICES, OUTER_IOMMU, Nested

_LEAVE = b'\x1d'                # Ctrl-]


def options(arguments):
    parser = argparse.ArgumentParser(
        prog='lab.py nested', description='Three levels: a guest (outer) that gives a device of its own to a guest of '
        'its own (inner), which has a vIOMMU. Kept until Ctrl-C, with a shell at each level.')
    parser.add_argument('--device', action='append', metavar='DEVICE',
                        help=f'what the outer QEMU emulates and the inner guest gets, repeatable; default {DEVICES[0]}')
    parser.add_argument('--iommu', default=qemus.IOMMU, metavar='PROPS',
                        help='properties of the inner intel-iommu, or "none"; default %(default)s')
    parser.add_argument('--outer-iommu', default=OUTER_IOMMU, metavar='PROPS', help='of the outer; default %(default)s')
    parser.add_argument('--append', default='', help='added to the inner kernel\'s command line')
    parser.add_argument('--outer-append', default='', help='to the outer\'s')
    parser.add_argument('--kernel', help='of the inner guest: as with lab.py boot')
    parser.add_argument('--outer-kernel')
    parser.add_argument('--qemu', help=f'the inner QEMU: a program, or "{qemus.QEMU_10}"')
    parser.add_argument('--outer-qemu')
    parser.add_argument('--memory', default='256M', help='of the inner guest, default %(default)s')
    parser.add_argument('--outer-memory', default='1G', help='default %(default)s')
    parser.add_argument('--qemu-args', default='', help='more arguments for the inner QEMU, in one string')
    parser.add_argument('--outer-qemu-args', default='', help='for the outer')
    return parser.parse_args(arguments)


def nested(arguments):
    """Brings the three levels up and keeps them until one ends."""
    chosen = options(arguments)
    started = time.monotonic()
    with Nested(devices=chosen.device or DEVICES, iommu=None if chosen.iommu == 'none' else chosen.iommu,
                outer_iommu=chosen.outer_iommu, append=chosen.append, outer_append=chosen.outer_append,
                kernel=chosen.kernel, outer_kernel=chosen.outer_kernel, qemu=chosen.qemu, outer_qemu=chosen.outer_qemu,
                memory=chosen.memory, outer_memory=chosen.outer_memory, inner_args=shlex.split(chosen.qemu_args),
                outer_args=shlex.split(chosen.outer_qemu_args), progress=say) as lab:
        shells = lab.shells()
        attach = shlex.join(['python3', os.path.relpath(sys.argv[0]), 'attach'])
        program = os.path.relpath(viommu.find())
        times = ', '.join(f'{name} {seconds:.1f}' for name, seconds in lab.steps.items() if seconds >= 0.1)
        print(f'All three levels are up after {time.monotonic() - started:.1f} s ({times}).\n\n'
              f'here, looking at the outer vIOMMU (what the assigned device really reaches):\n'
              f'  {program} dump -q {lab.outer.target} -d {lab.devices[0]}\n'
              f'here, looking at the inner vIOMMU (process {lab.inner.pid} in the outer guest):\n'
              f'  {program} info -q {lab.inner.target}\n'
              f'outer guest (L0), a shell:\n'
              f'  {attach} {shells["outer"]}\n'
              f'  there: viommu verify -q {lab.inner.socket} {lab.inner.outer_record}\n'
              f'inner guest (L1), a shell:\n'
              f'  {attach} {shells["inner"]}\n'
              f'  there: viommu-probe map {BDF} --bind -o {RECORD_PORT}\n'
              f'its record, as it grows:\n'
              f'  {lab.inner.record}\n'
              f'  (one run: before the next, empty it with truncate -s 0, and {lab.inner.outer_record} in the outer guest)\n\n'
              'Ctrl-C ends everything.', flush=True)
        while lab.alive():
            time.sleep(1)
        print('lab: one of the guests has ended\n' + (lab.inner.tail() if lab.outer.alive() else lab.outer.tail()))


def attach(path):
    """This terminal becomes that of the shell behind a socket; Ctrl-] leaves."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        try:
            peer.connect(path)
        except OSError as error:
            raise SystemExit(f'lab: {path}: {error.strerror}') from None
        terminal = sys.stdin.isatty() and termios.tcgetattr(0)
        print('Ctrl-] leaves.\r', file=sys.stderr, flush=True)
        try:
            if terminal:
                tty.setraw(0)
            peer.sendall(b'\n')         # for a prompt
            _relay(peer)
        finally:
            if terminal:
                termios.tcsetattr(0, termios.TCSADRAIN, terminal)


def _relay(peer):
    sources = [0, peer]
    while True:
        ready = select.select(sources, [], [])[0]
        if peer in ready:
            data = peer.recv(1 << 16)
            if not data:
                return
            os.write(1, data)
        if 0 in ready:
            data = os.read(0, 1 << 12)
            if _LEAVE in data:
                return
            if data:
                peer.sendall(data)
            else:
                sources = [peer]        # no more input, but there may be answers
