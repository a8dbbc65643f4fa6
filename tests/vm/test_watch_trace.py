# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu watch of what viommu-probe trace sends out of a real guest: a fault is told once the trace has said that
nothing explains it; of a trace that was killed while a program maps on, none is."""

import json
import os
import select
import time

from common import BDF, Held, faults, rng, viommu
from trace_ports import TraceCase

from lab import cleanup

import tap

PATIENCE = 60
LOOKS = 5               # seconds: a look each second at least, and the marks
STORM = os.path.join(os.environ.get('VIOMMU_GUEST_PROGRAMS', ''), 'prog-storm')


class WatchTrace(TraceCase):
    backend = 'socket,server=on,wait=off'
    programs = (STORM,)

    def setUp(self):
        end = self.start_trace()
        self.watching = viommu.start('watch', '-q', self.guest.target, 'unix:' + end, '--format', 'json')
        self.addCleanup(cleanup.stop, self.watching)
        self.await_trace()

    def told(self):
        """The watch is ended: its status, the faults that it has told, and its sum."""
        self.end_trace('KILL')     # while somebody reads the port: without, it would wait there, dead as it is
        self.watching.terminate()
        out, err = self.watching.communicate(timeout=PATIENCE)
        self.assertEqual(err, '')
        *told, last = map(json.loads, out.splitlines())
        return self.watching.returncode, told, last

    def assert_no_fault(self):
        status, told, last = self.told()
        self.assertEqual((status, told), (0, []), last)
        self.assertEqual((last['result'], last['faulty_pages'], last['faulty_pages_now']), ('unverified', 0, 0), last)
        self.assertGreater(last['mappings'], 0)
        self.assertGreaterEqual(last['looks'], 3)
        return last

    def test_fault(self):
        """it is told although nothing else happens in L1: the trace says that it goes on; all is well before"""
        with Held(self.guest, BDF, '--count 32 --size 256k') as held:
            time.sleep(LOOKS)
            self.assertFalse(select.select([self.watching.stdout], [], [], 0)[0], 'told, and nothing is wrong')
            with faults.PresentCleared(held.tables(), held.state, rng('watch trace')) as fault:
                self.assertTrue(select.select([self.watching.stdout], [], [], PATIENCE)[0], 'it is not told')
                time.sleep(LOOKS)
                status, told, last = self.told()
        self.assertEqual((status, last['result']), (3, 'fault'), last)
        self.assertEqual({run['verdict'] for run in told}, {'missing'}, fault)

    def test_killed_at_rest(self):
        """after a mark: the program unmaps, ends, and another one maps"""
        with Held(self.guest, BDF, '--count 8 --size 64k'):
            time.sleep(LOOKS)
            self.end_trace('KILL')
        with Held(self.guest, BDF, '--count 8 --size 16k --seed 7'):
            time.sleep(LOOKS)
        self.assert_no_fault()

    def test_killed_in_a_storm(self):
        """while a program maps and unmaps, which it goes on to do"""
        if not os.path.isfile(STORM):
            self.skipTest('VIOMMU_GUEST_PROGRAMS is not set; meson does that')
        self.guest.must(f'echo vfio-pci >/sys/bus/pci/devices/0000:{BDF}/driver_override; '
                        f'echo 0000:{BDF} >/sys/bus/pci/drivers_probe; rm -f /run/at.* /run/go.*')
        storm = self.guest.spawn(f'prog-storm 0000:{BDF} 100000000')
        self.addCleanup(self.guest.sh, 'pkill -KILL prog-storm')
        time.sleep(2)
        self.end_trace('KILL')
        self.assertIsNone(storm.poll())
        time.sleep(LOOKS)
        self.assert_no_fault()
        self.assertIsNone(storm.poll(), 'it maps on')


if __name__ == '__main__':
    tap.main()
