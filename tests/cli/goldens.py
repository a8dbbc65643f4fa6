# SPDX-License-Identifier: GPL-2.0-or-later
"""What viommu prints about each fixture, kept in tests/data/cli/golden/."""

import json

from cli import DATA, in_parallel, run

GOLDEN = DATA / 'golden'
FORMATS = {'text': 'txt', 'json': 'json'}


def fixtures():
    """fixtures.json: what regenerate.py knows about each snapshot."""
    return json.loads((DATA / 'fixtures.json').read_text())


def commands(fixture):
    """(name, arguments) of the runs whose output is kept for a fixture."""
    target = ['-s', fixture['snapshot']]
    yield 'verify', ['verify', *target, fixture['record']]
    yield 'walk', ['walk', *target, fixture['device'], fixture['walk']]
    yield 'info', ['info', *target]
    if fixture['small']:
        yield 'dump', ['dump', *target]


def outputs():
    """[(path of the golden, Done)] of every run, in a fixed order. Paths in the
    output are relative and times come out of the fixtures, so nothing in it
    varies but what viommu has to say."""
    wanted = [(GOLDEN / f'{name}.{command}.{suffix}', [*arguments, '--format', form])
              for name, fixture in fixtures().items() for command, arguments in commands(fixture)
              for form, suffix in FORMATS.items() if fixture['small'] or (command, form) != ('verify', 'json')]
    return list(zip((path for path, _ in wanted), in_parallel(lambda item: run(*item[1]), wanted)))
