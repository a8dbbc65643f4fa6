#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Binary tables in, text out: byte for byte what stands in tests/data/tables."""

import re

from cli import DATA, Case, in_parallel, run
from corefile import Snapshot
from tables import TABLES, build, commands, outputs

import expect
import tap

# What the walker can answer. 0xd and 0x91 are of requests that no walk is about.
REASONS = {*range(0x1, 0xd), 0xe, 0x50, 0x51, 0x58, 0x59, 0x5b, 0x70, 0x71, 0x72, 0x73, 0x80, 0x81, 0x85, 0x87}


class Tables(Case):
    def test_texts(self):
        """dump, dump --entries and walk (regenerate.py --goldens makes them)"""
        for path, text in outputs():
            with self.subTest(text=path.name):
                self.assertEqual(text, path.read_text())

    def test_images(self):
        """the images are those that the builder makes (regenerate.py --tables)"""
        for name, image, _ in build():
            with self.subTest(image=name):
                self.assertEqual((TABLES / f'{name}.elf').read_bytes(), image.bytes())

    def test_no_others(self):
        wanted = {path for name, _, probes in build()
                  for path in (TABLES / f'{name}.elf', *(path for path, _ in commands(name, probes)))}
        self.assertEqual({path for path in TABLES.rglob('*') if path.is_file()}, wanted)

    def test_second_opinion(self):
        """each walk against the second walker of tests/hostile"""
        asked = [(name, image, probe) for name, image, probes in build() for probe in probes]

        def ask(item):
            name, _, (device, iova, *pasid) = item
            args = ['walk', '-s', f'{name}.elf', device, hex(iova), *(f'--pasid={value}' for value in pasid)]
            return [run(*args, '--format', form, cwd=TABLES) for form in ('text', 'json')]

        for (name, image, probe), (text, json) in zip(asked, in_parallel(ask, asked)):
            with self.subTest(image=name, probe=probe):
                expect.walk(type('', (), {'image': image}), probe, text.out, json.json)

    def test_everything_is_there(self):
        """each fault reason, each number of levels, each size of a page, each kind of entry"""
        text = ''.join(path.read_text() for path in TABLES.rglob('*.walk.txt'))
        self.assertEqual({int(reason, 16) for reason in re.findall(r'fault reason (0x[0-9a-f]+)', text)}, REASONS)
        for words in ('3 levels', '4 levels', '5 levels', 'pass-through', 'device-TLB allowed', 'PGTT=1 ', 'PGTT=2 ', 'PGTT=3 ',
                      'PGTT=4 ', 'FS level 5', '4 KiB page', '2 MiB page', '1 GiB page', 'NXE=1', 'XD=1', 'TM=1', 'SNP=1'):
            with self.subTest(words=words):
                self.assertIn(words, text)


class Interrupts(Case):
    def test_redirection_hint(self):
        """bit 3 of an entry (VT-d 9.9): the interrupt goes to one of the processors in Destination-ID"""
        snapshot = Snapshot.read(DATA / 'clean.elf')
        table = snapshot.register(snapshot.base + 0xb8, 8) & ~0xfff
        path = self.scratch() / 'rh.elf'
        shown = {}
        for hint in 0, 1:
            snapshot.write_u64(table + 16 * 7, 1 | hint << 3 | 0x31 << 16)
            path.write_bytes(snapshot.bytes())
            found = self.assert_clean(run('dump', '-s', path, '--interrupts', '--format', 'json')).json['interrupts']['entries']
            entry, = [entry for entry in found if entry['index'] == 7]
            self.assertIs(entry['redirection_hint'], bool(hint))
            shown[hint], = re.findall(r'(?m)^ +7  vector .*$', run('dump', '-s', path, '--interrupts').out)
        self.assertIn(', redirection hint,', shown[1])
        self.assertNotIn('hint', shown[0])


if __name__ == '__main__':
    tap.main()
