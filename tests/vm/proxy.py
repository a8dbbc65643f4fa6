# SPDX-License-Identifier: GPL-2.0-or-later
"""A socket between viommu and a monitor: something happens at the Nth command,
so that "in the middle" is the same middle in every run."""

import contextlib
import os
import socket
import threading


class Proxy:
    def __init__(self, target, path, nth, action):
        """`target`: the monitor's socket; `path`: ours; `action()` is called
        before the Nth line from the clients, one after the other, is passed on."""
        self.lines = 0
        self._nth, self._action = nth, action
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(path)
        self._server.listen(1)
        self._target = target
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):      # closed
            while True:
                self._serve_one(self._server.accept()[0])

    def _serve_one(self, client):
        monitor = socket.socket(socket.AF_UNIX)
        monitor.connect(self._target)
        threading.Thread(target=self._pass, args=(monitor, client), daemon=True).start()
        with contextlib.suppress(OSError):      # either may be killed
            for line in client.makefile('rb'):
                self.lines += 1
                if self.lines == self._nth:
                    self._action()
                monitor.sendall(line)
        # The monitor serves the next client once this one is gone.
        with contextlib.suppress(OSError):
            monitor.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _pass(source, sink):
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
        except OSError:
            pass
        # The client sees the end that QEMU's own end would have shown it.
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def close(self):
        name = self._server.getsockname()
        self._server.close()
        os.unlink(name)
