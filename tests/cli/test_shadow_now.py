#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Link 5 while L1 and L0 go on: the two sides are read one after the other, and a difference proves a
fault only if L1's record tells that nothing came in between."""

import json
import shutil
import subprocess

from cli import CLEAN, DATA, FAULT, finish, number, run, start
from fake_qmp import FakeQemu, recorded
from growing import EVENTS, MAPS, Growing, Pulse, begin_trace, mapping_of, traced, unmap_of
from shadow_files import DEVICE, RECORD, ShadowCase

import tap

CODE = 'shadow-missing'
OTHER = '0000:00:05.0'  # one more device of the same kind


class Outer(FakeQemu):
    """An L0 whose tables lack a page; when it is first asked, `then` happens: L1's record was read before that."""

    def __init__(self, then=None, snapshot='missing.elf'):
        super().__init__(snapshot, answers={'query-status': self._status})
        self._then = then

    def _status(self, arguments):
        then, self._then = self._then, None
        if then:
            then()
        return self.usual('query-status', arguments)


class Now(ShadowCase):
    def setUp(self):
        self.saved = self.inner()
        self.missing = self.fixture('missing')
        self.mapping = mapping_of(min(self.missing))
        self.unmapped = unmap_of(self.mapping)
        self.rest = {'event': 'mark', 'name': 'rest'}

    def small(self):
        """small.jsonl, at rest."""
        path = self.directory / 'l1.jsonl'
        shutil.copy(DATA / RECORD, path)
        return Growing(path, first=len(EVENTS) + 1)

    def trace(self):
        """The same as viommu-probe trace makes it."""
        return begin_trace(self.directory / 'l1.jsonl')

    def look(self, shadow, record, *more, status, target=()):
        args = ['verify', *(target or ('-s', self.saved)), record, '--shadow', shadow, '--format', 'json', *more]
        return self.assert_status(run(*args), status).json

    def assert_proven(self, result):
        self.assert_fault(result, CODE, self.missing)

    def assert_open(self, result, why):
        """Unverified, for this reason, the rest as ever."""
        self.assertEqual({item['code'] for item in result['findings'] if item['code'].startswith('shadow-')}, set())
        link, = [link for link in result['chain'] if link['link'] == 'shadow']
        open_parts = [part for part in link['pages'] if part['state'] == 'unverified']
        self.assertEqual(sum(part['pages'] for part in open_parts), len(self.missing), link)
        for part in open_parts:
            self.assertIn(why, part['note'])
        self.assertEqual({run['verdict'] for run in result['runs']}, {'match'})

    def test_at_rest(self):
        """nothing came in between: proven"""
        with Outer() as outer:
            self.assert_proven(self.look(outer.target, self.small().path, status=FAULT))

    def test_at_a_moment(self):
        """the moment of the mark is still that of now"""
        with Outer() as outer:
            self.assert_proven(self.look(outer.target, self.small().path, '--at', 'held', status=FAULT))

    def test_elsewhere(self):
        """L1 did something, and not there"""
        record = self.small()
        other = next(event for event in MAPS if event is not self.mapping)
        with Outer(lambda: record.add(unmap_of(other), self.rest)) as outer:
            self.assert_proven(self.look(outer.target, record.path, status=FAULT))

    def test_used_again(self):
        record = self.small()
        with Outer(lambda: record.add(self.unmapped, self.mapping, self.rest)) as outer:
            self.assert_open(self.look(outer.target, record.path, status=CLEAN), 'L1 mapped or unmapped it while both were read')

    def test_not_at_rest(self):
        """a call has begun: what it did so far is not told"""
        record = self.small()
        with Outer(lambda: record.add({'event': 'busy'})) as outer:
            self.assert_open(self.look(outer.target, record.path, status=CLEAN), 'no mark that tells of the time')

    def test_lost(self):
        record = self.small()
        with Outer(lambda: record.add({'event': 'lost', 'count': 1, 'reason': 'full'}, self.rest)) as outer:
            self.assert_open(self.look(outer.target, record.path, status=CLEAN), 'lost events')

    def test_ended(self):
        """before it was read, or since; also of its moment"""
        end = {'event': 'end', 'reason': 'the test'}
        record = self.small()
        with Outer(lambda: record.add(end)) as outer:
            self.assert_open(self.look(outer.target, record.path, status=CLEAN), 'the record has ended')
        with Outer() as outer:
            self.assert_open(self.look(outer.target, record.path, status=CLEAN), 'the record has ended')
            self.assert_open(self.look(outer.target, record.path, '--at', 'held', status=CLEAN), 'the record has ended')
        # L0's tables, saved, are believed to be of that moment.
        self.assert_proven(self.look('missing.elf', record.path, '--at', 'held', status=FAULT))

    def test_snapshot_is_old(self):
        """L1 has mapped it since, and the host followed: nothing is stale"""
        record = self.small()
        iova = min(self.fixture('unexpected'))
        record.add({'event': 'map', 'space': 1, 'iova': hex(iova), 'size': '0x1000', 'prot': 'rw',
                    'extents': [{'gpa': '0x1000', 'size': '0x1000'}]}, self.rest)
        with Outer(snapshot='unexpected.elf') as outer:
            result = self.look(outer.target, record.path, status=FAULT)     # of link 2: it is said to be of that moment
        self.assertEqual({run['links']['shadow'] for run in result['runs'] if number(run['first']) <= iova <= number(run['last'])},
                         {'unverified'})
        self.assertNotIn('shadow-stale', str(result['findings']))

    def test_past_moment(self):
        """the moment of --at is over, and the record goes on"""
        record = self.small()
        record.add(self.unmapped, self.rest)
        with Outer() as outer:
            self.assert_open(self.look(outer.target, record.path, '--at', 'held', status=CLEAN), 'L1 mapped or unmapped it')

    def test_no_file(self):
        with Outer() as outer:
            args = ['verify', '-s', self.saved, '-', '--shadow', outer.target, '--format', 'json']
            process = start(*args, stdin=subprocess.PIPE)
            done = finish(process, args, (DATA / RECORD).read_bytes()).check()
            self.assert_open(self.assert_status(done, CLEAN).json, 'cannot be read again')

    def test_bundle(self):
        """what was not proven is not proven by its replay"""
        record, bundle = self.small(), self.directory / 'bundle.tar.gz'
        with Outer(lambda: record.add(self.unmapped, self.mapping, self.rest)) as outer:
            self.assert_status(run('report', '-s', self.saved, record.path, '--shadow', outer.target, '-o', bundle), CLEAN)
        result = self.assert_status(run('verify', bundle, '--format', 'json'), CLEAN).json
        self.assert_open(result, 'L1 mapped or unmapped it while both were read')
        with Outer() as outer:
            self.assert_open(self.look(outer.target, record.path, status=FAULT) and result, 'L1 mapped')
            self.assert_status(run('report', '-s', self.saved, record.path, '--shadow', outer.target, '-o', bundle, '--force'), FAULT)
            self.assert_proven(self.assert_status(run('verify', bundle, '--format', 'json'), FAULT).json)
            # A live shadow is of no moment of the bundle's.
            result = self.assert_status(run('verify', bundle, '--shadow', outer.target, '--format', 'json'), CLEAN).json
            self.assert_open(result, 'cannot be read again')

    # ---- traces --------------------------------------------------------------------------

    def test_trace(self):
        """a mark that is younger than the looks proves it"""
        record = self.trace()
        with Outer() as outer, Pulse(record):
            self.assert_proven(self.look(outer.target, record.path, status=FAULT))

    def test_trace_silent(self):
        """no mark comes: killed, or its file is a copy"""
        record = self.trace()
        with Outer() as outer:
            self.assert_open(self.look(outer.target, record.path, status=CLEAN), 'no mark that tells of the time')

    def test_trace_behind(self):
        """its marks are of a time before the looks: it does not keep up"""
        record = self.trace()
        with Outer() as outer, Pulse(record, late_ns=3600 * 10**9):
            self.assert_open(self.look(outer.target, record.path, status=CLEAN), 'no mark that tells of the time')

    def test_trace_used_again(self):
        record = self.trace()
        with Outer(lambda: record.add(self.unmapped, self.mapping)) as outer, Pulse(record):
            self.assert_open(self.look(outer.target, record.path, status=CLEAN), 'L1 mapped or unmapped it while both were read')

    def host_trace(self):
        """A trace of L0 that goes on, which lacks a page."""
        path = self.record([leaf for leaf in self.leaves() if leaf.iova not in self.missing], end=False, from_start=True)
        host = Growing(path, first=sum(1 for _ in open(path)))
        host.add(traced())
        return host

    def test_host_trace(self):
        """it goes on, and has a mark that is younger than L1's tables; what follows the mark is left out"""
        host = self.host_trace()
        with Pulse(host, after=[{'event': 'note', 'text': 'no mark'}]):
            self.assert_proven(self.look(host.path, self.small().path, status=FAULT))

    def test_host_trace_silent(self):
        host = self.host_trace()
        result = self.look(host.path, self.small().path, status=CLEAN)
        self.assert_open(result, 'the trace in L0 has not ended')

    # ---- L1 is live, too ------------------------------------------------------------------

    def live(self):
        qtree = recorded()['hmp']['info qtree']
        self.assertIn('dev: edu', qtree)
        return FakeQemu('clean.elf', answers={'info qtree': qtree.replace('dev: edu', 'dev: vfio-pci')})

    def look_live(self, inner, shadow, record, status):
        named = [word for device in (DEVICE, OTHER) for word in ('--shadow-device', f'{device[5:]}={device}')]
        return self.look(shadow, record, *named, status=status, target=('-q', inner.target))

    def states_of_missing(self, result):
        return {run['links']['shadow'] for run in result['runs']
                if number(run['first']) <= min(self.missing) <= number(run['last'])}

    def test_live(self):
        with self.live() as inner, Outer() as outer:
            result = self.look_live(inner, outer.target, self.small().path, FAULT)
            self.assertEqual(self.states_of_missing(result), {'broken'})

    def test_live_used_again(self):
        """each time it is looked at"""
        record = self.small()
        with self.live() as inner, Outer() as outer:
            outer.answers['query-status'] = lambda arguments: (
                record.add(self.unmapped, self.mapping, self.rest), outer.usual('query-status', arguments))[1]
            result = self.look_live(inner, outer.target, record.path, CLEAN)
            self.assertEqual(self.states_of_missing(result), {'unverified'})

    def test_live_bundle(self):
        """of what was looked at live, and of what had been saved"""
        record, bundle = self.small(), self.directory / 'bundle.tar.gz'
        named = [word for device in (DEVICE, OTHER) for word in ('--shadow-device', f'{device[5:]}={device}')]
        with self.live() as inner, Outer() as outer:
            for shadow, status, state in ((outer.target, FAULT, 'broken'), ('missing.elf', CLEAN, 'unverified')):
                self.assert_status(run('report', '-q', inner.target, record.path, '--shadow', shadow, *named, '-o', bundle, '--force'), status)
                result = self.assert_status(run('verify', bundle, '--format', 'json'), status).json
                self.assertEqual(self.states_of_missing(result), {state})

    def test_live_saved(self):
        """what was saved is older than the tables of now"""
        with self.live() as inner:
            result = self.look_live(inner, 'missing.elf', self.small().path, CLEAN)
            self.assertEqual(self.states_of_missing(result), {'unverified'})
            link, = [link for link in result['chain'] if link['link'] == 'shadow']
            self.assertIn('of an earlier moment than', json.dumps(link))


if __name__ == '__main__':
    tap.main()
