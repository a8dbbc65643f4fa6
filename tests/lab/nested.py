# SPDX-License-Identifier: GPL-2.0-or-later
"""Three levels with no special hardware: a QEMU here runs the outer guest,
which binds a device to vfio-pci and gives it to a QEMU of its own, which runs
the inner guest behind a vIOMMU.

    here   viommu, and all that the tests look at
    outer  plays L0: Linux with a (virtual) IOMMU, vfio-pci, QEMU, viommu
    inner  plays L1: Linux with the vIOMMU of the outer guest's QEMU, viommu-probe

Everything of the inner guest that has a socket in the outer guest has one here
too (bridge.py); its record and its console are files here as they grow."""

import base64
import json
import os
import shlex
import time
import zlib

from . import accel as accelerators
from . import carry, cleanup, initramfs, kernel as kernels, qemus, viommu
from .bridge import Bridge
from .errors import LabError, Unavailable
from .guest import PLAIN_APPEND, Guest, find_probe
from .inner import PORTS, RUN, SOCKETS, Inner

BDF = '00:04.0'                 # of the first assigned device, in both guests
OUTER_APPEND = PLAIN_APPEND + ' quiet mitigations=off'
# What the inner guest can do without, it need not wait for.
APPEND = OUTER_APPEND + ' 8250.nr_uarts=2 i8042.noaux i8042.nokbd'
OUTER_IOMMU = qemus.IOMMU + ',aw-bits=48'
DEVICES = ('edu',)
FIRST_SLOT = 4
# With SVM, which TCG emulates, KVM runs in the outer guest: an inner guest that is
# translated once, and not twice, is up in seconds and not in minutes.
SVM_CPU = 'qemu64,+pdpe1gb,+svm,+npt'
KVM_MODULES = ('kvm-amd',)
_ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')


def find_bridge():
    path = os.environ.get('VIOMMU_NESTED_BRIDGE') or os.path.join(_ROOT, 'build', 'tests', 'nested', 'nested-bridge')
    if not os.path.isfile(path):
        raise LabError('nested-bridge is not built: meson setup build && ninja -C build')
    return path


def _kernel(choice):
    if choice:
        return kernels.find(choice)
    try:
        return kernels.find(kernels.SMALL)
    except Unavailable:
        return kernels.find()


class Nested(cleanup.Closing):
    """with Nested() as lab: lab.inner.must('viommu-probe doctor')

    Attributes: outer (guest.Guest), inner (Inner), devices (the BDFs of the
    assigned devices, the same in both guests), dir, steps (seconds by name)."""

    def __init__(self, *, devices=DEVICES, iommu=qemus.IOMMU, outer_iommu=OUTER_IOMMU, append='', outer_append='',
                 kernel=None, outer_kernel=None, qemu=None, outer_qemu=None, accel=None,
                 memory='256M', outer_memory='1G', inner_args=(), outer_args=(), programs=None, modules=(),
                 outer_modules=(), start=True, progress=None):
        """`devices`: what the outer QEMU emulates and the inner guest gets.
        `iommu`, `append` (to the command line of the kernel), `kernel`, `qemu`,
        `memory`, `accel`: of the inner guest; those with `outer_` of the outer.
        `programs`: static files for /bin of both.  `inner_args`, `outer_args`:
        more arguments for QEMU.  `modules`, `outer_modules`: more for a kernel that
        has modules.  The kernel is the lab's small one, or Debian's
        where that is not built.  `start=False`: start_inner() comes later."""
        self._say = progress or (lambda text: None)
        self.steps, self._since = {}, time.monotonic()
        self.outer = self.inner = self._bridge = None
        self.devices = [f'00:{FIRST_SLOT + i:02x}.0' for i in range(len(devices))]
        self._accel = accel
        self._options = {'iommu': iommu, 'append': append, 'memory': memory, 'args': inner_args}
        self.dir = cleanup.temp_dir()
        try:
            self._prepare(_kernel(kernel), qemu, programs, modules)
            self._start_outer(devices, _kernel(outer_kernel), outer_qemu, outer_memory, outer_iommu,
                              f'{OUTER_APPEND} {outer_append}'.strip(), list(outer_args), tuple(outer_modules))
            if start:
                self.start_inner()
        except BaseException:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.dir, name)

    def _step(self, name):
        now = time.monotonic()
        self.steps[name] = now - self._since
        self._since = now

    def _prepare(self, kernel, qemu, programs, modules):
        if programs is None:
            programs = [find_probe()]
            if not programs[0]:
                raise LabError('viommu-probe is not built: meson setup build && ninja -C build')
        initramfs.build(kernel, self.path('inner.initramfs'), programs, initramfs.MODULES + tuple(modules))
        self._programs = programs
        self._files = {**carry.program(viommu.find()), **carry.qemu(qemu), '/bin/nested-bridge': find_bridge(),
                       '/inner/kernel': kernel.image, '/inner/initramfs': self.path('inner.initramfs')}
        self._step('prepare')

    def _start_outer(self, devices, kernel, qemu, memory, iommu, append, arguments, modules):
        accel = accelerators.choose(qemus.find(qemu), kernel.image)
        if accel != accelerators.KVM:
            arguments += ['-cpu', SVM_CPU]
        arguments += ['-serial', f'unix:{self.path("outer-shell.sock")},server=on,wait=off',
                      '-chardev', f'socket,id=bridge,path={self.path("bridge.sock")},server=on,wait=off',
                      '-device', 'virtserialport,chardev=bridge,name=org.viommu.bridge']
        for name in ('record', 'console'):
            arguments += ['-chardev', f'file,id=inner-{name},path={self.path("inner-" + name)},append=on',
                          '-device', f'virtserialport,chardev=inner-{name},name=org.viommu.inner-{name}']
        self.outer = Guest(kernel=kernel.image, modules=kernel.modules, qemu=qemu, accel=accel, memory=memory,
                           iommu=iommu, cmdline=append, qemu_args=arguments, programs=self._programs,
                           devices=[f'{device},addr={bdf[3:]}' for device, bdf in zip(devices, self.devices)],
                           files=self._files, more_modules=() if kernel.modules is None else KVM_MODULES + modules,
                           progress=self._say)
        self._step('outer')
        self.outer.must(_PREPARE)
        for bdf in self.devices:
            self.outer.must(_BIND.format(bdf='0000:' + bdf))
        self._bridge = Bridge(self.path('bridge.sock'))
        self.outer.spawn(f'nested-bridge {PORTS}bridge')
        for name in SOCKETS:
            self._bridge.listen(self.path(f'inner-{name}.sock'), f'{RUN}/{name}.sock')
        if not self._accel:
            kvm = self.outer.sh('[ -c /dev/kvm ]')[0] == 0
            self._accel = accelerators.KVM if kvm else accelerators.TCG
        self._step('bind')

    def start_inner(self, **other):
        """Starts the inner QEMU, and waits until its guest is up.  `other`: what
        is not to be as Nested was told: `iommu`, `append`, `memory`, `args`."""
        self.stop_inner()
        self._step('between')
        options = {**self._options, **other}
        self._say(f'starting the inner guest under {self._accel.split(",")[0].upper()}')
        self.inner = Inner(self, self._accel, **{**options, 'append': f'{APPEND} {options["append"]}'.strip()})
        self.inner.boot(self._say, self._step)

    def stop_inner(self):
        """Ends the inner QEMU, as SIGTERM does."""
        if self.inner:
            self.inner.stop()
            self.inner = None

    def shells(self):
        """Starts a shell at both levels: {'outer': socket, 'inner': socket}."""
        for name, guest in (('outer', self.outer), ('inner', self.inner)):
            guest.must(_SHELL.format(name=name))
        return {name: self.path(name + '-shell.sock') for name in ('outer', 'inner')}

    def alive(self):
        return self.outer.alive() and self.inner.alive()

    def viommu(self, *arguments, seconds=120):
        """viommu in the outer guest: (exit status, stdout and stderr)."""
        return self.outer.sh(shlex.join(['viommu', *arguments]), seconds)

    def verify_inner(self, *arguments):
        """The JSON of `viommu verify` in the outer guest, of the inner one's record."""
        status, text = self.viommu('verify', '--format', 'json', '-q', self.inner.socket, *arguments, self.inner.outer_record)
        if status not in (0, 3):
            raise LabError(f'viommu verify: exit status {status}\n{text}')
        return json.loads(text)

    def capture_inner(self, path):
        """viommu capture in the outer guest, brought out to `path`."""
        status, text = self.viommu('capture', '-q', self.inner.socket, '-o', f'{RUN}/capture')
        if status != 0:
            raise LabError(f'viommu capture: exit status {status}\n{text}')
        self.fetch(f'{RUN}/capture', path)
        self.outer.must(f'rm {RUN}/capture')

    def fetch(self, outer_path, path):
        """A file of the outer guest becomes one here."""
        data = base64.b64decode(self.outer.must(f'gzip -1 -c {shlex.quote(outer_path)} | base64', 120))
        with open(path, 'wb') as handle:
            handle.write(zlib.decompress(data, wbits=31))

    def close(self):
        if self.inner:
            self.inner.close()
        if self._bridge:
            self._bridge.close()
        if self.outer:
            self.outer.close()
        cleanup.remove_dir(self.dir)


# The links of the ports that came after init looked.  On a busy host Linux measures
# the TSC anew after KVM has noted it; where they differ by more than this, and the
# CPU cannot scale, KVM takes the guest's TSC for 0 and its timers never fire.
_PREPARE = f'''
tolerance=/sys/module/kvm/parameters/tsc_tolerance_ppm
[ ! -e $tolerance ] || echo 100000 >$tolerance
for name in /sys/class/virtio-ports/*/name; do
	port=${{name%/name}}
	ln -sf ../${{port##*/}} /dev/virtio-ports/$(cat $name)
done
mkdir -p {RUN}
hostname l0
'''
_SHELL = '''
cat >/run/shell <<'END'
export PS1='{name}:\\w# ' TERM=linux
cd /run
while :; do setsid -c sh </dev/ttyS1 >/dev/ttyS1 2>&1; done
END
start-stop-daemon -S -b -m -p /run/shell.pid -x /bin/sh -- /run/shell
'''
_BIND = '''
device=/sys/bus/pci/devices/{bdf}
echo vfio-pci >$device/driver_override
[ ! -e $device/driver ] || echo {bdf} >$device/driver/unbind
echo {bdf} >/sys/bus/pci/drivers_probe
[ $(basename $(readlink $device/driver)) = vfio-pci ]
'''
