# SPDX-License-Identifier: GPL-2.0-or-later
"""What can go wrong in the lab, in words for the person who runs it."""


class LabError(Exception):
    """The lab could not do its job; the text says what to do next."""


class Unavailable(LabError):
    """Something the lab needs (QEMU, a kernel) is not to be had here.
    Tests turn this into a skip."""


class GuestError(LabError):
    """The guest did not boot, died, or did not answer in time."""
