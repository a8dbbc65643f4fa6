/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done with decoded events: descriptors, the order of events, what is told by those
 * that follow, and what is mapped now. */
#include <glib.h>
#include <string.h>

#include "trace/trace-live.h"
#include "trace/trace-qi.h"
#include "trace/trace-queue.h"

/* As both kernels submitted them, in tests/vm. */
static void
test_descriptors(void)
{
	const struct trace_qi pages = { { 0x400f2, 0x40003043, 0, 0 } };
	const struct trace_qi domain = { { 0x400e2, 0, 0, 0 } };
	const struct trace_qi context = { { 0x2000040031, 0, 0, 0 } };
	const struct trace_qi everything = { { 0x400f2, 0x3f, 0, 0 } };
	struct trace_qi_fields fields = trace_qi_decode(&pages);

	g_assert_cmpstr(fields.type, ==, "iotlb");
	g_assert_cmpstr(fields.granularity, ==, "page");
	g_assert_true(fields.is_iotlb && fields.has_did && fields.has_range && fields.leaf_only);
	g_assert_cmpuint(fields.did, ==, 4);
	g_assert_cmphex(fields.first, ==, 0x40000000); /* eight pages, whatever the low bits are */
	g_assert_cmphex(fields.last, ==, 0x40007fff);
	fields = trace_qi_decode(&domain);
	g_assert_true(fields.is_iotlb && fields.has_did && !fields.has_range);
	fields = trace_qi_decode(&context);
	g_assert_true(fields.is_context && fields.has_sid && fields.has_did);
	g_assert_cmphex(fields.sid, ==, 0x20);
	g_assert_cmpuint(fields.did, ==, 4);
	fields = trace_qi_decode(&everything);
	g_assert_cmphex(fields.first, ==, 0);
	g_assert_cmphex(fields.last, ==, G_MAXUINT64);
	/* Devices' own caches, as Linux's qi_desc_dev_iotlb…() make them: one page; the
	 * eight around 0x40003000; all of a PASID. */
	fields = trace_qi_decode(&(struct trace_qi){ { 0x2000000003, 0x40003000, 0, 0 } });
	g_assert_true(fields.has_sid && fields.has_range && !fields.is_iotlb && !fields.has_did);
	g_assert_cmphex(fields.sid, ==, 0x20);
	g_assert_cmphex(fields.first, ==, 0x40003000);
	g_assert_cmphex(fields.last, ==, 0x40003fff);
	fields = trace_qi_decode(&(struct trace_qi){ { 0x2000000003, 0x40003001, 0, 0 } });
	g_assert_cmphex(fields.first, ==, 0x40000000);
	g_assert_cmphex(fields.last, ==, 0x40007fff);
	fields = trace_qi_decode(&(struct trace_qi){ { 0x500200008, 0x7ffffffffffff800, 0, 0 } });
	g_assert_true(fields.has_sid && fields.has_pasid && fields.has_range);
	g_assert_cmphex(fields.sid, ==, 0x20);
	g_assert_cmpuint(fields.pasid, ==, 5);
	g_assert_cmphex(fields.first, ==, 0);
	g_assert_cmphex(fields.last, ==, G_MAXUINT64);
	for (unsigned type = 0; type < 4096; type++) {
		const struct trace_qi any = { { type, G_MAXUINT64, 0, 0 } };

		fields = trace_qi_decode(&any);
		g_assert_true(!fields.has_range || fields.first <= fields.last);
	}
}

static struct trace_event
event(enum trace_kind kind, uint64_t ns, unsigned cpu, int pid)
{
	return (struct trace_event){ .kind = (uint8_t) kind, .ns = ns, .cpu = (uint16_t) cpu, .pid = pid };
}

static void
test_order(void)
{
	struct trace_queue queue = { 0 };
	GRand *random = g_rand_new_with_seed(1);
	uint64_t before = 0, n = 0;

	/* Rounds, each with the events of four CPUs one after the other. */
	for (uint64_t round = 0; round < 50; round++) {
		for (unsigned cpu = 0; cpu < 4; cpu++) {
			uint64_t ns = round * 1000;

			for (int i = 0; i < 20; i++) {
				struct trace_event next;

				ns += (uint64_t) g_rand_int_range(random, 0, 50);
				next = event(TRACE_RETURN, ns, cpu, i);
				next.result = i;
				trace_queue_add(&queue, &next);
			}
		}
		trace_queue_sort(&queue);
		for (const struct trace_event *first;
			(first = trace_queue_first(&queue, round * 1000)) != NULL; n++) {
			g_assert_cmpuint(first->ns, >=, before);
			before = first->ns;
			trace_queue_pop(&queue);
		}
	}
	for (const struct trace_event *first; (first = trace_queue_first(&queue, UINT64_MAX)) != NULL; n++) {
		g_assert_cmpuint(first->ns, >=, before);
		before = first->ns;
		trace_queue_pop(&queue);
	}
	g_assert_cmpuint(n, ==, 50 * 4 * 20);
	g_rand_free(random);
	trace_queue_free(&queue);
}

static struct trace_event
map_event(uint64_t ns, int pid, uint64_t iova, uint64_t size)
{
	struct trace_event map = event(TRACE_MAP, ns, 0, pid);

	map.map.iova = iova;
	map.map.size = size;
	return map;
}

static struct trace_event
qi_event(uint64_t ns, int pid, uint64_t qw0, uint64_t qw1)
{
	struct trace_event qi = event(TRACE_QI, ns, 0, pid);

	strcpy(qi.name, "dmar0");
	qi.qi.qw[0] = qw0;
	qi.qi.qw[1] = qw1;
	return qi;
}

/* What the events AFTER say of FIRST. */
static struct trace_sequel
sequel_of(struct trace_queue *queue, struct trace_event first, const struct trace_event *after, gsize n)
{
	trace_queue_free(queue);
	trace_queue_add(queue, &first);
	for (gsize i = 0; i < n; i++)
		trace_queue_add(queue, &after[i]);
	return trace_queue_sequel(queue, true);
}

static void
test_sequel(void)
{
	const struct trace_event map = map_event(1000, 7, 0x40000000, 0x2000);
	struct trace_event unmap = map, dma = event(TRACE_DMA, 1200, 0, 7);
	struct trace_event after[2] = { qi_event(1100, 7, 0x400f2, 0x40000001), dma };
	struct trace_queue queue = { 0 };
	struct trace_sequel sequel;

	unmap.kind = TRACE_UNMAP;
	dma.dma.addr = 0x40001800; /* within the last page */
	dma.dma.size = 16;
	after[1] = dma;
	sequel = sequel_of(&queue, map, after, 2);
	g_assert_true(sequel.has_did);
	g_assert_cmpuint(sequel.did, ==, 4);
	g_assert_cmpstr(sequel.iommu, ==, "dmar0");
	g_assert_nonnull(sequel.dma);

	after[0].pid = 8; /* of another thread */
	g_assert_false(sequel_of(&queue, map, after, 1).has_did);
	after[0] = qi_event(1100, 7, 0x400f2, 0x40000000); /* one page of the two */
	g_assert_false(sequel_of(&queue, map, after, 1).has_did);
	after[0] = qi_event(1100, 7, 0x400e2, 0); /* a whole domain: said of an unmap, not of a map */
	g_assert_false(sequel_of(&queue, map, after, 1).has_did);
	g_assert_true(sequel_of(&queue, unmap, after, 1).has_did);
	after[0] = qi_event(1000 + 2 * TRACE_FOLLOW_NS, 7, 0x400f2, 0x40000001); /* too late */
	g_assert_false(sequel_of(&queue, map, after, 1).has_did);
	after[0] = unmap; /* of another domain, perhaps, and then its flush */
	after[1] = qi_event(1100, 7, 0x500f2, 0x40000001);
	g_assert_false(sequel_of(&queue, map, after, 2).has_did);
	after[0] = event(TRACE_LOST, 1050, 0, 0); /* what was between them is not known */
	g_assert_false(sequel_of(&queue, map, after, 2).has_did);
	after[0] = qi_event(1100, 7, 0x2000040031, 0); /* a device changes its domain, and its flush */
	after[1] = qi_event(1100, 7, 0x400e2, 0);
	g_assert_false(sequel_of(&queue, unmap, after, 2).has_did);
	dma.dma.addr = 0x40002000;
	g_assert_null(sequel_of(&queue, map, &dma, 1).dma);
	trace_queue_free(&queue);
}

/* Against a table with an entry for each page. */
static void
test_live(void)
{
	enum { PAGES = 64 };
	uint64_t model[PAGES] = { 0 };
	struct trace_live live = { 0 };
	GRand *random = g_rand_new_with_seed(2);

	for (int i = 0; i < 20000; i++) {
		const uint64_t first = (uint64_t) g_rand_int_range(random, 0, PAGES);
		const uint64_t last = (uint64_t) g_rand_int_range(random, (gint32) first, PAGES);
		const uint64_t paddr = (uint64_t) g_rand_int_range(random, 1, 4) << 20;
		const bool put = g_rand_boolean(random);
		struct live_answer answer, expected = { 0 };

		for (uint64_t page = first; page <= last; page++) {
			expected.any |= model[page] != 0;
			expected.gap |= model[page] == 0;
			expected.other |= model[page] != 0 && model[page] != paddr + (page - first);
		}
		answer = trace_live_look(&live, first, last, paddr);
		g_assert_true(answer.any == expected.any && answer.gap == expected.gap);
		g_assert_true(answer.other == expected.other);
		if (put)
			trace_live_put(&live, first, last, paddr);
		else
			trace_live_cut(&live, first, last);
		for (uint64_t page = first; page <= last; page++)
			model[page] = put ? paddr + (page - first) : 0;
	}
	trace_live_put(&live, UINT64_MAX - 1, UINT64_MAX, 0);
	g_assert_true(trace_live_look(&live, UINT64_MAX, UINT64_MAX, 1).cut);
	trace_live_cut(&live, 0, UINT64_MAX);
	g_assert_false(trace_live_look(&live, 0, UINT64_MAX, 0).any);
	g_rand_free(random);
	trace_live_free(&live);
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/probe/trace/descriptors", test_descriptors);
	g_test_add_func("/probe/trace/order", test_order);
	g_test_add_func("/probe/trace/sequel", test_sequel);
	g_test_add_func("/probe/trace/live", test_live);
	return g_test_run();
}
