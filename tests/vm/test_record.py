# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe record: programs that know nothing of it (tests/vm/programs),
in real guests."""

from common import BDF, faults, rng, viommu
from recorded import DEVICE, RecordCase, pages_of

from lab import record, vtd
from lab.guest import RECORD_PORT
from lab.memory import GuestMemory

import tap


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

    def test_rest(self):
        """at rest the record has a mark, and what is not in the tables is missing, not unverified"""
        with self.recorded('plain', DEVICE) as recorded:
            recorded.at(1)
            recorded.at_rest()
            self.assert_verified(recorded)
            memory = GuestMemory(self.guest)
            self.addCleanup(memory.close)
            with faults.PresentCleared(vtd.Tables(memory, BDF), record.state(recorded.path, BDF),
                                       rng(self.id()), 4096) as fault:
                process, result = viommu.verify('-q', self.guest.target, recorded.path)
            self.assertEqual(process.returncode, 3, f'{fault}\n{process.stdout}')
            self.assertEqual({run['verdict'] for run in result['runs']}, {'match', 'missing'}, str(fault))
            # What the kernel refused is told as well: a map of what is mapped, and one above the width.
            refused = {item['code']: item['instances'][0]['seen'] for item in result['findings']}
            self.assertIn('1 map requests of space 1 failed with EEXIST', refused.get('map-exists', ''))
            self.assertIn('up to IOVA 0x200000000000fff', refused.get('iova-beyond-width', ''))
            self.assertEqual(len(recorded.events('mark')), 1)
            recorded.go(1)
            recorded.at(2)
            recorded.at_rest()
            kinds = [e['event'] for e in recorded.events()]
            self.assertEqual(kinds[kinds.index('mark') + 1], 'busy')
            self.assertEqual((kinds.count('mark'), kinds.count('busy')), (2, 1))

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
            self.assertEqual(len(made), 6 * 30 * 2 + 1)
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

    def test_killed_in_a_call(self):
        """children of a program whose container lives on: what the kernel has done is in the record, or said to be lost"""
        with self.recorded('cut', DEVICE, '40') as recorded:
            recorded.at(1, 300)
            recorded.at_rest()
            events = recorded.events('lost')
            print(f'# {len(events)} calls were cut off', flush=True)
            self.assertTrue(events, 'no child was killed in a call')
            # Of one whose argument could not be read any more, nothing is known.
            lost = [range(int(e.get('iova', '0'), 16), int(e.get('iova', '0'), 16) + int(e.get('size', hex(1 << 64)), 16))
                    for e in events]
            held = record.state(recorded.path, BDF).held
            memory = GuestMemory(self.guest)
            self.addCleanup(memory.close)
            there = {leaf.iova for leaf in vtd.Tables(memory, BDF).leaves()}
            for iova in there:
                self.assertTrue(any(m.iova <= iova <= m.last for m in held) or any(iova in r for r in lost), f'{iova:#x}')
            if held:
                done, result = viommu.verify('-q', self.guest.target, recorded.path)
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertLessEqual({run['verdict'] for run in result['runs']}, {'match', 'unverified', 'unrecorded'})
            else:   # all that was asked for is lost
                self.assertIn(viommu.run('verify', '-q', self.guest.target, recorded.path).returncode, (0, 4))
            self.assertEqual(recorded.go_on_to_the_end(), 0)

    def test_killed(self):
        """SIGKILL: exit status 137, and the record says what ended the mappings"""
        with self.recorded('killed', DEVICE) as recorded:
            recorded.at(1)
            self.assert_verified(recorded)
            self.assertEqual(recorded.go_on_to_the_end(), 137)
            self.assert_nothing_left(recorded)
            self.assertEqual(self.reasons(recorded), {'killed by SIGKILL'})

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


class Kernel61(_Type1, RecordCase):
    kernel = 'linux-image-cloud-amd64'


class Kernel612(_Type1, RecordCase):
    kernel = 'linux-image-6.12*-cloud-amd64'


if __name__ == '__main__':
    tap.main()
