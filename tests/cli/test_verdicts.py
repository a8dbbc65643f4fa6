#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What viommu says about each fixture: the right pages, the right words, and
text and JSON that agree with each other and with themselves."""

import functools
import json
import re

from cli import CLEAN, FAULT, Case, in_parallel, number, run
from corefile import PAGE, Snapshot
from fake_qmp import DATA
from goldens import GOLDEN, fixtures, outputs

import tap
from lab import record as records
from lab import vtd

FAULTS = {'missing', 'wrong-address', 'wrong-permission', 'stale', 'unexpected', 'no-context', 'translation-off',
          'pass-through', 'reserved-bit', 'beyond-width'}
OTHERS = {'match', 'unverified', 'in-flux'}


def ranges(runs):
    return records.coalesce((number(run['first']), number(run['last'])) for run in runs)


class Goldens(Case):
    def test_goldens(self):
        """text and JSON, as they were when somebody looked at them (regenerate.py --goldens)"""
        seen = set()
        for path, done in outputs():
            with self.subTest(golden=path.name):
                seen.add(path)
                self.assertEqual(done.out, path.read_text())
                self.assertEqual(done.err, '')
        self.assertEqual(seen, set(GOLDEN.iterdir()), 'each golden belongs to a run')

    def test_same_from_run_to_run(self):
        for (path, one), (_, two) in zip(outputs(), outputs()):
            self.assertEqual(one.out, two.out, path.name)


def each_fixture(test):
    """A test of one fixture (its name, what is known of it, its result) becomes one of all."""
    @functools.wraps(test)
    def tests(self):
        for name, fixture in self.fixtures.items():
            with self.subTest(fixture=name):
                test(self, name, fixture, self.results[name])
    return tests


class Verdicts(Case):
    @classmethod
    def setUpClass(cls):
        cls.fixtures = fixtures()
        cls.results = dict(zip(cls.fixtures, in_parallel(
            lambda f: run('verify', '-s', f['snapshot'], f['record'], '--format', 'json'), cls.fixtures.values())))
        cls.texts = dict(zip(cls.fixtures, in_parallel(
            lambda f: run('verify', '-s', f['snapshot'], f['record'], '--all'), cls.fixtures.values())))

    def held(self, fixture):
        return records.state(DATA / fixture['record'], fixture['device'])

    @each_fixture
    def test_status(self, name, fixture, done):
        status = FAULT if fixture['verdict'] in FAULTS else CLEAN
        self.assert_clean(done, status)
        self.assert_clean(self.texts[name], status)
        self.assertEqual(done.json['exit_status'], status)

    @each_fixture
    def test_right_pages(self, name, fixture, done):
        """the spoiled pages have the verdict, all others match, and there are no others"""
        state = self.held(fixture)
        held = records.coalesce((m.iova, m.last) for m in state.held)
        spoiled = [(number(first), number(last)) for first, last in fixture['expected']]
        by_verdict = {}
        for item in done.json['runs']:
            by_verdict.setdefault(item['verdict'], []).append(item)
        wanted = {'match': records.subtract(held, spoiled)}
        if fixture['verdict']:
            wanted[fixture['verdict']] = records.coalesce(spoiled)
        self.assertEqual({verdict: ranges(runs) for verdict, runs in by_verdict.items()},
                         {verdict: found for verdict, found in wanted.items() if found})

    @each_fixture
    def test_counts_add_up(self, name, fixture, done):
        found, counted = done.json, {}
        self.assertEqual(set(found['counts']), FAULTS | OTHERS)
        for item in found['runs']:
            count = counted.setdefault(item['verdict'], {'pages': 0, 'runs': 0})
            first, last = number(item['first']), number(item['last'])
            self.assertEqual((first % PAGE, (last + 1) % PAGE, first <= last), (0, 0, True))
            count['pages'] += (last - first + 1) // PAGE
            count['runs'] += 1
        for verdict, count in found['counts'].items():
            self.assertEqual(count, counted.get(verdict, {'pages': 0, 'runs': 0}), verdict)
        fault = any(count['pages'] for verdict, count in found['counts'].items() if verdict in FAULTS)
        self.assertEqual(found['exit_status'], FAULT if fault else CLEAN)

    @each_fixture
    def test_runs(self, name, fixture, done):
        """in order, disjoint, each inside of the mapping that it names, with its address"""
        state = self.held(fixture)
        mappings = {}
        with open(DATA / fixture['record']) as handle:
            for event in map(json.loads, handle):
                if event['event'] == 'map':
                    mappings[event['seq']] = event
        before = -1
        for item in done.json['runs']:
            first, last = number(item['first']), number(item['last'])
            self.assertGreater(first, before)
            before = last
            self.assertEqual(item['devices'], ['0000:' + fixture['device']])
            self.assertEqual('evidence' in item, item['verdict'] != 'match')
            if item['verdict'] == 'unexpected':
                self.assertNotIn('expected', item)
                self.assertFalse(state.ever(first))
                continue
            expected = item['expected']
            mapping = mappings[expected['seq']]
            start = number(mapping['iova'])
            self.assertTrue(start <= first and last < start + number(mapping['size']))
            offset, gpa = first - start, None
            for extent in mapping['extents']:
                if offset < number(extent['size']):
                    gpa = number(extent['gpa']) + offset
                    break
                offset -= number(extent['size'])
            self.assertEqual(number(expected['gpa']), gpa)
            self.assertEqual(expected['prot'].replace('-', ''), mapping['prot'])
            if item['verdict'] == 'match':
                self.assertEqual(item['observed']['gpa'], expected['gpa'])

    @each_fixture
    def test_observed(self, name, fixture, done):
        """what a run has seen is what the second opinion reads in the same table"""
        snapshot = Snapshot.read(DATA / fixture['snapshot'])
        for item in done.json['runs']:
            if 'observed' not in item:
                continue
            tables = vtd.Tables(snapshot, fixture['device'])
            for iova in {number(item['first']), number(item['last']) & -PAGE}:
                leaf = tables.walk(iova)[-1]
                self.assertTrue(leaf.leaf and leaf.present)
                self.assertEqual((leaf.gpa & (1 << tables.width) - 1) + iova - leaf.iova,
                                 number(item['observed']['gpa']) + iova - number(item['first']))
                self.assertEqual(leaf.size, number(item['observed']['page_size']))
                self.assertEqual(leaf.prot, item['observed']['prot'])

    @each_fixture
    def test_evidence(self, name, fixture, done):
        """the evidence of the first fault is the entry that was spoiled, with its value"""
        if 'entry_gpa' not in fixture:
            return
        faults = [item for item in done.json['runs'] if item['verdict'] == fixture['verdict']]
        words = [(step['entry_gpa'], step['entry'][0]) for item in faults for step in item['evidence']['steps']
                 if 'entry' in step]
        self.assertIn((fixture['entry_gpa'], fixture['entry']), words)
        for item in faults:
            evidence = item['evidence']
            self.assertEqual(evidence['iova'], item['first'])
            if 'entry' in evidence['steps'][-1]:
                self.assertEqual((evidence['entry_gpa'], evidence['entry']),
                                 (evidence['steps'][-1]['entry_gpa'], evidence['steps'][-1]['entry'][0]))

    @each_fixture
    def test_text_names_it(self, name, fixture, done):
        """the text names the pages, the verdict, the entry and its value, and what stands there"""
        text = self.texts[name].out
        if not fixture['verdict']:
            self.assertRegex(text, r'\nOK: all [0-9,]+ pages are in the vIOMMU\'s tables as L1 asked \(match ')
            self.assertNotIn('FAULT', text)
            return
        first, last = fixture['expected'][0]
        self.assertRegex(text, rf'(?m)^{fixture["verdict"]}  {fixture["device"]}  IOVA {first}-')
        if fixture['verdict'] in FAULTS:
            self.assertRegex(text, r'\nFAULT: [0-9,]+ of [0-9,]+ pages? (is|are) not as L1 asked \(')
        if 'entry_gpa' in fixture:
            self.assertIn(f'entry at GPA {fixture["entry_gpa"]}: 0x{number(fixture["entry"]):016x}', text)

    @each_fixture
    def test_text_and_json_agree(self, name, fixture, done):
        last = re.search(r'\n(?:OK|FAULT|UNVERIFIED): .*\((.*)\)\n', self.texts[name].out).group(1)
        said = {verdict: int(count.replace(',', '')) for verdict, count in
                re.findall(r'([a-z-]+) ([0-9,]+)', last)}
        counts = {verdict: count['pages'] for verdict, count in done.json['counts'].items() if count['pages']}
        self.assertEqual(said, counts)

    def test_columns(self):
        """the report fits a wide terminal"""
        for name in self.fixtures:
            longest = max(self.texts[name].out.splitlines(), key=len)
            self.assertLessEqual(len(longest), 130, longest)

    @each_fixture
    def test_all(self, name, fixture, done):
        """--all adds lines and takes none away"""
        brief = run('verify', '-s', fixture['snapshot'], fixture['record']).out.splitlines()
        whole = self.texts[name].out.splitlines()
        self.assertEqual([line for line in brief if line not in whole and '--all' not in line], [])

    def test_reserved_bit_is_named(self):
        self.assertRegex(self.texts['reserved-bit'].out, r'reserved=0x[1-9a-f]|SNP=1')


class Walk(Case):
    """One translation, against the second opinion."""

    def answers(self, name, fixture, iova):
        done = run('walk', '-s', fixture['snapshot'], fixture['device'], hex(iova), '--format', 'json')
        self.assert_clean(done)
        return done.json['walk']

    def test_every_page(self):
        for name, fixture in fixtures().items():
            if not fixture['small'] or name in ('loop', 'not-ram', 'no-context', 'pass-through', 'translation-off',
                                                'reserved-bit'):
                continue
            tables = vtd.Tables(Snapshot.read(DATA / fixture['snapshot']), fixture['device'])
            state = records.state(DATA / fixture['record'], fixture['device'])
            iovas = [iova + 0x123 for mapping in state.held + state.unmapped
                     for iova in range(mapping.iova, mapping.last, PAGE)]
            iovas += [0, 0x1000, 0x3fffffff, 1 << 30, (1 << 38) - 1, *(number(first) for first, _ in fixture['expected'])]
            for iova, walk in zip(iovas, in_parallel(lambda iova: self.answers(name, fixture, iova), iovas)):
                with self.subTest(fixture=name, iova=hex(iova)):
                    steps = tables.walk(iova)
                    self.assertEqual([step['entry_gpa'] for step in walk['steps'][2:]],
                                     [hex(step.entry_gpa) for step in steps])
                    self.assertEqual([number(step['entry'][0]) for step in walk['steps'][2:]],
                                     [step.entry for step in steps])
                    reached = steps[-1].leaf and steps[-1].present
                    for kind in 'read', 'write':
                        allowed = reached and all(kind[0] in step.prot for step in steps)
                        self.assertEqual(walk[kind]['allowed'], allowed)
                    if reached:
                        self.assertEqual(number(walk['gpa']), steps[-1].gpa + iova - steps[-1].iova)

    def test_answers(self):
        """what is refused names the fault reason and the entry to blame"""
        for name, iova, said in (('missing', None, 'level 1'), ('directory-cleared', None, 'level 2'),
                                 ('no-context', '0x40000000', 'context'), ('reserved-bit', None, 'level 1')):
            fixture = fixtures()[name]
            done = self.assert_clean(run('walk', '-s', fixture['snapshot'], fixture['device'], iova or fixture['walk']))
            self.assertRegex(done.out, rf'\nread   refused: fault reason 0x[0-9a-f]+, .*\({said} entry\)')
        done = self.assert_clean(run('walk', '-s', 'wrong-permission.elf', '00:04.0', fixtures()['wrong-permission']['walk']))
        self.assertRegex(done.out, r'\nread   allowed: GPA 0x[0-9a-f]+')
        self.assertRegex(done.out, r'\nwrite  refused: fault reason 0x5')

    def test_beyond_width(self):
        for iova in ('0x8000000000', '0xffffffffffffffff'):
            done = self.assert_clean(run('walk', '-s', 'clean.elf', '00:04.0', iova))
            self.assertRegex(done.out, 'refused: fault reason 0x4')

    def test_other_devices(self):
        for device in ('00:1e.0', 'ff:1f.7'):
            done = self.assert_clean(run('walk', '-s', 'clean.elf', device, '0'))
            self.assertIn('QEMU has no PCI device there', done.out)
            self.assertIn('refused', done.out)


class Dump(Case):
    def test_runs(self):
        """what dump shows of the device is what the second opinion finds, page by page"""
        for name in ('clean', 'default', 'four-levels', 'half-unmapped', 'unexpected'):
            fixture = fixtures()[name]
            done = self.assert_clean(run('dump', '-s', fixture['snapshot'], '-d', fixture['device'], '--format', 'json'))
            device, = done.json['devices']
            seen = {}
            for item in device['runs']:
                for iova in range(number(item['first']), number(item['last']), PAGE):
                    self.assertNotIn(iova, seen)
                    seen[iova] = number(item['gpa']) + iova - number(item['first']), item['prot']
            wanted = {}
            for leaf in vtd.Tables(Snapshot.read(DATA / fixture['snapshot']), fixture['device']).leaves():
                for offset in range(0, leaf.size, PAGE):
                    wanted[leaf.iova + offset] = leaf.gpa + offset, leaf.prot
            self.assertEqual(seen, wanted)

    def test_one_device(self):
        done = self.assert_clean(run('dump', '-s', 'clean.elf', '-d', '00:1e.0'))
        self.assertIn('QEMU has no PCI device there', done.out)

    def test_no_context(self):
        text = self.assert_clean(run('dump', '-s', 'no-context.elf')).out
        self.assertNotIn('00:04.0', text)
        self.assertIn('translation is off', self.assert_clean(run('dump', '-s', 'translation-off.elf')).out)


class Info(Case):
    def test_registers(self):
        """the registers are those of the snapshot"""
        for name, fixture in fixtures().items():
            snapshot = Snapshot.read(DATA / fixture['snapshot'])
            found = self.assert_clean(run('info', '-s', fixture['snapshot'], '--format', 'json')).json
            base = number(found['registers_base'])
            self.assertEqual(base, snapshot.base)
            for register, item in found['registers'].items():
                size = 4 if register in ('VER', 'GSTS', 'FSTS') else 8
                if register in ('VER', 'CAP', 'ECAP', 'GSTS', 'RTADDR', 'FSTS', 'IQH', 'IQT', 'IQA', 'IRTA'):
                    self.assertEqual(number(item['value']), snapshot.register(base + item['offset'], size), register)

    def test_devices(self):
        """all devices that QEMU named, each with what its DMA goes through"""
        found = self.assert_clean(run('info', '-s', 'clean.elf', '--format', 'json')).json
        named = {item['sid'] for item in Snapshot.read(DATA / 'clean.elf').note['machine']['pci']}
        self.assertEqual({vtd.source_id(item['device']) for item in found['devices']}, named)
        text = self.assert_clean(run('info', '-s', 'pass-through.elf')).out
        self.assertRegex(text, r'00:04\.0 .*pass-through: DMA is not translated')
        self.assertRegex(self.assert_clean(run('info', '-s', 'no-context.elf')).out, r'00:04\.0 .*all DMA is refused')


if __name__ == '__main__':
    tap.main()
