/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "json-list.h"

#include <stdlib.h>
#include <string.h>

#define FLAGS (JSON_INDENT(2) | JSON_ENSURE_ASCII)

/* A newline of the text is one of its layout: in a string it would be escaped. */
static void
print_indented(FILE *out, const char *text, const char *indent)
{
	for (;;) {
		size_t len = strcspn(text, "\n");

		fputs(indent, out);
		fwrite(text, 1, len, out);
		if (!text[len])
			return;
		fputc('\n', out);
		text += len + 1;
	}
}

void
viommu_json_lists_begin(viommu_json_lists *ret, FILE *out, json_t *head)
{
	char *text = json_dumps(head, FLAGS);

	*ret = (viommu_json_lists){ .out = out };
	fwrite(text, 1, strlen(text) - strlen("\n}"), out);
	free(text);
	json_decref(head);
}

static void
end_list(viommu_json_lists *self)
{
	if (self->open)
		fputs(self->any ? "\n  ]" : "]", self->out);
	self->open = self->any = false;
}

void
viommu_json_lists_next(viommu_json_lists *self, const char *name)
{
	end_list(self);
	fprintf(self->out, ",\n  \"%s\": [", name);
	self->open = true;
}

void
viommu_json_lists_put(viommu_json_lists *self, json_t *item)
{
	char *text = json_dumps(item, FLAGS);

	fputs(self->any ? ",\n" : "\n", self->out);
	print_indented(self->out, text, "    ");
	self->any = true;
	free(text);
	json_decref(item);
}

void
viommu_json_lists_end(viommu_json_lists *self)
{
	end_list(self);
	fputs("\n}\n", self->out);
}
