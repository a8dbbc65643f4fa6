#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Bundles: what is in them, and that they replay to the same."""

import hashlib
import json
import os
import pathlib
import resource
import signal
import tarfile

import bundles
from bundles import BundleCase
from cli import CLEAN, FAILED, FAULT, REJECTED, SANITIZED, USAGE, run
from corefile import Snapshot
from fake_qmp import DATA

import tap

PAIRS = [('clean.elf', ['small.jsonl']), ('wrong-address.elf', ['small.jsonl']), ('stale.elf', ['half-unmapped.jsonl']),
         ('missing.elf', ['small.jsonl']), ('default.elf', ['default.jsonl']), ('four-levels.elf', ['four-levels.jsonl']),
         ('clean.elf', ['small.jsonl', 'half-unmapped.jsonl']), ('translation-off.elf', ['small.jsonl'])]


class Content(BundleCase):
    def test_manifest(self):
        """every part with its size and checksum, and nothing else in the archive"""
        files = bundles.read(self.make().read_bytes())
        manifest = bundles.manifest(files)
        self.assertEqual((manifest['format'], manifest['version']), ('viommu-bundle', 1))
        self.assertEqual(list(files), ['manifest.json', *(part['name'] for part in manifest['parts'])])
        for part in manifest['parts']:
            self.assertEqual(part['size'], len(files[part['name']]))
            self.assertEqual(part['sha256'], hashlib.sha256(files[part['name']]).hexdigest())
        self.assertEqual({part['kind'] for part in manifest['parts']},
                         {'snapshot', 'record', 'qemu', 'l1', 'result', 'report'})

    def test_members(self):
        """plain files of nobody, of no time"""
        with tarfile.open(self.make()) as tar:
            for member in tar:
                self.assertTrue(member.isreg())
                self.assertEqual((member.uid, member.gid, member.mtime, member.mode & 0o777), (0, 0, 0, 0o644))

    def test_same_bytes(self):
        """the same inputs give the same bytes; so nothing of the gzip header is of now or here"""
        first = self.make().read_bytes()
        self.assertEqual(first, self.make().read_bytes())
        self.assertEqual(first[3:8], bytes(5))

    def test_parts(self):
        """the parts are what they say: tables byte for byte, record line by line"""
        files = bundles.read(self.make('clean.elf', ['small.jsonl'], '--no-redact').read_bytes())
        self.assertEqual(Snapshot(files['snapshot.elf']).pages, Snapshot.read(DATA / 'clean.elf').pages)
        self.assertEqual(Snapshot(files['snapshot.elf']).note, Snapshot.read(DATA / 'clean.elf').note)
        self.assertEqual(files['records/1.jsonl'], (DATA / 'small.jsonl').read_bytes())
        self.assertEqual(json.loads(files['qemu.json'])['machine'], Snapshot.read(DATA / 'clean.elf').note['machine'])
        header = json.loads((DATA / 'small.jsonl').read_text().splitlines()[0])
        self.assertEqual(json.loads(files['l1.json']), [{'record': 'records/1.jsonl', 'facts': [header]}])
        self.assertNotIn('redacted', bundles.manifest(files))

    def test_record_from_a_pipe(self):
        path = self.path()
        record = (DATA / 'small.jsonl').read_bytes()
        done = run('report', '-s', 'clean.elf', '-', '-o', path, '--no-redact', data=record)
        self.assertEqual(done.status, CLEAN, f'\n{done}')
        self.assertEqual(bundles.read(path.read_bytes())['records/1.jsonl'], record)
        self.assertEqual(run('verify', path).status, CLEAN)

    def test_formats(self):
        """by suffix and by name"""
        path = self.dir / 'x.tgz'
        self.assertEqual(run('report', '-s', 'clean.elf', 'small.jsonl', '-o', path).status, CLEAN)
        self.assertEqual(path.read_bytes(), self.make().read_bytes())
        path = self.dir / 'x.bin'
        self.assertEqual(run('report', '-s', 'clean.elf', 'small.jsonl', '-o', path, '--format', 'bundle').status, CLEAN)
        self.assertEqual(path.read_bytes(), self.make().read_bytes())


class Replay(BundleCase):
    def test_verify(self):
        """text, JSON and status are the same as of the files, and as in the bundle"""
        for snapshot, records in PAIRS:
            with self.subTest(snapshot=snapshot, records=records):
                kept = self.make(snapshot, records, '--no-redact')
                shown = self.make(snapshot, records)
                for form in ('text', 'json'):
                    live = run('verify', '-s', snapshot, *records, '--format', form)
                    self.assertIn(live.status, (CLEAN, FAULT))
                    for words in ([kept], ['-s', kept]):
                        again = run('verify', *words, '--format', form)
                        self.assertEqual((again.out, again.err, again.status), (live.out, live.err, live.status))
                    again = run('verify', shown, '--format', form)
                    self.assertEqual(again.status, live.status)
                    if form == 'json':
                        self.assertEqual(again.out.encode(), bundles.read(shown.read_bytes())['result.json'])

    def test_at_and_strict(self):
        """how it was verified goes along, and can be said otherwise"""
        live = run('verify', '-s', 'clean.elf', 'small.jsonl', '--at', '5', '--format', 'json')
        path = self.make('clean.elf', ['small.jsonl'], '--no-redact', '--at', '5')
        self.assertEqual(run('verify', path, '--format', 'json').out, live.out)
        end = run('verify', '-s', 'clean.elf', 'small.jsonl', '--format', 'json')
        self.assertNotEqual(end.out, live.out)
        named = run('verify', '-s', path, 'small.jsonl', '--format', 'json')
        self.assertEqual(named.out, end.out)
        snapshot = Snapshot.read(DATA / 'clean.elf')
        table = max(gpa for gpa in snapshot.pages)
        del snapshot.pages[table]
        elf = self.path('.elf')
        elf.write_bytes(snapshot.bytes())
        for more in ([], ['--strict']):
            live = run('verify', '-s', elf, 'small.jsonl', *more)
            path = self.make(elf, ['small.jsonl'], *more)
            self.assertEqual(run('verify', path).status, live.status)

    def test_other_commands(self):
        """dump, walk, info and doctor of a bundle are those of its snapshot"""
        commands = [['dump'], ['dump', '--queue'], ['dump', '--interrupts'], ['dump', '--entries'],
                    ['walk', '00:04.0', '0x40000000'], ['info'], ['doctor']]
        for snapshot, records in PAIRS[:4]:
            path = self.make(snapshot, records)
            for name, *words in commands:
                for form in ('text', 'json'):
                    live = run(name, '-s', snapshot, *words, '--format', form)
                    for target in (['-s', path], [path]):
                        again = run(name, *target, *words, '--format', form)
                        self.assertEqual((again.out, again.err, again.status), (live.out, live.err, live.status))

    def test_report_of_a_bundle(self):
        """all other forms can be made of it; and a bundle of a bundle is the same"""
        path = self.make('wrong-address.elf')
        for form in ('markdown', 'html', 'json', 'junit', 'tap', 'text'):
            again = run('report', path, '--format', form)
            self.assertEqual(again.status, FAULT, f'\n{again}')
        other = self.path()
        self.assertEqual(run('report', path, '-o', other).status, FAULT)
        first, second = bundles.read(path.read_bytes()), bundles.read(other.read_bytes())
        for name in ('snapshot.elf', 'records/1.jsonl', 'result.json', 'qemu.json', 'l1.json'):
            self.assertEqual(first[name], second[name])
        self.assertEqual(bundles.manifest(first)['redacted'], bundles.manifest(second)['redacted'])

    def test_looks(self):
        """what only live looks could tell is told again: reads, and what was in flux"""
        files = bundles.read(self.make('wrong-address.elf').read_bytes())
        run_ = next(item for item in json.loads(files['result.json'])['runs'] if item['verdict'] == 'wrong-address')

        def change(value):
            value['verify']['looks'] = {'reads': 5, 'in_flux': [
                {'record': 0, 'space': 1, 'source_id': 0x20, 'first': run_['first'], 'last': run_['last']}]}
        path = self.file(bundles.pack(bundles.signed(files, change)))
        result = run('verify', path, '--format', 'json')
        self.assertEqual(result.status, CLEAN)
        self.assertEqual(result.json['capture']['reads'], 5)
        self.assertEqual(result.json['counts']['in-flux']['pages'], 1)
        self.assertEqual(result.json['counts']['wrong-address']['pages'], 0)
        other = self.path()
        self.assertEqual(run('report', path, '-o', other).status, CLEAN)
        self.assertEqual(run('verify', other, '--format', 'json').out, result.out)

    def test_nothing_else(self):
        """it needs no file but the bundle, no folder for temporary ones, and no QEMU"""
        path = self.make()
        empty = self.dir / 'empty'
        empty.mkdir()
        live = run('verify', '-s', path)
        again = run('verify', path, cwd=empty, env={'PATH': None, 'HOME': None, 'TMPDIR': '/nowhere'})
        self.assertEqual((again.out, again.status), (live.out, live.status))
        self.assertEqual(list(empty.iterdir()), [])

    def test_no_record(self):
        path = self.make()
        files = bundles.read(path.read_bytes())
        del files['records/1.jsonl']
        path = self.file(bundles.pack(bundles.signed(files)))
        self.assert_says(run('verify', path), REJECTED, 'has no record in it; name one')
        self.assertEqual(run('verify', '-s', path, 'small.jsonl').status, CLEAN)
        self.assertEqual(run('info', path).status, CLEAN)


class Witnesses(BundleCase):
    LOGS = pathlib.Path(DATA).parent / 'qemu-log'

    def test_log(self):
        """QEMU's log goes along, and what it says of link 4"""
        names = [name for name in ('nested-7.2', 'nested-10.0') if (self.LOGS / f'{name}.log').exists()]
        self.assertTrue(names)
        for name in names:
            words = ['-s', self.LOGS / f'{name}.elf', self.LOGS / f'{name}.jsonl', '--qemu-log', self.LOGS / f'{name}.log']
            live = run('verify', *words, '--format', 'json')
            self.assertIn(live.status, (CLEAN, FAULT), f'\n{live}')
            without = run('verify', *words[:3], '--format', 'json')
            self.assertNotEqual(live.json['chain'], without.json['chain'])
            path = self.path()
            run('report', *words, '-o', path, '--no-redact')
            self.assertEqual(bundles.read(path.read_bytes())['qemu.log'], (self.LOGS / f'{name}.log').read_bytes())
            again = run('verify', path, '--format', 'json')
            self.assertEqual(again.json, live.json)
            other = self.path()
            run('report', path, '-o', other)
            shown = run('verify', other, '--format', 'json')
            self.assertEqual(shown.json['chain'], live.json['chain'])
            self.assertEqual(shown.json['counts'], live.json['counts'])


class Files(BundleCase):
    def test_missing(self):
        self.assert_says(run('verify', '-s', 'nowhere.tar.gz', 'small.jsonl'), FAILED, 'nowhere.tar.gz: No such file')

    def test_no_target(self):
        self.assert_says(run('verify', 'small.jsonl'), USAGE, 'name the target')

    def test_exists(self):
        path = self.make()
        before = path.read_bytes()
        done = run('report', '-s', 'wrong-address.elf', 'small.jsonl', '-o', path)
        self.assert_says(done, FAILED, 'exists already', '--force')
        self.assertEqual(path.read_bytes(), before)
        self.assertEqual(run('report', '-s', 'wrong-address.elf', 'small.jsonl', '-o', path, '--force').status, FAULT)
        self.assertEqual(run('verify', path).status, FAULT)

    def test_directory(self):
        (self.dir / 'x.tar.gz').mkdir()
        for more in ([], ['--force']):
            self.assert_says(run('report', '-s', 'clean.elf', 'small.jsonl', '-o', self.dir / 'x.tar.gz', *more), FAILED, 'directory')

    def test_disk_full(self):
        """nothing is left of a report that did not fit; also when its parts, in memory, did not: it is that report which is not made"""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        if SANITIZED:
            self.skipTest('sanitizers write files')
        path = self.dir / 'x.tar.gz'
        done = run('report', '-s', 'default.elf', 'default.jsonl', '-o', path, preexec_fn=limit)
        self.assert_says(done, FAILED, f'{path}: cannot write', 'File too large')
        self.assertEqual(list(self.dir.iterdir()), [])

    def test_no_libarchive(self):
        """it is loaded for bundles only, and what is missing is named"""
        bundle = self.make()
        (self.dir / 'libarchive.so.13').touch()
        without = {'env': {**os.environ, 'LD_LIBRARY_PATH': str(self.dir)}}
        for argv in ('verify', bundle), ('report', '-s', 'clean.elf', 'small.jsonl', '-o', self.path()):
            self.assert_says(run(*argv, **without), FAILED, 'bundles need libarchive.so.13', 'file too short', 'Debian has it in')
        self.assertEqual(run('verify', '-s', 'clean.elf', 'small.jsonl', **without).status, CLEAN)
        self.assertEqual(run('report', '-s', 'clean.elf', 'small.jsonl', '-o', self.path('.md'), **without).status, CLEAN)
        self.assertEqual(len(list(self.dir.iterdir())), 3)

    def test_dev_full(self):
        with open('/dev/full', 'wb') as full:
            done = run('report', '-s', 'clean.elf', 'small.jsonl', '--format', 'bundle', stdout=full)
        self.assert_status(done, FAILED)
        self.assertIn('cannot write the bundle: No space left', done.err)


if __name__ == '__main__':
    tap.main()
