# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine of a snapshot, and its file: RAM, PCI devices and segments that cannot be."""

from case import DEVICE, Case, Device, case, cases, page
from cases_loops import GOOD
from cases_registers import honest
from image import HIGH_RAM, LOW_RAM, PAGE, Image, Record, sid

ALL = (1 << 64) - 1
REJECTED = 'is not a usable snapshot: '
RUNS = [page(0, GOOD)]


def accepted(about, image, **more):
    return Case(about, image, **{'devices': [Device(runs=RUNS)], 'verify': (0, {'match': 1}),
                                 'probes': [(DEVICE, 0)], **more})


# ---- RAM -----------------------------------------------------------------------------


@cases(each=[{'name': 'backwards', 'ram': [(PAGE, 0)]}, {'name': 'descending', 'ram': [HIGH_RAM, LOW_RAM]},
             {'name': 'twice', 'ram': [LOW_RAM, LOW_RAM]}, {'name': 'touching', 'ram': [(0, PAGE), (PAGE, 1 << 40)]}])
def ram_refused(name, ram):
    return Case('RAM that cannot be', honest(ram=ram), rejected=REJECTED)


@case
def ram_is_everything():
    return accepted('RAM of 2^64 bytes', honest(ram=[(0, ALL)]))


@case
def ram_of_a_million_pieces():
    """20000 pieces of RAM of one page each, with holes between them."""
    pieces = [LOW_RAM, *((1 << 32 | i << 13, (1 << 32 | i << 13) + PAGE - 1) for i in range(20000))]
    return accepted('RAM in 20000 pieces', honest(ram=pieces))


@case
def ram_within_a_page():
    """RAM that ends in the middle of the leaf table's page: that page is not RAM."""
    image = Image()
    table = image.new()
    leaf = image.map(table, 4, 0, GOOD) & -PAGE
    entry = image.path(table, 4, 0, 2)
    image.legacy(DEVICE, table)
    del image.pages[leaf]
    image.ram = [(0, leaf - 1), (leaf, leaf + PAGE - 2), (leaf + PAGE, LOW_RAM[1])]
    return accepted('RAM that ends within a page', image, devices=[Device(runs=[
        {'kind': 'unreadable', 'first': 0, 'last': (1 << 21) - 1, 'level': 2, 'entry': entry, 'gpa': leaf}])],
        verify=(3, {'missing': 1}))


@case
def no_ram():
    """Nothing is RAM, and so nothing can be in the file."""
    image = Image(ram=[])
    image.pages.clear()
    return accepted('no RAM', image, devices=[Device('00:00.0', 0x8)], info=[0x8, 0x8], verify=(3, {'no-context': 1}))


# ---- the file ------------------------------------------------------------------------


@cases(each=[{'name': 'outside', 'gpa': 0xc0000000, 'size': PAGE}, {'name': 'odd-place', 'gpa': 0x200800, 'size': PAGE},
             {'name': 'odd-size', 'gpa': 0x200000, 'size': PAGE + 8}, {'name': 'wraps', 'gpa': ALL & -PAGE, 'size': 2 * PAGE},
             {'name': 'endless', 'gpa': 0, 'size': ALL & -PAGE}, {'name': 'behind', 'gpa': 0x7ffff000, 'size': 2 * PAGE},
             {'name': 'twice', 'gpa': 0x100000, 'size': PAGE}, {'name': 'empty', 'gpa': 0x200000, 'size': 0}])
def segment_refused(name, gpa, size):
    """Pages of zeros take no room in the file; their place and number are checked all the same."""
    image = honest()
    image.extra_segments.append((gpa, b'', size))
    return Case(f'a segment: {name}', image, rejected=REJECTED)


@case
def zeros_without_end():
    """Two million pages of zeros are taken, one more is not."""
    image = honest(ram=[(0, ALL)])
    image.zeros(1 << 40, (1 << 21) + 1)
    return Case('more zeros than anybody has', image, rejected='it claims more than 2097152 pages of zeros')


@case
def zeros_to_the_limit():
    image = honest(ram=[(0, ALL)])
    image.zeros(1 << 40, 1 << 21)
    return accepted('two million pages of zeros', image)


@cases(each=[{'name': 'format', 'note': {'format': 'nonsense'}}, {'name': 'version', 'note': {'version': 2}},
             {'name': 'version-0', 'note': {'version': 0}}, {'name': 'version-text', 'note': {'version': '1'}},
             {'name': 'machine', 'note': {'machine': []}}, {'name': 'unreadable', 'note': {'unreadable': {}}},
             {'name': 'unreadable-odd', 'note': {'unreadable': [{'gpa': '0x5', 'why': 'failed'}]}}])
def note_refused(name, note):
    image = honest()
    image.note = note
    return Case(f'a note: {name}', image, rejected=REJECTED)


# ---- PCI -----------------------------------------------------------------------------


def pci(source, **more):
    return {'sid': source, 'vendor': 0x1b36, 'device': 0xe, 'class': 0x604, 'id': '', 'class_text': '', **more}


@case
def bridges_in_a_circle():
    """Bridges whose secondary buses are each other's, and one whose secondary bus is its own."""
    image = honest()
    image.pci = [pci(sid('00:04.0')), pci(sid('01:00.0'), bridge=True, secondary=2),
                 pci(sid('02:00.0'), bridge=True, secondary=1), pci(sid('03:00.0'), bridge=True, secondary=3)]
    # Only a bridge to a higher bus is one: what is on bus 2 goes under 02:00.0, itself.
    return accepted('bridges in a circle', image, info=['translates', 0x1, 0x1, 0x1])


@case
def bridges_in_a_row():
    """A bridge on each bus, to the next: the alias is on the first of them."""
    image = honest()
    image.pci = [pci(bus << 8, bridge=True, secondary=bus + 1) for bus in range(255)] + [pci(255 << 8 | 0x20)]
    return accepted('255 bridges in a row', image, info=[0x2] + [0x1] * 255)


@case
def device_at_every_place_twice():
    image = honest()
    image.pci = [pci(source & 0xff00 | source & 0xff) for source in range(1 << 15)] * 2

    return accepted('65536 PCI devices', image,
                    info=[('translates' if source == 0x20 else 0x2 if source < 256 else 0x1) for source in range(1 << 15)] * 2)


@case
def too_many_devices():
    image = honest()
    image.pci = [pci(0)] * 65537
    return Case('65537 PCI devices', image, rejected=REJECTED)


@cases(each=[{'name': 'source-id', 'device': pci(1 << 16)}, {'name': 'negative', 'device': pci(-1)},
             {'name': 'bus', 'device': pci(0, secondary=256)}, {'name': 'text', 'device': 'a device'}])
def device_refused(name, device):
    image = honest()
    image.pci = [device]
    return Case(f'a PCI device: {name}', image, rejected=REJECTED)


@case
def bypassed():
    """Every root bus goes past the vIOMMU: what the tables have is not used."""
    image = honest()
    image.bypass = list(range(256))
    return accepted('all buses bypass the vIOMMU', image, probes=[], verify=(3, {'pass-through': 1}))


@case
def names_that_bite():
    evil = '\x1b[2J\x9b31m\u202e\u2066\ufeff"\\\n<script>'
    image = honest()
    image.pci = [pci(sid(DEVICE), id=evil, class_text=evil), pci(sid('00:05.0'), id='x' * 100000)]
    image.properties = {evil: evil, 'aw-bits': -1, 'caching-mode': 'on', 'intremap': [], 'x-flts': {}}
    image.note['machine'] = {**image.machine(), 'package': evil, 'run_state': evil, 'iommu_path': evil}
    image.note.update(program=evil, time=evil, memory_source=evil)
    return accepted('names with terminal sequences', image)


@case
def nothing_but_a_record():
    """No devices, no tables, no RAM; translation is on."""
    image = Image(ram=[])
    image.pages.clear()
    image.pci = []
    return accepted('nothing', image, devices=[Device('00:00.0', 0x8)], info=[], verify=(3, {'no-context': 1}),
                    record=Record().attach().map(0, GOOD))
