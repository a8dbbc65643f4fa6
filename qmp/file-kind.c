/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a file is that stands in the place of another, by its first bytes. */
#include <viommu/error.h>

#include <string.h>

static const struct {
	const char *magic;
	gsize at, len;
	const char *what;
} kinds[] = {
	{ "ustar", 257, 5, "it is a tar archive that is not compressed, and a bundle is one that gzip has compressed: gzip FILE makes it one" },
	{ "\037\213", 0, 2, "it is compressed (gzip); gunzip unpacks it" },
	{ "\3757zXZ", 0, 5, "it is compressed (xz); unxz unpacks it" },
	{ "\050\265\057\375", 0, 4, "it is compressed (zstd); unzstd unpacks it" },
	{ "BZh", 0, 3, "it is compressed (bzip2); bunzip2 unpacks it" },
	{ "\004\042\115\030", 0, 4, "it is compressed (lz4); unlz4 unpacks it" },
	{ "PK\003\004", 0, 4, "it is compressed (zip); unzip unpacks it" },
};

const char *
viommu_file_mistaken(const void *head, gsize len)
{
	const char *bytes = head;

	for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (kinds[i].len <= len && kinds[i].at <= len - kinds[i].len && memcmp(bytes + kinds[i].at, kinds[i].magic, kinds[i].len) == 0)
			return kinds[i].what;
	return NULL;
}
