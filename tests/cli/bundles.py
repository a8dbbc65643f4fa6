# SPDX-License-Identifier: GPL-2.0-or-later
"""Bundles (viommu-bundle(5)) read and written apart from viommu's own code."""

import gzip
import hashlib
import io
import json
import tarfile

from cli import CLEAN, FAULT, Case, run

FOLDER = 'viommu-bundle/'


def read(data):
    """{name: bytes} in the order of the archive."""
    with tarfile.open(fileobj=io.BytesIO(data), mode='r:gz') as tar:
        return {member.name.removeprefix(FOLDER): tar.extractfile(member).read() for member in tar}


def manifest(files):
    return json.loads(files['manifest.json'])


def signed(files, change=None):
    """The files with a manifest that fits them; `change` may spoil it."""
    value = manifest(files)
    known = {part['name']: part for part in value['parts']}
    value['parts'] = [{'kind': 'extra', **known.get(name, {}), 'name': name, 'size': len(data),
                       'sha256': hashlib.sha256(data).hexdigest()}
                      for name, data in files.items() if name != 'manifest.json']
    if change:
        change(value)
    return {**files, 'manifest.json': json.dumps(value).encode()}


def member(name, data=b'', **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def members(files):
    return [member(FOLDER + name, data) for name, data in files.items()]


def tar(items, kind=tarfile.USTAR_FORMAT):
    """A tar archive of [(TarInfo, bytes)]."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=kind) as archive:
        for info, data in items:
            archive.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return out.getvalue()


def pack(files):
    return gzip.compress(tar(members(files)), mtime=0)


class BundleCase(Case):
    """One that makes bundles in a directory of its own."""

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
