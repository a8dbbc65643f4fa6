# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest (L1) with a vIOMMU under QEMU."""

import os
import subprocess
import sys
import time

from . import accel as accelerators
from . import cleanup, initramfs, kernel as kernels, qemus
from .control import Control
from .errors import GuestError
from .memory import GuestMemory
from .qmp import Qmp

RECORD_PORT = '/dev/virtio-ports/org.viommu.record'
DEFAULT_IOMMU = qemus.IOMMU
DEFAULT_DEVICES = ('edu,addr=04.0', 'edu,addr=05.0')
# no_timer_check: on a busy host the timer is late, and Linux would panic at boot
# ("timer doesn't work through Interrupt-remapped IO-APIC").
PLAIN_APPEND = 'console=ttyS0 panic=-1 no_timer_check intel_iommu=on iommu=on'
DEFAULT_APPEND = PLAIN_APPEND + ' hugepagesz=1G hugepages=1 default_hugepagesz=2M hugepages=16'
BOOT_SECONDS = 120


def find_probe(choice=None):
    """viommu-probe: as told, from $VIOMMU_PROBE, or from the build directory."""
    root = os.path.join(os.path.dirname(__file__), '..', '..')
    path = choice or os.environ.get('VIOMMU_PROBE') or os.path.join(root, 'build', 'probe', 'viommu-probe')
    return os.path.abspath(path) if os.path.isfile(path) else None


class Guest(cleanup.Closing):
    """with Guest() as guest: guest.sh('viommu-probe doctor')

    Attributes: pid, dir, console (path of the log), record (path of what L1
    wrote to the record port), target (the -q argument for viommu), qmp (the
    lab's own monitor), boot_seconds."""

    def __init__(self, *, kernel=None, modules=None, qemu=None, memory='4G', smp=1,
                 iommu=DEFAULT_IOMMU, devices=DEFAULT_DEVICES, append='', cmdline=DEFAULT_APPEND,
                 qemu_args=(), programs=None, files=None, more_modules=(), accel=None, system=True,
                 progress=None):
        """`qemu`: a program, or 'qemu-10'; `kernel`: see kernel.find().
        `iommu`: properties of intel-iommu, or None for a QEMU without one.
        `append` is added to the kernel command line; `cmdline` replaces it.
        `system=False`: a QEMU that halts at once, for what needs no Linux.
        `programs`: static files for the guest's /bin, default viommu-probe.
        `files`: {path in the guest: path on the host}.  `more_modules`: to load.
        `progress`: called with a line of text now and then."""
        self._say = progress or (lambda text: None)
        self.qmp = self._control = self._process = None
        self.dir = cleanup.temp_dir()
        try:
            self._start(kernel, modules, qemus.find(qemu), memory, smp, iommu, devices,
                        f'{cmdline} {append}'.strip(), qemu_args, programs, files, more_modules, accel, system)
        except BaseException:
            self.close()
            raise

    def _path(self, name):
        return os.path.join(self.dir, name)

    def _start(self, kernel, modules, qemu, memory, smp, iommu, devices, append, qemu_args,
               programs, files, more_modules, accel, system):
        self.console = self._path('console.log')
        self.record = self._path('record.jsonl')
        self.target = 'unix:' + self._path('qmp.sock')
        self.human = 'hmp:unix:' + self._path('hmp.sock')
        argv = [qemu, '-nodefaults', '-display', 'none', '-no-reboot', '-m', memory, '-smp', str(smp)]
        if system:
            self.kernel = kernels.find(kernel, modules)
            if programs is None:
                probe = find_probe()
                programs = [probe] if probe else []
            initramfs.build(self.kernel, self._path('initramfs'), programs,
                            initramfs.MODULES + tuple(more_modules), files)
            accel = accel or accelerators.choose(qemu, self.kernel.image)
            argv += ['-kernel', self.kernel.image, '-initrd', self._path('initramfs'), '-append', append]
        else:
            with open(self._path('bios'), 'wb') as handle:
                handle.write(accelerators.HALT_BIOS)
            accel = accel or accelerators.TCG
            argv += ['-bios', self._path('bios')]
        self.accel = accel
        argv += accelerators.arguments(accel)
        for name in ('qmp', 'lab'):
            argv += ['-qmp', f'unix:{self._path(name)}.sock,server=on,wait=off']
        argv += ['-monitor', f'unix:{self._path("hmp")}.sock,server=on,wait=off',
                 '-serial', f'file:{self.console}',
                 '-device', 'virtio-serial-pci,addr=03.0',
                 # append=on: QEMU writes at the end even after we cut the file.
                 '-chardev', f'file,id=record,path={self.record},append=on',
                 '-device', 'virtserialport,chardev=record,name=org.viommu.record',
                 '-chardev', f'socket,id=control,path={self._path("control.sock")},server=on,wait=off',
                 '-device', 'virtserialport,chardev=control,name=org.viommu.control']
        if iommu is not None:
            # Before the devices: they join the vIOMMU that is there already.
            argv += ['-device', 'intel-iommu' + (',' + iommu if iommu else '')]
        for device in devices:
            argv += ['-device', device]
        argv += list(qemu_args)
        started = time.monotonic()
        with open(self._path('qemu.log'), 'wb') as log:
            self._process = cleanup.start(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.pid = self._process.pid
        self.argv = argv
        try:
            self.qmp = Qmp(self._path('lab.sock'), self._why_dead)
        except GuestError as error:
            raise GuestError(self._why_dead() or str(error)) from None
        if system:
            self._control = Control(self._path('control.sock'), self._why_dead)
            self._wait_for_boot(started)
        self.boot_seconds = time.monotonic() - started

    def _wait_for_boot(self, started):
        release = self.kernel.release or self.kernel.image
        self._say(f'booting Linux {release} under {self.accel.split(",")[0].upper()}')
        while not self._control.wait_ready(5):
            seconds = time.monotonic() - started
            if seconds > BOOT_SECONDS:
                raise GuestError(f'the guest did not boot within {BOOT_SECONDS} s\n{self.tail()}')
            self._say(f'still booting after {seconds:.0f} s: {self.tail(1).strip()}')

    def _why_dead(self):
        if self._process.poll() is None:
            return None
        with open(self._path('qemu.log'), errors='replace') as handle:
            words = handle.read().strip()
        return f'QEMU ended (status {self._process.returncode}) {words}\n{self.tail()}'

    def tail(self, lines=20):
        """The end of the guest's console."""
        try:
            with open(self.console, errors='replace') as handle:
                return '\n'.join(handle.read().rstrip().splitlines()[-lines:])
        except OSError:
            return ''

    def alive(self):
        return self._process.poll() is None

    def wait_dead(self, seconds=20):
        """False if QEMU is still there after so long."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def sh(self, script, seconds=60):
        return self._control.sh(script, seconds)

    def must(self, script, seconds=60):
        """sh(), for a script that has to succeed; its output."""
        status, text = self.sh(script, seconds)
        if status != 0:
            raise GuestError(f'status {status} from the guest for: {script}\n{text}')
        return text

    def spawn(self, command):
        return self._control.spawn(command)

    def memory(self):
        return GuestMemory(self)

    def clear_record(self):
        os.truncate(self.record, 0)

    def kill(self):
        """QEMU dies as it would by the hand of the OOM killer."""
        self._process.kill()
        self._process.wait()

    def close(self):
        for part in (self._control, self.qmp):
            if part:
                part.close()
        self._stop()
        cleanup.remove_dir(self.dir)

    def _stop(self):
        if self._process:
            cleanup.stop(self._process)


def say(text):
    """A progress function that prints."""
    print('lab:', text, file=sys.stderr, flush=True)
