# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults put in for real, seen by the lab's own judge of L0's table: what the
tests of links 3 to 5 stand on."""

import random
import unittest

from common import BDF, Held, start

from lab import faults, unannounced
from lab.shadow import Shadow

import tap

# type1 itself maps and unmaps two pages when a device comes (vfio_test_domain_fgsp).
TRIED = [0, 0x1000]


class Faults(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.lab = start()
        cls.addClassCleanup(cls.lab.close)
        cls.shadow = Shadow(cls.lab)
        cls.addClassCleanup(cls.shadow.close)

    def setUp(self):
        self.rng = random.Random(self.id())

    def judge(self, held, mappings):
        """{verdict: IOVAs}, without those that follow."""
        found = {}
        for iova, verdict in self.shadow.judge(mappings, held.memory).items():
            if verdict != 'follows':
                found.setdefault(verdict, []).append(iova)
        return found

    def assert_follows(self, held):
        self.assertEqual(self.judge(held, held.state.held), {})
        self.assertTrue(held.state.held)

    def assert_tables_right(self, count):
        result = self.lab.verify_inner()
        self.assertEqual(result['exit_status'], 0)
        self.assertEqual(result['counts']['match']['pages'], count)

    def test_written(self):
        """a PTE written with no invalidation: the table is right, the shadow lacks it"""
        with Held(self.lab.inner, BDF, '--count 8 --size 16k') as held:
            self.assert_follows(held)
            with unannounced.Written(held, self.rng) as fault:
                self.assert_tables_right(33)
                self.assertEqual(self.judge(held, fault.held_after), {'missing': [fault.iova]})
            self.assert_tables_right(32)
            self.assert_follows(held)

    def test_cleared(self):
        """a PTE cleared with no invalidation: the shadow still has it"""
        with Held(self.lab.inner, BDF, '--count 8 --size 4k') as held:
            self.assert_follows(held)
            with unannounced.Cleared(held, self.rng) as fault:
                self.assert_tables_right(7)
                self.assertEqual(self.judge(held, fault.held_after), {'stale': [fault.iova]})
            self.assert_tables_right(8)
            self.assert_follows(held)

    def test_maps_suppressed(self):
        """the kernel of L1 announces no new mapping: its tables are right, the shadow has nothing"""
        with unannounced.Suppressed(self.lab.inner, unannounced.MAPS):
            with Held(self.lab.inner, BDF, '--count 4 --size 16k') as held:
                self.assert_tables_right(16)
                self.assertEqual(self.shadow.pages(), {})
                self.assertEqual(len(self.judge(held, held.state.held)['missing']), 16)
        with Held(self.lab.inner, BDF, '--count 4 --size 16k') as held:
            self.assert_follows(held)

    def test_unmaps_suppressed(self):
        """the kernel of L1 announces no unmap: the shadow keeps what is gone"""
        with unannounced.Suppressed(self.lab.inner, unannounced.UNMAPS):
            with Held(self.lab.inner, BDF, '--count 8 --size 16k --unmap-half') as held:
                self.assert_tables_right(16)
                gone = [iova for mapping in held.state.unmapped
                        for iova in range(mapping.iova, mapping.last, faults.PAGE)]
                self.assertEqual(len(gone), 16)
                self.assertEqual({verdict: sorted(iovas) for verdict, iovas
                                  in self.judge(held, held.state.held).items()}, {'stale': TRIED + sorted(gone)})
        self.assertEqual(self.shadow.pages(), {})

    def test_shadow_spoilt(self):
        """an entry of L0's own table changed or removed: another page, no page, no write"""
        with Held(self.lab.inner, BDF, '--count 8 --size 16k') as held:
            for kind, verdict in ((faults.AddressChanged, 'wrong-page'), (faults.PresentCleared, 'missing'),
                                  (faults.WriteDropped, 'wrong-permission')):
                with self.subTest(kind=kind.name):
                    with kind(self.shadow.tables(), held.state, self.rng) as fault:
                        self.assert_tables_right(32)
                        self.assertEqual(self.judge(held, held.state.held), {verdict: [fault.step.iova]})
                    self.assert_follows(held)


if __name__ == '__main__':
    tap.main()
