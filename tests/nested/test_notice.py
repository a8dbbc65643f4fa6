# SPDX-License-Identifier: GPL-2.0-or-later
"""Link 4 for real: QEMU's own trace of what it notices for an assigned device."""

import random
import time
import unittest

from common import BDF, Held, start

from lab import qemus, unannounced

import tap

LOG = '/run/trace.log'


class Notice(unittest.TestCase):
    maxDiff = None
    qemu = None

    @classmethod
    def setUpClass(cls):
        cls.lab = start(qemu=cls.qemu)
        cls.addClassCleanup(cls.lab.close)

    def setUp(self):
        self.rng = random.Random(self.id())
        self.trace = self.begin()
        self.addCleanup(self.end)

    def begin(self):
        process = self.lab.outer.spawn(f'viommu trace -q {self.lab.inner.socket} -o {LOG} --force')
        end = time.monotonic() + 60
        while 'press Ctrl-C' not in process.output():
            self.assertIsNone(process.poll(), process.output())
            self.assertLess(time.monotonic(), end, 'it does not begin')
            time.sleep(0.1)
        return process

    def end(self):
        if self.trace.poll() is None:
            self.trace.signal('TERM')
            self.assertEqual(self.trace.wait(), 0, self.trace.output())
            self.assertIn('as they were before', self.trace.output())
        self.assertEqual(self.events_on(), [])

    def events_on(self):
        events = [event for pattern in ('vtd_*', 'vfio_*')
                  for event in self.lab.inner.qmp.command('trace-event-get-state', name=pattern)]
        self.assertGreater(len(events), 50)
        return [event['name'] for event in events if event['state'] != 'disabled']

    def notice(self, *arguments):
        """({state: pages}, the same of what is unmapped, the first IOVAs of broken runs, codes of findings)."""
        result = self.lab.verify_inner(*(arguments or ['--trace']))
        link, = [link for link in result['chain'] if link['link'] == 'notice']
        mapped, unmapped = {}, {}
        for item in link['pages']:
            states = unmapped if item['unmapped'] else mapped
            states[item['state']] = states.get(item['state'], 0) + item['pages']
        broken = [int(run['first'], 16) for run in result['runs'] + result['unmapped'] if run['links']['notice'] == 'broken']
        return mapped, unmapped, broken, {finding['code'] for finding in result['findings']}

    def test_noticed(self):
        """every page that L1 maps, and every one that it unmaps; also by the log alone"""
        with Held(self.lab.inner, BDF, '--count 8 --size 16k --unmap-half') as held:
            pages = sum(mapping.size for mapping in held.state.held) // 4096
            gone = sum(mapping.size for mapping in held.state.unmapped) // 4096
            self.assertTrue(gone)
            for arguments in ((), ('--qemu-log', LOG)):
                mapped, unmapped, broken, codes = self.notice(*arguments)
                self.assertEqual((mapped, unmapped, broken), ({'ok': pages}, {'ok': gone}, []))
                self.assertFalse({code for code in codes if 'notice' in code or code.startswith('qemu-')})

    def test_whole_pattern(self):
        with Held(self.lab.inner, BDF) as held:
            pages = sum(mapping.size for mapping in held.state.held) // 4096
            self.assertEqual(self.notice()[0], {'ok': pages})

    def test_written(self):
        """a PTE written with no invalidation: the table has it, and QEMU never noticed"""
        with Held(self.lab.inner, BDF, '--count 8 --size 16k') as held:
            with unannounced.Written(held, self.rng) as fault:
                mapped, _, broken, codes = self.notice()
                self.assertEqual((mapped, broken), ({'ok': 32, 'broken': 1}, [fault.iova]))
                self.assertIn('map-not-noticed', codes)
            self.assertEqual(self.notice()[0], {'ok': 32})

    def test_cleared(self):
        """a PTE cleared with no invalidation: QEMU was not told, and told nobody"""
        with Held(self.lab.inner, BDF, '--count 8 --size 4k') as held:
            with unannounced.Cleared(held, self.rng) as fault:
                mapped, unmapped, broken, codes = self.notice()
                self.assertEqual((mapped, unmapped, broken), ({'ok': 7}, {'broken': 1}, [fault.iova]))
                self.assertIn('unmap-not-noticed', codes)
            self.assertEqual(self.notice()[0], {'ok': 8})

    def test_maps_suppressed(self):
        with unannounced.Suppressed(self.lab.inner, unannounced.MAPS):
            with Held(self.lab.inner, BDF, '--count 4 --size 16k'):
                self.assertEqual(self.notice()[0], {'broken': 16})

    def test_begun_too_late(self):
        """tracing began when the mappings were there: nothing is said"""
        self.end()
        with Held(self.lab.inner, BDF, '--count 4 --size 16k'):
            self.trace = self.begin()
            self.assertEqual(self.notice()[0], {'unverified': 16})

    def test_killed(self):
        """SIGKILL leaves the events on; the next run says so, and undoes it when asked"""
        self.trace.signal('KILL')
        self.trace.wait()
        self.assertIn('vtd_page_walk_one', self.events_on())
        status, text = self.lab.viommu('info', '-q', self.lab.inner.socket)
        self.assertEqual(status, 0, text)
        self.assertIn('was killed', text)
        status, text = self.lab.viommu('trace', '-q', self.lab.inner.socket, '-o', '/run/second')
        self.assertEqual(status, 1, text)
        status, text = self.lab.viommu('trace', '-q', self.lab.inner.socket, '--undo')
        self.assertEqual(status, 0, text)
        self.assertEqual(self.events_on(), [])


class Notice10(Notice):
    """The same with QEMU 10.0."""
    qemu = qemus.QEMU_10


if __name__ == '__main__':
    tap.main()
