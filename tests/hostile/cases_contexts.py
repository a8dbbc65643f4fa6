# SPDX-License-Identifier: GPL-2.0-or-later
"""Every context there can be; contexts that lie; one page that is everything."""

from case import DEVICE, Case, Device, Pasids, case, cases, page
from cases_loops import GOOD, WRONG
from image import PAGE, RW, SAGAW_39, Image, Record, bdf

EVERY = 1 << 16


def all_contexts(image, low, high):
    """One context table for all 256 buses, with one entry 256 times."""
    table = image.fill(image.new(), low, high)
    image.fill(image.root, table | 1, 0)
    return table


def everywhere(check_device, count=EVERY):
    def check(json):
        assert len(json['devices']) == count, len(json['devices'])
        for number, device in enumerate(json['devices']):
            check_device(number, device)

    return check


@case
def all_present():
    """65536 devices, one table."""
    image = Image()
    table = image.new()
    image.map(table, 4, 0, GOOD)
    all_contexts(image, table | 1, 0x102)

    def check(number, device):
        assert device['device'] == f'0000:{bdf(number)}' and device['outcome'] == 'translates'
        assert len(device['runs']) == (0 if number else 1)
        assert number == 0 or device['same_table_as'] == '0000:00:00.0'

    return Case('65536 devices, one table', image, everywhere(check), probes=[('ff:1f.7', 5), ('80:10.0', PAGE)],
                record=Record().attach(complete=True).map(0, GOOD), verify=(0, {'match': 1}))


@case
def all_with_own_tables():
    """65536 devices, each with a table of its own, which is empty."""
    image = Image()
    base, last = 0x20000000, 0x20000000 + EVERY * PAGE
    for bus in range(256):
        table = image.new()
        image.put(image.root + bus * 16, table | 1, 0)
        image.put(table, *(word for devfn in range(256) for word in (base + (bus << 8 | devfn) * PAGE | 1, 0x102)))
    image.zeros(base, EVERY)

    def check(number, device):
        assert device['table'] == hex(base + number * PAGE) and device['runs'] == [], device

    return Case('65536 devices, 65536 tables', image, everywhere(check),
                probes=[('ff:1f.7', 0), (DEVICE, last)], record=Record().attach(complete=True).map(0, GOOD),
                verify=(3, {'missing': 1}))


@case
def all_with_tables_nowhere():
    """65536 devices, each with a table of its own, none of them in RAM."""
    image = Image(bits=57)
    for bus in range(256):
        table = image.new()
        image.put(image.root + bus * 16, table | 1, 0)
        image.put(table, *(word for devfn in range(256) for word in (1 << 50 | (bus << 8 | devfn) << 12 | 1, 0x102)))

    def check(number, device):
        (only,) = device['runs']
        assert (only['kind'], only['gpa'], only['level']) == ('table not readable', hex(1 << 50 | number << 12), 5), only

    return Case('65536 devices, no table in RAM', image, everywhere(check), probes=[('ff:1f.7', 0)],
                record=Record().attach(complete=True).map(0, GOOD), verify=(3, {'missing': 1}))


@cases(each=[{'kind': 'reserved', 'low': 1 | 1 << 5, 'high': 0x102, 'fault': 0xb},
             {'kind': 'width', 'low': 1, 'high': 0x107, 'fault': 0x3},
             {'kind': 'type', 'low': 1 | 3 << 2, 'high': 0x102, 'fault': 0x3},
             {'kind': 'device-tlb', 'low': 1 | 1 << 2, 'high': 0x102, 'fault': 0x3}])
def all_refused(kind, low, high, fault):
    image = Image()
    all_contexts(image, low, high)

    def check(number, device):
        assert device['fault_reason'] == fault, device

    return Case(f'65536 devices, all of them refused ({kind})', image, everywhere(check), probes=[('ff:1f.7', 0)],
                info=[fault, fault], verify=(3, {'no-context': 1}))


@case
def all_passed_through():
    image = Image()
    all_contexts(image, 1 | 2 << 2, 0x102)

    def check(number, device):
        assert device['outcome'] == 'passes through' and device['domain'] == 1

    return Case('65536 devices, not translated', image, everywhere(check),
                probes=[('ff:1f.7', (1 << 64) - 1), (DEVICE, 0xfee00000)],
                info=['passes through'] * 2, verify=(3, {'pass-through': 1}))


@case
def all_present_scalable():
    """65536 devices with one PASID directory, which has every PASID."""
    image = Image(scalable=True)
    top = image.new()
    image.map(top, 4, 0, GOOD)
    directory, table = image.new(32), image.new()
    for page_number in range(32):
        image.fill(directory + page_number * PAGE, table | 1)
    image.fill(table, top | 2 << 6 | 2 << 2 | 1, 1, 0, 0, 0, 0, 0, 0)
    contexts = image.fill(image.new(), directory | 7 << 9 | 1, 0, 0, 0)
    image.fill(image.root, contexts | 1)

    def check(json):
        devices = json['devices']
        pasids = [device for device in devices if 'pasid_first' in device]
        contexts = [device for device in devices if device.get('pasid') == 0]
        assert len(contexts) == EVERY, len(contexts)
        # The first device: 63 other PASIDs, then all the other tables are that one.
        assert [device['pasid'] for device in devices[:64]] == list(range(64))
        assert (pasids[0]['pasid_first'], pasids[0]['pasid_last']) == (64, (1 << 20) - 1), pasids[0]
        # The others: the same directory.
        assert len(pasids) == EVERY, len(pasids)
        assert all(item['pasid_first'] == 0 and item['same_as'] == {'device': '0000:00:00.0', 'pasid': 0}
                   for item in pasids[1:])
        assert len(devices) == 2 * EVERY + 63

    return Case('65536 devices with a million PASIDs each', image, check,
                probes=[('ff:1f.7', 0), (DEVICE, 0, 0xfffff), (DEVICE, PAGE, 64)],
                record=Record().attach(complete=True).map(0, GOOD), verify=(0, {'match': 1}))


@case
def all_present_empty_directory():
    """65536 devices with one PASID directory of 16384 entries, none of them present."""
    image = Image(scalable=True)
    directory = 0x20000000
    image.zeros(directory, 32)
    contexts = image.fill(image.new(), directory | 7 << 9 | 1, 5, 0, 0)
    image.fill(image.root, contexts | 1)

    def check(number, device):
        assert device['fault_reason'] == 0x51 and device['pasid'] == 5

    return Case('65536 devices with an empty directory', image, everywhere(check), probes=[('ff:1f.7', 0), (DEVICE, 0, 9)],
                info=[0x51, 0x51], verify=(3, {'no-context': 1}))


@case
def directories_that_overlap():
    """Each context's PASID directory begins one page behind that of the one before."""
    image = Image(scalable=True)
    contexts, base, table = image.new(), image.new(160), image.new()
    image.fill(table, 4 << 6 | 1, 1, 0, 0, 0, 0, 0, 0)
    for number in range(160):
        image.put(base + number * PAGE, table | 1)
    image.put(image.root, contexts | 1)
    for devfn in range(128):
        image.put(contexts + devfn * 32, base + devfn * PAGE | 7 << 9 | 1, 0)

    def check(json):
        devices = json['devices']
        assert sum(device['outcome'] == 'passes through' for device in devices) == 128 + 63
        gone = [item for item in devices if 'pasid_first' in item]
        # The first device: one table, then 31 pages whose first entry leads to it again.
        first = [item for item in gone if item['device'] == '0000:00:00.0']
        assert [item['pasid_first'] for item in first] == [page * 32768 for page in range(1, 32)], first[0]
        assert len(gone) <= 128 * 32, len(gone)

    return Case('128 directories that overlap', image, check, probes=[('00:0f.7', 0), ('00:00.1', 0, 32768)],
                verify=(3, {'pass-through': 1}))


@case
def one_page_is_everything():
    """Root table, context table, and the page table of two levels: all are one page."""
    image = Image(bits=39, sagaw=1 | SAGAW_39)
    image.fill(image.root, image.root | 1, 0)

    def check(number, device):
        assert device['table'] == hex(image.root) and device['levels'] == 2
        if number:
            assert device['same_table_as'] == '0000:00:00.0'
            return
        assert [(item['kind'], item['prot'], int(item['first'], 16)) for item in device['runs']] == \
            [('loop: this table is its own ancestor', 'r-', i << 22) for i in range(256)]

    return Case('one page is every table', image, everywhere(check),
                probes=[('ff:1f.7', 0), (DEVICE, 1 << 21), (DEVICE, 1 << 22), (DEVICE, 1 << 30)],
                record=Record().attach(complete=True).map(0, WRONG), verify=(0, {'unverified': 1}))


@case
def one_page_is_everything_scalable():
    """Root, context and PASID directory, PASID table and page table: one page."""
    image = Image(scalable=True)
    # A word with P, PGTT = 2 (bits 8:6), AW = 2 (bits 4:2) is no root entry: bits 11:1 are reserved.
    image.fill(image.root, image.root | 1)
    return Case(
        'one page is every table, scalable', image,
        # As a context entry its second word is not zero, and neither is the third: reserved.
        lambda json: everywhere(lambda number, device: equal(device['fault_reason'], 0xb))(json),
        probes=[('ff:1f.7', 0), (DEVICE, 0, 77)], info=[0xb, 0xb], verify=(3, {'no-context': 1}))


def equal(got, wanted):
    assert got == wanted, (got, wanted)


@case
def context_is_root_scalable():
    """Root and context table are one page, which leads on to an honest PASID table."""
    image = Image(scalable=True)
    top = image.new()
    image.map(top, 4, 0, GOOD)
    directory, table = image.new(), image.new()
    image.put(directory, table | 1)
    image.put(table, top | 2 << 6 | 2 << 2 | 1, 1)
    # Words 0, 1 are bus 0's root entry and devfn 0's context: LP and its table; UP is not set.
    image.put(image.root, image.root | 1, 0, 0, 0, directory | 1, 0)
    return Case(
        'root and context table in one', image,
        # devfn 0's context is the root entry itself: its PASID directory is the root table, whose
        # entries 0 and 4 lead to PASID tables that are the root table and the honest directory;
        # none of them has a PGTT.
        [Device('00:00.0', 0x5b, pasid=0), Device('00:00.0', 0x5b, pasid=256),
         Device('00:00.1', pasid=0, runs=[page(0, GOOD)]),
         # Word 4 is bus 2's root entry too: the directory is its context table, and the honest
         # PASID entry its directory: the page table is a PASID table, and DID 1 one at 0.
         Device('02:00.0', 0x5b, pasid=0), Pasids('unreadable', 64, 127, 0, '02:00.0')],
        probes=[('00:00.0', 0), ('00:00.1', 5), ('02:00.0', 0), ('01:00.0', 0)],
        verify=(3, {'no-context': 1}))


@case
def thousand_tables_hash_badly():
    """Tables whose page numbers are equal in many remainders."""
    image = Image(bits=57, ram=[(0, (1 << 52) - 1)])
    top, step = image.new(), 131071 * PAGE * 64
    tables = [image.new() for _ in range(32)]
    image.put(top, *(table | RW for table in tables))
    for number, table in enumerate(tables):
        image.put(table, *((1 << 32) + (number * 512 + i) * step | RW for i in range(512)))
    for number in range(32 * 512):
        image.zeros((1 << 32) + number * step, 1)
    image.legacy(DEVICE, top, 4)
    return Case('16384 tables that hash badly', image, [Device(runs=[])], probes=[(DEVICE, 0)],
                verify=(3, {'missing': 1}))
