# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu watch on a real guest: a whole record, a part of it, a fault, and what is left when the mappings are gone."""

import pathlib
import subprocess

from common import BDF, Case, Held, boot, faults, rng, viommu

import tap

LINES = 60      # of a screen or so: more is not read


class Watch(Case):
    @classmethod
    def setUpClass(cls):
        cls.guest = boot()
        cls.addClassCleanup(cls.guest.close)

    def watch(self, data, *arguments):
        """Standard input is a file here."""
        path = pathlib.Path(self.guest.record + '.part')
        path.write_bytes(b''.join(data))
        self.addCleanup(path.unlink, missing_ok=True)
        with open(path, 'rb') as file:
            return subprocess.run([viommu.find(), 'watch', '-q', self.guest.target, '-', *arguments], stdin=file,
                                  capture_output=True, text=True, timeout=120, check=False)

    def verified(self, data):
        path = pathlib.Path(self.guest.record + '.part')
        path.write_bytes(b''.join(data))
        return viommu.verify('-q', self.guest.target, str(path))

    def assert_unverified(self, data):
        """By both, and of as many pages."""
        done, (process, result) = self.watch(data), self.verified(data)
        self.assertEqual((done.returncode, process.returncode), (0, 0), done.stderr + done.stdout[:3000])
        pages = result['counts']['unverified']['pages']
        self.assertGreater(pages, 0)
        last = done.stdout.splitlines()[-1]
        self.assertRegex(last, rf'\AUNVERIFIED: .*: {pages:,} pages? at the last look \(the record does not end with a mark')
        self.assertIn(' 0 faulty pages at the last, 0 in all', done.stdout)
        self.assertLess(len(done.stdout.splitlines()), LINES)

    def test_whole_part_and_fault(self):
        with Held(self.guest, BDF, '--count 32 --size 256k') as held:
            lines = pathlib.Path(held.record).read_bytes().splitlines(keepends=True)
            done = self.watch(lines)
            self.assertEqual(done.returncode, 0, done.stderr + done.stdout[:3000])
            self.assertRegex(done.stdout.splitlines()[-1], r"\AOK: all \d+ mappings that were made were seen in the vIOMMU's tables")
            # Most of what is in the tables is not in the part.
            self.assert_unverified(lines[:10])
            self.assert_unverified([*lines[:10], lines[10][:40]])
            with faults.PresentCleared(held.tables(), held.state, rng('watch')):
                done = self.watch(lines)
            self.assertEqual(done.returncode, 3, done.stderr + done.stdout[:3000])
            self.assertRegex(done.stdout.splitlines()[-1], r'\AFAULT: \d+ pages? w(as|ere) not as L1 asked')
        self.assert_unverified(lines[:10])


if __name__ == '__main__':
    tap.main()
