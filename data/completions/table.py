# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the table of commands and options."""

import dataclasses
import pathlib
import re

TABLE = pathlib.Path(__file__).with_name('table')


@dataclasses.dataclass(frozen=True)
class Option:
    short: str    # '-o', or ''
    long: str     # '--output'
    value: str    # '' (takes none), '<file>', or 'text json'
    summary: str

    @property
    def names(self):
        return [name for name in (self.short, self.long) if name]


@dataclasses.dataclass
class Command:
    name: str
    argument: str
    summary: str
    options: list


def read(path=TABLE):
    """{program: [Command]}"""
    programs, groups, options = {}, {}, None
    for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith('#'):
            continue
        if words[0] == 'group':
            options = groups[words[1]] = []
        elif words[0] == 'command':
            _, program, name, argument, summary = line.split(None, 4)
            options = []
            programs.setdefault(program, []).append(Command(name, argument.strip('-'), summary, options))
        elif words[0] == 'use':
            options.extend(option for name in words[1:] for option in groups[name])
        else:
            found = re.fullmatch(r'\s+(?:(-\w) )?(--[\w-]+) {2,}(.+?) {2,}(.+)', line)
            if not found:
                raise ValueError(f'{path}:{number}: not a line of the table: {line}')
            options.append(Option(found[1] or '', found[2], found[3].strip('-'), found[4]))
    return programs
