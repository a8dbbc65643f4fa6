#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu list, and -p PID as a TARGET: real QEMUs, halted at once, whose monitors are where people put them, and
processes that only look like one."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys

from cli import CLEAN, FAILED, USAGE, VIOMMU, run
from qemu_processes import IOMMU, ON, Lookalikes, RealQemus

import tap

# prctl(PR_SET_MM, PR_SET_MM_MAP): where the kernel finds this process's arguments.
ENDLESS = '''
import ctypes, mmap, struct, time
SIZE = 1 << 29
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
at = libc.mmap(None, ctypes.c_size_t(SIZE), mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, ctypes.c_long(0))
stat = open('/proc/self/stat').read().rpartition(')')[2].split()
code, data, stack = stat[23:25], stat[42:44], stat[25]
heap = next(line.split()[0].split('-') for line in open('/proc/self/maps') if line.endswith('[heap]\\n'))
numbers = [*map(int, code + data), int(stat[44]), int(heap[1], 16), int(stack), at, at + SIZE, int(stat[47]), int(stat[48])]
map_ = struct.pack('=11QQIi', *numbers, 0, 0, -1)
print('done' if libc.prctl(35, 14, map_, len(map_), 0) == 0 else ctypes.get_errno(), flush=True)
time.sleep(600)
'''


class Alone(Lookalikes):
    def test_no_such_process(self):
        gone = subprocess.Popen(['true'])
        gone.wait()
        done = self.assert_says(run('info', '-p', str(gone.pid)), FAILED, f'there is no process {gone.pid}', 'viommu list')
        self.assertNotIn('-qmp', done.err)
        self.assert_says(run('info', '-p', '-1'), USAGE, '--pid takes a process id', 'viommu list')

    def test_no_qemu(self):
        with subprocess.Popen(['sleep', '600']) as process:
            try:
                self.assert_says(run('info', '-p', str(process.pid)), FAILED, '(sleep) is not a QEMU', 'viommu list')
                self.assertNotIn(str(process.pid), run('list').out.split())
            finally:
                process.kill()

    def test_program_not_name(self):
        """what a process calls itself counts only where its program may not be seen"""
        argv = ['qemu-system-x86_64', '600']
        pid = self.process(argv, executable=shutil.which('sleep'))
        self.assert_says(run('info', '-p', str(pid)), FAILED, f'process {pid} (sleep) is not a QEMU')
        self.assertNotIn(str(pid), run('list').out.split())
        self.need_somebody_else()
        self.assertEqual(self.listed(pid, user=65534, group=65534, extra_groups=[])['viommu'], 'no')

    def test_program_replaced(self):
        """an upgrade of QEMU takes the program's file away"""
        for name in ('qemu-system-x86_64', 'qemu-kvm'):
            program = self.scratch() / name
            shutil.copy(os.path.realpath(shutil.which('sh')), program)
            pid = self.process(['x', '-c', 'read line'], executable=program)
            program.unlink()
            self.assertEqual(self.listed(pid)['access'], 'no')

    def test_no_monitor(self):
        """each command says what to do"""
        pid = str(self.like('-monitor', 'stdio', '-serial', 'unix:/tmp/serial' + ON))
        for args in (['info'], ['dump'], ['doctor'], ['walk', '00:04.0', '0x1000'], ['capture', '-o', '/nowhere/x'],
                     ['watch', '/nowhere/x'], ['trace', '-o', '/nowhere/x'], ['verify', 'small.jsonl'], ['report', 'small.jsonl']):
            with self.subTest(command=args[0]):
                self.assert_says(run(args[0], '-p', pid, *args[1:]), FAILED, f'QEMU process {pid}', 'has no QMP monitor',
                                 'start QEMU with -qmp unix:PATH,server=on,wait=off')
        self.assertEqual(self.listed(int(pid))['access'], 'no')

    def test_no_server(self):
        pid = self.like('-qmp', 'unix:/tmp/qmp')
        self.assert_says(run('info', '-p', str(pid)), FAILED, 'server=on is missing')
        self.assertIn('server=on is missing', self.listed(pid)['monitors'][0]['why_not'])

    def test_nobody_listens(self):
        """what the command line says need not be true: the monitor's own error"""
        pid = self.like('-qmp', 'unix:/nowhere/qmp' + ON)
        self.assert_says(run('info', '-p', str(pid)), FAILED, 'no monitor answers at unix:/nowhere/qmp')
        item = self.listed(pid)
        self.assertEqual(item['access'], 'no')
        self.assertEqual(item['monitors'], [{'address': 'unix:/nowhere/qmp', 'permitted': False, 'held': False,
                                             'why_not': 'its socket file is gone: No such file or directory'}])
        self.assertRegex(run('list').out, rf'(?m)^ *{pid} .* no  .*unix:/nowhere/qmp \(its socket file is gone: ')
        pid = self.like('-qmp', 'unix:/dev/null/qmp' + ON)
        self.assertEqual(self.listed(pid)['monitors'][0]['why_not'], 'its socket file is gone: Not a directory')

    def test_hostile(self):
        """a command line that means harm"""
        pid = self.like('-name', 'guest=\x1b[31mred\n\u202e<b>', '-qmp', 'unix:/\x1b[2J\n' + ON, '-device', '{' * 10000,
                        '-chardev', 'socket,' + 'id=x,' * 5000, '-mon', ',' * 5000)
        text = run('list').out                  # run() looks for what a terminal could take amiss
        self.assertIn('\\x1b[31mred', text)
        self.assertEqual(self.listed(pid)['monitors'][0]['address'], 'unix:/\x1b[2J\n')
        self.assert_says(run('info', '-p', str(pid)), FAILED, 'no monitor answers')

    def test_endless(self):
        """any user can give a process a command line of half a gigabyte; it is not read into memory"""
        process = subprocess.Popen([sys.executable, '-c', ENDLESS], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        if process.stdout.readline() != b'done\n':
            self.skipTest('this kernel has no PR_SET_MM_MAP')
        with subprocess.Popen([VIOMMU, 'list'], stdout=subprocess.DEVNULL) as listing:
            _, status, used = os.wait4(listing.pid, 0)
            listing.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(listing.returncode, CLEAN)
        self.assertLess(used.ru_maxrss, 300 << 10)
        self.assert_says(run('info', '-p', str(process.pid)), FAILED, 'with a command line that can be read')

    def test_text(self):
        pid = self.like('-name', 'guest=web', '-readconfig', 'x')
        line = next(line for line in run('list').out.splitlines() if line.split()[:1] == [str(pid)])
        self.assertRegex(line, rf'^ *{pid}  \S+ +\?      no       web$')
        self.assert_says(run('list', 'x'), USAGE, 'takes no argument')

    def test_pid_beside_others(self):
        """with -q it says whose memory is read, as ever; with -s it makes no sense"""
        self.assert_says(run('info', '-s', 'clean.elf', '-p', '1'), USAGE, 'for a live QEMU')
        self.assert_says(run('info', '-q', 'unix:/nowhere/qmp', '-p', '1'), FAILED, 'no monitor answers at unix:/nowhere/qmp')


class Real(RealQemus):
    def assert_reached(self, pid):
        done = self.assert_clean(run('info', '-p', str(pid)))
        self.assertIn('caching mode on', done.out)
        self.assert_clean(run('doctor', '-p', str(pid)))

    def test_it_is_found(self):
        path = self.scratch() / 'a b,c.sock'
        pid = self.qemu(*IOMMU, '-name', 'guest=first', '-qmp', f'unix:{path}{ON}'.replace('b,c', 'b,,c'), ready=path.exists)
        item = self.listed(pid)
        self.assertEqual((item['name'], item['viommu'], item['access'], item['memory']), ('first', 'yes', 'yes', True))
        self.assertEqual(item['monitors'], [{'address': f'unix:{path}', 'permitted': True, 'held': False, 'why_not': None}])
        self.assert_reached(pid)
        # The same as by its socket.
        self.assertEqual(run('dump', '-p', str(pid)).out, run('dump', '-q', f'unix:{path}').out)
        text = run('list').out
        self.assertRegex(text, rf'(?m)^ *{pid}  \S+ +yes    yes      first, unix:{re.escape(str(path))}$')

    def test_held(self):
        """of two monitors the one that nobody holds is taken; when all are held, that is said"""
        folder = self.scratch()
        pid = self.qemu(*IOMMU, '-qmp', f'unix:{folder}/1{ON}', '-qmp', f'unix:{folder}/2{ON}', ready=(folder / '2').exists)
        with contextlib.ExitStack() as stack:
            for number, access in ((1, 'yes'), (2, 'held')):
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.connect(f'{folder}/{number}')
                client.recv(1)
                item = self.listed(pid)
                self.assertEqual([monitor['held'] for monitor in item['monitors']], [True, number == 2])
                self.assertEqual(item['access'], access)
                if number == 1:
                    self.assert_reached(pid)
            self.assertIn('give QEMU one more -qmp', run('list').out)
            self.assert_says(run('info', '-p', str(pid), '--timeout', '0.5'), FAILED, 'another client holds this monitor')

    def test_handed_over(self):
        """as libvirt does it: the command line has nothing but a number"""
        path = self.scratch() / 'monitor.sock'
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen(1)
            fd = listening.fileno()
            os.set_inheritable(fd, True)
            pid = self.qemu(*IOMMU, '-chardev', f'socket,id=charmonitor,fd={fd}{ON}', '-mon',
                            'chardev=charmonitor,id=monitor,mode=control', pass_fds=[fd])
        self.assertEqual(self.listed(pid)['monitors'][0]['address'], f'unix:{path}')
        self.assert_reached(pid)

    def test_relative(self):
        folder = self.scratch()
        pid = self.qemu(*IOMMU, '-qmp', f'unix:qmp.sock{ON}', folder=folder, ready=(folder / 'qmp.sock').exists)
        self.assertEqual(self.listed(pid)['monitors'][0]['address'], f'unix:{folder}/qmp.sock')
        self.assert_reached(pid)

    def test_relative_to_the_unseen(self):
        """somebody else's QEMU: its working directory may not be seen, and ours is another"""
        self.need_somebody_else()
        folder = self.scratch()
        pid = self.qemu(*IOMMU, '-qmp', f'unix:qmp.sock{ON}', folder=folder, ready=(folder / 'qmp.sock').exists)
        nobody = {'user': 65534, 'group': 65534, 'extra_groups': []}
        for where in ('/', folder):
            item = self.listed(pid, cwd=where, **nobody)
            monitor, = item['monitors']
            self.assertEqual((item['access'], monitor['address'], monitor['permitted'], monitor['held']), ('no', None, False, None))
            self.assertIn('"qmp.sock" is relative', monitor['why_not'])
            self.assert_says(run('info', '-p', str(pid), cwd=where, **nobody), FAILED, '"qmp.sock" is relative')

    def test_handed_over_without_a_path(self):
        """an abstract socket, and one that was bound in another working directory than QEMU's"""
        folder, elsewhere = self.scratch(), self.scratch()
        for name, why in (('\0viommu-' + folder.name, 'abstract'), ('monitor.sock', '"monitor.sock" is relative')):
            with self.subTest(why), socket.socket(socket.AF_UNIX) as listening:
                was = os.getcwd()
                os.chdir(elsewhere)
                try:
                    listening.bind(name)
                finally:
                    os.chdir(was)
                listening.listen(1)
                os.set_inheritable(listening.fileno(), True)
                path = self.scratch() / 'ready'
                pid = self.qemu(*IOMMU, '-chardev', f'socket,id=m,fd={listening.fileno()}{ON}', '-mon', 'chardev=m,mode=control',
                                '-serial', f'unix:{path}{ON}', pass_fds=[listening.fileno()], ready=path.exists)
                monitor, = self.listed(pid)['monitors']
                self.assertEqual((monitor['address'], monitor['permitted'], monitor['held']), (None, False, None))
                self.assertIn(why, monitor['why_not'])
                self.assert_says(run('info', '-p', str(pid)), FAILED, why)

    def forge(self, inode, flags, path):
        """A socket whose path goes on, behind a line break, as a line of the kernel's list."""
        line = f'0: 00000003 00000000 {flags:08X} 0001 03 {inode} {path}'
        program = 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); print(flush=True); sys.stdin.read()'
        folder = self.scratch()
        (folder / f'x\n{line}').parent.mkdir(parents=True)
        process = subprocess.Popen([sys.executable, '-c', program, f'x\n{line}'], cwd=folder, stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE)
        for cleanup_ in (process.stdin.close, process.stdout.close, process.wait, process.kill):
            self.addCleanup(cleanup_)
        self.assertEqual(process.stdout.readline(), b'\n')
        with open('/proc/net/unix', encoding='utf-8', errors='replace') as sockets:
            self.assertIn(f'\n{line}\n', sockets.read())

    def test_forged_client(self):
        """anybody can write a line into the kernel's list of sockets: it must not keep us from a monitor"""
        path = self.scratch() / 'q'
        pid = self.qemu(*IOMMU, '-qmp', f'unix:{path}{ON}', ready=path.exists)
        inodes = [os.readlink(link) for link in pathlib.Path(f'/proc/{pid}/fd').iterdir()]
        inode, = (int(inode[8:-1]) for inode in inodes if inode.startswith('socket:['))
        self.assertIs(self.listed(pid)['monitors'][0]['held'], False)
        self.forge(inode, 0, path)
        item = self.listed(pid)
        self.assertEqual((item['access'], item['monitors'][0]['held']), ('yes', None))
        self.assertRegex(run('list').out, rf'(?m)^ *{pid} .*unix:{re.escape(str(path))} \(held\?\)$')
        self.assert_reached(pid)
        # Who may not see what QEMU has open knows even less.
        self.need_somebody_else()
        path.chmod(0o777)
        self.assertIsNone(self.listed(pid, user=65534, group=65534, extra_groups=[])['monitors'][0]['held'])

    def test_forged_path(self):
        """nor name another socket as the one that QEMU was given"""
        path = self.scratch() / 'q'
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
            listening.listen(1)
            fd = listening.fileno()
            os.set_inheritable(fd, True)
            pid = self.qemu(*IOMMU, '-chardev', f'socket,id=m,fd={fd}{ON}', '-mon', 'chardev=m,mode=control', pass_fds=[fd])
            self.assertEqual(self.listed(pid)['monitors'][0]['address'], f'unix:{path}')
            self.forge(os.fstat(fd).st_ino, 1 << 16, '/tmp/evil')
            monitor, = self.listed(pid)['monitors']
        self.assertIsNone(monitor['address'])
        self.assertIn('ambiguous', monitor['why_not'])
        self.assertNotIn('/tmp/evil', run('list', '--format', 'json').out)

    def test_gone(self):
        """of two monitors the one whose file was removed is not taken"""
        folder = self.scratch()
        pid = self.qemu(*IOMMU, '-qmp', f'unix:{folder}/1{ON}', '-qmp', f'unix:{folder}/2{ON}', ready=(folder / '2').exists)
        (folder / '1').unlink()
        first, second = self.listed(pid)['monitors']
        self.assertEqual((first['address'], first['permitted']), (f'unix:{folder}/1', False))
        self.assertIn('its socket file is gone', first['why_not'])
        self.assertEqual((second['permitted'], second['why_not']), (True, None))
        self.assert_reached(pid)
        (folder / '2').unlink()
        self.assertEqual(self.listed(pid)['access'], 'no')

    def test_tcp(self):
        with socket.create_server(('127.0.0.1', 0)) as free:
            port = free.getsockname()[1]

        def answers():
            with contextlib.suppress(OSError), socket.create_connection(('127.0.0.1', port), 1):
                return True
        pid = self.qemu(*IOMMU, '-qmp', f'tcp:127.0.0.1:{port}{ON}', ready=answers)
        monitor = self.listed(pid)['monitors'][0]
        self.assertEqual((monitor['address'], monitor['held']), (f'tcp:127.0.0.1:{port}', None))
        self.assert_reached(pid)

    def test_address_taken(self):
        """a second QEMU was given the path of the first: that of -p is the first, and is not to be reached"""
        folder = self.scratch()
        path, output = folder / 'qmp', folder / 'out'
        first = self.qemu(*IOMMU, '-qmp', f'unix:{path}{ON}', ready=path.exists)
        was = path.stat().st_ino
        second = self.qemu(*IOMMU, '-qmp', f'unix:{path}{ON}', ready=lambda: path.exists() and path.stat().st_ino != was)
        for args in (['info'], ['info', '--memory', 'xp'], ['doctor'], ['capture', '-o', str(output)], ['trace', '-o', str(output)],
                     ['trace', '--undo']):
            with self.subTest(args=args):
                done = self.assert_says(run(args[0], '-p', str(first), *args[1:]), FAILED, f'is that of process {first}',
                                        f'process {second} listens there', 'an address of its own')
                self.assertEqual(done.out, '')
        self.assertFalse(output.exists())
        self.assert_reached(second)
        self.assert_clean(run('info', '-p', str(second), '--memory', 'xp'))
        self.assert_says(run('info', '-q', f'unix:{path}', '-p', str(first)), USAGE, 'name two QEMUs')

    def test_another_answers(self):
        """no process is seen behind TCP: the memory tells whose monitor it is"""
        with socket.create_server(('127.0.0.1', 0)) as free:
            port = free.getsockname()[1]
        path = self.scratch() / 'ready'
        real = self.qemu(*IOMMU, '-qmp', f'tcp:127.0.0.1:{port}{ON}', '-monitor', f'unix:{path}{ON}', ready=path.exists)
        other = self.like('-qmp', f'tcp:127.0.0.1:{port}{ON}')
        for memory in ('auto', 'xp'):
            with self.subTest(memory=memory):
                self.assert_clean(run('info', '-p', str(real), '--memory', memory))
                self.assert_says(run('info', '-p', str(other), '--memory', memory), FAILED, f'is that of process {other}',
                                 'who listens there is not known')

    def test_no_viommu(self):
        path = self.scratch() / 'qmp'
        pid = self.qemu('-qmp', f'unix:{path}{ON}', ready=path.exists)
        self.assertEqual(self.listed(pid)['viommu'], 'no')
        self.assert_says(run('info', '-p', str(pid)), FAILED, 'no intel-iommu', '-device intel-iommu')

    def test_human_monitor_only(self):
        path, serial = self.scratch() / 'hmp', self.scratch() / 'serial'
        for option in (['-monitor', f'unix:{path}{ON}'], ['-chardev', f'socket,id=m,path={path}{ON}', '-mon', 'm']):
            with self.subTest(option=option[0]):
                pid = self.qemu(*IOMMU, *option, '-serial', f'unix:{serial}{ON}', ready=lambda: path.exists() and serial.exists())
                item = self.listed(pid)
                self.assertEqual((item['access'], item['other_sockets']), ('yes', [str(serial)]))
                self.assertEqual(item['monitors'], [{'address': f'hmp:unix:{path}', 'permitted': True, 'held': False, 'why_not': None}])
                self.assert_reached(pid)
                os.kill(pid, signal.SIGKILL)
                path.unlink()
                serial.unlink()

    def test_human_monitor_too(self):
        """the one that nobody holds is taken"""
        folder = self.scratch()
        pid = self.qemu(*IOMMU, '-monitor', f'unix:{folder}/1{ON}', '-qmp', f'unix:{folder}/2{ON}', ready=(folder / '2').exists)
        self.assert_reached(pid)
        for held in '1', '2':
            with self.subTest(held=held), socket.socket(socket.AF_UNIX) as client:
                client.connect(f'{folder}/{held}')
                client.recv(1)
                self.assertEqual(self.listed(pid)['access'], 'yes')
                self.assert_reached(pid)

    def test_somebody_else(self):
        """who is not root and not its user"""
        self.need_somebody_else()
        folder = self.scratch()
        pid = self.qemu(*IOMMU, '-qmp', f'unix:{folder}/qmp{ON}', ready=(folder / 'qmp').exists)
        (folder / 'qmp').chmod(0o700)
        nobody = {'user': 65534, 'group': 65534, 'extra_groups': []}
        item = self.listed(pid, **nobody)
        self.assertEqual((item['access'], item['memory'], item['monitors'][0]['permitted']), ('root', False, False))
        self.assert_says(run('info', '-p', str(pid), **nobody), FAILED, 'may not be used', 'run as root')
        (folder / 'qmp').chmod(0o777)
        self.assertEqual(self.listed(pid, **nobody)['access'], 'slow')
        self.assert_status(run('info', '-p', str(pid), **nobody), CLEAN)


if __name__ == '__main__':
    tap.main()
