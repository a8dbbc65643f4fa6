# SPDX-License-Identifier: GPL-2.0-or-later
"""What reads viommu's reports, and is not viommu's: Debian's validators and parsers."""

import copy
import html.parser
import json
import shutil
import subprocess
import sys

from cli import TOP, run

# Behind this Python's own, so that Debian's modules are found by one that is not Debian's.
sys.path.append('/usr/lib/python3/dist-packages')


def module(name):
    try:
        return __import__(name)
    except ImportError:
        return None


jsonschema, junitparser = module('jsonschema'), module('junitparser')
CMARK = shutil.which('cmark-gfm')

FORMS = {'markdown': 'md', 'html': 'html', 'json': 'json', 'junit': 'xml', 'tap': 'tap', 'text': 'txt'}
SAVED = ('-s', 'wrong-address.elf', 'small.jsonl')


def report(form, *args, **options):
    return run('report', *args, '--format', form, **options)


def tap_parser():
    """Debian's tap.py, which has the name of ours."""
    ours = sys.modules.pop('tap', None)
    path, sys.path = sys.path, ['/usr/lib/python3/dist-packages', *sys.path]
    try:
        from tap.parser import Parser
        return Parser()
    except ImportError:
        return None
    finally:
        sys.path = path
        for name in [name for name in sys.modules if name == 'tap' or name.startswith('tap.')]:
            del sys.modules[name]
        if ours:
            sys.modules['tap'] = ours


def schema(strict=False):
    """The published one; strict: it allows no member that it does not describe."""
    ret = json.loads((TOP / 'docs' / 'schema' / 'viommu-result.schema.json').read_text())
    return closed(ret) if strict else ret


def closed(node):
    node = copy.deepcopy(node)
    if isinstance(node, dict):
        node = {key: closed(value) for key, value in node.items()}
        if 'properties' in node and isinstance(node['properties'], dict):
            node['additionalProperties'] = False
    elif isinstance(node, list):
        node = [closed(item) for item in node]
    return node


def errors(document, strict=True):
    """What an independent validator has against it."""
    validator = jsonschema.Draft202012Validator(schema(strict))
    return [f'{"/".join(map(str, error.absolute_path))}: {error.message[:300]}' for error in validator.iter_errors(document)]


class Tags(html.parser.HTMLParser):
    """Elements, attributes and text of HTML; what is not closed."""
    VOID = {'meta', 'link', 'br', 'img', 'hr', 'input'}

    def __init__(self, text):
        super().__init__()
        self.names, self.attributes, self.open, self.text, self.wrong, self.pieces = {}, [], [], '', [], {}
        self.feed(text)
        self.close()
        self.wrong += [f'{name} is not closed' for name in self.open]

    def handle_starttag(self, tag, attrs):
        self.names[tag] = self.names.get(tag, 0) + 1
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f'</{tag}> closes nothing')

    def handle_data(self, data):
        self.text += data
        inside = self.open[-1] if self.open else ''
        self.pieces.setdefault(inside, []).append(data)


def render(markdown):
    """As GitLab and GitHub do: with tables, links made of what looks like one, and HTML."""
    done = subprocess.run([CMARK, '--unsafe', '-e', 'table', '-e', 'autolink', '-e', 'strikethrough'],
                          input=markdown.encode(), stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()
