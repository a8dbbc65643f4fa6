/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libarchive, loaded when the first bundle is read or written.  With what it brings along
 * (libxml2, ICU, four decompressors) it takes longer to load than a short command to run,
 * and most commands meet no bundle.
 */
#ifndef VIOMMU_ARCHIVE_CALLS_H
#define VIOMMU_ARCHIVE_CALLS_H

#include <archive.h>
#include <archive_entry.h>
#include <glib.h>

#define VIOMMU_ARCHIVE_CALLS(X) \
	X(archive_entry_filetype) \
	X(archive_entry_free) \
	X(archive_entry_hardlink) \
	X(archive_entry_new) \
	X(archive_entry_pathname) \
	X(archive_entry_set_filetype) \
	X(archive_entry_set_mtime) \
	X(archive_entry_set_pathname) \
	X(archive_entry_set_perm) \
	X(archive_entry_set_size) \
	X(archive_entry_sparse_count) \
	X(archive_entry_symlink) \
	X(archive_error_string) \
	X(archive_read_data_block) \
	X(archive_read_free) \
	X(archive_read_new) \
	X(archive_read_next_header) \
	X(archive_read_open) \
	X(archive_read_support_format_tar) \
	X(archive_set_error) \
	X(archive_write_add_filter_gzip) \
	X(archive_write_close) \
	X(archive_write_data) \
	X(archive_write_free) \
	X(archive_write_header) \
	X(archive_write_new) \
	X(archive_write_open) \
	X(archive_write_set_bytes_in_last_block) \
	X(archive_write_set_filter_option) \
	X(archive_write_set_format_ustar)

/* One pointer for each function, of the type that libarchive's headers give it. */
typedef struct {
#define VIOMMU_ARCHIVE_FIELD(name) __typeof__(name) *name;
	VIOMMU_ARCHIVE_CALLS(VIOMMU_ARCHIVE_FIELD)
#undef VIOMMU_ARCHIVE_FIELD
} viommu_archive_calls;

/* Loaded once, for good; any thread may ask.  Errors: FAILED (not installed, or not this
 * library), with the package that has it. */
const viommu_archive_calls *viommu_archive(GError **error);

#endif
