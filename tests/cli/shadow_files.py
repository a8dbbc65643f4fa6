# SPDX-License-Identifier: GPL-2.0-or-later
"""Sources of a shadow, made of the fixtures.  Their tables serve twice: as L1's, of a device that is
made an assigned one, and as L0's."""

import json

from cli import CLEAN, DATA, Case, number, run
from corefile import PAGE, Snapshot

from lab import vtd

DEVICE = '0000:00:04.0'
RECORD = 'small.jsonl'
HEADER = {'event': 'header', 'format': 'viommu-record', 'version': 1, 'session': '0' * 16}


class ShadowCase(Case):
    def inner(self, **note):
        """clean.elf with 00:04.0 assigned to L1, each of whose pages is L0's of the same number."""
        snapshot = Snapshot.read(DATA / 'clean.elf')
        for device in snapshot.note['machine']['pci']:
            if device['sid'] == '0x20' or device['sid'] == 0x20:
                device.update(driver='vfio-pci', host=DEVICE)
        snapshot.note.update({'backing': [{'gpa': '0x0', 'hpa': '0x0', 'size': '0x20000000'}], **note})
        self.directory = self.scratch()
        path = self.directory / 'inner.elf'
        path.write_bytes(snapshot.bytes())
        return path

    def leaves(self, name='clean.elf'):
        return vtd.Tables(Snapshot.read(DATA / name), DEVICE[5:]).leaves()

    def record(self, leaves, end=True, extra=(), **attach):
        """One made in L0, of these pages."""
        events = [{'event': 'attach', 'space': 1, 'device': DEVICE, 'backend': 'vfio', 'complete': False, **attach}]
        events += [{'event': 'map', 'space': 1, 'iova': hex(leaf.iova), 'size': hex(leaf.size),
                    'extents': [{'gpa': hex(leaf.gpa), 'size': hex(leaf.size)}]} for leaf in leaves]
        events += [*extra, *([{'event': 'end', 'reason': 'the test'}] if end else [])]
        lines = [HEADER, *({'seq': i, 'time_ns': i, **event} for i, event in enumerate(events, 1))]
        path = self.directory / 'host.jsonl'
        path.write_text(''.join(json.dumps(line) + '\n' for line in lines))
        return path

    def debugfs(self, leaves):
        rows = [f'0x{leaf.iova >> 12:013x} |\t' + '\t'.join(
                    [f'0x{0:016x}', f'0x{0:016x}', f'0x{3:016x}', f'0x{3:016x}', f'0x{leaf.entry:016x}']) for leaf in leaves]
        path = self.directory / 'debugfs.txt'
        path.write_text('\n'.join([f'Device {DEVICE} @0x1000', 'IOVA_PFN\t\tPML5E', *rows, '']))
        return path

    def verify(self, inner, *shadow, status=CLEAN):
        arguments = [word for what in shadow for word in ('--shadow', what)]
        return self.assert_status(run('verify', '-s', inner, RECORD, '--format', 'json', *arguments), status).json

    def states(self, result):
        link, = [link for link in result['chain'] if link['link'] == 'shadow']
        return {(share['state'], share['unmapped']): share['pages'] for share in link['pages']}

    def assert_fault(self, result, code, iovas):
        found = {iova for run in result['runs'] + result['unmapped'] if run['links']['shadow'] == 'broken'
                 for iova in range(number(run['first']), number(run['last']), PAGE)}
        self.assertEqual(found, iovas)
        self.assertEqual({item['code'] for item in result['findings'] if item['code'].startswith('shadow-')}, {code})

    def fixture(self, name):
        data = json.loads((DATA / 'fixtures.json').read_text())[name]
        return {iova for first, last in data['expected'] for iova in range(number(first), number(last), PAGE)}
