#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""verify of a live QEMU and a trace that goes on: a mark that is younger than the tables proves a fault."""

import threading

from cli import CLEAN, DATA, FAULT, Case, run
from fake_qmp import FakeQemu
from growing import EVENTS, MAPS, Pulse, begin_trace, mapping_of, unmap_of

import tap

PAST = 'a trace tells what L1 did up to its last mark, and not what came since'


class Trace(Case):
    def setUp(self):
        self.directory = self.scratch()
        self.record = begin_trace(self.directory / 'l1.jsonl')
        with FakeQemu('missing.elf') as qemu:
            result = run('verify', '-q', qemu.target, '--format', 'json', DATA / 'small.jsonl').json
        self.missing = int(next(run['first'] for run in result['runs'] if run['verdict'] == 'missing'), 16)
        self.mapping = mapping_of(self.missing)

    def verify(self, status, snapshot='missing.elf', answers=None, more=()):
        with FakeQemu(snapshot, answers=answers) as qemu:
            return self.assert_status(run('verify', '-q', qemu.target, self.record.path, '--format', 'json', *more), status).json

    def verdicts(self, result):
        return {run['verdict'] for run in result['runs'] if int(run['first'], 16) <= self.missing <= int(run['last'], 16)}

    def test_proven(self):
        with Pulse(self.record):
            result = self.verify(FAULT)
        self.assertEqual(self.verdicts(result), {'missing'})

    def test_whole(self):
        """nothing is wrong: one look, and no mark is waited for"""
        self.assertEqual(self.verify(CLEAN, snapshot='clean.elf')['capture']['reads'], 1)

    def test_strict(self):
        """that nothing is missing in it is waited for, though nothing is wrong"""
        with Pulse(self.record, after=[{'event': 'note', 'text': 'no mark'}]):
            self.verify(CLEAN, snapshot='clean.elf', more=['--strict'])
        self.verify(FAULT, snapshot='clean.elf', more=['--strict'])
        with FakeQemu('clean.elf') as qemu:
            done = self.assert_status(run('verify', '-q', qemu.target, self.record.path, '--strict'), FAULT)
        self.assertIn('With --strict the exit status is 3', done.out)

    def test_two(self):
        """one that is silent takes nothing from the other"""
        other = begin_trace(self.directory / 'other.jsonl', session='1' * 16)
        for paths in ([other.path], []), ([], [other.path]):
            with FakeQemu('missing.elf') as qemu, Pulse(self.record):
                args = ['verify', '-q', qemu.target, *paths[0], self.record.path, *paths[1], '--format', 'json']
                result = self.assert_status(run(*args), FAULT).json
            self.assertEqual(self.verdicts(result), {'missing', 'unverified'})

    def test_silent(self):
        """it was killed, or its file is a copy"""
        result = self.verify(CLEAN)
        self.assertEqual(self.verdicts(result), {'unverified'})
        self.assertIn(PAST, str(result))

    def test_ended(self):
        self.record.add({'event': 'end', 'reason': 'the test'})
        result = self.verify(CLEAN)
        self.assertEqual(self.verdicts(result), {'unverified'})
        self.assertIn('the trace has ended', str(result))

    def test_explained(self):
        """an unmap was on its way"""
        unmap = {**unmap_of(self.mapping), 'iova': hex(self.missing), 'size': '0x1000'}
        late = threading.Timer(0.2, lambda: self.record.add(unmap))
        with Pulse(self.record):
            late.start()
            result = self.verify(CLEAN)
        self.assertLessEqual(self.verdicts(result), {'unmapped'})

    def test_again_and_again(self):
        """L1 maps it anew whenever it is looked at"""
        with Pulse(self.record):
            def status(_):
                self.record.add(unmap_of(self.mapping), self.mapping)
                return {'running': True, 'singlestep': False, 'status': 'running'}
            result = self.verify(CLEAN, answers={'query-status': status})
        self.assertEqual(self.verdicts(result), {'in-flux'})

    def test_at(self):
        """the tables of now tell nothing of a moment that is over"""
        with Pulse(self.record):
            self.assertEqual(self.verdicts(self.verify(CLEAN, more=['--at', str(len(EVENTS) + 1)])), {'unverified'})

    def test_stopped(self):
        """while L1 does not run no mark comes"""
        answer = {'running': False, 'singlestep': False, 'status': 'paused'}
        self.assertEqual(self.verdicts(self.verify(CLEAN, answers={'query-status': answer})), {'unverified'})

    def test_bundle(self):
        bundle = self.directory / 'bundle.tar.gz'
        with FakeQemu('missing.elf') as qemu, Pulse(self.record):
            self.assert_status(run('report', '-q', qemu.target, self.record.path, '-o', bundle), FAULT)
        result = self.assert_status(run('verify', bundle, '--format', 'json'), FAULT).json
        self.assertEqual(self.verdicts(result), {'missing'})

    def test_stale(self):
        """unmapped, and there still"""
        self.record.add(unmap_of(MAPS[0]))
        with Pulse(self.record):
            result = self.verify(FAULT, snapshot='clean.elf')
        self.assertIn('stale', {run['verdict'] for run in result['runs']})


if __name__ == '__main__':
    tap.main()
