# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver of the inner guest's kernel at work on an assigned network card, while
nothing announces itself to us: the shadow follows what it maps and unmaps."""

import unittest

from common import start

from lab import qemus, vtd
from lab.shadow import Shadow

import tap

CARD = '00:05.0'


class _Driver:
    qemu = None

    @classmethod
    def setUpClass(cls):
        cls.lab = start(devices=('edu', 'e1000e'), qemu=cls.qemu)
        cls.addClassCleanup(cls.lab.close)

    def pages(self):
        """What L1's table maps: {IOVA: the page of L0's behind it}."""
        memory = self.lab.inner.memory()
        try:
            return {leaf.iova: memory.outer_gpa(leaf.gpa) for leaf in vtd.Tables(memory, CARD).leaves()}
        finally:
            memory.close()

    def test_card(self):
        """up: each page that the driver maps is in L0's table; down: none is left"""
        inner = self.lab.inner
        if inner.sh('[ -e /sys/class/net/eth0 ]')[0] != 0:
            self.skipTest('the inner guest\'s kernel has no driver for it: python3 tests/lab/smallkernel.py builds one')
        inner.must('ip link set eth0 up; sleep 2')
        with Shadow(self.lab, CARD) as shadow:
            for _ in range(5):          # a packet that is sent meanwhile is mapped on one side only
                wanted = self.pages()
                found = {iova: page[0] for iova, page in shadow.pages().items()}
                if self.pages() == wanted:
                    break
            self.assertGreater(len(wanted), 200)
            self.assertEqual(found, wanted)
            inner.must('ip link set eth0 down; sleep 2')
            self.assertEqual(shadow.pages(), {})


class Qemu7(_Driver, unittest.TestCase):
    pass


class Qemu10(_Driver, unittest.TestCase):
    qemu = qemus.QEMU_10


if __name__ == '__main__':
    tap.main()
