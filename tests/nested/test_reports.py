# SPDX-License-Identifier: GPL-2.0-or-later
"""Reports about a device that is assigned on three levels: whole, and broken at the third and
at the fifth link for real, in a real browser.  VIOMMU_SCREENSHOTS names a folder that gets them."""

import os
import pathlib
import random
import re
import shutil
import sys

from common import BDF, Held, start
from links import Looker

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'browser'))
from pages import FAULT, SHOTS, Case as Shared, run     # noqa: E402

from lab import cleanup, faults, unannounced, vtd       # noqa: E402

import tap                                              # noqa: E402

PAGE = 4096
INVALIDATION, SHADOW = (3, 'invalidation'), (5, 'shadow')


class Reports(Shared):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.lab = start()
        cls.addClassCleanup(cls.lab.close)
        cls.looker = Looker(cls.lab)
        cls.rng = random.Random(11)

    def make(self, name):
        """The report of this moment: two paths."""
        snapshot, log = self.looker.fetch()
        made = [self.folder / f'{name}.{end}' for end in ('html', 'md')]
        for path in made:
            done = run('report', '-s', snapshot, self.lab.inner.record, '--qemu-log', log, '--shadow', self.lab.outer.target,
                       '-o', path, '--force', seconds=120)
            self.assertEqual(done.status, 0 if name == 'whole' else FAULT, done)
            if SHOTS:
                shutil.copy(path, SHOTS)
        return made

    def look(self, name, made):
        page = self.open(made[0])
        if SHOTS:
            page.screenshot(pathlib.Path(SHOTS) / f'nested-{name}.png')
        page.js("document.querySelectorAll('details').forEach(node => { node.open = true; })")
        page.js("document.querySelector('#rows button').click()")
        self.assert_looks(page, f'nested-{name}')
        return page

    def assert_broken(self, name, made, link, code, iova=None):
        """What broke, where, and what it means, from Markdown alone and in the browser."""
        text = made[1].read_text()
        facts = dict(re.findall(r'^ - ([\w ]+): (.*)$', text.partition('\n## ')[0], re.M))
        what = re.fullmatch(rf'link {link[0]} of 5, \*\*{link[1]}\*\*, is broken: (.+)', facts['What'])
        self.assertTrue(what, facts)
        self.assertRegex(facts['Device'], rf'^`{BDF} ')
        self.assertRegex(text.splitlines()[0], rf'behind the table the chain breaks for .* pages?, at link {link[0]} \({link[1]}\)')
        self.assertNotIn('not as L1 asked', text)
        if iova is not None:
            self.assertTrue(facts['IOVA'].startswith(f'`{iova:#x}-'), facts)
            self.assertRegex(facts['On the host'], r'(?:for|to) the host.s device 0000:00:04\.0')
        self.assertIn(f'`{code}`', text.partition('### Findings')[2].partition('\n## ')[0])
        page = self.look(name, made)
        self.assertEqual(page.js("document.querySelectorAll('tr.blame').length"), 0, 'the table is right')
        self.assertIn(f'link {link[0]}, {link[1]}, is broken: {what[1]}', page.js('document.body.innerText'))
        self.assertEqual(page.js("document.querySelector('.chain > li.broken .name').textContent"), f'{link[0]} {link[1]}')
        page.js("document.getElementById('search').focus()")
        for key in re.match(r'`(0x\w+)', facts['IOVA'])[1]:
            page.key(key)
        page.key('Enter')
        detail = page.js("document.getElementById('detail').innerText")
        self.assertIn('The walk to its first page', detail)
        self.assertEqual(page.js("document.querySelector('#detail .chain > li.broken .name').textContent"), f'{link[0]} {link[1]}')

    def test_1_whole(self):
        """all five links of each page, those that were unmapped as well"""
        with Held(self.lab.inner, BDF, '--invalidations --count 8 --size 16k --unmap-half'):
            page = self.look('whole', self.make('whole'))
        self.assertEqual(page.js("[...document.querySelectorAll('main > .chain > li')].map(node => node.className)"), ['ok'] * 5)

    def test_2_map_not_announced(self):
        with unannounced.Suppressed(self.lab.inner, unannounced.MAPS):
            with Held(self.lab.inner, BDF, '--invalidations --count 4 --size 16k'):
                made = self.make('map-not-announced')
        self.assert_broken('map-not-announced', made, INVALIDATION, 'map-not-announced')

    def test_3_unmap_not_announced(self):
        with unannounced.Suppressed(self.lab.inner, unannounced.UNMAPS):
            with Held(self.lab.inner, BDF, '--invalidations --count 4 --size 16k --unmap-half'):
                made = self.make('unmap-not-announced')
        self.assert_broken('unmap-not-announced', made, INVALIDATION, 'unmap-not-announced')

    def spoilt(self, name, kind, code):
        with Held(self.lab.inner, BDF, '--invalidations --count 4 --size 16k') as held:
            memory = self.lab.outer.memory()
            with kind(vtd.Tables(memory, BDF), held.state, self.rng, PAGE) as fault:
                made = self.make(name)
            memory.close()
        self.assert_broken(name, made, SHADOW, code, fault.step.iova)

    def test_4_shadow_removed(self):
        self.spoilt('shadow-removed', faults.PresentCleared, 'shadow-missing')

    def test_5_shadow_changed(self):
        self.spoilt('shadow-changed', faults.AddressChanged, 'shadow-wrong-page')

    def test_6_shadow_read_only(self):
        self.spoilt('shadow-read-only', faults.WriteDropped, 'shadow-wrong-permission')


if __name__ == '__main__':
    cleanup.install_signal_handlers()
    tap.main()
