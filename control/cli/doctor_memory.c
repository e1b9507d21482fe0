/* doctor_memory.c: hugepages and where they are, swap, and whether all fits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/cli/doctor_parts.h"

struct memory {
    unsigned long total_kib, swap_kib, pages, pages_free, page_kib;
};

static struct memory read_memory(const struct doctor *d)
{
    struct memory m = {0};
    char path[PATH_MAX], line[256];
    FILE *f;

    doctor_path(d, path, "/proc/meminfo");
    f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f)) {
        sscanf(line, "MemTotal: %lu", &m.total_kib);
        sscanf(line, "SwapTotal: %lu", &m.swap_kib);
        sscanf(line, "HugePages_Total: %lu", &m.pages);
        sscanf(line, "HugePages_Free: %lu", &m.pages_free);
        sscanf(line, "Hugepagesize: %lu", &m.page_kib);
    }
    if (f)
        fclose(f);
    return m;
}

/* As a share of what hearth.yaml asks for. hearthd itself may have them by now. */
static void check_hugepages(struct doctor *d, const struct memory *m)
{
    const unsigned long wanted_mb = d->conf && d->conf->huge != CONF_OFF ? d->conf->memory_mb : 0;
    const unsigned long page_mb = m->page_kib >= 1024 ? m->page_kib / 1024 : 2;
    char advice[DOCTOR_TEXT_BYTES];
    bool is_enough = m->pages && m->pages * page_mb >= wanted_mb;

    snprintf(advice, sizeof(advice),
             "Reserve %s: sysctl vm.nr_hugepages=%lu, or hugepages=%lu on the kernel command line. "
             "hearth runs without them, slower.",
             m->pages ? "more" : "some", wanted_mb ? (wanted_mb + page_mb - 1) / page_mb : 1024,
             wanted_mb ? (wanted_mb + page_mb - 1) / page_mb : 1024);
    if (m->pages && !is_enough)
        doctor_report(d, "hugepages", DOCTOR_ADVICE, advice,
                      "%lu of %lu KiB, memory_mb: %lu wants %lu", m->pages, m->page_kib, wanted_mb,
                      (wanted_mb + page_mb - 1) / page_mb);
    else
        doctor_report(d, "hugepages",
                      is_enough || (d->conf && d->conf->huge == CONF_OFF) ? DOCTOR_GOOD
                                                                          : DOCTOR_ADVICE,
                      advice, "%lu of %lu KiB, %lu free", m->pages, m->page_kib, m->pages_free);
}

static void check_nodes(struct doctor *d, const struct memory *m)
{
    const int node = doctor_port_node(d);
    char advice[DOCTOR_TEXT_BYTES];
    long pages, page_mb = m->page_kib >= 1024 ? (long)m->page_kib / 1024 : 2;

    if (node < 0 || !d->conf || d->conf->huge == CONF_OFF || !m->pages)
        return;
    pages = doctor_number(d, -1,
                          "/sys/devices/system/node/node%d/hugepages/hugepages-%lukB/nr_hugepages",
                          node, m->page_kib);
    if (pages < 0)
        return;
    snprintf(advice, sizeof(advice),
             "Each frame crosses between nodes: echo %ld > "
             "/sys/devices/system/node/node%d/hugepages/hugepages-%lukB/nr_hugepages.",
             ((long)d->conf->memory_mb + page_mb - 1) / page_mb, node, m->page_kib);
    doctor_report(d, "hugepages of nodes",
                  pages * page_mb < (long)d->conf->memory_mb ? DOCTOR_ADVICE : DOCTOR_GOOD, advice,
                  "%ld on node %d, where the card is", pages, node);
}

static void check_hugetlbfs(struct doctor *d)
{
    char path[PATH_MAX], line[1024];
    bool is_mounted = false;
    FILE *f;

    if (!d->conf || strncmp(d->conf->port.device, "net_memif", 9) || d->conf->huge == CONF_OFF)
        return;
    doctor_path(d, path, "/proc/self/mounts");
    f = fopen(path, "re");
    while (f && fgets(line, sizeof(line), f))
        is_mounted |= strstr(line, " hugetlbfs ") != NULL;
    if (f)
        fclose(f);
    doctor_report(d, "hugetlbfs", is_mounted ? DOCTOR_GOOD : DOCTOR_ADVICE,
                  "memif shares hugepages by files: mount -t hugetlbfs none /dev/hugepages.",
                  is_mounted ? "mounted" : "not mounted, and port.device is a memif");
}

static void check_swap(struct doctor *d, const struct memory *m)
{
    doctor_report(d, "swap", m->swap_kib ? DOCTOR_ADVICE : DOCTOR_GOOD,
                  "A warm cell whose pages are on a disk is none, and keys come there as well: "
                  "swapoff -a, and take it out of /etc/fstab.",
                  m->swap_kib ? "%lu MB of it" : "none", m->swap_kib / 1024);
}

/* Of a page that a cell shares with its zygote it would get a copy of 2 MB, not of 4 KB. */
static void check_large_pages(struct doctor *d)
{
    char line[64];

    if (!doctor_line(d, line, sizeof(line), "/sys/kernel/mm/transparent_hugepage/enabled"))
        return;
    doctor_report(d, "large pages", strstr(line, "[always]") ? DOCTOR_ADVICE : DOCTOR_GOOD,
                  "Cells grow by 2 MB where they need 4 KB: echo madvise > "
                  "/sys/kernel/mm/transparent_hugepage/enabled.",
                  "transparent ones for %s",
                  strstr(line, "[always]")    ? "everybody"
                  : strstr(line, "[madvise]") ? "those who ask"
                                              : "nobody");
}

static void check_fit(struct doctor *d, const struct memory *m)
{
    unsigned long huge_mb = m->pages * m->page_kib / 1024, total_mb = m->total_kib / 1024, rest_mb;
    char advice[DOCTOR_TEXT_BYTES];

    if (!d->conf || !total_mb)
        return;
    if (!huge_mb || d->conf->huge == CONF_OFF)
        huge_mb += d->conf->memory_mb;
    rest_mb = total_mb > huge_mb ? total_mb - huge_mb : 0;
    snprintf(advice, sizeof(advice),
             "The kernel will end processes for want of memory: cells: memory_mb: %lu, or fewer "
             "hugepages.",
             rest_mb > 256 ? (rest_mb - 256) / 64 * 64 : 64);
    if (d->conf->cells.memory_mb > rest_mb)
        doctor_report(d, "memory", DOCTOR_BAD, advice,
                      "cells.memory_mb is %u, and %lu MB are left beside packet memory",
                      d->conf->cells.memory_mb, rest_mb);
    else
        doctor_report(d, "memory", DOCTOR_GOOD, "",
                      "%lu MB beside packet memory, cells may have %u", rest_mb,
                      d->conf->cells.memory_mb);
}

void doctor_check_memory(struct doctor *d)
{
    const struct memory m = read_memory(d);

    check_hugepages(d, &m);
    check_nodes(d, &m);
    check_hugetlbfs(d);
    check_swap(d, &m);
    check_large_pages(d);
    check_fit(d, &m);
}
