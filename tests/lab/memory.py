# SPDX-License-Identifier: GPL-2.0-or-later
"""Guest memory from outside, for reading and for spoiling.

viommu itself never writes to a guest; putting faults into a live guest's
tables is a matter of the tests alone, and lives only here."""

import os
import re
import struct

from .errors import GuestError

PAGE = 4096


class GuestMemory:
    def __init__(self, guest):
        self._qmp = guest.qmp
        self._file = os.open(f'/proc/{guest.pid}/mem', os.O_RDWR)
        self._pages = {}

    def address(self, gpa, length):
        """Where it is in the QEMU process."""
        page, offset = gpa & -PAGE, gpa & (PAGE - 1)
        if offset + length > PAGE:
            raise ValueError('an access across a page boundary')
        if page not in self._pages:
            answer = self._qmp.hmp(f'gpa2hva {page:#x}')
            match = re.search(r'is 0x([0-9a-f]+)|is (0x[0-9a-f]+)', answer)
            if not match:
                raise GuestError(f'gpa2hva {page:#x}: {answer.strip()}')
            self._pages[page] = int(match.group(1) or match.group(2), 16)
        return self._pages[page] + offset

    def read(self, gpa, length):
        data = os.pread(self._file, length, self.address(gpa, length))
        if len(data) != length:
            raise GuestError(f'short read at GPA {gpa:#x}')
        return data

    def write(self, gpa, data):
        if os.pwrite(self._file, data, self.address(gpa, len(data))) != len(data):
            raise GuestError(f'short write at GPA {gpa:#x}')

    def read_u64(self, gpa):
        return struct.unpack('<Q', self.read(gpa, 8))[0]

    def write_u64(self, gpa, value):
        self.write(gpa, struct.pack('<Q', value))

    def read_table(self, gpa):
        """The 512 entries of a page-table page."""
        return struct.unpack('<512Q', self.read(gpa, PAGE))

    def register(self, address, size):
        """A device register, through the monitor: it is not RAM."""
        letter = {4: 'w', 8: 'g'}[size]
        answer = self._qmp.hmp(f'xp /1{letter}x {address:#x}')
        match = re.match(r'\s*[0-9a-f]+: 0x([0-9a-f]+)', answer)
        if not match:
            raise GuestError(f'xp {address:#x}: {answer.strip()}')
        return int(match.group(1), 16)

    def close(self):
        os.close(self._file)
