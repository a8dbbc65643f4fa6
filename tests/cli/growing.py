# SPDX-License-Identifier: GPL-2.0-or-later
"""Records that grow while they are looked at: small.jsonl, and the same as viommu-probe trace makes it."""

import json
import threading
import time

from cli import DATA, number

HEADER, *EVENTS = (json.loads(line) for line in (DATA / 'small.jsonl').read_bytes().splitlines())
MAPS = [event for event in EVENTS if event['event'] == 'map']
PULSE = 0.2             # seconds between two marks of a trace, in these tests


class Growing:
    """A record in a file, to which lines can be added, by number and time as they come."""

    def __init__(self, path, first=1):
        self.path, self.seq = path, first - 1
        self._lock = threading.Lock()   # a test adds while a Pulse does

    def add(self, *events, **more):
        with self._lock, open(self.path, 'a') as handle:
            for event in events:
                self.seq += 1
                now = time.monotonic_ns()
                if event.get('event') == 'mark' and 'until_ns' in event:
                    event = {**event, 'until_ns': now - event['until_ns']}
                handle.write(json.dumps({**event, 'seq': self.seq, 'time_ns': now, **more}) + '\n')


def traced(late_ns=0):
    """Up to so long before it is written."""
    return {'event': 'mark', 'name': 'traced', 'until_ns': late_ns}


class Pulse:
    """with Pulse(growing): …  A trace that rests: a mark now and then."""

    def __init__(self, growing, late_ns=0, after=()):
        """`after`: what each mark is followed by"""
        self._growing, self._late, self._after = growing, late_ns, after
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self._end.wait(PULSE):
            self._growing.add(traced(self._late), *self._after)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *_):
        self._end.set()
        self._thread.join(10)


def mapping_of(iova):
    return next(event for event in MAPS if number(event['iova']) <= iova < number(event['iova']) + number(event['size']))


def unmap_of(mapping):
    return {'event': 'unmap', 'space': 1, 'iova': mapping['iova'], 'size': mapping['size']}


def begin_trace(path, **header):
    """A trace does not know all, nor the permissions."""
    path.write_text(json.dumps({**HEADER, 'program': 'viommu-probe trace 0.1.0', **header}) + '\n')
    record = Growing(path)
    record.add({'event': 'mark', 'name': 'begun', 'until_ns': 0}, {**EVENTS[0], 'complete': False},
               *({key: value for key, value in event.items() if key != 'prot'} for event in MAPS), traced())
    return record
