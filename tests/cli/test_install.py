# SPDX-License-Identifier: GPL-2.0-or-later
"""What `meson install` puts where, and whether a program from outside can use it.

VIOMMU_BUILD is the build directory. It is installed to a directory that looks like
a root file system: what others put into /usr is linked in around it."""

import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

import cli
import tap
from cli import DATA, TOP, run

BUILD = os.environ.get('VIOMMU_BUILD')
HEADERS = sorted(path.name for path in (TOP / 'include' / 'viommu').glob('*.h'))
WARNINGS = ['-Wall', '-Wextra', '-pedantic', '-Werror']
# One for each language: each header is compiled with both.
COMPILERS = [[next(filter(shutil.which, names), names[0]), '-x', language, f'-std={standard}']
             for *names, language, standard in (('gcc', 'clang', 'c', 'c11'), ('g++', 'clang++', 'c++', 'c++17'))]


def call(*command, **more):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding='utf-8', check=False, **more)
    if done.returncode != 0:
        raise AssertionError(f'{shlex.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}')
    return done.stdout


def build_options():
    found = json.loads(call('meson', 'introspect', '--buildoptions', BUILD))
    return {option['name']: option['value'] for option in found}


def link_around(real, ours):
    """Everything that `real` has and `ours` has not, as links."""
    for path in real.iterdir():
        mine = ours / path.name
        if mine.is_dir() and not mine.is_symlink():
            link_around(path, mine)
        elif not mine.exists():
            mine.symlink_to(path)


def installable():
    if not BUILD:
        return 'VIOMMU_BUILD is not set'
    for need in ('meson', 'pkg-config'):
        if not shutil.which(need):
            return f'there is no {need} here'
    if cli.SANITIZED:
        return 'a build with sanitizers has no library to install'
    return None


class Installed(cli.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if installable():
            raise unittest.SkipTest(installable())
        cls.holder = tempfile.TemporaryDirectory(prefix='viommu-install.')
        cls.addClassCleanup(cls.holder.cleanup)
        cls.root = pathlib.Path(cls.holder.name)
        options = build_options()
        cls.prefix = pathlib.PurePosixPath(options['prefix'])
        cls.places = {name: cls.prefix / options[name] for name in ('bindir', 'datadir', 'includedir', 'libdir', 'mandir')}
        call('meson', 'install', '-C', BUILD, '--no-rebuild', '--destdir', cls.root)
        cls.files = {str('/' / path.relative_to(cls.root)) for path in cls.root.rglob('*') if not path.is_dir()}
        link_around(pathlib.Path('/usr'), cls.root / 'usr')

    def place(self, name):
        return self.root / self.places[name].relative_to('/')

    def flags(self, *what):
        env = {**os.environ, 'PKG_CONFIG_SYSROOT_DIR': str(self.root),
               'PKG_CONFIG_PATH': str(self.place('libdir') / 'pkgconfig')}
        return shlex.split(call('pkg-config', *what, 'viommu', env=env))

    def loader(self):
        return {'PATH': os.environ['PATH'], 'LC_ALL': 'C.UTF-8', 'LD_LIBRARY_PATH': str(self.place('libdir'))}

    def exported(self):
        library = self.place('libdir') / 'libviommu.so'
        lines = call('nm', '-D', '--defined-only', library).splitlines()
        return {line.split()[-1].partition('@')[0] for line in lines if line.split()[1] != 'A'}


class Files(Installed):
    def test_all_and_nothing_else(self):
        """every file has its place, and no other file comes along"""
        datadir, libdir = self.places['datadir'], self.places['libdir']
        expected = {f'{self.places["bindir"]}/{name}' for name in ('viommu', 'viommu-probe')}
        expected |= {f'{self.places["includedir"]}/viommu/{name}' for name in HEADERS}
        version = run('--version').out.split()[1]
        expected |= {f'{libdir}/{name}' for name in ('libviommu.so', 'libviommu.so.0', f'libviommu.so.{version}',
                                                     'pkgconfig/viommu.pc')}
        if shutil.which('scdoc'):
            for page in (TOP / 'man').glob('*.scd'):
                name = page.name.removesuffix('.scd')
                expected.add(f'{self.places["mandir"]}/man{name[-1]}/{name}')
        for name in ('viommu', 'viommu-probe'):
            expected |= {f'{datadir}/bash-completion/completions/{name}', f'{datadir}/zsh/site-functions/_{name}',
                         f'{datadir}/fish/vendor_completions.d/{name}.fish'}
        self.assertEqual(sorted(self.files), sorted(expected))

    def test_programs_run(self):
        """the installed programs need nothing of the build directory"""
        for name in ('viommu', 'viommu-probe'):
            program = self.place('bindir') / name
            self.assertRegex(call(program, '--version', env={}), rf'\A{name} \d')
            self.assertNotIn('RUNPATH', call('readelf', '-d', program))
        self.assertNotIn('NEEDED', call('readelf', '-d', self.place('bindir') / 'viommu-probe'))

    def test_library(self):
        text = call('readelf', '-d', self.place('libdir') / 'libviommu.so')
        self.assertIn('[libviommu.so.0]', text)
        self.assertNotIn('RUNPATH', text)


class Headers(Installed):
    def test_alone(self):
        """each header compiles by itself, as C11 and as C++17"""
        flags = self.flags('--cflags')
        have = [command for command in COMPILERS if shutil.which(command[0])]
        jobs = [(command, name) for command in have for name in HEADERS]
        self.assertGreater(len(jobs), 20)

        def compile_one(job):
            command, name = job
            text = f'#include <viommu/{name}>\nint not_empty;\n'
            done = subprocess.run([*command, *WARNINGS, *flags, '-fsyntax-only', '-'], input=text, encoding='utf-8',
                                  stderr=subprocess.PIPE, check=False)
            return done.returncode, done.stderr

        for (command, name), (status, said) in zip(jobs, cli.in_parallel(compile_one, jobs)):
            with self.subTest(compiler=command[0], header=name):
                self.assertEqual(status, 0, said)

    def all_headers(self):
        return ''.join(f'#include <viommu/{name}>\n' for name in HEADERS)

    def test_what_is_declared_is_exported(self):
        """every function in a public header can be linked to; the compiler says which there are"""
        if not shutil.which('gcc'):
            self.skipTest('there is no gcc, which can list declarations')
        scratch = self.scratch()
        (scratch / 'all.c').write_text(self.all_headers())
        call('gcc', '-std=c11', *self.flags('--cflags'), '-aux-info', scratch / 'all.txt', '-fsyntax-only',
             scratch / 'all.c')
        lines = [line for line in (scratch / 'all.txt').read_text().splitlines()
                 if '/include/viommu/' in line and '*/ static' not in line]
        declared = {re.search(r'\b(\w+) \(', line.partition('*/')[2]).group(1) for line in lines}
        declared = {name for name in declared if re.match('(viommu|vtd)_', name)}
        self.assertGreater(len(declared), 100)
        exported = self.exported()
        self.assertEqual(declared - exported, set(), 'declared, but not exported or not defined')
        variables = {'vtd_register_count', 'vtd_register_table'}
        self.assertEqual(exported - declared, variables, 'exported, but in no public header')

    def test_from_cxx(self):
        """every exported name links from C++ as well (G_BEGIN_DECLS)"""
        if not shutil.which('g++'):
            self.skipTest('there is no g++')
        scratch = self.scratch()
        names = sorted(self.exported())
        text = self.all_headers() + 'const void *const all[] = {\n'
        text += ''.join(f'(const void *) &{name},\n' for name in names)
        text += '};\nint main(int argc, char **) { return argc == 1 && all[sizeof(all) / sizeof(*all) - 1] ? 0 : 1; }\n'
        (scratch / 'all.cc').write_text(text)
        call('g++', '-std=c++17', *self.flags('--cflags'), scratch / 'all.cc', '-o', scratch / 'all',
             *self.flags('--libs'))
        call(scratch / 'all', env=self.loader())


class Outsider(Installed):
    def build(self, *command):
        scratch = self.scratch()
        call(*command, *WARNINGS, *self.flags('--cflags'), cli.HERE / 'outsider.c', '-x', 'none', '-o',
             scratch / 'outsider', *self.flags('--libs'))
        return scratch / 'outsider'

    def test_walks(self):
        """a program outside gets the answers of `viommu walk`, in C and C++"""
        for command in COMPILERS:
            if not shutil.which(command[0]):
                continue
            program = self.build(*command)
            for iova in ('0x40000000', '0x40007123', '0x1000000000'):
                with self.subTest(compiler=command[0], iova=iova):
                    walk = run('walk', '-s', 'clean.elf', '00:04.0', iova, '--format', 'json').json['walk']
                    said = call(program, DATA / 'clean.elf', 0, 4, 0, iova, env=self.loader()).strip()
                    self.assertEqual(said, walk['gpa'] if walk['read']['allowed'] else f'fault {walk["read"]["fault_reason"]}')

    def test_bad_file(self):
        program = self.build(*COMPILERS[0])
        done = subprocess.run([program, '/dev/null', '0', '4', '0', '0'], env=self.loader(), capture_output=True,
                              encoding='utf-8', check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn('/dev/null', done.stderr)


if __name__ == '__main__':
    tap.main()
