# SPDX-License-Identifier: GPL-2.0-or-later
"""A snapshot that is not as it should be, given to every command that takes one."""

from cli import CLEAN, FAULT, REJECTED, Case, run
from fake_qmp import DATA

CLEAN_ELF = (DATA / 'clean.elf').read_bytes()
# The commands that take a snapshot, with what they need besides it.
READERS = {'verify': ['small.jsonl'], 'walk': ['00:04.0', '0x40000000'], 'dump': [], 'info': []}
UNUSABLE = 'is not a usable snapshot: '


class BadSnapshot(Case):
    def setUp(self):
        self.dir = self.scratch()
        self.count = 0

    def file(self, data):
        self.count += 1
        path = self.dir / f'{self.count}.elf'
        path.write_bytes(data)
        return path

    def assert_rejected(self, data, *pieces):
        """every command says the same about this file"""
        path = self.file(data)
        for name, more in READERS.items():
            self.assert_says(run(name, '-s', path, *more), REJECTED, f'{path} {UNUSABLE}', *pieces)
        path.unlink()

    def assert_usable(self, data, *more):
        """every command takes this file; the result of verify as JSON"""
        path = self.file(data)
        for name, words in READERS.items():
            for form in ('text', 'json'):
                done = run(name, '-s', path, *words, *more, '--format', form)
                self.assertIn(done.status, (CLEAN, FAULT), f'\n{done}')
        done = run('verify', '-s', path, 'small.jsonl', '--format', 'json')
        path.unlink()
        return done.json
