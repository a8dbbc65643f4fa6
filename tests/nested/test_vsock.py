# SPDX-License-Identifier: GPL-2.0-or-later
"""A record that goes through vsock to the host, as people will send it: the inner
guest's vsock device is its host's vhost-vsock, and the reader is in the outer guest."""

import json
import os
import unittest

from common import BDF, start

from lab.guest import find_probe

import tap

DEBIAN = 'linux-image-cloud-amd64'      # the small kernel has no vhost-vsock
HOST, CID, PORT = 2, 3, 5000
LISTEN = os.path.join(os.environ.get('VIOMMU_GUEST_PROGRAMS', ''), 'prog-listen')
RECORD = '/run/vsock.jsonl'             # in the outer guest


class Vsock(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not os.path.isfile(LISTEN):
            raise unittest.SkipTest('VIOMMU_GUEST_PROGRAMS is not set; meson does that')
        cls.lab = start(outer_kernel=DEBIAN, outer_modules=('vhost_vsock',), modules=('vmw_vsock_virtio_transport',),
                        programs=[find_probe(), LISTEN],
                        inner_args=('-device', f'vhost-vsock-pci,guest-cid={CID}'))
        cls.addClassCleanup(cls.lab.close)
        cls.outer, cls.inner = cls.lab.outer, cls.lab.inner

    def listen(self, *arguments):
        self.outer.must(f'rm -f /run/at.* /run/go.* {RECORD}')
        listener = self.outer.spawn(f'prog-listen {PORT} {RECORD} {" ".join(arguments)}')
        self.outer.must('until [ -e /run/at.9 ]; do usleep 20000; done; touch /run/go.9')
        return listener

    def events(self):
        return [json.loads(line) for line in self.outer.must(f'cat {RECORD}').splitlines()]

    def assert_whole(self, events):
        self.assertEqual([event['seq'] for event in events[1:]], list(range(1, len(events))))
        self.assertEqual(events[-1]['event'], 'end')
        self.assertFalse([event for event in events if event['event'] == 'lost'])

    def test_map(self):
        """the record grows as the mappings are made, and L0 proves them while they are held"""
        listener = self.listen()
        process = self.inner.spawn(f'viommu-probe map {BDF} --bind --hold 600 -o vsock:{HOST}:{PORT}')
        self.outer.must(f'until grep -q \'"name":"held"\' {RECORD}; do usleep 50000; done', 120)
        status, text = self.lab.viommu('verify', '--format', 'json', '-q', self.inner.socket, RECORD)
        self.assertEqual(status, 0, text)
        self.assertEqual({run['verdict'] for run in json.loads(text)['runs']}, {'match'})
        process.signal('INT')
        self.assertEqual(process.wait(120), 0, process.output())
        self.assertEqual(listener.wait(60), 0)
        self.assert_whole(self.events())

    def test_record(self):
        """the record of a program, and it has the same mappings as the program's own"""
        listener = self.listen()
        self.inner.must(f'viommu-probe record -o vsock:{HOST}:{PORT} -- viommu-probe map {BDF} --bind --force -o /run/own '
                        '</dev/null', 120)
        self.assertEqual(listener.wait(60), 0)
        recorded, own = self.events(), [json.loads(line) for line in self.inner.must('cat /run/own').splitlines()]
        self.assert_whole(recorded)
        ours, theirs = ([(e['event'], e['iova'], e['size'], e.get('extents')) for e in events
                         if e['event'] in ('map', 'unmap')] for events in (recorded, own))
        self.assertGreater(len(ours), 20)
        self.assertEqual(ours, theirs)

    def test_reader_goes(self):
        """the reader hangs up: the probe says so and takes its mappings back"""
        listener = self.listen('3000')
        status, text = self.inner.sh(f'viommu-probe map {BDF} --bind --count 64 --size 4k --hold 600 '
                                     f'-o vsock:{HOST}:{PORT}', 120)
        self.assertEqual(status, 1, text)
        self.assertIn('the reader has gone away', text)
        self.assertEqual(listener.wait(60), 0)

    def test_nobody(self):
        status, text = self.inner.sh(f'viommu-probe map {BDF} --bind -o vsock:{HOST}:{PORT + 1} </dev/null', 60)
        self.assertEqual(status, 1, text)
        self.assertIn('nobody listens there', text)


if __name__ == '__main__':
    tap.main()
