# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables that lead back to themselves: at every level, in every stage."""

from case import DEVICE, Case, Device, at_level, case, cases, page, run
from image import (FS, PAGE, PS, RW, SAGAW_39, SAGAW_48, SAGAW_57, Image, Record, level_shift, pasid_first, pasid_nested,
                   pasid_second)

GOOD, WRONG = 0x10000000, 0x20000000


def image_for(stage, levels):
    first = stage == 'first'
    return Image(scalable=stage != 'legacy', first=int(first), bits=57 if levels == 5 else 48,
                 sagaw=SAGAW_39 | SAGAW_48 | SAGAW_57, fs5lp=int(first))


def attach(image, stage, top, levels):
    if stage == 'legacy':
        image.legacy(DEVICE, top, levels)
    elif stage == 'second':
        image.pasid(DEVICE, pasid_second(top, levels))
    else:
        image.pasid(DEVICE, pasid_first(top, levels, aw=levels - 2))


def bits_of(stage):
    return FS if stage == 'first' else RW


def chain(image, levels, bits):
    """Tables, entry 0 of each leading to the next: {level: GPA}."""
    tables = {level: image.new() for level in range(levels, 0, -1)}
    for level in range(levels, 1, -1):
        image.put(tables[level], tables[level - 1] | bits)
    image.page(tables[1])
    return tables


def every_loop():
    for stage, depths in (('legacy', (3, 4, 5)), ('second', (4,)), ('first', (4, 5))):
        for levels in depths:
            for level in range(levels, 1, -1):
                for back_to in range(level, levels + 1):
                    yield {'stage': stage, 'levels': levels, 'level': level, 'back_to': back_to}


@cases(every=every_loop())
def loop(stage, levels, level, back_to):
    """Entry 1 of the table at `level` leads to the table at `back_to`; another entry of the
    top table leads to an honest page."""
    image, bits = image_for(stage, levels), bits_of(stage)
    tables = chain(image, levels, bits)
    entry = image.put(tables[level] + 8, tables[back_to] | bits)
    at, honest = 1 << level_shift(level), 2 << level_shift(levels)
    image.map(tables[levels], levels, honest, GOOD, bits, path_bits=bits)
    attach(image, stage, tables[levels], levels)
    return Case(
        f'level {level} of {levels} leads back to level {back_to}', image,
        [Device(runs=[at_level('loop', at, level, entry, gpa=tables[back_to]), page(honest, GOOD)])],
        probes=[(DEVICE, at), (DEVICE, at + 0x1000), (DEVICE, honest + 8), (DEVICE, 0)],
        record=Record().attach(complete=True).map(at, WRONG).map(honest, GOOD),
        verify=(0, {'match': 1, 'unverified': 1}),
        notes=['a table leads back to one of its own ancestors'])


@cases(each=[{'stage': stage, 'level': level} for stage in ('legacy', 'first') for level in (4, 3, 2)])
def every_entry(stage, level):
    """All 512 entries of a table lead to the table itself."""
    image, bits = image_for(stage, 4), bits_of(stage)
    tables = chain(image, 4, bits)
    image.fill(tables[level], tables[level] | bits)
    attach(image, stage, tables[4], 4)
    size = 1 << level_shift(level)

    def place(index):
        at = index * size
        return at | ~0 << 48 & (1 << 64) - 1 if stage == 'first' and at >> 47 else at

    return Case(
        f'every entry of level {level} leads to its own table', image,
        [Device(runs=[at_level('loop', place(i), level, tables[level] + i * 8, gpa=tables[level]) for i in range(512)])],
        probes=[(DEVICE, 0), (DEVICE, 0x123456789000), (DEVICE, (1 << 47) - 1)],
        record=Record().attach(complete=True).map(0, WRONG).map(size, WRONG, size),
        verify=(0, {'unverified': 1 + size // PAGE}))


@case
def two_devices_in_each_other():
    """The table of each of two devices is a level-3 table of the other."""
    image = Image()
    a, b = chain(image, 4, RW), chain(image, 4, RW)
    entries = image.put(a[4] + 8, b[4] | RW), image.put(b[4] + 8, a[4] | RW)
    image.legacy('00:04.0', a[4])
    image.legacy('00:05.0', b[4], did=2)
    one = 1 << level_shift(4)
    # As a level-3 table, b[4] has b[3] as its first level-2 table, b[2] below that as a level-1
    # table with one page, b[1]; and a[4], an ancestor, as its second.
    return Case(
        'two devices, each in the other', image,
        [Device('00:04.0', runs=[page(one, b[1]), at_level('loop', one + (1 << 30), 3, entries[1], gpa=a[4])]),
         Device('00:05.0', runs=[page(one, a[1]), at_level('loop', one + (1 << 30), 3, entries[0], gpa=b[4])])],
        probes=[('00:04.0', one + (1 << 30)), ('00:05.0', one), ('00:04.0', one + (1 << 30) + 0x1000)],
        record=Record().attach('00:04.0', complete=True).attach('00:05.0', space=2, complete=True)
        .map(one + (1 << 30), WRONG).map(one, WRONG, space=2),
        verify=(3, {'unexpected': 1, 'wrong-address': 1, 'unverified': 1}))


@case
def loop_with_large_pages():
    """A level-3 table that is its own level-2 table: a 1 GiB leaf of one is a 2 MiB leaf of the
    other, with reserved bits where its address is."""
    image = Image()
    tables = chain(image, 4, RW)
    image.put(tables[3], 0, tables[3] | RW, 0x40000000 | RW | PS)
    image.legacy(DEVICE, tables[4])
    return Case(
        'large pages in a loop', image,
        [Device(runs=[at_level('loop', 1 << 30, 3, tables[3] + 8), page(2 << 30, 0x40000000, 1 << 30)])],
        probes=[(DEVICE, (1 << 30) + (2 << 21)), (DEVICE, (1 << 30) + (1 << 21) + 0x2000), (DEVICE, (2 << 30) + 5)],
        record=Record().attach(complete=True).map(2 << 30, 0x40000000, 1 << 30).map(1 << 30, WRONG),
        verify=(0, {'match': 1 << 18, 'unverified': 1}))


@case
def root_and_context_loop():
    """The second-stage table is the root table, and the context table is its level 3."""
    image = Image()
    context = image.new()
    image.context(DEVICE, image.root | 1, 0x102, table=context)
    # The context entry is at 0x200, that is entries 64 and 65 of a level-3 table: 64 leads to
    # the root table again; 65 is 0x102, write only, below an entry that is read only.
    return Case(
        'the root table is the page table', image,
        [Device(runs=[at_level('loop', 64 << 30, 3, context + 0x200, prot='r-', gpa=image.root)])],
        probes=[(DEVICE, 0), (DEVICE, 64 << 30), (DEVICE, 65 << 30)],
        record=Record().attach(complete=True).map(64 << 30, WRONG).map(0, GOOD),
        verify=(3, {'missing': 1, 'unverified': 1}))


# ---- nested ------------------------------------------------------------------------


def identity(image, gibibytes=3):
    """A second stage of 1 GiB pages in which every address is itself: {level: GPA}."""
    tables = {4: image.new(), 3: image.new()}
    image.put(tables[4], tables[3] | RW)
    image.put(tables[3], *(i << 30 | RW | PS for i in range(gibibytes)))
    return tables


def nested_image():
    return Image(scalable=True, nest=1, first=1)


@cases(level=[4, 3, 2])
def nested_first_stage(level):
    """A loop in the first stage, over a second stage that is honest."""
    image = nested_image()
    second, first = identity(image), chain(image, 4, FS)
    entry = image.put(first[level] + 8, first[level] | FS)
    image.map(first[4], 4, 2 << 39, GOOD, FS, path_bits=FS)
    image.pasid(DEVICE, pasid_nested(first[4], second[4]))
    at = 1 << level_shift(level)
    return Case(
        f'level {level} of the first stage of two leads to itself', image,
        [Device(runs=[at_level('loop', at, level, entry, gpa=first[level]), page(2 << 39, GOOD)])],
        probes=[(DEVICE, at), (DEVICE, 2 << 39)],
        record=Record().attach(complete=True).map(at, WRONG).map(2 << 39, GOOD),
        verify=(0, {'match': 1, 'unverified': 1}))


@cases(level=[4, 3, 2])
def nested_second_stage(level):
    """A loop in the second stage, which the first stage's page leads to."""
    image = nested_image()
    second, first = identity(image), chain(image, 4, FS)
    second[2] = image.new()
    image.put(second[3] + 8 * 64, second[2] | RW)
    # Where the loop is in the second stage's input: behind everything honest.
    where = {4: 1 << 39, 3: 65 << 30, 2: (64 << 30) + (1 << 21)}[level]
    entry = image.put(second[level] + (where >> level_shift(level) & 511) * 8, second[level] | RW)
    image.put(first[1], where | FS)
    image.map(first[4], 4, 2 << 39, GOOD, FS, path_bits=FS)
    image.pasid(DEVICE, pasid_nested(first[4], second[4]))
    return Case(
        f'level {level} of the second stage of two leads to itself', image,
        [Device(runs=[run('loop', 0, PAGE, level=level, entry=entry), page(2 << 39, GOOD)])],
        probes=[(DEVICE, 0), (DEVICE, 2 << 39)],
        record=Record().attach(complete=True).map(0, WRONG).map(2 << 39, GOOD),
        verify=(0, {'match': 1, 'unverified': 1}), entries='both stages')


@case
def nested_stages_in_each_other():
    """One page is the top table of both stages; its entries lead to each other's tables."""
    image = nested_image()
    top, low = image.new(), image.new()
    image.put(top, low | FS, top | FS)
    image.put(low, *(i << 30 | FS | PS for i in range(3)))
    image.pasid(DEVICE, pasid_nested(top, top))
    # As the second stage: 0-3 GiB is identity, behind that a loop. As the first: the same.
    return Case(
        'one table is both stages', image,
        [Device(runs=[page(0, 0, 3 << 30), at_level('loop', 1 << 39, 4, top + 8, gpa=top)])],
        probes=[(DEVICE, 0x123456), (DEVICE, 1 << 39), (DEVICE, 3 << 30)],
        record=Record().attach(complete=True).map(0, 0, 3 << 30).map(1 << 39, WRONG),
        verify=(0, {'match': 3 << 18, 'unverified': 1}), entries='both stages')
