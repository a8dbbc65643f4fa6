# SPDX-License-Identifier: GPL-2.0-or-later
"""Changes of the inner guest's mappings that nobody tells the vIOMMU.

Two ways: the guest itself maps and unmaps, and its kernel's functions that
flush return at once (Suppressed); or its tables and its record are changed
from outside (Written, Cleared)."""

import copy
import json
import os
import re
import unittest

from . import faults
from .record import Mapping, events

# Linux 6.10 and later; all that maps or unmaps calls them.
MAPS = ('cache_tag_flush_range_np',)
UNMAPS = ('cache_tag_flush_range', 'cache_tag_flush_all')
_TEXT = 0xffffffff80000000      # where Linux maps its text, without KASLR
_RETURN = b'\xc3'


def symbols(guest, names):
    """{name: GPA} of functions of the guest's kernel."""
    text = guest.must(f'grep -E " ({"|".join(names)})$" /proc/kallsyms || true')
    found = {name: int(address, 16) - _TEXT for address, name in re.findall(r'^(\w+) \w (\w+)$', text, re.MULTILINE)}
    missing = [name for name in names if found.get(name, 0) <= 0]
    if missing:
        raise unittest.SkipTest(f'the inner guest\'s kernel has no {missing[0]}: '
                                'python3 tests/lab/smallkernel.py builds one that has')
    return found


class Suppressed:
    """with Suppressed(lab.inner, MAPS): …  While inside, no new mapping is
    announced to the vIOMMU, nor (UNMAPS) that one is gone.  A change of the
    whole address space (the device is attached or detached) still is."""

    def __init__(self, inner, names):
        self._inner, self._names, self._saved = inner, names, {}

    def __enter__(self):
        memory = self._inner.memory()
        for gpa in symbols(self._inner, self._names).values():
            self._saved[gpa] = memory.read(gpa, 1)
            self._inner.poke(gpa, _RETURN)
        memory.close()
        return self

    def __exit__(self, *_):
        for gpa, data in self._saved.items():
            self._inner.poke(gpa, data)


class _Recorded(faults.Fault):
    """A change of one entry that is in the record, as if L1 had asked for it:
    link 2 is as it should be, and what comes after it is not.

    `iova`: of the one page; `held_after`: record.Mapping objects that L1 has then."""

    def __init__(self, held, rng):
        super().__init__(held.tables(), held.state, rng, None)
        self._held = held
        self._sizes = {}

    def line(self, last):
        """The event, from the last map event of the record."""
        raise NotImplementedError

    def apply(self):
        super().apply()
        self.iova = self.expected[0][0]
        whole = events(self._held.record)
        last = [event for event in whole if event['event'] == 'map' and not event.get('errno')][-1]
        event = self.line(copy.deepcopy(last))
        event['seq'], event['time_ns'] = whole[-1]['seq'] + 1, whole[-1]['time_ns'] + 1
        self._size = os.path.getsize(self._held.record)
        self._held.guest.append_record(json.dumps(event) + '\n')

    def undo(self):
        if self._saved is not None:
            self._held.guest.cut_record(self._size)
        super().undo()


class Written(_Recorded):
    """A PTE is written: the table is right, nothing was announced, and the
    shadow lacks it."""
    name, verdict = 'written-unannounced', 'match'

    def victims(self):
        return faults.ExtraMapping.victims(self)

    def spoil(self, step):
        source = self.rng.choice([mapping for mapping in self.state.held if mapping.extents])
        self.gpa = source.extents[0][0]
        self.held_after = self.state.held + [Mapping(step.iova, step.size, 'rw', [(self.gpa, step.size)])]
        return step.stage.page(self.gpa), [(step.iova, step.last)]

    def line(self, last):
        last.update(iova=f'{self.iova:#x}', size='0x1000', prot='rw', extents=[{'gpa': f'{self.gpa:#x}', 'size': '0x1000'}])
        last.pop('page_size', None)
        last.pop('vaddr', None)
        return last


class Cleared(_Recorded):
    """The PTE of a mapping of one page is cleared: the table is right, nothing
    was announced, and the shadow still lets the device there."""
    name, verdict = 'cleared-unannounced', 'match'

    def victims(self):
        whole = {mapping.iova for mapping in self.state.held if mapping.size == faults.PAGE}
        return [leaf for leaf in self.tables.leaves() if leaf.iova in whole]

    def spoil(self, step):
        self.gpa = step.gpa
        self.held_after = [mapping for mapping in self.state.held if mapping.iova != step.iova]
        return 0, [(step.iova, step.last)]

    def line(self, last):
        return {**{key: last[key] for key in ('source', 'space') if key in last},
                'event': 'unmap', 'iova': f'{self.iova:#x}', 'size': '0x1000'}
