# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu against guests and monitors that are not as they should be: one
sentence, the right exit status, and never a hang."""

import os
import shutil
import socket
import time

from common import BDF, Case, Held, boot, faults, rng, scratch, viommu
from modes import SMALL
from proxy import Proxy

import tap


class NoIommu(Case):
    """A QEMU without intel-iommu."""

    @classmethod
    def setUpClass(cls):
        cls.guest = boot(system=False, iommu=None)
        cls.addClassCleanup(cls.guest.close)

    def test_each_command(self):
        path = os.path.join(scratch(), 'none.core')
        for command in (['info'], ['dump'], ['walk'], ['capture', '-o', path]):
            after = [BDF, '0x1000'] if command == ['walk'] else []
            with self.subTest(command[0]):
                process = viommu.run(*command, '-q', self.guest.target, *after, seconds=30)
                self.assert_sentence(process, 1, 'intel-iommu')
        self.assertFalse(os.path.exists(path))


class Monitor(Case):
    """Somebody else at the monitor, or nobody."""

    @classmethod
    def setUpClass(cls):
        cls.guest = boot(system=False)
        cls.addClassCleanup(cls.guest.close)
        cls.path = cls.guest.target.removeprefix('unix:')

    def test_held_by_another_client(self):
        """a monitor that another client holds: said so after a short time-out"""
        other = socket.socket(socket.AF_UNIX)
        self.addCleanup(other.close)
        other.connect(self.path)
        other.recv(1 << 16)
        started = time.monotonic()
        process = viommu.run('info', '-q', self.guest.target, seconds=60)
        self.assertLess(time.monotonic() - started, 20)
        self.assert_sentence(process, 1, 'another')

    def test_hmp_socket(self):
        """an HMP monitor given as QMP"""
        process = viommu.run('info', '-q', f'unix:{self.guest.dir}/hmp.sock', seconds=60)
        self.assert_sentence(process, 1, 'QMP')

    def test_no_socket(self):
        process = viommu.run('info', '-q', f'unix:{self.guest.dir}/nothing.sock', seconds=30)
        self.assert_sentence(process, 1, 'nothing.sock')

    def test_not_a_socket(self):
        process = viommu.run('info', '-q', f'unix:{self.guest.dir}/qemu.log', seconds=30)
        self.assert_sentence(process, 1, 'qemu.log')

    def test_iommu_before_the_system(self):
        """no kernel has set up the IOMMU: info works, and says it is off"""
        process = viommu.run('info', '-q', self.guest.target, seconds=30)
        self.assertEqual(process.returncode, 0, process.stderr)


class TranslationOff(Case):
    """L1 has an IOMMU and does not use it."""

    def test_intel_iommu_off(self):
        with boot() as guest, Held(guest, BDF, '--count 2') as held:
            record = shutil.copy(held.record, os.path.join(scratch(), 'other-boot.jsonl'))
            state = held.state
        with boot(append='intel_iommu=off') as guest:
            process, result = viommu.verify('-q', guest.target, record)
            self.assertEqual(process.returncode, 3, process.stderr)
            self.assertEqual({run['verdict'] for run in result['runs']}, {'translation-off'})
            self.assertEqual(faults.coalesce((int(run['first'], 16), int(run['last'], 16))
                                             for run in result['runs']),
                             faults.coalesce((m.iova, m.last) for m in state.held))
            status, text = guest.sh('viommu-probe doctor')
            self.assertEqual(status, 3, text)
            self.assertIn('intel_iommu', text)


class DiesInTheMiddle(Case):
    def test_qemu_is_killed(self):
        """QEMU killed while capture reads it: exit 1, a sentence, no file"""
        directory = scratch()
        with boot() as guest:
            Held(guest, BDF, '--count 400 --size 4k --seed 3')
            path = os.path.join(directory, 'dead.core')
            monitor = guest.target.removeprefix('unix:')

            def capture(name, nth):
                proxy = Proxy(monitor, os.path.join(guest.dir, name), nth, guest.kill)
                process = viommu.run('capture', '-q', f'unix:{guest.dir}/{name}', '-o', path,
                                     '--memory', 'xp', seconds=60)
                proxy.close()
                return proxy, process

            proxy, process = capture('whole.sock', None)
            self.assertEqual(process.returncode, 0, process.stderr)
            os.unlink(path)
            proxy, process = capture('dies.sock', proxy.lines * 2 // 3)
            self.assert_sentence(process, 1)
            self.assertTrue(guest.wait_dead(), 'the capture ended before its middle')
            self.assertEqual(os.listdir(directory), [])


class FourLevels(Case):
    def test_48_bits(self):
        """aw-bits=48: four levels, all mappings match, and each fault is found"""
        with boot(mode='legacy', width=48, **SMALL) as guest, Held(guest, BDF) as held:
            tables = held.tables()
            self.assertEqual(tables.levels, 4)
            self.assertGreater(max(m.last for m in held.state.held), 1 << 47)
            verify = ('-q', guest.target, held.record)
            self.assert_true_result(viommu.verify(*verify)[1], held.state)
            for kind in faults.of_mode('legacy'):
                if kind is not faults.LeftBehind:
                    with self.subTest(kind.name), kind(tables, held.state, rng(kind.name)) as fault:
                        self.assert_true_result(viommu.verify(*verify)[1], held.state, fault)


if __name__ == '__main__':
    tap.main()
