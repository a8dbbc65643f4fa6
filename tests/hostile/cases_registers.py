# SPDX-License-Identifier: GPL-2.0-or-later
"""Registers that contradict themselves, claim too much, or are not there; fault records."""

import struct

from case import DEVICE, Case, Device, case, cases, page
from cases_loops import GOOD
from cases_rings import with_root
from image import FSTS, GSTS, PAGE, Image, sid

ONES = (1 << 64) - 1


def honest(levels=4, gpa=GOOD, **more):
    """One device with one page at IOVA 0."""
    image = Image(**more)
    table = image.new()
    image.map(table, levels, 0, gpa)
    image.legacy(DEVICE, table, levels)
    return image


# ---- what governs a translation ------------------------------------------------------


@case
def all_zero():
    image = honest()
    image.registers = bytearray(PAGE)
    return Case('registers of zeros', image, probes=[(DEVICE, 0), (DEVICE, ONES)], info=['translation is off'] * 2,
                verify=(3, {'translation-off': 1}))


@case
def all_ones():
    """Scalable mode, each width; a root table at the end of 52 bits; 256 fault records, which
    reach behind the registers; a queue and an interrupt table of the largest size."""
    image = with_root()
    image.registers = bytearray(b'\xff' * PAGE)

    def faults(got):
        # FRO = 0x3ff: they would begin at 0x3ff0, where nothing was read.
        assert (got['registers'], got['records'], got['fsts']) == (0, [], 0xffffffff), got

    return Case('registers of ones', image, [Device('00:00.0', 0x8)], probes=[(DEVICE, 0), (DEVICE, ONES)], info=[0x8, 0x8],
                verify=(3, {'no-context': 1}),
                parts={'queue': {'enabled': True, 'unreadable': 1 << 14, 'base': hex((1 << 52) - PAGE)},
                       'interrupts': {'enabled': True, 'unreadable': 1 << 16}, 'faults': faults})


@case
def translation_off():
    """All is there, but TES is not set."""
    image = honest()
    image.set(GSTS, 0x7fffffff & ~(1 << 26 | 1 << 25))
    return Case('translation is off', image, probes=[(DEVICE, 0), (DEVICE, 0xfee00000)],
                info=['translation is off'] * 2, verify=(3, {'translation-off': 1}))


@cases(bits=[1, 12, 13, 30, 39, 64])
def address_width(bits):
    """CAP.MGAW is for what goes in as well as for what comes out."""
    image = honest(bits=bits)
    if bits < 22:       # the root table itself is above it, and what is left of its address is 0
        return Case(f'{bits} bits', image, [Device('00:00.0', 'could not be read')], probes=[(DEVICE, 0)],
                    info=['could not be read'] * 2, verify=(0, {'unverified': 1}))
    return Case(f'{bits} bits', image, [Device(runs=[page(0, GOOD)])],
                probes=[(DEVICE, 0), (DEVICE, 1 << min(bits, 48)), (DEVICE, (1 << min(bits, 48)) - 1), (DEVICE, ONES)],
                verify=(0, {'match': 1}))


@case
def no_widths():
    """SAGAW = 0, and TES: nothing can be translated."""
    image = honest(sagaw=0)
    return Case('SAGAW = 0', image, [Device(outcome=0x3)], probes=[(DEVICE, 0)], info=[0x3, 0x2],
                verify=(3, {'no-context': 1}))


@cases(aw=[0, 1, 2, 3, 4])
def every_width(aw):
    """SAGAW has all bits set: QEMU walks two to six levels."""
    image = honest(levels=aw + 2, bits=64, sagaw=0x1f)
    bits = 30 + 9 * aw
    if aw == 4:         # 66 bits: all that an address has but its last
        bits = 63
    return Case(f'AW = {aw}', image, [Device(runs=[page(0, GOOD)])],
                probes=[(DEVICE, 5), (DEVICE, 1 << bits), (DEVICE, (1 << bits) - 1)], verify=(0, {'match': 1}))


@cases(each=[{'name': 'empty', 'version': ''}, {'name': 'words', 'version': 'nonsense'}, {'name': 'negative', 'version': '-1'},
             {'name': 'short', 'version': '9'}, {'name': 'large', 'version': '9' * 30 + '.0'},
             {'name': 'terminal', 'version': '7.2\x1b[31m'}])
def version(name, version):
    """The version decides over fault reasons; one that is not to be read is a current one."""
    image = Image(scalable=True, version=version)
    image.pasid(DEVICE, (image.new() | 5 << 6 | 2 << 2 | 1, 1, 0, 0, 0, 0, 0, 0))
    reason = 0x58 if version[:1] in ('7', '9') and len(version) < 20 else 0x5b
    image.note['machine'] = image.machine()
    image.version = '7.2.22' if reason == 0x58 else '10.0.2'    # for the Oracle
    return Case(f'a QEMU of version {version!r}', image, [Device(outcome=reason)], probes=[(DEVICE, 0)],
                info=[reason, 0x2], verify=(3, {'no-context': 1}))


# ---- their size and place ------------------------------------------------------------


@cases(size=[0xc0, 0xe0, 0x220, 0x228, 0x230])
def short(size):
    """What lies behind what was read is 0."""
    image = honest()
    put_fault(image, 0, 0x1234000, 6, sid(DEVICE))
    image.registers = image.registers[:size]
    there = 0 if size < 0x230 else 1
    return Case(f'{size:#x} bytes of registers', image, [Device(runs=[page(0, GOOD)])], probes=[(DEVICE, 0)],
                verify=(0, {'match': 1}),
                parts={'faults': lambda got: check_faults(got, there, there)})


@cases(each=[{'name': 'few', 'size': 0xb8}, {'name': 'odd', 'size': 0xc4}, {'name': 'many', 'size': PAGE + 8},
             {'name': 'none', 'size': 0}])
def size_refused(name, size):
    image = honest()
    image.registers = bytearray(size)
    return Case(f'{size:#x} bytes of registers', image, rejected='is not a usable snapshot: ')


@cases(each=[{'name': 'letters', 'text': 'xy' * PAGE}, {'name': 'short', 'text': '00' * (PAGE - 8)},
             {'name': 'long', 'text': '00' * (PAGE + 8)}, {'name': 'number', 'text': 5}])
def digits_refused(name, text):
    image = honest()
    image.note['registers'] = text
    return Case('registers that are not hexadecimal digits', image,
                rejected='its registers are not what viommu-snapshot(5) says')


# ---- fault recording registers -------------------------------------------------------


def put_fault(image, index, iova, reason, source, read=1, pasid=0, pp=0, f=1, at=0x220):
    struct.pack_into('<QQ', image.registers, at + 16 * index, iova,
                     source | pp << 31 | reason << 32 | pasid << 40 | read << 62 | f << 63)


def check_faults(got, registers, records):
    assert (got['registers'], len(got['records'])) == (registers, records), (got['registers'], len(got['records']))


def faults(about, image, check):
    return Case(about, image, [Device(runs=[page(0, GOOD)])], probes=[(DEVICE, 0)], verify=(0, {'match': 1}),
                parts={'faults': check})


@case
def fault_records_without_end():
    """NFR claims 256 records; from FRO on there is room for 222."""
    image = honest(nfr=255)
    for index in range(222):
        put_fault(image, index, index << 40 | 0x1000, index, index << 8 | index, index & 1)

    def check(got):
        check_faults(got, 222, 222)
        for index, record in enumerate(got['records']):
            assert (record['index'], record['fault_reason'], record['read']) == (index, index, index % 2 == 1), record
            assert ('now' in record) == (not 0x20 <= index <= 0x2f), record

    return faults('256 fault records', image, check)


@case
def fault_records_over_everything():
    """FRO = 0: the records are VER and CAP, ECAP and GSTS, and so on."""
    image = honest(nfr=255, fro=0)
    recorded = [at for at in range(0, PAGE, 16) if image.registers[at + 15] >> 7]

    def check(got):
        check_faults(got, 256, len(recorded))
        assert [record['index'] * 16 for record in got['records']] == recorded == [0x10], recorded

    return faults('fault records over the other registers', image, check)


@cases(fro=[0xff, 0x100, 0x3ff])
def fault_records_at_the_end(fro):
    image = honest(nfr=255, fro=fro)
    there = 1 if fro == 0xff else 0
    if there:
        put_fault(image, 0, ONES, 0xff, 0xffff, 0, 0xfffff, 1, at=0xff0)
    return faults(f'fault records at {fro * 16:#x}', image, lambda got: check_faults(got, there, there))


@case
def fault_record_of_ones():
    """Reason 0xff, by a device that QEMU has not, of the last page of all."""
    image = honest()
    image.registers[0x220:0x230] = b'\xff' * 16

    def check(got):
        (record,) = got['records']
        assert (record['device'], record['iova'], record['fault_reason'], record['pasid']) == \
            ('0000:ff:1f.7', hex(ONES & -PAGE), 0xff, 0xfffff), record
        assert record['now']['read']['fault_reason'] == 0x1, record['now']

    return faults('a fault record of ones', image, check)


@cases(reason=[0x1f, 0x20, 0x22, 0x2f, 0x30])
def fault_of_an_interrupt(reason):
    """Reasons 0x20 to 0x2f are of interrupts: FI holds an index, and no walk is made."""
    image = honest()
    put_fault(image, 0, 0xffff << 48, reason, sid(DEVICE))

    def check(got):
        (record,) = got['records']
        assert ('now' in record) == (reason in (0x1f, 0x30)), record

    return faults(f'fault reason {reason:#x}', image, check)


@case
def fault_not_recorded():
    """All but F."""
    image = honest()
    put_fault(image, 0, ONES, 0xff, 0xffff, 1, 0xfffff, 1, f=0)
    image.set(FSTS, 0xffffffff)
    return faults('no F', image, lambda got: check_faults(got, 1, 0))


@case
def fault_that_is_none():
    """The tables allow what was refused: they changed, or the record lies."""
    image = honest()
    put_fault(image, 0, 0, 6, sid(DEVICE))

    def check(got):
        (record,) = got['records']
        assert record['now']['read']['allowed'] and record['now']['gpa'] == hex(GOOD), record

    return faults('a fault where none is', image, check)
