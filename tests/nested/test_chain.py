# SPDX-License-Identifier: GPL-2.0-or-later
"""All five links at once.  Unharmed, each page that is mapped, and each that was unmapped,
passed every one of them; when L1's kernel is silent, the third is the first to break."""

import unittest

from common import BDF, Held, start
from links import Looker, start_trace

from lab import unannounced

import tap

CARD = '00:05.0'


class Chain(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.lab = start(devices=('edu', 'e1000e'))
        cls.addClassCleanup(cls.lab.close)
        cls.looker = Looker(cls.lab)

    def assert_ok(self, device, mapped, unmapped):
        """Every link of so many pages; None: of those that there are, some hundreds all in all."""
        result, found = self.looker.complaints(device, mapped, unmapped)
        self.assertEqual(found, [], result['chain'])
        self.assertGreater(sum(part['pages'] for part in result['chain'][0]['pages']), 30)

    def test_1_map(self):
        """viommu-probe map: what it holds, and what it unmapped"""
        with Held(self.lab.inner, BDF, '--invalidations --count 16 --size 16k --unmap-half') as held:
            pages, gone = (sum(mapping.size for mapping in mappings) // 4096
                           for mappings in (held.state.held, held.state.unmapped))
            self.assertTrue(pages and gone)
            self.assert_ok(BDF, pages, gone)

    def test_2_driver(self):
        """the driver of a network card, as viommu-probe trace sees it: up, and down again"""
        inner = self.lab.inner
        if inner.sh('[ -e /sys/class/net/eth0 ]')[0] != 0:
            self.skipTest('the inner guest\'s kernel has no driver for it: python3 tests/lab/smallkernel.py builds one')
        probe = start_trace(inner)
        inner.must('ip link set eth0 up; sleep 2')
        self.assert_ok(CARD, None, None)
        inner.must('ip link set eth0 down; sleep 2')
        self.assert_ok(CARD, 0, None)
        probe.signal('TERM')
        probe.wait()

    def assert_unannounced(self, names, options, unmapped, codes):
        """L1's kernel is silent about this: link 3 breaks first, and none behind it is whole."""
        with unannounced.Suppressed(self.lab.inner, names):
            with Held(self.lab.inner, BDF, f'--invalidations --count 4 --size 16k {options}') as held:
                result = self.looker.result()
                count = sum(m.size for m in (held.state.unmapped if unmapped else held.state.held)) // 4096
        self.assertEqual(result['exit_status'], 3)
        states = {(link['link'], part['state']): part['pages'] for link in result['chain'] for part in link['pages']
                  if part['unmapped'] == unmapped}
        for link, state in (('table', 'ok'), ('invalidation', 'broken'), ('shadow', 'broken')):
            self.assertGreaterEqual(states.get((link, state), 0), count, result['chain'])
        runs = [run for run in result['unmapped' if unmapped else 'runs'] if run.get('expected')]
        self.assertEqual({run['first_broken'] for run in runs}, {'invalidation'})
        self.assertLessEqual(codes, {item['code'] for item in result['findings']})

    def test_3_maps_not_announced(self):
        self.assert_unannounced(unannounced.MAPS, '', False, {'map-not-announced', 'shadow-missing'})

    def test_4_unmaps_not_announced(self):
        self.assert_unannounced(unannounced.UNMAPS, '--unmap-half', True, {'unmap-not-announced', 'shadow-stale'})


if __name__ == '__main__':
    tap.main()
