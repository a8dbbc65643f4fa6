#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The tree itself: tests that nobody runs, files that say nothing of their licence."""

import pathlib
import re
import unittest

from cli import TOP

import tap

TESTS = pathlib.Path(TOP, 'tests')
# What has no room for a comment, or is what a program wrote.
BARE = {'.json', '.jsonl', '.elf', '.gz', '.txt', '.log', '.md', '.bin', '.xml', '.tap', '.svg', '.html', '.png'}


def names(meson_build):
    """Every string in it."""
    return set(re.findall(r"'([^'\n]*)'", meson_build.read_text(encoding='utf-8')))


class House(unittest.TestCase):
    def test_every_test_is_run(self):
        """a file that is called a test is in its folder's meson.build"""
        seen = 0
        for path in sorted([*TESTS.glob('*/test_*.py'), *TESTS.glob('*/test-*.c')]):
            with self.subTest(path=path.relative_to(TOP)):
                name = path.stem[len('test_'):]
                there = names(path.parent / 'meson.build') | names(TESTS / 'kernel' / 'meson.build')
                self.assertTrue(name in there or name.startswith('probe-') and name[len('probe-'):] in there, 'no meson.build has it')
            seen += 1
        self.assertGreater(seen, 100)

    def test_licence(self):
        """SPDX at the head of what somebody wrote"""
        seen = 0
        for folder in ('qmp', 'probe', 'correlate', 'include', 'tests', 'man', '.ci', 'completions', 'packaging'):
            for path in sorted(pathlib.Path(TOP, folder).rglob('*')):
                if not path.is_file() or path.suffix in BARE or '__pycache__' in path.parts or 'data' in path.parts:
                    continue
                with self.subTest(path=path.relative_to(TOP)):
                    self.assertIn('SPDX-License-Identifier: GPL-2.0-or-later', path.read_bytes()[:400].decode('utf-8', 'replace'))
                seen += 1
        self.assertGreater(seen, 400)


if __name__ == '__main__':
    tap.main()
