/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads a snapshot file back.  The file is hostile: every offset and length is
 * checked against the file before it is used, and what does not add up rejects
 * the whole file.  Only headers and the note are read: pages stay where they are until
 * somebody asks for one.
 */
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <viommu/json.h>
#include <viommu/record.h>

#include "machine.h"
#include "snapshot.h"

#define NOTE_LIMIT (64u << 20)
/* Notes stepped over in search of ours; QEMU's own dumps have one for each CPU. */
#define NOTES_LIMIT 65536u

typedef struct {
	const char *path;
	int fd;
	const uint8_t *bytes; /* instead, of one in memory */
	size_t size;
} file;

#define reject(f, error, ...) viommu_reject(error, (f)->path, "snapshot", __VA_ARGS__)

static gboolean
fail_open(const char *path, GError **error)
{
	bool other_kind = errno == EISDIR || errno == EINVAL;

	g_set_error(error, VIOMMU_ERROR, VIOMMU_ERROR_FAILED, "cannot read the snapshot %s: %s%s", path,
		errno == EINVAL ? "Not a regular file" : g_strerror(errno),
		errno == ENOENT || other_kind ? "; viommu capture -q unix:SOCKET -o FILE writes one" : "");
	return FALSE;
}

static gboolean
open_file(file *f, GError **error)
{
	struct stat st;

	f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (f->fd < 0 || fstat(f->fd, &st) != 0)
		return fail_open(f->path, error);
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		return fail_open(f->path, error);
	}
	f->size = (size_t) st.st_size;
	return TRUE;
}

/* size bytes at an offset, both within the file. */
static bool
read_at(const file *f, uint64_t offset, void *to, size_t size)
{
	if (f->bytes) {
		memcpy(to, f->bytes + offset, size);
		return true;
	}
	for (size_t done = 0; done < size;) {
		ssize_t n = pread(f->fd, (uint8_t *) to + done, size - done, (off_t) (offset + done));

		if (n == 0 || (n < 0 && errno != EINTR))
			return false;
		done += n > 0 ? (size_t) n : 0;
	}
	return true;
}

static json_t *
load_note(const file *f, uint64_t offset, size_t size)
{
	g_autofree char *text = g_malloc(MAX(size, 1));

	return read_at(f, offset, text, size) ? viommu_json_load(text, size, 0, NULL) : NULL;
}

/* Finds our note in a PT_NOTE.  *json is its content, NULL when that is damaged. */
static bool
find_note(const file *f, const GElf_Phdr *phdr, unsigned *budget, json_t **json)
{
	uint64_t at = phdr->p_offset, end = phdr->p_offset + phdr->p_filesz;

	while (end - at >= sizeof(Elf64_Nhdr) && *budget > 0) {
		char found[sizeof(VIOMMU_NOTE_NAME)];
		Elf64_Nhdr header;
		uint64_t name, desc;

		--*budget;
		if (!read_at(f, at, &header, sizeof(header)))
			return false;
		at += sizeof(header);
		name = ((uint64_t) header.n_namesz + 3) & ~3ull;
		desc = ((uint64_t) header.n_descsz + 3) & ~3ull;
		if (name > end - at || desc > end - at - name)
			return false;
		if (header.n_type == VIOMMU_NOTE_TYPE && header.n_namesz == sizeof(VIOMMU_NOTE_NAME) &&
			read_at(f, at, found, sizeof(found)) && memcmp(found, VIOMMU_NOTE_NAME, sizeof(found)) == 0) {
			if (header.n_descsz <= NOTE_LIMIT)
				*json = load_note(f, at + name, header.n_descsz);
			return true;
		}
		at += name + desc;
	}
	return false;
}

static bool
parse_registers(const json_t *note, const viommu_machine *machine, vtd_registers *ret)
{
	const char *text = json_string_value(json_object_get(note, "registers"));
	size_t len = text ? strlen(text) : 0;

	if (len != (size_t) machine->registers_size * 2 || machine->registers_size < VTD_REGISTERS_MIN ||
		machine->registers_size % 8)
		return false;
	*ret = (vtd_registers){ .base = machine->registers_base, .size = machine->registers_size };
	for (size_t i = 0; i < len; i++) {
		int digit = g_ascii_xdigit_value(text[i]);

		if (digit < 0)
			return false;
		ret->bytes[i / 2] = (uint8_t) (ret->bytes[i / 2] << 4 | digit);
	}
	return true;
}

static bool
parse_unreadable(viommu_snapshot *self, const json_t *list)
{
	size_t i;
	json_t *item;

	json_array_foreach (list, i, item) {
		const char *why = json_string_value(json_object_get(item, "why"));
		uint64_t gpa;

		if (!why || !viommu_json_get_hex(item, "gpa", &gpa) || gpa % VIOMMU_PAGE_SIZE)
			return false;
		viommu_snapshot_add_page(self, VIOMMU_GPA(gpa), NULL,
			strcmp(why, "not-ram") == 0 ? VIOMMU_PAGE_NOT_RAM : VIOMMU_PAGE_FAILED);
	}
	return json_is_array(list);
}

static viommu_snapshot *
from_note(const file *f, const json_t *note, GError **error)
{
	const char *format = json_string_value(json_object_get(note, "format"));
	json_int_t version = json_integer_value(json_object_get(note, "version"));
	const char *time = json_string_value(json_object_get(note, "time"));
	const char *source = json_string_value(json_object_get(note, "memory_source"));
	g_autoptr(viommu_machine) machine = NULL;
	g_autoptr(viommu_snapshot) ret = NULL;
	g_autoptr(GError) local = NULL;
	vtd_registers registers;

	if (g_strcmp0(format, VIOMMU_SNAPSHOT_FORMAT) != 0 || version < 1) {
		reject(f, error, "its note is not viommu's");
		return NULL;
	}
	if (version > VIOMMU_SNAPSHOT_VERSION) {
		reject(f, error, "it has format version %" JSON_INTEGER_FORMAT " and this viommu reads up to %d; use a newer viommu",
			version, VIOMMU_SNAPSHOT_VERSION);
		return NULL;
	}
	machine = viommu_machine_from_json(json_object_get(note, "machine"), &local);
	if (!machine) {
		reject(f, error, "%s", local->message);
		return NULL;
	}
	if (!parse_registers(note, machine, &registers)) {
		reject(f, error, "its registers are not what viommu-snapshot(5) says");
		return NULL;
	}
	ret = viommu_snapshot_new(g_steal_pointer(&machine), &registers);
	if (!parse_unreadable(ret, json_object_get(note, "unreadable"))) {
		reject(f, error, "its list of unreadable pages is not what viommu-snapshot(5) says");
		return NULL;
	}
	if (!viommu_snapshot_get_backing(ret, note)) {
		reject(f, error, "its list of backing pages is not what viommu-snapshot(5) says");
		return NULL;
	}
	g_free(ret->info.time);
	g_free(ret->info.memory_source);
	ret->info.time = g_strdup(time ? time : "");
	ret->info.memory_source = g_strdup(source ? source : "");
	ret->info.paused = json_is_true(json_object_get(note, "paused"));
	return g_steal_pointer(&ret);
}

/* What pages of zeros, which take no room in the file, may claim in all; and pages with
 * content, since a file may be sparse.  A capture takes little more than a million pages. */
#define PAGES_LIMIT (1u << 21)
static const uint8_t zero_page[VIOMMU_PAGE_SIZE];

/* How many pages segments may still claim.  Those with content not more than the file
 * has: segments that share bytes would make any number of pages out of a small file. */
typedef struct {
	uint64_t zero, content;
} allowance;

static gboolean
add_load(viommu_snapshot *self, const file *f, const GElf_Phdr *phdr, allowance *left, GError **error)
{
	bool zero = phdr->p_filesz == 0;
	uint64_t pages = phdr->p_memsz / VIOMMU_PAGE_SIZE;
	uint64_t *limit = zero ? &left->zero : &left->content;

	if (phdr->p_paddr % VIOMMU_PAGE_SIZE || phdr->p_memsz % VIOMMU_PAGE_SIZE || phdr->p_memsz == 0 ||
		(!zero && phdr->p_memsz != phdr->p_filesz) || !viommu_range_ok(phdr->p_paddr, phdr->p_memsz))
		return reject(f, error, "a segment at GPA 0x%" G_GINT64_MODIFIER "x is not a run of whole pages",
			phdr->p_paddr);
	if (pages > *limit)
		return zero ? reject(f, error, "it claims more than %u pages of zeros", PAGES_LIMIT)
			    : reject(f, error, "it claims more pages than it has room for, or more than %u", PAGES_LIMIT);
	*limit -= pages;
	for (uint64_t at = 0; at < phdr->p_memsz; at += VIOMMU_PAGE_SIZE) {
		viommu_snapshot_page page = { .gpa = VIOMMU_GPA(phdr->p_paddr + at), .status = VIOMMU_PAGE_OK,
			.offset = phdr->p_offset + at };

		if (zero)
			page.data = zero_page;
		else if (f->bytes)
			page.data = f->bytes + page.offset;

		if (!viommu_machine_ram_at(self->machine, page.gpa))
			return reject(f, error, "it holds a page at GPA 0x%" G_GINT64_MODIFIER "x, outside of the RAM it names",
				page.gpa.v);
		g_array_append_val(self->pages, page);
	}
	return TRUE;
}

static gboolean
no_page_twice(const viommu_snapshot *self, const file *f, GError **error)
{
	for (guint i = 1; i < self->pages->len; i++)
		if (g_array_index(self->pages, viommu_snapshot_page, i - 1).gpa.v ==
			g_array_index(self->pages, viommu_snapshot_page, i).gpa.v)
			return reject(f, error, "it holds the page at GPA 0x%" G_GINT64_MODIFIER "x twice",
				g_array_index(self->pages, viommu_snapshot_page, i).gpa.v);
	return TRUE;
}

static gboolean
get_segment(const file *f, Elf *elf, size_t i, GElf_Phdr *phdr, GError **error)
{
	if (!gelf_getphdr(elf, (int) i, phdr))
		return reject(f, error, "segment %zu has no readable header", i);
	if (phdr->p_offset > f->size || phdr->p_filesz > f->size - phdr->p_offset)
		return reject(f, error, "it is cut short: segment %zu ends behind the end of the file", i);
	return TRUE;
}

/* Another file than a snapshot: what it is, if that can be told. */
static void
reject_other(const file *f, GError **error)
{
	char head[512];
	size_t len = MIN(f->size, sizeof(head));
	const char *what;

	if (!read_at(f, 0, head, len))
		len = 0;
	what = viommu_file_mistaken(head, len);
	if (what)
		reject(f, error, "%s", what);
	else if (len && head[0] == '{' && memmem(head, len, "\"" VIOMMU_RECORD_FORMAT "\"", strlen(VIOMMU_RECORD_FORMAT) + 2))
		reject(f, error, "it is a record; a record is named without -s");
	else
		reject(f, error, len && head[0] == '{' ? "it is not a 64-bit ELF core file; if it is a record, name it without -s"
						       : "it is not a 64-bit ELF core file; make one with: viommu capture -q unix:SOCKET -o FILE");
}

static viommu_snapshot *
parse(const file *f, Elf *elf, GError **error)
{
	g_autoptr(viommu_snapshot) self = NULL;
	json_t *note = NULL;
	bool found = false;
	allowance left = { .zero = PAGES_LIMIT, .content = MIN(f->size / VIOMMU_PAGE_SIZE, PAGES_LIMIT) };
	GElf_Ehdr ehdr;
	GElf_Phdr phdr;
	size_t n;
	unsigned budget = NOTES_LIMIT;

	if (elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &ehdr) || gelf_getclass(elf) != ELFCLASS64 ||
		ehdr.e_ident[EI_DATA] != ELFDATA2LSB || ehdr.e_type != ET_CORE || elf_getphdrnum(elf, &n) != 0) {
		reject_other(f, error);
		return NULL;
	}
	/* One for each run of pages at the most; libelf keeps them all in memory. */
	if (n > PAGES_LIMIT + 1) {
		reject(f, error, "it has %zu segments", n);
		return NULL;
	}
	/* All headers first, so that a file that is cut short is called that. */
	for (size_t i = 0; i < n; i++) {
		if (!get_segment(f, elf, i, &phdr, error)) {
			json_decref(note);
			return NULL;
		}
		if (phdr.p_type == PT_NOTE && !found)
			found = find_note(f, &phdr, &budget, &note);
	}
	if (found && !note) {
		reject(f, error, "its note is damaged");
		return NULL;
	}
	if (!found && budget == 0) {
		reject(f, error, "its first %u notes are none of viommu's", NOTES_LIMIT);
		return NULL;
	}
	if (!found) {
		reject(f, error, "it has no viommu note; a plain core file has no registers of the IOMMU");
		return NULL;
	}
	self = from_note(f, note, error);
	json_decref(note);
	if (!self)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!get_segment(f, elf, i, &phdr, error) ||
			(phdr.p_type == PT_LOAD && !add_load(self, f, &phdr, &left, error)))
			return NULL;
	viommu_snapshot_seal(self);
	return no_page_twice(self, f, error) ? g_steal_pointer(&self) : NULL;
}

static viommu_snapshot *
take(const file *f, GError **error)
{
	viommu_snapshot *ret = NULL;
	Elf *elf;

	elf_version(EV_CURRENT);
	/* libelf only reads what it gets this way. */
	elf = f->bytes ? elf_memory((char *) (uintptr_t) f->bytes, f->size) : elf_begin(f->fd, ELF_C_READ, NULL);
	if (elf)
		ret = parse(f, elf, error);
	else
		reject(f, error, "%s", elf_errmsg(-1));
	if (elf)
		elf_end(elf);
	return ret;
}

viommu_snapshot *
viommu_snapshot_read(const char *path, GError **error)
{
	file f = { .path = path, .fd = -1 };
	viommu_snapshot *ret = open_file(&f, error) ? take(&f, error) : NULL;

	if (ret)
		ret->fd = f.fd;
	else if (f.fd >= 0)
		close(f.fd);
	return ret;
}

viommu_snapshot *
viommu_snapshot_parse(GBytes *bytes, const char *name, GError **error)
{
	static const uint8_t none;
	gsize size;
	const uint8_t *data = g_bytes_get_data(bytes, &size);
	file f = { .path = name, .fd = -1, .bytes = data ? data : &none, .size = size };
	viommu_snapshot *ret = take(&f, error);

	if (ret)
		ret->bytes = g_bytes_ref(bytes);
	return ret;
}
