# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's processes for tests: real ones, halted at once, and others that only look like one."""

import os
import shutil
import subprocess
import time
import unittest

from cli import Case, run

from lab import accel, cleanup

QEMU = shutil.which(os.environ.get('VIOMMU_LAB_QEMU') or 'qemu-system-x86_64')
ON = ',server=on,wait=off'
IOMMU = ('-machine', 'q35', '-device', 'intel-iommu,intremap=on,caching-mode=on')


class Lookalikes(Case):
    """Without a QEMU."""

    def like(self, *argv):
        """A process with this command line, which waits: its program is a shell by QEMU's name."""
        program = self.scratch() / 'qemu-system-x86_64'
        shutil.copy(os.path.realpath(shutil.which('sh')), program)
        return self.process([program.name, '-c', 'read line', *argv], executable=program)

    def process(self, argv, **options):
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, **options)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process.pid

    def listed(self, pid, **options):
        return next(item for item in run('list', '--format', 'json', **options).json['qemus'] if item['pid'] == pid)


@unittest.skipUnless(QEMU, 'no qemu-system-x86_64 here')
class RealQemus(Lookalikes):
    def qemu(self, *argv, folder=None, pass_fds=(), ready=None):
        folder = folder or self.scratch()
        (folder / 'bios').write_bytes(accel.HALT_BIOS)
        process = cleanup.start([QEMU, '-nodefaults', '-display', 'none', '-m', '64M', '-accel', 'tcg', '-bios', str(folder / 'bios'),
                                 *argv], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, pass_fds=pass_fds)
        self.addCleanup(cleanup.stop, process)
        end = time.monotonic() + 60
        while ready and not ready():
            self.assertIsNone(process.poll(), 'QEMU has ended')
            self.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        return process.pid
