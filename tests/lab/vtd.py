# SPDX-License-Identifier: GPL-2.0-or-later
"""The second opinion: a small reader of VT-d tables in legacy mode, written
from the specification (Intel VT-d, "Translation Structure Formats") and not
from viommu's own walker, so that one mistake does not hide in both."""

from dataclasses import dataclass

from .errors import GuestError

BASE = 0xfed90000
REG_CAP, REG_ECAP, REG_GSTS, REG_RTADDR = 0x08, 0x10, 0x1c, 0x20
GSTS_TES = 1 << 31
ECAP_SC = 1 << 7
READ, WRITE, LARGE, SNOOP = 1 << 0, 1 << 1, 1 << 7, 1 << 11
ADDRESS = ((1 << 52) - 1) & ~0xfff


@dataclass
class Step:
    """One entry on the way from the top table to the leaf."""
    level: int
    entry_gpa: int
    entry: int
    iova: int                   # first IOVA that this entry covers

    @property
    def size(self):
        return 1 << (12 + 9 * (self.level - 1))

    @property
    def last(self):
        return self.iova + self.size - 1

    @property
    def present(self):
        return bool(self.entry & (READ | WRITE))

    @property
    def leaf(self):
        return self.level == 1 or bool(self.entry & LARGE)

    @property
    def gpa(self):
        return self.entry & ADDRESS & -self.size if self.leaf else self.entry & ADDRESS


def source_id(bdf):
    """"0000:00:04.0" or "00:04.0" as a requester id."""
    bus, device, function = bdf.replace('.', ':').split(':')[-3:]
    return int(bus, 16) << 8 | int(device, 16) << 3 | int(function, 16)


class Tables:
    """The translation of one device."""

    def __init__(self, memory, bdf):
        self.memory = memory
        self.bdf = bdf
        self.ecap = memory.register(BASE + REG_ECAP, 8)
        if not memory.register(BASE + REG_GSTS, 4) & GSTS_TES:
            raise GuestError('the vIOMMU does not translate (GSTS.TES is 0)')
        root = memory.register(BASE + REG_RTADDR, 8)
        if root & 0xc00:
            raise GuestError('the vIOMMU is not in legacy mode (RTADDR.TTM)')
        sid = source_id(bdf)
        root_entry = memory.read_u64((root & ADDRESS) + 16 * (sid >> 8))
        if not root_entry & 1:
            raise GuestError(f'no root entry for {bdf}')
        self.context_gpa = (root_entry & ADDRESS) + 16 * (sid & 0xff)
        low, high = (memory.read_u64(self.context_gpa + offset) for offset in (0, 8))
        if not low & 1:
            raise GuestError(f'no context entry for {bdf}')
        if low >> 2 & 3 not in (0, 1):
            raise GuestError(f'{bdf} is passed through')
        self.top = low & ADDRESS
        self.levels = (high & 7) + 2

    def walk(self, iova):
        """The steps down to the leaf, or to the first entry that is not present."""
        steps, table = [], self.top
        for level in range(self.levels, 0, -1):
            shift = 12 + 9 * (level - 1)
            entry_gpa = table + 8 * (iova >> shift & 511)
            step = Step(level, entry_gpa, self.memory.read_u64(entry_gpa), iova >> shift << shift)
            steps.append(step)
            if step.leaf or not step.present:
                break
            table = step.gpa
        return steps

    def steps(self):
        """Every present entry of the whole table, directories before leaves."""
        def visit(table, level, iova):
            shift = 12 + 9 * (level - 1)
            for index, entry in enumerate(self.memory.read_table(table)):
                step = Step(level, table + 8 * index, entry, iova + (index << shift))
                if step.present:
                    yield step
                    if not step.leaf:
                        yield from visit(step.gpa, level - 1, step.iova)
        return visit(self.top, self.levels, 0)

    def leaves(self):
        return [step for step in self.steps() if step.leaf]
