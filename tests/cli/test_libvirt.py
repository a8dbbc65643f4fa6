#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""-q libvirt:GUEST: a monitor that libvirt holds (tests/vm/test_libvirt.py: the real libvirt)."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import threading
import time

from cli import CLEAN, DATA, FAILED, SANITIZED, USAGE, Case, finish, run, start
from fake_libvirt import BUSY, DENIED, NO_DOMAIN, OPERATION_INVALID, UUID, FakeLibvirt, Fails, Text, Vanish, broken_library
from fake_qmp import FakeQemu, Refuse
from live import LIVE, SHORT
from test_guard import wait_until
from traced_qemu import MARK, MAY, TracedQemu

import tap

SOON = 20 if SANITIZED else 5      # seconds; a call of libvirt that hangs hangs for longer


class Traced(TracedQemu):
    def forbidden(self):
        return [line for line in super().forbidden() if not MAY.fullmatch(line)]


class Libvirt(Case):
    def libvirt(self, qemu=None, **options):
        qemu = qemu or FakeQemu()
        libvirt = FakeLibvirt(qemu, **options)
        self.addCleanup(shutil.rmtree, qemu._dir, ignore_errors=True)      # that of its socket, which nobody uses
        self.enterContext(libvirt)
        self.addCleanup(lambda: self.assertEqual(libvirt.qemu.forbidden(), []))
        return libvirt

    def ask(self, libvirt, *more, command='info', target=None, **options):
        return run(command, '-q', target or libvirt.target, *more, env=libvirt.env, **options)

    def refused(self, status, *pieces, more=(), target=None, **options):
        """`viommu info` ends with one sentence."""
        return self.assert_says(self.ask(self.libvirt(**options), *more, target=target), status, *pieces)


class Works(Libvirt):
    def test_same(self):
        """each command says what it says through a socket"""
        for command, args in LIVE.items():
            with self.subTest(command), FakeQemu() as qemu:
                want = run(command, *args, '-q', qemu.target)
                libvirt = self.libvirt(qemu)
                done = self.ask(libvirt, *args, command=command)
                now = re.compile(r'\d\d:\d\d:\d\dZ')
                self.assertEqual((done.status, now.sub('', done.out), done.err), (want.status, now.sub('', want.out), want.err))
                self.assertNotIn('qmp_capabilities', libvirt.log)       # libvirt has left negotiation long ago

    def test_names(self):
        for target in ('libvirt:vm', f'libvirt:{UUID}', f'libvirt:{UUID.upper()}', 'libvirt:7'):
            with self.subTest(target):
                libvirt = self.libvirt(does={'by-uuid': lambda uuid: Text(f'{UUID} 7') if uuid.lower() == UUID else None})
                self.assert_clean(self.ask(libvirt, target=target))

    def test_same_guest_twice(self):
        """its name is its id: no doubt which one is meant"""
        self.assert_clean(self.ask(self.libvirt(name='7')))

    def test_quoted(self):
        """QEMU's own refusal is QEMU's, and not the end"""
        libvirt = self.libvirt(FakeQemu(answers={'query-kvm': Refuse('no such thing')}))
        self.assert_says(self.ask(libvirt), FAILED, 'QEMU refused query-kvm: no such thing')

    def test_pause(self):
        """libvirt is told, and knows that its guest is stopped"""
        libvirt = self.libvirt()
        path = self.scratch() / 'x.elf'
        self.assert_clean(self.ask(libvirt, '--pause', '-o', str(path), command='capture'))
        calls = [call for call in libvirt.log if call in ('suspend', 'resume', 'stop', 'cont')]
        self.assertEqual((calls, libvirt.qemu.state), (['suspend', 'resume'], 'running'))

    def test_killed_while_paused(self):
        """the guard resumes it through libvirt"""
        stopped, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        def walk(argument):
            if libvirt.qemu.state == 'paused' and 'xp' in argument:
                stopped.set()
                go_on.wait(30)
        libvirt = self.libvirt(does={'human-monitor-command': walk})
        args = ['capture', '-q', libvirt.target, '--pause', '-o', str(self.scratch() / 'x.elf')]
        process = start(*args, env=libvirt.env)
        self.assertTrue(stopped.wait(30))
        process.kill()
        finish(process, args)
        end = time.monotonic() + 30
        while libvirt.qemu.state != 'running' and time.monotonic() < end:
            time.sleep(0.05)
        self.assertEqual(libvirt.qemu.state, 'running')
        self.assertIn('resume', libvirt.log)

    PAUSE = '--timeout', '0.5', '--pause', '-o', '/nowhere/x.elf'

    def late(self):
        """A libvirt that stops its guest when the event happens."""
        stop = threading.Event()

        def late(_):
            stop.wait(60)
            libvirt.qemu.state = 'paused'
            return Text('done')
        libvirt = self.libvirt(does={'suspend': late})
        self.addCleanup(stop.set)
        return libvirt, stop

    def test_stopped_late(self):
        """libvirt waits for another job on the guest, and stops it when nobody waits for that any more"""
        libvirt, stop = self.late()
        done = self.ask(libvirt, *self.PAUSE, command='capture')       # and until nobody holds its stderr
        self.assert_status(done, FAILED)
        self.assertIn('a helper process goes on looking', done.err)
        self.assertIn('virsh resume', done.err)
        self.assertNotIn('resume', libvirt.log)
        stop.set()
        self.assertTrue(wait_until(lambda: 'resume' in libvirt.log))
        self.assertEqual(libvirt.qemu.state, 'running')

    def test_stopped_late_for_a_file(self):
        """nobody waits for its end: what became of the guest is in it"""
        libvirt, stop = self.late()
        path = self.scratch() / 'stderr'
        with open(path, 'wb') as stderr:
            self.ask(libvirt, *self.PAUSE, command='capture', stderr=stderr)
        time.sleep(3)       # longer than it waits before it lets go of a pipe
        stop.set()
        self.assertTrue(wait_until(lambda: 'was left paused, and was resumed' in path.read_text()))
        self.assertNotIn('goes on looking', path.read_text())

    def test_redacted(self):
        """a bundle does not name the guest"""
        qemu = FakeQemu()
        libvirt = self.libvirt(qemu, name='wilhelmina')
        path = self.scratch() / 'bundle.tar.gz'
        done = self.ask(libvirt, str(DATA / 'small.jsonl'), '-o', str(path), command='report')
        self.assertTrue(path.exists(), f'{done}')
        with tarfile.open(path) as bundle:
            for member in bundle:
                data = bundle.extractfile(member).read() if member.isfile() else b''
                self.assertNotIn(b'wilhelmina', data + member.name.encode(), member.name)
                self.assertNotIn(UUID.encode(), data, member.name)


class Fails_(Libvirt):
    def test_no_library(self):
        done = run('info', '-q', 'libvirt:vm', env=broken_library(self.scratch()))
        self.assert_says(done, FAILED, 'need libvirt-qemu.so.0, which cannot be loaded', 'libvirt0')

    def test_no_name(self):
        self.refused(USAGE, 'write libvirt:GUEST', target='libvirt:')

    def test_no_daemon(self):
        self.refused(FAILED, 'libvirt cannot be reached: Failed to connect', 'libvirtd', 'LIBVIRT_DEFAULT_URI',
                     does={'open': Fails(38, 'Failed to connect socket to x')})

    def test_no_permission(self):
        self.refused(FAILED, 'libvirt does not let you in: polkit', 'run as root',
                     does={'open': Fails(94, 'polkit: no agent')})
        self.refused(FAILED, 'does not let you use the monitor', 'read only', 'run as root',
                     does={'query-version': Fails(DENIED, 'read only')})

    def test_no_such_guest(self):
        for target in ('libvirt:other', 'libvirt:8', 'libvirt:' + UUID.replace('6', '5'), 'libvirt:99999999999'):
            with self.subTest(target):
                self.refused(FAILED, f'has no guest "{target[8:]}"', 'virsh list', 'qemu:///session', target=target)

    def test_not_running(self):
        self.refused(FAILED, 'is not running', f'virsh start {UUID}', number=-1)

    def test_two(self):
        """one guest's name is another's id"""
        other = UUID.replace('6', '5')
        self.refused(USAGE, 'the name of one guest', UUID, other, target='libvirt:7', name='7', does={'by-id': Text(f'{other} 7')})

    def test_ends_meanwhile(self):
        for error in (Fails(OPERATION_INVALID, 'domain is not running'), Fails(NO_DOMAIN, 'no domain')):
            self.refused(FAILED, 'the guest "vm" of libvirt (qemu:///system) has ended', does={'qom-get': error})

    def test_starts_anew(self):
        """libvirt would ask the new QEMU as if nothing had been"""
        def anew(_):
            libvirt.id = 8
        libvirt = self.libvirt(does={'qom-get': anew})
        self.assert_says(self.ask(libvirt), FAILED, 'was started anew')
        self.assertEqual(libvirt.log[-2:], ['qom-get', 'by-id'])
        # The same id, as after a restart of the host: another guest.
        self.refused(FAILED, 'was started anew', does={'by-id': Text(f'{UUID.replace("6", "5")} 7')})

    def test_busy(self):
        self.refused(FAILED, 'libvirt (qemu:///system) is busy', 'cannot acquire state change lock', 'virsh domjobinfo',
                     does={'query-kvm': Fails(BUSY, 'cannot acquire state change lock')})

    def test_other_error(self):
        self.refused(FAILED, 'could not ask its guest "vm": odd \\x1b[31m', 'virsh list', does={'query-kvm': Fails(1, 'odd \x1b[31m')})

    def test_daemon_dies(self):
        """also while we write to it, which must not be the end of us by a signal"""
        self.refused(FAILED, 'could not ask its guest', 'libvirtd', does={'query-kvm': Vanish()})

        def close(argument):
            if 'xp /512gx' not in argument:         # opening is over: GIO no longer ignores SIGPIPE for us
                return None
            libvirt._clients[-1].shutdown(socket.SHUT_RD)     # the next write fails
            return Text('{"return": {}}')
        libvirt = self.libvirt(does={'human-monitor-command': close})
        self.assert_status(self.ask(libvirt, command='dump'), FAILED)

    def test_not_json(self):
        for text in ('', 'no JSON', '{"return": ', '[]', '"return"', '{}', '{"event": "X"}', '{"error": "X"}', '{"return": 1, "return": 2}',
                     '{"return": ' + '[' * 5000, '{"QMP": {}}', '\x00'):
            with self.subTest(text[:20]):
                self.refused(FAILED, 'is no answer of QMP', 'is it a guest of QEMU?', does={'query-kvm': Text(text)})
        self.refused(FAILED, 'is no answer of QMP', does={'query-version': Text('no JSON')})
        self.refused(FAILED, 'does not tell its version', does={'query-version': Text('{"error": {"class": "X", "desc": "Y"}}')})
        self.refused(FAILED, 'does not speak QMP', does={'query-version': Text('{"return": 1}')})

    def test_foreign_id(self):
        """whatever id stands in the answer, it is that of the command"""
        for number in ('1', '"libvirt-1"', 'null', '{"a": 1}'):
            libvirt = self.libvirt(does={'query-kvm': Text(f'{{"return": {{"enabled": false, "present": true}}, "id": {number}}}')})
            self.assert_clean(self.ask(libvirt))

    def test_pause_refused(self):
        """nothing was stopped, and nothing is written"""
        libvirt = self.libvirt(does={'suspend': Fails(OPERATION_INVALID, 'migrating')})
        path = self.scratch() / 'x.elf'
        self.assert_says(self.ask(libvirt, '--pause', '-o', str(path), command='capture'), FAILED, 'QEMU refused stop: migrating')
        self.assertEqual((path.exists(), libvirt.qemu.state), (False, 'running'))


class Slow(Libvirt):
    def hang(self, call):
        """A libvirt that does not come back from this call, and the event of its having begun."""
        begun, end = threading.Event(), threading.Event()
        self.addCleanup(end.set)

        def wait(_):
            begun.set()
            end.wait(60)
        return self.libvirt(does={call: wait}), begun

    def test_hangs(self):
        for call, said in (('open', 'cannot be asked within 0.4 s'), ('by-name', 'cannot be asked'), ('query-version', 'cannot be asked'),
                           ('query-kvm', 'did not send its answer to "query-kvm"'), ('by-id', 'cannot be asked')):
            with self.subTest(call):
                libvirt, begun = self.hang(call)
                before = time.monotonic()
                self.assert_says(self.ask(libvirt, *SHORT), FAILED, 'libvirt:vm', said, '--timeout')
                self.assertLess(time.monotonic() - before, SOON)
                self.assertTrue(begun.is_set())

    def test_interrupted(self):
        libvirt, begun = self.hang('query-kvm')
        for number in (signal.SIGINT, signal.SIGTERM):
            begun.clear()
            process = start('info', '-q', libvirt.target, '--timeout', '60', env=libvirt.env)
            self.assertTrue(begun.wait(30))
            process.send_signal(number)
            process.communicate(timeout=SOON)
            self.assertEqual(process.returncode, -number)

    def test_slow_is_not_dead(self):
        libvirt = self.libvirt(does={'query-kvm': lambda _: time.sleep(1)})
        self.assert_clean(self.ask(libvirt))


class Process(Libvirt):
    """Which process is QEMU's: a program by its name, with the command line of a guest of libvirt."""

    def like(self, name='vm', uuid=UUID, folder='vm'):
        program = self.scratch() / 'qemu-system-x86_64'
        shutil.copy(os.path.realpath(shutil.which('sh')), program)
        process = subprocess.Popen([program.name, '-c', 'read line', '-name', f'guest={name},debug-threads=on', '-uuid', uuid, '-object',
                                    f'secret,id=masterKey0,format=raw,file=/x/domain-7-{folder}/master-key.aes',
                                    '-chardev', 'socket,id=charmonitor,fd=99,server=on,wait=off',
                                    '-mon', 'chardev=charmonitor,id=monitor,mode=control'], executable=program, stdin=subprocess.PIPE)
        for undo in (process.stdin.close, process.wait, process.kill):
            self.addCleanup(undo)
        return process.pid

    def listed(self, pid):
        return next(item for item in run('list', '--format', 'json').json['qemus'] if item['pid'] == pid)

    def tried(self, thread, uuid=UUID, uri='qemu:///system'):
        """The process whose memory it tries to read; it is not that of the monitor."""
        done = self.ask(self.libvirt(FakeQemu(process=True), thread=thread, uri=uri), '--debug', '--memory', 'process')
        self.assert_status(done, FAILED)
        return done.err

    def test_found(self):
        """the process that QEMU names, if it was started for this guest"""
        pid = self.like()
        self.assertRegex(self.tried(pid), rf'\b(process|process) {pid}\b')

    def test_not_another(self):
        """a QEMU that somebody took over names another process; so does one on another host"""
        pid = self.like(uuid=UUID.replace('6', '5'))
        self.assertIn('the QEMU process is not known', self.tried(pid))
        for thread in (os.getpid(), 1, -1, 0, 1 << 40):
            self.assertIn('the QEMU process is not known', self.tried(thread))
        pid = self.like()
        for uri in ('qemu+ssh://root@host/system', 'qemu+tcp://host/system', 'nonsense'):
            self.assertIn('the QEMU process is not known', self.tried(pid, uri=uri))

    def test_list(self):
        for name, folder, target in (('vm', 'vm', 'libvirt:vm'), ('a-very-long-name-of-it', 'a-very-long-name-of-', 'libvirt:a-very-long-name-of-it'),
                                     ('7', '7', f'libvirt:{UUID}'), ("x';reboot", 'x', f'libvirt:{UUID}'), ('\x1b[31mred', '\x1b[31mr', f'libvirt:{UUID}'),
                                     (UUID.replace('6', '5'), '', None), ('vm', 'other', None), ('vm', '/vm', None)):
            with self.subTest(name):
                pid = self.like(name, folder=folder)
                item = self.listed(pid)
                self.assertEqual((item['libvirt'], item['access']), (target, 'libvirt' if target else 'no'))
                if target:
                    self.assertRegex(run('list').out, rf'(?m)^ *{pid} .* libvirt .*{target}')
                    self.assertIn('-q libvirt:GUEST', run('list').out)

    def test_no_uuid(self):
        self.assertIsNone(self.listed(self.like(uuid='no-uuid'))['libvirt'])

    def test_pid(self):
        """-p PID goes through libvirt, to that very guest"""
        pid = self.like()
        libvirt = self.libvirt(thread=pid)
        self.assert_clean(run('info', '-p', str(pid), env=libvirt.env))
        self.assertIn('by-uuid', libvirt.log)

    def test_killed_trace(self):
        """what it left on is found and undone by whichever of the guest's names, and a second one does not begin"""
        place, pid = self.scratch(), self.like()
        libvirt = self.libvirt(Traced(), thread=pid)
        libvirt.env['XDG_RUNTIME_DIR'] = str(place)
        args = ['--log-was', '/dev/null', '-o', place / 'log']
        process = start('trace', '-q', 'libvirt:vm', *args, env=libvirt.env)
        self.assertTrue(wait_until(lambda: (place / 'log').exists() and MARK in (place / 'log').read_text()))
        again = self.ask(libvirt, *args, '--force', command='trace', target=f'libvirt:{UUID}')
        self.assert_says(again, FAILED, f'process {process.pid} traces this QEMU already')
        process.kill()
        process.communicate()
        for target in (f'libvirt:{UUID}', 'libvirt:7', 'libvirt:vm'):
            self.assertIn(f'killed (process {process.pid})', self.ask(libvirt, target=target).err, target)
        self.assertTrue(libvirt.qemu.on)
        done = self.ask(libvirt, '--undo', command='trace', target=f'libvirt:{UUID}')
        self.assert_status(done, CLEAN)
        self.assertEqual((libvirt.qemu.on, list((place / 'viommu').iterdir())), (set(), []))
        self.assertIn('nothing was left on', self.ask(libvirt, '--undo', command='trace').err)

    def test_pid_of_another(self):
        """a process that only looks like the guest is not taken for it"""
        pid, other = self.like(), self.like()
        for memory in ('auto', 'xp', 'process'):
            done = run('info', '-p', str(other), '--memory', memory, env=self.libvirt(thread=pid).env)
            self.assertNotEqual(done.status, CLEAN)
            self.assertEqual(done.out, '')
        self.assertIn(f"libvirt's guest of that UUID is process {pid}", run('info', '-p', str(other), '--memory', 'xp',
                                                                            env=self.libvirt(thread=pid).env).err)


if __name__ == '__main__':
    tap.main()
