/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <viommu/error.h>

GQuark
viommu_error_quark(void)
{
	return g_quark_from_static_string("viommu-error");
}

gboolean
viommu_reject(GError **error, const char *path, const char *what, const char *format, ...)
{
	va_list args;
	g_autofree char *why = NULL;

	va_start(args, format);
	why = g_strdup_vprintf(format, args);
	va_end(args);
	if (!error || !*error)
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_INPUT, "%s is not a usable %s: %s", path, what, why);
	return FALSE;
}
