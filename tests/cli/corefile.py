# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots (viommu-snapshot(5)) read and written apart from viommu's own code,
so that a test can look into one, spoil it, and make one that lies."""

import json
import struct

PAGE = 4096
PT_LOAD, PT_NOTE = 1, 4
_EHDR, _PHDR = struct.Struct('<16sHHIQQQIHHHHHH'), struct.Struct('<IIQQQQQQ')


class Snapshot:
    """Attributes: note (dict), name and type of the note, pages ({GPA: bytes})."""

    def __init__(self, data):
        ehdr = _EHDR.unpack_from(data)
        self.pages, self.offsets = {}, {}
        for i in range(ehdr[10]):
            kind, _, offset, _, paddr, filesz, memsz, _ = _PHDR.unpack_from(data, ehdr[5] + i * ehdr[9])
            if kind == PT_NOTE:
                namesz, descsz, self.type = struct.unpack_from('<III', data, offset)
                self.name = data[offset + 12:offset + 12 + namesz]
                self.note_at = offset + 12 + (namesz + 3 & ~3), descsz
                self.note = json.loads(data[self.note_at[0]:sum(self.note_at)])
            elif kind == PT_LOAD:
                for at in range(0, memsz, PAGE):    # what is not in the file is zeros
                    self.offsets[paddr + at] = offset + at if at < filesz else None
                    self.pages[paddr + at] = data[offset + at:offset + at + PAGE] if at < filesz else bytes(PAGE)

    @classmethod
    def read(cls, path):
        with open(path, 'rb') as handle:
            return cls(handle.read())

    def registers(self):
        return bytes.fromhex(self.note['registers'])

    @property
    def base(self):
        return int(self.note['machine']['registers_base'], 16)

    # The interface that lab.vtd.Tables reads through.

    def register(self, address, size):
        at = address - self.base
        return int.from_bytes(self.registers()[at:at + size], 'little')

    def read_u64(self, gpa):
        return struct.unpack_from('<Q', self.pages[gpa & -PAGE], gpa % PAGE)[0]

    def read_table(self, gpa):
        return struct.unpack('<512Q', self.pages[gpa])

    # For spoiling.

    def write_u64(self, gpa, value):
        page = bytearray(self.pages[gpa & -PAGE])
        struct.pack_into('<Q', page, gpa % PAGE, value)
        self.pages[gpa & -PAGE] = bytes(page)

    def write_register(self, offset, value, size=8):
        data = bytearray(self.registers())
        data[offset:offset + size] = value.to_bytes(size, 'little')
        self.note['registers'] = data.hex()

    def bytes(self, note=None, segments=None):
        """The file. `note`: its text instead of self.note; `segments`: [(GPA,
        bytes)] instead of one for each page."""
        text = json.dumps(self.note).encode() if note is None else note
        note = struct.pack('<III', len(self.name), len(text), self.type)
        note += _padded(self.name) + _padded(text)
        if segments is None:
            segments = sorted(self.pages.items())
        return elf([(PT_NOTE, 0, note), *((PT_LOAD, gpa, data) for gpa, data in segments)])


def _padded(data):
    return data + bytes(-len(data) % 4)


def elf(segments, kind=4, machine=62):
    """An ELF file (a core, unless told) of [(p_type, p_paddr, bytes)]."""
    at = _EHDR.size + _PHDR.size * len(segments)
    ident = b'\x7fELF\x02\x01\x01' + bytes(9)
    head = _EHDR.pack(ident, kind, machine, 1, 0, _EHDR.size, 0, 0, _EHDR.size, _PHDR.size, len(segments), 0, 0, 0)
    body = b''
    for segment, gpa, data in segments:
        head += _PHDR.pack(segment, 4, at + len(body), gpa, gpa, len(data), len(data), 1)
        body += data
    return head + body
