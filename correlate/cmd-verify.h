/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `viommu verify` does, for commands that hand out its result in another way. */
#ifndef VIOMMU_CMD_VERIFY_H
#define VIOMMU_CMD_VERIFY_H

#include "cmd.h"
#include "report/report.h"

typedef struct {
	const char *name;
	const char *help;        /* up to the options */
	const char *own_help;    /* the lines of its own options */
	const GOptionEntry *own; /* besides those of verify; may be NULL */
	gboolean any_format;     /* --format is for check to judge */
	/* Whether the report shall have a bundle of its inputs; after check; may be NULL. */
	gboolean (*keeps)(void *user);
	/* What replaces private texts, the variant's; NULL: nothing is replaced; may be NULL. */
	viommu_redact *(*redact)(void *user);
	/* Looks at the command line before anything is read; may be NULL. -1 to go on, or an
	 * exit status: what is wrong was said. */
	int (*check)(const viommu_cmd *cmd, gboolean force, void *user);
	gboolean (*deliver)(const viommu_cmd *cmd, const viommu_report *report, gboolean force, void *user, GError **error);
	void *user;
} viommu_verify_variant;

int viommu_cmd_verify_as(const viommu_verify_variant *variant, int argc, char **argv);

#endif
