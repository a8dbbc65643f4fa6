# SPDX-License-Identifier: GPL-2.0-or-later
"""What L0's table should have, and what it has, where L0 is a guest itself:
the lab's own judge of link 5, apart from viommu's."""

from . import cleanup, vtd
from .nested import BDF

PAGE = 4096


class Shadow(cleanup.Closing):
    """with Shadow(lab) as shadow: shadow.complaints(held.state.held, held.memory)"""

    def __init__(self, lab, bdf=BDF):
        self.memory = lab.outer.memory()
        self._bdf = bdf

    def tables(self):
        """The outer table of the device, for faults."""
        return vtd.Tables(self.memory, self._bdf)

    def pages(self):
        """{IOVA: (GPA of the outer guest, permissions)}"""
        return {leaf.iova + offset: (leaf.gpa + offset, leaf.prot) for leaf in self.tables().leaves()
                for offset in range(0, leaf.size, PAGE)}

    def judge(self, held, memory):
        """{IOVA: 'follows', 'missing', 'stale', 'wrong-page' or 'wrong-permission'}
        for all that L1 has mapped (`held`) or the shadow has.  `memory`: the
        inner guest's."""
        memory.forget()
        pages, result = self.pages(), {}
        for mapping in held:
            for iova in range(mapping.iova, mapping.last + 1, PAGE):
                page = pages.pop(iova, None)
                if page is None:
                    result[iova] = 'missing'
                elif page[0] != memory.outer_gpa(mapping.gpa(iova)):
                    result[iova] = 'wrong-page'
                # Linux 5.13 and later add read to what was asked for as write only.
                elif set(mapping.prot) - set(page[1]) or 'w' in set(page[1]) - set(mapping.prot):
                    result[iova] = 'wrong-permission'
                else:
                    result[iova] = 'follows'
        result.update(dict.fromkeys(pages, 'stale'))
        return result

    def close(self):
        self.memory.close()
