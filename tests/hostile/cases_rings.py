# SPDX-License-Identifier: GPL-2.0-or-later
"""Invalidation queues and interrupt remapping tables that lie."""

from case import Case, case, cases
from image import GSTS, IQA, IQH, IQT, IRES, IRTA, LAST_PAGE, PAGE, QIES, TES, Image, bdf

ONES = (1 << 64) - 1
GONE = {'verify': (3, {'no-context': 1})}       # of each image here: it has no contexts
ENTRIES = 1 << 16                               # what an interrupt remapping table can have


def with_root(**more):
    image = Image(**more)
    image.page(image.root)
    return image


def queue_image(base, size=0, head=0, tail=0, wide=0, **more):
    """head and tail as they stand in the registers, but for the bits of the unit's choice."""
    image = with_root(**more)
    image.set(GSTS, TES | QIES)
    image.set(IQA, base | wide << 11 | size)
    image.set(IQH, head)
    image.set(IQT, tail)
    return image


def queue(about, image, **wanted):
    def check(got):
        listed = got['descriptors']
        for key, value in wanted.items():
            here = {'listed': len(listed), 'pending': sum(item['state'] == 'PENDING' for item in listed),
                    'names': {item['name'] for item in listed}}.get(key, got.get(key))
            assert here == value, (key, here, value)

    return Case(about, image, parts={'queue': check}, **GONE)


@cases(each=[{'place': 'hole', 'at': 0xc0000000}, {'place': 'registers', 'at': 0xfed90000},
             {'place': 'behind', 'at': LAST_PAGE + PAGE}, {'place': 'not-captured', 'at': 0x200000}])
def queue_nowhere(place, at):
    return queue(f'a queue at {at:#x}', queue_image(at, 7, 0, 0x7fff0), unreadable=1 << 15, listed=0, wrapped=False,
                 size=1 << 15, base=hex(at))


@case
def queue_registers_of_ones():
    """IQA, IQH and IQT are all ones: 2^14 descriptors of 256 bits, in the last page below 2^48."""
    image = queue_image(0)
    for register in (IQA, IQH, IQT):
        image.set(register, ONES)
    return queue('queue registers of ones', image, base=hex((1 << 48) - PAGE), descriptor_bits=256, size=1 << 14,
                 head=(1 << 14) - 1, tail=(1 << 14) - 1, unreadable=1 << 14, listed=0)


@case
def queue_leaves_ram():
    """128 pages of queue, of which RAM has one."""
    image = queue_image(LAST_PAGE, 7, 0, 0x7fff0)
    image.fill(LAST_PAGE, 5, 0)
    return queue('a queue that leaves RAM', image, unreadable=127 * 256, listed=256, pending=256, size=1 << 15,
                 names={'invalidation wait'}, wrapped=False)


@cases(each=[{'head': 0, 'tail': 0x100, 'pending': 16}, {'head': 0x100, 'tail': 0, 'pending': 240},
             {'head': 0x7fff0, 'tail': 0xff0, 'pending': 0}, {'head': 0x1010, 'tail': 0, 'pending': 255},
             {'head': 0xf, 'tail': 0xf, 'pending': 0}])
def queue_head_and_tail(head, tail, pending):
    """Behind the end of the ring they are what is left of them; and not all bits count."""
    image = queue_image(0x200000, 0, head, tail)
    image.fill(0x200000, 0x21, 0)
    return queue('head and tail', image, size=256, listed=256, pending=pending, unreadable=0)


@case
def queue_of_ones():
    """Type 127 is none; granularities too have names of their own only where they are known."""
    image = queue_image(0x200000, 0, 0, 0x100)
    image.fill(0x200000, ONES)
    return queue('a queue of ones', image, names={'unknown type'}, listed=256, pending=16, wrapped=True)


@case
def queue_of_every_word():
    """Descriptors with each low 12 bits there are, which hold type and granularity."""
    image = queue_image(0x200000, 5, 0, 0)
    image.new(0x300)
    image.put(0x200000, *(word for low in range(1 << 12) for word in (low | ONES << 12 & ONES, ONES)))
    image.zeros(0x200000 + (1 << 16), 16)
    known = {'context-cache invalidate', 'IOTLB invalidate', 'device-TLB invalidate', 'interrupt-entry-cache invalidate',
             'invalidation wait', 'PASID-based IOTLB invalidate', 'PASID-cache invalidate',
             'PASID-based device-TLB invalidate', 'page group response', 'unknown type'}
    return queue('every type of descriptor', image, names=known, listed=1 << 12, unreadable=0)


@case
def queue_width_hidden():
    """Scalable mode, and IQA.DW reads 0: descriptors have 256 bits nonetheless."""
    image = queue_image(0x200000, 0, 0, 0x20, scalable=True)
    image.fill(0x200000, 5, 0, 0, 0)
    return queue('hidden width', image, descriptor_bits=256, width_inferred=True, size=128, listed=128, pending=1)


@case
def queue_wide_in_legacy_mode():
    image = queue_image(0x200000, 0, 0x20, 0x40, wide=1)
    image.fill(0x200000, 5, 0, 0, 0)
    return queue('DW in legacy mode', image, descriptor_bits=256, width_inferred=False, size=128, pending=1)


@case
def queue_is_root_table():
    image = queue_image(0x100000, 0, 0, 0x10)
    image.fill(image.root, 0, 0x21)
    return queue('the queue is the root table', image, listed=256, names={'unknown type'}, pending=1)


# ---- the interrupt remapping table ---------------------------------------------------


def irt_image(base, size=15, x2apic=0, devices=()):
    image = with_root()
    image.set(GSTS, TES | IRES)
    image.set(IRTA, base | x2apic << 11 | size)
    if devices:
        image.pci = [{'sid': sid, 'vendor': 1, 'device': 1, 'class': 0, 'id': '', 'class_text': ''} for sid in devices]
    return image


def interrupts(about, image, each=None, **wanted):
    """each: what is said of every entry that is listed."""
    def check(got):
        listed = got['entries']
        for key, value in wanted.items():
            here = {'listed': len(listed)}.get(key, got.get(key))
            assert here == value, (key, here, value)
        for item in listed:
            here = {key: item.get(key) for key in each or {}}
            assert here == (each or {}), (here, each)

    return Case(about, image, parts={'interrupts': check}, **GONE)


def irte(sid=0, svt=0, sq=0, low=1):
    return low, sid | sq << 16 | svt << 18


@cases(each=[{'place': 'hole', 'at': 0xc0000000}, {'place': 'interrupts', 'at': 0xfee00000},
             {'place': 'behind', 'at': LAST_PAGE + PAGE}, {'place': 'not-captured', 'at': 0x200000}])
def irt_nowhere(place, at):
    return interrupts(f'an interrupt remapping table at {at:#x}', irt_image(at), unreadable=ENTRIES, listed=0,
                      size=ENTRIES, base=hex(at))


@case
def irt_leaves_ram():
    """256 pages of table, of which RAM has one."""
    image = irt_image(LAST_PAGE)
    image.fill(LAST_PAGE, *irte())
    return interrupts('an interrupt remapping table that leaves RAM', image, unreadable=255 * 256, listed=256)


@case
def irta_of_ones():
    image = irt_image(0)
    image.set(IRTA, ONES)
    return interrupts('IRTA of ones', image, base=hex((1 << 48) - PAGE), unreadable=ENTRIES, listed=0, x2apic=True)


@cases(x2apic=[0, 1])
def irt_of_ones(x2apic):
    """65536 entries in posted format, for whom SVT = 3 leaves nobody."""
    image = irt_image(0x200000, x2apic=x2apic)
    for number in range(256):
        image.fill(0x200000 + number * PAGE, ONES)
    return interrupts('an interrupt remapping table of ones', image, {'format': 'posted', 'svt': 3, 'devices': [],
                      'posted_descriptor': hex(ONES & -64)}, listed=ENTRIES, unreadable=0)


@case
def irt_for_everybody():
    """65536 entries, each for all of 65536 devices."""
    image = irt_image(0x200000, devices=range(1 << 16))
    for number in range(256):
        image.fill(0x200000 + number * PAGE, *irte(0xff00, svt=2))
    named = [f'0000:{bdf(sid)}' for sid in range(32)]
    return interrupts('every interrupt for every device', image, {'more_devices': ENTRIES - 32,
                      'devices': [*named, 'IOAPIC']}, listed=ENTRIES)


@cases(each=[{'first': 2, 'last': 4, 'found': 3}, {'first': 3, 'last': 3, 'found': 1}, {'first': 4, 'last': 2, 'found': 0},
             {'first': 0, 'last': 255, 'found': 8}, {'first': 8, 'last': 255, 'found': 0}])
def irt_buses(first, last, found):
    """SVT = 2: QEMU has the last bus in the high half of SID."""
    image = irt_image(0x200000, 0, devices=[bus << 8 | 0x20 for bus in range(8)])
    image.put(0x200000, *irte(last << 8 | first, svt=2))
    image.page(0x200000)
    named = [f'0000:{bus:02x}:04.0' for bus in range(8) if first <= bus <= last]
    assert len(named) == found
    return interrupts(f'buses {first} to {last}', image, {'devices': named + (['IOAPIC'] if last == 255 else [])},
                      listed=1, unreadable=0)


@cases(sq=[0, 1, 2, 3])
def irt_functions(sq):
    """SVT = 1: SQ says which bits of the function count."""
    found = [(5,), (1, 5), (1, 3, 5, 7), range(8)][sq]
    image = irt_image(0x200000, 0, devices=range(0x20, 0x30))
    image.put(0x200000, *irte(0x25, svt=1, sq=sq))
    return interrupts(f'SQ = {sq}', image, {'devices': [f'0000:{bdf(0x20 | function)}' for function in found]}, listed=1)
