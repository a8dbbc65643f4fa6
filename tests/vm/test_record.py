# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe record: programs that know nothing of it (tests/vm/programs),
in real guests."""

import glob
import os
import re
import unittest

from common import BDF, Case, boot, viommu

from lab import kernel, record, smallkernel, vtd
from lab.errors import GuestError, Unavailable
from lab.guest import RECORD_PORT, find_probe
from lab.memory import GuestMemory

import tap

DEVICE = '0000:' + BDF
PROGRAMS = os.environ.get('VIOMMU_GUEST_PROGRAMS', '')
# Pairs of map and unmap; each takes milliseconds under TCG.
STORM = int(os.environ.get('VIOMMU_STORM', '2000'))
STEP_SECONDS = 120


def pages_of(result):
    """{verdict: how many pages}"""
    pages = {}
    for run in result['runs']:
        size = int(run['last'], 16) - int(run['first'], 16) + 1
        pages[run['verdict']] = pages.get(run['verdict'], 0) + size // 4096
    return pages


class Recorded:
    """with Recorded(guest, 'plain', DEVICE) as recorded: recorded.at(1); …; recorded.go(1)"""

    def __init__(self, guest, program, *arguments, options=f'-o {RECORD_PORT}'):
        self.guest, self.path = guest, guest.record
        guest.must('rm -f /run/at.* /run/go.*')
        guest.clear_record()
        self.process = guest.spawn(f'viommu-probe record {options} -- prog-{program} {" ".join(arguments)}')

    def at(self, step):
        status, _ = self.guest.sh(f'until [ -e /run/at.{step} ]; do usleep 20000; done', STEP_SECONDS)
        if status != 0:
            raise GuestError(f'step {step} was not reached\n{self.process.output()}\n'
                             + '\n'.join(map(str, record.events(self.path)[-5:])))

    def go(self, step):
        self.guest.must(f'touch /run/go.{step}')

    def go_on_to_the_end(self):
        self.guest.must('for step in 1 2 3 4 5; do touch /run/go.$step; done')
        return self.process.wait(STEP_SECONDS)

    def events(self, kind=None):
        events = record.events(self.path)[1:]
        return [e for e in events if kind in (None, e['event'])]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.guest.alive() and self.process.poll() is None:
            self.go_on_to_the_end()


class _Record(Case):
    kernel = None
    bind = (BDF,)

    @classmethod
    def setUpClass(cls):
        programs = list(filter(os.path.isfile, glob.glob(os.path.join(PROGRAMS, 'prog-*'))))
        if not programs:
            raise unittest.SkipTest('VIOMMU_GUEST_PROGRAMS is not set; meson does that')
        cls.guest = boot(kernel=cls.kernel, programs=[find_probe(), *programs])
        cls.addClassCleanup(cls.guest.close)
        for bdf in cls.bind:
            cls.guest.must(f'echo vfio-pci >/sys/bus/pci/devices/0000:{bdf}/driver_override && '
                           f'echo 0000:{bdf} >/sys/bus/pci/drivers_probe')

    def setUp(self):
        # What a failed test left behind holds the device.
        self.guest.must('pkill -KILL prog-; while pgrep prog- >/dev/null; do usleep 20000; done; '
                        'pkill -KILL viommu-probe; while pgrep viommu-probe >/dev/null; do usleep 20000; done')

    def recorded(self, *arguments, **options):
        return Recorded(self.guest, *arguments, **options)

    def assert_verified(self, recorded, unverified=0):
        """Everything matches, and nothing is there that is not in the record."""
        process, result = viommu.verify('-q', self.guest.target, recorded.path)
        self.assertEqual(process.returncode, 0, process.stdout)
        pages = pages_of(result)
        self.assertGreater(pages.pop('match', 0), 0, process.stdout)
        self.assertEqual(pages.pop('unverified', 0), unverified, process.stdout)
        self.assertEqual(pages, {}, process.stdout)
        self.assertFalse(any(target.get('not_in_record') for target in result.get('targets', ())))

    def assert_nothing_left(self, recorded):
        """What was mapped is unmapped, in the record and in the tables."""
        events = recorded.events()
        self.assertEqual(events[-1]['event'], 'end')
        self.assertEqual([e['seq'] for e in events], list(range(1, len(events) + 1)))
        self.assertEqual(recorded.events('lost'), [])
        self.assertEqual(record.state(recorded.path, BDF).held, [])
        attached = [e['space'] for e in events if e['event'] == 'attach']
        self.assertEqual(sorted(attached), sorted(e['space'] for e in events if e['event'] == 'detach'))
        iovas = {int(e['iova'], 16) for e in recorded.events('map') if 'errno' not in e}
        memory = GuestMemory(self.guest)
        try:
            left = {leaf.iova for leaf in vtd.Tables(memory, BDF).leaves()}
        finally:
            memory.close()
        self.assertEqual(left & iovas, set())

    def reasons(self, recorded):
        return {e['reason'] for e in recorded.events() if e['event'] in ('unmap', 'detach') and 'reason' in e}


class _Type1:
    def test_plain(self):
        """all forms of map and unmap, huge pages, a BAR, refusals; the same numbers again"""
        with self.recorded('plain', DEVICE) as recorded:
            recorded.at(1)
            self.assert_verified(recorded)
            maps = {int(e['iova'], 16): e for e in recorded.events('map')}
            self.assertEqual(maps[0x50000000]['prot'], 'r')
            self.assertEqual(maps[0x60000000]['page_size'], '0x200000')
            self.assertEqual(maps[0x70000000]['bar'], {'device': DEVICE, 'region': 0})
            bar = int(self.guest.must(f'head -n 1 /sys/bus/pci/devices/{DEVICE}/resource').split()[0], 16)
            self.assertEqual(int(maps[0x70000000]['extents'][0]['gpa'], 16), bar + 4096)
            for iova, name in ((0x40001000, 'EEXIST'), (0xfee00000, 'EINVAL'), (0x90000000, 'EFAULT')):
                self.assertEqual(maps[iova]['error'], name)
                self.assertTrue(maps[iova]['meaning'])
            recorded.go(1)
            recorded.at(2)
            self.assert_verified(recorded)
            self.assertEqual([e.get('error') for e in recorded.events('unmap')], [None, 'EINVAL'])
            for step in (2, 3):
                recorded.go(step)
                recorded.at(step + 1)
                self.assert_verified(recorded)
            self.assertEqual([e['space'] for e in recorded.events('attach')], [1, 2])
            self.assertEqual(recorded.go_on_to_the_end(), 7)
            self.assert_nothing_left(recorded)
            self.assertEqual(self.reasons(recorded), {'close', 'exit'})

    def test_raw(self):
        """bare system calls, of 64-bit programs and of 32-bit ones"""
        with self.recorded('raw', DEVICE) as recorded:
            recorded.at(1)
            self.assert_verified(recorded)
            self.assertEqual([int(e['iova'], 16) for e in recorded.events('map')],
                             [0x40000000, 0x41000000, 0x42000000])
            self.assertEqual(recorded.go_on_to_the_end(), 0)
            self.assert_nothing_left(recorded)

    def test_threads(self):
        """six threads at the same time, in part in the same place"""
        with self.recorded('threads', DEVICE) as recorded:
            recorded.at(1)
            self.assert_verified(recorded)
            made = [e for e in recorded.events('map') if 'errno' not in e]
            self.assertEqual(len(made), 6 * 30 * 2)
            self.assertEqual(recorded.events('note'), [])
            self.assertEqual(recorded.go_on_to_the_end(), 0)
            self.assert_nothing_left(recorded)

    def test_forks(self):
        """a child goes on with a duplicate when its parent has gone"""
        with self.recorded('forks', DEVICE) as recorded:
            recorded.at(1)
            self.assert_verified(recorded)
            recorded.go(1)
            recorded.at(2)
            self.assert_verified(recorded)
            self.assertEqual({e['space'] for e in recorded.events('map')}, {1})
            self.assertEqual(recorded.go_on_to_the_end(), 3)
            self.assert_nothing_left(recorded)

    def test_killed(self):
        """SIGKILL: exit status 137, and the record says what ended the mappings"""
        with self.recorded('killed', DEVICE) as recorded:
            recorded.at(1)
            self.assert_verified(recorded)
            self.assertEqual(recorded.go_on_to_the_end(), 137)
            self.assert_nothing_left(recorded)
            self.assertEqual(self.reasons(recorded), {'killed by SIGKILL'})

    def test_storm(self):
        """every map and unmap is recorded or counted as lost; other calls cost nothing"""
        self.guest.must('touch /run/go.1')
        alone = self.costs(f'prog-storm {DEVICE} {STORM}')
        with self.recorded('storm', DEVICE, str(STORM)) as recorded:
            recorded.at(1)
            self.assert_verified(recorded)
            self.assertEqual(recorded.go_on_to_the_end(), 0)
            self.assert_nothing_left(recorded)
            with_us = self.costs(None, recorded.process.output())
            self.assertEqual(len(recorded.events('map')), STORM + 1)
        print(f'# ns for a map and an unmap, getppid, another ioctl: alone {alone}, recorded {with_us}')
        # A stop would be a factor of a hundred.
        self.assertLess(with_us[1], 10 * alone[1])
        self.assertLess(with_us[2], 10 * alone[2])

    def costs(self, command, text=None):
        found = re.search(r'map\+unmap (\d+) getppid (\d+) ioctl (\d+)', text or self.guest.must(command, 300))
        self.assertTrue(found, text)
        return [int(number) for number in found.groups()]

    def test_slow_reader(self):
        """a reader that sleeps holds nobody up; what it misses is counted"""
        self.guest.must('rm -f /run/pipe /run/at.* /run/go.*; mkfifo /run/pipe')
        self.guest.must('''
            touch /run/go.1
            (until [ -e /run/at.1 ]; do usleep 20000; done; cat) </run/pipe >/run/read &
            viommu-probe record --buffer 64k -o /run/pipe -- prog-storm %s %d
            wait''' % (DEVICE, STORM), 300)
        counts = self.guest.must(r'''
            grep -c '"event":"map"' /run/read
            grep -c '"event":"unmap"' /run/read
            sed -n 's/.*"event":"lost","count":\([0-9]*\).*/\1/p' /run/read
            tail -n 1 /run/read''').split('\n')
        maps, unmaps, *lost = [int(line) for line in counts if line.isdigit()]
        self.assertTrue(lost)
        self.assertGreater(maps, 100)
        # The implicit unmap at the exit, and the detach, may be among the lost.
        total = 2 * STORM + 1 + 1 + 1
        detached = int(self.guest.sh('grep -c \'"event":"detach"\' /run/read')[1])
        self.assertEqual(maps + unmaps + detached + sum(lost), total)
        self.assertIn('"event":"end"', counts[-2])

    def test_pid(self):
        """a program that runs already, and runs on afterwards"""
        self.guest.must('rm -f /run/at.* /run/go.*')
        self.guest.clear_record()
        program = self.guest.spawn(f'prog-plain {DEVICE}')
        self.guest.must('until [ -e /run/at.1 ]; do usleep 20000; done; touch /run/go.1; '
                        'until [ -e /run/at.2 ]; do usleep 20000; done')
        recorder = self.guest.spawn(f'viommu-probe record -o {RECORD_PORT} --pid $(pidof prog-plain)')
        self.guest.must('until grep -q "TracerPid:[^0-9]*[1-9]" /proc/$(pidof prog-plain)/status; do usleep 20000; done')
        status, text = self.guest.sh('viommu-probe record -o /run/second --pid $(pidof prog-plain)')
        self.assertEqual(status, 1)
        self.assertRegex(text, r'traced by process \d+ \(viommu-probe\) already')
        self.guest.must('touch /run/go.2; until [ -e /run/at.3 ]; do usleep 20000; done')
        process, result = viommu.verify('-q', self.guest.target, self.guest.record)
        self.assertEqual(pages_of(result), {'match': 1}, process.stdout)
        self.assertNotIn('complete', [e for e in record.events(self.guest.record) if e['event'] == 'attach'][0])
        recorder.signal('INT')
        self.assertEqual(recorder.wait(), 0)
        self.assertEqual(record.events(self.guest.record)[-1]['reason'], 'SIGINT')
        self.guest.must('touch /run/go.3; until [ -e /run/at.4 ]; do usleep 20000; done; touch /run/go.4')
        self.assertEqual(program.wait(), 7)

    def test_agrees_with_map(self):
        """viommu-probe map, recorded: two records of the same mappings"""
        self.guest.must('rm -f /run/map /run/record')
        self.guest.must(f'viommu-probe record -o /run/record -- viommu-probe map {BDF} -o /run/map </dev/null', 120)
        texts = [self.guest.must(f"sed -n 's/.*\"event\":\"\\([a-z]*map\\)\",\"space\":[0-9]*,/\\1 /p' /run/{name}")
                 for name in ('map', 'record')]
        self.assertGreater(len(texts[0].splitlines()), 40)
        self.assertEqual(*texts)


class Kernel61(_Type1, _Record):
    kernel = 'linux-image-cloud-amd64'


class Kernel612(_Type1, _Record):
    kernel = 'linux-image-6.12*-cloud-amd64'


class Iommufd(_Record):
    """On the lab's small kernel, if it has been built."""
    kernel = kernel.SMALL

    @classmethod
    def setUpClass(cls):
        try:
            if not smallkernel.cached():
                raise unittest.SkipTest('the small kernel is not built: python3 tests/lab/smallkernel.py')
        except Unavailable as error:
            raise unittest.SkipTest(str(error)) from None
        super().setUpClass()

    def test_iommufd(self):
        """maps before a device comes, a copy, a page table by hand; the same numbers again"""
        with self.recorded('iommufd', '/dev/vfio/devices/vfio0') as recorded:
            recorded.at(1)
            self.assertEqual(recorded.events('attach'), [])
            self.assertEqual([e['space'] for e in recorded.events('space')], [1, 2])
            recorded.go(1)
            recorded.at(2)
            self.assert_verified(recorded)
            recorded.go(2)
            recorded.at(3)
            self.assert_verified(recorded, unverified=12)   # those of the space with no device now
            for step in (3, 4):
                recorded.go(step)
                recorded.at(step + 1)
                self.assert_verified(recorded)
            self.assertEqual([e['space'] for e in recorded.events('attach')], [1, 2, 2, 3])
            self.assertEqual(recorded.go_on_to_the_end(), 0)
            self.assert_nothing_left(recorded)

    def test_agrees_with_map(self):
        self.guest.must('rm -f /run/map /run/record')
        self.guest.must('viommu-probe record -o /run/record -- '
                        f'viommu-probe map {BDF} --backend iommufd -o /run/map </dev/null', 120)
        texts = [self.guest.must(f"sed -n 's/.*\"event\":\"\\([a-z]*map\\)\",\"space\":[0-9]*,/\\1 /p' /run/{name}")
                 for name in ('map', 'record')]
        self.assertGreater(len(texts[0].splitlines()), 40)
        self.assertEqual(*texts)


if __name__ == '__main__':
    tap.main()
