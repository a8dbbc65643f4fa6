#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu diff: each kind of change, against a second reader of the tables."""

import itertools
import random

from cli import CLEAN, FAILED, FAULT, REJECTED, USAGE, Case, number, run
from corefile import PAGE, Snapshot
from fake_qmp import DATA

import tap

SID = '0000:00:04.0'
RW = 3


class _Case(Case):
    def setUp(self):
        self.dir = self.scratch()
        self.before = Snapshot.read(DATA / 'clean.elf')
        self.after = Snapshot.read(DATA / 'clean.elf')
        # The table of the last level, of the 16 pages at 0x40000000, by hand.
        self.table = self.find_table(0x40000000)

    def find_table(self, iova):
        snapshot = self.before
        root = snapshot.register(snapshot.base + 0x20, 8) & ~0xfff
        context = snapshot.read_u64(root) & ~0xfff
        table = snapshot.read_u64(context + 16 * 0x20) & ~0xfff
        for shift in (30, 21):
            table = snapshot.read_u64(table + 8 * (iova >> shift & 511)) & 0xffffffffff000
        return table

    def entry(self, page):
        return self.table + 8 * page

    def diff(self, *more, status=FAULT, form='json'):
        paths = []
        for name, snapshot in (('a', self.before), ('b', self.after)):
            paths.append(self.dir / f'{name}.elf')
            paths[-1].write_bytes(snapshot.bytes())
        done = run('diff', *paths, '--format', form, *more)
        self.assert_clean(done, status)
        return done.json if form == 'json' else done.out

    def only(self, result):
        self.assertEqual(len(result['mappings']), 1, result['mappings'])
        self.assertEqual(result['facts'], [])
        item = result['mappings'][0]
        table = result['tables'][item['table']]
        self.assertEqual([device['source_id'] for device in table['devices']], [SID])
        return item


class Mappings(_Case):
    def test_equal(self):
        result = self.diff(status=CLEAN)
        self.assertTrue(result['equal'] and result['complete'])
        self.assertEqual((result['facts'], result['mappings'], result['exit_status']), ([], [], 0))
        self.assertIn('EQUAL\n', self.diff(status=CLEAN, form='text'))

    def test_unmapped_and_mapped(self):
        old = self.before.read_u64(self.entry(5))
        self.after.write_u64(self.entry(5), 0)
        item = self.only(self.diff())
        self.assertEqual((item['changes'], item['first'], item['last']), (['unmapped'], '0x40005000', '0x40005fff'))
        self.assertEqual(item['before'], {'state': 'mapped', 'gpa': hex(old & ~0xfff), 'prot': 'rw', 'page_size': '0x1000'})
        self.assertNotIn('after', item)
        self.before, self.after = self.after, self.before
        item = self.only(self.diff())
        self.assertEqual((item['changes'], number(item['after']['gpa'])), (['mapped'], old & ~0xfff))
        self.assertNotIn('before', item)

    def test_moved(self):
        old = self.before.read_u64(self.entry(5))
        self.after.write_u64(self.entry(5), old + 0x3000)
        item = self.only(self.diff())
        self.assertEqual(item['changes'], ['moved'])
        self.assertEqual(number(item['after']['gpa']) - number(item['before']['gpa']), 0x3000)

    def test_permission(self):
        for bits, prot in ((1, 'r-'), (2, '-w')):
            old = self.before.read_u64(self.entry(5))
            self.after.write_u64(self.entry(5), old & ~3 | bits)
            item = self.only(self.diff())
            self.assertEqual((item['changes'], item['before']['prot'], item['after']['prot']), (['permission'], 'rw', prot))

    def test_both(self):
        old = self.before.read_u64(self.entry(5))
        self.after.write_u64(self.entry(5), (old & ~3) + 0x1000 | 1)
        self.assertEqual(self.only(self.diff())['changes'], ['moved', 'permission'])

    def test_page_size(self):
        """512 pages of 4 KiB become one of 2 MiB, of the same memory"""
        base = 0x600000
        for page in range(512):
            self.before.write_u64(self.table + 8 * page, base + page * PAGE | RW)
            self.after.write_u64(self.table + 8 * page, base + page * PAGE | RW)
        snapshot, iova = self.after, 0x40000000
        table = snapshot.read_u64(snapshot.read_u64(snapshot.register(snapshot.base + 0x20, 8) & ~0xfff) // PAGE * PAGE + 16 * 0x20) & ~0xfff
        directory = snapshot.read_u64(table + 8 * (iova >> 30 & 511)) & ~0xfff
        snapshot.write_u64(directory + 8 * (iova >> 21 & 511), base | RW | 0x80)
        item = self.only(self.diff())
        self.assertEqual((item['changes'], item['first'], item['last']), (['page-size'], '0x40000000', '0x401fffff'))
        self.assertEqual((item['before']['page_size'], item['after']['page_size']), ('0x1000', '0x200000'))

    def test_refused(self):
        """a reserved bit"""
        self.after.write_u64(self.entry(5), self.before.read_u64(self.entry(5)) | 1 << 51)
        item = self.only(self.diff())
        self.assertEqual((item['changes'], item['after']), (['refused'], {'state': 'reserved'}))

    def test_unknown(self):
        """a table that is not in the file: no difference, no equality"""
        del self.after.pages[self.table]
        result = self.diff(status=CLEAN)
        self.assertTrue(result['equal'])
        self.assertFalse(result['complete'])
        self.assertEqual({tuple(item['changes']) for item in result['mappings']}, {('unknown',)})
        self.diff('--strict', status=FAULT)
        self.assertIn('could not be compared', self.diff(status=CLEAN, form='text'))

    def test_not_ram(self):
        """a table outside of RAM is known to be refused"""
        snapshot = self.after
        table = snapshot.read_u64(snapshot.read_u64(snapshot.register(snapshot.base + 0x20, 8) & ~0xfff) // PAGE * PAGE + 16 * 0x20) & ~0xfff
        directory = snapshot.read_u64(table + 8) & ~0xfff
        snapshot.write_u64(directory, 0x7fff000000 | RW)
        snapshot.note['unreadable'].append({'gpa': '0x7fff000000', 'why': 'not-ram'})
        result = self.diff()
        self.assertEqual({(tuple(item['changes']), item['after']['state']) for item in result['mappings']}, {(('refused',), 'not-ram')})

    def test_coalesced(self):
        """neighbours are one stretch when their GPAs are, too"""
        for page in range(100, 200):
            self.after.write_u64(self.table + 8 * page, 0x700000 + page * PAGE | RW)
        item = self.only(self.diff())
        self.assertEqual((item['changes'], item['first'], item['last']), (['mapped'], hex(0x40000000 + 100 * PAGE), hex(0x40000000 + 200 * PAGE - 1)))
        for page in range(100, 200, 2):
            self.after.write_u64(self.table + 8 * page, 0x900000 + page * PAGE | RW)
        self.assertEqual(len(self.diff()['mappings']), 100)

    def test_random(self):
        """many changes at once, against a comparison page by page"""
        rng = random.Random(7)
        for page in range(512):
            for snapshot in (self.before, self.after):
                if rng.random() < 0.5:
                    snapshot.write_u64(self.table + 8 * page, rng.choice((0, 0x700000 | RW, 0x700000 | 1, 0x800000 + page * PAGE | RW)))
                elif snapshot is self.after:
                    snapshot.write_u64(self.table + 8 * page, self.before.read_u64(self.table + 8 * page))
        want = {}
        for page in range(512):
            a, b = (snapshot.read_u64(self.table + 8 * page) for snapshot in (self.before, self.after))
            changes = []
            if not a & 3 and b & 3:
                changes = ['mapped']
            elif a & 3 and not b & 3:
                changes = ['unmapped']
            elif a & 3:
                changes = (['moved'] if a & ~0xfff != b & ~0xfff else []) + (['permission'] if a & 3 != b & 3 else [])
            if changes:
                want[page] = (changes, a & ~0xfff if a & 3 else None, b & ~0xfff if b & 3 else None)
        found = {}
        result = self.diff()
        for item in result['mappings']:
            for at in range(number(item['first']), number(item['last']), PAGE):
                page, more = at - 0x40000000 >> 12, at - number(item['first'])
                self.assertNotIn(page, found)
                found[page] = (item['changes'], *(number(item[side]['gpa']) + more if side in item else None for side in ('before', 'after')))
        self.assertEqual(found, want)
        for change in ('mapped', 'unmapped', 'moved', 'permission'):
            self.assertEqual(result['pages'][change], sum(change in item[0] for item in want.values()))

    def test_left_out(self):
        """text is short, and says so; --all is whole"""
        for page in range(512):
            self.after.write_u64(self.table + 8 * page, 0x700000 + page * 2 * PAGE | RW)
        self.assertRegex(self.diff(form='text'), r'… and [0-9]+ more \(--all')
        self.assertNotIn('more (--all', self.diff('--all', form='text'))


class Facts(_Case):
    def facts(self):
        result = self.diff()
        self.assertEqual(result['mappings'], [])
        return {(item['topic'], item['name']): (item.get('before'), item.get('after')) for item in result['facts']}

    def test_registers(self):
        """fields by their names"""
        fectl = self.before.register(self.before.base + 0x38, 4)
        self.after.write_register(0x38, fectl ^ 1 << 31, 4)
        self.assertEqual(self.facts(), {('register', 'FECTL.IM'): (str(fectl >> 31), str(fectl >> 31 ^ 1))})

    def test_translation_off(self):
        self.after.write_register(0x1c, self.before.register(self.before.base + 0x1c, 4) & ~(1 << 31), 4)
        self.assertEqual(self.facts(), {('register', 'GSTS.TES'): ('1', '0')})

    def test_properties(self):
        properties = self.after.note['machine']['iommu_properties']
        properties['aw-bits'], properties['new'] = 48, 'x'
        del properties['pt']
        self.assertEqual(self.facts(), {('property', 'aw-bits'): ('39', '48'), ('property', 'new'): (None, '"x"'),
                                        ('property', 'pt'): ('true', None)})

    def test_properties_no_longer_asked_for(self):
        """a snapshot that has them, one that has not; two that have them are compared"""
        old, new = (side.note['machine']['iommu_properties'] for side in (self.before, self.after))
        names = ('hotpluggable', 'hotplugged', 'realized')
        for name in names:
            old[name] = True
            new.pop(name, None)
        for _ in range(2):
            result = self.diff(status=CLEAN)
            self.assertTrue(result['equal'] and not result['facts'], result['facts'])
            self.before, self.after = self.after, self.before
        new.update(dict.fromkeys(names, False))
        self.assertEqual(self.facts(), {('property', name): ('true', 'false') for name in names})

    def test_devices(self):
        pci = self.after.note['machine']['pci']
        device = next(item for item in pci if item['sid'] == 0x20)
        device['driver'], device['host'] = 'vfio-pci', '0000:03:00.0'
        pci.append({**device, 'sid': 0xff08})
        facts = self.facts()
        self.assertEqual(set(facts), {('device', '00:04.0'), ('device', 'ff:01.0')})
        self.assertIn('host 0000:03:00.0', facts['device', '00:04.0'][1])
        self.assertIsNone(facts['device', 'ff:01.0'][0])

    def test_qemu(self):
        self.after.note['machine'].update(version='10.0.2', run_state='paused', kvm=True)
        self.assertEqual(self.facts(), {('qemu', 'version'): ('7.2.22', '10.0.2'), ('qemu', 'run state'): ('running', 'paused'),
                                        ('qemu', 'KVM'): ('no', 'yes')})

    def test_time_does_not_count(self):
        self.after.note.update(time='2001-01-01T00:00:00Z', memory_source='HMP xp', paused=True)
        self.diff(status=CLEAN)

    def test_context(self):
        """the device goes through another table; its mappings are compared all the same"""
        snapshot = self.after
        context = snapshot.read_u64(snapshot.register(snapshot.base + 0x20, 8) & ~0xfff) // PAGE * PAGE + 16 * 0x20
        snapshot.write_u64(context + 8, snapshot.read_u64(context + 8) & ~0xffff00 | 77 << 8)
        facts = self.facts()
        self.assertEqual(set(facts), {('context', '00:04.0')})
        self.assertIn('domain 77', facts['context', '00:04.0'][1])

    def test_hostile_texts(self):
        self.after.note['machine'].update(package='\x1b[31m\u202e', run_state='a\nb')
        for form in ('text', 'json'):
            self.diff(form=form)


class Commands(_Case):
    def test_bundles(self):
        path = self.dir / 'x.tar.gz'
        run('report', '-s', DATA / 'wrong-address.elf', DATA / 'small.jsonl', '-o', path, '--no-redact')
        plain = run('diff', DATA / 'clean.elf', DATA / 'wrong-address.elf')
        self.assertEqual(plain.status, FAULT)
        self.assertEqual(run('diff', DATA / 'clean.elf', path).out, plain.out)
        self.assertEqual(run('diff', path, DATA / 'wrong-address.elf').status, CLEAN)

    def test_redacted_bundles(self):
        """what was replaced is no difference, and no equality; what was not is compared"""
        qemu = ['qemu', '-name', 'secret-guest', '-m', '4G', '-drive', 'file=/srv/vm/disk.img,if=none', '-smp', '2']
        paths = {}
        for name, size, disk in (('a', '4G', 'disk'), ('b', '4G', 'disk'), ('c', '8G', 'disk'), ('d', '4G', 'other'),
                                 ('e', '4G -S', 'disk')):
            snapshot = Snapshot.read(DATA / 'clean.elf')
            snapshot.note['machine']['cmdline'] = ' '.join(qemu).replace('4G', size).replace('disk.img', disk + '.img').split()
            paths[name] = self.dir / f'{name}.elf'
            paths[name].write_bytes(snapshot.bytes())
        bundle = self.dir / 'x.tar.gz'
        self.assert_status(run('report', '-s', paths['a'], DATA / 'small.jsonl', '-o', bundle), CLEAN)
        for pair in ((bundle, paths['b']), (paths['b'], bundle), (bundle, paths['d'])):
            done = run('diff', *pair)
            self.assert_status(done, CLEAN)
            self.assertIn('could not be compared: private texts were replaced', done.out)
            self.assertEqual(run('diff', *pair, '--strict').status, FAULT)
            result = run('diff', *pair, '--format', 'json').json
            self.assertEqual((result['equal'], result['complete'], result['facts']), (True, False, []))
        facts = run('diff', bundle, paths['c'], '--format', 'json').json['facts']
        self.assertEqual([(f['name'], f['before'], f['after']) for f in facts], [('command line', '… 4G …', '… 8G …')])
        facts = run('diff', paths['a'], paths['d'], '--format', 'json').json['facts']
        self.assertEqual([f['after'] for f in facts], ['… file=/srv/vm/other.img,if=none …'])
        # One that is more is no command line that is missing.
        facts = run('diff', paths['a'], paths['e'], '--format', 'json').json['facts']
        self.assertEqual([(f['before'], f['after']) for f in facts], [('…', '… -S …')])

    def test_fixtures(self):
        """any two: no crash, and the same both ways round"""
        names = sorted(path.name for path in DATA.glob('*.elf'))
        for a, b in itertools.combinations(names[::2], 2):
            there, back = (run('diff', *pair, '--format', 'json') for pair in ((a, b), (b, a)))
            self.assertEqual(there.status, back.status)
            for change, other in (('mapped', 'unmapped'), ('unmapped', 'mapped'), ('moved', 'moved'), ('refused', 'refused')):
                self.assertEqual(there.json['pages'][change], back.json['pages'][other], (a, b))

    def test_usage(self):
        for words in ([], ['a.elf'], ['a', 'b', 'c']):
            self.assert_says(run('diff', *words), USAGE, 'two files')

    def test_bad_files(self):
        self.assert_says(run('diff', 'clean.elf', 'nowhere'), FAILED, 'nowhere')
        self.assert_says(run('diff', 'nowhere', 'clean.elf'), FAILED, 'nowhere')
        self.assert_says(run('diff', 'clean.elf', 'small.jsonl'), REJECTED, 'small.jsonl')


if __name__ == '__main__':
    tap.main()
