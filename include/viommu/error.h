/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors: what happened when WE could not do our job.  What a table says
 * ("entry not present") is never an error, it is a result.
 *
 * A message is one sentence for a person, and says what to do next where we
 * know it.
 */
#ifndef VIOMMU_ERROR_H
#define VIOMMU_ERROR_H

#include <glib.h>

G_BEGIN_DECLS

#define VIOMMU_ERROR (viommu_error_quark())

enum viommu_error_code {
	VIOMMU_ERROR_FAILED = 1, /* something else: the message says what                 */
	VIOMMU_ERROR_CONNECT,    /* nobody answers at that address                        */
	VIOMMU_ERROR_TIMEOUT,    /* a deadline passed                                     */
	VIOMMU_ERROR_PROTOCOL,   /* the peer is not a QEMU monitor, or stopped being one  */
	VIOMMU_ERROR_CLOSED,     /* the peer went away                                    */
	VIOMMU_ERROR_REFUSED,    /* the command is not on the list of what may be sent    */
	VIOMMU_ERROR_QEMU,       /* QEMU answered with an error                           */
	VIOMMU_ERROR_NO_IOMMU,   /* this QEMU has no intel-iommu device                   */
	VIOMMU_ERROR_PERMISSION, /* the kernel does not let us                            */
	VIOMMU_ERROR_USAGE,      /* the command line is wrong: exit status 2              */
	VIOMMU_ERROR_INPUT,      /* a record or snapshot was rejected: exit status 4      */
};

GQuark viommu_error_quark(void);

/* INPUT: "PATH is not a usable WHAT: why". An error that is there already stands. Always
 * FALSE. */
G_GNUC_PRINTF(4, 5)
gboolean viommu_reject(GError **error, const char *path, const char *what, const char *format, ...);

/* What a file is that was named in another's place, and what to do, by its first bytes (512 are enough):
 * "it is …"; NULL: nothing that is known here. */
const char *viommu_file_mistaken(const void *head, gsize len);

G_END_DECLS

#endif
