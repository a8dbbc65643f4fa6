# SPDX-License-Identifier: GPL-2.0-or-later
"""What the vm tests share: booting, and the words for a skip."""

import contextlib
import os
import random
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

from lab import cleanup, faults, qemus, viommu              # noqa: E402
from lab.errors import LabError, Unavailable                # noqa: E402
from lab.guest import Guest, find_probe                     # noqa: E402
from lab.held import Held                                   # noqa: E402

BDF = '00:04.0'
SEED = int(os.environ.get('VIOMMU_SEED', '1'))


def boot(mode=None, width=48, **options):
    """A Guest, with its vIOMMU in a mode of lab.qemus; skips the tests where
    none can be had (VIOMMU_VM_REQUIRED=1 makes that a failure)."""
    try:
        if mode:
            options.update(qemus.mode(mode, options.get('qemu'), width))
        if options.get('system', True) and options.get('programs') is None and not find_probe():
            raise LabError('viommu-probe is not built: meson setup build && ninja -C build')
        return Guest(**options)
    except Unavailable as error:
        if os.environ.get('VIOMMU_VM_REQUIRED') == '1':
            raise
        raise unittest.SkipTest(str(error)) from None


def rng(name):
    """Random, and the same in each run unless VIOMMU_SEED says otherwise."""
    return random.Random(f'{SEED} {name}')


def runs(result):
    return [(run['verdict'], run['first'], run['last'], run['devices']) for run in result['runs']]


class Case(unittest.TestCase):
    maxDiff = None

    def assert_true_result(self, result, state, *there):
        found = faults.complaints(result, state, *there)
        if found:
            about = [str(fault) for fault in there if fault] or ['no fault']
            self.fail('\n'.join([*about, f'VIOMMU_SEED={SEED}', *found]))

    def assert_tables_true(self, tables, state):
        """Our own walk finds every recorded page, at its GPA, and nothing else."""
        found = 0
        for leaf in tables.leaves():
            mapping = state.find(leaf.iova)
            self.assertIsNotNone(mapping, f'{leaf.iova:#x} is in no record')
            self.assertEqual(leaf.gpa, mapping.gpa(leaf.iova), f'{leaf.iova:#x}')
            # Linux 5.13 and later add read to what was asked for as write only.
            allowed = ({'w'}, {'r', 'w'}) if mapping.prot == 'w' else (set(mapping.prot),)
            self.assertIn(set(leaf.prot) - {'-'}, allowed, f'{leaf.iova:#x}')
            found += leaf.size
        self.assertEqual(found, sum(mapping.size for mapping in state.held))

    def assert_each_bit(self, held, size):
        """One flipped bit of a leaf of this size: wrong address, permission,
        reserved bit, or nothing."""
        held.guest.qmp.command('stop')      # then viommu need not look twice
        try:
            tables = held.tables()
            for group in faults.bits_flipped(tables, held.state, rng(f'{self.id()} {size}'), size):
                with contextlib.ExitStack() as stack:
                    for fault in group:
                        stack.enter_context(fault)
                    result = viommu.verify('-q', held.guest.target, held.record)[1]
                self.assert_true_result(result, held.state, *group)
        finally:
            held.guest.qmp.command('cont')

    def assert_sentence(self, process, status, *words):
        """`process` ended with `status` and said why in one line of stderr."""
        text = f'exit status {process.returncode}\n{process.stderr}{process.stdout[:500]}'
        self.assertEqual(process.returncode, status, text)
        lines = [line for line in process.stderr.splitlines() if line.strip()]
        self.assertIn(len(lines), (1, 2), text)     # what happened, and maybe what to do next
        for word in words:
            self.assertIn(word.lower(), process.stderr.lower(), text)

    def assert_running(self, guest, seconds=5):
        end = time.monotonic() + seconds
        while guest.qmp.status() != 'running':
            if time.monotonic() > end:
                status = guest.qmp.status()
                guest.qmp.command('cont')
                self.fail(f'the guest is {status} after {seconds} s')
            time.sleep(0.05)


def scratch():
    """A temporary directory that goes with the process."""
    return cleanup.temp_dir('viommu-test.')


__all__ = ['BDF', 'Case', 'Held', 'LabError', 'boot', 'faults', 'rng', 'runs', 'scratch', 'viommu']
