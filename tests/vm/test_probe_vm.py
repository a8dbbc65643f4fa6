# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe in a real guest."""

from common import BDF, Case, Held, boot

from lab import record

import tap

SYSFS = '/sys/bus/pci/devices/0000:'


class Probe(Case):
    @classmethod
    def setUpClass(cls):
        # 06.0 has a driver in the guest to begin with.
        cls.guest = boot(devices=('edu,addr=04.0', 'edu,addr=05.0', 'virtio-rng-pci,addr=06.0'))
        cls.addClassCleanup(cls.guest.close)

    def driver(self, bdf):
        status, text = self.guest.sh(f'readlink {SYSFS}{bdf}/driver')
        return text.strip().rsplit('/', 1)[-1] if status == 0 else None

    def doctor(self, device=''):
        status, text = self.guest.sh(f'viommu-probe doctor {device}')
        self.assertEqual(status, 0, text)
        return ' '.join(text.split())

    def test_doctor(self):
        """doctor reads caching mode from CAP, and says what a trial would need"""
        text = self.doctor()
        for words in ('CAP.CM is 1', 'intel_iommu=', 'dmar0', 'bound to vfio-pci', '0 fail'):
            self.assertIn(words.lower(), text.lower())

    def test_doctor_explains_enotty(self):
        """doctor BDF tries both on the device: ENOTTY, which is right, and a map that works"""
        self.guest.must(f'echo vfio-pci >{SYSFS}00:05.0/driver_override && '
                        'echo 0000:00:05.0 >/sys/bus/pci/drivers_probe')
        text = self.doctor('00:05.0')
        for words in ('ENOTTY', 'VFIO_IOMMU_ENABLE', 'sPAPR', 'type1', 'MAP_DMA'):
            self.assertIn(words, text)

    def test_not_bound(self):
        """without --bind, map names the commands that bind the device"""
        status, text = self.guest.sh(f'viommu-probe map {BDF} </dev/null')
        self.assertEqual(status, 1, text)
        self.assertIn('driver_override', text)
        self.assertIn('--bind', text)

    def test_bind(self):
        """--bind binds to vfio-pci, and leaves no driver where there was none"""
        self.assertIsNone(self.driver('00:04.0'))
        with Held(self.guest, BDF):
            self.assertEqual(self.driver('00:04.0'), 'vfio-pci')
        self.assertIsNone(self.driver('00:04.0'))
        self.assertEqual(self.guest.must(f'cat {SYSFS}00:04.0/driver_override').strip(), '(null)')

    def test_bind_puts_back(self):
        """--bind puts the driver back that was there"""
        self.assertEqual(self.driver('00:06.0'), 'virtio-pci')
        with Held(self.guest, '00:06.0', '--count 1'):
            self.assertEqual(self.driver('00:06.0'), 'vfio-pci')
        self.assertEqual(self.driver('00:06.0'), 'virtio-pci')

    def test_what_is_not_as_asked_is_said(self):
        """an IOVA that is not allowed, and a device that is taken from its driver"""
        status, text = self.guest.sh('viommu-probe map 00:06.0 --bind --count 1 --size 4k --iova 0xfee00000 </dev/null')
        self.assertEqual(status, 0, text)
        self.assertIn('taking 0000:00:06.0 from virtio-pci', text)
        self.assertIn('IOVA 0xfee00000 is not among those that this IOMMU allows: the first mapping is at 0xfef00000', text)
        self.assertIn('"iova":"0xfef00000"', text)
        self.assertIn('asked for IOVA 0xfee00000', text)

    def test_bind_puts_back_after_a_signal(self):
        for name in ('TERM', 'INT', 'HUP'):
            held = Held(self.guest, '00:06.0', '--count 1')
            held.process.signal(name)
            held.process.wait()
            held.memory.close()
            self.assertEqual(self.driver('00:06.0'), 'virtio-pci', name)

    def test_huge_pages(self):
        """the default pattern makes leaves of all three sizes"""
        with Held(self.guest, BDF) as held:
            sizes = {leaf.size for leaf in held.tables().leaves()}
            self.assertEqual(sizes, {4096, 2 << 20, 1 << 30})

    def test_table_is_what_the_record_says(self):
        """our own walk of the tables finds every recorded page, at its GPA"""
        with Held(self.guest, BDF) as held:
            self.assert_tables_true(held.tables(), held.state)

    def test_unmaps_at_the_end(self):
        """when stdin closes everything is unmapped, and the record says so"""
        held = Held(self.guest, BDF)
        self.assertEqual(held.release(), 0)
        events = record.events(held.record)
        self.assertEqual(events[-1]['event'], 'end')
        counts = [sum(e['event'] == kind for e in events) for kind in ('map', 'unmap')]
        self.assertEqual(counts[0], counts[1])
        self.assertEqual([e['seq'] for e in events[1:]], list(range(1, len(events))))


if __name__ == '__main__':
    tap.main()
