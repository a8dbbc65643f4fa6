# SPDX-License-Identifier: GPL-2.0-or-later
"""The completion for zsh."""

HEAD = '''#compdef {program}
# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of {program}, made out of data/completions/table.

{function}_monitor()
{{
    if compset -P '(hmp:|)unix:'; then
        _files -g '*(-=)'
    elif [[ $PREFIX == hmp:* ]]; then
        compadd -S '' - hmp:unix: hmp:tcp:
    else
        compadd -S '' - unix: tcp: hmp: libvirt:
    fi
}}

{function}_stream()
{{
    if [[ $PREFIX == unix:* ]]; then
        {function}_monitor
    else
        _files
        compadd -S '' - unix:
    fi
}}

{function}_qemu()
{{
    compadd - $(viommu list 2>/dev/null | awk '$1 ~ /^[0-9]+$/ {{ print $1 }}')
}}

{function}_code()
{{
    local -a found=(${{${{(f)"$(viommu explain 2>/dev/null)"}}%% *}})
    compadd -a found
}}

{function}_call()
{{
    local -a found=(${{${{(M)${{(f)"$(viommu-probe explain 2>/dev/null)"}}:#  [A-Z]*}}#  }})
    compadd - ${{found%% *}}
}}

{function}_errno()
{{
    compadd - $(viommu-probe explain "$line[1]" 2>/dev/null | awk '/^[^ ].*: E[A-Z0-9]+ [(]/ {{ sub(/^.*: /, ""); print $1 }}')
}}

{function}_bdf()
{{
    compadd - ${{${{(@)$(print -l /sys/bus/pci/devices/*:*(N:t))}}#0000:}}
}}

{function}()
{{
    local curcontext=$curcontext state line
    local -a known=(
{commands}
    )
    _arguments -C '(- *)'{{-h,--help}}'[say what there is]' '(- *)--version[name the version]' \\
        '1: :->command' '*:: :->rest'
    case $state in
        command) _describe -t commands '{program} command' known ;;
        rest)
            case $line[1] in
                help)
                    ((CURRENT == 2)) && _describe -t commands '{program} command' known ;;
'''

TAIL = '''            esac ;;
    esac
}}

{function} "$@"
'''

VALUES = {'<file>': '_files', '<pid>': '_pids', '<text>': ' ', '<monitor>': '{function}_monitor',
          '<stream>': '{function}_stream',
          '<code>': '{function}_code', '<call>': '{function}_call', '<bdf>': '{function}_bdf', '<qemu>': '{function}_qemu'}
ONCE = {'<bdf>', '<call>', '<monitor>', '<stream>'}


def _quoted(text):
    return text.replace("'", "'\\''")


def _in_brackets(text):
    return _quoted(text.replace('[', '\\[').replace(']', '\\]'))


def _value(value, function):
    return VALUES[value].format(function=function) if value.startswith('<') else f'({value})'


def _option(option, function):
    about = f'[{_in_brackets(option.summary)}]'
    takes = f':{option.value.strip("<>") if option.value.startswith("<") else "value"}:{_value(option.value, function)}' \
        if option.value else ''
    if not option.short:
        return f"'{option.long}{'=' if option.value else ''}{about}{takes}'"
    both = f'({option.short} {option.long})'
    if option.value:
        return f"'{both}'{{{option.short}+,{option.long}=}}'{about}{takes}'"
    return f"'{both}'{{{option.short},{option.long}}}'{about}'"


def _argument(argument, function):
    once = '' if argument in ONCE else '*'
    return f"'{once or 1}:{argument.strip('<>')}:{_value(argument, function)}'"


def _command(function, command):
    specs = [_option(option, function) for option in command.options]
    program = command.argument == '<program>'
    if command.argument and not program:
        specs.append(_argument(command.argument, function))
    if command.argument == '<call>':
        specs.append(f"'2:errno:{function}_errno'")
    yield f'                {command.name})'
    if program:  # that of which the command line stands behind the dashes
        yield '                    integer dashes=${words[(i)--]}'
        yield '                    if ((dashes < CURRENT)); then'
        yield '                        shift $dashes words'
        yield '                        ((CURRENT -= dashes))'
        yield '                        _normal'
        yield '                        return'
        yield '                    fi'
    yield '                    _arguments -S \\'
    yield ' \\\n'.join(f'                        {spec}' for spec in specs) + ' ;;'


def script(program, commands):
    function = '_' + program.replace('-', '_')
    names = '\n'.join(f"        '{command.name}:{_quoted(command.summary)}'" for command in commands)
    lines = [line for command in commands for line in _command(function, command)]
    return (HEAD.format(program=program, function=function, commands=names) + '\n'.join(lines) + '\n'
            + TAIL.format(function=function))
