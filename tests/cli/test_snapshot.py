#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots that are not as they should be: every command, one sentence."""

import copy
import os
import random
import shutil
import struct
import subprocess
import unittest

from bad_snapshot import CLEAN_ELF, READERS, UNUSABLE, BadSnapshot
from cli import CLEAN, FAILED, REJECTED, in_parallel, run
from corefile import PAGE, PT_LOAD, PT_NOTE, Snapshot, elf
from fake_qmp import DATA
from goldens import fixtures

import tap


class Files(BadSnapshot):
    def test_missing(self):
        for name, more in READERS.items():
            self.assert_says(run(name, '-s', 'nowhere.elf', *more), FAILED,
                             'cannot read the snapshot nowhere.elf: No such file')

    def test_directory(self):
        for name, more in READERS.items():
            self.assert_says(run(name, '-s', '.', *more), FAILED, 'cannot read the snapshot .: Is a directory')

    def test_devices(self):
        for path in ('/dev/zero', '/dev/null', '/dev/urandom'):
            self.assert_says(run('info', '-s', path), FAILED, f'cannot read the snapshot {path}')

    def test_fifo(self):
        """nobody writes into it: not waited for"""
        path = self.dir / 'fifo'
        os.mkfifo(path)
        self.assert_says(run('info', '-s', path, seconds=20), FAILED, 'cannot read the snapshot')

    def test_no_permission(self):
        self.need_somebody_else()
        path = self.file(CLEAN_ELF)
        path.chmod(0o600)
        for name, more in READERS.items():
            done = run(name, '-s', path, *more, user=65534, group=65534, extra_groups=[])
            self.assert_says(done, FAILED, f'cannot read the snapshot {path}: Permission denied')

    def test_empty(self):
        self.assert_rejected(b'', 'viommu capture -q unix:SOCKET -o FILE')

    def test_text(self):
        for data in (b'hello\n', b'{"event": "header"}\n', b'\x7fELF', b'!<arch>\n', bytes(100000)):
            self.assert_rejected(data, 'not a 64-bit ELF core file')

    def test_an_elf_that_is_no_core(self):
        self.assert_rejected(open(shutil.which('true'), 'rb').read(), 'not a 64-bit ELF core file',
                             'viommu capture -q unix:SOCKET -o FILE')

    def test_a_core_of_another_program(self):
        note = struct.pack('<III', 5, 4, 1) + b'CORE\0\0\0\0' + b'abcd'
        for segments in ([(PT_LOAD, 0x1000, bytes(PAGE))], [(PT_NOTE, 0, note), (PT_LOAD, 0x1000, bytes(PAGE))],
                         [(PT_NOTE, 0, b'')], [(PT_NOTE, 0, b'x')], [(PT_NOTE, 0, note * 1000)]):
            self.assert_rejected(elf(segments), 'it has no viommu note', 'plain core file')

    def test_a_record_for_a_snapshot(self):
        self.assert_says(run('verify', '-s', 'small.jsonl', 'small.jsonl'), REJECTED, 'it is a record')


class Cut(BadSnapshot):
    def test_at_many_lengths(self):
        """never taken for whole: rejected, and called cut short where that can be seen"""
        last = max(offset for offset in Snapshot(CLEAN_ELF).offsets.values() if offset is not None) + PAGE
        lengths = sorted({*range(0, 200), *range(0, last, 2003), *range(last - 20, last)})
        paths = [self.file(CLEAN_ELF[:length]) for length in lengths]
        for length, done in zip(lengths, in_parallel(lambda path: run('verify', '-s', path, 'small.jsonl'), paths)):
            with self.subTest(length=length):
                self.assert_says(done, REJECTED, UNUSABLE)
                if length > 20000:
                    self.assertIn('cut short', done.err)

    def test_longer(self):
        """what stands behind the end does no harm"""
        self.assertEqual(self.assert_usable(CLEAN_ELF + bytes(5000))['exit_status'], CLEAN)


class Note(BadSnapshot):
    """The JSON in the note is changed."""

    def setUp(self):
        super().setUp()
        self.snapshot = Snapshot(CLEAN_ELF)

    def changed(self, change):
        snapshot = copy.deepcopy(self.snapshot)
        change(snapshot.note)
        return snapshot.bytes()

    def test_the_writer_of_these_tests(self):
        """a file that we have put together is as good as viommu's"""
        self.assertEqual(self.assert_usable(self.snapshot.bytes()), self.assert_usable(CLEAN_ELF))

    def test_newer(self):
        for version in (2, 99, 1 << 40):
            self.assert_rejected(self.changed(lambda note: note.update(version=version)), f'format version {version}',
                                 'reads up to 1', 'use a newer viommu')

    def test_of_another_kind(self):
        for values in ({'format': 'x'}, {'format': None}, {'version': 0}, {'version': '1'}, {'version': -1}):
            self.assert_rejected(self.changed(lambda note: note.update(values)), "its note is not viommu's")

    def test_no_json(self):
        for text in (b'', b'{', b'[]', b'7', b'null', b'\xff' * 100, b'{"a":' * 5000 + b'1' + b'}' * 5000):
            self.assert_rejected(self.snapshot.bytes(note=text), 'note')

    def test_values(self):
        """each value missing, or of another type"""
        needed = [('registers',), ('machine',), ('unreadable',), *(('machine', key) for key in self.snapshot.note['machine']
                  if key in ('ram', 'pci', 'registers_base', 'registers_size', 'version', 'iommu_properties'))]
        for keys in needed:
            for value in (None, 7, 'x', True, 1.5):
                if value == 'x' and keys[-1] == 'version':
                    continue

                def change(note):
                    for key in keys[:-1]:
                        note = note[key]
                    note[keys[-1]] = value
                with self.subTest(keys=keys, value=value):
                    self.assert_rejected(self.changed(change), 'viommu-snapshot(5)')

    def test_lies(self):
        """values that cannot be"""
        lies = {
            'registers': ['00' * 8, 'zz' * 256, '0' * 513, self.snapshot.note['registers'] + '00'],
            'registers_size': ['0x0', '0x7', '0x100000000', '-0x1', '0x10000'],
            'registers_base': ['fed90000', '0x', '0x1ffffffffffffffff'],
            'ram': [[{'first': '0x2000', 'last': '0x1fff'}], [{'first': '0x1000', 'last': '0x2fff'}] * 2, [7], [[]],
                    [{'first': '0x5000', 'last': '0x5fff'}, {'first': '0x1000', 'last': '0x1fff'}]],
            'pci': [[7], [{'sid': 65536}], [{'sid': -1}], [{'sid': '4'}], [{'vendor': 1 << 40}], [{}] * 70000],
        }
        for key, values in lies.items():
            for value in values:
                def change(note):
                    (note if key == 'registers' else note['machine'])[key] = value
                with self.subTest(key=key, value=str(value)[:40]):
                    self.assert_rejected(self.changed(change), 'viommu-snapshot(5)')

    def test_pages_outside_of_ram(self):
        """a page at a GPA that the note does not call RAM is a lie of one of the two"""
        self.assert_rejected(self.changed(lambda note: note['machine'].update(ram=[])), 'outside of the RAM it names')

    def test_unreadable(self):
        table = 0x1000 + max(gpa for gpa in self.snapshot.pages)
        for value in ([7], [{}], [{'gpa': 7, 'why': 'failed'}], [{'gpa': '0x1001', 'why': 'failed'}], [{'gpa': '0x1000'}]):
            self.assert_rejected(self.changed(lambda note: note.update(unreadable=value)), 'list of unreadable pages')
        entry = {'gpa': hex(table), 'why': 'failed'}
        self.assert_usable(self.changed(lambda note: note.update(unreadable=[entry])))
        # A page that is there and is said not to be.
        there = {'gpa': hex(min(self.snapshot.pages)), 'why': 'failed'}
        path = self.file(self.changed(lambda note: note.update(unreadable=[there])))
        self.assertIn(run('info', '-s', path).status, (CLEAN, REJECTED))

    def test_texts(self):
        """hostile texts in every place that holds one"""
        for evil in ('\x1b[31mred\x07', 'a\u202eb\u061c', '\x9b31m', 'line\nbreak', 'x' * 100000, '<b>', '%s'):
            def change(note):
                note.update(time=evil, memory_source=evil, program=evil)
                note['machine'].update(version=evil, package=evil, run_state=evil, iommu_path=evil)
                note['machine']['iommu_properties'].update({evil: evil, 'caching-mode': evil})
                for item in note['machine']['pci']:
                    item.update(id=evil, class_text=evil)
                for item in note['machine']['ram']:
                    item.update(name=evil)
            with self.subTest(evil=evil[:20]):
                found = self.assert_usable(self.changed(change))
                self.assertEqual(found['capture']['time'], evil)
                self.assertEqual(found['qemu']['package'], evil)


class Segments(BadSnapshot):
    """The ELF around it."""

    def setUp(self):
        super().setUp()
        self.snapshot = Snapshot(CLEAN_ELF)
        self.segments = sorted(self.snapshot.pages.items())

    def patched(self, index, field, value):
        """One field of a program header changed (0 type … 7 align)."""
        data = bytearray(CLEAN_ELF)
        at = 64 + 56 * index + (0, 4, 8, 16, 24, 32, 40, 48)[field]
        struct.pack_into('<I' if field < 2 else '<Q', data, at, value)
        return bytes(data)

    def test_odd_pages(self):
        for gpa, data in ((0x1001, bytes(PAGE)), (0x1000, bytes(100)), (0x1000, bytes(PAGE + 1)),
                          ((1 << 64) - PAGE, bytes(2 * PAGE))):
            self.assert_rejected(self.snapshot.bytes(segments=[*self.segments, (gpa, data)]),
                                 'is not a run of whole pages')

    def test_a_page_twice(self):
        first = self.segments[0]
        self.assert_rejected(self.snapshot.bytes(segments=[*self.segments, (first[0], bytes(PAGE))]), 'twice')

    def test_any_order(self):
        random.Random(1).shuffle(self.segments)
        self.assertEqual(self.assert_usable(self.snapshot.bytes(segments=self.segments))['exit_status'], CLEAN)

    def test_pages_missing(self):
        """a table page that is not in the file makes pages unverified, never missing"""
        for gpa, data in self.segments:
            if not any(data):
                continue
            kept = [item for item in self.segments if item[0] != gpa]
            path = self.file(self.snapshot.bytes(segments=kept))
            done = run('verify', '-s', path, 'small.jsonl', '--format', 'json')
            with self.subTest(gpa=hex(gpa)):
                self.assert_clean(done)
                counts = {verdict: count['pages'] for verdict, count in done.json['counts'].items() if count['pages']}
                self.assertEqual(set(counts) - {'match', 'unverified'}, set())

    def test_headers(self):
        """offsets, sizes and counts beyond everything"""
        huge = (1, PAGE - 1, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - PAGE, (1 << 64) - 1)
        headers = [struct.unpack_from('<IIQQQQQQ', CLEAN_ELF, 64 + 56 * index)
                   for index in range(struct.unpack_from('<H', CLEAN_ELF, 56)[0])]
        zeros = next(index for index, header in enumerate(headers) if header[0] == PT_LOAD and header[5] == 0)
        pages = next(index for index, header in enumerate(headers) if header[0] == PT_LOAD and header[5])
        # A place in the file is a lie only when it is none, and room for the note when it is enough.
        for index, field, values in ((0, 2, huge[2:]), (0, 5, huge[2:]), (pages, 2, huge[2:]), *(
                (index, field, huge) for index in (zeros, pages) for field in (4, 5, 6))):
            for value in values:
                path = self.file(self.patched(index, field, value))
                with self.subTest(index=index, field=field, value=hex(value)):
                    self.assert_says(run('verify', '-s', path, 'small.jsonl'), REJECTED, UNUSABLE)
                path.unlink()

    def test_counts(self):
        for count in (0, 1, 200, 0xfffe, 0xffff):
            data = bytearray(CLEAN_ELF)
            struct.pack_into('<H', data, 56, count)
            path = self.file(data)
            done = run('verify', '-s', path, 'small.jsonl')
            with self.subTest(count=count):
                if count == 1:      # the note alone: no page was captured
                    self.assert_clean(done)
                    self.assertIn('unverified', done.out)
                else:
                    self.assert_says(done, REJECTED, UNUSABLE)

    def test_other_elfs(self):
        for at, value in ((4, 1), (5, 2), (16, 2), (16, 3), (0, 0)):
            data = bytearray(CLEAN_ELF)
            data[at] = value
            self.assert_rejected(bytes(data), 'ELF core file')


class Fixtures(BadSnapshot):
    def test_headers_of_what_we_ship(self):
        """snapshots are cores: program headers before everything, GPAs as addresses"""
        for name, fixture in fixtures().items():
            data = (DATA / fixture['snapshot']).read_bytes()
            self.assertEqual(data[:4], b'\x7fELF')
            self.assertEqual(struct.unpack_from('<H', data, 16)[0], 4, name)
            snapshot = Snapshot(data)
            self.assertEqual(snapshot.note['format'], 'viommu-snapshot')
            self.assertEqual(snapshot.name, b'VIOMMU\0')
            self.assertEqual(len(snapshot.pages), fixture['pages'])

    @unittest.skipUnless(shutil.which('readelf'), 'readelf is not installed')
    def test_readelf(self):
        """readelf -l shows them as they are"""
        text = subprocess.run(['readelf', '-lW', DATA / 'clean.elf'], capture_output=True, text=True, check=True).stdout
        self.assertIn('CORE (Core file)', text)
        self.assertEqual(text.count(' LOAD '), struct.unpack_from('<H', CLEAN_ELF, 56)[0] - 1)
        self.assertEqual(text.count(' NOTE '), 1)


if __name__ == '__main__':
    tap.main()
