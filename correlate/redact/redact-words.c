/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "redact/redact-words.h"

#include <string.h>

#include "text/text.h"

bool
viommu_redact_is_plain(const char *value)
{
	static const char *const plain[] = { "", "on", "off", "yes", "no", "true", "false", "none", "auto", "dhcp", "any", "both",
		"localhost", "*", "::", "::1", "0.0.0.0", "127.0.0.1", "null" };

	for (gsize i = 0; i < G_N_ELEMENTS(plain); i++)
		if (strcmp(value, plain[i]) == 0)
			return true;
	return g_ascii_isdigit(value[0]) && !value[1];
}

static bool
has_suffix_of(const char *word, const char *const *list)
{
	for (; *list; list++)
		if (g_str_has_suffix(word, *list))
			return true;
	return false;
}

bool
viommu_redact_key(const char *name, viommu_redact_kind *kind)
{
	static const char *const references[] = { "-secret", "_secret", "-secretid", "secretid", "creds", "authz", "-id", NULL };
	static const char *const secrets[] = { "pass", "key", "psk", "chap", "auth", "apikey", "cookie", NULL };
	static const char *const paths[] = { "file", "filename", "path", "dir", "mem-path", "script", "downscript", "logfile", "smb",
		"tftp", "bootfile", "rootdir", "conf", "keyring", "kernel", "initrd", "rom", "romfile", "bios", "socket", "sock", "pidfile",
		"dtb", "shmem", "keyfile", "keypath", "chroot", "backup", "base", "backing", "filepath", "sysfsdev", "img", "disk", "cancel-path",
		NULL };
	static const char *const names[] = { "guest", "export", "pool", "volume", "vdisk", "target", "initiator-name", "initiator",
		"domainname", "dnssearch", "namespace", "image", "snapshot", "snap-id", "snap-name", "snap", "exportname", "label", "share",
		"essid", "lun-name", "iqn", "subnqn", "nqn", "alias", NULL };
	static const char *const hosts[] = { "host", "hostname", "server", "connect", "listen", "mcast", "localaddr", "mon-host", "portal",
		"net", "dns", "dhcpstart", "ipv6-net", "ipv6-host", "ipv6-dns", "ipv6-prefix", "src", "dst", "local", "remote", "peer", "tls-hostname",
		"gateway", "ip", NULL };
	static const char *const serials[] = { "serial", "serialnumber", "wwn", "wwpn", "wwnn", "port-wwn", "asset", "eui64", "nguid",
		"machine-id", "serial-number", NULL };
	g_autofree char *key = g_ascii_strdown(name, -1);

	g_strdelimit(key, "_", '-');
	if (g_strv_contains(serials, key))
		*kind = VIOMMU_REDACT_SERIAL;
	else if (g_strv_contains(paths, key))
		*kind = VIOMMU_REDACT_PATH;
	else if (g_strv_contains(names, key))
		*kind = VIOMMU_REDACT_NAME;
	else if (g_strv_contains(hosts, key))
		*kind = VIOMMU_REDACT_HOST;
	else if (strcmp(key, "user") == 0 || strcmp(key, "username") == 0 || strcmp(key, "login") == 0 || strcmp(key, "identity") == 0)
		*kind = VIOMMU_REDACT_USER;
	else if (has_suffix_of(key, references))
		return false; /* the name of an object, not what it holds */
	else if (g_strv_contains(secrets, key) || strstr(key, "passw") || strstr(key, "passphrase") || strstr(key, "secret") ||
		strstr(key, "token") || strstr(key, "credential") || g_str_has_suffix(key, "-key"))
		*kind = VIOMMU_REDACT_SECRET;
	else
		return false;
	return true;
}

void
viommu_redact_put_value(viommu_redact *self, GString *out, viommu_redact_kind kind, const char *value)
{
	viommu_sid unused;

	/* "host=" names a machine, or a device of this one. */
	if (viommu_redact_is_plain(value) || (kind == VIOMMU_REDACT_HOST && viommu_parse_bdf(value, &unused)) ||
		(kind == VIOMMU_REDACT_PATH && viommu_redact_is_public_path(value, strlen(value)))) {
		g_string_append(out, value);
		return;
	}
	if (kind == VIOMMU_REDACT_PATH && strstr(value, "://"))
		kind = VIOMMU_REDACT_URL;
	viommu_redact_learn_url(self, value);
	if (kind == VIOMMU_REDACT_PATH)
		viommu_redact_learn_path(self, value);
	else
		viommu_redact_learn(self, kind, value);
	viommu_redact_put_mark(self, out, kind, value);
}

/* ---- a kernel's command line ----------------------------------------------------------------- */

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
