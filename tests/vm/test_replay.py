# SPDX-License-Identifier: GPL-2.0-or-later
"""A bundle made on a real guest says the same where there is no QEMU: the guest is gone, and viommu runs in a
root file system that has nothing but itself, its libraries and the bundle."""

import json
import os
import re
import shutil
import subprocess
import sys
import unittest

from common import BDF, Case, Held, boot, faults, rng, scratch, viommu

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'cli'))
import reports      # noqa: E402
import tap          # noqa: E402
from lab.guest import PLAIN_APPEND      # noqa: E402

PLACEHOLDER = re.compile(r'<(?:host|user|name|path|url|mac|serial|uuid|text|secret)-\d+>')


def libraries_of(path):
    return re.findall(r'(/\S+) \(0x', subprocess.run(['ldd', path], capture_output=True, text=True, check=True).stdout)


def archive_library():
    """The one that viommu loads when it is given a bundle."""
    ldconfig = shutil.which('ldconfig', path=os.environ.get('PATH', '') + ':/sbin:/usr/sbin')
    known = subprocess.run([ldconfig, '-p'], capture_output=True, text=True, check=True).stdout
    return re.search(r'^\s*libarchive\.so\.13 .*=> (\S+)$', known, re.M)[1]


def other_machine(directory):
    """A root file system in which viommu runs, and nothing else could."""
    root = os.path.join(directory, 'root')
    program = viommu.find()
    archive = archive_library()
    for path in {archive, *libraries_of(archive), *libraries_of(program)}:
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, root + path)
    shutil.copy(program, os.path.join(root, 'viommu'))
    return root


def timeless(text):
    """Without the moment, and how it was looked at: now and in QEMU's memory, or then and in a file."""
    text = re.sub(r'\nread    [^\n]*', '\nread    THEN', text)
    text = re.sub(r'"time": ?"[^"]*"', '"time": "THEN"', text)
    return re.sub(r'"reads": ?\d+', '"reads": N', text)


class Replay(Case):
    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0:
            raise unittest.SkipTest('only root can have another root file system')
        cls.dir = scratch()
        cls.guest = boot(memory='1G', cmdline=PLAIN_APPEND)
        cls.addClassCleanup(cls.guest.close)
        cls.held = Held(cls.guest, BDF, '--count 20 --size 16k --seed 5 --unmap-half')
        tables = cls.held.tables()
        cls.iovas = [hex(leaf.iova) for leaf in tables.leaves()][:3] + ['0x7000000000']
        cls.live, cls.status, cls.reports = {}, {}, {}
        cls.look('clean')
        with faults.AddressChanged(tables, cls.held.state, rng('replay')) as fault:
            cls.iovas.append(hex(fault.expected[0][0]))
            cls.look('fault')
        cls.held.release()
        shutil.copy(cls.guest.record, os.path.join(cls.dir, 'record.jsonl'))
        cls.guest.close()
        cls.root = other_machine(cls.dir)

    @classmethod
    def commands(cls, record=()):
        """What is asked of both; verify with its records, which a bundle has."""
        return [('verify', *record), ('verify', '--format', 'json', *record), ('verify', '--all', *record), ('info',),
                ('info', '--format', 'json'), ('dump',), ('dump', '--format', 'json'), ('dump', '--entries'), ('dump', '--queue'),
                ('dump', '--interrupts'), ('dump', '--faults'), *(('walk', BDF, iova) for iova in cls.iovas),
                *(('walk', '--format', 'json', BDF, iova) for iova in cls.iovas)]

    @classmethod
    def look(cls, name):
        """At the live guest, and two bundles of it."""
        cls.guest.qmp.command('stop')
        try:
            plain = cls.commands()
            for command, words in zip(plain, cls.commands((cls.held.record,))):
                done = viommu.run(words[0], '-q', cls.guest.target, *words[1:])
                cls.live[name, command] = done.stdout
                cls.status[name, command] = done.returncode
            for form in ('json', 'junit'):
                done = viommu.run('report', '-q', cls.guest.target, cls.held.record, '--format', form)
                cls.reports[name, form] = done.stdout
            for kind, options in (('bare', ['--no-redact']), ('redacted', [])):
                done = viommu.run('report', '-q', cls.guest.target, cls.held.record, '-o', os.path.join(cls.dir, f'{name}-{kind}.tar.gz'),
                                  *options)
                assert done.returncode in (0, 3), done.stderr
        finally:
            cls.guest.qmp.command('cont')

    def there(self, bundle, command):
        """viommu COMMAND BUNDLE on the other machine."""
        shutil.copy(os.path.join(self.dir, bundle), os.path.join(self.root, 'bundle.tar.gz'))
        words = ['unshare', '--mount', '--pid', '--net', '--fork', 'chroot', self.root, '/viommu', command[0],
                 '/bundle.tar.gz' if command[0] == 'verify' else '-s', *([] if command[0] == 'verify' else ['/bundle.tar.gz']), *command[1:]]
        return subprocess.run(words, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False,
                              env={'NO_COLOR': '1', 'PATH': os.environ['PATH']})

    def each(self, kind, check):
        for (name, command), live in self.live.items():
            with self.subTest(state=name, command=' '.join(command)):
                done = self.there(f'{name}-{kind}.tar.gz', command)
                self.assertEqual((done.returncode, done.stderr), (self.status[name, command], ''))
                self.assertGreater(len(live), 20)
                check(timeless(live), timeless(done.stdout))

    def test_there_is_no_qemu(self):
        found = [os.path.join(where, name) for where, _, names in os.walk(self.root) for name in names]
        self.assertEqual([path for path in found if 'qemu' in path.lower()], [])
        self.assertFalse(self.guest.alive())

    def test_bare(self):
        """--no-redact: the same bytes"""
        self.each('bare', lambda live, there: self.assertEqual(there, live))

    def test_redacted(self):
        """the same but for names: what stands where a placeholder does may be anything"""
        replaced = []

        def check(live, there):
            replaced.extend(PLACEHOLDER.findall(there))
            self.assertRegex(live, '\\A' + '[^\n]*'.join(map(re.escape, PLACEHOLDER.split(there))) + '\\Z')

        self.each('redacted', check)
        self.assertGreater(len(replaced), 0, 'nothing was redacted: this proved nothing')

    def test_faults_differ(self):
        """the two states say different things, and the second is a fault"""
        command = ('verify', '--format', 'json')
        self.assertEqual((self.status['clean', command], self.status['fault', command]), (0, 3))
        clean, fault = (json.loads(self.there(f'{name}-redacted.tar.gz', command).stdout) for name in ('clean', 'fault'))
        self.assertEqual(clean['counts']['wrong-address']['pages'], 0)
        self.assertEqual(fault['counts']['wrong-address']['pages'], 1)

    def test_independent_readers(self):
        """reports of the live guest: JSON by a validator against the schema, JUnit by a parser, neither of them ours"""
        if not reports.jsonschema or not reports.junitparser:
            self.skipTest('python3-jsonschema or python3-junitparser is not installed')
        for (name, form), text in self.reports.items():
            with self.subTest(state=name, form=form):
                if form == 'json':
                    self.assertEqual(reports.errors(json.loads(text)), [])
                    continue
                cases = [case for suite in reports.junitparser.JUnitXml.fromstring(text.encode()) for case in suite]
                failed = sum(result.__class__.__name__ == 'Failure' for case in cases for result in case.result)
                self.assertGreater(len(cases), 3)
                self.assertEqual(failed > 0, name == 'fault')

    def test_l1_facts(self):
        """what the doctor said in L1 came along"""
        result = json.loads(self.there('clean-redacted.tar.gz', ('verify', '--format', 'json')).stdout)
        checks = result['records'][0]['checks']
        self.assertEqual([check['verdict'] for check in checks if check['name'] == 'caching mode'][:1], ['ok'], checks)
        self.assertFalse([check for check in checks if check['verdict'] == 'FAIL'], checks)


if __name__ == '__main__':
    tap.main()
