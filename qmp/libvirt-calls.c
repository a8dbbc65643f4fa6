/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "libvirt-calls.h"

#include <dlfcn.h>
#include <string.h>

#include <viommu/error.h>

/* It brings libvirt.so.0 with it.  Both have had this number since their first version. */
#define LIBRARY "libvirt-qemu.so.0"

static gboolean
find(void *library, const char *name, void *pointer, char **why)
{
	void *symbol = dlsym(library, name);

	if (!symbol) {
		*why = g_strdup_printf("it has no %s()", name);
		return FALSE;
	}
	memcpy(pointer, &symbol, sizeof(symbol)); /* ISO C has no cast from an object to a function */
	return TRUE;
}

/* Without one of its own, libvirt prints each error. */
static void
print_nothing(G_GNUC_UNUSED void *user, G_GNUC_UNUSED void *error)
{
}

static gboolean
load(libvirt_calls *calls, char **why)
{
	void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);

	if (!library) {
		*why = g_strdup(dlerror());
		return FALSE;
	}
#define FIND(name) find(library, #name, &calls->name, why) &&
	if (!(LIBVIRT_CALLS(FIND) TRUE))
		return FALSE;
#undef FIND
	calls->virSetErrorFunc(NULL, print_nothing);
	return TRUE;
}

const libvirt_calls *
libvirt_load(GError **error)
{
	static libvirt_calls calls;
	static char *why;
	static gsize done;

	if (g_once_init_enter(&done))
		g_once_init_leave(&done, load(&calls, &why) ? 1 : 2);
	if (done == 1)
		return &calls;
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED,
		"guests of libvirt need " LIBRARY ", which cannot be loaded (%s); Debian has it in libvirt0",
		why);
	return NULL;
}
