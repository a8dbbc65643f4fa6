/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/lockdown.h"

#include <string.h>

#include "sys/cmdline.h"
#include "sys/sysfs.h"

enum lockdown
lockdown_get(void)
{
	char text[4096];

	if (sysfs_read("/kernel/security/lockdown", text, sizeof text) > 0)
		return strstr(text, "[confidentiality]") ? LOCKDOWN_CONFIDENTIALITY
		       : strstr(text, "[integrity]")     ? LOCKDOWN_INTEGRITY
							 : LOCKDOWN_NONE;
	/* Root can raise it later, or firmware at boot; without securityfs that is not seen. */
	if (read_text_file("/proc/cmdline", text, sizeof text) < 0)
		return LOCKDOWN_UNKNOWN;
	switch (cmdline_switch(text, "lockdown", "confidentiality", "integrity")) {
	case 1:
		return LOCKDOWN_CONFIDENTIALITY;
	case 0:
		return LOCKDOWN_INTEGRITY;
	default:
		return LOCKDOWN_UNKNOWN;
	}
}
