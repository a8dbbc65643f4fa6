#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A secret of its own in every field of a record, a snapshot, QEMU's log and the shadows that
can hold text: without redaction each is in the bundle, with it none is in any output."""

import json
import re

import bundles
from cli import DATA, FAULT, TOP, Case, run
from corefile import Snapshot

import tap
from lab import vtd

FORMS = ('markdown', 'html', 'json', 'junit', 'tap', 'text')
DEVICE = '0000:00:04.0'
WORD, SERIAL = 'pl4nted{:04d}x', 'Asset77{:04d}'
# By what was learned (a secret, a serial number), by its shape (a path, an address), in capitals and not.
PLANTS = re.compile(r'(?:pl4nted|/srv/private-|zoe-|52:54:00:77:|Asset77)(?:([0-9a-f]{2}):([0-9a-f]{2})|(\d{4}))', re.I)
# Of these a reader takes only certain words, at the events that it knows.
FORMAL = {'event', 'format', 'version', 'seq', 'time_ns', 'realtime_ns', 'monotonic_ns', 'space', 'device', 'iova', 'size', 'prot',
          'extents', 'gpa', 'first', 'last', 'errno', 'count', 'name', 'backend', 'of', 'tracepoint', 'type', 'granularity', 'cap',
          'ecap', 'page_size', 'vaddr', 'complete', 'from_start', 'group', 'iommus'}


class Plants:
    """Hands them out; `learned` are arguments of QEMU's that give all away."""

    def __init__(self):
        self.count = 0

    def short(self):
        self.count += 1
        return (WORD if self.count % 2 else SERIAL).format(self.count)

    def text(self):
        self.count += 1
        n = self.count
        return (f'{WORD.format(n)} /srv/private-{n:04d}/x 52:54:00:77:{n >> 8:02x}:{n & 255:02x} '
                f'nbd://zoe-{n:04d}@store/x {SERIAL.format(n)}')

    def learned(self):
        return [word for n in range(1, self.count + 1)
                for word in ('-object', f'secret,id=s{n},data={WORD.format(n)}', '-device', f'scsi-hd,serial={SERIAL.format(n)}')]


def numbers(text):
    return {int(one + two, 16) if one else int(number) for one, two, number in PLANTS.findall(text)}


def keys_of_the_manual():
    """Every key that viommu-record(5) has."""
    text = (TOP / 'man' / 'viommu-record.5.scd').read_text()
    return sorted({key for line in re.findall(r'^(\*[a-z_*, ]+\*)$', text, re.M) for key in re.findall(r'\*(\w+)\*', line)})


class Everywhere(Case):
    def setUp(self):
        self.dir = self.scratch()
        self.plants = Plants()

    def record(self, name, source):
        """That of `source` with plants in all texts, and events that no reader knows with all keys."""
        plants = self.plants
        lines = [json.loads(line) for line in source.splitlines()]
        lines[0].update({key: plants.text() for key in ('session', 'program', 'boot_id', 'kernel', 'cmdline')})
        lines[0]['iommus'] = [{key: plants.text() for key in ('name', 'address', 'version')}]
        for line in lines[1:]:
            line['source'] = plants.text()
            if line['event'] == 'attach':
                line.update(backend='vfio ' + plants.text(), evidence=plants.text(), iommu=plants.text())
        last = lines.pop() if lines[-1]['event'] in ('mark', 'end') else {'event': 'mark', 'name': 'held'}
        lines += [{'event': 'map', 'space': 1, 'iova': '0x70000000', 'size': '0x1000', 'extents': [], 'gpa_unknown': plants.text()},
                  {'event': 'map', 'space': 1, 'iova': '0x70001000', 'size': '0x1000', 'errno': 28, 'error': plants.text(),
                   'meaning': plants.text()},
                  {'event': 'unmap', 'space': 9, 'iova': '0x0', 'size': '0x1000', 'errno': 22, 'error': plants.text()},
                  {'event': 'space', 'space': 9, 'backend': plants.text()},
                  {'event': 'lost', 'count': 0, 'of': 'invalidate', 'reason': plants.text()},
                  {'event': 'lost', 'count': 1, 'reason': plants.text()},
                  {'event': 'invalidate', 'tracepoint': plants.text(), 'type': plants.text(), 'granularity': plants.text(),
                   'descriptor': [plants.text()], 'iommu': plants.text()},
                  {'event': 'note', 'text': plants.text(), plants.text(): plants.short()},
                  {'event': 'mark', 'name': plants.text()},
                  {'event': 'doctor', 'checks': [{**{key: plants.text() for key in ('section', 'name', 'verdict', 'seen', 'fix', 'other')},
                                                'more': [plants.text(), plants.text()]}]},
                  *({'event': plants.text(), key: plants.text(), 'in': [{key: plants.text()}]} for key in keys_of_the_manual()
                    if key not in ('seq', 'time_ns', 'event'))]
        lines.append(last)
        for seq, line in enumerate(lines[1:], 1):
            line.update(seq=seq, time_ns=line.get('time_ns', seq))
        path = self.dir / name
        path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
        return path

    def spoil(self, value, key=''):
        """Plants behind every text of a machine's; what is cut off at 31 or 63 bytes gets one word."""
        if isinstance(value, dict):
            return {name: self.spoil(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self.spoil(item, key) for item in value]
        if not isinstance(value, str) or key in ('first', 'last', 'registers_base', 'registers_size'):
            return value
        if key in ('id', 'class_text', 'driver', 'name', 'host'):
            return (value[:15] + ' ' + self.plants.short()).strip()
        return (value + ' ' + self.plants.text()).strip()

    def snapshot(self, name, assigned=None):
        spoilt = Snapshot.read(DATA / 'wrong-address.elf')
        note, machine = spoilt.note, spoilt.note['machine']
        machine['host'] = {'os': 'Debian', 'kernel': 'Linux 6.1', 'arch': 'x86_64'}
        note['machine'] = machine = self.spoil(machine)
        for field in ('time', 'memory_source'):
            note[field] = self.spoil(note[field])
        machine['iommu_properties'].update({self.plants.text(): self.plants.text(), 'type': self.plants.short(),
                                            'name': self.plants.short(), 'driver': self.plants.short()})
        for device in machine['pci']:
            if device['sid'] == 0x20 and assigned:
                device.update(class_text=device['driver'] + ' ' + device['class_text'], driver='vfio-pci ' + device['host'], host=assigned)
        note['backing'] = [{'gpa': '0x0', 'hpa': '0x0', 'size': '0x20000000'}]
        note['backing_unknown'] = self.plants.text()
        path = self.dir / name
        self.later = [*getattr(self, 'later', []), (path, spoilt)]
        return path

    def finish(self):
        """Now that all plants are known."""
        for path, spoilt in self.later:
            spoilt.note['machine']['cmdline'] = ['/usr/bin/qemu-system-x86_64', *self.plants.learned()]
            path.write_bytes(spoilt.bytes())

    def everything(self):
        """The arguments of a report that is made of all there is."""
        snapshot = self.snapshot('saved.elf', assigned=DEVICE)
        outer = self.snapshot('outer.elf')
        record = self.record('record.jsonl', (DATA / 'small.jsonl').read_text())
        leaves = vtd.Tables(Snapshot.read(DATA / 'clean.elf'), DEVICE[5:]).leaves()
        host = self.record('host.jsonl', '\n'.join(json.dumps(line) for line in (
            {'event': 'header', 'format': 'viommu-record', 'version': 1},
            {'event': 'attach', 'space': 1, 'device': DEVICE, 'backend': 'vfio', 'complete': False},
            *({'event': 'map', 'space': 1, 'iova': hex(leaf.iova), 'size': hex(leaf.size),
               'extents': [{'gpa': hex(leaf.gpa), 'size': hex(leaf.size)}]} for leaf in leaves))))
        rows = [f'0x{leaf.iova >> 12:013x} |\t0x0\t0x0\t0x3\t0x3\t0x{leaf.entry:016x}' for leaf in leaves]
        debugfs = self.dir / 'debugfs.txt'
        debugfs.write_text('\n'.join([f'Device {DEVICE} @0x1000', 'IOVA_PFN\t\tPML5E', *rows, '']))      # takes nothing else
        log = self.dir / 'qemu.log'
        log.write_text(f'qemu: {self.plants.text()}\n'
                       f'qemu-system-x86_64: -device vfio-pci,{self.plants.text()}: We need to set caching-mode=on for intel-iommu '
                       'to enable device assignment with IOMMU protection.\n'
                       f'4242@1700000000.123456:vtd_inv_desc_iotlb_pages {self.plants.text()}\n')
        self.finish()
        shadows = [word for path in (outer, host, debugfs) for word in ('--shadow', path)]
        return ['-s', snapshot, record, '--qemu-log', log, *shadows]

    def files(self, words, name, *more):
        path = self.dir / name
        self.assert_status(run('report', *words, '-o', path, *more), FAULT)
        return path, {part: data.decode('latin-1') for part, data in bundles.read(path.read_bytes()).items()}

    def assert_none(self, name, text):
        found = PLANTS.search(text)
        self.assertIsNone(found, found and f'{name}: {text[max(0, found.start() - 150):found.end() + 80]!r}')

    def test_everywhere(self):
        words = self.everything()
        every = set(range(1, self.plants.count + 1))
        _, bare = self.files(words, 'bare.tar.gz', '--no-redact')
        seen = {}
        for name, text in bare.items():
            if name == 'snapshot.elf' or name.startswith('shadow') and name.endswith('.elf'):
                note = Snapshot(text.encode('latin-1')).note
                note['machine'].pop('cmdline')
                text = json.dumps(note)
            seen[name] = numbers(text) if name not in ('qemu.json', 'result.json', 'report.md', 'l1.json') else set()
        self.assertEqual(every - set().union(*seen.values()), set(), 'some are in no part: this proves nothing of them')
        path, redacted = self.files(words, 'redacted.tar.gz')
        self.assertEqual(set(redacted), set(bare))
        for name, text in redacted.items():
            with self.subTest(part=name):
                self.assert_none(name, text)
        for form in FORMS:
            with self.subTest(form=form):
                done = self.assert_status(run('report', *words, '--format', form), FAULT)
                self.assert_none(form, done.out + done.err)
                self.assertTrue(numbers(run('report', *words, '--format', form, '--no-redact').out))
        # What is made of the bundle alone cannot know more, and says the same.
        self.assertEqual(run('verify', path, '--format', 'json').out, redacted['result.json'])
        _, again = self.files([path], 'again.tar.gz')
        for name, text in again.items():
            self.assert_none(f'{name} of a bundle of the bundle', text)

    def test_the_moment(self):
        """a mark with a name that is private is found again in the bundle"""
        snapshot = self.snapshot('saved.elf')
        lines = [json.loads(line) for line in (DATA / 'small.jsonl').read_text().splitlines()]
        lines[-1]['name'] = mark = self.plants.text()
        record = self.dir / 'record.jsonl'
        record.write_text(''.join(json.dumps(line) + '\n' for line in lines))
        self.finish()
        path, files = self.files(['-s', snapshot, record, '--at', mark], 'moment.tar.gz')
        self.assert_none('manifest', files['manifest.json'])
        self.assertEqual(run('verify', path, '--format', 'json').out, files['result.json'])


if __name__ == '__main__':
    tap.main()
