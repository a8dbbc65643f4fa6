# SPDX-License-Identifier: GPL-2.0-or-later
"""The completions: the table that they are made of says what --help says, and real shells complete.

VIOMMU_COMPLETIONS is the directory with the completions that the build made."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys

import cli
import shells
import tap
from cli import TOP

sys.path.insert(0, str(TOP / 'data' / 'completions'))
import table  # noqa: E402

PROGRAMS = {'viommu': os.environ.get('VIOMMU'), 'viommu-probe': os.environ.get('VIOMMU_PROBE')}
COMPLETIONS = os.environ.get('VIOMMU_COMPLETIONS')
TABLE = table.read()
# A line of --help that describes options: "-o, --output FILE     where to".
OPTIONS = re.compile(r'^\s+((?:-\w|--[\w-]+)(?:,? .*)?)$')
NAME = re.compile(r'(?<![\w-])(-\w|--[a-z][\w-]+)(?![\w-])(?: ([A-Z[][\w:|=\[\]…]*|[a-z0-9]+(?:\|[a-z0-9]+)+))?')


def help_of(program, *command):
    done = subprocess.run([PROGRAMS[program], *command, '--help'], stdin=subprocess.DEVNULL, capture_output=True,
                          encoding='utf-8', env=cli.environment(), check=False)
    if done.returncode != 0:
        raise AssertionError(f'{program} {command} --help: exit status {done.returncode}')
    return done.stdout


def described(text):
    """{'--output': takes a value} of the lines of --help that describe options; short ones too."""
    found = {}
    for line in text.splitlines():
        lines = OPTIONS.match(line)
        if not lines:
            continue
        begin = re.split(r' {2,}(?![ -])', lines[1])[0]     # without what it does
        names = NAME.findall(begin)
        takes = any(value for _, value in names)
        # "-h, --help   -V, --version" are two, "-o, --output FILE" is one.
        for name, value in names:
            found[name] = bool(value) or (takes and name.startswith('-') and not name.startswith('--'))
    return found


class Table(cli.Case):
    def test_commands(self):
        for program, commands in TABLE.items():
            names = re.findall(r'^  (\w+) {2,}\S', help_of(program), re.M)
            self.assertEqual(sorted(names), sorted(command.name for command in commands),
                             f'{program}: data/completions/table and --help differ')

    def test_options(self):
        """the table has the options that --help has, with the same short names, and says which take a value"""
        for program, commands in TABLE.items():
            for command in commands:
                with self.subTest(program=program, command=command.name):
                    ours = {name: bool(option.value) for option in command.options for name in option.names}
                    self.assertEqual(ours, described(help_of(program, command.name)))

    def test_choices(self):
        """words to choose from are those that --help names"""
        for program, commands in TABLE.items():
            for command in commands:
                lines = help_of(program, command.name).splitlines()
                for option in command.options:
                    if not option.value or option.value.startswith('<'):
                        continue
                    at = next(i for i, line in enumerate(lines) if re.match(rf'\s+(-\w, )?{option.long}\b', line))
                    text = ' '.join(lines[at:at + 3])
                    for word in option.value.split():
                        if (option.long, word) == ('--at', 'rest'):
                            continue        # a mark of records, which --help has no room for
                        with self.subTest(program=program, command=command.name, option=option.long, word=word):
                            self.assertRegex(text, rf'\b{word}\b')


class InShell:
    """The same for each shell."""
    shell = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not COMPLETIONS:
            raise cli.unittest.SkipTest('VIOMMU_COMPLETIONS is not set')
        if not shutil.which(cls.shell.name):
            raise cli.unittest.SkipTest(f'there is no {cls.shell.name} here')
        if cls.shell is shells.Bash and not os.path.exists('/usr/share/bash-completion/bash_completion'):
            raise cli.unittest.SkipTest('there is no bash-completion here')
        cls.folder = pathlib.Path(cli.tempfile.mkdtemp(prefix='viommu-shell.'))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        (cls.folder / 'bin').mkdir()
        for name, program in PROGRAMS.items():
            (cls.folder / 'bin' / name).symlink_to(program)
        (cls.folder / 'snapshot.elf').touch()
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.bind(str(cls.folder / 'qmp.socket'))
        (cls.folder / 'qmp.log').touch()
        cls.at = cls.shell(COMPLETIONS, cls.folder / 'bin', cls.folder)
        cls.addClassCleanup(cls.at.close)

    def test_one_word(self):
        """Tab completes what can be only one thing"""
        for typed, expected in {
                'viommu cap': 'viommu capture',
                'viommu-probe rec': 'viommu-probe record',
                'viommu verify --reco': 'viommu verify --reco',
                'viommu verify --qemu': 'viommu verify --qemu-log',
                'viommu capture --rep': 'viommu capture --reproducible',
                'viommu walk --rep': 'viommu walk --rep',
                'viommu verify -s snap': 'viommu verify -s snapshot.elf',
                'viommu verify --snapshot snap': 'viommu verify --snapshot snapshot.elf',
                'viommu verify snap': 'viommu verify snapshot.elf',
                'viommu info snap': 'viommu info snap',
                'viommu info --format j': 'viommu info --format json',
                'viommu info --format=j': 'viommu info --format=json',
                'viommu info --memory proc': 'viommu info --memory process',
                'viommu report --format ju': 'viommu report --format junit',
                'viommu info -q uni': 'viommu info -q unix:',
                'viommu info -q lib': 'viommu info -q libvirt:',
                'viommu info -q hm': 'viommu info -q hmp:',
                'viommu help wat': 'viommu help watch',
                'viommu-probe help rec': 'viommu-probe help record',
                'viommu info -q unix:qmp': 'viommu info -q unix:qmp.socket',
                'viommu info -q hmp:u': 'viommu info -q hmp:unix:',
                'viommu info -q hmp:unix:qmp': 'viommu info -q hmp:unix:qmp.socket',
                'viommu-probe explain MAP_DMA ENOM': 'viommu-probe explain MAP_DMA ENOMEM',
                'viommu watch snap': 'viommu watch snapshot.elf',
                'viommu watch unix:qmp': 'viommu watch unix:qmp.socket',
                'viommu explain caching-mode-need': 'viommu explain caching-mode-needed',
                'viommu-probe map --backend iom': 'viommu-probe map --backend iommufd',
                'viommu-probe explain VFIO_IOMMU_EN': 'viommu-probe explain VFIO_IOMMU_ENABLE',
                # (a few letters of it may be in the name of some command of this machine)
                'viommu-probe record -- snapshot.e': 'viommu-probe record -- snapshot.e',
                'viommu-probe record -o new -- viommu-pr': 'viommu-probe record -o new -- viommu-probe',
        }.items():
            with self.subTest(typed=typed):
                self.assertEqual(' '.join(self.at.line(typed)), expected)

    def test_commands(self):
        for program, commands in TABLE.items():
            with self.subTest(program=program):
                self.assertLessEqual({command.name for command in commands}, self.at.offers(f'{program} '))

    def test_options(self):
        """at --, each command offers its options and no other"""
        for program, commands in TABLE.items():
            for command in commands:
                with self.subTest(program=program, command=command.name):
                    offered = {word.rstrip('=') for word in self.at.offers(f'{program} {command.name} --')}
                    offered = {word for word in offered if re.fullmatch('--[a-z-]+', word)}
                    self.assertEqual(offered, {option.long for option in command.options})

    def test_values(self):
        for program, commands in TABLE.items():
            for command in commands:
                for option in command.options:
                    words = option.value.split()
                    if len(words) < 2:
                        continue
                    with self.subTest(program=program, command=command.name, option=option.long):
                        self.assertLessEqual(set(words), self.at.offers(f'{program} {command.name} {option.long} '))

    def test_qemus(self):
        """processes that are no QEMU are not offered"""
        offered = {word for word in self.at.offers('viommu verify -p ') if word.isdigit()}
        others = offered - {'1'}
        if not others or not all(word.startswith('1') for word in others):  # then a shell completes as far as they agree
            self.assertNotIn('1', offered)
        self.assertNotIn(str(os.getpid()), offered)

    def test_devices(self):
        """viommu-probe offers the PCI devices of this machine"""
        here = pathlib.Path('/sys/bus/pci/devices')
        devices = {path.name.removeprefix('0000:') for path in here.iterdir()} if here.is_dir() else set()
        if len(devices) < 2:
            self.skipTest('this machine has no PCI devices')
        self.assertLessEqual(devices, self.at.offers('viommu-probe map '))


class InBash(InShell, cli.Case):
    shell = shells.Bash


class InZsh(InShell, cli.Case):
    shell = shells.Zsh


class InFish(InShell, cli.Case):
    shell = shells.Fish


if __name__ == '__main__':
    tap.main()
