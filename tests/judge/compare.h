/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What our walker says to a question, and how that compares with what QEMU did. */
#ifndef JUDGE_COMPARE_H
#define JUDGE_COMPARE_H

#include "ask.h"

#define QUESTIONS 24
/* The buffer of a device: what it writes, then what it read; 8 bytes for each question. */
#define SLOT_WRITE(q) ((q) * 8u)
#define SLOT_READ(q) (2048u + (q) * 8u)
#define BUFFER 4080u

/* One IOVA, asked for reading and for writing. */
typedef struct {
	unsigned device;
	uint64_t iova;
	bool asked[2];            /* [0] for reading, [1] for writing: and below */
	vtd_translation t[2];     /* the walker's */
	bool silent[2];           /* FPD will silence the fault, if it is one */
	unit_fault fault[2];      /* QEMU's */
	uint64_t expected;        /* what reading should bring */
	bool data_known;          /* … and whether it is RAM that is read */
	uint64_t arrived;         /* what stands where the write should go, after it */
} question;

/* What stands where a question writes from: no two are alike, none is zero. */
uint64_t question_marker(uint64_t set, unsigned q);
gboolean question_walk(judge *self, question *ask, bool write, GError **error);
/* Where our walker says that an allowed access goes, if that is RAM. */
uint8_t *question_goal(judge *self, const question *ask, bool write);

/* set, q: the numbers of the set and of the question, to ask it again. */
void compare_disagree(judge *self, uint64_t set, unsigned q, const question *ask, bool write, const char *format, ...)
	G_GNUC_PRINTF(6, 7);
/* FALSE: they differ, and that was said. */
bool compare_fault(judge *self, uint64_t set, unsigned q, const question *ask, bool write);
void compare_accessed(judge *self, uint64_t set, unsigned q, const question *ask, bool write);
/* What a device read. */
void compare_data(judge *self, uint64_t set, unsigned q, const question *ask, const uint8_t *buffer);
/* Looks for writes that arrived though they were refused. */
void compare_strays(judge *self, uint64_t set, const question questions[QUESTIONS]);
/* The walker against itself: a walk over all tables, as dumps and proofs use it. */
gboolean compare_runs(judge *self, uint64_t set, question questions[QUESTIONS], GError **error);

#endif
