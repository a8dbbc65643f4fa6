# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares viommu's output with what a Case says; text and JSON with each other."""

import re

from case import KINDS, WORDS, Device, Pasids
from image import PAGE, bdf, sid
from oracle import INTERRUPT, UNKNOWN, Allowed, Oracle

UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']


def equal(what, got, wanted):
    if got != wanted:
        raise AssertionError(f'{what}: {got!r}, wanted {wanted!r}')


def contains(text, words):
    if words not in text:
        raise AssertionError(f'{words!r} is not in:\n{text[:3000]}')


def size_text(size):
    unit = 0
    while size and size % 1024 == 0 and unit + 1 < len(UNITS):
        size //= 1024
        unit += 1
    return f'{size:,} {UNITS[unit]}'


# ---- dump --------------------------------------------------------------------------


def _run_line(run):
    """The line of text that a run of the JSON is."""
    first, last = int(run['first'], 16), int(run['last'], 16)
    start = f'  0x{first:012x}-0x{last:012x}  {size_text((last - first + 1) % (1 << 64)):>10}  {run["prot"]}  '
    if run['kind'] == KINDS['mapped']:
        return f'{start}GPA {run["gpa"]}  {size_text(int(run["page_size"], 16))} pages'
    start += run['kind']
    if 'same_as' in run:
        start += f' at 0x{int(run["same_as"]["iova"], 16):012x}'
    entry = f': level-{run["level"]} entry at GPA {run["entry_gpa"]}: 0x{int(run["entry"], 16):016x}'
    top = f': the top table, at GPA {run["gpa"]}'
    return re.compile(re.escape(start) + '( of [^:]*:[^:]*)?( \\([^)]*\\))?' +
                      re.escape(top if int(run['entry_gpa'], 16) == 0 else entry))


def _same_lines(text, runs):
    """The lines of text that show runs are those of the JSON, in its order."""
    lines = re.findall(r'^  0x[0-9a-f]{12,16}-0x.*$', text, re.M)
    equal('runs in the text', len(lines), len(runs))
    for line, run in zip(lines, runs):
        wanted = _run_line(run)
        if not (line == wanted if isinstance(wanted, str) else wanted.fullmatch(line)):
            raise AssertionError(f'text {line!r}, JSON {run}')


def _compare_run(where, got, wanted):
    found = {'kind': WORDS[got['kind']], 'first': int(got['first'], 16), 'last': int(got['last'], 16)}
    for name, key in (('gpa', 'gpa'), ('page', 'page_size'), ('entry', 'entry_gpa')):
        if name in wanted:
            found[name] = int(got[key], 16)
    for name in ('prot', 'level'):
        if name in wanted:
            found[name] = got[name]
    if 'as' in wanted:
        found['as'] = int(got['same_as']['iova'], 16)
    if found != wanted:
        raise AssertionError(f'{where}: {_hex(found)}, wanted {_hex(wanted)}')


def _hex(run):
    return {name: hex(value) if isinstance(value, int) and name != 'level' else value for name, value in run.items()}


def _compare_device(got, wanted):
    where = wanted.device if isinstance(wanted, (Device, Pasids)) else ''
    equal('device', got['device'], f'0000:{wanted.device}')
    if isinstance(wanted, Pasids):
        equal(where, WORDS.get(got['outcome'], got['outcome']), wanted.outcome)
        equal(where, (got['pasid_first'], got['pasid_last'], int(got['table'], 16)),
              (wanted.first, wanted.last, wanted.table))
        if wanted.same_as:
            equal(where, (got['same_as']['device'], got['same_as']['pasid']),
                  (f'0000:{wanted.same_as[0]}', wanted.same_as[1]))
        return
    outcome = got.get('fault_reason', got['outcome'])
    equal(f'{where} outcome', outcome, wanted.outcome)
    if wanted.pasid is not None:
        equal(f'{where} PASID', got['pasid'], wanted.pasid)
    equal(f'{where} table', got.get('same_table_as'), wanted.same_as and f'0000:{wanted.same_as}')
    shown = '\n'.join(str(run) for run in got['runs'][:20])
    if len(got['runs']) != len(wanted.runs):
        raise AssertionError(f'{where}: {len(got["runs"])} runs, wanted {len(wanted.runs)}\n{shown}')
    for run, want in zip(got['runs'], wanted.runs):
        _compare_run(where, run, want)


def dump(case, text, json):
    devices = json['devices']
    _same_lines(text, [run for device in devices for run in device['runs']])
    headings = re.findall(r'^([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])(?: |:)', text, re.M)
    equal('headings', headings, [device['device'][5:] for device in devices])
    _in_order(devices)
    if callable(case.devices):
        case.devices(json)
        return
    names = [(item['device'], item.get('pasid')) for item in devices][:20]
    if len(devices) != len(case.devices):
        raise AssertionError(f'{len(devices)} devices {names}, wanted {len(case.devices)}')
    for got, wanted in zip(devices, case.devices):
        _compare_device(got, wanted)


def _in_order(devices):
    """Runs ascend and never overlap."""
    for device in devices:
        at = -1
        for run in device['runs']:
            first, last = int(run['first'], 16), int(run['last'], 16)
            if not at < first <= last:
                raise AssertionError(f'{device["device"]}: a run at {run["first"]} behind one that ends at {at:#x}')
            at = last


def entries(case, runs_json, text, json):
    """Entries are what stands in the image; what is wrong with a table is told here as well."""
    lines = len(re.findall(r'^  0x[0-9a-f]{12,16} (?:FS )?level ', text, re.M))
    pages = case.image.pages
    zeros = bytes(PAGE)
    found = 0
    for device in json['devices']:
        for item in device['entries']:
            if 'kind' in item:
                continue
            found += 1
            at = int(item['entry_gpa'], 16)
            word = int.from_bytes(pages.get(at & -PAGE, zeros)[at % PAGE:at % PAGE + 8], 'little')
            equal(f'the entry at {at:#x}', int(item['entry'][0], 16), word)
    equal('entries in the text', lines, found)
    for kind in ('loop', 'unreadable', 'again', 'reserved', 'privilege', 'interrupt'):
        wanted = {_place(run) for device in runs_json['devices'] for run in device['runs']
                  if run['kind'] == KINDS[kind] and run['level'] <= 6}
        got = {_place(item) for device in json['devices'] for item in device['entries']
               if item.get('kind') == KINDS[kind]}
        if case.entries is None:
            equal(f'{kind} with --entries', sorted(got), sorted(wanted))


def _place(run):
    return run['first'], run['entry_gpa'], run['level']


# ---- the rest ----------------------------------------------------------------------


# Each part of dump that is not the tables: its list in the JSON, and a line of it in the text.
PARTS = {'queue': ('descriptors', r'^ +(\d+)  (?:done|PENDING) '), 'interrupts': ('entries', r'^ +(\d+)  vector '),
         'faults': ('records', r'^  record (\d+): ')}


def parts(case, text, json):
    for name, (members, line) in PARTS.items():
        got, wanted = json[name], case.parts.get(name, {members: []})
        equal(f'--{name}: places in the text', re.findall(line, text, re.M), [str(item['index']) for item in got[members]])
        if callable(wanted):
            wanted(got)
            continue
        for key, value in wanted.items():
            equal(f'--{name} {key}', got[key], value)


def info(case, text, json):
    equal('devices', len(json['devices']), len(case.image.pci))
    for key, value in json['registers'].items():
        offset = value['offset']
        size = 4 if key in ('VER', 'GSTS', 'FSTS', 'FECTL', 'FEDATA', 'FEADDR', 'FEUADDR', 'PMEN', 'PLMBASE', 'PLMLIMIT',
                            'ICS', 'IECTL', 'IEDATA', 'IEADDR', 'IEUADDR', 'PRS') else 8
        equal(key, int(value['value'], 16), int.from_bytes(case.image.registers[offset:offset + size], 'little'))
    for at, device in zip(case.image.pci, json['devices']):
        equal('device', device['device'], f'0000:{bdf(at["sid"])}')
    if case.info is not None:
        equal('info', [device.get('fault_reason', device['outcome']) for device in json['devices']], case.info)


def walk(case, probe, text, json):
    oracle = Oracle(case.image)
    device, iova, pasid = (*probe, None)[:3]
    walk = json['walk']
    for name in ('read', 'write'):
        got, wanted = walk[name], oracle.ask(sid(device), iova, name == 'write', pasid)
        where = f'walk {device} {iova:#x} PASID {pasid} {name}: {got} {walk.get("gpa")}, wanted {wanted}'
        if isinstance(wanted, Allowed):
            ok = got['allowed'] and int(walk['gpa'], 16) == wanted.gpa
            line = f'{name:6} allowed: GPA {wanted.gpa:#x}'
        elif wanted in (UNKNOWN, INTERRUPT):
            ok = not got['allowed'] and 'fault_reason' not in got
            line = f'{name:6} unknown: '
        else:
            ok = (got['allowed'], got.get('fault_reason'), got.get('blame')) == (False, *wanted)
            line = f'{name:6} refused: fault reason {wanted.reason:#x}, '
        if not ok or f'\n{line}' not in text:
            raise AssertionError(f'{where}\n{text}')


def verify(case, text, json):
    status, pages = case.verify
    equal('exit status in JSON', json['exit_status'], status)
    got = {name: value['pages'] for name, value in json['counts'].items() if value['pages']}
    equal('pages', got, pages)
    last = [line for line in text.splitlines() if re.match('(OK|FAULT|UNVERIFIED): ', line)]
    equal('lines of the sum', len(last), 1)
    for name, count in pages.items():
        contains(last[0], f'{name} {count:,}')
    for words in case.notes:
        contains(text, words)
    listed = len(json['runs']) + json['left_out']['runs']['runs']
    equal('runs', listed, sum(value['runs'] for value in json['counts'].values()))
