# SPDX-License-Identifier: GPL-2.0-or-later
"""What QEMU itself says when a device cannot be assigned or its memory not mapped, and
what viommu doctor makes of it: no monitor is needed."""

import json
import unittest

from common import BDF, Held, start
from links import Looker, of_device

from lab import qemus
from lab.errors import GuestError

import tap

LIMIT = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'


class Refused(unittest.TestCase):
    qemu = None

    @classmethod
    def setUpClass(cls):
        cls.lab = start(qemu=cls.qemu, start=False, outer_iommu=qemus.IOMMU + ',aw-bits=39')
        cls.addClassCleanup(cls.lab.close)

    def log(self):
        """Where the inner QEMU writes its stderr, when it is what was started last."""
        return self.lab.outer.must('ls -d /run/spawn.*/out | sort -V | tail -n 1').strip()

    def findings(self, log=None):
        """{code: [what was seen]} of what the last inner QEMU wrote to its stderr."""
        log = log or self.log()
        status, text = self.lab.viommu('doctor', '--qemu-log', log, '--format', 'json')
        self.assertEqual(status, 3, text)
        return {finding['code']: [instance['seen'] for instance in finding['instances']]
                for finding in json.loads(text)['findings']}

    def test_caching_mode_off(self):
        with self.assertRaises(GuestError):
            self.lab.start_inner(iommu='intremap=on,aw-bits=39')
        found = self.findings()
        self.assertEqual(list(found), ['qemu-refused-caching-mode'])
        self.assertIn('caching', found['qemu-refused-caching-mode'][0])

    def test_snoop_control(self):
        with self.assertRaises(GuestError):
            self.lab.start_inner(iommu=qemus.IOMMU + ',aw-bits=39,snoop-control=on')
        self.assertEqual(list(self.findings()), ['qemu-snoop-control'])

    def test_entry_limit(self):
        """dma_entry_limit: QEMU notices each mapping, and the host refuses those above it"""
        before = self.lab.outer.must(f'cat {LIMIT}').strip()
        self.lab.outer.must(f'echo 20 >{LIMIT}')
        try:
            self.lab.start_inner(iommu=qemus.IOMMU + ',aw-bits=39')
        finally:
            self.lab.outer.must(f'echo {before} >{LIMIT}')      # type1 takes it when the container is made
        log = self.log()
        with Looker(self.lab) as looker, Held(self.lab.inner, BDF, '--count 64 --size 4k'):
            found = self.findings(log)
            result = looker.result()
        # All of it is announced and noticed; it breaks on the host.
        links = of_device(result, BDF)
        self.assertEqual((links['table'], links['notice']), ({('ok', False): 64},) * 2, result['chain'])
        self.assertGreater(links['shadow'].get(('broken', False), 0), 40)
        self.assertEqual({run['first_broken'] for run in result['runs'] if 'first_broken' in run}, {'shadow'})
        self.assertIn('shadow-missing', {item['code'] for item in result['findings']})
        self.assertEqual(list(found), ['qemu-vfio-dma-map-failed'])
        for seen in found['qemu-vfio-dma-map-failed']:
            self.assertIn('No space left on device', seen)


class Refused10(Refused):
    """The same with QEMU 10.0, which also looks at the host's width."""
    qemu = qemus.QEMU_10

    def test_width(self):
        with self.assertRaises(GuestError):
            self.lab.start_inner(iommu=qemus.IOMMU + ',aw-bits=48')
        self.assertEqual(list(self.findings()), ['qemu-aw-bits'])


if __name__ == '__main__':
    tap.main()
