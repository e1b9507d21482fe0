/* doctor.h
 *
 * What this machine offers to hearth and how to get more: kernel, clock, CPUs, hugepages, IOMMU,
 * the TLS library, and the ladder of ports for each interface. Needs neither hearthd nor EAL;
 * changes nothing.
 *
 *   {"ok":true,"checks":[{"name":S,"state":"good"|"advice"|"bad","found":S,"advice":S}..],
 *    "interfaces":[{"name":S,"rungs":[{"name":S,"possible":B,"reason":S}..]}..]}
 */
#ifndef HEARTH_DOCTOR_H
#define HEARTH_DOCTOR_H

#include <jansson.h>

/* iface NULL: every interface but lo. */
json_t *doctor_examine(const char *iface);

#endif
