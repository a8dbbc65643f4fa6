# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands to a lab guest; the other end is the guest's init script."""

import base64
import binascii
import itertools
import secrets
import select
import shlex
import socket
import time

from .errors import GuestError


class Control:
    def __init__(self, path, why_dead):
        """`why_dead` returns None while the guest lives, or a text."""
        self._why_dead = why_dead
        self._buffer = b''
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._spawned = itertools.count(1)

    def _ending(self):
        """Why QEMU is ending: it closes its sockets a moment before it is gone."""
        for _ in range(20):
            dead = self._why_dead()
            if dead:
                return dead
            time.sleep(0.1)
        return None

    def _line(self, seconds):
        end = time.monotonic() + seconds
        while b'\n' not in self._buffer:
            dead = self._why_dead()
            if dead:
                raise GuestError(dead)
            if time.monotonic() > end:
                return None
            if select.select([self._socket], [], [], 0.2)[0]:
                data = self._socket.recv(1 << 16)
                if not data:
                    raise GuestError(self._last_words() or 'QEMU closed the control port')
                self._buffer += data
        line, self._buffer = self._buffer.split(b'\n', 1)
        return line.decode(errors='replace')

    def _last_words(self):
        """A process that dies closes its sockets before it can be waited for."""
        end = time.monotonic() + 5
        while not (words := self._why_dead()) and time.monotonic() < end:
            time.sleep(0.05)
        return words

    def wait_ready(self, seconds):
        return self._line(seconds) is not None

    def sh(self, script, seconds=60):
        """Runs a shell script in the guest: (exit status, stdout and stderr).
        The guest ends it after `seconds` with SIGKILL (status 137)."""
        nonce = secrets.token_hex(8)
        text = base64.b64encode(script.encode()).decode()
        self._socket.sendall(f'{nonce} {seconds} {text}\n'.encode())
        end = time.monotonic() + seconds + 30
        while True:
            line = self._line(end - time.monotonic())
            if line is None:
                raise GuestError(f'the guest did not answer within {seconds + 30} s: {script}')
            # An answer that a former call gave up on is not ours.
            words = line.split(' ')
            if len(words) == 3 and words[0] == nonce:
                break
        try:
            return int(words[1]), base64.b64decode(words[2]).decode(errors='replace')
        except (ValueError, binascii.Error):
            raise GuestError(f'the guest answered in a wrong way: {line[:80]}') from None

    def spawn(self, command):
        """Starts one simple command in the background; its stdin stays open."""
        number = next(self._spawned)
        directory = f'/run/spawn.{number}'
        body = shlex.quote(f'echo $$ >{directory}/pid; exec {command}')
        # start-stop-daemon and not "&": what a script puts in the background
        # ignores SIGINT, and so would every program that respects that.
        self._must(f'''
            mkdir {directory} && mkfifo {directory}/in
            sleep 1000000 >{directory}/in 2>/dev/null &
            echo $! >{directory}/keeper
            echo {shlex.quote(f"""
                exec <{directory}/in >{directory}/out 2>&1
                sh -c {body}
                echo $? >{directory}/rc.new; mv {directory}/rc.new {directory}/rc
            """)} >{directory}/script
            start-stop-daemon -S -b -m -p {directory}/daemon -x /bin/sh -- {directory}/script
            until [ -s {directory}/pid ]; do usleep 10000; done
        ''')
        return Process(self, command, directory)

    def _must(self, script):
        status, text = self.sh(script)
        if status != 0:
            raise GuestError(f'status {status} from the guest for: {script}\n{text}')
        return text

    def close(self):
        self._socket.close()


class Process:
    """A command running in the background of a guest."""

    def __init__(self, control, command, directory):
        self._control = control
        self.command = command
        self._directory = directory

    def signal(self, name):
        self._control.sh(f'kill -{name} $(cat {self._directory}/pid)')

    def write(self, text):
        """To its stdin."""
        self._control.sh(f'printf %s {shlex.quote(text)} >{self._directory}/in')

    def close_stdin(self):
        self._control.sh(f'kill $(cat {self._directory}/keeper)')

    @property
    def pid(self):
        return int(self._control.sh(f'cat {self._directory}/pid')[1])

    def poll(self):
        status, text = self._control.sh(f'cat {self._directory}/rc')
        return int(text) if status == 0 else None

    def wait(self, seconds=60):
        status, text = self._control.sh(
            f'until [ -e {self._directory}/rc ]; do usleep 20000; done; cat {self._directory}/rc',
            seconds)
        if status != 0:
            raise GuestError(f'still running in the guest after {seconds} s: {self.command}\n'
                             f'{self.output()}')
        return int(text)

    def output(self):
        return self._control.sh(f'cat {self._directory}/out')[1]
