# SPDX-License-Identifier: GPL-2.0-or-later
"""What viommu doctor says of the vIOMMU's registers, in a guest that damages them itself: DMA
that is refused, a queue with a bad descriptor, tables and queues where there is no RAM."""

import json
import os
import struct

from common import BDF, Case, Held, boot, viommu

import tap
from lab import qemus, vtd
from lab.guest import PLAIN_APPEND

OTHER = '00:05.0'
USUAL = {'caching-mode-on', 'domain-shared', 'narrow-width'}
FSTS, FECTL, FRCD = vtd.BASE + 0x34, vtd.BASE + 0x38, vtd.BASE + 0x220
IQH, IQT, IQA = vtd.BASE + 0x80, vtd.BASE + 0x88, vtd.BASE + 0x90
GCMD, GSTS, RTADDR = vtd.BASE + 0x18, vtd.BASE + 0x1c, vtd.BASE + 0x20
QIE, SRTP = 1 << 26, 1 << 30
IQE, PFO, MASKED = 1 << 4, 1 << 0, 1 << 31
# GSTS has what a write of GCMD does once, too.
LASTING = 0x96ffffff


class _Registers(Case):
    qemu = None

    @classmethod
    def setUpClass(cls):
        cls.guest = boot(memory='1G', qemu=cls.qemu, cmdline=PLAIN_APPEND + ' iomem=relaxed',
                         iommu=qemus.IOMMU + ',aw-bits=39')
        cls.addClassCleanup(cls.guest.close)
        cls.memory = cls.guest.memory()
        cls.bars = {}
        for bdf in BDF, OTHER:
            cls.config(bdf, 4, 6)       # memory and bus mastering: no driver does it here
            cls.bars[bdf] = int(cls.guest.must(f'head -n 1 /sys/bus/pci/devices/0000:{bdf}/resource').split()[0], 16)
        # Or L1's handler clears what is recorded.
        cls.poke(FECTL, MASKED, 32)

    @classmethod
    def poke(cls, address, value, bits=64):
        cls.guest.must(f'devmem {address:#x} {bits} {value:#x}')

    @classmethod
    def config(cls, bdf, offset, *values):
        """Bytes to the device's configuration space."""
        text = ''.join(f'\\{value:03o}' for value in values)
        cls.guest.must(f'printf "{text}" | dd of=/sys/bus/pci/devices/0000:{bdf}/config bs=1 seek={offset} conv=notrunc 2>&1')

    def peek(self, address, size=8):
        return self.memory.register(address, size)

    def dma(self, bdf, iova, write=False):
        """16 bytes between edu's buffer and an IOVA."""
        buffer = 0x40000
        source, target = (buffer, iova) if write else (iova, buffer)
        bar = self.bars[bdf]
        self.guest.must('; '.join(f'devmem {bar + offset:#x} 64 {value:#x}' for offset, value in
                                  ((0x80, source), (0x88, target), (0x90, 16), (0x98, 3 if write else 1)))
                        + f'; until [ $(($(devmem {bar + 0x98:#x} 64) & 1)) = 0 ]; do usleep 10000; done')

    def command(self, bits, on):
        """GCMD, and until GSTS says so."""
        now = self.peek(GSTS, 4) & LASTING
        self.poke(GCMD, now | bits if on else now & ~bits, 32)
        self.assertEqual(self.peek(GSTS, 4) & bits, bits if on else 0)

    def doctor(self, status):
        process = viommu.run('doctor', '--format', 'json', '-q', self.guest.target)
        self.assertEqual(process.returncode, status, process.stderr + process.stdout)
        return json.loads(process.stdout)

    def expect(self, status, codes, **said):
        """Doctor has these findings more, and says these words (code with _ for -)."""
        found = {item['code']: '\n'.join(f'{instance["where"]}: {instance["seen"]}' for instance in item['instances'])
                 for item in self.doctor(status)['findings']}
        self.assertEqual(set(found) - USUAL, set(codes), found)
        for code, words in said.items():
            for word in [words] if isinstance(words, str) else words:
                self.assertIn(word, found[code.replace('_', '-')])


class Registers(_Registers):
    def test_1_faults(self):
        """DMA to what is not mapped: recorded; by another device then: lost; until L1 clears both"""
        self.expect(0, ())
        self.dma(OTHER, 0x5000)
        self.expect(0, {'fault-recorded'}, fault_recorded=('register FRCD0', f'read of IOVA 0x5000 by {OTHER}, reason 0x6',
                                                           'the tables now: reason 0x6'))
        self.dma(BDF, 0x6000, write=True)
        self.expect(0, {'fault-recorded', 'fault-overflow'}, fault_overflow=('register FSTS', 'PFO = 1'),
                    fault_recorded=f'by {OTHER}')
        self.poke(FRCD + 12, 1 << 31, 32)
        self.poke(FSTS, PFO, 32)
        self.expect(0, ())
        self.dma(BDF, 0x6000, write=True)
        self.expect(0, {'fault-recorded'}, fault_recorded=f'write of IOVA 0x6000 by {BDF}, reason 0x5')
        self.poke(FRCD + 12, 1 << 31, 32)

    def test_1_reserved_bit(self):
        """QEMU's own words, when DMA meets the bit: once, in its log"""
        with Held(self.guest, BDF, '--iova 0x1000000 --count 1 --size 4k') as held:
            self.config(BDF, 4, 6)                  # VFIO took it away
            leaf, = (leaf for leaf in held.tables().leaves() if leaf.iova == 0x1000000)
            held.memory.write_u64(leaf.entry_gpa, leaf.entry | 1 << 45)
            try:
                self.dma(BDF, leaf.iova)
                self.expect(3, {'fault-recorded', 'reserved-bit'}, fault_recorded=f'IOVA 0x1000000 by {BDF}, reason 0xc')
            finally:
                held.memory.write_u64(leaf.entry_gpa, leaf.entry)
        self.poke(FRCD + 12, 1 << 31, 32)
        process = viommu.run('doctor', '--format', 'json', '--qemu-log', os.path.join(self.guest.dir, 'qemu.log'))
        self.assertEqual(process.returncode, 3, process.stderr + process.stdout)
        self.assertEqual([item['code'] for item in json.loads(process.stdout)['findings']], ['qemu-reserved-bit'])
        self.expect(0, ())

    def test_2_queue_error(self):
        """a descriptor that QEMU does not take; the error cleared by hand; then L1 submits again"""
        tail = self.peek(IQT)
        place = (self.peek(IQA) & ~0xfff) + tail
        self.memory.write(place, struct.pack('<QQ', 0xf, 0x1234))
        self.poke(IQT, tail + 16)
        self.assertEqual(self.peek(IQH), tail)
        self.expect(3, {'queue-error'}, queue_error=('register FSTS', 'IQE = 1', f'head {tail // 16}, tail {tail // 16 + 1}',
                                                     f'at GPA {place:#x}: 0x000000000000000f 0x0000000000001234'))
        self.poke(FSTS, IQE, 32)
        # QEMU goes on only when the tail is written again.
        self.expect(3, {'queue-stalled'}, queue_stalled=(f'head {tail // 16}, tail {tail // 16 + 1}', f'at GPA {place:#x}'))
        # A wait descriptor, that writes to its own place: QEMU switches the queue off behind one only.
        self.memory.write(place, struct.pack('<QQ', 5 | 1 << 5, place + 8))
        self.poke(IQT, tail + 16)
        self.expect(0, ())

    def test_3_queue(self):
        """the queue off, and on where there is no RAM"""
        place = self.peek(IQA)
        self.command(QIE, False)
        self.expect(0, {'queue-off'}, queue_off='QIES = 0')
        self.poke(IQT, 0)
        self.poke(IQA, 0xf0000000)
        self.command(QIE, True)
        self.expect(3, {'queue-outside-ram'}, queue_outside_ram='256 of 256 descriptors of the ring at GPA 0xf0000000')
        self.command(QIE, False)
        self.poke(IQA, place)
        self.command(QIE, True)
        self.expect(0, ())

    def test_4_root(self):
        """the root table where there is no RAM"""
        root = self.peek(RTADDR)
        self.poke(RTADDR, 0xf0000000)
        self.poke(GCMD, self.peek(GSTS, 4) & LASTING | SRTP, 32)
        self.expect(3, {'root-outside-ram'}, root_outside_ram='0xf0000000')
        self.poke(RTADDR, root)
        self.poke(GCMD, self.peek(GSTS, 4) & LASTING | SRTP, 32)
        self.expect(0, ())


class Registers10(Registers):
    """The same with QEMU 10.0, which also records that it refused an interrupt."""
    qemu = qemus.QEMU_10

    def test_1_interrupt(self):
        """an MSI whose entry of the interrupt remapping table is not present"""
        handle, capability = 0x1234, 0x40
        address = 0xfee00000 | handle << 5 | 1 << 4
        self.config(OTHER, capability + 4, *struct.pack('<QH', address, 0))
        self.config(OTHER, capability + 2, 1)
        self.guest.must(f'devmem {self.bars[OTHER] + 0x60:#x} 32 1; devmem {self.bars[OTHER] + 0x64:#x} 32 1')
        self.expect(0, {'interrupt-fault-recorded'},
                    interrupt_fault_recorded=f'{OTHER}, interrupt index {handle}, reason 0x22')
        self.config(OTHER, capability + 2, 0)
        self.poke(FRCD + 12, 1 << 31, 32)


if __name__ == '__main__':
    tap.main()
