#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast viommu reads and proves, against the bare limit, on a real QEMU whose
memory bench-fill fills with tables; printed as the tables of docs/speed.md.

    meson setup build && ninja -C build && tests/bench/speed.py

All figures of a row come from one run, each the least of --turns; only ratios
compare between machines. Steps that wait for nobody are measured in CPU time. Needs the permission to write QEMU's memory."""

import argparse
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
sys.path.insert(0, os.path.join(TOP, 'tests'))

from lab import qemus           # noqa: E402
from lab.qmp import Qmp         # noqa: E402

RAM = 2 << 30
REGISTERS = 0xfed90000
XP_PAGES = 100
MIB = 1 << 20


class Qemu:
    """One that only holds memory and registers: its CPU does not run."""

    def __init__(self, folder, scalable, shared):
        self.qmp_path = os.path.join(folder, 'qmp')
        qtest = os.path.join(folder, 'qtest')
        mode = 'scalable' if scalable else 'legacy'
        path = qemus.find()
        backend = 'memory-backend-memfd,id=ram,share=on' if shared else 'memory-backend-ram,id=ram'
        names = qemus._properties(path)
        words = [f'{n}=on' for n in qemus._SCALABLE if n in names][:1] if mode == 'scalable' else []
        self.process = subprocess.Popen(
            [path, '-S', '-nodefaults', '-display', 'none', '-accel', 'tcg', '-machine', 'q35,memory-backend=ram',
             '-m', str(RAM // MIB), '-object', f'{backend},size={RAM}',
             '-device', ','.join(['intel-iommu', 'intremap=on', 'caching-mode=on'] + words),
             '-qtest', f'unix:{qtest},server=on,wait=off', '-qtest-log', '/dev/null',
             '-qmp', f'unix:{self.qmp_path},server=on,wait=off',
             '-qmp', f'unix:{self.qmp_path}.own,server=on,wait=off'], stdin=subprocess.DEVNULL)
        own = Qmp(self.qmp_path + '.own', lambda: None)
        self.hva = int(re.search(r'is (0x[0-9a-f]+)', own.hmp('gpa2hva 0x0')).group(1), 16)
        self._qtest = socket.socket(socket.AF_UNIX)
        self._qtest.connect(qtest)
        self._lines = self._qtest.makefile('r')
        self.scalable = scalable
        self._write(0, 0x6d6d756f6976)      # a page that tells this memory from another

    def _write(self, address, value, what='writeq'):
        self._qtest.sendall(f'{what} {address:#x} {value:#x}\n'.encode())
        while self._lines.readline().startswith('IRQ'):
            pass

    def fill(self, **what):
        root = subprocess.run([program('bench-fill'), str(self.process.pid), hex(self.hva)] +
                              [f'{k}={v}' for k, v in what.items()], check=True, capture_output=True, text=True).stdout
        self._write(REGISTERS + 0x20, int(root, 16) | (1 << 10 if self.scalable else 0))
        self._write(REGISTERS + 0x18, 1 << 30, 'writel')    # set the root table pointer
        self._write(REGISTERS + 0x18, 1 << 31, 'writel')    # translate

    def memory_file(self):
        """The RAM's memfd, as another process can open it; None when there is none."""
        folder = f'/proc/{self.process.pid}/fd'
        for name in os.listdir(folder):
            if 'memfd:memory-backend' in os.readlink(os.path.join(folder, name)):
                return os.path.join(folder, name)
        return None

    def stop(self):
        self.process.kill()
        self.process.wait()


def program(name):
    return os.path.join(options.build, 'correlate' if name == 'viommu' else 'tests/bench', name)


class Figure:
    """Of one step: the least time, and what went with it."""

    def __init__(self, seconds, peak, size=0, trips=0, count=0):
        self.ms, self.peak, self.bytes, self.trips, self.count = seconds * 1e3, peak, size, trips, count


def spawn(argv):
    """(seconds, peak MiB, bytes of output, its beginning) of one run.  We stay small: a
    child's peak is not below its parent's."""
    with tempfile.TemporaryFile() as out:
        begin = time.monotonic()
        pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, out.fileno(), 1)])
        _, status, usage = os.wait4(pid, 0)
        seconds = time.monotonic() - begin
        if status:
            raise SystemExit(f'{" ".join(argv)}: exit status {os.waitstatus_to_exitcode(status)}')
        return seconds, usage.ru_maxrss / 1024, os.fstat(out.fileno()).st_size, os.pread(out.fileno(), 200, 0)


def step(name, **given):
    best = None
    for _ in range(options.turns):
        _, peak, _, out = spawn([program('bench-steps'), name] + [f'{k}={v}' for k, v in given.items()])
        seconds, size, trips, count = out.split()
        if best is None or float(seconds) * 1e3 < best.ms:
            best = Figure(float(seconds), peak, int(size), int(trips), int(count))
    return best


def command(*argv):
    best = None
    for _ in range(options.turns):
        seconds, peak, size, _ = spawn([program('viommu'), *argv])
        if best is None or seconds * 1e3 < best.ms:
            best = Figure(seconds, peak, size)
    return best


class Table:
    def __init__(self, title, *columns):
        self.columns, self.rows, self.title = columns, [], title

    def add(self, *cells):
        self.rows.append([text(c) for c in cells])
        print('  '.join(self.rows[-1]), file=sys.stderr, flush=True)

    def print(self):
        if not self.rows:
            return
        widths = [max(len(r[i]) for r in self.rows + [self.columns]) for i in range(len(self.columns))]
        print(f'### {self.title}\n')
        for row in [self.columns, ['-' * w for w in widths]] + self.rows:
            print('| ' + ' | '.join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))) + ' |')
        print()


def text(cell):
    if isinstance(cell, Figure):
        cell = cell.ms
    if isinstance(cell, float):
        return f'{cell:,.0f}' if cell >= 100 else f'{cell:.1f}' if cell >= 10 else f'{cell:.2f}'
    return str(cell)


reading = Table('Reading the tables (milliseconds)', 'case', 'tables MiB', 'limit', 'kept', 'mapped, warm', 'mapped, cold', 'source', 'capture',
                'walk', 'both', 'x limit', 'x kept', 'peak MiB', 'xp, scaled', 'x faster')
using = Table('Commands, process start to end (milliseconds)', 'case', '`walk` 1 address', 'round trips', '`dump`', '`capture`',
              'write', 'file MiB', 'open + 1 answer', '`walk -s`')
proving = Table('Proving (milliseconds)', 'case', 'record MiB', 'events', 'record', 'judge', '`verify -s`', '`verify -q`',
                'peak MiB', 'JSON', 'JSON MiB', 'HTML', 'HTML MiB')


def measure(name, folder, scalable=False, shared=True, verify=True, **what):
    if not re.search(options.only, name):
        return
    pages, record, snapshot = (os.path.join(folder, n) for n in ('pages', 'record', 'snapshot.elf'))
    qemu = Qemu(folder, scalable, shared)
    try:
        qemu.fill(pages=pages, scalable=int(scalable), **what, **({'record': record} if verify else {}))
        live = {'qmp': 'unix:' + qemu.qmp_path}
        at = {'pages': pages, 'pid': qemu.process.pid, 'hva': qemu.hva, 'repeat': 10}
        limit = step('limit-readv', **at)
        kept = step('limit-kept', **at)
        mapped = step('limit-mapped', file=qemu.memory_file(), **at) if shared else '-'
        cold = step('limit-mapped', file=qemu.memory_file(), **{**at, 'repeat': 1}) if shared else '-'
        source = step('source', pages=pages, repeat=10, **live)
        xp = step('source', pages=pages, memory='xp', most=XP_PAGES, **live)
        xp_ms = xp.ms / xp.count * source.count
        both = step('capture-walk', repeat=5, **live)
        reading.add(name, source.bytes / MIB, limit, kept, mapped, cold, source, step('capture', repeat=5, **live), step('walk', **live), both,
                    both.ms / limit.ms, both.ms / kept.ms, both.peak, xp_ms, xp_ms / both.ms)
        write = step('write', snapshot=snapshot, **live)
        using.add(name, command('walk', '-q', live['qmp'], '00:00.0', '0x100000000'), step('open', **live).trips,
                  command('dump', '-q', live['qmp']) if both.count < 1 << 21 else '-',
                  command('capture', '-q', live['qmp'], '--force', '-o', snapshot), write,
                  os.path.getsize(snapshot) / MIB, step('first-answer', snapshot=snapshot), command('walk', '-s', snapshot, '00:00.0', '0x100000000'))
        if verify:
            saved = command('verify', '-s', snapshot, record)
            parsed = step('record', record=record)
            forms = [step(form, record=record, snapshot=snapshot) for form in ('json', 'html')]
            proving.add(name, os.path.getsize(record) / MIB, parsed.count, parsed,
                        step('join', record=record, snapshot=snapshot), saved, command('verify', '-q', live['qmp'], record),
                        saved.peak, *(cell for form in forms for cell in (form, form.bytes / MIB)))
    finally:
        qemu.stop()


def cases(folder):
    for gib in (1, 4, 16, 64):
        measure(f'{gib} GiB, 4K, contiguous', folder, mib=gib << 10)
    for gib in (1, 4, 16, 64):
        measure(f'{gib} GiB, 4K, scattered', folder, mib=gib << 10, scattered=1, extents=1 << 16)
    measure('4 GiB, 4K, scattered, one a map', folder, mib=4 << 10, scattered=1, extents=1)
    for domains in (4, 16, 64, 256):
        measure(f'4 GiB, 4K, scattered, {domains} domains', folder, mib=4 << 10, scattered=1, domains=domains)
    measure('64 GiB, 2M', folder, mib=64 << 10, shift=21)
    measure('64 GiB, 1G', folder, mib=64 << 10, shift=30)
    for scalable in (False, True):
        mode = 'scalable' if scalable else 'legacy'
        measure(f'64 GiB, 256 domains, {mode}', folder, mib=64 << 10, domains=256, scalable=scalable)
    measure('64 GiB, 4K, scattered, scalable', folder, mib=64 << 10, scattered=1, scalable=True, verify=False)
    measure('64 GiB, 4K, scattered, RAM not shared', folder, mib=64 << 10, scattered=1, shared=False, verify=False)


def machine():
    with open('/proc/cpuinfo', encoding='ascii', errors='replace') as cpuinfo:
        model = re.search(r'model name\s*: (.*)', cpuinfo.read())
    gib = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 30
    version = subprocess.run([qemus.find(), '--version'], capture_output=True, text=True, check=True).stdout.split('\n')[0]
    print(f'{model.group(1) if model else platform.machine()}, {os.cpu_count()} CPUs, {gib} GiB, '
          f'Linux {platform.release()}, {version}; least of {options.turns}\n')


def main():
    machine()
    folder = tempfile.mkdtemp(prefix='viommu-speed.')
    try:
        cases(folder)
    finally:
        shutil.rmtree(folder)
        for table in (reading, using, proving):
            table.print()


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument('--build', default=os.path.join(TOP, 'build'), help='where viommu was built')
parser.add_argument('--turns', type=int, default=3, help='each figure is the least of so many')
parser.add_argument('--only', default='', help='cases that match this regular expression')
options = parser.parse_args()
main()
