#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu report's HTML in a headless Chromium: what it looks like, what it does, what it must
never do. VIOMMU_SCREENSHOTS names a folder for pictures of every fixture."""

import contextlib
import functools
import json
import os
import pathlib
import time

from pages import OVERFLOW, Case as Shared

import large
import nasty
import tap
from cli import DATA, run, start
from goldens import fixtures


class Case(Shared):
    @functools.lru_cache
    def fixture(self, name):
        known = fixtures()[name]
        return self.report(known['snapshot'], known['record'], name)


class EachFixture(Case):
    def test_looks(self):
        """light, dark, narrow and on paper: contrast is that of WCAG AA, and nothing is wider than the page"""
        for name, known in fixtures().items():
            with self.subTest(fixture=name):
                page = self.open(self.fixture(name))
                page.js("document.querySelectorAll('details').forEach(node => { node.open = true; })")
                if page.js("!!document.querySelector('#rows button')"):
                    page.js("document.querySelector('#rows button').click()")
                self.assert_looks(page, name)
                if known['verdict']:
                    self.assertIn(known['verdict'], page.js('document.body.innerText'))
                self.doCleanups()

    def test_table_has_every_page(self):
        """what the table says sums up to what verify counts"""
        for name, known in fixtures().items():
            with self.subTest(fixture=name):
                page = self.open(self.fixture(name))
                result = run('verify', '-s', known['snapshot'], known['record'], '--format', 'json').json
                wanted = {verdict: count['pages'] for verdict, count in result['counts'].items() if count['pages']}
                seen = page.js('''(() => { const d = JSON.parse(document.getElementById("data").textContent), ret = {};
                    for (const area of d.areas) {
                        const name = d.verdicts[area[3]].name;
                        ret[name] = (ret[name] || 0) + area[2];
                    }
                    delete ret.unmapped;
                    return ret; })()''')
                self.assertEqual(seen, wanted)
                self.doCleanups()


class Using(Case):
    def setUp(self):
        self.page = self.open(self.fixture('wrong-address'))

    def detail(self):
        return self.page.js("document.getElementById('detail').innerText")

    def said(self):
        return self.page.js("document.getElementById('said').textContent")

    def shown(self):
        return self.page.js("[...document.querySelectorAll('#rows tr')].map(row => row.querySelector('button').textContent)")

    def test_click_to_walk(self):
        self.assertEqual(self.detail(), '')
        x, y, _ = self.page.rect('.map rect.area.bad')
        self.page.click(x, y)
        self.assertIn('IOVA 0x40007000: wrong-address', self.detail())
        # The entry that the fixture was made with, decoded.
        for piece in ('0x1df1f038', '0x000000001fbe9003', 'R=1', 'W=1', 'ADDR=0x1fbe9000', 'GPA 0x1fbe8000', 'index 7'):
            self.assertIn(piece, self.detail())
        self.assertIn('0x40007000', self.said())
        self.assertEqual(self.page.js("document.querySelector('tr.chosen button').textContent"), '0x40007000-0x40007fff')
        x, y, _ = self.page.rect('.map rect.area.good')
        self.page.click(x, y)
        self.assertIn('IOVA 0x40000000: match', self.detail())
        self.assertIn('read allowed: GPA 0x1fbe4000', self.detail().replace('  ', ' '))

    def test_every_mapping_has_its_walk(self):
        for i in range(self.page.js("document.querySelectorAll('#rows button').length")):
            self.page.js(f"document.querySelectorAll('#rows button')[{i}].click()")
            self.assertIn('level 1', self.detail())
            self.assertIn('context', self.detail())

    def test_zoom(self):
        width = self.page.rect('.map rect.area.bad')[2]
        self.page.js("document.querySelector('[aria-label=\"zoom in\"]').click()")
        self.page.settle()
        self.assertAlmostEqual(self.page.rect('.map rect.area.bad')[2], 2 * width, delta=2)
        self.page.js("document.querySelector('[aria-label=\"show the whole space\"]').click()")
        self.page.settle()
        self.assertAlmostEqual(self.page.rect('.map rect.area.bad')[2], width, delta=1)
        x, y, _ = self.page.rect('.map rect.area.bad')
        self.page.call('Input.dispatchMouseEvent', type='mouseWheel', x=x, y=y, deltaX=0, deltaY=-100, modifiers=8)
        self.page.settle()
        self.assertGreater(self.page.rect('.map rect.area.bad')[2], width * 1.1)

    def test_search(self):
        def find(text):
            self.page.js(f"""(() => {{ const box = document.getElementById('search'); box.focus(); box.value = {json.dumps(text)};
                box.dispatchEvent(new Event('input')); }})()""")
            return self.shown()

        self.assertEqual(find('0x40007123'), ['0x40007000-0x40007fff'])
        self.assertEqual(self.page.js("document.getElementById('found').textContent"), '1 area')
        self.page.key('Enter')
        self.assertIn('IOVA 0x40007000: wrong-address', self.detail())
        self.assertEqual(find('1fbe9000'), ['0x40007000-0x40007fff'], 'a GPA that the table has')
        self.assertEqual(find('1fbe8000'), ['0x40007000-0x40007fff'], 'a GPA that L1 asked for')
        self.assertEqual(find('wrong'), ['0x40007000-0x40007fff'])
        self.assertEqual(find('0x123456789000'), [])
        self.assertEqual(find('<script>'), [])
        self.assertEqual(len(find('')), 5)
        self.page.js("(() => { const box = document.getElementById('only'); box.value = 'faults'; box.dispatchEvent(new Event('change')); })()")
        self.assertEqual(self.shown(), ['0x40007000-0x40007fff'])

    def test_keyboard(self):
        """everything that a mouse can reach, without one"""
        order = []
        for _ in range(60):
            self.page.key('Tab')
            order.append(self.page.js("(document.activeElement.id || document.activeElement.getAttribute('aria-label') || "
                                      "document.activeElement.textContent).slice(0, 40)"))
        for wanted in ('to the table of mappings', 'search', 'only', 'IOVA space of 00:04.0 [1234:11e8] id=vic', 'zoom in', 'zoom out',
                       'move left', 'move right', 'show the whole space', 'go to the next fault', '0x40007000-0x40007fff',
                       'what it means, and what to do'):
            self.assertIn(wanted, order)
        self.assertLess(order.index('search'), order.index('zoom in'))
        self.page.js("document.querySelector('.map').focus()")
        self.page.key('n')
        self.assertIn('wrong-address, IOVA 0x40007000', self.said())
        self.page.key('ArrowRight')
        self.assertIn('match, IOVA 0x40008000', self.said())
        self.page.key('ArrowLeft')
        self.page.key('ArrowLeft')
        self.assertIn('match, IOVA 0x40004000', self.said())
        self.page.key('End')
        self.assertIn('IOVA 0x4000c000', self.said())
        self.page.key('p')
        self.assertIn('wrong-address', self.said())
        width = self.page.rect('.map rect.area.bad')[2]
        self.page.key('+')
        self.assertGreater(self.page.rect('.map rect.area.bad')[2], width)
        self.page.key('0')
        self.assertAlmostEqual(self.page.rect('.map rect.area.bad')[2], width, delta=1)
        self.page.js("document.querySelectorAll('#rows button')[0].focus()")
        self.page.key('Enter')
        self.assertIn('IOVA 0x40000000: match', self.detail())

    def test_screen_reader(self):
        """what can be used has a name, and headings follow one another"""
        nodes = self.page.call('Accessibility.getFullAXTree')['nodes']
        roles = {}
        for node in nodes:
            if not node.get('ignored'):
                roles.setdefault(node['role']['value'], []).append(node.get('name', {}).get('value', ''))
        for role in ('button', 'searchbox', 'combobox', 'application', 'region', 'list', 'table'):
            self.assertTrue(roles.get(role) or role == 'table', role)
        for role in ('button', 'searchbox', 'combobox', 'application', 'region', 'link', 'heading'):
            self.assertNotIn('', [name.strip() for name in roles.get(role, [])], role)
        self.assertIn('request ok, table broken, invalidation ok, notice not-needed, shadow not-needed',
                      self.page.js("document.getElementById('rows').textContent"))
        self.assertEqual(self.page.js("document.documentElement.lang"), 'en')
        levels = self.page.js("[...document.querySelectorAll('h1, h2, h3')].map(node => Number(node.tagName[1]))")
        self.assertEqual(levels[0], 1)
        self.assertTrue(all(b - a <= 1 for a, b in zip(levels, levels[1:])), levels)

    def test_on_paper_all_is_unfolded(self):
        self.assertTrue(self.page.js("!!document.querySelector('details:not([open])')"))
        self.page.js("dispatchEvent(new Event('beforeprint'))")
        self.assertFalse(self.page.js("!!document.querySelector('details:not([open])')"))
        self.page.media('print')
        self.assertEqual(self.page.js("[...document.querySelectorAll('.controls')].filter(node => node.getClientRects().length).length"), 0)

    def test_without_script(self):
        """what is wrong is told to those who run no script"""
        page = self.browser.open(DATA / 'qemu.json')
        page.call('Emulation.setScriptExecutionDisabled', value=True)
        page._loaded = False
        page.call('Page.navigate', url=self.fixture('wrong-address').resolve().as_uri())
        self.browser.until(lambda: page._loaded)
        page.call('Emulation.setScriptExecutionDisabled', value=False)
        nodes = page.call('DOM.getDocument', depth=-1)
        text = page.call('DOM.getOuterHTML', nodeId=nodes['root']['nodeId'])['outerHTML']
        body = text[:text.index('id="data"')]
        for piece in ('1 of 16 pages is not as L1 asked', 'link 2, table, is broken', '0x000000001fbe9003', 'need JavaScript'):
            self.assertIn(piece, body)
        self.assertIn('<div id="interactive" hidden', body)


class Hostile(Case):
    def test_nothing_runs(self):
        """texts that mean harm, in every field that L1 or QEMU fills"""
        (self.folder / 'x.elf').write_bytes(nasty.snapshot())
        record = self.folder / 'a<script>alert("path")<!-- `|\x1b[31m.jsonl'
        record.write_bytes(nasty.record())
        page = self.open(self.report(self.folder / 'x.elf', record, 'nasty', '--no-redact'))
        for i in range(page.js("document.querySelectorAll('#rows button').length")):
            page.js(f"document.querySelectorAll('#rows button')[{i}].click()")
            page.settle()
        self.assertNotIn('owned', page.js('document.title'))
        text = page.js('document.body.textContent')
        for piece in ('<script>document.title="owned-1"', '<img src=x onerror=alert("owned-2")>', '\\u202eowned-24', 'owned-33'):
            self.assertIn(piece, text)
        self.assertEqual(page.js("document.querySelectorAll('img, iframe, object, embed, svg svg, base, form').length"), 0)
        self.assertEqual(page.js("document.querySelectorAll('script:not([type])').length"), 1)
        self.assertEqual(page.js("[...document.querySelectorAll('*')].filter(node => [...node.attributes].some(a => a.name.startsWith('on'))).length"), 0)
        self.assertEqual(page.js(OVERFLOW), 0)
        page.size(400, 900, mobile=True)
        self.assertEqual(page.js(OVERFLOW), 0)

    def test_the_policy_holds(self):
        """the test can fail: a script that somebody got into the page is not run, and that is said"""
        text = self.fixture('clean').read_text()
        path = self.folder / 'injected.html'
        path.write_text(text.replace('<main>', '<main><script>document.title = "owned"</script><img src="http://127.0.0.1:9/x.png">'))
        page = self.browser.open(path)
        self.assertNotEqual(page.js('document.title'), 'owned')
        self.assertTrue([line for line in page.console if 'Content Security Policy' in line], page.console)

    def test_what_a_page_asks_for_is_seen(self):
        """the test can fail: without the policy, a page's request ends at the proxy"""
        path = self.folder / 'asks.html'
        path.write_text('<!DOCTYPE html><title>x</title><img src="http://elsewhere.invalid/x.png">')
        self.browser.open(path)
        self.assertEqual(self.asked(), ['GET http://elsewhere.invalid/x.png HTTP/1.1'])
        self.browser.outside.clear()


class Large(Case):
    def test_a_million_pages(self):
        """131,072 mappings, whose neighbours become one area: all pages are there, and each wrong one by itself"""
        wrong = {5, 700001, large.PAGES - 1}
        (self.folder / 'large.elf').write_bytes(large.snapshot(wrong))
        with open(self.folder / 'large.jsonl', 'w', encoding='utf-8') as out:
            out.writelines(large.record(8))
        path = self.report(self.folder / 'large.elf', self.folder / 'large.jsonl', 'large')
        self.assertLess(path.stat().st_size, 1 << 20)
        page = self.open(path)
        text = page.js('document.body.innerText')
        self.assertIn('3 of 1,048,576 pages are not as L1 asked', text)
        self.assertIn('neighbours that match are one area', text)
        kept = page.js('JSON.parse(document.getElementById("data").textContent).areas.reduce((sum, area) => sum + area[2], 0)')
        self.assertEqual(kept, large.PAGES)
        self.assertLess(page.js("document.querySelectorAll('*').length"), 20000)
        page.js("(() => { const box = document.getElementById('only'); box.value = 'faults'; box.dispatchEvent(new Event('change')); })()")
        self.assertEqual(page.js("document.querySelectorAll('#rows tr').length"), len(wrong))
        for i, place in enumerate(sorted(wrong)):
            page.js(f"document.querySelectorAll('#rows button')[{i}].click()")
            page.settle()
            detail = page.js("document.getElementById('detail').innerText")
            self.assertIn(f'IOVA {large.FIRST + place * 4096:#x}: wrong-address', detail)
            self.assertIn(f'{large.gpa(place + 1) | 3:#018x}', detail)
        page.js("document.querySelector('.map').focus()")
        for key in ('+', '+', '+', 'ArrowRight', 'n', '0', 'End', 'Home'):
            page.key(key)
        self.assertIn(f'IOVA {large.FIRST:#x}', page.js("document.getElementById('said').textContent"))

    def has_open(self, pid, folder):
        found = False
        for fd in pathlib.Path(f'/proc/{pid}/fd').iterdir():
            with contextlib.suppress(FileNotFoundError):
                found |= str(folder) in os.readlink(fd)
        return found

    def test_killed_while_it_writes(self):
        """whoever kills viommu finds the report whole or not at all, and nothing beside it"""
        (self.folder / 'large.elf').write_bytes(large.snapshot())
        with open(self.folder / 'large.jsonl', 'w', encoding='utf-8') as out:
            out.writelines(large.record(8))
        folder = self.folder / 'killed'
        folder.mkdir()
        process = start('report', '-s', self.folder / 'large.elf', self.folder / 'large.jsonl', '-o', folder / 'x.html')
        while process.poll() is None and not self.has_open(process.pid, folder):
            time.sleep(0.005)
        process.kill()
        process.communicate()
        self.assertIn(os.listdir(folder), ([], ['x.html']))


if __name__ == '__main__':
    tap.main()
