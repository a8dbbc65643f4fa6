# SPDX-License-Identifier: GPL-2.0-or-later
"""The second opinion: a small reader of VT-d tables, written from the
specification (Intel VT-d 4.1, "Translation Structure Formats") and not from
viommu's own walker, so that one mistake does not hide in both.

Legacy mode; scalable mode with requests without PASID, second stage or first
stage."""

from dataclasses import dataclass

from .errors import GuestError

BASE = 0xfed90000
REG_CAP, REG_ECAP, REG_GSTS, REG_RTADDR = 0x08, 0x10, 0x1c, 0x20
GSTS_TES = 1 << 31
ECAP_DT, ECAP_PT, ECAP_SC, ECAP_SMTS = 1 << 2, 1 << 6, 1 << 7, 1 << 43
TTM_SHIFT, TTM_LEGACY, TTM_SCALABLE = 10, 0, 1
PGTT_SHIFT, PGTT_FIRST, PGTT_SECOND, PGTT_PASS_THROUGH = 6, 1, 2, 4
TT_SHIFT, TT_PASS_THROUGH = 2, 2
PRESENT, LARGE = 1 << 0, 1 << 7
ADDRESS = ((1 << 52) - 1) & ~0xfff


class SecondStage:
    """9.8: permissions say what is present."""
    name = 'second-stage'
    READ, WRITE = 1 << 0, 1 << 1
    SNOOP, TRANSIENT = 1 << 11, 1 << 62

    @classmethod
    def present(cls, entry):
        return bool(entry & (cls.READ | cls.WRITE))

    @classmethod
    def absent(cls, entry):
        return entry & ~(cls.READ | cls.WRITE)

    @classmethod
    def prot(cls, entry):
        return ('r' if entry & cls.READ else '-') + ('w' if entry & cls.WRITE else '-')

    @classmethod
    def page(cls, gpa):
        """A 4 KiB leaf that allows everything."""
        return gpa | cls.READ | cls.WRITE

    @classmethod
    def reserved(cls, step, ecap):
        """Bits that are reserved by the kind of the entry."""
        bits = set(range(12, step.shift)) if step.leaf else set()
        if step.leaf and not ecap & ECAP_DT:
            bits.add(62)
        # Scalable mode has snoop control in the PASID entry too, and QEMU
        # takes ECAP.SMTS as ECAP.SC.
        if step.leaf and not ecap & (ECAP_SC | ECAP_SMTS):
            bits.add(11)
        if step.level >= 4:
            bits.add(7)
        return bits

    @classmethod
    def ignored(cls, step, ecap):
        """Bits that change neither the address nor the permissions to read and
        write: execute, memory types, and those that software may use."""
        bits = {2, 3, 4, 5, 6, 8, 9, 10, 63} | set(range(52, 62))
        if step.level == 1:
            bits.add(7)
        if step.leaf and ecap & (ECAP_SC | ECAP_SMTS):
            bits.add(11)
        return bits

    @staticmethod
    def canonical(iova):
        return iova


class FirstStage:
    """9.7: the format of the processor's page tables."""
    name = 'first-stage'
    WRITE, USER, ACCESSED, DIRTY = 1 << 1, 1 << 2, 1 << 5, 1 << 6

    @classmethod
    def present(cls, entry):
        return bool(entry & PRESENT)

    @classmethod
    def absent(cls, entry):
        return entry & ~PRESENT

    @classmethod
    def prot(cls, entry):
        return 'rw' if entry & cls.WRITE else 'r-'

    @classmethod
    def page(cls, gpa):
        return gpa | PRESENT | cls.WRITE | cls.USER | cls.ACCESSED | cls.DIRTY

    @classmethod
    def reserved(cls, step, ecap):
        bits = set(range(13, step.shift)) if step.leaf else set()
        if step.level >= 4:
            bits.add(7)
        return bits

    @classmethod
    def ignored(cls, step, ecap):
        """PWT, PCD, A, D, G, PAT, software's bits, protection key, XD."""
        bits = {3, 4, 5, 6, 8, 9, 10, 11} | set(range(52, 64))
        if step.leaf:
            bits.add(7 if step.level == 1 else 12)
        return bits

    @staticmethod
    def canonical(iova):
        return iova | 0xffff << 48 if iova >> 47 & 1 else iova


@dataclass
class Step:
    """One entry on the way from the top table to the leaf."""
    level: int
    entry_gpa: int
    entry: int
    iova: int                   # first IOVA that this entry covers
    stage: type = SecondStage

    @property
    def shift(self):
        return 12 + 9 * (self.level - 1)

    @property
    def size(self):
        return 1 << self.shift

    @property
    def last(self):
        return self.iova + self.size - 1

    @property
    def present(self):
        return self.stage.present(self.entry)

    @property
    def leaf(self):
        return self.level == 1 or bool(self.entry & LARGE)

    @property
    def gpa(self):
        return self.entry & ADDRESS & -self.size if self.leaf else self.entry & ADDRESS

    @property
    def prot(self):
        return self.stage.prot(self.entry)


def source_id(bdf):
    """"0000:00:04.0" or "00:04.0" as a requester id."""
    bus, device, function = bdf.replace('.', ':').split(':')[-3:]
    return int(bus, 16) << 8 | int(device, 16) << 3 | int(function, 16)


class Tables:
    """The translation of one device.

    Attributes: mode ('legacy', 'scalable' with a second stage, 'first');
    stage; top and levels of the page table; width (bits of a GPA); domain;
    path, the entries that lead to the page table as (GPA, words); root_gpa and
    context_gpa, where their P is; in scalable mode pasid, and
    pasid_directory_gpa and pasid_gpa, its entries."""

    def __init__(self, memory, bdf):
        self.memory = memory
        self.bdf = bdf
        self.path = []
        self.ecap = memory.register(BASE + REG_ECAP, 8)
        # The host address width is what MGAW says: QEMU has one width for both.
        self.width = (memory.register(BASE + REG_CAP, 8) >> 16 & 63) + 1
        if not memory.register(BASE + REG_GSTS, 4) & GSTS_TES:
            raise GuestError('the vIOMMU does not translate (GSTS.TES is 0)')
        root = memory.register(BASE + REG_RTADDR, 8)
        modes = {TTM_LEGACY: self._legacy, TTM_SCALABLE: self._scalable}
        if root >> TTM_SHIFT & 3 not in modes:
            raise GuestError(f'the vIOMMU is in no mode that translates (RTADDR is {root:#x})')
        modes[root >> TTM_SHIFT & 3](root & ADDRESS, source_id(bdf))

    def _entry(self, what, gpa, words, present=0):
        """An entry of several words, whose word `present` has P in bit 0."""
        entry = [self.memory.read_u64(gpa + 8 * index) for index in range(words)]
        self.path.append((gpa, entry))
        if not entry[present] & PRESENT:
            raise GuestError(f'no {what} for {self.bdf}')
        return entry

    def _legacy(self, root, sid):
        """9.1, 9.3"""
        self.root_gpa = root + 16 * (sid >> 8)
        table = self._entry('root entry', self.root_gpa, 2)[0] & ADDRESS
        self.context_gpa = table + 16 * (sid & 0xff)
        low, high = self._entry('context entry', self.context_gpa, 2)
        if low >> TT_SHIFT & 3 not in (0, 1):
            raise GuestError(f'{self.bdf} is passed through')
        self.mode, self.stage = 'legacy', SecondStage
        self.top = low & ADDRESS
        self.levels = (high & 7) + 2
        self.domain = high >> 8 & 0xffff

    def _scalable(self, root, sid):
        """9.2, 9.4 to 9.6"""
        half = sid >> 7 & 1                 # each half of a bus has its context table
        root += 16 * (sid >> 8)
        self.root_gpa = root + 8 * half
        table = self._entry('root entry', root, 2, half)[half] & ADDRESS
        self.context_gpa = table + 32 * (sid & 0x7f)
        context = self._entry('context entry', self.context_gpa, 4)
        self.pasid = context[1] & 0xfffff   # RID_PASID
        self.pasid_directory_gpa = (context[0] & ADDRESS) + 8 * (self.pasid >> 6)
        directory, = self._entry('PASID directory entry', self.pasid_directory_gpa, 1)
        self.pasid_gpa = (directory & ADDRESS) + 64 * (self.pasid & 63)
        pasid = self._entry('PASID entry', self.pasid_gpa, 8)
        kind = pasid[0] >> PGTT_SHIFT & 7
        if kind == PGTT_SECOND:
            self.mode, self.stage = 'scalable', SecondStage
            self.top = pasid[0] & ADDRESS
            self.levels = (pasid[0] >> 2 & 7) + 2
        elif kind == PGTT_FIRST:
            self.mode, self.stage = 'first', FirstStage
            self.top = pasid[2] & ADDRESS
            self.levels = (pasid[2] >> 2 & 3) + 4
        else:
            raise GuestError(f'{self.bdf} has neither a first nor a second stage (PGTT is {kind})')
        self.domain = pasid[1] & 0xffff

    def _step(self, table, index, entry, level, iova):
        return Step(level, table + 8 * index, entry, self.stage.canonical(iova), self.stage)

    def walk(self, iova):
        """The steps down to the leaf, or to the first entry that is not present."""
        steps, table = [], self.top
        iova &= (1 << 12 + 9 * self.levels) - 1
        for level in range(self.levels, 0, -1):
            shift = 12 + 9 * (level - 1)
            index = iova >> shift & 511
            step = self._step(table, index, self.memory.read_u64(table + 8 * index), level, iova >> shift << shift)
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
                if not self.stage.present(entry):
                    continue
                step = self._step(table, index, entry, level, iova + (index << shift))
                yield step
                if not step.leaf:
                    yield from visit(step.gpa, level - 1, iova + (index << shift))
        return visit(self.top, self.levels, 0)

    def leaves(self):
        return [step for step in self.steps() if step.leaf]

    def reserved_bits(self, step):
        """Which bits of the entry have to be 0."""
        return sorted(self.stage.reserved(step, self.ecap) | set(range(self.width, 52)))

    def ignored_bits(self, step):
        """Which bits of the entry change nothing."""
        return sorted(self.stage.ignored(step, self.ecap))
