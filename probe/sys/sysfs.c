/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sys/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *sysfs_root = "/sys";

int
read_text_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;

	text[0] = '\0';
	if (fd < 0)
		return -errno;
	while (len < size - 1) {
		ssize_t got = read(fd, text + len, size - 1 - len);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			int err = errno;

			close(fd);
			text[0] = '\0';
			return -err;
		}
		if (got == 0)
			break;
		len += (size_t) got;
	}
	close(fd);
	while (len > 0 && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	return (int) len;
}

void
sysfs_set_root(const char *root)
{
	sysfs_root = root;
}

int
sysfs_path(char *ret, size_t size, const char *path)
{
	int len = snprintf(ret, size, "%s%s", sysfs_root, path);

	return len < 0 || (size_t) len >= size ? -ENAMETOOLONG : 0;
}

int
sysfs_read(const char *path, char *text, size_t size)
{
	char full[PATH_MAX];

	text[0] = '\0';
	if (sysfs_path(full, sizeof full, path) < 0)
		return -ENAMETOOLONG;
	return read_text_file(full, text, size);
}

int
sysfs_write(const char *path, const char *text)
{
	char full[PATH_MAX];
	ssize_t wrote;
	int fd, err = 0;

	if (sysfs_path(full, sizeof full, path) < 0)
		return -ENAMETOOLONG;
	fd = open(full, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	wrote = write(fd, text, strlen(text));
	if (wrote < 0)
		err = -errno;
	close(fd);
	return err;
}

bool
sysfs_exists(const char *path)
{
	char full[PATH_MAX];

	return sysfs_path(full, sizeof full, path) == 0 && access(full, F_OK) == 0;
}

int
sysfs_link_name(const char *path, char *name, size_t size)
{
	char full[PATH_MAX], target[PATH_MAX];
	const char *last;
	ssize_t len;

	name[0] = '\0';
	if (sysfs_path(full, sizeof full, path) < 0)
		return -ENAMETOOLONG;
	len = readlink(full, target, sizeof target - 1);
	if (len < 0)
		return -errno;
	target[len] = '\0';
	last = strrchr(target, '/');
	last = last != NULL ? last + 1 : target;
	if (strlen(last) >= size)
		return -ENAMETOOLONG;
	memcpy(name, last, strlen(last) + 1);
	return (int) strlen(last);
}

bool
sysfs_number(const char *text, int base, uint64_t *ret)
{
	const char *digits = base == 16 ? "0123456789abcdefABCDEF" : "0123456789";
	const size_t len = strspn(text, digits);
	unsigned long long value;

	if (len == 0 || text[len] != '\0')
		return false;
	errno = 0;
	value = strtoull(text, NULL, base);
	if (errno != 0)
		return false;
	*ret = value;
	return true;
}

static void
group_facts(struct pci_facts *facts)
{
	char path[128], name[32];
	uint64_t number;

	facts->group = -1;
	snprintf(path, sizeof path, "/bus/pci/devices/%s/iommu_group", facts->bdf);
	if (sysfs_link_name(path, name, sizeof name) < 0 || !sysfs_number(name, 10, &number) ||
		number > INT_MAX)
		return;
	facts->group = (int) number;
	snprintf(path, sizeof path, "/kernel/iommu_groups/%d/type", facts->group);
	(void) sysfs_read(path, facts->group_type, sizeof facts->group_type);
}

bool
sysfs_pci_facts(const char *bdf, struct pci_facts *ret)
{
	char path[128];

	*ret = (struct pci_facts){ .group = -1 };
	snprintf(ret->bdf, sizeof ret->bdf, "%s", bdf);
	snprintf(path, sizeof path, "/bus/pci/devices/%s", ret->bdf);
	if (!sysfs_exists(path))
		return false;
	snprintf(path, sizeof path, "/bus/pci/devices/%s/driver", ret->bdf);
	(void) sysfs_link_name(path, ret->driver, sizeof ret->driver);
	snprintf(path, sizeof path, "/bus/pci/devices/%s/iommu", ret->bdf);
	(void) sysfs_link_name(path, ret->iommu, sizeof ret->iommu);
	snprintf(path, sizeof path, "/bus/pci/devices/%s/vendor", ret->bdf);
	(void) sysfs_read(path, ret->vendor, sizeof ret->vendor);
	snprintf(path, sizeof path, "/bus/pci/devices/%s/device", ret->bdf);
	(void) sysfs_read(path, ret->device, sizeof ret->device);
	snprintf(path, sizeof path, "/bus/pci/devices/%s/class", ret->bdf);
	(void) sysfs_read(path, ret->class, sizeof ret->class);
	group_facts(ret);
	return true;
}

/* intel-iommu/{address,cap,ecap} are "%llx": hexadecimal without a prefix. */
static bool
read_register(const char *iommu, const char *file, char *text, size_t size, uint64_t *value)
{
	char path[128], raw[32];

	snprintf(path, sizeof path, "/class/iommu/%s/intel-iommu/%s", iommu, file);
	if (sysfs_read(path, raw, sizeof raw) < 0 || !sysfs_number(raw, 16, value))
		return false;
	snprintf(text, size, "0x%" PRIx64, *value);
	return true;
}

struct iommu_list {
	struct iommu_facts *facts;
	size_t n, max;
};

static void
add_iommu(const char *name, void *data)
{
	struct iommu_list *list = data;
	struct iommu_facts *facts;
	char path[128];
	uint64_t address;
	bool cap, ecap;

	if (list->n == list->max || strlen(name) >= sizeof facts->name)
		return;
	facts = &list->facts[list->n++];
	*facts = (struct iommu_facts){ 0 };
	memcpy(facts->name, name, strlen(name) + 1);
	(void) read_register(name, "address", facts->address, sizeof facts->address, &address);
	cap = read_register(name, "cap", facts->cap, sizeof facts->cap, &facts->cap_value);
	ecap = read_register(name, "ecap", facts->ecap, sizeof facts->ecap, &facts->ecap_value);
	facts->has_registers = cap && ecap;
	snprintf(path, sizeof path, "/class/iommu/%s/intel-iommu/version", facts->name);
	(void) sysfs_read(path, facts->version, sizeof facts->version);
}

size_t
sysfs_iommus(struct iommu_facts *ret, size_t max)
{
	struct iommu_list list = { ret, 0, max };

	(void) sysfs_each("/class/iommu", add_iommu, &list);
	return list.n;
}

static int
not_dotted(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int
sysfs_each(const char *path, sysfs_name_fn *fn, void *data)
{
	char full[PATH_MAX];
	struct dirent **names;
	int n;

	if (sysfs_path(full, sizeof full, path) < 0)
		return -ENAMETOOLONG;
	n = scandir(full, &names, not_dotted, versionsort);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		fn(names[i]->d_name, data);
		free(names[i]);
	}
	free(names);
	return n;
}
