# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults to put into a live guest's tables, from outside.

Each one spoils one entry, knows which IOVAs that must show up under which
verdict, and puts the entry back."""

from . import vtd
from .record import coalesce, subtract

PAGE = 4096


class NoVictim(Exception):
    """The tables hold nothing that this fault could spoil."""


class Fault:
    """apply() sets `expected`: the inclusive IOVA ranges that must be named."""
    name = verdict = None

    def __init__(self, tables, state, rng, size=None):
        """`size`: spoil an entry that covers so many bytes; default any."""
        self.tables, self.state, self.rng, self.size = tables, state, rng, size
        self.expected = []
        self._saved = None

    def victims(self):
        """Entries to choose from; the default is every recorded leaf."""
        return [leaf for leaf in self.tables.leaves() if self.state.find(leaf.iova)]

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

    def recorded(self, step):
        return self.state.within(step.iova, step.last)

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
    bit = None                  # of the entry; None: one of chance

    def spoil(self, step):
        wrong = step.size << self.rng.randrange(2) if self.bit is None else 1 << self.bit
        return step.entry ^ wrong, self.recorded(step)


class PresentCleared(Fault):
    name, verdict = 'present-cleared', 'missing'

    def spoil(self, step):
        return step.entry & ~(vtd.READ | vtd.WRITE), self.recorded(step)


class WriteDropped(Fault):
    name, verdict = 'write-dropped', 'wrong-permission'

    def victims(self):
        both = vtd.READ | vtd.WRITE
        return [leaf for leaf in super().victims() if leaf.entry & both == both]

    def spoil(self, step):
        return step.entry & ~vtd.WRITE, self.recorded(step)


class ReservedBit(Fault):
    name, verdict = 'reserved-bit', 'reserved-bit'

    def victims(self):
        if self.tables.ecap & vtd.ECAP_SC:
            return []           # bit 11 is SNP there, and allowed
        return super().victims()

    def spoil(self, step):
        return step.entry | vtd.SNOOP, self.recorded(step)


class DirectoryCleared(Fault):
    name, verdict = 'directory-cleared', 'missing'

    def victims(self):
        return [step for step in self.tables.steps()
                if step.level == 2 and not step.leaf and self.recorded(step)]

    def spoil(self, step):
        return 0, self.recorded(step)


class ContextCleared(Fault):
    name, verdict = 'context-cleared', 'no-context'

    def victims(self):
        gpa = self.tables.context_gpa
        return [vtd.Step(self.tables.levels + 1, gpa, self.tables.memory.read_u64(gpa), 0)]

    def spoil(self, step):
        return step.entry & ~1, self.recorded(step)


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
        return gpa | vtd.READ | vtd.WRITE, [(step.iova, step.last)]


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
                if entries[index] == 0 and not self.state.ever(iova):
                    found.append(vtd.Step(1, step.gpa + 8 * index, 0, iova))
                    break
        return found

    def spoil(self, step):
        gpa = self.rng.randrange(0x1000, 0x20000) * PAGE
        return gpa | vtd.READ | vtd.WRITE, [(step.iova, step.last)]


ALL = (AddressChanged, PresentCleared, WriteDropped, ReservedBit, DirectoryCleared,
       ContextCleared, LeftBehind, ExtraMapping)


def complaints(result, state, fault=None):
    """Compares a JSON result of `viommu verify` with what is true: a list of
    sentences, empty when every page has the verdict it should have."""
    held = coalesce((m.iova, m.last) for m in state.held)
    wanted = {'match': held}
    if fault:
        wanted = {'match': subtract(held, fault.expected), fault.verdict: coalesce(fault.expected)}
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
    status = 3 if fault else 0
    if result['exit_status'] != status:
        found.append(f'exit_status {result["exit_status"]} in the JSON, not {status}')
    return found
