# SPDX-License-Identifier: GPL-2.0-or-later
"""The completion for fish."""

HEAD = '''# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of {program}, made out of data/completions/table.

function {function}_is
    set -l words (commandline -opc)
    test "$words[2]" = "$argv[1]"
end

function {function}_first
    test (count (commandline -opc)) = 1
end

function {function}_monitor
    set -l word (string replace -r '^--qmp=' '' -- (commandline -ct))
    if set -l before (string match -r '^(?:hmp:)?unix:' -- $word)
        for path in (__fish_complete_path (string replace -- $before '' $word) | string replace -r '\\t.*' '')
            test -S $path -o -d $path; and printf '%s\\n' $before$path
        end
    else if string match -q 'hmp:*' -- $word
        printf '%s\\n' hmp:unix: hmp:tcp:
    else
        printf '%s\\n' unix: tcp: hmp: libvirt:
    end
end

function {function}_stream
    set -l word (commandline -ct)
    if string match -q 'unix:*' -- $word
        {function}_monitor
    else
        __fish_complete_path $word
        printf 'unix:\\n'
    end
end

function {function}_call
    set -l words (commandline -opc)
    if test (count $words) = 2
        viommu-probe explain 2>/dev/null | string match -rg '^  ([A-Z]\\S*)'
    else if test (count $words) = 3
        viommu-probe explain $words[3] 2>/dev/null | string match -rg '^\\S.*: (E[A-Z0-9]+) \\('
    end
end

function {function}_bdf
    for path in /sys/bus/pci/devices/*:*
        string replace '0000:' '' (string replace -r '.*/' '' $path)
    end
end

function {function}_program
    set -l words (commandline -opc)
    set -l dashes (contains -i -- -- $words); or return
    set -e words[1..$dashes]
    complete -C (string join ' ' -- (string escape -- $words) (commandline -ct))
end

complete -c {program} -f
complete -c {program} -n {function}_first -s h -l help -d 'say what there is'
complete -c {program} -n {function}_first -l version -d 'name the version'
'''

# What is offered as the value of an option, or as an argument.
VALUES = {'<file>': '-F', '<pid>': "-a '(__fish_complete_pids)'", '<text>': '',
          '<monitor>': "-a '({function}_monitor)'", '<bdf>': "-a '({function}_bdf)'",
          '<stream>': "-a '({function}_stream)'",
          '<qemu>': '''-a '(viommu list 2>/dev/null | string match -rg "^ *([0-9]+) ")\'''',
          '<code>': """-a '(viommu explain 2>/dev/null | string replace -r " .*" "")'""",
          '<call>': "-a '({function}_call)'",
          '<program>': "-a '({function}_program)'"}


def _quoted(text):
    return "'" + text.replace('\\', '\\\\').replace("'", "\\'") + "'"


def _value(value, function):
    return VALUES[value].format(function=function) if value.startswith('<') else f"-a '{value}'"


def _command(program, function, command):
    yield f'complete -c {program} -n {function}_first -a {command.name} -d {_quoted(command.summary)}'
    yield f'complete -c {program} -n "{function}_is help" -a {command.name} -d {_quoted(command.summary)}'
    here = f'complete -c {program} -n "{function}_is {command.name}"'
    for option in command.options:
        short = f'-s {option.short[1:]} ' if option.short else ''
        value = f' {"-r" if option.value == "<file>" else "-x"} {_value(option.value, function)}' if option.value else ''
        yield f'{here} {short}-l {option.long[2:]}{value} -d {_quoted(option.summary)}'
    if command.argument:
        yield f'{here} {_value(command.argument, function)}'


def script(program, commands):
    function = '__' + program.replace('-', '_')
    lines = [line for command in commands for line in _command(program, function, command)]
    return HEAD.format(program=program, function=function) + '\n'.join(lines) + '\n'
