#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A QEMU that is another than viommu expects, or that means harm."""

import copy
import json
import os
import re
import signal
import time

from cli import CLEAN, FAILED, FAULT, PATIENCE, UNSAFE, USAGE, Case, in_parallel, run
from corefile import Snapshot
from fake_qmp import DATA, FakeQemu, Raw, Refuse, recorded
from live import LIVE, SHORT, info

import tap

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
                for more in [], ['--memory', 'process'], ['--memory', 'xp']:
                    self.assert_says(run(*args, *more), USAGE, 'name two QEMUs', f'process {child} does not hold the memory')
            finally:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)

    def test_another_process(self):
        """--pid of a process that is not this QEMU: not believed"""
        with FakeQemu(process=True) as qemu:
            done = run('verify', '-q', qemu.target, 'small.jsonl', '--memory', 'process', '--pid', '1')
            self.assert_says(done, done.status if done.status == USAGE else FAILED)
            self.assertRegex(done.err, 'process 1 does not hold the memory|cannot read the memory of the QEMU process 1'
                             '|nothing in memory tells whether process 1 is this QEMU')
            done = run('verify', '-q', qemu.target, 'small.jsonl', '--memory', 'process', '--pid', '4194303')
            self.assert_says(done, FAILED, 'there is no process 4194303')

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


if __name__ == '__main__':
    tap.main()
