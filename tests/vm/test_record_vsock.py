# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe record through vsock.  The other end is in the guest as well, by
the kernel's loopback: that takes no vhost-vsock of the host."""

import json

from recorded import DEVICE, RecordCase

import tap

LOCAL, PORT = 1, 5000           # VMADDR_CID_LOCAL


class _Vsock:
    load = ('vsock_loopback',)

    def listen(self, *arguments):
        self.guest.must('rm -f /run/at.* /run/go.* /run/read; touch /run/go.1 /run/go.2 /run/go.3 /run/go.4 /run/go.5')
        listener = self.guest.spawn(f'prog-listen {PORT} /run/read {" ".join(arguments)}')
        self.guest.must('until [ -e /run/at.9 ]; do usleep 20000; done; touch /run/go.9')
        return listener

    def record(self, program, where=f'vsock:{LOCAL}:{PORT}'):
        return self.guest.sh(f'viommu-probe record -o {where} -- prog-{program}', 120)

    def read(self):
        return self.guest.must('cat /run/read').splitlines()

    def test_stream(self):
        """the same events as in a file, to the last"""
        listener = self.listen()
        self.assertEqual(self.record(f'plain {DEVICE}')[0], 7)
        self.assertEqual(listener.wait(), 0)
        events = [json.loads(line) for line in self.read()]
        self.assertEqual([e['seq'] for e in events[1:]], list(range(1, len(events))))
        self.assertEqual(self.record(f'plain {DEVICE}', '/run/file')[0], 7)
        kinds = [[(e['event'], e.get('iova'), e.get('size')) for e in recorded if e['event'] not in ('mark', 'busy')]
                 for recorded in (events, map(json.loads, self.guest.must('cat /run/file; rm /run/file').splitlines()))]
        self.assertGreater(len(kinds[0]), 20)
        self.assertEqual(*kinds)

    def test_reader_goes(self):
        """the program does not notice; the record is said to be cut off, at a whole line"""
        listener = self.listen('3000')
        status, text = self.record(f'storm {DEVICE} 200')
        self.assertEqual(status, 0, text)
        self.assertIn('the reader has gone away', text)
        self.assertEqual(listener.wait(), 0)

    def test_nobody(self):
        """nobody listens: said before the program is started"""
        status, text = self.guest.sh(f'viommu-probe record -o vsock:{LOCAL}:{PORT + 1} -- touch /run/started', 60)
        self.assertEqual(status, 1, text)
        self.assertIn('nobody listens there', text)
        self.guest.must('[ ! -e /run/started ]')


class Kernel61(_Vsock, RecordCase):
    kernel = 'linux-image-cloud-amd64'


class Kernel612(_Vsock, RecordCase):
    kernel = 'linux-image-6.12*-cloud-amd64'


if __name__ == '__main__':
    tap.main()
