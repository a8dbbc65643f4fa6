# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe trace and record of one and the same run of a QEMU in the guest,
with two of the guest's devices assigned to its own guest."""

from l2 import BYTES, DEVICES, bars, boot_l1, command, wait_until_quiet

import traced as helpers
from traced import INSTANCES, Traced

from lab import compare
from lab.guest import RECORD_PORT


class TracedQemu(helpers.TraceCase):
    kernel = qemu = None
    command = command()
    reasons = set()         # for which the two may differ, and do
    enough = staticmethod(bars)

    @classmethod
    def setUpClass(cls):
        cls.guest = boot_l1(cls.kernel, cls.qemu)
        cls.addClassCleanup(cls.guest.close)

    def setUp(self):
        # What a failed test left behind holds the devices.
        self.guest.must('for name in qemu-system viommu-probe; do pkill -KILL $name; '
                        'while pgrep $name >/dev/null; do usleep 20000; done; done')

    def recorded(self):
        with open(self.guest.record) as handle:
            text = handle.read()
        return Traced(text[:text.rfind('\n') + 1])

    def both_at_rest(self):
        """(traced, recorded): nothing was mapped while they were read, on a busy machine."""
        for _ in range(20):
            recorded = self.recorded()
            traced = self.fetch()
            if self.recorded().text == recorded.text:
                return traced, recorded
        self.fail('L2 does not come to rest')

    def assert_verified(self, traced):
        """Each page that it holds is in the tables, and nothing of these devices is unexplained."""
        process, result = self.verify(traced)
        self.assertEqual(process.returncode, 0, process.stderr + process.stdout)
        ours = [run for run in result['runs'] if any(d[-4:] in DEVICES for d in run['devices'])]
        self.assertEqual({run['verdict'] for run in ours}, {'match'}, ours)
        matched = sum(int(run['last'], 16) - int(run['first'], 16) + 1 for run in ours)
        self.assertGreater(matched, BYTES)

    def assert_agree(self, traced, recorded):
        """Each page went through the same in both, or there is a reason that is known."""
        same, differences = compare.compare(*(compare.read(one.text.splitlines(keepends=True))
                                              for one in (recorded, traced)))
        said = '\n'.join(compare.report(same, differences))
        print('\n'.join('# ' + line for line in said.splitlines()), flush=True)
        self.assertGreater(same * helpers.PAGE, BYTES)
        # Whether the kernel tries out huge pages depends on the kernel.
        self.assertEqual(differences.keys() - {compare.TRIAL}, self.reasons, said)

    def the_space(self, traced):
        """The one in which pages are mapped, with both devices and nothing else."""
        space, = (number for number, pages in traced.pages.items() if pages)
        self.assertEqual(traced.devices[space], {'0000:00:' + device for device in DEVICES})
        return space

    def test_traced(self):
        """from start to exit: while it runs the two records agree and are true; then nothing is left"""
        self.guest.clear_record()
        trace = self.start()
        process = self.guest.spawn(f'viommu-probe record -o {RECORD_PORT} -- {self.command}')
        wait_until_quiet(self.guest, process, self.enough)
        traced, recorded = self.both_at_rest()
        space = self.the_space(traced)
        self.assert_agree(traced, recorded)
        self.assert_verified(traced)
        process.write('quit\n')
        self.assertEqual(process.wait(60), 0)
        traced, recorded = self.stop(trace), self.recorded()
        self.assertEqual((traced.lost(), recorded.lost()), (0, 0))
        self.assert_agree(traced, recorded)
        self.assertEqual([pages for pages in traced.pages.values() if pages], [])
        # The devices are back in domains of the kernel's.
        self.assertEqual(traced.devices[space], set())
        self.assertEqual(self.guest.must(f'ls {INSTANCES}').strip(), '')
