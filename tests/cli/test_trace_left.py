#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a viommu trace that was killed leaves behind: noticed by the next one, and undone."""

import json
import os
import pathlib

from cli import CLEAN, FAILED, finish
from traced_qemu import MARK, WANTED, Trace, TracedQemu

import tap


class Killed(Trace):
    def killed(self, qemu):
        process = self.traced(qemu)
        process.kill()
        process.communicate()
        self.assertEqual((qemu.on, qemu.logfile), (WANTED, str(self.file)))
        self.assertEqual(len(self.left()), 1)
        return process.pid

    def test_is_noticed_and_undone(self):
        with TracedQemu(on=['vtd_ir_remap']) as qemu:
            process = self.traced(qemu)
            process.kill()
            process.communicate()
            done = self.viommu('info', '-q', qemu.target)
            self.assert_status(done, CLEAN)
            self.assertIn(f'killed (process {process.pid})', done.err)
            self.assertIn('--undo', done.err)
            done = self.viommu('trace', '-q', qemu.target, '-o', self.place / 'second')
            self.assert_status(done, FAILED)
            self.assertIn('--undo', done.err)
            self.assertFalse((self.place / 'second').exists())
            done = self.viommu('trace', '-q', qemu.target, '--undo')
            self.assert_status(done, CLEAN)
            self.assert_as_before(qemu, on=['vtd_ir_remap'])
            done = self.viommu('trace', '-q', qemu.target, '--undo')
            self.assert_status(done, CLEAN)
            self.assertIn('nothing was left on', done.err)
            self.assert_clean(self.viommu('info', '-q', qemu.target))

    def test_both_places_are_named(self):
        """QEMU's own log, which stays, and the file of -o: of one that runs, and of one that was killed"""
        log = self.place / 'stderr'
        log.write_text('')
        with open(log, 'a') as handle:
            os.dup2(handle.fileno(), 2)
        places = f"into QEMU's log {log}, copied to {self.file}"
        with TracedQemu(log=str(log)) as qemu:
            process = self.traced(qemu)
            self.assertIn(places, self.viommu('trace', '-q', qemu.target, '-o', self.place / 'second').err)
            process.kill()
            process.communicate()
            self.assertIn(places, self.viommu('info', '-q', qemu.target).err)
            self.assertIn(places, self.viommu('trace', '-q', qemu.target, '-o', self.place / 'second').err)
            self.assert_status(self.viommu('trace', '-q', qemu.target, '--undo'), CLEAN)
            self.assert_as_before(qemu, logfile=str(log))

    def test_a_zombie_is_dead(self):
        """killed, and its parent has not asked yet"""
        with TracedQemu() as qemu:
            process = self.traced(qemu)
            process.kill()
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            self.assertEqual(pathlib.Path(f'/proc/{process.pid}/stat').read_text().rpartition(')')[2].split()[0], 'Z')
            self.assertIn(f'killed (process {process.pid})', self.viommu('info', '-q', qemu.target).err)
            self.assert_status(self.viommu('trace', '-q', qemu.target, '--undo'), CLEAN)
            self.assert_as_before(qemu)
            process.communicate()

    def test_undoing_leaves_the_users_file(self):
        """also in a folder with a name as those of verify --trace have"""
        folder = self.place / 'viommu-trace.mine'
        folder.mkdir()
        self.file = folder / 'log'
        with TracedQemu() as qemu:
            self.killed(qemu)
            self.assert_status(self.viommu('trace', '-q', qemu.target, '--undo'), CLEAN)
            self.assertIn(MARK, self.file.read_text())

    def test_another_way_to_write_the_path(self):
        with TracedQemu() as qemu:
            self.killed(qemu)
            path = pathlib.Path(qemu.target.removeprefix('unix:'))
            done = self.viommu('trace', '-q', f'{path.parent}/../{path.parent.name}/{path.name}', '--undo')
            self.assert_status(done, CLEAN)
            self.assert_as_before(qemu)

    def test_another_name(self):
        """a monitor by a name that tells nothing of the first: it is the same process"""
        with TracedQemu() as qemu:
            pid = self.killed(qemu)
            link = self.place / 'link'
            link.symlink_to(qemu.target.removeprefix('unix:'))
            same = ['-q', f'unix:{link}', '-p', str(os.getpid())]
            self.assertIn(f'killed (process {pid})', self.viommu('info', *same).err)
            done = self.viommu('trace', *same, '-o', self.place / 'second')
            self.assert_status(done, FAILED)
            self.assertIn('--undo', done.err)
            self.assert_status(self.viommu('trace', *same, '--undo'), CLEAN)
            self.assert_as_before(qemu)

    def test_another_of_one_manager(self):
        """who listens for several QEMUs is none of them"""
        with TracedQemu() as qemu, TracedQemu() as other:
            self.killed(qemu)
            self.assert_clean(self.viommu('info', '-q', other.target))
            done = self.viommu('trace', '-q', other.target, '--undo')
            self.assertIn('nothing was left on', done.err)
            self.assertEqual((qemu.on, len(self.left())), (WANTED, 1))
            self.assert_status(self.viommu('trace', '-q', qemu.target, '--undo'), CLEAN)

    def test_held(self):
        """one that runs is no leftover"""
        with TracedQemu() as qemu:
            process = self.traced(qemu)
            done = self.viommu('trace', '-q', qemu.target, '-o', self.place / 'second')
            self.assert_status(done, FAILED)
            self.assertIn(f'process {process.pid} traces this QEMU already', done.err)
            self.assert_status(self.viommu('trace', '-q', qemu.target, '--undo'), FAILED)
            self.assert_clean(self.viommu('info', '-q', qemu.target))
            process.terminate()
            self.assert_status(finish(process, process.args_for_done).check(), CLEAN)
            self.assert_as_before(qemu)

    def test_another_qemu(self):
        """the QEMU that was traced has ended: its note says nothing of the next one"""
        with TracedQemu() as qemu:
            self.killed(qemu)
            [path] = self.left()
            state = json.loads(path.read_text())
            state['qemu_began'] += 1
            path.write_text(json.dumps(state))
            self.assert_clean(self.viommu('info', '-q', qemu.target))
            self.assertEqual(self.left(), [])

    def test_damaged_note(self):
        """whatever stands in it: viommu ends in one of its ways, and sends nothing strange"""
        with TracedQemu() as qemu:
            self.killed(qemu)
            [path] = self.left()
            whole = json.loads(path.read_text())
            bad = [b'', b'{', b'[]', b'null', b'\0' * 100, b'{"file":1}']
            bad += [json.dumps({**whole, name: value}).encode() for name in whole for value in (None, -1, 'x', ['y'], {})]
            bad.append(json.dumps({**whole, 'events': ['quit', 'vtd_*', 'x\n', 5, None], 'log_was': '/etc/x"; quit'}).encode())
            for data in bad:
                with self.subTest(data=data[:60]):
                    path.write_bytes(data)
                    self.viommu('trace', '-q', qemu.target, '--undo')
                    self.assertEqual(qemu.strange(), [])
                    path.parent.mkdir(exist_ok=True)


if __name__ == '__main__':
    tap.main()
