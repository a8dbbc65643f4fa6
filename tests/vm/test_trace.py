# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe trace in guests with both of Debian's kernels."""

import itertools
import os
import re

from common import BDF, Held

import tap
import traced as helpers
from traced import DRIVER_BDF, INSTANCES, KERNEL_6_12, PAGE, mapped

STORM_ROUNDS = int(os.environ.get('VIOMMU_STORM_ROUNDS', '4000'))
REBIND = '; '.join(f'echo 0000:{DRIVER_BDF} >/sys/bus/pci/drivers/virtio-pci/{step}' for step in ('unbind', 'bind'))


class _Kernel(helpers.TraceCase):
    def test_agrees_with_map(self):
        """the traced record and map's own have the same pages, and viommu verifies it"""
        process = self.start()
        with Held(self.guest, BDF) as held:
            traced = self.stop(process)
            expected = mapped(held.state)
            self.assertEqual(traced.of(BDF), expected)
            self.assertEqual(traced.lost(), 0)
            self.assert_all_match(traced, expected)
            self.assertEqual(self.guest.must(f'ls {INSTANCES}').strip(), '')
        self.assertEqual(traced.events[-1]['reason'], 'SIGINT')
        self.assertEqual([e['seq'] for e in traced.events[1:]], list(range(1, len(traced.events))))
        self.assertEqual({e['complete'] for e in traced.kinds('attach')}, {False})
        for event in traced.kinds('map'):
            if int(event['iova'], 16) in expected:
                self.assertNotIn('prot', event)

    def test_requests_are_joined(self):
        """what is one map in map's record is one map in the traced one"""
        process = self.start()
        with Held(self.guest, BDF, '--count 3 --size 256k') as held:
            traced = self.stop(process)
            sizes = [int(e['size'], 16) for e in traced.kinds('map') if e['iova'] != '0x0']
            self.assertEqual(sizes, [m.size for m in held.state.held])
            self.assertTrue(any(len(e['extents']) > 1 for e in traced.kinds('map')))

    def test_until_unmapped(self):
        """from the first map to the last unmap: nothing is left, the device is gone again"""
        status, text, traced = self.trace(f'-- viommu-probe map {BDF} --bind --count 8 --unmap-half --hold 1 -o /tmp/map --force')
        self.assertEqual(status, 0, text)
        self.assertTrue(traced.kinds('map'))
        self.assertEqual([pages for pages in traced.pages.values() if pages], [])
        self.assertEqual(traced.of(BDF), {})
        self.assertEqual(traced.events[-1]['reason'], 'the command ended')

    def test_each_announced(self):
        """with caching mode each map is followed by an invalidation that covers it"""
        status, text, traced = self.trace(f'-- viommu-probe map {BDF} --bind --hold 0 --count 4 -o /tmp/map --force')
        self.assertEqual(status, 0, text)
        said = [e for e in traced.kinds('invalidate') if e['tracepoint'] == 'qi_submit' and 'first' in e]
        for event in traced.kinds('map'):
            at = int(event['iova'], 16)
            for extent in event['extents']:
                size = int(extent['size'], 16)
                self.assertTrue([i for i in said if i['seq'] > event['seq'] and i['time_ns'] >= event['time_ns']
                                 and int(i['first'], 16) <= at and int(i['last'], 16) >= at + size - 1], event)
                at += size
        tracepoints = {e['tracepoint'] for e in traced.kinds('invalidate')}
        self.assertEqual('cache_tag_flush_range_np' in tracepoints, self.kernel is not None)
        self.assertEqual(len(said[0]['descriptor']), 4)

    def test_map_records_them_itself(self):
        """map --invalidations: between each map and the next line one that covers it"""
        with Held(self.guest, BDF, '--count 5 --size 64k --invalidations') as held:
            pass
        with open(held.record) as handle:
            record = helpers.Traced(handle.read())
        self.assertEqual(self.guest.must(f'ls {INSTANCES}').strip(), '')
        self.assertEqual([e['time_ns'] for e in record.events[1:]], sorted(e['time_ns'] for e in record.events[1:]))
        kinds = {'attach': 0, 'map': 0, 'unmap': 0, 'detach': 0}
        for at, event in enumerate(record.events):
            if event['event'] not in kinds:
                continue
            kinds[event['event']] += 1
            after = list(itertools.takewhile(lambda e: e['event'] == 'invalidate', record.events[at + 1:]))
            descriptors = [e for e in after if e['tracepoint'] == 'qi_submit']
            if event['event'] in ('attach', 'detach'):
                self.assertIn('0x20', [e.get('source_id') for e in descriptors if e['type'] == 'context-cache'])
                continue
            covered = set()
            for entry in descriptors:
                if entry['type'] == 'iotlb':
                    covered.update(range(int(entry['first'], 16), int(entry['last'], 16), PAGE))
            iova = int(event['iova'], 16)
            self.assertLessEqual(set(range(iova, iova + int(event['size'], 16), PAGE)), covered, event)
            flushed = {e['tracepoint'] for e in after} - {'qi_submit'}
            name = 'cache_tag_flush_range' + ('_np' if event['event'] == 'map' else '')
            self.assertEqual(flushed, {name} if self.kernel else set())
        self.assertEqual(kinds, {'attach': 1, 'map': 5, 'unmap': 5, 'detach': 1})

    def test_driver(self):
        """what a driver of the kernel maps is attributed to its device, and verified"""
        status, text, traced = self.trace(f"-- sh -c '{REBIND}'")
        self.assertEqual(status, 0, text)
        pages = [iova for space in traced.pages.values() for iova in space]
        self.assertGreater(len(pages), 10)
        if self.kernel:     # dma tracepoints
            self.assertEqual(set(traced.of(DRIVER_BDF)), set(pages))
            # The dma event that has the direction follows within 40 ms, unless the machine is very busy.
            prots = [e['prot'] for e in traced.kinds('map') if 'prot' in e]
            self.assertEqual(set(prots) - {'r', 'w', 'rw'}, set())
            self.assertGreater(len(prots), len(traced.kinds('map')) // 2)
        # So does the descriptor that has the domain.
        domains = [e['domain_id'] for e in traced.kinds('map') if 'domain_id' in e]
        self.assertEqual(len(set(domains)), 1)
        self.assertGreater(len(domains), len(traced.kinds('map')) // 2)
        self.assert_all_match(traced, pages)

    def test_container_from_before(self):
        """a container that was set up before the trace began: by the files that are open"""
        status, text = self.guest.sh('mkfifo /tmp/go; (sleep 1000 >/tmp/go & echo $! >/tmp/keeper)')
        self.assertEqual(status, 0, text)
        self.addCleanup(self.guest.sh, 'kill $(cat /tmp/keeper); rm /tmp/go')
        holder = self.guest.spawn(f'viommu-probe map {BDF} --bind --count 20000 --size 4k -o /tmp/map --force')
        self.guest.must('until grep -q \'"map"\' /tmp/map; do usleep 50000; done')
        process = self.start()
        self.guest.must('until grep -q \'"event":"map"\' /tmp/traced; do usleep 50000; done')
        traced = self.stop(process)
        holder.signal('INT')
        holder.wait()
        attach = traced.kinds('attach')
        self.assertEqual([e['device'] for e in attach], ['0000:' + BDF])
        self.assertIn('open files', attach[0]['evidence'])

    def test_one_process(self):
        """--pid: that process and no other; it ends with it"""
        status, text, traced = self.trace('--pid 1 --seconds 2 & '
                                          'until grep -q "mapped before" /tmp/traced; do usleep 50000; done; '
                                          f'viommu-probe map {BDF} --bind --count 1 --hold 0 -o /tmp/map --force; wait')
        self.assertEqual(status, 0, text)
        self.assertEqual(traced.kinds('map') + traced.kinds('attach'), [])
        status, text = self.guest.sh(
            f'viommu-probe map {BDF} --bind --count 4 --hold 1 -o /tmp/map --force & '
            'viommu-probe trace --force -o /tmp/traced --pid $!')
        self.assertEqual(status, 0, text)
        self.assertIn('the process ended', text)

    def test_each_way_out(self):
        """signals, time, a reader that goes away, a full disk: the instance is removed"""
        for name in ('INT', 'TERM', 'HUP', 'QUIT'):
            self.assertEqual(self.stop(self.start(), name).events[-1]['reason'], 'SIG' + name)
            self.assert_nothing_left()
        status, text, traced = self.trace('--seconds 1')
        self.assertEqual((status, traced.events[-1]['reason']), (0, 'time over'), text)
        self.assert_nothing_left()
        status, text = self.guest.sh('viommu-probe trace | head -n 2 >/dev/null; while pidof viommu-probe; do sleep 1; done', 30)
        self.assertEqual(status, 0, text)
        self.assertEqual(self.guest.must(f'ls {INSTANCES}').strip(), '')
        status, text = self.guest.sh(
            'mkdir /tmp/full; mount -t tmpfs -o size=64k full /tmp/full; viommu-probe trace -o /tmp/full/r -- '
            f'viommu-probe map {BDF} --bind --hold 0 -o /tmp/map --force; s=$?; umount /tmp/full; exit $s')
        self.assertEqual(status, 1, text)
        self.assertIn('cut off', text)
        self.assert_nothing_left()

    def test_status_of_the_command(self):
        for command, expected in (('true', 0), ('sh -c "exit 7"', 7), ("sh -c 'kill -9 $$'", 137), ('/nothing', 127)):
            self.assertEqual(self.trace('-- ' + command)[0], expected, command)
        self.assert_nothing_left()

    def test_killed(self):
        """after SIGKILL the next trace removes what was left, and not what lives"""
        killed, alive = self.start(), None
        killed.signal('KILL')
        killed.wait()
        left = self.guest.must(f'ls {INSTANCES}').strip()
        self.assertRegex(left, r'^viommu-\d+$')
        alive = self.start()
        self.assertIn(left, alive.output())
        names = self.guest.must(f'ls {INSTANCES}').split()
        self.assertEqual(len(names), 1)
        self.assertNotIn(left, names)
        self.guest.must('viommu-probe trace --seconds 1 -o /tmp/other --force')
        self.assertEqual(self.guest.must(f'ls {INSTANCES}').split(), names)
        self.stop(alive)
        self.assert_nothing_left()

    def test_lost(self):
        """a buffer that is too small: what is not in the record is counted as lost"""
        process = self.start('--buffer 64k')
        process.signal('STOP')
        with Held(self.guest, BDF, '--count 2000 --size 4k') as held:
            process.signal('CONT')
            traced = self.stop(process)
            seen = {iova for pages in traced.pages.values() for iova in pages}
            missing = set(mapped(held.state)) - seen
            self.assertGreater(len(missing), 0)
            self.assertGreaterEqual(traced.lost(), len(missing))
            self.assertIn('lost', process.output())
            # What is not known is not said to be wrong.
            verdicts = {run['verdict'] for run in self.verify(traced)[1]['runs']}
            self.assertLessEqual(verdicts, {'match', 'unrecorded', 'unverified'})

    def test_storm(self):
        """maps as fast as they go: each is recorded or counted as lost"""
        self.need('storm')
        lost = {}
        for options in '', '--no-invalidations', '--buffer 64k':
            with self.subTest(options):
                lost[options] = self.storm(options, STORM_ROUNDS)
        self.assertGreater(lost['--buffer 64k'], 0, 'then this has not tried what it is about')

    def storm(self, options, rounds):
        self.bind()
        self.guest.must('touch /run/go.1')
        status, text = self.guest.sh(f'viommu-probe trace --force -o /tmp/traced {options} -- '
                                     f'prog-storm 0000:{BDF} {rounds}', 500)
        self.assertEqual(status, 0, text)
        counts = {}
        for kind in ('map', 'unmap'):
            counts[kind] = int(self.guest.must(
                f'grep \'"event":"{kind}"\' /tmp/traced | grep -c \'"iova":"0x50000000"\'; true'))
        lost = sum(int(n) for n in re.findall(r'"event":"lost","count":(\d+)',
                                              self.guest.must('grep \'"lost"\' /tmp/traced; true', 120)))
        self.assertLessEqual(counts['map'], rounds)
        self.assertGreaterEqual(counts['map'] + counts['unmap'] + lost, 2 * rounds, f'{counts} {lost}')
        if not lost:
            self.assertEqual(counts, {'map': rounds, 'unmap': rounds})
        return lost

    def test_refusals(self):
        """what is not there, in a sentence with what to do"""
        for script, words in (
                ('umount /sys/kernel/tracing; umount /sys/kernel/debug/tracing; umount /sys/kernel/debug; '
                 'viommu-probe trace; s=$?; mount -t debugfs debug /sys/kernel/debug; '
                 'mount -t tracefs trace /sys/kernel/tracing; exit $s', ['mount -t tracefs']),
                ('mkdir -p /etc; echo nobody:x:65534:65534::/:/bin/sh >/etc/passwd; chmod 755 /tmp; '
                 'su nobody -c "/bin/viommu-probe trace"', ['root']),
                ('viommu-probe trace --pid 99999', ['99999']),
                ('viommu-probe trace -o /tmp', ['directory'])):
            status, text = self.guest.sh(f'({script}) 2>&1', 30)
            self.assertEqual(status, 1, text)
            for word in words:
                self.assertIn(word, text)
        for arguments in ('-- true', '--seconds 0', '--pid x', '--buffer 1', 'sleep 1', '--pid 1 -o /tmp/x -- true'):
            status, text = self.guest.sh(f'viommu-probe trace {arguments} 2>&1', 30)
            self.assertEqual(status, 2, text)


class _Programs(helpers.TraceCase):
    """Programs that are not ours, on two CPUs."""
    smp = 2

    def program(self, name):
        self.need(name)
        self.bind()
        process = self.start()
        program = self.guest.spawn(f'prog-{name} 0000:{BDF}')
        try:
            self.guest.must('until [ -e /run/at.1 ]; do usleep 50000; done')
            traced = self.stop(process)
            pages = traced.of(BDF)
            self.assertTrue(pages)
            self.assertEqual(sum(len(space) for space in traced.pages.values()), len(pages), 'in one space')
            self.assertEqual(traced.lost(), 0)
            self.assert_all_match(traced, pages)
        finally:
            self.guest.must('for i in 1 2 3 4 5 6 7 8 9; do touch /run/go.$i; done')
            program.wait()      # and then for its children
            self.guest.must(f'while pidof prog-{name} >/dev/null; do usleep 20000; done')

    def test_plain(self):
        """huge pages, a device's memory, and requests that fail"""
        self.program('plain')

    def test_threads(self):
        """threads that are gone before anybody looks"""
        self.program('threads')

    def test_forks(self):
        """a container that is used by several processes is one space"""
        self.program('forks')


class Linux61(_Kernel):
    pass


class Linux612(_Kernel):
    kernel = KERNEL_6_12


class NoCachingMode(helpers.TraceCase):
    """Nothing is announced, so no domain's number is known."""
    iommu = 'caching-mode=off,intremap=on'

    def test_any_device(self):
        """what a driver maps on 6.1 may be for any device; viommu looks in all of them and finds it"""
        status, text, traced = self.trace(f"-- sh -c '{REBIND}'")
        self.assertEqual(status, 0, text)
        pages = [iova for space in traced.pages.values() for iova in space]
        self.assertGreater(len(pages), 10)
        self.assertEqual(traced.of(DRIVER_BDF), {})
        mapped_spaces = {event['space'] for event in traced.kinds('map')}
        self.assertEqual(mapped_spaces & {event['space'] for event in traced.kinds('attach')}, set())
        self.assertNotIn('domain_id', traced.kinds('map')[0])
        result = self.assert_all_match(traced, pages)
        for found in result['runs']:
            if found['verdict'] == 'match':
                self.assertEqual(found['devices'], [])
                self.assertIn(f'in the tables of {DRIVER_BDF}', found['note'])

    def test_container(self):
        """a container is known by its ioctls all the same"""
        process = self.start()
        with Held(self.guest, BDF, '--count 6') as held:
            traced = self.stop(process)
            self.assertEqual(traced.of(BDF), mapped(held.state))
            self.assert_all_match(traced, mapped(held.state))


class Programs61(_Programs):
    pass


class Programs612(_Programs):
    kernel = KERNEL_6_12


del _Kernel, _Programs

if __name__ == '__main__':
    tap.main()
