#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports about a real guest, whole and with each kind of fault in its tables: that whoever has only the report can say
what broke, where and on which versions, and that in a real browser everybody can use it. VIOMMU_SCREENSHOTS names a
folder that gets the reports and pictures of them."""

import functools
import html.parser
import json
import pathlib
import random
import re
import shutil
import sys

from pages import FOCUSED, SHOTS, Case as Shared, FAULT, run

import tap

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'vm'))
from common import BDF, Held, boot, faults, scratch                  # noqa: E402

KINDS = (faults.AddressChanged, faults.PresentCleared, faults.WriteDropped, faults.ReservedBit, faults.DirectoryCleared,
         faults.ContextCleared, faults.LeftBehind, faults.ExtraMapping)
SINGLE = (faults.AddressChanged, faults.LeftBehind)     # of one page
HELD = '--unmap-half --invalidations'


class Made:
    """The reports of one state of the guest, and what is true there."""

    def __init__(self, folder, fault):
        self.name, self.fault = fault.name if fault else 'clean', fault
        self.html, self.markdown, self.json = (folder / f'{self.name}.{end}' for end in ('html', 'md', 'json'))

    @property
    def first(self):
        return self.fault.expected[0][0]


class Text(html.parser.HTMLParser):
    """What somebody reads who runs no script."""

    def __init__(self, page):
        super().__init__()
        self.parts, self._skip = [], 0
        self.feed(page)
        self.text = ' '.join(''.join(self.parts).split())

    def handle_starttag(self, tag, _attributes):
        self._skip += tag in ('script', 'style')
        self.parts += [' '] * (tag not in ('code', 'span', 'strong'))

    def handle_endtag(self, tag):
        self._skip -= tag in ('script', 'style')

    def handle_data(self, data):
        self.parts += [data] * (not self._skip)


class Case(Shared):
    made = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not Case.made:
            Case.reports = pathlib.Path(scratch())
            cls.make_all()

    @classmethod
    def make_all(cls):
        with boot() as guest, Held(guest, BDF, HELD) as held:
            guest.qmp.command('stop')       # then viommu need not look twice
            try:
                version = guest.qmp.command('query-version')
                Case.qemu = '.'.join(str(version['qemu'][part]) for part in ('major', 'minor', 'micro'))
                Case.package, Case.kernel, Case.tables = version['package'], guest.kernel.release, held.tables()
                cls.make(guest, held)
                for kind in KINDS:
                    fault = kind(held.tables(), held.state, random.Random(kind.name), 4096 if kind in SINGLE else None)
                    with fault:
                        cls.make(guest, held, fault)
            finally:
                guest.qmp.command('cont')

    @classmethod
    def make(cls, guest, held, fault=None):
        made = Made(cls.reports, fault)
        for path in (made.html, made.markdown, made.json):
            done = run('report', '-q', guest.target, held.record, '-o', path, seconds=120)
            if done.status != (FAULT if fault else 0):
                raise AssertionError(f'{fault}: {done}')
            if SHOTS:
                shutil.copy(path, SHOTS)
        Case.made[made.name] = made


def each(test, broken=False):
    """Runs test(self, made) for each state of the guest."""
    @functools.wraps(test)
    def run_all(self):
        for name, made in self.made.items():
            if made.fault or not broken:
                with self.subTest(fault=name):
                    test(self, made)
                    self.doCleanups()
    return run_all


each_broken = functools.partial(each, broken=True)


class OnlyTheReport(Case):
    """What a reader can say who has nothing else."""

    def facts(self, made):
        """{name: value} of the list that the Markdown begins with."""
        head = made.markdown.read_text().partition('\n## ')[0]
        return {name: value.strip('`') for name, value in re.findall(r'^ - ([\w ]+): (.*)$', head, re.M)}

    @each
    def test_what(self, made):
        text = made.markdown.read_text()
        result = json.loads(made.json.read_text())
        wrong = sum(last - first + 1 for first, last in made.fault.expected) // 4096 if made.fault else 0
        pages = sum(count['pages'] for verdict, count in result['counts'].items() if verdict != 'unmapped')
        if not made.fault:
            self.assertTrue(text.startswith(f'**OK: all {pages:,} pages are in the vIOMMU\'s tables as L1 asked** ('), text[:200])
            return
        self.assertRegex(text.splitlines()[0], rf'^\*\*FAULT: {wrong:,} of {pages:,} pages (is|are) not as L1 asked\*\* ')
        self.assertIn(f'{made.fault.verdict} {wrong:,}', text.splitlines()[0])
        self.assertIn('link 2 of 5, **table**, is broken', self.facts(made)['What'])

    @each_broken
    def test_where(self, made):
        facts, step = self.facts(made), made.fault.step
        self.assertRegex(facts['Device'], rf'^{BDF} \[1234:11e8\], space 1 \(vfio-type1v2\)$')
        self.assertRegex(facts['IOVA'], rf'^{made.first:#x}-')
        if step.level <= self.tables.levels:
            self.assertIn(f'domain {self.tables.domain}, second-stage table at GPA {self.tables.top:#x}, {self.tables.levels} levels',
                          facts['Domain'])
            self.assertTrue(facts['Entry'].startswith(f'level {step.level}, '), facts)
        else:
            self.assertIn('all DMA is refused: fault reason 0x2', facts['Domain'])
            self.assertTrue(facts['Entry'].startswith('context, '), facts)
        self.assertIn(f'at GPA {step.entry_gpa:#x}: {made.fault.entry:#018x}', facts['Entry'])
        self.assertIn(f'index {(step.entry_gpa & 0xfff) // (8 if step.level <= self.tables.levels else 16)} ', facts['Entry'])
        # The one entry that is behind all that is wrong is said to be.
        wrong = sum(last - first + 1 for first, last in made.fault.expected)
        size = int(re.search(r'-(0x\w+)', facts['IOVA'])[1], 16) - made.first + 1
        if size < wrong:
            self.assertIn(f'the walks of {(wrong - size) // 4096:,} more wrong pages', facts['Same entry'])
        else:
            self.assertNotIn('Same entry', facts)

    @each_broken
    def test_asked_and_found(self, made):
        facts, asked = self.facts(made), self.state_of(made)
        if asked:
            self.assertIn(f'GPA {asked.gpa(made.first):#x}, ', facts['L1 had there' if made.fault.verdict == 'stale' else
                                                                   'L1 asked for'])
        if made.fault.verdict in ('wrong-address', 'stale', 'unexpected', 'reserved-bit', 'wrong-permission'):
            self.assertRegex(facts['The table has'], r'^GPA 0x\w+, [r-][w-], \d \w+ page$')

    def state_of(self, made):
        state = made.fault.state
        return state.find(made.first) or next((m for m in state.unmapped if m.iova <= made.first <= m.last), None)

    @each
    def test_versions(self, made):
        head = made.markdown.read_text().partition('\n## ')[0]
        versions = re.search('Versions: (.*)', head)[1]
        for piece in (f'QEMU `{self.qemu}', self.package, f'L1 `Linux {self.kernel}', 'viommu `', 'Host `Linux', 'record by viommu-probe'):
            self.assertIn(piece, versions)

    @each
    def test_page_without_script_says_the_same(self, made):
        text = Text(made.html.read_text()).text
        self.assertIn(f'QEMU {self.qemu} ({self.package})', text)
        self.assertIn(f'L1 Linux {self.kernel}', text)
        for name, value in self.facts(made).items():
            if name not in ('What', 'Versions'):
                self.assertIn(f'{name} {value}', text)
        if made.fault:
            self.assertLess(text.index('FAULT'), text.index('The first broken mapping'))
            self.assertLess(text.index('The first broken mapping'), text.index('The five links, over all pages'))
            self.assertIn(f'{made.fault.entry:#018x}', text[text.index('The walk'):text.index('The five links, over all')])


class InTheBrowser(Case):
    @each
    def test_looks(self, made):
        """light, dark, narrow and on paper; names, roles, structure, contrast; nothing asked of anybody"""
        page = self.open(made.html)
        if SHOTS:
            page.screenshot(pathlib.Path(SHOTS) / f'guest-{made.name}.png')
        page.js("document.querySelectorAll('details').forEach(node => { node.open = true; })")
        page.js("document.querySelector('#rows button').click()")
        self.assert_looks(page, f'guest-{made.name}')

    def said(self, page):
        return page.js("document.getElementById('said').textContent")

    @each_broken
    def test_click_to_the_walk(self, made):
        """a click on the fault, in the map, shows its walk with the entry as it is in the guest"""
        page = self.open(made.html)
        x, y, _ = page.rect('.map rect.area.bad')
        page.click(x, y)
        detail = page.js("document.getElementById('detail').innerText")
        self.assertIn(f'IOVA {made.first:#x}: {made.fault.verdict}', detail)
        self.assertIn(f'{made.fault.entry:#018x}', detail)
        self.assertIn(f'{made.fault.step.entry_gpa:#x}', detail)
        self.assertIn(f'{made.first:#x}', self.said(page))

    @each_broken
    def test_search_and_zoom(self, made):
        page = self.open(made.html)
        page.js("document.querySelector('.map').focus()")
        page.key('n')                   # what is chosen stays in view
        width = page.rect('.map rect.area.bad')[2]
        page.js("document.querySelector('[aria-label=\"zoom in\"]').click()")
        page.settle()
        self.assertAlmostEqual(page.rect('.map rect.area.bad')[2], 2 * width, delta=2)
        page.js("document.getElementById('search').focus()")
        for key in f'{made.first + 0x123:#x}':
            page.key(key)
        page.key('Enter')
        self.assertIn(f'IOVA {made.first:#x}', self.said(page))
        self.assertIn(made.fault.verdict, self.said(page))

    @each_broken
    def test_keyboard_only(self, made):
        """Tab goes through all of it in order and is seen; the fault and its walk are reached without a mouse"""
        page, names = self.open(made.html), []
        for _ in range(200):
            page.key('Tab')
            focused = page.js(FOCUSED)
            if focused['body'] or not focused['forward']:
                break
            self.assertTrue(focused['seen'], f'{focused["name"]}: its focus is not seen')
            names.append(focused['name'])
        else:
            self.fail(f'Tab does not come to an end: {names}')
        mapped = next(name for name in names if name.startswith('IOVA space of'))
        self.assertIn('next fault', ' '.join(names).replace('go to the ', ''))
        self.assertLess(names.index('search'), names.index(mapped))
        self.assertIn('what it means, and what to do', names)
        page.js("document.querySelector('.map').focus()")
        page.key('n')
        self.assertIn(f'{made.fault.verdict}, IOVA {made.first:#x}', self.said(page))
        self.assertIn(f'{made.fault.entry:#018x}', page.js("document.getElementById('detail').innerText"))


if __name__ == '__main__':
    tap.main()
