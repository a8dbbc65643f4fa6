/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "cmd.h"
#include "report/render.h"

static const char help[] =
	"Usage: viommu walk TARGET BDF IOVA\n\n"
	"Translates one address as QEMU would: each entry on the way with its place in\n"
	"L1's memory, its raw value and its fields, then the answer: the GPA, or the\n"
	"fault reason and the entry to blame.\n\n"
	"  viommu walk -q unix:/tmp/qmp 00:04.0 0x40000000\n"
	"  viommu walk -s saved.elf 0000:00:04.0 0xfffff000 --format json\n\n"
	"      --pasid N         a request with this PASID (scalable mode)\n"
	"      --format FORMAT   text (default) or json\n"
	"      --debug           say how the tables are read\n"
	"  -h, --help   -V, --version\n";

static void
print_text(const viommu_target *target, viommu_sid sid, const vtd_translation *walk)
{
	g_autofree char *label = viommu_device_label(target->machine, sid);

	viommu_render_machine(stdout, target->machine, &target->unit,
		target->snapshot ? viommu_snapshot_info(target->snapshot) : NULL, viommu_memory_name(target->memory));
	printf("\n%s%s, IOVA 0x%" PRIx64 "%s\n", viommu_tone_on(VIOMMU_STRONG), label, walk->iova.v,
		viommu_tone_off(VIOMMU_STRONG));
	if (viommu_machine_bypassed(target->machine, sid))
		printf("  QEMU keeps this device's root bus away from the vIOMMU (bypass_iommu): its DMA is not translated, and what\n"
		       "  follows does not apply to it\n");
	if (walk->device.sid.v != sid.v)
		printf("  behind a bridge to conventional PCI: its DMA carries the source id %s\n",
			viommu_bdf_text(walk->device.sid).text);
	viommu_render_steps(stdout, &target->unit, walk->steps, walk->n_steps,
		walk->read.blame >= 0 ? walk->read.blame : walk->write.blame);
	if (walk->outcome == VTD_DISABLED)
		printf("  GSTS.TES = 0: the vIOMMU does not translate; this DMA goes to the GPA that equals the IOVA\n");
	else if (walk->outcome == VTD_PASS_THROUGH)
		printf("  pass-through: this DMA goes to the GPA that equals the IOVA\n");
	else if (walk->outcome == VTD_INTERRUPT)
		printf("  0xfee00000-0xfeefffff is the interrupt address range: a write there is a message-signalled interrupt, a\n"
		       "  read fails, and neither reaches the translation tables (VT-d 3.14)\n");
	if (walk->device.stage == VTD_STAGE_NESTED && walk->page_shift)
		printf("  first stage: 0x%" PRIx64 ", which the second stage takes to 0x%" PRIx64 "\n", walk->nested_gpa.v,
			walk->gpa.v);
	if (vtd_device_remark(&target->unit, &walk->device))
		printf("  %s\n", vtd_device_remark(&target->unit, &walk->device));
	putchar('\n');
	viommu_render_answer(stdout, "read", walk, &walk->read);
	viommu_render_answer(stdout, "write", walk, &walk->write);
}

int
viommu_cmd_walk(int argc, char **argv)
{
	g_auto(viommu_cmd) cmd = VIOMMU_CMD_DEFAULTS;
	g_autoptr(viommu_target) target = NULL;
	g_autoptr(GError) error = NULL;
	vtd_translation walk;
	viommu_sid sid, requester;
	uint64_t iova;
	int pasid = -1;
	const GOptionEntry own[] = { { "pasid", 0, 0, G_OPTION_ARG_INT, &pasid, NULL, NULL }, { 0 } };
	vtd_device device;
	gboolean ok;
	int status = viommu_cmd_parse(&cmd, argc, argv, own, TRUE, help);

	if (status >= 0)
		return status;
	if (g_strv_length(cmd.arguments) != 2)
		return viommu_cmd_usage("walk", "it takes a device and an address, like: 00:04.0 0x40000000");
	if (!viommu_parse_bdf(cmd.arguments[0], &sid))
		return viommu_cmd_usage("walk", "\"%s\" is not a device of segment 0 like 00:04.0; viommu info lists those there are", cmd.arguments[0]);
	if (!viommu_parse_number(cmd.arguments[1], &iova))
		return viommu_cmd_usage("walk", "\"%s\" is not an address like 0x40000000", cmd.arguments[1]);
	if (pasid < -1 || pasid > 0xfffff)
		return viommu_cmd_usage("walk", "a PASID has 20 bits: 0 to 1048575");
	target = viommu_target_open(&cmd.target, &error);
	if (!target)
		return viommu_cmd_fail("walk", error);
	if (pasid >= 0 && !target->unit.scalable)
		return viommu_cmd_usage("walk", "this vIOMMU is in legacy mode, where a request with a PASID is blocked");
	requester = viommu_machine_alias(target->machine, sid);
	ok = pasid < 0 ? vtd_find_device(&target->unit, target->memory, requester, &device, &error)
		       : vtd_find_pasid(&target->unit, target->memory, requester, (uint32_t) pasid, &device, &error);
	if (!ok || !vtd_translate_in(&target->unit, target->memory, &device, VIOMMU_IOVA(iova), &walk, &error))
		return viommu_cmd_fail("walk", error);
	if (cmd.json)
		viommu_cmd_print_json(json_pack("{s:s, s:i, s:o, s:o, s:o, s:b, s:o}", "format", "viommu-walk", "version", 1, "qemu",
			viommu_machine_summary_json(target->machine, &target->unit), "device", viommu_json_bdf(sid), "source_id",
			viommu_json_bdf(requester), "bypassed", viommu_machine_bypassed(target->machine, sid), "walk",
			viommu_translation_json(&target->unit, &walk)));
	else
		print_text(target, sid, &walk);
	return VIOMMU_EXIT_CLEAN;
}
