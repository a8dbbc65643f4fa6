#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu report: each form read by something that is not viommu's, and texts that mean harm."""

import html
import json
import os
import re
import shutil
import subprocess
import unittest
import xml.etree.ElementTree

import bundles
import nasty
import reports
from cli import CLEAN, DATA, FAULT, TOP, UNSAFE, Case, in_parallel, run
from goldens import fixtures
from reports import FORMS, SAVED, report

import tap

# Tags that our Markdown has when it is HTML.
TAGS = {'p', 'strong', 'em', 'ul', 'ol', 'li', 'code', 'pre', 'h2', 'h3', 'table', 'thead', 'tbody', 'tr', 'th', 'td',
        'details', 'summary'}


def need(*names):
    missing = [name for name, there in (('python3-jsonschema', reports.jsonschema), ('cmark-gfm', reports.CMARK),
                                        ('python3-junitparser', reports.junitparser), ('python3-tap', reports.tap_parser()))
               if name in names and not there]
    return unittest.skipIf(missing, f'not installed: {", ".join(missing)}')


class EachFixture(Case):
    @classmethod
    def setUpClass(cls):
        cls.fixtures = fixtures()
        cls.targets = {name: ('-s', f['snapshot'], f['record']) for name, f in cls.fixtures.items()}
        pairs = [(name, form) for name in cls.targets for form in FORMS]
        cls.done = dict(zip(pairs, in_parallel(lambda pair: report(pair[1], *cls.targets[pair[0]]), pairs)))

    def of(self, form):
        for name in self.targets:
            with self.subTest(fixture=name):
                yield name, self.done[name, form]

    def test_status_is_that_of_verify(self):
        for name, target in self.targets.items():
            status = run('verify', *target).status
            for form in FORMS:
                self.assert_clean(self.done[name, form], status)

    def test_text_and_json_are_those_of_verify(self):
        for form in ('text', 'json'):
            for name in self.targets:
                with self.subTest(fixture=name):
                    self.assertEqual(report(form, *self.targets[name], '--no-redact').out,
                                     run('verify', *self.targets[name], '--format', form).out)

    @need('python3-jsonschema')
    def test_json_is_what_the_schema_says(self):
        reports.jsonschema.Draft202012Validator.check_schema(reports.schema())
        for _, done in self.of('json'):
            self.assertEqual(reports.errors(done.json), [])

    @need('python3-junitparser')
    def test_junit(self):
        for name, done in self.of('junit'):
            suites = list(reports.junitparser.JUnitXml.fromstring(done.out.encode()))
            result = self.done[name, 'json'].json
            failed = sum(case.result[0].__class__.__name__ == 'Failure' for suite in suites for case in suite if case.result)
            self.assertEqual(len(suites), len(result['targets']))
            self.assertEqual([suite.failures for suite in suites], [failed] * len(suites))
            self.assertEqual([suite.tests for suite in suites], [len(list(suite)) for suite in suites])
            self.assertEqual(bool(failed), done.status == FAULT)
            requests = {run['expected']['seq'] for run in result['runs'] if 'expected' in run and run['verdict'] != 'stale'}
            events = {int(seq) for suite in suites for case in suite for seq in re.findall(r'\(event (\d+)\)$', case.name)}
            self.assertEqual(events, requests, 'a case for each mapping')
            told = set()
            for bad in (run for run in result['runs'] if run['verdict'] not in ('match', 'unverified')):
                event = bad.get('expected', bad).get('seq')
                if event is None or bad['verdict'] == 'stale' or event not in told:     # the first of each mapping
                    self.assertIn(f'IOVA {bad["first"]}-{bad["last"]}: {bad["verdict"]}', done.out)
                told.add(event)

    @need('python3-tap')
    def test_tap(self):
        for name, done in self.of('tap'):
            lines = list(reports.tap_parser().parse_text(done.out))
            tests = [line for line in lines if line.category == 'test']
            self.assertEqual([line.category for line in lines if line.category in ('unknown', 'bail')], [])
            self.assertEqual([test.number for test in tests], list(range(1, len(tests) + 1)))
            self.assertEqual([line.expected_tests for line in lines if line.category == 'plan'], [len(tests)])
            self.assertEqual(any(not test.ok for test in tests), done.status == FAULT)
            for test in tests:
                self.assertEqual(test.yaml_block is None, test.ok)
                if not test.ok:
                    self.assertIn('IOVA 0x', test.yaml_block['message'])
                    self.assertTrue('translation-off' in test.yaml_block['message'] or
                                    any('entry at GPA 0x' in line for line in test.yaml_block['evidence']))
            xml_cases = xml.etree.ElementTree.fromstring(self.done[name, 'junit'].out).iter('testcase')
            self.assertEqual([test.description.partition(': ')[2] for test in tests], [case.get('name') for case in xml_cases])

    @need('cmark-gfm')
    def test_markdown(self):
        """rendered: the bug template's headings in its order, tables that are tables, nothing left open"""
        for name, done in self.of('markdown'):
            seen = reports.Tags(reports.render(done.out))
            self.assertEqual(seen.wrong, [])
            self.assertLessEqual(set(seen.names), TAGS)
            self.assertEqual([text.strip() for text in seen.pieces['h2']],
                             ['Host environment', 'Emulated/Virtualized environment', 'Description of problem',
                              'Steps to reproduce', 'Additional information'])
            self.assertEqual(done.out.count('\n| '), done.out.count('\n|---') + seen.names['tr'] - seen.names['table']
                             + seen.names['table'] - done.out.count('\n|---'), 'each row of a table is one')
            self.assertTrue(done.out.startswith('**FAULT: ' if done.status == FAULT else ('**OK: ', '**UNVERIFIED: ')))
            self.assertNotIn('not known (please add it)', done.out.partition('QEMU command line')[0])

    def test_reserved_bit_is_named(self):
        done = self.assert_status(run('report', '-s', DATA / 'reserved-bit.elf', DATA / 'small.jsonl', '--format', 'markdown'), FAULT)
        self.assertRegex(done.out, r'(?m)^ - Entry: `level 1, .*: 0x000200001fbd9003; reserved bit 49 is set`$')
        for name in ('wrong-address', 'no-context', 'missing'):
            done = self.assert_status(run('report', '-s', DATA / f'{name}.elf', DATA / 'small.jsonl', '--format', 'markdown'), FAULT)
            self.assertNotIn('is set`', done.out)

    def test_html_stands_alone(self):
        for _, done in self.of('html'):
            seen = reports.Tags(done.out)
            self.assertEqual(seen.wrong, [])
            for tag, name, value in seen.attributes:
                self.assertFalse(name.startswith('on') or name in ('style', 'src', 'action', 'srcset'), (tag, name, value))
                if name == 'href':
                    self.assertRegex(value, r'\A(#\w+|data:,)\Z')
            self.assertNotRegex(done.out, r'(?i)https?:(?!//www\.w3\.org/2000/svg)|@import|url\(')
            self.assertIn("default-src 'none'; script-src 'sha256-", done.out)
            self.assertNotIn("'unsafe", done.out)

    def test_html_says_how_to_see_it_again(self):
        """the steps of Markdown, and its way without this QEMU"""
        for name, done in self.of('html'):
            said = html.unescape(re.sub('</?code>', '`', done.out.partition('<h2>To see it again</h2>')[2]))
            steps = self.done[name, 'markdown'].out.partition('## Steps to reproduce\n')[2].partition('\n## ')[0]
            steps = [re.sub(r'^\d\. ', '', line) for line in steps.splitlines() if line]
            self.assertEqual(re.findall('<(?:li|p)>(.*)</(?:li|p)>', said)[:len(steps)], steps)
            self.assertGreaterEqual(len(steps), 4)

    def test_same_from_run_to_run(self):
        for form in FORMS:
            self.assertEqual(report(form, *SAVED).out, self.done['wrong-address', form].out)


class Schema(Case):
    @need('python3-jsonschema')
    def test_refuses_what_is_wrong(self):
        """the schema can fail: each of these is refused"""
        document = report('json', *SAVED).json
        self.assertEqual(reports.errors(document, strict=False), [])
        bad = next(i for i, item in enumerate(document['runs']) if 'evidence' in item)

        def wrong(change):
            spoilt = json.loads(json.dumps(document))
            change(spoilt)
            return reports.errors(spoilt, strict=False)

        for change in (lambda d: d.pop('version'), lambda d: d.update(version=1), lambda d: d.pop('left_out'),
                       lambda d: d.update(exit_status=7), lambda d: d['runs'][0].update(first=4096), lambda d: d['runs'][0].update(first='0x00'),
                       lambda d: d['runs'][0].update(verdict='fine'), lambda d: d['runs'][0].pop('links'),
                       lambda d: d['runs'][0]['links'].update(table='bad'), lambda d: d['chain'].pop(),
                       lambda d: d['counts'].pop('match'), lambda d: d['targets'][0].pop('source_id'),
                       lambda d: d['runs'][bad]['evidence']['steps'][0].pop('entry'),
                       lambda d: d['runs'][bad]['evidence']['read'].pop('allowed'),
                       lambda d: d['findings'][0].update(severity='bad'), lambda d: d['qemu'].update(cmdline='qemu')):
            self.assertTrue(wrong(change), change)

    @need('python3-jsonschema')
    def test_words_are_those_of_the_catalogue(self):
        """every verdict, link and state that viommu has is in the schema"""
        source = (TOP / 'correlate' / 'join' / 'result.c').read_text() + (TOP / 'correlate' / 'join' / 'chain.c').read_text()
        known = json.dumps(reports.schema())
        words = set(re.findall(r'\] = \{ "([a-z-]+)", "', source)) - {'unmapped'}
        words |= {word for names in re.findall(r'(?s)names\[\w+\] = \{(.*?)\}', source) for word in re.findall(r'"([a-z-]+)"', names)}
        self.assertGreater(len(words), 20)
        self.assertEqual({word for word in words if f'"{word}"' not in known}, set())


class Hostile(Case):
    """texts of L1's and QEMU's that mean harm"""

    @classmethod
    def setUpClass(cls):
        cls.maker = Case()
        cls.folder = cls.maker.scratch()
        cls.addClassCleanup(cls.maker.doCleanups)
        (cls.folder / 'x.elf').write_bytes(nasty.snapshot())
        # A path is a text of somebody's as well.
        cls.record = cls.folder / 'a<script>alert("path")<!-- `|\x1b[31m.jsonl'.replace('/', '')
        cls.record.write_bytes(nasty.record())
        cls.target = ('-s', cls.folder / 'x.elf', cls.record)
        cls.done = {form: report(form, *cls.target, '--no-redact') for form in FORMS}   # run() looks for what is not seen

    def test_events_are_lost(self):
        self.record.with_name('lost.jsonl').write_bytes(nasty.record(lost=True))
        for form in FORMS:
            done = self.assert_clean(report(form, '-s', self.folder / 'x.elf', self.folder / 'lost.jsonl'))
            self.assertTrue('at least 3 events' in done.out or form in ('json', 'junit', 'tap'), form)
            if form == 'html':
                self.assertEqual(reports.Tags(done.out).wrong, [])
            if form == 'markdown' and reports.CMARK:
                self.assertLessEqual(set(reports.Tags(reports.render(done.out)).names), TAGS)

    def test_all_of_it_is_shown(self):
        for form, done in self.done.items():
            self.assert_clean(done, FAULT)
            self.assertIn('owned-25', done.out, form)
        for n in range(1, 33):
            for form in ('markdown', 'html', 'json'):
                self.assertRegex(self.done[form].out, rf'owned\W?{n}\b', form)

    @need('python3-jsonschema')
    def test_json(self):
        self.assertEqual(reports.errors(self.done['json'].json), [])
        self.assertEqual(self.done['json'].json['qemu']['cmdline'][1:], list(nasty.TEXTS))

    @need('cmark-gfm')
    def test_markdown(self):
        plain = reports.Tags(reports.render(report('markdown', *SAVED).out))
        rendered = reports.render(self.done['markdown'].out)
        seen = reports.Tags(rendered)
        self.assertEqual(seen.wrong, [])
        self.assertLessEqual(set(seen.names), TAGS, 'no HTML, link or image got through')
        self.assertEqual(seen.pieces['h2'], plain.pieces['h2'])
        self.assertEqual([(tag, name) for tag, name, _ in seen.attributes if name not in ('class', 'start')], [])
        # Outside of code nothing can be a mention, a reference or a command.
        outside = ''.join(text for tag, texts in seen.pieces.items() if tag not in ('code', 'pre') for text in texts)
        self.assertNotRegex(outside, r'owned|@all|/close|www\.')
        self.assertNotRegex(self.done['markdown'].out, r'(?m)^/')
        self.assertLessEqual({len(re.findall('<t[dh][ >]', row)) for row in rendered.split('<tr>')[1:]}, {5, 6, 7})

    def test_junit(self):
        root = xml.etree.ElementTree.fromstring(self.done['junit'].out)
        self.assertLessEqual({node.tag for node in root.iter()},
                             {'testsuites', 'testsuite', 'properties', 'property', 'testcase', 'failure', 'skipped'})
        if shutil.which('xmllint'):
            path = self.folder / 'x.xml'
            path.write_text(self.done['junit'].out)
            subprocess.run(['xmllint', '--noout', '--nonet', path], check=True)

    @need('python3-tap')
    def test_tap(self):
        lines = list(reports.tap_parser().parse_text(self.done['tap'].out))
        self.assertEqual([line.category for line in lines if line.category in ('unknown', 'bail')], [])
        tests = [line for line in lines if line.category == 'test']
        self.assertEqual([line.expected_tests for line in lines if line.category == 'plan'], [len(tests)])
        self.assertFalse(any(test.todo for test in tests))

    def test_html(self):
        plain, seen = reports.Tags(report('html', *SAVED).out), reports.Tags(self.done['html'].out)
        self.assertEqual(seen.wrong, [])
        for name in set(seen.names) | set(plain.names):
            if name not in ('dt', 'dd', 'tr', 'td', 'li', 'p', 'section', 'h3', 'ul', 'span', 'code', 'small', 'br', 'strong', 'pre',
                            'div', 'details', 'summary', 'ol'):
                self.assertEqual(seen.names.get(name), plain.names.get(name), name)
        self.assertFalse([item for item in seen.attributes if item[1].startswith('on') or item[1] in ('src', 'style')])

    def test_nothing_was_run(self):
        self.assertEqual([name for name in os.listdir(self.folder) if 'owned' in name], [])
        self.assertFalse([name for form in FORMS for name in UNSAFE.findall(self.done[form].out)
                          if (form, name) != ('json', '\x7f')])


class Doctor(Case):
    """What viommu-probe doctor found in L1, out of the record."""

    def setUp(self):
        lines = (DATA / 'small.jsonl').read_text().splitlines()
        checks = [{'section': 'VFIO', 'name': 'entry limit', 'verdict': 'warn', 'seen': '65535', 'more': ['line two'], 'fix': 'raise <it>'},
                  {'section': 'Kernel', 'name': 'command line', 'verdict': 'ok', 'seen': 'root=/dev/mapper/payroll'}]
        event = {'seq': 1, 'time_ns': 1, 'event': 'doctor', 'checks': checks}
        events = [event, *({**json.loads(line), 'seq': i} for i, line in enumerate(lines[1:], 2))]
        self.checks = checks
        self.record = self.scratch() / 'record.jsonl'
        self.record.write_text('\n'.join([lines[0], *map(json.dumps, events), '']))
        self.words = '-s', 'clean.elf', self.record

    def test_json(self):
        whole = report('json', *self.words, '--no-redact').json
        self.assertEqual(whole['records'][0]['checks'], self.checks)
        self.assertRegex(report('json', *self.words).json['records'][0]['checks'][1]['seen'], r'^root=<path-\d+>$')
        if reports.jsonschema:
            self.assertEqual(reports.errors(whole), [])

    def test_command_line(self):
        """quoted by a check, it hides by place what it hides in the header, short and common words too"""
        quoted = 'systemd.hostname=pi rd.luks.key=x9 password=ab root=LABEL=db iommu=pt'
        lines = self.record.read_text().splitlines()
        checks = [{**self.checks[0], key: [quoted] if key == 'more' else quoted} for key in ('seen', 'more', 'fix')]
        lines[1] = json.dumps({**json.loads(lines[1]), 'checks': checks})
        self.record.write_text('\n'.join([*lines, '']))
        got = report('json', *self.words).json['records'][0]['checks']
        for text in (got[0]['seen'], got[1]['more'][0], got[2]['fix']):
            self.assertRegex(text, r'^systemd.hostname=<host-\d+> rd.luks.key=<secret-\d+> password=<secret-\d+> root=LABEL=<name-\d+> iommu=pt$')

    def test_people(self):
        for form, fix in (('markdown', 'raise <it>'), ('html', 'raise &lt;it&gt;')):
            text = report(form, *self.words).out
            for piece in ('0 FAIL, 1 warn, 1 ok, 0 skip', 'warn  VFIO: entry limit: 65535', 'line two', f'fix: {fix}',
                          'ok    Kernel: command line: root='):
                self.assertIn(piece, text, form)
            self.assertNotIn('payroll', text)

    def test_bundle(self):
        path = self.record.parent / 'a.tar.gz'
        self.assert_status(run('report', *self.words, '-o', path), CLEAN)
        files = bundles.read(path.read_bytes())
        facts = json.loads(files['l1.json'])[0]['facts']
        self.assertEqual([fact['event'] for fact in facts], ['header', 'doctor'])
        self.assertEqual(facts[1]['checks'][0], self.checks[0])
        self.assertEqual(json.loads(files['result.json'])['records'][0]['checks'], facts[1]['checks'])

    def checks_of(self, checks):
        """what a report has of these"""
        lines = self.record.read_text().splitlines()
        lines[1] = json.dumps({**json.loads(lines[1]), 'checks': checks})
        self.record.write_text('\n'.join([*lines, '']))
        self.assert_status(report('markdown', *self.words), CLEAN)
        return report('json', *self.words, '--no-redact').json['records'][0]['checks']

    def test_bounds(self):
        """a hostile record: what a report leaves out of it is counted"""
        check = self.checks[0]
        for key in ('section', 'name', 'verdict', 'seen', 'fix'):
            got, = self.checks_of([{**check, key: 'x' * 4096}])
            self.assertEqual(got[key], 'x' * 4096)
            got, = self.checks_of([{**check, key: 'x' * 4094 + 'é' * 500}])
            self.assertEqual(got[key], 'x' * 4094 + 'é… (998 more bytes, left out)')
            got, = self.checks_of([{**check, key: 'x' * 4095 + 'é' * 500}])
            self.assertEqual(got[key], 'x' * 4095 + '… (1000 more bytes, left out)')
        got, = self.checks_of([{**check, 'more': ['y' * 4097]}])
        self.assertEqual(got['more'], ['y' * 4096 + '… (1 more bytes, left out)'])
        lines = [f'line {i}' for i in range(256)]
        self.assertEqual(self.checks_of([{**check, 'more': lines}])[0]['more'], lines)
        self.assertEqual(self.checks_of([{**check, 'more': [*lines, 5, 'one', 'two']}])[0]['more'], [*lines, '… and 2 more lines, left out'])

    def test_sum(self):
        """1 MiB of all texts is taken, and 1000 checks"""
        full = {'section': '', 'name': '', 'verdict': '', 'seen': '', 'more': ['z' * 4096] * 256}
        one = {'section': '', 'name': '', 'verdict': '', 'seen': '!'}
        left = {'section': 'record', 'name': 'more checks', 'verdict': 'skip', 'seen': '2 checks of this record are left out'}
        empty = {**one, 'seen': ''}
        self.assertEqual(self.checks_of([full, empty]), [full, empty])
        self.assertEqual(self.checks_of([full, one, 1, empty]), [full, left])
        self.assertEqual(self.checks_of([one] * 1000), [one] * 1000)
        self.assertEqual(self.checks_of([one] * 1002), [one] * 1000 + [left])

    def test_odd(self):
        """what is no check is left out, and nothing is refused for it"""
        for checks, left in ((None, []), (7, []), ([], []), ([1, 'x', None, []], []), ([{}], [{}]),
                             ([{'verdict': 5, 'more': 'x', 'fix': [], 'seen': 'y'}], [{'seen': 'y'}]), ([{'more': [1, {}]}], [{}])):
            nothing = {'section': '', 'name': '', 'verdict': '', 'seen': ''}
            self.assertEqual(self.checks_of(checks), [{**nothing, **check} for check in left])


class OfAnotherIommu(Case):
    def test_is_said_before_any_verdict(self):
        """a record of another guest: its verdicts mean nothing, and that comes first"""
        folder = self.scratch()
        lines = (DATA / 'small.jsonl').read_text().splitlines()
        head = json.loads(lines[0])
        head['iommus'][0]['cap'] = hex(int(head['iommus'][0]['cap'], 16) ^ 1 << 7)
        record = folder / 'another.jsonl'
        record.write_text('\n'.join([json.dumps(head), *lines[1:]]) + '\n')
        for form, verdict in (('text', '\n00:04.0'), ('markdown', 'FAULT: '), ('html', '<div class="verdict bad"')):
            with self.subTest(form=form):
                text = report(form, '-s', 'wrong-address.elf', str(record)).out
                said = text.index('a record was not made behind this vIOMMU')
                self.assertLess(said, text.index(verdict, text.find('<body>') + 1))
                self.assertIn('record-of-another-iommu', text[:text.index(verdict, text.find('<body>') + 1)])
                self.assertNotIn('not made behind this vIOMMU, so', report(form, *SAVED).out)


class SameEntry(Case):
    def test_only_what_it_spans(self):
        """a run that goes on past the entry that its walk ends at"""
        path = self.scratch() / 'x.jsonl'
        *lines, mark = (DATA / 'small.jsonl').read_text(encoding='utf-8').splitlines()
        for seq, iova, size, gpa in ((6, 0x50000000, 0x1000, 0x1000000), (7, 0x50001000, 0x3ff000, 0x1400000)):
            lines.append(json.dumps({'seq': seq, 'time_ns': 1 << 40, 'event': 'map', 'space': 1, 'iova': hex(iova), 'size': hex(size),
                                     'prot': 'rw', 'extents': [{'gpa': hex(gpa), 'size': hex(size)}]}))
        lines.append(json.dumps({**json.loads(mark), 'seq': 8}))
        path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
        out = self.assert_status(report('markdown', '-s', 'clean.elf', path, '--no-redact'), FAULT).out
        self.assertIn('IOVA: `0x50000000-0x50000fff', out)
        self.assertIn('Same entry: `the walks of 511 more wrong pages (1 run) end at this entry, of those that were looked at`', out)


if __name__ == '__main__':
    tap.main()
