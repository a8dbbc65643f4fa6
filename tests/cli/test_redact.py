#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing private in any report: a command line, a record and a log full of secrets, and each
form and each part of a bundle searched for each of them."""

import json
import pathlib
import re
import socket

import bundles
from cli import CLEAN, FAULT, Case, run
from corefile import Snapshot
from fake_qmp import DATA

import tap

LOGS = pathlib.Path(DATA).parent / 'qemu-log'
FORMS = ('markdown', 'html', 'json', 'junit', 'tap', 'text')
KINDS = {'host', 'user', 'name', 'path', 'url', 'mac', 'serial', 'uuid', 'text', 'secret'}

# Each of these is somewhere in what is reported of, and nowhere in what is reported.
SECRETS = ['pp-corre', 'wilhelmina', 'payroll-vm', 'Tr0ub4dor', 'correcthorse', 'AQD8rbdkey', 'iscsipw77', 'sshuser9', 'hunter2hunter2',
           'vncpass88', 'spicepass99', 'WD-SERIAL-42', 'SMBIOS-SER-7', 'ignition-blob', '52:54:00:c0:ff:ee', '02:11:22:33:44:55',
           '6ba7b810-9dad-11d1-80b4-00c04fd430c8', '11111111-2222-3333-4444-555555555555', 'luks-header.img', 'secret-disk.qcow2',
           'backup server', 'store.example.net', '203.0.113.77', '2001:db8::1234', 'initiator-xyz', 'rootlabel', 'lukskeyfile',
           'host-of-l1', '/srv/private', '/var/lib/libvirt', 'qmp-wilhelmina', 'opt-secret-string', 'key.pem', 'bridge.example.org',
           'acct@example.com', 'wwn0x5000c500', 'tokentoken', 'snapshot-of-tuesday', 'Mandelbrot Industries', 'kernelpw']

COMMAND_LINE = [
    '/usr/bin/qemu-system-x86_64', '-enable-kvm', '-name', 'guest=payroll-vm,debug-threads=on', '-machine', 'q35,kernel-irqchip=split',
    '-m', '4G', '-device', 'intel-iommu,intremap=on,caching-mode=on', '-device', 'vfio-pci,host=0000:03:00.0',
    '-uuid', '6ba7b810-9dad-11d1-80b4-00c04fd430c8', '-drive', 'file=/home/wilhelmina/vms/secret-disk.qcow2,if=none,id=d0',
    '-device', 'virtio-blk-pci,drive=d0,serial=WD-SERIAL-42', '-hda', '/srv/private/a,,b.img', '-cdrom', 'ssh://sshuser9:iscsipw77@store.example.net/iso',
    '-drive', 'file=rbd:pool/secret-disk.qcow2:id=admin:key=AQD8rbdkey:mon_host=203.0.113.77',
    '-drive', 'file=iscsi://acct%25hunter2hunter2@203.0.113.77/iqn.x/0,file.password=Tr0ub4dor',
    '-drive', 'json:{"driver":"nbd","host":"store.example.net","export":"snapshot-of-tuesday","password":"correcthorse"}',
    '-blockdev', '{"driver":"luks","node-name":"n","key-secret":"s0","file":{"driver":"file","filename":"luks-header.img"}}',
    '-object', 'secret,id=s0,data=correcthorse', '-object', 'secret,id=s1,file=/home/wilhelmina/key.pem',
    '-object', '{"qom-type":"secret","id":"s2","data":"Tr0ub4dor"}',
    '-netdev', 'user,id=n0,hostname=host-of-l1,hostfwd=tcp:203.0.113.77:2222-:22,tftp=/srv/private/tftp',
    '-netdev', 'socket,id=n1,connect=bridge.example.org:1234', '-device', 'e1000e,netdev=n0,mac=52:54:00:c0:ff:ee',
    '-device', '{"driver":"virtio-net-pci","mac":"02:11:22:33:44:55","netdev":"n1"}', '-device', 'scsi-hd,drive=d0,wwn=wwn0x5000c500',
    '-vnc', 'store.example.net:1,password=vncpass88', '-spice', 'addr=2001:db8::1234,port=5900,password=spicepass99',
    '-smbios', 'type=1,serial=SMBIOS-SER-7,manufacturer=Mandelbrot Industries', '-fw_cfg', 'name=opt/x,string=ignition-blob',
    '-fw_cfg', 'opt/y,string=opt-secret-string', '-iscsi', 'user=acct@example.com,password=iscsipw77,initiator-name=initiator-xyz',
    '-chardev', 'socket,id=c0,path=/var/lib/libvirt/c.sock,server=on', '-qmp', 'unix:/run/qmp-wilhelmina,server=on,wait=off',
    '-fsdev', 'local,id=f0,path=/srv/private/backup server,security_model=none', '-kernel', '/home/wilhelmina/bzImage',
    '-append', 'root=LABEL=rootlabel rd.luks.key=/lukskeyfile ip=203.0.113.77::203.0.113.1 api_token=tokentoken password="kernelpw" quiet intel_iommu=on',
    '-D', '/var/lib/libvirt/qemu.log', '-nographic', '/srv/private/leftover.img']

KERNEL = ('BOOT_IMAGE=/boot/vmlinuz root=UUID=11111111-2222-3333-4444-555555555555 ro systemd.hostname=host-of-l1 '
          'cryptdevice=UUID=6ba7b810-9dad-11d1-80b4-00c04fd430c8:root rd.luks.name=lukskeyfile intel_iommu=on iommu=on')

# What makes the report one, and has to stay.
KEPT = ['intel_iommu=on', 'caching-mode=on', 'intremap=on', 'kernel-irqchip=split', '0000:03:00.0', '/usr/bin/qemu-system-x86_64']


class _Case(Case):
    def setUp(self):
        self.dir = self.scratch()
        self.private = self.dir / 'wilhelmina-private'
        self.private.mkdir()
        snapshot = Snapshot.read(DATA / 'wrong-address.elf')
        machine = snapshot.note['machine']
        machine['cmdline'] = COMMAND_LINE
        machine['host'] = {'os': 'Debian GNU/Linux 12', 'kernel': 'Linux 6.1.0 host-of-l1', 'arch': 'x86_64'}
        machine['pci'][0]['id'] = 'nic-of-payroll-vm'
        machine['pci'][1]['id'] = 53 * 'p' + '-correcthorse'     # a snapshot keeps 63 bytes of it
        machine['iommu_properties']['x-note'] = 'from /home/wilhelmina/vms/secret-disk.qcow2'
        self.snapshot = self.private / 'saved.elf'
        self.snapshot.write_bytes(snapshot.bytes())
        lines = [json.loads(line) for line in (DATA / 'small.jsonl').read_text().splitlines()]
        lines[0].update(cmdline=KERNEL, program='viommu-probe record -- /home/wilhelmina/bin/fio --password=Tr0ub4dor',
                        boot_id='6ba7b810-9dad-11d1-80b4-00c04fd430c8')
        lines[-1:-1] = [{'event': 'note', 'text': 'wilhelmina@host-of-l1: no access to /srv/private/backup server'},
                        {'event': 'lost', 'count': 0, 'of': 'invalidate', 'reason': 'disk of payroll-vm (WD-SERIAL-42) at /home/wilhelmina full'}]
        for seq, line in enumerate(lines[1:], 1):
            line['seq'] = seq
            line.setdefault('time_ns', seq)
        self.record = self.private / 'record.jsonl'
        self.record.write_text(''.join(json.dumps(line) + '\n' for line in lines))
        self.log = self.private / 'qemu.log'
        self.log.write_text('\n'.join((
            '4242@1700000000.123456:vtd_inv_desc_iotlb_pages iotlb invalidate domain 0x4 addr 0x40000000 mask 0x0',
            'qemu: could not open /home/wilhelmina/vms/secret-disk.qcow2: password Tr0ub4dor, payroll-vm, 52:54:00:c0:ff:ee',
            'qemu-system-x86_64: -device vfio-pci,sysfsdev=/srv/private/x,serial=WD-SERIAL-42: We need to set caching-mode=on for '
            'intel-iommu to enable device assignment with IOMMU protection.',
            'iscsi: hunter2hunter2 refused by 203.0.113.77 for initiator-xyz (acct@example.com)', '')))
        self.words = ['-s', self.snapshot, self.record, '--qemu-log', self.log]

    def report(self, form, *more):
        done = run('report', *self.words, '--format', form, *more)
        self.assertEqual(done.status, FAULT, f'\n{done}')
        return done.out

    def bundle(self, *more):
        path = self.dir / f'{len(list(self.dir.iterdir()))}.tar.gz'
        done = run('report', *self.words, '-o', path, *more)
        self.assertIn(done.status, (CLEAN, FAULT), f'\n{done}')
        return path

    def assert_silent(self, name, text):
        folded = text.lower()
        for secret in (*SECRETS, str(self.dir)):
            at = folded.find(secret.lower())
            self.assertEqual(at, -1, f'{name} has {secret!r}: {text[max(0, at - 80):at + 80]!r}')


class Reports(_Case):
    def test_the_secrets_are_there(self):
        """without redaction each of them is in the bundle: the search finds what there is"""
        files = bundles.read(self.bundle('--no-redact').read_bytes())
        text = '\n'.join(data.decode('latin-1') for data in files.values()).lower()
        for secret in SECRETS:
            self.assertIn(secret.lower(), text)
        markdown = self.report('markdown', '--no-redact')
        for secret in ('Tr0ub4dor', 'WD-SERIAL-42', '/home/wilhelmina/vms/secret-disk.qcow2', 'rootlabel'):
            self.assertIn(secret, markdown)

    def test_forms(self):
        for form in FORMS:
            with self.subTest(form=form):
                text = self.report(form)
                self.assert_silent(form, text)
                self.assertRegex(text, r'[Rr]edacted|replaced by placeholders')
        markdown = self.report('markdown')
        for kept in KEPT:
            self.assertIn(kept, markdown)

    def test_bundle(self):
        data = self.bundle().read_bytes()
        files = bundles.read(data)
        self.assertEqual({'manifest.json', 'snapshot.elf', 'records/1.jsonl', 'qemu.log', 'qemu.json', 'l1.json', 'result.json',
                          'report.md'}, set(files))
        for name, part in files.items():
            with self.subTest(name=name):
                self.assert_silent(name, part.decode('latin-1'))
        note = json.dumps(Snapshot(files['snapshot.elf']).note)
        for kept in (*KEPT, 'Debian GNU/Linux 12'):
            self.assertIn(kept, note)

    def test_evidence_stays(self):
        """tables, registers and addresses are as they were"""
        files = bundles.read(self.bundle().read_bytes())
        before, after = Snapshot.read(self.snapshot), Snapshot(files['snapshot.elf'])
        self.assertEqual(before.pages, after.pages)
        self.assertEqual(before.registers(), after.registers())
        old = [json.loads(line) for line in self.record.read_text().splitlines()]
        new = [json.loads(line) for line in files['records/1.jsonl'].decode().splitlines()]
        self.assertEqual(len(old), len(new))
        for was, now in zip(old, new):
            self.assertEqual({key: value for key, value in was.items() if key not in ('cmdline', 'program', 'boot_id', 'text', 'reason')},
                             {key: value for key, value in now.items() if key not in ('cmdline', 'program', 'boot_id', 'text', 'reason')})
        self.assertTrue(files['qemu.log'].startswith(self.log.read_bytes().splitlines()[0]))

    def test_result(self):
        """what is said of the mappings does not change, and the bundle says it again"""
        live = run('verify', *self.words, '--format', 'json').json
        path = self.bundle()
        again = run('verify', path, '--format', 'json')
        self.assertEqual(again.out.encode(), bundles.read(path.read_bytes())['result.json'])
        result = again.json
        for text in (live, result):
            for target in text['targets']:
                del target['record']
        for name in ('counts', 'runs', 'chain', 'targets', 'exit_status'):
            self.assertEqual(result[name], live[name])
        self.assertEqual(len(result['findings']), len(live['findings']))
        for form in FORMS:
            self.assert_silent(form, run('report', path, '--format', form).out)

    def test_consistent(self):
        """one text has one placeholder, in every part"""
        files = bundles.read(self.bundle().read_bytes())
        machine = Snapshot(files['snapshot.elf']).note['machine']
        shown = dict(zip(COMMAND_LINE, machine['cmdline']))
        disk = re.search(r'file=(<path-\d+>)', shown['file=/home/wilhelmina/vms/secret-disk.qcow2,if=none,id=d0']).group(1)
        self.assertEqual(machine['iommu_properties']['x-note'], f'from {disk}')
        self.assertIn(f'could not open {disk}:', files['qemu.log'].decode())
        mac = re.search('<mac-[0-9]+>', shown['e1000e,netdev=n0,mac=52:54:00:c0:ff:ee']).group()
        self.assertIn(mac, files['qemu.log'].decode())
        uuid = shown['6ba7b810-9dad-11d1-80b4-00c04fd430c8']
        self.assertEqual(json.loads(files['records/1.jsonl'].splitlines()[0])['boot_id'], uuid)
        guest = re.search('<name-[0-9]+>', shown['guest=payroll-vm,debug-threads=on']).group()
        self.assertIn(guest, machine['pci'][0]['id'])
        secrets = {shown[key] for key in ('secret,id=s0,data=correcthorse',)}
        self.assertEqual(len(secrets), 1)
        self.assertNotEqual(disk, shown['/srv/private/leftover.img'])

    def test_listed(self):
        """what was replaced is listed by kind and count, and adds up"""
        files = bundles.read(self.bundle().read_bytes())
        listed = {item['kind']: item for item in bundles.manifest(files)['redacted']}
        self.assertLessEqual(set(listed), KINDS)
        self.assertEqual(set(listed), KINDS)
        text = '\n'.join(data.decode('latin-1') for name, data in files.items() if name != 'manifest.json')
        for kind, item in listed.items():
            numbers = {int(number) for number in re.findall(rf'<{kind}-(\d+)>', text)}
            self.assertLessEqual(max(numbers), item['count'])
            self.assertGreaterEqual(item['times'], item['count'])
        result = json.loads(self.report('json'))
        self.assertLessEqual({item['kind'] for item in result['redacted']}, KINDS)
        self.assertIn('MAC address', self.report('markdown'))

    def test_again(self):
        """a bundle of a bundle: nothing is replaced twice, and new numbers are new"""
        first = self.bundle()
        second = self.dir / 'second.tar.gz'
        run('report', first, '-o', second)
        one, two = bundles.read(first.read_bytes()), bundles.read(second.read_bytes())
        for name in ('snapshot.elf', 'records/1.jsonl', 'qemu.log', 'result.json'):
            self.assertEqual(one[name], two[name])
        third = self.dir / 'third.tar.gz'
        other = self.dir / 'other.jsonl'
        other.write_text(self.record.read_text().replace('/home/wilhelmina/bin/fio', '/srv/private/never-seen'))
        run('report', '-s', first, other, '-o', third)
        three = bundles.read(third.read_bytes())
        taken = {item['kind']: item['count'] for item in bundles.manifest(one)['redacted']}
        program = json.loads(three['records/1.jsonl'].splitlines()[0])['program']
        self.assertGreater(int(re.search(r'<path-(\d+)>', program).group(1)), taken['path'])

    def test_this_host(self):
        """the name of the host that makes the report, wherever it stands"""
        name = socket.gethostname()
        if len(name) < 3 or name == 'localhost':
            self.skipTest('this host has no name of its own')
        self.log.write_text(f'qemu on {name}: it is {name}.\n')
        log = bundles.read(self.bundle().read_bytes())['qemu.log'].decode()
        self.assertRegex(log, r'^qemu on <host-\d+>: it is <host-\d+>\.\n$')

    def test_deterministic(self):
        self.assertEqual(self.bundle().read_bytes(), self.bundle().read_bytes())


class Odd(_Case):
    def test_cut_record(self):
        """a line that was cut off goes whole: what is half a secret cannot be seen to be one"""
        self.record.write_text(self.record.read_text() + '{"event":"note","text":"Tr0ub4d')
        path = self.bundle()
        files = bundles.read(path.read_bytes())
        self.assertNotIn(b'Tr0ub', b''.join(files.values()))
        self.assertTrue(json.loads(files['result.json'])['records'][0]['cut'])
        self.assertEqual(run('verify', path, '--format', 'json').out.encode(), files['result.json'])

    def test_garbage_behind_the_moment(self):
        self.record.write_text(self.record.read_text() + 'hunter2hunter2 {"event":\nnull\n[]\n')
        path = self.bundle('--at', '3')
        self.assert_silent('record', bundles.read(path.read_bytes())['records/1.jsonl'].decode())
        self.assertEqual(run('verify', path).status, FAULT)

    def test_names_that_are_words(self):
        """a user called map, a guest called edu: the formats stay what they are"""
        snapshot = Snapshot.read(self.snapshot)
        snapshot.note['machine']['cmdline'] = ['/usr/bin/qemu-system-x86_64', '-name', 'attach', '-drive', 'file=/home/map/held',
                                               '-object', 'secret,id=x,data=viommu-record', '-runas', 'running']
        self.snapshot.write_bytes(snapshot.bytes())
        path = self.bundle('--at', 'held') if '"held"' in self.record.read_text() else self.bundle()
        again = run('verify', path, '--format', 'json')
        self.assertEqual(again.status, FAULT, f'\n{again}')
        self.assertEqual(again.json['runs'], run('verify', *self.words, '--format', 'json').json['runs'])


if __name__ == '__main__':
    tap.main()
