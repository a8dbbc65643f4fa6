#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes everything in tests/data/cli and tests/data/tables anew.

    tests/cli/regenerate.py            boots real guests, makes the fixtures and the goldens
    tests/cli/regenerate.py --tables   without guests: the binary tables, and all that viommu
                                       prints about them and about the fixtures there are
    tests/cli/regenerate.py --goldens  only what it prints

Look at the difference (git diff) before you commit it: the goldens are what
the tests hold to be right.  VIOMMU and VIOMMU_PROBE name the programs; without
them those of build/ are taken."""

import argparse
import contextlib
import json
import os
import pathlib
import random
import shutil
import socket
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))
os.environ.setdefault('VIOMMU', str(TOP / 'build' / 'correlate' / 'viommu'))
os.environ.setdefault('VIOMMU_PROBE', str(TOP / 'build' / 'probe' / 'viommu-probe'))

import fake_qmp                                             # noqa: E402
import goldens                                              # noqa: E402
import tables                                               # noqa: E402
from cli import DATA                                        # noqa: E402
from corefile import Snapshot                               # noqa: E402
from lab import cleanup, faults, viommu, vtd                # noqa: E402
from lab.errors import GuestError, LabError                 # noqa: E402
from lab.guest import Guest                                 # noqa: E402
from lab.held import Held                                   # noqa: E402

BDF = '00:04.0'
SEED = 7
MADE = {}


def say(text):
    print('regenerate:', text, file=sys.stderr, flush=True)


# ---- faults that only the fixtures need ------------------------------------------


class Loop(faults.DirectoryCleared):
    """A directory entry leads back to its own table."""
    name, verdict = 'loop', 'unverified'

    def spoil(self, step):
        return step.entry_gpa & -4096 | 3, self.recorded(step)


class NotRam(faults.DirectoryCleared):
    """A directory entry leads to the vIOMMU's own registers."""
    name, verdict = 'not-ram', 'missing'

    def spoil(self, step):
        return vtd.BASE | 3, self.recorded(step)


# ---- one fixture -----------------------------------------------------------------


def remember(name, record, verdict=None, expected=(), step=None, entry=None, walk=None, small=True):
    snapshot = Snapshot.read(DATA / f'{name}.elf')
    MADE[name] = {
        'snapshot': f'{name}.elf', 'record': record, 'device': BDF, 'small': small,
        'verdict': verdict, 'expected': [[hex(first), hex(last)] for first, last in expected],
        'walk': hex(expected[0][0] if expected else walk), 'pages': len(snapshot.pages),
    }
    if step:
        MADE[name].update(level=step.level, entry_gpa=hex(step.entry_gpa), was=hex(step.entry), entry=hex(entry))
    say(f'{name}: {len(snapshot.pages)} table pages')


def judge(held, name, fault=None, *options):
    """verify --save on the live guest; the file must give the same as the guest did."""
    path = DATA / f'{name}.elf'
    live = viommu.verify('-q', held.guest.target, '--save', str(path), '--force', *options, held.record)[1]
    saved = viommu.verify('-s', str(path), held.record)[1]
    if live['runs'] != saved['runs']:
        raise LabError(f'{name}: live and saved runs differ')
    return live


def clean(held, name, record, small=True):
    result = judge(held, name)
    if result['exit_status'] != 0:
        raise LabError(f'{name} is not clean')
    shutil.copy(held.record, DATA / record)
    remember(name, record, walk=held.state.held[0].iova, small=small)


def spoiled(held, kind, name, record, size=None, small=True):
    fault = kind(held.tables(), held.state, random.Random(f'{SEED} {name}'), size)
    with fault:
        judge(held, name, fault)
        remember(name, record, fault.verdict, fault.expected, fault.step, fault.entry, small=small)


# ---- what a real monitor says ------------------------------------------------------


class Recorder(fake_qmp.FakeQemu):
    """Passes each command on to a real QEMU and keeps the answers."""

    def __init__(self, guest, snapshot):
        with socket.socket(socket.AF_UNIX) as raw:
            raw.connect(guest.target.removeprefix('unix:'))
            greeting = json.loads(raw.makefile().readline())
        super().__init__(snapshot, greeting=greeting)
        self._guest = guest
        self.kept = {'greeting': greeting, 'qmp': {}, 'hmp': {}}

    def crawl(self):
        """More than viommu asks for today, so that it may ask for more tomorrow."""
        devices = []
        for container in ('/machine', '/machine/peripheral', '/machine/peripheral-anon'):
            children = self._answer('qom-list', {'path': container})
            if container != '/machine':
                devices += [f'{container}/{item["name"]}' for item in children if item['type'].startswith('child<')]
        for path in ['/machine', *devices]:
            for item in self._answer('qom-list', {'path': path}):
                if item['type'] in ('bool', 'str', 'OnOffAuto', 'string') or item['type'].startswith(('int', 'uint')):
                    self._answer('qom-get', {'path': path, 'property': item['name']})

    def _answer(self, command, arguments):
        if command in ('qmp_capabilities', 'query-status'):
            return self.usual(command, arguments)
        if command == 'human-monitor-command':
            line = arguments['command-line']
            text = self._guest.qmp.hmp(line)
            if line.startswith('xp '):
                self._compare(line, text)
            elif not line.startswith('gpa2hva '):
                self.kept['hmp'][line] = text
            return text
        key = ' '.join([command, *(arguments[name] for name in sorted(arguments))])
        try:
            self.kept['qmp'][key] = {'return': self._guest.qmp.command(command, **arguments)}
            return self.kept['qmp'][key]['return']
        except GuestError as error:
            refusal = {'desc': str(error).removeprefix(f'{command}: ')}    # of a name that is not there
            self.kept['qmp'][key] = {'error': refusal}
            return fake_qmp.Refuse(**refusal)

    def _compare(self, line, text):
        """Our imitation of xp must be the real thing, to the byte."""
        words = line.split()
        gpa = int(words[2], 16)
        if gpa in self.snapshot.pages:
            ours = self.xp(gpa, int(words[1].strip('/gx')))
            if ours != text:
                raise LabError(f'{line}: QEMU says {text[:200]!r}, the imitation {ours[:200]!r}')


def record_monitor(guest, snapshot):
    with Recorder(guest, Snapshot.read(snapshot)) as recorder:
        recorder.crawl()
        done = viommu.run('capture', '-q', recorder.target, '-o', str(DATA / 'again.elf'), '--force',
                          '--reproducible', '--memory', 'xp')
    if done.returncode != 0:
        raise LabError(f'capture through the recorder: {done.stderr}')
    again = Snapshot.read(DATA / 'again.elf')
    os.unlink(DATA / 'again.elf')
    if again.pages != Snapshot.read(snapshot).pages:
        raise LabError('capture through the recorder found other pages')
    (DATA / 'qemu.json').write_text(json.dumps(recorder.kept, indent=1) + '\n')


# ---- all of them -------------------------------------------------------------------


def three_levels():
    devices = ('edu,id=victim,addr=04.0', 'edu,addr=05.0')
    with Guest(memory='512M', devices=devices, progress=say) as guest:
        held = Held(guest, BDF, '--count 4 --size 16k')
        clean(held, 'clean', 'small.jsonl')
        record_monitor(guest, DATA / 'clean.elf')
        for kind, name, size in ((faults.AddressChanged, 'wrong-address', 4096),
                                 (faults.PresentCleared, 'missing', 4096),
                                 (faults.WriteDropped, 'wrong-permission', 4096),
                                 (faults.ReservedBit, 'reserved-bit', 4096),
                                 (faults.DirectoryCleared, 'directory-cleared', 2 << 20),
                                 (faults.ContextCleared, 'no-context', None),
                                 (faults.PassThrough, 'pass-through', None),
                                 (faults.ExtraMapping, 'unexpected', None),
                                 (Loop, 'loop', 2 << 20), (NotRam, 'not-ram', 2 << 20)):
            spoiled(held, kind, name, 'small.jsonl', size)
        held.release()
        # The same record, with the end that the mappings came to.
        shutil.copy(held.record, DATA / 'finished.jsonl')
        with Held(guest, BDF, '--count 8 --size 8k --unmap-half') as held:
            clean(held, 'half-unmapped', 'half-unmapped.jsonl')
            spoiled(held, faults.LeftBehind, 'stale', 'half-unmapped.jsonl')
        with Held(guest, BDF) as held:
            clean(held, 'default', 'default.jsonl', small=False)
            spoiled(held, faults.AddressChanged, 'wrong-address-2m', 'default.jsonl', 2 << 20, small=False)


def four_levels():
    with Guest(memory='512M', iommu='intremap=on,caching-mode=on,aw-bits=48', progress=say) as guest:
        with Held(guest, BDF, '--count 2 --size 8k --iova 0x7fff00000000 --prot w') as held:
            clean(held, 'four-levels', 'four-levels.jsonl')


def not_used():
    with Guest(memory='512M', append='intel_iommu=off', progress=say) as guest:
        viommu.verify('-q', guest.target, '--save', str(DATA / 'translation-off.elf'), '--force',
                      str(DATA / 'small.jsonl'))
    whole = faults.coalesce((int(m['iova'], 16), int(m['iova'], 16) + int(m['size'], 16) - 1)
                            for m in map(json.loads, open(DATA / 'small.jsonl')) if m['event'] == 'map')
    remember('translation-off', 'small.jsonl', 'translation-off', whole)


@contextlib.contextmanager
def kept_unless_all_goes_well(directory):
    with tempfile.TemporaryDirectory() as backup:
        shutil.copytree(directory, backup, dirs_exist_ok=True)
        try:
            yield
        except BaseException:
            shutil.rmtree(directory)
            shutil.copytree(backup, directory)
            raise


def make_tables(images):
    for old in tables.TABLES.glob('*/*' if images else '*/*.txt'):
        old.unlink()
    for name, image, _ in tables.build() if images else ():
        (tables.TABLES / f'{name}.elf').parent.mkdir(exist_ok=True)
        (tables.TABLES / f'{name}.elf').write_bytes(image.bytes())
    for path, text in tables.outputs():
        path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--goldens', action='store_true', help='keep the fixtures and the tables; needs no guest')
    parser.add_argument('--tables', action='store_true', help='keep the fixtures only; needs no guest')
    chosen = parser.parse_args()
    guests = not (chosen.goldens or chosen.tables)
    cleanup.install_signal_handlers()
    DATA.mkdir(parents=True, exist_ok=True)
    tables.TABLES.mkdir(exist_ok=True)
    with kept_unless_all_goes_well(tables.TABLES), kept_unless_all_goes_well(DATA):
        make_tables(not chosen.goldens)
        if guests:
            for old in [*DATA.glob('*.elf'), *DATA.glob('*.jsonl'), *DATA.glob('*.json')]:
                old.unlink()
            three_levels()
            four_levels()
            not_used()
            (DATA / 'fixtures.json').write_text(json.dumps(MADE, indent=1) + '\n')
        shutil.rmtree(goldens.GOLDEN, ignore_errors=True)
        goldens.GOLDEN.mkdir()
        for path, done in goldens.outputs():
            path.write_text(done.out)
    size = sum(path.stat().st_size for path in DATA.rglob('*') if path.is_file())
    say(f'{len(goldens.fixtures())} fixtures and their goldens: {size / 1024:.0f} KiB')


if __name__ == '__main__':
    try:
        main()
    except LabError as error:
        raise SystemExit(f'regenerate: {error}') from None
