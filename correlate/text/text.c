/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "text/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
viommu_parse_number(const char *text, uint64_t *value)
{
	guint64 number;

	if (viommu_parse_hex(text, value))
		return true;
	if (!text || !g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, &number, NULL))
		return false;
	*value = number;
	return true;
}

/* A fixed number of hexadecimal digits followed by a certain character. */
static bool
take_field(const char **text, unsigned digits, char then, unsigned *value)
{
	*value = 0;
	for (unsigned i = 0; i < digits; i++) {
		int digit = g_ascii_xdigit_value(**text);

		if (digit < 0)
			return false;
		*value = *value << 4 | (unsigned) digit;
		(*text)++;
	}
	if (**text != then)
		return false;
	if (then)
		(*text)++;
	return true;
}

bool
viommu_parse_bdf(const char *text, viommu_sid *sid)
{
	unsigned segment = 0, bus, device, function;

	if (!text)
		return false;
	if (strlen(text) == 12 && !take_field(&text, 4, ':', &segment))
		return false;
	if (!take_field(&text, 2, ':', &bus) || !take_field(&text, 2, '.', &device) || !take_field(&text, 1, '\0', &function))
		return false;
	if (segment != 0 || device > 0x1f || function > 7)
		return false;
	*sid = viommu_sid_make(bus, device, function);
	return true;
}

static bool
is_harmless(gunichar c)
{
	return c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0) && c != 0x61c && !(c >= 0x200b && c <= 0x200f) &&
		!(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069) && c != 0xfeff;
}

char *
viommu_escape(const char *text)
{
	GString *ret = g_string_new(NULL);

	while (*text) {
		gunichar c = g_utf8_get_char_validated(text, -1);

		if (c == (gunichar) -1 || c == (gunichar) -2) {
			g_string_append_printf(ret, "\\x%02x", (unsigned char) *text++);
			continue;
		}
		if (is_harmless(c))
			g_string_append_unichar(ret, c);
		else
			g_string_append_printf(ret, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
		text = g_utf8_next_char(text);
	}
	return g_string_free(ret, FALSE);
}

viommu_text
viommu_bdf_text(viommu_sid sid)
{
	viommu_text ret;

	g_snprintf(ret.text, sizeof(ret.text), "%02x:%02x.%x", viommu_sid_bus(sid), viommu_sid_device(sid),
		viommu_sid_function(sid));
	return ret;
}

viommu_text
viommu_count_text(uint64_t count)
{
	char digits[24];
	viommu_text ret;
	size_t len = (size_t) g_snprintf(digits, sizeof(digits), "%" G_GUINT64_FORMAT, count), at = 0;

	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			ret.text[at++] = ',';
		ret.text[at++] = digits[i];
	}
	ret.text[at] = '\0';
	return ret;
}

viommu_text
viommu_size_text(uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	viommu_text ret = viommu_count_text(bytes);
	unsigned unit = 0;

	while (bytes && bytes % 1024 == 0 && unit + 1 < G_N_ELEMENTS(units)) {
		bytes /= 1024;
		unit++;
	}
	if (unit)
		ret = viommu_count_text(bytes);
	g_strlcat(ret.text, " ", sizeof(ret.text));
	g_strlcat(ret.text, units[unit], sizeof(ret.text));
	return ret;
}

viommu_text
viommu_prot_text(bool read, bool write)
{
	return (viommu_text){ { read ? 'r' : '-', write ? 'w' : '-', '\0' } };
}

json_t *
viommu_json_path(const char *path)
{
	g_autofree char *text = g_utf8_make_valid(path, -1);

	return json_string(text);
}

json_t *
viommu_json_bdf(viommu_sid sid)
{
	char text[48];

	g_snprintf(text, sizeof(text), "0000:%s", viommu_bdf_text(sid).text);
	return json_string(text);
}

static bool colour;

void
viommu_tones_init(FILE *out)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	colour = out && isatty(fileno(out)) && !(no_color && *no_color) && g_strcmp0(term, "dumb") != 0;
}

const char *
viommu_tone_on(viommu_tone tone)
{
	static const char *const codes[] = { "", "\033[32m", "\033[1;31m", "\033[33m", "\033[1m", "\033[2m" };

	return colour ? codes[tone] : "";
}

const char *
viommu_tone_off(viommu_tone tone)
{
	return colour && tone != VIOMMU_PLAIN ? "\033[0m" : "";
}
