/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lie.h"

#include <string.h>

#include <viommu/snapshot.h>

#include "helpers.h"

void
lie_expect_taken(const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(viommu_snapshot) snapshot = viommu_snapshot_read(path, &error);

	g_assert_no_error(error);
	g_assert_nonnull(snapshot);
}

void
lie_expect_rejected(const char *path, const char *part)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(viommu_snapshot_read(path, &error));
	unit_error(&error, VIOMMU_ERROR_INPUT, part);
}

#define NOTE                                                                                                 \
	"{\"format\":\"viommu-snapshot\",\"version\":%s,\"registers\":\"%s\",\"unreadable\":[%s],"           \
	"\"machine\":{"                                                                                      \
	"\"version\":\"7.2.22\",\"package\":\"\",\"run_state\":\"paused\",\"iommu_path\":\"/"                \
	"x\",\"iommu_properties\":{},"                                                                       \
	"\"registers_base\":\"0xfed90000\",\"registers_size\":\"%s\",\"ram\":[%s],\"pci\":[]}}"

char *
lie_json(const char *version, const char *registers, const char *unreadable, const char *size, const char *ram)
{
	g_autofree char *zeros = g_strnfill(0xc0 * 2, '0');

	return g_strdup_printf(NOTE, version ? version : "1", registers ? registers : zeros,
		unreadable ? unreadable : "", size ? size : "0xc0", ram ? ram : LIE_RAM);
}

lie
lie_truth(const char *json)
{
	lie ret = { .json = json, .name = "VIOMMU" };

	memcpy(ret.ehdr.e_ident, ELFMAG, SELFMAG);
	ret.ehdr.e_ident[EI_CLASS] = ELFCLASS64;
	ret.ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	ret.ehdr.e_ident[EI_VERSION] = EV_CURRENT;
	ret.ehdr.e_type = ET_CORE;
	ret.ehdr.e_machine = EM_X86_64;
	ret.ehdr.e_version = EV_CURRENT;
	ret.ehdr.e_ehsize = sizeof(Elf64_Ehdr);
	ret.ehdr.e_phoff = sizeof(Elf64_Ehdr);
	ret.ehdr.e_phentsize = sizeof(Elf64_Phdr);
	ret.ehdr.e_phnum = 3;
	ret.note = (Elf64_Nhdr){ .n_namesz = 7, .n_descsz = (Elf64_Word) strlen(json), .n_type = 1 };
	ret.phdr[0] = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_offset = 0x200, .p_filesz = (strlen(json) + 3 + 20) & ~3ull
	};
	ret.phdr[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
		.p_offset = 0x8000,
		.p_paddr = 0x1000,
		.p_filesz = 0x2000,
		.p_memsz = 0x2000 };
	ret.phdr[2] = (Elf64_Phdr){ .p_type = PT_LOAD,
		.p_offset = 0xa000,
		.p_paddr = 0x5000,
		.p_filesz = 0x1000,
		.p_memsz = 0x1000 };
	ret.phdr[3] = (Elf64_Phdr){ .p_type = PT_LOAD,
		.p_offset = 0xb000,
		.p_paddr = 0x8000,
		.p_filesz = 0x1000,
		.p_memsz = 0x1000 };
	return ret;
}

char *
lie_write(const lie *l)
{
	g_autofree guint8 *bytes = g_malloc0(0xc000);

	memset(bytes + 0x8000, 0x5a, 0x4000);
	memcpy(bytes, &l->ehdr, sizeof(l->ehdr));
	memcpy(bytes + sizeof(l->ehdr), l->phdr, sizeof(l->phdr));
	memcpy(bytes + 0x200, &l->note, sizeof(l->note));
	memcpy(bytes + 0x200 + sizeof(l->note), l->name, 8);
	g_assert_cmpuint(strlen(l->json), <, 0x7000);
	memcpy(bytes + 0x200 + sizeof(l->note) + 8, l->json, strlen(l->json));
	return unit_write("lie", bytes, 0xc000);
}
