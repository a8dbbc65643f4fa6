#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's small kernel: what no Debian kernel has (IOMMUFD, the VFIO
character devices, IOMMU debugfs), built from Debian's kernel source package.

    python3 tests/lab/smallkernel.py            builds it if need be; prints its path
    python3 tests/lab/smallkernel.py --cached   never builds

One build takes minutes and 2 GB for a while; what stays in the cache is the
bzImage and its configuration, under the version of the source and the hash of
smallkernel.config.  Nothing is installed; tests/lab/packages kernel has the tools."""

import argparse
import glob
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time

if __name__ == '__main__':
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

from lab import cleanup
from lab.errors import LabError, Unavailable
from lab.kernel import Kernel, cache_dir, cache_lock, from_files, run

SOURCE = 'linux-source-6.12'
BUILD = 'python3 tests/lab/smallkernel.py'
_HERE = os.path.dirname(os.path.abspath(__file__))
_CONFIG = os.path.join(_HERE, 'smallkernel.config')
_RECIPE = '1'                   # rises when this file changes what is built
_JOBS = 2                       # others work on the same machine
_OBJECTS = 1550                # for the progress
_DISK = 3 << 30
_SAY_SECONDS = 20
_TOOLS = ('make', 'gcc', 'flex', 'bison', 'bc', 'xz', 'tar', 'nice', 'apt-get', 'dpkg')
# What an x86 kernel without graphics never looks at; their Kconfig files stay.
_NOT_NEEDED = ('*/drivers/gpu/*.[ch]', '*/Documentation/*.rst', '*.dts', '*.dtsi',
               '*/tools/testing/*', '*/sound/*.c')


def _config_hash():
    with open(_CONFIG, 'rb') as handle:
        return hashlib.sha256(_RECIPE.encode() + handle.read()).hexdigest()[:12]


def _directory(version):
    return os.path.join(cache_dir(), f'smallkernel-{version}-{_config_hash()}')


def cached():
    """The newest one that was built with the present configuration, or None."""
    found = glob.glob(os.path.join(glob.escape(cache_dir()), f'smallkernel-*-{_config_hash()}', 'bzImage'))
    return Kernel(max(found, key=os.path.getmtime), None) if found else None


def find(progress=None):
    """A kernel.Kernel.  $VIOMMU_LAB_SMALL_KERNEL is the path of a bzImage to take,
    or anything else to build one when none is cached; without it, and with none
    cached, there is none (Unavailable)."""
    wanted = os.environ.get('VIOMMU_LAB_SMALL_KERNEL', '')
    if '/' in wanted:
        return from_files(wanted)
    kernel = cached()
    if kernel:
        return kernel
    if not wanted:
        raise Unavailable('the small kernel with IOMMUFD is not built (about ten minutes, once): ' + BUILD)
    return build(progress)


def _source_version():
    match = re.search(r'^Version: (\S+)', run(['apt-cache', 'show', '--no-all-versions', SOURCE]), re.MULTILINE)
    if not match:
        raise Unavailable(f'no package {SOURCE} is known: apt-get update')
    return match.group(1)


def _check_host():
    missing = [tool for tool in _TOOLS if not shutil.which(tool)]
    if not glob.glob('/usr/include/**/libelf.h', recursive=True):
        missing.append('libelf.h')
    if missing:
        raise Unavailable(f'to build a kernel, {", ".join(missing)} is missing: tests/lab/packages kernel')
    if shutil.disk_usage(cache_dir()).free < _DISK:
        raise Unavailable(f'to build a kernel, {cache_dir()} needs {_DISK >> 30} GB of free disk for a while')


class _Build:
    """One build, in a directory that goes when it ends."""

    def __init__(self, version, say):
        self.say, self.version = say, version
        self.dir = os.path.join(cache_dir(), 'smallkernel-build')
        self.log = os.path.join(cache_dir(), 'smallkernel-build.log')
        self.started = time.monotonic()
        self.source = None

    def _tail(self):
        with open(self.log, errors='replace') as handle:
            return '\n'.join(handle.read().splitlines()[-15:])

    def _watch(self, process, what):
        """Waits, and says now and then how far it is."""
        told = time.monotonic()
        while process.poll() is None:
            time.sleep(0.2)
            if time.monotonic() - told < _SAY_SECONDS:
                continue
            told = time.monotonic()
            with open(self.log, errors='replace') as handle:
                done = sum(line.startswith(('  CC ', '  AS ')) for line in handle)
            count = f'{done} of about {_OBJECTS} files, ' if done else ''
            self.say(f'{what}: {count}{told - self.started:.0f} s')

    def _do(self, what, *argv, cwd=None):
        with open(self.log, 'ab') as log:
            # A group of its own: an interrupted make has compilers to take along.
            process = cleanup.start(['nice', '-n', '19', *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    cwd=cwd or self.dir, process_group=0,
                                    env={**os.environ, 'LC_ALL': 'C', 'KBUILD_BUILD_USER': 'viommu',
                                         'KBUILD_BUILD_HOST': 'lab'})
        try:
            self._watch(process, what)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            cleanup.stop(process)
        if process.returncode != 0:
            raise LabError(f'{what}: {argv[0]} ended with {process.returncode}; the end of {self.log}:\n{self._tail()}')

    def fetch(self):
        self.say(f'fetching {SOURCE} {self.version}')
        self._do('fetching', 'apt-get', 'download', '-q', '-o', 'APT::Sandbox::User=root', f'{SOURCE}={self.version}')
        package, = glob.glob(os.path.join(glob.escape(self.dir), '*.deb'))
        self._do('unpacking', 'dpkg', '-x', package, self.dir)
        os.unlink(package)
        archive, = glob.glob(os.path.join(glob.escape(self.dir), 'usr/src/*.tar.*'))
        self.say('unpacking it')
        self._do('unpacking', 'tar', '-xf', archive, *('--exclude=' + name for name in _NOT_NEEDED))
        shutil.rmtree(os.path.join(self.dir, 'usr'))
        self.source, = glob.glob(os.path.join(glob.escape(self.dir), 'linux-source-*'))

    def _make(self, what, *targets):
        self._do(what, 'make', f'-j{_JOBS}', *targets, cwd=self.source)

    def configure(self):
        self._make('configuring', 'tinyconfig')
        self._do('configuring', 'scripts/kconfig/merge_config.sh', '-m', '-Q', '.config', _CONFIG, cwd=self.source)
        self._make('configuring', 'olddefconfig')
        lost = _lost(os.path.join(self.source, '.config'))
        if lost:
            raise LabError(f'{SOURCE} {self.version} does not take these of {_CONFIG}: {" ".join(lost)}')

    def compile(self):
        self._make('compiling', 'bzImage')

    def keep(self, directory):
        work = os.path.join(self.dir, 'keep')
        os.mkdir(work)
        shutil.copy(os.path.join(self.source, 'arch/x86/boot/bzImage'), work)
        shutil.copy(os.path.join(self.source, '.config'), os.path.join(work, 'config'))
        shutil.rmtree(directory, ignore_errors=True)
        os.rename(work, directory)


def _lost(path):
    """The lines of our configuration that are not so in the whole one."""
    with open(path) as handle:
        whole = set(handle.read().splitlines())
    with open(_CONFIG) as handle:
        ours = [line.strip() for line in handle if line.startswith('CONFIG_')]
    return [line for line in ours
            if (line not in whole if not line.endswith('=n')
                else any(other.startswith(line[:-1]) for other in whole))]


def build(progress=None):
    """Builds the kernel from the newest source package, unless it is cached."""
    say = progress or (lambda text: None)
    version = _source_version()
    directory = _directory(version)

    with cache_lock('smallkernel', lambda: say('another process builds the small kernel; waiting for it')):
        image = os.path.join(directory, 'bzImage')
        if os.path.exists(image):
            return Kernel(image, None)
        _check_host()
        work = _Build(version, say)
        shutil.rmtree(work.dir, ignore_errors=True)
        os.mkdir(work.dir)
        open(work.log, 'w').close()
        try:
            work.fetch()
            work.configure()
            work.compile()
            work.keep(directory)
        finally:
            shutil.rmtree(work.dir, ignore_errors=True)
        say(f'built in {time.monotonic() - work.started:.0f} s, {os.path.getsize(image) >> 10} KiB')
        return Kernel(image, None)


def main():
    parser = argparse.ArgumentParser(prog='smallkernel.py', description='Builds the small kernel with IOMMUFD '
                                     'from Debian\'s source package, if it is not in the cache, and prints its path.')
    parser.add_argument('--cached', action='store_true', help='never build: exit status 1 if there is none')
    chosen = parser.parse_args()
    cleanup.install_signal_handlers()
    try:
        kernel = cached() if chosen.cached else build(lambda text: print('lab:', text, file=sys.stderr, flush=True))
    except LabError as error:
        raise SystemExit(f'lab: {error}') from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    if not kernel:
        raise SystemExit('lab: it is not built: ' + BUILD)
    print(kernel.image)


if __name__ == '__main__':
    main()
