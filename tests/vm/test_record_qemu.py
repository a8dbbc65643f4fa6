# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe record of a real VFIO program that is not ours, unmodified: a
QEMU in the guest, with two of the guest's devices assigned to its own guest."""

import unittest

from common import viommu

from l2 import BYTES, DEVICES, bars, boot_l1, command, wait_until_quiet

from lab import record
from lab.guest import RECORD_PORT

import tap


class _Qemu:
    kernel = None
    unsure = 0      # BARs of which it is not known which device they are of

    @classmethod
    def setUpClass(cls):
        cls.guest = boot_l1(cls.kernel)
        cls.addClassCleanup(cls.guest.close)

    def events(self):
        return record.events(self.guest.record)

    def test_qemu(self):
        """its RAM, ROMs and BARs as they come and go under its firmware, from start to exit"""
        self.guest.clear_record()
        process = self.guest.spawn(f'viommu-probe record -o {RECORD_PORT} -- {command()}')
        wait_until_quiet(self.guest, process, bars)
        _, result = viommu.verify('-q', self.guest.target, self.guest.record)
        events = self.events()
        unsure = [e['iova'] for e in events if 'gpa_unknown' in e]
        for run in result['runs']:
            wanted = 'unverified' if run['first'] in unsure else 'match'
            self.assertEqual(run['verdict'], wanted, run)
        matched = sum(int(run['last'], 16) - int(run['first'], 16) + 1 for run in result['runs']
                      if run['verdict'] == 'match')
        self.assertGreater(matched, BYTES)
        # Both devices are in one container, and their BARs are mapped for each other.
        self.assertEqual({e['space'] for e in events if e['event'] == 'attach'}, {1})
        self.assertEqual({e['bar']['device'][-4:] for e in events if 'bar' in e}, set(DEVICES))
        self.assertEqual([e for e in events if e['event'] in ('note', 'lost') or 'errno' in e], [])
        self.assertEqual(len(unsure), self.unsure)
        self.guest.must('echo quit >/run/spawn.1/in')
        self.assertEqual(process.wait(60), 0)
        self.assertEqual(self.events()[-1]['reason'], 'the program ended with status 0')
        for device in DEVICES:
            self.assertEqual(record.state(self.guest.record, device).held, [])


class Kernel61(_Qemu, unittest.TestCase):
    kernel = 'linux-image-cloud-amd64'


class Kernel612(_Qemu, unittest.TestCase):
    kernel = 'linux-image-6.12*-cloud-amd64'
    unsure = 1      # a part of edu's BAR 0, or all of e1000e's: the kernel does not tell any more


if __name__ == '__main__':
    tap.main()
