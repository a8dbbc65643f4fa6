#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Bundles: what is in them, that they replay to the same, and those that are spoiled."""

import gzip
import hashlib
import io
import json
import os
import pathlib
import resource
import signal
import tarfile
import zipfile
import zlib

import bundles
from cli import CLEAN, FAILED, FAULT, REJECTED, SANITIZED, USAGE, Case, in_parallel, run
from corefile import Snapshot
from fake_qmp import DATA

import tap

UNUSABLE = 'is not a usable bundle: '
PAIRS = [('clean.elf', ['small.jsonl']), ('wrong-address.elf', ['small.jsonl']), ('stale.elf', ['half-unmapped.jsonl']),
         ('missing.elf', ['small.jsonl']), ('default.elf', ['default.jsonl']), ('four-levels.elf', ['four-levels.jsonl']),
         ('clean.elf', ['small.jsonl', 'finished.jsonl']), ('translation-off.elf', ['small.jsonl'])]


class _Case(Case):
    def setUp(self):
        self.dir = self.scratch()
        self.count = 0

    def path(self, suffix='.tar.gz'):
        self.count += 1
        return self.dir / f'{self.count}{suffix}'

    def file(self, data):
        path = self.path()
        path.write_bytes(data)
        return path

    def make(self, snapshot='clean.elf', records=('small.jsonl',), *more):
        path = self.path()
        done = run('report', '-s', snapshot, *records, '-o', path, *more)
        self.assertIn(done.status, (CLEAN, FAULT), f'\n{done}')
        self.assertEqual(done.err, '')
        return path


class Content(_Case):
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


class Replay(_Case):
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


class Witnesses(_Case):
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


class Hostile(_Case):
    def setUp(self):
        super().setUp()
        self.good = bundles.read(self.make().read_bytes())

    def assert_rejected(self, data, *pieces):
        path = self.file(data)
        before = sorted(self.dir.rglob('*'))
        for name, words in (('verify', []), ('info', []), ('walk', ['00:04.0', '0x0'])):
            self.assert_says(run(name, path, *words, cwd=self.dir, env={'TMPDIR': str(self.dir)}), REJECTED,
                             f'{path} {UNUSABLE}', *pieces)
        self.assertEqual(sorted(self.dir.rglob('*')), before)
        path.unlink()

    def assert_rejected_with(self, items, *pieces, kind=tarfile.USTAR_FORMAT):
        self.assert_rejected(gzip.compress(bundles.tar([*bundles.members(self.good), *items], kind)), *pieces)

    def test_the_writer_of_these_tests(self):
        path = self.file(bundles.pack(bundles.signed(self.good)))
        self.assertEqual(run('verify', path, '--format', 'json').out.encode(), self.good['result.json'])

    def test_names(self):
        for name in ('/etc/x', '../x', 'viommu-bundle/../x', 'viommu-bundle/a/../../x', 'viommu-bundle//x', 'viommu-bundle/.x',
                     'viommu-bundle/', 'x', 'viommu-bundle/a b', 'viommu-bundle/\x1b[31m', 'viommu-bundle/A', 'viommu-bundle/x/.'):
            with self.subTest(name=name):
                self.assert_rejected_with([bundles.member(name, b'x')], 'is not a plain file' if name.endswith('/') else 'not named as in a bundle')

    def test_kinds(self):
        """links, devices, folders and pipes"""
        name = 'viommu-bundle/x'
        for kind, more in ((tarfile.SYMTYPE, {'linkname': '/etc/passwd'}), (tarfile.LNKTYPE, {'linkname': 'viommu-bundle/snapshot.elf'}),
                           (tarfile.CHRTYPE, {'devmajor': 1, 'devminor': 5}), (tarfile.BLKTYPE, {}), (tarfile.FIFOTYPE, {}),
                           (tarfile.DIRTYPE, {})):
            with self.subTest(kind=kind):
                self.assert_rejected_with([bundles.member(name, type=kind, **more)], 'is not a plain file')

    def test_twice(self):
        self.assert_rejected_with([bundles.member('viommu-bundle/snapshot.elf', b'x')], 'is there twice')
        self.assert_rejected_with([bundles.member('viommu-bundle/manifest.json', b'{}')], 'is there twice')

    def test_long_names(self):
        self.assert_rejected_with([bundles.member('viommu-bundle/' + 'x' * 100000, b'')], kind=tarfile.GNU_FORMAT)
        self.assert_rejected_with([bundles.member('viommu-bundle/' + 'x' * 100000, b'')], kind=tarfile.PAX_FORMAT)

    def test_sparse(self):
        """a file that claims an exabyte of holes"""
        info, _ = bundles.member('viommu-bundle/x')
        info.pax_headers = {'GNU.sparse.major': '0', 'GNU.sparse.minor': '1', 'GNU.sparse.size': str(1 << 60),
                            'GNU.sparse.map': f'0,0,{1 << 60},0', 'GNU.sparse.numblocks': '2', 'GNU.sparse.name': 'viommu-bundle/x'}
        self.assert_rejected_with([(info, b'')], kind=tarfile.PAX_FORMAT)

    def test_many_entries(self):
        self.assert_rejected_with([bundles.member(f'viommu-bundle/{i}') for i in range(5000)], 'more than 1024 entries')

    def test_lying_size(self):
        """a header that promises more than there is"""
        info, _ = bundles.member('viommu-bundle/x', b'')
        info.size = 1 << 32
        out = bundles.tar(bundles.members(self.good))[:-10240] + info.tobuf(tarfile.USTAR_FORMAT) + bytes(1000)
        self.assert_rejected(gzip.compress(out))

    def test_bombs(self):
        """little that becomes much: stopped early, within little memory and time"""
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        info, _ = bundles.member('viommu-bundle/x')
        info.size = 8 << 30
        out = packer.compress(bundles.tar(bundles.members(self.good))[:-10240] + info.tobuf(tarfile.GNU_FORMAT))
        block = bytes(16 << 20)
        for _ in range(20):
            out += packer.compress(block)
        out += packer.flush()
        self.assertLess(len(out), 1 << 20)
        path = self.file(out)

        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        options = {} if SANITIZED else {'preexec_fn': limit}
        self.assert_says(run('info', path, seconds=60, **options), REJECTED, 'it unpacks to more than 300 times its size')

    def test_layers(self):
        """a gzip in a gzip is not taken off"""
        data = bundles.pack(bundles.signed(self.good))
        self.assert_rejected(gzip.compress(data), 'no tar archive')

    def test_not_a_tar(self):
        for data in (b'', b'hello', bytes(5), os.urandom(3000), json.dumps({}).encode(), b'\x7fELF' + bytes(100)):
            with self.subTest(data=data[:10]):
                self.assert_rejected(gzip.compress(data))
        self.assert_rejected(gzip.compress(bytes(20480)))

    def test_other_archives(self):
        """formats that libarchive could read as well"""
        out = io.BytesIO()
        with zipfile.ZipFile(out, 'w') as archive:
            archive.writestr('viommu-bundle/manifest.json', '{}')
        self.assert_rejected(gzip.compress(out.getvalue()))

    def test_damaged(self):
        """a byte changed anywhere"""
        data = bundles.pack(bundles.signed(self.good))
        places = [2, 3, *range(10, len(data), max(1, len(data) // 60)), len(data) - 8, len(data) - 1]
        paths = []
        for place in places:
            spoiled = bytearray(data)
            spoiled[place] ^= 0x55
            paths.append(self.file(bytes(spoiled)))
        for place, done in zip(places, in_parallel(lambda path: run('info', path), paths)):
            with self.subTest(place=place):
                self.assert_says(done, REJECTED, UNUSABLE)

    def test_cut_short(self):
        data = bundles.pack(bundles.signed(self.good))
        lengths = sorted({*range(2, 40), *range(40, len(data), 997), *range(len(data) - 20, len(data))})
        paths = [self.file(data[:length]) for length in lengths]
        for length, done in zip(lengths, in_parallel(lambda path: run('info', path), paths)):
            with self.subTest(length=length):
                self.assert_says(done, REJECTED, UNUSABLE, 'cut short')

    def test_behind_the_end(self):
        data = bundles.pack(bundles.signed(self.good))
        for more in (b'x', bytes(10), data):
            self.assert_rejected(data + more, 'something stands behind its end')

    def test_manifest(self):
        self.assert_rejected(bundles.pack({name: data for name, data in self.good.items() if name != 'manifest.json'}),
                             'it has no manifest')
        for text in (b'', b'{', b'[]', b'7', b'{}', b'{"format":"viommu-bundle"}', b'\xff', b'[' * 100000):
            self.assert_rejected(bundles.pack({**self.good, 'manifest.json': text}), "manifest is not what viommu-bundle(5) says")

    def test_version(self):
        for version in (2, 99):
            files = bundles.signed(self.good, lambda value: value.update(version=version))
            self.assert_rejected(bundles.pack(files), f'format version {version}', 'use a newer viommu')

    def test_parts(self):
        def spoil(**values):
            def change(value):
                value['parts'][0].update(values)
            return change
        for change, piece in ((spoil(sha256='0' * 64), 'checksum differs'), (spoil(size=7), '7 in the manifest'),
                              (spoil(name='nothing'), 'part nothing is missing'), (spoil(name='../x'), 'viommu-bundle(5)'),
                              (spoil(name=7), 'viommu-bundle(5)'), (spoil(kind=None), 'viommu-bundle(5)'),
                              (spoil(kind='x'), 'has no snapshot'), (spoil(size='7'), 'viommu-bundle(5)'),
                              (lambda value: value['parts'].append(value['parts'][0]), 'named twice'),
                              (lambda value: value['parts'].pop(), 'does not name the part'),
                              (lambda value: value.update(parts={}), 'does not name the part'),
                              (lambda value: value['parts'][1].update(kind='snapshot'), 'more than one snapshot')):
            self.assert_rejected(bundles.pack(bundles.signed(self.good, change)), piece)
        for name in list(self.good)[1:]:
            files = {key: value for key, value in self.good.items() if key != name}
            self.assert_rejected(bundles.pack(files), 'is missing')
            self.assert_rejected(bundles.pack({**self.good, name: self.good[name][:-1] + b'?'}), 'checksum differs')

    def test_bad_parts(self):
        """what is in it is as hostile as files are"""
        for name, data, piece in (('snapshot.elf', b'x', 'is not a usable snapshot'), ('snapshot.elf', b'', 'is not a usable snapshot'),
                                  ('records/1.jsonl', b'', 'is not a usable record'), ('records/1.jsonl', b'{}\n', 'is not a usable record')):
            path = self.file(bundles.pack(bundles.signed({**self.good, name: data})))
            self.assert_says(run('verify', path), REJECTED, f'{path}: {name} {piece}')

    def test_how(self):
        """odd values in the rest of the manifest"""
        for values in ({}, {'verify': 7}, {'verify': {'at': 7, 'strict': 'x', 'devices': 7, 'looks': []}},
                       {'verify': {'looks': {'reads': -5, 'in_flux': [7, {}, {'first': '0x5', 'last': '0x1'}]}}}, {'redacted': 7},
                       {'redacted': [7, {'kind': 'path', 'count': -1}, {'kind': 'path', 'count': 1 << 40}]}):
            path = self.file(bundles.pack(bundles.signed(self.good, lambda value: value.update(values))))
            self.assertEqual(run('verify', path).status, CLEAN)
            self.assertEqual(run('report', path).status, CLEAN)
        path = self.file(bundles.pack(bundles.signed(self.good, lambda value: value['verify'].update(at='nowhere'))))
        self.assert_says(run('verify', path), REJECTED, 'ends before the moment')

    def test_texts(self):
        """names from the manifest go to the terminal escaped"""
        evil = '\x1b[31mred\u202e'

        def change(value):
            for part in value['parts']:
                part['path'] = evil
        path = self.file(bundles.pack(bundles.signed(self.good, change)))
        for form in ('text', 'json'):
            self.assertEqual(run('verify', path, '--format', form).status, CLEAN)
        self.assertEqual(run('report', path).status, CLEAN)


class Files(_Case):
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
        """nothing is left of a report that did not fit"""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        if SANITIZED:
            self.skipTest('sanitizers write files')
        path = self.dir / 'x.tar.gz'
        done = run('report', '-s', 'default.elf', 'default.jsonl', '-o', path, preexec_fn=limit)
        self.assert_says(done, FAILED, 'File too large')
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
