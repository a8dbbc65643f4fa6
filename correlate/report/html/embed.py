#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Style and scripts of the HTML report as a C file, with the hashes by which the page's
content security policy lets in just these.

    embed.py OUTPUT.c FILE.css FILE.js…"""

import base64
import hashlib
import pathlib
import sys


def emit(name, text):
    data = text.encode()
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    lines = [', '.join(str(byte) for byte in data[at:at + 24]) for at in range(0, len(data), 24)]
    return (f'const char viommu_html_{name}_hash[] = "sha256-{digest}";\n'
            f'const char viommu_html_{name}[] = {{\n\t' + ',\n\t'.join(lines) + ', 0\n};\n')


def body(path):
    text = pathlib.Path(path).read_text()
    assert '</s' not in text.lower() and '<!--' not in text, f'{path} would end its own element'
    assert text.isascii(), f'{path} is not ASCII'
    return text


output, style, *scripts = sys.argv[1:]
pathlib.Path(output).write_text(
    '/* Made by embed.py: do not edit. */\n#include "report/report-html.h"\n\n' +
    emit('style', body(style)) +
    emit('script', '(() => {\n"use strict";\n' + ''.join(map(body, scripts)) + '})();\n'))
