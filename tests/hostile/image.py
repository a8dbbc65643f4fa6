# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots and records that lie: an ELF writer, a writer of VT-d tables and a
writer of records, from viommu-snapshot(5), viommu-record(5) and the VT-d
specification. Nothing here is viommu's, or another test's.

An Image is L1 as its enemy sees it: RAM, registers, and words put anywhere."""

import json
import struct

PAGE = 4096
REGISTERS = 0xfed90000
LOW_RAM, HIGH_RAM = (0, 0x7fffffff), (0x100000000, 0x17fffffff)
LAST_PAGE = HIGH_RAM[1] + 1 - PAGE

P = 1                                   # root, context, PASID entries
R, W, RW = 1, 2, 3                      # second stage
FS = 1 | 2 | 4                          # first stage: P, R/W, U/S
PS = 1 << 7
TES, QIES, IRES = 1 << 31, 1 << 26, 1 << 25
TTM_SCALABLE = 1 << 10

# Offsets of registers, and those that have four bytes.
CAP, ECAP, GSTS, RTADDR, FSTS, IQH, IQT, IQA, IRTA = 0x8, 0x10, 0x1c, 0x20, 0x34, 0x80, 0x88, 0x90, 0xb8
_SHORT = {0x0, 0x1c, 0x34, 0x38, 0x3c, 0x40, 0x44, 0x64, 0x68, 0x6c, 0x9c, 0xa0, 0xa4, 0xa8, 0xac}

SAGAW_39, SAGAW_48, SAGAW_57 = 2, 4, 8


def cap(mgaw=48, sagaw=SAGAW_39 | SAGAW_48, nfr=0, fro=0x22, fs5lp=0, cm=1):
    """As QEMU has it, but for what is said. mgaw: bits."""
    return (6 | cm << 7 | sagaw << 8 | (mgaw - 1) << 16 | fro << 24 | 3 << 34 | 1 << 39 | nfr << 40 | 0x12 << 48 |
            3 << 54 | fs5lp << 60)


def ecap(smts=0, nest=0, first=0, second=1, pt=1, dt=0, sc=0):
    """SMTS, NEST, FSTS, SSTS, PT, DT, SC."""
    return (0xf00f0a | pt << 6 | dt << 2 | sc << 7 | smts << 43 | nest << 26 | (first and smts) << 47 |
            (second and smts) << 46)


def level_shift(level):
    return 12 + 9 * (level - 1)


def sid(bdf):
    bus, rest = bdf.split(':')
    device, function = rest.split('.')
    return int(bus, 16) << 8 | int(device, 16) << 3 | int(function)


def bdf(value):
    return f'{value >> 8:02x}:{value >> 3 & 31:02x}.{value & 7}'


class Image:
    """Pages are made when a word is put there; new() names one that is free."""

    def __init__(self, scalable=False, bits=48, sagaw=SAGAW_39 | SAGAW_48, version='10.0.2', nest=0, first=0,
                 ram=(LOW_RAM, HIGH_RAM), **caps):
        self.pages = {}
        self.version = version
        self.ram = list(ram)
        self.scalable = scalable
        self.registers = bytearray(PAGE)
        self.pci = [{'sid': s, 'vendor': 0x1234, 'device': 0x11e8, 'class': 0xff, 'id': '', 'class_text': ''}
                    for s in (sid('00:04.0'), sid('00:05.0'))]
        self.bypass = []
        self.properties = {}
        self.note = {}                  # what the note has instead
        self.extra_segments = []        # (p_paddr, bytes, p_memsz), as they are
        self.next = 0x100000
        self.root = self.new()
        self.bits = bits
        self.set(0x0, 0x10)
        self.set(CAP, cap(bits, sagaw, **{k: v for k, v in caps.items() if k in ('nfr', 'fro', 'fs5lp', 'cm')}))
        self.set(ECAP, ecap(int(scalable), nest, first,
                            **{k: v for k, v in caps.items() if k in ('second', 'pt', 'dt', 'sc')}))
        self.set(GSTS, TES)
        self.set(RTADDR, self.root | (TTM_SCALABLE if scalable else 0))

    # ---- words and pages

    def new(self, pages=1):
        at = self.next
        self.next += pages * PAGE
        return at

    def page(self, gpa):
        return self.pages.setdefault(gpa & -PAGE, bytearray(PAGE))

    def put(self, gpa, *words):
        """Consecutive 64-bit words, which may cross pages."""
        for i, word in enumerate(words):
            at = gpa + 8 * i
            struct.pack_into('<Q', self.page(at), at % PAGE, word)
        return gpa

    def fill(self, gpa, *words):
        """A page of these words over and over."""
        self.page(gpa)[:] = struct.pack(f'<{len(words)}Q', *words) * (PAGE // 8 // len(words))
        return gpa

    def zeros(self, gpa, pages):
        """Pages of zeros that take no room in the file."""
        self.extra_segments.append((gpa, b'', pages * PAGE))

    def set(self, offset, value):
        size = 4 if offset in _SHORT else 8
        self.registers[offset:offset + size] = value.to_bytes(size, 'little')

    # ---- legacy mode

    def context(self, device, low, high, table=None):
        """The context entry of a device (text or number), by way of its root entry."""
        source = sid(device) if isinstance(device, str) else device
        entry = self.root + (source >> 8) * 16
        words = struct.unpack_from('<Q', self.page(entry), entry % PAGE)[0]
        table = table or (words & -PAGE) or self.new()
        self.put(entry, table | P, 0)
        return self.put(table + (source & 0xff) * 16, low, high)

    def legacy(self, device, table, levels=4, did=1, tt=0):
        """A device with a second-stage table."""
        return self.context(device, table | tt << 2 | P, did << 8 | levels - 2)

    # ---- scalable mode

    def sm_context(self, device, directory, rid_pasid=0, pdts=0, table=None):
        source = sid(device) if isinstance(device, str) else device
        entry = self.root + (source >> 8) * 16 + (source >> 7 & 1) * 8
        words = struct.unpack_from('<Q', self.page(entry), entry % PAGE)[0]
        table = table or (words & -PAGE) or self.new()
        self.put(entry, table | P)
        return self.put(table + (source & 0x7f) * 32, directory | pdts << 9 | P, rid_pasid)

    def pasid(self, device, entry, pasid=0, directory=None, **more):
        """One PASID of a device, with a new directory unless one is given. entry: its
        words. Returns (directory, table, GPA of the entry)."""
        directory = directory or self.new()
        self.sm_context(device, directory, **more)
        at = directory + (pasid >> 6) * 8
        table = struct.unpack_from('<Q', self.page(at), at % PAGE)[0] & -PAGE or self.new()
        self.put(at, table | P)
        return directory, table, self.put(table + (pasid & 63) * 64, *entry)

    # ---- paging tables

    def path(self, top, levels, iova, until=1, bits=RW):
        """Tables down to the one of level `until`, made where there is none; returns the
        GPA of the entry in it that iova leads to."""
        table = top
        for level in range(levels, until, -1):
            at = table + (iova >> level_shift(level) & 511) * 8
            entry = struct.unpack_from('<Q', self.page(at), at % PAGE)[0]
            table = entry & 0x000ffffffffff000
            if not table:
                table = self.new()
                self.put(at, table | bits)
        return table + (iova >> level_shift(until) & 511) * 8

    def map(self, top, levels, iova, gpa, bits=RW, level=1, path_bits=RW):
        """One leaf; returns the GPA of its entry."""
        return self.put(self.path(top, levels, iova, level, path_bits),
                        gpa | bits | (PS if level > 1 else 0))

    def leaves(self, table, gpa=0x10000000, step=0, bits=RW):
        """512 leaves; with step 0 all are the same page, so that no two of them join."""
        return self.put(table, *(gpa + i * step | bits for i in range(512)))

    # ---- the file

    def machine(self):
        return {'version': self.version, 'package': '', 'run_state': 'paused', 'kvm': False, 'iommu_path': '/iommu',
                'iommu_properties': self.properties, 'registers_base': hex(REGISTERS),
                'registers_size': hex(len(self.registers)),
                'ram': [{'first': hex(first), 'last': hex(last), 'name': 'ram'} for first, last in self.ram],
                'pci': self.pci, 'bypass': self.bypass}

    def segments(self):
        """(GPA, bytes, size in memory), neighbours joined."""
        runs = []
        for gpa, data in sorted(self.pages.items()):
            if runs and runs[-1][0] + len(runs[-1][1]) == gpa:
                runs[-1][1].extend(data)
            else:
                runs.append((gpa, bytearray(data)))
        return [*((gpa, data, len(data)) for gpa, data in runs), *self.extra_segments]

    def bytes(self):
        note = {'format': 'viommu-snapshot', 'version': 1, 'program': 'an enemy', 'time': '', 'memory_source': '',
                'paused': True, 'registers': bytes(self.registers).hex(), 'unreadable': [],
                'machine': self.machine(), **self.note}
        return elf(json.dumps(note).encode(), self.segments())


def _padded(data):
    return data + bytes(-len(data) % 4)


def elf(note, segments):
    note = struct.pack('<III', 7, len(note), 1) + _padded(b'VIOMMU\0') + _padded(note)
    headers = [(4, 0, note, len(note))] + [(1, gpa, data, size) for gpa, data, size in segments]
    at = 64 + 56 * len(headers)
    out = [struct.pack('<16sHHIQQQIHHHHHH', b'\x7fELF\x02\x01\x01', 4, 62, 1, 0, 64, 0, 0, 64, 56, len(headers),
                       0, 0, 0)]
    for kind, gpa, data, size in headers:
        out.append(struct.pack('<IIQQQQQQ', kind, 4, at, gpa, gpa, len(data), size, 1))
        at += len(data)
    return b''.join(out + [data for _, _, data, _ in headers])


# ---- PASID entries -----------------------------------------------------------------


def pasid_second(table, levels=4, did=1):
    return table | 2 << 6 | levels - 2 << 2 | P, did, 0, 0, 0, 0, 0, 0


def pasid_first(table, levels=4, did=1, aw=2):
    """aw is the second stage's field, from which QEMU takes the width."""
    return 1 << 6 | aw << 2 | P, did, table | levels - 4 << 2, 0, 0, 0, 0, 0


def pasid_nested(first, second, first_levels=4, second_levels=4, did=1):
    return second | 3 << 6 | second_levels - 2 << 2 | P, did, first | first_levels - 4 << 2, 0, 0, 0, 0, 0


def pasid_through(did=1):
    return 4 << 6 | P, did, 0, 0, 0, 0, 0, 0


# ---- records -----------------------------------------------------------------------


class Record:
    """viommu-record(5): map() and its like add events."""

    def __init__(self):
        self.lines = [json.dumps({'event': 'header', 'format': 'viommu-record', 'version': 1, 'session': '0' * 16,
                                  'program': 'an enemy', 'boot_id': '', 'kernel': '', 'cmdline': '',
                                  'iommus': []})]

    def event(self, event, **more):
        self.lines.append(json.dumps({'seq': len(self.lines), 'time_ns': 0, 'event': event, **more}))
        return self

    def attach(self, device='00:04.0', space=1, complete=False):
        return self.event('attach', space=space, device=f'0000:{device}', backend='vfio-type1v2', complete=complete)

    def map(self, iova, gpa, size=PAGE, prot='rw', space=1):
        """gpa None: it is not known."""
        behind = {'extents': [{'gpa': hex(gpa), 'size': hex(size)}]} if gpa is not None else {
            'extents': [], 'gpa_unknown': 'nobody knows'}
        return self.event('map', space=space, iova=hex(iova), size=hex(size), prot=prot, **behind)

    def unmap(self, iova, size=PAGE, space=1):
        return self.event('unmap', space=space, iova=hex(iova), size=hex(size))

    def bytes(self):
        """With its end: what is missing there is missing in the table, not in the record."""
        self.event('end', reason='the enemy is done')
        text = ''.join(line + '\n' for line in self.lines).encode()
        self.lines.pop()
        return text
