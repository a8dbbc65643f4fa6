# SPDX-License-Identifier: GPL-2.0-or-later
"""However a command that traces is ended, and whenever: after SIGTERM and SIGINT QEMU is as it was,
after SIGKILL the next command says what is left, and viommu trace --undo takes it away.

The moments are those of the commands to the monitor: the signal comes before each of them."""

import contextlib
import glob
import os
import queue
import signal
import subprocess

from common import BDF, Case, Held, boot, scratch, viommu
from modes import KERNEL_6_12
from proxy import Proxy

from lab import qemus

import tap

MOMENTS = 12            # of each command and signal
SECONDS = 120


class Ends(Case):
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.scratch = scratch()
        cls.env = {**os.environ, 'XDG_RUNTIME_DIR': cls.scratch, 'TMPDIR': cls.scratch}
        cls.guest = boot(**cls.options)
        cls.addClassCleanup(cls.guest.close)
        cls.held = Held(cls.guest, BDF, '--count 4 --size 16k')
        cls.addClassCleanup(cls.held.release)
        cls.address = os.path.join(cls.scratch, 'monitor')

    @contextlib.contextmanager
    def proxy(self, nth=None, action=None):
        proxy = Proxy(self.guest.target.removeprefix('unix:'), self.address, nth, action)
        try:
            yield proxy
        finally:
            proxy.close()

    def start(self, name, *arguments):
        return subprocess.Popen([viommu.find(), name, '-q', 'unix:' + self.address, '--pid', str(self.guest.pid), *arguments],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.env)

    def run_to_end(self, name, *arguments):
        process = self.start(name, *arguments)
        out, err = process.communicate(timeout=SECONDS)
        return process.returncode, out, err

    def events_on(self):
        return [event['name'] for pattern in ('vtd_*', 'vfio_*')
                for event in self.guest.qmp.command('trace-event-get-state', name=pattern) if event['state'] != 'disabled']

    def folders(self):
        return glob.glob(os.path.join(self.scratch, 'viommu-trace.*'))

    def assert_nothing_left(self, about):
        self.assertEqual(self.events_on(), [], about)
        self.assertEqual(self.folders(), [], about)
        with self.proxy():
            status, _, err = self.run_to_end('info')
        self.assertEqual((status, err), (0, ''), about)

    def assert_undone(self, process, about):
        """Whether anything had to be."""
        left = self.events_on()
        with self.proxy():
            err = self.run_to_end('info')[2]
            if left:
                self.assertIn(f'killed (process {process.pid})', err, about)
                again = self.run_to_end('trace', '-o', os.path.join(self.scratch, 'again'))
                self.assertEqual(again[0], 1, about)
                self.assertIn('--undo', again[2], about)
            status, _, err = self.run_to_end('trace', '--undo')
            self.assertEqual(status, 0, about + err)
        # One that was killed before it noted anything may have made its folder.
        for folder in () if left else self.folders():
            os.rmdir(folder)
        self.assert_nothing_left(about)
        return bool(left)

    def ended(self, nth, number, command):
        """The command, with a signal before the nth line that the monitor gets."""
        started = queue.SimpleQueue()       # its first line may come before Popen() has returned
        with self.proxy(nth, lambda: started.get().send_signal(number)) as proxy:
            process = self.start(*command)
            started.put(process)
            process.communicate(timeout=SECONDS)
        return process, proxy

    def each_moment(self, *command):
        with self.proxy() as proxy:
            status, _, err = self.run_to_end(*command)
        self.assertEqual(status, 0, err)
        self.assert_nothing_left(command)
        moments = sorted({1 + i * (proxy.lines - 1) // (MOMENTS - 1) for i in range(MOMENTS)})
        for number in signal.SIGTERM, signal.SIGINT:
            for nth in moments:
                process, _ = self.ended(nth, number, command)
                self.assertIn(process.returncode, (0, 1, -number), (command, nth))
                self.assert_nothing_left(f'{command[0]}, {number.name} before line {nth} of {proxy.lines}')
        undone = 0
        for nth in moments:
            process, proxy = self.ended(nth, signal.SIGKILL, command)
            # How many lines there are depends on how often it looks before its time is over.
            self.assertEqual(process.returncode, -signal.SIGKILL if proxy.lines >= nth else 0)
            undone += self.assert_undone(process, f'{command[0]}, SIGKILL before line {nth} of {proxy.lines}')
        self.assertGreaterEqual(undone, MOMENTS // 3)

    def test_trace(self):
        self.each_moment('trace', '--seconds', '1', '--force', '-o', os.path.join(self.scratch, 'trace'))

    def test_another_monitor(self):
        """QEMU has two: what a killed one left on through the first is found and undone through the second"""
        first, second = self.guest.target, self.guest.human
        path = os.path.join(self.scratch, 'first')
        process = subprocess.Popen([viommu.find(), 'trace', '-q', first, '-o', path], stderr=subprocess.PIPE, text=True, env=self.env)
        self.assertIn('trace events on', process.stderr.readline())
        process.kill()
        process.communicate()

        def run(name, *more):
            return subprocess.run([viommu.find(), name, '-q', second, *more], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  env=self.env, check=False)
        self.assertIn(f'killed (process {process.pid})', run('info').stderr)
        self.assertIn('--undo', run('trace', '-o', path, '--force').stderr)
        self.assertEqual(run('trace', '--undo').returncode, 0)
        self.assert_nothing_left('undone through the other monitor')

    def test_verify(self):
        self.each_moment('verify', '--trace', self.held.record)

    def test_watch(self):
        self.each_moment('watch', '--trace', '--seconds', '1', self.held.record)


class Ends10(Ends):
    options = {'mode': 'legacy', 'qemu': qemus.QEMU_10, 'kernel': KERNEL_6_12}


if __name__ == '__main__':
    tap.main()
