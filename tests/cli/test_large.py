#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Results with more to say than anybody reads: bounded, counted, and what is wrong before anything else."""

import json
import pathlib
import re
import shutil
import tempfile

from cli import CLEAN, FAULT, Case, run
from reports import errors, jsonschema

import large
import tap

PAGES = 5 << 12         # more areas than the HTML report has, when each is by itself
LISTED = 4096


class Bounds(Case):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='viommu-test.'))
        self.addCleanup(shutil.rmtree, self.folder)
        self.record = self.folder / 'large.jsonl'
        with open(self.record, 'w', encoding='utf-8') as out:
            out.writelines(large.record(1, PAGES + 512))

    def result(self, wrong, *more, status=FAULT, form=('--format', 'json')):
        snapshot = self.folder / 'large.elf'
        snapshot.write_bytes(large.snapshot(wrong, PAGES + 512))
        done = self.assert_status(run('report', '-s', snapshot, self.record, *form, *more, seconds=120), status)
        return done.out

    def json(self, wrong, *more, status=FAULT):
        found = json.loads(self.result(wrong, *more, status=status))
        if jsonschema and not more:
            self.assertFalse(errors(found))
        runs, left = found['runs'], found['left_out']['runs']
        self.assertEqual(sum(count['runs'] for count in found['counts'].values()), len(runs) + left['runs'])
        self.assertEqual(sum(count['pages'] for count in found['counts'].values()),
                         sum((int(run['last'], 16) - int(run['first'], 16) + 1) // 4096 for run in runs) + left['pages'])
        self.assertEqual([run['first'] for run in runs], [run['first'] for run in sorted(runs, key=lambda run: int(run['first'], 16))])
        self.assertEqual(found['left_out']['unmapped'], {'runs': 0, 'pages': 0, 'faults': 0})
        return found

    def test_json(self):
        """the last page is wrong, behind all that the list has room for"""
        wrong = {7, PAGES // 2, PAGES + 511}
        found = self.json(wrong)
        self.assertEqual(len(found['runs']), LISTED)
        self.assertEqual(found['left_out']['runs']['faults'], 0)
        self.assertEqual({int(run['first'], 16) for run in found['runs'] if run['verdict'] != 'match'},
                         {large.FIRST + page * 4096 for page in wrong})

    def test_json_of_more_faults(self):
        """with no room for all that is wrong nothing else is listed"""
        found = self.json(set(range(100, 100 + 2 * LISTED, 2)) | {PAGES})
        self.assertEqual({run['verdict'] for run in found['runs']}, {'wrong-address'})
        self.assertEqual(found['left_out']['runs']['faults'], 1)

    def test_json_of_all(self):
        found = self.json({5}, '--all')
        self.assertEqual(len(found['runs']), PAGES + 512)
        self.assertEqual(found['left_out']['runs'], {'runs': 0, 'pages': 0, 'faults': 0})

    def test_html(self):
        wrong = {0, 7, 8, PAGES + 511}
        out = self.result(wrong, form=('--format', 'html'))
        self.assertIn('neighbours that match are one area', out)
        areas = json.loads(re.search(r'id="data">(.*?)</script>', out, re.S).group(1))['areas']
        self.assertEqual(sum(area[2] for area in areas), PAGES + 512)
        self.assertEqual([(area[1] - (large.FIRST >> 12), area[2], area[14]) for area in areas],
                         [(0, 1, 1), (1, 6, 6), (7, 1, 1), (8, 1, 1), (9, PAGES + 502, PAGES + 502), (PAGES + 511, 1, 1)])
        self.assertLess(len(out), 100 << 10)

    def test_html_of_all(self):
        out = self.result((), '--all', status=CLEAN, form=('--format', 'html'))
        self.assertNotIn('are one area', out)
        areas = json.loads(re.search(r'id="data">(.*?)</script>', out, re.S).group(1))['areas']
        self.assertEqual(len(areas), PAGES + 512)


class Behind(Case):
    """One page that is wrong, and one that is in no record, behind more that could not be told
    than any report has room for."""

    OPEN = 6 << 10

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix='viommu-test.'))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.wrong, cls.unexpected = (hex(large.FIRST + (cls.OPEN + page) * 4096) for page in (0, 1))
        lines = [json.loads(line) for line in large.record(1, cls.OPEN + 1)]
        for event in lines[2:2 + cls.OPEN]:
            event.update(extents=[], gpa_unknown='not seen')
        (cls.folder / 'x.jsonl').write_text('\n'.join(map(json.dumps, lines)) + '\n', encoding='utf-8')
        image = large.Image(bits=48)
        top = image.new()
        image.legacy(large.DEVICE, top)
        for page in range(cls.OPEN + 2):
            image.map(top, 4, large.FIRST + page * 4096, large.gpa(page) + 4096 * (page == cls.OPEN))
        (cls.folder / 'x.elf').write_bytes(image.bytes())

    def out(self, *words):
        return self.assert_status(run(*words, '-s', self.folder / 'x.elf', self.folder / 'x.jsonl', seconds=120), FAULT).out

    def test_text(self):
        out = self.out('verify')
        rows, story = out.split('\nwrong-address', 1)
        self.assertRegex(rows, rf'(?m)^  0x0*{self.wrong[2:]}-.*wrong-address')
        self.assertIn(f'IOVA {self.wrong}-', story)
        self.assertIn('GPA', story)
        self.assertRegex(out, rf'(?m)^unexpected .*IOVA {self.unexpected}-')
        self.assertRegex(out, r'… and [0-9,]+ more runs of pages')
        # What could not be told has the room that is left.
        self.assertEqual(len(re.findall(r'(?m)^unverified  00:04.0', out)), 8)
        self.assertEqual(len(re.findall(r'(?m)^  0x.*-0x.* KiB ', rows)), 40)

    def test_json(self):
        runs = json.loads(self.out('report', '--format', 'json'))['runs']
        self.assertEqual({run['first']: 'evidence' in run for run in runs if run['verdict'] != 'unverified'},
                         {self.wrong: True, self.unexpected: True})
        self.assertEqual(sum('evidence' in run for run in runs), 1024)

    def test_markdown(self):
        out = self.out('report', '--format', 'markdown', '--no-redact')
        self.assertIn(' - Entry: ', out)
        self.assertRegex(out, rf'(?m)^\| `{self.wrong}-.*wrong-address')
        self.assertEqual(len(re.findall(r'(?m)^\| `0x', out)), 500)

    def test_cases(self):
        for form, failed in (('tap', r'not ok [0-9]+ - .*IOVA {}-'), ('junit', r'<testcase[^>]*IOVA {}-[^>]*>\s*<failure')):
            out = self.out('report', '--format', form)
            for iova in (self.wrong, self.unexpected):
                self.assertRegex(out, failed.format(iova))
            self.assertNotIn('more that failed', out)
            self.assertIn('IOVA 0x100000000-', out)
            self.assertIn('1,146 more that could not be verified, left out', out)


class Tables(Case):
    """A table for each of more devices than any report shows, and the last ones have the faults."""

    DEVICES, LISTED, LAST = 1100, {'markdown': 64, 'html': 256, 'junit': 1000, 'tap': 1000}, 'ff:00.0'

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix='viommu-test.'))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.devices = [f'{number >> 8:02x}:{number >> 3 & 31:02x}.{number & 7}' for number in range(cls.DEVICES - 1)] + [cls.LAST]

    def out(self, form, wrong, status=FAULT):
        """wrong: so many devices at the end have another page."""
        head, attach, mapped, mark = (json.loads(line) for line in large.record(1, 1))
        lines, image = [head], large.Image(bits=48)
        for number, device in enumerate(self.devices):
            top = image.new()
            image.legacy(device, top)
            image.map(top, 4, large.FIRST, large.gpa(number + (number >= self.DEVICES - wrong)))
            lines.append({**attach, 'space': number, 'device': f'0000:{device}'})
            lines.append({**mapped, 'space': number, 'extents': [{'gpa': hex(large.gpa(number)), 'size': '0x1000'}]})
        for seq, line in enumerate([*lines[1:], mark], 1):
            line.update(seq=seq, time_ns=seq)
        (self.folder / 'x.jsonl').write_text('\n'.join(map(json.dumps, [*lines, mark])) + '\n', encoding='utf-8')
        (self.folder / 'x.elf').write_bytes(image.bytes())
        return self.assert_status(run('report', '-s', self.folder / 'x.elf', self.folder / 'x.jsonl', '--format', form, seconds=120),
                                  status).out

    def left(self, form, faults):
        return f'{self.DEVICES - self.LISTED[form]:,} more tables, {faults}, left out'

    def test_markdown(self):
        out = self.out('markdown', 1)
        self.assertRegex(out, rf'(?m)^`{self.LAST}[^\n]*\n\n[^\n]*\n[^\n]*\n\| `0x[^\n]* wrong-address 1 ')
        self.assertIn(self.left('markdown', 'all of them as L1 asked'), out)
        self.assertEqual(len(re.findall(r'(?m)^\| IOVA ', out)), 64)

    def test_markdown_of_more(self):
        """more with faults than there is room for: they are counted"""
        self.assertIn(self.left('markdown', '36 of them with faults'), self.out('markdown', 100))

    def test_cases(self):
        for form, failed in (('tap', r'not ok [0-9]+ - {}'), ('junit', r'<testcase classname="{}[^>]*>\s*<failure')):
            out = self.out(form, 1)
            self.assertRegex(out, failed.format(self.LAST))
            self.assertIn(self.left(form, 'all of them as L1 asked'), out)
            self.assertEqual(len(re.findall('not ok' if form == 'tap' else '<failure', out)), 1)

    def test_cases_of_more(self):
        """a suite with faults that is left out is a failure"""
        self.assertRegex(self.out('tap', 1050), r'not ok 1001 - more tables: 100 more tables, 50 of them with faults, left out')

    def test_html(self):
        out = self.out('html', 1)
        data = json.loads(re.search(r'id="data">(.*?)</script>', out, re.S).group(1))
        self.assertEqual(len(data['targets']), 256)
        self.assertIn(self.LAST, json.dumps(data['targets'][-1]))
        self.assertIn('844 tables (0 of them with faults)', out)


if __name__ == '__main__':
    tap.main()
