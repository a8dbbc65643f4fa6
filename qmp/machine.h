/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking a live QEMU for its facts. */
#ifndef VIOMMU_MACHINE_H
#define VIOMMU_MACHINE_H

#include <viommu/monitor.h>
#include <viommu/snapshot.h>

/* Everything but the registers.  Errors: those of the monitor, NO_IOMMU. */
viommu_machine *viommu_machine_query(viommu_monitor *monitor, GError **error);

/* The registers as they are now, through the monitor. */
gboolean viommu_machine_read_registers(const viommu_machine *self, viommu_monitor *monitor, vtd_registers *ret,
	GError **error);
/* Gives the command for that: viommu_monitor_ahead(). */
void viommu_machine_registers_ahead(const viommu_machine *self, viommu_monitor *monitor);

/* How the QEMU of this process was started, and on what host.  proven: that it is the one
 * at hand; else it has to have the name of one.  What is not known stays NULL. */
void viommu_machine_read_host(viommu_machine *self, pid_t pid, bool proven);
/* The same from and to the snapshot's JSON; false when it is not such JSON. */
void viommu_machine_put_host(const viommu_machine *self, json_t *json);
bool viommu_machine_get_host(viommu_machine *self, const json_t *json);

/* "query-status": a new string, or NULL with error. */
char *viommu_machine_run_state(viommu_monitor *monitor, GError **error);

/* Appends one device in the form of the snapshot's JSON; false when it is not one. */
bool viommu_machine_add_pci(viommu_machine *self, const json_t *item);

/* What drives a device in QEMU; a device that is not known is passed over. */
void viommu_machine_set_driver(viommu_machine *self, viommu_sid sid, const char *driver, const char *host);

/* The bridge that has this bus behind it, NULL if none has. */
const viommu_pci_device *viommu_machine_bridge_to(const viommu_machine *self, uint8_t bus);

/* Copies text into a field of size bytes; what does not fit, or is not UTF-8, is cut off. */
void viommu_copy_text(char *to, const char *from, size_t size);

#endif
