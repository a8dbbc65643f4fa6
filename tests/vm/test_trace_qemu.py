# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe trace and record of one and the same run of a QEMU in the guest,
with two of the guest's devices assigned to its own guest: they agree, and the
traced record is verified from outside."""

import time
import unittest

from l2 import BYTES, DEVICES, QUIET_SECONDS, SECONDS, boot_l1, command

import tap
import traced as helpers
from traced import INSTANCES, KERNEL_6_12, Traced

from lab import record
from lab.guest import RECORD_PORT


class _Qemu(helpers.TraceCase):
    @classmethod
    def setUpClass(cls):
        cls.guest = boot_l1(cls.kernel)
        cls.addClassCleanup(cls.guest.close)

    def recorded(self):
        with open(self.guest.record) as handle:
            text = handle.read()
        return Traced(text[:text.rfind('\n') + 1])

    def wait_until_quiet(self, process):
        size, since, end = 0, time.monotonic(), time.monotonic() + SECONDS
        while time.monotonic() < end:
            self.assertIsNone(process.poll(), process.output())
            seen = self.recorded().text if record.events(self.guest.record) else ''
            if len(seen) != size:
                size, since = len(seen), time.monotonic()
            elif '"bar"' in seen and time.monotonic() - since > QUIET_SECONDS:
                return
            time.sleep(0.5)
        self.fail(f'L2 did not come up\n{process.output()}')

    def assert_verified(self, traced):
        """Each page that it holds is in the tables, and nothing of these devices is unexplained."""
        process, result = self.verify(traced)
        self.assertEqual(process.returncode, 0, process.stderr + process.stdout)
        ours = [run for run in result['runs'] if any(d[-4:] in DEVICES for d in run['devices'])]
        self.assertEqual({run['verdict'] for run in ours}, {'match'}, ours)
        matched = sum(int(run['last'], 16) - int(run['first'], 16) + 1 for run in ours)
        self.assertGreater(matched, BYTES)

    def assert_agree(self, traced, recorded):
        spaces = [{iova: gpa for iova, gpa in pages.items()} for pages in traced.pages.values() if pages]
        self.assertEqual(len(spaces), 1, 'in one space')
        both, = spaces
        mine = recorded.pages[1]
        # Of a BAR whose device is not known, record does not know the address; trace does.
        unsure = {int(e['iova'], 16) + offset for e in recorded.kinds('map') if 'gpa_unknown' in e
                  for offset in range(0, int(e['size'], 16), helpers.PAGE)}
        self.assertEqual({iova: gpa for iova, gpa in both.items() if iova not in unsure},
                         {iova: gpa for iova, gpa in mine.items() if iova not in unsure})
        self.assertLessEqual({iova for iova in both if iova not in mine}, unsure)
        for device in DEVICES:
            self.assertEqual(traced.of('00:' + device), both)

    def test_qemu(self):
        """from start to exit: while it runs the two records agree and are true; then nothing is left"""
        self.guest.clear_record()
        trace = self.start()
        process = self.guest.spawn(f'viommu-probe record -o {RECORD_PORT} -- {command()}')
        self.wait_until_quiet(process)
        traced, recorded = self.fetch(), self.recorded()
        self.assertEqual(traced.lost(), 0)
        self.assert_agree(traced, recorded)
        self.assert_verified(traced)
        process.write('quit\n')
        self.assertEqual(process.wait(60), 0)
        traced = self.stop(trace)
        self.assertEqual((traced.lost(), recorded.lost()), (0, 0))
        self.assertEqual([pages for pages in traced.pages.values() if pages], [])
        # The devices are back in domains of the kernel's.
        container, = {event['space'] for event in traced.kinds('attach') if event['backend'] == 'vfio'}
        self.assertEqual(traced.devices[container], set())
        self.assertEqual(self.guest.must(f'ls {INSTANCES}').strip(), '')


class Kernel61(_Qemu):
    pass


class Kernel612(_Qemu):
    kernel = KERNEL_6_12


del _Qemu

if __name__ == '__main__':
    tap.main()
