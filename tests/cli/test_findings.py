#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu doctor and explain: the catalogue, its pages in docs/findings, and what is
found in the fixtures."""

import importlib.machinery
import importlib.util
import re

from cli import CLEAN, FAULT, TOP, USAGE, VIOMMU, Case, run
from goldens import fixtures

import tap

PAGES = TOP / 'docs' / 'findings'
SEVERITIES = ('note', 'warning', 'fault', 'security')
# What each spoiled fixture has above a note.
WORSE = {'loop': {'table-loop'}, 'not-ram': {'table-outside-ram'}, 'pass-through': {'pass-through'},
         'reserved-bit': {'reserved-bit'}, 'translation-off': {'translation-off'}}
# The same for verify, where it is not the same: it walks what the record names only.
VERIFY = {'loop': set(), 'not-ram': {'record-not-held'}, 'directory-cleared': {'record-not-held'},
          'stale': {'mapping-stale'}}


def codes(result):
    return {item['code'] for item in result['findings']}


def worse(result):
    return {item['code'] for item in result['findings'] if item['severity'] != 'note'}


class Explain(Case):
    @classmethod
    def setUpClass(cls):
        cls.kinds = run('explain', '--format', 'json').json['findings']

    def test_codes(self):
        """codes are words and hyphens, and each is there once"""
        names = [kind['code'] for kind in self.kinds]
        self.assertEqual(len(names), len(set(names)))
        for name in names:
            self.assertRegex(name, r'^[a-z]+(-[a-z0-9]+)*$')

    def test_each_is_whole(self):
        for kind in self.kinds:
            with self.subTest(code=kind['code']):
                self.assertIn(kind['severity'], SEVERITIES)
                self.assertRegex(kind['title'], r'^\S.*[^.\s]$')
                for part in ('meaning', 'todo'):
                    self.assertRegex(kind[part], r'^\S.*\.\)?$')
                    self.assertNotIn('\n', kind[part])
                self.assertTrue(all(kind['references']))

    def test_shown_by(self):
        """the test that shows a finding is there, and names it"""
        for kind in self.kinds:
            with self.subTest(code=kind['code']):
                how, path = re.fullmatch(r'(guest|files): (tests/\S+)', kind['shown_by']).groups()
                file = TOP / (path if how == 'guest' else f'{path}.c')
                self.assertRegex(file.read_text(), f'["\'{{ ]{kind["code"]}["\' ]')

    def test_codes_in_use(self):
        """every code that the sources add is in the catalogue, and each of the catalogue is added"""
        text = ''.join(path.read_text() for folder in ('correlate', 'qmp') for path in (TOP / folder).rglob('*.c')
                       if not path.name.startswith('finding-kinds'))
        known = {kind['code'] for kind in self.kinds}
        used = {code for call in re.findall(r'viommu_findings_add\(\s*[^,"]*,([^;]*);', text)
                for code in re.findall(r'"([a-z]+(?:-[a-z0-9]+)+)"', call)}
        self.assertEqual(used - known, set())
        self.assertEqual(known - used, set())

    def test_one(self):
        done = self.assert_clean(run('explain', 'snoop-bit'))
        for words in ('snoop-bit (fault)', 'means', 'to do', 'see', 'shown', 'ECAP.SC'):
            self.assertIn(words, done.out)
        self.assertLessEqual(max(map(len, done.out.splitlines())), 110)

    def test_list(self):
        lines = self.assert_clean(run('explain')).out.splitlines()
        self.assertEqual([line.split()[:2] for line in lines], [[kind['code'], kind['severity']] for kind in self.kinds])

    def test_several(self):
        done = self.assert_clean(run('explain', 'table-loop', 'pass-through', '--format', 'json'))
        self.assertEqual(codes(done.json), {'table-loop', 'pass-through'})

    def test_unknown(self):
        for code in ('no-such-thing', 'Table-Loop', '', '../snoop-bit', '\x1b[31m'):
            self.assert_says(run('explain', 'snoop-bit', code), USAGE, 'there is no finding')
        # The words that reports shout are no findings, and known all the same.
        done = self.assert_clean(run('explain', 'wrong-address', 'no-context'))
        self.assertIn('wrong-address (verdict on a page)\n  means   the table translates it to another page\n', done.out)
        self.assert_says(run('explain', 'wrong-address', '--format', 'json'), USAGE, 'there is no finding')

    def test_pages(self):
        """docs/findings is what the program says (docs/findings/regenerate makes it so)"""
        loader = importlib.machinery.SourceFileLoader('regenerate', str(PAGES / 'regenerate'))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader('regenerate', loader))
        loader.exec_module(module)
        made = module.pages(VIOMMU)
        self.assertEqual({path.name for path in PAGES.glob('*.md')}, set(made))
        for name, text in made.items():
            self.assertEqual((PAGES / name).read_text(), text, name)


class Doctor(Case):
    def doctor(self, name, *more):
        return run('doctor', '-s', fixtures()[name]['snapshot'], '--format', 'json', *more)

    def test_fixtures(self):
        """nothing above a note where nothing is wrong; else just that"""
        for name in fixtures():
            with self.subTest(fixture=name):
                done = self.doctor(name)
                self.assertEqual(worse(done.json), WORSE.get(name, set()))
                fault = any(item['severity'] in ('fault', 'security') for item in done.json['findings'])
                self.assert_clean(done, FAULT if fault else CLEAN)
                self.assertEqual(done.json['exit_status'], done.status)
                self.assertEqual(self.doctor(name, '--strict').status, FAULT if worse(done.json) else CLEAN)

    def test_worst_first(self):
        for name in fixtures():
            found = [SEVERITIES.index(item['severity']) for item in self.doctor(name).json['findings']]
            self.assertEqual(found, sorted(found, reverse=True))

    def test_text(self):
        """the text has what the JSON has, and what to do from a warning on"""
        for name in fixtures():
            found = self.doctor(name).json
            text = run('doctor', '-s', fixtures()[name]['snapshot']).out
            self.assertEqual(re.findall(r'(?m)^(?:note|warning|fault|security) ([a-z-]+):', text),
                             [item['code'] for item in found['findings']])
            self.assertEqual(text.count('\n  to do '), len(worse(found)))
            for item in found['findings']:
                for instance in item['instances']:
                    self.assertIn(f'  {instance["where"]}: ', text)
            self.assertRegex(text, r'\n(OK|WARNING|FAULT): ')

    def test_places(self):
        """a finding names the entry, and the value that stands in it"""
        where = {item['code']: item['instances'][0]['where'] for item in self.doctor('reserved-bit').json['findings']}
        self.assertRegex(where['reserved-bit'], r'^entry at GPA 0x[0-9a-f]+: 0x[0-9a-f]{16}$')
        self.assertRegex(where['caching-mode-on'], r'^register CAP: 0x[0-9a-f]+$')

    def test_verify(self):
        """verify says the same of what needs no walk, and more with the record"""
        for name, fixture in fixtures().items():
            with self.subTest(fixture=name):
                done = run('verify', '-s', fixture['snapshot'], fixture['record'], '--format', 'json')
                self.assertTrue({'caching-mode-on'} < codes(done.json))
                self.assertEqual(worse(done.json), VERIFY.get(name, WORSE.get(name, set())))
                for item in done.json['findings']:
                    self.assertNotIn('meaning', item)


if __name__ == '__main__':
    tap.main()
