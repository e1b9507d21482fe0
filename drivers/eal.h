/* eal.h
 *
 * Starts DPDK's environment once per process: which CPUs the dp cores run on (several may share
 * one), hugepages or not, which devices may be probed.
 *
 *   lcore 0            the control thread (EAL main lcore)
 *   lcore 1 + i        dp core i, pinned to core_cpu[i]; equal entries share a CPU:
 *                      --lcores 0@0,1@1,2@1
 *
 * Thread: called once, from main, before any other driver. Not restartable.
 */
#ifndef HEARTH_EAL_H
#define HEARTH_EAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EAL_CORES_MAX = 32 };

struct eal_config {
    const char *name; /* file prefix: hearthd processes on one machine must differ */
    uint32_t core_count;
    uint16_t core_cpu[EAL_CORES_MAX];
    uint16_t control_cpu;
    uint32_t memory_mb; /* reserved at start; without hugepages it is all there is */
    enum { EAL_HUGE_AUTO = 0, EAL_HUGE_ON, EAL_HUGE_OFF } huge;
    bool use_memif; /* net_memif needs DPDK's shared files, and hugetlbfs mounted for hugepages */
    bool use_pci;   /* scan the PCI bus; off unless a port names a PCI address */
};

struct eal_report {
    bool has_huge;         /* false: 4 KiB pages, slower */
    char huge_advice[160]; /* empty, or how to get hugepages */
};

/* 0 or -errno, with one log line. `error` (may be NULL) receives the reason as a sentence. */
int eal_start(const struct eal_config *, struct eal_report *, char *error, size_t error_bytes);

/* Runs fn(arg) on dp core `core`'s lcore; returns at once. */
int eal_launch(uint32_t core, int (*fn)(void *), void *arg);

/* Waits, asleep, until the function on that core has returned; gives what it returned. */
int eal_wait(uint32_t core);

/* The NUMA node of that core's CPU; 0 where there are none. */
int eal_core_node(uint32_t core);

void eal_stop(void);

#endif
