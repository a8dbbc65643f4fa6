# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the completions for bash, zsh and fish out of the table.

    generate.py FOLDER"""

import pathlib
import sys

import bash
import fish
import table
import zsh


def main(folder):
    for program, commands in table.read().items():
        for name, made in ((program, bash.script(program, commands)), (f'_{program}', zsh.script(program, commands)),
                           (f'{program}.fish', fish.script(program, commands))):
            (pathlib.Path(folder) / name).write_text(made, encoding='utf-8')


if __name__ == '__main__':
    main(sys.argv[1])
