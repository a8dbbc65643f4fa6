# SPDX-License-Identifier: GPL-2.0-or-later
"""A minimal QMP client for the lab's own monitor."""

import json
import socket
import time

from .errors import GuestError


def last_words(why_dead, seconds=5):
    """A process that dies closes its sockets before it can be waited for; '' of one of which nobody knows."""
    end = time.monotonic() + seconds
    while (words := why_dead()) is None and time.monotonic() < end:
        time.sleep(0.05)
    return words


class Qmp:
    def __init__(self, path, why_dead=lambda: '', deadline=20):
        """`why_dead` returns None while QEMU lives, or a text; '' if that cannot be known."""
        self._why_dead = why_dead
        self._socket = _connect(path, why_dead, deadline)
        self._buffer = b''
        self.events = []
        greeting = self._read(deadline)
        if 'QMP' not in greeting:
            raise GuestError(f'{path} is not a QMP monitor')
        self.command('qmp_capabilities')

    def _read(self, seconds):
        end = time.monotonic() + seconds
        while b'\n' not in self._buffer:
            left = end - time.monotonic()
            if left <= 0:
                raise GuestError('the lab\'s monitor does not answer')
            self._socket.settimeout(left)
            try:
                data = self._socket.recv(1 << 16)
            except (TimeoutError, ConnectionError):
                data = b''
            if not data:
                raise GuestError(last_words(self._why_dead) or 'QEMU closed the lab\'s monitor')
            self._buffer += data
        line, self._buffer = self._buffer.split(b'\n', 1)
        return json.loads(line)

    def command(self, name, /, seconds=20, **arguments):
        request = {'execute': name}
        if arguments:
            request['arguments'] = arguments
        self._socket.settimeout(seconds)
        try:
            self._socket.sendall(json.dumps(request).encode() + b'\n')
        except OSError as error:
            raise GuestError(last_words(self._why_dead) or f'QEMU closed the lab\'s monitor ({error})') from None
        while True:
            answer = self._read(seconds)
            if 'event' in answer:
                self.events.append(answer)
            elif 'error' in answer:
                raise GuestError(f'{name}: {answer["error"]["desc"]}')
            else:
                return answer['return']

    def hmp(self, line):
        return self.command('human-monitor-command', **{'command-line': line})

    def status(self):
        return self.command('query-status')['status']

    def close(self):
        self._socket.close()


def _connect(path, why_dead, deadline):
    end = time.monotonic() + deadline
    while True:
        handle = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            handle.connect(path)
            return handle
        except OSError as error:
            handle.close()
            if why_dead() or time.monotonic() > end:
                raise GuestError(f'cannot connect to {path}: {error}') from None
            time.sleep(0.02)
