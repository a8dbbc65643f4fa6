#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that resumes a guest whose viommu was killed while it was paused."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

from cli import CLEAN, SANITIZED, USAGE, Case, finish, run, start
from fake_qmp import FakeQemu, RawServer

import tap

HELLO = ['qmp_capabilities', 'query-status']


def processes(word):
    """Process ids whose command line holds this word."""
    found = []
    for entry in pathlib.Path('/proc').iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and os.fsencode(word) in (entry / 'cmdline').read_bytes():
                found.append(int(entry.name))
    return found


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


class Guard(Case):
    """By itself: viommu resume-guard ADDRESS."""

    def guard(self, qemu, **options):
        done = run('resume-guard', qemu.target, **options)
        self.assert_status(done, CLEAN)
        return done

    def test_paused(self):
        """stdin closed, the guest paused: it looks, and resumes, and nothing else"""
        with FakeQemu(state='paused') as qemu:
            done = self.guard(qemu)
            self.assertEqual(qemu.log, [*HELLO, 'cont'])
            self.assertEqual(qemu.state, 'running')
        self.assertIn('the guest was left paused, and was resumed', done.err)
        self.assertEqual(done.out, '')

    def test_stdin_not_open_at_all(self):
        with FakeQemu(state='paused') as qemu:
            self.guard(qemu, preexec_fn=lambda: os.close(0))
            self.assertEqual(qemu.log, [*HELLO, 'cont'])

    def test_running(self):
        """the guest runs: never a cont; a stop that is still under way is waited for"""
        with FakeQemu() as qemu:
            done = self.guard(qemu)
            self.assertEqual(qemu.log, HELLO * qemu.connections)
            self.assertGreater(qemu.connections, 1)
        self.assertEqual(done.err, '')

    def test_paused_a_little_later(self):
        def status(_):
            if len(qemu.log) > 5:
                qemu.state = 'paused'
            return qemu.usual('query-status', {})
        qemu = FakeQemu(answers={'query-status': status})
        with qemu:
            self.guard(qemu)
            self.assertEqual(qemu.log, [*HELLO * (len(qemu.log) // 2), 'cont'])

    def test_stopped_by_something_else(self):
        """a guest that is not paused but, say, crashed is let alone"""
        for state in ('shutdown', 'internal-error', 'io-error', 'guest-panicked', 'inmigrate', 'postmigrate', 'prelaunch',
                      'suspended', 'watchdog', '', 'PAUSED', 'paused\0'):
            with self.subTest(state=state), FakeQemu(state=state) as qemu:
                if state in ('', 'shutdown'):
                    self.guard(qemu)
                else:
                    # The same code; ten looks of it are a second each.
                    process = start('resume-guard', qemu.target)
                    wait_until(lambda: len(qemu.log) >= 4 or '\0' in state and qemu.connections > 1
                               or process.poll() is not None)
                    self.assertIsNone(process.poll(), 'it looks more than once')
                    process.kill()
                    process.communicate()
                self.assertNotIn('cont', qemu.log)

    def test_dismissed(self):
        """told that all is well: it connects to nobody"""
        with FakeQemu(state='paused') as qemu:
            done = self.guard(qemu, data=b'd')
            self.assertEqual((qemu.connections, done.err, done.out), (0, '', ''))

    def test_any_other_word_is_no_dismissal(self):
        with FakeQemu(state='paused') as qemu:
            self.guard(qemu, data=b'x')
            self.assertEqual(qemu.log[-1], 'cont')

    def test_waits(self):
        """while viommu lives, it does nothing"""
        with FakeQemu(state='paused') as qemu:
            process = start('resume-guard', qemu.target, stdin=subprocess.PIPE)
            time.sleep(0.3)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                process.send_signal(number)     # Ctrl-C is for viommu
            time.sleep(0.2)
            self.assertEqual((process.poll(), qemu.connections), (None, 0))
            done = finish(process, ['resume-guard'])
            self.assert_status(done, CLEAN)
            self.assertEqual(qemu.log, [*HELLO, 'cont'])

    def test_monitor_comes_back(self):
        """the monitor is held by another client for a while: tried again"""
        class Held(FakeQemu):
            def serve(self, client):
                if self.connections < 3:
                    return
                super().serve(client)
        with Held(state='paused') as qemu:
            done = self.guard(qemu)
            self.assertEqual(qemu.log, [*HELLO, 'cont'])
            self.assertIn('the guest was left paused, and was resumed', done.err)

    def test_not_for_people(self):
        for args in (['resume-guard'], ['resume-guard', 'unix:/nowhere', 'more']):
            done = self.assert_status(run(*args), USAGE)
            self.assertIn('there is no command "resume-guard"', done.err)


class Killed(Case):
    """viommu --pause is killed while the guest is stopped."""

    def killed(self, number, *words):
        """The fake QEMU, as it is once viommu and its guard have ended."""
        def xp(line):
            if qemu.state == 'paused':
                time.sleep(0.1)
            return qemu.usual_hmp(line)
        qemu = FakeQemu(answers={'xp': xp})
        with qemu:
            args = [words[0], '-q', qemu.target, *words[1:], '--pause', '--memory', 'xp']
            process = start(*args)
            self.assertTrue(wait_until(lambda: 'stop' in qemu.log), 'it never stopped the guest')
            self.assertTrue(wait_until(lambda: processes(f'resume-guard\0{qemu.target}')), 'the guard was not there')
            time.sleep(0.15)
            process.send_signal(number)
            done = finish(process, args)
            self.assertEqual(done.status, -number)
            self.assertTrue(wait_until(lambda: qemu.state == 'running'), 'the guest is still stopped')
            self.assertTrue(wait_until(lambda: not processes(f'resume-guard\0{qemu.target}')), 'the guard stays')
            self.assertEqual(qemu.forbidden(), ['stop', 'cont'])
        return done

    def test_capture(self):
        directory = self.scratch()
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGSEGV):
            if SANITIZED and number == signal.SIGSEGV:
                continue        # the sanitizer has a handler of its own
            with self.subTest(signal=number):
                self.killed(number, 'capture', '-o', str(directory / 'file'))
                self.assertFalse((directory / 'file').exists())

    def test_verify(self):
        self.killed(signal.SIGKILL, 'verify', 'small.jsonl')

    def test_no_guard_is_left(self):
        """after a good end, too"""
        with FakeQemu() as qemu:
            self.assert_clean(run('verify', '-q', qemu.target, 'small.jsonl', '--pause'))
            self.assertEqual(processes(f'resume-guard\0{qemu.target}'), [])
            self.assertEqual(qemu.connections, 1, 'the guard had nothing to do')

    def test_the_guard_is_killed(self):
        """somebody kills the guard: viommu does its work, and resumes the guest itself"""
        def xp(line):
            if qemu.state == 'paused':
                for pid in processes(f'resume-guard\0{qemu.target}'):
                    os.kill(pid, signal.SIGKILL)
            return qemu.usual_hmp(line)
        qemu = FakeQemu(answers={'xp': xp})
        with qemu:
            self.assert_clean(run('verify', '-q', qemu.target, 'small.jsonl', '--pause', '--memory', 'xp'))
            self.assertEqual(qemu.forbidden(), ['stop', 'cont'])

    def test_cont_is_not_answered(self):
        """QEMU is silent to cont: said so, and the guard goes on trying"""
        class Silent(FakeQemu):
            def usual(self, command, arguments):
                if command == 'cont' and self.connections == 1:
                    time.sleep(1)
                    raise ConnectionError
                return super().usual(command, arguments)
        with Silent() as qemu:
            done = run('capture', '-q', qemu.target, '-o', self.scratch() / 'file', '--pause', '--timeout', '0.3',
                       '--memory', 'xp')
            self.assert_status(done, CLEAN)     # the snapshot is good; what became of the guest is said
            self.assertIn('could not be resumed', done.err)
            self.assertIn('a helper process keeps trying', done.err)
            self.assertTrue(wait_until(lambda: qemu.state == 'running'))
            self.assertTrue(wait_until(lambda: not processes(f'resume-guard\0{qemu.target}')))


class NoMonitor(Case):
    def test_not_reached(self):
        """the guard cannot reach the monitor: it does not give up at once, and keeps nobody waiting for its last word"""
        with RawServer(b'', 'close') as server:
            process = start('resume-guard', server.target)
            self.assertTrue(wait_until(lambda: server.connections >= 3))
            self.assertIn('should it stay paused, send "cont" to the monitor', process.stderr.read().decode())
            self.assertIsNone(process.poll())
            process.kill()
            process.communicate()


if __name__ == '__main__':
    tap.main()
