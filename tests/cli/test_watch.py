#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu watch: streams and monitors that are not as they should be, and what
it says while a record is being written."""

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import termios
import time

from cli import FAILED, FAULT, REJECTED, USAGE, Case, finish, run, start
from corefile import Snapshot
from fake_qmp import DATA, FakeQemu, RawServer

import large
import tap

LINES = (DATA / 'small.jsonl').read_bytes().splitlines(keepends=True)
FINISHED = (DATA / 'finished.jsonl').read_bytes().splitlines(keepends=True)
LISTED = 4096           # in JSON, of one look
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
            self.assertEqual(done.out.splitlines()[-1],
                             "OK: all 4 mappings that were made were seen in the vIOMMU's tables as L1 asked")
            self.assertEqual(qemu.forbidden(), [])

    def test_fault(self):
        with FakeQemu('wrong-address.elf') as qemu:
            done = self.assert_clean(self.watching(qemu, b''.join(LINES), until=1), FAULT)
        self.assertIn('wrong-address  00:04.0  IOVA 0x', done.out)
        self.assertEqual(done.out.count('wrong-address  00:04.0'), 1, 'told once')
        self.assertEqual(done.out.splitlines()[-1], 'FAULT: 1 page was not as L1 asked')

    def test_json(self):
        """one object a line; the last one is the sum"""
        with FakeQemu('missing.elf') as qemu:
            done = self.assert_clean(self.watching(qemu, b''.join(LINES), '--format', 'json', until=1), FAULT)
        first, *_, last = map(json.loads, done.out.splitlines())
        self.assertEqual((first['event'], first['verdict']), ('fault', 'missing'))
        self.assertEqual((last['event'], last['format'], last['faulty_pages']), ('summary', 'viommu-watch', 1))
        self.assertEqual((last['result'], last['sentence']), ('fault', '1 page was not as L1 asked'))

    def test_one_is_no_plural(self):
        record = {**json.loads(LINES[0])}, *({**json.loads(line)} for line in LINES[1:3])
        with FakeQemu() as qemu:
            data = b''.join(json.dumps(event).encode() + b'\n' for event in record)
            done = watch(qemu.target, '-', '--interval', '50', data=data)
        self.assertRegex(done.out, r'\A2 events, 1 mapping made, \d of them verified, \d looks?, ')
        self.assertNotRegex(done.out, r'\b1 (events|mappings|looks|faulty pages)\b')
        self.assertIn('1 look', done.out)

    def status_lines(self, columns, **env):
        """What stands on a terminal of so many columns, one after the other."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
        with FakeQemu() as qemu:
            process = start('watch', '-q', qemu.target, 'small.jsonl', '--seconds', '1', stderr=theirs, env=env)
            os.close(theirs)
            said = b''
            with contextlib.suppress(OSError):      # EIO: the other end is closed
                while piece := os.read(ours, 65536):
                    said += piece
            process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 0)
        return [line for line in said.decode().split('\r\033[K') if line]

    def test_fits_the_terminal(self):
        whole = self.status_lines(200)
        self.assertGreater(len(whole[0]), 80)
        for columns, env, room in ((40, {}, 40), (40, {'COLUMNS': '60'}, 40), (0, {'COLUMNS': '60'}, 60), (0, {}, 80),
                                   (0, {'COLUMNS': 'x'}, 80), (0, {'COLUMNS': '0'}, 80), (3, {}, 3)):
            with self.subTest(columns=columns, env=env):
                lines = self.status_lines(columns, **env)
                self.assertTrue(lines)
                for line in lines:
                    self.assertLess(len(line), room)
                    self.assertTrue(whole[0].startswith(line[:8]))

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

    def test_redirected_file(self):
        """standard input has an end, whatever it is; a file that is named is followed"""
        path = self.scratch() / 'record'
        path.write_bytes(b''.join(LINES))
        with FakeQemu() as qemu, open(path, 'rb') as file:
            done = self.assert_clean(run('watch', '-q', qemu.target, '-', stdin=file))
            self.assertIn('4 of them verified', done.out)
        with FakeQemu() as qemu:
            args = ['watch', '-q', qemu.target, path, '--interval', '50']
            process = start(*args)
            self.wait_for_looks(qemu, 3)
            with open(path, 'ab') as file:
                file.write(b''.join(FINISHED[len(LINES):]))
            done = self.assert_clean(finish(process, args))
            self.assertIn(f'{len(FINISHED) - 1} events', done.out)

    def wait_for_looks(self, qemu, looks):
        end = time.monotonic() + PATIENCE
        while qemu.log.count('query-status') < looks and time.monotonic() < end:
            time.sleep(0.02)

    def test_fifo(self):
        path = self.scratch() / 'fifo'
        os.mkfifo(path)
        with FakeQemu() as qemu:
            args = ['watch', '-q', qemu.target, path, '--interval', '50']
            process = start(*args)
            with open(path, 'wb', buffering=0) as fifo:
                fifo.write(b''.join(LINES))
                self.wait_for_looks(qemu, 4)
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
        self.assertNotIn('OK', done.out)


class Unfinished(Case):
    """A record that does not end with a mark or its end is taken as verify takes it."""

    def assert_unverified(self, data, done, qemu, pages):
        self.assert_clean(done)
        last = done.out.splitlines()[-1]
        self.assertTrue(last.startswith('UNVERIFIED: no page was found wrong, but not all could be verified: '), done.out)
        self.assertIn(f'{pages} page', last)
        self.assertNotIn('unexpected', done.out)
        self.assertIn('0 faulty pages at the last, 0 in all', done.out)
        same = self.assert_clean(run('verify', '-q', qemu.target, '-', data=data))
        self.assertIn(f'unverified {pages})', same.out)
        for text in last, same.out:
            self.assertIn('the record does not end with a mark or its end', text)

    def in_each_way(self, data, snapshot='clean.elf'):
        """A pipe and a FIFO whose writer goes away, a file that rests, a pipe that does: name, Done, QEMU"""
        folder = self.scratch()
        with FakeQemu(snapshot) as qemu:
            yield 'pipe', watch(qemu.target, '-', data=data), qemu
        with FakeQemu(snapshot) as qemu:
            os.mkfifo(folder / 'fifo')
            args = ['watch', '-q', qemu.target, folder / 'fifo']
            process = start(*args)
            (folder / 'fifo').write_bytes(data)
            yield 'fifo', finish(process, args).check(), qemu
        with FakeQemu(snapshot) as qemu:
            (folder / 'file').write_bytes(data)
            yield 'file', watch(qemu.target, folder / 'file', '--seconds', '1', '--interval', '50'), qemu
        with FakeQemu(snapshot) as qemu:
            args = ['watch', '-q', qemu.target, '-', '--seconds', '1', '--interval', '50']
            process = start(*args, stdin=subprocess.PIPE, bufsize=0)
            process.stdin.write(data)
            process.wait(PATIENCE)
            yield 'open pipe', finish(process, args).check(), qemu

    def test_maps_left_out(self):
        """what the table has and the part does not ask for"""
        data = b''.join(LINES[:4])
        for name, done, qemu in self.in_each_way(data):
            with self.subTest(stream=name):
                self.assert_unverified(data, done, qemu, 8)

    def test_unmaps_left_out(self):
        """what the part asks for and the table has not"""
        data = b''.join(LINES[:-1])
        for name, done, qemu in self.in_each_way(data, 'missing.elf'):
            with self.subTest(stream=name):
                self.assert_unverified(data, done, qemu, 1)

    def test_torn_line(self):
        data = b''.join(LINES)[:-20]
        for name, done, qemu in self.in_each_way(data, 'missing.elf'):
            with self.subTest(stream=name):
                self.assert_unverified(data, done, qemu, 1)
                self.assertIn('the last line of the record is not whole and was left out', done.out)

    def test_nothing(self):
        """a stream that ends before its record begins is none"""
        for data in b'', LINES[0][:50]:
            with self.subTest(data=data), FakeQemu() as qemu:
                done = self.assert_status(watch(qemu.target, '-', data=data), REJECTED)
                self.assertIn('- is not a usable record: ', done.err)

    def test_traced(self):
        """no marks, and no claim to be complete: all there is, for as long as its writer has it open"""
        data = b''.join(LINES[:-1]).replace(b'"complete":true', b'"complete":false')
        for name, done, qemu in self.in_each_way(data, 'missing.elf'):
            with self.subTest(stream=name):
                if name == 'open pipe':
                    self.assert_clean(done, FAULT)
                    self.assertIn('missing  00:04.0', done.out)
                else:
                    self.assert_unverified(data, done, qemu, 1)

    def test_came_and_went(self):
        """a mapping that no look could see is not verified"""
        gone = [{'event': 'map', 'space': 1, 'iova': '0x80000000', 'size': '0x1000', 'prot': 'rw', 'gpa_unknown': 'no'},
                {'event': 'unmap', 'space': 1, 'iova': '0x80000000', 'size': '0x1000'}]
        events = [json.loads(LINES[1]), *gone, *map(json.loads, LINES[2:])]
        data = LINES[0] + b''.join(json.dumps({**event, 'seq': i}).encode() + b'\n' for i, event in enumerate(events, 1))
        with FakeQemu() as qemu:
            done = self.assert_clean(watch(qemu.target, '-', data=data))
        self.assertEqual(done.out.splitlines()[-1], 'UNVERIFIED: no page was found wrong, but not all could be verified: '
                         '1 of 5 mappings was seen by no look as a whole')


class Many(Case):
    """More faults than anybody reads."""

    def test_text(self):
        """as verify: one story is told once, with some of its further runs, and how many are left out"""
        data = b''.join([*LINES[:2], json.dumps({'seq': 2, 'event': 'mark', 'name': 'held'}).encode() + b'\n'])
        with FakeQemu() as qemu:
            done = self.assert_clean(watch(qemu.target, '-', '--interval', '50', data=data), FAULT)
            whole = self.assert_clean(watch(qemu.target, '-', '--interval', '50', '--all', data=data), FAULT)
            same = self.assert_clean(run('verify', '-q', qemu.target, '-', data=data), FAULT)
        self.assertEqual(done.out.count('unexpected  00:04.0'), 1)
        left = re.search(r'\n… and (\d+) more runs of pages; --all shows every one\n', same.out)[0]
        self.assertIn(left, done.out)
        self.assertNotIn('more runs', whole.out)
        self.assertGreater(whole.out.count('IOVA 0x'), done.out.count('IOVA 0x'))
        self.assertIn('FAULT: 16 pages were not as L1 asked', done.out)

    def test_json(self):
        pages, wrong = 17 << 9, set(range(0, 2 * (LISTED + 5), 2))
        path = self.scratch() / 'large.elf'
        path.write_bytes(large.snapshot(wrong, pages))
        data = ''.join(large.record(512, pages)).encode()
        with FakeQemu(Snapshot.read(path)) as qemu:
            done = self.assert_clean(watch(qemu.target, '-', '--format', 'json', data=data), FAULT)
        lines = [json.loads(line) for line in done.out.splitlines()]
        self.assertEqual([line['event'] for line in lines[-2:]], ['left-out', 'summary'])
        self.assertEqual(sum(line['event'] == 'fault' for line in lines), LISTED)
        self.assertEqual((lines[-2]['runs'], lines[-2]['pages']), (5, 5))
        self.assertEqual(lines[-1]['faulty_pages'], LISTED + 5)


if __name__ == '__main__':
    tap.main()
