# SPDX-License-Identifier: GPL-2.0-or-later
"""What the browser tests share: a test case with a Chromium, which sees to it that a page is quiet, and what makes
a page readable for everybody (WCAG 2.1, AA), judged in the page."""

import os
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / 'cli')]

from chromium import MISSING, Chromium                      # noqa: E402
from cli import FAULT, run                                  # noqa: E402

SHOTS = os.environ.get('VIOMMU_SCREENSHOTS')    # a folder for pictures

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

# Pixels that the page is wider than what shows it.
OVERFLOW = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'

# Labels of a map that stand on another one, or beside the picture.
LABELS = '''[...document.querySelectorAll('.map svg')].flatMap(svg => {
    const all = [...svg.querySelectorAll('text')].map(node => [node.textContent, node.getBoundingClientRect()]);
    const box = svg.getBoundingClientRect();
    return all.filter(([, at], i) => at.left < box.left - 1 || at.right > box.right + 5 || all.some(([, other], k) => k < i &&
        at.left < other.right && other.left < at.right)).map(([text]) => text);
})'''

# What is wrong for those who use no mouse, or no eyes: names, roles, structure (WCAG 2.1, A and AA).
ACCESS = '''(() => {
    const bad = [], all = selector => [...document.querySelectorAll(selector)];
    const says = node => node.outerHTML.slice(0, 90);
    const seen = node => node.getClientRects().length > 0;
    const wrong = (what, nodes) => nodes.forEach(node => bad.push(what + ': ' + says(node)));
    const ROLES = ['application', 'region', 'search', 'status', 'list', 'img'];
    const NAMED = 'button, input, select, a[href], [role="application"], [role="region"], [tabindex]';
    const FOCUS = 'a[href], button, input, select, summary, [tabindex]';
    const ids = all('[id]').map(node => node.id);
    wrong('id twice', all('[id]').filter(node => ids.filter(id => id === node.id).length > 1));
    for (const name of ['aria-labelledby', 'aria-describedby', 'for'])
        wrong(name + ' of nothing', all('[' + name + ']').filter(node => !document.getElementById(node.getAttribute(name))));
    wrong('unknown role', all('[role]').filter(node => !ROLES.includes(node.getAttribute('role'))));
    wrong('no name', all(NAMED).filter(node => !(node.getAttribute('aria-label') || '').trim() && !node.textContent.trim() &&
        !(node.labels && node.labels.length)));
    wrong('picture without a name', all('svg, img').filter(node => !node.closest('[aria-hidden="true"]') &&
        !node.getAttribute('aria-label')));
    wrong('tabindex', all('[tabindex]').filter(node => Number(node.getAttribute('tabindex')) > 0));
    wrong('hidden, but can be focused', all('[aria-hidden="true"] *').filter(node => node.matches(FOCUS)));
    wrong('one in another', all('button, a, summary').filter(node => node.querySelector(FOCUS)));
    wrong('too small', all('button:not(.plain), input, select').filter(node => seen(node) &&
        (node.getBoundingClientRect().width < 24 || node.getBoundingClientRect().height < 24)));
    const levels = all('h1, h2, h3, h4').filter(seen).map(node => Number(node.tagName[1]));
    if (levels[0] !== 1 || levels.filter(level => level === 1).length !== 1 || levels.some((level, i) => i && level > levels[i - 1] + 1))
        bad.push('headings: ' + levels);
    if (all('main').length !== 1 || all('header').length !== 1)
        bad.push('not one main and one header');
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        if (walker.currentNode.data.trim() && seen(node) && !node.closest('main, header, .skip, script'))
            bad.push('in no landmark: ' + says(node));
    }
    wrong('in a list, no item', all('ul > :not(li), ol > :not(li)'));
    wrong('in a dl, no pair', all('dl > :not(dt):not(dd)'));
    wrong('heading of nothing', all('th:not([scope])'));
    wrong('table without headings', all('table').filter(node => !node.querySelector('th')));
    wrong('cannot be scrolled by keys', all('*').filter(node => node.scrollWidth > node.clientWidth + 1 && seen(node) &&
        ['auto', 'scroll'].includes(getComputedStyle(node).overflowX) && !node.matches('[tabindex="0"]')));
    if (document.documentElement.lang !== 'en' || !document.title.trim())
        bad.push('no language or title');
    return bad;
})()'''

# Of what has the focus: whether it is seen, stands behind what had it before, and its name.
FOCUSED = '''(() => {
    const node = document.activeElement, style = getComputedStyle(node), before = window.viommuBefore;
    window.viommuBefore = node;
    return { name: (node.getAttribute('aria-label') || node.id || node.textContent).slice(0, 60), body: node === document.body,
        seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        forward: !before || !!(before.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING) };
})()'''

# What a browser asks for itself.
OWN = re.compile(r'^(CONNECT |\w+ http://)[\w.-]+\.(google|googleapis|gvt1|gstatic)\.com[:/]')


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

    def open(self, path, **size):
        page = self.browser.open(path, **size)
        self.addCleanup(page.close)
        self.addCleanup(self.assert_quiet, page, path)
        return page

    def asked(self):
        return [line for line in self.browser.outside if not OWN.match(line)]

    def assert_looks(self, page, name):
        """Light, dark, narrow and on paper: contrast, names and structure, and nothing wider than the page."""
        for scheme in ('light', 'dark'):
            for media in ('', 'print'):
                page.media(media, scheme)
                found = page.js(CONTRAST)
                self.assertEqual(found['bad'], [], (scheme, media))
                self.assertGreater(found['seen'], 100)
            page.media('', scheme)
            for width in (1200, 600, 400, 320):
                page.size(width, 900, mobile=width < 500)
                self.assertEqual(page.js(OVERFLOW), 0, f'{width} pixels wide')
                self.assertEqual(page.js(ACCESS), [], f'{width} pixels wide')
                self.assertEqual(page.js(LABELS), [], f'{width} pixels wide')
                if SHOTS:
                    page.screenshot(pathlib.Path(SHOTS) / f'{name}-{scheme}-{width}.png')
            page.size(1200, 900)
        page.media()
        page.pdf(self.folder / f'{name}.pdf')
        self.assertEqual((self.folder / f'{name}.pdf').read_bytes()[:4], b'%PDF')
        if SHOTS:
            shutil.copy(self.folder / f'{name}.pdf', SHOTS)

    def assert_quiet(self, page, path):
        """Nothing on the console, nothing asked of anybody, nobody called."""
        page.settle()
        self.assertEqual(page.console, [])
        self.assertEqual(page.dialogs, [])
        self.assertEqual([url for url in page.requests if url not in (path.resolve().as_uri(), 'data:,')], [])
        self.assertEqual(self.asked(), [])
