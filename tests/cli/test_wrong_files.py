#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A file in the wrong place: what it is, and what to do instead, in place of what a parser makes of it."""

import bz2
import gzip
import io
import lzma
import tarfile

from cli import CLEAN, DATA, FAILED, REJECTED, Case, run
from traced_qemu import TracedQemu

import tap

SAVED = ('-s', 'clean.elf')
RECORD = 'small.jsonl'
LOG = b'Snoop Control with vhost or VFIO is not supported\n' * 20
# What other programs begin their files with; what follows does not matter.
ZSTD, LZ4, ZIP = b'\x28\xb5\x2f\xfd' + bytes(600), b'\x04\x22\x4d\x18' + bytes(600), b'PK\3\4' + bytes(600)
PACKED = {'gzip': ('gunzip', gzip.compress), 'xz': ('unxz', lzma.compress), 'bzip2': ('bunzip2', bz2.compress),
          'zstd': ('unzstd', lambda _: ZSTD), 'lz4': ('unlz4', lambda _: LZ4), 'zip': ('unzip', lambda _: ZIP)}


def tar(**members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w') as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


class WrongFiles(Case):
    def setUp(self):
        self.dir = self.scratch()
        self.snapshot = (DATA / 'clean.elf').read_bytes()
        self.record = (DATA / RECORD).read_bytes()

    def file(self, name, data):
        path = self.dir / name
        path.write_bytes(data)
        return path

    def assert_told(self, done, *pieces):
        self.assert_says(done, REJECTED, *pieces)
        for word in ('line 1', 'JSON object', 'token', 'tar archive, or', 'magic'):
            self.assertNotIn(word, done.err)

    def as_record(self, path, *pieces):
        self.assert_told(run('verify', *SAVED, path), f'{path} is not a usable record: ', *pieces)
        self.assert_told(run('verify', *SAVED, '-', data=path.read_bytes()), '- is not a usable record: ', *pieces)

    def as_snapshot(self, path, *pieces):
        for args in (['info', '-s', path], ['verify', '-s', path, RECORD], ['diff', 'clean.elf', path]):
            self.assert_told(run(*args), f'{path} is not a usable ', *pieces)

    def as_shadow(self, path, *pieces):
        self.assert_told(run('verify', *SAVED, RECORD, '--shadow', path), str(path), *pieces)

    def test_plain_tar(self):
        """a bundle that a browser, or somebody, has unpacked by half"""
        whole = self.dir / 'x.tar.gz'
        self.assert_clean(run('report', *SAVED, RECORD, '-o', whole))
        path = self.file('x.tar', gzip.decompress(whole.read_bytes()))
        said = 'it is a tar archive that is not compressed', 'gzip'
        self.as_record(path, *said)
        self.as_snapshot(path, *said)
        self.as_shadow(path, *said)
        self.assert_told(run('verify', path), *said)
        # What is said to do works.
        again = self.file('again.tar.gz', gzip.compress(path.read_bytes()))
        self.assertEqual(self.assert_status(run('verify', again), CLEAN).out, run('verify', whole).out)

    def test_compressed(self):
        for name, (tool, pack) in PACKED.items():
            for what, data in (('snapshot', self.snapshot), ('record', self.record)):
                with self.subTest(form=name, what=what):
                    path = self.file(f'{what}.{name}', pack(data))
                    self.as_record(path, f'it is compressed ({name})', tool)
                    if name == 'gzip':
                        self.as_snapshot(path, f'it is a compressed {what}', tool)
                    else:
                        self.as_snapshot(path, f'it is compressed ({name})', tool)
                    self.as_shadow(path, f'it is compressed ({name})', tool)

    def test_compressed_something(self):
        for data in (b'hello\n' * 300, b'', tar(a=b'x')):
            path = self.file('x.gz', gzip.compress(data))
            self.assert_says(run('info', '-s', path), REJECTED, f'{path} is not a usable bundle: ')

    def test_elf(self):
        path = self.file('snapshot.elf', self.snapshot)
        self.as_record(path, 'it is an ELF file', 'a snapshot is named with -s')
        # Whatever its bytes are: no line ends in these.
        self.as_record(self.file('cut.elf', self.snapshot[:64].replace(b'\n', b'x')), 'it is an ELF file')

    def test_record(self):
        path = self.file('record.jsonl', self.record)
        self.as_snapshot(path, 'it is a record', 'without -s')
        self.as_snapshot(self.file('result.json', run('verify', *SAVED, RECORD, '--format', 'json').out.encode()),
                         'if it is a record, name it without -s')

    def test_log(self):
        """QEMU's log, as log rotation packs it; from a pipe, and of a QEMU that is asked as well"""
        for name, (tool, pack) in PACKED.items():
            path, said = self.file(f'qemu.log.{name}', pack(LOG)), (f'it is compressed ({name})', tool)
            for log, data in (path, None), ('-', path.read_bytes()):
                for args in (['doctor'], ['doctor', *SAVED], ['verify', *SAVED, RECORD]):
                    with self.subTest(form=name, args=args):
                        done = run(*args, '--qemu-log', log, data=data)
                        self.assert_says(done, FAILED, f"cannot read QEMU's log {log}: ", *said)
            with self.subTest(form=name, live=True), TracedQemu() as qemu:
                self.assert_says(run('verify', '-q', qemu.target, RECORD, '--qemu-log', path), FAILED, str(path), *said)
        self.assert_status(run('verify', *SAVED, RECORD, '--qemu-log', self.file('qemu.log', LOG)), CLEAN)

    def test_watch(self):
        path = self.file('snapshot.elf', self.snapshot)
        self.assert_says(run('watch', '-q', 'unix:/nowhere', path), FAILED, 'no monitor answers')


class Shadow(Case):
    """--shadow names what cannot be read: that is said, also when no device is assigned."""

    def test_unreadable(self):
        for what, why in (('nowhere', 'nowhere: No such file'), ('debugfs:nowhere', 'nowhere'), ('.', 'Is a directory'),
                          ('debugfs:.', 'directory'), ('unix:/nowhere/qmp', 'no monitor answers')):
            with self.subTest(what=what):
                done = run('verify', *SAVED, RECORD, '--shadow', what)
                self.assert_says(done, FAILED, why)

    def test_bad(self):
        folder = self.scratch()
        (folder / 'cut.elf').write_bytes((DATA / 'clean.elf').read_bytes()[:3000])
        (folder / 'bad.jsonl').write_bytes(b'{"event": "header"}\n')
        for name in 'cut.elf', 'bad.jsonl':
            self.assert_says(run('verify', *SAVED, RECORD, '--shadow', folder / name), REJECTED, 'is not a usable')

    def test_readable(self):
        """no device is assigned: it has nothing to say, which is no error"""
        done = self.assert_status(run('verify', *SAVED, RECORD, '--shadow', 'missing.elf', '--shadow', 'small.jsonl'), CLEAN)
        self.assertEqual(done.err.count('\n'), 1)
        self.assertIn('no assigned device', done.err)


if __name__ == '__main__':
    tap.main()
