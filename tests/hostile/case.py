# SPDX-License-Identifier: GPL-2.0-or-later
"""One hostile image and what viommu must say of it."""

import re

from image import PAGE, Record, level_shift

CASES = {}
SORTS = {}      # name of a function -> names of the images that it makes

DEVICE = '00:04.0'

# What the kinds of runs are called in viommu's output.
KINDS = {
    'mapped': 'mapped',
    'reserved': 'reserved bit set: refused',
    'unreadable': 'table not readable',
    'loop': 'loop: this table is its own ancestor',
    'again': 'the same table again: shown before',
    'unvisited': 'not visited: too many tables',
    'interrupt': 'in the interrupt address range: refused',
    'privilege': 'for supervisors only (U/S = 0): refused',
}
WORDS = {text: kind for kind, text in KINDS.items()}


def run(kind, first, size, **more):
    """An expected run: what is named in `more` (gpa, prot, page, level, entry: its GPA) is
    compared as well."""
    return {'kind': kind, 'first': first, 'last': first + size - 1, **more}


def page(iova, gpa, size=PAGE, prot='rw', **more):
    return run('mapped', iova, size, gpa=gpa, prot=prot, **more)


def at_level(kind, index_iova, level, entry, **more):
    """A finding that one entry of this level stands for."""
    return run(kind, index_iova, 1 << level_shift(level), level=level, entry=entry, **more)


class Device:
    """One item of dump's list of devices. outcome: 'translates', 'passes through',
    'could not be read', or a fault reason."""

    def __init__(self, device=DEVICE, outcome='translates', runs=(), pasid=None, same_as=None):
        self.device, self.outcome, self.runs, self.pasid, self.same_as = device, outcome, list(runs), pasid, same_as


class Pasids:
    """PASIDs of which one thing is said: outcome is a kind."""

    def __init__(self, outcome, first, last, table, device=DEVICE, same_as=None):
        self.outcome, self.first, self.last, self.table = outcome, first, last, table
        self.device, self.same_as = device, same_as


class Case:
    """devices: a list of Device and Pasids, or a function of dump's JSON that asserts.
    probes: (device, IOVA[, PASID]) to walk; the Oracle says what must come out.
    record: a Record; verify: the exit status and the pages of each verdict, or with status 4
    words of the error.
    notes: words that verify's text has to have. parts: for 'queue', 'interrupts',
    'faults': members of that part of the JSON (a function is called with it).
    info: outcome of each PCI device. rejected: words of the error, when the file is
    not taken at all (status 4)."""

    def __init__(self, about, image, devices=(), probes=(), record=None, verify=None, notes=(), parts=None, info=None,
                 rejected=None, entries=None):
        self.about, self.image, self.devices = about, image, devices
        self.probes, self.notes, self.parts = list(probes), notes, parts or {}
        self.info, self.rejected, self.entries = info, rejected, entries
        self.record, self.verify = record or Record().attach().map(0, 0x10000000), verify


def case(function=None, **arguments):
    """Registers a function that makes a Case, under its own name; with arguments, under
    its name and theirs, or that of the argument `name` alone."""

    def register(function):
        values = [arguments['name']] if 'name' in arguments else arguments.values()
        name = '-'.join([function.__name__.replace('_', '-'), *(str(value) for value in values)]).lower()
        assert name not in CASES and re.fullmatch('[a-z0-9.-]+', name), name
        CASES[name] = lambda: function(**arguments)
        SORTS.setdefault(function.__name__, []).append(name)
        return function

    return register(function) if function else register


def cases(**lists):
    """The same for one list of values after the other: cases(level=[2, 3])."""

    def register(function):
        (name, values), = lists.items()
        for value in values:
            if isinstance(value, dict):
                case(**value)(function)
            else:
                case(**{name: value})(function)
        return function

    return register


def chain(image, levels):
    """Tables, each of whose entry 0 leads to the next: {level: GPA}."""
    tables = {level: image.new() for level in range(levels, 0, -1)}
    for level in range(levels, 1, -1):
        image.put(tables[level], tables[level - 1] | 3)
    return tables
