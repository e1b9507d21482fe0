#include "drivers/eal.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <mntent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "drivers/log_capture.h"

enum { ARGS_MAX = 24, LCORES_TEXT_BYTES = 16 * (EAL_CORES_MAX + 1) };

static const char huge_pages_dir[] = "/sys/kernel/mm/hugepages";

static int refuse(char *error, size_t error_bytes, int err, const char *sentence)
{
    if (error && error_bytes > 0)
        snprintf(error, error_bytes, "%s", sentence);
    fprintf(stderr, "eal: cannot start: %s\n", sentence);
    return err;
}

/* Free memory in hugepages of any size. */
static uint64_t free_huge_mb(void)
{
    uint64_t mb = 0;
    DIR *dir = opendir(huge_pages_dir);
    if (!dir)
        return 0;
    for (struct dirent *e; (e = readdir(dir));) {
        uint64_t kb, pages;
        if (sscanf(e->d_name, "hugepages-%" SCNu64 "kB", &kb) != 1)
            continue;
        char path[sizeof(huge_pages_dir) + 64 + sizeof(e->d_name)];
        snprintf(path, sizeof(path), "%s/%s/free_hugepages", huge_pages_dir, e->d_name);
        FILE *f = fopen(path, "re");
        if (!f)
            continue;
        if (fscanf(f, "%" SCNu64, &pages) == 1)
            mb += kb * pages / 1024;
        fclose(f);
    }
    closedir(dir);
    return mb;
}

/* EAL panics when a CPU does not exist or is outside our cpuset, so ask first. */
static bool can_run_on(uint16_t cpu)
{
    cpu_set_t before, only;
    if (cpu >= CPU_SETSIZE || sched_getaffinity(0, sizeof(before), &before) != 0)
        return false;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    bool can = sched_setaffinity(0, sizeof(only), &only) == 0;
    sched_setaffinity(0, sizeof(before), &before);
    return can;
}

static void lcores_text(const struct eal_config *c, char text[LCORES_TEXT_BYTES])
{
    size_t at = (size_t)snprintf(text, LCORES_TEXT_BYTES, "0@%u", c->control_cpu);
    for (uint32_t i = 0; i < c->core_count; i++)
        at += (size_t)snprintf(text + at, LCORES_TEXT_BYTES - at, ",%u@%u", i + 1, c->core_cpu[i]);
    assert(at < LCORES_TEXT_BYTES);
}

static bool is_hugetlbfs_mounted(void)
{
    FILE *mounts = setmntent("/proc/self/mounts", "r");
    bool is_found = false;
    if (!mounts)
        return false;
    for (struct mntent *m; !is_found && (m = getmntent(mounts));)
        is_found = strcmp(m->mnt_type, "hugetlbfs") == 0;
    endmntent(mounts);
    return is_found;
}

/* rte_eal_init cannot be tried twice in a process, so hugepages or not is decided before it. */
static void choose_pages(const struct eal_config *c, struct eal_report *r)
{
    uint64_t free_mb = free_huge_mb();
    r->huge_advice[0] = '\0';
    r->has_huge = c->huge == EAL_HUGE_ON;
    if (c->huge != EAL_HUGE_AUTO)
        return;
    if (free_mb < c->memory_mb)
        snprintf(r->huge_advice, sizeof(r->huge_advice),
                 "%" PRIu64
                 " MB of hugepages are free, %u MB are wanted: raise vm.nr_hugepages by %u",
                 free_mb, c->memory_mb, (uint32_t)(c->memory_mb - free_mb + 1) / 2);
    else if (c->use_memif && !is_hugetlbfs_mounted())
        snprintf(r->huge_advice, sizeof(r->huge_advice),
                 "memif needs hugetlbfs to use hugepages: mount -t hugetlbfs none /dev/hugepages");
    else
        r->has_huge = true;
}

/* What a process without hugepages, or with memif, keeps in files; and the telemetry socket, which
 * DPDK itself removes in an exit handler. Handlers run in reverse, so ours, registered before DPDK
 * starts, finds an empty room. */
static char runtime_dir[PATH_MAX];
static pid_t owner; /* a forked child that calls exit must not clean up after its living parent */

/* DPDK itself notices a second process of the same name only when it uses files. The lock ends with
 * the process. A file of our own, because DPDK locks the directory while it attaches devices. */
static bool own_runtime_dir(const char *path)
{
    struct stat here, there;
    char lock[PATH_MAX];
    if (snprintf(lock, sizeof(lock), "%s/hearth.lock", path) >= (int)sizeof(lock))
        return false;
    int fd = open(lock, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    /* The process that had the name may be removing the directory just now. */
    bool is_ours = flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &here) == 0 &&
                   stat(lock, &there) == 0 && here.st_ino == there.st_ino;
    if (!is_ours) {
        close(fd);
        return false;
    }
    snprintf(runtime_dir, sizeof(runtime_dir), "%s", path);
    owner = getpid();
    return true;
}

static void remove_runtime_dir(void)
{
    if (owner != getpid())
        return;
    DIR *dir = opendir(runtime_dir);
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
    rmdir(runtime_dir);
}

int eal_start(const struct eal_config *c, struct eal_report *r, char *error, size_t error_bytes)
{
    char sentence[LCORES_TEXT_BYTES + 512], lcores[LCORES_TEXT_BYTES], memory_mb[16],
        dpdk_says[192];
    struct log_capture capture;

    assert(c->core_count <= EAL_CORES_MAX && c->memory_mb > 0);
    for (uint32_t i = 0; i <= c->core_count; i++) {
        uint16_t cpu = i == 0 ? c->control_cpu : c->core_cpu[i - 1];
        if (can_run_on(cpu))
            continue;
        snprintf(sentence, sizeof(sentence), "CPU %u does not exist or is not ours to use", cpu);
        return refuse(error, error_bytes, -EINVAL, sentence);
    }
    choose_pages(c, r);
    lcores_text(c, lcores);
    snprintf(memory_mb, sizeof(memory_mb), "%u", c->memory_mb);

    /* --in-memory: no files left behind by a crash, no hugetlbfs mount needed; but it goes neither
     * with --no-huge nor with memif. Telemetry stays on. */
    char *args[ARGS_MAX];
    int n = 0;
    args[n++] = (char *)"hearthd";
    args[n++] = (char *)"--file-prefix";
    args[n++] = (char *)c->name;
    args[n++] = (char *)"--lcores";
    args[n++] = lcores;
    args[n++] = (char *)"-m";
    args[n++] = memory_mb;
    args[n++] = (char *)"--log-level=warning";
    args[n++] = (char *)(!r->has_huge   ? "--no-huge"
                         : c->use_memif ? "--huge-unlink=always"
                                        : "--in-memory");
    /* No files and no socket for secondary processes, as with --in-memory: there are none, and at
     * the end DPDK would look for them in a directory that only root reads. */
    if (!r->has_huge && !c->use_memif)
        args[n++] = (char *)"--no-shconf";
    /* Addresses of our own are all that drivers without hardware want. Physical ones, DPDK's choice
     * as root without an IOMMU, would make memory that is taken later a matter of CAP_SYS_ADMIN. */
    if (!c->use_pci)
        args[n++] = (char *)"--iova-mode=va";
    if (c->use_pci) {
        /* An address that is nobody's: a device is probed when a port names it, not before. */
        args[n++] = (char *)"-a";
        args[n++] = (char *)"0000:00:00.0";
    } else {
        args[n++] = (char *)"--no-pci";
    }
    assert(n < ARGS_MAX);
    args[n] = NULL;

    /* It mutters about 1 GB pages and legacy sockets even when all is well. */
    atexit(remove_runtime_dir);
    log_capture_begin(&capture);
    int inited = rte_eal_init(n, args);
    log_capture_end(&capture, dpdk_says, sizeof(dpdk_says));
    if (inited < 0) {
        snprintf(sentence, sizeof(sentence), "DPDK's EAL refused: %s (%s; lcores %s, %s MB, %s)",
                 rte_strerror(rte_errno), dpdk_says, lcores, memory_mb,
                 r->has_huge ? "hugepages" : "4 KiB pages");
        return refuse(error, error_bytes, rte_errno ? -rte_errno : -EIO, sentence);
    }
    if (!own_runtime_dir(rte_eal_get_runtime_dir())) {
        rte_eal_cleanup();
        snprintf(sentence, sizeof(sentence), "another process named '%s' runs", c->name);
        return refuse(error, error_bytes, -EBUSY, sentence);
    }
    return 0;
}

int eal_launch(uint32_t core, int (*fn)(void *), void *arg)
{
    return rte_eal_remote_launch(fn, arg, core + 1);
}

int eal_wait(uint32_t core)
{
    /* rte_eal_wait_lcore spins, perhaps on the very CPU that it waits for. */
    static const struct timespec pause = {.tv_nsec = 1000000};
    while (rte_eal_get_lcore_state(core + 1) == RUNNING)
        nanosleep(&pause, NULL);
    return rte_eal_wait_lcore(core + 1);
}

int eal_core_node(uint32_t core)
{
    return (int)rte_lcore_to_socket_id(core + 1);
}

void eal_stop(void)
{
    rte_eal_cleanup();
}
