#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu trace and --trace: what is switched on is switched off, on every way out."""

import fnmatch
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile

from cli import CLEAN, FAILED, USAGE, Case, finish, run, start
from fake_qmp import FakeQemu, Refuse
from test_guard import wait_until

import tap

EVENTS = ('vtd_page_walk_one', 'vtd_page_walk_one_skip_map', 'vtd_as_unmap_whole', 'vtd_inv_desc_iotlb_pages', 'vtd_reg_read',
          'vtd_ir_remap', 'vfio_iommu_map_notify', 'vfio_region_write')
# Those of them that viommu wants.
WANTED = {name for name in EVENTS if name not in ('vtd_ir_remap', 'vfio_region_write')}
# What it may send for that, and no other arguments.
MAY = re.compile(r'trace-event-[gs]et-state|hmp: logfile "/[^"\\%]+"|hmp: xp /1xw 0xfed901fc')
MARK = 'vtd_reg_read addr 0x1fc size 0x4\n'


class TracedQemu(FakeQemu):
    """One that has trace events and a log, which goes nowhere until it is told."""

    def __init__(self, on=(), deaf=False, log=None, **options):
        super().__init__(answers={'trace-event-get-state': self._get, 'trace-event-set-state': self._set, 'logfile': self._logfile,
                                  'xp /1xw 0xfed901fc': self._mark, **options.pop('answers', {})}, **options)
        self.on, self.deaf, self.logfile = set(on), deaf, log
        self.sets = []

    def _get(self, arguments):
        return [{'name': name, 'state': 'enabled' if name in self.on else 'disabled'} for name in EVENTS
                if fnmatch.fnmatchcase(name, arguments['name'])]

    def _set(self, arguments):
        self.sets.append((arguments['name'], arguments['enable']))
        (self.on.add if arguments['enable'] else self.on.discard)(arguments['name'])
        return {}

    def _logfile(self, line):
        self.logfile = line.split('"')[1]
        return ''

    def _mark(self, _):
        if 'vtd_reg_read' in self.on and self.logfile and not self.logfile.startswith('/dev/') and not self.deaf:
            with open(self.logfile, 'a') as log:
                log.write(MARK)
        return '00000000fed901fc: 0x00000000\r\n'

    def strange(self):
        return [line for line in self.forbidden() if not MAY.fullmatch(line)]


class Trace(Case):
    def setUp(self):
        self.place = self.scratch()
        self.env = {'XDG_RUNTIME_DIR': str(self.place / 'run')}
        (self.place / 'run').mkdir()
        self.file = self.place / 'trace.log'
        # The fake QEMU is this process: its log is its stderr.
        self._stderr = os.dup(2)
        self.addCleanup(self._stderr_back)
        self.reader, writer = os.pipe()
        os.dup2(writer, 2)
        os.close(writer)

    def _stderr_back(self):
        os.dup2(self._stderr, 2)
        os.close(self._stderr)
        os.close(self.reader)

    def left(self):
        """The state files."""
        return list((self.place / 'run').rglob('*.json'))

    def trace(self, qemu, *more):
        args = ['trace', '-q', qemu.target, '-o', str(self.file), *more]
        process = start(*args, env=self.env)
        process.args_for_done = args
        return process

    def traced(self, qemu, *more):
        """One that holds."""
        process = self.trace(qemu, *more)
        self.assertTrue(wait_until(lambda: MARK in (self.file.read_text() if self.file.exists() else '')
                                   or process.poll() is not None))
        self.assertIsNone(process.poll(), 'it ended')
        wait_until(self.left)
        return process

    def viommu(self, *args, **options):
        return run(*args, env=self.env, **options)

    def assert_as_before(self, qemu, on=(), logfile='/dev/stderr'):
        self.assertEqual((qemu.on, qemu.logfile), (set(on), logfile))
        self.assertEqual(self.left(), [])
        self.assertEqual(qemu.strange(), [])


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
