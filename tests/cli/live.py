# SPDX-License-Identifier: GPL-2.0-or-later
"""How a live QEMU is asked."""

from cli import run

SHORT = ('--timeout', '0.4')
# The commands that look at a live QEMU, with what they need besides -q.
LIVE = {'verify': ['small.jsonl'], 'walk': ['00:04.0', '0x40000000'], 'dump': [], 'info': []}


def info(target, *more, **options):
    return run('info', '-q', target, *more, **options)
