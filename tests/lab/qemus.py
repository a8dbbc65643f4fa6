# SPDX-License-Identifier: GPL-2.0-or-later
"""Which QEMU, and how it is told in which mode its vIOMMU works."""

import functools
import os
import re
import shutil
import subprocess

from .errors import LabError, Unavailable

IOMMU = 'intremap=on,caching-mode=on'
QEMU_10 = 'qemu-10'
MODES = ('legacy', 'scalable', 'first')
# From new to old: the names have moved.
_SCALABLE = ('scalable-mode', 'x-scalable-mode')
_FIRST = ('fsts', 'x-fsts', 'flts', 'x-flts')
_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'judge', 'qemu-10')
_FETCH_SECONDS = 240


@functools.cache
def _qemu_10():
    """(path, None) or (None, why not): QEMU 10.0, unpacked beside the system."""
    try:
        process = subprocess.run([_SCRIPT], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                 timeout=_FETCH_SECONDS)
    except OSError as error:
        return None, f'{_SCRIPT}: {error.strerror}'
    except subprocess.TimeoutExpired:
        return None, f'tests/judge/qemu-10 took longer than {_FETCH_SECONDS} s'
    if process.returncode == 0:
        return process.stdout.strip(), None
    words = process.stderr.strip().splitlines() or [f'qemu-10: exit status {process.returncode}']
    if process.returncode != 77:
        raise LabError(words[-1])
    return None, words[-1]


def find(choice=None):
    """The path of a QEMU: `choice` is a program, or 'qemu-10' for that of
    Debian's backports; the default is $VIOMMU_LAB_QEMU or qemu-system-x86_64."""
    choice = choice or os.environ.get('VIOMMU_LAB_QEMU') or 'qemu-system-x86_64'
    if choice == QEMU_10:
        path, why = _qemu_10()
        if not path:
            raise Unavailable('no QEMU 10.0: ' + why)
        return path
    path = shutil.which(choice)
    if not path:
        raise Unavailable(f'{choice} is missing: apt-get install qemu-system-x86')
    return path


@functools.cache
def _properties(path):
    text = subprocess.run([path, '-device', 'intel-iommu,help'], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60).stdout
    return set(re.findall(r'^\s+([\w-]+)=', text, re.MULTILINE))


def _property(path, names):
    for name in names:
        if name in _properties(path):
            return name + '=on'
    raise Unavailable(f'intel-iommu has no {names[-1]} in {path}')


def mode(name, qemu=None, width=48):
    """Guest's options for a vIOMMU in legacy mode, or in scalable mode with the
    second or the first stage: "legacy", "scalable", "first".  `width`: aw-bits,
    39 (three levels) or 48 (four); a first stage has four."""
    path = find(qemu)
    options = {'qemu': path, 'append': ''}
    words = [IOMMU, f'aw-bits={width}']
    if name != 'legacy':
        words.append(_property(path, _SCALABLE))
        options['append'] = 'intel_iommu=on,sm_on'
    if name == 'first':
        words.append(_property(path, _FIRST))
    return {**options, 'iommu': ','.join(words)}
