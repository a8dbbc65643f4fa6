# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe record of programs that make it hard (unruly.c): the record stays whole, and the program's
results and its end are as without us."""

import os
import pathlib
import random
import shutil
import signal
import stat
import subprocess
import time
import unittest

from test_probe_record import PROBE, SECONDS, RecordTest

import tap

UNRULY = os.environ.get('VIOMMU_UNRULY', '')
NOBODY = {'user': 65534, 'group': 65534, 'extra_groups': []}
CHILDREN = 10000


def room_for_children():
    """How many processes may live at once, with some left for others."""
    limits = [CHILDREN]
    for path in ('/sys/fs/cgroup/pids.max', '/proc/sys/kernel/pid_max', '/proc/sys/kernel/threads-max'):
        text = pathlib.Path(path).read_text().strip() if os.path.exists(path) else 'max'
        limits += [int(text) // 3] if text.isdigit() else []
    memory = int(pathlib.Path('/proc/meminfo').read_text().split('MemAvailable:')[1].split()[0]) << 10
    return min(*limits, memory // (1 << 20))


class Unruly(RecordTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not os.path.isfile(UNRULY):
            raise unittest.SkipTest('VIOMMU_UNRULY is not set; meson does that')

    def record(self, *arguments, seconds=4 * SECONDS, **more):
        return subprocess.run(self.argv(UNRULY, *arguments), capture_output=True, text=True, timeout=seconds,
                              stdin=subprocess.DEVNULL, **more)

    def assert_whole(self, status):
        """The record is, up to its end, and says what the program's was."""
        events = self.events()
        self.assertEqual([e['seq'] for e in events[1:]], list(range(1, len(events))))
        self.assertEqual(events[-1]['reason'], f'the program ended with status {status}')
        self.assertEqual([e for e in events if e['event'] in ('lost', 'note', 'map', 'unmap')], [])

    def test_calls(self):
        """calls of 64 bits, x32 and 32 bits on what is no device, with pointers to nowhere: the same results"""
        alone = subprocess.run([UNRULY, 'calls'], capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
        self.assertGreater(len(alone.stdout.splitlines()), 3000)
        done = self.record('calls')
        self.assertEqual((done.returncode, done.stdout), (alone.returncode, alone.stdout))
        self.assert_whole(8)

    def test_children(self):
        """ten thousand at a time, as far as there is room for them"""
        count = room_for_children()
        print(f'# {count} children', flush=True)
        self.assertEqual(self.record('children', str(count), seconds=300).returncode, 5)
        self.assert_whole(5)

    def test_killed(self):
        """children and their threads, killed at any moment: in a call, in fork(), in execve(), at the end"""
        for seed in 1, 2:
            done = self.record('killed', '300', str(seed))
            self.assertEqual(done.returncode, 6, done.stderr)
            self.assert_whole(6)

    def test_exec(self):
        """execve() by one thread while others are in calls"""
        done = self.record('exec', '100')
        self.assertEqual((done.returncode, done.stderr), (7, ''))
        self.assert_whole(7)

    def test_program_is_killed(self):
        """the program itself, by SIGKILL, after a random time"""
        chance = random.Random(1)
        for _ in range(40):
            process = subprocess.Popen(self.argv(UNRULY, 'exec', '1000000'), stderr=subprocess.PIPE, text=True)
            path = pathlib.Path(f'/proc/{process.pid}/task/{process.pid}/children')
            while not (children := path.read_text().split()):
                self.assertIsNone(process.poll())
            time.sleep(chance.random() ** 3 / 10)
            os.kill(int(children[0]), signal.SIGKILL)
            _, text = process.communicate(timeout=SECONDS)
            # At the very first it is not the program yet.
            if 'cannot let the program go: ' in text:
                self.assertEqual(process.returncode, 1)
                continue
            if 'that was just started has ended already' in text:
                self.assertEqual((process.returncode, self.file.exists()), (1, False))
                continue
            self.assertEqual((process.returncode, text), (128 + signal.SIGKILL, ''))
            self.assertEqual(self.events()[-1]['reason'], 'the program was killed by SIGKILL')

    def test_hidden(self):
        """a process that may not be looked at, with a name that is made to mislead"""
        self.assertEqual(self.record('hidden').returncode, 9)
        self.assert_whole(9)
        if os.geteuid() == 0:
            self.dir.chmod(0o777)
            self.file.unlink()
            self.assertEqual(self.as_nobody(UNRULY, 'hidden').returncode, 9)
            self.assert_whole(9)

    def as_nobody(self, program, *arguments):
        """Both programs may lie where nobody else can go."""
        copies = [self.dir / name for name in ('probe', 'program')]
        for path, copy in zip((PROBE, program), copies):
            if not copy.exists():
                shutil.copy(path, copy)
                copy.chmod(0o755)
        return subprocess.run([copies[0], 'record', '-o', self.dir / 'record', '--', copies[1], *arguments],
                              capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, **NOBODY)

    def test_setuid(self):
        """by root, a setuid program becomes who it should; by others, it stays who it was, and runs"""
        if os.geteuid() != 0:
            self.skipTest('needs root')
        if os.statvfs(self.dir).f_flag & os.ST_NOSUID:
            self.skipTest(f'{self.dir} is mounted nosuid')
        program = self.dir / 'setuid'
        shutil.copy(shutil.which('id'), program)
        os.chown(program, 65534, 65534)
        program.chmod(stat.S_ISUID | 0o755)
        done = self.run_it(program, '-u')
        self.assertEqual((done.returncode, done.stdout), (0, '65534\n'))
        os.chown(program, 0, 0)
        program.chmod(stat.S_ISUID | 0o755)
        self.dir.chmod(0o777)
        self.file.unlink()
        shutil.copy(PROBE, self.dir / 'probe')
        for options, uid in ((['record', '-o', self.file, '--'], '65534\n'), (None, '0\n')):
            argv = [self.dir / 'probe', *options, program, '-u'] if options else [program, '-u']
            done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL, **NOBODY)
            self.assertEqual((done.returncode, done.stdout), (0, uid))


if __name__ == '__main__':
    tap.main()
