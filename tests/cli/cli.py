# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of viommu's command line share.

VIOMMU is the path of the program. Every run is also a test of what must never
happen: a signal, a sanitizer's report, a complaint of GLib, a control character
on its way to a terminal."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
DATA = TOP / 'tests' / 'data' / 'cli'
sys.path.insert(0, str(HERE.parent))
sys.dont_write_bytecode = True

VIOMMU = os.environ.get('VIOMMU')
COMMANDS = ('list', 'verify', 'report', 'watch', 'walk', 'dump', 'info', 'diff', 'doctor', 'explain', 'trace', 'capture')

CLEAN, FAILED, USAGE, FAULT, REJECTED = range(5)

# What a terminal or a reader may take for something else than text: controls but
# newline, C1, invisible and bidirectional ones.
UNSAFE = re.compile('[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]')
PROGRESS = re.compile(r'^viommu: [\d,]+ table pages read\n', re.MULTILINE)
COMPLAINTS = re.compile(r'Sanitizer|runtime error:|-CRITICAL|-WARNING|Assertion|assertion')


def environment(**more):
    """Of each run: nothing of the caller's that changes the output."""
    env = {name: os.environ[name] for name in ('PATH', 'HOME', 'TMPDIR', 'LD_LIBRARY_PATH') if name in os.environ}
    env.update(LC_ALL='C.UTF-8', TERM='xterm', G_DEBUG='fatal-warnings',
               ASAN_OPTIONS='exitcode=99:detect_stack_use_after_return=1:allocator_may_return_null=1',
               UBSAN_OPTIONS='halt_on_error=1:exitcode=98:print_stacktrace=1',
               LSAN_OPTIONS='exitcode=97')
    env.update(more)
    return {name: value for name, value in env.items() if value is not None}


def _is_sanitized():
    with contextlib.suppress(OSError, TypeError):
        return b'__asan_init' in pathlib.Path(VIOMMU).read_bytes()
    return False


SANITIZED = _is_sanitized()
PATIENCE = 120 if SANITIZED else 30     # seconds, for a run that must end by itself


class Unacceptable(AssertionError):
    """viommu did what it must never do, whatever its arguments."""


class Done:
    """A run that has ended: status, out, err (texts).  What it said of its
    progress, as any run may on a busy machine, is not in err."""

    def __init__(self, args, status, out, err):
        self.args, self.status = args, status
        self.command = ascii(' '.join(['viommu', *map(str, args)])).strip("'")  # arguments can be hostile
        self.out, self.err = self._text(out, 'stdout'), PROGRESS.sub('', self._text(err, 'stderr'))

    def _text(self, data, name):
        try:
            return data.decode('utf-8')
        except UnicodeDecodeError as error:
            raise Unacceptable(f'{self.command}: {name} is not UTF-8: {error}') from None

    def check(self):
        if not 0 <= self.status <= 4 or COMPLAINTS.search(self.err):
            raise Unacceptable(f'{self}')
        for name, text in (('stdout', self.out), ('stderr', self.err)):
            found = UNSAFE.search(text)
            # JSON's own escapes leave out DEL, which terminals ignore.
            if found and not (found.group() == '\x7f' and text.startswith('{')):
                raise Unacceptable(f'{self.command}: {name} has {found.group()!r} in it: '
                                   f'{text[max(0, found.start() - 60):found.end() + 60]!r}')
        return self

    @property
    def json(self):
        return json.loads(self.out)

    def __str__(self):
        text = f'{self.command}\nexit status {self.status}\n{self.err[-4000:]}{self.out[:2000]}'
        return UNSAFE.sub(lambda found: ascii(found.group()), text)


def start(*args, env=None, program=None, prefix=(), **options):
    """A subprocess.Popen of viommu in tests/data/cli, stdin empty unless given."""
    options = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'cwd': DATA,
               **options}
    return subprocess.Popen([*prefix, program or VIOMMU, *args], env=environment(**(env or {})), **options)


def finish(process, args, data=None, seconds=None):
    """The Done of a process of start(), unchecked."""
    try:
        out, err = process.communicate(data, timeout=seconds or PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise Unacceptable(f'viommu {args}: still running after {seconds or PATIENCE} s\n{err}') from None
    return Done(args, process.returncode, out or b'', err or b'')


def run(*args, data=None, seconds=None, check=True, **options):
    """Runs viommu to its end. `data`: bytes for its stdin."""
    if data is not None:
        options['stdin'] = subprocess.PIPE
    done = finish(start(*args, **options), args, data, seconds)
    return done.check() if check else done


def in_parallel(function, items):
    """[function(item) for item in items], several at a time."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(function, items))


def number(text):
    """An address as viommu's JSON has it."""
    if not re.fullmatch('0x(0|[1-9a-f][0-9a-f]*)', text):
        raise Unacceptable(f'{text!r} is not an address')
    return int(text, 16)


@unittest.skipUnless(VIOMMU, 'VIOMMU is not set')
class Case(unittest.TestCase):
    maxDiff = 4000

    def need_somebody_else(self):
        """Only root can become somebody else, who then has to get at the program and the fixtures."""
        if os.geteuid() != 0:
            self.skipTest('only root can become somebody else')
        script = 'for path; do test -r "$path" || exit 1; done'
        seen = subprocess.run(['/bin/sh', '-c', script, 'sh', VIOMMU, str(DATA)], user=65534, group=65534,
                              extra_groups=[], cwd='/', check=False).returncode
        if seen != 0:
            self.skipTest('somebody else cannot get at the program here (a folder above it is closed)')

    def scratch(self):
        """A directory that goes with the test; world-readable, for other users."""
        path = pathlib.Path(tempfile.mkdtemp(prefix='viommu-cli.'))
        path.chmod(0o755)
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        return path

    def assert_status(self, done, status):
        self.assertEqual(done.status, status, f'\n{done}')
        return done

    def assert_says(self, done, status, *pieces, lines=1):
        """Ended with this status, printed nothing but one sentence, which begins
        with the command's name and has these pieces in it."""
        self.assert_status(done, status)
        self.assertEqual(done.out, '', f'\n{done}')
        said = done.err.splitlines()
        if status == USAGE:
            self.assertRegex(said[-1], r'^Try: viommu \w+ --help$')
            said.pop()
        self.assertEqual(len(said), lines, f'\n{done}')
        self.assertTrue(said[-1].startswith(f'viommu {done.args[0]}: '), f'\n{done}')
        for piece in pieces:
            self.assertIn(piece, done.err)
        return done

    def assert_clean(self, done, status=CLEAN):
        """Ended with this status and had nothing to say on stderr."""
        self.assert_status(done, status)
        self.assertEqual(done.err, '', f'\n{done}')
        return done
