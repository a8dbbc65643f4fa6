#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""--qemu-log: what QEMU's log tells doctor and verify."""

from cli import CLEAN, FAILED, TOP, Case, run

import tap

LOGS = TOP / 'tests' / 'data' / 'qemu-log'


class Log(Case):
    """--qemu-log."""

    def test_doctor_without_a_target(self):
        done = run('doctor', '--qemu-log', '-', data=b'qemu: Device assignment is not allowed without enabling caching-mode=on for '
                   b'Intel IOMMU.\n\x1b[31mqemu: aw-bits 48 > host aw-bits 39\n')
        self.assert_status(done, 3)
        self.assertIn('qemu-refused-caching-mode', done.out)
        self.assertIn('-, line 2', done.out)
        done = run('doctor', '--qemu-log', '-', '--format', 'json', data=b'')
        self.assert_status(done, CLEAN)
        self.assertEqual(done.json['findings'], [])
        self.assertIn('nothing that viommu knows', done.err)

    def test_with_a_target(self):
        done = run('doctor', '-s', 'clean.elf', '--qemu-log', '-', data=b'Snoop Control with vhost or VFIO is not supported\n')
        self.assertIn('qemu-snoop-control', done.out)
        done = run('verify', '-s', 'clean.elf', 'small.jsonl', '--qemu-log', '-',
                   data=b'Snoop Control with vhost or VFIO is not supported\n')
        self.assertIn('qemu-snoop-control', done.out)

    def notice(self, version, text):
        """Pages by the state of link 4: what is mapped, and what is unmapped."""
        done = run('verify', '-s', LOGS / f'nested-{version}.elf', LOGS / f'nested-{version}.jsonl', '--qemu-log', '-', '--format',
                   'json', data=text.encode())
        link, = [link for link in done.json['chain'] if link['link'] == 'notice']
        states = ({}, {})
        for item in link['pages']:
            states[item['unmapped']][item['state']] = states[item['unmapped']].get(item['state'], 0) + item['pages']
        return states

    def test_of_a_real_qemu(self):
        """traces of QEMU 7.2 and 10.0 with an assigned device (tests/nested/make_logs.py), and what is left when lines are lost"""
        for version in ('7.2', '10.0'):
            text = (LOGS / f'nested-{version}.log').read_text()
            lines = text.splitlines(keepends=True)

            def without(*words):
                return ''.join(line for line in lines if not any(word in line for word in words))
            maps = [line for line in lines if line.startswith('vtd_page_walk_one ') and line.endswith('perm 3\n')]
            unmaps = [line for line in lines if line.startswith('vtd_page_walk_one ') and line.endswith('perm 0\n')]
            self.assertGreaterEqual(len(maps), 6)
            with self.subTest(version=version):
                self.assertEqual(self.notice(version, text), ({'ok': 4}, {'ok': 2}))
                self.assertEqual(self.notice(version, without('vfio_')), ({'ok': 4}, {'ok': 2}))
                self.assertEqual(self.notice(version, without('vtd_')), ({'ok': 4}, {'ok': 2}))
                self.assertEqual(self.notice(version, without('vtd_inv_', 'vtd_page_walk_level')), ({'ok': 4}, {'ok': 2}))
                # None is there, or not the last: nothing can be said of what it was about.
                self.assertEqual(self.notice(version, without(*maps))[0], {'unverified': 4})
                # (Type1 tries out two more pages when a device comes.)
                self.assertEqual(self.notice(version, without(*unmaps, 'skip_unmap'))[1], {'unverified': 4})
                self.assertEqual(self.notice(version, without('vtd_page', 'vtd_as', 'vfio')), ({'unverified': 4}, {'unverified': 2}))
                self.assertEqual(self.notice(version, ''), ({'unverified': 4}, {'unverified': 2}))
                # With another prefix, and with other lines between.
                self.assertEqual(self.notice(version, ''.join(f'77@1700000000.{i:06}:{line}' for i, line in enumerate(lines))),
                                 ({'ok': 4}, {'ok': 2}))
                self.assertEqual(self.notice(version, 'x\n'.join(lines)), ({'ok': 4}, {'ok': 2}))
                # Cut off anywhere: what is said is never wrong.
                for end in range(0, len(text), 997):
                    mapped, unmapped = self.notice(version, text[:end])
                    self.assertFalse(('broken' in mapped) or ('broken' in unmapped), end)

    def test_after_unmapping(self):
        """the log goes on to when L1 unmapped all: it contradicts the snapshot, and is not taken for its time"""
        for version in ('7.2', '10.0'):
            mapped, _ = self.notice(version, (LOGS / f'nested-{version}-after.log').read_text())
            self.assertEqual(mapped, {'unverified': 4})

    def test_missing(self):
        self.assert_says(run('doctor', '--qemu-log', '/nonexistent/log'), FAILED, 'cannot open QEMU\'s log')
        self.assert_says(run('verify', '-s', 'clean.elf', 'small.jsonl', '--qemu-log', '/nonexistent/log'), FAILED,
                             'cannot open QEMU\'s log')


if __name__ == '__main__':
    tap.main()
