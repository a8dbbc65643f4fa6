# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing stays behind: temporary directories and child processes.

Three nets, because a test can end in three ways: `with`/close() for the
normal end, atexit plus signals turned into SystemExit for Ctrl-C and SIGTERM,
and PR_SET_PDEATHSIG so that the kernel ends QEMU even when the test itself is
ended with SIGKILL (then only the temporary directory stays)."""

import atexit
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
_directories = set()
_processes = set()


def install_signal_handlers():
    """Lets SIGTERM and SIGHUP run the atexit handlers, as Ctrl-C does."""
    def leave(number, _frame):
        raise SystemExit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


class Closing:
    """What is closed at the end of a `with`."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def temp_dir(prefix='viommu-lab.'):
    path = tempfile.mkdtemp(prefix=prefix)
    _directories.add(path)
    return path


def remove_dir(path):
    _directories.discard(path)
    shutil.rmtree(path, ignore_errors=True)


def start(argv, **options):
    """subprocess.Popen whose child dies with us.  To be called from the main
    thread: the death signal follows the thread that forked."""
    parent = os.getpid()

    def bind_to_parent():
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    process = subprocess.Popen(argv, preexec_fn=bind_to_parent, **options)
    _processes.add(process)
    return process


def stop(process):
    """Ends a process of start() and waits for it."""
    _processes.discard(process)
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


@atexit.register
def _stop_everything():
    for process in list(_processes):
        stop(process)
    for path in list(_directories):
        remove_dir(path)
