#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The marks of viommu-probe trace: they speak for what was before them, and a trace that was killed says
nothing of what L1 did since."""

import json
import subprocess
import time

from cli import CLEAN, FAULT, Case, finish, run, start
from fake_qmp import DATA, FakeQemu

import tap

HEADER, *EVENTS = (json.loads(line) for line in (DATA / 'small.jsonl').read_bytes().splitlines())
ATTACH, *MAPS, _ = EVENTS
SETTLED = 'the record does not end with a mark or its end'
PAST = 'a trace tells what L1 did up to its last mark, and not what came since'
OVER = 'the trace has ended, and does not tell what L1 did since'
PATIENCE = 20
ON_ITS_WAY = 0.4        # watch-suspects.c


def mark(name='traced', until=5000000000):
    return {'event': 'mark', 'name': name, 'until_ns': until}


def unmap(of):
    return {'event': 'unmap', 'space': 1, 'iova': of['iova'], 'size': of['size']}


class Trace:
    """Lines of a traced record: numbered as they come."""

    def __init__(self):
        self.seq = 0

    def lines(self, *events):
        text = b''
        for event in events:
            self.seq += 1
            text += json.dumps({**event, 'seq': self.seq, 'time_ns': 4000000000 + self.seq}).encode() + b'\n'
        return text

    def begin(self, *events):
        """A header and what is mapped; a trace does not know all, nor the permissions."""
        maps = [{key: value for key, value in event.items() if key != 'prot'} for event in MAPS]
        header = json.dumps({**HEADER, 'program': 'viommu-probe trace 0.1.0'}).encode() + b'\n'
        return header + self.lines(mark('begun'), {**ATTACH, 'complete': False}, *maps, *events)


def missing_page():
    """The page that missing.elf lacks: its first address, and its mapping."""
    with FakeQemu('missing.elf') as qemu:
        result = run('verify', '-q', qemu.target, '--format', 'json', DATA / 'small.jsonl').json
    iova = int(next(run['first'] for run in result['runs'] if run['verdict'] == 'missing'), 16)
    return hex(iova), next(event for event in MAPS if int(event['iova'], 16) <= iova < int(event['iova'], 16) + int(event['size'], 16))


class Watch(Case):
    def look(self, process, count=1):
        """So many more looks begin."""
        end, before = time.monotonic() + PATIENCE, self.qemu.log.count('query-status')
        while time.monotonic() < end and self.qemu.log.count('query-status') < before + count and process.poll() is None:
            time.sleep(0.02)

    def watched(self, *parts, snapshot='missing.elf', wait=ON_ITS_WAY + 0.2):
        """Each part is fed when the ones before have been looked at, and some time has gone by."""
        with FakeQemu(snapshot) as self.qemu:
            args = ['watch', '-q', self.qemu.target, '-', '--interval', '50']
            process = start(*args, stdin=subprocess.PIPE, bufsize=0)
            for part in parts:
                process.stdin.write(part)
                self.look(process)
                time.sleep(wait)
            self.look(process)
            return finish(process, args).check()

    def assert_open(self, done, why):
        self.assert_clean(done)
        self.assertIn('0 faulty pages at the last, 0 in all', done.out)
        last = done.out.splitlines()[-1]
        self.assertTrue(last.startswith('UNVERIFIED: no page was found wrong'), last)
        self.assertIn(f'1 page at the last look ({why}', last)

    def assert_fault(self, done):
        self.assert_clean(done, FAULT)
        self.assertEqual(done.out.count('missing  00:04.0'), 1, done.out)
        self.assertEqual(done.out.splitlines()[-1], 'FAULT: 1 page was not as L1 asked')

    def test_clean(self):
        trace = Trace()
        done = self.assert_clean(self.watched(trace.begin(mark()), snapshot='clean.elf'))
        self.assertIn('OK: all 4 mappings that were made', done.out)

    def test_no_mark(self):
        """killed while much went on"""
        self.assert_open(self.watched(Trace().begin()), SETTLED)

    def test_nothing_since_the_mark(self):
        """killed after it, or quiet: that cannot be told"""
        self.assert_open(self.watched(Trace().begin(mark())), PAST)

    def test_mark_after_the_look(self):
        """what was wrong before it was wrong without a reason; it is told once"""
        trace = Trace()
        self.assert_fault(self.watched(trace.begin(), trace.lines(mark()), trace.lines(mark()), trace.lines(mark())))
        trace = Trace()
        self.assert_fault(self.watched(trace.begin(mark()), trace.lines({'event': 'note', 'text': '-'}, mark())))

    def test_end_after_the_look(self):
        trace = Trace()
        self.assert_fault(self.watched(trace.begin(), trace.lines({'event': 'end', 'reason': 'SIGINT'})))

    def test_end_before_the_look(self):
        """what L1 did after the end is not known"""
        self.assert_open(self.watched(Trace().begin(mark(), {'event': 'end', 'reason': 'SIGINT'})), OVER)

    def test_explained(self):
        """the event was still in L1's buffers"""
        trace, iova = Trace(), missing_page()[0]
        page = unmap({'iova': iova, 'size': '0x1000'})
        done = self.watched(trace.begin(mark()), trace.lines(page, mark()), trace.lines(mark()))
        self.assertNotIn('missing', done.out)
        self.assertIn('0 faulty pages at the last, 0 in all', done.out)

    def test_mapped_again(self):
        """the suspect is the page of another request now, and a new one"""
        trace, of = Trace(), missing_page()[1]
        done = self.watched(trace.begin(mark()), trace.lines(unmap(of), of, mark()))
        self.assert_open(done, PAST)

    def test_mark_on_its_way(self):
        """it may have been made before the look"""
        trace = Trace()
        self.assert_open(self.watched(trace.begin(), trace.lines(mark()), wait=0.2), PAST)

    def test_mark_of_a_trace_that_lags(self):
        """written after the look, for what was 4 s before it was written"""
        trace = Trace()
        self.assert_open(self.watched(trace.begin(), trace.lines(mark(until=1))), PAST)

    def test_stale(self):
        """unmapped, and there still: killed after the unmap, L1 may have mapped it again"""
        trace = Trace()
        data = trace.begin(unmap(MAPS[0]), mark())
        done = self.watched(data, snapshot='clean.elf')
        self.assert_clean(done)
        self.assertNotIn('stale', done.out)
        done = self.watched(data, trace.lines(mark()), snapshot='clean.elf')
        self.assert_clean(done, FAULT)
        self.assertIn('stale  00:04.0', done.out)

    def test_json(self):
        with FakeQemu('missing.elf') as self.qemu:
            args = ['watch', '-q', self.qemu.target, '-', '--interval', '50', '--format', 'json']
            process, trace = start(*args, stdin=subprocess.PIPE, bufsize=0), Trace()
            process.stdin.write(trace.begin())
            self.look(process, 2)
            time.sleep(ON_ITS_WAY + 0.2)
            process.stdin.write(trace.lines(mark()))
            self.look(process, 2)
            done = self.assert_clean(finish(process, args).check(), FAULT)
        fault, last = map(json.loads, done.out.splitlines())
        self.assertEqual((fault['event'], fault['verdict']), ('fault', 'missing'))
        self.assertEqual((last['faulty_pages'], last['faulty_pages_now'], last['result']), (1, 1, 'fault'))


class Verify(Case):
    """Of a snapshot it is said that it is of the moment of the record's end; the tables of a QEMU are younger."""

    def test_snapshot(self):
        for events, status in (((), CLEAN), ((mark(),), FAULT), ((mark(), {'event': 'end', 'reason': 'x'}), FAULT)):
            done = self.assert_clean(run('verify', '-s', DATA / 'missing.elf', '-', data=Trace().begin(*events)), status)
            self.assertEqual(SETTLED in done.out, status == CLEAN)

    def test_live(self):
        for events in (), (mark(),), (mark(), {'event': 'end', 'reason': 'x'}):
            with self.subTest(events=events), FakeQemu('missing.elf') as qemu:
                done = self.assert_clean(run('verify', '-q', qemu.target, '-', data=Trace().begin(*events)), CLEAN)
                self.assertEqual((PAST in done.out, OVER in done.out), (len(events) == 1, len(events) == 2))

    def test_at(self):
        """with --at the tables of now are not of that moment, whether anything stands behind it or not"""
        goes_on = {'event': 'note', 'text': '-'}
        for events in (mark(),), (mark(), goes_on, mark()), (mark(), goes_on, {'event': 'end', 'reason': 'x'}):
            data = Trace().begin(*events)
            with self.subTest(events=events), FakeQemu('missing.elf') as qemu:
                done = self.assert_clean(run('verify', '-q', qemu.target, '-', '--at', 'traced', data=data), CLEAN)
                self.assertIn(PAST, done.out)
                self.assert_clean(run('verify', '-s', DATA / 'missing.elf', '-', '--at', 'traced', data=data), FAULT)

    def test_strict(self):
        """all that it asks for is there; more may have been asked for since"""
        with FakeQemu() as qemu:
            done = self.assert_clean(run('verify', '-q', qemu.target, '-', '--strict', data=Trace().begin(mark())), FAULT)
            self.assertIn(PAST, done.out)
        self.assert_clean(run('verify', '-s', DATA / 'clean.elf', '-', '--strict', data=Trace().begin(mark())))


if __name__ == '__main__':
    tap.main()
