# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest in which viommu-probe trace runs from before each test, into a port of the test's own: what a
killed program has left in a port is not for the next one."""

import os

from common import Case, boot, scratch

from lab.guest import find_probe

READY = '''for event in map unmap; do
    until grep -q 1 /sys/kernel/tracing/instances/viommu-$(pidof viommu-probe)/events/iommu/$event/enable 2>/dev/null; do usleep 20000; done
done; sleep 1'''        # an instance has tracing_on at once; what is wanted comes one by one
GONE = '''pkill -KILL viommu-probe; while pgrep viommu-probe >/dev/null; do usleep 20000; done
rmdir /sys/kernel/tracing/instances/viommu-*'''


class TraceCase(Case):
    """backend: of a -chardev, without its path.  ends: where the host has them, by the name of the test."""
    backend = 'file'
    programs = ()

    @classmethod
    def setUpClass(cls):
        cls.ends = {name: os.path.join(scratch(), name) for name in sorted(dir(cls)) if name.startswith('test_')}
        ports = [part for name, path in cls.ends.items() for part in (
            '-chardev', f'{cls.backend},id={name},path={path}', '-device', f'virtserialport,chardev={name},name={name}')]
        cls.guest = boot(programs=[path for path in (find_probe(), *cls.programs) if path and os.path.isfile(path)], qemu_args=ports)
        cls.addClassCleanup(cls.guest.close)

    def start_trace(self):
        """The host's end of it; nobody may be reading that yet."""
        name = self.id().rpartition('.')[2]
        self.trace = self.guest.spawn(f'viommu-probe trace -o /dev/virtio-ports/{name}')
        self.addCleanup(self.guest.sh, GONE)
        return self.ends[name]

    def await_trace(self):
        self.guest.must(READY)

    def end_trace(self, signal):
        self.trace.signal(signal)
        self.guest.must('while pgrep -f "viommu-probe trace" >/dev/null; do usleep 20000; done')
