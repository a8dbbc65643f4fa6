#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU whose guest moves, or whose answers are spoiled, while viommu reads."""

import random

from cli import CLEAN, FAILED, FAULT, SANITIZED, Case, in_parallel, run
from corefile import Snapshot
from fake_qmp import DATA, FakeQemu

import tap

class Moves(Case):
    """A guest that changes its tables while they are read."""

    def setUp(self):
        clean = Snapshot.read(DATA / 'clean.elf')
        self.entry = int(run('walk', '-s', 'clean.elf', '00:04.0', '0x40002000', '--format', 'json').json
                         ['walk']['steps'][-1]['entry_gpa'], 16)
        self.qemu = FakeQemu(clean)
        self.right = clean.read_u64(self.entry)

    def verify(self, entries):
        """Each read of the table finds the next one of these values."""
        values = iter(entries)

        def xp(line):
            if int(line.split()[2], 16) == self.entry & -4096:
                self.qemu.snapshot.write_u64(self.entry, next(values, entries[-1]))
            return self.qemu.usual_hmp(line)
        self.qemu.answers['xp'] = xp
        with self.qemu:
            return run('verify', '-q', self.qemu.target, 'small.jsonl', '--memory', 'xp', '--format', 'json')

    def test_gone_at_the_second_look(self):
        done = self.assert_clean(self.verify([0, self.right]))
        self.assertEqual(done.json['counts']['match']['pages'], 16)
        self.assertEqual(done.json['capture']['reads'], 2)

    def test_stands_at_the_second_look(self):
        done = self.assert_status(self.verify([0, 0]), FAULT)
        self.assertEqual(done.json['counts']['missing']['pages'], 1)
        self.assertEqual(done.json['capture']['reads'], 2)

    def test_another_fault_each_time(self):
        wrong = [self.right ^ 1 << 12 + i for i in range(9)]
        done = self.assert_clean(self.verify(wrong))
        self.assertEqual(done.json['counts']['in-flux']['pages'], 1)
        self.assertEqual(done.json['counts']['match']['pages'], 15)
        self.assertEqual(sum(count['pages'] for count in done.json['counts'].values()), 16)

    def test_in_flux_is_a_fault_if_strict(self):
        wrong = [self.right ^ 1 << 12 + i for i in range(9)]
        values = iter(wrong)

        def xp(line):
            if int(line.split()[2], 16) == self.entry & -4096:
                self.qemu.snapshot.write_u64(self.entry, next(values, 0))
            return self.qemu.usual_hmp(line)
        self.qemu.answers['xp'] = xp
        with self.qemu:
            done = run('verify', '-q', self.qemu.target, 'small.jsonl', '--memory', 'xp', '--strict')
        self.assert_status(done, FAULT)
        self.assertIn('in-flux', done.out)


class Flips(Case):
    """Answers with a few bytes changed, seeds fixed: a sentence or a result."""

    def test_flips(self):
        def one(seed):
            rng = random.Random(seed)

            def spoil(text):
                data = list(text)
                for _ in range(rng.randrange(1, 4)):
                    at = rng.randrange(len(data))
                    data[at] = rng.choice('0123456789abcdefxX: \r\n-@(),#\0\u202e{"')
                return ''.join(data)

            def mtree(line):
                return spoil(qemu.usual_hmp(line))

            def xp(line):
                text = qemu.usual_hmp(line)
                return spoil(text) if rng.random() < 0.2 else text

            qemu = FakeQemu(answers={'info mtree -f': mtree} if seed % 2 else {'xp': xp})
            with qemu:
                done = run('verify', '-q', qemu.target, 'small.jsonl', '--format', 'json', '--timeout', '20')
                return done, qemu.forbidden()
        statuses = set()
        for seed, (done, forbidden) in enumerate(in_parallel(one, range(60 if SANITIZED else 120))):
            with self.subTest(seed=seed):
                statuses.add(done.status)
                self.assertEqual(forbidden, [])
                if done.status in (CLEAN, FAULT):
                    self.assertEqual(done.json['exit_status'], done.status)
                else:
                    self.assert_says(done, FAILED)
        self.assertGreater(len(statuses), 1, 'some got through, some did not')


if __name__ == '__main__':
    tap.main()
