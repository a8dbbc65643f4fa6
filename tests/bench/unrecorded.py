#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What viommu-probe record costs where there is nothing to record: bare system
calls (tests/vm/programs/prog-cost.c) and programs with real work, natively on
this machine, alone and recorded by turns. Printed as a table of
docs/recording.md.

    meson setup build && ninja -C build build/tests/vm/programs/prog-cost && tests/bench/unrecorded.py

The first ratio is that of the least times of all turns. A turn is alone, recorded,
alone again; by turns: the median and the quartiles of the recorded time over that
alone, and of the second time alone over the first, which is what the machine does by
itself. Programs are measured in CPU time, theirs, their children's and the recorder's
together."""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..'))
sys.path.insert(0, os.path.join(TOP, 'tests'))

from lab.guest import find_probe        # noqa: E402

COST = os.path.join(os.environ.get('VIOMMU_GUEST_PROGRAMS', os.path.join(TOP, 'build', 'tests', 'vm', 'programs')),
                    'prog-cost')
CALLS = {'getppid': 'getppid()', 'read': 'read() of one byte of /dev/zero', 'fionread': 'an ioctl, FIONREAD of a pipe',
         'no-call': 'no system call'}
SOURCES = 'for f in record/rec-space record/rec-calls out/json sys/parse map/vfio sys/sysfs out/output map/iommufd; do ' \
          f'gcc -O2 -D_GNU_SOURCE -DVIOMMU_VERSION=0 -I {TOP}/include -I {TOP}/probe -c {TOP}/probe/$f.c -o /dev/null; done'
PROGRAMS = {
    'tar cf - /usr/include \\| gzip -1': 'tar cf - /usr/include 2>/dev/null | gzip -1',
    'find /usr -size +1M': 'find /usr -xdev -size +1M',
    'gcc -O2 of eight files': SOURCES,
    'dd bs=4k of 1 GiB, from a file': 'dd if={file} bs=4k',
    'dd bs=4k of 4 GiB, /dev/zero to /dev/null': 'dd if=/dev/zero bs=4k count=1M',
    'true, which does nothing': 'true',
}
RECORD = [find_probe(), 'record', '--force', '-o', '/dev/null', '--']


def calls(prefix):
    text = subprocess.run([*prefix, COST], capture_output=True, text=True, check=True).stdout
    return {name: float(ns) for name, ns in map(str.split, text.splitlines())}


def cpu_seconds(prefix, command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*prefix, 'sh', '-c', command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def row(name, unit, turns):
    """`turns`: [(alone, recorded, alone again)]"""
    def spread(ratios):
        low, _, high = statistics.quantiles(ratios)
        return f'{statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})'

    alone = min(min(a, c) for a, _, c in turns)
    recorded = min(b for _, b, _ in turns)
    print(f'| {name} | {alone:{unit}} | {recorded:{unit}} | {recorded / alone:.2f} '
          f'| {spread([2 * b / (a + c) for a, b, c in turns])} | {spread([c / a for a, _, c in turns])} |', flush=True)


def head(what):
    print(f'| {what} | alone | recorded | ratio | by turns | alone, by turns |\n|---|--:|--:|--:|--:|--:|')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--turns', type=int, default=25)
    parser.add_argument('--file', default='/var/tmp/viommu-bench', help='1 GiB, made and removed')
    options = parser.parse_args()
    print(f'Linux {platform.release()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {options.turns} turns\n')
    head('call, ns')
    turns = [[calls(prefix) for prefix in ([], RECORD, [])] for _ in range(options.turns)]
    for name, title in CALLS.items():
        row(title, '.0f', [[one[name] for one in turn] for turn in turns])
    print()
    head('program, seconds of CPU')
    try:
        with open(options.file, 'wb') as file:
            for _ in range(1024):
                file.write(bytes(1 << 20))
        for name, command in PROGRAMS.items():
            command = command.format(file=options.file)
            cpu_seconds([], command)        # what it reads is in memory then
            row(name, '.3f', [[cpu_seconds(prefix, command) for prefix in ([], RECORD, [])] for _ in range(options.turns)])
    finally:
        os.unlink(options.file)


if __name__ == '__main__':
    main()
