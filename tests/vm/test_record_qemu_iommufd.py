# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe record and trace of a program that is not ours and uses iommufd: QEMU
10.0 in the lab's small kernel, with two devices for its own guest."""

import time
import unittest

from common import viommu

from l2 import BYTES, DEVICES, QUIET_SECONDS, SECONDS, boot_l1, command

from lab import kernel, qemus, record, smallkernel
from lab.errors import Unavailable
from lab.guest import RECORD_PORT

import tap


class Iommufd(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            if not smallkernel.cached():
                raise unittest.SkipTest('the small kernel is not built: python3 tests/lab/smallkernel.py')
            qemus.find(qemus.QEMU_10)
        except Unavailable as error:
            raise unittest.SkipTest(str(error)) from None
        cls.guest = boot_l1(kernel.SMALL, qemus.QEMU_10)
        cls.addClassCleanup(cls.guest.close)

    def events(self):
        return record.events(self.guest.record)

    def wait_until_quiet(self, process):
        seen, since, end = 0, time.monotonic(), time.monotonic() + SECONDS
        while time.monotonic() < end:
            count = len(self.events())
            self.assertIsNone(process.poll(), process.output())
            if count != seen:
                seen, since = count, time.monotonic()
            elif count > 4 and time.monotonic() - since > QUIET_SECONDS:
                return
            time.sleep(0.5)
        self.fail(f'L2 did not come up: {seen} events\n{process.output()}')

    def test_qemu(self):
        self.guest.clear_record()
        process = self.guest.spawn(f'viommu-probe record -o {RECORD_PORT} -- '
                                   + command('-object iommufd,id=i0', ',iommufd=i0'))
        self.wait_until_quiet(process)
        done, result = viommu.verify('-q', self.guest.target, self.guest.record)
        events = self.events()
        self.assertEqual({run['verdict'] for run in result['runs']}, {'match'}, done.stdout)
        matched = sum(int(run['last'], 16) - int(run['first'], 16) + 1 for run in result['runs'])
        self.assertGreater(matched, BYTES)
        attached = [e for e in events if e['event'] == 'attach']
        self.assertEqual({e['device'][-4:] for e in attached}, set(DEVICES))
        self.assertEqual({e['backend'] for e in attached}, {'iommufd'})
        # An IOAS does not take a device's memory, and QEMU goes on without it.
        failed = [e for e in events if 'errno' in e]
        self.assertEqual({(e['event'], e['error']) for e in failed}, {('map', 'EFAULT')})
        self.assertIn('BAR', failed[0]['meaning'])
        self.assertEqual([e for e in events if e['event'] in ('note', 'lost')], [])
        self.guest.must('echo quit >/run/spawn.1/in')
        self.assertEqual(process.wait(60), 0)
        self.assertEqual(self.events()[-1]['reason'], 'the program ended with status 0')
        for device in DEVICES:
            self.assertEqual(record.state(self.guest.record, device).held, [])


if __name__ == '__main__':
    tap.main()
