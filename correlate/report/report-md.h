/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Markdown as GitLab and GitHub read it, written so that text of others stays text: it
 * cannot break a table, become HTML, a link, a mention or a command of the bug tracker's.
 * All text that goes in here went through viommu_escape() before.
 */
#ifndef VIOMMU_REPORT_MD_H
#define VIOMMU_REPORT_MD_H

#include <stdio.h>

/* As a code span: any text, also in a table. */
void viommu_md_code(FILE *out, const char *text);
/* A sentence of ours that may hold text of others: prose when all of it is harmless, else
 * a code span. */
void viommu_md_prose(FILE *out, const char *text);
/* Lines as a block of code. Each is indented: no line begins with a word of the bug
 * tracker's. indent: spaces before, for a block within a list. */
void viommu_md_block(FILE *out, const char *lines, int indent);
/* A folded part: what is between is Markdown. summary is text of ours. */
void viommu_md_fold(FILE *out, const char *summary);
void viommu_md_unfold(FILE *out);

#endif
