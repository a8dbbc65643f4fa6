# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of viommu-probe record share: a guest with programs that know
nothing of it (tests/vm/programs), one of them recorded, step by step."""

import glob
import os
import time
import unittest

from common import BDF, Case, boot, viommu

from lab import record, vtd
from lab.errors import GuestError
from lab.guest import DEFAULT_DEVICES, RECORD_PORT, find_probe
from lab.memory import GuestMemory

DEVICE = '0000:' + BDF
PROGRAMS = os.environ.get('VIOMMU_GUEST_PROGRAMS', '')
STEP_SECONDS = 120


def pages_of(result):
    """{verdict: how many pages}"""
    pages = {}
    for run in result['runs']:
        size = int(run['last'], 16) - int(run['first'], 16) + 1
        pages[run['verdict']] = pages.get(run['verdict'], 0) + size // 4096
    return pages


class Recorded:
    """with Recorded(guest, 'plain', DEVICE) as recorded: recorded.at(1); …; recorded.go(1)"""

    def __init__(self, guest, program, *arguments, options=f'-o {RECORD_PORT}'):
        self.guest, self.path = guest, guest.record
        guest.must('rm -f /run/at.* /run/go.*')
        guest.clear_record()
        self.process = guest.spawn(f'viommu-probe record {options} -- prog-{program} {" ".join(arguments)}')

    def at(self, step, seconds=STEP_SECONDS):
        status, _ = self.guest.sh(f'until [ -e /run/at.{step} ]; do usleep 20000; done', seconds)
        if status != 0:
            raise GuestError(f'step {step} was not reached\n{self.process.output()}\n'
                             + '\n'.join(map(str, record.events(self.path)[-5:])))

    def at_rest(self):
        """Until the record says that nothing goes on any more."""
        end = time.monotonic() + STEP_SECONDS
        while self.events()[-1].get('name') != 'rest':
            if time.monotonic() > end:
                raise GuestError('no mark\n' + '\n'.join(map(str, self.events()[-5:])))
            time.sleep(0.1)

    def go(self, step):
        self.guest.must(f'touch /run/go.{step}')

    def go_on_to_the_end(self):
        self.guest.must('for step in 1 2 3 4 5; do touch /run/go.$step; done')
        return self.process.wait(STEP_SECONDS)

    def events(self, kind=None):
        events = record.events(self.path)[1:]
        return [e for e in events if kind in (None, e['event'])]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.guest.alive() and self.process.poll() is None:
            self.go_on_to_the_end()


class RecordCase(Case):
    kernel = None
    load = ()               # modules
    append = ''             # to the kernel's command line
    devices = DEFAULT_DEVICES
    bind = (BDF,)

    @classmethod
    def setUpClass(cls):
        programs = list(filter(os.path.isfile, glob.glob(os.path.join(PROGRAMS, 'prog-*'))))
        if not programs:
            raise unittest.SkipTest('VIOMMU_GUEST_PROGRAMS is not set; meson does that')
        cls.guest = boot(kernel=cls.kernel, programs=[find_probe(), *programs], more_modules=cls.load, append=cls.append,
                         devices=cls.devices)
        cls.addClassCleanup(cls.guest.close)
        for bdf in cls.bind:
            cls.guest.must(f'echo vfio-pci >/sys/bus/pci/devices/0000:{bdf}/driver_override && '
                           f'echo 0000:{bdf} >/sys/bus/pci/drivers_probe')

    def setUp(self):
        # What a failed test left behind holds the device.
        self.guest.must('pkill -KILL prog-; while pgrep prog- >/dev/null; do usleep 20000; done; '
                        'pkill -KILL viommu-probe; while pgrep viommu-probe >/dev/null; do usleep 20000; done')

    def recorded(self, *arguments, **options):
        return Recorded(self.guest, *arguments, **options)

    def assert_verified(self, recorded, unverified=0):
        """Everything matches, and nothing is there that is not in the record."""
        process, result = viommu.verify('-q', self.guest.target, recorded.path)
        self.assertEqual(process.returncode, 0, process.stdout)
        pages = pages_of(result)
        self.assertGreater(pages.pop('match', 0), 0, process.stdout)
        self.assertEqual(pages.pop('unverified', 0), unverified, process.stdout)
        self.assertEqual(pages, {}, process.stdout)
        self.assertFalse(any(target.get('not_in_record') for target in result.get('targets', ())))

    def assert_nothing_left(self, recorded):
        """What was mapped is unmapped, in the record and in the tables."""
        events = recorded.events()
        self.assertEqual(events[-1]['event'], 'end')
        self.assertEqual([e['seq'] for e in events], list(range(1, len(events) + 1)))
        self.assertEqual(recorded.events('lost'), [])
        self.assertEqual(record.state(recorded.path, BDF).held, [])
        attached = [e['space'] for e in events if e['event'] == 'attach']
        self.assertEqual(sorted(attached), sorted(e['space'] for e in events if e['event'] == 'detach'))
        iovas = {int(e['iova'], 16) for e in recorded.events('map') if 'errno' not in e}
        memory = GuestMemory(self.guest)
        try:
            left = {leaf.iova for leaf in vtd.Tables(memory, BDF).leaves()}
        finally:
            memory.close()
        self.assertEqual(left & iovas, set())

    def reasons(self, recorded):
        return {e['reason'] for e in recorded.events() if e['event'] in ('unmap', 'detach') and 'reason' in e}
