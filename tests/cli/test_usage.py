#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""viommu's command line: help, and what is said to a wrong one."""

import re

from cli import COMMANDS, FAILED, REJECTED, TOP, USAGE, Case, in_parallel, run

import tap

LIVE_ONLY = ('watch', 'trace', 'capture')
SAVED = ('-s', 'clean.elf')
RECORD = 'small.jsonl'
# Of each command: arguments with which it does its work on a snapshot.
WORKS = {
    'list': (), 'verify': (*SAVED, RECORD), 'walk': (*SAVED, '00:04.0', '0x40000000'), 'dump': SAVED, 'info': SAVED,
    'doctor': SAVED, 'diff': (SAVED[1], SAVED[1]), 'report': (*SAVED, RECORD), 'explain': ('caching-mode-on',),
    'capture': ('-q', 'unix:/nowhere', '-o', '/nowhere/file'),
    'trace': ('-q', 'unix:/nowhere', '-o', '/nowhere/file'), 'watch': ('-q', 'unix:/nowhere', '/nowhere/stream'),
}


def known_options():
    """Every option that some command has: the names in the sources' tables."""
    text = ''.join(path.read_text() for path in sorted((TOP / 'correlate').rglob('*.c')))
    found = set(re.findall(r'\{ "([a-z-]+)", (?:0|\'.\'), 0, G_OPTION_ARG', text))
    return sorted(found)


def accepts(command, option):
    """Whether a command knows an option, found by trying it."""
    return any(run(command, *words, '--help').status == 0
               for words in ([f'--{option}=1'], [f'--{option}'], [f'--{option}', 'x']))


class Help(Case):
    def assert_fits(self, text):
        lines = text.splitlines()
        longest = max(lines, key=len)
        self.assertLessEqual(len(longest), 80, longest)
        self.assertLessEqual(len(lines), 40)
        self.assertTrue(text.endswith('\n') and not text.endswith('\n\n'))
        self.assertNotIn('\t', text)

    def test_fits_a_screen(self):
        for args in (['--help'], ['-h'], ['help'], *([name, flag] for name in COMMANDS for flag in ('--help', '-h'))):
            with self.subTest(args=args):
                done = self.assert_clean(run(*args))
                self.assert_fits(done.out)

    def test_usage_line(self):
        for name in COMMANDS:
            self.assertRegex(run(name, '--help').out, rf'\AUsage: viommu {name} ')

    def test_live_only(self):
        """those that want a QEMU that runs say so, and take it in both ways"""
        for name in LIVE_ONLY:
            with self.subTest(command=name):
                text = run(name, '--help').out
                self.assertRegex(text, rf'\AUsage: viommu {name} TARGET ')
                self.assertIn('TARGET is one of (not -s, ', text)
                page = (TOP / 'man' / f'viommu-{name}.1.scd').read_text()
                synopsis = re.search(r'# SYNOPSIS\n\n(.*?)\n\n', page, re.S)[1]
                for line in synopsis.splitlines():
                    self.assertRegex(line, rf'\A\*viommu {name}\* _TARGET_ ')
                self.assertRegex(page, r'TARGET is a live QEMU \(\*-q\* or \*-p\*[^)]*\*-s\* is not\s+taken')

    def test_watch_holds_the_monitor(self):
        """which nobody else can use meanwhile: what helps is said in both places"""
        page = (TOP / 'man' / 'viommu-watch.1.scd').read_text()
        for text in run('watch', '--help').out, page.replace('*', ''):
            self.assertRegex(text, r'holds\s+the\s+monitor')
            self.assertRegex(text, r'one\s+more\s+-qmp')

    def test_commands_are_listed(self):
        text = run('--help').out
        self.assertEqual(sorted(re.findall(r'(?m)^  ([a-z-]+)  +\S', text)), sorted(COMMANDS),
                         'a new command belongs into COMMANDS, and into these tests')
        for status in range(5):
            self.assertIn(f'{status} ', text[text.index('Exit status'):])

    def test_names_every_option(self):
        """--help of a command names the options that it takes, and no other"""
        options = known_options()
        self.assertGreater(len(options), 12)
        pairs = [(name, option) for name in COMMANDS for option in options]
        for (name, option), taken in zip(pairs, in_parallel(lambda pair: accepts(*pair), pairs)):
            with self.subTest(command=name, option=option):
                named = re.search(rf'--{option}\b', run(name, '--help').out) is not None
                if name in LIVE_ONLY and option == 'snapshot':
                    taken = False       # to be told why not, in test_live_options_for_a_snapshot
                self.assertEqual(taken, named, f'viommu {name} --{option} is {"taken" if taken else "refused"}')

    def test_help_comes_first(self):
        """--help helps although the rest is wrong"""
        for name in COMMANDS:
            self.assert_clean(run(name, 'too', 'many', 'arguments', 'here', '--help'))

    def test_help_of_a_command(self):
        for name in COMMANDS:
            self.assertEqual(self.assert_clean(run('help', name)).out, run(name, '--help').out)
        self.assertIn('there is no command "fly"', self.assert_status(run('help', 'fly'), USAGE).err)

    def test_version(self):
        done = self.assert_clean(run('--version'))
        self.assertRegex(done.out, r'\Aviommu \d+\.\d+\.\d+\n\Z')
        self.assertEqual(self.assert_clean(run('-V')).out, done.out)
        self.assertIn('--version', run('--help').out)

    def test_guard_is_not_for_people(self):
        for args in (['--help'], *([name, '--help'] for name in COMMANDS)):
            self.assertNotIn('guard', run(*args).out)


class Commands(Case):
    def test_none(self):
        done = self.assert_status(run(), USAGE)
        self.assertEqual(done.out, '')
        self.assertEqual(done.err, run('--help').out)

    def test_unknown(self):
        for name in ('fly', '--fly', '-q', 'Verify', 'verify ', 'resume-guard'):
            with self.subTest(name=name):
                done = self.assert_status(run(name), USAGE)
                self.assertEqual(done.out, '')
                self.assertEqual(done.err, f'viommu: there is no command "{name}"; viommu --help lists them\n')

    def test_hostile_arguments(self):
        """what is wrong with an argument is said without passing its bytes on"""
        evil = '\x1b]0;title\x07\x1b[31m\u202e\x9b\n\r\udcff'
        for args in ([evil], ['info', f'--{evil}'], ['info', *SAVED, evil], ['info', *SAVED, '--format', evil],
                     ['walk', *SAVED, evil, '0'], ['walk', *SAVED, '00:04.0', evil], ['dump', *SAVED, '-d', evil],
                     ['info', '-q', evil + 'x' * 200], ['info', *SAVED, '--memory', evil],
                     ['info', *SAVED, '--timeout', evil], ['info', *SAVED, '--pid', evil]):
            with self.subTest(args=args):
                self.assert_status(run(*args), USAGE)   # run() looks for the bytes
        for args in (['info', '-s', evil], ['info', '-q', f'unix:/{evil}']):
            with self.subTest(args=args):
                self.assert_says(run(*args), FAILED)
        self.assert_says(run('verify', *SAVED, evil), FAILED, 'cannot open the record')
        self.assert_says(run('verify', *SAVED, RECORD, '--at', evil), USAGE, '--at takes')


class Options(Case):
    def test_unknown(self):
        for name in COMMANDS:
            for option in ('--fly', '-x', '--formats', '--no-format'):
                with self.subTest(command=name, option=option):
                    self.assert_says(run(name, *WORKS[name], option), USAGE, option)

    def test_want_a_value(self):
        for name, options in {'verify': ('--at', '--save', '--format', '-q', '-s', '--memory', '--pid', '--timeout'),
                              'dump': ('-d', '--device'), 'capture': ('-o', '--output')}.items():
            for option in options:
                with self.subTest(command=name, option=option):
                    self.assert_says(run(name, option), USAGE, option)

    def test_format(self):
        for name in COMMANDS:
            for wrong in ('yaml', 'JSON', '', 'text,json'):
                with self.subTest(command=name, format=wrong):
                    self.assert_says(run(name, *WORKS[name], '--format', wrong), USAGE,
                                     {'explain': 'text, markdown or json,',
                                      'report': 'junit, tap or text,'}.get(name, 'text or json,'),
                                     f'not "{wrong}"')

    def test_numbers(self):
        for option, values in {'--timeout': ('0', '-1', 'soon', '5s', 'nan', 'inf', '1e9', ''),
                               '--pid': ('-1', 'qemu', '1.5', '99999999999', '')}.items():
            for value in values:
                with self.subTest(option=option, value=value):
                    self.assert_says(run('info', '-q', 'unix:/nowhere', option, value), USAGE, option.strip('-'))

    def test_memory(self):
        for value in ('disk', '', 'XP'):
            self.assert_says(run('info', '-q', 'unix:/nowhere', '--memory', value), USAGE,
                             '--memory takes auto, process or xp')


class WhatToDoNext(Case):
    """A mistake that people make, and what they are told."""

    def test_files_taken_for_one_another(self):
        self.assert_says(run('verify', *SAVED, 'clean.elf'), REJECTED, 'a snapshot is named with -s')
        self.assert_says(run('verify', '-s', RECORD, RECORD), REJECTED, 'it is a record; a record is named without -s')
        folder = self.scratch()
        self.assert_clean(run('report', *SAVED, RECORD, '-o', str(folder / 'x.tar.gz')))
        self.assert_says(run('verify', *SAVED, str(folder / 'x.tar.gz')), REJECTED, 'a bundle stands first')

    def test_files_that_are_not_there(self):
        self.assert_says(run('verify', *SAVED, 'nowhere.jsonl'), FAILED, 'No such file', 'writes one in L1')
        self.assert_says(run('info', '-s', 'nowhere.elf'), FAILED, 'cannot read the snapshot', 'No such file')

    def test_monitors(self):
        self.assert_says(run('info', '-q', 'unix:small.jsonl'), FAILED, 'it is no socket', 'viommu list')
        self.assert_says(run('info', '-q', 'unix:/nowhere/qmp'), FAILED, '(viommu list)', '-qmp unix:/nowhere/qmp,server=on,wait=off')
        self.assert_says(run('info', '-q', 'tcp:127.0.0.1:1'), FAILED, 'refused', '-qmp tcp:127.0.0.1:1,server=on,wait=off')

    def test_a_monitor_in_the_place_of_a_record(self):
        for monitor in ('unix:/tmp/qmp.sock', 'tcp:localhost:4444', 'hmp:unix:/tmp/mon', 'libvirt:guest'):
            for name, more in (('verify', ()), ('report', ('-o', '-'))):
                with self.subTest(monitor=monitor, command=name):
                    said = f'"{monitor}" is a monitor: name it with -q'
                    self.assert_says(run(name, RECORD, monitor, *more), USAGE, said)
                    self.assert_says(run(name, *SAVED, RECORD, monitor, *more), USAGE, said)
                    self.assert_says(run(name, '-q', RECORD, monitor, *more), USAGE, said, f'"{RECORD}" without')
        folder = self.scratch()
        (folder / 'unix:x').write_bytes((TOP / 'tests/data/cli' / RECORD).read_bytes())
        self.assert_clean(run('verify', '-s', TOP / 'tests/data/cli/clean.elf', 'unix:x', cwd=folder))

    def test_no_scheme(self):
        ways = 'unix:PATH, tcp:HOST:PORT, hmp:', 'libvirt:GUEST'
        for wrong in ('https://x', 'HMP:/path', 'UNIX:/x', 'qemu+ssh://host/system', 'qmp:/x', 'localhost:4444'):
            with self.subTest(address=wrong):
                self.assert_says(run('info', '-q', wrong), USAGE, f'"{wrong}" is not a monitor address', *ways)
        self.assert_says(run('info', '-q', 'hmp:'), USAGE, '"hmp:" is not a monitor address', *ways)
        for wrong in 'hmp:https://x', 'hmp:libvirt:guest', 'hmp:hmp:unix:/x':
            self.assert_says(run('info', '-q', wrong), USAGE, f'"{wrong}" is not a monitor address', *ways)
        for path in ('/nowhere/a:b', './a:b', '/nowhere', 'nowhere', '1:2', ':x'):
            self.assert_says(run('info', '-q', path), FAILED, 'no monitor answers')
        folder = self.scratch()
        (folder / 'a:b').write_text('')
        self.assert_says(run('info', '-q', 'a:b', cwd=folder), FAILED, 'it is no socket')

    def test_help_of_two(self):
        done = self.assert_status(run('help', 'verify', 'extra'), USAGE)
        self.assertEqual((done.out, done.err), ('', 'viommu: help takes one command: viommu help verify\n'))

    def test_options_before_the_command(self):
        for words in (['-q', 'unix:/x', 'info'], ['-s', 'clean.elf', 'info'], ['--format', 'json', 'info', '-q', 'x']):
            done = self.assert_status(run(*words), USAGE)
            self.assertEqual(done.out, '')
            self.assertEqual(done.err, f'viommu: options come after the command: viommu info {words[0]}...; viommu --help lists commands\n')

    def test_diff_of_what_lives(self):
        for words in (['clean.elf', '-q', 'unix:/x'], ['-qunix:/x'], ['clean.elf', '--qmp=unix:/x'], ['clean.elf', '--pid', '7'],
                      ['clean.elf', '-p', '7']):
            self.assert_says(run('diff', *words), USAGE, 'it takes two files', 'viommu capture')
        self.assertIn('Unknown option', run('diff', 'clean.elf', '--quiet').err)

    def test_names(self):
        self.assert_says(run('explain', 'caching-mode'), USAGE, 'there are caching-mode-needed, ', 'viommu explain lists')
        self.assert_says(run('walk', *SAVED, '0:4', '0'), USAGE, 'like 00:04.0', 'viommu info lists')
        self.assert_says(run('dump', *SAVED, '-d', 'edu'), USAGE, 'like 00:04.0', 'viommu info lists')


class Target(Case):
    def test_neither(self):
        for name in ('verify', 'walk', 'dump', 'info'):
            with self.subTest(command=name):
                words = [word for word in WORKS[name] if word not in SAVED]
                self.assert_says(run(name, *words), USAGE, '-q unix:SOCKET', '-s FILE')
        self.assert_says(run('capture', '-o', '/nowhere/file'), USAGE, '-q')
        self.assert_says(run('watch', '/nowhere/stream'), USAGE, '-q')

    def test_both(self):
        for name in ('verify', 'walk', 'dump', 'info'):
            with self.subTest(command=name):
                self.assert_says(run(name, *WORKS[name], '-q', 'unix:/nowhere'), USAGE, 'not both')

    def test_live_options_for_a_snapshot(self):
        for args in (['--memory', 'xp'], ['--pid', '1']):
            self.assert_says(run('info', *SAVED, *args), USAGE, 'for a live QEMU, not for a snapshot')
        for args in (['--pause'], ['--save', 'x']):
            self.assert_says(run('verify', *SAVED, RECORD, *args), USAGE, 'for a live QEMU, not for a snapshot')
        self.assert_says(run('capture', *SAVED, '-o', '/nowhere/file'), USAGE, 'it takes a live QEMU')
        self.assert_says(run('watch', *SAVED, RECORD), USAGE, 'it takes a live QEMU')
        self.assert_says(run('trace', *SAVED, '-o', '/nowhere/file'), USAGE, 'it takes a live QEMU')


class Arguments(Case):
    def test_none_wanted(self):
        for name in ('info', 'dump', 'capture'):
            self.assert_says(run(name, *WORKS[name], 'more'), USAGE, 'it takes no argument, but got "more"')
        self.assert_says(run('dump', *SAVED, '00:04.0'), USAGE, '-d')

    def test_verify_wants_a_record(self):
        self.assert_says(run('verify', *SAVED), USAGE, 'record', 'viommu-probe map')

    def test_watch_wants_one_stream(self):
        for args in ([], ['a', 'b']):
            self.assert_says(run('watch', '-q', 'unix:/nowhere', *args), USAGE, 'one stream')

    def test_walk_wants_two(self):
        for args in ([], ['00:04.0'], ['00:04.0', '0', '1']):
            self.assert_says(run('walk', *SAVED, *args), USAGE, 'a device and an address', '00:04.0 0x40000000')

    def test_capture_wants_a_file(self):
        for args in ([], ['-o', ''], ['-o', '-']):
            self.assert_says(run('capture', '-q', 'unix:/nowhere', *args), USAGE, '-o FILE')

    def test_device(self):
        for wrong in ('', '4', '00:04', '00:04.8', '00:20.0', '0001:00:04.0', '00:04.0 ', '0:4.0', '00:04.00', '-1',
                      '../../x', '0000:00:04.0.0', 'edu', '００:04.0'):
            with self.subTest(device=wrong):
                said = f'"{wrong}" is not a device of segment 0 like 00:04.0'
                self.assert_says(run('walk', *SAVED, '--', wrong, '0'), USAGE, said)
                self.assert_says(run('dump', *SAVED, '-d', wrong), USAGE, said)
        for good in ('00:04.0', '0000:00:04.0', 'ff:1f.7', 'FF:1F.7'):
            with self.subTest(device=good):
                self.assert_clean(run('walk', *SAVED, good, '0'))
                self.assert_clean(run('dump', *SAVED, '-d', good))

    def test_address(self):
        for wrong in ('', 'x', '0x', '-1', '+1', ' 1', '1 ', '40000000h', '0x1g', '1e9', '0x10000000000000000',
                      '18446744073709551616', '0b1', '4k'):
            with self.subTest(address=wrong):
                self.assert_says(run('walk', *SAVED, '--', '00:04.0', wrong), USAGE,
                                 f'"{wrong}" is not an address like 0x40000000')
        for good in ('0', '1073741824', '0x40000000', '0xffffffffffffffff', '18446744073709551615', '0x40000FFF'):
            with self.subTest(address=good):
                self.assert_clean(run('walk', *SAVED, '00:04.0', good))

    def test_an_address_without_0x_is_decimal(self):
        done = self.assert_clean(run('walk', *SAVED, '00:04.0', '1073741824'))
        self.assertIn('IOVA 0x40000000', done.out)


if __name__ == '__main__':
    tap.main()
