# SPDX-License-Identifier: GPL-2.0-or-later
"""The completion for bash; needs the functions of bash-completion."""

HEAD = '''# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of {program}, made out of data/completions/table.

{function}_monitor()
{{
    case $cur in
        unix:* | hmp:unix:*)
            local IFS=$'\\n' path before=${{cur%%unix:*}}unix:
            compopt -o filenames -o nospace
            for path in $(compgen -f -- "${{cur#"$before"}}"); do
                [[ -S $path || -d $path ]] && COMPREPLY+=("$before$path")
            done
            __ltrim_colon_completions "$cur" ;;
        hmp:*)
            compopt -o nospace
            COMPREPLY=($(compgen -W 'hmp:unix: hmp:tcp:' -- "$cur"))
            __ltrim_colon_completions "$cur" ;;
        *)
            compopt -o nospace
            COMPREPLY=($(compgen -W 'unix: tcp: hmp: libvirt:' -- "$cur"))
            __ltrim_colon_completions "$cur" ;;
    esac
}}

{function}_stream()
{{
    if [[ $cur == unix:* ]]; then
        {function}_monitor
    else
        _filedir
        COMPREPLY+=($(compgen -W 'unix:' -- "$cur"))
    fi
}}

{function}()
{{
    local cur prev words cword split=false
    _init_completion -s -n : || return
    if ((cword == 1)); then
        COMPREPLY=($(compgen -W '{commands} --help --version' -- "$cur"))
        return
    fi
    case ${{words[1]}} in
        help)
            ((cword == 2)) && COMPREPLY=($(compgen -W '{commands}' -- "$cur")) ;;
'''

TAIL = '''        *) return ;;
    esac
}}

complete -F {function} {program}
'''

VALUES = {
    '<file>': '_filedir',
    '<pid>': '_pids',
    '<qemu>': 'COMPREPLY=($(compgen -W "$(viommu list 2>/dev/null | awk \'$1 ~ /^[0-9]+$/ {{ print $1 }}\')" -- "$cur"))',
    '<text>': ':',
    '<monitor>': '{function}_monitor',
    '<stream>': '{function}_stream',
    '<code>': 'COMPREPLY=($(compgen -W "$(viommu explain 2>/dev/null | cut -d " " -f 1)" -- "$cur"))',
    '<call>': '''if ((cword == 2)); then
                    COMPREPLY=($(compgen -W "$(viommu-probe explain 2>/dev/null | awk '/^  [A-Z]/ {{ print $1 }}')" -- "$cur"))
                elif ((cword == 3)); then
                    COMPREPLY=($(compgen -W "$(viommu-probe explain "${{words[2]}}" 2>/dev/null | '''
              '''awk '/^[^ ].*: E[A-Z0-9]+ [(]/ {{ sub(/^.*: /, ""); print $1 }}')" -- "$cur"))
                fi''',
    '<bdf>': '''COMPREPLY=($(compgen -W '$(cd /sys/bus/pci/devices 2>/dev/null && printf "%s " *:* | sed "s/0000://g")' '''
             '''-- "$cur"))
                    __ltrim_colon_completions "$cur"''',
}


def _action(value, function):
    if value.startswith('<'):
        return VALUES[value].format(function=function)
    return f'COMPREPLY=($(compgen -W \'{value}\' -- "$cur"))'


def _command(function, command):
    yield f'        {command.name})'
    if command.argument == '<program>':
        yield '            local i'
        yield '            for ((i = 2; i < cword; i++)); do'
        yield '                if [[ ${words[i]} == -- ]]; then'
        yield '                    _command_offset $((i + 1))'
        yield '                    return'
        yield '                fi'
        yield '            done'
    yield '            case $prev in'
    for option in command.options:
        if option.value:
            yield f'                {"|".join(option.names)})'
            yield f'                    {_action(option.value, function)}'
            yield '                    return ;;'
    yield '            esac'
    yield '            $split && return'
    yield '            if [[ $cur == -* ]]; then'
    words = ' '.join(name for option in command.options for name in option.names)
    yield f'                COMPREPLY=($(compgen -W \'{words}\' -- "$cur"))'
    if command.argument and command.argument != '<program>':
        yield '            else'
        yield f'                {_action(command.argument, function)}'
    yield '            fi ;;'


def script(program, commands):
    function = '_' + program.replace('-', '_')
    names = ' '.join(command.name for command in commands)
    lines = [line for command in commands for line in _command(function, command)]
    head = HEAD
    if not any('<monitor>' in (command.argument, *(option.value for option in command.options)) for command in commands):
        begin = head.index('{function}_monitor()')
        head = head[:begin] + head[head.index('{function}()'):]
    return (head.format(program=program, function=function, commands=names) + '\n'.join(lines) + '\n'
            + TAIL.format(program=program, function=function))
