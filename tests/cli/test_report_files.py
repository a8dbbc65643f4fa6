#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu report -o: files that are whole or not there."""

import os
import random
import re
import resource
import signal
import subprocess
import time

from cli import FAILED, FAULT, SANITIZED, TOP, USAGE, Case, finish, run, start
from reports import FORMS, SAVED, report

import tap

# As the source has them: what ends a name, and says the form.
SUFFIXES = re.findall(r'"(\.[a-z.]+)"', (TOP / 'correlate' / 'cmd-report.c').read_text())


class Files(Case):
    def setUp(self):
        self.folder = self.scratch()

    def names(self):
        return sorted(os.listdir(self.folder))

    def test_the_suffix_says_the_form(self):
        more = {'markdown': ['b.markdown'], 'html': ['b.htm']}
        for form, suffix in FORMS.items():
            for name in [f'a.{suffix}', *more.get(form, [])]:
                path = self.folder / name
                self.assert_clean(run('report', *SAVED, '-o', path), FAULT)
                self.assertEqual(path.read_text(), report(form, *SAVED).out)
        self.assert_clean(run('report', *SAVED, '-o', self.folder / 'c.xml', '--format', 'tap'), FAULT)
        self.assertTrue((self.folder / 'c.xml').read_text().startswith('TAP version 13\n'))
        self.assertEqual(run('report', *SAVED).out, report('markdown', *SAVED).out)
        self.assertEqual(run('report', *SAVED, '-o', '-').out, report('markdown', *SAVED).out)

    def test_unknown_suffix(self):
        self.assertIn('.tgz', SUFFIXES)
        for name in ('report', 'report.pdf', 'md', 'a.html.gz'):
            done = self.assert_says(run('report', *SAVED, '-o', self.folder / name), USAGE, 'the form of', '--format')
            for suffix in SUFFIXES:
                self.assertIn(suffix, re.findall(r'\.[a-z.]*[a-z]', done.err.partition('end its name')[2]))
        self.assertEqual(self.names(), [])

    def test_exists(self):
        path = self.folder / 'a.md'
        path.write_text('mine')
        self.assert_says(run('report', *SAVED, '-o', path), FAILED, 'exists already', '--force')
        self.assertEqual((path.read_text(), self.names()), ('mine', ['a.md']))
        self.assert_clean(run('report', *SAVED, '-o', path, '--force'), FAULT)
        self.assertTrue(path.read_text().startswith('**FAULT'))
        self.assertEqual(self.names(), ['a.md'])

    def test_directory(self):
        (self.folder / 'a.md').mkdir()
        for more in ([], ['--force']):
            self.assert_says(run('report', *SAVED, '-o', self.folder / 'a.md', *more), FAILED, 'is a directory')
        self.assert_says(run('report', *SAVED, '-o', self.folder / 'no' / 'a.md'), FAILED, 'cannot write')
        self.assertEqual(self.names(), ['a.md'])

    def test_no_file_of_the_usual_kind(self):
        """what is no regular file is not replaced by one"""
        os.mkfifo(self.folder / 'a.md')
        for more in ([], ['--force']):
            self.assert_status(run('report', *SAVED, '-o', self.folder / 'a.md', *more), FAILED)
        self.assertTrue((self.folder / 'a.md').is_fifo())
        self.assert_status(run('report', *SAVED, '-o', '/dev/null', '--format', 'tap', '--force'), FAILED)
        self.assertTrue(os.path.exists('/dev/null') and not os.path.isfile('/dev/null'))

    def test_no_room(self):
        """a disk that is full leaves nothing, and what was there stays"""
        def no_room():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

        for form, suffix in FORMS.items():
            with self.subTest(form=form):
                path = self.folder / f'a.{suffix}'
                self.assert_says(run('report', *SAVED, '-o', path, preexec_fn=no_room), FAILED, 'cannot write', path.name)
                self.assertEqual(self.names(), [])
                path.write_text('mine')
                self.assert_status(run('report', *SAVED, '-o', path, '--force', preexec_fn=no_room), FAILED)
                self.assertEqual((path.read_text(), self.names()), ('mine', [path.name]))
                path.unlink()
                with open('/dev/full', 'wb') as full:
                    done = self.assert_status(report(form, *SAVED, stdout=full), FAILED)
                    self.assertEqual(done.err, 'viommu: cannot write the output: No space left on device\n')

    def test_a_full_file_system(self):
        mounted = self.folder / 'small'
        mounted.mkdir()
        if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', mounted], stderr=subprocess.DEVNULL,
                          check=False).returncode != 0:
            self.skipTest('only root can mount a file system')
        try:
            (mounted / 'full').write_bytes(b'x' * 12288)
            for name in ('a.html', 'a.tar.gz'):
                done = run('report', *SAVED, '-o', mounted / name)
                self.assert_says(done, FAILED, 'No space left on device', 'cannot write', str(mounted / name))
                self.assertEqual(os.listdir(mounted), ['full'])
        finally:
            subprocess.run(['umount', mounted], check=True)

    def test_permissions_follow_the_mask(self):
        for mask, mode in ((0o022, 0o644), (0o077, 0o600)):
            path = self.folder / f'{mode:o}.tap'
            self.assert_clean(run('report', *SAVED, '-o', path, preexec_fn=lambda mask=mask: os.umask(mask)), FAULT)
            self.assertEqual(path.stat().st_mode & 0o777, mode)

    def test_private_texts_are_the_owners(self):
        for name in 'a.md', 'a.tar.gz':
            path = self.folder / name
            self.assert_clean(run('report', *SAVED, '-o', path, '--no-redact', preexec_fn=lambda: os.umask(0o022)), FAULT)
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)

    def test_no_bundle_on_a_terminal(self):
        ours, terminal = os.openpty()
        try:
            done = run('report', *SAVED, '--format', 'bundle', stdout=terminal)
            self.assert_says(done, USAGE, 'a terminal', '-o FILE')
        finally:
            os.close(terminal)
            os.close(ours)

    def test_killed(self):
        """whoever kills it while it writes finds no report under its name"""
        path = self.folder / 'a.html'
        done = run('report', *SAVED, '-o', path, check=False,
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)))
        self.assertEqual(done.status, -signal.SIGXFSZ)
        self.assertFalse(path.exists())

    def test_ended_at_any_moment(self):
        """Ctrl-C, kill and kill -9 in the middle: what is there is whole, or what was there before; beside it lies nothing, or after kill -9 a whole one"""
        forms = [*FORMS.items(), ('bundle', 'tar.gz')]
        whole, seconds = {}, {}
        for form, suffix in forms:
            path = self.folder / f'whole.{suffix}'
            started = time.monotonic()
            self.assert_status(run('report', *SAVED, '-o', path), FAULT)
            seconds[form], whole[form] = time.monotonic() - started, path.read_bytes()
            path.unlink()
        chance, not_there = random.Random('ended'), 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL) * 4:
            for form, suffix in forms:
                path = self.folder / f'a.{suffix}'
                before = chance.random() < 0.5
                if before:
                    path.write_bytes(b'mine')
                args = ('report', *SAVED, '-o', path, '--force')
                process = start(*args)
                time.sleep(chance.uniform(0, seconds[form]))
                process.send_signal(number)
                done = finish(process, args)
                self.assertIn(done.status, (FAULT, -number), str(done))
                now = path.read_bytes() if path.exists() else None
                self.assertIn(now, [whole[form], *([b'mine'] if before else [None] if done.status != FAULT else [])])
                path.unlink(missing_ok=True)
                not_there += now != whole[form]
                # Linux cannot put a file without a name in the place of another: it has one of its own for a moment.
                left = self.names()
                if left and before and number == signal.SIGKILL:
                    self.assertEqual([(self.folder / name).read_bytes() for name in left], [whole[form]])
                    (self.folder / left[0]).unlink()
                else:
                    self.assertEqual(left, [], f'{form}, signal {number}')
        self.assertTrue(not_there, 'every one of them was too late')

    def test_no_nameless_files(self):
        """where a file without a name cannot get one, for want of /proc: the same under a name of its own"""
        if SANITIZED:
            self.skipTest('LeakSanitizer wants /proc')
        no_proc = ['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /proc && exec "$@"', 'sh']
        if subprocess.run([*no_proc, 'true'], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest('only root can mount a file system')
        path = self.folder / 'a.md'
        for options in ((), ('--force',)):
            self.assert_clean(run('report', *SAVED, '-o', path, *options, prefix=no_proc), FAULT)
            self.assertIn('FAULT', path.read_text())
            self.assertEqual(self.names(), ['a.md'])

    def test_strict_goes_by_verify(self):
        for strict in ([], ['--strict']):
            args = ('-s', 'loop.elf', 'small.jsonl', *strict)
            self.assertEqual(run('report', *args, '-o', '-').status, run('verify', *args).status)


if __name__ == '__main__':
    tap.main()
