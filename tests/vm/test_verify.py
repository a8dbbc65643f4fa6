# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu verify on a real guest: no false alarm, and no fault missed."""

import os
import shutil

from common import BDF, Case, Held, boot, faults, rng, runs, scratch, viommu
from proxy import Proxy

import tap

GUEST = None
SAVED = []          # (title, snapshot, record, runs seen live, state, fault)
SCRATCH = scratch()


def setUpModule():
    global GUEST
    GUEST = boot()


def tearDownModule():
    if GUEST:
        GUEST.close()


class _OnPattern(Case):
    options = ''

    @classmethod
    def setUpClass(cls):
        cls.held = Held(GUEST, BDF, cls.options)

    @classmethod
    def tearDownClass(cls):
        if GUEST.alive():
            cls.held.release()

    def verify(self, *arguments):
        return viommu.verify('-q', GUEST.target, *arguments, self.held.record)[1]

    def save(self, title, fault=None):
        """verify --save, kept for when QEMU is gone."""
        snapshot = os.path.join(SCRATCH, f'{len(SAVED)}.core')
        result = self.verify('--save', snapshot)
        kept = shutil.copy(self.held.record, os.path.join(SCRATCH, f'{len(SAVED)}.jsonl'))
        SAVED.append((title, snapshot, kept, runs(result), self.held.state, fault))
        return result

    def clean(self):
        self.assert_true_result(self.verify(), self.held.state)

    def one_fault(self, kind, size=None):
        tables = self.held.tables()
        fault = kind(tables, self.held.state, rng(f'{kind.name} {size}'), size)
        with fault:
            self.assert_true_result(self.save(str(fault), fault), self.held.state, fault)
        self.clean()


class DefaultPattern(_OnPattern):
    def test_all_match(self):
        """every mapping of the default pattern is found, and nothing else"""
        self.assert_true_result(self.save('default pattern'), self.held.state)

    def test_process_memory(self):
        self.assert_true_result(self.verify('--memory', 'process'), self.held.state)

    def test_xp(self):
        self.assert_true_result(self.verify('--memory', 'xp'), self.held.state)

    def test_paused(self):
        self.assert_true_result(self.verify('--pause'), self.held.state)
        self.assert_running(GUEST)

    def test_no_permission(self):
        """without the right to read QEMU's memory, xp serves, and --debug says why"""
        if os.geteuid() != 0 or not shutil.which('setpriv'):
            self.skipTest('needs root and setpriv, to give a capability up')
        prefix = ('setpriv', '--bounding-set', '-sys_ptrace')
        process = viommu.run('verify', '--debug', '-q', GUEST.target, self.held.record, prefix=prefix)
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn('xp', process.stderr)
        self.assertRegex(process.stderr, 'EPERM|EACCES|not permitted|[Pp]ermission')
        process = viommu.run('verify', '--memory', 'process', '-q', GUEST.target, self.held.record,
                             prefix=prefix)
        self.assert_sentence(process, 1, 'memory')

    def test_forwarder(self):
        """behind a forwarder (socat, ssh -L) the socket's peer is not QEMU"""
        path = os.path.join(SCRATCH, 'forward.sock')
        proxy = Proxy(GUEST.target.removeprefix('unix:'), path, None, None)
        self.addCleanup(proxy.close)
        result = viommu.verify('-q', 'unix:' + path, self.held.record)[1]
        self.assert_true_result(result, self.held.state)

    def test_at_held(self):
        self.assert_true_result(self.verify('--at', 'held'), self.held.state)

    def test_each_bit(self):
        """one flipped bit of a leaf, each in turn: wrong address, permission, reserved bit, or nothing"""
        for size in (4096, 2 << 20):
            with self.subTest(size=size):
                self.assert_each_bit(self.held, size)
        self.clean()

    def test_text(self):
        """the text report names the overwritten page, its entry, and both addresses"""
        tables = self.held.tables()
        with faults.AddressChanged(tables, self.held.state, rng('text'), 4096) as fault:
            process = viommu.run('verify', '-q', GUEST.target, self.held.record)
        self.assertEqual(process.returncode, 3, process.stderr)
        wrong = fault.entry & 0xffffffffff000
        right = fault.step.entry & 0xffffffffff000
        for number in (fault.step.iova, wrong, right, fault.step.entry_gpa):
            self.assertIn(f'{number:x}', process.stdout)

    def test_walk_agrees(self):
        """viommu walk names the entry that our own reader finds"""
        leaves = self.held.tables().leaves()
        for size in sorted({leaf.size for leaf in leaves}):
            leaf = rng('walk').choice([leaf for leaf in leaves if leaf.size == size])
            process = viommu.run('walk', '-q', GUEST.target, BDF, f'{leaf.iova:#x}')
            self.assertEqual(process.returncode, 0, process.stderr)
            self.assertIn(f'{leaf.entry_gpa:x}', process.stdout)
            self.assertIn(f'{leaf.entry:x}', process.stdout)


class UnmapHalf(_OnPattern):
    """Half of the mappings are gone again when the rest is held."""
    options = '--unmap-half'

    def test_all_match(self):
        self.assertTrue(self.held.state.unmapped)
        self.assert_true_result(self.save('half unmapped'), self.held.state)


def _fault_test(kind, size=None):
    def test(self):
        self.one_fault(kind, size)
    test.__doc__ = f'{kind.name} is {kind.verdict}, live, and clean after it is undone'
    return test


for _kind in faults.of_mode('legacy'):
    _name = 'test_fault_' + _kind.name.replace('-', '_')
    if _kind is faults.LeftBehind:
        setattr(UnmapHalf, _name, _fault_test(_kind))
        continue
    setattr(DefaultPattern, _name, _fault_test(_kind))
    if _kind in (faults.AddressChanged, faults.PresentCleared, faults.WriteDropped, faults.ReservedBit):
        for _size, _label in ((4096, '4k'), (2 << 20, '2m'), (1 << 30, '1g')):
            setattr(DefaultPattern, f'{_name}_{_label}', _fault_test(_kind, _size))


class AfterTheEnd(Case):
    """The record has ended, and its mappings are gone."""

    @classmethod
    def setUpClass(cls):
        cls.then = os.path.join(SCRATCH, 'then.elf')
        with Held(GUEST, BDF, '--count 16 --size 16k --unmap-half') as held:
            cls.held = held
            process = viommu.run('capture', '-q', GUEST.target, '-o', cls.then)
            if process.returncode:
                raise AssertionError(process.stderr)
            cls.copy = shutil.copy(held.record, os.path.join(SCRATCH, 'copy.jsonl'))

    def test_now(self):
        """no device is attached any more: that is no success"""
        process = viommu.run('verify', '-q', GUEST.target, self.held.record)
        self.assertEqual(process.returncode, 4, process.stderr)
        self.assertIn('nothing to verify', process.stderr)

    def test_at_held(self):
        """of the moment before that, the tables of now say nothing: no page is missing"""
        process, result = viommu.verify('-q', GUEST.target, '--at', 'held', self.held.record)
        pages = sum(mapping.size for mapping in self.held.state.held) // 4096
        self.assertEqual((process.returncode, result['counts']['unverified']['pages']), (0, pages))
        self.assertFalse([run for run in result['runs'] if run['verdict'] not in ('unverified', 'unmapped')])

    def test_copy_of_then(self):
        """a record that was copied before its end is not known to be old, but that it may be is said"""
        process, result = viommu.verify('-q', GUEST.target, self.copy)
        self.assertEqual(process.returncode, 3)
        item, = [item for item in result['findings'] if item['code'] == 'record-not-held']
        self.assertIn('32 pages, not one is in the table, and the record has no end', item['instances'][0]['seen'])

    def test_snapshot_of_then(self):
        """those of then do"""
        self.assert_true_result(viommu.verify('-s', self.then, '--at', 'held', self.held.record)[1], self.held.state)


class WithQemuGone(Case):
    """Runs last (classes run in the order of their names)."""

    def test_snapshots(self):
        """each saved snapshot gives the runs that were seen live"""
        if not SAVED:
            self.skipTest('no snapshot was saved')
        GUEST.kill()
        for title, snapshot, kept, seen, state, fault in SAVED:
            with self.subTest(title):
                result = viommu.verify('-s', snapshot, kept)[1]
                self.assertEqual(runs(result), seen)
                self.assert_true_result(result, state, fault)


if __name__ == '__main__':
    tap.main()
