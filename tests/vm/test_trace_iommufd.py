# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe trace of what is mapped through iommufd, on the lab's small
kernel (suite kernel)."""

import os
import unittest

from common import BDF, Held

import tap
import traced as helpers
from traced import INSTANCES, mapped

from lab import kernel, smallkernel
from lab.errors import Unavailable
from lab.guest import say

IOMMUFD = '--backend iommufd'


def setUpModule():
    """Not VIOMMU_VM_REQUIRED: who runs all tests need not have built a kernel."""
    try:
        smallkernel.find(say)
    except Unavailable as error:
        if os.environ.get('VIOMMU_LAB_SMALL_KERNEL'):
            raise
        raise unittest.SkipTest(str(error)) from None


class Trace(helpers.TraceCase):
    kernel = kernel.SMALL

    def test_agrees_with_map(self):
        """each page of map's own record, in the device's space, and verified"""
        for options in IOMMUFD, '':
            with self.subTest(options):
                process = self.start()
                with Held(self.guest, BDF, options) as held:
                    traced = self.stop(process)
                    expected = mapped(held.state)
                    self.assertEqual(traced.of(BDF), expected)
                    self.assertEqual(traced.lost(), 0)
                    self.assert_all_match(traced, expected)

    def test_until_unmapped(self):
        """from the first map to the last unmap: nothing is left"""
        status, text, traced = self.trace(f'-- viommu-probe map {BDF} --bind {IOMMUFD} --count 8 --unmap-half '
                                          '--hold 1 -o /tmp/map --force')
        self.assertEqual(status, 0, text)
        self.assertTrue(traced.kinds('map'))
        self.assertEqual([pages for pages in traced.pages.values() if pages], [])
        self.assertEqual(traced.of(BDF), {})
        self.assertEqual(self.guest.must(f'ls {INSTANCES}').strip(), '')


if __name__ == '__main__':
    tap.main()
