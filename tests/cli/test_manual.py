# SPDX-License-Identifier: GPL-2.0-or-later
"""--help and the man pages say the same: each option that one has, the other has too."""

import re
import subprocess
import sys

import cli
import tap
from cli import TOP
from test_completions import TABLE, described, help_of

MAN = TOP / 'man'
LINES, COLUMNS = 24, 80
# These are in viommu(1), for all commands.
EVERYWHERE = {'--qmp', '--snapshot', '--memory', '--pid', '--timeout', '--format', '--debug', '--help', '--version'}


def page(name, section=1):
    return (MAN / f'{name}.{section}.scd').read_text(encoding='utf-8')


def options_in(text):
    """The long options that stand in bold; those of another page too, when it says that they are as there."""
    found = {option for bold in re.findall(r'\*([^*\n]*)\*', text) for option in re.findall('--[a-z][a-z-]+', bold)}
    if re.search(r'all others\n\tAs for \*viommu-verify\*\(1\)', text):
        found |= options_in(page('viommu-verify'))
    return found


def long_ones(options):
    return {name for name in options if name.startswith('--')}


class Manual(cli.Case):
    def test_each_command_has_a_page(self):
        for command in TABLE['viommu']:
            name = f'viommu-{command.name}'
            self.assertTrue((MAN / f'{name}.1.scd').exists(), f'there is no man page {name}(1)')
            self.assertIn(f'*{name}*(1)', page('viommu'), f'viommu(1) does not name {name}(1)')

    def test_options_of_help_are_in_the_page(self):
        for command in TABLE['viommu']:
            text = page(f'viommu-{command.name}')
            for option in sorted(long_ones(described(help_of('viommu', command.name))) - EVERYWHERE):
                with self.subTest(command=command.name, option=option):
                    self.assertIn(option, options_in(text), f'not in viommu-{command.name}(1)')
        for option in ('--qmp', '--snapshot', '--memory', '--pid', '--timeout'):
            self.assertIn(option, options_in(page('viommu')))

    def test_options_of_the_page_are_in_help(self):
        """what stands at the head of a paragraph of OPTIONS"""
        for command in TABLE['viommu']:
            known = long_ones(described(help_of('viommu', command.name)))
            heads = re.findall(r'^\*-.*$', page(f'viommu-{command.name}'), re.M)
            for option in sorted(options_in('\n'.join(heads))):
                with self.subTest(command=command.name, option=option):
                    self.assertIn(option, known, f'viommu {command.name} --help does not have it')

    def test_probe(self):
        """viommu-probe(1) has a part for each command"""
        text = page('viommu-probe')
        for command in TABLE['viommu-probe']:
            self.assertRegex(text, rf'(?m)^\*viommu-probe {command.name}\* ', 'not in the synopsis')
            self.assertIn(f'\n# {command.name.upper()}\n', text)
        known = {option for command in TABLE['viommu-probe']
                 for option in long_ones(described(help_of('viommu-probe', command.name)))}
        named = options_in(text)
        self.assertEqual(known - named, set(), 'not in viommu-probe(1)')
        heads = options_in('\n'.join(re.findall(r'^\*-.*$', text, re.M)))
        self.assertEqual(heads - known, set(), 'in viommu-probe(1), but in no --help')

    def test_pages_are_clean(self):
        """every page is turned into a man page without a complaint, and names itself"""
        for source in sorted(MAN.glob('*.scd')):
            with self.subTest(page=source.name):
                name, section = source.name.removesuffix('.scd').rsplit('.', 1)
                text = source.read_text(encoding='utf-8')
                self.assertTrue(text.startswith(f'{name}({section})\n'))
                for part in ('# NAME', '# DESCRIPTION', '# SEE ALSO'):
                    self.assertIn(f'\n{part}\n', text)
                try:
                    done = subprocess.run(['scdoc'], input=text, encoding='utf-8', capture_output=True, check=False)
                except FileNotFoundError:
                    self.skipTest('there is no scdoc here')
                self.assertEqual((done.returncode, done.stderr), (0, ''))

    def test_references(self):
        """a page that is referred to exists"""
        for source in sorted(MAN.glob('*.scd')):
            for name, section in re.findall(r'\*(viommu[\w-]*)\*\((\d)\)', source.read_text(encoding='utf-8')):
                with self.subTest(page=source.name):
                    self.assertTrue((MAN / f'{name}.{section}.scd').exists(), f'{name}({section})')


    def test_dump(self):
        """parts that can be had together do not stand as if they excluded each other"""
        synopsis = re.search(r'# SYNOPSIS\n\n(.*?)\n\n', page('viommu-dump'), re.S)[1]
        self.assertNotIn('|', synopsis)
        for option in '--queue', '--interrupts', '--faults':
            self.assertIn(f'[*{option}*]', synopsis)
        done = self.assert_clean(cli.run('dump', '-s', 'clean.elf', '--queue', '--faults', '--interrupts', '--format', 'json'))
        self.assertLessEqual({'queue', 'faults', 'interrupts'}, set(done.json))


class Lab(cli.Case):
    def test_help(self):
        """each of its actions"""
        lab = cli.TOP / 'tests' / 'lab' / 'lab.py'
        text = subprocess.run([sys.executable, lab, '--help'], capture_output=True, text=True, check=True).stdout
        for action in 'boot', 'nested', 'attach SOCKET':
            self.assertIn(action, text)
        for wrong in ['attach'], ['attach', 'a', 'b']:
            done = subprocess.run([sys.executable, lab, *wrong], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 2)
            self.assertIn('lab.py attach', done.stderr)
        self.assertIn('SOCKET', subprocess.run([sys.executable, lab, 'attach', '--help'], capture_output=True, text=True, check=True).stdout)


class Help(cli.Case):
    def each(self):
        for program, commands in TABLE.items():
            yield f'{program}', help_of(program)
            for command in commands:
                yield f'{program} {command.name}', help_of(program, command.name)

    def test_fits(self):
        """on a screen, but for the lines about TARGET, and for the options where there are many"""
        for name, text in self.each():
            with self.subTest(help=name):
                self.assertLessEqual(max(map(len, text.splitlines())), COLUMNS)
                own = text.partition('\nTARGET is one of')[0].splitlines()
                prose = [line for line in own if not re.match(r'\s+--?\w|\s{20}', line)]
                if len(own) > LINES:
                    self.assertGreater(len(described(text)), 12, f'{len(own)} lines')
                    self.assertLessEqual(len(prose), 16)

    def test_examples(self):
        """an indented line that begins with the program's name: an example; its options exist"""
        for name, text in self.each():
            words = name.split()
            examples = re.findall(rf'^  ({name} .*)$', text, re.M)
            with self.subTest(help=name):
                self.assertTrue(examples, 'no example')
            for example in examples if len(words) == 2 else ():
                used = set(re.findall(r'(?<!\S)--?[a-z][\w-]*', re.split(r' -- |\$\(', example)[0]))
                self.assertLessEqual(used, set(described(text)), example)


if __name__ == '__main__':
    tap.main()
