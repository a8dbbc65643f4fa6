#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where viommu's output goes: full disks, closed pipes, terminals, files."""

import contextlib
import json
import os
import re
import resource
import signal
import stat
import subprocess
import termios
import unittest
import threading

from cli import CLEAN, COMMANDS, FAILED, FAULT, PATIENCE, Case, finish, run, start
from fake_qmp import FakeQemu
from growing import begin_trace
from goldens import fixtures

import tap

PAGES = fixtures()['clean']['pages']
# Arguments, and the status with which they end when the output arrives.
PRINTS = [
    (['--help'], CLEAN), (['--version'], CLEAN), *(([name, '--help'], CLEAN) for name in COMMANDS),
    *(([*words, '--format', form], status) for form in ('text', 'json') for words, status in (
        (['info', '-s', 'clean.elf'], CLEAN), (['dump', '-s', 'clean.elf'], CLEAN),
        (['walk', '-s', 'clean.elf', '00:04.0', '0x40000000'], CLEAN),
        (['verify', '-s', 'clean.elf', 'small.jsonl'], CLEAN),
        (['verify', '-s', 'missing.elf', 'small.jsonl'], FAULT),
        # More than a buffer, so that the first write is not the last.
        (['verify', '-s', 'default.elf', 'default.jsonl', '--all'], CLEAN),
        (['dump', '-s', 'default.elf'], CLEAN))),
]


class Stdout(Case):
    def test_arrives(self):
        for args, status in PRINTS:
            with self.subTest(args=args):
                done = self.assert_clean(run(*args), status)
                self.assertTrue(done.out.endswith('\n'))

    def test_full_disk(self):
        for args, _ in PRINTS:
            with self.subTest(args=args), open('/dev/full', 'w') as full:
                done = self.assert_status(run(*args, stdout=full), FAILED)
                self.assertEqual(done.err, 'viommu: cannot write the output: No space left on device\n')

    def test_closed(self):
        """stdout closed by the caller: said so, and no other file takes its place"""
        for args, _ in PRINTS:
            with self.subTest(args=args):
                done = self.assert_status(run(*args, preexec_fn=lambda: os.close(1)), FAILED)
                self.assertEqual(done.err, 'viommu: cannot write the output: Bad file descriptor\n')

    def test_closed_does_not_reach_the_monitor(self):
        """with stdin, stdout and stderr closed, the monitor's socket is none of them"""
        for closed in ((1,), (2,), (0, 1, 2)):
            with self.subTest(closed=closed), FakeQemu() as qemu:
                done = run('info', '-q', qemu.target, '--debug', preexec_fn=lambda: [os.close(fd) for fd in closed])
                self.assertEqual(done.status, FAILED if 1 in closed else CLEAN)
                self.assertEqual(qemu.forbidden(), [])

    def test_reader_goes_away(self):
        """| head -1: ended by SIGPIPE, in silence, as every tool is"""
        for args in (['dump', '-s', 'default.elf'], ['dump', '-s', 'default.elf', '--format', 'json'],
                     ['verify', '-s', 'default.elf', 'default.jsonl', '--format', 'json']):
            with self.subTest(args=args):
                self.read_one_byte(args)
        with FakeQemu('default.elf') as qemu:
            self.read_one_byte(['dump', '-q', qemu.target])     # sockets make GIO ignore SIGPIPE

    def read_one_byte(self, args):
        process = start(*args, bufsize=0)
        first = os.read(process.stdout.fileno(), 1)
        process.stdout.close()
        process.stdout = None
        done = finish(process, args)
        self.assertEqual(len(first), 1)
        self.assertEqual((done.status, done.err), (-signal.SIGPIPE, ''))

    def test_stderr_is_apart(self):
        """--debug and its like never mix with the JSON"""
        with FakeQemu() as qemu:
            done = self.assert_status(run('info', '-q', qemu.target, '--format', 'json', '--debug'), CLEAN)
        self.assertEqual(done.json['format'], 'viommu-info')
        self.assertIn('viommu: debug: ', done.err)


class Locale(Case):
    def test_any(self):
        """the same output in every locale"""
        for args, status in PRINTS[2:]:
            wanted = self.assert_status(run(*args), status)
            for name in ('C', 'POSIX', 'de_DE.UTF-8', 'xx_XX'):
                with self.subTest(args=args, locale=name):
                    done = self.assert_clean(run(*args, env={'LC_ALL': name, 'LANGUAGE': 'de'}), status)
                    self.assertEqual(done.out, wanted.out)


def on_terminal(*args, env=None, stderr=False):
    """(status, what a terminal was sent by stdout, or by stderr)"""
    try:
        ours, theirs = os.openpty()
    except OSError as error:
        raise unittest.SkipTest(f"no terminal can be had here: {error}") from None
    mode = termios.tcgetattr(theirs)
    mode[1] &= ~termios.OPOST
    termios.tcsetattr(theirs, termios.TCSANOW, mode)
    process = start(*args, env=env, **{'stderr' if stderr else 'stdout': theirs})

    def end():
        try:
            process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            os.write(theirs, b'\0')     # at the last close, the kernel may drop what was not read yet

    thread = threading.Thread(target=end)
    thread.start()
    text = b''
    while not text.endswith(b'\0'):
        text += os.read(ours, 65536)
    thread.join()
    os.close(ours)
    os.close(theirs)
    return process.returncode, text[:-1].decode()


@contextlib.contextmanager
def slow_qemu():
    with FakeQemu(answers={}, delay=0.06) as qemu:
        yield qemu


COLOUR = re.compile('\x1b\\[[0-9;]*m')
ON, OFF = {'TERM': 'xterm'}, ({'TERM': 'xterm', 'NO_COLOR': '1'}, {'TERM': 'dumb'}, {'TERM': 'xterm', 'NO_COLOR': '0'})


class Colour(Case):
    RUNS = [(['verify', '-s', 'wrong-address.elf', 'small.jsonl'], FAULT),
            (['verify', '-s', 'loop.elf', 'small.jsonl', '--all'], None),
            (['verify', '-s', 'translation-off.elf', 'small.jsonl'], FAULT),
            (['walk', '-s', 'missing.elf', '00:04.0', '0x40000000'], CLEAN),
            (['dump', '-s', 'pass-through.elf'], CLEAN), (['info', '-s', 'clean.elf'], CLEAN)]

    def test_none_in_a_pipe(self):
        for args, _ in self.RUNS:
            for env in (ON, {**ON, 'CLICOLOR_FORCE': '1', 'COLORTERM': 'truecolor'}):
                self.assertNotIn('\x1b', run(*args, env=env).out)

    def test_on_a_terminal(self):
        for args, status in self.RUNS:
            with self.subTest(args=args):
                plain = run(*args)
                ended, text = on_terminal(*args, env=ON)
                self.assertEqual(ended, plain.status)
                self.assertIn('\x1b[', text)
                self.assertEqual(COLOUR.sub('', text), plain.out, 'colour is all that a terminal adds')
                self.assertTrue(text.count('\x1b[0m') * 2 == text.count('\x1b['), 'each colour is ended')

    def test_not_wanted(self):
        for args, _ in self.RUNS:
            for env in OFF:
                with self.subTest(args=args, env=env):
                    self.assertEqual(on_terminal(*args, env=env)[1], run(*args).out)

    def test_empty_no_color_is_none(self):
        """https://no-color.org: when present and not an empty string"""
        self.assertIn('\x1b[', on_terminal(*self.RUNS[0][0], env={**ON, 'NO_COLOR': ''})[1])

    def test_no_term(self):
        self.assertNotIn('\x1b[0;', on_terminal(*self.RUNS[0][0], env={'TERM': None})[1])

    def test_never_in_json(self):
        for args, _ in self.RUNS:
            text = on_terminal(*args, '--format', 'json', env=ON)[1]
            self.assertNotIn('\x1b', text)
            json.loads(text)

    def test_never_in_errors(self):
        for args in (['info', '-s', 'nowhere.elf'], ['fly'], ['info']):
            self.assertNotIn('\x1b', on_terminal(*args, env=ON, stderr=True)[1])


class Progress(Case):
    """A step that takes more than a second says how far it is."""

    def test_in_a_pipe(self):
        """a log gets a line every five seconds, so nothing for these two"""
        with slow_qemu() as qemu:
            self.assert_clean(run('capture', '-q', qemu.target, '-o', self.scratch() / 'x', '--memory', 'xp'))

    def test_on_a_terminal(self):
        with slow_qemu() as qemu:
            status, text = on_terminal('capture', '-q', qemu.target, '-o', self.scratch() / 'x', '--memory', 'xp',
                                       env=ON, stderr=True)
        self.assertEqual(status, CLEAN)
        self.assertRegex(text, r'\A(\r\x1b\[Kviommu: [0-9,]+ table pages read)+\r\x1b\[K\Z')

    def test_waiting(self):
        """for a mark of a trace that comes to none"""
        record = begin_trace(self.scratch() / 'trace.jsonl')
        with FakeQemu('missing.elf') as qemu:
            status, text = on_terminal('verify', '-q', qemu.target, record.path, env=ON, stderr=True)
        self.assertEqual(status, CLEAN)
        self.assertRegex(text, r'\A\r\x1b\[Kviommu: waiting for a mark of the trace \S+/trace\.jsonl that is younger than the look\r\x1b\[K\Z')

    def test_not_when_it_is_fast(self):
        with FakeQemu() as qemu:
            self.assert_clean(run('capture', '-q', qemu.target, '-o', self.scratch() / 'x', '--memory', 'xp'))


class Files(Case):
    """capture -o and verify --save."""

    def setUp(self):
        self.dir = self.scratch()
        self.file = self.dir / 'snapshot'
        self.qemu = self.enterContext(FakeQemu(whole=True))

    def capture(self, path, *more, **options):
        return run('capture', '-q', self.qemu.target, '-o', path, *more, **options)

    def save(self, path, *more, **options):
        return run('verify', '-q', self.qemu.target, '--save', path, 'small.jsonl', *more, **options)

    def assert_only(self, *names):
        self.assertEqual(sorted(os.listdir(self.dir)), sorted(names), 'a file is left over, or lost')

    def test_new(self):
        done = self.assert_clean(self.capture(self.file))
        self.assertEqual(done.out, f'{self.file}: {PAGES} table pages\n')
        self.assert_clean(run('verify', '-s', self.file, 'small.jsonl'))
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode) & 0o077, 0, 'for the owner only')
        done = self.assert_clean(self.save(self.dir / 'saved'))
        self.assert_clean(run('verify', '-s', self.dir / 'saved', 'small.jsonl'))
        self.assert_only('snapshot', 'saved')

    def test_json(self):
        done = self.assert_clean(self.capture(self.file, '--format', 'json'))
        self.assertEqual(done.json, {'format': 'viommu-capture', 'version': 1, 'file': str(self.file),
                                     'table_pages': PAGES})

    def test_a_fault_is_saved_too(self):
        with FakeQemu('wrong-address.elf') as qemu:
            done = self.assert_status(run('verify', '-q', qemu.target, '--save', self.file, 'small.jsonl'), FAULT)
        again = self.assert_status(run('verify', '-s', self.file, 'small.jsonl'), FAULT)
        self.assertIn('FAULT: 1 of 16 pages', done.out)
        self.assertIn('FAULT: 1 of 16 pages', again.out)

    def test_exists(self):
        self.file.write_text('precious')
        for done in (self.capture(self.file), self.save(self.file)):
            self.assert_says(done, FAILED, f'{self.file} exists already', '--force')
        self.assertEqual(self.file.read_text(), 'precious')
        self.assertEqual(self.qemu.log, [], 'found out before QEMU was asked anything')
        self.assert_only('snapshot')

    def test_force(self):
        for write in (self.capture, self.save):
            self.file.write_text('precious')
            self.assert_clean(write(self.file, '--force'))
            self.assert_clean(run('info', '-s', self.file))
        self.assert_only('snapshot')

    def test_appears_meanwhile(self):
        """a file that appears while QEMU is read is not replaced"""
        def answer(_):
            self.file.write_text('precious')
            return FakeQemu.usual(self.qemu, 'query-status', {})
        self.qemu.answers['query-status'] = answer
        self.assert_says(self.capture(self.file), FAILED, f'{self.file} exists already', '--force')
        self.assertEqual(self.file.read_text(), 'precious')
        self.assert_only('snapshot')

    def test_directory(self):
        for done in (self.capture(self.dir, '--force'), self.save(self.dir, '--force')):
            self.assert_says(done, FAILED, f'{self.dir} is a directory')
        for done in (self.capture(self.dir), self.save(self.dir)):
            self.assert_says(done, FAILED, f'{self.dir} is a directory')
        self.assertEqual(self.qemu.log, [])
        self.assert_only()

    def test_missing_directory(self):
        path = self.dir / 'no' / 'file'
        self.assert_says(self.capture(path), FAILED, str(path), 'No such file or directory')
        self.assert_only()

    def test_full_disk(self):
        """the disk fills up: said so, and nothing half-written stays"""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
        done = self.capture(self.file, preexec_fn=limit, restore_signals=False)     # SIGXFSZ stays ignored
        self.assert_says(done, FAILED, str(self.file), 'File too large')
        self.assert_only()

    def test_the_verdict_is_not_lost_with_the_file(self):
        """verify --save where no file can be written: the result is printed all the same"""
        with FakeQemu('missing.elf') as qemu:
            done = run('verify', '-q', qemu.target, '--save', self.dir / 'no' / 'file', 'small.jsonl')
        self.assert_status(done, FAILED)
        self.assertRegex(done.err, r'\Aviommu verify: .*/no/file: No such file or directory\n\Z')
        self.assertIn('FAULT: ', done.out)

    def test_reproducible(self):
        """--reproducible: two captures of the same state are the same file"""
        files = [self.dir / name for name in ('one', 'two', 'process')]
        self.assert_clean(self.capture(files[0], '--reproducible', '--memory', 'xp'))
        self.assert_clean(self.capture(files[1], '--reproducible', '--memory', 'xp'))
        self.assertEqual(files[0].read_bytes(), files[1].read_bytes())
        self.assert_clean(self.capture(files[2]))
        self.assertIn('HMP xp', run('info', '-s', files[2]).out)
        self.assertNotIn('HMP xp', run('info', '-s', files[0]).out)

    def test_odd_names(self):
        """names that are no text: written, and named in valid JSON"""
        for name in (b'\xff\xfe', 'ü '.encode(), b'-', b'a\nb', b'\x1b[31m'):
            path = os.fsencode(self.dir) + b'/' + name
            with self.subTest(name=name):
                self.assert_clean(self.capture(path))
                done = self.assert_clean(self.capture(path, '--force', '--format', 'json'))
                self.assertEqual(done.json['table_pages'], PAGES)
                self.assert_clean(run('info', '-s', path))

    def test_killed_in_the_middle(self):
        """SIGTERM while QEMU is read: no file, nothing left over"""
        with slow_qemu() as qemu:
            args = ['capture', '-q', qemu.target, '-o', self.file]
            process = start(*args)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.terminate()
            self.assertEqual(finish(process, args).status, -signal.SIGTERM)
        self.assert_only()


if __name__ == '__main__':
    tap.main()
