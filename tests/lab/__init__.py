# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab: real guests (L1) with a vIOMMU, built and booted from a script."""
