# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu trace on real QEMUs, 7.2 and 10.0: what is switched on arrives, and is switched off."""

import os
import pathlib
import re
import signal
import subprocess
import time

from common import BDF, Case, Held, boot, scratch, viommu
from modes import KERNEL_6_12

from lab import qemus

import tap


class Trace(Case):
    """The log of this QEMU is its stderr, a file of the lab's."""
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.scratch = scratch()
        cls.env = {**os.environ, 'XDG_RUNTIME_DIR': cls.scratch}
        cls.guest = boot(**cls.options)
        cls.addClassCleanup(cls.guest.close)

    def setUp(self):
        self.file = pathlib.Path(self.scratch, self._testMethodName)

    def viommu(self, *arguments):
        return subprocess.run([viommu.find(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                              env=self.env)

    def begin(self, *arguments):
        process = subprocess.Popen([viommu.find(), 'trace', '-q', self.guest.target, '-o', self.file, *arguments],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=self.env)
        self.addCleanup(process.kill)
        line = process.stderr.readline()
        self.assertIn('press Ctrl-C', line + (process.stderr.read() if 'press' not in line else ''))
        return process

    def end(self, process, number=signal.SIGINT):
        process.send_signal(number)
        text = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 0, text)
        self.assertEqual(self.events_on(), [])

    def events_on(self):
        events = [event for pattern in ('vtd_*', 'vfio_*')
                  for event in self.guest.qmp.command('trace-event-get-state', name=pattern)]
        self.assertGreater(len(events), 50)
        return [event['name'] for event in events if event['state'] != 'disabled']

    def test_map(self):
        """what L1 announces of its mappings arrives; the emulated device needs no more; then it stops"""
        process = self.begin()
        self.assertIn('vtd_page_walk_one', self.events_on())
        with Held(self.guest, BDF, '--count 4 --size 16k') as held:
            done = self.viommu('verify', '-q', self.guest.target, '--trace', '--format', 'json', held.record)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn('"notice": "not-needed"', done.stdout)
            time.sleep(0.5)
            text = self.file.read_text()
            announced = {page for first, order in
                         re.findall(r'vtd_inv_desc_iotlb_pages iotlb invalidate domain \S+ addr (0x\w+) mask (0x\w+)', text)
                         for page in range(int(first, 16), int(first, 16) + (4096 << int(order, 16)), 4096)}
            held_pages = {page for mapping in held.state.held for page in range(mapping.iova, mapping.last, 4096)}
            self.assertEqual(len(held_pages), 16)
            self.assertEqual(held_pages - announced, set())
        self.end(process)
        size = self.file.stat().st_size
        with Held(self.guest, BDF, '--count 4 --size 16k'):
            pass
        self.assertEqual(self.file.stat().st_size, size)

    def test_every_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self.end(self.begin('--force'), number)

    def test_killed(self):
        process = self.begin()
        process.kill()
        process.communicate()
        self.assertIn('vtd_reg_read', self.events_on())
        done = self.viommu('info', '-q', self.guest.target)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f'killed (process {process.pid})', done.stderr)
        done = self.viommu('trace', '-q', self.guest.target, '-o', self.file.with_suffix('.2'))
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn('--undo', done.stderr)
        done = self.viommu('trace', '-q', self.guest.target, '--undo')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.events_on(), [])
        self.assertEqual(self.viommu('info', '-q', self.guest.target).stderr, '')

    def test_verify(self):
        """--trace by itself: on while it runs, and off"""
        with Held(self.guest, BDF, '--count 4 --size 16k') as held:
            done = self.viommu('verify', '-q', self.guest.target, '--trace', held.record)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.events_on(), [])

    def test_what_was_on(self):
        """an event that somebody had switched on stays on"""
        self.guest.qmp.command('trace-event-set-state', name='vtd_dmar_fault', enable=True)
        try:
            process = self.begin()
            process.terminate()
            process.communicate(timeout=60)
            self.assertEqual(self.events_on(), ['vtd_dmar_fault'])
        finally:
            self.guest.qmp.command('trace-event-set-state', name='vtd_dmar_fault', enable=False)


class Trace10(Trace):
    options = {'mode': 'legacy', 'qemu': qemus.QEMU_10, 'kernel': KERNEL_6_12}


if __name__ == '__main__':
    tap.main()
