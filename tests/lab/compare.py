#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares what `viommu-probe record` and `viommu-probe trace` say of the same
run of a program, page by page, and says why they differ where they do.

    compare.py RECORDED TRACED      exit status 1: a difference without a reason
"""

import bisect
import collections
import json
import sys

PAGE = 4096

REFUSED = 'calls that the kernel refused: trace sees what the kernel does, and it did nothing'
TAKEN_BACK = 'pages that a call mapped and took back when it failed: record sees one call that failed'
TRIAL = 'mapped by the kernel for itself, to try out huge pages, before the container has its IOMMU'
UNKNOWN = 'record does not know what is behind the mapping (gpa_unknown), trace does'
DEVICE = 'trace could not tell that the device uses the address space'
SEVERAL = 'trace could not tell that these are one address space'
LOST = 'trace had lost events'
OTHER = 'NO REASON KNOWN'


class Space:
    def __init__(self):
        self.devices = set()
        self.attached = 0       # when the first device was
        self.pages = collections.defaultdict(list)  # {iova: [gpa, None for an unmap, gpa, ...]}
        self.trial = set()      # {(iova, index)}: before a device was attached
        self.refused = []       # [(first, last, event)]
        self.maps = []          # [(time, iova, gpa)]

    def take(self, event):
        iova, size, time = int(event['iova'], 16), int(event['size'], 16), event['time_ns']
        if 'errno' in event:
            self.refused.append((iova, iova + size - 1, event))
            return
        gpas = [None] * (size // PAGE)
        if event['event'] == 'map':
            known = [int(extent['gpa'], 16) + offset for extent in event['extents']
                     for offset in range(0, int(extent['size'], 16), PAGE)]
            gpas = known + ['?'] * (len(gpas) - len(known))
            self.maps += [(time, iova + i * PAGE, gpa) for i, gpa in enumerate(gpas)]
        for i, gpa in enumerate(gpas):
            page = iova + i * PAGE
            history = self.pages[page]
            # An unmap may span more than what is mapped.
            if gpa is not None or (history and history[-1] is not None):
                if time < self.attached:
                    self.trial.add((page, len(history)))
                history.append(gpa)


def read(lines):
    """({number: Space}, whether events are lost)"""
    events = [json.loads(line) for line in lines if line.endswith('\n')]
    spaces = collections.defaultdict(Space)
    for event in events:
        if event['event'] == 'attach':
            space = spaces[event['space']]
            space.devices.add(event['device'])
            # What trace calls so is a domain; whose it becomes is said later.
            if event['backend'] != 'iommu-domain':
                space.attached = space.attached or event['time_ns']
    for event in events:
        if event['event'] in ('map', 'unmap'):
            spaces[event['space']].take(event)
    return dict(spaces), any(event['event'] == 'lost' for event in events)


def _partners(recorded, traced):
    """{number of a traced space: that of the recorded one, or None}.  A call is recorded
    when it has returned, so after the kernel has made its mappings."""
    calls = collections.defaultdict(list)
    for number, space in recorded.items():
        for time, iova, _ in space.maps:
            calls[iova].append((time, number))
    result = {}
    for number, space in traced.items():
        votes = collections.Counter()
        for time, iova, gpa in space.maps:
            at = bisect.bisect(calls[iova], (time, -1))
            for _, other in calls[iova][at:at + 4]:
                if gpa in recorded[other].pages[iova] or '?' in recorded[other].pages[iova]:
                    votes[other] += 1
                    break
        result[number] = votes.most_common(1)[0][0] if votes else None
    return result


def _join(spaces):
    """Several spaces that are one."""
    result = Space()
    for space in spaces:
        result.devices |= space.devices
        for iova, history in space.pages.items():
            before = len(result.pages[iova])
            result.trial |= {(iova, before + i) for page, i in space.trial if page == iova} if space.trial else set()
            result.pages[iova] += history
    return result


def _same(ours, theirs):
    return len(ours) == len(theirs) and all(a == b or (a == '?' and b is not None) for a, b in zip(ours, theirs))


def _without(history, remove):
    return [gpa for i, gpa in enumerate(history) if i not in remove]


def _reasons(ours, theirs, iova, lost):
    """The reasons for which one page's histories in two spaces differ."""
    a, b, reasons = ours.pages[iova], theirs.pages[iova], []
    trial = {i for i in range(len(b)) if (iova, i) in theirs.trial}
    if trial:
        reasons.append(TRIAL)
        b = _without(b, trial)
    refused = any(first <= iova <= last and event['event'] == 'map' for first, last, event in ours.refused)
    for i in range(len(b) - 1):
        if refused and b[i] is not None and b[i + 1] is None and _same(a, _without(b, {i, i + 1})):
            reasons.append(TAKEN_BACK)
            b = _without(b, {i, i + 1})
            break
    if '?' in a and _same(a, b):
        reasons.append(UNKNOWN)
    if not _same(a, b):
        reasons.append(LOST if lost else OTHER)
    return reasons


def _text(history):
    return ' '.join(gpa if gpa == '?' else 'unmap' if gpa is None else f'{gpa:#x}' for gpa in history) or 'nothing'


def compare(recorded, traced):
    """(pages that went through the same, {reason: [what it is the reason of]}) of two
    results of read()."""
    recorded, _ = recorded
    traced, lost = traced
    partners = _partners(recorded, traced)
    same, differences = 0, collections.defaultdict(list)
    for number in [*recorded, None]:
        ours = recorded.get(number, Space())
        parts = [at for at, space in traced.items() if partners[at] == number and space.pages]
        theirs = _join(traced[at] for at in parts)
        if number and len(parts) > 1:
            differences[SEVERAL].append(f'space {number} is {parts}')
        for first, last, event in ours.refused:
            differences[REFUSED].append(f'space {number} {event["event"]} {first:#x}-{last:#x} {event["error"]}')
        for device in sorted(ours.devices - theirs.devices) if theirs.pages else ():
            differences[DEVICE].append(f'space {number} {device}')
        for device in sorted(theirs.devices - ours.devices) if number else ():
            differences[OTHER].append(f'space {number} {device}: in the trace alone')
        for iova in sorted(ours.pages.keys() | theirs.pages.keys()):
            reasons = _reasons(ours, theirs, iova, lost)
            same += not reasons
            for reason in reasons:
                differences[reason].append(
                    f'space {number} {iova:#x}: {_text(ours.pages[iova])} / {_text(theirs.pages[iova])}')
    return same, dict(differences)


def report(same, differences):
    lines = [f'{same} pages went through the same in both records']
    for reason, examples in differences.items():
        lines += [f'{len(examples)}: {reason}', *('    ' + text for text in examples[:3])]
    return lines


def main():
    records = []
    for path in sys.argv[1:3]:
        with open(path, encoding='utf-8') as lines:
            records.append(read(lines))
    same, differences = compare(*records)
    print('\n'.join(report(same, differences)))
    return 1 if OTHER in differences else 0


if __name__ == '__main__':
    sys.exit(main())
