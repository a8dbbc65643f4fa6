# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu verify of a real guest by what viommu-probe trace writes meanwhile: a fault is proven by a mark that
is younger than the look, and not at all once the trace has ended or was killed."""

import time

from common import BDF, Held, faults, rng, viommu
from trace_ports import TraceCase

import tap


class VerifyTrace(TraceCase):
    def setUp(self):
        self.record = self.start_trace()
        self.await_trace()

    def verify(self, status, *more):
        result = viommu.verify('-q', self.guest.target, self.record, *more)[1]
        self.assertEqual(result['exit_status'], status, result['findings'])
        return {verdict: count['pages'] for verdict, count in result['counts'].items() if count['pages']}

    def proven(self, signal):
        """Nothing is wrong; something is; and when the trace is no more, nobody knows."""
        with Held(self.guest, BDF, '--count 16 --size 64k') as held:
            time.sleep(2)
            whole = self.verify(0, '--strict')
            self.assertEqual(set(whole), {'match'})
            self.assertGreaterEqual(whole['match'], 16 * 16)
            with faults.PresentCleared(held.tables(), held.state, rng('verify trace')) as fault:
                wrong = self.verify(3)
                self.assertEqual(set(wrong), {'match', 'missing'}, fault)
                self.assertEqual(sum(wrong.values()), whole['match'])
                self.end_trace(signal)
                self.assertEqual(self.verify(0), {'match': wrong['match'], 'unverified': wrong['missing']})
            self.assertEqual(self.verify(0), whole)

    def test_ended(self):
        self.proven('TERM')

    def test_killed(self):
        self.proven('KILL')

    def test_while_it_goes_on(self):
        """mappings come and go at the same addresses; nothing is wrong with any of them"""
        self.guest.must(f'echo "while :; do viommu-probe map {BDF} --bind --count 8 --size 64k --unmap-half -o /dev/null --force --hold 1 '
                        '>/dev/null 2>&1 </dev/null; done" >/run/again')
        again = self.guest.spawn('sh /run/again')
        self.addCleanup(self.guest.sh, 'pkill -KILL -f /run/again; pkill -KILL -f "viommu-probe map"')
        seen = 0
        for _ in range(20):
            process = viommu.run('verify', '-q', self.guest.target, self.record, '--format', 'json')
            self.assertIn(process.returncode, (0, 4), process.stdout + process.stderr)
            if process.returncode == 0:
                seen += 1
            else:
                self.assertIn('nothing to verify', process.stderr)
        self.assertIsNone(again.poll())
        self.assertGreater(seen, 5)


if __name__ == '__main__':
    tap.main()
