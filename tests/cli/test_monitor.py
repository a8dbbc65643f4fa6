#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu and the monitor: nobody there, peers that are no QEMU, a real one's answers, and what is sent."""

import json
import os
import socket
import subprocess
import sys
import time

from cli import CLEAN, FAILED, FAULT, SANITIZED, USAGE, Case, in_parallel, run
from corefile import Snapshot
from fake_qmp import DATA, FakeQemu, Raw, RawServer, Refuse, recorded
from live import LIVE, SHORT, info

import tap

# Listens, and then stops itself.
STOPPED = '''
import os, signal, socket, sys
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen(3)
print(flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
'''
GREETING = json.dumps(recorded()['greeting']).encode() + b'\r\n'


class NobodyThere(Case):
    def test_missing(self):
        path = self.scratch() / 'qmp'
        for target in (f'unix:{path}', str(path)):
            done = self.assert_says(info(target), FAILED, f'no monitor answers at {target}', 'No such file',
                                    '-qmp', 'server=on,wait=off')
            self.assertIn(f'-qmp unix:{path},server=on', done.err, 'what it says to type must work')
            done = self.assert_says(info(f'hmp:{target}'), FAILED, f'no monitor answers at {target}', 'No such file')
            self.assertIn(f'-monitor unix:{path},server=on', done.err)
            self.assertNotIn('-qmp', done.err)

    def test_plain_file(self):
        for scheme, option in ('', '-qmp'), ('hmp:', '-monitor'):
            done = self.assert_says(info(f'{scheme}unix:{DATA}/clean.elf'), FAILED, 'no monitor answers', 'clean.elf')
            self.assertIn(f"QEMU's {option} unix:", done.err)

    def test_directory(self):
        self.assert_says(info(f'unix:{DATA}'), FAILED, 'no monitor answers', str(DATA))

    def test_nobody_listens(self):
        path = str(self.scratch() / 'qmp')
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path)
            self.assert_says(info(f'unix:{path}'), FAILED, 'no monitor answers', 'refused')
        self.assert_says(info(f'unix:{path}'), FAILED, 'no monitor answers', 'refused')

    def test_tcp_closed(self):
        with socket.create_server(('127.0.0.1', 0)) as bound:
            port = bound.getsockname()[1]
        target = f'tcp:127.0.0.1:{port}'
        self.assert_says(info(target), FAILED, f'no monitor answers at {target}', 'refused')

    def test_tcp_no_such_host(self):
        self.assert_says(info('tcp:host.invalid:4444', *SHORT), FAILED, 'no monitor answers', 'host.invalid')

    def test_path_too_long(self):
        for length, status in ((107, FAILED), (108, USAGE), (5000, USAGE)):
            with self.subTest(length=length):
                done = info('unix:/' + 'x' * (length - 1))
                self.assert_says(done, status, 'at most 107 characters' if status == USAGE else 'no monitor answers')
                done = info('hmp:unix:/' + 'x' * (length - 1))
                self.assert_says(done, status, 'write hmp:unix:PATH (at most 107' if status == USAGE else 'no monitor answers')

    def test_not_an_address(self):
        for wrong in ('', 'unix:', 'tcp:', 'tcp:localhost', 'tcp:localhost:', 'tcp::', 'tcp:localhost:0',
                      'tcp:localhost:x', 'tcp:localhost:99999', 'tcp:[::1', 'tcp:localhost:-1'):
            with self.subTest(address=wrong):
                self.assert_says(info(wrong), USAGE, f'"{wrong}" is not a monitor address', 'tcp:HOST:PORT')
                done = self.assert_says(info('hmp:' + wrong), USAGE, f'"hmp:{wrong}" is not a monitor address', 'hmp:tcp:HOST:PORT')
                self.assertNotRegex(done.err, '(write|or) tcp:')

    def test_no_permission(self):
        self.need_somebody_else()
        with FakeQemu() as qemu:
            os.chmod(qemu.target.removeprefix('unix:'), 0o600)
            done = info(qemu.target, user=65534, group=65534, extra_groups=[])
            self.assert_says(done, FAILED, 'may not be used', 'Permission denied', 'as the user that QEMU runs as')


class NoMonitor(Case):
    """Somebody answers, who is not a QMP monitor."""

    def says(self, data, then='stay', *more, **options):
        with RawServer(data, then, **options) as server:
            done = info(server.target, *SHORT, *more)
            self.assertEqual(server.received, b'', 'nothing is sent to a stranger')
            return done, server.target

    def test_garbage(self):
        for data in (b'hello\n', b'\0\1\2\3', b'\xff' * 5000, b'SSH-2.0-OpenSSH_9.2\r\n', b'[1, 2]\n', b'"QMP"\n', b'} \n',
                     b'42\n', b'null\n', b'{]}', b'{"QMP": }\n', b'HTTP/1.1 400 Bad Request\r\n\r\n', b'* OK IMAP\r\n',
                     b'{"QMP": {"version": {}}, "QMP": {}}\n', b'{"a":' * 5000 + b'1' + b'}' * 5000):
            for then in ('stay', 'close'):
                with self.subTest(data=data[:40], then=then):
                    done, target = self.says(data, then)
                    self.assert_says(done, FAILED, f'{target} does not speak QMP', '-qmp socket?')

    def test_json_of_another_kind(self):
        for value in ({}, {'QMP': None}, {'QMP': []}, {'QMP': {}}, {'QMP': {'version': 7}}, {'hello': 'world'},
                      {'return': {}, 'id': 1}, {'event': 'RESET'}, {'error': {'desc': 'no'}}):
            with self.subTest(value=value):
                done, target = self.says(json.dumps(value).encode() + b'\r\n')
                self.assert_says(done, FAILED, f'{target} does not speak QMP')

    def test_hmp(self):
        """a human monitor: named as such, with the way out"""
        done, target = self.says(b"QEMU 7.2.22 monitor - type 'help' for more information\r\n(qemu) ")
        self.assert_says(done, FAILED, f'{target} is a human monitor (HMP), not QMP', '-qmp')

    def test_silent(self):
        """most likely another client holds it; said within --timeout, not later"""
        def one(name):
            with RawServer() as server:
                began = time.monotonic()
                return run(name, '-q', server.target, *LIVE[name], *SHORT), time.monotonic() - began
        for done, seconds in in_parallel(one, LIVE):
            self.assertLess(seconds, 3 if SANITIZED else 1.5)
            self.assert_says(done, FAILED, 'another client holds', 'within 0.4 s', 'one at a time', '-qmp')
        with RawServer() as server:
            self.assert_says(info(f'hmp:{server.target}', *SHORT), FAILED, 'another client holds', 'one more -monitor')

    def test_silent_by_default(self):
        with RawServer() as server:
            began = time.monotonic()
            self.assert_says(info(server.target), FAILED, 'another client holds', 'within 5.0 s')
            self.assertLess(time.monotonic() - began, 8)

    def test_another_client(self):
        """the real thing: a second client of a server that serves one at a time"""
        with FakeQemu() as qemu:
            with socket.socket(socket.AF_UNIX) as first:
                first.connect(qemu.target.removeprefix('unix:'))
                self.assertIn(b'QMP', first.recv(4096))
                self.assert_says(info(qemu.target, *SHORT), FAILED, 'another client holds')
            self.assert_clean(info(qemu.target))

    def test_stopped(self):
        """the process that listens is stopped by a signal: no other client is to blame"""
        path = self.scratch() / 'qmp'
        with subprocess.Popen([sys.executable, '-c', STOPPED, path], stdout=subprocess.PIPE) as process:
            try:
                process.stdout.readline()
                os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
                for _ in range(2):
                    done = self.assert_says(info(f'unix:{path}', *SHORT), FAILED, f'process {process.pid}, which listens there, is '
                                            'stopped by a signal', f'kill -CONT {process.pid}', 'within 0.4 s')
                    self.assertNotIn('client', done.err)
                # Its queue holds those who have left: nobody can ask whose it is.
                while 'takes no more' not in (done := info(f'unix:{path}', *SHORT)).err:
                    self.assertIn('kill -CONT', done.err)
                self.assert_says(done, FAILED, 'another client holds', 'or QEMU is stopped by a signal')
            finally:
                process.kill()

    def test_half_a_greeting(self):
        for done, target in in_parallel(lambda length: self.says(GREETING[:length]),
                                        (1, 7, len(GREETING) // 2, len(GREETING) - 3)):
            with self.subTest(target=target):
                self.assert_says(done, FAILED, f'{target} did not send its greeting within 0.4 s')
                self.assertNotIn('another client', done.err)

    def test_drips(self):
        """a byte now and then does not put the deadline off"""
        class Dripping(RawServer):
            def serve(self, client):
                for at in range(len(GREETING) - 2):
                    client.sendall(GREETING[at:at + 1])
                    time.sleep(0.05)
        with Dripping() as server:
            began = time.monotonic()
            self.assert_says(info(server.target, *SHORT), FAILED, 'did not send its greeting within 0.4 s')
            self.assertLess(time.monotonic() - began, 2)

    def test_closes(self):
        for data in (b'', GREETING[:20], GREETING):
            with self.subTest(data=data):
                done, target = self.says(data, 'close')
                self.assert_says(done, FAILED, f'QEMU closed the monitor {target}', 'still running')

    def test_endless(self):
        """a message that never ends is given up"""
        class Endless(RawServer):
            def serve(self, client):
                client.sendall(b'{"QMP": "')
                while True:
                    client.sendall(b'x' * (1 << 20))
        with Endless() as server:
            done = info(server.target, '--timeout', '2', seconds=60)
            self.assert_status(done, FAILED)
            self.assertRegex(done.err, 'does not speak QMP|did not send its greeting')


class Answers(Case):
    """A real QEMU's answers, in every way in which they may come."""

    def test_as_recorded(self):
        for name, more in LIVE.items():
            for form in ('text', 'json'):
                with self.subTest(command=name, form=form), FakeQemu(whole=True) as qemu:
                    live = self.assert_clean(run(name, '-q', qemu.target, *more, '--format', form))
                    saved = self.assert_clean(run(name, '-s', 'clean.elf', *more, '--format', form))
                    if form == 'json':
                        live, saved = live.json, saved.json
                        for result in (live, saved):
                            result.pop('capture', None)
                            for old in ('realized', 'hotplugged', 'hotpluggable'):  # of a device as such
                                result['qemu']['iommu_properties'].pop(old, None)
                        self.assertEqual(live, saved, 'live and saved are one')
                    self.assertEqual(qemu.forbidden(), [])
                    self.assertEqual(qemu.connections, 1)

    def test_in_pieces(self):
        for piece in (1, 7, 4096):
            with self.subTest(piece=piece), FakeQemu(piece=piece) as qemu:
                self.assert_clean(info(qemu.target, '--memory', 'xp', '--timeout', '60'))

    def test_with_events_between(self):
        with FakeQemu(chatter=True) as qemu:
            self.assert_clean(run('verify', '-q', qemu.target, 'small.jsonl'))

    def test_tcp(self):
        with FakeQemu(tcp=True) as qemu:
            self.assert_clean(run('verify', '-q', qemu.target, 'small.jsonl'))
            self.assert_says(run('verify', '-q', qemu.target, 'small.jsonl', '--memory', 'process'), FAILED,
                             'not a local socket', '--pid')

    def test_answers_for_others_are_skipped(self):
        def late(_):
            return Raw(b'{"return": {"status": "shutdown"}, "id": 999}\n{"return": {"status": "x"}}\n'
                       b'{"return": {"status": "running"}, "id": @ID@}\n')
        with FakeQemu(answers={'query-status': late}) as qemu:
            self.assertIn('guest running', self.assert_clean(info(qemu.target)).out)

    def test_faults(self):
        """what a snapshot shows, a live QEMU shows"""
        for name in ('wrong-address', 'no-context', 'translation-off', 'not-ram'):
            with self.subTest(name=name), FakeQemu(f'{name}.elf') as qemu:
                done = self.assert_status(run('verify', '-q', qemu.target, 'small.jsonl', '--format', 'json'), FAULT)
                saved = run('verify', '-s', f'{name}.elf', 'small.jsonl', '--format', 'json')
                self.assertEqual(done.json['runs'], saved.json['runs'])
                self.assertGreaterEqual(done.json['capture']['reads'], 2, 'a fault is looked at twice')

    def test_state(self):
        for state in ('paused', 'prelaunch', 'shutdown', 'internal-error', 'io-error'):
            with self.subTest(state=state), FakeQemu(state=state) as qemu:
                self.assertIn(f'guest {state}\n', self.assert_clean(info(qemu.target)).out)
                done = self.assert_clean(run('verify', '-q', qemu.target, 'small.jsonl', '--format', 'json'))
                self.assertTrue(done.json['capture']['paused'])
                done = self.assert_clean(run('verify', '-q', qemu.target, 'small.jsonl', '--pause'))
                self.assertEqual(qemu.forbidden(), [], 'it was not us who stopped it')

    def test_a_fault_of_a_stopped_guest_is_read_twice(self):
        with FakeQemu('missing.elf', state='paused') as qemu:
            done = self.assert_status(run('verify', '-q', qemu.target, 'small.jsonl', '--format', 'json'), FAULT)
        self.assertEqual(done.json['capture']['reads'], 2)


class Sent(Case):
    """Every command that leaves, over all that the tables can make it ask for."""

    EVERY = [*((name, *more) for name, more in LIVE.items()), ('capture', '-o', 'FILE'), ('info', '--debug'),
             ('verify', 'small.jsonl', '--save', 'FILE'), ('verify', 'small.jsonl', '--memory', 'xp'),
             ('dump', '-d', '00:04.0', '--memory', 'xp')]

    def test_only_reading(self):
        names = [f'{name}.elf' for name in ('clean', 'missing', 'no-context', 'not-ram', 'loop', 'four-levels',
                                            'translation-off')]

        def one(item):
            name, words = item
            words = [str(self.scratch() / 'file') if word == 'FILE' else word for word in words]
            with FakeQemu(name) as qemu:
                done = run(words[0], '-q', qemu.target, *words[1:])
                return done, qemu.forbidden(), len(qemu.log)
        items = [(name, words) for name in names for words in self.EVERY]
        for (name, words), (done, forbidden, sent) in zip(items, in_parallel(one, items)):
            with self.subTest(snapshot=name, words=words):
                self.assertIn(done.status, (CLEAN, FAULT), f'\n{done}')
                self.assertEqual(forbidden, [])
                self.assertGreaterEqual(sent, 10)

    def test_xp_reads_ram_only(self):
        """tables that lead to device registers do not make viommu read them"""
        snapshot = Snapshot.read(DATA / 'not-ram.elf')
        ram = [(int(region['first'], 16), int(region['last'], 16)) for region in snapshot.note['machine']['ram']]
        with FakeQemu(snapshot) as qemu:
            self.assert_status(run('verify', '-q', qemu.target, 'small.jsonl', '--memory', 'xp'), FAULT)
            self.assert_status(run('walk', '-q', qemu.target, '00:04.0', '0x40000000', '--memory', 'xp'), CLEAN)
        asked = [line.split() for line in qemu.log if line.startswith('hmp: xp ')]
        self.assertGreater(len(asked), 10)
        for words in asked:
            first = int(words[3], 16)
            last = first + int(words[2].strip('/gx')) * 8 - 1
            if first != snapshot.base or words[2] == '/512gx':
                self.assertTrue(any(low <= first and last <= high for low, high in ram), words)

    def test_pause(self):
        """--pause: stop, look, cont, in this order; nothing else that is not reading"""
        for name, *more in (('capture', '-o', 'FILE'), ('verify', 'small.jsonl')):
            more = [str(self.scratch() / 'file') if word == 'FILE' else word for word in more]
            with self.subTest(command=name), FakeQemu() as qemu:
                self.assert_clean(run(name, '-q', qemu.target, *more, '--pause'))
                self.assertEqual(qemu.forbidden(), ['stop', 'cont'])
                self.assertEqual(qemu.state, 'running')
                between = qemu.log[qemu.log.index('stop') + 1:qemu.log.index('cont')]
                self.assertTrue(any(line.startswith('hmp: xp /') for line in between))

    def test_never_without_pause(self):
        for words in (['capture', '-o', str(self.scratch() / 'file')], ['verify', 'small.jsonl']):
            with FakeQemu('missing.elf') as qemu:
                run(words[0], '-q', qemu.target, *words[1:])
                self.assertEqual(qemu.forbidden(), [])

    def test_resumed_after_an_error(self):
        """QEMU's answers go wrong while it is stopped: it runs again, and that is said last"""
        def xp(line):
            return 'garbage' if qemu.state == 'paused' else qemu.usual_hmp(line)
        qemu = FakeQemu(answers={'xp': xp})
        with qemu:
            done = run('verify', '-q', qemu.target, 'small.jsonl', '--pause', '--memory', 'xp')
            self.assert_says(done, FAILED, 'not in a form that this version knows')
            self.assertEqual(qemu.forbidden(), ['stop', 'cont'])

    def test_stop_refused(self):
        with FakeQemu(answers={'stop': Refuse('not now')}) as qemu:
            done = run('capture', '-q', qemu.target, '-o', self.scratch() / 'file', '--pause')
            self.assert_says(done, FAILED, 'QEMU refused stop', 'not now')
            self.assertEqual(qemu.state, 'running')


if __name__ == '__main__':
    tap.main()
