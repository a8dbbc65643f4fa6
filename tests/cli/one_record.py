# SPDX-License-Identifier: GPL-2.0-or-later
"""The record of a real guest, changed one thing at a time, and what verify says of it."""

import json

from cli import CLEAN, FAULT, number, run
from fake_qmp import DATA

CLEAN_ELF = ('-s', 'clean.elf')
LINES = (DATA / 'small.jsonl').read_bytes().splitlines(keepends=True)
FINISHED = (DATA / 'finished.jsonl').read_bytes().splitlines(keepends=True)
EVENTS = [json.loads(line) for line in LINES]
PAGES = sum(number(event['size']) // 4096 for event in EVENTS if event['event'] == 'map')
USABLE = 'is not a usable record: line '


def text(*events):
    return b''.join(json.dumps(event).encode() + b'\n' for event in events)


def changed(index, **values):
    """The events, with one of them changed; None takes a key away."""
    events = [dict(event) for event in EVENTS]
    events[index].update(values)
    events[index] = {key: value for key, value in events[index].items() if value is not None}
    return events


def verify(record, *more, target=CLEAN_ELF, **options):
    """verify with a record given as bytes."""
    return run('verify', *target, '-', *more, data=record, **options)


def result(record, *more, **options):
    done = verify(record, *more, '--format', 'json', **options)
    if done.status not in (CLEAN, FAULT):
        raise AssertionError(f'{done}')
    return done.status, done.json


def pages(found):
    return {verdict: count['pages'] for verdict, count in found['counts'].items() if count['pages']}


def a_minimal_record():
    """Header, attach, two maps of the real record, mark; short, so that it can be cut everywhere."""
    maps = [{key: event[key] for key in ('seq', 'event', 'space', 'iova', 'size', 'prot', 'extents')}
            for event in EVENTS if event['event'] == 'map']
    return [{'event': 'header', 'format': 'viommu-record', 'version': 1},
            {'seq': 1, 'event': 'attach', 'space': 1, 'device': '0000:00:04.0', 'complete': True},
            *maps, {'seq': 2 + len(maps), 'event': 'mark', 'name': 'held'}]
