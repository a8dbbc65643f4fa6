#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's own command lines, with no guest: what they say when they cannot do what was asked."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import tap  # noqa: E402
from lab.errors import GuestError  # noqa: E402
from lab.guest import Guest  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
# Serves its monitor, and gives up while it begins: its sockets close before it says why and is gone.
FAKE = r"""#!%(python)s
import socket, sys, time
if '-version' in sys.argv or '--version' in sys.argv:
    print('QEMU emulator version 7.2.0')
    raise SystemExit
where = next(word for word in sys.argv if 'lab.sock' in word).removeprefix('unix:').split(',')[0]
listener = socket.socket(socket.AF_UNIX)
listener.bind(where)
listener.listen()
client = listener.accept()[0]
if %(greet)r:
    client.sendall(b'{"QMP": {}}\n')
    client.recv(100)
client.close()
listener.close()
time.sleep(0.3)
sys.exit('qemu: -fancy: not that fancy')
"""


class Demo(unittest.TestCase):
    def run_demo(self, *args):
        # No program is found, so that nothing is installed or built should it go on.
        return subprocess.run(['/bin/bash', TOP / 'tests/lab/demo', *args], capture_output=True, text=True, timeout=30, check=False,
                              env={'PATH': self.path})

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = folder.name
        for name in ('cat', 'dirname'):
            os.symlink(f'/usr/bin/{name}', pathlib.Path(folder.name, name))

    def test_help(self):
        for flag in ('--help', '-h'):
            done = self.run_demo(flag)
            self.assertEqual((done.returncode, done.stderr), (0, ''))
            self.assertTrue(done.stdout.startswith('Usage: tests/lab/demo\n'))
            self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80)

    def test_arguments(self):
        for args in (['--fast'], ['x', '--help'], ['']):
            done = self.run_demo(*args)
            self.assertEqual((done.returncode, done.stdout), (2, ''))
            self.assertIn(f'it takes no arguments, but got "{args[0]}"', done.stderr)


class Dies(unittest.TestCase):
    def test_what_qemu_said_is_told(self):
        for greet in (False, True):
            with self.subTest(greet=greet), tempfile.TemporaryDirectory() as folder:
                qemu = pathlib.Path(folder, 'qemu')
                qemu.write_text(FAKE % {'python': sys.executable, 'greet': greet})
                qemu.chmod(0o755)
                with self.assertRaisesRegex(GuestError, r'QEMU ended \(status 1\) qemu: -fancy: not that fancy'):
                    Guest(qemu=str(qemu), system=False, accel='tcg')


if __name__ == '__main__':
    tap.main()
