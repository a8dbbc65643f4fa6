# SPDX-License-Identifier: GPL-2.0-or-later
"""A libvirt of its own, and guests under it: no systemd, no network, nothing outside a temporary directory.

It is the libvirt of one user ("session"); as root that user is nobody, since root's would be the system's."""

import os
import shutil
import subprocess
import time
import xml.sax.saxutils

from . import accel as accelerators
from . import cleanup, initramfs, kernel as kernels
from .control import Control
from .errors import LabError, Unavailable
from .guest import PLAIN_APPEND, Guest, find_probe

NOBODY = 65534
START_SECONDS = 30

DOMAIN = '''<domain type='qemu'>
  <name>{name}</name><memory unit='MiB'>1024</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{dir}/kernel</kernel><initrd>{dir}/initramfs</initrd><cmdline>{append}</cmdline></os>
  <features><acpi/><apic/><ioapic driver='qemu'/></features>
  <on_reboot>destroy</on_reboot><on_crash>destroy</on_crash>
  <devices>
    <emulator>{qemu}</emulator>
    <controller type='usb' model='none'/><memballoon model='none'/>
    <iommu model='intel'><driver intremap='on' caching_mode='on'/></iommu>
    <watchdog model='i6300esb' action='none'><address type='pci' domain='0' bus='0' slot='4' function='0'/></watchdog>
    <serial type='file'><source path='{dir}/console.log'/></serial>
    <channel type='file'><source path='{dir}/record.jsonl' append='on'/><target type='virtio' name='org.viommu.record'/></channel>
    <channel type='unix'><source mode='bind' path='{dir}/control.sock'/><target type='virtio' name='org.viommu.control'/></channel>
  </devices>
</domain>
'''


def _program(*names):
    path = os.environ.get('PATH', '') + ':/usr/sbin:/sbin'
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


class Libvirt(cleanup.Closing):
    """with Libvirt() as libvirt: libvirt.virsh('list')

    Attributes: uri (for LIBVIRT_DEFAULT_URI), pid, dir."""

    def __init__(self):
        daemon = _program('libvirtd', 'virtqemud')
        if not daemon or not _program('virsh'):
            raise Unavailable('libvirt is not installed (Debian: libvirt-daemon, libvirt-daemon-driver-qemu, libvirt-clients)')
        self.dir = cleanup.temp_dir()
        os.chmod(self.dir, 0o755)
        user = {}
        if os.geteuid() == 0:
            user = {'user': NOBODY, 'group': NOBODY, 'extra_groups': []}
        env = {'PATH': os.environ['PATH'], 'LC_ALL': 'C.UTF-8'}
        for name, folder in (('HOME', 'home'), ('XDG_RUNTIME_DIR', 'run'), ('XDG_CONFIG_HOME', 'config'), ('XDG_CACHE_HOME', 'cache')):
            env[name] = self.folder(folder)
        sock = os.path.join(env['XDG_RUNTIME_DIR'], 'libvirt', f'{os.path.basename(daemon).replace("libvirtd", "libvirt")}-sock')
        self.uri = f'qemu+unix:///session?socket={sock}'
        with open(os.path.join(self.dir, 'daemon.log'), 'wb') as log:
            self._process = cleanup.start([daemon], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd='/', **user)
        self.pid = self._process.pid
        end = time.monotonic() + START_SECONDS
        while self.virsh('list', check=False).returncode != 0:
            if time.monotonic() > end or self._process.poll() is not None:
                text = self.virsh('list', check=False).stderr
                self.close()
                raise LabError(f'{daemon} does not start: {text}')
            time.sleep(0.2)

    def folder(self, name):
        """A new one, that of the user it runs as."""
        path = os.path.join(self.dir, name)
        os.mkdir(path, 0o700)
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
        return path

    def virsh(self, *args, check=True, seconds=60):
        done = subprocess.run([_program('virsh'), '-c', self.uri, *args], stdin=subprocess.DEVNULL, text=True, capture_output=True,
                              timeout=seconds, check=False)
        if check and done.returncode != 0:
            raise LabError(f'virsh {" ".join(args)}: {done.stderr}')
        return done

    def close(self):
        for name in self.virsh('list', '--name', check=False).stdout.split():
            self.virsh('destroy', name, check=False)
        cleanup.stop(self._process)
        cleanup.remove_dir(self.dir)


class LibvirtGuest(Guest):
    """A Guest that libvirt has; it has no monitor of ours.  Its device 00:04.0 is a watchdog."""

    def __init__(self, libvirt, name):
        self.libvirt, self.name = libvirt, name
        self.target = f'libvirt:{name}'
        super().__init__()

    def _start(self, kernel, modules, qemu, *_):
        cleanup.remove_dir(self.dir)
        self.dir = self.libvirt.folder(f'guest-{self.name}')
        self.console, self.record = self._path('console.log'), self._path('record.jsonl')
        self.kernel, self.accel = kernels.find(kernel, modules), accelerators.TCG
        shutil.copy(self.kernel.image, self._path('kernel'))
        initramfs.build(self.kernel, self._path('initramfs'), [find_probe()], initramfs.MODULES, None)
        for name in ('kernel', 'initramfs'):
            os.chmod(self._path(name), 0o644)
        with open(self._path('domain.xml'), 'w', encoding='utf-8') as handle:
            handle.write(DOMAIN.format(name=self.name, dir=self.dir, qemu=qemu, append=xml.sax.saxutils.escape(PLAIN_APPEND)))
        started = time.monotonic()
        self.libvirt.virsh('create', self._path('domain.xml'))
        with open(os.path.join(self.libvirt.dir, 'run', 'libvirt', 'qemu', 'run', f'{self.name}.pid'), encoding='ascii') as handle:
            self.pid = int(handle.read())
        self._control = Control(self._path('control.sock'), self._why_dead)
        self._wait_for_boot(started)
        self.boot_seconds = time.monotonic() - started

    def state(self):
        return self.libvirt.virsh('domstate', self.name, check=False).stdout.strip()

    def _why_dead(self):
        return None if os.path.exists(f'/proc/{self.pid}') else f'QEMU ended\n{self.tail()}'

    def alive(self):
        return self._why_dead() is None

    def memory(self):
        return open(os.devnull, 'rb')      # what is held is let go of with it

    def _stop(self):
        self.libvirt.virsh('destroy', self.name, check=False)
