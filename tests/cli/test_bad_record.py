#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Records that are not as they should be, against a snapshot that is."""

import random
import subprocess
import time

from cli import CLEAN, FAILED, FAULT, REJECTED, SANITIZED, USAGE, Case, in_parallel, run
from fake_qmp import DATA, FakeQemu
from one_record import CLEAN_ELF, EVENTS, FINISHED, LINES, PAGES, USABLE, a_minimal_record, changed, pages, result, text, verify

import tap


class Files(Case):
    def test_missing(self):
        self.assert_says(run('verify', *CLEAN_ELF, 'nowhere.jsonl'), FAILED,
                         'cannot open the record nowhere.jsonl: No such file')

    def test_directory(self):
        self.assert_says(run('verify', *CLEAN_ELF, '.'), FAILED, 'cannot read the record .: Is a directory')

    def test_empty(self):
        self.assert_says(run('verify', *CLEAN_ELF, '/dev/null'), REJECTED, '/dev/null', 'it is empty')
        self.assert_says(verify(b''), REJECTED, '- is not a usable record', 'it is empty')

    def test_no_permission(self):
        self.need_somebody_else()
        path = self.scratch() / 'record'
        path.write_bytes(b''.join(LINES))
        path.chmod(0)
        for name, args in (('record', [*CLEAN_ELF, path]), ('snapshot', ['-s', path, 'small.jsonl'])):
            with self.subTest(name=name):
                done = run('verify', *args, user=65534, group=65534, extra_groups=[])
                self.assert_says(done, FAILED, f'the {name} {path}: Permission denied')

    def test_a_snapshot_for_a_record(self):
        self.assert_says(run('verify', *CLEAN_ELF, 'clean.elf'), REJECTED, 'clean.elf is not a usable record: it is an ELF file')

    def test_stdin(self):
        status, found = result(b''.join(LINES))
        self.assertEqual((status, pages(found)), (CLEAN, {'match': PAGES}))
        self.assertEqual(found['records'][0]['path'], '-')

    def test_stdin_twice(self):
        self.assert_says(run('verify', *CLEAN_ELF, '-', '-', data=b''.join(LINES)), REJECTED, 'it is empty')

    def test_a_pipe(self):
        """a record that comes slowly, and is live"""
        with FakeQemu('missing.elf') as qemu:
            args = ['verify', '-q', qemu.target, '-']
            feeder = subprocess.Popen(['sh', '-c', 'for i in 1 2 3; do sleep 0.1; done; cat small.jsonl'], cwd=DATA,
                                      stdout=subprocess.PIPE)
            done = run(*args, stdin=feeder.stdout)
            feeder.stdout.close()
            feeder.wait()
        self.assert_status(done, FAULT)

    def test_zeros(self):
        """/dev/zero: no end and no line; given up at the longest line that is read"""
        began = time.monotonic()
        self.assert_says(run('verify', *CLEAN_ELF, '/dev/zero', seconds=120), REJECTED, '/dev/zero', 'line 1',
                         'longer than')
        self.assertLess(time.monotonic() - began, 60 if SANITIZED else 15)

    def test_random(self):
        self.assert_says(run('verify', *CLEAN_ELF, '/dev/urandom'), REJECTED, 'line 1')

    def test_before_the_target(self):
        """a bad record is told of before QEMU is asked"""
        with FakeQemu() as qemu:
            self.assert_says(run('verify', '-q', qemu.target, 'nowhere.jsonl'), FAILED, 'cannot open the record')
            self.assertEqual(qemu.connections, 0)


class Form(Case):
    def assert_rejected(self, record, line, *pieces, more=()):
        self.assert_says(verify(record, *more), REJECTED, f'{USABLE}{line}: ', *pieces)

    def test_no_header(self):
        for first in (b'hello\n', b'\n', b'\0\n', b'[]\n', b'{}\n', b'7\n', b'null\n', b'"header"\n', b'\xff\xfe\n', LINES[1],
                      b'\xef\xbb\xbf' + LINES[0], text({'event': 'header'}), text({**EVENTS[0], 'format': 'viommu-result'}),
                      text({**EVENTS[0], 'version': 0}), text({**EVENTS[0], 'version': '1'}),
                      text({**EVENTS[0], 'version': None}), text({**EVENTS[0], 'event': None})):
            with self.subTest(first=first[:30]):
                self.assert_rejected(first + b''.join(LINES[1:]), 1)

    def test_says_how_to_make_one(self):
        self.assert_rejected(b'{}\n', 1, 'viommu-record header', 'viommu-probe map BDF -o FILE')

    def test_newer(self):
        for version in (2, 3, 1 << 40):
            self.assert_rejected(text({**EVENTS[0], 'version': version}), 1, f'format version {version}',
                                 'reads up to 1', 'use a newer viommu')

    def test_crlf_and_blanks(self):
        """what JSON calls white space does not matter"""
        record = b'\r\n'.join(line.strip() for line in LINES) + b'\r\n'
        self.assertEqual(result(record)[0], CLEAN)
        self.assertEqual(result(b''.join(b' \t' + line for line in LINES))[0], CLEAN)

    def test_garbage_within(self):
        for at in range(1, len(LINES)):
            for garbage in (b'\n', b'garbage\n', b'{\n', b'{"event":"map"\n', b'[]\n', b'\0\n', b'{"event":"\xff"}\n',
                            LINES[at].replace(b'{', b'{"seq":1,', 1), b'{"a":' * 3000 + b'1' + b'}' * 3000 + b'\n'):
                with self.subTest(at=at, garbage=garbage[:20]):
                    record = b''.join([*LINES[:at], garbage, *LINES[at:]])
                    self.assert_rejected(record, at + 1, 'not a JSON object')

    def test_unknown_events_and_keys(self):
        """are skipped, whatever they hold"""
        events = [{**event, 'x-new': {'a': [1, {'b': None}]}, '': 7} for event in EVENTS]
        events[1:1] = [{'seq': 1, 'event': 'telepathy', 'iova': 7, 'space': 'x'}]
        events[3:3] = [{'seq': 3, 'event': '', 'size': []}, {'seq': 4, 'event': 'note', 'text': 7}]
        for seq, event in enumerate(events):
            if seq:
                event['seq'] = seq
        self.assertEqual(result(text(*events)), result(text(*events)))
        status, found = result(text(*events))
        self.assertEqual((status, pages(found)), (CLEAN, {'match': PAGES}))

    def test_header_keys_missing(self):
        """all that only people read may be missing"""
        minimal = {'event': 'header', 'format': 'viommu-record', 'version': 1}
        self.assertEqual(result(text(minimal, *EVENTS[1:]))[0], CLEAN)
        self.assert_clean(verify(text(minimal, *EVENTS[1:])))
        for key in EVENTS[0]:
            if key not in minimal:
                for value in (None, 7, [], {}, 'x', [7], [{'cap': 'x'}]):
                    done = verify(text({**EVENTS[0], key: value}, *EVENTS[1:]))
                    self.assert_clean(done)

    def test_values(self):
        """each needed value missing, of another type, out of its range"""
        odd = (None, 7, -1, '', '0x', '0X1000', '1000', '0x1000 ', '0x10000000000000000', '-0x1', [], {}, True, '0xg')
        bad = {
            (1, 'space'): (None, '1', 1.5, [], True), (1, 'device'): (None, 7, '', '00:04', '0001:00:04.0', '00:20.0'),
            (1, 'seq'): (None, '1', 0, -1, 1.0), (1, 'event'): (None, 7, []),
            (2, 'space'): (None, '1'), (2, 'prot'): ('', 'x', 'rwx', 'wr', 7),
            (2, 'iova'): (*odd, '0x40000001', '0xfffffffffffff000'), (2, 'size'): (*odd, '0x0', '0x4001', '0xffffffffffffffff'),
            (2, 'extents'): (None, [], {}, 'x', [7], [{}], [{'gpa': '0x1000'}], [{'gpa': 4096, 'size': '0x4000'}],
                             [{'gpa': '0x1001', 'size': '0x4000'}], [{'gpa': '0x1000', 'size': '0x0'}],
                             [{'gpa': '0x1000', 'size': '0x5000'}], [{'gpa': '0x1000', 'size': '0x3000'}],
                             [{'gpa': '0xfffffffffffff000', 'size': '0x4000'}],
                             [{'gpa': '0x1000', 'size': '0x4000'}, {'gpa': '0x1000', 'size': '0x1000'}]),
        }
        for (index, key), values in bad.items():
            for value in values:
                with self.subTest(line=index + 1, key=key, value=value):
                    self.assert_rejected(text(*changed(index, **{key: value})), index + 1)

    def test_sequence(self):
        """a step back is garbage, a gap is lost events"""
        for seq in (2, 1, 0):
            self.assert_rejected(text(*changed(3, seq=seq)), 4, '"seq" does not rise')
        events = [event if index < 3 else {**event, 'seq': event['seq'] + 5} for index, event in enumerate(EVENTS)]
        status, found = result(text(*events))
        self.assertEqual((status, pages(found)), (CLEAN, {'match': PAGES}))
        self.assertEqual(found['records'][0]['lost'], 'sequence numbers are missing')
        self.assertIn('at least 5 events are lost', verify(text(*events)).out)

    def test_lost_events_prove_nothing(self):
        """with events lost, what is missing or too much is unverified, and says so"""
        lost = {'seq': 6, 'event': 'lost', 'count': 3, 'reason': 'a full \x1b[31mbuffer'}
        events = [*EVENTS[:-1], lost, {**EVENTS[-1], 'seq': 7}]
        for name in ('missing', 'wrong-address', 'unexpected', 'directory-cleared'):
            status, found = result(text(*events), target=('-s', f'{name}.elf'))
            self.assertEqual(status, CLEAN, name)
            self.assertEqual(set(pages(found)) - {'match'}, {'unverified'})
            note = next(run['note'] for run in found['runs'] if run['verdict'] == 'unverified')
            self.assertIn('a full \x1b[31mbuffer', note)
            self.assert_status(verify(text(*events), '--strict', target=('-s', f'{name}.elf')), FAULT)


class Truncated(Case):
    def cut(self, record, *more, name='clean.elf', step=1):
        return in_parallel(lambda length: verify(record[:length], *more, '--format', 'json', target=('-s', name)),
                           range(0, len(record), step))

    def test_at_every_byte(self):
        """never a fault that only the cut has made"""
        record = text(*a_minimal_record())
        ends = [at for at, byte in enumerate(record) if byte == ord('\n')]
        for length, done in enumerate(self.cut(record)):
            with self.subTest(length=length):
                if length <= ends[1]:       # the device is not attached yet
                    self.assert_says(done, REJECTED)
                    continue
                self.assert_clean(done)
                self.assertEqual(set(pages(done.json)) - {'match', 'unverified'}, set())
                self.assertEqual(done.json['records'][0]['cut'], length - 1 not in ends)

    def test_strict(self):
        """--strict does not take a cut record for a good one"""
        record = text(*a_minimal_record())
        for length in (len(record) * 2 // 3, len(record) // 2):
            done = verify(record[:length], '--strict')
            self.assert_status(done, FAULT)
            self.assertIn('unverified', done.out)

    def test_real_faults_in_a_cut_record(self):
        """against a table with a fault: the fault or unverified, nothing else"""
        record = b''.join(LINES)
        for name, verdict in (('missing', 'missing'), ('wrong-address', 'wrong-address'), ('unexpected', 'unexpected')):
            for done in self.cut(record, name=f'{name}.elf', step=97):
                if done.status != REJECTED:
                    self.assertIn(done.status, (CLEAN, FAULT))
                    self.assertEqual(set(pages(done.json)) - {'match', 'unverified', verdict}, set(), f'{done}')
                    self.assertEqual(done.status == FAULT, verdict in pages(done.json))

    def test_at_a_mark(self):
        """--at held: what comes after the mark may be cut, whole or not"""
        record, held = b''.join(FINISHED), len(b''.join(LINES))
        for length in (*range(held - 3, held + 3), *range(held, len(record), 61), len(record)):
            done = verify(record[:length], '--at', 'held', '--format', 'json')
            with self.subTest(length=length):
                if length < held:
                    self.assert_says(done, USAGE, 'has no moment "held"', 'this record has no marks')
                else:
                    self.assert_clean(done)
                    self.assertEqual(pages(done.json), {'match': PAGES})

    def test_said(self):
        done = verify(b''.join(LINES)[:-5])
        self.assert_clean(done)
        self.assertIn('the last line of the record is not whole and was left out', done.out)


class TwoInOne(Case):
    """What two runs wrote to one port's file."""

    SECOND = [{**EVENTS[0], 'session': '00000000deadbeef'}, *EVENTS[1:]]

    def test_the_second_is_named(self):
        line = len(FINISHED) + 1
        both = b''.join(FINISHED) + text(*self.SECOND)
        self.assert_says(verify(both), REJECTED, f'{USABLE}{line}: another record (session 00000000deadbeef) begins here',
                         'one file holds one record', 'a file or port of its own', f'head -n {line - 1} is the first',
                         f'tail -n +{line} the one that begins here')

    def test_what_is_said_helps(self):
        self.assert_status(verify(b''.join(LINES)), CLEAN)
        self.assert_status(verify(text(*self.SECOND)), CLEAN)

    def test_while_it_is_watched(self):
        with FakeQemu() as qemu:
            done = run('watch', '-q', qemu.target, '-', data=b''.join(LINES) + text(*self.SECOND))
        self.assert_status(done, REJECTED)
        self.assertIn(f'line {len(LINES) + 1}: another record (session 00000000deadbeef) begins here', done.err)

    def test_a_session_that_is_none(self):
        """the guest may write what it likes there"""
        for session in ('\x1b[31m' * 1000, 7, None, '00000000DEADBEEF', ''):
            with self.subTest(session=str(session)[:20]):
                done = verify(b''.join(LINES) + text({**EVENTS[0], 'session': session}))
                self.assert_says(done, REJECTED, 'another record begins here')


class Moments(Case):
    def test_end(self):
        """a record whose mappings were undone again holds nothing to verify: --at held is named"""
        self.assert_says(run('verify', *CLEAN_ELF, 'finished.jsonl'), REJECTED, 'nothing to verify', '--at held',
                         'finished.jsonl')

    def test_held(self):
        done = self.assert_clean(run('verify', *CLEAN_ELF, 'finished.jsonl', '--at', 'held'))
        self.assertIn(f'all {PAGES} pages', done.out)

    def test_sequence_number(self):
        held = len(EVENTS) - 1
        for at, matches, too_much in ((1, 0, PAGES), (2, 4, PAGES - 4), (3, 8, PAGES - 8), (held, PAGES, 0)):
            with self.subTest(at=at):
                status, found = result(b''.join(FINISHED), '--at', str(at))
                self.assertEqual(found['counts']['match']['pages'], matches)
                others = sum(pages(found).values()) - matches
                self.assertEqual(others, too_much)
                if too_much == 0:
                    self.assertEqual(status, CLEAN)

    def test_after_some_unmaps(self):
        """the moment is believed: what was unmapped by then is stale in a table of an earlier one"""
        status, found = result(b''.join(FINISHED), '--at', str(len(EVENTS)))
        self.assertEqual((status, pages(found)['stale']), (FAULT, 4))

    def test_nonsense(self):
        for at in ('nonsense', '', '99999', '99999999999999999999999', '-1', 'HELD', 'held '):
            with self.subTest(at=at):
                self.assert_says(run('verify', *CLEAN_ELF, 'small.jsonl', f'--at={at}'), USAGE,
                                 f'the record small.jsonl has no moment "{at}"', 'the number of an event, up to 6 here',
                                 'this record has the mark held')

    def test_a_name_that_is_not_ascii(self):
        events = changed(len(EVENTS) - 1, name='gehalten \u00fc')
        for locale in ('C.UTF-8', 'C'):
            self.assert_clean(verify(text(*events), '--at', 'gehalten \u00fc', env={'LC_ALL': locale}))


EVIL = ('\x1b[31mred\x1b]0;title\x07', 'a\u202eb\u2066c\u061cd', '<b>&amp;', '\x9b31m\x85', 'line\r\nbreak\ttab', '%s%n',
        '"}]', '\u200b\ufeff\u2028', 'x' * 20000, '\\', '\x7f')


class Hostile(Case):
    """Texts out of a guest: to a terminal escaped, in JSON whole."""

    def test_texts(self):
        keys = ('session', 'program', 'boot_id', 'kernel', 'cmdline')
        for evil in EVIL:
            header = {**EVENTS[0], **{key: evil for key in keys}}
            maps = [{**event, 'gpa_unknown': evil, 'extents': []} if event['event'] == 'map' else event for event in EVENTS]
            events = [header, {**maps[1], 'backend': evil, 'source': evil}, *maps[2:-1],
                      {'seq': 6, 'event': 'lost', 'count': 1, 'reason': evil}, {'seq': 7, 'event': 'note', 'text': evil},
                      {'seq': 8, 'event': 'mark', 'name': evil}]
            with self.subTest(evil=evil[:30]):
                done = self.assert_clean(verify(text(*events)))     # run() looks for what is unsafe
                status, found = result(text(*events))
                self.assertEqual(status, CLEAN)
                self.assertEqual(found['records'][0]['program'], evil)
                self.assertEqual(found['records'][0]['lost'], evil)
                self.assertEqual(found['targets'][0]['backend'], evil)
                self.assertIn(evil, {run.get('note') for run in found['runs']})
                if evil.isprintable() and '\\' not in evil:
                    self.assertIn(evil, done.out)

    def test_nul(self):
        """JSON can spell a NUL; a text that has one is refused or cut, never half-used"""
        done = verify(text(*[{**EVENTS[0], 'kernel': 'a\0b'}, *EVENTS[1:]]))
        self.assert_says(done, REJECTED, 'line 1')

    def test_errors(self):
        """what is wrong is said without the guest's bytes"""
        for evil in EVIL:
            for events in (changed(1, device=evil), changed(2, prot=evil), changed(2, iova=evil), [{**EVENTS[0], 'format': evil}]):
                self.assert_says(verify(text(*events)), REJECTED)
            self.assert_says(verify(b''.join(LINES[:2]) + evil.encode() + b'\n'), REJECTED, 'line 3')

    def test_flips(self):
        """records with some bytes changed, seeds fixed"""
        whole = b''.join(FINISHED)

        def one(seed):
            rng = random.Random(seed)
            record = bytearray(whole)
            for _ in range(rng.randrange(1, 5)):
                at = rng.randrange(len(record))
                record[at] = rng.randrange(256) if seed % 2 else ord(rng.choice('0123456789abcdefx"{}[],:\n'))
            return verify(bytes(record), '--at', 'held', '--format', 'json')
        seen = set()
        for seed, done in enumerate(in_parallel(one, range(150 if SANITIZED else 300))):
            with self.subTest(seed=seed):
                seen.add(done.status)
                if done.status == REJECTED:
                    self.assert_says(done, REJECTED)
                else:
                    self.assertIn(done.status, (CLEAN, FAULT))
                    self.assertEqual(done.json['exit_status'], done.status)
        self.assertEqual(seen, {CLEAN, FAULT, REJECTED})


if __name__ == '__main__':
    tap.main()
