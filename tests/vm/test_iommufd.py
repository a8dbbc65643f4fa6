# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe map --backend iommufd, on the lab's small kernel (suite kernel)."""

import os
import unittest

from common import BDF, Case, Held, boot, viommu
from modes import Mode, with_faults

from lab import kernel, qemus, record, smallkernel
from lab.errors import Unavailable
from lab.guest import say

import tap

IOMMUFD = '--backend iommufd'
DEVICES = '/sys/bus/pci/devices/0000:'


def setUpModule():
    """Not VIOMMU_VM_REQUIRED: who runs all tests need not have built a kernel."""
    try:
        smallkernel.find(say)
    except Unavailable as error:
        if os.environ.get('VIOMMU_LAB_SMALL_KERNEL'):
            raise
        raise unittest.SkipTest(str(error)) from None


class _Iommufd(Mode):
    kernel = kernel.SMALL

    @classmethod
    def setUpClass(cls):
        cls.guest = boot(mode=cls.mode, width=cls.width, qemu=cls.qemu, kernel=cls.kernel, **cls.options)
        cls.addClassCleanup(cls.guest.close)
        cls.held, cls.pattern = Held(cls.guest, BDF, IOMMUFD), ''

    def hold(self, pattern):
        cls = type(self)
        if cls.pattern != pattern:
            self.assertEqual(cls.held.release(), 0)
            cls.held, cls.pattern = Held(cls.guest, BDF, f'{IOMMUFD} {pattern}'), pattern

    def test_kernel_shows(self):
        """L1's kernel shows the same leaves at the same IOVAs in its debugfs"""
        text = self.guest.must(f'cat /sys/kernel/debug/iommu/intel/0000:{BDF}/domain_translation_struct')
        shown = []
        for line in text.splitlines():
            pfn, bar, entries = line.partition('|')
            if bar:
                last = [int(entry, 16) for entry in entries.split() if int(entry, 16)][-1]
                shown.append((int(pfn, 16) << 12, last))
        self.assertEqual(shown, [(leaf.iova, leaf.entry) for leaf in self.held.tables().leaves()])


@with_faults
class Legacy(_Iommufd, Case):
    mode = 'legacy'


@with_faults
class Scalable(_Iommufd, Case):
    levels, width = 3, 39


class First(Case):
    """A vIOMMU with a first stage only, which QEMU has since 10.0."""

    def test_refused(self):
        """Linux 6.12 gives iommufd second-stage tables only, and the probe says so; vfio works, and both do later"""
        guest = boot(mode='first', qemu=qemus.QEMU_10, kernel=kernel.SMALL)
        self.addCleanup(guest.close)
        status, text = guest.sh(f'viommu-probe map {BDF} --bind {IOMMUFD} </dev/null')
        given = guest.must('uname -r') >= '7'
        self.assertEqual(status, 0 if given else 1, text)
        for words in () if given else ('VFIO_DEVICE_ATTACH_IOMMUFD_PT', 'first stage only', '--backend vfio'):
            self.assertIn(words, text)
        for backend in ('', IOMMUFD) if given else ('',):
            with Held(guest, BDF, backend) as held:
                result = viommu.verify('-q', guest.target, held.record)[1]
                self.assert_true_result(result, held.state)


class Probe(Case):
    @classmethod
    def setUpClass(cls):
        # 06.0 has a driver in the guest to begin with.
        cls.guest = boot(kernel=kernel.SMALL,
                         devices=('edu,addr=04.0', 'edu,addr=05.0', 'virtio-rng-pci,addr=06.0'))
        cls.addClassCleanup(cls.guest.close)

    def driver(self, bdf):
        status, text = self.guest.sh(f'readlink {DEVICES}{bdf}/driver')
        return text.strip().rsplit('/', 1)[-1] if status == 0 else None

    def bind_vfio(self, bdf):
        self.guest.must(f'echo vfio-pci >{DEVICES}{bdf}/driver_override && '
                        f'echo 0000:{bdf} >/sys/bus/pci/drivers_probe')

    def refused(self, command, *words):
        """The probe ends with 1 and says why."""
        status, text = self.guest.sh(f'viommu-probe {command} </dev/null 2>&1 >/dev/null')
        self.assertEqual(status, 1, text)
        for word in words:
            self.assertIn(word, text)

    def test_record(self):
        """the record names the backend and the IOAS, and all that was mapped is unmapped"""
        held = Held(self.guest, BDF, IOMMUFD)
        self.assertEqual(held.release(), 0)
        events = record.events(held.record)
        attach, = (event for event in events if event['event'] == 'attach')
        detach, = (event for event in events if event['event'] == 'detach')
        for event in attach, detach:
            self.assertEqual((event['backend'], event['device']), ('iommufd', '0000:' + BDF))
            self.assertNotIn('group', event)
        self.assertTrue(attach['complete'])
        self.assertTrue(attach['iova_ranges'])
        spaces = {event['space'] for event in events if 'space' in event}
        self.assertEqual(spaces, {attach['space']})
        counts = [sum(event['event'] == kind for event in events) for kind in ('map', 'unmap')]
        self.assertGreater(counts[0], 20)
        self.assertEqual(counts[0], counts[1])
        self.assertFalse([event for event in events if 'errno' in event])
        self.assertEqual(events[-1]['event'], 'end')
        self.assertEqual([event['seq'] for event in events[1:]], list(range(1, len(events))))

    def test_same_as_vfio(self):
        """both backends are given the same ranges and make the same mappings"""
        shapes = []
        for options in '', IOMMUFD:
            with Held(self.guest, BDF, options) as held:
                attach, = (event for event in record.events(held.record) if event['event'] == 'attach')
                shapes.append((attach['iova_ranges'],
                               [(mapping.iova, mapping.size, mapping.prot) for mapping in held.state.held]))
                self.assert_tables_true(held.tables(), held.state)
        self.assertEqual(*shapes)

    def test_bind_puts_back_after_a_signal(self):
        """--bind, and SIGTERM, SIGINT, SIGHUP: unmapped, recorded, and the driver is back"""
        self.assertEqual(self.driver('00:06.0'), 'virtio-pci')
        for name in ('TERM', 'INT', 'HUP'):
            with self.subTest(name):
                held = Held(self.guest, '00:06.0', f'{IOMMUFD} --count 3')
                self.assertEqual(self.driver('00:06.0'), 'vfio-pci')
                held.process.signal(name)
                self.assertEqual(held.process.wait(), 0)
                held.memory.close()
                self.assertEqual(self.driver('00:06.0'), 'virtio-pci')
                events = record.events(held.record)
                self.assertEqual(sum(event['event'] == 'unmap' for event in events), 3)
                self.assertEqual(events[-1]['reason'], 'SIG' + name)

    def test_in_use(self):
        """a device that another program has, through either interface"""
        for first in '', IOMMUFD:
            with Held(self.guest, BDF, f'{first} --count 1'):
                for second in '--backend vfio', IOMMUFD:
                    with self.subTest(first=first, second=second):
                        self.refused(f'map {BDF} {second}', 'in use by another program')

    def test_no_iommufd(self):
        """without /dev/iommu it says what the kernel lacks, and what works"""
        self.guest.must('mv /dev/iommu /dev/iommu.away')
        try:
            self.refused(f'map {BDF} --bind {IOMMUFD}', 'no /dev/iommu', 'CONFIG_IOMMUFD', '--backend vfio')
            self.assertIn('skip iommufd', self.doctor())
        finally:
            self.guest.must('mv /dev/iommu.away /dev/iommu')
        self.assertIsNone(self.driver(BDF))

    def test_no_device(self):
        """without the device's node it says where it looked"""
        self.bind_vfio('00:05.0')
        self.guest.must('mv /dev/vfio/devices /dev/vfio/away')
        try:
            self.refused(f'map 00:05.0 {IOMMUFD}', 'cannot open /dev/vfio/devices/vfio')
        finally:
            self.guest.must('mv /dev/vfio/away /dev/vfio/devices')

    def doctor(self, device=''):
        status, text = self.guest.sh(f'viommu-probe doctor {device}')
        self.assertEqual(status, 0, text)
        return ' '.join(text.split())

    def test_doctor(self):
        """doctor sees iommufd, and tries it on a device"""
        self.assertIn('ok iommufd', self.doctor())
        self.bind_vfio('00:05.0')
        text = self.doctor('00:05.0')
        for words in ('ok VFIO device', 'ok SET_IOMMU', 'ok MAP_DMA', 'ok ATTACH_IOMMUFD', 'ok IOAS_MAP',
                      'ok IOAS_UNMAP', '0 FAIL'):
            self.assertIn(words, text)


if __name__ == '__main__':
    tap.main()
