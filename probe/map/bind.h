/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Giving a PCI device to vfio-pci, and giving it back. */
#ifndef PROBE_BIND_H
#define PROBE_BIND_H

#include <stdbool.h>

#include "base/report.h"
#include "sys/sysfs.h"

struct pci_binding {
	char bdf[PCI_BDF_LEN];
	char old_driver[64];   /* "" when there was none */
	char old_override[64]; /* "" when there was none */
	bool changed;          /* something is to be put back */
};

/* Loads the modules that VFIO needs, if there is a modprobe; what is built in
 * or already there is left alone. */
void vfio_load_modules(void);
/* Besides, what iommufd needs. */
void iommufd_load_modules(void);

/* Makes vfio-pci the driver of the device FACTS is about.  On failure puts
 * back what was changed. */
int pci_bind_vfio(struct pci_binding *ret, const struct pci_facts *facts, struct probe_error *error);
/* Puts the old driver back, or none.  -1 with ERROR says what to do by hand. */
int pci_bind_restore(struct pci_binding *binding, struct probe_error *error);

/* The commands that do the same, one on a line, for people. */
void pci_bind_commands(const struct pci_facts *facts, char *text, size_t size);

#endif
