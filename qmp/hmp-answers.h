/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Texts of the human monitor that say what QMP says as well, in QMP's form.  With hmp.h the only
 * place that reads such text; no I/O.  tests/data/hmp/ has what real QEMUs print.
 * All return NULL when the text is not what was asked for.
 */
#ifndef VIOMMU_HMP_ANSWERS_H
#define VIOMMU_HMP_ANSWERS_H

#include <jansson.h>

json_t *viommu_hmp_version(const char *text);      /* "info version": as QMP's greeting has it */
json_t *viommu_hmp_status(const char *text);       /* "info status": query-status */
json_t *viommu_hmp_kvm(const char *text);          /* "info kvm": query-kvm */
json_t *viommu_hmp_value(const char *text);        /* "qom-get PATH PROPERTY" */
json_t *viommu_hmp_qom_list(const char *text);     /* "qom-list PATH" */
json_t *viommu_hmp_trace_events(const char *text); /* "info trace-events NAME": trace-event-get-state */
/* "info pci": query-pci, without the number of a class that has a name, and with a bridge's devices
 * behind it, not inside, in the list of its root bus. */
json_t *viommu_hmp_pci(const char *text);

#endif
