# SPDX-License-Identifier: GPL-2.0-or-later
"""A human monitor (HMP) in QMP's place, of real QEMUs: the same is seen through both, and what viommu
does to the guest for a moment is undone."""

import json
import os
import signal
import socket
import subprocess
import time

from common import BDF, Case, Held, boot, rng, scratch, viommu
from modes import KERNEL_6_12

from lab import faults, qemus

import tap


class Human(Case):
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.scratch = scratch()
        cls.guest = boot(**cls.options)
        cls.addClassCleanup(cls.guest.close)
        cls.held = Held(cls.guest, BDF, '--count 20 --size 16k --seed 3 --unmap-half')
        cls.address = {'qmp': cls.guest.target, 'hmp': cls.guest.human}

    def setUp(self):
        self.assertEqual(self.guest.qmp.status(), 'running')

    def run_viommu(self, monitor, command, *arguments, status=0):
        process = subprocess.run([viommu.find(), command, '-q', self.address[monitor], *arguments], stdin=subprocess.DEVNULL,
                                 capture_output=True, text=True, timeout=120, env={**os.environ, 'XDG_RUNTIME_DIR': self.scratch})
        self.assertEqual(process.returncode, status, process.stderr)
        return process.stdout

    def both(self, command, *arguments, status=0):
        """What it says of the guest that stands still, the moment apart."""
        self.guest.qmp.command('stop')
        try:
            results = [json.loads(self.run_viommu(monitor, command, *arguments, '--format', 'json', status=status))
                       for monitor in ('qmp', 'hmp')]
        finally:
            self.guest.qmp.command('cont')
        for result in results:
            result.get('capture', {}).pop('time', None)
        self.assertEqual(*results)
        return results[1]

    def test_same(self):
        iova = f'{self.held.tables().leaves()[0].iova:#x}'
        self.assertTrue(self.both('info')['devices'])
        for command in (['dump', '-d', BDF], ['dump', '--queue'], ['dump', '--interrupts'], ['walk', BDF, iova]):
            with self.subTest(command=command):
                self.both(*command)
        with self.subTest(command='--memory xp'):
            self.both('walk', BDF, iova, '--memory', 'xp')

    def test_verify(self):
        self.assert_true_result(self.both('verify', self.held.record), self.held.state)
        with faults.AddressChanged(self.held.tables(), self.held.state, rng('human'), 4096) as fault:
            self.assert_true_result(self.both('verify', self.held.record, status=3), self.held.state, fault)

    def test_pause(self):
        """the guest is stopped for a capture, and runs again; also when viommu is killed meanwhile"""
        path = os.path.join(self.scratch, 'now.elf')
        self.run_viommu('hmp', 'capture', '--pause', '-o', path, '--force')
        self.assertEqual(self.guest.qmp.status(), 'running')
        self.assert_true_result(viommu.verify('-s', path, self.held.record)[1], self.held.state)
        process = subprocess.Popen([viommu.find(), 'capture', '-q', self.guest.human, '--pause', '--memory', 'xp', '-o', path, '--force'],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while self.guest.qmp.status() == 'running' and process.poll() is None and time.monotonic() < deadline:
            pass
        process.kill()
        process.wait()
        while self.guest.qmp.status() != 'running' and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(self.guest.qmp.status(), 'running')

    def test_trace(self):
        """QEMU's events, on for the while, off afterwards"""
        process = subprocess.Popen([viommu.find(), 'trace', '-q', self.guest.human, '-o', os.path.join(self.scratch, 'log')],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, 'XDG_RUNTIME_DIR': self.scratch})
        self.addCleanup(process.kill)
        self.assertIn('press Ctrl-C', process.stderr.readline())
        self.assertIn('vtd_page_walk_one', self.events_on())
        process.send_signal(signal.SIGINT)
        self.assertEqual((process.wait(60), self.events_on()), (0, []))
        process.stderr.close()

    def events_on(self):
        return [event['name'] for event in self.guest.qmp.command('trace-event-get-state', name='vtd_*') if event['state'] != 'disabled']

    def test_wrong_kind(self):
        """each is told when it is named as the other; one that is held is said to be"""
        for address, text in ((self.guest.human.removeprefix('hmp:'), f'-q {self.guest.human}'), ('hmp:' + self.guest.target, 'without hmp:')):
            process = viommu.run('info', '-q', address, '--timeout', '1')
            self.assertEqual(process.returncode, 1)
            self.assertIn(text, process.stderr)
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(self.guest.human.removeprefix('hmp:unix:'))
            process = viommu.run('info', '-q', self.guest.human, '--timeout', '1')
        self.assertEqual(process.returncode, 1)
        self.assertIn('another client', process.stderr)


class HumanOfQemu10(Human):
    options = {'qemu': qemus.QEMU_10, 'kernel': KERNEL_6_12}


if __name__ == '__main__':
    tap.main()
