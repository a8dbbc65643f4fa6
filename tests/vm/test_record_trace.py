# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe record and viommu-probe trace of the same run: every page goes
through the same in both, or there is a reason (tests/lab/compare.py)."""

from common import BDF
from recorded import DEVICE, RecordCase

from lab import compare

import tap

BDFS = ('00:04.0', '00:05.0', '00:06.0', '00:07.0')


class _Both(RecordCase):
    devices = [f'edu,addr={bdf[3:]}' for bdf in BDFS]
    bind = BDFS

    def both(self, program, status, *reasons):
        """Differences for all of `reasons`, and no others but those that depend on the kernel
        or on who was there when trace looked."""
        self.guest.must('rm -f /run/at.*; for i in 1 2 3 4 5; do touch /run/go.$i; done')
        got, text = self.guest.sh('viommu-probe trace --force -o /run/traced -- '
                                  f'viommu-probe record --force -o /run/recorded -- {program}', 300)
        self.assertEqual(got, status, text)
        recorded, traced = (compare.read(self.guest.must(f'cat /run/{name}').splitlines(keepends=True))
                            for name in ('recorded', 'traced'))
        self.assertEqual((recorded[1], traced[1]), (False, False))
        same, differences = compare.compare(recorded, traced)
        said = '\n'.join(compare.report(same, differences))
        print('\n'.join('# ' + line for line in (program, *said.splitlines())), flush=True)
        self.assertGreater(same, 0)
        self.assertEqual(differences.keys() - {compare.TRIAL, compare.DEVICE, compare.SEVERAL}, set(reasons), said)
        return same

    def test_plain(self):
        """huge pages, a BAR, calls that are refused, unmaps of all and by close()"""
        self.assertGreater(self.both(f'prog-plain {DEVICE}', 7, compare.REFUSED), 1000)

    def test_threads(self):
        """six threads; of some calls both records have seen the refusal alone"""
        self.both(f'prog-threads {DEVICE}', 0, compare.REFUSED)

    def test_forks(self):
        self.both(f'prog-forks {DEVICE}', 3)

    def test_killed(self):
        self.both(f'prog-killed {DEVICE}', 137)

    def test_groups(self):
        """one IOVA in two containers; a group that changes over"""
        self.both('prog-groups ' + ' '.join('0000:' + bdf for bdf in BDFS), 0)

    def test_pattern(self):
        """the pattern of viommu-probe map"""
        self.guest.must('rm -f /run/map')
        self.assertGreater(self.both(f'viommu-probe map {BDF} -o /run/map </dev/null', 0), 1000)


class Kernel61(_Both):
    kernel = 'linux-image-cloud-amd64'


class Kernel612(_Both):
    kernel = 'linux-image-6.12*-cloud-amd64'


del _Both

if __name__ == '__main__':
    tap.main()
