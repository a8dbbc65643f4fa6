/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bundle/archive-calls.h"

#include <dlfcn.h>
#include <string.h>

#include <viommu/error.h>

/* Its number since libarchive 3.0, of 2011. */
#define LIBRARY "libarchive.so.13"

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

static gboolean
load(viommu_archive_calls *calls, char **why)
{
	void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);

	if (!library) {
		*why = g_strdup(dlerror());
		return FALSE;
	}
#define FIND(name) find(library, #name, &calls->name, why) &&
	return VIOMMU_ARCHIVE_CALLS(FIND) TRUE;
#undef FIND
}

const viommu_archive_calls *
viommu_archive(GError **error)
{
	static viommu_archive_calls calls;
	static char *why;
	static gsize done;

	if (g_once_init_enter(&done))
		g_once_init_leave(&done, load(&calls, &why) ? 1 : 2);
	if (done == 1)
		return &calls;
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED,
		"bundles need " LIBRARY ", which cannot be loaded (%s); Debian has it in libarchive13, or libarchive13t64", why);
	return NULL;
}
