# SPDX-License-Identifier: GPL-2.0-or-later
"""What QEMU makes of one DMA, from tests/judge/NOTES.md and the VT-d specification:
a small second walker that shares nothing with viommu's."""

import struct
from collections import namedtuple

from image import CAP, ECAP, GSTS, PAGE, RTADDR

Allowed = namedtuple('Allowed', 'gpa')
Refused = namedtuple('Refused', 'reason blame')
UNKNOWN = 'unknown'             # a table that the snapshot does not hold
INTERRUPT = 'interrupt'

NOT_RAM, NOT_THERE = 'not RAM', 'not in the snapshot'
ONES = (1 << 64) - 1
INTERRUPTS = range(0xfee00000, 0xfef00000)


class Stop(Exception):
    def __init__(self, answer):
        self.answer = answer


def bits(value, high, low):
    return value >> low & (1 << high - low + 1) - 1


class Oracle:
    def __init__(self, image):
        self.pages = dict(image.pages)
        self.zeros = [(at, at + size) for at, data, size in image.extra_segments if not data]
        self.ram = image.ram
        reg = image.registers
        self.cap, self.ecap, self.rtaddr = (struct.unpack_from('<Q', reg, at)[0] for at in (CAP, ECAP, RTADDR))
        self.on = struct.unpack_from('<I', reg, GSTS)[0] >> 31
        self.old = bool(image.version) and int(image.version.split('.')[0]) < 10
        self.mgaw = bits(self.cap, 21, 16) + 1
        self.aw = min(self.mgaw, 52)
        self.above = ONES & ~((1 << self.aw) - 1)
        self.smts = self.ecap >> 43 & 1
        self.scalable = self.rtaddr >> 10 & 1 and self.smts

    def words(self, gpa, n):
        page = gpa & -PAGE
        if not any(first <= page and page + PAGE - 1 <= last for first, last in self.ram):
            return NOT_RAM
        data = self.pages.get(page)
        if data is None:
            return (0,) * n if any(first <= page < end for first, end in self.zeros) else NOT_THERE
        return struct.unpack_from(f'<{n}Q', data, gpa % PAGE)

    def read(self, gpa, n, reason, blame):
        """The words there; else the search ends."""
        words = self.words(gpa, n)
        if words == NOT_RAM:
            raise Stop(Refused(reason, blame))
        if words == NOT_THERE:
            raise Stop(UNKNOWN)
        return words

    def need(self, condition, reason, blame):
        if not condition:
            raise Stop(Refused(reason, blame))

    def width_ok(self, aw):
        return aw <= 4 and bits(self.cap, 12, 8) >> aw & 1

    # ---- which tables

    def find(self, source, pasid):
        """None for pass-through, else (stage, ...)."""
        bus, devfn = source >> 8, source & 0xff
        root = self.read((self.rtaddr & -PAGE & ~self.above) + bus * 16, 2, 0x8, 'root')
        if self.scalable:
            half = root[devfn >> 7]
            self.need(half & 1, 0x1, 'root')
            self.need(not any(word & (0xffe | self.above) for word in root), 0xa, 'root')
            return self.find_scalable((half & -PAGE) + (devfn & 0x7f) * 32, pasid)
        self.need(root[0] & 1, 0x1, 'root')
        self.need(not (root[1] or root[0] & (0xffe | self.above)), 0xa, 'root')
        low, high = self.read((root[0] & -PAGE) + devfn * 16, 2, 0x9, 'context')
        self.need(low & 1, 0x2, 'context')
        self.need(not (low & (0xff0 | self.above) or high & 0xffffffffff000080), 0xb, 'context')
        aw, tt = bits(high, 2, 0), bits(low, 3, 2)
        self.need(self.width_ok(aw), 0x3, 'context')
        self.need(tt == 0 or (tt == 1 and self.ecap >> 2 & 1) or (tt == 2 and self.ecap >> 6 & 1), 0x3, 'context')
        return None if tt == 2 else ('second', low & -PAGE, aw)

    def find_scalable(self, at, pasid):
        context = self.read(at, 4, 0x9, 'context')
        self.need(context[0] & 1, 0x2, 'context')
        self.need(not (context[0] & (0x1e0 | self.above) or context[1] & 0xffffffffffe00000 or context[2] or
                       context[3]), 0xb, 'context')
        pasid = bits(context[1], 19, 0) if pasid is None else pasid
        old = 0x58 if self.old else None
        entry = self.read((context[0] & -PAGE) + (pasid >> 6) * 8, 1, old or 0x50, 'PASID dir')[0]
        self.need(entry & 1, old or 0x51, 'PASID dir')
        entry = self.read((entry & -PAGE) + (pasid & 63) * 64, 8, 0x58, 'PASID')
        pgtt, aw, fspm = bits(entry[0], 8, 6), bits(entry[0], 4, 2), bits(entry[2], 3, 2)
        known = {1: self.old or self.ecap >> 47 & 1, 2: self.old or self.ecap >> 46 & 1,
                 3: self.old or self.ecap >> 26 & 1, 4: self.ecap >> 6 & 1}
        first_ok = fspm == 0 or (fspm == 1 and self.cap >> 60 & 1)
        levels_ok = {1: first_ok, 2: self.width_ok(aw), 3: first_ok and self.width_ok(aw), 4: True}
        if self.old:
            levels_ok = dict.fromkeys(levels_ok, self.width_ok(aw))
        self.need(known.get(pgtt) and levels_ok[pgtt], old or 0x5b, 'PASID')
        self.need(entry[0] & 1, old or 0x59, 'PASID')
        if pgtt == 4:
            return None
        if pgtt == 2 or self.old:
            return 'second', entry[0] & -PAGE, aw
        if pgtt == 1:
            return 'first', entry[2] & -PAGE, 4 + fspm, min(30 + 9 * aw, self.mgaw, 63)
        return 'nested', entry[2] & -PAGE, 4 + fspm, entry[0] & -PAGE, aw

    # ---- the stages

    def leaf(self, level, entry):
        return level == 1 or (level <= 3 and entry >> 7 & 1)

    def second(self, table, aw, iova, write, named_by=None):
        """The GPA behind iova for this kind of access. named_by: the entry with this address,
        if it is not the device that asks for it."""
        levels = aw + 2
        self.need(not iova >> min(30 + 9 * aw, self.mgaw, 63), 0x4, named_by)
        for level in range(levels, 0, -1):
            shift, name = 12 + 9 * (level - 1), f'level {level}'
            lost = 0x3 if level == levels else 0x7
            entry = self.read(table + (iova >> shift & 511) * 8, 1, lost, name)[0]
            self.need(entry != ONES, lost, name)
            self.need(entry >> write & 1, 0x5 if write else 0x6, name)
            leaf = self.leaf(level, entry)
            reserved = self.above & ((1 << 52) - 1) | 1 << 62
            if leaf and self.ecap >> 2 & 1:
                reserved &= ~(1 << 62)
            if not (leaf and (self.smts or self.ecap >> 7 & 1)):
                reserved |= 1 << 11
            if leaf:
                reserved |= (1 << shift) - PAGE
            if level >= 4:
                reserved |= 1 << 7
            self.need(not entry & reserved, 0xc, name)
            address = entry & -PAGE & ((1 << self.aw) - 1)
            if leaf:
                page = address & -(1 << shift)
                self.interrupts(page, shift, name)
                return page | iova & (1 << shift) - 1
            table = address
        raise AssertionError('a table of no levels')

    def first(self, table, levels, iova, write, through=None):
        name = 'PASID'
        for level in range(levels, 0, -1):
            if through:
                table = through(table, False, name)
            shift, name = 12 + 9 * (level - 1), f'FS level {level}'
            lost = 0x73 if level == levels else 0x70
            entry = self.read(table + (iova >> shift & 511) * 8, 1, lost, name)[0]
            self.need(entry != ONES, lost, name)
            self.need(entry & 1, 0x71, name)
            self.need(entry >> 2 & 1, 0x81, name)
            self.need(not write or entry >> 1 & 1, 0x85, name)
            leaf = self.leaf(level, entry)
            reserved = self.above & ((1 << 52) - 1)
            if leaf and level > 1:
                reserved |= (1 << shift) - 2 * PAGE
            if level >= 4:
                reserved |= 1 << 7
            self.need(not entry & reserved, 0x72, name)
            address = entry & -PAGE & ((1 << self.aw) - 1)
            if leaf:
                page = address & -(1 << shift)
                self.interrupts(page | (address & PAGE if level > 1 else 0), shift, name)
                gpa = page | iova & (1 << shift) - 1
                return through(gpa, write, name) if through else gpa
            table = address
        raise AssertionError('a table of no levels')

    def interrupts(self, page, shift, name):
        self.need(page > INTERRUPTS[-1] or page + (1 << shift) - 1 < INTERRUPTS[0], 0x87 if self.smts else 0xe, name)

    def canonical(self, iova, width):
        upper = iova >> width - 1
        return upper in (0, (1 << 65 - width) - 1)

    def ask(self, source, iova, write, pasid=None):
        try:
            if not self.on:
                return INTERRUPT if pasid is None and iova in INTERRUPTS else Allowed(iova)
            tables = self.find(source, pasid)
            if pasid is None and iova in INTERRUPTS:
                return INTERRUPT
            if tables is None:
                return Allowed(iova)
            stage, *how = tables
            if stage == 'second':
                return Allowed(self.second(*how, iova, write))
            if stage == 'first':
                self.need(self.canonical(iova, how[2]), 0x80, None)
                return Allowed(self.first(*how[:2], iova, write))
            table, levels, outer, aw = how
            self.need(self.canonical(iova, 12 + 9 * levels), 0x80, None)
            return Allowed(self.first(table, levels, iova, write,
                                      lambda *question: self.second(outer, aw, *question)))
        except Stop as stop:
            return INTERRUPT if pasid is None and iova in INTERRUPTS else stop.answer
