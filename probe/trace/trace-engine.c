/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace/trace-engine.h"

#include <stdio.h>
#include <string.h>

#include "sys/parse.h"

static uint64_t
last_of(const struct trace_event *event)
{
	return event->map.iova + (event->map.size - 1);
}

static struct trace_task *
task_of(struct trace_engine *engine, const struct trace_event *event)
{
	return event->irq == 0 && event->pid > 0 ? trace_tasks_get(&engine->tasks, event->pid) : NULL;
}

static struct trace_span *
span_of(struct trace_engine *engine, const struct trace_event *event)
{
	struct trace_task *task = event->irq == 0 ? trace_tasks_find(&engine->tasks, event->pid) : NULL;

	if (event->irq != 0)
		return event->cpu < SPAN_CPUS ? &engine->interrupts[event->cpu] : NULL;
	return task != NULL ? &task->span : NULL;
}

/* Whether EVENT is of the process that was asked for. */
bool
trace_engine_wants(struct trace_engine *engine, const struct trace_event *event)
{
	const struct trace_task *task = engine->only != 0 ? task_of(engine, event) : NULL;

	return engine->only == 0 || (task != NULL && task->tgid == engine->only);
}

void
trace_engine_meet(struct trace_engine *engine, const struct trace_event *event)
{
	if (event->kind == TRACE_CALL || event->kind == TRACE_MAP)
		(void) task_of(engine, event);
}

static bool
is_pci(const char *device)
{
	char bdf[PCI_BDF_LEN];

	return parse_bdf(device, bdf) && strcmp(bdf, device) == 0;
}

/* In falling order of certainty. */
static struct trace_space *
space_for_map(struct trace_engine *engine, const struct trace_event *event, const struct trace_sequel *sequel,
	const struct trace_task *task)
{
	struct trace_space *space = NULL;

	/* Of a thread that was gone before it was looked at, the domain knows better. */
	if (task != NULL && task->in_call && !task->tgid_known && sequel->has_did)
		space = trace_spaces_domain(&engine->spaces, sequel->iommu, sequel->did);
	if (task != NULL && task->in_call && space == NULL)
		space = trace_engine_container(engine, task, event->ns);
	if (space == NULL && sequel->dma != NULL && is_pci(sequel->dma->name))
		space = trace_engine_device(engine, sequel->dma->name, event->ns);
	if (space == NULL && sequel->has_did)
		space = trace_engine_domain(engine, sequel->iommu, sequel->did);
	if (space == NULL)
		space = trace_spaces_any(&engine->spaces, event->map.iova, last_of(event), event->map.paddr);
	return space != NULL ? space : trace_spaces_new(&engine->spaces, SPACE_ANY);
}

static const struct trace_domain *
take_domain(const struct trace_sequel *sequel, struct trace_domain *domain)
{
	if (!sequel->has_did)
		return NULL;
	*domain = (struct trace_domain){ .did = sequel->did };
	strncpy(domain->iommu, sequel->iommu, sizeof domain->iommu - 1);
	return domain;
}

static void
on_map(struct trace_engine *engine, const struct trace_event *event, const struct trace_sequel *sequel)
{
	const struct trace_task *task = task_of(engine, event);
	struct trace_map map = { .ns = event->ns,
		.iova = event->map.iova,
		.size = event->map.size,
		.paddr = event->map.paddr,
		.call = task != NULL && task->in_call ? task->call : 0 };
	struct trace_domain domain;
	struct trace_space *space;
	struct live_answer there;

	if (!viommu_range_ok(event->map.iova, event->map.size) || !trace_engine_wants(engine, event))
		return;
	space = space_for_map(engine, event, sequel, task);
	if (space == NULL) {
		trace_record_lost(&engine->record, event->ns, 1, "out of memory", NULL);
		engine->n_lost++;
		return;
	}
	map.space = space;
	map.domain = take_domain(sequel, &domain);
	if (map.domain != NULL)
		trace_spaces_set_domain(&engine->spaces, space, domain.iommu, domain.did);
	map.prot = sequel->dma != NULL && space->kind != SPACE_CONTAINER ? sequel->dma->dma.prot : 0;
	there = trace_live_look(&space->live, map.iova, last_of(event), map.paddr);
	engine->n_maps++;
	/* A container with several domains maps into each of them: once is enough. */
	if (there.any && !there.other && !there.gap && space->kind == SPACE_CONTAINER)
		return;
	trace_live_put(&space->live, map.iova, last_of(event), map.paddr);
	trace_record_map(&engine->record, &map);
}

/* What is known of the spaces in which something of the unmapped range lives. */
struct candidates {
	struct trace_space *first, *domain, *whole, *ended, *own;
	size_t n, n_domain, n_whole, n_ended, n_own, n_strange;
};

static void
consider(struct candidates *found, struct trace_space *space, const struct trace_event *event,
	const struct trace_sequel *sequel, int tgid)
{
	const struct live_answer there = trace_live_look(&space->live, event->map.iova, last_of(event), 0);

	if (!there.any)
		return;
	found->first = space;
	found->n++;
	if (sequel->has_did && trace_space_has_domain(space, sequel->iommu, sequel->did))
		found->domain = space, found->n_domain++;
	if (!there.cut)
		found->whole = space, found->n_whole++;
	if (space->ended)
		found->ended = space, found->n_ended++;
	if (space->kind == SPACE_CONTAINER && space->tgid == tgid)
		found->own = space, found->n_own++;
	else if (space->kind != SPACE_CONTAINER)
		found->n_strange++;
}

/* The space that an unmap outside of an ioctl was in; *AMBIGUOUS when it can
 * have been more than one. */
static struct trace_space *
space_for_unmap(struct trace_engine *engine, const struct trace_event *event,
	const struct trace_sequel *sequel, int tgid, bool *ambiguous)
{
	struct candidates found = { 0 };

	for (size_t i = 0; i < engine->spaces.n; i++)
		consider(&found, engine->spaces.space[i], event, sequel, tgid);
	if (found.n <= 1)
		return found.first;
	if (found.n_domain == 1)
		return found.domain;
	/* With caching mode every domain that a device uses is flushed; one that
	 * no device uses any more is not. */
	if (engine->caching_mode && !sequel->has_did && found.n_ended == 1)
		return found.ended;
	/* A process that ends or closes its container undoes its own mappings. */
	if (found.n_own == 1 && found.n_strange == 0)
		return found.own;
	/* Drivers and VFIO unmap what they mapped, not a part of it. */
	if (found.n_whole == 1)
		return found.whole;
	*ambiguous = true;
	return NULL;
}

static void
on_unmap(struct trace_engine *engine, const struct trace_event *event, const struct trace_sequel *sequel)
{
	const struct trace_task *task = task_of(engine, event);
	const struct trace_span *span = span_of(engine, event);
	struct trace_space *space = NULL;
	struct trace_domain domain;
	bool ambiguous = false;

	if (!viommu_range_ok(event->map.iova, event->map.size)) {
		engine->n_refused++;
		return;
	}
	if (task != NULL && task->in_call && trace_engine_wants(engine, event))
		space = trace_engine_container(engine, task, event->ns);
	if (space == NULL || !trace_live_look(&space->live, event->map.iova, last_of(event), 0).any)
		space = space_for_unmap(engine, event, sequel, task != NULL ? task->tgid : 0, &ambiguous);
	engine->n_unmaps++;
	if (ambiguous) {
		trace_record_lost(&engine->record, event->ns, 1,
			"an unmap of a range that is mapped in several address spaces, and nothing tells in "
			"which",
			event);
		engine->n_lost++;
		return;
	}
	/* Nothing that we know of: it was mapped before the trace began, or is in
	 * another domain of a container that has several. */
	if (space == NULL)
		return;
	trace_live_cut(&space->live, event->map.iova, last_of(event));
	trace_record_unmap(&engine->record, event, span != NULL ? span->flushed_ns : 0, space->id,
		take_domain(sequel, &domain));
}

static void
on_lost(struct trace_engine *engine, const struct trace_event *event)
{
	char reason[128];

	trace_tasks_forget(&engine->tasks);
	engine->n_lost += event->lost;
	snprintf(reason, sizeof reason, "the kernel's trace buffer of CPU %u was full", event->cpu);
	trace_record_lost(&engine->record, event->ns, event->lost, reason, NULL);
}

static void
on_witness(struct trace_engine *engine, const struct trace_event *event)
{
	struct trace_task *task = task_of(engine, event);

	if (task != NULL && (event->kind == TRACE_QI || event->kind == TRACE_TAG))
		trace_task_witness(task, event);
	if (event->kind != TRACE_TAG && trace_engine_wants(engine, event))
		trace_record_invalidate(&engine->record, event);
}

static void
on_call(struct trace_engine *engine, const struct trace_event *event)
{
	struct trace_task *task = task_of(engine, event);

	if (task != NULL)
		trace_task_begin(&engine->tasks, task, event);
}

static void
on_return(struct trace_engine *engine, const struct trace_event *event)
{
	struct trace_task *task = trace_tasks_find(&engine->tasks, event->pid);

	if (task != NULL && task->in_call)
		trace_engine_return(engine, task, event);
}

void
trace_engine_event(
	struct trace_engine *engine, const struct trace_event *event, const struct trace_sequel *sequel)
{
	struct trace_span *span;

	switch (event->kind) {
	case TRACE_MAP:
		on_map(engine, event, sequel);
		break;
	case TRACE_UNMAP:
		on_unmap(engine, event, sequel);
		break;
	case TRACE_ATTACH:
		trace_engine_attach(engine, event);
		break;
	case TRACE_DETACH:
	case TRACE_GROUP_REMOVE:
		trace_engine_detach(engine, event, 0);
		break;
	case TRACE_TAG:
	case TRACE_FLUSH:
	case TRACE_FLUSH_NP:
	case TRACE_FLUSH_ALL:
	case TRACE_QI:
		on_witness(engine, event);
		break;
	case TRACE_CALL:
		on_call(engine, event);
		break;
	case TRACE_RETURN:
		on_return(engine, event);
		break;
	case TRACE_TASK_NEW:
		trace_tasks_born(&engine->tasks, event->pid,
			(int) (event->result < 0 ? -event->result : event->result), event->result < 0);
		break;
	case TRACE_TASK_EXIT:
		trace_tasks_drop(&engine->tasks, event->pid);
		break;
	case TRACE_LOST:
		on_lost(engine, event);
		break;
	default:
		break;
	}
	span = span_of(engine, event);
	if (span != NULL)
		trace_span_see(span, event, engine->caching_mode);
}

void
trace_engine_free(struct trace_engine *engine)
{
	trace_record_free(&engine->record);
	trace_spaces_free(&engine->spaces);
	trace_tasks_free(&engine->tasks);
}
