/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the value of a key is: for QEMU's command line and for that of a kernel. */
#ifndef VIOMMU_REDACT_WORDS_H
#define VIOMMU_REDACT_WORDS_H

#include "redact/redact.h"

/* Says nothing: "on", "", "127.0.0.1", a number of one digit. */
bool viommu_redact_is_plain(const char *value);
/* What a key with this name holds, whatever it is a key of; false when that is not private. */
bool viommu_redact_key(const char *key, viommu_redact_kind *kind);
/* Learns the value and appends its mark. */
void viommu_redact_put_value(viommu_redact *self, GString *out, viommu_redact_kind kind, const char *value);
/* Learns the tokens of a kernel command line; the text with placeholders. */
char *viommu_redact_kernel_tokens(viommu_redact *self, const char *cmdline);

#endif
