#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every hostile image through every command: each has its finding, none takes long.

Of the forms of a report some are made, and diff is run, of a part of the images of each kind: they
are half of the time, and read what the others read. Parts of the names of images as arguments run
only those, and all commands; so does VIOMMU_HOSTILE_ALL of all images."""

import concurrent.futures
import multiprocessing
import os
import pathlib
import shutil
import sys
import tempfile
import traceback
import unittest

import expect
from case import CASES, SORTS
from run import CLEAN, HERE, REJECTED, SANITIZED, SECONDS, VIOMMU, run

import cases_contexts
import cases_loops
import cases_machine
import cases_places
import cases_pasids
import cases_records
import cases_registers
import cases_rings
import cases_shared

import tap

FORMATS = ('text', 'json')
SLOWEST = 10
# A word of each form.
REPORTS = {'markdown': '## Host environment', 'html': '</html>', 'json': '"viommu-result"', 'junit': '</testsuites>', 'tap': 'TAP version 1',
           'text': 'chain (pages'}
# Of a sample: they go through the same result as the other forms, or the same walks as dump.
SAMPLED_REPORTS = 'html', 'junit', 'tap'
OTHER = HERE.parent / 'data' / 'cli' / 'clean.elf'
DIFFERENT = 3


class Runner:
    """All runs over one image. figures: (seconds of CPU time, name of the image, command)."""

    def __init__(self, name, directory):
        self.name, self.directory = name, directory
        self.case = CASES[name]()
        self.figures = []
        (directory / 'image').write_bytes(self.case.image.bytes())
        (directory / 'record').write_bytes(self.case.record.bytes())

    def one(self, command, form, *args, status=CLEAN):
        done = run(command, '-s', 'image', *args, '--format', form, directory=self.directory)
        self.figures.append((done.cpu, self.name, ' '.join(done.args)))
        if done.status != status:
            raise AssertionError(f'{done}\nwanted exit status {status}')
        if status == CLEAN and done.err:
            raise AssertionError(f'{done}\nhas something to say')
        return done

    def both(self, command, *args, status=CLEAN):
        """(text, JSON) of a command in both formats, which end alike."""
        text, json = (self.one(command, form, *args, status=status) for form in FORMATS)
        return text.out, json.json

    def rejected(self):
        for command in (('dump',), ('dump', '--entries'), ('info',), ('doctor',), ('walk', '00:04.0', '0'), ('verify', 'record'),
                        ('report', 'record')):
            for form in FORMATS:
                done = self.one(command[0], form, *command[1:], status=REJECTED)
                expect.equal('stdout', done.out, '')
                expect.contains(done.err, self.case.rejected)

    def doctor(self):
        """Text and JSON end alike, and the status is that of the worst that was found."""
        text, json = (run('doctor', '-s', 'image', '--format', form, directory=self.directory) for form in FORMATS)
        self.figures += [(done.cpu, self.name, ' '.join(done.args)) for done in (text, json)]
        found = json.json['findings']
        worst = any(item['severity'] in ('fault', 'security') for item in found)
        expect.equal('exit status', (text.status, json.status, text.err), (3 if worst else 0,) * 2 + ('',))
        for item in found:
            expect.contains(text.out, f'{item["severity"]} {item["code"]}: ')

    def reports(self, status, why):
        """Every form ends as verify does; a bundle says the same again."""
        for form in REPORTS:
            if form in SAMPLED_REPORTS and self.name not in SAMPLE:
                continue
            done = self.one('report', form, 'record', status=status)
            if status == REJECTED:
                expect.equal('stdout', done.out, '')
                expect.contains(done.err, why)
            else:
                expect.contains(done.out, REPORTS[form])
        if status == REJECTED:
            return
        self.one('report', 'bundle', 'record', '-o', 'bundle', '--force', status=status)
        again = run('verify', 'bundle', '--format', 'json', directory=self.directory)
        self.figures.append((again.cpu, self.name, 'verify of the bundle'))
        expect.equal('exit status of the bundle', again.status, status)
        expect.equal('counts of the bundle', again.json['counts'], self.one('verify', 'json', 'record', status=status).json['counts'])

    def diff(self):
        """With itself there is no difference; with another there may be, either way."""
        if self.name not in SAMPLE:
            return
        for other, statuses in (('image', (CLEAN,)), (str(OTHER), (CLEAN, DIFFERENT))):
            for pair in {('image', other), (other, 'image')}:
                for form in FORMATS:
                    done = run('diff', *pair, '--format', form, directory=self.directory)
                    self.figures.append((done.cpu, self.name, ' '.join(done.args)))
                    if done.status not in statuses or done.err:
                        raise AssertionError(f'{done}\nwanted one of {statuses}')

    def accepted(self):
        case = self.case
        self.doctor()
        text, json = self.both('dump')
        expect.dump(case, text, json)
        expect.entries(case, json, *self.both('dump', '--entries'))
        expect.parts(case, *self.both('dump', '--queue', '--interrupts', '--faults'))
        expect.info(case, *self.both('info'))
        for probe in case.probes:
            pasid = ['--pasid', str(probe[2])] if len(probe) > 2 else []
            expect.walk(case, probe, *self.both('walk', probe[0], hex(probe[1]), *pasid))
        status, wanted = case.verify
        if status == REJECTED:
            for form in FORMATS:
                done = self.one('verify', form, 'record', status=REJECTED)
                expect.equal('stdout', done.out, '')
                expect.contains(done.err, wanted)
        else:
            expect.verify(case, *self.both('verify', 'record', status=status))
        self.reports(status, wanted)
        self.diff()


def play(name):
    """(figures, what went wrong or None) of an image."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix='viommu-hostile.'))
    try:
        runner = Runner(name, directory)
        runner.rejected() if runner.case.rejected else runner.accepted()
        return runner.figures, None
    except Exception:
        return [], traceback.format_exc()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@unittest.skipUnless(VIOMMU, 'VIOMMU is not set')
class Image(unittest.TestCase):
    """A test of each image is added below. They are played side by side, and asked one by one."""
    wanted = []

    @classmethod
    def setUpClass(cls):
        fork = multiprocessing.get_context('fork')
        cls.pool = concurrent.futures.ProcessPoolExecutor(min(4, os.cpu_count()), fork)
        cls.played = {name: cls.pool.submit(play, name) for name in cls.wanted}
        cls.figures = []

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown(cancel_futures=True)
        print(f'# {len(cls.played)} images, {len(cls.figures)} runs{" with sanitizers" if SANITIZED else ""}, each '
              f'within {SECONDS} s{"" if SANITIZED else " and 500 MiB"}; the slowest (CPU time):', file=sys.__stdout__)
        for cpu, name, command in sorted(cls.figures, reverse=True)[:SLOWEST]:
            print(f'#   {cpu:.2f} s  {name}: viommu {command}', file=sys.__stdout__, flush=True)

    def play(self, name):
        figures, trouble = self.played[name].result()
        self.figures.extend(figures)
        if trouble:
            self.fail(trouble)


class Number(unittest.TestCase):
    def test_many(self):
        """there are a hundred images, and every kind is in the sample"""
        self.assertGreaterEqual(len(CASES), 100)
        self.assertEqual(sum(map(len, SORTS.values())), len(CASES))
        for kind, names in SORTS.items():
            self.assertTrue(SAMPLE & set(names), kind)


def _add(name):
    def test(self):
        self.play(name)

    setattr(Image, f'test_{name}', test)
    if len(sys.argv) < 2 or any(word in f'__main__.Image.test_{name}' for word in sys.argv[1:]):
        Image.wanted.append(name)


ALL = bool(os.environ.get('VIOMMU_HOSTILE_ALL'))
# At least one of each kind. With sanitizers the images are a part of all in any case.
SAMPLE = {name for names in SORTS.values() for name in (names if ALL or SANITIZED or len(sys.argv) > 1 else names[::6])}

# Sanitizers make a run several times as long: they get a part of the images, unless all are asked for.
SHARE = 6 if SANITIZED and not ALL else 1
for _number, _name in enumerate(CASES):
    if _number % SHARE == 0 or len(sys.argv) > 1:
        _add(_name)

if __name__ == '__main__':
    tap.main()
