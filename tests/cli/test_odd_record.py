#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Records that hold less, or other things, than who gives them believes."""

import subprocess

from cli import CLEAN, FAULT, REJECTED, Case, run
from fake_qmp import DATA, FakeQemu
from one_record import CLEAN_ELF, FINISHED, PAGES, pages, verify

import tap

HELD = ('--at', 'held', '--format', 'json')


class Moments(Case):
    """--at, and what the record does behind that moment."""

    def test_live(self):
        """what the record undid since is not judged by tables of now, but what they still have is"""
        with FakeQemu('missing.elf') as qemu:
            done = run('verify', '-q', qemu.target, 'finished.jsonl', *HELD)
            self.assertEqual(done.status, CLEAN, f'{done}')
            self.assertEqual(pages(done.json), {'match': PAGES - 1, 'unverified': 1})
            run_of_it = next(run for run in done.json['runs'] if run['verdict'] == 'unverified')
            self.assertRegex(run_of_it['note'], r'the record undoes or changes it \(event (7|8|9|10)\); the tables are those of now')
            self.assert_status(run('verify', '-q', qemu.target, 'finished.jsonl', *HELD, '--strict'), FAULT)

    def test_live_and_held(self):
        """while the mappings are held, a fault is one"""
        with FakeQemu('missing.elf') as qemu:
            done = run('verify', '-q', qemu.target, 'small.jsonl', *HELD)
            self.assertEqual((done.status, pages(done.json)), (FAULT, {'match': PAGES - 1, 'missing': 1}))

    def test_pipe(self):
        """what stands behind the moment counts in a pipe as well, and one that stays open ends the wait"""
        with FakeQemu('missing.elf') as qemu:
            for feeder in ('cat finished.jsonl', 'cat finished.jsonl; exec sleep 600'):
                cat = subprocess.Popen(['sh', '-c', f'exec 2>&-; {feeder}'], cwd=DATA, stdout=subprocess.PIPE)
                done = run('verify', '-q', qemu.target, '-', *HELD, stdin=cat.stdout)
                cat.stdout.close()
                cat.kill()
                cat.wait()
                self.assertEqual((done.status, pages(done.json)), (CLEAN, {'match': PAGES - 1, 'unverified': 1}), f'{done}')

    def test_replay(self):
        """a bundle of a live look says what the look said"""
        path = self.scratch() / 'now.tar.gz'
        with FakeQemu('missing.elf') as qemu:
            made = run('report', '-q', qemu.target, 'finished.jsonl', '--at', 'held', '-o', path, '--format', 'bundle')
            self.assertEqual(made.status, CLEAN, f'{made}')
        done = run('verify', path, '--format', 'json')
        self.assertEqual((done.status, pages(done.json)), (CLEAN, {'match': PAGES - 1, 'unverified': 1}), f'{done}')

    def test_snapshot(self):
        """of a snapshot --at is believed, and what may be wrong with that is said"""
        done = run('verify', '-s', 'missing.elf', 'finished.jsonl', *HELD)
        self.assertEqual((done.status, pages(done.json)), (FAULT, {'match': PAGES - 1, 'missing': 1}))
        run_of_it = next(run for run in done.json['runs'] if run['verdict'] == 'missing')
        self.assertRegex(run_of_it['note'], r'\(event (7|8|9|10)\): if the snapshot is younger than that')

    def test_nothing_held(self):
        """--at is recommended for snapshots alone, with the marks that there are"""
        done = run('verify', *CLEAN_ELF, 'finished.jsonl')
        self.assert_says(done, REJECTED, 'nothing to verify', 'finished.jsonl', 'choose that moment with --at held')
        bare = b''.join(line for line in FINISHED if b'"mark"' not in line)
        self.assert_says(verify(bare), REJECTED, 'nothing to verify', 'the record has no marks')
        with FakeQemu() as qemu:
            done = run('verify', '-q', qemu.target, 'finished.jsonl')
            self.assert_says(done, REJECTED, 'nothing to verify', 'have to be held while verify looks')
            self.assertNotIn('--at', done.err)


if __name__ == '__main__':
    tap.main()
