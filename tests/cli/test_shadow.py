#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Link 5 from files: what verify makes of each source of a shadow."""

from cli import CLEAN, DATA, FAILED, FAULT, REJECTED, USAGE, run
from shadow_files import RECORD, ShadowCase

import tap

class Shadow(ShadowCase):
    def test_follows(self):
        """by each source, and by all of them"""
        inner, leaves = self.inner(), self.leaves()
        sources = 'clean.elf', self.record(leaves, from_start=True), self.debugfs(leaves), f'debugfs:{self.debugfs(leaves)}'
        for shadow in [[source] for source in sources] + [sources]:
            with self.subTest(shadow=shadow):
                result = self.verify(inner, *shadow)
                self.assertEqual(self.states(result), {('ok', False): len(leaves)})

    def test_faults(self):
        """an L0 whose table differs from L1's in one way"""
        for name, code in (('missing', 'shadow-missing'), ('wrong-address', 'shadow-wrong-page'),
                           ('wrong-permission', 'shadow-wrong-permission'), ('unexpected', 'shadow-stale')):
            with self.subTest(outer=name):
                inner = self.inner()
                leaves = self.leaves(f'{name}.elf')
                sources = [f'{name}.elf', self.debugfs(leaves)]
                if name != 'wrong-permission':  # a record made by trace does not have them
                    sources.append(self.record(leaves, from_start=True))
                for source in sources:
                    result = self.verify(inner, source, status=FAULT)
                    self.assert_fault(result, code, self.fixture(name))
                    if code != 'shadow-stale':
                        self.assertEqual({run['verdict'] for run in result['runs']}, {'match'})
        text = self.assert_status(run('verify', '-s', inner, RECORD, '--shadow', 'unexpected.elf'), FAULT).out
        self.assertIn('shadow-stale', text)
        self.assertIn('security', text)

    def test_unproven(self):
        """a record that does not go back far enough, has gaps, or is still being written"""
        inner, leaves = self.inner(), self.leaves()
        lost = {'event': 'lost', 'count': 1, 'reason': 'full'}
        elsewhere = {'event': 'map', 'space': 2, 'iova': hex(leaves[0].iova), 'size': '0x1000',
                     'extents': [{'gpa': hex(leaves[0].gpa), 'size': '0x1000'}]}
        for options in ({}, {'from_start': True, 'extra': [lost]}, {'from_start': True, 'end': False},
                        {'from_start': True, 'extra': [elsewhere]}):
            with self.subTest(options=options):
                result = self.verify(inner, self.record(leaves[1:], **options))
                self.assertEqual(self.states(result), {('ok', False): len(leaves) - 1, ('unverified', False): 1})

    def test_no_backing(self):
        """which pages of L0's stand behind L1's is not known: said, and no fault"""
        for note, words in (({'backing': []}, 'capture --backing'), ({'backing': [], 'backing_unknown': 'not\x1b today'}, 'today')):
            inner = self.inner(**note)
            result = self.verify(inner, 'clean.elf')
            self.assertEqual(self.states(result), {('unverified', False): len(self.leaves())})
            self.assertIn(words, run('verify', '-s', inner, RECORD, '--shadow', 'clean.elf').out)
            self.assert_fault(self.verify(inner, 'missing.elf', status=FAULT), 'shadow-missing', self.fixture('missing'))

    def test_bad_backing(self):
        for backing in ({}, [{}], [{'gpa': '0x0', 'hpa': '0x0'}], [{'gpa': '0x10', 'hpa': '0x0', 'size': '0x1000'}],
                        [{'gpa': '0x0', 'hpa': '0x0', 'size': '0x0'}],
                        [{'gpa': '0xfffffffffffff000', 'hpa': '0x0', 'size': '0x2000'}],
                        [{'gpa': '0x0', 'hpa': '0xfffffffffffff000', 'size': '0x2000'}],
                        [{'gpa': '0x1000', 'hpa': '0x0', 'size': '0x1000'}] * 2):
            with self.subTest(backing=backing):
                self.assert_says(run('verify', '-s', self.inner(backing=backing), RECORD), REJECTED, 'its list of backing pages')
        self.assert_says(run('verify', '-s', self.inner(backing_unknown=7), RECORD), REJECTED, 'its list of backing pages')

    def test_device(self):
        """which of the host's devices it is"""
        inner = self.inner()
        arguments = 'verify', '-s', inner, RECORD, '--shadow', 'clean.elf', '--shadow-device'
        self.assert_status(run(*arguments, '0000:00:04.0'), CLEAN)
        self.assert_status(run(*arguments, '00:04.0=00:04.0'), CLEAN)
        self.assert_says(run(*arguments, '0000:00:1e.0'), REJECTED, '0000:00:1e.0')
        for bad in 'x', '=', '00:04.0=', 'x=00:04.0', '00:04.0=hello':
            self.assert_says(run(*arguments, bad), USAGE, '--shadow-device')
        self.assert_says(run('verify', '-s', inner, RECORD, '--shadow-device', '00:04.0'), USAGE, '--shadow')

    def test_bad_source(self):
        inner = self.inner()
        arguments = 'verify', '-s', inner, RECORD, '--shadow'
        (self.directory / 'empty').write_text('')
        (self.directory / 'text').write_text('hello\n')
        (self.directory / 'cut').write_bytes((DATA / 'clean.elf').read_bytes()[:3000])
        self.assert_says(run(*arguments, self.directory / 'nothing'), FAILED, 'nothing')
        self.assert_says(run(*arguments, self.directory), FAILED, 'directory')
        self.assert_says(run(*arguments, 'debugfs:/nonexistent'), FAILED, '/nonexistent')
        self.assert_says(run(*arguments, self.directory / 'empty'), REJECTED, 'no tables of the device')
        self.assert_says(run(*arguments, self.directory / 'text'), REJECTED, 'line 1')
        self.assert_says(run(*arguments, self.directory / 'cut'), REJECTED, 'cut')
        for monitor in 'unix:/nonexistent', 'hmp:unix:/nonexistent', 'hmp:/nonexistent':
            self.assert_says(run(*arguments, monitor), FAILED, 'no monitor answers at', '/nonexistent')
        self.assert_says(run(*arguments, 'debugfs'), REJECTED, 'no VFIO driver')

    def test_emulated(self):
        """nothing is assigned: a shadow has nothing to say, and that is said"""
        done = self.assert_status(run('verify', '-s', 'clean.elf', RECORD, '--shadow', 'missing.elf'), CLEAN)
        self.assertIn('no assigned device', done.err)


if __name__ == '__main__':
    tap.main()
