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
