# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs viommu for the lab and the tests."""

import glob
import json
import os
import subprocess

from . import cleanup
from .errors import LabError

_ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')


def find():
    """viommu: from $VIOMMU, or from the build directory."""
    choice = os.environ.get('VIOMMU')
    found = [choice] if choice else sorted(glob.glob(os.path.join(_ROOT, 'build', '*', 'viommu')))
    found = [path for path in found if os.access(path, os.X_OK) and os.path.isfile(path)]
    if not found:
        raise LabError('viommu is not built: meson setup build && ninja -C build')
    return os.path.abspath(found[0])


def run(*arguments, seconds=120, prefix=()):
    """subprocess.CompletedProcess, with texts.  `prefix`: a command that runs viommu."""
    return subprocess.run([*prefix, find(), *arguments], stdin=subprocess.DEVNULL, text=True, timeout=seconds,
                          capture_output=True, env={**os.environ, 'NO_COLOR': '1'})


def start(*arguments):
    """In the background, in a process group of its own; ends with us."""
    return cleanup.start([find(), *arguments], stdin=subprocess.DEVNULL, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0)


def verify(*arguments, seconds=120):
    """(CompletedProcess, the JSON result) of `viommu verify --format json`."""
    process = run('verify', '--format', 'json', *arguments, seconds=seconds)
    if process.returncode not in (0, 3):
        raise LabError(f'viommu verify {" ".join(arguments)}: exit status {process.returncode}\n'
                       f'{process.stderr}{process.stdout[:2000]}')
    result = json.loads(process.stdout)
    if result['exit_status'] != process.returncode:
        raise LabError(f'exit status {process.returncode}, {result["exit_status"]} in the JSON')
    return process, result


def json_of(*arguments, seconds=120):
    """The JSON of a viommu command that has to succeed."""
    process = run(*arguments, '--format', 'json', seconds=seconds)
    if process.returncode != 0:
        raise LabError(f'viommu {" ".join(arguments)}: exit status {process.returncode}\n{process.stderr}')
    return json.loads(process.stdout)
