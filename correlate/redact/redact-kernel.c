/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel's command line. */
#include <string.h>

#include "redact/redact-store.h"
#include "redact/redact-words.h"

/* The keys of L1's kernel, its initramfs and systemd. */
static bool
kernel_key(const char *key, viommu_redact_kind *kind)
{
	static const struct {
		const char *key;
		viommu_redact_kind kind;
	} keys[] = {
		{ "resume", VIOMMU_REDACT_PATH }, { "nfsroot", VIOMMU_REDACT_HOST }, { "netroot", VIOMMU_REDACT_HOST },
		{ "nfsaddrs", VIOMMU_REDACT_HOST }, { "nameserver", VIOMMU_REDACT_HOST }, { "ifname", VIOMMU_REDACT_MAC },
		{ "bootif", VIOMMU_REDACT_MAC }, { "cryptdevice", VIOMMU_REDACT_SECRET }, { "cryptkey", VIOMMU_REDACT_SECRET },
		{ "cryptopts", VIOMMU_REDACT_SECRET }, { "ds", VIOMMU_REDACT_TEXT }, { "cloud-config-url", VIOMMU_REDACT_URL },
		{ "url", VIOMMU_REDACT_URL }, { "ks", VIOMMU_REDACT_URL }, { "preseed/url", VIOMMU_REDACT_URL },
		{ "systemd.hostname", VIOMMU_REDACT_HOST }, { "systemd.machine_id", VIOMMU_REDACT_SERIAL }, { "rd.route", VIOMMU_REDACT_HOST },
		{ "hostname", VIOMMU_REDACT_HOST },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(keys); i++)
		if (g_ascii_strcasecmp(key, keys[i].key) == 0) {
			*kind = keys[i].kind;
			return true;
		}
	if (g_str_has_prefix(key, "rd.luks") || g_str_has_prefix(key, "luks") || g_str_has_prefix(key, "rd.iscsi")) {
		*kind = VIOMMU_REDACT_SECRET;
		return true;
	}
	return viommu_redact_key(strrchr(key, '.') ? strrchr(key, '.') + 1 : key, kind) && strcmp(key, "init") != 0;
}

/* "UUID=…", "LABEL=…", "/dev/mapper/…" */
static void
put_root(viommu_redact *self, GString *out, const char *value)
{
	static const char *const tags[] = { "UUID=", "PARTUUID=", "LABEL=", "PARTLABEL=" };

	for (gsize i = 0; i < G_N_ELEMENTS(tags); i++)
		if (g_str_has_prefix(value, tags[i])) {
			g_string_append(out, tags[i]);
			viommu_redact_put_value(self, out, i < 2 ? VIOMMU_REDACT_UUID : VIOMMU_REDACT_NAME, value + strlen(tags[i]));
			return;
		}
	viommu_redact_put_value(self, out, VIOMMU_REDACT_PATH, value);
}

static void
put_token(viommu_redact *self, GString *out, const char *token)
{
	const char *equals = strchr(token, '=');
	g_autofree char *key = equals ? g_strndup(token, (gsize) (equals - token)) : NULL, *bare = NULL;
	viommu_redact_kind kind;
	size_t n;

	if (!key) {
		g_string_append(out, token);
		return;
	}
	g_string_append_printf(out, "%s=", key);
	/* In quotes the value may hold spaces. */
	n = strlen(equals + 1);
	bare = equals[1] == '"' && n >= 2 && equals[n] == '"' ? g_strndup(equals + 2, n - 2) : g_strdup(equals + 1);
	if (strcmp(key, "root") == 0 || strcmp(key, "resume") == 0)
		put_root(self, out, bare);
	else if (kernel_key(key, &kind))
		viommu_redact_put_value(self, out, kind, bare);
	else
		g_string_append(out, equals + 1);
}

char *
viommu_redact_kernel_tokens(viommu_redact *self, const char *cmdline)
{
	GString *out = g_string_new(NULL);

	while (*cmdline) {
		size_t n = 0;
		bool quoted = false;

		for (; cmdline[n] && (quoted || (cmdline[n] != ' ' && cmdline[n] != '\n' && cmdline[n] != '\t')); n++)
			quoted = quoted != (cmdline[n] == '"');
		if (n) {
			g_autofree char *token = g_strndup(cmdline, n);

			put_token(self, out, token);
			cmdline += n;
		} else {
			g_string_append_c(out, *cmdline++);
		}
	}
	return g_string_free(out, FALSE);
}

void
viommu_redact_learn_kernel(viommu_redact *self, const char *cmdline)
{
	if (strlen(cmdline) <= VIOMMU_REDACT_MAX_KERNEL)
		g_free(viommu_redact_kernel_tokens(self, cmdline));
}

char *
viommu_redact_kernel(viommu_redact *self, const char *cmdline)
{
	g_autofree char *tokens = NULL;

	if (strlen(cmdline) > VIOMMU_REDACT_MAX_KERNEL)
		return viommu_redact_whole(self, VIOMMU_REDACT_TEXT, cmdline);
	tokens = viommu_redact_kernel_tokens(self, cmdline);
	return viommu_redact_marked(self, tokens);
}
