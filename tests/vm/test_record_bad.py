# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe record where it is hard: many groups in one container, one IOVA in
two, a full disk, no root, a kernel that is locked down."""

import json

from common import viommu
from recorded import DEVICE, RecordCase, pages_of

from lab import record

import tap

BDFS = [f'00:{slot:02x}.0' for slot in range(4, 16)]


class Record(RecordCase):
    kernel = 'linux-image-6.12*-cloud-amd64'
    devices = [f'edu,addr={slot:02x}.0' for slot in range(4, 16)]
    bind = BDFS

    def test_groups(self):
        """eleven groups in one container, and the same IOVA in another one"""
        first, second, last = BDFS[0], BDFS[1], BDFS[-1]
        with self.recorded('groups', *('0000:' + bdf for bdf in BDFS)) as recorded:
            recorded.at(1)
            self.assert_verified(recorded)
            spaces = {e['device'][5:]: e['space'] for e in recorded.events('attach')}
            self.assertEqual(spaces, {bdf: 1 for bdf in BDFS} | {last: 2})
            gpas = [record.state(recorded.path, bdf).find(0x40000000).gpa(0x40000000) for bdf in (first, last)]
            self.assertNotEqual(*gpas)
            recorded.go(1)
            recorded.at(2)
            self.assert_verified(recorded)
            self.assertEqual([e['device'] for e in recorded.events('detach')], ['0000:' + second])
            recorded.go(2)
            recorded.at(3)
            self.assert_verified(recorded)
            self.assertEqual(recorded.events('attach')[-1]['space'], 2)
            self.assertEqual(recorded.go_on_to_the_end(), 0)
        self.assert_nothing_left(recorded)

    def test_full_disk(self):
        """the program does not notice; the record is valid up to where it is cut off"""
        self.guest.must('mkdir -p /full; mount -t tmpfs -o size=64k full /full; touch /run/go.1')
        try:
            status, text = self.guest.sh(f'viommu-probe record -o /full/record -- prog-storm {DEVICE} 500', 120)
            lines = self.guest.must('cat /full/record').split('\n')
        finally:
            self.guest.must('umount /full')
        self.assertEqual(status, 0, text)
        self.assertIn('the record is cut off', text)
        self.assertIn('make room', text)
        events = [json.loads(line) for line in lines[:-1]]
        self.assertEqual([e['seq'] for e in events[1:]], list(range(1, len(events))))
        self.assertGreater(len(events), 100)

    def test_no_root(self):
        """no GPA is made up: they are said to be unknown, and nothing is called missing"""
        self.guest.must('''
            mkdir -p /etc; grep -qs ^nobody: /etc/passwd || echo nobody:x:65534:65534::/:/bin/sh >>/etc/passwd
            chmod 666 /dev/vfio/*; chmod 777 /run; rm -f /run/record''')
        self.guest.clear_record()
        self.guest.must('rm -f /run/at.* /run/go.*; chmod 666 $(readlink -f /dev/virtio-ports/org.viommu.record)')
        process = self.guest.spawn('su nobody -s /bin/sh -c "viommu-probe record -o '
                                   f'/dev/virtio-ports/org.viommu.record -- prog-raw {DEVICE}"')
        self.addCleanup(self.guest.must, 'chmod 600 /dev/vfio/[0-9]*')
        status, _ = self.guest.sh('until [ -e /run/at.1 ]; do usleep 20000; done', 20)
        self.assertEqual(status, 0, process.output())
        result = viommu.verify('-q', self.guest.target, self.guest.record)[1]
        self.assertEqual(pages_of(result), {'unverified': 12}, process.output())
        self.guest.must('touch /run/go.1')
        self.assertEqual(process.wait(), 0)
        self.assertIn('addresses are not recorded', process.output())
        maps = [e for e in record.events(self.guest.record) if e['event'] == 'map']
        self.assertEqual([(e['extents'], bool(e['gpa_unknown'])) for e in maps], [([], True)] * 3)


class Lockdown(RecordCase):
    kernel = 'linux-image-6.12*-cloud-amd64'
    append = 'lockdown=confidentiality'

    def test_lockdown(self):
        """a kernel that is locked down as far as it goes"""
        self.assertIn('[confidentiality]', self.guest.must('mount -t securityfs s /sys/kernel/security; '
                                                           'cat /sys/kernel/security/lockdown'))
        with self.recorded('raw', DEVICE) as recorded:
            recorded.at(1)
            self.assert_verified(recorded)
            self.assertEqual(recorded.go_on_to_the_end(), 0)
        self.assert_nothing_left(recorded)


if __name__ == '__main__':
    tap.main()
