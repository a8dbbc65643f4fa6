# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe record of a program that does nothing but map and unmap: each call
is recorded or counted as lost, and memory stays bounded.

VIOMMU_STORM: how many pairs of map and unmap; half a million takes 25 minutes under
TCG, where a switch from the program to the recorder is dear."""

import collections
import json
import os
import time

from common import BDF
from recorded import DEVICE, RecordCase

from lab import vtd
from lab.memory import GuestMemory

import tap

STORM = int(os.environ.get('VIOMMU_STORM', '2000'))
SECONDS = 300 + STORM // 50
MEMORY_KIB = 32 << 10           # of the recorder: 16 MiB may wait for a slow reader


class Tally:
    """What a record of any length holds: `n` events of a kind, how many were `lost`."""

    def __init__(self, lines):
        self.n, self.lost, self.last = collections.Counter(), 0, {}
        seq = 0
        next(lines)
        for line in lines:
            event = json.loads(line)
            seq += 1
            assert event['seq'] == seq, f'{seq}: {line}'
            assert 'errno' not in event, line
            self.n[event['event']] += 1
            self.lost += event.get('count', 0)
            self.last = event


class _Storm:
    def peak_kib(self):
        # VmHWM lags behind by what each CPU has counted for itself.
        return int(self.guest.must("sed -n 's/^VmPeak:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$(pidof viommu-probe)/status"))

    def test_storm(self):
        """a reader that keeps up: nothing is lost"""
        began = time.monotonic()
        with self.recorded('storm', DEVICE, str(STORM)) as recorded:
            recorded.at(1, SECONDS)
            took = time.monotonic() - began
            peak = self.peak_kib()
            self.assert_verified(recorded)
            self.assertEqual(recorded.go_on_to_the_end(), 0)
        with open(recorded.path, encoding='utf-8') as lines:
            tally = Tally(lines)
        print(f'# {STORM} maps and unmaps: {took:.0f} s, {tally.lost} lost, {os.path.getsize(recorded.path)} bytes, '
              f'recorder {peak} KiB at most; {recorded.process.output().strip()}', flush=True)
        self.assertEqual(tally.last['event'], 'end')
        self.assertEqual(tally.lost, 0)
        # The one that is held, and its end.
        self.assertEqual((tally.n['map'], tally.n['unmap']), (STORM + 1, STORM + 1))
        self.assertLess(peak, MEMORY_KIB)
        memory = GuestMemory(self.guest)
        self.addCleanup(memory.close)
        iovas = {leaf.iova for leaf in vtd.Tables(memory, BDF).leaves()}
        self.assertEqual(iovas & {0x40000000, 0x50000000}, set())

    def test_slow_reader(self):
        """a reader that sleeps holds nobody up; what it misses is counted"""
        storm = min(STORM, 20000)
        self.guest.must('rm -f /run/pipe /run/at.* /run/go.*; mkfifo /run/pipe')
        self.guest.must('''
            touch /run/go.1
            (until [ -e /run/at.1 ]; do usleep 20000; done; cat) </run/pipe >/run/read &
            viommu-probe record --buffer 64k -o /run/pipe -- prog-storm %s %d
            wait''' % (DEVICE, storm), SECONDS)
        tally = Tally(iter(self.guest.must('cat /run/read').splitlines()))
        self.assertGreater(tally.lost, 0)
        self.assertGreater(tally.n['map'], 100)
        # The implicit unmap at the exit, and the detach, may be among the lost.
        told = tally.n['map'] + tally.n['unmap'] + tally.n['detach']
        self.assertEqual(told + tally.lost, 2 * storm + 1 + 1 + 1)
        self.assertEqual(tally.last['event'], 'end')


class Kernel61(_Storm, RecordCase):
    kernel = 'linux-image-cloud-amd64'


class Kernel612(_Storm, RecordCase):
    kernel = 'linux-image-6.12*-cloud-amd64'


if __name__ == '__main__':
    tap.main()
