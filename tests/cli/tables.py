# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of every kind that the walker knows, good and bad: binary images, and what
viommu prints about them, in tests/data/tables/.

For each NAME there: NAME.elf is a snapshot, made by the builder of tests/hostile;
NAME.dump.txt, NAME.entries.txt and NAME.walk.txt are the output. All are made by
regenerate.py --tables; regenerate.py --goldens makes the texts only."""

import sys

from cli import HERE, TOP, in_parallel, run

sys.path.insert(0, str(HERE.parent / 'hostile'))

from image import (FS, PAGE, PS, R, RW, SAGAW_39, SAGAW_48, SAGAW_57, W, Image, pasid_first, pasid_nested,  # noqa: E402
                   pasid_second, pasid_through)

TABLES = TOP / 'tests' / 'data' / 'tables'
ALL_WIDTHS = SAGAW_39 | SAGAW_48 | SAGAW_57
SNP, TM, XD = 1 << 11, 1 << 62, 1 << 63
A, D = 1 << 5, 1 << 6           # first stage
HOLE = 0xc0000000               # between low and high RAM
MADE = {}                       # name: a function that gives (Image, [(device, IOVA[, PASID])])


def fixture(function):
    MADE[function.__name__.replace('_', '-').replace('-', '/', 1)] = function
    return function


def legacy_image(**more):
    return Image(bits=57, sagaw=ALL_WIDTHS, **more)


def paged(image, levels=4, bits=RW, path=RW, at=0):
    """A table with pages of three sizes: 4 KiB, 2 MiB, 1 GiB, one behind the other."""
    top = image.new()
    image.map(top, levels, at, 0x10000000, bits, path_bits=path)
    image.map(top, levels, at + PAGE, 0x10001000, bits, path_bits=path)
    image.map(top, levels, at + (1 << 21), 0x20000000, bits, 2, path)
    image.map(top, levels, at + (1 << 30), 0x40000000, bits, 3, path)
    return top


SIZES = (0, 0x1fff, 0x2000, 0x200000, 0x3fffff, 0x40000000, 0x7fffffff, 0x80000000)


# ---- good ----------------------------------------------------------------------------


@fixture
def good_legacy():
    """3, 4 and 5 levels, pass-through, a device-TLB, a table that two devices share."""
    image = legacy_image(dt=1)
    four = paged(image)
    for function, (table, levels, tt) in enumerate(((paged(image, 3), 3, 0), (four, 4, 0), (paged(image, 5), 5, 0),
                                                    (0, 4, 2), (four, 4, 0), (paged(image), 4, 1))):
        image.legacy(f'00:04.{function}', table, levels, did=function + 1, tt=tt)
    return image, [(f'00:04.{function}', iova) for function in range(6) for iova in (0, 1 << 21, 0x40000000)] + [
        ('00:04.1', iova) for iova in SIZES] + [('00:04.3', (1 << 64) - 1), ('00:04.3', 0xfee00000)]


@fixture
def good_legacy_attributes():
    """Permissions, and every bit that is not an address or reserved."""
    image = legacy_image(sc=1, dt=1, version='7.2.22')
    top = image.new()
    words = (R, W, RW, RW | SNP, RW | TM, RW | SNP | TM | 0x3f << 3 & ~PS, RW | 3 << 8, RW | 0x3ff << 52 | 1 << 10, RW | XD)
    for index, bits in enumerate(words):
        image.map(top, 4, index * PAGE, 0x10000000, bits, path_bits=RW | 1 << 10)
    image.map(top, 4, 1 << 39, 0x10000000, RW, path_bits=R)
    image.map(top, 4, 2 << 39, 0x10000000, R, path_bits=RW)
    image.map(top, 4, 3 << 39, 0x10000000, RW, path_bits=W)
    image.legacy('00:04.0', top)
    return image, [('00:04.0', iova) for iova in (*(index * PAGE for index in range(len(words))),
                                                  *(index << 39 for index in (1, 2, 3)))]


@fixture
def good_second_stage():
    """PASIDs with 3, 4 and 5 levels, one that passes through, and a table that two of them share."""
    image = Image(scalable=True, bits=57, sagaw=ALL_WIDTHS)
    tables = {levels: paged(image, levels) for levels in (3, 4, 5)}
    directory = image.new()
    for pasid, entry in ((0, pasid_second(tables[4])), (1, pasid_second(tables[3], 3, 2)),
                         (63, pasid_second(tables[5], 5, 3)), (64, pasid_through(4)), (8191, pasid_second(tables[4], 4, 5))):
        image.pasid('00:04.0', entry, pasid, directory)
    image.pasid('00:14.0', pasid_through(), rid_pasid=7, pasid=7)
    return image, [('00:04.0', 0x201000), ('00:04.0', 5, 0), ('00:04.0', 5, 1), ('00:04.0', 0x40000005, 63),
                   ('00:04.0', 1 << 60, 64), ('00:04.0', 0, 8191), ('00:04.0', 0, 2), ('00:14.0', 0xfee00000, 7),
                   ('00:14.0', 0xfee00000)]


@fixture
def good_first_stage():
    """4 and 5 levels, both halves of the canonical space, and every attribute."""
    image = Image(scalable=True, first=1, bits=57, sagaw=ALL_WIDTHS, fs5lp=1)
    top, directory = paged(image, 4, FS, FS), image.new()
    for index, bits in enumerate((1 | 4, FS | A, FS | A | D, FS | 3 << 3, FS | 1 << 7, FS | 1 << 8, FS | 1 << 10, FS | XD)):
        image.map(top, 4, 0x10000 + index * PAGE, 0x11000000, bits, path_bits=FS)
    image.map(top, 4, 0x80000000, 0x80000000, FS | 1 << 12, 3, FS)
    image.map(top, 4, 1 << 39, 0x14000000, FS, path_bits=1 | 4)
    image.map(top, 4, 0x0000800000000000, 0x12000000, FS, path_bits=FS)
    five = paged(image, 5, FS, FS)
    image.map(five, 5, 1 << 56, 0x13000000, FS, path_bits=FS)
    first = list(pasid_first(top))
    first[2] |= 1 << 5 | 1 << 4 | 1
    image.pasid('00:04.0', first, 0, directory)
    image.pasid('00:04.0', pasid_first(five, 5, did=2, aw=3), 9, directory)
    upper = (1 << 64) - (1 << 47)
    return image, [('00:04.0', iova) for iova in (0, 0x200000, 0x40000000, 0x80000000, 1 << 39, upper, upper + PAGE)] + [
        ('00:04.0', 0x10000 + index * PAGE) for index in range(8)] + [
        ('00:04.0', 5, 9), ('00:04.0', (1 << 64) - (1 << 56), 9), ('00:04.0', 1 << 55, 9)]


@fixture
def good_nested():
    """A first stage of 4 KiB and 2 MiB pages over a second stage of three sizes."""
    image = Image(scalable=True, nest=1, first=1)
    second, first = image.new(), image.new()
    for gib in (0, 2):
        image.map(second, 4, gib << 30, gib << 30, RW, 3)
    image.map(second, 4, 1 << 30, 0x50000000, RW, 2)
    image.map(second, 4, (1 << 30) + (1 << 21), 0x60000000, R)
    image.map(first, 4, 0, 0x40000000, FS, path_bits=FS)
    image.map(first, 4, PAGE, 0x40200000, FS, path_bits=FS)
    image.map(first, 4, 1 << 21, 0x40000000, FS, 2, FS)
    image.map(first, 4, 1 << 30, 0x80000000, FS, 3, FS)
    image.pasid('00:04.0', pasid_nested(first, second))
    return image, [('00:04.0', iova) for iova in (5, PAGE, 1 << 21, 1 << 30, 2 << 30)]


@fixture
def good_old_qemu():
    """QEMU 7.2 walks first-stage and nested entries as if they were second-stage ones."""
    image = Image(scalable=True, version='7.2.22')
    table, directory = paged(image), image.new()
    for pasid, pgtt in enumerate((1, 2, 3)):
        image.pasid('00:04.0', (table | pgtt << 6 | 2 << 2 | 1, pgtt, HOLE, 0, 0, 0, 0, 0), pasid, directory)
    return image, [('00:04.0', 5, pasid) for pasid in range(3)] + [('00:04.0', 5)]


@fixture
def good_translation_off():
    image, probes = good_legacy()
    image.set(0x1c, 0)
    return image, [('00:04.0', 0x1234), ('00:04.0', 0xfee00000)]


# ---- bad -----------------------------------------------------------------------------


@fixture
def bad_root_not_ram():
    image = Image()
    image.set(0x20, HOLE)
    return image, [('00:04.0', 0)]


@fixture
def bad_legacy():
    """Root and context entries, a device for each thing that can be wrong."""
    image = Image()
    table = paged(image)
    for function, (low, high) in enumerate((
            (0, 0x102), (table | 1, 0x100), (table | 1, 0x103), (table | 1, 0x107), (table | 5, 0x102), (table | 13, 0x102),
            (table | 1 | 1 << 4, 0x102), (table | 1, 0x102 | 1 << 7))):
        image.context(f'00:04.{function}', low, high)
    image.context('00:05.0', table | 1, 0x102 | 1 << 24)
    image.context('00:05.1', table | 3 | 1 << 50, 0x102)
    image.context('00:05.2', 1 << 47 | 1, 0x102)
    image.put(image.root + 2 * 16, HOLE | 1, 0)
    image.put(image.root + 3 * 16, HOLE | 1 | 1 << 6, 0)
    image.put(image.root + 4 * 16, HOLE | 1, 1)
    image.put(image.root + 5 * 16, 1 << 50 | 1, 0)
    return image, [(f'00:04.{function}', 0) for function in range(8)] + [
        (f'00:05.{function}', 0) for function in range(3)] + [(f'{bus:02x}:00.0', 0) for bus in range(1, 6)]


@fixture
def bad_legacy_paging():
    """Second-stage entries, one of each kind that is refused, at each level where it can be."""
    image = Image()
    top, places = image.new(), []

    def put(iova, word, level=1):
        image.put(image.path(top, 4, iova, level), word)
        places.append(iova)

    put(0, 0)
    put(PAGE, R | 0x10000000)
    put(2 * PAGE, W | 0x10000000)
    for index, bit in enumerate((11, 48, 51, 62)):
        put((4 + index) * PAGE, RW | 0x10000000 | 1 << bit)
    put(8 * PAGE, (1 << 64) - 1)
    for index, gpa in enumerate((0xfedff000, 0xfee00000, 0xfeeff000, 0xfef00000)):
        put((9 + index) * PAGE, gpa | RW)
    put(1 << 21, 0xfee00000 | RW | PS, 2)
    for index, bit in enumerate((12, 20, 11)):
        put((2 + index) << 21, RW | PS | 0x10000000 | 1 << bit, 2)
    put(8 << 21, HOLE | RW, 2)
    put(9 << 21, RW | SNP | 0x10000000, 2)
    put(1 << 30, RW | PS | 1 << 29, 3)
    put(2 << 30, HOLE | RW, 3)
    put(3 << 30, RW | PS | 0xc0000000, 3)
    put(1 << 39, RW | PS | 0x10000000, 4)
    put(2 << 39, HOLE | RW, 4)
    put(3 << 39, 0, 4)
    image.legacy('00:04.0', top)
    image.legacy('00:05.0', paged(image, 3), 3)
    return image, [('00:04.0', iova) for iova in places] + [
        ('00:04.0', 0xfee00000), ('00:04.0', 1 << 48), ('00:04.0', (1 << 64) - 1), ('00:05.0', 1 << 39)]


@fixture
def bad_loops():
    """Tables that lead back: to themselves at each level, and to the root table."""
    image = Image()
    tables = {level: image.new() for level in (4, 3, 2, 1)}
    for level in (4, 3, 2):
        image.put(tables[level], tables[level - 1] | RW, tables[level] | RW, tables[4] | RW)
    image.put(tables[1], 0x10000000 | RW)
    image.legacy('00:04.0', tables[4])
    image.legacy('00:05.0', image.root)
    return image, [('00:04.0', iova) for iova in (0, 1 << 39, 1 << 30, 1 << 21, 2 << 39, 2 << 30, 2 << 21)] + [
        ('00:05.0', 0)]


@fixture
def bad_not_captured():
    """RAM that is not in the snapshot: nobody knows."""
    image = Image()
    top = image.new()
    image.put(image.path(top, 4, 0, 2), image.new() | RW)
    image.legacy('00:04.0', top)
    image.legacy('00:05.0', image.new())
    image.put(image.root + 16, image.new() | 1, 0)
    return image, [('00:04.0', 0), ('00:05.0', 0), ('01:00.0', 0)]


def bad_scalable_entries(image):
    """A device for each thing that can be wrong with root, context and PASID entries."""
    table = paged(image)
    for function, words in enumerate(((0, 0, 0, 0), (1 | 1 << 5, 0, 0, 0), (1, 1 << 21, 0, 0), (1, 0, 1, 0), (1, 0, 0, 1 << 63),
                                      (1 << 50 | 1, 0, 0, 0))):
        image.put(image.sm_context(f'00:04.{function}', 0), *words)
    image.sm_context('00:05.0', HOLE)
    image.page(image.put(image.new(), 0))
    image.sm_context('00:05.1', image.next - PAGE)
    image.sm_context('00:05.2', image.put(image.new(), HOLE | 1))
    for function, entry in enumerate(((table | 2 << 6 | 2 << 2,), (table | 2 << 2 | 1,), (table | 2 << 6 | 1,), (2 << 6 | 7 << 2 | 1,),
                                      (3 << 6 | 2 << 2 | 1,), (1 << 6 | 2 << 2 | 1,), (7 << 6 | 1,), (4 << 6 | 3 << 2 | 1,))):
        image.pasid(f'00:06.{function}', (*entry, 1, 0, 0, 0, 0, 0, 0))
    image.put(image.root + 2 * 16, HOLE | 1, 0)
    image.put(image.root + 3 * 16, HOLE | 1, 2)
    return image, [(f'00:04.{function}', 0) for function in range(6)] + [
        (f'00:05.{function}', 0) for function in range(3)] + [(f'00:06.{function}', 0) for function in range(8)] + [
        ('00:10.0', 0), ('02:00.0', 0), ('03:00.0', 0)]


@fixture
def bad_scalable():
    return bad_scalable_entries(Image(scalable=True))


@fixture
def bad_scalable_old_qemu():
    """Before 10.0 there is one fault reason for everything about PASIDs."""
    return bad_scalable_entries(Image(scalable=True, version='7.2.22'))


@fixture
def bad_second_stage():
    """In scalable mode: the interrupt range, the width, a table that is no RAM."""
    image = Image(scalable=True)
    top, directory = image.new(), image.new()
    image.map(top, 4, 0, 0xfee00000)
    image.map(top, 4, PAGE, 0x10000000, R)
    image.map(top, 4, 2 * PAGE, 0x10000000, RW | SNP)
    image.put(top + 8, HOLE | RW | SNP)
    image.put(top + 16, HOLE | RW)
    image.pasid('00:04.0', pasid_second(top), 0, directory)
    image.pasid('00:04.0', pasid_second(HOLE), 1, directory)
    return image, [('00:04.0', iova) for iova in (0, PAGE, 2 * PAGE, 3 * PAGE, 1 << 39, 2 << 39, 1 << 48)] + [('00:04.0', 0, 1)]


@fixture
def bad_first_stage():
    """First-stage entries, one of each kind that is refused, at each level where it can be."""
    image = Image(scalable=True, first=1)
    top, directory, places = image.new(), image.new(), []

    def put(iova, word, level=1):
        image.put(image.path(top, 4, iova, level, FS), word)
        places.append(iova)

    for index, word in enumerate((0, 1 | 4, 1 | 2, FS | 1 << 48, FS | 1 << 51, (1 << 64) - 1)):
        put(index * PAGE, word and word | 0x10000000)
    put(6 * PAGE, FS | 0xfee00000)
    put(1 << 21, FS | PS | 0x10000000 | 1 << 13, 2)
    put(2 << 21, HOLE | FS, 2)
    put(3 << 21, FS | PS | 0xfec00000 | 1 << 12, 2)
    put(1 << 30, FS | PS | 1 << 29, 3)
    put(2 << 30, HOLE | 3, 3)
    put(3 << 30, 0, 3)
    put(1 << 39, FS | PS | HOLE, 4)
    put(2 << 39, FS | HOLE, 4)
    image.pasid('00:04.0', pasid_first(top), 0, directory)
    image.pasid('00:04.0', pasid_first(HOLE), 1, directory)
    image.pasid('00:04.0', pasid_first(top, aw=0), 2, directory)
    image.pasid('00:04.0', pasid_first(top, 5), 3, directory)
    return image, [('00:04.0', iova) for iova in (*places, 1 << 47, 1 << 63)] + [
        ('00:04.0', 0, 1), ('00:04.0', 1 << 29, 2), ('00:04.0', 0, 3)]


@fixture
def bad_nested():
    """What the second stage does to the first stage's tables and pages."""
    image = Image(scalable=True, nest=1, first=1)
    second, first, directory = image.new(), image.new(), image.new()
    image.map(second, 4, 0, 0, RW, 3)
    image.map(second, 4, 1 << 30, 0x40000000, R)
    image.map(second, 4, (1 << 30) + PAGE, 0x40000000, W)
    image.map(second, 4, (1 << 30) + 2 * PAGE, 0x40000000, RW | 1 << 48)
    image.map(second, 4, (1 << 30) + 3 * PAGE, 0xfee00000)
    image.put(image.path(second, 4, 2 << 30, 3), HOLE | RW)
    for index in range(5):
        image.map(first, 4, index * PAGE, (1 << 30) + index * PAGE, FS, path_bits=FS)
    image.map(first, 4, 5 * PAGE, 2 << 30, FS, path_bits=FS)
    image.map(first, 4, 6 * PAGE, 1 << 40, FS, path_bits=FS)
    image.put(image.path(first, 4, 1 << 30, 3, FS), 3 << 30 | FS)
    image.put(image.path(first, 4, 2 << 30, 3, FS), first | FS)
    for pasid, entry in enumerate((pasid_nested(first, second), pasid_nested(5 << 30, second), pasid_nested(first, HOLE))):
        image.pasid('00:04.0', entry, pasid, directory)
    return image, [('00:04.0', iova) for iova in (*(index * PAGE for index in range(8)), 1 << 30, 2 << 30, 1 << 47)] + [
        ('00:04.0', 0, 1), ('00:04.0', 0, 2)]


# ---- the files -----------------------------------------------------------------------


def build():
    """[(name, Image, probes)], registers cut to what QEMU's unit has."""
    for name, function in MADE.items():
        image, probes = function()
        image.registers = image.registers[:0x230]
        yield name, image, probes


def commands(name, probes):
    """(path of the text, [arguments of its runs]): the runs follow each other in it."""
    target = ['-s', f'{name}.elf']
    yield TABLES / f'{name}.dump.txt', [['dump', *target]]
    yield TABLES / f'{name}.entries.txt', [['dump', '--entries', *target]]
    yield TABLES / f'{name}.walk.txt', [['walk', *target, device, hex(iova), *(f'--pasid={value}' for value in pasid)]
                                        for device, iova, *pasid in probes]


def outputs():
    """[(path of the text, its text)], in a fixed order, from the images there are."""
    wanted = [(path, args) for name, _, probes in build() for path, runs in commands(name, probes) for args in runs]
    texts = {}
    done = in_parallel(lambda item: run(*item[1], cwd=TABLES), wanted)
    for (path, args), one in zip(wanted, done):
        if one.status != 0 or one.err:
            raise AssertionError(str(one))
        texts[path] = texts.get(path, '') + f'$ viommu {" ".join(args)}\n{one.out}\n'
    return list(texts.items())
