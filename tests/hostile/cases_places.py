# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables that stand where no table can: outside of RAM, over devices, at the end of
everything, full of ones."""

from case import DEVICE, Case, Device, at_level, case, cases, page, run
from cases_loops import GOOD, WRONG, attach, bits_of, chain, identity, image_for, nested_image
from image import FS, LAST_PAGE, PAGE, PS, REGISTERS, RW, Record, level_shift, pasid_nested

ONES = (1 << 64) - 1
INTERRUPT_PAGES = 256     # 0xfee00000-0xfeefffff, which no request takes to the tables
NOT_RAM = {'pci-hole': 0xc0000000, 'interrupts': 0xfee00000, 'registers': REGISTERS, 'behind-ram': LAST_PAGE + PAGE,
           'last-page': (1 << 48) - PAGE}
ABOVE = {'above-width': 1 << 48, 'bit-51': 1 << 51}


def wide_image(stage='legacy'):
    return image_for(stage, 4)


# ---- root and context tables -------------------------------------------------------


@cases(place=list(NOT_RAM))
def root_table(place):
    image = wide_image()
    image.set(0x20, NOT_RAM[place])
    return Case(
        f'the root table at {NOT_RAM[place]:#x}', image, [Device('00:00.0', 0x8)],
        probes=[(DEVICE, 0), ('ff:1f.7', 0)], info=[0x8, 0x8], verify=(3, {'no-context': 1}))


@cases(place=list(ABOVE))
def root_table_beyond(place):
    """QEMU drops the bits of RTADDR above the width: this is the root table at 0."""
    image = wide_image()
    image.set(0x20, ABOVE[place])
    table = image.new()
    image.root = 0
    image.legacy(DEVICE, table)
    image.map(table, 4, 0, GOOD)
    return Case('RTADDR with bits above the width', image, [Device(runs=[page(0, GOOD)])], probes=[(DEVICE, 0)],
                verify=(0, {'match': 1}))


@cases(place=list(NOT_RAM))
def context_table(place):
    image = wide_image()
    image.put(image.root, NOT_RAM[place] | 1, 0)
    return Case(
        f'a context table at {NOT_RAM[place]:#x}', image, [Device('00:00.0', 0x9)],
        probes=[(DEVICE, 0), ('01:00.0', 0)], info=[0x9, 0x9], verify=(3, {'no-context': 1}))


@cases(place=list(ABOVE))
def context_table_beyond(place):
    image = wide_image()
    image.put(image.root, ABOVE[place] | 1, 0)
    return Case(f'a context table at {ABOVE[place]:#x}', image, [Device('00:00.0', 0xa)], probes=[(DEVICE, 0)],
                info=[0xa, 0xa], verify=(3, {'no-context': 1}))


@case
def not_captured():
    """RAM, but not in the snapshot: nothing is known, and nothing is claimed."""
    image = wide_image()
    return Case('an empty snapshot', image, [Device('00:00.0', 'could not be read')], probes=[(DEVICE, 0)],
                info=['could not be read'] * 2, verify=(0, {'unverified': 1}))


@case
def context_not_captured():
    image = wide_image()
    image.put(image.root, image.new() | 1, 0)
    return Case('a context table that is missing', image, [Device('00:00.0', 'could not be read')],
                probes=[(DEVICE, 0)], verify=(0, {'unverified': 1}))


@case
def root_table_of_ones():
    image = wide_image()
    image.fill(image.root, ONES)
    return Case('a root table of ones', image, [Device(f'{bus:02x}:00.0', 0xa) for bus in range(256)],
                probes=[(DEVICE, 0), ('ff:1f.7', ONES)], info=[0xa, 0xa], verify=(3, {'no-context': 1}))


@case
def context_table_of_ones():
    image = wide_image()
    image.put(image.root, image.fill(image.new(), ONES) | 1, 0)
    return Case('a context table of ones', image,
                [Device(f'00:{d >> 3:02x}.{d & 7}', 0xb) for d in range(256)], probes=[(DEVICE, 0)], info=[0xb, 0xb],
                verify=(3, {'no-context': 1}))


# ---- paging tables -----------------------------------------------------------------


def stage_places():
    for stage in ('legacy', 'first'):
        for level in (4, 3, 2, 1):
            for place in ('pci-hole', 'registers', 'behind-ram', 'last-page'):
                if place in ('pci-hole', 'registers') or level in (4, 1):
                    yield {'stage': stage, 'level': level, 'place': place}


@cases(each=stage_places())
def table(stage, level, place):
    """A table of this level where there is no RAM; an honest page beside it."""
    image, bits, gpa = wide_image(stage), bits_of(stage), NOT_RAM[place]
    honest = 2 << 39
    if level == 4:
        attach(image, stage, gpa, 4)
        runs = [run('unreadable', 0, 1 << 64 if stage == 'first' else 1 << 48, level=5, gpa=gpa)]
        counts = {'missing': 2}
    else:
        tables = chain(image, 4, bits)
        entry = image.put(tables[level + 1], gpa | bits)
        image.map(tables[4], 4, honest, GOOD, bits, path_bits=bits)
        attach(image, stage, tables[4], 4)
        runs = [at_level('unreadable', 0, level + 1, entry, gpa=gpa), page(honest, GOOD)]
        counts = {'match': 1, 'missing': 1}
    return Case(
        f'a level-{level} table at {gpa:#x}', image, [Device(runs=runs)], probes=[(DEVICE, 0), (DEVICE, honest + 1)],
        record=Record().attach(complete=True).map(0, WRONG).map(honest, GOOD), verify=(3, counts),
        notes=["is not in L1's RAM"])


@cases(level=[4, 3, 2, 1])
def table_not_captured(level):
    image = wide_image()
    tables = chain(image, 4, RW)
    del image.pages[tables[level]]
    entry = tables[level + 1] if level < 4 else 0
    image.legacy(DEVICE, tables[4])
    runs = [at_level('unreadable', 0, level + 1, entry) if entry else run('unreadable', 0, 1 << 48, level=5)]
    return Case(
        f'a level-{level} table that is not in the snapshot', image, [Device(runs=[{**runs[0], 'gpa': tables[level]}])],
        probes=[(DEVICE, 0)], record=Record().attach(complete=True).map(0, WRONG), verify=(0, {'unverified': 1}),
        notes=['is not in the snapshot'])


@cases(level=[4, 3, 2, 1])
def table_of_ones(level):
    """QEMU takes an entry of ones for one that it cannot read; dump says what is set."""
    image = wide_image()
    tables = chain(image, 4, RW)
    image.fill(tables[level], ONES)
    image.legacy(DEVICE, tables[4])
    size = 1 << level_shift(level)
    reached = 512 * size // PAGE - (INTERRUPT_PAGES if level > 2 else 0)
    counts = {'reserved-bit': reached, **({'missing': INTERRUPT_PAGES} if level > 2 else {})}
    return Case(
        f'a level-{level} table of ones', image,
        [Device(runs=[at_level('reserved', i * size, level, tables[level] + i * 8) for i in range(512)])],
        probes=[(DEVICE, 0), (DEVICE, 511 * size)],
        record=Record().attach(complete=True).map(0, WRONG, 512 * size), verify=(3, counts))


@cases(level=[4, 3, 2, 1])
def first_stage_table_of_ones(level):
    image = wide_image('first')
    tables = chain(image, 4, FS)
    image.fill(tables[level], ONES)
    attach(image, 'first', tables[4], 4)
    size = 1 << level_shift(level)

    def place(index):
        at = index * size
        return at | ~0 << 48 & ONES if at >> 47 else at

    return Case(
        f'a first-stage level-{level} table of ones', image,
        [Device(runs=[at_level('reserved', place(i), level, tables[level] + i * 8) for i in range(512)])],
        probes=[(DEVICE, 0), (DEVICE, place(511)), (DEVICE, place(255) + 1)],
        record=Record().attach(complete=True).map(0, WRONG), verify=(3, {'reserved-bit': 1}))


@case
def last_page_of_ram():
    """A leaf table and a page in the last page of RAM, whose next page is none."""
    image = wide_image()
    tables = chain(image, 4, RW)
    del image.pages[tables[1]]
    image.put(tables[2], LAST_PAGE | RW)
    image.put(LAST_PAGE, LAST_PAGE | RW, LAST_PAGE + PAGE | RW)
    image.put(LAST_PAGE + 511 * 8, LAST_PAGE | RW)
    image.legacy(DEVICE, tables[4])
    # A page need not be RAM: where a leaf leads is not viommu's business.
    return Case(
        'the last page of RAM', image,
        [Device(runs=[page(0, LAST_PAGE, 2 * PAGE), page(511 * PAGE, LAST_PAGE)])],
        probes=[(DEVICE, 0), (DEVICE, PAGE), (DEVICE, 511 * PAGE), (DEVICE, 512 * PAGE)],
        record=Record().attach(complete=True).map(0, LAST_PAGE).map(511 * PAGE, LAST_PAGE + PAGE),
        verify=(3, {'match': 1, 'unexpected': 1, 'wrong-address': 1}))


@cases(level=[3, 2, 1])
def end_of_52_bits(level):
    """With 57 bits of input, addresses have 52: a leaf at the very end of them."""
    image = image_for('legacy', 5)
    table = image.new()
    size = 1 << level_shift(level)
    last = (1 << 52) - size
    entry = image.map(table, 5, (1 << 57) - size, last, level=level)
    image.put(table, (1 << 52) - PAGE | RW)
    image.legacy(DEVICE, table, 5)
    return Case(
        'the end of 52 bits', image,
        [Device(runs=[at_level('unreadable', 0, 5, table, gpa=(1 << 52) - PAGE),
                      page((1 << 57) - size, last, size, page=size, entry=entry)])],
        probes=[(DEVICE, (1 << 57) - 1), (DEVICE, 0), (DEVICE, 1 << 57)],
        record=Record().attach(complete=True).map((1 << 57) - size, last, size).map(0, 0),
        verify=(3, {'match': size // PAGE, 'missing': 1}))


@case
def reserved_bits_one_by_one():
    """Leaves with one bit each that a leaf does not have, and with those that are ignored."""
    image = wide_image()
    tables = chain(image, 4, RW)
    for bit in range(64):
        image.put(tables[1] + bit * 8, GOOD | RW | 1 << bit)
    image.legacy(DEVICE, tables[4])
    runs = []
    for bit in range(64):
        if bit in (11, 62, *range(48, 52)):
            runs.append(at_level('reserved', bit * PAGE, 1, tables[1] + bit * 8))
        elif bit == 13:     # bits 12 and 13 make neighbours of two pages
            runs[-1] = page(12 * PAGE, GOOD + PAGE, 2 * PAGE)
        else:
            runs.append(page(bit * PAGE, GOOD | (1 << bit if 12 <= bit < 48 else 0)))
    return Case('each bit of a leaf', image, [Device(runs=runs)], probes=[(DEVICE, bit * PAGE) for bit in range(64)],
                record=Record().attach().map(0, GOOD, 12 * PAGE).map(48 * PAGE, GOOD, 16 * PAGE),
                # The pages that L1 asked for follow each other, those of the table are one:
                # 1 to 10, 52 to 61, 63; and 11, 48 to 51, 62 are refused.
                verify=(3, {'match': 1, 'wrong-address': 10 + 10 + 1, 'reserved-bit': 1 + 4 + 1}))


def entry_kinds():
    for stage in ('legacy', 'first'):
        yield from ({'stage': stage, 'level': level, 'leaf': leaf} for level, leaf in
                    ((2, 0), (2, 1), (3, 0), (3, 1), (4, 0), (4, 1)))


@cases(each=entry_kinds())
def reserved_bits_above(stage, level, leaf):
    """Entries of directories and of large pages, with one bit more each."""
    image, bits = wide_image(stage), bits_of(stage)
    tables = chain(image, 4, bits)
    at = 1 << 30
    image.page(at)
    for bit in range(64):
        image.put(tables[level] + bit * 8, at | bits | (PS if leaf else 0) | 1 << bit)
    attach(image, stage, tables[4], 4)
    reserved = set(range(48, 52)) | ({11, 62} if stage == 'legacy' else set())
    if level == 4:
        reserved |= set(range(64)) if leaf else {7}
    elif leaf:
        reserved |= set(range(12 if stage == 'legacy' else 13, level_shift(level)))
    size = 1 << level_shift(level)

    def check(json):
        (device,) = json['devices']
        found = {run['entry_gpa'] for run in device['runs'] if run['kind'] == 'reserved bit set: refused'}
        assert found == {hex(tables[level] + bit * 8) for bit in reserved}, (found, reserved)

    return Case(f'each bit of an entry of level {level}', image, check,
                probes=[(DEVICE, bit * size) for bit in (3, 7, 11, 12, 13, 20, 21, 29, 47, 48, 51, 52, 62, 63)],
                record=Record().attach().map(48 * size, WRONG), verify=(3, {'reserved-bit': 1}))


@case
def leaves_in_the_interrupt_range():
    image = wide_image()
    tables = chain(image, 4, RW)
    image.put(tables[1], 0xfedff000 | RW, 0xfee00000 | RW, 0xfeeff000 | RW, 0xfef00000 | RW)
    image.put(tables[2] + 8, 0xfee00000 | RW | PS, 0xfec00000 | RW | PS)
    image.legacy(DEVICE, tables[4])
    entry = tables[1]
    return Case(
        'pages in the interrupt range', image,
        [Device(runs=[page(0, 0xfedff000), at_level('interrupt', PAGE, 1, entry + 8),
                      at_level('interrupt', 2 * PAGE, 1, entry + 16), page(3 * PAGE, 0xfef00000),
                      at_level('interrupt', 1 << 21, 2, tables[2] + 8), page(2 << 21, 0xfec00000, 1 << 21)])],
        probes=[(DEVICE, at) for at in (0, PAGE, 2 * PAGE, 3 * PAGE, 1 << 21, (1 << 21) + 0x100000, 0xfee00000)],
        record=Record().attach(complete=True).map(0, 0xfedff000, 4 * PAGE),
        verify=(3, {'match': 1, 'missing': 2, 'wrong-address': 1, 'unexpected': 512}))


@case
def supervisor_pages():
    """U/S = 0, in a leaf and in a directory."""
    image = wide_image('first')
    tables = chain(image, 4, FS)
    leaf = image.put(tables[1], GOOD | 3)
    directory = image.put(tables[2] + 8, tables[1] | 3)
    attach(image, 'first', tables[4], 4)
    return Case(
        'pages for supervisors', image,
        [Device(runs=[at_level('privilege', 0, 1, leaf), at_level('privilege', 1 << 21, 2, directory)])],
        probes=[(DEVICE, 0), (DEVICE, 1 << 21), (DEVICE, 1 << 47), (DEVICE, 1 << 63)],
        record=Record().attach().map(0, GOOD).map(1 << 47, GOOD), verify=(3, {'wrong-permission': 1, 'beyond-width': 1}))


# ---- nested ------------------------------------------------------------------------


@cases(place=['pci-hole', 'behind-second', 'beyond-second'])
def nested_first_stage_table(place):
    """The top table of the first stage: over devices; where the second stage ends; above its
    width."""
    image = nested_image()
    second = identity(image)
    gpa = {'pci-hole': 0x80000000, 'behind-second': 5 << 30, 'beyond-second': 1 << 48}[place]
    image.pasid(DEVICE, pasid_nested(gpa, second[4]))
    return Case(
        f'the first stage of two at {gpa:#x}', image, [Device(runs=[run('unreadable', 0, 1 << 64, level=5, gpa=gpa)])],
        probes=[(DEVICE, 0), (DEVICE, 1 << 60)], verify=(3, {'missing': 1}), entries='both stages')


@case
def nested_second_stage_lost():
    """The second stage itself is not RAM: neither stage can be read."""
    image = nested_image()
    image.pasid(DEVICE, pasid_nested(image.new(), 0xc0000000))
    return Case('no second stage', image, [Device(runs=[run('unreadable', 0, 1 << 64, level=5)])],
                probes=[(DEVICE, 0)], verify=(3, {'missing': 1}), entries='both stages')
