/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A snapshot as an ELF core file: one PT_NOTE with the registers and facts as
 * JSON, one PT_LOAD for each run of consecutive table pages, p_paddr = GPA.
 * p_vaddr is the GPA as well, so that a debugger can be asked for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "machine.h"
#include "snapshot.h"

/* Neighbouring pages that will be one PT_LOAD. */
typedef struct {
	viommu_gpa gpa;
	guint first, n; /* pages in the snapshot's array */
	bool zero;      /* all of them are: they take no room in the file (p_filesz = 0) */
} run;

static bool
is_zero(const uint8_t *page)
{
	return page[0] == 0 && memcmp(page, page + 1, VIOMMU_PAGE_SIZE - 1) == 0;
}

static GArray *
collect_runs(const viommu_snapshot *self)
{
	GArray *ret = g_array_new(FALSE, FALSE, sizeof(run));

	for (guint i = 0; i < self->pages->len; i++) {
		const viommu_snapshot_page *page = &g_array_index(self->pages, viommu_snapshot_page, i);
		run *last = ret->len ? &g_array_index(ret, run, ret->len - 1) : NULL;

		bool zero;

		if (page->status != VIOMMU_PAGE_OK)
			continue;
		zero = is_zero(page->data);
		if (last && last->zero == zero && last->first + last->n == i && last->gpa.v + (uint64_t) last->n * VIOMMU_PAGE_SIZE == page->gpa.v) {
			last->n++;
		} else {
			run next = { page->gpa, i, 1, zero };
			g_array_append_val(ret, next);
		}
	}
	return ret;
}

static json_t *
unreadable_pages(const viommu_snapshot *self)
{
	json_t *ret = json_array();

	for (guint i = 0; i < self->pages->len; i++) {
		const viommu_snapshot_page *page = &g_array_index(self->pages, viommu_snapshot_page, i);
		g_autofree char *gpa = g_strdup_printf("0x%" G_GINT64_MODIFIER "x", page->gpa.v);

		if (page->status != VIOMMU_PAGE_OK)
			json_array_append_new(ret, json_pack("{s:s, s:s}", "gpa", gpa, "why",
				page->status == VIOMMU_PAGE_NOT_RAM ? "not-ram" : "failed"));
	}
	return ret;
}

static char *
note_text(const viommu_snapshot *self)
{
	g_autofree char *registers = g_malloc(self->registers.size * 2 + 1);
	json_t *note;
	char *text, *ret;

	for (unsigned i = 0; i < self->registers.size; i++)
		g_snprintf(registers + i * 2, 3, "%02x", self->registers.bytes[i]);
	note = json_pack("{s:s, s:i, s:s, s:s, s:s, s:b, s:s, s:o, s:o}", "format", VIOMMU_SNAPSHOT_FORMAT, "version",
		VIOMMU_SNAPSHOT_VERSION, "program", "viommu " VIOMMU_VERSION, "time", self->info.time, "memory_source",
		self->info.memory_source, "paused", self->info.paused, "registers", registers, "unreadable",
		unreadable_pages(self), "machine", viommu_machine_to_json(self->machine));
	viommu_snapshot_put_backing(self, note);
	text = json_dumps(note, JSON_COMPACT);
	json_decref(note);
	ret = g_strdup(text);
	free(text);
	return ret;
}

/* The note as it stands in the file: header, name, JSON, each padded to 4. */
static GByteArray *
note_bytes(const viommu_snapshot *self)
{
	g_autofree char *text = note_text(self);
	GByteArray *ret = g_byte_array_new();
	Elf64_Nhdr header = { .n_namesz = sizeof(VIOMMU_NOTE_NAME), .n_type = VIOMMU_NOTE_TYPE };
	static const uint8_t zeros[4];

	header.n_descsz = (Elf64_Word) strlen(text);
	g_byte_array_append(ret, (const guint8 *) &header, sizeof(header));
	g_byte_array_append(ret, (const guint8 *) VIOMMU_NOTE_NAME, sizeof(VIOMMU_NOTE_NAME));
	g_byte_array_append(ret, zeros, -ret->len & 3);
	g_byte_array_append(ret, (const guint8 *) text, header.n_descsz);
	g_byte_array_append(ret, zeros, -ret->len & 3);
	return ret;
}

static gboolean
fail_elf(const char *path, GError **error)
{
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot write the snapshot %s: %s", path,
		errno ? g_strerror(errno) : elf_errmsg(-1));
	return FALSE;
}

static gboolean
add_section(Elf *elf, Elf64_Word type, Elf64_Off offset, Elf_Scn **ret)
{
	GElf_Shdr shdr;

	*ret = elf_newscn(elf);
	if (!*ret || !gelf_getshdr(*ret, &shdr))
		return FALSE;
	shdr.sh_type = type;
	shdr.sh_offset = offset;
	shdr.sh_addralign = type == SHT_NOTE ? 4 : VIOMMU_PAGE_SIZE;
	return gelf_update_shdr(*ret, &shdr);
}

static gboolean
add_data(Elf_Scn *section, const void *bytes, size_t size, uint64_t offset, size_t align)
{
	Elf_Data *data = elf_newdata(section);

	if (!data)
		return FALSE;
	data->d_buf = (void *) bytes;
	data->d_size = size;
	data->d_off = (int64_t) offset;
	data->d_align = align;
	data->d_type = ELF_T_BYTE;
	data->d_version = EV_CURRENT;
	return TRUE;
}

static gboolean
set_section_size(Elf_Scn *section, uint64_t size)
{
	GElf_Shdr shdr;

	if (!gelf_getshdr(section, &shdr))
		return FALSE;
	shdr.sh_size = size;
	return gelf_update_shdr(section, &shdr);
}

static uint64_t
align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) / align * align;
}

/* Lays the file out: ELF header, program headers, note, pages, section headers.
 * libelf writes what sections hold, so the note and the pages are two sections. */
static gboolean
build(const viommu_snapshot *self, Elf *elf, const GArray *runs, const GByteArray *note)
{
	size_t n_phdr = runs->len + 1;
	uint64_t note_at = align_up(sizeof(Elf64_Ehdr) + n_phdr * sizeof(Elf64_Phdr), 8);
	uint64_t pages_at = align_up(note_at + note->len, VIOMMU_PAGE_SIZE), size = 0;
	GElf_Ehdr ehdr;
	GElf_Phdr phdr = { .p_type = PT_NOTE, .p_offset = note_at, .p_filesz = note->len, .p_align = 4 };
	Elf_Scn *note_section, *pages;

	/* Sections first: more than 65534 program headers are counted in one (PN_XNUM). */
	if (!gelf_newehdr(elf, ELFCLASS64) || !add_section(elf, SHT_NOTE, note_at, &note_section) ||
		!add_section(elf, SHT_PROGBITS, pages_at, &pages) || !gelf_newphdr(elf, n_phdr) ||
		!gelf_getehdr(elf, &ehdr))
		return FALSE;
	elf_flagelf(elf, ELF_C_SET, ELF_F_LAYOUT);
	ehdr.e_ident[EI_DATA] = ELFDATA2LSB;
	ehdr.e_type = ET_CORE;
	ehdr.e_machine = EM_X86_64;
	ehdr.e_version = EV_CURRENT;
	ehdr.e_phoff = sizeof(Elf64_Ehdr);
	if (!add_data(note_section, note->data, note->len, 0, 4) || !set_section_size(note_section, note->len) ||
		!gelf_update_phdr(elf, 0, &phdr))
		return FALSE;
	for (guint i = 0; i < runs->len; i++) {
		const run *r = &g_array_index(runs, run, i);

		phdr = (GElf_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R, .p_offset = pages_at + size, .p_vaddr = r->gpa.v,
			.p_paddr = r->gpa.v, .p_filesz = r->zero ? 0 : (uint64_t) r->n * VIOMMU_PAGE_SIZE,
			.p_memsz = (uint64_t) r->n * VIOMMU_PAGE_SIZE, .p_align = VIOMMU_PAGE_SIZE };
		if (!gelf_update_phdr(elf, (int) i + 1, &phdr))
			return FALSE;
		for (guint k = 0; k < r->n && !r->zero; k++, size += VIOMMU_PAGE_SIZE)
			if (!add_data(pages, g_array_index(self->pages, viommu_snapshot_page, r->first + k).data,
				    VIOMMU_PAGE_SIZE, size, VIOMMU_PAGE_SIZE))
				return FALSE;
	}
	ehdr.e_shoff = pages_at + size;
	return set_section_size(pages, size) && gelf_update_ehdr(elf, &ehdr) && elf_update(elf, ELF_C_WRITE) >= 0;
}

gboolean
viommu_snapshot_write_fd(const viommu_snapshot *self, int fd, const char *name, GError **error)
{
	g_autoptr(GArray) runs = collect_runs(self);
	g_autoptr(GByteArray) note = note_bytes(self);
	Elf *elf;
	gboolean ok;

	g_return_val_if_fail(self->sealed, FALSE);
	elf_version(EV_CURRENT);
	errno = 0;
	elf = elf_begin(fd, ELF_C_WRITE, NULL);
	ok = (elf && build(self, elf, runs, note)) || fail_elf(name, error);
	if (elf)
		elf_end(elf);
	return ok;
}

GBytes *
viommu_snapshot_bytes(const viommu_snapshot *self, GError **error)
{
	int fd = memfd_create("viommu-snapshot", MFD_CLOEXEC);
	g_autoptr(GMappedFile) mapped = NULL;

	if (fd < 0) {
		fail_elf("to memory", error);
		return NULL;
	}
	if (viommu_snapshot_write_fd(self, fd, "to memory", error))
		mapped = g_mapped_file_new_from_fd(fd, FALSE, error);
	close(fd);
	return mapped ? g_mapped_file_get_bytes(mapped) : NULL;
}

gboolean
viommu_snapshot_write(const viommu_snapshot *self, const char *path, gboolean overwrite, GError **error)
{
	g_autofree char *aside = g_strdup_printf("%s.XXXXXX", path);
	gboolean ok;
	int fd;

	errno = 0;
	fd = mkostemp(aside, O_CLOEXEC);
	if (fd < 0)
		return fail_elf(path, error);
	if (!viommu_snapshot_write_fd(self, fd, path, error)) {
		close(fd);
		unlink(aside);
		return FALSE;
	}
	ok = fsync(fd) == 0;
	if (close(fd) != 0)
		ok = FALSE;
	/* link() refuses an existing name where rename() would replace it. */
	if (ok)
		ok = overwrite ? rename(aside, path) == 0 : link(aside, path) == 0;
	if (ok && !overwrite)
		unlink(aside);
	if (ok)
		return TRUE;
	if (errno == EEXIST)
		g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED,
			"%s exists already; choose another name, or add --force to replace it", path);
	else
		fail_elf(path, error);
	unlink(aside);
	return FALSE;
}
