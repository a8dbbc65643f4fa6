#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu report's HTML in a headless Chromium: what it looks like, what it does, what it must
never do. VIOMMU_SCREENSHOTS names a folder for pictures of every fixture."""

import functools
import json
import os
import pathlib
import shutil
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / 'cli')]

import large                                                # noqa: E402
import nasty                                                # noqa: E402
import tap                                                  # noqa: E402
from chromium import MISSING, Chromium                      # noqa: E402
from cli import DATA, FAULT, run                            # noqa: E402
from goldens import fixtures                                # noqa: E402

# Of every text that is seen: the contrast with what is behind it, the least that is allowed (WCAG 2.1, AA).
CONTRAST = '''(() => {
    const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const back = node => {
        for (; node; node = node.parentElement) {
            const colour = parse(getComputedStyle(node).backgroundColor);
            if (colour.length === 3 || colour[3] === 1)
                return colour;
        }
        return [255, 255, 255];
    };
    const bad = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let seen = 0;
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement, style = getComputedStyle(node);
        if (!walker.currentNode.data.trim() || !node.getClientRects().length || node.closest('script, style, .hidden-text, .skip, option'))
            continue;
        const inMap = node.closest('.map text'), size = parseFloat(style.fontSize);
        const large = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700;
        const a = light(parse(inMap ? style.fill : style.color)), b = light(back(node));
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        seen++;
        if (ratio < (large ? 3 : 4.5))
            bad.push(ratio.toFixed(2) + ' ' + node.tagName + '.' + node.getAttribute('class') + ': ' + walker.currentNode.data.slice(0, 40));
    }
    for (const rect of document.querySelectorAll('.map rect.area')) {
        const a = light(parse(getComputedStyle(rect).fill)), b = light(back(rect.closest('.map')));
        seen++;
        if ((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 3)
            bad.push('map: ' + rect.getAttribute('class'));
    }
    return { seen, bad };
})()'''

OVERFLOW = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'


@unittest.skipIf(MISSING, MISSING)
class Case(unittest.TestCase):
    maxDiff = 4000

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix='viommu-browser-test.'))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.browser = Chromium()
        cls.addClassCleanup(cls.browser.close)

    def report(self, snapshot, record, name='report', *more):
        path = self.folder / f'{name}.html'
        done = run('report', '-s', snapshot, record, '-o', path, '--force', *more, seconds=300)
        self.assertIn(done.status, (0, FAULT), done)
        return path

    @functools.lru_cache
    def fixture(self, name):
        known = fixtures()[name]
        return self.report(known['snapshot'], known['record'], name)

    def open(self, path, **size):
        page = self.browser.open(path, **size)
        self.addCleanup(page.close)
        self.addCleanup(self.assert_quiet, page, path)
        return page

    def assert_quiet(self, page, path):
        """Nothing on the console, nothing asked of anybody, nobody called."""
        page.settle()
        self.assertEqual(page.console, [])
        self.assertEqual(page.dialogs, [])
        self.assertEqual([url for url in page.requests if url not in (path.resolve().as_uri(), 'data:,')], [])


class EachFixture(Case):
    def test_looks(self):
        """light, dark, narrow and on paper: contrast is that of WCAG AA, and nothing is wider than the page"""
        shots = os.environ.get('VIOMMU_SCREENSHOTS')
        for name, known in fixtures().items():
            with self.subTest(fixture=name):
                page = self.open(self.fixture(name))
                page.js("document.querySelectorAll('details').forEach(node => { node.open = true; })")
                if page.js("!!document.querySelector('#rows button')"):
                    page.js("document.querySelector('#rows button').click()")
                for scheme in ('light', 'dark'):
                    for media in ('', 'print'):
                        page.media(media, scheme)
                        found = page.js(CONTRAST)
                        self.assertEqual(found['bad'], [], (scheme, media))
                        self.assertGreater(found['seen'], 100)
                    page.media('', scheme)
                    for width in (1200, 400, 320):
                        page.size(width, 900, mobile=width < 500)
                        self.assertEqual(page.js(OVERFLOW), 0, f'{width} pixels wide')
                        if shots:
                            page.screenshot(pathlib.Path(shots) / f'{name}-{scheme}-{width}.png')
                    page.size(1200, 900)
                page.media()
                page.pdf(self.folder / 'paper.pdf')
                self.assertEqual((self.folder / 'paper.pdf').read_bytes()[:4], b'%PDF')
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

    def rect(self, selector):
        return self.page.js(f"""(() => {{ const node = document.querySelector('{selector}');
            node.scrollIntoView({{ block: 'center' }});
            const box = node.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2, box.width]; }})()""")

    def test_click_to_walk(self):
        self.assertEqual(self.detail(), '')
        x, y, _ = self.rect('.map rect.area.bad')
        self.page.click(x, y)
        self.assertIn('IOVA 0x40007000: wrong-address', self.detail())
        # The entry that the fixture was made with, decoded.
        for piece in ('0x1df1f038', '0x000000001fbe9003', 'R=1', 'W=1', 'ADDR=0x1fbe9000', 'GPA 0x1fbe8000', 'index 7'):
            self.assertIn(piece, self.detail())
        self.assertIn('0x40007000', self.said())
        self.assertEqual(self.page.js("document.querySelector('tr.chosen button').textContent"), '0x40007000-0x40007fff')
        x, y, _ = self.rect('.map rect.area.good')
        self.page.click(x, y)
        self.assertIn('IOVA 0x40000000: match', self.detail())
        self.assertIn('read allowed: GPA 0x1fbe4000', self.detail().replace('  ', ' '))

    def test_every_mapping_has_its_walk(self):
        for i in range(self.page.js("document.querySelectorAll('#rows button').length")):
            self.page.js(f"document.querySelectorAll('#rows button')[{i}].click()")
            self.assertIn('level 1', self.detail())
            self.assertIn('context', self.detail())

    def test_zoom(self):
        width = self.rect('.map rect.area.bad')[2]
        self.page.js("document.querySelector('[aria-label=\"zoom in\"]').click()")
        self.page.settle()
        self.assertAlmostEqual(self.rect('.map rect.area.bad')[2], 2 * width, delta=2)
        self.page.js("document.querySelector('[aria-label=\"show the whole space\"]').click()")
        self.page.settle()
        self.assertAlmostEqual(self.rect('.map rect.area.bad')[2], width, delta=1)
        x, y, _ = self.rect('.map rect.area.bad')
        self.page.call('Input.dispatchMouseEvent', type='mouseWheel', x=x, y=y, deltaX=0, deltaY=-100, modifiers=8)
        self.page.settle()
        self.assertGreater(self.rect('.map rect.area.bad')[2], width * 1.1)

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
        width = self.rect('.map rect.area.bad')[2]
        self.page.key('+')
        self.assertGreater(self.rect('.map rect.area.bad')[2], width)
        self.page.key('0')
        self.assertAlmostEqual(self.rect('.map rect.area.bad')[2], width, delta=1)
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
        for piece in ('1 of 16 pages are not as L1 asked', 'link 2, table, is broken', '0x000000001fbe9003', 'need JavaScript'):
            self.assertIn(piece, body)
        self.assertIn('<div id="interactive" hidden', body)


class Hostile(Case):
    def test_nothing_runs(self):
        """texts that mean harm, in every field that L1 or QEMU fills"""
        (self.folder / 'x.elf').write_bytes(nasty.snapshot())
        record = self.folder / 'a<script>alert("path")<!-- `|\x1b[31m.jsonl'
        record.write_bytes(nasty.record())
        page = self.open(self.report(self.folder / 'x.elf', record, 'nasty'))
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


class Large(Case):
    def test_a_million_pages(self):
        """131,072 mappings, none of which joins another: bounded, wrong ones kept, and what was left out is said"""
        wrong = {5, 700001, large.PAGES - 1}
        (self.folder / 'large.elf').write_bytes(large.snapshot(wrong))
        with open(self.folder / 'large.jsonl', 'w', encoding='utf-8') as out:
            out.writelines(large.record(8))
        path = self.report(self.folder / 'large.elf', self.folder / 'large.jsonl', 'large')
        self.assertLess(path.stat().st_size, 20 << 20)
        page = self.open(path)
        text = page.js('document.body.innerText')
        self.assertIn('3 of 1,048,576 pages are not as L1 asked', text)
        left = page.js("document.querySelector('p.unsure').textContent")
        kept = page.js('JSON.parse(document.getElementById("data").textContent).areas.reduce((sum, area) => sum + area[2], 0)')
        count = int(left.split(' areas with ')[1].split(' pages')[0].replace(',', ''))
        self.assertEqual(kept + count, large.PAGES, left)
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


if __name__ == '__main__':
    tap.main()
