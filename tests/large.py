# SPDX-License-Identifier: GPL-2.0-or-later
"""A million mapped pages, of which no two neighbours are neighbours in memory: a snapshot and
a record, and what is wrong in them."""

import json
import struct

from hostile.image import HIGH_RAM, PAGE, Image

PAGES = 1 << 20
DEVICE = '00:04.0'
FIRST = 0x100000000     # above the interrupt range


def gpa(page):
    """Backwards, so that no run is longer than a page."""
    return HIGH_RAM[0] + (~page % (1 << 19)) * PAGE


def snapshot(wrong=(), pages=PAGES):
    """Every page of the record but for those in wrong, which are another."""
    image = Image(bits=48)
    top = image.new()
    image.legacy(DEVICE, top)
    for begin in range(0, pages, 512):
        table = image.path(top, 4, FIRST + begin * PAGE) & -PAGE
        image.page(table)[:] = struct.pack('<512Q', *(gpa(page + 1 if page in wrong else page) | 3
                                                      for page in range(begin, begin + 512)))
    return image.bytes()


def record(pages_of_a_map=1024, pages=PAGES):
    def line(**event):
        return json.dumps(event, separators=(',', ':')) + '\n'

    yield line(event='header', format='viommu-record', version=1, session='0', program='a test', boot_id='', kernel='Linux',
               cmdline='', realtime_ns=0, monotonic_ns=0, iommus=[])
    yield line(seq=1, time_ns=1, event='attach', space=1, device=f'0000:{DEVICE}', backend='vfio-type1v2', complete=True)
    seq = 1
    for begin in range(0, pages, pages_of_a_map):
        seq += 1
        yield line(seq=seq, time_ns=seq, event='map', space=1, iova=hex(FIRST + begin * PAGE), size=hex(pages_of_a_map * PAGE),
                   prot='rw', extents=[{'gpa': hex(gpa(page)), 'size': '0x1000'}
                                       for page in range(begin, begin + pages_of_a_map)])
    yield line(seq=seq + 1, time_ns=seq + 1, event='mark', name='held')
