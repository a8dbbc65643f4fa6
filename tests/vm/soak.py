#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every fault, many times: python3 tests/vm/soak.py [RUNS] [SEED] [--mode MODE]

Each run verifies the untouched guest, then each fault at a place of chance,
then the untouched guest again; every other run boots anew.  Prints a table of
missed faults and false alarms; exit status 0 when there was neither.

MODE is that of the vIOMMU: legacy (default), scalable (second stage) or first
(first stage; on QEMU 10.0 unless --qemu names another)."""

import argparse
import random
import time
import unittest

from common import BDF, Held, LabError, boot, faults, viommu

from lab import cleanup, qemus


class Tally:
    def __init__(self):
        self.rows = {}

    def add(self, name, complaints):
        row = self.rows.setdefault(name, [0, 0, 0])
        row[0] += 1
        row[1] += any(text.startswith('missed') for text in complaints)
        row[2] += any(not text.startswith('missed') for text in complaints)
        for text in complaints:
            print(f'  {name}: {text}', flush=True)

    def show(self):
        print(f'\n{"fault":<20}{"times":>6}{"missed":>8}{"false alarms":>14}')
        for name, row in self.rows.items():
            print(f'{name:<20}{row[0]:>6}{row[1]:>8}{row[2]:>14}')

    def clean(self):
        return not any(row[1] or row[2] for row in self.rows.values())


def one_run(guest, mode, rng, tally):
    # Every second mapping gone makes room for left-behind; the whole pattern
    # is for the rest, or the huge pages would seldom be hit.
    half = [faults.LeftBehind]
    whole = [kind for kind in faults.of_mode(mode) if kind not in half]
    for kinds, options in ((whole, ''), (half, '--unmap-half')):
        with Held(guest, BDF, f'{options} --seed {rng.randrange(1, 1 << 31)}') as held:
            def check(name, fault=None):
                result = viommu.verify('-q', guest.target, held.record)[1]
                tally.add(name, faults.complaints(result, held.state, fault))

            check('none')
            for kind in rng.sample(kinds, len(kinds)):
                with kind(held.tables(), held.state, rng) as fault:
                    print('  ' + str(fault), flush=True)
                    check(kind.name, fault)
                check('none')


def options():
    parser = argparse.ArgumentParser(description='Every fault, many times, on real guests.')
    parser.add_argument('runs', nargs='?', type=int, default=20)
    parser.add_argument('seed', nargs='?', type=int, default=int(time.time()))
    parser.add_argument('--mode', choices=qemus.MODES, default='legacy')
    parser.add_argument('--width', choices=(39, 48), type=int, help='aw-bits; default 39, with --mode first 48')
    parser.add_argument('--qemu', help=f'program, or "{qemus.QEMU_10}" for that of Debian\'s backports')
    parser.add_argument('--kernel', help='Debian package, package pattern, or path of a bzImage')
    chosen = parser.parse_args()
    if chosen.mode == 'first':
        chosen.qemu = chosen.qemu or qemus.QEMU_10
    chosen.width = chosen.width or (48 if chosen.mode == 'first' else 39)
    return chosen


def main():
    cleanup.install_signal_handlers()
    chosen = options()
    runs, rng, tally, guest, started = chosen.runs, random.Random(chosen.seed), Tally(), None, time.monotonic()
    print(f'{runs} runs, seed {chosen.seed}, {chosen.mode}, {chosen.width} bits', flush=True)
    try:
        for number in range(runs):
            if number % 2 == 0:
                if guest:
                    guest.close()
                guest = boot(mode=chosen.mode, width=chosen.width, qemu=chosen.qemu, kernel=chosen.kernel)
            print(f'run {number + 1} of {runs}, {time.monotonic() - started:.0f} s', flush=True)
            one_run(guest, chosen.mode, rng, tally)
    except (LabError, unittest.SkipTest) as error:
        raise SystemExit(f'soak: {error}') from None
    finally:
        tally.show()
    raise SystemExit(0 if tally.clean() else 1)


if __name__ == '__main__':
    main()
