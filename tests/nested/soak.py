#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The unharmed chain, many times: python3 tests/nested/soak.py [RUNS] [SEED]

Each run maps and unmaps with viommu-probe map (with L1's own events in the record, and
without: then the queue is the witness) and with the driver of a network card, up and down,
and asks for every page at every link.  Boots anew after some runs.  Exit status 0 when no link
was broken, no page of the complete chain was less than ok, and nothing above a note was found."""

import argparse
import collections
import random
import sys
import time
import unittest

from common import BDF, Held, start
from links import LINKS, Looker, complaints, of_device, start_trace, wrong

from lab import cleanup
from lab.errors import LabError

CARD = '00:05.0'


class Tally:
    def __init__(self):
        self.looks, self.bad = collections.Counter(), collections.Counter()
        self.pages = collections.Counter()

    def add(self, kind, result, device, found):
        self.looks[kind] += 1
        self.bad[kind] += bool(found)
        for link, states in of_device(result, device).items():
            for (state, unmapped), pages in states.items():
                self.pages[kind, unmapped, link, state] += pages
        for text in found:
            print(f'  {kind}: {text}', flush=True)

    def show(self):
        print(f'\n{"":<16}{"looks":>7}{"bad":>5}')
        for kind, looks in self.looks.items():
            print(f'{kind:<16}{looks:>7}{self.bad[kind]:>5}')
        print(f'\n{"pages":<26}' + ''.join(f'{link:>14}' for link in LINKS))
        for kind in self.looks:
            for unmapped in (False, True):
                for state in ('ok', 'unverified', 'broken', 'not-needed'):
                    row = [self.pages[kind, unmapped, link, state] for link in LINKS]
                    if any(row):
                        name = f'{kind} {"un" if unmapped else ""}mapped'
                        print(f'{name:<26}' + ''.join(f'{pages:>14,}' for pages in row) + '  ' + state)

    def clean(self):
        return not any(self.bad.values())


def options(rng):
    chosen = [f'--seed {rng.randrange(1, 1 << 31)}', rng.choice(['', '--unmap-half'])]
    if rng.randrange(3):            # else the default pattern
        chosen.append(f'--count {rng.randrange(1, 24)} --size {rng.choice(["4k", "16k", "64k", "1m"])} '
                      f'--prot {rng.choice(["r", "w", "rw"])}')
    return ' '.join(chosen)


def probe(lab, looker, rng, tally, witnessed):
    """What viommu-probe map holds, and what it unmapped."""
    chosen = options(rng)
    kind = 'map' if witnessed else 'map, by queue'
    with Held(lab.inner, BDF, chosen + (' --invalidations' if witnessed else '')) as held:
        pages, gone = (sum(mapping.size for mapping in mappings) // 4096
                       for mappings in (held.state.held, held.state.unmapped))
        result = looker.result()
        # A ring proves less than events do, and nothing wrong.
        found = complaints(result, BDF, pages, gone) if witnessed else wrong(result, BDF)
        tally.add(kind, result, BDF, [f'{text} ({chosen})' for text in found])


def driver(lab, looker, tally):
    """A network card goes up, and down again."""
    inner = lab.inner
    process = start_trace(inner)
    for state in ('up', 'down'):
        inner.must(f'ip link set eth0 {state}; sleep 2')
        result, found = looker.complaints(CARD, None if state == 'up' else 0)
        tally.add('driver ' + state, result, CARD, found)
    process.signal('TERM')
    process.wait()


def one_run(lab, rng, tally):
    with Looker(lab) as looker:
        for witnessed in (True, False):
            probe(lab, looker, rng, tally, witnessed)
        driver(lab, looker, tally)


def arguments():
    parser = argparse.ArgumentParser(description='The unharmed chain of three levels, many times.')
    parser.add_argument('runs', nargs='?', type=int, default=50)
    parser.add_argument('seed', nargs='?', type=int, default=int(time.time()))
    parser.add_argument('--each', type=int, default=10, help='runs from one boot to the next; default %(default)s')
    parser.add_argument('--qemu', help='the inner QEMU, as with lab.py nested')
    return parser.parse_args()


def main():
    cleanup.install_signal_handlers()
    chosen = arguments()
    rng, tally, lab, done, started = random.Random(chosen.seed), Tally(), None, 0, time.monotonic()
    print(f'{chosen.runs} runs, seed {chosen.seed}', flush=True)
    try:
        for number in range(chosen.runs):
            if number % chosen.each == 0:
                if lab:
                    lab.close()
                lab = start(devices=('edu', 'e1000e'), qemu=chosen.qemu)
            print(f'run {number + 1} of {chosen.runs}, {time.monotonic() - started:.0f} s', flush=True)
            one_run(lab, rng, tally)
            done += 1
    except (LabError, AssertionError, unittest.SkipTest) as error:
        print(f'soak: run {done + 1}: {error}', file=sys.stderr)
    finally:
        tally.show()
        print(f'{done} of {chosen.runs} runs')
        if lab:
            lab.close()
    raise SystemExit(0 if tally.clean() and done == chosen.runs else 1)


if __name__ == '__main__':
    main()
