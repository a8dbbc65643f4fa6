/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "records.h"

#include "helpers.h"
#include "record/pieces.h"

record_text *
record_text_new(void)
{
	record_text *self = g_new0(record_text, 1);

	self->text =
		g_string_new("{\"event\":\"header\",\"format\":\"viommu-record\",\"version\":1,\"session\":"
			     "\"5f0c2a9d11e0b344\","
			     "\"program\":\"unit test\",\"kernel\":\"Linux "
			     "6.1\",\"cmdline\":\"intel_iommu=on\",\"iommus\":"
			     "[{\"name\":\"dmar0\",\"cap\":\"0xd2008c222f0686\",\"ecap\":\"0xf00f4a\"}]}\n");
	return self;
}

void
record_text_free(record_text *self)
{
	if (!self)
		return;
	g_string_free(self->text, TRUE);
	g_free(self);
}

void
record_line(record_text *self, const char *line)
{
	g_string_append_printf(self->text, "%s\n", line);
}

void
record_event(record_text *self, const char *event, const char *format, ...)
{
	va_list args;

	g_string_append_printf(self->text, "{\"seq\":%" G_GUINT64_FORMAT ",\"time_ns\":%" G_GUINT64_FORMAT ",\"event\":\"%s\"%s",
		self->seq + 1, (self->seq + 1) * 1000, event, *format ? "," : "");
	self->seq++;
	va_start(args, format);
	g_string_append_vprintf(self->text, format, args);
	va_end(args);
	g_string_append(self->text, "}\n");
}

void
record_attach(record_text *self, int space, const char *device, bool complete)
{
	record_event(self, "attach",
		"\"space\":%d,\"device\":\"%s\",\"backend\":\"vfio-type1v2\",\"complete\":%s", space, device,
		complete ? "true" : "false");
}

#define HEX "\"0x%" G_GINT64_MODIFIER "x\""

void
record_map(record_text *self, int space, guint64 iova, guint64 gpa, guint64 size, const char *prot)
{
	record_event(self, "map",
		"\"space\":%d,\"iova\":" HEX ",\"size\":" HEX ",\"prot\":\"%s\",\"extents\":[{\"gpa\":" HEX
		",\"size\":" HEX "}]",
		space, iova, size, prot, gpa, size);
}

void
record_map_unknown(
	record_text *self, int space, guint64 iova, guint64 size, const char *prot, const char *why)
{
	record_event(self, "map",
		"\"space\":%d,\"iova\":" HEX ",\"size\":" HEX ",\"prot\":\"%s\",\"gpa_unknown\":\"%s\"",
		space, iova, size, prot, why);
}

void
record_unmap(record_text *self, int space, guint64 iova, guint64 size)
{
	record_event(self, "unmap", "\"space\":%d,\"iova\":" HEX ",\"size\":" HEX, space, iova, size);
}

void
record_end(record_text *self)
{
	record_event(self, "end", "\"reason\":\"done\"");
}

viommu_record *
record_read(const record_text *self, const char *at, GError **error)
{
	g_autofree char *path = unit_write("record.jsonl", self->text->str, (gssize) self->text->len);

	return viommu_record_read(path, at, error);
}

viommu_record *
record_good(const record_text *self, const char *at)
{
	g_autoptr(GError) error = NULL;
	viommu_record *ret = record_read(self, at, &error);

	g_assert_no_error(error);
	g_assert_nonnull(ret);
	return ret;
}

char *
record_pieces(const viommu_pieces *pieces)
{
	GString *ret = g_string_new(NULL);
	const viommu_piece *piece = viommu_pieces_from(pieces, 0);

	while (piece) {
		g_string_append_printf(ret, "%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x ",
			piece->iova.first, piece->iova.last);
		if (piece->gpa_known)
			g_string_append_printf(ret, "%" G_GINT64_MODIFIER "x", piece->gpa.v);
		else
			g_string_append(ret, "?");
		g_string_append_printf(
			ret, " %s%s %u\n", piece->read ? "r" : "", piece->write ? "w" : "", piece->request);
		piece = piece->iova.last == UINT64_MAX ? NULL
						       : viommu_pieces_from(pieces, piece->iova.last + 1);
	}
	return g_string_free(ret, FALSE);
}
