/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program of somebody else's, against the installed headers: test_install.py builds it.
 * outsider SNAPSHOT BUS DEVICE FUNCTION IOVA prints where a read goes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <viommu/snapshot.h>
#include <viommu/vtd.h>

int
main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(viommu_snapshot) snapshot = NULL;
	g_autoptr(viommu_memory) memory = NULL;
	vtd_translation walk;
	vtd_unit unit;

	if (argc != 6)
		return 2;
	snapshot = viommu_snapshot_read(argv[1], &error);
	if (!snapshot) {
		fprintf(stderr, "%s\n", error->message);
		return 1;
	}
	viommu_machine_unit(viommu_snapshot_machine(snapshot), viommu_snapshot_registers(snapshot), &unit);
	memory = viommu_snapshot_memory(snapshot);
	if (!vtd_translate(&unit, memory,
		    viommu_sid_make((unsigned) atoi(argv[2]), (unsigned) atoi(argv[3]), (unsigned) atoi(argv[4])),
		    VIOMMU_IOVA(strtoull(argv[5], NULL, 0)), &walk, &error)) {
		fprintf(stderr, "%s\n", error->message);
		return 1;
	}
	if (walk.read.allowed)
		printf("0x%" PRIx64 "\n", walk.gpa.v);
	else
		printf("fault %d\n", (int) walk.read.fault);
	return 0;
}
