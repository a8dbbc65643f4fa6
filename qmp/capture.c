/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a live QEMU to a snapshot. */
#include <viommu/capture.h>

#include <string.h>

#include "backing.h"
#include "guard.h"
#include "machine.h"
#include "snapshot.h"
#include "sources.h"

#undef G_LOG_DOMAIN
#define G_LOG_DOMAIN "viommu"

struct viommu_live {
	viommu_live_options options;
	char *address;
	viommu_monitor *monitor;
	viommu_machine *machine;
	vtd_registers registers;
	viommu_memory *memory;
	bool process_proven; /* the process that is read is this QEMU */
};

static gboolean
is_that_process(viommu_live *self, GError **error)
{
	return viommu_monitor_check_process(self->monitor, self->machine, self->address, self->options.pid, self->options.claim, error);
}

static gboolean
choose_memory(viommu_live *self, GError **error)
{
	g_autoptr(GError) local = NULL;

	if (self->options.memory != VIOMMU_MEMORY_XP) {
		self->memory = viommu_memory_process(self->monitor, self->machine, self->options.pid, NULL, &local);
		self->process_proven = self->memory != NULL;
		if (self->memory)
			return TRUE;
		if ((self->options.memory == VIOMMU_MEMORY_PROCESS && self->options.claim != VIOMMU_PID_SAID) || g_error_matches(local, VIOMMU_ERROR, VIOMMU_ERROR_CLOSED) ||
			g_error_matches(local, VIOMMU_ERROR, VIOMMU_ERROR_TIMEOUT) ||
			g_error_matches(local, VIOMMU_ERROR, VIOMMU_ERROR_PROTOCOL)) { /* nothing can be asked any more */
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
		if (!is_that_process(self, error))
			return FALSE;
		if (self->options.memory == VIOMMU_MEMORY_PROCESS) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
		if (g_error_matches(local, VIOMMU_ERROR, VIOMMU_ERROR_PERMISSION))
			g_message("%s; reading through the monitor instead, which is slower (run as root, or as the user "
				  "that QEMU runs as)", local->message);
		else
			g_debug("process memory: %s; using HMP xp", local->message);
	} else if (!is_that_process(self, error)) {
		return FALSE;
	}
	self->memory = viommu_memory_xp(self->monitor, self->machine);
	return TRUE;
}

viommu_live *
viommu_live_open(const viommu_live_options *options, GError **error)
{
	g_autoptr(viommu_live) self = g_new0(viommu_live, 1);

	self->options = *options;
	self->address = g_strdup(options->address);
	self->monitor = viommu_monitor_open(options->address, options->timeout_ms, error);
	if (!self->monitor)
		return NULL;
	self->machine = viommu_machine_query(self->monitor, error);
	if (!self->machine)
		return NULL;
	viommu_machine_registers_ahead(self->machine, self->monitor);
	if (options->memory != VIOMMU_MEMORY_XP && (options->pid || viommu_monitor_peer_pid(self->monitor)))
		viommu_memory_process_ahead(self->monitor, self->machine);
	if (!viommu_machine_read_registers(self->machine, self->monitor, &self->registers, error) || !choose_memory(self, error))
		return NULL;
	viommu_monitor_forget_ahead(self->monitor); /* a guest changes what was not taken */
	viommu_machine_read_host(self->machine, options->pid ? options->pid : viommu_monitor_peer_pid(self->monitor),
		self->process_proven);
	g_debug("QEMU %s (%s), %s, memory through %s", self->machine->version, self->machine->package,
		self->machine->run_state, viommu_memory_name(self->memory));
	return g_steal_pointer(&self);
}

void
viommu_live_free(viommu_live *self)
{
	if (!self)
		return;
	viommu_memory_free(self->memory);
	viommu_machine_free(self->machine);
	viommu_monitor_free(self->monitor);
	g_free(self->address);
	g_free(self);
}

const viommu_machine *
viommu_live_machine(const viommu_live *self)
{
	return self->machine;
}

const vtd_registers *
viommu_live_registers(const viommu_live *self)
{
	return &self->registers;
}

viommu_monitor *
viommu_live_monitor(viommu_live *self)
{
	return self->monitor;
}

viommu_memory *
viommu_live_memory(viommu_live *self)
{
	return self->memory;
}

unsigned
viommu_live_round_trips(const viommu_live *self)
{
	return viommu_monitor_round_trips(self->monitor);
}

/* A source that remembers every page which passes through it, and gives the same
 * bytes for a page that was asked for before: the walk sees what is stored. */
typedef struct {
	viommu_memory base;
	viommu_memory *inner;
	viommu_snapshot *snapshot;
	const viommu_capture_options *options;
} recorder;

/* Reads pages that were not asked for before to where they stay. */
static gboolean
record(recorder *self, viommu_page_read *wanted, const guint *places, size_t n, GError **error)
{
	uint8_t *room = viommu_snapshot_room(self->snapshot, n);
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		wanted[i].buffer = room + i * VIOMMU_PAGE_SIZE;
	if (!viommu_memory_read_pages(self->inner, wanted, n, error))
		return FALSE;
	for (size_t i = 0; i < n; i++) {
		viommu_snapshot_page *page = &g_array_index(self->snapshot->pages, viommu_snapshot_page, places[i]);

		page->status = wanted[i].status;
		if (!wanted[i].data)
			continue;
		page->data = room + used++ * VIOMMU_PAGE_SIZE;
		if (page->data != wanted[i].data)
			memcpy(room + (used - 1) * VIOMMU_PAGE_SIZE, wanted[i].data, VIOMMU_PAGE_SIZE);
	}
	viommu_snapshot_use(self->snapshot, used);
	return TRUE;
}

static gboolean
recorder_read(viommu_memory *memory, viommu_page_read *reads, size_t n, GError **error)
{
	recorder *self = (recorder *) memory;
	const GArray *pages = self->snapshot->pages;
	g_autofree viommu_page_read *wanted = g_new(viommu_page_read, n);
	g_autofree guint *places = g_new(guint, n * 2); /* of reads, then of wanted */
	size_t n_wanted = 0;

	for (size_t i = 0; i < n; i++) {
		guint before = pages->len;

		places[i] = viommu_snapshot_place(self->snapshot, reads[i].gpa);
		if (places[i] < before)
			continue;
		wanted[n_wanted] = reads[i];
		places[n + n_wanted++] = places[i];
	}
	if (n_wanted && !record(self, wanted, places + n, n_wanted, error))
		return FALSE;
	for (size_t i = 0; i < n; i++) {
		const viommu_snapshot_page *page = &g_array_index(pages, viommu_snapshot_page, places[i]);

		reads[i].data = page->data;
		reads[i].status = page->status;
	}
	if (n_wanted && self->options->progress)
		self->options->progress(pages->len, self->options->user);
	return TRUE;
}

static void
recorder_free(G_GNUC_UNUSED viommu_memory *memory)
{
}

static const viommu_memory_ops recorder_ops = { .name = "recorder", .read_pages = recorder_read, .free = recorder_free };

typedef struct {
	const vtd_unit *unit;
	viommu_memory *memory;
	vtd_budget budget;
	GHashTable *done; /* what was walked already, by its tables */
	GError *error;
} collector;

static void
collect_tables(const vtd_device *device, void *user)
{
	collector *self = user;
	char *key;

	if (device->outcome != VTD_TRANSLATES || self->error)
		return;
	key = g_strdup_printf("%d %" G_GINT64_MODIFIER "x/%u %" G_GINT64_MODIFIER "x/%u", device->stage, device->table.v,
		device->levels, device->stage == VTD_STAGE_NESTED ? device->outer_table.v : 0, device->outer_levels);
	if (g_hash_table_add(self->done, key))
		vtd_walk_device(self->unit, self->memory, device, &self->budget, NULL, NULL, &self->error);
}

static void
collect_device(const vtd_device *device, void *user)
{
	collector *self = user;

	collect_tables(device, user);
	if (!self->error)
		vtd_for_each_pasid(self->unit, self->memory, device, &self->budget, collect_tables, NULL, user, &self->error);
}

static void
no_descriptor(G_GNUC_UNUSED const vtd_descriptor *descriptor, G_GNUC_UNUSED void *user)
{
}

static void
no_irte(G_GNUC_UNUSED const vtd_irte *irte, G_GNUC_UNUSED void *user)
{
}

/* The invalidation queue and the interrupt remapping table, where they are in use. */
static gboolean
collect_rings(const viommu_live *self, const vtd_unit *unit, viommu_memory *memory, GError **error)
{
	uint32_t unreadable;
	vtd_queue queue;
	vtd_queue_facts facts;
	vtd_irt irt;

	vtd_queue_init(unit, &self->registers, &queue);
	vtd_irt_init(unit, &self->registers, &irt);
	return (!queue.enabled || vtd_walk_queue(&queue, memory, &facts, no_descriptor, NULL, error)) &&
		(!irt.enabled || vtd_walk_irt(&irt, memory, &unreadable, no_irte, NULL, error));
}

static gboolean
collect(viommu_live *self, viommu_snapshot *snapshot, const viommu_capture_options *options, GError **error)
{
	recorder through = { { &recorder_ops }, self->memory, snapshot, options };
	vtd_unit unit;
	g_autoptr(vtd_memo) memo = vtd_memo_new();
	collector c = { .unit = &unit, .memory = &through.base, .budget = VTD_DEFAULT_BUDGET };
	gboolean ok;

	c.budget.runs = UINT64_MAX; /* none is kept */
	c.budget.memo = memo;       /* each page once is enough */
	viommu_machine_unit(self->machine, &self->registers, &unit);
	if (!collect_rings(self, &unit, &through.base, error))
		return FALSE;
	c.done = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	ok = vtd_for_each_device(&unit, &through.base, collect_device, &c, error);
	g_hash_table_unref(c.done);
	if (ok && c.error) {
		g_propagate_error(error, c.error);
		return FALSE;
	}
	g_clear_error(&c.error);
	if (ok && c.budget.tables == 0)
		g_message("L1's tables lead to more than a million tables; the rest was not read and stays unverified");
	return ok;
}

/* Which pages of L0 stand behind L1's: only the QEMU process tells. */
static gboolean
collect_backing(viommu_live *self, viommu_snapshot *snapshot, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autoptr(viommu_memory) own = NULL;
	const viommu_memory *process = self->memory;
	pid_t pid;

	if (!viommu_memory_process_windows(process, &pid))
		process = own = viommu_memory_process(self->monitor, self->machine, self->options.pid, NULL, &local);
	if (process)
		return viommu_backing_collect(snapshot, process, error);
	viommu_snapshot_set_backing_unknown(snapshot, local->message);
	return TRUE;
}

static viommu_snapshot *
take(viommu_live *self, const viommu_capture_options *options, gboolean paused, GError **error)
{
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autoptr(viommu_snapshot) ret = NULL;
	viommu_machine *machine;
	json_t *json;

	if (!viommu_machine_read_registers(self->machine, self->monitor, &self->registers, error))
		return NULL;
	json = viommu_machine_to_json(self->machine);
	machine = viommu_machine_from_json(json, error); /* a copy */
	json_decref(json);
	if (!machine)
		return NULL;
	ret = viommu_snapshot_new(machine, &self->registers);
	ret->info.paused = paused;
	if (!options->reproducible) {
		g_free(ret->info.time);
		g_free(ret->info.memory_source);
		ret->info.time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
		ret->info.memory_source = g_strdup(viommu_memory_name(self->memory));
	}
	if (!collect(self, ret, options, error))
		return NULL;
	viommu_snapshot_seal(ret);
	if (options->backing && !collect_backing(self, ret, error))
		return NULL;
	return g_steal_pointer(&ret);
}

static gboolean
send_plain(viommu_live *self, const char *command, GError **error)
{
	json_t *answer = viommu_monitor_execute(self->monitor, command, NULL, error);

	json_decref(answer);
	return answer != NULL;
}

static viommu_snapshot *
take_paused(viommu_live *self, const viommu_capture_options *options, GError **error)
{
	g_autoptr(viommu_snapshot) ret = NULL;
	g_autoptr(GError) resume_error = NULL;
	g_autoptr(GError) stop_error = NULL;
	viommu_guard *guard = viommu_guard_start(self->address, error);

	if (!guard)
		return NULL;
	viommu_monitor_allow_pause(self->monitor);
	if (send_plain(self, "stop", &stop_error)) {
		ret = take(self, options, TRUE, error);
	} else if (g_error_matches(stop_error, VIOMMU_ERROR, VIOMMU_ERROR_QEMU)) {
		/* An answer: nothing was stopped, and nothing is to be resumed. */
		viommu_guard_dismiss(guard);
		g_propagate_error(error, g_steal_pointer(&stop_error));
		return NULL;
	} else {
		g_propagate_error(error, g_steal_pointer(&stop_error));
	}
	if (!send_plain(self, "cont", &resume_error)) {
		g_message("the guest could not be resumed (%s); a helper process keeps trying", resume_error->message);
		viommu_guard_release(guard);
		return g_steal_pointer(&ret);
	}
	viommu_guard_dismiss(guard);
	return g_steal_pointer(&ret);
}

viommu_snapshot *
viommu_live_capture(viommu_live *self, const viommu_capture_options *options, GError **error)
{
	g_autofree char *state = viommu_machine_run_state(self->monitor, error);
	gboolean running = g_strcmp0(state, "running") == 0;

	if (!state)
		return NULL;
	g_free(self->machine->run_state);
	self->machine->run_state = g_steal_pointer(&state);
	if (options->pause && running)
		return take_paused(self, options, error);
	return take(self, options, !running, error);
}
