#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu and the monitor: peers that are no QEMU, or a strange one, and what
is sent to them."""

import copy
import json
import os
import random
import re
import signal
import socket
import time

from cli import CLEAN, FAILED, FAULT, PATIENCE, SANITIZED, UNSAFE, USAGE, Case, in_parallel, run
from corefile import Snapshot
from fake_qmp import DATA, FakeQemu, Raw, RawServer, Refuse, recorded

import tap

GREETING = json.dumps(recorded()['greeting']).encode() + b'\r\n'
SHORT = ('--timeout', '0.4')
# The commands that look at a live QEMU, with what they need besides -q.
LIVE = {'verify': ['small.jsonl'], 'walk': ['00:04.0', '0x40000000'], 'dump': [], 'info': []}


def info(target, *more, **options):
    return run('info', '-q', target, *more, **options)


class NobodyThere(Case):
    def test_missing(self):
        path = self.scratch() / 'qmp'
        for target in (f'unix:{path}', str(path)):
            done = self.assert_says(info(target), FAILED, f'no monitor answers at {target}', 'No such file',
                                    '-qmp', 'server=on,wait=off')
            self.assertIn(f'-qmp unix:{path},server=on', done.err, 'what it says to type must work')

    def test_plain_file(self):
        self.assert_says(info(f'unix:{DATA}/clean.elf'), FAILED, 'no monitor answers', 'clean.elf')

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

    def test_not_an_address(self):
        for wrong in ('', 'unix:', 'tcp:', 'tcp:localhost', 'tcp:localhost:', 'tcp::', 'tcp:localhost:0',
                      'tcp:localhost:x', 'tcp:localhost:99999', 'tcp:[::1', 'tcp:localhost:-1'):
            with self.subTest(address=wrong):
                self.assert_says(info(wrong), USAGE, f'"{wrong}" is not a monitor address', 'tcp:HOST:PORT')

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
        for data in (b'hello\n', b'\0\1\2\3', b'\xff' * 5000, b'SSH-2.0-OpenSSH_9.2\r\n', b'[1, 2]\n', b'"QMP"\n', b'}\n',
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


def devices(*more):
    """query-pci, with devices added."""
    buses = copy.deepcopy(recorded()['qmp']['query-pci']['return'])
    buses[0]['devices'] += more
    return buses


def device(**changes):
    return {'bus': 0, 'slot': 9, 'function': 0, 'id': {'device': 1, 'vendor': 2}, 'class_info': {'class': 0x200,
            'desc': 'x'}, 'qdev_id': '', 'regions': [], 'irq_pin': 0, **changes}


def without_iommu(*others):
    """Answers of a QEMU whose devices are of these types instead of intel-iommu."""
    def qom_list(arguments):
        if arguments['path'] != '/machine/peripheral-anon':
            return []
        return [{'name': f'device[{i}]', 'type': f'child<{kind}>'} for i, kind in enumerate(others)]
    return {'qom-list': qom_list}


class StrangeQemu(Case):
    def assert_all_say(self, answers, *pieces, more=(), **options):
        """every command says the same sentence about this QEMU"""
        def one(name):
            with FakeQemu(answers=answers, **options) as qemu:
                return run(name, '-q', qemu.target, *LIVE[name], *SHORT, *more), qemu.forbidden()
        for done, forbidden in in_parallel(one, LIVE):
            with self.subTest(command=done.args[0]):
                self.assert_says(done, FAILED, *pieces)
                self.assertEqual(forbidden, [])

    def test_no_iommu(self):
        self.assert_all_say(without_iommu('edu'), 'this QEMU has no intel-iommu device',
                            '-device intel-iommu,intremap=on,caching-mode=on')

    def test_another_iommu(self):
        for kind in ('amd-iommu', 'virtio-iommu-pci'):
            self.assert_all_say(without_iommu('edu', kind), f'this QEMU has {kind}, not intel-iommu')

    def test_commands_refused(self):
        refusal = Refuse('Permission: \x1b[31mno\u202e')
        for command in ('qmp_capabilities', 'query-status', 'query-kvm', 'qom-list', 'query-pci'):
            self.assert_all_say({command: refusal}, f'QEMU refused {command}', 'Permission: ')
        self.assert_all_say({'info mtree -f': refusal}, 'QEMU refused', 'Permission: ')
        self.assert_all_say({'xp': refusal}, 'QEMU refused', 'Permission: ')

    def test_errors_of_another_form(self):
        for error in (None, [], 'no', {}, {'desc': 7}, {'class': 'x'}):
            answer = Raw(json.dumps({'error': error, 'id': '@ID@'}).encode().replace(b'"@ID@"', b'@ID@') + b'\n')
            with self.subTest(error=error), FakeQemu(answers={'query-status': answer}) as qemu:
                self.assert_says(info(qemu.target, *SHORT), FAILED)

    def test_properties_refused(self):
        """a property that cannot be read is left out"""
        with FakeQemu(answers={'qom-get': Refuse('no')}) as qemu:
            self.assert_status(run('verify', '-q', qemu.target, 'small.jsonl'), CLEAN)

    def test_answers_of_another_form(self):
        for command in ('query-status', 'query-pci', 'query-kvm', 'qom-list', 'qom-get', 'info mtree -f', 'xp', 'gpa2hva'):
            for answer in (None, True, 7, -1.5, '', 'text', [], {}, [[]], [{}], [None], {'status': 7},
                           [{'devices': 7}], [{'devices': [7, None, {}]}], [{'name': 7, 'type': []}], '0x', 'x\r\n' * 99):
                with self.subTest(command=command, answer=answer), FakeQemu(answers={command: answer}) as qemu:
                    done = info(qemu.target, *SHORT)
                    if done.status == CLEAN:    # what is not needed may be of any form
                        self.assertIn(command, ('query-pci', 'query-kvm', 'qom-get', 'gpa2hva'), f'\n{done}')
                    else:
                        self.assert_says(done, FAILED)

    def test_garbage_for_an_answer(self):
        for data in (b'garbage\n', b'{"return": \n}\n', b'{"return": {}, "return": {}, "id": @ID@}\n', b'[]', b'\xff\n',
                     b'{"return": "\xc3\x28", "id": @ID@}\n', b'{"return": "\\ud800", "id": @ID@}\n'):
            with self.subTest(data=data), FakeQemu(answers={'query-pci': Raw(data)}) as qemu:
                self.assert_says(info(qemu.target, *SHORT), FAILED, 'does not speak QMP')

    def test_closes_in_the_middle(self):
        answer = json.dumps({'return': devices(), 'id': 1}).encode()
        for part in (0, 1, len(answer) // 2, len(answer) - 1):
            self.assert_all_say({'query-pci': Raw(answer[:part], close=True)}, 'QEMU closed the monitor',
                                'its answer to "query-pci"', 'still running')

    def test_stalls_in_the_middle(self):
        for command, sent in (('query-pci', 'query-pci'), ('info mtree -f', 'info mtree -f'), ('xp', 'xp /')):
            self.assert_all_say({command: Raw(b'{"return": ')}, f'did not send its answer to "{sent}', 'within 0.4 s',
                                '--timeout')

    def test_mtree_of_an_unknown_form(self):
        real = recorded()['hmp']['info mtree -f']
        for text in ('', 'unknown command: \'info mtree -f\'\r\n', real.replace('AS "memory"', 'AS "speicher"'),
                     real.replace('intel_iommu', 'iommu'), real.replace(' (prio ', ' (priority '), real[:2000],
                     real.replace('root: system', 'root: x'), real.upper(), 'FlatView #0\r\n' * 1000):
            self.assert_all_say({'info mtree -f': text}, 'info mtree -f', 'not in a form that this version knows')

    def test_xp_garbled(self):
        """no number out of a garbled line is taken for memory"""
        for text in ('', '\r\n', 'xp: unknown', '00000000fed90000: 0x1\r\n', '0000000000000000: 0x1 0x2\r\n',
                     '00000000fed90000: 1 2\r\n', '00000000fed90000: 0x12345678901234567 0x0\r\n',
                     '00000000fed90000: 0x0 0x0 0x0\n' * 100):
            self.assert_all_say({'xp': text}, 'not in a form that this version knows')

    def test_pages_garbled(self):
        """the registers come as they should, the tables do not"""
        def spoil(change):
            def xp(line):
                text = qemu.usual_hmp(line)
                return text if 'fed90000' in line else change(text)
            return xp
        for change in (lambda text: text.replace('0x', '', 1), lambda text: text[: len(text) // 2],
                       lambda text: text.replace(': ', ' '), lambda text: 'x' + text,
                       lambda text: text.replace('\r\n', ' '), lambda text: ''):
            qemu = FakeQemu()
            qemu.answers['xp'] = spoil(change)
            with qemu:
                done = run('verify', '-q', qemu.target, 'small.jsonl', '--memory', 'xp')
                self.assert_says(done, FAILED, 'not in a form that this version knows')

    def test_page_that_cannot_be_read(self):
        """"Cannot access memory" makes pages unverified, never missing"""
        clean = Snapshot.read(DATA / 'clean.elf')
        table = int(run('walk', '-s', 'clean.elf', '00:04.0', '0x40000000', '--format', 'json').json
                    ['walk']['steps'][-1]['table'], 16)

        def xp(line):
            gpa = int(line.split()[2], 16)
            return f'{gpa:016x}: Cannot access memory\r\n' if gpa == table else qemu.usual_hmp(line)
        qemu = FakeQemu(clean, answers={'xp': xp})
        with qemu:
            done = run('verify', '-q', qemu.target, 'small.jsonl', '--memory', 'xp', '--format', 'json')
            self.assert_clean(done)
            self.assertEqual(done.json['counts']['unverified']['pages'], 16)
            self.assert_status(run('verify', '-q', qemu.target, 'small.jsonl', '--memory', 'xp', '--strict'), FAULT)

    def test_gpa2hva_refuses(self):
        """the fallback is silent, --debug tells of it, --memory process insists"""
        with FakeQemu(answers={'gpa2hva': 'Memory at address 0x0 is not RAM\x1b[31m\r\n'}) as qemu:
            self.assert_clean(run('verify', '-q', qemu.target, 'small.jsonl'))
            done = self.assert_status(run('verify', '-q', qemu.target, 'small.jsonl', '--debug'), CLEAN)
            self.assertIn('debug: process memory: ', done.err)
            self.assertIn('is not RAM', done.err)
            self.assert_says(run('verify', '-q', qemu.target, 'small.jsonl', '--memory', 'process'), FAILED,
                             'does not say where the RAM', 'is not RAM')

    def test_process_memory(self):
        """read without the monitor, when this process holds what the monitor shows"""
        with FakeQemu(process=True) as qemu:
            done = run('verify', '-q', qemu.target, 'small.jsonl', '--memory', 'process', '--format', 'json')
            if 'not permitted' in done.err:
                self.skipTest('the kernel does not let a process read its parent')
            self.assert_clean(done)
            self.assertEqual(done.json['capture']['memory_source'], 'process memory')
            read = [line for line in qemu.log if line.startswith('hmp: xp /512')]
            self.assertLess(len(read), 20, 'a page or so is compared, the rest is not asked for')

    def test_another_process_of_the_same_kind(self):
        """--pid of a process that is like this QEMU in all but a page: found out"""
        with FakeQemu(process=True) as qemu:
            child = os.fork()
            if child == 0:
                qemu.hold_other_memory()
                time.sleep(PATIENCE)
                os._exit(0)
            try:
                time.sleep(0.2)
                args = ['verify', '-q', qemu.target, 'small.jsonl', '--pid', str(child)]
                self.assert_says(run(*args, '--memory', 'process'), FAILED, f'process {child} does not hold the memory',
                                 'it is not this QEMU')
                self.assertIn('HMP xp', self.assert_clean(run(*args)).out)
            finally:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)

    def test_another_process(self):
        """--pid of a process that is not this QEMU: not believed"""
        with FakeQemu(process=True) as qemu:
            done = run('verify', '-q', qemu.target, 'small.jsonl', '--memory', 'process', '--pid', '1')
            self.assert_says(done, FAILED)
            self.assertRegex(done.err, 'process 1 does not hold the memory|cannot read the memory of the QEMU process 1'
                             '|nothing in memory tells whether process 1 is this QEMU')
            done = run('verify', '-q', qemu.target, 'small.jsonl', '--memory', 'process', '--pid', '4194303')
            self.assert_says(done, FAILED, 'process 4194303', 'No such process')

    def test_registers_in_odd_places(self):
        real = recorded()['hmp']['info mtree -f']
        for last in ('00000000fed90007', '00000000fed9ffff', '00000000fed8ffff'):
            text = re.sub(r'(00000000fed90000)-[0-9a-f]+(.*intel_iommu)', rf'\1-{last}\2', real)
            self.assertNotEqual(text, real)
            with self.subTest(last=last), FakeQemu(answers={'info mtree -f': text}) as qemu:
                self.assert_says(info(qemu.target, *SHORT), FAILED, 'not in a form that this version knows')

    def test_version(self):
        """no version, one of another form, one of the future: reported as it is"""
        for version, said in (({}, '0.0.0'), ({'qemu': []}, '0.0.0'), ({'qemu': {'major': 'x'}}, '0.0.0'),
                              ({'qemu': {'major': 99, 'minor': 1, 'micro': 2}, 'package': 7}, '99.1.2')):
            with self.subTest(version=version), FakeQemu(greeting={'QMP': {'version': version, 'capabilities': []}}) as qemu:
                self.assertIn(f'QEMU {said}', self.assert_clean(info(qemu.target)).out)

    def test_many_devices(self):
        many = [device(slot=i % 32, function=i % 8, bus=i % 256) for i in range(5000)]
        with FakeQemu(answers={'query-pci': devices(*many)}) as qemu:
            self.assert_clean(run('verify', '-q', qemu.target, 'small.jsonl'))

    def test_devices_with_odd_numbers(self):
        for changes, status in (({'bus': -1}, CLEAN), ({'bus': 256}, CLEAN), ({'slot': 32}, CLEAN),
                                ({'function': 8}, CLEAN), ({'id': {'vendor': 1 << 40, 'device': 0}}, FAILED),
                                ({'class_info': {'class': -5}}, FAILED), ({'id': None, 'class_info': None}, CLEAN),
                                ({'pci_bridge': {'bus': {'secondary': 300}}}, FAILED),
                                ({'pci_bridge': {'bus': {'secondary': 3}, 'devices': [device(bus=3)]}}, CLEAN)):
            with self.subTest(changes=changes), FakeQemu(answers={'query-pci': devices(device(**changes))}) as qemu:
                done = info(qemu.target, *SHORT)
                self.assert_status(done, status)
                if status == FAILED:
                    self.assert_says(done, FAILED, 'query-pci', 'not in a form that this version knows')

    def test_bridges_in_bridges(self):
        for depth, status in ((100, CLEAN), (400, FAILED), (100_000, FAILED)):
            bridge = json.dumps(device(pci_bridge={'bus': {'secondary': 1}, 'devices': ['@']})).split('"@"')
            text = json.dumps(device()).join((bridge[0] * depth, bridge[1] * depth))
            answer = Raw(b'{"return": [{"devices": [%s]}], "id": @ID@}\n' % text.encode())
            with self.subTest(depth=depth), FakeQemu(answers={'query-pci': answer}) as qemu:
                self.assert_status(info(qemu.target), status)


EVIL = ('\x1b[31mred\x1b]0;title\x07', 'a\u202eb\u2066c\u061cd', 'x\x00y', '<script>alert(1)</script>&amp;', '\x9b31m\x85',
        'line\r\nbreak\ttab', '"},{"x":"', '%s%n%d', '\u200b\ufeff\u2028', 'é' * 4000, '\U0001f600' * 16 + 'x' * 63)


class Hostile(Case):
    """Texts of a QEMU's: to a terminal escaped, in JSON whole."""

    def hostile_qemu(self, text):
        greeting = copy.deepcopy(recorded()['greeting'])
        greeting['QMP']['version']['package'] = text
        edu = device(slot=4, qdev_id=text, class_info={'class': 255, 'desc': text})
        others = [item for item in devices()[0]['devices'] if item['slot'] != 4]
        line = text.replace('\n', '').replace('\r', '').replace('\0', '')
        mtree = recorded()['hmp']['info mtree -f'].replace('pc.ram', line)
        qtree = recorded()['hmp']['info qtree'].replace('eim = "off"', f'eim = "{line}"').replace('= "on"', f'= "{line}"')
        return FakeQemu(greeting=greeting, state=text, answers={
            'query-pci': [{'bus': 0, 'devices': [*others, edu]}], 'info mtree -f': mtree, 'info qtree': qtree})

    def test_texts(self):
        def one(item):
            text, name, form = item
            with self.hostile_qemu(text) as qemu:
                return run(name, '-q', qemu.target, *LIVE[name], '--format', form)  # which looks for what is unsafe
        items = [(text, name, form) for text in EVIL for name in LIVE for form in ('text', 'json')]
        for (text, name, form), done in zip(items, in_parallel(one, items)):
            with self.subTest(text=text, command=name, form=form):
                if '\0' in text:
                    self.assert_says(done, FAILED, 'does not speak QMP')
                    continue
                self.assert_status(done, CLEAN)
                if form == 'json':
                    self.assertEqual(done.json['qemu']['package'], text)
                    self.assertEqual(done.json['qemu']['run_state'], text)
                elif not UNSAFE.search(text) and '\n' not in text:
                    self.assertIn(text, done.out)

    def test_snapshot_of_it(self):
        """the same texts out of a snapshot that was captured there"""
        for text in EVIL:
            if '\0' in text:
                continue
            path = self.scratch() / 'file'
            with self.subTest(text=text), self.hostile_qemu(text) as qemu:
                self.assert_clean(run('capture', '-q', qemu.target, '-o', path))
                for name, more in LIVE.items():
                    self.assert_clean(run(name, '-s', path, *more))
                    self.assertEqual(run(name, '-s', path, *more, '--format', 'json').json['qemu']['package'], text)

    def test_errors(self):
        for text in EVIL:
            with self.subTest(text=text), FakeQemu(answers={'query-pci': Refuse(text)}) as qemu:
                done = run('info', '-q', qemu.target)
                self.assert_says(done, FAILED, 'does not speak QMP' if '\0' in text else 'QEMU refused query-pci')
                self.assertLess(len(done.err), 2000)


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


class Moves(Case):
    """A guest that changes its tables while they are read."""

    def setUp(self):
        clean = Snapshot.read(DATA / 'clean.elf')
        self.entry = int(run('walk', '-s', 'clean.elf', '00:04.0', '0x40002000', '--format', 'json').json
                         ['walk']['steps'][-1]['entry_gpa'], 16)
        self.qemu = FakeQemu(clean)
        self.right = clean.read_u64(self.entry)

    def verify(self, entries):
        """Each read of the table finds the next one of these values."""
        values = iter(entries)

        def xp(line):
            if int(line.split()[2], 16) == self.entry & -4096:
                self.qemu.snapshot.write_u64(self.entry, next(values, entries[-1]))
            return self.qemu.usual_hmp(line)
        self.qemu.answers['xp'] = xp
        with self.qemu:
            return run('verify', '-q', self.qemu.target, 'small.jsonl', '--memory', 'xp', '--format', 'json')

    def test_gone_at_the_second_look(self):
        done = self.assert_clean(self.verify([0, self.right]))
        self.assertEqual(done.json['counts']['match']['pages'], 16)
        self.assertEqual(done.json['capture']['reads'], 2)

    def test_stands_at_the_second_look(self):
        done = self.assert_status(self.verify([0, 0]), FAULT)
        self.assertEqual(done.json['counts']['missing']['pages'], 1)
        self.assertEqual(done.json['capture']['reads'], 2)

    def test_another_fault_each_time(self):
        wrong = [self.right ^ 1 << 12 + i for i in range(9)]
        done = self.assert_clean(self.verify(wrong))
        self.assertEqual(done.json['counts']['in-flux']['pages'], 1)
        self.assertEqual(done.json['counts']['match']['pages'], 15)
        self.assertEqual(sum(count['pages'] for count in done.json['counts'].values()), 16)

    def test_in_flux_is_a_fault_if_strict(self):
        wrong = [self.right ^ 1 << 12 + i for i in range(9)]
        values = iter(wrong)

        def xp(line):
            if int(line.split()[2], 16) == self.entry & -4096:
                self.qemu.snapshot.write_u64(self.entry, next(values, 0))
            return self.qemu.usual_hmp(line)
        self.qemu.answers['xp'] = xp
        with self.qemu:
            done = run('verify', '-q', self.qemu.target, 'small.jsonl', '--memory', 'xp', '--strict')
        self.assert_status(done, FAULT)
        self.assertIn('in-flux', done.out)


class Flips(Case):
    """Answers with a few bytes changed, seeds fixed: a sentence or a result."""

    def test_flips(self):
        def one(seed):
            rng = random.Random(seed)

            def spoil(text):
                data = list(text)
                for _ in range(rng.randrange(1, 4)):
                    at = rng.randrange(len(data))
                    data[at] = rng.choice('0123456789abcdefxX: \r\n-@(),#\0\u202e{"')
                return ''.join(data)

            def mtree(line):
                return spoil(qemu.usual_hmp(line))

            def xp(line):
                text = qemu.usual_hmp(line)
                return spoil(text) if rng.random() < 0.2 else text

            qemu = FakeQemu(answers={'info mtree -f': mtree} if seed % 2 else {'xp': xp})
            with qemu:
                done = run('verify', '-q', qemu.target, 'small.jsonl', '--format', 'json', '--timeout', '20')
                return done, qemu.forbidden()
        statuses = set()
        for seed, (done, forbidden) in enumerate(in_parallel(one, range(60 if SANITIZED else 120))):
            with self.subTest(seed=seed):
                statuses.add(done.status)
                self.assertEqual(forbidden, [])
                if done.status in (CLEAN, FAULT):
                    self.assertEqual(done.json['exit_status'], done.status)
                else:
                    self.assert_says(done, FAILED)
        self.assertGreater(len(statuses), 1, 'some got through, some did not')


if __name__ == '__main__':
    tap.main()
