/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A treap: a search tree by address that is a heap by a random number, and so
 * is balanced well enough whatever the order of the addresses. */
#include "trace/trace-live.h"

#include <stddef.h>
#include <stdlib.h>

struct live_node {
	uint64_t first, last, paddr;
	uint32_t weight;
	struct live_node *left, *right;
};

/* Nodes that begin before KEY to *LEFT, the others to *RIGHT. */
static void
split(struct live_node *node, uint64_t key, struct live_node **left, struct live_node **right)
{
	while (node != NULL) {
		if (node->first < key) {
			*left = node;
			left = &node->right;
			node = node->right;
		} else {
			*right = node;
			right = &node->left;
			node = node->left;
		}
	}
	*left = *right = NULL;
}

/* All of LEFT is before all of RIGHT. */
static struct live_node *
merge(struct live_node *left, struct live_node *right)
{
	struct live_node *root = NULL, **at = &root;

	while (left != NULL && right != NULL) {
		if (left->weight > right->weight) {
			*at = left;
			at = &left->right;
			left = left->right;
		} else {
			*at = right;
			at = &right->left;
			right = right->left;
		}
	}
	*at = left != NULL ? left : right;
	return root;
}

static void
free_all(struct live_node *node)
{
	/* Without recursion: the left arm is hung under the right one. */
	while (node != NULL) {
		struct live_node *next = node->right;

		if (node->left != NULL) {
			struct live_node *end = node->left;

			while (end->right != NULL)
				end = end->right;
			end->right = next;
			next = node->left;
		}
		free(node);
		node = next;
	}
}

static void
insert(struct trace_live *live, uint64_t first, uint64_t last, uint64_t paddr)
{
	struct live_node *node = malloc(sizeof *node), *left, *right;

	if (node == NULL) {
		live->oom = true;
		return;
	}
	/* xorshift32, which has no zero in its cycle. */
	if (live->random == 0)
		live->random = 2463534242u;
	live->random ^= live->random << 13;
	live->random ^= live->random >> 17;
	live->random ^= live->random << 5;
	*node = (struct live_node){ .first = first, .last = last, .paddr = paddr, .weight = live->random };
	split(live->root, first, &left, &right);
	live->root = merge(merge(left, node), right);
}

static struct live_node *
last_of(struct live_node *node)
{
	while (node != NULL && node->right != NULL)
		node = node->right;
	return node;
}

void
trace_live_cut(struct trace_live *live, uint64_t first, uint64_t last)
{
	struct live_node *before, *inside, *after = NULL, *edge;
	uint64_t tail_last = 0, tail_paddr = 0;
	bool tail = false;

	split(live->root, first, &before, &inside);
	if (last < UINT64_MAX)
		split(inside, last + 1, &inside, &after);
	edge = last_of(before);
	if (edge != NULL && edge->last >= first) {
		if (edge->last > last)
			tail = true, tail_last = edge->last,
			tail_paddr = edge->paddr + (last + 1 - edge->first);
		edge->last = first - 1;
	}
	edge = last_of(inside);
	if (edge != NULL && edge->last > last)
		tail = true, tail_last = edge->last, tail_paddr = edge->paddr + (last + 1 - edge->first);
	free_all(inside);
	live->root = merge(before, after);
	if (tail)
		insert(live, last + 1, tail_last, tail_paddr);
}

void
trace_live_put(struct trace_live *live, uint64_t first, uint64_t last, uint64_t paddr)
{
	trace_live_cut(live, first, last);
	insert(live, first, last, paddr);
}

/* The node that holds ADDRESS, or else the first one after it. */
static const struct live_node *
at_or_after(const struct trace_live *live, uint64_t address)
{
	const struct live_node *found = NULL;

	for (const struct live_node *node = live->root; node != NULL;) {
		if (node->last >= address) {
			found = node;
			node = node->left;
		} else {
			node = node->right;
		}
	}
	return found;
}

struct live_answer
trace_live_look(const struct trace_live *live, uint64_t first, uint64_t last, uint64_t paddr)
{
	const struct live_node *node = at_or_after(live, first);
	struct live_answer answer = { 0 };
	uint64_t expected = first;

	while (node != NULL && node->first <= last) {
		answer.any = true;
		answer.gap |= node->first > expected;
		answer.cut |= node->first < first || node->last > last;
		answer.other |= node->paddr - node->first != paddr - first;
		if (node->last >= last)
			return answer;
		expected = node->last + 1;
		node = at_or_after(live, expected);
	}
	answer.gap = true;
	return answer;
}

void
trace_live_free(struct trace_live *live)
{
	free_all(live->root);
	*live = (struct trace_live){ 0 };
}
