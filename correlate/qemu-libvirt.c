/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which QEMUs are guests of libvirt's, by what libvirt writes on their command lines. Anybody can
 * write the same; who goes that way is told by libvirt and QEMU which process it is. */
#include <string.h>

#include "qemus.h"

/* What follows "/domain-" in the path of a file of libvirt's: the id, and how the name begins
 * (it is cut off).  text: from there. */
static bool
is_folder_of(const char *text, const char *end, const char *name)
{
	size_t digits = strspn(text, "0123456789");
	const char *begin = text + digits + 1;

	return digits && text[digits] == '-' && begin < end &&
	       strncmp(name, begin, (size_t) (end - begin)) == 0;
}

static bool
has_folder(const char *path, const char *file, const char *name)
{
	static const char mark[] = "/domain-";
	const char *end = path ? g_strrstr(path, file) : NULL;
	const char *at = end ? g_strrstr_len(path, end - path, mark) : NULL;

	return at && is_folder_of(at + strlen(mark), end, name);
}

/* One that no shell and no terminal reads in its own way, and that is neither an id nor a UUID. */
static bool
is_plain(const char *name)
{
	bool letter = false;

	for (const char *c = name; *c; c++) {
		if (!g_ascii_isalnum(*c) && !strchr("._+-", *c))
			return false;
		letter |= g_ascii_isalpha(*c);
	}
	return letter && strlen(name) < 36;
}

void
viommu_qemu_find_libvirt(viommu_qemu *self)
{
	bool sure = has_folder(self->master_key, "/master-key.aes", self->name), handed_over = false;

	for (guint i = 0; i < self->monitors->len; i++) {
		const viommu_qemu_monitor *monitor = g_ptr_array_index(self->monitors, i);

		handed_over |= monitor->fd >= 0 && monitor->held != VIOMMU_HELD_NO;
		sure |= monitor->fd >= 0 && has_folder(monitor->bound, "/monitor.sock", self->name);
	}
	if (!self->uuid || !sure || !handed_over)
		return;
	self->libvirt = g_strdup_printf("libvirt:%s", is_plain(self->name) ? self->name : self->uuid);
}
