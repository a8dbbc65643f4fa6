# SPDX-License-Identifier: GPL-2.0-or-later
"""Real shells, asked what they complete: bash and zsh on a terminal of their own, fish by its `complete -C`."""

import os
import pathlib
import pty
import unittest
import re
import select
import subprocess
import time

END = '|the end|'
SAY = f"say() {{ printf '<%s>' \"$@\"; printf '{END[:4]}%s\\n' '{END[4:]}'; }}\n"
ESCAPES = re.compile(r'\x1b(\[[0-9;?]*[ -/]*[@-~]|[()][A-Z0-9]|[=>])|[\x07\x0f]')

BASHRC = '''
. /usr/share/bash-completion/bash_completion
bind 'set show-all-if-ambiguous on'
bind 'set completion-query-items 0'
bind 'set page-completions off'
bind 'set bell-style none'
bind 'set enable-bracketed-paste off'
PS1='$ '
'''
ZSHRC = '''
fpath=({completions} $fpath)
autoload -Uz compinit && compinit -u -D
LISTMAX=0
unsetopt list_ambiguous beep prompt_sp
unset zle_bracketed_paste
bindkey -e
PS1='$ '
'''


class Shell:
    """A shell in `folder`, with the completions there; programs are found in `path`."""

    def __init__(self, completions, path, folder):
        self.completions, self.folder = pathlib.Path(completions), folder
        self.env = {'PATH': f'{path}:{os.environ["PATH"]}', 'HOME': str(folder), 'TERM': 'dumb', 'LC_ALL': 'C.UTF-8',
                    'COLUMNS': '200', 'LINES': '200', 'HISTFILE': ''}

    def close(self):
        pass

    def line(self, typed):
        """What stands on the command line after Tab: the words."""
        raise NotImplementedError

    def offers(self, typed):
        """All that is offered at Tab, as words; may have words of descriptions among them."""
        raise NotImplementedError


class _OnTerminal(Shell):
    def __init__(self, completions, path, folder):
        super().__init__(completions, path, folder)
        try:
            self.master, slave = pty.openpty()
        except OSError as error:
            raise unittest.SkipTest(f'no terminal can be had: {error}') from None
        subprocess.run(['stty', 'cols', '200', 'rows', '200'], stdin=slave, check=True)
        self.process = subprocess.Popen(self.command(), stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=self.env,
                                        start_new_session=True)
        os.close(slave)
        self._ask('say ready', '')

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)

    def _ask(self, typed, keys):
        os.write(self.master, (typed + keys + '\r').encode())
        seen, until = '', time.monotonic() + 30
        while END + '\r\n' not in seen.replace('\r\r', '\r'):
            if time.monotonic() > until or not select.select([self.master], [], [], 30)[0]:
                raise AssertionError(f'{typed!r}: no answer of {self.command()[0]}: {seen!r}')
            seen += os.read(self.master, 65536).decode('utf-8', 'replace')
        return ESCAPES.sub('', seen).replace('\r', '')

    def line(self, typed):
        seen = self._ask(typed, '\t\x01say ')
        found = re.search(r'((?:<[^<>\n]*>)*)' + re.escape(END), seen)
        return re.findall('<([^<>]*)>', found[1])

    def offers(self, typed):
        seen = self._ask(typed, '\t\x01say ')
        listed = seen.partition('\n')[2].rpartition('say ')[0]
        return set(listed.split()) | set(self.line(typed)[-1:])


class Bash(_OnTerminal):
    name = 'bash'

    def command(self):
        rc = self.folder / '.bashrc-test'
        rc.write_text(BASHRC + ''.join(f'. {self.completions}/{name}\n' for name in ('viommu', 'viommu-probe')) + SAY)
        return ['bash', '--noprofile', '--rcfile', str(rc), '-i']


class Zsh(_OnTerminal):
    name = 'zsh'

    def command(self):
        (self.folder / '.zshrc').write_text(ZSHRC.format(completions=self.completions) + SAY)
        self.env['ZDOTDIR'] = str(self.folder)
        return ['zsh', '-d', '-i']


class Fish(Shell):
    name = 'fish'

    def _complete(self, typed):
        load = '; '.join(f'source {self.completions}/{name}.fish' for name in ('viommu', 'viommu-probe'))
        typed = typed.replace('\\', '\\\\').replace("'", "\\'")
        done = subprocess.run(['fish', '-N', '-c', f"{load}; complete -C '{typed}'"], cwd=self.folder, env=self.env,
                              encoding='utf-8', capture_output=True, check=False)
        if done.returncode != 0 or done.stderr:
            raise AssertionError(f'{typed!r}: {done.stderr}')
        return [line.partition('\t')[0] for line in done.stdout.splitlines()]

    def line(self, typed):
        words = typed.split(' ')
        found = self._complete(typed)
        return [*words[:-1], *(found if len(found) == 1 else words[-1:])]

    def offers(self, typed):
        return set(self._complete(typed))
