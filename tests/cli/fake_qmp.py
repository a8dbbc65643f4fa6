# SPDX-License-Identifier: GPL-2.0-or-later
"""A QMP server that answers from a table and writes down what it is asked.

The table is what a real QEMU answered (qemu.json) and the pages of a snapshot,
both made by regenerate.py; a test replaces the answers that it is about."""

import contextlib
import ctypes
import functools
import json
import mmap
import os
import pathlib
import re
import shutil
import socket
import tempfile
import threading
import time

from corefile import Snapshot

DATA = pathlib.Path(__file__).resolve().parent.parent / 'data' / 'cli'

# What viommu may send; written down a second time, apart from qmp/allow.c.
READ_ONLY = re.compile('qmp_capabilities|query-(version|status|kvm|pci|name|cpus-fast)|qom-(list|get)'
                       '|hmp: (info (mtree -f|qtree|pci|status|version)|xp /[0-9]+gx 0x[0-9a-f]+|gpa2hva 0x[0-9a-f]+)')


class Refuse:
    """QEMU answers with an error."""
    def __init__(self, desc, kind='GenericError'):
        self.error = {'class': kind, 'desc': desc}


class Raw:
    """These bytes are sent instead of an answer, @ID@ in them replaced by the
    command's id; then the connection is `close`d or stays open."""
    def __init__(self, data=b'', close=False):
        self.data, self.close = data, close


class Missing(KeyError):
    pass


@functools.cache
def recorded():
    return json.loads((DATA / 'qemu.json').read_text())


@functools.cache
def _snapshot(name, whole):
    snapshot = Snapshot.read(DATA / name)
    if not whole:
        # An interrupt table of 16 entries instead of 65536 (IRTA.S): 255 pages fewer to
        # ask for.
        snapshot.write_register(0xb8, snapshot.register(snapshot.base + 0xb8, 8) & ~0xf | 3)
    return snapshot


@functools.lru_cache(500)
def _xp(offset, data):
    """What xp says of these bytes, with @ for the number of the page."""
    values = [int.from_bytes(data[at:at + 8], 'little') for at in range(0, len(data), 8)]
    return ''.join(f'@{offset + 8 * i:03x}:' + ''.join(f' 0x{value:016x}' for value in values[i:i + 2]) + '\r\n'
                   for i in range(0, len(values), 2))


class _Server:
    """A listening socket, served one client at a time as QEMU does."""

    def __init__(self, tcp=False):
        self._dir = tempfile.mkdtemp(prefix='viommu-qmp.')
        os.chmod(self._dir, 0o755)
        if tcp:
            self._listening = socket.create_server(('127.0.0.1', 0))
            self.target = 'tcp:127.0.0.1:%d' % self._listening.getsockname()[1]
        else:
            path = os.path.join(self._dir, 'qmp')
            self._listening = socket.socket(socket.AF_UNIX)
            self._listening.bind(path)
            os.chmod(path, 0o777)
            self._listening.listen(16)
            self.target = 'unix:' + path
        self._client = None
        self.connections = 0
        self.trouble = None         # an exception of the server's own
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while True:
            try:
                self._client, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            try:
                self.serve(self._client)
            except OSError:
                pass                # the client has gone
            except Exception as error:
                self.trouble = error
            with contextlib.suppress(OSError):
                self._client.close()

    def serve(self, client):
        raise NotImplementedError

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        for handle in (self._listening, self._client):
            with contextlib.suppress(OSError, AttributeError):
                handle.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)
        shutil.rmtree(self._dir, ignore_errors=True)
        if self.trouble:
            raise self.trouble


class RawServer(_Server):
    """Says some bytes to whoever connects. Then: 'stay' silent, or 'close'."""

    def __init__(self, data=b'', then='stay', **options):
        super().__init__(**options)
        self._data, self._then = data, then
        self.received = b''

    def serve(self, client):
        client.sendall(self._data)
        while self._then == 'stay' and (data := client.recv(1 << 16)):
            self.received += data


class FakeQemu(_Server):
    """`answers`: what differs from the table. Keys: a QMP command, an HMP line,
    or the first word of one. Values: a JSON value, Refuse, Raw, or a function of
    the arguments (HMP: of the line) that returns one of these.

    log: the commands in the order in which they came, HMP lines as "hmp: …"."""

    def __init__(self, snapshot='clean.elf', answers=None, state='running', greeting=None, piece=None, chatter=False,
                 delay=0, process=False, whole=False, **options):
        """`piece`: bytes sent at a time. `chatter`: events between the answers.
        `delay`: seconds before each answer. `process`: this process holds the
        pages, so that they can be read without us. `whole`: the interrupt table has
        its real size."""
        super().__init__(**options)
        self.snapshot = snapshot if isinstance(snapshot, Snapshot) else _snapshot(snapshot, whole)
        self.answers, self.state = dict(answers or {}), state
        self.log = []
        self._greeting = recorded()['greeting'] if greeting is None else greeting
        self._piece, self._chatter, self._delay = piece, chatter, delay
        self._memory = self._hold_memory() if process else None

    # ---- what is sent -----------------------------------------------------------

    def _send(self, client, message):
        data = json.dumps(message).encode() + b'\r\n'
        for at in range(0, len(data), self._piece or len(data)):
            client.sendall(data[at:at + (self._piece or len(data))])

    def _event(self, client):
        if self._chatter:
            stamp = {'seconds': 1, 'microseconds': 2}
            self._send(client, {'timestamp': stamp, 'event': 'RTC_CHANGE', 'data': {'offset': len(self.log), 'id': 1}})

    def serve(self, client):
        if isinstance(self._greeting, Raw):
            client.sendall(self._greeting.data)
        else:
            self._send(client, self._greeting)
        for line in client.makefile('rb'):
            request = json.loads(line)
            answer = self._answer(request['execute'], request.get('arguments', {}))
            if self._delay:
                time.sleep(self._delay)
            self._event(client)
            if isinstance(answer, Raw):
                client.sendall(answer.data.replace(b'@ID@', json.dumps(request.get('id')).encode()))
                if answer.close:
                    return
            else:
                kind, value = ('error', answer.error) if isinstance(answer, Refuse) else ('return', answer)
                self._send(client, {kind: value, 'id': request.get('id')})
            self._event(client)

    # ---- what it says -----------------------------------------------------------

    def _answer(self, command, arguments):
        line = arguments.get('command-line') if command == 'human-monitor-command' else None
        self.log.append(command if line is None else f'hmp: {line}')
        for key in (command,) if line is None else (line, line.split()[0]):
            if key in self.answers:
                answer = self.answers[key]
                return answer(arguments if line is None else line) if callable(answer) else answer
        return self.usual(command, arguments) if line is None else self.usual_hmp(line)

    def usual(self, command, arguments):
        if command == 'qmp_capabilities':
            return {}
        if command in ('stop', 'cont'):
            self.state = 'paused' if command == 'stop' else 'running'
            return {}
        if command == 'query-status':
            return {'running': self.state == 'running', 'singlestep': False, 'status': self.state}
        key = ' '.join([command, *(arguments[name] for name in sorted(arguments))])
        answer = recorded()['qmp'].get(key)
        # Asked for since regenerate.py was run last: as if this QEMU did not have it.
        if answer is None and command == 'qom-list':
            return Refuse(f"Device '{arguments['path']}' not found", 'DeviceNotFound')
        if answer is None and command == 'qom-get':
            return Refuse(f"Property '{arguments['property']}' not found")
        if answer is None:
            raise Missing(f'no answer to {key}')
        return Refuse(**answer['error']) if 'error' in answer else answer['return']

    def usual_hmp(self, line):
        words = line.split()
        if words[0] == 'xp':
            return self.xp(int(words[2], 16), int(words[1].strip('/gx')))
        if words[0] == 'gpa2hva':
            gpa = int(words[1], 16)
            if self._memory is None:
                return f'No memory is mapped at address 0x{gpa:x}\r\n'
            return f'Host virtual address for 0x{gpa:x} (pc.ram) is 0x{self._memory_at + gpa:x}\r\n'
        if line in recorded()['hmp']:
            return recorded()['hmp'][line]
        raise Missing(f'no answer to {line}')

    def _bytes(self, gpa, size):
        base, data = self.snapshot.base, self.snapshot.registers()
        if base <= gpa < base + len(data):
            return data[gpa - base:][:size]
        if self._memory is not None and gpa + size <= len(self._memory):
            return self._memory[gpa:gpa + size]
        page = self.snapshot.pages.get(gpa & -mmap.PAGESIZE, bytes(mmap.PAGESIZE))
        return page[gpa % mmap.PAGESIZE:][:size]

    def xp(self, gpa, words):
        if gpa % mmap.PAGESIZE + words * 8 <= mmap.PAGESIZE:
            return _xp(gpa % mmap.PAGESIZE, self._bytes(gpa, words * 8)).replace('@', f'{gpa // mmap.PAGESIZE:013x}')
        raise Missing(f'xp beyond a page: {words} words at {gpa:#x}')

    def _hold_memory(self):
        """The guest's low RAM in this process, in the way QEMU has it in its own."""
        low = next(ram for ram in self.snapshot.note['machine']['ram'] if ram['first'] == '0x100000')
        memory = mmap.mmap(-1, int(low['last'], 16) + 1, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        for gpa, page in self.snapshot.pages.items():
            memory[gpa:gpa + len(page)] = page
        memory[0x100000:0x100008] = b'not zero'     # zeros would prove nothing
        self._anchor = ctypes.c_char.from_buffer(memory)
        self._memory_at = ctypes.addressof(self._anchor)
        return memory

    def hold_other_memory(self):
        """In a child of this process: what it holds is not what the monitor shows."""
        self._memory[0x100000:0x100008] = b'not this'

    def __exit__(self, *args):
        super().__exit__(*args)
        if self._memory is not None:
            del self._anchor
            self._memory.close()

    # ---- what may be said of it afterwards ----------------------------------------

    def forbidden(self, *allowed):
        """Commands that it was sent and that only reading does not need."""
        return [line for line in self.log if not READ_ONLY.fullmatch(line) and line not in allowed]
