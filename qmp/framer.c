/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "framer.h"

void
viommu_framer_init(viommu_framer *self, size_t limit)
{
	*self = (viommu_framer){ .bytes = g_byte_array_new(), .limit = limit };
}

void
viommu_framer_clear(viommu_framer *self)
{
	g_clear_pointer(&self->bytes, g_byte_array_unref);
}

void
viommu_framer_push(viommu_framer *self, const void *data, size_t len)
{
	if (len > self->limit - MIN(self->bytes->len, self->limit)) {
		self->broken = TRUE;
		return;
	}
	g_byte_array_append(self->bytes, data, (guint) len);
}

/* Looks at one byte; TRUE if it closes the outermost object. */
static gboolean
step(viommu_framer *self, char c)
{
	if (self->in_string) {
		if (self->escaped)
			self->escaped = FALSE;
		else if (c == '\\')
			self->escaped = TRUE;
		else if (c == '"')
			self->in_string = FALSE;
		return FALSE;
	}
	switch (c) {
	case '"':
		self->in_string = TRUE;
		self->broken |= self->depth == 0;
		return FALSE;
	case '{':
	case '[':
		self->broken |= self->depth == 0 && c == '[';
		self->depth++;
		return FALSE;
	case '}':
	case ']':
		if (self->depth == 0) {
			self->broken = TRUE;
			return FALSE;
		}
		return --self->depth == 0;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		return FALSE;
	default:
		self->broken |= self->depth == 0;
		return FALSE;
	}
}

GBytes *
viommu_framer_pop(viommu_framer *self)
{
	while (!self->broken && self->scanned < self->bytes->len) {
		gboolean whole = step(self, (char) self->bytes->data[self->scanned++]);

		if (whole) {
			GBytes *ret = g_bytes_new(self->bytes->data, self->scanned);
			g_byte_array_remove_range(self->bytes, 0, (guint) self->scanned);
			self->scanned = 0;
			return ret;
		}
	}
	return NULL;
}
