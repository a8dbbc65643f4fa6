/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text/json-list.h"

#include <stdlib.h>
#include <string.h>

#include <glib.h>

/* The items of the lists stand at this depth. */
#define DEPTH 2

static void
newline(FILE *out, unsigned depth)
{
	static const char text[] = "\n                                ";

	fwrite(text, 1, 1 + 2 * MIN(depth, 16), out);
	for (; depth > 16; depth--)
		fputs("  ", out);
}

/* From a quote to behind the one that ends the string. */
static const char *
print_string(FILE *out, const char *at)
{
	const char *from = at++;

	while (*at != '"')
		at += *at == '\\' ? 2 : 1;
	fwrite(from, 1, (size_t) (++at - from), out);
	return at;
}

/* Compact JSON, laid out. */
static void
print_indented(FILE *out, const char *at)
{
	unsigned depth = DEPTH;

	while (*at) {
		size_t plain = strcspn(at, "\"{}[],:");

		if (plain) {
			fwrite(at, 1, plain, out);
			at += plain;
			continue;
		}
		switch (*at) {
		case '"':
			at = print_string(out, at);
			continue;
		case '{':
		case '[':
			putc_unlocked(*at, out);
			if (at[1] == '}' || at[1] == ']')
				putc_unlocked(*++at, out);
			else
				newline(out, ++depth);
			break;
		case '}':
		case ']':
			newline(out, --depth);
			putc_unlocked(*at, out);
			break;
		case ',':
			putc_unlocked(',', out);
			newline(out, depth);
			break;
		case ':':
			fputs(": ", out);
			break;
		}
		at++;
	}
}

void
viommu_json_lists_begin(viommu_json_lists *ret, FILE *out, json_t *head)
{
	char *text = json_dumps(head, JSON_INDENT(2) | JSON_ENSURE_ASCII);

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
viommu_json_lists_put_text(viommu_json_lists *self, const char *text)
{
	if (self->any)
		putc_unlocked(',', self->out);
	newline(self->out, DEPTH);
	print_indented(self->out, text);
	self->any = true;
}

void
viommu_json_lists_put(viommu_json_lists *self, json_t *item)
{
	char *text = json_dumps(item, JSON_COMPACT | JSON_ENSURE_ASCII);

	viommu_json_lists_put_text(self, text);
	free(text);
	json_decref(item);
}

void
viommu_json_lists_end(viommu_json_lists *self)
{
	end_list(self);
	fputs("\n}\n", self->out);
}
