# SPDX-License-Identifier: GPL-2.0-or-later
"""A libvirt that has one guest, and lets a test decide what each call does.

viommu loads it as libvirt-qemu.so.0 (fake-libvirt.c) out of the folder VIOMMU_FAKE_LIBVIRT."""

import contextlib
import itertools
import json
import os
import pathlib
import shutil
import socket
import tempfile
import threading

from fake_qmp import Raw, Refuse, recorded

UUID = '6f7e8a51-42ba-4a4c-9b5d-5a3f6f1c2d3e'
NO_DOMAIN, OPERATION_INVALID, BUSY, DENIED = 42, 55, 68, 88


class Fails:
    """The call ends with this error of libvirt's."""
    def __init__(self, code, message):
        self.line = f'-{code} {message}'


class Text:
    """The call gives this instead of an answer of QMP."""
    def __init__(self, text):
        self.line = '+' + text


class Vanish:
    """libvirtd is gone: what was connected is cut off."""


class FakeLibvirt:
    """`qemu`: the FakeQemu that its guest is, asked without its socket. `does`: what a call does instead of the usual;
    keys are calls (open, uri, by-name, by-uuid, by-id, suspend, resume) and commands of QMP, values Fails, Text, Vanish
    or a function of the argument that returns one of these or None (the usual); it may take its time.

    env: what viommu needs. log: the calls; for a command, its name."""

    def __init__(self, qemu, name='vm', does=None, number=7, uri='qemu:///system', thread=0):
        self.qemu, self.name, self.does, self.id, self.uri = qemu, name, dict(does or {}), number, uri
        qemu.answers.setdefault('query-cpus-fast', [{'cpu-index': 0, 'thread-id': thread}])
        qemu.answers.setdefault('query-version', recorded()['greeting']['QMP']['version'])
        self.log, self.trouble = [], None
        self._dir = tempfile.mkdtemp(prefix='viommu-libvirt.')
        path = os.path.join(self._dir, 'libvirt-sock')
        self.env = {'FAKE_LIBVIRT': path, 'LD_LIBRARY_PATH': os.environ['VIOMMU_FAKE_LIBVIRT']}
        self.target = 'libvirt:' + name
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(path)
        self._listening.listen(16)
        self._clients, self._numbers = [], itertools.count(1)

    def __enter__(self):
        threading.Thread(target=self._run, daemon=True).start()
        return self

    def __exit__(self, kind, *_):
        for handle in (self._listening, *self._clients):
            with contextlib.suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)
            handle.close()
        shutil.rmtree(self._dir, ignore_errors=True)
        if self.trouble and not kind:
            raise self.trouble

    def _run(self):
        with contextlib.suppress(OSError):
            while True:
                self._clients.append(self._listening.accept()[0])
                threading.Thread(target=self._serve, args=[self._clients[-1]], daemon=True).start()

    def _serve(self, client):
        try:
            for line in client.makefile('r', encoding='utf-8'):
                answer = self._answer(*line.rstrip('\n').split(' ', 1))
                if isinstance(answer, Vanish):
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall((answer.line + '\n').encode())
        except OSError:
            pass                # the client has gone
        except Exception as error:
            self.trouble = error

    def _answer(self, call, argument):
        request = json.loads(argument) if call == 'command' else {}
        key = request.get('execute', call)
        self.log.append(key)
        does = self.does.get(key)
        answer = does(argument) if callable(does) else does
        return answer or (self._command(request) if request else self._usual(call, argument))

    def _usual(self, call, argument):
        known = {'by-name': self.name, 'by-uuid': UUID, 'by-id': str(self.id)}
        if call in known and (argument != known[call] or argument == '-1'):
            return Fails(NO_DOMAIN, f'Domain not found: no domain with matching {call[3:]}')
        if call in known:
            return Text(f'{UUID} {self.id}')
        if call in ('suspend', 'resume'):
            self.qemu.state = 'paused' if call == 'suspend' else 'running'
        return Text(self.uri if call == 'uri' else 'done')

    def _command(self, request):
        if 'id' in request:
            return Fails(1, "internal error: Unable to append command 'id' string")
        answer = self.qemu._answer(request['execute'], request.get('arguments', {}))
        if isinstance(answer, Raw):
            return Text(answer.data.decode())
        kind, value = ('error', answer.error) if isinstance(answer, Refuse) else ('return', answer)
        return Text(json.dumps({kind: value, 'id': f'libvirt-{next(self._numbers)}'}))


def broken_library(folder):
    """A folder whose libvirt-qemu.so.0 cannot be loaded."""
    (pathlib.Path(folder) / 'libvirt-qemu.so.0').write_text('no library')
    return {'LD_LIBRARY_PATH': str(folder)}
