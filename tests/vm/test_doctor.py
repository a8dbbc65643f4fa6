# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu-probe doctor and explain in guests that lack something."""

import json

from common import BDF, Case, boot

import tap

BIND = (f'echo vfio-pci >/sys/bus/pci/devices/0000:{BDF}/driver_override; '
        f'echo 0000:{BDF} >/sys/bus/pci/drivers_probe')
BRIDGED = '0000:01:01.0'    # behind a bridge to conventional PCI, with a device that has its driver
SHARED = '0000:00:1f.2'     # q35's own devices, functions of one slot with no ACS


class _Doctor(Case):
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.guest = boot(**cls.options)
        cls.addClassCleanup(cls.guest.close)

    def doctor(self, arguments, status=0):
        got, text = self.guest.sh('viommu-probe doctor ' + arguments)
        self.assertEqual(got, status, text)
        return text

    def check(self, text, verdict, name, *words):
        """One check of the report, with all its lines; it has to be that verdict."""
        lines = text.splitlines()
        start = [i for i, line in enumerate(lines) if line.startswith(f'  {verdict:4}  {name} ')]
        self.assertTrue(start, f'no {verdict} {name} in\n{text}')
        end = next((i for i in range(start[0] + 1, len(lines)) if not lines[i].startswith(' ' * 10)), len(lines))
        about = ' '.join(' '.join(lines[start[0]:end]).split())
        for word in words:
            self.assertIn(word, about)


class Good(_Doctor):
    options = {'devices': ('edu,addr=04.0', 'edu,addr=05.0', 'pcie-pci-bridge,id=bridge,addr=07.0',
                           'edu,bus=bridge,addr=01.0', 'virtio-rng-pci,bus=bridge,addr=02.0')}

    def test_all_is_well(self):
        """nothing fails, and dmesg has that the kernel saw caching mode"""
        self.guest.must(BIND)
        text = self.doctor(BDF)
        self.assertIn(' 0 FAIL', text)
        self.check(text, 'ok', 'modules', 'vfio_iommu_type1')
        self.check(text, 'ok', 'CM in dmesg', 'IOMMU batching disallowed due to virtualization')
        self.check(text, 'ok', 'default domains')
        self.check(text, 'ok', 'isolation')
        self.check(text, 'ok', 'address width', '39 bits', 'aw-bits=48')
        self.check(text, 'ok', 'IOMMU_ENABLE', 'ENOTTY', 'sPAPR', 'not a limit of nested virtualization')

    def test_json(self):
        """the same for a program"""
        report = json.loads(self.doctor('--format json ' + BDF))
        self.assertEqual(report['counts']['FAIL'], 0)
        checks = {check['name']: check for check in report['checks']}
        self.assertEqual(checks['caching mode']['verdict'], 'ok')
        self.assertIn('CAP.CM is 1', checks['caching mode']['seen'])
        self.assertEqual(checks['tracing']['verdict'], 'ok')

    def test_not_viable(self):
        """a group with a device that has its driver, behind a bridge: who, and what to do"""
        self.guest.must(BIND.replace(f'0000:{BDF}', BRIDGED))
        text = self.doctor(BRIDGED, 3)
        self.check(text, 'warn', 'isolation', '3 devices', 'pcie-root-port')
        self.check(text, 'FAIL', 'group members', '0000:01:02.0 (virtio-pci)', 'bind them to vfio-pci too')

    def test_no_root(self):
        """what needs root is skipped, and said so; nothing is called a failure"""
        self.guest.must('mkdir -p /etc; echo nobody:x:65534:65534::/:/bin/sh >/etc/passwd')
        status, text = self.guest.sh('su nobody -c "/bin/viommu-probe doctor"')
        self.assertEqual(status, 0, text)
        self.check(text, 'warn', 'pagemap', 'CAP_SYS_ADMIN', 'root')
        self.check(text, 'skip', 'tracing', 'root')
        self.check(text, 'skip', 'dmesg', 'root')
        status, text = self.guest.sh('su nobody -c "/bin/viommu-probe explain VFIO_IOMMU_ENABLE ENOTTY"')
        self.assertEqual(status, 0, text)

    def test_entry_limit(self):
        """a low dma_entry_limit: what it is, what mends it; and the errno is explained when it strikes"""
        parameter = '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'
        self.guest.must(f'{BIND}; echo 5 >{parameter}')
        try:
            self.check(self.doctor(BDF), 'warn', 'dma_entry_limit', '5 mappings', f'echo 65535 > {parameter}')
            status, text = self.guest.sh(f'viommu-probe map {BDF} --count 9 --hold 0 -o /dev/null 2>&1')
            self.assertEqual(status, 1, text)
            self.assertIn('ENOSPC: the container has no mappings left', text)
        finally:
            self.guest.must(f'echo 65535 >{parameter}')

    def test_shared_group(self):
        self.check(self.doctor(SHARED), 'warn', 'isolation', 'ACS', 'pcie-root-port')

    def test_explain_counts(self):
        """ENOSPC: how many mappings a process has, against the limit"""
        status, text = self.guest.sh(
            f'viommu-probe map {BDF} --bind --count 30 --hold 3 >/dev/null 2>&1 & sleep 2; '
            'viommu-probe explain MAP_DMA ENOSPC --pid $!; s=$?; wait; exit $s')
        self.assertEqual(status, 0, text)
        self.assertIn('has 30 mappings of 65535, and takes 65505 more', ' '.join(text.split()))

    def test_explain(self):
        for arguments, words in (('VFIO_IOMMU_ENABLE ENOTTY', ['right answer', 'sPAPR']),
                                 ('open /dev/vfio/3 EBUSY', ['another program']),
                                 ('vfio_set_iommu -1', ['interrupt remapping', 'intremap=on']),
                                 ('', ['VFIO_IOMMU_UNMAP_DMA', 'IOMMU_IOAS_MAP']),
                                 ('MAP_DMA', ['ENOSPC', 'EEXIST', 'EFAULT'])):
            status, text = self.guest.sh('viommu-probe explain ' + arguments)
            self.assertEqual(status, 0, text)
            for word in words:
                self.assertIn(word, text)
        for arguments, expected in (('MAP_DMA EXDEV', 1), ('NOTHING EIO', 2), ('MAP_DMA NOTHING', 2), ('--pid x', 2)):
            self.assertEqual(self.guest.sh('viommu-probe explain ' + arguments)[0], expected, arguments)

    def test_zz_modules_not_loaded(self):
        """modules that are merely not loaded: the command, and no FAIL"""
        self.guest.must('rmmod vfio_pci vfio_pci_core vfio_iommu_type1')
        text = self.doctor('00:05.0')
        self.check(text, 'warn', 'modules', 'vfio_iommu_type1, vfio-pci', 'modprobe vfio-pci')
        self.check(text, 'skip', 'extensions', 'modprobe vfio_iommu_type1')


class NoIommu(_Doctor):
    """Each reason for which there is no IOMMU is told apart."""
    options = {'iommu': None}

    def test_not_there(self):
        text = self.doctor(BDF, 3)
        self.check(text, 'FAIL', 'IOMMU', 'no ACPI DMAR table', '-device intel-iommu')
        self.check(text, 'FAIL', 'group', 'no IOMMU group')


class Bypassed(_Doctor):
    options = {'qemu_args': ('-machine', 'q35,default_bus_bypass_iommu=on')}

    def test_bypassed(self):
        """not the kernel's fault: intel_iommu=on is there, and no device behind it"""
        text = self.doctor(BDF, 3)
        self.check(text, 'FAIL', 'IOMMU', 'though intel_iommu=on is given', 'bypass_iommu')
        self.check(text, 'FAIL', 'group', 'no IOMMU group')


class SwitchedOff(_Doctor):
    options = {'append': 'intel_iommu=off lockdown=confidentiality'}

    def test_switched_off(self):
        text = self.doctor(BDF, 3)
        self.check(text, 'FAIL', 'intel_iommu=', 'intel_iommu=on')
        self.check(text, 'FAIL', 'IOMMU', 'DMAR table is there', 'without iommu=off')

    def test_locked_down(self):
        """a tracefs that is mounted and empty: it is the lockdown, and that is said"""
        text = self.doctor('', 3)
        self.check(text, 'warn', 'lockdown', 'confidentiality', 'lockdown=integrity')
        self.check(text, 'warn', 'tracing', 'no tracefs', 'the lockdown forbids it')
        for mount in 'true', 'mount -t securityfs security /sys/kernel/security':
            status, text = self.guest.sh(f'{mount}; viommu-probe trace 2>&1')
            self.assertEqual(status, 1, text)
            self.assertIn('locked down (confidentiality)', text)
            self.assertEqual(len(text.splitlines()), 1, text)


class PassThrough(_Doctor):
    options = {'append': 'iommu=pt', 'iommu': 'caching-mode=off,intremap=off'}

    def test_identity(self):
        """iommu=pt, no caching mode, no interrupt remapping: each said, with what mends it"""
        self.guest.must(BIND)
        text = self.doctor(BDF, 3)
        self.check(text, 'warn', 'default domains', 'identity', '/sys/kernel/iommu_groups/N/type')
        self.check(text, 'warn', 'pass-through', 'iommu=pt')
        self.check(text, 'warn', 'caching mode', 'caching-mode=on')
        self.check(text, 'warn', 'intr. remapping', 'intremap=on')
        self.check(text, 'FAIL', 'SET_IOMMU', 'Operation not permitted', 'no interrupt remapping', 'intremap=on')


del _Doctor

if __name__ == '__main__':
    tap.main()
