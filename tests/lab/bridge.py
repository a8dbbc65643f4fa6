# SPDX-License-Identifier: GPL-2.0-or-later
"""Unix sockets of a guest as unix sockets of this machine.

The guest's end is tests/nested/bridge.c, which also says how connections
share one virtio-serial port."""

import os
import selectors
import socket
import struct
import threading

_HEADER = struct.Struct('<HHI')
_OPEN, _DATA, _CLOSE = range(3)
_FRAME = 16384
_CHANNELS = 256


class Bridge:
    """`port`: path of the socket behind the virtio-serial port.  One thread
    serves all connections until close()."""

    def __init__(self, port):
        self._port = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._port.connect(port)
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        self._lock = threading.Lock()
        self._new = []              # [(listening socket, path in the guest)]
        self._paths = {}
        self._channels = {}         # number: connection
        self._buffer = b''
        self._closing = False
        self._selector.register(self._port, selectors.EVENT_READ, self._from_port)
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._woken)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def listen(self, path, guest_path):
        """Who connects to `path` here is connected to `guest_path` there."""
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(path)
        server.listen()
        with self._lock:
            self._new.append((server, guest_path))
        os.write(self._wake_write, b'.')

    def close(self):
        self._closing = True
        os.write(self._wake_write, b'.')
        self._thread.join(10)
        for part in (self._port, *self._paths, *self._channels.values()):
            part.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _serve(self):
        try:
            while not self._closing:
                for key, _events in self._selector.select():
                    key.data(key.fileobj)
        except OSError:
            pass                    # the guest is gone
        for connection in list(self._channels.values()):
            connection.close()      # so that nobody waits for it

    def _woken(self, _pipe):
        os.read(self._wake_read, 64)
        with self._lock:
            new, self._new = self._new, []
        for server, path in new:
            self._paths[server] = path
            self._selector.register(server, selectors.EVENT_READ, self._accept)

    def _tell(self, channel, kind, data=b''):
        self._port.sendall(_HEADER.pack(channel, kind, len(data)) + data)

    def _accept(self, server):
        connection, _address = server.accept()
        free = [number for number in range(_CHANNELS) if number not in self._channels]
        if not free:
            connection.close()
            return
        self._channels[free[0]] = connection
        self._selector.register(connection, selectors.EVENT_READ, lambda fd: self._to_port(free[0], fd))
        self._tell(free[0], _OPEN, self._paths[server].encode())

    def _to_port(self, channel, connection):
        try:
            data = connection.recv(_FRAME)
        except ConnectionError:
            data = b''
        if data:
            self._tell(channel, _DATA, data)
        else:
            # Ours until the guest has closed it too, or its last words would
            # reach whoever gets the number next.
            self._selector.unregister(connection)
            self._tell(channel, _CLOSE)

    def _from_port(self, port):
        data = port.recv(1 << 16)
        if not data:
            raise OSError('the port is closed')
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            channel, kind, length = _HEADER.unpack_from(self._buffer)
            if len(self._buffer) < _HEADER.size + length:
                break
            payload = self._buffer[_HEADER.size:_HEADER.size + length]
            self._buffer = self._buffer[_HEADER.size + length:]
            self._frame(channel, kind, payload)

    def _frame(self, channel, kind, payload):
        connection = self._channels.get(channel)
        if connection is None:
            return
        if kind == _CLOSE:
            del self._channels[channel]
            if connection in self._selector.get_map():
                self._selector.unregister(connection)
            connection.close()
        else:
            try:
                connection.sendall(payload)
            except OSError:
                pass                # it has hung up; its CLOSE is on its way
