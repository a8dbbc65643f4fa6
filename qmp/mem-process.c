/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * L1's memory read out of the QEMU process.  QEMU says where each RAM region
 * stands (HMP gpa2hva); the kernel copies any number of pages in one call.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>

#include "hmp.h"
#include "sources.h"

typedef viommu_ram_window window;

typedef struct {
	viommu_memory base;
	pid_t pid;
	GArray *windows; /* of window, ascending */
} process_memory;

static const window *
window_at(const process_memory *self, viommu_gpa gpa)
{
	size_t low = 0, high = self->windows->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const window *w = &g_array_index(self->windows, window, mid);

		if (gpa.v < w->gpa.first)
			high = mid;
		else if (gpa.v > w->gpa.last)
			low = mid + 1;
		else
			return w->gpa.last - gpa.v < VIOMMU_PAGE_SIZE - 1 ? NULL : w;
	}
	return NULL;
}

/* How many pages one call moves: the kernel takes IOV_MAX ranges. */
#define BATCH 512
G_STATIC_ASSERT(BATCH <= IOV_MAX);

/* Reads up to BATCH pages that are all RAM. A page in the middle that cannot be
 * read ends the kernel's copy there, so the rest is asked for again. */
static gboolean
read_batch(process_memory *self, viommu_page_read **reads, size_t n, GError **error)
{
	struct iovec local[BATCH], remote[BATCH];
	size_t done = 0;

	for (size_t i = 0; i < n; i++) {
		const window *w = window_at(self, reads[i]->gpa);
		uintptr_t at = (uintptr_t) (w->hva.v + (reads[i]->gpa.v - w->gpa.first));

		local[i] = (struct iovec){ reads[i]->buffer, VIOMMU_PAGE_SIZE };
		remote[i] = (struct iovec){ (void *) at, VIOMMU_PAGE_SIZE };
	}
	while (done < n) {
		ssize_t got = process_vm_readv(self->pid, local + done, n - done, remote + done, n - done, 0);
		size_t pages = got > 0 ? (size_t) got / VIOMMU_PAGE_SIZE : 0;

		if (got < 0 && errno != EFAULT) {
			g_set_error(error, VIOMMU_ERROR,
				errno == ESRCH ? VIOMMU_ERROR_CLOSED : VIOMMU_ERROR_PERMISSION,
				"cannot read the memory of the QEMU process %d: %s%s", (int) self->pid, g_strerror(errno),
				errno == ESRCH ? "; QEMU has ended" : "");
			return FALSE;
		}
		for (size_t i = 0; i < pages; i++) {
			reads[done + i]->data = reads[done + i]->buffer;
			reads[done + i]->status = VIOMMU_PAGE_OK;
		}
		done += pages;
		if (done < n && (got < 0 || pages == 0))
			reads[done++]->status = VIOMMU_PAGE_FAILED;
	}
	return TRUE;
}

static gboolean
read_pages(viommu_memory *memory, viommu_page_read *reads, size_t n, GError **error)
{
	process_memory *self = (process_memory *) memory;
	viommu_page_read *batch[BATCH];
	size_t in_batch = 0;

	for (size_t i = 0; i < n; i++) {
		reads[i].data = NULL;
		reads[i].status = VIOMMU_PAGE_NOT_RAM;
		if (!window_at(self, reads[i].gpa))
			continue;
		batch[in_batch++] = &reads[i];
		if (in_batch == BATCH) {
			if (!read_batch(self, batch, in_batch, error))
				return FALSE;
			in_batch = 0;
		}
	}
	return in_batch == 0 || read_batch(self, batch, in_batch, error);
}

static void
process_free(viommu_memory *memory)
{
	process_memory *self = (process_memory *) memory;

	g_array_unref(self->windows);
	g_free(self);
}

static const viommu_memory_ops ops = { .name = "process memory", .read_pages = read_pages, .free = process_free };

const GArray *
viommu_memory_process_windows(const viommu_memory *memory, pid_t *pid)
{
	const process_memory *self = (const process_memory *) memory;

	if (memory->ops != &ops)
		return NULL;
	*pid = self->pid;
	return self->windows;
}

static char *
gpa2hva_line(const viommu_machine *machine, guint region)
{
	return g_strdup_printf("gpa2hva 0x%" G_GINT64_MODIFIER "x", g_array_index(machine->ram, viommu_ram_region, region).gpa.first);
}

/* The page of a RAM region that may prove the process. */
static viommu_gpa
proof_page(const viommu_machine *machine, guint region)
{
	uint64_t first = g_array_index(machine->ram, viommu_ram_region, region).gpa.first;

	return VIOMMU_GPA((first + VIOMMU_PAGE_SIZE - 1) & VIOMMU_PAGE_MASK);
}

void
viommu_memory_process_ahead(viommu_monitor *monitor, const viommu_machine *machine)
{
	for (guint i = 0; i < machine->ram->len; i++) {
		g_autofree char *line = gpa2hva_line(machine, i);

		viommu_monitor_hmp_ahead(monitor, line);
	}
	viommu_memory_xp_ahead(monitor, proof_page(machine, 0));
}

/* Where does each RAM region stand in the process?  RAM only: QEMU may show ROM
 * (option ROMs, PAM) through a shadow that moves. */
static gboolean
find_windows(process_memory *self, viommu_monitor *monitor, const viommu_machine *machine, GError **error)
{
	for (guint i = 0; i < machine->ram->len; i++) {
		const viommu_ram_region *region = &g_array_index(machine->ram, viommu_ram_region, i);
		g_autofree char *line = gpa2hva_line(machine, i);
		g_autofree char *text = viommu_monitor_hmp(monitor, line, error);
		window w = { .gpa = region->gpa };

		if (!text)
			return FALSE;
		if (!viommu_hmp_parse_gpa2hva(text, &w.hva)) {
			g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED,
				"QEMU does not say where the RAM at GPA 0x%" G_GINT64_MODIFIER "x stands in its process: %.400s",
				region->gpa.first, g_strchomp(text));
			return FALSE;
		}
		g_array_append_val(self->windows, w);
	}
	return TRUE;
}

static bool
all_zero(const uint8_t *page)
{
	return page[0] == 0 && memcmp(page, page + 1, VIOMMU_PAGE_SIZE - 1) == 0;
}

typedef enum { PAGE_ERROR, PAGE_DIFFERENT, PAGE_UNREADABLE, PAGE_ABSENT, PAGE_ZEROS, PAGE_SAME } compared;

/* Reads one page both ways. ABSENT: the process has none there. SAME: and not just zeros, which another process may have there too. */
static compared
compare(process_memory *self, viommu_memory *xp, viommu_gpa gpa, GError **error)
{
	uint8_t ours[VIOMMU_PAGE_SIZE], theirs[VIOMMU_PAGE_SIZE];
	viommu_page_read a = { .gpa = gpa, .buffer = ours }, b = { .gpa = gpa, .buffer = theirs };

	if (!viommu_memory_read_pages(&self->base, &a, 1, error) || !viommu_memory_read_pages(xp, &b, 1, error))
		return PAGE_ERROR;
	if (a.status != VIOMMU_PAGE_OK || b.status != VIOMMU_PAGE_OK)
		return b.status == VIOMMU_PAGE_OK ? PAGE_ABSENT : PAGE_UNREADABLE;
	if (memcmp(a.data, b.data, VIOMMU_PAGE_SIZE) != 0)
		return PAGE_DIFFERENT;
	return all_zero(a.data) ? PAGE_ZEROS : PAGE_SAME;
}

/* A socket's peer need not be QEMU (a manager may have opened it for QEMU), and a
 * pid given by hand may be wrong: a page must read the same both ways.  A running
 * guest may change it in between, so a few are tried, firmware last. */
static gboolean
prove(process_memory *self, viommu_monitor *monitor, const viommu_machine *machine, viommu_process_proof *proof, GError **error)
{
	g_autoptr(viommu_memory) xp = viommu_memory_xp(monitor, machine);
	bool different = false, zeros = machine->ram->len > 0, absent = zeros;

	for (unsigned try = 0; try < 3; try++) {
		for (guint i = 0; i < machine->ram->len; i++) {
			compared page = compare(self, xp, proof_page(machine, i), error);

			if (page == PAGE_ERROR)
				return FALSE;
			if (page == PAGE_SAME)
				return TRUE;
			different |= page == PAGE_DIFFERENT;
			zeros &= page == PAGE_ZEROS;
			absent &= page == PAGE_ABSENT;
		}
	}
	if (proof)
		*proof = zeros ? VIOMMU_PROOF_ZEROS : different || absent ? VIOMMU_PROOF_AGAINST : VIOMMU_PROOF_NONE;
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED,
		different ? "process %d does not hold the memory that the monitor shows: it is not this QEMU"
			  : "nothing in memory tells whether process %d is this QEMU: the pages that would are zeros or cannot be read",
		(int) self->pid);
	return FALSE;
}

viommu_memory *
viommu_memory_process(viommu_monitor *monitor, const viommu_machine *machine, pid_t pid, viommu_process_proof *proof, GError **error)
{
	g_autoptr(viommu_memory) ret = NULL;
	process_memory *self = g_new0(process_memory, 1);

	self->base.ops = &ops;
	self->windows = g_array_new(FALSE, FALSE, sizeof(window));
	self->pid = pid ? pid : viommu_monitor_peer_pid(monitor);
	ret = &self->base;
	if (self->pid == 0) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED,
			"the monitor is not a local socket, so the QEMU process is not known (give it with --pid)");
		return NULL;
	}
	if (!find_windows(self, monitor, machine, error) || !prove(self, monitor, machine, proof, error))
		return NULL;
	return g_steal_pointer(&ret);
}
