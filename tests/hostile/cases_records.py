# SPDX-License-Identifier: GPL-2.0-or-later
"""Records that claim what cannot be, over tables that are honest, and over none."""

import json

from case import DEVICE, Case, Device, case, cases, page
from cases_loops import GOOD, WRONG
from image import PAGE, RW, SAGAW_39, SAGAW_48, SAGAW_57, Image, Record

ALL = 1 << 64
RUNS = [page(0, GOOD)]


def image_of_one(**more):
    image = Image(**more)
    table = image.new()
    image.map(table, 4, 0, GOOD)
    image.legacy(DEVICE, table)
    return image


def against_one(about, record, verify, notes=()):
    """The device has one page, at IOVA 0."""
    return Case(about, image_of_one(), [Device(runs=RUNS)], record=record, verify=verify, notes=notes)


def attached(complete=True):
    return Record().attach(complete=complete)


# ---- how much is claimed -------------------------------------------------------------


@cases(bits=[47, 48, 56, 63])
def claims_half_of_everything(bits):
    """One mapping, whose pages would not fit into any list of pages."""
    size = 1 << bits
    inside = min(size, 1 << 48) // PAGE
    counts = {'match': 1, 'missing': inside - 1}
    if size > 1 << 48:
        counts['beyond-width'] = size // PAGE - inside
    return against_one(f'a mapping of 2^{bits} bytes', attached().map(0, GOOD, size), (3, counts))


@case
def claims_everything():
    """2^64 bytes do not have a size in 64 bits; all but a page do."""
    size = ALL - PAGE
    return against_one('a mapping of all addresses but a page', attached().event(
        'map', space=1, iova='0x0', size=hex(size), prot='rw', extents=[], gpa_unknown='it is too much'),
        (3, {'unverified': 1, 'missing': (1 << 36) - 1, 'beyond-width': size // PAGE - (1 << 36)}))


@cases(each=[{'name': 'wraps', 'iova': ALL - PAGE, 'size': 2 * PAGE}, {'name': 'empty', 'iova': 0, 'size': 0},
             {'name': 'odd-size', 'iova': 0, 'size': PAGE + 1}, {'name': 'odd-iova', 'iova': 1, 'size': PAGE},
             {'name': 'large-iova', 'iova': ALL, 'size': PAGE}, {'name': 'large-size', 'iova': 0, 'size': ALL}])
def range_refused(name, iova, size):
    """A range that is none: the record as a whole is not taken."""
    return against_one(f'a mapping that {name}', attached().map(iova, GOOD, size), (4, 'record'))


@cases(each=[{'name': 'short', 'sizes': (PAGE,)}, {'name': 'long', 'sizes': (PAGE, PAGE, PAGE)},
             {'name': 'none', 'sizes': ()}, {'name': 'empty', 'sizes': (0, 2 * PAGE)},
             {'name': 'overflow', 'sizes': (ALL - PAGE, 3 * PAGE)}])
def extents_refused(name, sizes):
    """Extents that do not add up to the size of two pages."""
    extents = [{'gpa': hex(GOOD), 'size': hex(size)} for size in sizes]
    return against_one(f'extents: {name}', attached().event(
        'map', space=1, iova='0x0', size=hex(2 * PAGE), prot='rw', extents=extents), (4, 'record'))


@cases(each=[{'name': 'wraps', 'gpa': ALL - PAGE, 'size': 2 * PAGE}, {'name': 'odd', 'gpa': 5, 'size': PAGE},
             {'name': 'large', 'gpa': ALL, 'size': PAGE}])
def gpa_refused(name, gpa, size):
    return against_one(f'a GPA that {name}', attached().map(0, gpa, size), (4, 'record'))


@case
def last_page_of_all():
    """The last IOVA and the last GPA that there are."""
    return against_one('the last page', attached(False).map(ALL - PAGE, ALL - PAGE), (3, {'beyond-width': 1}))


# ---- the same thing twice ------------------------------------------------------------


@case
def mapped_twice():
    """The later mapping is the one that counts."""
    return against_one('one page, two GPAs', attached().map(0, WRONG).map(0, GOOD), (0, {'match': 1}))


@case
def mapped_and_unmapped():
    """A hundred times; at last it is gone, and the table still has it."""
    record = attached()
    for _ in range(100):
        record.map(0, WRONG).unmap(0)
    return against_one('mapped and unmapped', record, (3, {'stale': 1}))


@case
def unmap_everything():
    record = attached().map(0, GOOD).map(PAGE, GOOD).unmap(0, ALL - PAGE)
    return against_one('everything is unmapped', record, (3, {'stale': 1}))


@case
def thousand_spaces():
    """A device in a thousand spaces, one after the other. What is mapped in those that no device
    uses now is nowhere to be looked for."""
    record = Record()
    for space in range(1, 1001):
        record.attach(space=space, complete=True).map(0, WRONG, space=space)
        record.event('detach', space=space, device=f'0000:{DEVICE}')
    record.attach(space=1001, complete=True).map(0, GOOD, space=1001)
    return against_one('a thousand spaces', record, (0, {'match': 1, 'unverified': 1000}))


@case
def thousand_small_maps():
    """20000 pages, every other one, all of them elsewhere."""
    record = attached()
    for index in range(20000):
        record.map(2 * index * PAGE, GOOD + PAGE * (index & 1))
    return against_one('20000 mappings', record, (3, {'match': 1, 'missing': 19999}))


@case
def every_page_elsewhere():
    """A record of 4096 extents over 2 MiB pages: as many runs as pages, none of them right."""
    image = Image()
    table = image.new()
    for index in range(8):
        image.map(table, 4, index << 21, 0x100000000 + (index << 21), level=2)
    image.legacy(DEVICE, table)
    extents = [{'gpa': hex(0x40000000 + (4095 - i) * PAGE), 'size': hex(PAGE)} for i in range(4096)]
    record = attached().event('map', space=1, iova='0x0', size=hex(4096 * PAGE), prot='rw', extents=extents)
    return Case('every page is elsewhere', image,
                [Device(runs=[page(0, 0x100000000, 8 << 21, page=1 << 21)])], probes=[(DEVICE, 5 << 21)], record=record,
                verify=(3, {'wrong-address': 4096}))


# ---- devices and what else there may be ----------------------------------------------


@case
def device_that_is_not_there():
    """No PCI device, no context entry."""
    record = Record().attach('ff:1f.7', complete=True).map(0, GOOD)
    return against_one('a device that QEMU has not', record, (3, {'no-context': 1}))


@case
def attached_to_nothing():
    """Mappings, and no attach event: they may be for any device."""
    return against_one('no device', Record().map(0, GOOD).map(PAGE, GOOD), (3, {'match': 1, 'missing': 1}))


@cases(each=[{'name': 'not-json', 'line': '{'}, {'name': 'array', 'line': '[]'}, {'name': 'deep', 'line': '[' * 100000},
             {'name': 'number', 'line': '1e999'}, {'name': 'zero-byte', 'line': '{"event":"note","text":"\x00"}'},
             {'name': 'no-event', 'line': '{}'}, {'name': 'event-number', 'line': '{"event":5}'}])
def line_refused(name, line):
    record = attached().map(0, GOOD)
    record.lines.append(line)
    return against_one(f'a line: {name}', record, (4, 'record'))


@cases(each=[{'name': 'device', 'event': {'event': 'attach', 'space': 1, 'device': '\x1b[31m'}},
             {'name': 'prot', 'event': {'event': 'map', 'space': 1, 'iova': '0x1000', 'size': '0x1000', 'prot': 'x'}},
             {'name': 'iova', 'event': {'event': 'map', 'space': 1, 'iova': 4096, 'size': '0x1000', 'prot': 'r'}},
             {'name': 'space', 'event': {'event': 'map', 'space': '1', 'iova': '0x1000', 'size': '0x1000', 'prot': 'r'}},
             {'name': 'digits', 'event': {'event': 'map', 'space': 1, 'iova': '0x', 'size': '0x1000', 'prot': 'r'}}])
def event_refused(name, event):
    record = attached()
    record.lines.append(json.dumps({'seq': 2, 'time_ns': 0, **event}))
    return against_one(f'an event with a bad {name}', record, (4, 'record'))


@case
def words_that_bite():
    """Terminal sequences and bidirectional text in everything that is only shown."""
    evil = '\x1b[2J\x9b31m\u202e\u2066\ufeff"\\\n<script>'
    record = Record()
    header = json.loads(record.lines[0])
    record.lines[0] = json.dumps({**header, 'program': evil, 'kernel': evil, 'cmdline': evil, 'session': evil})
    record.attach(complete=True)
    record.event('map', space=1, iova='0x0', size='0x1000', prot='rw', extents=[], gpa_unknown=evil)
    record.event('lost', count=5, reason=evil).event('note', text=evil)
    return against_one('terminal sequences', record, (0, {'unverified': 1}))


@cases(count=[1, (1 << 63) - 1])
def lost(count):
    """What is not in the record may be in the table: no page is unexpected."""
    return against_one('lost events', attached().event('lost', count=count, reason='the enemy'), (0, {'unverified': 1}))


@case
def one_table_512_times():
    """A record of 1 GiB over a table of 262144 pages that are all wrong but one."""
    image = Image(bits=57, sagaw=SAGAW_39 | SAGAW_48 | SAGAW_57)
    table, low = image.new(), image.new()
    middle = image.path(table, 5, 0, 2)
    for index in range(512):
        image.put(middle + index * 8, low | RW)
    image.leaves(low, GOOD)
    image.legacy(DEVICE, table, 5)
    again = {'level': 2, 'entry': middle + 8, 'gpa': low, 'as': 0}
    return Case('512 times the same 512 pages', image,
                [Device(runs=[*(page(i * PAGE, GOOD) for i in range(512)),
                              {'kind': 'again', 'first': 1 << 21, 'last': (1 << 30) - 1, **again}])],
                probes=[(DEVICE, (1 << 30) - 1), (DEVICE, 1 << 30)], record=attached().map(0, GOOD, 1 << 30),
                # 255 repeats are what a verification takes.
                verify=(3, {'match': 1, 'wrong-address': 256 * 512 - 1, 'unverified': 256 * 512}))
