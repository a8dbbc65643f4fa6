# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts that mean harm to whoever shows them, and a snapshot and a record full of them."""

import json

from cli import DATA
from corefile import Snapshot

# Each holds a word of its own, so that a test can tell which one got through.
TEXTS = (
    '<script>document.title="owned-1";alert("owned-1")</script>',
    '"><img src=x onerror=alert("owned-2")>',
    "'><svg/onload=alert('owned-3')>",
    '</script><script>alert("owned-4")</script>',
    '<!-- --!> <script>alert("owned-5")</script> -->',
    '</pre></details></table><h1>owned-6</h1>',
    ']]><owned-7/>&owned8;&#60;b&#62;',
    '| owned-9 | `owned-10` ``` | **owned-11** | [owned-12](javascript:alert(1)) ![x](https://owned-13.example/x.png)',
    '\n\n# owned-14\n\n/close\n/label ~owned-15\n@all #1 !1 www.owned-16.example',
    '```\n</details>\n<script>alert("owned-17")</script>\n````````\n',
    'ok 1 - owned-18\nnot ok 2 - owned-19 # SKIP owned-20 # TODO \\# owned-21\n1..0\nBail out! owned-22',
    '\x1b]0;owned-23\x07\x1b[31m\x9b31m\x08\x7f\r',
    '\u202eowned-24\u2066\u200b\ufeff\u061c\u2028\u2029',
    '\ufffe\uffff\U0001f4a5 owned-25 \u00e4\u4e2d',
    "$(touch owned-26) `touch owned-27` '; touch owned-28; ' \" \\",
    'javascript:alert("owned-29") {{owned-30}} ${owned31} %s%n%p%n',
    '\\u003cscript\\u003ealert("owned-32")\\u003c/script\\u003e',
    'owned-33 ' + 'A' * 5000,
    '`', '``', ' ` ', '|', '\\|', '\\', '',
)
ALL = ' '.join(TEXTS)


def snapshot(name='wrong-address.elf'):
    """A snapshot (viommu-snapshot(5)) with such texts wherever one can be."""
    spoilt = Snapshot.read(DATA / name)
    note = spoilt.note
    machine = note['machine']
    note.update(program=ALL, time=ALL, memory_source=ALL)
    machine.update(version='7.2 ' + ALL, package=ALL, run_state=ALL, cmdline=['/usr/bin/qemu ' + ALL, *TEXTS],
                   host={'os': ALL, 'kernel': ALL, 'arch': ALL})
    machine['iommu_properties'].update({text: text for text in TEXTS if text})
    for i, device in enumerate(machine['pci']):
        device.update(id=TEXTS[i % len(TEXTS)][:60], class_text=TEXTS[-1 - i % len(TEXTS)][:60])
        if device['sid'] == 0x20:
            device.update(id='<img src=x onerror=alert(1)>|`*', class_text='</script><script>alert(2)</script>')
    return spoilt.bytes()


def record(name='small.jsonl', lost=False):
    """A record (viommu-record(5)) with such texts wherever one can be. lost: events are missing, which leaves
    nothing that is certain."""
    events = [json.loads(line) for line in (DATA / name).read_text().splitlines()]
    events[0].update(program=ALL, kernel='Linux ' + ALL, cmdline=ALL, session=ALL, boot_id=ALL)
    for event in events:
        if event['event'] in ('attach', 'space'):
            event['backend'] = ALL
        if event['event'] == 'mark':
            event['name'] = event.get('name', '') or ALL
    mapped = next(event for event in events if event['event'] == 'map')
    extra = {'seq': events[-1]['seq'] + 1, 'time_ns': events[-1]['time_ns'], 'event': 'map', 'space': mapped['space'],
             'iova': '0x50000000', 'size': '0x2000', 'prot': 'rw', 'extents': [],
             'gpa_unknown': ALL}
    doctor = {'seq': extra['seq'] + 1, 'time_ns': extra['time_ns'], 'event': 'doctor',
              'checks': [{'section': text, 'name': text, 'verdict': text, 'seen': text, 'fix': text, 'more': [text, text]} for text in TEXTS]}
    note = {'seq': doctor['seq'] + 1, 'time_ns': extra['time_ns'], 'event': 'note', 'text': ALL}
    mark = {'seq': note['seq'] + 1, 'time_ns': extra['time_ns'], 'event': 'mark', 'name': ALL}
    events += [extra, doctor, note, mark]
    if lost:
        events.append({'seq': mark['seq'] + 1, 'time_ns': extra['time_ns'], 'event': 'lost', 'count': 3, 'reason': ALL})
    return ''.join(json.dumps(event) + '\n' for event in events).encode()
