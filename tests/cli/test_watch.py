#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu watch: streams and monitors that are not as they should be, and what
it says while a record is being written."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time

from cli import CLEAN, FAILED, FAULT, REJECTED, SANITIZED, USAGE, Case, finish, run, start
from fake_qmp import DATA, FakeQemu, RawServer

import tap

LINES = (DATA / 'small.jsonl').read_bytes().splitlines(keepends=True)
FINISHED = (DATA / 'finished.jsonl').read_bytes().splitlines(keepends=True)
PAGES = 16
PATIENCE = 20


def watch(target, stream, *more, **options):
    return run('watch', '-q', target, stream, *more, **options)


class Streams(Case):
    def test_missing(self):
        with FakeQemu() as qemu:
            self.assert_says(watch(qemu.target, 'nowhere'), FAILED, 'cannot open the stream nowhere: No such file')
            self.assert_says(watch(qemu.target, '.'), FAILED, 'cannot open the stream .: Is a directory')
            self.assert_says(watch(qemu.target, 'unix:nowhere'), FAILED, 'cannot open the stream unix:nowhere')
            self.assert_says(watch(qemu.target, 'unix:' + 'x' * 200), FAILED, 'cannot open the stream', 'too long')
            self.assertEqual(qemu.log, [])

    def test_no_record(self):
        for data in (b'hello\n', b'{}\n', b'\0' * 100 + b'\n', LINES[1]):
            with self.subTest(data=data), FakeQemu() as qemu:
                done = self.assert_status(watch(qemu.target, '-', data=data), REJECTED)
                self.assertRegex(done.err, r'\Aviommu watch: - is not a usable record: line 1: .*\n\Z')

    def test_garbage_within(self):
        with FakeQemu() as qemu:
            done = self.assert_status(watch(qemu.target, '-', data=b''.join(LINES[:3]) + b'garbage\n'), REJECTED)
            self.assertIn('line 4: not a JSON object', done.err)

    def test_newer(self):
        header = {**json.loads(LINES[0]), 'version': 2}
        with FakeQemu() as qemu:
            done = self.assert_status(watch(qemu.target, '-', data=json.dumps(header).encode() + b'\n'), REJECTED)
            self.assertIn('use a newer viommu', done.err)

    def test_monitor(self):
        self.assert_says(watch('unix:/nowhere', 'small.jsonl'), FAILED, 'no monitor answers')
        with RawServer() as server:
            self.assert_says(watch(server.target, 'small.jsonl', '--timeout', '0.4'), FAILED, 'another client holds')

    def test_numbers(self):
        for option, values in {'--interval': ('0', '-1', 'x', ''), '--seconds': ('0', '-1', 'x', '')}.items():
            for value in values:
                with self.subTest(option=option, value=value):
                    self.assert_says(watch('unix:/nowhere', 'x', option, value), USAGE, option)


class Looks(Case):
    """Streams that stay open."""

    def watching(self, qemu, data, *more, until=0, then=b'', number=None):
        """Feeds data, waits until `until` lines came out, feeds the rest, ends the stream or sends a signal."""
        args = ['watch', '-q', qemu.target, '-', '--interval', '50', *more]
        process = start(*args, stdin=subprocess.PIPE, bufsize=0)
        process.stdin.write(data)
        end, said = time.monotonic() + PATIENCE, b''
        os.set_blocking(process.stdout.fileno(), False)
        while time.monotonic() < end and said.count(b'\n') < until:
            said += process.stdout.read() or b''
            time.sleep(0.02)
        looks = qemu.log.count('query-status')
        while time.monotonic() < end and qemu.log.count('query-status') < looks + 2:
            time.sleep(0.02)
        os.set_blocking(process.stdout.fileno(), True)
        if number:
            process.send_signal(number)
        process.stdin.write(then)
        done = finish(process, args)
        done.out = said.decode() + done.out
        return done.check()

    def test_clean(self):
        with FakeQemu() as qemu:
            done = self.assert_clean(self.watching(qemu, b''.join(LINES)))
            self.assertIn('4 mappings made, 4 of them verified', done.out)
            self.assertIn('0 faulty pages', done.out)
            self.assertEqual(qemu.forbidden(), [])

    def test_fault(self):
        with FakeQemu('wrong-address.elf') as qemu:
            done = self.assert_clean(self.watching(qemu, b''.join(LINES), until=1), FAULT)
        self.assertIn('wrong-address  00:04.0  IOVA 0x', done.out)
        self.assertEqual(done.out.count('wrong-address  00:04.0'), 1, 'told once')

    def test_json(self):
        """one object a line; the last one is the sum"""
        with FakeQemu('missing.elf') as qemu:
            done = self.assert_clean(self.watching(qemu, b''.join(LINES), '--format', 'json', until=1), FAULT)
        first, *_, last = map(json.loads, done.out.splitlines())
        self.assertEqual((first['event'], first['verdict']), ('fault', 'missing'))
        self.assertEqual((last['event'], last['format'], last['faulty_pages']), ('summary', 'viommu-watch', 1))

    def test_interrupted(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number), FakeQemu() as qemu:
                done = self.assert_clean(self.watching(qemu, b''.join(LINES), number=number))
                self.assertIn('4 of them verified', done.out)

    def test_the_record_ends(self):
        with FakeQemu() as qemu:
            done = self.assert_clean(self.watching(qemu, b''.join(LINES), then=b''.join(FINISHED[len(LINES):])))
            self.assertIn('4 of them verified', done.out)

    def test_seconds(self):
        with FakeQemu() as qemu:
            began = time.monotonic()
            done = self.assert_clean(watch(qemu.target, 'small.jsonl', '--seconds', '1'))
            self.assertLess(time.monotonic() - began, 8)
            self.assertIn('4 of them verified', done.out)

    def test_socket(self):
        """the record out of the socket of a virtio-serial port"""
        with FakeQemu() as qemu, RawServer(b''.join(LINES)) as port:
            done = self.assert_clean(watch(qemu.target, port.target, '--seconds', '1'))
            self.assertIn('4 of them verified', done.out)

    def test_fifo(self):
        path = self.scratch() / 'fifo'
        os.mkfifo(path)
        with FakeQemu() as qemu:
            args = ['watch', '-q', qemu.target, path, '--interval', '50']
            process = start(*args)
            with open(path, 'wb', buffering=0) as fifo:
                fifo.write(b''.join(LINES))
                end = time.monotonic() + PATIENCE
                while qemu.log.count('query-status') < 4 and time.monotonic() < end:
                    time.sleep(0.02)
            done = self.assert_clean(finish(process, args))
        self.assertIn('4 of them verified', done.out)

    def test_qemu_goes_away(self):
        """in the middle: a sentence, status 1, and what was seen until then"""
        qemu = FakeQemu()
        with qemu:
            args = ['watch', '-q', qemu.target, '-', '--interval', '50']
            process = start(*args, stdin=subprocess.PIPE, bufsize=0)
            process.stdin.write(b''.join(LINES))
            end = time.monotonic() + PATIENCE
            while qemu.log.count('query-status') < 3 and time.monotonic() < end:
                time.sleep(0.02)
            qemu._client.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(BrokenPipeError):      # it may have ended by now
                process.stdin.write(FINISHED[len(LINES)])
            process.wait(PATIENCE)      # stdin stays open until then
            done = self.assert_status(finish(process, args), FAILED)
        self.assertIn('QEMU closed the monitor', done.err)
        self.assertIn('4 mappings made', done.out)


if __name__ == '__main__':
    tap.main()
