# SPDX-License-Identifier: GPL-2.0-or-later
"""L1's kernel announces what a driver unmaps later, in batches (DMA-FQ, as iommu.strict=0 does
without caching mode): until it does, the host's IOMMU still has what is gone."""

import unittest

from common import BDF, start
from links import Looker, above_notes, of_device, start_trace

from lab import unannounced

import tap

CARD = '00:05.0'
# What a domain-selective invalidation comes from: the flush queue, when it is full or its time is up.
BATCH = ('cache_tag_flush_all',)


class Delayed(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.lab = start(devices=('edu', 'e1000e'))
        cls.addClassCleanup(cls.lab.close)
        inner = cls.lab.inner
        group = f'/sys/bus/pci/devices/0000:{CARD}/iommu_group/type'
        if inner.sh('[ -e /sys/class/net/eth0 ]')[0] != 0:
            raise unittest.SkipTest('the inner guest\'s kernel has no driver for the card')
        # Under caching mode Linux overrides iommu.strict=0, but not this.
        inner.must(f'echo DMA-FQ >{group}; [ "$(cat {group})" = DMA-FQ ]')
        cls.looker = Looker(cls.lab)

    def setUp(self):
        self.probe = start_trace(self.lab.inner)

    def tearDown(self):
        self.end()

    def end(self):
        if self.probe.poll() is None:
            self.probe.signal('TERM')
            self.assertEqual(self.probe.wait(), 0, self.probe.output())

    def test_1_batches(self):
        """left alone, all of them are announced in time"""
        for state, mapped in (('up', None), ('down', 0)):
            self.lab.inner.must(f'ip link set eth0 {state}; sleep 2')
            result, found = self.looker.complaints(CARD, mapped)
            self.assertEqual(found, [], result['chain'])

    def gone(self, result):
        """{link: {state: pages}} of what the card's driver unmapped."""
        links = of_device(result, CARD)
        self.assertEqual({unmapped for states in links.values() for _, unmapped in states}, {True})
        return {link: {state: pages for (state, _), pages in states.items()} for link, states in links.items()}

    def first_broken(self, result):
        return {run['first_broken'] for run in result['unmapped'] if 'first_broken' in run}

    def test_2_held_back(self):
        """a batch that is late: stale, and not yet called unannounced; all is well when it comes"""
        inner = self.lab.inner
        inner.must('ip link set eth0 up; sleep 2')
        with unannounced.Suppressed(inner, BATCH):
            inner.must('ip link set eth0 down; sleep 2')
            result = self.looker.result()
            links = self.gone(result)
            late = links['shadow'].get('broken', 0)
            self.assertGreater(late, 200)
            self.assertEqual(links['invalidation'].get('unverified'), late, result['chain'])
            self.assertEqual(links['notice'].get('unverified'), late, result['chain'])
            self.assertEqual((self.first_broken(result), result['exit_status']), ({'shadow'}, 3))
            self.assertEqual({item['code'] for item in above_notes(result)}, {'shadow-stale'})
            # QEMU has told vfio of these pages, and of nothing since: that is seen, live.
            live = self.lab.verify_inner('--trace')
            self.assertEqual(self.gone(live)['notice'].get('broken'), late, live['chain'])
            self.assertEqual(self.first_broken(live), {'notice'})
            self.assertEqual({item['code'] for item in above_notes(live)}, {'unmap-not-noticed'})

        # The next batch announces all of the domain.
        inner.must('ip link set eth0 up; sleep 2; ip link set eth0 down; sleep 2')
        result, found = self.looker.complaints(CARD, 0)
        self.assertEqual(found, [], result['chain'])

    def assert_all(self, links, shadow, result):
        """Link 5 of what was not announced is in this state; and of a page or two of which the trace has no
        request, since it began when they were mapped."""
        more = links['shadow'].get(shadow, 0) - links['invalidation'].get('broken', 0)
        self.assertIn(more, range(links['request'].get('unverified', 0) + 1), result['chain'])

    def test_3_too_late(self):
        """others were announced more than a second later, and the trace has ended: that is no batch"""
        inner = self.lab.inner
        inner.must('ip link set eth0 up; sleep 2')
        with unannounced.Suppressed(inner, BATCH):
            inner.must(f'ip link set eth0 down; sleep 2; viommu-probe map {BDF} --bind --count 1 --hold 0 -o /run/other; sleep 1')
            self.assertEqual(self.gone(self.looker.result())['invalidation'].get('broken'), None)
            self.end()
            # What L1 did since the trace ended is not known, and so not of which moment a live shadow is.
            result = self.looker.result()
            links = self.gone(result)
            self.assertGreater(links['invalidation'].get('broken', 0), 200)
            self.assert_all(links, 'unverified', result)
            self.assertEqual({item['code'] for item in above_notes(result)}, {'unmap-not-announced'})
            result = self.looker.result(saved=True)
            links = self.gone(result)
            self.assertGreater(links['shadow'].get('broken', 0), 200)
            self.assert_all(links, 'broken', result)
            self.assertIn('invalidation', self.first_broken(result))
            self.assertEqual({item['code'] for item in above_notes(result)}, {'unmap-not-announced', 'shadow-stale'})


if __name__ == '__main__':
    tap.main()
