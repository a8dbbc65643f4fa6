# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults to put into a live guest's tables, from outside.

Each one spoils one entry, knows which IOVAs that must show up under which
verdict, and puts the entry back."""

import random

from . import vtd
from .record import coalesce, subtract

PAGE = 4096
EVERYWHERE = (0, (1 << 64) - 1)
SECOND = ('legacy', 'scalable')
SCALABLE = ('scalable', 'first')


class NoVictim(Exception):
    """The tables hold nothing that this fault could spoil."""


class Fault:
    """apply() sets `expected`: the inclusive IOVA ranges that must be named,
    as `verdict`.  `modes`: those of vtd.Tables that have such an entry."""
    name = verdict = None
    modes = SECOND + ('first',)

    def __init__(self, tables, state, rng, size=None):
        """`size`: spoil an entry that covers so many bytes; default any."""
        self.tables, self.state, self.rng, self.size = tables, state, rng, size
        self.expected = []
        self._saved = None

    def victims(self):
        """Entries to choose from; the default is every recorded leaf."""
        return [leaf for leaf in self.tables.leaves() if self.state.find(leaf.iova)]

    def directories(self):
        """The entries that lead to a recorded leaf."""
        return [step for step in self.tables.steps() if not step.leaf and self.recorded(step)]

    def spoil(self, step):
        """(new entry, IOVA ranges that this spoils)"""
        raise NotImplementedError

    def apply(self):
        victims = [step for step in self.victims() if self.size in (None, step.size)]
        if not victims:
            raise NoVictim(self.name)
        # By size first, or the many 4 KiB pages would hide the few huge ones.
        size = self.rng.choice(sorted({step.size for step in victims}))
        step = self.rng.choice([step for step in victims if step.size == size])
        self.step = step
        self.entry, self.expected = self.spoil(step)
        self._saved = step.entry
        self.tables.memory.write_u64(step.entry_gpa, self.entry)

    def undo(self):
        if self._saved is not None:
            self.tables.memory.write_u64(self.step.entry_gpa, self._saved)
            self._saved = None

    def recorded(self, step, permission=''):
        """What L1 asked for there, with at least this permission."""
        return self.state.within(step.iova, step.last, permission)

    def __enter__(self):
        self.apply()
        return self

    def __exit__(self, *_):
        self.undo()

    def __str__(self):
        return (f'{self.name}: level {self.step.level} entry at GPA {self.step.entry_gpa:#x} '
                f'for IOVA {self.step.iova:#x}, {self.step.entry:#x} -> {self.entry:#x}')


class AddressChanged(Fault):
    name, verdict = 'address-changed', 'wrong-address'

    def spoil(self, step):
        return step.entry ^ step.size << self.rng.randrange(2), self.recorded(step)


class PresentCleared(Fault):
    name, verdict = 'present-cleared', 'missing'

    def spoil(self, step):
        return step.stage.absent(step.entry), self.recorded(step)


class WriteDropped(Fault):
    name, verdict = 'write-dropped', 'wrong-permission'

    def victims(self):
        return [leaf for leaf in super().victims() if leaf.prot == 'rw']

    def spoil(self, step):
        return step.entry & ~step.stage.WRITE, self.recorded(step)


class ReadDropped(Fault):
    """A first stage cannot express it."""
    name, verdict, modes = 'read-dropped', 'wrong-permission', SECOND

    def victims(self):
        # What was asked for as write only is right without read.
        return [leaf for leaf in super().victims()
                if leaf.prot == 'rw' and 'r' in self.state.find(leaf.iova).prot]

    def spoil(self, step):
        return step.entry & ~step.stage.READ, self.recorded(step)


class UserCleared(Fault):
    """The supervisor's bit, at any level: no device is a supervisor."""
    name, verdict, modes = 'user-cleared', 'wrong-permission', ('first',)

    def victims(self):
        return super().victims() + self.directories()

    def spoil(self, step):
        return step.entry & ~step.stage.USER, self.recorded(step)


class DirectoryWriteDropped(Fault):
    """Only what was asked for with write is wrong then."""
    name, verdict = 'dir-write-dropped', 'wrong-permission'

    def victims(self):
        # A leaf that can only be written, as Linux makes them since 7.0, would be gone.
        gone = [leaf.iova for leaf in self.tables.leaves() if leaf.prot == '-w']
        return [step for step in self.directories()
                if self.recorded(step, 'w') and not any(step.iova <= iova <= step.last for iova in gone)]

    def spoil(self, step):
        return step.entry & ~step.stage.WRITE, self.recorded(step, 'w')


class ReservedBit(Fault):
    name, verdict = 'reserved-bit', 'reserved-bit'

    def spoil(self, step):
        return step.entry | 1 << self.rng.choice(self.tables.reserved_bits(step)), self.recorded(step)


class DirectoryReservedBit(ReservedBit):
    name = 'dir-reserved-bit'

    def victims(self):
        return self.directories()


class DirectoryCleared(Fault):
    name, verdict = 'directory-cleared', 'missing'

    def victims(self):
        return self.directories()

    def spoil(self, step):
        return 0, self.recorded(step)


class _OnTheWay(Fault):
    """An entry that leads to the page table: all that L1 asked for is concerned."""

    def gpa(self):
        raise NotImplementedError

    def victims(self):
        gpa = self.gpa()
        return [vtd.Step(self.tables.levels + 1, gpa, self.tables.memory.read_u64(gpa), 0)]

    def spoil(self, step):
        return self.value(step.entry), self.state.within(*EVERYWHERE)

    def value(self, entry):
        return entry & ~vtd.PRESENT


class RootCleared(_OnTheWay):
    name, verdict = 'root-cleared', 'no-context'

    def gpa(self):
        return self.tables.root_gpa


class ContextCleared(_OnTheWay):
    name, verdict = 'context-cleared', 'no-context'

    def gpa(self):
        return self.tables.context_gpa


class PasidDirectoryCleared(_OnTheWay):
    name, verdict, modes = 'pasid-dir-cleared', 'no-context', SCALABLE

    def gpa(self):
        return self.tables.pasid_directory_gpa


class PasidCleared(_OnTheWay):
    name, verdict, modes = 'pasid-cleared', 'no-context', SCALABLE

    def gpa(self):
        return self.tables.pasid_gpa


class PasidType(PasidCleared):
    """A PGTT that no version of the specification defines."""
    name = 'pasid-type'

    def value(self, entry):
        return entry & ~(7 << vtd.PGTT_SHIFT) | self.rng.choice((0, 5, 6, 7)) << vtd.PGTT_SHIFT


class PassThrough(_OnTheWay):
    name, verdict = 'pass-through', 'pass-through'

    def gpa(self):
        return self.tables.context_gpa if self.tables.mode == 'legacy' else self.tables.pasid_gpa

    def victims(self):
        return super().victims() if self.tables.ecap & vtd.ECAP_PT else []

    def value(self, entry):
        if self.tables.mode == 'legacy':
            return entry & ~(3 << vtd.TT_SHIFT) | vtd.TT_PASS_THROUGH << vtd.TT_SHIFT
        return entry & ~(7 << vtd.PGTT_SHIFT) | vtd.PGTT_PASS_THROUGH << vtd.PGTT_SHIFT


class LeftBehind(Fault):
    """An IOVA that L1 has unmapped is in the table again."""
    name, verdict = 'left-behind', 'stale'

    def victims(self):
        found = []
        for mapping in self.state.unmapped:
            step = self.tables.walk(mapping.iova)[-1]
            if step.level == 1 and step.entry == 0 and not self.state.find(mapping.iova):
                found.append(step)
        return found

    def spoil(self, step):
        gpa = next(m for m in self.state.unmapped if m.iova <= step.iova <= m.last).gpa(step.iova)
        return step.stage.page(gpa), [(step.iova, step.last)]


class ExtraMapping(Fault):
    name, verdict = 'extra-mapping', 'unexpected'

    def victims(self):
        found = []
        for step in self.tables.steps():
            if step.level != 2 or step.leaf:
                continue
            entries = self.tables.memory.read_table(step.gpa)
            for index in self.rng.sample(range(512), 512):
                iova = step.iova + index * PAGE
                # No DMA to the interrupt range gets to a table.
                if entries[index] == 0 and not self.state.ever(iova) and iova >> 20 != 0xfee:
                    found.append(vtd.Step(1, step.gpa + 8 * index, 0, iova, step.stage))
                    break
        return found

    def spoil(self, step):
        return step.stage.page(self.rng.randrange(0x1000, 0x20000) * PAGE), [(step.iova, step.last)]


class IgnoredBits(Fault):
    """Not a fault: bits that mean something else, or nothing."""
    name, verdict = 'ignored-bits', 'match'

    def spoil(self, step):
        bits = self.tables.ignored_bits(step)
        chosen = self.rng.sample(bits, self.rng.randint(1, len(bits)))
        return step.entry ^ sum(1 << bit for bit in chosen), self.recorded(step)


class BitFlipped(Fault):
    """One bit of a leaf that L1 asked for with read and write."""
    name = 'bit-flipped'

    def __init__(self, tables, state, leaf, bit):
        super().__init__(tables, state, random.Random(0))
        self.leaf, self.bit = leaf, bit
        self.verdict = self._meaning()

    def _meaning(self):
        if self.bit in self.tables.reserved_bits(self.leaf):
            return 'reserved-bit'
        if self.bit in self.tables.ignored_bits(self.leaf):
            return 'match'
        if self.leaf.shift <= self.bit < 52:
            return 'wrong-address'
        return 'wrong-permission' if self.leaf.stage.present(self.leaf.entry ^ 1 << self.bit) else 'missing'

    def victims(self):
        return [self.leaf]

    def spoil(self, step):
        return step.entry ^ 1 << self.bit, self.recorded(step)


def bits_flipped(tables, state, rng, size):
    """Lists of BitFlipped: each bit of a leaf of this size once, as many at a
    time as there are leaves."""
    leaves = [leaf for leaf in tables.leaves()
              if leaf.size == size and (found := state.find(leaf.iova)) and found.prot == 'rw']
    # A large leaf without bit 7 names a page of data as a table: what that
    # gives is anybody's guess.
    bits = [bit for bit in range(64) if bit != 7 or size == PAGE]
    while bits:
        chosen = rng.sample(leaves, min(len(leaves), len(bits)))
        yield [BitFlipped(tables, state, leaf, bit) for leaf, bit in zip(chosen, bits)]
        del bits[:len(chosen)]


ALL = (AddressChanged, PresentCleared, WriteDropped, ReadDropped, UserCleared, DirectoryWriteDropped, ReservedBit,
       DirectoryReservedBit, DirectoryCleared, RootCleared, ContextCleared, PasidDirectoryCleared, PasidCleared,
       PasidType, PassThrough, LeftBehind, ExtraMapping, IgnoredBits)


def of_mode(mode):
    """The faults that tables of this mode can have."""
    return [kind for kind in ALL if mode in kind.modes]


def complaints(result, state, *faults):
    """Compares a JSON result of `viommu verify` with what is true while these
    faults are there: a list of sentences, empty when every page has the verdict
    it should have."""
    harmful = [fault for fault in faults if fault and fault.verdict != 'match']
    spoiled = {}
    for fault in harmful:
        spoiled.setdefault(fault.verdict, []).extend(fault.expected)
    wanted = {verdict: coalesce(ranges) for verdict, ranges in spoiled.items()}
    wanted['match'] = subtract(((m.iova, m.last) for m in state.held), sum(wanted.values(), []))
    seen = {}
    for run in result['runs']:
        seen.setdefault(run['verdict'], []).append((int(run['first'], 16), int(run['last'], 16)))
    found = []
    for verdict in sorted(set(wanted) | set(seen)):
        have, want = coalesce(seen.get(verdict, [])), wanted.get(verdict, [])
        for label, ranges in (('missed', subtract(want, have)), ('false alarm', subtract(have, want))):
            if ranges:
                text = ', '.join(f'{first:#x}-{last:#x}' for first, last in ranges[:5])
                found.append(f'{label}: {verdict} for {text}' + (' …' if len(ranges) > 5 else ''))
    if not harmful:
        found += [f'false alarm: finding {item["code"]} ({item["severity"]})' for item in result['findings']
                  if item['severity'] != 'note']
        found += [f'false alarm: link {link["link"]} is broken' for link in result['chain']
                  if any(part['state'] == 'broken' for part in link['pages'])]
    status = 3 if harmful else 0
    if result['exit_status'] != status:
        found.append(f'exit_status {result["exit_status"]} in the JSON, not {status}')
    return found
