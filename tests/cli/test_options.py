#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Options that contradict each other: nothing is chosen silently.  And those that every command has."""

import os
import subprocess

from cli import COMMANDS, FAILED, TOP, USAGE, Case, run
from qemu_processes import IOMMU, ON, Lookalikes, RealQemus

import tap

PROBE = os.environ.get('VIOMMU_PROBE')
SAVED = ('-s', 'clean.elf')
LIVE = ('-q', 'unix:/nowhere')
# Of each command: an option with two values that contradict each other.
TWICE = {
    'info': [(*SAVED, '-s', 'missing.elf'), ('-q', 'unix:/a', '-q', 'unix:/b'), ('-q', 'unix:/a', '--qmp=unix:/b'), ('-p', '5', '--pid', '6'),
             (*LIVE, '--timeout', '1', '--timeout', '2'), (*LIVE, '--memory', 'xp', '--memory', 'auto'),
             (*SAVED, '--format', 'json', '--format', 'text')],
    'dump': [(*SAVED, '-d', '00:04.0', '-d', '00:05.0'), (*SAVED, '-d', '00:04.0', '--device', '00:05.0')],
    'walk': [(*SAVED, '00:04.0', '0', '--pasid', '1', '--pasid', '2')],
    'verify': [(*SAVED, 'small.jsonl', '--at', '1', '--at', 'held'), (*LIVE, 'small.jsonl', '--save', '/nowhere/a', '--save', '/nowhere/b'),
               (*SAVED, 'small.jsonl', '--qemu-log', '/dev/null', '--qemu-log', '/dev/zero')],
    'report': [(*SAVED, 'small.jsonl', '-o', '/nowhere/a.md', '-o', '/nowhere/b.md'), (*SAVED, 'small.jsonl', '--format', 'tap', '--format', 'html')],
    'watch': [(*LIVE, '/nowhere/x', '--interval', '1', '--interval', '2'), (*LIVE, '/nowhere/x', '--seconds', '1', '--seconds', '2')],
    'trace': [(*LIVE, '-o', '/nowhere/a', '-o', '/nowhere/b'), (*LIVE, '-o', '/nowhere/a', '--log-was', '/a', '--log-was', '/b')],
    'capture': [(*LIVE, '-o', '/nowhere/a', '-o', '/nowhere/b')],
    'doctor': [('--qemu-log', '/dev/null', '--qemu-log', '/dev/zero')],
    'diff': [('clean.elf', 'clean.elf', '--format', 'json', '--format', 'text')],
    'list': [('--format', 'json', '--format', 'text')],
    'explain': [('--format', 'json', '--format', 'markdown')],
}


def probe(*args):
    return subprocess.run([PROBE, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=False)


class Version(Case):
    def test_of_each_command(self):
        """as viommu --version, whatever else there is"""
        whole = run('--version').out
        for name in COMMANDS:
            for args in (['--version'], ['-V'], ['too', 'many', 'words', '-V']):
                with self.subTest(command=name, args=args):
                    self.assertEqual(self.assert_clean(run(name, *args)).out, whole)
            self.assertIn('-V, --version', run(name, '--help').out)


class Twice(Case):
    def test_two_values(self):
        self.assertEqual(set(TWICE), set(COMMANDS))
        for name, lines in TWICE.items():
            for args in lines:
                with self.subTest(command=name, args=args):
                    self.assert_says(run(name, *args), USAGE, 'is given twice, as "', '" and as "')

    def test_it_is_named(self):
        self.assert_says(run('dump', *SAVED, '-d', '00:04.0', '-d', '00:05.0'), USAGE,
                         '--device is given twice, as "00:04.0" and as "00:05.0"; it takes one value')
        self.assert_says(run('dump', *SAVED, '-d', 'a', '-d', 'b\x1b[31m'), USAGE, '--device is given twice')

    def test_one_value(self):
        """the same again is no contradiction; what has no value may stand twice"""
        self.assert_clean(run('dump', *SAVED, *SAVED, '-d', '00:04.0', '--device=00:04.0', '--entries', '--entries'))

    def test_help_comes_first(self):
        self.assert_clean(run('info', *SAVED, '-s', 'missing.elf', '--help'))

    def test_lists(self):
        """all of these are taken"""
        done = run('verify', *SAVED, 'small.jsonl', '--shadow', 'missing.elf', '--shadow', 'stale.elf')
        self.assertNotIn('twice', done.err)

    def test_probe(self):
        for args in (('map', 'ffff:ff:1f.7', '--size', '4k', '--size', '8k'), ('map', 'ffff:ff:1f.7', '-o', 'a', '--output', 'b'),
                     ('record', '--pid', '1', '--pid', '2'), ('trace', '--seconds', '1', '--seconds', '2'),
                     ('doctor', '--format', 'json', '--format', 'text'), ('explain', '--pid', '1', '--pid', '2')):
            with self.subTest(args=args):
                done = probe(*args)
                self.assertEqual((done.returncode, done.stdout), (2, ''), done.stderr)
                self.assertRegex(done.stderr, r"\Aviommu-probe: --\w+ is given twice, as '.*' and as '.*'; it takes one value")
        self.assertEqual(probe('explain', '--pid', '1', '--pid', '1').returncode, 0)

    def test_rule(self):
        """is in the manuals"""
        for name in 'viommu', 'viommu-probe':
            self.assertRegex((TOP / 'man' / f'{name}.1.scd').read_text(), r'twice with\s+two values')


class Process(Lookalikes):
    def test_impossible(self):
        for pid in ('0', '-0', '-1', '4194305', '2147483648', '99999999999', 'qemu', '', '1.5', '0x10', ' 1', '+1'):
            for args in (['info', '-p', pid], ['info', '-q', 'unix:/nowhere', '-p', pid], ['trace', '-p', pid, '--undo']):
                with self.subTest(args=args):
                    self.assert_says(run(*args), USAGE, f'--pid takes a process id, from 1 to 4194304, not "{pid}"', 'viommu list')

    def test_beside_a_monitor(self):
        """a process that is not there, or no QEMU, has no monitor"""
        gone = subprocess.Popen(['true'])
        gone.wait()
        self.assert_says(run('info', '-q', 'unix:/nowhere', '-p', str(gone.pid)), FAILED, f'there is no process {gone.pid}')


class TwoQemus(RealQemus):
    def setUp(self):
        self.ready = self.scratch()

    def one(self, name):
        path = self.ready / name
        return self.qemu(*IOMMU, '-qmp', f'unix:{path}{ON}', ready=path.exists), f'unix:{path}'

    def test_contradiction(self):
        """-p of one and -q of another: neither is taken"""
        (first, first_address), (second, second_address) = self.one('1'), self.one('2')
        for more in ([], ['--memory', 'xp'], ['--memory', 'process']):
            with self.subTest(more=more):
                self.assert_says(run('info', '-q', second_address, '-p', str(first), *more), USAGE,
                                 f'-p {first} and -q {second_address} name two QEMUs', f'process {second}')
        self.assert_says(run('trace', '-q', second_address, '-p', str(first), '--undo'), USAGE, 'name two QEMUs')
        self.assert_clean(run('info', '-q', first_address, '-p', str(first)))
        self.assert_clean(run('info', '-q', second_address, '-p', str(second), '--memory', 'xp'))


if __name__ == '__main__':
    tap.main()
