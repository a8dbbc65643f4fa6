# SPDX-License-Identifier: GPL-2.0-or-later
"""Mappings held in a guest: viommu-probe map runs there, its record is here."""

import time

from . import record, vtd
from .errors import GuestError
from .guest import RECORD_PORT

HELD_SECONDS = 90


class Held:
    """with Held(guest, '00:04.0') as held: …  The probe holds its mappings
    inside the block and unmaps them at its end.

    Attributes: record (path), state (record.State at the mark "held"),
    process (the probe), memory."""

    def __init__(self, guest, bdf='00:04.0', options=''):
        self.guest, self.bdf, self.record = guest, bdf, guest.record
        guest.clear_record()
        self.process = guest.spawn(f'viommu-probe map {bdf} --bind -o {RECORD_PORT} {options}')
        self._wait()
        self.state = record.state(self.record, bdf)
        self.memory = guest.memory()

    def _wait(self):
        end = time.monotonic() + HELD_SECONDS
        while not record.has_mark(self.record, 'held'):
            status = self.process.poll()
            if status is not None or time.monotonic() > end:
                why = 'did not come to hold its mappings' if status is None else f'ended with {status}'
                raise GuestError(f'viommu-probe map {why}\n{self.process.output()}')
            time.sleep(0.1)

    def tables(self):
        return vtd.Tables(self.memory, self.bdf)

    def release(self):
        """Lets the probe unmap and end; its exit status."""
        self.memory.close()
        self.process.close_stdin()
        return self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            status = self.release()
            if status != 0:
                raise GuestError(f'viommu-probe map ended with {status}\n{self.process.output()}')
        elif self.guest.alive():
            self.release()
