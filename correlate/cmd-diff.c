/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "diff/diff.h"
#include "text/json-list.h"
#include "text/json-text.h"

static const char help[] =
	"Usage: viommu diff A B\n\n"
	"What changed from A to B, two snapshots or bundles: registers, properties and\n"
	"devices; and for each table what was mapped, unmapped, moved to another GPA, or\n"
	"got other permissions or another page size.\n\n"
	"  viommu diff before.elf after.elf\n"
	"  viommu diff bug.tar.gz now.elf --format json\n\n"
	"      --strict          exit status 3 also when some of it could not be compared\n"
	"      --all             every change, however many\n"
	"      --format FORMAT   text (default) or json\n"
	"      --debug           say how the tables are read\n"
	"  -h, --help   -V, --version\n"
	"\nExit status: 0 nothing changed, 3 something did.\n";

#define SHOWN 200 /* runs of one table, in text */

typedef struct {
	const viommu_snapshot *a, *b;
	viommu_diff *tables;
	uint64_t facts, hidden;
	uint64_t runs, pages[VIOMMU_DIFF_CHANGES];
	/* While it is shown. */
	const char *topic;
	uint64_t shown;
	gboolean all;
	viommu_json_lists lists;
	const viommu_diff_group *group; /* not yet shown */
	guint table;
} diff;

static uint64_t
pages_of(const viommu_diff_run *run)
{
	return ((run->iova.last - run->iova.first) >> VIOMMU_PAGE_SHIFT) + 1;
}

/* ---- counting: in JSON the sum is said before what it is of ----------------------------------------------- */

static void
count_fact(const viommu_diff_fact *fact, void *user)
{
	diff *self = user;

	self->facts += !fact->hidden;
	self->hidden += fact->hidden;
}

static void
count_run(const viommu_diff_run *run, void *user)
{
	diff *self = user;

	self->runs += run->changes != VIOMMU_DIFF_UNKNOWN;
	for (unsigned i = 0; i < VIOMMU_DIFF_CHANGES; i++)
		if (run->changes & 1u << i)
			self->pages[i] += pages_of(run);
}

static gboolean
count(diff *self, GError **error)
{
	const viommu_diff_visitor visit = { count_fact, NULL, count_run, self };

	viommu_diff_facts(self->a, self->b, count_fact, self);
	return viommu_diff_visit(self->tables, &visit, error);
}

static bool
is_unsure(const diff *self)
{
	return self->hidden || viommu_diff_is_cut(self->tables) || self->pages[VIOMMU_DIFF_CHANGES - 1];
}

/* ---- text: counted as it is printed --------------------------------------------------------------- */

static const char *
heading(const char *topic)
{
	static const char *const headings[][2] = { { "qemu", "QEMU" }, { "ram", "RAM" }, { "property", "intel-iommu properties" },
		{ "device", "PCI devices" }, { "register", "registers" }, { "context", "devices behind the vIOMMU" } };

	for (gsize i = 0; i < G_N_ELEMENTS(headings); i++)
		if (strcmp(headings[i][0], topic) == 0)
			return headings[i][1];
	return topic;
}

static void
print_fact(const viommu_diff_fact *fact, void *user)
{
	diff *self = user;
	g_autofree char *name = viommu_escape(fact->name);
	g_autofree char *before = viommu_escape(fact->before ? fact->before : "(none)");
	g_autofree char *after = viommu_escape(fact->after ? fact->after : "(none)");
	bool wide = strlen(before) + strlen(after) > 60;

	count_fact(fact, self);
	if (fact->hidden)
		return;
	if (g_strcmp0(self->topic, fact->topic) != 0)
		printf("%s%s%s%s\n", self->topic ? "\n" : "", viommu_tone_on(VIOMMU_STRONG), heading(fact->topic), viommu_tone_off(VIOMMU_STRONG));
	self->topic = fact->topic;
	if (wide)
		printf("  %s\n    - %s\n    + %s\n", name, before, after);
	else
		printf("  %-24s %s -> %s\n", name, before, after);
}

static void
print_side(const viommu_diff_side *side)
{
	if (!side->present)
		printf("not mapped");
	else if (side->kind == VTD_RUN_MAPPED && !side->page_shift)
		printf("mapped");
	else if (side->kind == VTD_RUN_MAPPED)
		printf("GPA 0x%" PRIx64 " %s %s", side->gpa.v, viommu_prot_text(side->read, side->write).text,
			viommu_size_text(UINT64_C(1) << side->page_shift).text);
	else
		printf("%s", side->kind == VTD_RUN_RESERVED ? "reserved bits are set"
				: side->kind == VTD_RUN_LOOP ? "a table that leads to itself"
				: side->kind == VTD_RUN_INTERRUPT ? "interrupt range"
				: side->kind == VTD_RUN_PRIVILEGE ? "for supervisors only"
				: side->status == VIOMMU_PAGE_NOT_RAM ? "its table is not in RAM"
								   : "could not be read");
}

static void
print_left_out(diff *self)
{
	if (self->shown > SHOWN && !self->all)
		printf("  … and %s more (--all shows them)\n", viommu_count_text(self->shown - SHOWN).text);
	self->shown = 0;
}

static void
print_group_name(const viommu_diff_group *group)
{
	const vtd_device *device = group->after ? group->after : group->before;

	for (guint i = 0; i < group->devices->len && i < 8; i++) {
		const viommu_diff_device *item = &g_array_index(group->devices, viommu_diff_device, i);

		printf("%s%s", i ? ", " : "", viommu_bdf_text(item->sid).text);
		if (item->pasid_requested)
			printf(" PASID %u", item->pasid);
	}
	if (group->devices->len > 8)
		printf(" and %u more", group->devices->len - 8);
	printf(": domain %u", device->did);
}

static void
show_group(const viommu_diff_group *group, void *user)
{
	diff *self = user;

	print_left_out(self);
	self->group = group;
}

static void
print_run(const viommu_diff_run *run, void *user)
{
	diff *self = user;
	g_autoptr(GString) what = g_string_new(NULL);

	count_run(run, self);
	if (self->group) {
		printf("%s%s", self->topic ? "\n" : "", viommu_tone_on(VIOMMU_STRONG));
		print_group_name(self->group);
		printf("%s\n", viommu_tone_off(VIOMMU_STRONG));
		self->topic = "table";
		self->group = NULL;
	}
	if (++self->shown > SHOWN && !self->all)
		return;
	for (unsigned i = 0; i < VIOMMU_DIFF_CHANGES; i++)
		if (run->changes & 1u << i)
			g_string_append_printf(what, "%s%s", what->len ? ", " : "", viommu_diff_change_name(1u << i));
	printf("  %-10s 0x%012" PRIx64 "-0x%012" PRIx64 " %9s  ", what->str, run->iova.first, run->iova.last,
		viommu_size_text(run->iova.last - run->iova.first + 1).text);
	if (run->changes != VIOMMU_DIFF_MAPPED)
		print_side(&run->before);
	if (run->changes != VIOMMU_DIFF_MAPPED && run->changes != VIOMMU_DIFF_UNMAPPED)
		printf(" -> ");
	if (run->changes != VIOMMU_DIFF_UNMAPPED)
		print_side(&run->after);
	putchar('\n');
}

static void
print_sum(const diff *self)
{
	bool differs = self->facts || self->runs;
	viommu_tone tone = differs ? VIOMMU_BAD : is_unsure(self) ? VIOMMU_UNSURE : VIOMMU_GOOD;
	const char *before = ": ";

	printf("%s%s%s%s", self->topic ? "\n" : "", viommu_tone_on(tone), differs ? "DIFFERENT" : "EQUAL", viommu_tone_off(tone));
	if (self->facts) {
		printf("%s%s fact%s", before, viommu_count_text(self->facts).text, self->facts == 1 ? "" : "s");
		before = ", ";
	}
	for (unsigned i = 0; i + 1 < VIOMMU_DIFF_CHANGES; i++)
		if (self->pages[i]) {
			printf("%s%s %s", before, viommu_diff_change_name(1u << i), viommu_count_text(self->pages[i]).text);
			before = ", ";
		}
	puts(self->runs ? " (pages)" : "");
	if (self->pages[VIOMMU_DIFF_CHANGES - 1])
		printf("%s pages could not be compared: a table that leads to them could not be read.\n",
			viommu_count_text(self->pages[VIOMMU_DIFF_CHANGES - 1]).text);
	if (self->hidden)
		printf("%s fact%s could not be compared: private texts were replaced in one of the two (--no-redact keeps them).\n",
			viommu_count_text(self->hidden).text, self->hidden == 1 ? "" : "s");
	if (viommu_diff_is_cut(self->tables))
		puts("Not every device or PASID was compared: there are too many, or what names them could not be read.");
	puts("Compared: registers, QEMU's facts, contexts and page tables; not the queue, and not interrupt remapping entries.");
}

static gboolean
print_text(diff *self, GError **error)
{
	const viommu_diff_visitor visit = { print_fact, show_group, print_run, self };

	viommu_diff_facts(self->a, self->b, print_fact, self);
	if (!viommu_diff_visit(self->tables, &visit, error))
		return FALSE;
	print_left_out(self);
	print_sum(self);
	return TRUE;
}

/* ---- JSON ------------------------------------------------------------------------------------------- */

static void
put_fact(const viommu_diff_fact *fact, void *user)
{
	diff *self = user;
	g_autoptr(GString) text = g_string_new(NULL);

	if (fact->hidden)
		return;
	viommu_jt_begin(text, NULL, '{');
	viommu_jt_word(text, "topic", fact->topic);
	viommu_jt_text(text, "name", fact->name);
	if (fact->before)
		viommu_jt_text(text, "before", fact->before);
	if (fact->after)
		viommu_jt_text(text, "after", fact->after);
	viommu_jt_end(text, '}');
	viommu_json_lists_put_text(&self->lists, text->str);
}

static void
put_group(const viommu_diff_group *group, void *user)
{
	diff *self = user;
	g_autoptr(GString) text = g_string_new(NULL);

	viommu_jt_begin(text, NULL, '{');
	viommu_jt_begin(text, "devices", '[');
	for (guint i = 0; i < group->devices->len; i++) {
		const viommu_diff_device *item = &g_array_index(group->devices, viommu_diff_device, i);

		viommu_jt_begin(text, NULL, '{');
		viommu_jt_bdf(text, "source_id", item->sid);
		if (item->pasid_requested)
			viommu_jt_int(text, "pasid", item->pasid);
		viommu_jt_end(text, '}');
	}
	viommu_jt_end(text, ']');
	if (group->before)
		viommu_jt_int(text, "domain_before", group->before->did);
	if (group->after)
		viommu_jt_int(text, "domain_after", group->after->did);
	viommu_jt_end(text, '}');
	viommu_json_lists_put_text(&self->lists, text->str);
}

static void
next_table(G_GNUC_UNUSED const viommu_diff_group *group, void *user)
{
	((diff *) user)->table++;
}

static void
put_side(GString *text, const char *name, const viommu_diff_side *side)
{
	static const char *const kinds[] = { [VTD_RUN_MAPPED] = "mapped", [VTD_RUN_RESERVED] = "reserved", [VTD_RUN_UNREADABLE] = "unreadable",
		[VTD_RUN_LOOP] = "loop", [VTD_RUN_REPEATED] = "unvisited", [VTD_RUN_UNVISITED] = "unvisited", [VTD_RUN_INTERRUPT] = "interrupt",
		[VTD_RUN_PRIVILEGE] = "privilege" };

	if (!side->present)
		return;
	viommu_jt_begin(text, name, '{');
	viommu_jt_word(text, "state", side->status == VIOMMU_PAGE_NOT_RAM ? "not-ram" : kinds[side->kind]);
	if (side->kind == VTD_RUN_MAPPED && side->page_shift) {
		viommu_jt_hex(text, "gpa", side->gpa.v);
		viommu_jt_word(text, "prot", viommu_prot_text(side->read, side->write).text);
		viommu_jt_hex(text, "page_size", UINT64_C(1) << side->page_shift);
	}
	viommu_jt_end(text, '}');
}

static void
put_run(const viommu_diff_run *run, void *user)
{
	diff *self = user;
	g_autoptr(GString) text = g_string_new(NULL);

	viommu_jt_begin(text, NULL, '{');
	viommu_jt_int(text, "table", self->table - 1);
	viommu_jt_begin(text, "changes", '[');
	for (unsigned i = 0; i < VIOMMU_DIFF_CHANGES; i++)
		if (run->changes & 1u << i)
			viommu_jt_word(text, NULL, viommu_diff_change_name(1u << i));
	viommu_jt_end(text, ']');
	viommu_jt_hex(text, "first", run->iova.first);
	viommu_jt_hex(text, "last", run->iova.last);
	put_side(text, "before", &run->before);
	put_side(text, "after", &run->after);
	viommu_jt_end(text, '}');
	viommu_json_lists_put_text(&self->lists, text->str);
}

static gboolean
print_json(diff *self, int status, GError **error)
{
	const viommu_diff_visitor facts = { put_fact, NULL, NULL, self }, groups = { NULL, put_group, NULL, self },
				  runs = { NULL, next_table, put_run, self };
	json_t *pages = json_object();
	gboolean ok;

	for (unsigned i = 0; i < VIOMMU_DIFF_CHANGES; i++)
		json_object_set_new(pages, viommu_diff_change_name(1u << i), json_integer((json_int_t) self->pages[i]));
	viommu_json_lists_begin(&self->lists, stdout, json_pack("{s:s, s:i, s:i, s:b, s:b, s:o}", "format", "viommu-diff", "version", 1,
		"exit_status", status, "equal", !self->facts && !self->runs, "complete", !is_unsure(self), "pages", pages));
	viommu_json_lists_next(&self->lists, "facts");
	viommu_diff_facts(self->a, self->b, put_fact, self);
	ok = viommu_diff_visit(self->tables, &facts, error);
	viommu_json_lists_next(&self->lists, "tables");
	ok = ok && viommu_diff_visit(self->tables, &groups, error);
	viommu_json_lists_next(&self->lists, "mappings");
	ok = ok && viommu_diff_visit(self->tables, &runs, error);
	viommu_json_lists_end(&self->lists);
	return ok;
}

/* ---- the command --------------------------------------------------------------------------------------- */

static viommu_target *
open_side(const char *path, GError **error)
{
	viommu_target_options options = VIOMMU_TARGET_DEFAULTS;

	options.snapshot = (char *) path;
	return viommu_target_open(&options, error);
}

/* -q or -p, which other commands take. */
static gboolean
names_live(char **words)
{
	for (; *words && strcmp(*words, "--") != 0; words++)
		if (g_str_has_prefix(*words, "-q") || g_str_has_prefix(*words, "-p") || strcmp(*words, "--qmp") == 0 ||
			strcmp(*words, "--pid") == 0 || g_str_has_prefix(*words, "--qmp=") || g_str_has_prefix(*words, "--pid="))
			return TRUE;
	return FALSE;
}

static int
status_of(const diff *self, gboolean strict)
{
	return self->facts || self->runs || (strict && is_unsure(self)) ? VIOMMU_EXIT_FAULT : VIOMMU_EXIT_CLEAN;
}

int
viommu_cmd_diff(int argc, char **argv)
{
	g_auto(viommu_cmd) cmd = VIOMMU_CMD_DEFAULTS;
	g_autoptr(viommu_target) a = NULL, b = NULL;
	g_autoptr(viommu_diff) tables = NULL;
	g_autoptr(GError) error = NULL;
	gboolean strict = FALSE, ok;
	diff self = { 0 };
	const GOptionEntry own[] = {
		{ "strict", 0, 0, G_OPTION_ARG_NONE, &strict, NULL, NULL },
		{ "all", 0, 0, G_OPTION_ARG_NONE, &self.all, NULL, NULL },
		{ 0 },
	};
	int status = names_live(argv + 1)
		? viommu_cmd_usage("diff", "it takes two files, and no live QEMU: viommu capture saves its state into one first")
		: viommu_cmd_parse(&cmd, argc, argv, own, FALSE, help);

	if (status >= 0)
		return status;
	if (g_strv_length(cmd.arguments) != 2)
		return viommu_cmd_usage("diff", "it takes two files, snapshots or bundles: before.elf after.elf");
	a = open_side(cmd.arguments[0], &error);
	b = a ? open_side(cmd.arguments[1], &error) : NULL;
	if (!b)
		return viommu_cmd_fail("diff", error);
	self.a = a->snapshot;
	self.b = b->snapshot;
	tables = self.tables = viommu_diff_open(self.a, self.b, &error);
	if (!tables || (cmd.json && !count(&self, &error)))
		return viommu_cmd_fail("diff", error);
	ok = cmd.json ? print_json(&self, status_of(&self, strict), &error) : print_text(&self, &error);
	return ok ? status_of(&self, strict) : viommu_cmd_fail("diff", error);
}
