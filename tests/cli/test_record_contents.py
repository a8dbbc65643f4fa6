#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Good records that say something else than the tables do, and several of them."""

import time

from cli import CLEAN, FAULT, REJECTED, Case, number, run
from one_record import CLEAN_ELF, EVENTS, PAGES, changed, pages, result, text, verify

import tap


class Contents(Case):
    def test_another_device(self):
        """a device that this QEMU does not have"""
        for device in ('0000:00:1e.0', '0000:ff:1f.7'):
            record = text(*changed(1, device=device))
            done = self.assert_status(verify(record), FAULT)
            self.assertIn('QEMU has no PCI device there', done.out)
            status, found = result(record)
            self.assertEqual((status, pages(found)), (FAULT, {'no-context': PAGES}))

    def test_another_device_that_is_there(self):
        """the record of another guest, most likely: nothing of it is in the table"""
        status, found = result(text(*changed(1, device='0000:00:05.0')))
        self.assertEqual((status, pages(found)), (FAULT, {'missing': PAGES}))

    def test_incomplete(self):
        """a record that does not claim to know all finds nothing unexpected"""
        for value in (None, False, 'yes', 1):
            done = verify(text(*changed(1, complete=value)), target=('-s', 'unexpected.elf'))
            self.assert_clean(done)
            self.assertIn('1 more pages are in the table', done.out)
        self.assertEqual(result(text(*EVENTS), target=('-s', 'unexpected.elf'))[0], FAULT)

    def test_gpa_unknown(self):
        """pages whose address L1 could not learn are unverified, for the reason that it gave"""
        events = changed(2, extents=[], gpa_unknown='no CAP_SYS_ADMIN')
        status, found = result(text(*events))
        self.assertEqual((status, pages(found)), (CLEAN, {'match': PAGES - 4, 'unverified': 4}))
        self.assertIn('no CAP_SYS_ADMIN', verify(text(*events)).out)
        partly = changed(2, extents=EVENTS[2]['extents'][:1], gpa_unknown='no more')
        self.assertEqual(pages(result(text(*partly))[1]), {'match': PAGES - 3, 'unverified': 3})

    def test_gpa_unknown_and_not_in_the_table(self):
        """what is missing is missing, whatever its address would be"""
        events = [{**event, 'extents': [], 'gpa_unknown': 'hidden'} if event['event'] == 'map' else event
                  for event in EVENTS]
        status, found = result(text(*events), target=('-s', 'directory-cleared.elf'))
        self.assertEqual((status, pages(found)), (FAULT, {'missing': PAGES}))

    def test_permissions(self):
        """write only was asked for and the table gives read too: not a fault; read only: one"""
        status, found = result(text(*changed(2, prot='w')))
        self.assertEqual((status, pages(found)), (CLEAN, {'match': PAGES}))
        self.assertTrue(all(run.get('read_added') for run in found['runs'] if number(run['first']) < 0x40004000))
        status, found = result(text(*changed(2, prot='r')))
        self.assertEqual((status, pages(found)), (FAULT, {'match': PAGES - 4, 'wrong-permission': 4}))

    def test_page_size(self):
        """another page size than in the table is said and is no fault"""
        status, found = result(text(*changed(2, page_size='0x200000')))
        self.assertEqual((status, pages(found)), (CLEAN, {'match': PAGES}))
        self.assertEqual(sum(run.get('other_page_size', False) for run in found['runs']), 4)
        self.assertIn('2 MiB pages in L1', verify(text(*changed(2, page_size='0x200000'))).out)

    def test_failed_requests(self):
        """a request that L1's kernel refused was never mapped"""
        events = changed(2, errno=12, error='ENOMEM')
        status, found = result(text(*events))
        self.assertEqual(found['targets'][0]['failed_requests'], 1)
        self.assertEqual((status, pages(found)), (FAULT, {'match': PAGES - 4, 'unexpected': 4}))
        self.assertIn('1 map requests failed in L1', verify(text(*events)).out)

    def test_beyond_width(self):
        for iova in ('0x8000000000', '0xffffffffffffc000'):
            status, found = result(text(*changed(2, iova=iova)))
            self.assertEqual(status, FAULT)
            self.assertEqual(pages(found), {'match': PAGES - 4, 'unexpected': 4, 'beyond-width': 4})

    def test_remapped(self):
        """unmapped and mapped again: the last word counts"""
        first = EVENTS[2]
        events = [*EVENTS[:-1],
                  {'seq': 6, 'event': 'unmap', 'space': 1, 'iova': first['iova'], 'size': first['size']},
                  {**first, 'seq': 7}, {'seq': 8, 'event': 'mark', 'name': 'held'}]
        self.assertEqual(result(text(*events))[0], CLEAN)
        self.assertEqual(result(text(*events), '--at', '6')[0], FAULT)

    def test_overlaps(self):
        """a map over a map: the later one counts"""
        other = {**EVENTS[2], 'seq': 6, 'extents': [{'gpa': '0x1000000', 'size': '0x4000'}]}
        status, found = result(text(*EVENTS[:-1], other, {**EVENTS[-1], 'seq': 7}))
        self.assertEqual((status, pages(found)), (FAULT, {'match': PAGES - 4, 'wrong-address': 4}))

    def test_many_spaces(self):
        events = [{'seq': 7 + i, 'event': 'attach', 'space': 100 + i, 'device': '0000:00:05.0'} for i in range(2000)]
        status, found = result(text(*EVENTS, *events, {'seq': 2007, 'event': 'mark', 'name': 'x'}))
        self.assertEqual((status, pages(found)), (CLEAN, {'match': PAGES}))

    def test_large_claims(self):
        """mappings of exabytes take no more time or memory than small ones"""
        huge = {**EVENTS[2], 'seq': 6, 'iova': '0x100000000', 'size': '0x7ffffffeffff0000', 'extents': [],
                'gpa_unknown': 'huge'}
        began = time.monotonic()
        status, found = result(text(*EVENTS[:-1], huge, {**EVENTS[-1], 'seq': 7}))
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(status, FAULT)
        self.assertGreater(found['counts']['beyond-width']['pages'], 1 << 40)
        self.assert_status(verify(text(*EVENTS[:-1], huge, {**EVENTS[-1], 'seq': 7})), FAULT)

    def test_many_mappings(self):
        """20000 mappings: judged, and shown in brief"""
        maps = [{'seq': 6 + i, 'event': 'map', 'space': 1, 'iova': hex(0x80000000 + i * 0x2000), 'size': '0x1000',
                 'prot': 'rw', 'extents': [{'gpa': hex(0x100000 + i * 0x1000), 'size': '0x1000'}]} for i in range(20000)]
        record = text(*EVENTS[:-1], *maps, {'seq': 20006, 'event': 'mark', 'name': 'held'})
        done = self.assert_status(verify(record), FAULT)
        self.assertLess(len(done.out.splitlines()), 300)
        self.assertIn('--all shows every one', done.out)
        self.assertIn('20,000', done.out)


class Several(Case):
    def test_two_records(self):
        """two halves of one guest's mappings, each not complete"""
        first = text(*[event for event in changed(1, complete=None)[:4]], {'seq': 4, 'event': 'mark', 'name': 'x'})
        rest = [{**event, 'seq': seq} for seq, event in enumerate((EVENTS[1], *EVENTS[4:]), 1)]
        second = text({**EVENTS[0], 'session': 'another'}, *rest)
        directory = self.scratch()
        (directory / 'one').write_bytes(first)
        (directory / 'two').write_bytes(second.replace(b'"complete": true', b'"complete": false'))
        done = self.assert_clean(run('verify', *CLEAN_ELF, directory / 'one', directory / 'two', '--format', 'json'))
        self.assertEqual(pages(done.json), {'match': PAGES})
        self.assertEqual([item['path'] for item in done.json['records']], [str(directory / 'one'), str(directory / 'two')])
        self.assert_clean(run('verify', *CLEAN_ELF, directory / 'one', directory / 'two'))

    def test_the_same_twice(self):
        self.assert_says(run('verify', *CLEAN_ELF, 'small.jsonl', 'small.jsonl'), REJECTED,
                         'small.jsonl and small.jsonl are records of one session')

    def test_one_of_them_bad(self):
        for records in (['small.jsonl', '/dev/null'], ['/dev/null', 'small.jsonl']):
            self.assert_says(run('verify', *CLEAN_ELF, *records), REJECTED, '/dev/null is not a usable record')


class Strict(Case):
    def test_clean(self):
        self.assert_clean(verify(text(*EVENTS), '--strict'))

    def test_unverified(self):
        record = text(*changed(2, extents=[], gpa_unknown='x'))
        self.assert_clean(verify(record))
        done = self.assert_status(verify(record, '--strict'), FAULT)
        self.assertIn('could be verified', done.out)
        done = verify(record, '--strict', '--format', 'json')
        self.assertEqual((done.status, done.json['exit_status']), (FAULT, FAULT))

    def test_lost(self):
        """more may have been asked for than the record says, as in one that does not end: all that it says is in the tables"""
        last = EVENTS[-1]
        lost = {'event': 'lost', 'count': 3, 'reason': 'nobody read it', 'seq': last['seq']}
        record = text(*EVENTS[:-1], lost, {**last, 'seq': last['seq'] + 1})
        done = self.assert_clean(verify(record))
        self.assertIn('at least 3 events are lost', done.out)
        done = verify(record, '--strict', '--format', 'json')
        self.assertEqual((done.status, done.json['exit_status']), (FAULT, FAULT))
        self.assertEqual(pages(done.json), {'match': PAGES})
        # What the kernel told the IOMMU to forget is no mapping.
        lost['of'] = 'invalidate'
        self.assert_clean(verify(text(*EVENTS[:-1], lost, {**last, 'seq': last['seq'] + 1}), '--strict'))


if __name__ == '__main__':
    tap.main()
