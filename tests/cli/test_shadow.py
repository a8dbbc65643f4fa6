#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Link 5 from files: what verify makes of each source of a shadow.  The fixtures'
tables serve twice: as L1's, of a device that is made an assigned one, and as L0's."""

import json

from cli import CLEAN, DATA, FAILED, FAULT, REJECTED, USAGE, Case, number, run
from corefile import PAGE, Snapshot

import tap
from lab import vtd

DEVICE = '0000:00:04.0'
RECORD = 'small.jsonl'
HEADER = {'event': 'header', 'format': 'viommu-record', 'version': 1, 'session': '0' * 16}


class Shadow(Case):
    def inner(self, **note):
        """clean.elf with 00:04.0 assigned to L1, each of whose pages is L0's of the same number."""
        snapshot = Snapshot.read(DATA / 'clean.elf')
        for device in snapshot.note['machine']['pci']:
            if device['sid'] == '0x20' or device['sid'] == 0x20:
                device.update(driver='vfio-pci', host=DEVICE)
        snapshot.note.update({'backing': [{'gpa': '0x0', 'hpa': '0x0', 'size': '0x20000000'}], **note})
        self.directory = self.scratch()
        path = self.directory / 'inner.elf'
        path.write_bytes(snapshot.bytes())
        return path

    def leaves(self, name='clean.elf'):
        return vtd.Tables(Snapshot.read(DATA / name), DEVICE[5:]).leaves()

    def record(self, leaves, end=True, extra=(), **attach):
        """One made in L0, of these pages."""
        events = [{'event': 'attach', 'space': 1, 'device': DEVICE, 'backend': 'vfio', 'complete': False, **attach}]
        events += [{'event': 'map', 'space': 1, 'iova': hex(leaf.iova), 'size': hex(leaf.size),
                    'extents': [{'gpa': hex(leaf.gpa), 'size': hex(leaf.size)}]} for leaf in leaves]
        events += [*extra, *([{'event': 'end', 'reason': 'the test'}] if end else [])]
        lines = [HEADER, *({'seq': i, 'time_ns': i, **event} for i, event in enumerate(events, 1))]
        path = self.directory / 'host.jsonl'
        path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
        return path

    def debugfs(self, leaves):
        rows = [f'0x{leaf.iova >> 12:013x} |\t' + '\t'.join(
                    [f'0x{0:016x}', f'0x{0:016x}', f'0x{3:016x}', f'0x{3:016x}', f'0x{leaf.entry:016x}']) for leaf in leaves]
        path = self.directory / 'debugfs.txt'
        path.write_text('\n'.join([f'Device {DEVICE} @0x1000', 'IOVA_PFN\t\tPML5E', *rows, '']))
        return path

    def verify(self, inner, *shadow, status=CLEAN):
        arguments = [word for what in shadow for word in ('--shadow', what)]
        return self.assert_status(run('verify', '-s', inner, RECORD, '--format', 'json', *arguments), status).json

    def states(self, result):
        link, = [link for link in result['chain'] if link['link'] == 'shadow']
        return {(share['state'], share['unmapped']): share['pages'] for share in link['pages']}

    def assert_fault(self, result, code, iovas):
        found = {iova for run in result['runs'] + result['unmapped'] if run['links']['shadow'] == 'broken'
                 for iova in range(number(run['first']), number(run['last']), PAGE)}
        self.assertEqual(found, iovas)
        self.assertEqual({item['code'] for item in result['findings'] if item['code'].startswith('shadow-')}, {code})

    def fixture(self, name):
        data = json.loads((DATA / 'fixtures.json').read_text())[name]
        return {iova for first, last in data['expected'] for iova in range(number(first), number(last), PAGE)}

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
