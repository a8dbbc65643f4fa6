#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe's command line, on any machine: no VFIO, no IOMMU needed.

VIOMMU_PROBE is the path of the program.  No test names a device that exists:
the machine the tests run on is left alone."""

import json
import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import tap  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
PROBE = os.environ.get('VIOMMU_PROBE')
NO_DEVICE = 'ffff:ff:1f.7'
PREFIX = 'viommu-probe: '

COMMANDS = ('doctor', 'explain', 'map', 'record', 'trace')


def run(*args, **more):
    more.setdefault('stdin', subprocess.DEVNULL)
    more.setdefault('stdout', subprocess.PIPE)
    return subprocess.run([PROBE, *args], stderr=subprocess.PIPE, text=True, timeout=30, **more)


@unittest.skipUnless(PROBE, 'VIOMMU_PROBE is not set')
class ProbeTest(unittest.TestCase):
    def assertSays(self, done, status, *parts):
        """The status, nothing on stdout, and one line on stderr with these parts."""
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, '')
        lines = done.stderr.splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        self.assertTrue(lines[0].startswith(PREFIX), lines[0])
        for part in parts:
            self.assertIn(part, lines[0])


class Usage(ProbeTest):
    def test_commands(self):
        self.assertSays(run(), 2, 'name a command', '--help')
        self.assertSays(run('fly'), 2, "no command 'fly'", '--help')
        self.assertSays(run('--fly'), 2, "no command '--fly'", '--help')

    def test_hostile_arguments_do_not_reach_the_terminal(self):
        done = run('\x1b[31m\n\udcff')
        self.assertEqual(done.returncode, 2)
        self.assertNotIn('\x1b', done.stderr)
        self.assertIn("'?[31m", done.stderr)
        self.assertNotIn('\udcff', done.stderr)

    def test_device(self):
        for command in ('doctor', 'map'):
            for bad in '4', '00:04', '00:04.8', '00:20.0', '0000:00:04.0.0', '../../etc', '':
                with self.subTest(command=command, bdf=bad):
                    self.assertSays(run(command, bad), 2, f"'{bad}'", 'not a PCI address', '00:04.0')
            with self.subTest(command=command):
                self.assertSays(run(command, '00:04.0', '00:05.0'), 2, 'one device', "'00:05.0'")
        self.assertSays(run('map'), 2, 'name the device')

    def test_options(self):
        for command in COMMANDS:
            with self.subTest(command=command):
                self.assertSays(run(command, '--fly', NO_DEVICE), 2, 'no option --fly', f'{command} --help')
                self.assertSays(run(command, '-x', NO_DEVICE), 2, 'no option', f'{command} --help')

    def test_values(self):
        bad = {
            '--size': ('0', '', '4kb', '-4k', '0x', '99999999999999999999', '16777216t'),
            '--page': ('8k', '4', '0', 'huge'),
            '--count': ('0', '-1', '1k', '4194305', ''),
            '--seed': ('x', '-1', '18446744073709551616'),
            '--iova': ('0x40000001', '4095', 'zero', '0x10000000000000000'),
            '--prot': ('', 'wr', 'x', 'rwx', 'RW'),
            '--backend': ('', 'type1', 'IOMMUFD', 'vfio,iommufd'),
            '--hold': ('-1', '1.5', 'forever', '315360001'),
            '--output': ('',),
        }
        for option, values in bad.items():
            for value in values:
                with self.subTest(option=option, value=value):
                    done = run('map', NO_DEVICE, option, value)
                    self.assertSays(done, 2, option, f"not '{value}'" if value else 'wants')
            with self.subTest(option=option):
                self.assertSays(run('map', NO_DEVICE, option), 2, f'{option} wants an argument')

    def test_values_together(self):
        self.assertSays(run('map', NO_DEVICE, '--size', '4k', '--page', '2m'), 2, 'multiple of --page')
        self.assertSays(run('map', NO_DEVICE, '--size', '8388608t', '--count', '3'), 2, '2^64')

    def test_good_values_get_as_far_as_the_device(self):
        for args in (('--size', '0x10000'), ('--size', '64K', '--page', '4k'), ('--page', '2m'), ('--page', '1G'),
                     ('--count', '4194304'), ('--seed', '0'), ('--iova', '0'), ('--iova', '0xfffffffffffff000'),
                     ('--prot', 'r'), ('--prot', 'w'), ('--prot', 'rw'), ('--hold', '0'), ('-o', '-'),
                     ('--backend', 'vfio'), ('--backend', 'iommufd'),
                     ('--bind', '--unmap-half', '--force')):
            with self.subTest(args=args):
                self.assertSays(run('map', NO_DEVICE, *args), 1, f'no PCI device {NO_DEVICE}')


class Help(ProbeTest):
    def test_help_fits_a_screen(self):
        for args in (('--help',), ('-h',), *((command, flag) for command in COMMANDS for flag in ('--help', '-h'))):
            with self.subTest(args=args):
                done = run(*args)
                self.assertEqual(done.returncode, 0)
                self.assertEqual(done.stderr, '')
                lines = done.stdout.splitlines()
                self.assertLessEqual(max(map(len, lines)), 80, max(lines, key=len))
                self.assertLessEqual(len(lines), 40)
                self.assertTrue(lines[0].startswith('Usage: viommu-probe'))
                self.assertTrue(done.stdout.endswith('\n'))

    def test_version(self):
        for args in (('--version',), ('-V',), *((command, flag) for command in COMMANDS for flag in ('--version', '-V'))):
            with self.subTest(args=args):
                done = run(*args)
                self.assertEqual(done.returncode, 0)
                self.assertRegex(done.stdout, r'\Aviommu-probe \d+\.\d+\.\d+\n\Z')

    def test_commands_are_listed(self):
        text = run('--help').stdout
        for command in COMMANDS:
            self.assertRegex(text, rf'(?m)^  {command} ')

    def test_options_are_in_help_and_manual(self):
        manual = (TOP / 'man' / 'viommu-probe.1.scd').read_text()
        source = (TOP / 'probe' / 'map' / 'map-options.c').read_text()
        options = re.findall(r'\{ "([a-z-]+)", (?:no|required)_argument', source)
        self.assertGreater(len(options), 10)
        text = run('map', '--help').stdout
        for option in options:
            self.assertIn(f'--{option}', text)
            self.assertIn(f'*--{option}*', manual)

    def test_full_disk(self):
        for args in (('--help',), ('--version',), ('map', '--help'), ('doctor', '--help')):
            with self.subTest(args=args), open('/dev/full', 'w') as full:
                done = run(*args, stdout=full)
                self.assertEqual(done.returncode, 1)
                self.assertIn('cannot write to stdout', done.stderr)


class Map(ProbeTest):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        self.file = pathlib.Path(self.dir.name) / 'record'

    def test_missing_device_leaves_nothing(self):
        self.assertSays(run('map', NO_DEVICE, '-o', str(self.file)), 1, NO_DEVICE, '/sys/bus/pci/devices')
        self.assertFalse(self.file.exists())
        self.assertSays(run('map', NO_DEVICE, '--bind'), 1, NO_DEVICE)

    def test_file_exists(self):
        self.file.write_text('precious')
        self.assertSays(run('map', NO_DEVICE, '-o', str(self.file)), 1, f'{self.file} exists', '--force')
        self.assertEqual(self.file.read_text(), 'precious')
        # With --force it is opened, and so emptied, only when all else is right.
        self.assertSays(run('map', NO_DEVICE, '-o', str(self.file), '--force'), 1, 'no PCI device')
        self.assertEqual(self.file.read_text(), 'precious')

    def test_output_is_a_directory(self):
        self.assertSays(run('map', NO_DEVICE, '--force', '-o', self.dir.name), 1, 'is a directory')

    def test_vsock_is_a_wrong_word(self):
        for where in ('vsock:foo', 'vsock:2', 'vsock:'):
            for args in (('map', NO_DEVICE), ('record',), ('trace',)):
                self.assertSays(run(*args, '-o', where, *(('--', 'true') if args[0] != 'map' else ())), 2,
                                '--output wants vsock:CID:PORT', 'vsock:2:5000', f"not '{where}'")

    def test_missing_port_is_not_made(self):
        port = '/dev/vport-that-is-not-there'
        self.assertSays(run('map', NO_DEVICE, '-o', port), 1, f'no {port}', 'virtserialport', 'virtio_console')
        self.assertFalse(os.path.exists(port))


def unprivileged():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


class Doctor(ProbeTest):
    def doctor(self, *args, **more):
        done = run('doctor', *args, **more)
        self.assertEqual(done.stderr, '')
        found = re.search(r'\n\n(\d+) ok, (\d+) warn, (\d+) FAIL, (\d+) skip\n\Z', done.stdout)
        self.assertTrue(found, done.stdout)
        counts = dict(zip(('ok', 'warn', 'FAIL', 'skip'), map(int, found.groups())))
        for word, count in counts.items():
            seen = len(re.findall(rf'(?m)^  {word:<4}  \S', done.stdout))
            self.assertEqual(seen, count, word)
        self.assertEqual(done.returncode, 3 if counts['FAIL'] else 0)
        return done.stdout, counts

    def test_here(self):
        text, counts = self.doctor()
        for check in ('kernel', 'intel_iommu=', 'pass-through', 'groups', 'locked memory', 'pagemap', 'huge pages'):
            self.assertRegex(text, rf'(?m)^  (ok|warn|FAIL|skip) +{re.escape(check)}  ')
        self.assertRegex(text, r'(?m)^  skip  device +none named')
        self.assertRegex(text, r'(?m)^  skip  mapping ')
        self.assertIn(os.uname().release, text)

    def test_json(self):
        """the same checks, in the same order, with the same words"""
        for args in (), (NO_DEVICE,):
            text, counts = self.doctor(*args)
            done = run('doctor', '--format', 'json', *args)
            self.assertEqual((done.returncode, done.stderr), (3 if counts['FAIL'] else 0, ''))
            report = json.loads(done.stdout)
            self.assertEqual((report['format'], report['version']), ('viommu-doctor', 1))
            self.assertEqual(report.get('device'), NO_DEVICE if args else None)
            self.assertEqual(report['counts'], counts)
            self.assertEqual([(check['verdict'], check['name']) for check in report['checks']],
                             re.findall(r'(?m)^  (ok|warn|FAIL|skip) +(\S.*?)  ', text))
            flat = ' '.join(text.split())
            for check in report['checks']:
                for words in (check['seen'], *check.get('more', ()), check.get('fix', '')):
                    self.assertIn(' '.join(words.split()), flat)
        self.assertEqual(run('doctor', '--format', 'text').stdout, self.doctor()[0])
        for args in ('--format', 'xml'), ('--format',), ('--format='):
            self.assertEqual(run('doctor', *args).returncode, 2, args)
        with open('/dev/full', 'w') as full:
            self.assertEqual(run('doctor', '--format', 'json', stdout=full).returncode, 1)

    def test_missing_device(self):
        text, counts = self.doctor(NO_DEVICE)
        self.assertRegex(text, rf'(?m)^  FAIL  device +there is no PCI device {NO_DEVICE}')
        self.assertGreaterEqual(counts['FAIL'], 1)

    def test_no_iommu(self):
        """The two ways in which there is none are told apart."""
        if os.path.isdir('/sys/class/iommu') and os.listdir('/sys/class/iommu'):
            self.skipTest('this machine has an IOMMU')
        text, _ = self.doctor()
        want = 'kernel does not use it' if os.path.exists('/sys/firmware/acpi/tables/DMAR') else 'intel-iommu'
        self.assertRegex(text, r'(?m)^  FAIL  IOMMU ')
        self.assertIn(want, re.sub(r'\s+', ' ', text))

    def test_columns_and_colours(self):
        text, _ = self.doctor(NO_DEVICE, env={**os.environ, 'TERM': 'xterm'})
        self.assertNotIn('\x1b', text)
        # A long word (of the command line, say) cannot be broken.
        for line in text.splitlines():
            if len(line) > 80:
                self.assertLessEqual(len(line.split()), 1, line)

    @unittest.skipUnless(hasattr(os, 'openpty'), 'no pseudo-terminals')
    def test_colour_on_a_terminal(self):
        for env, coloured in (({'TERM': 'xterm'}, True), ({'TERM': 'xterm', 'NO_COLOR': '1'}, False),
                              ({'TERM': 'dumb'}, False), ({'TERM': 'xterm', 'NO_COLOR': ''}, True)):
            with self.subTest(env=env):
                try:
                    ours, theirs = os.openpty()
                except OSError as error:
                    self.skipTest(f'no terminal can be had: {error}')
                done = subprocess.Popen([PROBE, 'doctor'], stdin=subprocess.DEVNULL, stdout=theirs,
                                        stderr=subprocess.PIPE, env=env)
                os.close(theirs)
                text = b''
                while True:
                    try:
                        piece = os.read(ours, 65536)
                    except OSError:  # EIO: the other end is closed
                        break
                    if not piece:
                        break
                    text += piece
                os.close(ours)
                done.communicate(timeout=30)
                self.assertIn(done.returncode, (0, 3))
                self.assertIn(b'huge pages', text)
                self.assertEqual(b'\x1b[' in text, coloured)

    def test_full_disk(self):
        with open('/dev/full', 'w') as full:
            done = run('doctor', stdout=full)
        self.assertEqual(done.returncode, 1)
        self.assertIn('cannot write', done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, 'only root can become somebody else')
    def test_unprivileged(self):
        # A build folder that only root may enter: take a copy.
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            copy = pathlib.Path(folder) / 'viommu-probe'
            copy.write_bytes(pathlib.Path(PROBE).read_bytes())
            copy.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
            done = subprocess.run([copy, 'doctor'], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, preexec_fn=unprivileged, timeout=30)
        self.assertIn(done.returncode, (0, 3), done.stderr)
        text = re.sub(r'\s+', ' ', done.stdout)
        self.assertIn('guest-physical addresses cannot be recorded: the kernel hides', text)
        self.assertIn('CAP_SYS_ADMIN', text)


if __name__ == '__main__':
    tap.main()
