# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the linker's version script of libviommu: what the public headers declare, nothing else.

    exports.py FOLDER-OF-HEADERS NODE OUTPUT DEPFILE"""

import pathlib
import re
import sys


def declared(text):
    """The names of the functions and variables that a header declares."""
    text = re.sub(r'/\*.*?\*/', ' ', text, flags=re.S)
    text = re.sub(r'^[ \t]*#(?:.*\\\n)*.*$', '', text, flags=re.M)
    text = re.sub(r'^G_(?:BEGIN_DECLS|END_DECLS|DEFINE_\w+\(.*\))\s*$', '', text, flags=re.M)
    while '{' in text and (less := re.sub(r'\{[^{}]*\}', ';', text)) != text:  # bodies, innermost first
        text = less
    for statement in text.split(';'):
        statement = ' '.join(statement.split())
        if re.match(r'(typedef|static)\b', statement) or not statement:
            continue
        function = re.search(r'\b((?:viommu|vtd)_\w+) ?\(', statement)
        variable = re.match(r'extern .*?\b((?:viommu|vtd)_\w+) ?(?:\[[^]]*\])?$', statement)
        found = function or variable
        if found:
            yield found.group(1)


def main(folder, node, output, depfile):
    headers = sorted(pathlib.Path(folder).glob('*.h'))
    names = sorted({name for path in headers for name in declared(path.read_text(encoding='utf-8'))})
    lines = [f'{node} {{', 'global:', *(f'\t{name};' for name in names), 'local:', '\t*;', '};', '']
    pathlib.Path(output).write_text('\n'.join(lines), encoding='utf-8')
    # The folder as well: it changes when a header is added.
    needs = ' '.join(str(path).replace(' ', '\\ ') for path in [folder, *headers])
    pathlib.Path(depfile).write_text(f'{pathlib.Path(output).name}: {needs}\n', encoding='utf-8')


if __name__ == '__main__':
    main(*sys.argv[1:])
