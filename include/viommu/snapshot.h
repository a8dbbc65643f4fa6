/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SNAPSHOT: everything that a verdict needs, and nothing else.  Registers,
 * raw table pages, and facts about the QEMU; no decoded entry and no guest data.
 * On disk it is an ELF core file, described in viommu-snapshot(5).
 *
 * A snapshot is also a memory source, so the same code reads a live QEMU and a
 * file.  In memory it never changes once it is made.
 */
#ifndef VIOMMU_SNAPSHOT_H
#define VIOMMU_SNAPSHOT_H

#include <glib.h>
#include <jansson.h>
#include <viommu/addr.h>
#include <viommu/error.h>
#include <viommu/memory.h>
#include <viommu/vtd.h>

G_BEGIN_DECLS

/* ---- the QEMU at hand ------------------------------------------------------ */

/* A range of L1's physical address space that is RAM (or ROM). */
typedef struct {
	viommu_gpa_range gpa;
	char name[64]; /* of the memory region, e.g. "pc.ram"; text from QEMU */
} viommu_ram_region;

typedef struct {
	viommu_sid sid;
	uint16_t vendor, device;
	uint16_t class_code; /* base class << 8 | subclass; 0: a human monitor has the name only */
	char id[64];         /* QEMU's id= of the device, may be empty; text from QEMU */
	char class_text[64]; /* text from QEMU */
	char driver[64];     /* QOM type, "vfio-pci"; empty when it is not known */
	char host[32];       /* of vfio-pci: the host's device, "0000:03:00.0"; may be empty */
	bool bridge;
	uint8_t secondary; /* bus behind the bridge */
	uint8_t root;      /* number of the root bus that it hangs from */
} viommu_pci_device;

/* Facts about one QEMU.  All strings are QEMU's or the guest's: escape them. */
typedef struct {
	char *version;   /* "7.2.22" */
	char *package;   /* "Debian 1:7.2+dfsg-7", may be empty */
	char *run_state; /* "running", "paused", … */
	bool kvm;
	char *iommu_path;          /* in QOM */
	json_t *iommu_properties;  /* object: as "info qtree" shows them, scalars only */
	uint64_t registers_base;   /* GPA of the register page */
	uint32_t registers_size;   /* bytes */
	GArray *ram;               /* of viommu_ram_region, ascending, not overlapping */
	GArray *pci;               /* of viommu_pci_device */
	GArray *bypass;            /* of uint8_t: root buses that QEMU keeps away from the vIOMMU */
	struct viommu_pci_index *index; /* of pci */
	/* Of the QEMU process and its host; NULL when they are not known. */
	char **cmdline; /* its arguments: private, and UTF-8 */
	char *host_os, *host_kernel, *host_arch;
} viommu_machine;

viommu_machine *viommu_machine_new(void);
void viommu_machine_free(viommu_machine *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_machine, viommu_machine_free)

/* The RAM region that holds this page, NULL if none does. */
const viommu_ram_region *viommu_machine_ram_at(const viommu_machine *self, viommu_gpa gpa);
const viommu_pci_device *viommu_machine_pci_at(const viommu_machine *self, viommu_sid sid);

/* QEMU does not put the DMA of this device through the vIOMMU (bypass_iommu). */
bool viommu_machine_bypassed(const viommu_machine *self, viommu_sid sid);
/* The source id that the vIOMMU sees for this device: that of a bridge, when the
 * device is behind one to conventional PCI (VT-d 3.4.1, pci_device_iommu_address_space()
 * in QEMU); else its own. */
viommu_sid viommu_machine_alias(const viommu_machine *self, viommu_sid sid);

/* A property of intel-iommu and what the registers say of it, when they differ. */
typedef struct {
	const char *property, *field; /* "caching-mode", "CAP.CM" */
	uint64_t property_value, field_value;
} viommu_contradiction;

#define VIOMMU_MAX_CONTRADICTIONS 16
unsigned viommu_machine_contradictions(const viommu_machine *self, const vtd_registers *registers,
	viommu_contradiction ret[VIOMMU_MAX_CONTRADICTIONS]);

/* The unit that these registers describe, with the habits of this QEMU's version. */
void viommu_machine_unit(const viommu_machine *self, const vtd_registers *registers, vtd_unit *ret);

/* New reference / new object; INPUT when the JSON is not such a machine. */
json_t *viommu_machine_to_json(const viommu_machine *self);
viommu_machine *viommu_machine_from_json(const json_t *json, GError **error);

/* ---- the snapshot ----------------------------------------------------------- */

typedef struct viommu_snapshot viommu_snapshot;

/* How a snapshot came to be. */
typedef struct {
	char *time;          /* ISO 8601, UTC; "" when left out on request            */
	char *memory_source; /* "process memory", "HMP xp"; "" when left out          */
	bool paused;         /* the guest did not run while it was taken              */
} viommu_capture_info;

/* Takes machine. */
viommu_snapshot *viommu_snapshot_new(viommu_machine *machine, const vtd_registers *registers);
void viommu_snapshot_free(viommu_snapshot *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(viommu_snapshot, viommu_snapshot_free)

/* Adds a page (copied) or, with data NULL, the fact that it could not be read.
 * The first word on a page stands. Only before viommu_snapshot_seal(). */
void viommu_snapshot_add_page(viommu_snapshot *self, viommu_gpa gpa, const uint8_t *data,
	viommu_page_status status);
void viommu_snapshot_seal(viommu_snapshot *self);

/* Where a stretch of L1's RAM stands in L0's. */
typedef struct {
	viommu_gpa_range gpa;
	viommu_hpa hpa; /* of gpa.first */
} viommu_backing;

/* Adds a stretch behind all that were added before; false when it is not behind them. */
bool viommu_snapshot_add_backing(viommu_snapshot *self, const viommu_backing *backing);
/* Why not all of it is known; NULL: all is there, or none was asked for.  Copied. */
void viommu_snapshot_set_backing_unknown(viommu_snapshot *self, const char *why);
/* Of viommu_backing, ascending: what stands behind the pages that assigned devices
 * reach through the tables. Empty unless it was asked for. */
const GArray *viommu_snapshot_backing(const viommu_snapshot *self);
const char *viommu_snapshot_backing_unknown(const viommu_snapshot *self);
/* The first stretch that ends at or behind gpa; NULL when there is none. */
const viommu_backing *viommu_snapshot_backing_from(const viommu_snapshot *self, viommu_gpa gpa);

const viommu_machine *viommu_snapshot_machine(const viommu_snapshot *self);
/* Gives it the facts with other texts, the same otherwise.  Takes machine, returns the one
 * before. */
viommu_machine *viommu_snapshot_swap_machine(viommu_snapshot *self, viommu_machine *machine);
const vtd_registers *viommu_snapshot_registers(const viommu_snapshot *self);
viommu_capture_info *viommu_snapshot_info(viommu_snapshot *self); /* owned by self */
size_t viommu_snapshot_pages(const viommu_snapshot *self);

/* A source that reads self, which has to outlive it. */
viommu_memory *viommu_snapshot_memory(const viommu_snapshot *self);

/* Writes aside and renames, so that path is whole or untouched.  Refuses a path
 * that exists unless overwrite. Errors: FAILED. */
gboolean viommu_snapshot_write(const viommu_snapshot *self, const char *path, gboolean overwrite, GError **error);
/* Into an empty file that is open for writing; name is for messages. */
gboolean viommu_snapshot_write_fd(const viommu_snapshot *self, int fd, const char *name, GError **error);
/* What would be in that file: new. */
GBytes *viommu_snapshot_bytes(const viommu_snapshot *self, GError **error);
/* Errors: FAILED (cannot open), INPUT (not a snapshot, cut short, lies). */
viommu_snapshot *viommu_snapshot_read(const char *path, GError **error);
/* What such a file holds. */
viommu_snapshot *viommu_snapshot_parse(GBytes *bytes, const char *name, GError **error);

G_END_DECLS

#endif
