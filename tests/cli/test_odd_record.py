#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Records that hold less, or other things, than who gives them believes."""

import json
import subprocess

from cli import CLEAN, FAILED, FAULT, REJECTED, USAGE, Case, run
from fake_qmp import DATA, FakeQemu
from one_record import CLEAN_ELF, EVENTS, FINISHED, LINES, PAGES, changed, pages, text, verify

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

    def test_cut_off_since(self):
        """what a record that is cut off behind the moment no longer told may have undone anything"""
        path = self.scratch() / 'cut.jsonl'
        whole = (DATA / 'small.jsonl').read_text()
        for more, unsure in (('', False), ('{"seq":7,"event":"note","text":"x"}\n', True), ('{"seq":7,"ev', True),
                             ('{"seq":8,"event":"end"}\n', True), ('{"seq":7,"event":"end"}\n', False)):
            path.write_text(whole + more)
            with FakeQemu('missing.elf') as qemu:
                done = run('verify', '-q', qemu.target, path, *HELD)
            self.assertEqual(pages(done.json), {'match': PAGES - 1, 'unverified' if unsure else 'missing': 1}, more)

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
        """--at is recommended for snapshots, with the marks that there are"""
        done = run('verify', *CLEAN_ELF, 'finished.jsonl')
        self.assert_says(done, REJECTED, 'nothing to verify', 'finished.jsonl', 'choose that moment with --at held')
        bare = b''.join(line for line in FINISHED if b'"mark"' not in line)
        self.assert_says(verify(bare), REJECTED, 'nothing to verify', 'the record has no marks')
        with FakeQemu() as qemu:
            done = run('verify', '-q', qemu.target, 'finished.jsonl')
            self.assert_says(done, REJECTED, 'nothing to verify', 'have to be held while verify looks')
            self.assertIn('this record has ended: --at held, with a snapshot of that moment (viommu capture, -s)', done.err)
            done = run('verify', '-q', qemu.target, '-', data=b''.join(line for line in FINISHED if b'"end"' not in line))
            self.assert_says(done, REJECTED, 'nothing to verify', 'have to be held while verify looks')
            self.assertNotIn('--at', done.err)
            self.assertNotIn('--at', run('verify', '-q', qemu.target, '-', data=bare).err)

    def test_marks_are_named(self):
        """a moment that is not there is a mistake on the command line"""
        self.assert_says(run('verify', *CLEAN_ELF, 'small.jsonl', '--at', 'nonsuch'), USAGE, 'up to 6 here', 'has the mark held')
        self.assert_says(verify(b''.join(LINES[:-1]), '--at', '500000'), USAGE, 'up to 5 here', 'has no marks')
        two = text(*EVENTS, {'seq': 7, 'event': 'mark', 'name': 'rest'}, {'seq': 8, 'event': 'mark', 'name': 'held'})
        self.assert_says(verify(two, '--at='), USAGE, 'has no moment ""', 'has the marks held, rest')
        done = verify(b''.join(LINES[:-1]), '--at', '0')
        self.assert_says(done, REJECTED, 'nothing to verify', 'the record has no marks')
        self.assertNotIn('--at held', done.err)


class Nothing(Case):
    """Records after which nothing is mapped."""
    UNMAPS = [json.loads(line) for line in FINISHED if b'"unmap"' in line]

    def test_unmapped(self):
        """unmappings that the tables prove are a result, and counted"""
        gone = text(EVENTS[0], EVENTS[1], {**self.UNMAPS[0], 'seq': 2, 'event': 'map', 'iova': '0x50000000', 'prot': 'rw',
                                           'extents': [{'gpa': '0x1000', 'size': '0x4000'}]},
                    {**self.UNMAPS[0], 'seq': 3, 'iova': '0x50000000'}, {'seq': 4, 'event': 'end'})
        empty = gone.replace(b'"complete": true', b'"complete": false')
        self.assertNotEqual(gone, empty)
        done = verify(empty)
        self.assert_clean(done)
        self.assertIn('OK: nothing is mapped, and of what L1 unmapped 4 pages are gone from the vIOMMU\'s tables', done.out)

    def test_nothing(self):
        """neither mapped nor unmapped: nothing to verify, attached or not"""
        attached = [EVENTS[0], {**EVENTS[1], 'complete': False}]
        for events in (attached, [*attached, {'seq': 2, 'event': 'end'}], EVENTS[:1]):
            self.assert_says(verify(text(*events)), REJECTED, 'nothing to verify')

    def test_bundle(self):
        path = self.scratch() / 'none.md'
        record = self.scratch() / 'none.jsonl'
        record.write_bytes(text(EVENTS[0], {**EVENTS[1], 'complete': False}))
        self.assert_says(run('report', *CLEAN_ELF, record, '-o', path), REJECTED, 'nothing to verify')
        self.assertFalse(path.exists())


class Incomplete(Case):
    """A record that need not be all."""
    OPEN = b''.join(LINES[:-1])
    WORDS = 'the record has no mark and no end behind its last event: more may have been asked for since'

    def test_said(self):
        for record, settled in ((self.OPEN, False), (b''.join(LINES), True), (self.OPEN + b'{"seq":6,"event":"end"}\n', True)):
            with self.subTest(settled=settled):
                done = self.assert_clean(verify(record))
                self.assertEqual(self.WORDS in done.out, not settled)
                self.assertIn(f'OK: all {PAGES} pages', done.out)
                self.assertEqual(verify(record, '--format', 'json').json['records'][0]['settled'], settled)
                self.assertEqual(verify(record, '--strict').status, CLEAN if settled else FAULT)

    def test_report(self):
        record = self.scratch() / 'open.jsonl'
        record.write_bytes(self.OPEN)
        for form in ('markdown', 'html'):
            done = run('report', *CLEAN_ELF, record, '--format', form, '-o', '-')
            self.assertIn(self.WORDS, done.out)


class Twice(Case):
    def test_one_session(self):
        """one session given twice would be counted twice"""
        copy = self.scratch() / 'copy.jsonl'
        copy.write_bytes(b''.join(LINES))
        for second in ('small.jsonl', copy, 'finished.jsonl'):
            same = run('verify', *CLEAN_ELF, 'small.jsonl', second, '--at', 'held')
            if json.loads(FINISHED[0])['session'] != EVENTS[0]['session'] and second == 'finished.jsonl':
                self.assert_clean(same)
            else:
                self.assert_says(same, REJECTED, 'small.jsonl and ', 'are records of one session', 'give it once')

    def test_others(self):
        """other sessions, and records that have none"""
        path = self.scratch() / 'other.jsonl'
        for session in ('another', None, ''):
            path.write_bytes(text(*changed(0, session=session)))
            first = self.scratch() / 'first.jsonl'
            first.write_bytes(text(*changed(0, session=session if not session else 'one')))
            done = run('verify', *CLEAN_ELF, first, path, '--format', 'json')
            self.assertEqual((done.status, pages(done.json)), (CLEAN, {'match': 2 * PAGES}))


class NoRecord(Case):
    """Files that are no record, or no snapshot: what they are, and what to do."""

    def test_reports(self):
        for form in ('json', 'html', 'markdown', 'junit', 'tap'):
            for snapshot, names in (('clean.elf', 'small.jsonl'), ('missing.elf', 'small.jsonl')):
                with self.subTest(form=form, snapshot=snapshot):
                    path = self.scratch() / f'{snapshot}.{form}'
                    path.write_text(run('report', '-s', snapshot, names, '-o', '-', '--format', form).out)
                    self.assert_says(run('verify', *CLEAN_ELF, path), REJECTED, 'it looks like a report', 'give the record')

    def test_where_they_come_from(self):
        self.assert_says(run('verify', *CLEAN_ELF, '/dev/null'), REJECTED, 'it is empty; viommu-probe map, record or trace writes one')
        self.assert_says(run('verify', *CLEAN_ELF, '.'), FAILED, 'Is a directory; viommu-probe map, record or trace writes one')
        for path, why in (('nowhere.elf', 'No such file or directory'), ('.', 'Is a directory'), ('/dev/null', 'Not a regular file')):
            self.assert_says(run('info', '-s', path), FAILED, f'the snapshot {path}: {why}; viommu capture -q unix:SOCKET -o FILE writes one')

    def test_a_snapshot_as_an_argument(self):
        self.assert_says(run('info', 'clean.elf'), USAGE, 'a snapshot is named with -s')

    def test_registers_that_are_0(self):
        done = self.assert_clean(run('info', *CLEAN_ELF))
        self.assertIn('FSTS     0x00000000', done.out)
        self.assertNotIn('those that are not 0', done.out)

    def test_one_run(self):
        done = self.assert_clean(run('dump', *CLEAN_ELF))
        self.assertNotRegex(done.out, r' in 1 runs\n')
        self.assertRegex(done.out, r' in 1 run\n| in \d+ runs\n')


if __name__ == '__main__':
    tap.main()
