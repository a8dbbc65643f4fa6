#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu trace and --trace: what is switched on is switched off, on every way out."""

import os
import pathlib
import signal
import subprocess
import tempfile

from cli import CLEAN, FAILED, USAGE, finish, start
from fake_qmp import Refuse
from test_guard import wait_until
from traced_qemu import MARK, WANTED, Trace, TracedQemu

import tap


class EveryWayOut(Trace):
    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            with self.subTest(signal=number), TracedQemu() as qemu:
                process = self.traced(qemu, '--force')
                self.assertEqual((qemu.on, qemu.logfile), (WANTED, str(self.file)))
                process.send_signal(number)
                done = finish(process, process.args_for_done).check()
                self.assert_status(done, CLEAN)
                self.assertIn('as they were before', done.err)
                self.assert_as_before(qemu)
                self.assertEqual(self.file.read_text().count(MARK), 2, 'its beginning and its end')
                self.file.unlink()

    def test_its_time_is_over(self):
        with TracedQemu() as qemu:
            done = self.viommu('trace', '-q', qemu.target, '-o', self.file, '--seconds', '1')
            self.assert_status(done, CLEAN)
            self.assert_as_before(qemu)

    def test_what_was_on_stays_on(self):
        with TracedQemu(on=['vtd_reg_read', 'vtd_ir_remap', 'vfio_iommu_map_notify']) as qemu:
            process = self.traced(qemu)
            process.send_signal(signal.SIGTERM)
            done = finish(process, process.args_for_done).check()
            self.assertIn('(2 were on)', done.err)
            self.assert_as_before(qemu, on=['vtd_reg_read', 'vtd_ir_remap', 'vfio_iommu_map_notify'])
            self.assertNotIn('vtd_reg_read', dict(qemu.sets))

    def test_qemu_ends(self):
        """what was switched on went with it, and nothing more is said; its parent may not have asked yet"""
        for asked in True, False:
            # The fake QEMU is this process, so another one stands for it.
            other = subprocess.Popen(['sleep', '1000'], stderr=subprocess.PIPE)
            self.addCleanup(other.communicate)
            self.addCleanup(other.kill)
            with self.subTest(asked=asked), TracedQemu(tcp=True) as qemu:
                process = self.traced(qemu, '--pid', str(other.pid), '--force')
                other.kill()
                if asked:
                    other.wait()
                done = finish(process, process.args_for_done).check()
                self.assert_status(done, CLEAN)
                self.assertEqual(done.err.count('QEMU has ended'), 1)
                self.assertNotIn('as they were', done.err)
                self.assertEqual(self.left(), [])
                self.file.unlink()

    def test_the_monitor_is_free_meanwhile(self):
        with TracedQemu() as qemu:
            process = self.traced(qemu)
            self.assert_clean(self.viommu('info', '-q', qemu.target))
            process.terminate()
            finish(process, process.args_for_done)

    def test_qemu_does_not_take_the_file(self):
        def logfile(line):
            qemu.logfile = line.split('"')[1]
            return '' if qemu.logfile == '/dev/stderr' else f'Error opening logfile {qemu.logfile}: Permission denied\r\n'
        qemu = TracedQemu(answers={'logfile': logfile})
        with qemu:
            done = self.viommu('trace', '-q', qemu.target, '-o', self.file)
            self.assert_status(done, FAILED)
            self.assertIn('Permission denied', done.err)
            self.assert_as_before(qemu)

    def test_the_trace_does_not_arrive(self):
        with TracedQemu(deaf=True) as qemu:
            done = self.viommu('trace', '-q', qemu.target, '-o', self.file)
            self.assert_status(done, FAILED)
            self.assertIn('does not arrive', done.err)
            self.assert_as_before(qemu)

    def test_an_event_cannot_be_switched(self):
        def set_state(arguments):
            if arguments['name'] == 'vtd_inv_desc_iotlb_pages' and arguments['enable']:
                return Refuse('no')
            return qemu._set(arguments)
        qemu = TracedQemu(answers={'trace-event-set-state': set_state})
        with qemu:
            done = self.viommu('trace', '-q', qemu.target, '-o', self.file)
            self.assert_status(done, FAILED)
            self.assertTrue(qemu.sets)
            self.assert_as_before(qemu)

    def test_no_events(self):
        with TracedQemu(answers={'trace-event-get-state': []}) as qemu:
            done = self.viommu('trace', '-q', qemu.target, '-o', self.file)
            self.assert_status(done, FAILED)
            self.assertIn('built without', done.err)
            self.assertEqual(qemu.sets, [])
            self.assertFalse(self.file.exists())

    def test_stderr_cannot_be_opened_again(self):
        """the log goes to /dev/null, which is said"""
        def logfile(line):
            if 'stderr' in line:
                return 'Error opening logfile /dev/stderr: Permission denied\r\n'
            return qemu._logfile(line)
        qemu = TracedQemu(answers={'logfile': logfile})
        with qemu:
            process = self.traced(qemu)
            process.terminate()
            done = finish(process, process.args_for_done).check()
            self.assert_status(done, CLEAN)
            self.assertIn('it goes to /dev/null now', done.err)
            self.assert_as_before(qemu, logfile='/dev/null')

    def test_the_monitor_goes_away(self):
        """said, with the way to try again; the note stays"""
        qemu = TracedQemu()
        with qemu:
            process = self.traced(qemu)
        process.terminate()
        done = finish(process, process.args_for_done).check()
        self.assert_status(done, FAILED)
        self.assertIn('--undo', done.err)
        self.assertEqual(len(self.left()), 1)

    def test_a_log_that_is_a_file(self):
        """stays where it is, and what comes is copied"""
        log = self.place / 'stderr'
        log.write_text('before\n')
        with open(log, 'a') as handle:
            os.dup2(handle.fileno(), 2)
        with TracedQemu(log=str(log)) as qemu:
            process = self.traced(qemu)
            with open(log, 'a') as handle:
                handle.write('more\n')
            process.terminate()
            done = finish(process, process.args_for_done).check()
            self.assert_status(done, CLEAN)
            self.assertIn(f'stays {log}', done.err)
            self.assert_as_before(qemu, logfile=str(log))
        self.assertNotIn('logfile', str(qemu.log))
        self.assertEqual(log.read_text(), f'before\n{MARK}more\n{MARK}')
        self.assertEqual(self.file.read_text(), f'{MARK}more\n{MARK}')

    def test_a_log_that_cannot_be_told(self):
        """over TCP: nothing is changed; --log-was names it"""
        with TracedQemu(tcp=True) as qemu:
            done = self.viommu('trace', '-q', qemu.target, '-o', self.file)
            self.assert_status(done, FAILED)
            self.assertIn('--log-was', done.err)
            self.assertEqual((qemu.sets, qemu.logfile), ([], None))
            process = self.traced(qemu, '--log-was', '/dev/null')
            process.terminate()
            finish(process, process.args_for_done).check()
            self.assert_as_before(qemu, logfile='/dev/null')


class WithOthers(Trace):
    def setUp(self):
        super().setUp()
        # Other runs of these tests have folders of the same name, for a while.
        self.temporary = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.env = {**self.env, 'TMPDIR': str(self.temporary)}

    def folders(self):
        return set(self.temporary.glob('viommu-trace.*'))

    def test_verify(self):
        """switched on for the duration, and off"""
        before = self.folders()
        with TracedQemu() as qemu:
            done = self.viommu('verify', '-q', qemu.target, 'small.jsonl', '--trace')
            self.assert_status(done, CLEAN)
            self.assertEqual({name for name, on in qemu.sets if on}, WANTED)
            self.assert_as_before(qemu)
        self.assertEqual(self.folders(), before)

    def test_verify_uses_one_that_runs(self):
        with TracedQemu() as qemu:
            process = self.traced(qemu)
            sets = list(qemu.sets)
            done = self.viommu('verify', '-q', qemu.target, 'small.jsonl', '--trace')
            self.assert_status(done, CLEAN)
            self.assertEqual(qemu.sets, sets)
            self.assertEqual(self.file.read_text().count(MARK), 2, 'verify read the register too')
            process.terminate()
            finish(process, process.args_for_done)

    def test_verify_ends_by_a_signal(self):
        def xp(line):
            if qemu.on:
                process.send_signal(signal.SIGTERM)
            return qemu.usual_hmp(line)
        qemu = TracedQemu(answers={'xp': xp})
        before = self.folders()
        with qemu:
            args = ['verify', '-q', qemu.target, 'small.jsonl', '--trace', '--memory', 'xp']
            process = start(*args, env=self.env)
            self.assertEqual(finish(process, args).status, -signal.SIGTERM)
            self.assertIn(('vtd_reg_read', True), qemu.sets)
            self.assert_as_before(qemu)
        self.assertEqual(self.folders(), before)

    def test_watch(self):
        stream = self.place / 'stream'
        os.mkfifo(stream)
        with TracedQemu() as qemu:
            args = ['watch', '-q', qemu.target, str(stream), '--trace']
            process = start(*args, env=self.env)
            with open(stream, 'w'):
                self.assertTrue(wait_until(lambda: qemu.on == WANTED))
                wait_until(self.left)
                process.terminate()
                self.assertNotEqual(finish(process, args).status, -signal.SIGTERM)
            self.assert_as_before(qemu)

    def test_wrong_words(self):
        for words in (('trace',), ('trace', '-q', 'x'), ('trace', '-s', 'clean.elf', '-o', 'x'), ('trace', '-o', 'x'),
                      ('trace', '-q', 'x', '-o', 'x', '--undo'), ('trace', '-q', 'x', '-o', 'x', 'y'),
                      ('trace', '-q', 'x', '-o', 'x', '--seconds', '-1'),
                      ('trace', '-q', 'x', '-o', 'x', '--seconds', '0'), ('trace', '-q', 'x', '-o', 'x', '--log-was', 'x'),
                      ('verify', '-s', 'clean.elf', 'small.jsonl', '--trace'),
                      ('verify', '-q', 'x', 'small.jsonl', '--trace', '--qemu-log', 'x'),
                      ('verify', '-q', 'x', 'small.jsonl', '--qemu-log', '-'),
                      ('watch', '-q', 'x', 'stream', '--trace', '--qemu-log', 'x')):
            with self.subTest(words=words):
                self.assert_status(self.viommu(*words), USAGE)


if __name__ == '__main__':
    tap.main()
