# SPDX-License-Identifier: GPL-2.0-or-later
"""Builds the initramfs: busybox, the modules the guest needs, programs to
try, and the init script.  Everything is done here, so that the host needs
neither cpio nor kmod."""

import lzma
import os
import shutil
import stat
import struct

from .errors import Unavailable

# What to load; what these need in turn is found in the modules themselves.
MODULES = ('virtio_pci', 'virtio_console', 'vfio_iommu_type1', 'vfio-pci')
_HERE = os.path.dirname(os.path.abspath(__file__))


class Cpio:
    """A writer of the "newc" format (Documentation/driver-api/early-userspace/
    buffer-format.rst in Linux)."""

    def __init__(self):
        self._parts = []
        self._inode = 0
        self._directories = set()

    def _entry(self, name, mode, data=b'', rdev=(0, 0)):
        self._inode += 1
        raw = name.encode() + b'\0'
        fields = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(raw), 0)
        header = b'070701' + b''.join(b'%08X' % field for field in fields)
        for part in (header + raw, data):
            self._parts.append(part + bytes(-len(part) % 4))

    def directory(self, name):
        name = name.strip('/')
        if not name or name in self._directories:
            return
        self.directory(os.path.dirname(name))
        self._directories.add(name)
        self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, data, mode=0o755):
        self.directory(os.path.dirname(name))
        self._entry(name.strip('/'), stat.S_IFREG | mode, data)

    def symlink(self, name, target):
        self.directory(os.path.dirname(name))
        self._entry(name.strip('/'), stat.S_IFLNK | 0o777, target.encode())

    def device(self, name, major, minor):
        self.directory(os.path.dirname(name))
        self._entry(name.strip('/'), stat.S_IFCHR | 0o600, rdev=(major, minor))

    def finish(self):
        self._entry('TRAILER!!!', 0)
        return b''.join(self._parts)


def _modinfo_depends(data):
    """The "depends=" string of a module's .modinfo section.  Debian's packages
    carry no modules.dep (depmod runs at installation), so we look ourselves."""
    if data[:5] != b'\x7fELF\x02':
        raise Unavailable('a kernel module is not a 64-bit ELF file')
    section_offset, = struct.unpack_from('<Q', data, 0x28)
    size, count, names_index = struct.unpack_from('<HHH', data, 0x3a)

    def section(index):
        return struct.unpack_from('<IIQQQQ', data, section_offset + index * size)

    names_offset = section(names_index)[4]
    for index in range(count):
        name, _type, _flags, _addr, offset, length = section(index)
        start = names_offset + name
        if data[start:start + 9] == b'.modinfo\0':
            for item in data[offset:offset + length].split(b'\0'):
                if item.startswith(b'depends='):
                    return [word for word in item[8:].decode().split(',') if word]
    return []


def _canonical(name):
    return name.replace('-', '_')


def _module_files(directory):
    found = {}
    for top, _dirs, files in os.walk(directory):
        for name in files:
            stem, dot, ending = name.partition('.ko')
            if dot and ending in ('', '.xz'):
                found[_canonical(stem)] = os.path.join(top, name)
    return found


def _builtin(directory):
    path = os.path.join(directory, 'modules.builtin')
    if not os.path.exists(path):
        return set()
    with open(path) as handle:
        return {_canonical(os.path.basename(line.strip()).removesuffix('.ko')) for line in handle}


def resolve_modules(directory, wanted=MODULES):
    """[(name, data)] in the order in which they can be loaded."""
    files, builtin = _module_files(directory), _builtin(directory)
    order, seen = [], set()

    def add(name):
        name = _canonical(name)
        if name in seen or name in builtin:
            return
        seen.add(name)
        if name not in files:
            # Not every kernel cuts the same modules (vfio_virqfd went in 6.2),
            # so only a wanted one that is nowhere at all is worth an error.
            raise Unavailable(f'the kernel in {directory} has no module {name}')
        with open(files[name], 'rb') as handle:
            data = handle.read()
        if files[name].endswith('.xz'):
            data = lzma.decompress(data)
        for needed in _modinfo_depends(data):
            add(needed)
        order.append((name, data))

    for name in wanted:
        add(name)
    return order


def _busybox():
    path = shutil.which('busybox')
    if not path:
        raise Unavailable('busybox is missing: apt-get install busybox-static')
    with open(path, 'rb') as handle:
        data = handle.read()
    if b'/lib64/ld-linux' in data[:4096]:
        raise Unavailable('busybox is not static: apt-get install busybox-static')
    return data


def build(kernel, path, programs=(), modules=MODULES, files=None):
    """Writes the initramfs of a kernel.Kernel to `path`.  `programs` are files
    of the host (static) that appear in the guest's /bin. `files`:
    {path in the guest: path on the host}."""
    archive = Cpio()
    for name in ('proc', 'sys', 'dev', 'tmp', 'run', 'huge', 'huge1g'):
        archive.directory(name)
    archive.device('dev/console', 5, 1)
    archive.file('bin/busybox', _busybox())
    archive.symlink('bin/sh', 'busybox')
    with open(os.path.join(_HERE, 'init'), 'rb') as handle:
        archive.file('init', handle.read())
    for program in programs:
        with open(program, 'rb') as handle:
            archive.file('bin/' + os.path.basename(program), handle.read())
    for name, host in (files or {}).items():
        with open(host, 'rb') as handle:
            archive.file(name.lstrip('/'), handle.read())
    names = []
    if kernel.modules:
        for name, data in resolve_modules(kernel.modules, modules):
            archive.file(f'modules/{name}.ko', data, 0o644)
            names.append(name)
    archive.file('modules/order', ''.join(name + '\n' for name in names).encode(), 0o644)
    with open(path, 'wb') as handle:
        handle.write(archive.finish())
