# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu doctor, and verify's findings, on real guests: each is there when it should be,
and nothing else is."""

import contextlib
import json
import os

from common import BDF, Case, Held, boot, faults, rng, scratch, viommu

import tap
from lab import vtd
from lab.guest import PLAIN_APPEND, RECORD_PORT

OTHER = '00:05.0'
SMALL = {'memory': '1G', 'cmdline': PLAIN_APPEND}
PATTERN = '--count 8 --size 16k'
# What every one of these guests has: q35's own devices share a group.
USUAL = {'caching-mode-on', 'domain-shared', 'narrow-width'}
LIMIT = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'


def codes(result):
    return {item['code'] for item in result['findings']}


def seen(result, code):
    """All that is said of one kind, in one text."""
    return '\n'.join(f'{instance["where"]}: {instance["seen"]}' for item in result['findings']
                     if item['code'] == code for instance in item['instances'])


class _Findings(Case):
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.guest = boot(**{**SMALL, **cls.options})
        cls.addClassCleanup(cls.guest.close)

    def doctor(self, status=0, *arguments):
        process = viommu.run('doctor', '--format', 'json', '-q', self.guest.target, *arguments)
        self.assertEqual(process.returncode, status, process.stderr + process.stdout)
        return json.loads(process.stdout)

    def verify(self, *arguments):
        return viommu.verify('-q', self.guest.target, *arguments, self.guest.record)[1]


class Tables(_Findings):
    """One guest; what stands in its tables is spoiled from outside, and put back."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guest.must(f'echo vfio-pci >/sys/bus/pci/devices/0000:{OTHER}/driver_override; '
                       f'echo 0000:{OTHER} >/sys/bus/pci/drivers_probe')
        cls.held = Held(cls.guest, BDF, PATTERN)
        cls.tables = cls.held.tables()
        cls.leaf = next(leaf for leaf in cls.tables.leaves() if cls.held.state.find(leaf.iova))
        cls.directory = cls.tables.walk(cls.leaf.iova)[-2]

    @classmethod
    def tearDownClass(cls):
        cls.held.release()

    @contextlib.contextmanager
    def written(self, gpa, word):
        before = self.held.memory.read_u64(gpa)
        self.held.memory.write_u64(gpa, word)
        try:
            yield
        finally:
            self.held.memory.write_u64(gpa, before)

    def expect(self, gpa, word, code, status, *said, more=()):
        """With this word written, doctor has this finding more, and says these words."""
        with self.written(gpa, word):
            result = self.doctor(status)
        self.assertEqual(codes(result), USUAL | {code, *more})
        for words in said:
            self.assertIn(words, seen(result, code))

    def test_clean(self):
        """nothing above a note, live and from a snapshot, from doctor and verify"""
        result = self.doctor(0, '--strict')
        self.assertEqual(codes(result), USUAL)
        self.assertIn('caching-mode is true; QEMU emulates all PCI devices', seen(result, 'caching-mode-on'))
        self.assertIn('39 bits', seen(result, 'narrow-width'))
        result = self.verify()
        self.assertEqual((codes(result), result['exit_status']), (USUAL, 0))
        self.assertIn('L1 saw CM = 1 as well', seen(result, 'caching-mode-on'))

    def test_reserved_bit(self):
        entry = self.leaf.entry | 1 << 45
        self.expect(self.leaf.entry_gpa, entry, 'reserved-bit', 3, f'entry at GPA {self.leaf.entry_gpa:#x}: {entry:#018x}',
                    f'{BDF}, IOVA {self.leaf.iova:#x}, level 1: reserved bits 0x200000000000')

    def test_snoop_bit(self):
        self.expect(self.leaf.entry_gpa, self.leaf.entry | 1 << 11, 'snoop-bit', 3, f'IOVA {self.leaf.iova:#x}', 'ECAP.SC = 0')
        with self.written(self.leaf.entry_gpa, self.leaf.entry | 1 << 11):
            self.assertIn('snoop-bit', codes(self.verify()))

    def test_table_loop(self):
        gpa = self.directory.entry_gpa
        self.expect(gpa, gpa & vtd.ADDRESS | 3, 'table-loop', 3, f'entry at GPA {gpa:#x}', 'level 2')

    def test_table_outside_ram(self):
        self.expect(self.directory.entry_gpa, vtd.BASE | 3, 'table-outside-ram', 3, f'table at GPA {vtd.BASE:#x}',
                    'named at level 2')

    def test_table_in_two_places(self):
        spare = next(step for step in self.neighbours(self.directory) if step[1] == 0)
        self.expect(spare[0], self.directory.entry, 'table-in-two-places', 0, f'the table at GPA {self.directory.gpa:#x}')

    def neighbours(self, step):
        """(GPA, word) of the entries behind this one, in its table."""
        first = (step.entry_gpa & 0xfff) // 8 + 1
        return [((step.entry_gpa & ~0xfff) + 8 * i, word)
                for i, word in enumerate(self.held.memory.read_table(step.entry_gpa & ~0xfff)) if i >= first]

    def test_addresses(self):
        """a page where L1 has no RAM, or the interrupt range, or a page that is mapped already"""
        other = next(leaf for leaf in self.tables.leaves() if leaf.iova != self.leaf.iova)
        for gpa, code, status, *said in (
                (vtd.BASE, 'gpa-in-mmio-hole', 0, f'no RAM at GPA {vtd.BASE:#x}'),
                (1 << 37, 'gpa-outside-ram', 0, 'no RAM at GPA 0x2000000000'),
                (0xfee01000, 'interrupt-range-mapped', 3, f'IOVA {self.leaf.iova:#x}'),
                (other.gpa, 'gpa-mapped-twice', 0, f'device {BDF}: 1 pages', f'GPA {other.gpa:#x}')):
            with self.subTest(code=code):
                self.expect(self.leaf.entry_gpa, gpa | 3, code, status, *said)

    def test_context(self):
        """the context entry of a device that waits for a driver: gone, refused, with another's domain"""
        tables = vtd.Tables(self.held.memory, OTHER)
        low, high = (self.held.memory.read_u64(tables.context_gpa + 8 * i) for i in (0, 1))
        self.expect(tables.context_gpa, low & ~1, 'device-not-in-tables', 0, f'{OTHER}: the context entry is not present')
        self.expect(tables.context_gpa, low | 1 << 11, 'device-entry-refused', 3, f'{OTHER}: a reserved bit')
        self.assertNotEqual(tables.domain, self.tables.domain)
        self.expect(tables.context_gpa + 8, high & ~0xffff00 | self.tables.domain << 8, 'domain-id-reused', 0,
                    f'{OTHER} has domain {self.tables.domain}')
        self.expect(tables.context_gpa, low | 2 << 2, 'pass-through', 0, f'{OTHER}: TT = 2', more={'mixed-pass-through'})

    def test_beyond_width(self):
        """a record that asks for an address which these tables cannot express"""
        with open(self.guest.record) as lines:
            events = [json.loads(line) for line in lines]
        high = next(event for event in events if event['event'] == 'map')
        high['iova'] = '0x8000000000'
        path = os.path.join(scratch(), 'high.jsonl')
        with open(path, 'w') as out:
            out.writelines(json.dumps(event) + '\n' for event in events)
        result = viommu.verify('-q', self.guest.target, path)[1]
        self.assertEqual(codes(result), USUAL | {'iova-beyond-width'})
        # Pages that happen to lie side by side in memory are one run.
        self.assertRegex(seen(result, 'iova-beyond-width'), 'IOVA 0x8000000000-0x800000[0-9a-f]fff: L1 asked for it')

    def test_strict(self):
        with self.written(self.leaf.entry_gpa, 1 << 37 | 3):
            self.doctor(3, '--strict')

    def test_text(self):
        """the worst first, with what to do"""
        with self.written(self.leaf.entry_gpa, self.leaf.entry | 1 << 11):
            process = viommu.run('doctor', '-q', self.guest.target)
        self.assertEqual(process.returncode, 3, process.stderr)
        self.assertRegex(process.stdout, r'(?s)fault snoop-bit: .*\n  to do .*\nnote caching-mode-on: .*\nFAULT: 1 kind of')


class Records(_Findings):
    """What the record has to be there for."""

    def test_stale(self):
        with Held(self.guest, BDF, '--count 8 --size 16k --unmap-half') as held:
            with faults.LeftBehind(held.tables(), held.state, rng('stale')) as fault:
                result = self.verify()
            self.assertEqual(codes(result), USUAL | {'mapping-stale'})
            self.assertIn(f'IOVA {fault.step.iova:#x}-', seen(result, 'mapping-stale'))

    def test_entry_limit(self):
        """dma_entry_limit lowered until ENOSPC"""
        self.guest.must(f'echo 5 >{LIMIT}')
        try:
            self.guest.clear_record()
            status, text = self.guest.sh(f'viommu-probe map {BDF} --bind --count 9 --size 4k --hold 0 -o {RECORD_PORT} 2>&1')
            self.assertEqual(status, 1, text)
        finally:
            self.guest.must(f'echo 65535 >{LIMIT}')
        with open(self.guest.record) as lines:
            refused = next(event for event in map(json.loads, lines) if event.get('error') == 'ENOSPC')
        result = self.verify('--at', str(refused['seq']))
        self.assertIn('dma-entry-limit', codes(result))
        self.assertIn(f'event {refused["seq"]} of the record: 1 map requests of space 1 failed with ENOSPC; 5 succeeded',
                      seen(result, 'dma-entry-limit'))


class HighMemory(_Findings):
    """Memory above the 39 bits that IOVAs, and GPAs in entries, have."""
    options = {'memory': '1G,slots=1,maxmem=600G',
               'qemu_args': ('-object', 'memory-backend-ram,id=high,size=128M', '-device', 'pc-dimm,memdev=high,addr=0x8000000000')}

    def test_high(self):
        result = self.doctor(0)
        self.assertIn('ram-beyond-width', codes(result))
        self.assertIn('MGAW: 39 bits, and L1 has memory up to GPA 0x8007ffffff', seen(result, 'ram-beyond-width'))


class PassThrough(_Findings):
    options = {'append': 'iommu=pt'}

    def test_pass_through(self):
        """iommu=pt: no device has a table; one that VFIO uses has"""
        result = self.doctor(0)
        self.assertEqual(codes(result), {'caching-mode-on', 'narrow-width', 'pass-through'})
        self.doctor(3, '--strict')
        with Held(self.guest, BDF, PATTERN):
            result = self.doctor(0)
            self.assertEqual(codes(result), {'caching-mode-on', 'narrow-width', 'pass-through', 'mixed-pass-through'})
            self.assertIn('1 devices are translated', seen(result, 'mixed-pass-through'))
            self.assertNotIn(BDF, seen(result, 'pass-through'))
            self.assertEqual(self.verify()['exit_status'], 0)


class TranslationOff(_Findings):
    options = {'append': 'intel_iommu=off'}

    def test_off(self):
        result = self.doctor(0)
        self.assertLessEqual({'caching-mode-on', 'translation-off'}, codes(result))
        self.assertNotIn('pass-through', codes(result))
        self.assertIn('TES = 0', seen(result, 'translation-off'))


class Bypass(_Findings):
    options = {'qemu_args': ('-machine', 'q35,default_bus_bypass_iommu=on')}

    def test_bypass(self):
        result = self.doctor(0)
        self.assertIn('device-bypasses-iommu', codes(result))
        self.assertIn('has bypass_iommu', seen(result, 'device-bypasses-iommu'))
        self.assertNotIn('device-not-in-tables', codes(result))


class CachingModeOff(_Findings):
    """Caching mode and interrupt remapping off, 48 bits: an emulated device does without."""
    options = {'iommu': 'caching-mode=off,intremap=off,aw-bits=48'}

    def test_caching_mode_off(self):
        self.guest.must('echo 1 >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts')
        with Held(self.guest, BDF, PATTERN):
            result = self.verify()
            self.assertEqual(result['exit_status'], 0)
            self.assertEqual(codes(result), {'caching-mode-off', 'domain-shared', 'interrupt-remapping-off'})
            for words in ('CM = 0', 'caching-mode is false', 'those do not need it', 'L1 saw CM = 0 as well'):
                self.assertIn(words, seen(result, 'caching-mode-off'))
            self.assertEqual(codes(self.doctor(0)), codes(result))
            # The same record is none of another guest's.
            with boot(**SMALL) as other:
                result = viommu.verify('-q', other.target, self.guest.record)[1]
            self.assertIn('record-of-another-iommu', codes(result))
            self.assertRegex(seen(result, 'record-of-another-iommu'), r'L1 saw CAP \S+ \(CM = 0\).* the registers are \S+ \(CM = 1\)')


class _Clean(_Findings):
    """Nothing above a note in other modes, with the default pattern."""
    mode = qemu = None

    @classmethod
    def setUpClass(cls):
        cls.guest = boot(mode=cls.mode, qemu=cls.qemu)
        cls.addClassCleanup(cls.guest.close)

    def clean(self):
        with Held(self.guest, BDF):
            for result in (self.doctor(0, '--strict'), self.verify()):
                self.assertEqual(codes(result) - {'domain-shared'}, {'caching-mode-on'})


class Scalable(_Clean):
    mode = 'scalable'

    def test_clean(self):
        self.clean()


class FirstStage(_Clean):
    mode, qemu = 'first', 'qemu-10'

    def test_clean(self):
        self.clean()

    def test_supervisor(self):
        """a page for supervisors only, which no device is"""
        with Held(self.guest, BDF, PATTERN) as held:
            leaf = next(leaf for leaf in held.tables().leaves() if held.state.find(leaf.iova))
            held.memory.write_u64(leaf.entry_gpa, leaf.entry & ~leaf.stage.USER)
            try:
                result = self.doctor(3)
            finally:
                held.memory.write_u64(leaf.entry_gpa, leaf.entry)
        self.assertEqual(codes(result) - {'domain-shared'}, {'caching-mode-on', 'supervisor-page'})
        self.assertIn(f'IOVA {leaf.iova:#x}', seen(result, 'supervisor-page'))


if __name__ == '__main__':
    tap.main()
