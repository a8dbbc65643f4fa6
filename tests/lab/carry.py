# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of this machine with all that they need, to be carried into a guest
as {path in the guest: path here}."""

import os
import re
import subprocess

from . import qemus
from .errors import Unavailable

QEMU = ('env', 'QEMU_MODULE_DIR=/lib/qemu', 'qemu-system-x86_64', '-L', '/share/qemu')
_TCG = 'accel-tcg-x86_64.so'
_ROMS = ('qboot.rom', 'bios-256k.bin', 'kvmvapic.bin', 'linuxboot_dma.bin')


def closure(files, library_path=None):
    """The shared libraries of programs and modules, all in the guest's /lib,
    where the dynamic linker looks without a cache."""
    environment = {**os.environ, 'LC_ALL': 'C'}
    if library_path:
        environment['LD_LIBRARY_PATH'] = library_path
    text = subprocess.run(['ldd', *files], capture_output=True, text=True, timeout=60, env=environment).stdout
    missing = re.findall(r'(\S+) => not found', text)
    if missing:
        raise Unavailable(f'{files[0]} needs {missing[0]}, which is not here')
    found = {}
    for path in re.findall(r'(/\S+) \(0x', text):
        found['/lib/' + os.path.basename(path)] = os.path.realpath(path)
    loader = [path for path in found if os.path.basename(path).startswith('ld-linux')]
    found.update({'/lib64/' + os.path.basename(path): found[path] for path in loader})
    return found


def program(path, name=None):
    """One program, in the guest's /bin."""
    return {**closure([path]), '/bin/' + (name or os.path.basename(path)): path}


def _first(directories, name):
    for directory in directories:
        path = os.path.join(directory, name)
        if os.path.exists(path):
            return path
    return None


def qemu(choice=None):
    """A QEMU, as qemus.find() finds it, with TCG and its firmware.  QEMU is the
    command that runs it in the guest."""
    path, root = qemus.find(choice), ''
    if choice == qemus.QEMU_10:         # a script beside the unpacked packages
        root = os.path.join(os.path.dirname(path), 'root')
        path = os.path.join(root, 'usr/bin/qemu-system-x86_64')
    library = root + '/usr/lib/x86_64-linux-gnu'
    # TCG is a module of Debian's.
    module = os.path.join(library, 'qemu', _TCG)
    modules = [module] if os.path.exists(module) else []
    found = closure([path, *modules], library if root else None)
    found['/bin/qemu-system-x86_64'] = path
    found.update({'/lib/qemu/' + _TCG: module for module in modules})
    for name in _ROMS:
        rom = _first([root + '/usr/share/qemu', root + '/usr/share/seabios', '/usr/share/qemu', '/usr/share/seabios'],
                     name)
        if not rom:
            raise Unavailable(f'{name} is missing: apt-get install qemu-system-x86')
        found['/share/qemu/' + name] = rom
    return found
