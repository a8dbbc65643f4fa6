/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libtraceevent can load plugins that pretty-print events.  We ask for none, and a
 * static program could load them only with the very libc that it was built with.  The
 * linker puts this in the place of its dlopen() (--wrap), and has nothing to warn of.
 */
#include <stddef.h>

void *__wrap_dlopen(const char *file, int mode);

void *
__wrap_dlopen(__attribute__((unused)) const char *file, __attribute__((unused)) int mode)
{
	return NULL;
}
