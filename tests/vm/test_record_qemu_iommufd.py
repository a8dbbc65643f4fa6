# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe record and trace of a program that is not ours and uses iommufd: QEMU
10.0 in the lab's small kernel, with two devices for its own guest."""

import unittest

from common import viommu

from l2 import BYTES, DEVICES, command, wait_until_quiet

from lab import compare, kernel, qemus, record, smallkernel
from lab.errors import Unavailable
from lab.guest import RECORD_PORT

import tap
from traced_qemu import TracedQemu


def refused(events):
    """The firmware has placed the devices' memory, which an IOAS does not take; it does so late."""
    return any('errno' in event for event in events)


class Iommufd(TracedQemu):
    kernel, qemu = kernel.SMALL, qemus.QEMU_10
    command = command('-object iommufd,id=i0', ',iommufd=i0')
    reasons = {compare.REFUSED}
    enough = staticmethod(refused)

    @classmethod
    def setUpClass(cls):
        try:
            if not smallkernel.cached():
                raise unittest.SkipTest('the small kernel is not built: python3 tests/lab/smallkernel.py')
            qemus.find(qemus.QEMU_10)
        except Unavailable as error:
            raise unittest.SkipTest(str(error)) from None
        super().setUpClass()

    def events(self):
        return record.events(self.guest.record)

    def test_recorded(self):
        self.guest.clear_record()
        process = self.guest.spawn(f'viommu-probe record -o {RECORD_PORT} -- {self.command}')
        wait_until_quiet(self.guest, process, self.enough)
        done, result = viommu.verify('-q', self.guest.target, self.guest.record)
        events = self.events()
        self.assertEqual({run['verdict'] for run in result['runs']}, {'match'}, done.stdout)
        matched = sum(int(run['last'], 16) - int(run['first'], 16) + 1 for run in result['runs'])
        self.assertGreater(matched, BYTES)
        attached = [e for e in events if e['event'] == 'attach']
        self.assertEqual({e['device'][-4:] for e in attached}, set(DEVICES))
        self.assertEqual({e['backend'] for e in attached}, {'iommufd'})
        # QEMU goes on without it.
        failed = [e for e in events if 'errno' in e]
        self.assertEqual({(e['event'], e['error']) for e in failed}, {('map', 'EFAULT')})
        self.assertIn('BAR', failed[0]['meaning'])
        self.assertEqual([e for e in events if e['event'] in ('note', 'lost')], [])
        process.write('quit\n')
        self.assertEqual(process.wait(60), 0)
        self.assertEqual(self.events()[-1]['reason'], 'the program ended with status 0')
        for device in DEVICES:
            self.assertEqual(record.state(self.guest.record, device).held, [])


del TracedQemu

if __name__ == '__main__':
    tap.main()
