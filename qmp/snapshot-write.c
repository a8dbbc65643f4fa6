/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A snapshot as an ELF core file: one PT_NOTE with the registers and facts as
 * JSON, one PT_LOAD for each run of consecutive table pages, p_paddr = GPA.
 * p_vaddr is the GPA as well, so that a debugger can be asked for it.  The pages are
 * handed to the kernel where they lie.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
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

/* NULL: a page cannot be read any more. */
static GArray *
collect_runs(const viommu_snapshot *self)
{
	g_autoptr(GArray) ret = g_array_new(FALSE, FALSE, sizeof(run));

	for (guint i = 0; i < self->pages->len; i++) {
		const viommu_snapshot_page *page = &g_array_index(self->pages, viommu_snapshot_page, i);
		run *last = ret->len ? &g_array_index(ret, run, ret->len - 1) : NULL;
		uint8_t buffer[VIOMMU_PAGE_SIZE];
		const uint8_t *bytes;
		bool zero;

		if (page->status != VIOMMU_PAGE_OK)
			continue;
		bytes = viommu_snapshot_page_bytes(self, page, buffer);
		if (!bytes)
			return NULL;
		zero = is_zero(bytes);
		if (last && last->zero == zero && last->first + last->n == i && last->gpa.v + (uint64_t) last->n * VIOMMU_PAGE_SIZE == page->gpa.v) {
			last->n++;
		} else {
			run next = { page->gpa, i, 1, zero };
			g_array_append_val(ret, next);
		}
	}
	return g_steal_pointer(&ret);
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
fail_write(const char *path, GError **error)
{
	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot write the snapshot %s: %s", path, g_strerror(errno));
	return FALSE;
}

/* What waits to be written, in order: pieces that stay where they are until then. */
#define PIECES 512
G_STATIC_ASSERT(PIECES <= IOV_MAX);

typedef struct {
	int fd;
	struct iovec pieces[PIECES];
	unsigned n;
	uint8_t *buffers; /* of pages that have to be read first; one for each piece */
} output;

static gboolean
flush(output *out)
{
	for (unsigned i = 0; i < out->n;) {
		ssize_t done = writev(out->fd, out->pieces + i, (int) (out->n - i));

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return FALSE;
		while (i < out->n && (size_t) done >= out->pieces[i].iov_len)
			done -= (ssize_t) out->pieces[i++].iov_len;
		if (done) {
			out->pieces[i].iov_base = (uint8_t *) out->pieces[i].iov_base + done;
			out->pieces[i].iov_len -= (size_t) done;
		}
	}
	out->n = 0;
	return TRUE;
}

static gboolean
put(output *out, const void *bytes, size_t size)
{
	if (size == 0)
		return TRUE;
	out->pieces[out->n++] = (struct iovec){ (void *) (uintptr_t) bytes, size };
	return out->n < PIECES || flush(out);
}

static uint64_t
align_up(uint64_t value, uint64_t align)
{
	return (value + align - 1) / align * align;
}

/* Where things lie in the file: ELF header, program headers, note, pages, section headers. */
typedef struct {
	size_t n_phdr;
	uint64_t note_at, note_size, pages_at, pages_size, sections_at;
} layout;

static layout
lay_out(const GArray *runs, const GByteArray *note)
{
	layout ret = { .n_phdr = runs->len + 1, .note_size = note->len };

	ret.note_at = align_up(sizeof(Elf64_Ehdr) + ret.n_phdr * sizeof(Elf64_Phdr), 8);
	ret.pages_at = align_up(ret.note_at + note->len, VIOMMU_PAGE_SIZE);
	for (guint i = 0; i < runs->len; i++)
		if (!g_array_index(runs, run, i).zero)
			ret.pages_size += (uint64_t) g_array_index(runs, run, i).n * VIOMMU_PAGE_SIZE;
	ret.sections_at = ret.pages_at + ret.pages_size;
	return ret;
}

#define SECTIONS 3 /* none, the note, the pages */

/* More than 65534 program headers are counted in the first section header. */
static Elf64_Ehdr
elf_header(const layout *at)
{
	return (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = GUINT16_TO_LE(ET_CORE), .e_machine = GUINT16_TO_LE(EM_X86_64), .e_version = GUINT32_TO_LE(EV_CURRENT),
		.e_phoff = GUINT64_TO_LE(sizeof(Elf64_Ehdr)), .e_shoff = GUINT64_TO_LE(at->sections_at),
		.e_ehsize = GUINT16_TO_LE(sizeof(Elf64_Ehdr)), .e_phentsize = GUINT16_TO_LE(sizeof(Elf64_Phdr)),
		.e_phnum = GUINT16_TO_LE((uint16_t) MIN(at->n_phdr, PN_XNUM)), .e_shentsize = GUINT16_TO_LE(sizeof(Elf64_Shdr)),
		.e_shnum = GUINT16_TO_LE(SECTIONS)
	};
}

static void
fill_sections(const layout *at, Elf64_Shdr sections[SECTIONS])
{
	memset(sections, 0, SECTIONS * sizeof(*sections));
	if (at->n_phdr >= PN_XNUM)
		sections[0].sh_info = GUINT32_TO_LE((uint32_t) at->n_phdr);
	sections[1] = (Elf64_Shdr){ .sh_type = GUINT32_TO_LE(SHT_NOTE), .sh_offset = GUINT64_TO_LE(at->note_at),
		.sh_size = GUINT64_TO_LE(at->note_size), .sh_addralign = GUINT64_TO_LE(4) };
	sections[2] = (Elf64_Shdr){ .sh_type = GUINT32_TO_LE(SHT_PROGBITS), .sh_offset = GUINT64_TO_LE(at->pages_at),
		.sh_size = GUINT64_TO_LE(at->pages_size), .sh_addralign = GUINT64_TO_LE(VIOMMU_PAGE_SIZE) };
}

static Elf64_Phdr *
program_headers(const GArray *runs, const layout *at)
{
	Elf64_Phdr *ret = g_new0(Elf64_Phdr, at->n_phdr);
	uint64_t offset = at->pages_at;

	ret[0] = (Elf64_Phdr){ .p_type = GUINT32_TO_LE(PT_NOTE), .p_offset = GUINT64_TO_LE(at->note_at),
		.p_filesz = GUINT64_TO_LE(at->note_size), .p_align = GUINT64_TO_LE(4) };
	for (guint i = 0; i < runs->len; i++) {
		const run *r = &g_array_index(runs, run, i);
		uint64_t size = (uint64_t) r->n * VIOMMU_PAGE_SIZE, in_file = r->zero ? 0 : size;

		ret[i + 1] = (Elf64_Phdr){ .p_type = GUINT32_TO_LE(PT_LOAD), .p_flags = GUINT32_TO_LE(PF_R),
			.p_offset = GUINT64_TO_LE(offset), .p_vaddr = GUINT64_TO_LE(r->gpa.v), .p_paddr = GUINT64_TO_LE(r->gpa.v),
			.p_filesz = GUINT64_TO_LE(in_file), .p_memsz = GUINT64_TO_LE(size), .p_align = GUINT64_TO_LE(VIOMMU_PAGE_SIZE) };
		offset += in_file;
	}
	return ret;
}

static gboolean
put_pages(const viommu_snapshot *self, output *out, const run *r)
{
	for (guint k = 0; k < r->n; k++) {
		const viommu_snapshot_page *page = &g_array_index(self->pages, viommu_snapshot_page, r->first + k);
		const uint8_t *bytes = viommu_snapshot_page_bytes(self, page, out->buffers + (size_t) out->n * VIOMMU_PAGE_SIZE);

		if (!bytes || !put(out, bytes, VIOMMU_PAGE_SIZE))
			return FALSE;
	}
	return TRUE;
}

static gboolean
write_all(const viommu_snapshot *self, output *out, const GArray *runs, const GByteArray *note)
{
	static const uint8_t zeros[VIOMMU_PAGE_SIZE];
	layout at = lay_out(runs, note);
	Elf64_Ehdr ehdr = elf_header(&at);
	Elf64_Shdr sections[SECTIONS];
	g_autofree Elf64_Phdr *phdrs = program_headers(runs, &at);
	uint64_t phdrs_end = sizeof(ehdr) + at.n_phdr * sizeof(*phdrs);

	if (!put(out, &ehdr, sizeof(ehdr)) || !put(out, phdrs, at.n_phdr * sizeof(*phdrs)) ||
		!put(out, zeros, at.note_at - phdrs_end) || !put(out, note->data, note->len) ||
		!put(out, zeros, at.pages_at - at.note_at - note->len) || !flush(out))
		return FALSE;
	for (guint i = 0; i < runs->len; i++)
		if (!g_array_index(runs, run, i).zero && !put_pages(self, out, &g_array_index(runs, run, i)))
			return FALSE;
	fill_sections(&at, sections);
	return put(out, sections, sizeof(sections)) && flush(out);
}

gboolean
viommu_snapshot_write_fd(const viommu_snapshot *self, int fd, const char *name, GError **error)
{
	g_autoptr(GByteArray) note = note_bytes(self);
	g_autoptr(GArray) runs = NULL;
	g_autofree output *out = g_new0(output, 1);
	gboolean ok;

	g_return_val_if_fail(self->sealed, FALSE);
	errno = EIO; /* of a page that its file does not have any more */
	runs = collect_runs(self);
	out->fd = fd;
	if (self->fd >= 0)
		out->buffers = g_malloc(PIECES * VIOMMU_PAGE_SIZE);
	ok = runs && write_all(self, out, runs, note);
	if (!ok)
		fail_write(name, error);
	g_free(out->buffers);
	return ok;
}

GBytes *
viommu_snapshot_bytes(const viommu_snapshot *self, GError **error)
{
	int fd = memfd_create("viommu-snapshot", MFD_CLOEXEC);
	g_autoptr(GMappedFile) mapped = NULL;

	if (fd < 0) {
		fail_write("to memory", error);
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
		return fail_write(path, error);
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
		fail_write(path, error);
	unlink(aside);
	return FALSE;
}
