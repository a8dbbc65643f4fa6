/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tables.h"

#include <string.h>

static gpointer
key(uint64_t gpa)
{
	return GSIZE_TO_POINTER((gsize) (gpa >> 12));
}

static gboolean
read_pages(viommu_memory *memory, viommu_page_read *reads, size_t n, GError **error)
{
	tables *self = (tables *) memory;

	self->calls++;
	if (self->dies_after && self->calls > self->dies_after) {
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_CLOSED, "the test's source is gone");
		return FALSE;
	}
	self->reads += n;
	for (size_t i = 0; i < n; i++) {
		uint64_t gpa = reads[i].gpa.v;
		const uint8_t *page = g_hash_table_lookup(self->pages, key(gpa));
		gpointer status;

		g_assert_cmphex(gpa & 0xfff, ==, 0);
		reads[i].data = NULL;
		if (gpa >= self->ram) {
			reads[i].status = VIOMMU_PAGE_NOT_RAM;
			continue;
		}
		if (g_hash_table_lookup_extended(self->status, key(gpa), NULL, &status)) {
			reads[i].status = (viommu_page_status) GPOINTER_TO_INT(status);
			continue;
		}
		/* In the caller's buffer, so that the sanitizers see a use of it that is too late. */
		if (page)
			memcpy(reads[i].buffer, page, 4096);
		else
			memset(reads[i].buffer, 0, 4096);
		reads[i].data = reads[i].buffer;
		reads[i].status = VIOMMU_PAGE_OK;
	}
	return TRUE;
}

static void
not_freed_so(G_GNUC_UNUSED viommu_memory *memory)
{
	g_assert_not_reached();
}

static const viommu_memory_ops ops = {
	.name = "test tables", .read_pages = read_pages, .free = not_freed_so
};

tables *
tables_new(unsigned bits)
{
	tables *self = g_new0(tables, 1);

	self->base.ops = &ops;
	self->pages = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	self->status = g_hash_table_new(NULL, NULL);
	self->ram = 1ull << 34;
	self->next = 0x10000000;
	/* ND = 6, CM, FRO 0x22, SSLPS 2M and 1G, PSI, MAMV 18, DWD and DRD: QEMU's. */
	self->cap = 6 | 1 << 7 | (uint64_t) (bits - 1) << 16 | 0x22ull << 24 | 3ull << 34 | 1ull << 39 |
		    18ull << 48 | 3ull << 54;
	/* SAGAW: all widths up to this one. */
	self->cap |= (bits >= 57 ? 0xeull : bits >= 48 ? 6ull : 2ull) << 8;
	self->ecap = 0xf00f4a; /* QI, IR, PT, IRO 0xf0, MHMV 15 */
	self->gsts = 1u << 31 | 1u << 30 | 1u << 26;
	self->root = self->rtaddr = tables_page(self);
	return self;
}

void
tables_free(tables *self)
{
	if (!self)
		return;
	g_hash_table_unref(self->pages);
	g_hash_table_unref(self->status);
	g_free(self);
}

uint64_t
tables_peek(const tables *self, uint64_t gpa)
{
	const uint8_t *page = g_hash_table_lookup(self->pages, key(gpa));
	uint64_t word = 0;

	g_assert_cmphex(gpa % 8, ==, 0);
	if (page)
		memcpy(&word, page + gpa % 4096, 8);
	return GUINT64_FROM_LE(word);
}

void
tables_poke(tables *self, uint64_t gpa, uint64_t word)
{
	uint8_t *page = g_hash_table_lookup(self->pages, key(gpa));

	g_assert_cmphex(gpa % 8, ==, 0);
	g_assert_cmphex(gpa, <, self->ram);
	if (!page) {
		page = g_malloc0(4096);
		g_hash_table_insert(self->pages, key(gpa), page);
	}
	word = GUINT64_TO_LE(word);
	memcpy(page + gpa % 4096, &word, 8);
}

uint64_t
tables_page(tables *self)
{
	uint64_t ret = self->next;

	/* Not all in a row. */
	self->next += ret / 4096 % 3 == 0 ? 8192 : 4096;
	tables_poke(self, ret, 0);
	return ret;
}

void
tables_break(tables *self, uint64_t gpa, viommu_page_status status)
{
	g_hash_table_insert(self->status, key(gpa), GINT_TO_POINTER((int) status));
}

uint64_t
tables_context_at(const tables *self, uint16_t sid)
{
	uint64_t root = tables_peek(self, self->root + (sid >> 8) * 16u);

	g_assert_cmphex(root & 1, ==, 1);
	return (root & PTE_ADDRESS) + (sid & 0xff) * 16u;
}

void
tables_context(tables *self, uint16_t sid, uint64_t low, uint64_t high)
{
	uint64_t root = self->root + (sid >> 8) * 16u;
	uint64_t at;

	if (!(tables_peek(self, root) & 1))
		tables_poke(self, root, tables_page(self) | 1);
	at = tables_context_at(self, sid);
	tables_poke(self, at, low);
	tables_poke(self, at + 8, high);
}

uint64_t
tables_device(tables *self, uint16_t sid, unsigned levels)
{
	uint64_t top = tables_page(self);

	tables_context(self, sid, top | 1, (levels - 2) | 7u << 8);
	return top;
}

/* Bits of the IOVA below those that choose the entry at a level. */
static unsigned
low_bits(unsigned level)
{
	static const unsigned bits[] = { 0, 12, 21, 30, 39, 48, 57 };

	return bits[level];
}

static uint64_t
slot(uint64_t table, uint64_t iova, unsigned level)
{
	return table + (iova >> low_bits(level)) % 512 * 8;
}

void
tables_map(tables *self, uint64_t top, unsigned levels, uint64_t iova, uint64_t gpa, unsigned shift,
	uint64_t bits)
{
	uint64_t table = top;
	unsigned level;

	g_assert_cmphex((iova | gpa) & ((1ull << shift) - 1), ==, 0);
	for (level = levels; low_bits(level) > shift; level--) {
		uint64_t at = slot(table, iova, level), entry = tables_peek(self, at);

		if (!entry) {
			entry = tables_page(self) | PTE_RW;
			tables_poke(self, at, entry);
		}
		g_assert_cmphex(entry & PTE_PS, ==, 0);
		table = entry & PTE_ADDRESS;
	}
	g_assert_cmpuint(low_bits(level), ==, shift);
	tables_poke(self, slot(table, iova, level), gpa | bits | (shift == KIB_4 ? 0 : PTE_PS));
}

void
tables_map_pages(tables *self, uint64_t top, unsigned levels, uint64_t iova, uint64_t gpa, uint64_t bytes,
	uint64_t bits)
{
	for (uint64_t at = 0; at < bytes; at += 4096)
		tables_map(self, top, levels, iova + at, gpa + at, KIB_4, bits);
}

uint64_t
tables_entry(const tables *self, uint64_t top, unsigned levels, uint64_t iova, unsigned level)
{
	uint64_t table = top;

	for (unsigned at = levels; at > level; at--) {
		uint64_t entry = tables_peek(self, slot(table, iova, at));

		if (!(entry & PTE_ADDRESS))
			return 0;
		table = entry & PTE_ADDRESS;
	}
	return slot(table, iova, level);
}

void
tables_scalable(tables *self)
{
	/* SMTS, SSTS, FSTS, NEST; PASIDs of 20 bits. */
	self->ecap |= 1ull << 43 | 1ull << 46 | 1ull << 47 | 1ull << 26 | 1ull << 40 | 19ull << 35;
	self->root = tables_page(self);
	self->rtaddr = self->root | 1ull << 10;
}

/* The root entry has a half for each half of a bus. */
static uint64_t
root_half(const tables *self, uint16_t sid)
{
	return self->root + (sid >> 8) * 16u + (sid & 0x80 ? 8 : 0);
}

uint64_t
tables_sm_context_at(const tables *self, uint16_t sid)
{
	return (tables_peek(self, root_half(self, sid)) & PTE_ADDRESS) + (sid & 0x7f) * 32u;
}

/* The page that the entry at leads to, a new one if there is none. */
static uint64_t
follow(tables *self, uint64_t at)
{
	if (!(tables_peek(self, at) & 1))
		tables_poke(self, at, tables_page(self) | 1);
	return tables_peek(self, at) & PTE_ADDRESS;
}

uint64_t
tables_pasid(tables *self, uint16_t sid, uint32_t pasid, const uint64_t words[8])
{
	uint64_t directory, entry;

	follow(self, root_half(self, sid));
	directory = follow(self, tables_sm_context_at(self, sid));
	g_assert_cmpuint(pasid >> 6, <, 128); /* PDTS = 0 */
	entry = follow(self, directory + (pasid >> 6) * 8) + (pasid & 63) * 64;
	for (unsigned i = 0; i < 8; i++)
		tables_poke(self, entry + i * 8, words[i]);
	return entry;
}

void
tables_map_first(tables *self, uint64_t top, unsigned levels, uint64_t iova, uint64_t gpa, unsigned shift,
	uint64_t bits, uint64_t offset)
{
	uint64_t table = top;
	unsigned level;

	for (level = levels; low_bits(level) > shift; level--) {
		uint64_t at = slot(table, iova, level);

		if (!tables_peek(self, at))
			tables_poke(self, at, (tables_page(self) - offset) | FPTE_RW);
		table = (tables_peek(self, at) & PTE_ADDRESS) + offset;
	}
	tables_poke(self, slot(table, iova, level), gpa | bits | (shift == KIB_4 ? 0 : PTE_PS));
}

uint64_t
tables_entry_first(
	const tables *self, uint64_t top, unsigned levels, uint64_t iova, unsigned level, uint64_t offset)
{
	uint64_t table = top;

	for (unsigned at = levels; at > level; at--)
		table = (tables_peek(self, slot(table, iova, at)) & PTE_ADDRESS) + offset;
	return slot(table, iova, level);
}

static void
put(vtd_registers *regs, unsigned offset, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		regs->bytes[offset + i] = (uint8_t) (value >> 8 * i);
}

void
tables_registers(const tables *self, vtd_registers *ret)
{
	*ret = (vtd_registers){ .base = 0xfed90000, .size = 0x230 };
	put(ret, 0x00, 0x10, 4);
	put(ret, 0x08, self->cap, 8);
	put(ret, 0x10, self->ecap, 8);
	put(ret, 0x1c, self->gsts, 4);
	put(ret, 0x20, self->rtaddr, 8);
	put(ret, 0x80, self->tail * 16, 8);
	put(ret, 0x88, self->tail * 16, 8);
	put(ret, 0x90, self->queue, 8);
}

void
tables_submit(tables *self, uint64_t low, uint64_t high)
{
	if (!self->queue) {
		self->queue = tables_page(self);
		self->gsts |= 1u << 26; /* QIES */
	}
	tables_poke(self, self->queue + self->tail * 16, low);
	tables_poke(self, self->queue + self->tail * 16 + 8, high);
	self->tail = (self->tail + 1) % 256;
}

vtd_unit
tables_unit(const tables *self)
{
	vtd_registers registers;
	vtd_unit ret;

	tables_registers(self, &registers);
	vtd_unit_init(&ret, &registers);
	return ret;
}

viommu_snapshot *
tables_snapshot(const tables *self)
{
	viommu_machine *machine = viommu_machine_new();
	viommu_ram_region ram = { .gpa = { 0, self->ram - 1 }, .name = "pc.ram" };
	viommu_pci_device device = {
		.sid = { 0x20 }, .vendor = 0x1234, .device = 0x11e8, .class_code = 0xff
	};
	vtd_registers registers;
	viommu_snapshot *ret;
	GHashTableIter iter;
	gpointer number, data;

	g_free(machine->version);
	machine->version = g_strdup("7.2.22");
	g_strlcpy(device.driver, self->driver ? self->driver : "", sizeof(device.driver));
	tables_registers(self, &registers);
	machine->registers_base = registers.base;
	machine->registers_size = registers.size;
	g_array_append_val(machine->ram, ram);
	g_array_append_val(machine->pci, device);
	device.sid.v = self->second;
	if (self->second)
		g_array_append_val(machine->pci, device);
	ret = viommu_snapshot_new(machine, &registers);
	g_hash_table_iter_init(&iter, self->status);
	while (g_hash_table_iter_next(&iter, &number, &data))
		if (GPOINTER_TO_INT(data) != VIOMMU_PAGE_NOT_CAPTURED)
			viommu_snapshot_add_page(ret, VIOMMU_GPA((uint64_t) GPOINTER_TO_SIZE(number) << 12),
				NULL, (viommu_page_status) GPOINTER_TO_INT(data));
	g_hash_table_iter_init(&iter, self->pages);
	while (g_hash_table_iter_next(&iter, &number, &data))
		if (!g_hash_table_contains(self->status, number))
			viommu_snapshot_add_page(ret, VIOMMU_GPA((uint64_t) GPOINTER_TO_SIZE(number) << 12),
				data, VIOMMU_PAGE_OK);
	viommu_snapshot_seal(ret);
	return ret;
}
