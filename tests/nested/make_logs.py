#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes tests/data/qemu-log/ anew: for QEMU 7.2 and 10.0 what `viommu trace` writes of an
inner QEMU while L1 maps (the device is assigned to it), the snapshot and the record of that
moment, and the trace of what follows when L1 unmaps.

    tests/nested/make_logs.py [DIRECTORY]

Lines that repeat themselves (nothing is mapped here, nor here, …) are left out but for the
first and the last: QEMU's walk says so of each of the 512 entries of a table."""

import os
import shutil
import sys
import time

from common import BDF, Held, start

from lab import qemus

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, '..', 'data', 'qemu-log')
OPTIONS = '--count 3 --size 8k --unmap-half'
BORING = ('vtd_page_walk_one_skip_unmap', 'vtd_reg_read addr 0x34')


def shorten(text):
    """Without the middle of what repeats itself."""
    kept, run = [], []
    for line in [*text.splitlines(keepends=True), None]:
        if line is not None and line.startswith(BORING):
            run.append(line)
            continue
        kept += run if len(run) < 5 else [*run[:2], *run[-2:]]
        run = []
        if line is not None:
            kept.append(line)
    return ''.join(kept)


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit('make_logs: it takes too long')
        time.sleep(0.2)


def make(name, qemu, directory):
    def out(suffix):
        return os.path.join(directory, f'nested-{name}{suffix}')

    def fetch(path):
        lab.fetch('/run/trace.log', path)
        with open(path) as handle:
            text = shorten(handle.read())
        with open(path, 'w') as handle:
            handle.write(text)

    with start(qemu=qemu) as lab:
        trace = lab.outer.spawn(f'viommu trace -q {lab.inner.socket} -o /run/trace.log')
        wait(lambda: 'press Ctrl-C' in trace.output())
        with Held(lab.inner, BDF, OPTIONS) as held:
            lab.capture_inner(out('.elf'))
            shutil.copy(held.record, out('.jsonl'))
            time.sleep(1)
            fetch(out('.log'))
        lab.outer.must(f'kill -TERM {trace.pid}')
        trace.wait()
        fetch(out('-after.log'))


def main():
    directory = sys.argv[1] if len(sys.argv) > 1 else DATA
    for name, qemu in (('7.2', None), ('10.0', qemus.QEMU_10)):
        make(name, qemu, directory)


if __name__ == '__main__':
    main()
