# SPDX-License-Identifier: GPL-2.0-or-later
"""The five links of an assigned device, as viommu verify says them of a snapshot and QEMU's
log, both taken in L0, against L0's own vIOMMU as the shadow."""

import os
import time

from lab import cleanup, viommu
from lab.guest import RECORD_PORT

LOG = '/run/trace.log'          # in the outer guest
LINKS = ['request', 'table', 'invalidation', 'notice', 'shadow']
PAGE = 4096
LOOKS = 3


def wait(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError('it does not come')
        time.sleep(0.1)


def start_trace(inner):
    """viommu-probe trace in L1, into a new record; it is on."""
    inner.clear_record()
    probe = inner.spawn(f'viommu-probe trace -o {RECORD_PORT}')
    wait(lambda: '"name":"begun"' in open(inner.record, encoding='utf-8').read())
    return probe


class Looker:
    """with Looker(lab) as looker: …  QEMU's trace events are on inside the block."""

    def __init__(self, lab):
        self._lab = lab
        self._dir = cleanup.temp_dir()
        self._trace = lab.outer.spawn(f'viommu trace -q {lab.inner.socket} -o {LOG} --force')
        wait(lambda: 'press Ctrl-C' in self._trace.output())

    def fetch(self):
        """A snapshot of the inner vIOMMU, and QEMU's log after it: two paths here."""
        snapshot, log = os.path.join(self._dir, 'inner.elf'), os.path.join(self._dir, 'log')
        self._lab.outer.must(f'viommu capture -q {self._lab.inner.socket} --backing --force -o /run/inner.elf')
        self._lab.fetch('/run/inner.elf', snapshot)
        self._lab.fetch(LOG, log)
        return snapshot, log

    def result(self, saved=False):
        """The JSON of viommu verify.  saved: L0's own tables are saved at the same moment as well."""
        snapshot, log = self.fetch()
        shadow = self._lab.outer.target
        if saved:
            shadow = os.path.join(self._dir, 'outer.elf')
            viommu.run('capture', '-q', self._lab.outer.target, '--force', '-o', shadow)
        return viommu.verify('-s', snapshot, self._lab.inner.record, '--qemu-log', log, '--shadow', shadow)[1]

    def complaints(self, device, mapped=None, unmapped=None):
        """complaints() of a look; L1's drivers go on meanwhile, and a snapshot, a log and a shadow
        of three moments leave some page unverified now and then: then of another look.  What is
        wrong is so at once."""
        for _ in range(LOOKS):
            result = self.result()
            found = complaints(result, device, mapped, unmapped)
            if not found or wrong(result, device):
                break
        return result, found

    def close(self):
        """Ends the trace."""
        self._trace.signal('TERM')
        status = self._trace.wait()
        if status != 0:
            raise AssertionError(f'viommu trace ended with {status}\n{self._trace.output()}')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._lab.outer.alive():
            self.close()


def of_device(result, device):
    """{link: {(state, unmapped): pages}} of one device."""
    links = {link: {} for link in LINKS}
    for name, unmapped in (('runs', False), ('unmapped', True)):
        for run in result[name]:
            if [d[-7:] for d in run['devices']] != [device]:
                continue
            for link in LINKS:
                key = run['links'][link], unmapped
                links[link][key] = links[link].get(key, 0) + (int(run['last'], 16) - int(run['first'], 16) + 1) // PAGE
    return links


def above_notes(result):
    return [item for item in result['findings'] if item['severity'] != 'note']


def wrong(result, device):
    """Sentences: links that are broken, and what is found above a note."""
    found = [f'link {link}: {states}' for link, states in of_device(result, device).items()
             if any(state == 'broken' for state, _ in states)]
    found += [f'finding {item["code"]}: {item["instances"][:1]}' for item in above_notes(result)]
    if result['exit_status'] != 0:
        found.append(f'exit status {result["exit_status"]}')
    return found


def complaints(result, device, mapped=None, unmapped=None):
    """wrong(), and every link that has not so many pages, all of them ok.  None: those that
    there are."""
    links = of_device(result, device)
    request = links['request']
    mapped = request.get(('ok', False), 0) if mapped is None else mapped
    unmapped = request.get(('ok', True), 0) if unmapped is None else unmapped
    wanted = {key: pages for key, pages in ((('ok', False), mapped), (('ok', True), unmapped)) if pages}
    found = [f'link {link} has {links[link]}, not {wanted}' for link in LINKS if links[link] != wanted]
    if not wanted:
        found.append('there is no page at all')
    return found + wrong(result, device)
