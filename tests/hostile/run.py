# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs of viommu that must end well, soon, and in little memory.

VIOMMU is the path of the program."""

import json
import os
import pathlib
import re
import resource
import select
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.dont_write_bytecode = True

VIOMMU = os.environ.get('VIOMMU')
CLEAN, FAULT, REJECTED = 0, 3, 4

COMPLAINTS = re.compile(r'Sanitizer|runtime error:|-CRITICAL|-WARNING|[Aa]ssertion')
UNSAFE = re.compile('[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]')


def _is_sanitized():
    try:
        return b'__asan_init' in pathlib.Path(VIOMMU).read_bytes()
    except (OSError, TypeError):
        return False


SANITIZED = _is_sanitized()


def _environment():
    env = {name: os.environ[name] for name in ('PATH', 'HOME', 'TMPDIR', 'LD_LIBRARY_PATH') if name in os.environ}
    return {**env, 'LC_ALL': 'C.UTF-8', 'G_DEBUG': 'fatal-warnings',
            'ASAN_OPTIONS': 'exitcode=99', 'UBSAN_OPTIONS': 'halt_on_error=1:exitcode=98:print_stacktrace=1',
            'LSAN_OPTIONS': 'exitcode=97'}


# Limits of each run. A second of CPU time is what is wanted, and what the summary shows; a machine
# can be slow, or busy.
SECONDS = 60 if SANITIZED else 10
MEMORY = 500 << 20      # of address space


class Unacceptable(AssertionError):
    """viommu did what it must never do, whatever its input."""


class Done:
    """A run that has ended: status, out and err (texts), cpu (seconds)."""

    def __init__(self, args, status, out, err, cpu):
        self.args, self.status, self.cpu = args, status, cpu
        self.out, self.err = out.decode(), err.decode()

    def check(self):
        if not 0 <= self.status <= 4 or COMPLAINTS.search(self.err):
            raise Unacceptable(str(self))
        for text in (self.out, self.err):
            found = UNSAFE.search(text)
            if found:
                raise Unacceptable(f'{self}\n{found.group()!r} reaches the terminal')
        return self

    @property
    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f'viommu {" ".join(self.args)}\nexit status {self.status}\n{self.err[-3000:]}{self.out[:1500]}'


def run(*args, directory):
    """Runs viommu to its end, in `directory`."""
    with open(directory / 'stdout', 'w+b') as out, open(directory / 'stderr', 'w+b') as err:
        process = subprocess.Popen([VIOMMU, *args], stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=directory,
                                   env=_environment())
        resource.prlimit(process.pid, resource.RLIMIT_CPU, (SECONDS, SECONDS))
        if not SANITIZED:   # a sanitizer reserves terabytes
            resource.prlimit(process.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
        handle = os.pidfd_open(process.pid)
        if not select.select([handle], [], [], 12 * SECONDS)[0]:
            process.kill()
            process.wait()
            raise Unacceptable(f'viommu {" ".join(args)}: still running')
        os.close(handle)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        return Done(args, process.returncode, out.read(), err.read(), usage.ru_utime + usage.ru_stime).check()
