# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables that many entries lead to: a few pages that claim the whole address space."""

import struct

from case import DEVICE, Case, Device, at_level, case, cases, page, run
from cases_loops import GOOD, WRONG, attach, bits_of, identity, image_for, nested_image
from image import (FS, PAGE, PS, R, RW, SAGAW_39, SAGAW_48, SAGAW_57, W, Image, Record, level_shift, pasid_nested)

BUDGET, REPEAT = 1 << 20, 4096      # include/viommu/vtd-walk.h: what a verification may visit


def ladder(image, levels, bits):
    """Tables, every entry of each leading to the next; the last one is empty."""
    tables = {level: image.new() for level in range(levels, 0, -1)}
    for level in range(levels, 1, -1):
        image.fill(tables[level], tables[level - 1] | bits)
    image.page(tables[1])
    return tables


def canonical(iova, levels):
    width = 12 + 9 * levels
    return iova | ~0 << width & (1 << 64) - 1 if iova >> width - 1 else iova


def again(tables, top, first=False, lowest=1):
    """What dump says of a ladder: entries 1 to 511 of each table lead to what entry 0 led to."""
    for level in range(lowest + 1, top + 1):
        size = 1 << level_shift(level)
        if first and level == top:      # the upper half begins behind a gap
            yield run('again', size, 255 * size, level=level, entry=tables[level] + 8, gpa=tables[level - 1], **{'as': 0})
            yield run('again', canonical(256 * size, top), 256 * size, level=level, gpa=tables[level - 1], **{'as': 0})
        else:
            yield run('again', size, 511 * size, level=level, entry=tables[level] + 8, gpa=tables[level - 1],
                      **{'as': 0})


@cases(each=[{'stage': stage, 'levels': levels} for stage, levels in
             (('legacy', 3), ('legacy', 4), ('legacy', 5), ('second', 4), ('first', 4), ('first', 5))])
def one_page_everywhere(stage, levels):
    """Every entry of every table leads to the next one, and at last to one page."""
    image, bits = image_for(stage, levels), bits_of(stage)
    tables = ladder(image, levels, bits)
    image.leaves(tables[1], GOOD, bits=bits)
    attach(image, stage, tables[levels], levels)
    far = (1 << 9 * levels + 11) - 4 * PAGE
    # The visits of a verification: the first of each table, then repeats of the last one.
    repeats = (BUDGET - levels + 1) // REPEAT
    return Case(
        f'{512 ** levels:,} times the same page', image,
        [Device(runs=[*(page(i * PAGE, GOOD) for i in range(512)), *again(tables, levels, stage == 'first')])],
        probes=[(DEVICE, 0), (DEVICE, far + 5), (DEVICE, 1 << 9 * levels + 12)],
        record=Record().attach().map(0, GOOD).map(PAGE, WRONG).map(repeats * 512 * PAGE, GOOD).map(far, GOOD),
        verify=(3, {'match': 2, 'wrong-address': 1, 'unverified': 1}),
        notes=["L1's tables lead to more tables"])


@case
def one_page_everywhere_complete():
    """The same, against a record that claims to know every mapping."""
    image = image_for('legacy', 4)
    tables = ladder(image, 4, RW)
    image.leaves(tables[1], GOOD)
    attach(image, 'legacy', tables[4], 4)
    visited = 1 + (BUDGET - 3) // REPEAT
    return Case(
        'the same page everywhere, none of them asked for', image,
        [Device(runs=[*(page(i * PAGE, GOOD) for i in range(512)), *again(tables, 4)])],
        record=Record().attach(complete=True).map(0, GOOD).map(1 << 47, GOOD),
        verify=(3, {'match': 1, 'unexpected': visited * 512 - 1, 'unverified': 1}))


@cases(level=[1, 2, 3])
def neighbours_everywhere(level):
    """The leaves join, the tables do not."""
    image = image_for('legacy', 4)
    tables = ladder(image, 4, RW)
    size = 1 << level_shift(level)
    interrupts = 256 if level == 3 else 0
    image.leaves(tables[level], 0x100000000, size, RW | (PS if level > 1 else 0))
    attach(image, 'legacy', tables[4], 4)
    return Case(
        f'512 joined pages of level {level}, everywhere', image,
        [Device(runs=[page(0, 0x100000000, 512 * size, page=size), *again(tables, 4, lowest=level)])],
        probes=[(DEVICE, 5 * size + 7), (DEVICE, (1 << 48) - 1)],
        record=Record().attach().map(0, 0x100000000, 512 * size),
        verify=(3 if interrupts else 0,
                {'match': 512 * size // PAGE - interrupts, **({'missing': interrupts} if interrupts else {})}))


@case
def permissions_multiply():
    """Each table is reached for reading, for writing and for both: three tables of each level."""
    image = image_for('legacy', 4)
    tables = {level: image.new() for level in range(4, 0, -1)}
    for level in (4, 3, 2):
        image.fill(tables[level], tables[level - 1] | R, tables[level - 1] | W)
    image.leaves(tables[1], GOOD)
    attach(image, 'legacy', tables[4], 4)

    def check(json):
        runs = json['devices'][0]['runs']
        prots = {item['prot'] for item in runs}
        assert prots == {'r-', '-w'}, prots
        # Two ways down to the last table, then all is known.
        assert sum(item['kind'] == 'mapped' for item in runs) == 2 * 512, len(runs)
        assert len(runs) < 4000, len(runs)

    return Case('read, write, read, write', image, check,
                probes=[(DEVICE, 0), (DEVICE, PAGE), (DEVICE, (1 << 39) + (1 << 30) + (1 << 21)), (DEVICE, 1 << 39)],
                record=Record().attach().map(0, GOOD, prot='r').map((1 << 39) + (1 << 30) + (1 << 21), GOOD, prot='w'),
                verify=(0, {'match': 1, 'unverified': 1}))


@case
def first_stage_permissions():
    """Directories that allow reads only, over leaves that allow all; each level in turn."""
    image = image_for('first', 4)
    top = image.new()
    runs = []
    for level in (4, 3, 2):
        at = 1 << level_shift(level)
        leaf = image.map(top, 4, at, GOOD, FS, path_bits=FS)
        entry = image.path(top, 4, at, level, FS)
        word, = struct.unpack_from('<Q', image.page(entry), entry % PAGE)
        image.put(entry, word & ~2)
        runs.insert(0, page(at, GOOD, prot='r-', entry=leaf))
    attach(image, 'first', top, 4)
    return Case('directories for reads only', image, [Device(runs=runs)],
                probes=[(DEVICE, 1 << level_shift(level)) for level in (4, 3, 2)],
                record=Record().attach().map(1 << 21, GOOD), verify=(3, {'wrong-permission': 1}))


@case
def own_tables_over_one():
    """A thousand devices, each with a top table of its own, all over the same tables."""
    image = Image()
    tables = ladder(image, 3, RW)
    image.leaves(tables[1], GOOD)
    record = Record()
    for source in range(1024):
        image.legacy(source, image.fill(image.new(), tables[3] | RW), 4, did=source + 1)
        record.attach(f'{source >> 8:02x}:{source >> 3 & 31:02x}.{source & 7}', complete=source == 0)
    record.map(0, GOOD)

    def check(json):
        assert len(json['devices']) == 1024
        first, *others = json['devices']
        assert len(first['runs']) == 512 + 3, len(first['runs'])
        for device in others:
            (only,) = device['runs']
            assert (only['kind'], only['first'], only['last']) == \
                ('the same table again: shown before', '0x0', '0xffffffffffff'), only
            assert only['same_as'] == {'device': '0000:00:00.0', 'iova': '0x0'}, only

    # The first device uses the budget up; those behind it have a table of their own to visit,
    # and one of its tables, which is a repeat.
    return Case('a thousand top tables over one', image, check, probes=[('03:1f.7', 0), ('00:00.0', 1 << 47)],
                record=record, verify=(0, {'match': 1, 'unverified': 1023}))


@case
def one_table_for_a_thousand():
    image = Image()
    table = image.new()
    image.map(table, 4, 0, GOOD)
    record = Record()
    for source in range(1024):
        image.legacy(source, table, 4, did=source + 1)
        record.attach(f'{source >> 8:02x}:{source >> 3 & 31:02x}.{source & 7}', complete=True)
    record.map(0, GOOD).map(PAGE, GOOD)

    def check(json):
        first, *others = json['devices']
        assert len(first['runs']) == 1 and 'same_table_as' not in first
        assert len(others) == 1023
        assert all(device['same_table_as'] == '0000:00:00.0' and device['runs'] == [] for device in others)

    return Case('one table for a thousand devices', image, check, probes=[('03:1f.7', 0)], record=record,
                verify=(3, {'match': 1, 'missing': 1}), notes=['the same table as 00:00.0, judged there'])


@cases(each=[{'levels': 3, 'bits': 39}, {'levels': 4, 'bits': 48}])
def giant_leaves(levels, bits):
    """1 GiB leaves over everything."""
    image = Image(bits=bits)
    table = image.new()
    image.put(table, *(i << 30 | RW | PS for i in range(512)))
    top = table if levels == 3 else image.fill(image.new(), table | RW)
    image.legacy(DEVICE, top, levels)
    # The gibibyte with the interrupt range is refused.
    runs = [page(0, 0, 3 << 30, page=1 << 30), at_level('interrupt', 3 << 30, 3, table + 24),
            page(4 << 30, 4 << 30, 508 << 30, page=1 << 30)]
    if levels == 4:
        runs.append(run('again', 1 << 39, 511 << 39, gpa=table, level=4, entry=top + 8, **{'as': 0}))
    return Case(
        'every address is itself', image, [Device(runs=runs)],
        probes=[(DEVICE, 0), (DEVICE, 0xfee00000), (DEVICE, 0xfed00000), (DEVICE, (1 << bits) - 1), (DEVICE, 1 << bits)],
        record=Record().attach(complete=levels == 3).map(0, 0, 3 << 30).map(3 << 30, 3 << 30, 1 << 30)
        .map(4 << 30, 4 << 30, 508 << 30),
        verify=(3, {'match': 511 << 18, 'missing': 1 << 18}))


@case
def leaves_over_five_levels():
    """57 bits of 1 GiB pages, from two tables."""
    image = Image(bits=57, sagaw=SAGAW_39 | SAGAW_48 | SAGAW_57)
    tables = ladder(image, 5, RW)
    image.fill(tables[3], GOOD & -(1 << 30) | 1 << 30 | RW | PS)
    image.legacy(DEVICE, tables[5], 5)
    return Case(
        '2^57 bytes', image,
        [Device(runs=[*(page(i << 30, 1 << 30, 1 << 30, page=1 << 30) for i in range(512)),
                      *again(tables, 5, lowest=3)])],
        probes=[(DEVICE, (1 << 57) - 1), (DEVICE, 1 << 57), (DEVICE, (1 << 64) - 1)],
        record=Record().attach().map((1 << 57) - PAGE, (2 << 30) - PAGE).map(1 << 57, 0),
        verify=(3, {'unverified': 1, 'beyond-width': 1}))


# ---- nested ------------------------------------------------------------------------


@case
def nested_ladder_over_identity():
    """The first stage claims everything, the second is honest."""
    image = nested_image()
    second, first = identity(image), ladder(image, 4, FS)
    image.leaves(first[1], GOOD, bits=FS)
    image.pasid(DEVICE, pasid_nested(first[4], second[4]))
    return Case(
        'the first stage of two claims everything', image,
        [Device(runs=[*(page(i * PAGE, GOOD) for i in range(512)), *again(first, 4, first=True)])],
        probes=[(DEVICE, 0), (DEVICE, (1 << 47) - 1), (DEVICE, 1 << 47), (DEVICE, (1 << 64) - 1)],
        record=Record().attach().map(0, GOOD).map((1 << 47) - PAGE, GOOD),
        verify=(0, {'match': 1, 'unverified': 1}), entries='both stages')


@case
def nested_identity_over_ladder():
    """Every address of the first stage is itself; in the second all of them are one page,
    which is the first stage's own top table."""
    image = nested_image()
    table = image.new()
    second = ladder(image, 4, RW)
    image.leaves(second[1], table)
    # Its own lower tables as well: all of them are this one.
    image.fill(table, 5 << 30 | FS | PS, 5 << 30 | FS)
    image.pasid(DEVICE, pasid_nested(table, second[4]))

    def check(json):
        runs = json['devices'][0]['runs']
        kinds = {item['kind'] for item in runs}
        assert kinds <= {'mapped', 'reserved bit set: refused', 'the same table again: shown before',
                         'not visited: too many tables', 'loop: this table is its own ancestor'}, kinds
        assert len(runs) <= 140000, len(runs)

    return Case('the second stage of two claims everything', image, check,
                probes=[(DEVICE, 0), (DEVICE, 1 << 39), (DEVICE, (1 << 39) + (1 << 30)), (DEVICE, (1 << 39) + (3 << 30))],
                record=Record().attach().map(1 << 39, table).map((1 << 39) + (1 << 30), GOOD).map(1 << 40, GOOD),
                verify=(3, {'match': 1, 'reserved-bit': 1, 'unverified': 1}), entries='both stages')


@case
def nested_ladder_over_ladder():
    """Both stages claim everything; all of the first stage's tables are one page."""
    image = nested_image()
    table = image.new()
    second = ladder(image, 4, RW)
    image.leaves(second[1], table)
    image.fill(table, 5 << 30 | FS)
    image.pasid(DEVICE, pasid_nested(table, second[4]))

    def check(json):
        runs = json['devices'][0]['runs']
        # Every address is `table` behind the second stage; the first stage knows it by two:
        # that of the top table, and 5 GiB, whose entries lead to 5 GiB.
        loops, others = runs[:512], runs[512:]
        assert {item['kind'] for item in loops} == {'loop: this table is its own ancestor'}
        assert [item['entry_gpa'] for item in loops] == [hex(table + i * 8) for i in range(512)]
        assert [item['kind'] for item in others] == 2 * ['the same table again: shown before'], others

    return Case('both stages claim everything', image, check, probes=[(DEVICE, 0), (DEVICE, (1 << 47) - 1)],
                record=Record().attach().map(0, table), verify=(0, {'unverified': 1}), entries='both stages')


@case
def nested_giant_leaves_over_ladder():
    """1 GiB leaves of the first stage, each over 262144 pages of the second."""
    image = nested_image()
    top, low = image.new(), image.new()
    second = ladder(image, 4, RW)
    image.leaves(second[1], GOOD)
    # The addresses of the first stage's tables are honest.
    image.put(second[4], second[3] | RW)
    honest = image.new()
    image.put(second[4] + 511 * 8, honest | RW)
    image.put(honest, 0 | RW | PS)
    there = 511 << 39
    image.put(top, there | low | FS)
    image.fill(low, 1 << 39 | FS | PS)
    image.pasid(DEVICE, pasid_nested(there | top, second[4]))

    def check(json):
        runs = json['devices'][0]['runs']
        kinds = [item['kind'] for item in runs]
        assert set(kinds) == {'mapped', 'not visited: too many tables'}, set(kinds)
        assert kinds.count('mapped') <= 260 * 512, kinds.count('mapped')

    return Case('1 GiB leaves over a ladder', image, check, probes=[(DEVICE, 0), (DEVICE, (1 << 39) - 1)],
                record=Record().attach().map(0, GOOD).map((1 << 39) - PAGE, GOOD),
                verify=(0, {'match': 1, 'unverified': 1}), entries='both stages')
