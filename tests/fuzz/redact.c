/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The redactor, for libFuzzer: what is learned, and what is then redacted, comes out of
 * the input.  Nothing learned as a secret may come through.  By hand, see tests/fuzz/run.
 */
#include <string.h>

#include "redact/redact-parts.h"

#define SECRET "hunter2hunter2"

/* The next part of the input, which ends with a zero: a new string. */
static char *
next(const uint8_t **data, size_t *len)
{
	const uint8_t *end = memchr(*data, '\0', *len);
	size_t n = end ? (size_t) (end - *data) : *len;
	char *ret = g_strndup((const char *) *data, n);

	*data += n + (end != NULL);
	*len -= n + (end != NULL);
	return ret;
}

static void
check(viommu_redact *self, char *(*redact)(viommu_redact *self, const char *text), const char *text)
{
	g_autofree char *shown = redact(self, text);

	g_assert_true(g_utf8_validate(shown, -1, NULL));
	g_assert_null(strstr(shown, SECRET));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	g_autoptr(viommu_redact) self = viommu_redact_new();
	g_autofree char *joined = next(&data, &len), *kernel = next(&data, &len), *text = next(&data, &len);
	g_auto(GStrv) arguments = g_strsplit(joined, "\n", -1);
	g_autoptr(GBytes) rest = g_bytes_new(data, len), record = NULL, lines = NULL;
	gsize shown;
	const char *bytes;

	viommu_redact_learn(self, VIOMMU_REDACT_SECRET, SECRET);
	viommu_redact_learn_arguments(self, arguments);
	viommu_redact_learn_kernel(self, kernel);
	viommu_redact_learn_record(self, rest);
	for (char **argument = arguments; *argument; argument++)
		check(self, viommu_redact_argument, *argument);
	check(self, viommu_redact_kernel, kernel);
	check(self, viommu_redact_text, text);
	check(self, viommu_redact_version, text);
	check(self, viommu_redact_path, text);
	record = viommu_redact_record(self, rest);
	lines = viommu_redact_lines(self, rest);
	bytes = g_bytes_get_data(lines, &shown);
	g_assert_null(shown ? memmem(bytes, shown, SECRET, strlen(SECRET)) : NULL);
	return 0;
}
