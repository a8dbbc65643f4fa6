# SPDX-License-Identifier: GPL-2.0-or-later
"""Scalable mode: root and context entries, PASID directories and PASID entries that lie."""

import struct

from case import DEVICE, Case, Device, Pasids, at_level, case, cases, page
from cases_loops import GOOD
from image import (ECAP, FS, LAST_PAGE, P, PAGE, RW, SAGAW_39, SAGAW_48, TTM_SCALABLE, Image, ecap, pasid_first,
                   pasid_nested, pasid_second, pasid_through)

OLD, NEW = '7.2.22', '10.0.2'
ONES_TABLE = 0xfffffffffffff000


def refused(about, image, reason, probes=((DEVICE, 0),), more=()):
    """DEVICE and nothing else is there, and all of its DMA is refused."""
    return Case(about, image, [Device(outcome=reason), *more], probes=probes, info=[reason, 0x2],
                verify=(3, {'no-context': 1}))


def scalable(**more):
    return Image(scalable=True, **more)


def honest(image, bits=RW):
    """A table with one page."""
    table = image.new()
    image.map(table, 4, 0, GOOD, bits, path_bits=bits)
    return table


# ---- PGTT, AW, FSPM, P ---------------------------------------------------------------


@cases(each=[{'pgtt': pgtt, 'version': version} for pgtt in (0, 5, 6, 7) for version in (NEW, OLD)])
def type_reserved(pgtt, version):
    image = scalable(version=version)
    image.pasid(DEVICE, (image.new() | pgtt << 6 | 2 << 2 | P, 1, 0, 0, 0, 0, 0, 0))
    return refused(f'PGTT = {pgtt}', image, 0x5b if version == NEW else 0x58)


@cases(each=[{'kind': 'first', 'lacks': 'FSTS'}, {'kind': 'second', 'lacks': 'SSTS'}, {'kind': 'nested', 'lacks': 'NEST'},
             {'kind': 'through', 'lacks': 'PT'}])
def type_without_capability(kind, lacks):
    image = scalable()
    image.set(ECAP, ecap(1, nest=lacks != 'NEST', first=lacks != 'FSTS', second=lacks != 'SSTS', pt=lacks != 'PT'))
    top, second = honest(image, FS), honest(image)
    image.pasid(DEVICE, {'first': pasid_first(top), 'second': pasid_second(second), 'nested': pasid_nested(top, second),
                         'through': pasid_through()}[kind])
    return refused(f'{kind} without ECAP.{lacks}', image, 0x5b)


@cases(each=[{'aw': aw, 'version': version} for aw in (0, 3, 4, 7) for version in (NEW, OLD)])
def width_unsupported(aw, version):
    """SAGAW has 39 and 48 bits."""
    image = scalable(version=version)
    image.pasid(DEVICE, (honest(image) | 2 << 6 | aw << 2 | P, 1, 0, 0, 0, 0, 0, 0))
    return refused(f'AW = {aw}', image, 0x5b if version == NEW else 0x58)


@cases(fspm=[1, 2, 3])
def first_stage_levels(fspm):
    """FSPM = 1 needs CAP.FS5LP; 2 and 3 are reserved."""
    image = scalable(first=1)
    image.pasid(DEVICE, (1 << 6 | 2 << 2 | P, 1, honest(image, FS) | fspm << 2, 0, 0, 0, 0, 0))
    return refused(f'FSPM = {fspm}', image, 0x5b)


@cases(each=[{'width': 0, 'version': NEW}, {'width': 7, 'version': NEW}, {'width': 7, 'version': OLD}])
def pass_through_of_any_width(width, version):
    """Before 10.0, pass-through too must have an AW that there is."""
    image = scalable(version=version)
    image.pasid(DEVICE, (ONES_TABLE | 4 << 6 | width << 2 | P, 1, 0, 0, 0, 0, 0, 0))
    if version == OLD:
        return refused('pass-through with AW = 7', image, 0x58)
    return Case(f'pass-through with AW = {width}', image, [Device(outcome='passes through')],
                probes=[(DEVICE, 0), (DEVICE, (1 << 64) - 1), (DEVICE, 0xfee00000)], verify=(3, {'pass-through': 1}))


@cases(each=[{'pgtt': 2, 'reason': 0x59}, {'pgtt': 4, 'reason': 0x59}, {'pgtt': 0, 'reason': 0x5b}])
def not_present(pgtt, reason):
    """QEMU looks at the type before it looks at P."""
    image = scalable()
    image.pasid(DEVICE, (honest(image) | pgtt << 6 | 2 << 2, 1, 0, 0, 0, 0, 0, 0))
    return refused(f'P = 0, PGTT = {pgtt}', image, reason)


@cases(pgtt=[1, 3])
def old_qemu_walks_second_stage(pgtt):
    """QEMU 7.2 takes SSPTPTR and AW, whatever the type is."""
    image = scalable(version=OLD)
    image.pasid(DEVICE, (honest(image) | pgtt << 6 | 2 << 2 | P, 1, 0xfee00000, 0, 0, 0, 0, 0))
    return Case(f'PGTT = {pgtt} for QEMU 7.2', image, [Device(runs=[page(0, GOOD)])],
                probes=[(DEVICE, 0), (DEVICE, 1 << 47), (DEVICE, 1 << 48)], verify=(0, {'match': 1}))


@cases(aw=[0, 1, 2, 7])
def first_stage_width(aw):
    """QEMU takes the width of the input from the second stage's AW: what is canonical then."""
    image = scalable(first=1)
    top = image.new()
    width = min(30 + 9 * aw, 48)
    places = [0, (1 << width - 1) - PAGE, 1 << width - 1, (1 << 64) - (1 << width - 1), (1 << 64) - PAGE, 1 << 47,
              (1 << 63) - PAGE]
    for place in places:
        image.map(top, 4, place & (1 << 48) - 1, GOOD, FS, path_bits=FS)
    image.pasid(DEVICE, pasid_first(top, aw=aw))
    at = {place for place in places if place >> width - 1 in (0, (1 << 65 - width) - 1)}

    def check(json):
        (device,) = json['devices']
        reached = {int(run['first'], 16) for run in device['runs']}
        assert reached == at, (sorted(map(hex, reached)), sorted(map(hex, at)))

    return Case(f'the first stage with AW = {aw}', image, check, probes=[(DEVICE, place) for place in places],
                verify=(0, {'match': 1}))


# ---- where directories and tables are ------------------------------------------------


@cases(each=[{'place': 'hole', 'at': 0xc0000000, 'version': version} for version in (NEW, OLD)] +
       [{'place': 'registers', 'at': 0xfed90000, 'version': NEW}, {'place': 'behind', 'at': LAST_PAGE + PAGE, 'version': NEW}])
def directory_nowhere(place, at, version):
    image = scalable(version=version)
    image.sm_context(DEVICE, at)
    reason = 0x50 if version == NEW else 0x58
    return refused(f'a PASID directory at {at:#x}', image, reason, probes=[(DEVICE, 0), (DEVICE, 0, 64)],
                   more=[Pasids('unreadable', 0, 128 * 64 - 1, at)])


@cases(each=[{'place': 'hole', 'at': 0xc0000000}, {'place': 'top', 'at': ONES_TABLE}, {'place': 'above', 'at': 1 << 48}])
def pasid_table_nowhere(place, at):
    """The address is not cut to the width: bits above it make it none."""
    image = scalable()
    directory = image.new()
    image.put(directory, at | P, at | P)
    image.sm_context(DEVICE, directory)
    return refused(f'a PASID table at {at:#x}', image, 0x58, probes=[(DEVICE, 0), (DEVICE, 0, 64)],
                   more=[Pasids('unreadable', 0, 63, at), Pasids('again', 64, 127, at, same_as=(DEVICE, 0))])


@case
def directory_not_captured():
    image = scalable()
    directory = image.new()
    image.sm_context(DEVICE, directory)
    return Case('a PASID directory that is missing', image,
                [Device(outcome='could not be read'), Pasids('unreadable', 0, 128 * 64 - 1, directory)],
                probes=[(DEVICE, 0)], verify=(0, {'unverified': 1}))


@case
def directory_half_in_ram():
    """32 pages of directory, of which RAM has one; RID_PASID is behind its end."""
    image = scalable()
    image.put(LAST_PAGE, image.fill(image.new(), *pasid_through()) | P)
    image.sm_context(DEVICE, LAST_PAGE, rid_pasid=0xfffff, pdts=7)
    return Case(
        'a PASID directory that begins in the last page of RAM', image,
        [Device(outcome=0x50, pasid=0xfffff),
         *(Device(outcome='passes through', pasid=pasid) for pasid in range(64)),
         Pasids('unreadable', 512 * 64, (1 << 20) - 1, LAST_PAGE + PAGE)],
        probes=[(DEVICE, 0), (DEVICE, 0, 5), (DEVICE, 0, 64), (DEVICE, 0, 512 * 64)], verify=(3, {'no-context': 1}))


@case
def directory_smaller_than_rid_pasid():
    """PDTS = 0 is for 128 entries; QEMU does not look at it, and RID_PASID is its last one."""
    image = scalable()
    directory = image.new(32)
    image.put(directory + 16383 * 8, image.put(image.new() + 63 * 64, *pasid_second(honest(image))) & -PAGE | P)
    image.fill(directory, 0)
    image.sm_context(DEVICE, directory, rid_pasid=0xfffff)
    return Case('RID_PASID beyond PDTS', image, [Device(pasid=0xfffff, runs=[page(0, GOOD)])],
                probes=[(DEVICE, 0), (DEVICE, 0, 0xfffff)], verify=(0, {'match': 1}))


@case
def directory_of_ones():
    image = scalable()
    directory = image.fill(image.new(), (1 << 64) - 1)
    image.sm_context(DEVICE, directory)
    return refused('a PASID directory of ones', image, 0x58, probes=[(DEVICE, 0, 1), (DEVICE, 0)],
                   more=[Pasids('unreadable', 0, 63, ONES_TABLE),
                         Pasids('again', 64, 128 * 64 - 1, ONES_TABLE, same_as=(DEVICE, 0))])


@case
def pasid_table_of_ones():
    """PGTT = 7 in all of them; all are present."""
    image = scalable()
    directory = image.put(image.new(), image.fill(image.new(), (1 << 64) - 1) | P)
    image.sm_context(DEVICE, directory)
    return refused('a PASID table of ones', image, 0x5b, probes=[(DEVICE, 0, 1), (DEVICE, 0)],
                   more=[Device(outcome=0x5b, pasid=pasid) for pasid in range(1, 64)])


@case
def directory_is_its_own_table():
    """Every entry of the directory leads to it; as a PASID entry that has no type."""
    image = scalable()
    directory = image.new()
    image.fill(directory, directory | P)
    image.sm_context(DEVICE, directory)
    return refused('a directory that is its own PASID table', image, 0x5b, probes=[(DEVICE, 0), (DEVICE, 0, 0xfffff)],
                   more=[*(Device(outcome=0x5b, pasid=pasid) for pasid in range(1, 64)),
                         Pasids('again', 64, 128 * 64 - 1, directory, same_as=(DEVICE, 0))])


@case
def pasid_entry_is_page_table():
    """The second-stage table of a PASID is the PASID table that its entry stands in."""
    image = scalable()
    directory, table = image.new(), image.new()
    image.put(directory, table | P)
    image.put(table, *pasid_second(table, did=3))
    image.sm_context(DEVICE, directory)
    # P, PGTT = 2 and AW = 2 are 0x89: as a second-stage entry of level 4, R, and PS: reserved.
    return Case('a PASID table that is a page table', image,
                # Its DID, 3, is an entry that leads to 0, which is not in the snapshot.
                [Device(pasid=0, runs=[at_level('reserved', 0, 4, table, prot='r-'),
                                       at_level('unreadable', 1 << 39, 4, table + 8, gpa=0)])],
                probes=[(DEVICE, 0), (DEVICE, 1 << 39), (DEVICE, 2 << 39)], verify=(3, {'reserved-bit': 1}))


@case
def every_type_in_one_table():
    """64 PASIDs, of all types, over the same tables."""
    image = scalable(first=1, nest=1)
    first, second = honest(image, FS), image.new()
    image.put(second, image.put(image.new(), *(i << 30 | RW | 0x80 for i in range(3))) | RW)
    directory, table = image.new(), image.new()
    image.put(directory, table | P)
    kinds = [pasid_second(second), pasid_first(first), pasid_nested(first, second), pasid_through()]
    image.put(table, *(word for pasid in range(64) for word in kinds[pasid % 4]))
    image.sm_context(DEVICE, directory)
    identity = [page(0, 0, 3 << 30, page=1 << 30)]
    runs = {0: identity, 1: [page(0, GOOD)], 2: [page(0, GOOD)]}
    return Case(
        'all types of PASID entries', image,
        [Device(pasid=pasid, outcome='passes through' if pasid % 4 == 3 else 'translates',
                runs=runs[pasid] if pasid < 3 else [], same_as=DEVICE if pasid > 3 and pasid % 4 != 3 else None)
         for pasid in range(64)],
        probes=[(DEVICE, iova, pasid) for pasid in range(4) for iova in (0, 5, 1 << 31, 1 << 47, 1 << 63)],
        verify=(3, {'wrong-address': 1}), entries='both stages')


# ---- root and context entries --------------------------------------------------------


@cases(each=[{'word': word, 'bit': bit} for word, bit in
             [(0, 5), (0, 8), (0, 48), (0, 63), (1, 21), (1, 63), (2, 0), (2, 63), (3, 0), (3, 63)]])
def context_reserved(word, bit):
    image = scalable()
    entry = image.pasid(DEVICE, pasid_second(honest(image)))
    context = image.sm_context(DEVICE, entry[0])
    words = [entry[0] | P, 0, 0, 0]
    words[word] |= 1 << bit
    image.put(context, *words)
    return refused(f'bit {bit} of word {word} of a context entry', image, 0xb)


@case
def context_ignored():
    """What QEMU does not look at: DTE, PASIDE, PRE, PDTS, RID_PRIV, FPD."""
    image = scalable()
    directory = image.new(32)
    image.zeros(directory + PAGE, 31)
    image.pasid(DEVICE, pasid_second(honest(image)), directory=directory)
    image.put(image.sm_context(DEVICE, directory), directory | 7 << 9 | 0x1f, 1 << 20)
    return Case('a context entry with all that is ignored', image, [Device(pasid=0, runs=[page(0, GOOD)])],
                probes=[(DEVICE, 0)], verify=(0, {'match': 1}))


@cases(each=[{'half': half, 'bit': bit} for half in (0, 1) for bit in (1, 11, 48, 63)])
def root_reserved(half, bit):
    """A reserved bit in one half of a root entry refuses the devices of both."""
    image = scalable()
    image.pasid(DEVICE, pasid_second(honest(image)))
    low, = struct.unpack_from('<Q', image.page(image.root))
    image.put(image.root, low | (0 if half else 1 << bit), half << bit)
    return Case(f'bit {bit} of half {half} of a root entry', image, [Device('00:00.0', 0xa)],
                probes=[(DEVICE, 0), ('00:10.0', 0)], info=[0xa, 0xa], verify=(3, {'no-context': 1}))


@cases(ttm=[0, 1, 2, 3])
def translation_mode(ttm):
    """Bit 10 of RTADDR alone makes it scalable mode."""
    image = scalable()
    image.set(0x20, image.root | ttm << 10)
    image.pasid(DEVICE, pasid_second(honest(image)))
    if ttm & 1:
        return Case(f'TTM = {ttm}', image, [Device(pasid=0, runs=[page(0, GOOD)])], probes=[(DEVICE, 0)],
                    verify=(0, {'match': 1}))
    # As legacy mode has it, the scalable entry of devfn 0x20 is 256 bits at 0x400: that of 0x40.
    return Case(f'TTM = {ttm}: legacy', image, [Device('00:08.0', 0x3)], probes=[(DEVICE, 0), ('00:08.0', 0)],
                info=[0x2, 0x2], verify=(3, {'no-context': 1}))


@case
def scalable_without_smts():
    """TTM asks for what ECAP has not."""
    image = Image(sagaw=SAGAW_39 | SAGAW_48)
    image.set(0x20, image.root | TTM_SCALABLE)
    table = honest(image)
    image.legacy(DEVICE, table)
    return Case('TTM without SMTS', image, [Device(runs=[page(0, GOOD)])], probes=[(DEVICE, 0)], verify=(0, {'match': 1}))
