/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Entries, bit by bit: which field a bit belongs to, and whether QEMU refuses it. */
#include <string.h>

#include "tables.h"

#define BITS(high, low) (((high) == 63 ? 0 : 1ull << ((high) + 1)) - (1ull << (low)))

/* 39 and 48 bits, with and without snoop control and device-TLBs. */
static vtd_unit
unit_of(unsigned bits, bool snoop, bool device_tlb)
{
	g_autoptr(tables) t = tables_new(bits);

	t->ecap |= (uint64_t) snoop << 7 | (uint64_t) device_tlb << 2;
	return tables_unit(t);
}

/* Finds the reserved bits by trying one after the other. */
static uint64_t
tried_ss(const vtd_unit *unit, unsigned level, uint64_t with)
{
	uint64_t ret = 0;
	vtd_ss_entry entry;

	for (unsigned bit = 0; bit < 64; bit++) {
		vtd_decode_ss(unit, with | 1ull << bit, level, &entry);
		g_assert_cmphex(entry.reserved & ~(with | 1ull << bit), ==, 0);
		ret |= entry.reserved;
	}
	return ret;
}

static void
test_ss_reserved(void)
{
	static const unsigned widths[] = { 39, 48, 52 };

	for (unsigned i = 0; i < G_N_ELEMENTS(widths) * 4; i++) {
		unsigned bits = widths[i / 4];
		bool snoop = i & 1, device_tlb = i & 2;
		vtd_unit unit = unit_of(bits, snoop, device_tlb);
		uint64_t high = bits < 52 ? BITS(51, bits) : 0, snp = 1ull << 11, tm = 1ull << 62;
		uint64_t leaf = high | (snoop ? 0 : snp) | (device_tlb ? 0 : tm);
		uint64_t table = high | snp | tm;

		g_test_message("%u bits, snoop %d, device-TLB %d", bits, snoop, device_tlb);
		g_assert_cmphex(tried_ss(&unit, 1, 0), ==, leaf);
		/* Bit 7 makes a leaf at levels 2 and 3, so it is tried apart. */
		g_assert_cmphex(tried_ss(&unit, 2, 0) & ~PTE_PS, ==, table);
		g_assert_cmphex(tried_ss(&unit, 3, 0) & ~PTE_PS, ==, table);
		g_assert_cmphex(tried_ss(&unit, 2, PTE_PS), ==, leaf | BITS(20, 12));
		g_assert_cmphex(tried_ss(&unit, 3, PTE_PS), ==, leaf | BITS(29, 12));
		/* No 512 GiB pages. */
		g_assert_cmphex(tried_ss(&unit, 4, 0), ==, table | PTE_PS);
		g_assert_cmphex(tried_ss(&unit, 5, 0), ==, table | PTE_PS);
	}
}

/* Linux puts bits of its own where the specification says "ignored". */
static void
test_ss_software_bits(void)
{
	vtd_unit unit = unit_of(39, false, false);
	uint64_t ignored = 1ull << 63 | BITS(61, 52) | 1ull << 10 | 1ull << 9 | 1ull << 8 | BITS(6, 2);
	vtd_ss_entry entry;

	for (unsigned level = 1; level <= 4; level++) {
		vtd_decode_ss(&unit, 0x12345000 | ignored | PTE_RW, level, &entry);
		g_assert_cmphex(entry.reserved, ==, 0);
		g_assert_cmphex(entry.address.v, ==, 0x12345000);
	}
	/* At level 1, bit 7 is ignored as well. */
	vtd_decode_ss(&unit, 0x12345000 | PTE_PS | PTE_RW, 1, &entry);
	g_assert_cmphex(entry.reserved, ==, 0);
	g_assert_true(entry.leaf);
}

static void
test_ss_fields(void)
{
	vtd_unit unit = unit_of(48, true, true);
	vtd_ss_entry entry;

	for (unsigned rw = 0; rw < 4; rw++) {
		vtd_decode_ss(&unit, rw, 1, &entry);
		g_assert_cmpint(entry.read, ==, rw & 1);
		g_assert_cmpint(entry.write, ==, rw >> 1);
	}
	vtd_decode_ss(&unit, 0x0000abcdef123000 | PTE_RW | PTE_SNP | PTE_TM, 1, &entry);
	g_assert_true(entry.leaf && entry.snp && entry.tm);
	g_assert_cmphex(entry.address.v, ==, 0xabcdef123000);
	vtd_decode_ss(&unit, 0x0000abcdef123000 | PTE_RW, 2, &entry);
	g_assert_true(!entry.leaf && !entry.snp && !entry.tm);
	g_assert_cmphex(entry.address.v, ==, 0xabcdef123000);
	vtd_decode_ss(&unit, 0x0000abcdef000000 | PTE_PS, 2, &entry);
	g_assert_true(entry.leaf);
	g_assert_cmphex(entry.address.v, ==, 0xabcdef000000);
	vtd_decode_ss(&unit, 0x0000abcd00000000 | PTE_PS, 3, &entry);
	g_assert_true(entry.leaf);
	g_assert_cmphex(entry.address.v, ==, 0xabcd00000000);
	vtd_decode_ss(&unit, 0x0000abcdef000000 | PTE_PS, 4, &entry);
	g_assert_false(entry.leaf);
	vtd_decode_ss(&unit, UINT64_MAX, 1, &entry);
	g_assert_cmphex(entry.address.v, ==, 0xfffffffff000); /* never beyond the width */
	for (unsigned level = 1; level <= 6; level++) {
		vtd_decode_ss(&unit, 0, level, &entry);
		g_assert_true(!entry.read && !entry.write && entry.reserved == 0 && entry.address.v == 0);
	}
}

static void
test_root(void)
{
	static const unsigned widths[] = { 39, 48 };

	for (gsize i = 0; i < G_N_ELEMENTS(widths); i++) {
		vtd_unit unit = unit_of(widths[i], false, false);

		for (unsigned bit = 0; bit < 64; bit++) {
			uint64_t low[2] = { 1ull << bit, 0 }, high[2] = { 1, 1ull << bit };
			vtd_root_entry entry;

			vtd_decode_root(&unit, low, &entry);
			g_assert_cmpint(entry.present, ==, bit == 0);
			g_assert_cmphex(entry.reserved[0], ==,
				(bit >= 1 && bit < 12) || bit >= widths[i] ? low[0] : 0);
			if (bit >= 12 && bit < widths[i])
				g_assert_cmphex(entry.context_table.v, ==, low[0]);
			vtd_decode_root(&unit, high, &entry);
			g_assert_true(entry.present);
			g_assert_cmphex(entry.reserved[0], ==, 0);
			g_assert_cmphex(entry.reserved[1], ==, high[1]);
		}
	}
}

static void
test_context(void)
{
	static const unsigned widths[] = { 39, 48 };
	uint64_t all[2] = { 0x123456000 | 2 << 2 | 2 | 1, 0xabcd << 8 | 2 };
	vtd_context_entry entry;

	for (gsize i = 0; i < G_N_ELEMENTS(widths); i++) {
		vtd_unit unit = unit_of(widths[i], false, false);

		for (unsigned bit = 0; bit < 64; bit++) {
			uint64_t low[2] = { 1ull << bit, 0 }, high[2] = { 0, 1ull << bit };
			/* AW, what software may use, DID. */
			bool used = bit <= 6 || (bit >= 8 && bit <= 23);

			vtd_decode_context(&unit, low, &entry);
			g_assert_cmpint(entry.present, ==, bit == 0);
			g_assert_cmpint(entry.fpd, ==, bit == 1);
			g_assert_cmpint(entry.tt, ==, bit == 2 ? 1 : bit == 3 ? 2 : 0);
			g_assert_cmphex(entry.reserved[0], ==,
				(bit >= 4 && bit < 12) || bit >= widths[i] ? low[0] : 0);
			vtd_decode_context(&unit, high, &entry);
			g_assert_cmphex(entry.reserved[0], ==, 0);
			g_assert_cmphex(entry.reserved[1], ==, used ? 0 : high[1]);
			g_assert_cmphex(entry.aw, ==, bit < 3 ? high[1] : 0);
			g_assert_cmphex(entry.did, ==, bit >= 8 && bit <= 23 ? 1u << (bit - 8) : 0);
		}
		vtd_decode_context(&unit, all, &entry);
		g_assert_true(entry.present && entry.fpd);
		g_assert_cmpint(entry.tt, ==, VTD_TT_PASS_THROUGH);
		g_assert_cmphex(entry.second_stage.v, ==, 0x123456000);
		g_assert_cmpuint(entry.aw, ==, 2);
		g_assert_cmphex(entry.did, ==, 0xabcd);
		g_assert_cmphex(entry.reserved[0] | entry.reserved[1], ==, 0);
	}
}

static void
test_unit(void)
{
	vtd_unit unit = unit_of(39, false, false);
	vtd_registers regs = { .size = 0xc0 };

	g_assert_cmpuint(unit.address_bits, ==, 39);
	g_assert_false(unit.snoop_allowed);
	g_assert_true(vtd_gsts_tes(unit.gsts));
	g_assert_true(vtd_cap_cm(unit.cap));
	g_assert_cmpuint(vtd_cap_mgaw(unit.cap), ==, 39);
	g_assert_cmpuint(vtd_cap_sagaw(unit.cap), ==, 2);
	g_assert_true(vtd_ecap_pt(unit.ecap));
	g_assert_true(unit_of(48, true, false).snoop_allowed);
	/* Whatever the registers say, no shift goes wrong. */
	memset(regs.bytes, 0xff, sizeof(regs.bytes));
	vtd_unit_init(&unit, &regs);
	g_assert_cmpuint(unit.address_bits, ==, 52);
	memset(regs.bytes, 0, sizeof(regs.bytes));
	vtd_unit_init(&unit, &regs);
	g_assert_cmpuint(unit.address_bits, ==, 1);
}

static void
test_registers(void)
{
	vtd_registers regs = { .size = 0x20 };

	for (unsigned i = 0; i < sizeof(regs.bytes); i++)
		regs.bytes[i] = (uint8_t) i;
	g_assert_cmphex(vtd_reg32(&regs, 0x1c), ==, 0x1f1e1d1c);
	g_assert_cmphex(vtd_reg64(&regs, 0x18), ==, 0x1f1e1d1c1b1a1918);
	/* Outside of what was read. */
	g_assert_cmphex(vtd_reg32(&regs, 0x1d), ==, 0);
	g_assert_cmphex(vtd_reg64(&regs, 0x1c), ==, 0);
	g_assert_cmphex(vtd_reg32(&regs, 0x20), ==, 0);
	g_assert_cmphex(vtd_reg32(&regs, UINT_MAX), ==, 0);
	g_assert_cmphex(vtd_reg64(&regs, UINT_MAX - 3), ==, 0);
	g_assert_cmphex(vtd_bits(UINT64_MAX, 63, 0), ==, UINT64_MAX);
	g_assert_cmphex(vtd_bits(0x8000000000000000, 63, 63), ==, 1);
	g_assert_cmphex(vtd_bits(0xabcd, 11, 4), ==, 0xbc);
	for (unsigned r = 0; r < vtd_register_count; r++) {
		const vtd_register_info *info = &vtd_register_table[r];
		uint64_t seen = 0;

		g_assert_true(info->bytes == 4 || info->bytes == 8);
		g_assert_cmpuint(info->offset % info->bytes, ==, 0);
		for (unsigned i = 0; i < info->n_fields; i++) {
			const vtd_field *field = &info->fields[i];

			g_assert_cmpuint(field->low, <=, field->high);
			g_assert_cmpuint(field->high, <, info->bytes * 8);
			g_assert_cmphex(seen & BITS(field->high, field->low), ==, 0); /* no bit twice */
			seen |= BITS(field->high, field->low);
		}
	}
}

/* Whatever an entry holds, its fields fit the list, and have names. */
static void
test_described(void)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(5);
	static const vtd_step_kind kinds[] = { VTD_STEP_ROOT, VTD_STEP_CONTEXT, VTD_STEP_SECOND_STAGE };
	vtd_unit unit = unit_of(39, false, false);

	for (unsigned i = 0; i < 20000; i++) {
		vtd_step step = { .kind = kinds[i % 3], .level = 1 + i % 6, .words = i % 3 == 2 ? 1 : 2 };
		vtd_field_value fields[VTD_MAX_FIELDS + 1];
		unsigned n;

		for (unsigned k = 0; k < 2; k++)
			step.raw[k] = (uint64_t) g_rand_int(rand) << 32 | g_rand_int(rand);
		if (i % 5 == 0)
			step.raw[0] = step.raw[1] = i % 2 ? 0 : UINT64_MAX;
		memset(fields, 0, sizeof(fields));
		n = vtd_step_fields(&unit, &step, fields);
		g_assert_cmpuint(n, >, 0);
		g_assert_cmpuint(n, <=, VTD_MAX_FIELDS);
		g_assert_null(fields[VTD_MAX_FIELDS].name);
		for (unsigned k = 0; k < n; k++)
			g_assert_nonnull(fields[k].name);
		g_assert_nonnull(vtd_step_name(&step));
		step.words = 0;
		g_assert_cmpuint(vtd_step_fields(&unit, &step, fields), ==, 0);
	}
}

static const vtd_field_value *
field(const vtd_step *step, const char *name)
{
	static vtd_field_value fields[VTD_MAX_FIELDS];
	vtd_unit unit = unit_of(48, true, false);
	unsigned n = vtd_step_fields(&unit, step, fields);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

/* Each flag of a PASID table entry, by its bit in the 512 (9.6), and by no other. */
static void
test_pasid_flags(void)
{
	static const struct {
		const char *name;
		unsigned bit;
		bool always; /* it is named when it is 0 as well */
	} flags[] = { { "P", 0, true }, { "FPD", 1, true }, { "SSADE", 9, false }, { "PWSNP", 87, true }, { "PGSNP", 88, true },
		{ "SRE", 128, true }, { "WPE", 132, true }, { "NXE", 133, true }, { "EAFE", 135, true } };

	for (unsigned bit = 0; bit < 192; bit++) {
		vtd_step step = { .kind = VTD_STEP_PASID, .words = 8, .raw = { 3 << 6 } };

		step.raw[bit / 64] |= 1ull << bit % 64;
		for (gsize i = 0; i < G_N_ELEMENTS(flags); i++) {
			const vtd_field_value *found = field(&step, flags[i].name);

			if (bit >= 6 && bit <= 8)
				continue; /* PGTT */
			if (found || flags[i].always) {
				g_assert_nonnull(found);
				g_assert_cmphex(found->value, ==, bit == flags[i].bit);
			} else {
				g_assert_cmpuint(bit, !=, flags[i].bit);
			}
		}
	}
}

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/vtd-entries/second-stage-reserved", test_ss_reserved);
	g_test_add_func("/vtd-entries/second-stage-software-bits", test_ss_software_bits);
	g_test_add_func("/vtd-entries/second-stage-fields", test_ss_fields);
	g_test_add_func("/vtd-entries/root", test_root);
	g_test_add_func("/vtd-entries/context", test_context);
	g_test_add_func("/vtd-entries/unit", test_unit);
	g_test_add_func("/vtd-entries/registers", test_registers);
	g_test_add_func("/vtd-entries/described", test_described);
	g_test_add_func("/vtd-entries/pasid-flags", test_pasid_flags);
	return g_test_run();
}
