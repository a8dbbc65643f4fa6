# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu capture on a real guest: both memory sources see the same, and the
guest runs again afterwards, whatever happens to us."""

import os
import signal
import subprocess
import time

from common import BDF, Case, Held, boot, rng, scratch, viommu

import tap


class Capture(Case):
    @classmethod
    def setUpClass(cls):
        cls.guest = boot()
        cls.addClassCleanup(cls.guest.close)
        # Scattered: many table pages, so that there is a middle to be stopped in.
        cls.held = Held(cls.guest, BDF, '--count 1000 --size 4k --seed 3')
        cls.scratch = scratch()

    def file(self, name):
        return os.path.join(self.scratch, name)

    def capture(self, name, *arguments):
        path = self.file(name)
        process = viommu.run('capture', '-q', self.guest.target, '-o', path, '--force',
                             '--reproducible', *arguments)
        self.assertEqual(process.returncode, 0, process.stderr)
        with open(path, 'rb') as handle:
            return handle.read()

    def test_sources_agree(self):
        """xp and process memory give byte-identical snapshots of a paused guest"""
        self.guest.qmp.command('stop')
        try:
            one = self.capture('xp.core', '--pause', '--memory', 'xp')
            self.assertEqual(self.guest.qmp.status(), 'paused', 'paused by somebody else: not ours to resume')
            two = self.capture('process.core', '--pause', '--memory', 'process')
            self.assertEqual(self.guest.qmp.status(), 'paused')
        finally:
            self.guest.qmp.command('cont')
        self.assertGreater(len(one), 3 * 4096)
        self.assertTrue(one == two, f'{len(one)} and {len(two)} bytes')

    def test_sources_agree_with_pause(self):
        """the same, each capture pausing the running guest for itself"""
        one = self.capture('xp.core', '--pause', '--memory', 'xp')
        self.assert_running(self.guest)
        two = self.capture('process.core', '--pause', '--memory', 'process')
        self.assert_running(self.guest)
        self.assertTrue(one == two, f'{len(one)} and {len(two)} bytes')

    def test_difference_shows(self):
        """a spoiled entry changes the snapshot, so that equality means something"""
        tables = self.held.tables()
        one = self.capture('one.core', '--pause')
        leaf = rng('difference').choice(tables.leaves())
        self.held.memory.write_u64(leaf.entry_gpa, leaf.entry ^ 1 << 62)
        try:
            two = self.capture('two.core', '--pause')
        finally:
            self.held.memory.write_u64(leaf.entry_gpa, leaf.entry)
        self.assertFalse(one == two)

    def ended_in_the_middle(self, number, times, send=subprocess.Popen.send_signal):
        started = time.monotonic()
        self.capture('whole.core', '--pause', '--memory', 'xp')
        whole = time.monotonic() - started
        random, seen_paused = rng(f'signal {number}'), 0
        for _ in range(times):
            process = viommu.start('capture', '-q', self.guest.target, '-o', self.file('part.core'),
                                   '--force', '--pause', '--memory', 'xp')
            time.sleep(random.uniform(0, whole))
            seen_paused += self.guest.qmp.status() == 'paused'
            send(process, number)
            process.communicate(timeout=20)
            self.assert_running(self.guest)
        self.assertGreater(seen_paused, 0, 'no signal met a paused guest: this proved nothing')
        # Nobody holds the monitor now.
        self.capture('after.core')

    def test_sigkill(self):
        """the guest runs again after SIGKILL at any moment of capture --pause"""
        self.ended_in_the_middle(signal.SIGKILL, 12)

    def test_sigkill_group(self):
        """the same when the whole process group is killed"""
        self.ended_in_the_middle(signal.SIGKILL, 6, lambda process, number: os.killpg(process.pid, number))

    def test_sigterm(self):
        self.ended_in_the_middle(signal.SIGTERM, 6)

    def test_sigint(self):
        self.ended_in_the_middle(signal.SIGINT, 6)


if __name__ == '__main__':
    tap.main()
