# SPDX-License-Identifier: GPL-2.0-or-later
"""Which QEMU accelerator really works here.

/dev/kvm may exist and still be useless: some sandboxes offer one that runs
only guests built for it.  There, a handful of instructions in long mode pass
and Linux hangs in its first steps; so the question is put to a whole kernel,
once per QEMU and boot of the host, and the answer is kept in the cache."""

import hashlib
import os
import subprocess
import time

from . import cleanup
from .kernel import cache_dir

TCG = 'tcg,thread=single'       # multi-threaded TCG loses timers on QEMU 10.0
KVM = 'kvm'
_FIRST_LINE_SECONDS = 5
_WHOLE_SECONDS = 20

# 64 KiB of BIOS that does `cli; 1: hlt; jmp 1b`, for guests with no system.
_HALT_RESET = bytes.fromhex('faf4ebfd')
HALT_BIOS = bytes(0x10000 - 16) + _HALT_RESET + bytes(16 - len(_HALT_RESET))


def arguments(accel):
    """QEMU's options; intremap=on needs the split irqchip under KVM."""
    if accel == KVM:
        return ['-machine', 'q35,kernel-irqchip=split', '-accel', KVM, '-cpu', 'host']
    # The default CPU has no 1 GiB pages.
    return ['-machine', 'q35', '-accel', accel, '-cpu', 'qemu64,+pdpe1gb']


def _boots_linux(qemu, image):
    """True when the kernel comes as far as missing its root file system."""
    directory = cleanup.temp_dir()
    console = os.path.join(directory, 'console')
    argv = [qemu, *arguments(KVM), '-m', '512M', '-nodefaults', '-display', 'none',
            '-no-reboot', '-serial', 'file:' + console, '-kernel', image,
            '-append', 'console=ttyS0 panic=-1']
    process = cleanup.start(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL)
    started = time.monotonic()
    text = b''
    try:
        while True:
            if os.path.exists(console):
                with open(console, 'rb') as handle:
                    text = handle.read()
            if b'Kernel panic' in text or process.poll() is not None:
                return b'Unable to mount root' in text
            limit = _WHOLE_SECONDS if b'Linux version' in text else _FIRST_LINE_SECONDS
            if time.monotonic() - started > limit:
                return False
            time.sleep(0.05)
    finally:
        cleanup.stop(process)
        cleanup.remove_dir(directory)


def choose(qemu, image):
    """KVM or TCG, for this QEMU and a kernel image."""
    wanted = os.environ.get('VIOMMU_LAB_ACCEL')
    if wanted:
        return TCG if wanted == 'tcg' else wanted
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return TCG
    with open('/proc/sys/kernel/random/boot_id') as handle:
        key = f'{handle.read().strip()} {qemu}'
    path = os.path.join(cache_dir(), 'accel-' + hashlib.sha256(qemu.encode()).hexdigest()[:8])
    if os.path.exists(path):
        with open(path) as handle:
            known, _, answer = handle.read().partition('\n')
        if known == key:
            return answer
    answer = KVM if _boots_linux(qemu, image) else TCG
    with open(path + f'.{os.getpid()}', 'w') as handle:
        handle.write(f'{key}\n{answer}')
    os.replace(handle.name, path)
    return answer
