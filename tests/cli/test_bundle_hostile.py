#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Bundles that are spoiled, or mean harm."""

import gzip
import io
import json
import os
import resource
import tarfile
import zipfile
import zlib

import bundles
from bundles import BundleCase
from cli import CLEAN, REJECTED, SANITIZED, in_parallel, run

import tap

UNUSABLE = 'is not a usable bundle: '


class Hostile(BundleCase):
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
        self.assert_says(run('verify', path), REJECTED, 'has no moment')

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


if __name__ == '__main__':
    tap.main()
