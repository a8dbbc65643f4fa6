# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe record of programs that use iommufd, on the lab's small kernel."""

import unittest

from common import BDF
from recorded import RecordCase

from lab import kernel, smallkernel
from lab.errors import Unavailable

import tap


class Iommufd(RecordCase):
    """On the lab's small kernel, if it has been built."""
    kernel = kernel.SMALL

    @classmethod
    def setUpClass(cls):
        try:
            if not smallkernel.cached():
                raise unittest.SkipTest('the small kernel is not built: python3 tests/lab/smallkernel.py')
        except Unavailable as error:
            raise unittest.SkipTest(str(error)) from None
        super().setUpClass()

    def test_iommufd(self):
        """maps before a device comes, a copy, a page table by hand; the same numbers again"""
        with self.recorded('iommufd', '/dev/vfio/devices/vfio0') as recorded:
            recorded.at(1)
            self.assertEqual(recorded.events('attach'), [])
            self.assertEqual([e['space'] for e in recorded.events('space')], [1, 2])
            recorded.go(1)
            recorded.at(2)
            self.assert_verified(recorded)
            unmaps = [(e['iova'], e.get('error')) for e in recorded.events('unmap')]
            self.assertEqual(unmaps, [('0xc0000000', None), ('0xc0000000', 'ENOENT')])
            # Linux 6.13 and later map files.
            of_file, = (e for e in recorded.events('map') if e['iova'] == '0xb0000000')
            self.assertEqual('errno' in of_file, of_file.get('error') == 'ENOTTY')
            file_pages = 0 if 'errno' in of_file else 2
            recorded.go(2)
            recorded.at(3)
            self.assert_verified(recorded, unverified=12 + file_pages)   # those of the space with no device now
            for step in (3, 4):
                recorded.go(step)
                recorded.at(step + 1)
                self.assert_verified(recorded)
            self.assertEqual([e['space'] for e in recorded.events('attach')], [1, 2, 2, 3])
            self.assertEqual(recorded.go_on_to_the_end(), 0)
            self.assert_nothing_left(recorded)

    def test_agrees_with_map(self):
        self.guest.must('rm -f /run/map /run/record')
        self.guest.must('viommu-probe record -o /run/record -- '
                        f'viommu-probe map {BDF} --backend iommufd -o /run/map </dev/null', 120)
        texts = [self.guest.must(f"sed -n 's/.*\"event\":\"\\([a-z]*map\\)\",\"space\":[0-9]*,/\\1 /p' /run/{name}")
                 for name in ('map', 'record')]
        self.assertGreater(len(texts[0].splitlines()), 40)
        self.assertEqual(*texts)


if __name__ == '__main__':
    tap.main()
