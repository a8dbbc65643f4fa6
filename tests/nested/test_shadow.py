# SPDX-License-Identifier: GPL-2.0-or-later
"""Link 5 on three levels: what L0's IOMMU maps for the assigned device, by every
source that shows it, and with each of its faults put in for real."""

import contextlib
import json
import os
import random
import unittest

from common import BDF, Held, start

from lab import cleanup, faults, viommu, vtd

import tap

TRACE = '/run/host.jsonl'      # in the outer guest
PAGE = 4096


def pages(ranges):
    return {iova for first, last in ranges for iova in range(first, last, PAGE)}


class Shadow(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.lab = start(start=False)
        cls.addClassCleanup(cls.lab.close)
        # From before the device is given away: then absence proves something.
        cls.trace = cls.lab.outer.spawn(f'viommu-probe trace -o {TRACE}')
        cls.lab.outer.must(f'until grep -q begun {TRACE}; do usleep 100000; done')
        cls.lab.start_inner()
        cls.dir = cleanup.temp_dir()
        cls.rng = random.Random(7)

    # ---- looking ------------------------------------------------------------------

    def capture(self):
        """A snapshot of the inner vIOMMU, made in L0 and brought here."""
        path = os.path.join(self.dir, 'inner.elf')
        status, text = self.lab.viommu('capture', '-q', self.lab.inner.socket, '--backing', '--force', '-o', '/run/inner.elf')
        self.assertEqual(status, 0, text)
        self.assertNotIn('not all is known', text)
        self.lab.fetch('/run/inner.elf', path)
        return path

    def verify_here(self, shadow):
        return viommu.verify('-s', self.capture(), self.lab.inner.record, '--shadow', shadow)[1]

    def verify_there(self, shadow):
        """In L0, live."""
        status, text = self.lab.viommu('verify', '--format', 'json', '-q', self.lab.inner.socket, '--shadow', shadow,
                                       self.lab.inner.outer_record)
        self.assertIn(status, (0, 3), text)
        return json.loads(text[text.index('{'):])

    def outer_snapshot(self):
        path = os.path.join(self.dir, 'outer.elf')
        process = viommu.run('capture', '-q', self.lab.outer.target, '--force', '-o', path)
        self.assertEqual(process.returncode, 0, process.stderr)
        return path

    def sources(self):
        """Of each source that shows L0's side, what verify says by it."""
        yield 'the outer vIOMMU, live', self.verify_here(self.lab.outer.target)
        yield 'the outer vIOMMU, saved', self.verify_here(self.outer_snapshot())
        yield 'a record of L0', self.verify_there(TRACE)
        if self.lab.outer.sh('[ -d /sys/kernel/debug/iommu/intel ]')[0] == 0:
            yield 'debugfs', self.verify_there('debugfs')

    # ---- what was said -----------------------------------------------------------------

    def shadow_states(self, result):
        """{(state, unmapped): pages} of link 5."""
        link, = [link for link in result['chain'] if link['link'] == 'shadow']
        states = {}
        for share in link['pages']:
            key = share['state'], share['unmapped']
            states[key] = states.get(key, 0) + share['pages']
        return states

    def broken(self, result):
        """The IOVAs whose link 5 is broken."""
        return pages((int(run['first'], 16), int(run['last'], 16)) for run in result['runs'] + result['unmapped']
                     if run['links']['shadow'] == 'broken')

    def shadow_findings(self, result):
        return {item['code'] for item in result['findings'] if item['code'].startswith('shadow-')}

    def assert_fault(self, result, code, iovas):
        self.assertEqual(result['exit_status'], 3)
        self.assertEqual(self.broken(result), iovas)
        self.assertEqual(self.shadow_findings(result), {code})

    @contextlib.contextmanager
    def held(self, options=''):
        with Held(self.lab.inner, BDF, options) as held:
            held.tables_here = held.tables()
            yield held

    # ---- the tests -----------------------------------------------------------------------

    def test_1_follows(self):
        """every page of every mapping, by each source; and nothing is left of them"""
        with self.held() as held:
            count = sum(mapping.size for mapping in held.state.held) // PAGE
            seen = 0
            for name, result in self.sources():
                with self.subTest(source=name):
                    self.assertEqual((result['exit_status'], self.shadow_findings(result)), (0, set()))
                    self.assertEqual(self.shadow_states(result).get(('ok', False)), count)
                    self.assertEqual({state for state, _ in self.shadow_states(result)}, {'ok'})
                seen += 1
            self.assertGreaterEqual(seen, 3)

    def test_2_cleared(self):
        """an entry is cleared in L1 and nobody is told: the shadow is stale"""
        with self.held('--count 4 --size 64k') as held:
            with faults.PresentCleared(held.tables_here, held.state, self.rng, PAGE) as fault:
                for name, result in self.sources():
                    with self.subTest(source=name):
                        if name == 'the outer vIOMMU, live':    # L1 asked for it, and its table was read before
                            self.assertEqual(self.shadow_findings(result), set())
                            continue
                        self.assert_fault(result, 'shadow-stale', pages(fault.expected))
            self.assertEqual(self.verify_here(self.lab.outer.target)['exit_status'], 0)

    def test_3_written(self):
        """an entry is written in L1 and nobody is told: the shadow has nothing"""
        with self.held('--count 1 --size 16k') as held:
            leaf = held.tables_here.leaves()[-1]
            memory, place = held.tables_here.memory, leaf.entry_gpa + 8
            self.assertEqual(memory.read(place, 8), bytes(8))
            memory.write_u64(place, leaf.entry)
            try:
                result = self.verify_here(self.outer_snapshot())
                self.assert_fault(result, 'shadow-missing', {leaf.iova + PAGE})
                run, = [run for run in result['runs'] if run['links']['shadow'] == 'broken']
                self.assertEqual(run['verdict'], 'unexpected')
                result = self.verify_here(self.lab.outer.target)    # which is later, and L1 never asked for it
                self.assertEqual(self.shadow_findings(result), set())
                self.assert_fault(self.verify_there(TRACE), 'shadow-missing', {leaf.iova + PAGE})
            finally:
                memory.write_u64(place, 0)

    def spoil_outer(self, kind, code):
        """A fault in L0's own table: L1's tables are right, and the last link is broken."""
        with self.held('--count 4 --size 16k') as held:
            memory = self.lab.outer.memory()
            tables = vtd.Tables(memory, BDF)
            with kind(tables, held.state, self.rng, PAGE) as fault:
                for result in self.verify_here(self.lab.outer.target), self.verify_here(self.outer_snapshot()):
                    self.assert_fault(result, code, pages(fault.expected))
                    self.assertEqual({run['verdict'] for run in result['runs']}, {'match'})
                    self.assertEqual({run.get('first_broken') for run in result['runs']
                                      if run['links']['shadow'] == 'broken'}, {'shadow'})
            self.assertEqual(self.verify_here(self.lab.outer.target)['exit_status'], 0)
            memory.close()

    def test_4_outer_removed(self):
        """an entry of L0's is gone"""
        self.spoil_outer(faults.PresentCleared, 'shadow-missing')

    def test_5_outer_changed(self):
        """an entry of L0's leads to another page"""
        self.spoil_outer(faults.AddressChanged, 'shadow-wrong-page')

    def test_6_outer_read_only(self):
        """an entry of L0's has lost its write permission"""
        self.spoil_outer(faults.WriteDropped, 'shadow-wrong-permission')

    def test_7_not_given(self):
        """with no shadow, or none that is this device's, nothing is claimed"""
        with self.held('--count 1 --size 16k'):
            path = self.capture()
            result = viommu.verify('-s', path, self.lab.inner.record)[1]
            self.assertEqual(self.shadow_states(result), {('unverified', False): 4})
            process = viommu.run('verify', '-s', path, self.lab.inner.record, '--shadow', self.outer_snapshot(),
                                 '--shadow-device', '0000:00:1e.0')
            self.assertEqual(process.returncode, 4, process.stderr)
            self.assertIn('0000:00:1e.0', process.stderr)

    def test_8_ended(self):
        """the record has ended, and so have its mappings: what the host has now is no fault of then,
        nor is what a bundle makes of it again"""
        with self.held('--count 4 --size 16k'):
            path = self.capture()
        bundle = os.path.join(self.dir, 'bundle.tar.gz')
        arguments = '-s', path, self.lab.inner.record, '--at', 'held', '--shadow', self.lab.outer.target
        result = viommu.verify(*arguments)[1]
        self.assertEqual((result['exit_status'], self.shadow_states(result)), (0, {('unverified', False): 16}))
        link, = [link for link in result['chain'] if link['link'] == 'shadow']
        self.assertIn('the record has ended', link['pages'][0]['note'])
        process = viommu.run('report', *arguments, '-o', bundle)
        self.assertEqual(process.returncode, 0, process.stderr)
        again = viommu.verify(bundle)[1]
        self.assertEqual((again['exit_status'], again['chain'], again['runs']), (0, result['chain'], result['runs']))
        # Saved at one moment, as it is said to be, it is one.
        result = viommu.verify('-s', path, self.lab.inner.record, '--at', 'held', '--shadow', self.outer_snapshot())[1]
        self.assertEqual(self.shadow_states(result), {('broken', False): 16})

    def verify_saved_there(self):
        """In L0, of a snapshot that was saved just now, against the record of L0."""
        self.capture()
        text = self.lab.viommu('verify', '--format', 'json', '-s', '/run/inner.elf', self.lab.inner.outer_record, '--shadow', TRACE)[1]
        return json.loads(text[text.index('{'):])

    def test_9_record(self):
        """a trace of L0 that goes on proves faults, by absence too; one that has ended does so only
        of a snapshot that is said to be of its end"""
        with self.held('--count 2 --size 64k') as held:
            first, *_, last = held.tables_here.leaves()
            memory = held.tables_here.memory
            result = self.verify_there(TRACE)
            self.assertEqual((result['exit_status'], self.shadow_states(result)), (0, {('ok', False): 32}))
            memory.write_u64(first.entry_gpa, 0)
            memory.write_u64(last.entry_gpa + 8, last.entry)
            try:
                result = self.verify_there(TRACE)
                self.assertEqual(self.broken(result), {first.iova, last.iova + PAGE})
                self.assertEqual(self.shadow_findings(result), {'shadow-stale', 'shadow-missing'})
                self.trace.signal('TERM')
                self.assertEqual(self.trace.wait(60), 0, self.trace.output())
                result = self.verify_there(TRACE)
                self.assertEqual((self.broken(result), self.shadow_findings(result)), (set(), set()))
                self.assertEqual({state for state, _ in self.shadow_states(result)}, {'unverified'})
                result = self.verify_saved_there()
                self.assertEqual(self.broken(result), {first.iova, last.iova + PAGE})
            finally:
                memory.write_u64(first.entry_gpa, first.entry)
                memory.write_u64(last.entry_gpa + 8, 0)


if __name__ == '__main__':
    cleanup.install_signal_handlers()
    tap.main()
