# SPDX-License-Identifier: GPL-2.0-or-later
"""The setup that people have: vfio-pci behind a vIOMMU with caching mode, here on
three levels.  L0, the outer guest, has a vIOMMU too, and so its tables can be seen."""

import os
import unittest

from common import BDF, Held, start

from lab import cleanup, record, viommu, vtd
from lab.errors import GuestError

import tap


def leaves(result):
    """{IOVA: GPA} of the pages that `viommu dump` shows."""
    device, = result['devices']
    return {int(run['first'], 16) + offset: int(run['gpa'], 16) + offset for run in device['runs']
            for offset in range(0, int(run['last'], 16) - int(run['first'], 16), 4096)}


class Assigned(unittest.TestCase):
    """An edu that the inner guest has through vfio-pci."""
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.lab = start()
        cls.addClassCleanup(cls.lab.close)

    def outer(self):
        """What L0's table lets the device reach."""
        return leaves(viommu.json_of('dump', '-q', self.lab.outer.target, '-d', BDF))

    def test_1_mapped(self):
        """what the inner guest maps is in its tables, and at the right places in L0's"""
        with Held(self.lab.inner, BDF) as held:
            result = self.lab.verify_inner()
            self.assertEqual(result['exit_status'], 0)
            pages = sum(mapping.size for mapping in held.state.held) // 4096
            self.assertEqual(result['counts']['match']['pages'], pages)
            inner = {leaf.iova: leaf.gpa for leaf in held.tables().leaves()}
            self.assertEqual(len(inner), pages)
            self.assertEqual(self.outer(), {iova: held.memory.outer_gpa(gpa) for iova, gpa in inner.items()})
            # Ours and viommu's view of the outer table are one.
            memory = self.lab.outer.memory()
            self.assertEqual({leaf.iova: leaf.gpa for leaf in vtd.Tables(memory, BDF).leaves()}, self.outer())
            memory.close()
        self.assertEqual(self.outer(), {})

    def test_2_from_here(self):
        """the inner monitor can be used from here, and a snapshot made in L0 brought here"""
        with Held(self.lab.inner, BDF, '--count 4 --size 16k') as held:
            path = os.path.join(cleanup.temp_dir(), 'inner.core')
            self.lab.capture_inner(path)
            saved = viommu.verify('-s', path, self.lab.inner.record)[1]
            live = viommu.verify('-q', self.lab.inner.target, self.lab.inner.record)[1]
            for result in (saved, live):
                self.assertEqual((result['exit_status'], result['counts']['match']['pages']), (0, 16))
            self.assertEqual(live['capture']['memory_source'], 'HMP xp')
            self.assertEqual(len(record.state(self.lab.inner.record, BDF).held), 4)
            held.memory.forget()

    def test_3_no_caching_mode(self):
        """with caching mode off the inner QEMU refuses to start, and says why"""
        with self.assertRaises(GuestError) as caught:
            self.lab.start_inner(iommu='intremap=on,caching-mode=off')
        self.assertIn('caching-mode=on', str(caught.exception))


if __name__ == '__main__':
    tap.main()
