# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of viommu-probe trace share: a guest to trace in, and what a
traced record says."""

import base64
import json
import os
import zlib

from common import BDF, Case, boot, scratch, viommu

from lab import qemus
from lab.guest import find_probe

KERNEL_6_12 = 'linux-image-6.12*-cloud-amd64'
DRIVER_BDF = '00:06.0'          # a device whose mappings a driver of the kernel makes
DEVICES = ('edu,addr=04.0', 'edu,addr=05.0',
           f'virtio-serial-pci,addr={DRIVER_BDF.removeprefix("00:")},iommu_platform=on,disable-legacy=on')
INSTANCES = '/sys/kernel/tracing/instances'
PROGRAMS = {name: os.path.join(os.environ.get('VIOMMU_GUEST_PROGRAMS', ''), 'prog-' + name)
            for name in ('plain', 'threads', 'forks', 'storm')}
PAGE = 4096


def run(iova, gpa, size):
    """(iova, gpa) of each page of it."""
    return zip(range(iova, iova + size, PAGE), range(gpa, gpa + size, PAGE))


class Traced:
    """A traced record: `pages` is {space: {iova: gpa}} at its end."""

    def __init__(self, text):
        self.text = text
        self.events = [json.loads(line) for line in text.splitlines()]
        self.pages, self.devices = {}, {}
        for event in self.events[1:]:
            getattr(self, '_' + event['event'], lambda event: None)(event)

    def _attach(self, event):
        self.devices.setdefault(event['space'], set()).add(event['device'])

    def _detach(self, event):
        self.devices[event['space']].remove(event['device'])

    def _map(self, event):
        if 'errno' in event:
            return
        iova, pages = int(event['iova'], 16), self.pages.setdefault(event['space'], {})
        for extent in event['extents']:
            gpa, size = int(extent['gpa'], 16), int(extent['size'], 16)
            pages.update(run(iova, gpa, size))
            iova += size

    def _unmap(self, event):
        if 'errno' in event:
            return
        iova, size = int(event['iova'], 16), int(event['size'], 16)
        pages = self.pages.get(event['space'], {})
        gone = range(iova, iova + size, PAGE)
        for page in [page for page in pages if page in gone] if len(gone) > len(pages) else gone:
            pages.pop(page, None)

    def of(self, bdf):
        """{iova: gpa} of the spaces that the device is in."""
        return {iova: gpa for space, devices in self.devices.items() if '0000:' + bdf in devices
                for iova, gpa in self.pages.get(space, {}).items()}

    def kinds(self, kind):
        return [event for event in self.events if event['event'] == kind]

    def lost(self):
        return sum(event['count'] for event in self.kinds('lost'))


def mapped(state):
    """{iova: gpa} of a record.State."""
    pages = {}
    for mapping in state.held:
        iova = mapping.iova
        for gpa, size in mapping.extents:
            pages.update(run(iova, gpa, size))
            iova += size
    return pages


class TraceCase(Case):
    kernel, smp, iommu = None, 1, qemus.IOMMU

    @classmethod
    def setUpClass(cls):
        programs = [path for path in (find_probe(), *PROGRAMS.values()) if path and os.path.exists(path)]
        cls.guest = boot(kernel=cls.kernel, devices=DEVICES, programs=programs, smp=cls.smp, iommu=cls.iommu)
        cls.addClassCleanup(cls.guest.close)

    def trace(self, options='', seconds=120):
        """(exit status, what it said, the record)"""
        status, text = self.guest.sh(f'viommu-probe trace --force -o /tmp/traced {options}', seconds)
        return status, text, self.fetch()

    def start(self, options=''):
        """The trace in the background, and it has begun."""
        self.guest.must('rm -f /tmp/traced')
        process = self.guest.spawn(f'viommu-probe trace -o /tmp/traced {options}')
        self.guest.must('until grep -q begun /tmp/traced; do usleep 50000; done')
        return process

    def stop(self, process, name='INT'):
        process.signal(name)
        self.assertEqual(process.wait(), 0, process.output())
        return self.fetch()

    def fetch(self):
        text = self.guest.must('gzip -c /tmp/traced | base64 -w 0', 120)
        return Traced(zlib.decompress(base64.b64decode(text), 31).decode())

    def assert_nothing_left(self):
        self.assertEqual(self.guest.sh('pidof viommu-probe')[1], '')
        self.assertEqual(self.guest.must(f'ls {INSTANCES}').strip(), '')

    def verify(self, traced):
        path = os.path.join(scratch(), 'traced.jsonl')
        with open(path, 'w') as handle:
            handle.write(traced.text)
        process, result = viommu.verify('-q', self.guest.target, path)
        return process, result

    def assert_all_match(self, traced, pages):
        """viommu finds each of the pages where the trace says, and nothing amiss."""
        process, result = self.verify(traced)
        found = set()
        for run in result['runs']:
            if run['verdict'] == 'match':
                found.update(range(int(run['first'], 16), int(run['last'], 16), PAGE))
            else:
                self.assertEqual(run['verdict'], 'unrecorded', run)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(found, set(pages))
        return result

    def need(self, name):
        if not os.path.exists(PROGRAMS[name]):
            self.skipTest(f'no prog-{name}: $VIOMMU_GUEST_PROGRAMS does not name tests/vm/programs of a build')

    def bind(self):
        self.guest.must(f'echo vfio-pci >/sys/bus/pci/devices/0000:{BDF}/driver_override; '
                        f'echo 0000:{BDF} >/sys/bus/pci/drivers_probe; rm -f /run/at.* /run/go.*')
