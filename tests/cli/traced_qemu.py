# SPDX-License-Identifier: GPL-2.0-or-later
"""A fake QEMU that has trace events, and a viommu trace of it."""

import fnmatch
import os
import re

from cli import Case, run, start
from fake_qmp import FakeQemu
from test_guard import wait_until

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
