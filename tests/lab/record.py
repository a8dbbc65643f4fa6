# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a record (viommu-record(5)) for the tests, apart from viommu's own
reader."""

import json
from dataclasses import dataclass, field


@dataclass
class Mapping:
    iova: int
    size: int
    prot: str
    extents: list               # [(gpa, size)], in IOVA order

    @property
    def last(self):
        return self.iova + self.size - 1

    def gpa(self, iova):
        offset = iova - self.iova
        for gpa, size in self.extents:
            if offset < size:
                return gpa + offset
            offset -= size
        return None


@dataclass
class State:
    """What one device may reach."""
    held: list = field(default_factory=list)
    unmapped: list = field(default_factory=list)

    def find(self, iova):
        for mapping in self.held:
            if mapping.iova <= iova <= mapping.last:
                return mapping
        return None

    def within(self, first, last, permission=''):
        """The parts of [first, last] that are mapped, with at least this
        permission, coalesced."""
        return coalesce((max(m.iova, first), min(m.last, last)) for m in self.held
                        if m.iova <= last and m.last >= first and permission in m.prot)

    def ever(self, iova):
        return any(m.iova <= iova <= m.last for m in self.held + self.unmapped)


def coalesce(ranges):
    """Sorted, and adjacent inclusive ranges joined."""
    result = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return result


def subtract(ranges, holes):
    """Inclusive ranges without those parts that are in `holes`."""
    result = []
    for first, last in coalesce(ranges):
        for hole_first, hole_last in coalesce(holes):
            if hole_last < first or hole_first > last:
                continue
            if hole_first > first:
                result.append((first, hole_first - 1))
            first = hole_last + 1
        if first <= last:
            result.append((first, last))
    return result


def events(path):
    """The whole lines of a record; the last one may still be on its way."""
    with open(path, 'rb') as handle:
        lines = handle.read().split(b'\n')[:-1]
    return [json.loads(line) for line in lines]


def has_mark(path, name):
    return any(e['event'] == 'mark' and e['name'] == name for e in events(path))


def state(path, bdf):
    """The mappings of `bdf` at the mark "held"."""
    result, spaces = State(), set()
    for event in events(path):
        kind = event['event']
        if kind == 'mark' and event['name'] == 'held':
            break
        if event.get('errno'):
            continue
        if kind == 'attach' and event['device'].endswith(bdf):
            spaces.add(event['space'])
        elif kind in ('map', 'unmap') and event['space'] in spaces:
            iova, size = int(event['iova'], 16), int(event['size'], 16)
            if kind == 'map':
                extents = [(int(e['gpa'], 16), int(e['size'], 16)) for e in event['extents']]
                result.held.append(Mapping(iova, size, event['prot'], extents))
            else:
                gone = [m for m in result.held if iova <= m.iova and m.last < iova + size]
                result.held = [m for m in result.held if m not in gone]
                result.unmapped += gone
    return result
