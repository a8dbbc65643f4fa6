/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A QEMU whose guest is this program: its CPU only halts, and everything that a
 * driver would do comes over QEMU's qtest protocol.  Its RAM is a memfd that both
 * sides have mapped.
 */
#ifndef JUDGE_GUEST_H
#define JUDGE_GUEST_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Half of the RAM is below 4 GiB and half above, as q35 lays it out. It is sparse. */
#define GUEST_LOW_SIZE 0x80000000ull
#define GUEST_HIGH_BASE 0x100000000ull
#define GUEST_HIGH_SIZE 0x80000000ull

typedef struct guest guest;

/* Starts it.  props: for -device intel-iommu, as after its comma; may be "". */
guest *guest_start(const char *qemu, const char *props, GError **error);
/* Kills it.  It is killed as well when this program ends in whatever way. */
void guest_stop(guest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(guest, guest_stop)

/* Its monitors, for viommu_live_open(): one for each way of reading. */
#define GUEST_MONITORS 2
const char *guest_monitor(const guest *self, unsigned i);
/* Nobody will connect any more: nothing is left in the file system. */
void guest_forget_monitors(guest *self);

/* The bytes at a GPA, NULL unless all n of them are RAM. */
uint8_t *guest_ram(guest *self, uint64_t gpa, uint64_t n);
/* Makes all of the RAM zero. */
void guest_ram_clear(guest *self);
/* Calls visit for each stretch of RAM that was ever touched since it was cleared. */
typedef void (*guest_ram_visitor)(uint64_t gpa, const uint8_t *bytes, uint64_t size, void *user);
void guest_ram_touched(guest *self, guest_ram_visitor visit, void *user);
/* An address where something other than RAM might answer: devices, ROM, and what the
 * chipset can map either way.  The interrupt range is not among them. */
bool guest_is_device(uint64_t gpa);

/* Puts a command into the queue: "writeq 0x10 0x20". */
void guest_queue(guest *self, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Sends the queue and waits.  Returns one value per command, 0 for those without one;
 * valid until the next call; NULL with error when QEMU is gone. */
const uint64_t *guest_run(guest *self, GError **error);

/* Whether `-device intel-iommu,help` of this QEMU lists the property. */
char *guest_properties(const char *qemu, GError **error);
bool guest_has_property(const char *properties, const char *name);
/* First line of --version, without "QEMU emulator version ". */
char *guest_version(const char *qemu, GError **error);

#define GUEST_ERROR (g_quark_from_static_string("guest"))

#endif
