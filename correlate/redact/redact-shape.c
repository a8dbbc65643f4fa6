/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is private by its shape, wherever it stands. */
#include <string.h>

#include "redact/redact.h"

static bool
is_word(char c)
{
	return g_ascii_isalnum(c) || c == '_' || (c & 0x80);
}

static bool
ends_at(const char *text, size_t len, size_t end)
{
	return end == len || !is_word(text[end]);
}

/* hex digits in groups, "8-4-4-4-12"; separators is what may stand between two */
static size_t
groups(const char *text, size_t len, size_t at, const unsigned *sizes, unsigned n, const char *separators)
{
	size_t end = at;

	for (unsigned i = 0; i < n; i++) {
		if (i && (end == len || !strchr(separators, text[end]) || !text[end] || (i > 1 && text[end] != text[at + sizes[0]])))
			return 0;
		end += i != 0;
		for (unsigned k = 0; k < sizes[i]; k++, end++)
			if (end >= len || !g_ascii_isxdigit(text[end]))
				return 0;
	}
	return ends_at(text, len, end) ? end - at : 0;
}

static size_t
uuid_at(const char *text, size_t len, size_t at)
{
	static const unsigned sizes[] = { 8, 4, 4, 4, 12 };

	return groups(text, len, at, sizes, G_N_ELEMENTS(sizes), "-");
}

static size_t
mac_at(const char *text, size_t len, size_t at)
{
	static const unsigned sizes[] = { 2, 2, 2, 2, 2, 2 };
	size_t n = groups(text, len, at, sizes, G_N_ELEMENTS(sizes), ":-");

	return n && (at + n == len || text[at + n] != ':') ? n : 0;
}

static bool
equals(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(text, word, len) == 0;
}

static size_t
ipv4_at(const char *text, size_t len, size_t at)
{
	size_t end = at;

	if (at && text[at - 1] == '.')
		return 0;
	for (unsigned i = 0; i < 4; i++) {
		unsigned value = 0, digits = 0;

		if (i && (end == len || text[end++] != '.'))
			return 0;
		for (; end < len && g_ascii_isdigit(text[end]) && digits < 4; end++, digits++)
			value = value * 10 + (unsigned) (text[end] - '0');
		if (!digits || digits > 3 || value > 255)
			return 0;
	}
	if (!ends_at(text, len, end) || (end + 1 < len && text[end] == '.' && g_ascii_isdigit(text[end + 1])))
		return 0;
	/* Of every machine. */
	if (strncmp(text + at, "127.", 4) == 0 || equals(text + at, end - at, "0.0.0.0") ||
		equals(text + at, end - at, "255.255.255.255"))
		return 0;
	return end - at;
}

static size_t
ipv6_at(const char *text, size_t len, size_t at)
{
	unsigned colons = 0, group = 0, digits = 0;
	bool gap = false;
	size_t end = at;

	for (; end < len && (g_ascii_isxdigit(text[end]) || text[end] == ':'); end++) {
		if (text[end] != ':') {
			digits++;
			if (++group > 4)
				return 0;
			continue;
		}
		if (end - at >= 2 && text[end - 1] == ':' && text[end - 2] == ':')
			return 0;
		gap = gap || (end > at && text[end - 1] == ':');
		group = 0;
		if (++colons > 8) /* and one behind it that is not of it */
			return 0;
	}
	if (end > at && text[end - 1] == ':' && !(end - at >= 2 && text[end - 2] == ':')) {
		end--;
		colons--;
	}
	/* "::1" and "::" are of every machine. */
	return ends_at(text, len, end) && digits && end - at > 3 && (colons == 7 || (gap && colons >= 2 && colons < 7)) ? end - at : 0;
}

static bool
is_space_or_quote(char c)
{
	return (unsigned char) c <= ' ' || c == '\x7f' || (c && strchr("'\"`<>|\\", c));
}

static size_t
url_at(const char *text, size_t len, size_t at)
{
	size_t end = at;

	if (!g_ascii_isalpha(text[at]))
		return 0;
	while (end < len && end - at < 24 && (g_ascii_isalnum(text[end]) || text[end] == '+' || text[end] == '.' || text[end] == '-'))
		end++;
	if (end - at < 2 || len - end < 4 || memcmp(text + end, "://", 3) != 0)
		return 0;
	end += 3;
	while (end < len && !is_space_or_quote(text[end]))
		end++;
	while (strchr(".,;:)]}", text[end - 1]))
		end--;
	return end - at;
}

/* No such name is longer; the bound keeps the time for hostile text in proportion to it. */
#define MAX_ACCOUNT 320
/* The same: what is longer is not said, wherever it leads. */
#define MAX_PUBLIC_PATH 512

/* "user@host".  The lines of QEMU's log begin with "process@time:". */
static size_t
account_at(const char *text, size_t len, size_t at)
{
	size_t end = at;
	bool letter = false;

	for (; end < len && end - at < MAX_ACCOUNT && (g_ascii_isalnum(text[end]) || (text[end] && strchr("._%+-", text[end]))); end++)
		letter = letter || g_ascii_isalpha(text[end]);
	if (end == at || !letter || end + 1 >= len || text[end] != '@' || !g_ascii_isalnum(text[end + 1]))
		return 0;
	for (end++; end < len && (g_ascii_isalnum(text[end]) || text[end] == '.' || text[end] == '-'); end++)
		;
	while (text[end - 1] == '.')
		end--;
	return end - at;
}

static bool
is_below(const char *path, size_t len, const char *root)
{
	size_t n = strlen(root);

	return len >= n && memcmp(path, root, n) == 0 && (len == n || path[n] == '/' || root[n - 1] == '/');
}

bool
viommu_redact_is_public_path(const char *path, size_t len)
{
	static const char *const roots[] = { "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/share",
		"/usr/local/bin", "/bin", "/sbin", "/lib", "/lib64", "/proc", "/sys", "/boot", "/machine", "/dev/vfio", "/dev/net",
		"/dev/iommu", "/dev/kvm", "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/hugepages", "/dev/pts",
		"/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd" };
	static const char *const names[] = { "/dev/vhost-", "/dev/sd", "/dev/vd", "/dev/hd", "/dev/nvme", "/dev/tty", "/dev/ram" };

	if (len > MAX_PUBLIC_PATH || memmem(path, len, "/../", 4))
		return false;
	for (gsize i = 0; i < G_N_ELEMENTS(roots); i++)
		if (is_below(path, len, roots[i]))
			return true;
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		size_t n = strlen(names[i]);

		if (len > n && len < n + 8 && memcmp(path, names[i], n) == 0 && !memchr(path + n, '/', len - n))
			return true;
	}
	return false;
}

static size_t
path_at(const char *text, size_t len, size_t at)
{
	size_t end = at;

	if (text[at] == '~')
		while (end < len && text[end] != '/' && (is_word(text[end]) || text[end] == '~' || text[end] == '-'))
			end++;
	if (end + 1 >= len || text[end] != '/' || text[end + 1] == '/' || is_space_or_quote(text[end + 1]) ||
		strchr(",;:)]}", text[end + 1]))
		return 0;
	for (; end < len && !is_space_or_quote(text[end]) && !strchr(",;)]}", text[end]); end++)
		;
	while (end > at + 1 && strchr(".,;:", text[end - 1]))
		end--;
	return viommu_redact_is_public_path(text + at, end - at) ? 0 : end - at;
}

size_t
viommu_redact_shape(const char *text, size_t len, size_t at, bool ipv4, viommu_redact_kind *kind)
{
	static const struct {
		size_t (*find)(const char *text, size_t len, size_t at);
		viommu_redact_kind kind;
	} shapes[] = {
		{ uuid_at, VIOMMU_REDACT_UUID },
		{ mac_at, VIOMMU_REDACT_MAC },
		{ ipv4_at, VIOMMU_REDACT_HOST },
		{ ipv6_at, VIOMMU_REDACT_HOST },
		{ url_at, VIOMMU_REDACT_URL },
		{ account_at, VIOMMU_REDACT_USER },
	};
	char before = at ? text[at - 1] : ' ';

	if (text[at] == '/' || text[at] == '~') {
		size_t n = is_word(before) || strchr("/.~>*", before) ? 0 : path_at(text, len, at);

		*kind = VIOMMU_REDACT_PATH;
		return n;
	}
	if (is_word(before) || (!g_ascii_isalnum(text[at]) && text[at] != ':'))
		return 0;
	for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
		size_t n = ipv4 || shapes[i].find != ipv4_at ? shapes[i].find(text, len, at) : 0;

		if (n) {
			*kind = shapes[i].kind;
			return n;
		}
	}
	return 0;
}
