# SPDX-License-Identifier: GPL-2.0-or-later
"""What the nested tests share."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))

from lab.errors import Unavailable                          # noqa: E402
from lab.held import Held                                   # noqa: E402
from lab.nested import BDF, Nested                          # noqa: E402


def start(**options):
    """A Nested; skips the tests where it cannot be had (VIOMMU_VM_REQUIRED=1
    makes that a failure)."""
    try:
        return Nested(**options)
    except Unavailable as error:
        if os.environ.get('VIOMMU_VM_REQUIRED') == '1':
            raise
        raise unittest.SkipTest(str(error)) from None


__all__ = ['BDF', 'Held', 'start']
