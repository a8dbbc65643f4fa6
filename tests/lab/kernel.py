# SPDX-License-Identifier: GPL-2.0-or-later
"""Gets a Debian kernel without installing it.

A kernel package is downloaded with apt-get, unpacked with `dpkg -x` into a
cache directory, and used from there.  What is in the cache already is used
without asking the network again for a day."""

import contextlib
import fcntl
import fnmatch
import glob
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass

from .errors import Unavailable

DEFAULT_PACKAGE = 'linux-image-cloud-amd64'
SMALL = 'small'
_FRESH_SECONDS = 24 * 3600


@dataclass
class Kernel:
    image: str                  # path of the bzImage
    modules: str | None         # …/lib/modules/RELEASE, or None: all built in

    @property
    def release(self):
        return os.path.basename(self.modules) if self.modules else None


def cache_dir():
    path = os.environ.get('VIOMMU_LAB_CACHE')
    if not path:
        base = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
        path = os.path.join(base, 'viommu-lab')
    os.makedirs(path, exist_ok=True)
    return path


@contextlib.contextmanager
def cache_lock(name, waiting=None):
    """One process at a time fills one part of the cache.  `waiting` is called
    if another one does just now."""
    with open(os.path.join(cache_dir(), f'.{name}.lock'), 'w') as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def run(argv, **options):
    """The stdout of a program of the package system; Unavailable when it fails."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=True,
                              env={**os.environ, 'LC_ALL': 'C'}, **options).stdout
    except FileNotFoundError:
        raise Unavailable(f'{argv[0]} is not here: the lab gets its kernel from Debian packages; '
                          'give --kernel a bzImage (and --modules) instead') from None
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.strip()] or ['(no message)']
        raise Unavailable(f'{" ".join(argv[:2])} failed: {lines[-1]}') from None


def _version_key(name):
    return [int(part) if part.isdigit() else part for part in re.split(r'(\d+)', name)]


def _resolve(package):
    """From a meta package, a package or a pattern to one linux-image-… package."""
    if '*' in package:
        names = run(['apt-cache', 'pkgnames', 'linux-image-']).split()
        names = [name for name in names
                 if fnmatch.fnmatchcase(name, package) and not name.endswith('-dbg')
                 and '-unsigned' not in name]
        if not names:
            raise Unavailable(f'no kernel package matches {package} (run "apt-get update"?)')
        package = max(names, key=_version_key)
    text = run(['apt-cache', 'depends', '--no-recommends', package])
    match = re.search(r'Depends: (linux-image-\d\S+)', text)
    return match.group(1) if match else package


def _unpacked(directory):
    images = glob.glob(os.path.join(directory, 'boot', 'vmlinuz-*'))
    if not images:
        return None
    release = os.path.basename(images[0]).removeprefix('vmlinuz-')
    for top in ('lib', 'usr/lib'):
        modules = os.path.join(directory, top, 'modules', release)
        if os.path.isdir(modules):
            return Kernel(images[0], modules)
    return None


def _fetch(package, directory):
    name = _resolve(package)
    work = directory + '.new'
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    # Sandbox::User: the cache is usually not readable for the user "_apt".
    run(['apt-get', 'download', '-q', '-o', 'APT::Sandbox::User=root', name], cwd=work)
    for archive in glob.glob(os.path.join(work, '*.deb')):
        run(['dpkg', '-x', archive, work])
        os.unlink(archive)
    if not _unpacked(work):
        raise Unavailable(f'the package {name} holds no kernel')
    shutil.rmtree(directory, ignore_errors=True)
    os.rename(work, directory)


def from_package(package=DEFAULT_PACKAGE):
    """The newest kernel of a Debian package (meta package, package, or a
    pattern such as 'linux-image-6.12*-cloud-amd64')."""
    slug = re.sub(r'[^A-Za-z0-9.+-]', '_', package)
    directory = os.path.join(cache_dir(), 'kernel-' + slug)
    with cache_lock('kernel-' + slug):
        kernel = _unpacked(directory)
        if kernel and time.time() - os.path.getmtime(directory) < _FRESH_SECONDS:
            return kernel
        try:
            # A name that still resolves to what is in the cache needs no download.
            if not kernel or kernel.release not in _resolve(package):
                _fetch(package, directory)
            os.utime(directory)
        except Unavailable as error:
            if kernel:          # no network today: yesterday's kernel serves
                return kernel
            raise Unavailable(f'cannot get a kernel ({package}): {error}. '
                              'Is there a network, and has "apt-get update" been run?') from None
        return _unpacked(directory)


def from_files(image, modules=None):
    if not os.path.isfile(image):
        raise Unavailable(f'no kernel at {image}')
    if modules and not os.path.isdir(modules):
        raise Unavailable(f'no module directory at {modules}')
    return Kernel(image, modules.rstrip('/') if modules else None)


def find(choice=None, modules=None):
    """`choice` is a bzImage (a path with a slash), a package or a pattern, or
    "small" for that of smallkernel.py; the default is $VIOMMU_LAB_KERNEL, or
    Debian's cloud kernel."""
    choice = choice or os.environ.get('VIOMMU_LAB_KERNEL') or DEFAULT_PACKAGE
    modules = modules or os.environ.get('VIOMMU_LAB_MODULES')
    if '/' in choice:
        return from_files(choice, modules)
    if choice == SMALL:
        from . import smallkernel       # which stands on this file
        return smallkernel.find()
    return from_package(choice)
