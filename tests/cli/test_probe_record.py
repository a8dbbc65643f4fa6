#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe record of programs that map nothing: whether they notice.

VIOMMU_PROBE is the path of the program.  It needs ptrace and seccomp, which some
containers forbid; the tests are skipped there."""

import ctypes
import fcntl
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import tap  # noqa: E402

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
PROBE = os.environ.get('VIOMMU_PROBE')
SECONDS = 30


def works():
    if not PROBE:
        return 'VIOMMU_PROBE is not set'
    done = subprocess.run([PROBE, 'record', '-o', '-', '--', 'true'], capture_output=True, text=True, timeout=SECONDS)
    return None if done.returncode == 0 else f'no ptrace or no seccomp here: {done.stderr.strip()}'


class RecordTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        why_not = works()
        if why_not:
            raise unittest.SkipTest(why_not)

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = pathlib.Path(directory.name)
        self.file = self.dir / 'record'

    def argv(self, *command, options=()):
        return [PROBE, 'record', '-o', str(self.file), '--force', *options, '--', *command]

    def run_it(self, *command, options=(), **more):
        more.setdefault('stdin', subprocess.DEVNULL)
        return subprocess.run(self.argv(*command, options=options), capture_output=True, text=True,
                              timeout=SECONDS, **more)

    def start(self, script, **more):
        process = subprocess.Popen(self.argv('sh', '-c', script), stdout=subprocess.PIPE, text=True, **more)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), 'ready\n')
        return process

    def events(self):
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def assertSays(self, done, status, *parts):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, '')
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for part in ('viommu-probe: ', *parts):
            self.assertIn(part, done.stderr)


class Doctor(RecordTest):
    def test_what_it_finds(self):
        """goes into the record, the same as doctor alone says but for the page that it maps, unless it is not wanted"""
        self.run_it('true')
        _, event, *rest = self.events()
        self.assertEqual((event['seq'], event['event'], rest[-1]['event']), (1, 'doctor', 'end'))
        alone = json.loads(subprocess.run([PROBE, 'doctor', '--format', 'json'], capture_output=True, text=True,
                                          timeout=SECONDS, check=False).stdout)['checks']
        names = [(check['section'], check['name']) for check in event['checks']]
        self.assertEqual([pair for pair in ((check['section'], check['name']) for check in alone) if pair in names], names)
        self.assertGreater(len(names), 8)
        self.assertLessEqual({check['verdict'] for check in event['checks']}, {'ok', 'warn', 'FAIL', 'skip'})
        self.run_it('true', options=['--no-doctor'])
        self.assertNotIn('doctor', {event['event'] for event in self.events()})


class Transparent(RecordTest):
    def test_status(self):
        for status in (0, 1, 7, 255):
            self.assertEqual(self.run_it('sh', '-c', f'exit {status}').returncode, status)
            self.assertIn(f'status {status}', self.events()[-1]['reason'])

    def test_killed(self):
        """128 + the signal; a core-dumping one, SIGKILL and a real-time one, too"""
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGRTMIN):
            done = self.run_it('sh', '-c', f'ulimit -c 0; kill -{int(number)} $$')
            self.assertEqual((done.returncode, done.stderr), (128 + number, ''))
            self.assertEqual(self.events()[-1]['event'], 'end')

    def test_standard_files(self):
        done = self.run_it('sh', '-c', 'read line; echo "out $line"; echo err >&2', stdin=None, input='one\ntwo\n')
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, 'out one\n', 'err\n'))

    def test_same_surroundings(self):
        """descriptors, process group, session, signal mask and dispositions are as without us"""
        # The shell reads its own status: while it makes a child, it blocks signals for a moment.
        script = ('cd /proc/self; ls fd; cut -d" " -f5,6 stat; while read -r line; do case $line in '
                  'Sig[BIC]*|Seccomp:*|NoNew*) echo "$line";; esac; done <status; umask; echo $0 $#; env | grep -v ^_=')
        command = ('bash', '-c', f'{script}', 'zero', 'one')
        alone = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
        ours = self.run_it(*command)
        self.assertEqual(ours.returncode, 0, ours.stderr)
        # The filter is there, and as root nothing else.
        text = ours.stdout.replace('Seccomp:\t2', 'Seccomp:\t0')
        if os.geteuid() != 0:
            text = text.replace('NoNewPrivs:\t1', 'NoNewPrivs:\t0')
        self.assertEqual(text, alone.stdout)

    def test_signals_are_handed_on(self):
        """what is sent to the recorder reaches the program, once"""
        for name in ('TERM', 'INT', 'HUP', 'QUIT', 'USR1', 'USR2', 'ALRM'):
            # A shell cannot trap what is ignored when it begins, as in the background of another shell.
            if signal.getsignal(getattr(signal, 'SIG' + name)) == signal.SIG_IGN:
                signal.signal(getattr(signal, 'SIG' + name), signal.SIG_DFL)
            process = self.start(f'n=0; trap "n=\\$((n+1))" {name}; trap "exit \\$n" CONT; echo ready; '
                                 'while :; do sleep 0.05; done')
            process.send_signal(getattr(signal, 'SIG' + name))
            time.sleep(0.3)
            # Only to the program: the recorder does not hand on SIGCONT.
            children = pathlib.Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
            os.kill(int(children[0]), signal.SIGCONT)
            self.assertEqual(process.wait(SECONDS), 1, name)

    def test_children(self):
        """the recorder stays for what the program leaves behind, and its status is the program's"""
        started = time.monotonic()
        done = self.run_it('sh', '-c', '(sleep 0.5; echo late) & exit 5')
        self.assertEqual((done.returncode, done.stdout), (5, 'late\n'))
        self.assertGreater(time.monotonic() - started, 0.5)
        self.assertIn('still recording', done.stderr)

    def test_threads_and_execs(self):
        script = ('import os, threading\n'
                  'threads = [threading.Thread(target=os.getppid) for _ in range(50)]\n'
                  '[t.start() for t in threads]; [t.join() for t in threads]\n'
                  'threading.Thread(target=lambda: os.execlp("sh", "sh", "-c", "exit 9")).start()\n'
                  'import time; time.sleep(30)')
        self.assertEqual(self.run_it(sys.executable, '-c', script).returncode, 9)

    def test_not_found(self):
        """127 and 126, as from a shell, and no file is left behind"""
        self.assertSays(self.run_it('/no/such/program'), 127, 'cannot run /no/such/program', 'No such file')
        self.assertFalse(self.file.exists())
        self.assertSays(self.run_it('/etc/passwd'), 126, 'cannot run /etc/passwd', 'Permission denied')
        self.assertFalse(self.file.exists())

    def test_output_fails(self):
        """a full disk, a reader that goes away: the program does not notice"""
        done = subprocess.run([PROBE, 'record', '-o', '/dev/full', '--', 'sh', '-c', 'echo fine; exit 4'],
                              capture_output=True, text=True, timeout=SECONDS)
        self.assertEqual((done.returncode, done.stdout), (4, 'fine\n'))
        self.assertIn('cut off', done.stderr)
        reader, writer = os.pipe()
        with subprocess.Popen([PROBE, 'record', '-o', '-', '--', 'sh', '-c', 'sleep 0.3; exit 4'], stdout=writer,
                              stderr=subprocess.PIPE, text=True) as process:
            os.close(writer)
            os.close(reader)
            _, text = process.communicate(timeout=SECONDS)
        self.assertEqual(process.returncode, 4)
        self.assertIn('the reader has gone away', text)


class Terminal(RecordTest):
    """On a terminal of its own, with a shell that has job control."""

    def shell(self):
        try:
            pid, fd = pty.fork()
        except OSError as error:
            self.skipTest(f'no terminal can be had: {error}')
        if pid == 0:
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
                signal.signal(number, signal.SIG_DFL)
            os.execlp('bash', 'bash', '--norc', '--noprofile', '-i')
        self.addCleanup(os.close, fd)
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        os.write(fd, b'PS1=; stty -echo; echo be""gin\n')
        self.until(fd, 'begin')
        return fd

    def until(self, fd, words):
        text, end = '', time.monotonic() + SECONDS
        while not re.search(words, text):
            self.assertLess(time.monotonic(), end, text)
            if select.select([fd], [], [], 0.2)[0]:
                text += os.read(fd, 4096).decode()
        return text

    def command(self, script):
        # On one line: the terminal forgets what was typed ahead at Ctrl-C.
        return f"{PROBE} record -o {self.file} --force -- bash -c '{script}'; echo status $?\n".encode()

    def test_interrupt(self):
        """Ctrl-C reaches the program once, by the terminal"""
        fd = self.shell()
        os.write(fd, self.command('n=0; trap "n=\\$((n+1))" INT; echo re""ady; sleep 1; sleep 1; echo n is $n'))
        self.until(fd, 'ready')
        os.write(fd, b'\x03')
        self.assertIn('status 0', self.until(fd, r'n is 1[^$]*status \d'))

    def test_stop_and_continue(self):
        """Ctrl-Z stops both for the shell to see; fg lets both go on"""
        fd = self.shell()
        os.write(fd, self.command('echo re""ady; sleep 1; read line; echo got $line; exit 6'))
        self.until(fd, 'ready')
        os.write(fd, b'\x1a')
        self.until(fd, 'Stopped')
        os.write(fd, b'echo in the shell; fg >/dev/null; echo status $?\n')
        self.until(fd, 'in the shell')
        time.sleep(0.3)
        os.write(fd, b'words\n')
        self.until(fd, r'got words[^$]*status 6')


class Pid(RecordTest):
    def start_program(self, script='echo ready; sleep 60'):
        process = subprocess.Popen(['sh', '-c', script], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), 'ready\n')
        return process

    def attach(self, pid, file=None):
        recorder = subprocess.Popen([PROBE, 'record', '-o', str(file or self.file), '--force', '--pid', str(pid)],
                                    stderr=subprocess.PIPE, text=True)
        self.addCleanup(recorder.stderr.close)
        self.addCleanup(recorder.kill)
        return recorder

    def attached(self, pid):
        recorder = self.attach(pid)
        self.assertIn(f'recording process {pid}', recorder.stderr.readline())
        return recorder

    def test_until_it_ends(self):
        program = self.start_program('echo ready; read line; exit 3')
        recorder = self.attached(program.pid)
        program.stdin.write('go on\n')
        program.stdin.flush()
        self.assertEqual(program.wait(SECONDS), 3)
        self.assertEqual(recorder.wait(SECONDS), 0)
        self.assertEqual(self.events()[-1]['reason'], 'the program ended')

    def test_until_a_signal(self):
        for name in ('INT', 'TERM', 'HUP', 'QUIT'):
            program = self.start_program('echo ready; read line; exit 3')
            recorder = self.attached(program.pid)
            recorder.send_signal(getattr(signal, 'SIG' + name))
            self.assertEqual(recorder.wait(SECONDS), 0)
            self.assertEqual(self.events()[-1]['reason'], 'SIG' + name)
            self.assertIn('TracerPid:\t0', pathlib.Path(f'/proc/{program.pid}/status').read_text())
            program.stdin.write('go on\n')
            program.stdin.flush()
            self.assertEqual(program.wait(SECONDS), 3)

    def test_killed_recorder(self):
        """--pid has no filter: the program runs on when the recorder is killed"""
        program = self.start_program('echo ready; read line; exit 3')
        recorder = self.attached(program.pid)
        recorder.kill()
        recorder.wait(SECONDS)
        program.stdin.write('go on\n')
        program.stdin.flush()
        self.assertEqual(program.wait(SECONDS), 3)

    def refused(self, pid, *parts):
        recorder = self.attach(pid, self.dir / 'refused')
        text = recorder.stderr.read()
        self.assertEqual(recorder.wait(SECONDS), 1, text)
        self.assertEqual(len(text.splitlines()), 1, text)
        for part in parts:
            self.assertIn(part, text)
        self.assertFalse((self.dir / 'refused').exists())

    def test_refused(self):
        """each with what to do next"""
        program = self.start_program()
        self.attached(program.pid)
        self.refused(program.pid, f'process {program.pid} is traced by process', '(viommu-probe) already', 'end that')
        gone = subprocess.Popen(['true'])
        gone.wait()
        self.refused(gone.pid, f'no process {gone.pid}', 'ps')
        zombie = subprocess.Popen(['true'])
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        self.refused(zombie.pid, f'process {zombie.pid} has ended already')
        zombie.wait()

    def test_old_kernel(self):
        """a kernel that lacks what record needs: said before the program is started"""
        pidfd_getfd, allow, enosys = 438, 0x7fff0000, 0x00050000 | 38
        code = struct.pack('=HBBIHBBIHBBIHBBI', 0x20, 0, 0, 0, 0x15, 0, 1, pidfd_getfd, 0x06, 0, 0, enosys,
                           0x06, 0, 0, allow)
        buffer = ctypes.create_string_buffer(code)
        program = ctypes.create_string_buffer(struct.pack('HxxxxxxP', 4, ctypes.addressof(buffer)))
        libc = ctypes.CDLL(None)

        def without():
            libc.prctl(38, 1, 0, 0, 0)                      # PR_SET_NO_NEW_PRIVS
            libc.prctl(22, 2, program)                      # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        done = self.run_it('touch', str(self.dir / 'started'), preexec_fn=without)
        self.assertSays(done, 1, 'older than Linux 5.6', 'trace')
        self.assertFalse((self.dir / 'started').exists())

    def test_vsock(self):
        """-o vsock: what is wrong with it, before the program is started"""
        for where in ('vsock:', 'vsock:2', 'vsock:2:', 'vsock:x:5000', 'vsock:2:5000:1', 'vsock:2:99999999999',
                      'vsock:4294967295:5000'):
            done = subprocess.run([PROBE, 'record', '-o', where, '--', 'touch', str(self.dir / 'started')],
                                  capture_output=True, text=True, timeout=SECONDS)
            self.assertSays(done, 2, '--output wants vsock:CID:PORT', f"not '{where}'")
        self.assertFalse((self.dir / 'started').exists())

    def test_traced_recorder(self):
        # A sanitizer's search for leaks needs ptrace for itself.
        done = self.run_it('env', 'ASAN_OPTIONS=detect_leaks=0', PROBE, 'record', '-o', str(self.dir / 'inner'), '--',
                           'true')
        self.assertSays(done, 1, 'is traced by process', '(viommu-probe) already', 'one tracer')

    def test_no_permission(self):
        if os.geteuid() != 0:
            self.skipTest('needs root, to give it up')
        program = self.start_program()
        probe = self.dir / 'probe'
        probe.write_bytes(pathlib.Path(PROBE).read_bytes())
        probe.chmod(0o755)
        self.dir.chmod(0o777)
        nobody = {'user': 65534, 'group': 65534, 'extra_groups': []}
        done = subprocess.run([probe, 'record', '-o', str(self.dir / 'refused'), '--pid', str(program.pid)],
                              capture_output=True, text=True, timeout=SECONDS, **nobody)
        self.assertSays(done, 1, 'does not allow', 'root', 'ptrace_scope')
        done = subprocess.run([probe, 'record', '-o', str(self.dir / 'mine'), '--', 'sh', '-c', 'exit 8'],
                              capture_output=True, text=True, timeout=SECONDS, **nobody)
        self.assertEqual((done.returncode, done.stderr), (8, ''))


class Usage(RecordTest):
    def run_with(self, *arguments):
        return subprocess.run([PROBE, 'record', *arguments], capture_output=True, text=True, timeout=SECONDS,
                              stdin=subprocess.DEVNULL, cwd=self.dir)

    def test_a_port_that_is_taken(self):
        """as a virtio-serial port, which one process at a time may open: here a terminal that is somebody's alone"""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        self.addCleanup(os.close, theirs)
        path = os.ttyname(theirs)
        os.chmod(path, 0o666)
        fcntl.ioctl(theirs, termios.TIOCEXCL)
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        folder.chmod(0o755)
        probe = shutil.copy(PROBE, folder / 'viommu-probe')
        probe.chmod(0o755)
        somebody = {'user': 65534, 'group': 65534, 'extra_groups': []} if os.geteuid() == 0 else {}
        done = subprocess.run([probe, 'record', '-o', path, '--', 'true'], capture_output=True, text=True, timeout=SECONDS,
                              stdin=subprocess.DEVNULL, cwd='/', **somebody)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f'cannot open {path} for writing: Device or resource busy; another program writes there', done.stderr)

    def test_wrong(self):
        for arguments, parts in {
            (): ('name the program', '--pid'),
            ('--fly', 'true'): ('no option --fly',),
            ('--pid', '0'): ('--pid wants', "not '0'"),
            ('--pid', 'x'): ('--pid wants',),
            ('--pid', '-1'): ('--pid wants',),
            ('--pid', '99999999999'): ('--pid wants',),
            ('--pid',): ('wants an argument',),
            ('--pid', '1', 'true'): ('--pid and a command',),
            ('--buffer', '1k', 'true'): ('--buffer wants',),
            ('-o', '', 'true'): ('--output wants',),
        }.items():
            with self.subTest(arguments):
                self.assertSays(self.run_with(*arguments), 2, *parts)

    def test_options_of_the_program(self):
        """what follows the program's name is its own, -- or not"""
        self.assertEqual(self.run_with('echo', '--force', '-h').stdout, '--force -h\n')
        self.assertEqual(self.run_with('--force', '--', 'echo', '--pid', '1').stdout, '--pid 1\n')

    def test_default_file(self):
        self.assertEqual(self.run_with('true').returncode, 0)
        self.assertEqual((self.dir / 'record.jsonl').stat().st_mode & 0o777, 0o600)
        self.assertSays(self.run_with('echo', 'not run'), 1, 'record.jsonl exists', '--force')

    def test_help(self):
        text = self.run_with('--help').stdout
        self.assertTrue(text.startswith('Usage: viommu-probe record'))
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        manual = (TOP / 'man' / 'viommu-probe.1.scd').read_text()
        source = (TOP / 'probe' / 'record' / 'record-options.c').read_text()
        options = re.findall(r'\{ "([a-z-]+)", (?:no|required)_argument', source)
        self.assertGreaterEqual(len(options), 6)
        for option in options:
            self.assertIn(f'--{option}', text)
            self.assertIn(f'*--{option}*', manual)


if __name__ == '__main__':
    tap.main()
