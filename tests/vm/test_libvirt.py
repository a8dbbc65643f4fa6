#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest under the real libvirt, which holds its only monitor (tests/cli/test_libvirt.py: what can go wrong)."""

import json
import os
import signal
import tarfile
import time
import unittest

from common import BDF, Case, Held, LabError, scratch, viommu

from lab.errors import Unavailable
from lab.guest import find_probe
from lab.libvirt import Libvirt, LibvirtGuest

import tap

NAME = 'viommu-lab-guest'


class UnderLibvirt(Case):
    @classmethod
    def setUpClass(cls):
        try:
            if not find_probe():
                raise LabError('viommu-probe is not built: meson setup build && ninja -C build')
            cls.libvirt = Libvirt()
            cls.addClassCleanup(cls.libvirt.close)
            cls.guest = LibvirtGuest(cls.libvirt, NAME)
        except Unavailable as error:
            raise unittest.SkipTest(str(error)) from None
        cls.addClassCleanup(cls.guest.close)
        was = os.environ.get('LIBVIRT_DEFAULT_URI')
        os.environ['LIBVIRT_DEFAULT_URI'] = cls.libvirt.uri
        cls.addClassCleanup(lambda: os.environ.update(LIBVIRT_DEFAULT_URI=was) if was else os.environ.pop('LIBVIRT_DEFAULT_URI'))
        cls.held = Held(cls.guest, BDF, '--count 300 --size 4k --seed 5')
        cls.addClassCleanup(cls.held.release)
        cls.uuid = cls.libvirt.virsh('domuuid', NAME).stdout.strip()
        cls.scratch = scratch()

    def listed(self):
        return next(item for item in viommu.json_of('list')['qemus'] if item['pid'] == self.guest.pid)

    def assert_proves(self, *target):
        result = viommu.verify(*target, self.held.record)[1]
        self.assert_true_result(result, self.held.state)
        self.assertEqual(result['exit_status'], 0)

    def assert_goes_on(self, seconds=20):
        end = time.monotonic() + seconds
        while self.guest.state() != 'running':
            if time.monotonic() > end:
                state = self.guest.state()
                self.libvirt.virsh('resume', NAME)
                self.fail(f'the guest is {state}')
            time.sleep(0.1)

    def test_verify(self):
        """a record is proven while libvirt holds the monitor"""
        for target in (f'libvirt:{NAME}', f'libvirt:{self.uuid}', 'libvirt:1'):
            with self.subTest(target):
                self.assert_proves('-q', target)
        self.assert_proves('-p', str(self.guest.pid))
        self.assert_goes_on(0)

    def test_memory(self):
        """that of QEMU's process, found without being told; the monitor shows the same"""
        files = [os.path.join(self.scratch, how) for how in ('process', 'xp')]
        for path in files:
            done = viommu.run('capture', '-q', self.guest.target, '--memory', os.path.basename(path), '--reproducible', '--pause', '-o', path)
            self.assertEqual(done.returncode, 0, done.stderr)
        one, two = (open(path, 'rb').read() for path in files)
        self.assertTrue(one == two, f'{len(one)} and {len(two)} bytes')
        self.assertGreater(len(one), 3 * 4096)
        self.assert_goes_on(0)

    def test_list(self):
        item = self.listed()
        self.assertEqual((item['libvirt'], item['access'], item['name']), (f'libvirt:{NAME}', 'libvirt', NAME))
        monitor, = item['monitors']
        self.assertIs(monitor['held'], True)
        # The monitor itself is still held, and what is said then leads here.
        done = viommu.run('info', '-q', monitor['address'], '--timeout', '0.5')
        self.assert_sentence(done, 1, 'another client holds this monitor', '-q libvirt:GUEST')

    def test_redacted(self):
        """a bundle does not name the guest, nor libvirt's folders, which do"""
        path = os.path.join(self.scratch, 'bundle.tar.gz')
        done = viommu.run('report', '-q', self.guest.target, self.held.record, '-o', path)
        self.assertEqual(done.returncode, 0, done.stderr)
        with tarfile.open(path) as bundle:
            parts = {member.name: bundle.extractfile(member).read() for member in bundle if member.isfile()}
        self.assertIn(b'intel-iommu', b''.join(parts.values()))
        self.assertEqual([name for name, data in parts.items() if NAME.encode() in data + name.encode()], [])

    def test_killed_while_paused(self):
        process = viommu.start('capture', '-q', self.guest.target, '--pause', '--memory', 'xp', '-o', os.path.join(self.scratch, 'x'))
        end = time.monotonic() + 20
        while self.guest.state() != 'paused' and time.monotonic() < end:
            time.sleep(0.01)
        self.assertIsNone(process.poll(), 'too fast to be killed')
        self.assertEqual(self.guest.state(), 'paused')
        process.kill()
        process.communicate()
        self.assert_goes_on()

    def test_daemon_hangs(self):
        os.kill(self.libvirt.pid, signal.SIGSTOP)
        try:
            before = time.monotonic()
            done = viommu.run('info', '-q', self.guest.target, '--timeout', '0.5')
            self.assertLess(time.monotonic() - before, 10)
        finally:
            os.kill(self.libvirt.pid, signal.SIGCONT)
        self.assert_sentence(done, 1, 'cannot be asked within 0.5 s')

    def test_trace(self):
        """trace events are switched on, and off again"""
        done = viommu.run('verify', '-q', self.guest.target, '--trace', '--format', 'json', self.held.record)
        self.assertEqual(done.returncode, 0, done.stderr)
        events = json.loads(self.libvirt.virsh('qemu-monitor-command', NAME, json.dumps(
            {'execute': 'trace-event-get-state', 'arguments': {'name': 'vtd_*'}})).stdout)['return']
        self.assertEqual({event['state'] for event in events}, {'disabled'})

    def test_z_ends(self):
        """libvirt's guest ends: a sentence, and the one for a guest that is not there"""
        other = LibvirtGuest(self.libvirt, 'short-lived')
        self.addCleanup(other.close)
        process = viommu.start('watch', '-q', other.target, self.held.record)
        time.sleep(3)
        self.assertIsNone(process.poll())
        self.libvirt.virsh('destroy', other.name)
        out, err = process.communicate(timeout=60)
        self.assertIn('has ended, or was started anew', err + out)
        self.assertEqual(process.returncode, 1)
        done = viommu.run('info', '-q', other.target)
        self.assert_sentence(done, 1, 'has no guest "short-lived"', 'virsh list')


if __name__ == '__main__':
    tap.main()
