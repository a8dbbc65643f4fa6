#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots with bits turned over: a result or a rejection, and no verdict that a second walker contradicts."""

import random

from bad_snapshot import CLEAN_ELF, READERS, UNUSABLE, BadSnapshot
from cli import CLEAN, FAULT, REJECTED, SANITIZED, in_parallel, number, run
from corefile import PAGE, Snapshot
from fake_qmp import DATA

import tap
from lab import record as records
from lab import vtd


class SnapshotTables(vtd.Tables):
    """The second opinion on the tables of a snapshot, with an end to all things."""

    def translate(self, iova):
        """(GPA, read, write), or None when it does not come to a leaf."""
        try:
            steps = self.walk(iova)
        except KeyError:
            return None
        if not (steps[-1].leaf and steps[-1].present):
            return None
        gpa = steps[-1].gpa + (iova - steps[-1].iova)
        return gpa, *(all(kind in step.prot for step in steps) for kind in 'rw')


class Flips(BadSnapshot):
    def test_anywhere(self):
        """bits turned over anywhere, seeds fixed: a result or a rejection, of each command"""
        size = len(CLEAN_ELF)

        def one(seed):
            rng = random.Random(seed)
            data = bytearray(CLEAN_ELF)
            for _ in range(rng.randrange(1, 9)):
                # The headers and the note are small, and are where lies can be told.
                at = rng.randrange(rng.choice((64, 1024, 12000, size)))
                data[at] ^= 1 << rng.randrange(8)
            path = self.dir / f'flip.{seed}'
            path.write_bytes(data)
            name = list(READERS)[seed % 4]
            done = run(name, '-s', path, *READERS[name], '--format', 'json' if seed % 3 else 'text')
            path.unlink()
            return name, seed, done
        seen = set()
        for name, seed, done in in_parallel(one, range(200 if SANITIZED else 400)):
            with self.subTest(seed=seed):
                seen.add(done.status)
                if done.status == REJECTED:
                    self.assert_says(done, REJECTED, UNUSABLE)
                else:
                    self.assertIn(done.status, (CLEAN, FAULT) if name == 'verify' else (CLEAN,), f'\n{done}')
                    self.assertEqual(done.err, '')
                    if seed % 3:
                        self.assertIn('format', done.json)
        self.assertLessEqual({CLEAN, REJECTED}, seen)

    def test_in_tables(self):
        """bits turned over in the tables of the device, against the second opinion:
        no match where it finds none, no fault where it finds nothing wrong"""
        whole = Snapshot(CLEAN_ELF)
        state = records.state(DATA / 'small.jsonl', '00:04.0')
        wanted = {iova: (mapping.gpa(iova), 'r' in mapping.prot, 'w' in mapping.prot)
                  for mapping in state.held for iova in range(mapping.iova, mapping.last, PAGE)}
        steps = SnapshotTables(whole, '00:04.0').walk(state.held[0].iova)
        context = SnapshotTables(whole, '00:04.0').context_gpa
        entries = [context, context + 8, *(step.entry_gpa for step in steps),
                   *(steps[-1].entry_gpa + 8 * i for i in range(1, len(wanted)))]

        def one(seed):
            rng = random.Random(seed)
            snapshot = Snapshot(CLEAN_ELF)
            for _ in range(rng.randrange(1, 3)):
                entry = rng.choice(entries)
                snapshot.write_u64(entry, snapshot.read_u64(entry) ^ 1 << rng.randrange(64))
            path = self.dir / f'table.{seed}'
            path.write_bytes(snapshot.bytes())
            done = run('verify', '-s', path, 'small.jsonl', '--format', 'json')
            path.unlink()
            return snapshot, done
        seen = set()
        for seed, (snapshot, done) in enumerate(in_parallel(one, range(100 if SANITIZED else 200))):
            with self.subTest(seed=seed):
                self.assertIn(done.status, (CLEAN, FAULT), f'\n{done}')
                verdicts = {iova: run['verdict'] for run in done.json['runs'] if 'expected' in run
                            for iova in range(number(run['first']), number(run['last']), PAGE)}
                self.assertEqual(set(verdicts), set(wanted), 'each page that was asked for has a verdict')
                try:
                    tables = SnapshotTables(snapshot, '00:04.0')
                    seen_there = {iova: tables.translate(iova) for iova in wanted}
                except (vtd.GuestError, KeyError):
                    seen_there = dict.fromkeys(wanted)
                for iova, verdict in verdicts.items():
                    seen.add(verdict)
                    same = seen_there[iova] == wanted[iova]
                    if verdict == 'match':
                        self.assertTrue(same, f'{iova:#x} matches, and it is {seen_there[iova]}')
                    elif verdict in ('missing', 'wrong-address', 'wrong-permission'):
                        self.assertFalse(same, f'{iova:#x} is called {verdict}')
        self.assertLessEqual({'match', 'missing', 'wrong-address', 'wrong-permission', 'no-context', 'reserved-bit'}, seen)


if __name__ == '__main__':
    tap.main()
