/* doctor_parts.h
 *
 * Inside of doctor.h: what its parts share, a file for each noun that is examined.
 *
 *   doctor_kernel.c   kernel, namespaces, control groups, clock, bounds of the system
 *   doctor_cpu.c      the CPUs of cores:, and who else wants them
 *   doctor_memory.c   hugepages, swap, what the configuration asks for
 *   doctor_port.c     the device of port.device: a PCI function, its PF, or an interface
 *   doctor_pair.c     two of them, of port.devices
 *   doctor_files.c    hearth.yaml, the files that it names, the unit
 *   doctor_tree.c     reading below the root
 *
 * Paths are as the machine has them ("/proc/cmdline"); the root goes in front of them here. Formats
 * are printf's. Single thread.
 */
#ifndef HEARTH_DOCTOR_PARTS_H
#define HEARTH_DOCTOR_PARTS_H

#include <dirent.h>
#include <jansson.h>
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/config/conf.h"
#include "drivers/pci_device.h"

enum doctor_state { DOCTOR_GOOD, DOCTOR_ADVICE, DOCTOR_BAD };

enum { DOCTOR_CPUS_MAX = 1024, DOCTOR_TEXT_BYTES = 256 };

struct doctor_cpus {
    uint64_t bit[DOCTOR_CPUS_MAX / 64];
};

struct doctor {
    const char *root;
    const char *config;       /* as it was asked for; NULL: the default */
    struct conf *conf;        /* NULL: there is none, or it has errors */
    struct doctor_cpus cores; /* of conf; none without one */
    char pci[PCI_ADDRESS_BYTES];
    char iface[IFNAMSIZ]; /* what port.device is, or that of port.devices which is looked at: one
                             of the two, or neither */
    json_t *checks;
};

/* ---- doctor_tree.c ---- */

#define DOCTOR_FORMAT(at) __attribute__((format(printf, at, at + 1)))

void doctor_path(const struct doctor *, char out[PATH_MAX], const char *format, ...)
    DOCTOR_FORMAT(3);
/* The first line, without its end. False, and "": it cannot be read. */
bool doctor_line(const struct doctor *, char *out, size_t bytes, const char *format, ...)
    DOCTOR_FORMAT(4);
/* otherwise: there is no number. */
long doctor_number(const struct doctor *, long otherwise, const char *format, ...) DOCTOR_FORMAT(3);
bool doctor_has(const struct doctor *, const char *format, ...) DOCTOR_FORMAT(2);
/* The last part of where a symbolic link points to. */
bool doctor_link(const struct doctor *, char *out, size_t bytes, const char *format, ...)
    DOCTOR_FORMAT(4);
/* NULL: there is none. The caller closes it. */
DIR *doctor_dir(const struct doctor *, const char *format, ...) DOCTOR_FORMAT(2);
/* Its next entry whose name does not begin with '.'; NULL: no more. */
const char *doctor_next(DIR *);

/* advice is not said with what is good. */
void doctor_report(struct doctor *, const char *name, enum doctor_state, const char *advice,
                   const char *format, ...) DOCTOR_FORMAT(5);

/* "0-3,8": what is no list of CPUs is none. */
void doctor_cpus_parse(struct doctor_cpus *, const char *list);
bool doctor_cpus_read(const struct doctor *, struct doctor_cpus *, const char *format, ...)
    DOCTOR_FORMAT(3);
bool doctor_cpus_has(const struct doctor_cpus *, uint32_t cpu);
void doctor_cpus_add(struct doctor_cpus *, uint32_t cpu);
bool doctor_cpus_any(const struct doctor_cpus *);
/* Those of a that are not in b; those that are in both. */
struct doctor_cpus doctor_cpus_less(struct doctor_cpus a, const struct doctor_cpus *b);
struct doctor_cpus doctor_cpus_both(struct doctor_cpus a, const struct doctor_cpus *b);
/* As a list; returns out. */
const char *doctor_cpus_text(const struct doctor_cpus *, char out[DOCTOR_TEXT_BYTES]);

/* ---- the parts: each adds its checks ---- */

void doctor_check_kernel(struct doctor *);
void doctor_check_cpu(struct doctor *);
void doctor_check_memory(struct doctor *);
void doctor_check_port(struct doctor *);
/* Before all others: reads hearth.yaml. */
void doctor_check_config(struct doctor *);
void doctor_check_files(struct doctor *);

/* doctor_port.c: fills in pci and iface. */
void doctor_note_device(struct doctor *, const char *device);
/* doctor_pair.c: after the devices themselves. */
void doctor_check_pair(struct doctor *);
/* doctor_port.c: the NUMA node of the port's card; -1: unknown, or there is only one. */
int doctor_port_node(const struct doctor *);

#endif
