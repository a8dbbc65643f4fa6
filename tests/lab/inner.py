# SPDX-License-Identifier: GPL-2.0-or-later
"""The inner guest of nested.Nested, and its memory as seen from here."""

import base64
import os
import shlex
import struct
import time

from . import accel as accelerators
from . import carry
from .control import Control
from .errors import GuestError
from .memory import PAGE, GuestMemory
from .qmp import Qmp

BOOT_SECONDS = 300
RUN = '/run/inner'             # in the outer guest
PORTS = '/dev/virtio-ports/org.viommu.'
SOCKETS = ('qmp', 'lab', 'hmp', 'control', 'shell')
# What takes time to emulate, or to probe, and nobody misses.
_LEAN = ('-bios', 'qboot.rom', '-machine', 'smbus=off,sata=off,usb=off,vmport=off',
         '-global', 'ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off')
_LOW = _BLOCK = 2 << 20         # below the first there are ROMs
_PRESENT = 1 << 63
_PFN = (1 << 55) - 1


class Inner:
    """The inner guest, used as guest.Guest is.

    Attributes: record and console (paths here), outer_record (in the outer
    guest), target (-q for a viommu here), socket (-q for a viommu in the outer
    guest), qmp, pid (of its QEMU, in the outer guest), boot_seconds."""

    def __init__(self, lab, accel, iommu, append, memory, args):
        self._lab = lab
        self._control = self.qmp = self._process = None
        self.record, self.console = lab.path('inner-record'), lab.path('inner-console')
        self.outer_record = f'{RUN}/record.jsonl'
        self.target = 'unix:' + lab.path('inner-qmp.sock')
        self.socket = f'unix:{RUN}/qmp.sock'
        self._command = shlex.join(self._arguments(accel, iommu, append, memory, args))
        self._asked, self._dead = 0, None

    def _arguments(self, accel, iommu, append, memory, args):
        argv = [*carry.QEMU, '-nodefaults', '-display', 'none', '-no-reboot', '-m', memory,
                *accelerators.arguments(accel), *_LEAN,
                '-kernel', '/inner/kernel', '-initrd', '/inner/initramfs', '-append', append]
        for name in ('qmp', 'lab'):
            argv += ['-qmp', f'unix:{RUN}/{name}.sock,server=on,wait=off']
        argv += ['-monitor', f'unix:{RUN}/hmp.sock,server=on,wait=off',
                 '-serial', f'file:{PORTS}inner-console',
                 '-serial', f'unix:{RUN}/shell.sock,server=on,wait=off',
                 '-device', 'virtio-serial-pci,addr=03.0',
                 '-chardev', f'file,id=record,path={PORTS}inner-record,logfile={self.outer_record},logappend=on',
                 '-device', 'virtserialport,chardev=record,name=org.viommu.record',
                 '-chardev', f'socket,id=control,path={RUN}/control.sock,server=on,wait=off',
                 '-device', 'virtserialport,chardev=control,name=org.viommu.control']
        if iommu is not None:
            argv += ['-device', 'intel-iommu' + (',' + iommu if iommu else '')]
        for bdf in self._lab.devices:
            argv += ['-device', f'vfio-pci,host=0000:{bdf},addr={bdf[3:]},rombar=0']
        return argv + list(args)

    def boot(self, say, step):
        started = time.monotonic()
        self._lab.outer.must(f'rm -f {RUN}/*')
        self._process = self._lab.outer.spawn(self._command)
        self.pid = self._process.pid
        self._wait_for_monitor()
        step('inner QEMU')
        try:
            self.qmp = Qmp(self._lab.path('inner-lab.sock'), self._why_dead)
            self._control = Control(self._lab.path('inner-control.sock'), self._why_dead)
        except (GuestError, OSError) as error:
            raise GuestError(self._last_words() or str(error)) from None
        while not self._control.wait_ready(5):
            seconds = time.monotonic() - started
            if seconds > BOOT_SECONDS:
                raise GuestError(f'the inner guest did not boot within {BOOT_SECONDS} s\n{self.tail()}')
            say(f'the inner guest is still booting after {seconds:.0f} s: {self.tail(1).strip()}')
        self.boot_seconds = time.monotonic() - started
        step('inner')

    def _wait_for_monitor(self):
        script = f'until [ -S {RUN}/control.sock ] || ! kill -0 {self.pid} 2>/dev/null; do usleep 50000; done'
        self._lab.outer.must(script, BOOT_SECONDS)

    def _last_words(self):
        """A QEMU that dies closes its sockets before it is gone."""
        for _ in range(20):
            self._asked = 0
            if dead := self._why_dead():
                return dead
            time.sleep(0.2)
        return None

    def _why_dead(self):
        if not self._lab.outer.alive():
            return 'the outer guest is gone'
        # A question to the outer guest takes time from the inner one.
        if not self._dead and time.monotonic() - self._asked > 3:
            status = self._process.poll()
            self._asked = time.monotonic()
            if status is not None:
                self._dead = f'the inner QEMU ended (status {status}) {self.output()}\n{self.tail()}'
        return self._dead

    def output(self):
        """What the inner QEMU printed."""
        return self._process.output().strip()

    def tail(self, lines=20):
        try:
            with open(self.console, errors='replace') as handle:
                return '\n'.join(handle.read().rstrip().splitlines()[-lines:])
        except OSError:
            return ''

    def alive(self):
        return self._lab.outer.alive() and self._process.poll() is None

    def sh(self, script, seconds=120):
        return self._control.sh(script, seconds)

    def must(self, script, seconds=120):
        status, text = self.sh(script, seconds)
        if status != 0:
            raise GuestError(f'status {status} from the inner guest for: {script}\n{text}')
        return text

    def spawn(self, command):
        return self._control.spawn(command)

    def memory(self):
        return InnerMemory(self._lab)

    def poke(self, gpa, data):
        """Writes to the guest's memory from the outer guest.  What is written
        from here is not seen by TCG as a change of code."""
        memory = self.memory()
        address = memory.address(gpa, len(data))
        memory.close()
        text = ''.join(f'\\x{byte:02x}' for byte in data)
        self._lab.outer.must(f"printf '{text}' | dd of=/proc/{self.pid}/mem bs={len(data)} count=1 "
                             f'seek={address} oflag=seek_bytes conv=notrunc 2>&1')

    def clear_record(self):
        os.truncate(self.record, 0)
        self._lab.outer.must(f': >{self.outer_record}')

    def append_record(self, text):
        """As if the guest had said it."""
        with open(self.record, 'a') as handle:
            handle.write(text)
        self._lab.outer.must(f'printf %s {shlex.quote(text)} >>{self.outer_record}')

    def cut_record(self, size):
        os.truncate(self.record, size)
        self._lab.outer.must(f'truncate -s {size} {self.outer_record}')

    def stop(self):
        self.close()
        self._process.signal('TERM')
        self._process.wait()

    def close(self):
        for part in (self._control, self.qmp):
            if part:
                part.close()
        self._control = self.qmp = None


class InnerMemory(GuestMemory):
    """From a GPA of the inner guest to the address in its QEMU (gpa2hva), to
    the GPA of the outer guest (pagemap), to our memory."""

    def __init__(self, lab):
        self._lab, self._qmp, self._pages = lab, lab.inner.qmp, {}
        self._outer = lab.outer.memory()
        self._pagemap = {}

    def address(self, gpa, length):
        """One question for 2 MiB of what is RAM throughout."""
        if gpa < _LOW or (gpa & (PAGE - 1)) + length > PAGE:
            return super().address(gpa, length)
        return super().address(gpa & -_BLOCK, 1) + gpa % _BLOCK

    def _entries(self, page):
        """512 entries of the pagemap, those about a page among them."""
        block = page // 512
        if block not in self._pagemap:
            text = self._lab.outer.must(f'dd if=/proc/{self._lab.inner.pid}/pagemap bs=4096 skip={block} count=1 '
                                        '2>/dev/null | base64')
            self._pagemap[block] = struct.unpack('<512Q', base64.b64decode(text))
        return self._pagemap[block]

    def outer_gpa(self, gpa):
        """Where a byte of the inner guest is in the outer guest, or None: the
        right target of the outer table's entry."""
        address = self.address(gpa, 1)
        entry = self._entries(address // PAGE)[address // PAGE % 512]
        return (entry & _PFN) * PAGE + address % PAGE if entry & _PRESENT else None

    def forget(self):
        """Pages that are not pinned may have moved."""
        self._pagemap = {}

    def _place(self, gpa):
        place = self.outer_gpa(gpa)
        if place is None:
            self.forget()
            place = self.outer_gpa(gpa)
        if place is None:
            raise GuestError(f'the inner guest has no memory at GPA {gpa:#x} yet')
        return place

    def read(self, gpa, length):
        return self._outer.read(self._place(gpa), length)

    def write(self, gpa, data):
        self.forget()
        self._outer.write(self._place(gpa), data)

    def close(self):
        self._outer.close()
