#include "control/supervise/procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Reads /proc/PID/name whole; text is empty if there is no such process. */
static void read_file(int pid, const char *name, char *text, size_t bytes)
{
    char path[48];
    ssize_t n = 0;

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, text, bytes - 1);
        close(fd);
    }
    text[n > 0 ? n : 0] = 0;
}

uint64_t procfs_resident_bytes(int pid)
{
    char text[64];
    unsigned long long all, resident;

    read_file(pid, "statm", text, sizeof(text));
    if (sscanf(text, "%llu %llu", &all, &resident) != 2)
        return 0;
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

struct procfs_turns procfs_turns(int pid)
{
    struct procfs_turns t = {0};
    unsigned long long ran, queued;
    char text[512];
    const char *p;

    read_file(pid, "schedstat", text, sizeof(text));
    if (sscanf(text, "%llu %llu", &ran, &queued) != 2)
        return t;
    t.ran_ns = ran;
    t.queued_ns = queued;
    read_file(pid, "stat", text, sizeof(text));
    p = strrchr(text, ')');
    t.is_held_up = p && (!strncmp(p, ") R", 3) || !strncmp(p, ") D", 3));
    return t;
}

/* The number behind a key of "Key:   N kB" lines. False: it is not there. */
static bool find_kb(const char *text, const char *key, uint64_t *sum)
{
    const char *p = strstr(text, key);
    unsigned long long kb;

    if (!p || sscanf(p + strlen(key), " %llu kB", &kb) != 1)
        return false;
    *sum += (uint64_t)kb << 10;
    return true;
}

bool procfs_private_bytes(int pid, uint64_t *bytes)
{
    char text[2048];

    read_file(pid, "smaps_rollup", text, sizeof(text));
    *bytes = 0;
    return find_kb(text, "\nPrivate_Clean:", bytes) && find_kb(text, "\nPrivate_Dirty:", bytes);
}

uint64_t procfs_page_table_bytes(int pid)
{
    char text[4096];
    uint64_t bytes = 0;

    read_file(pid, "status", text, sizeof(text));
    find_kb(text, "\nVmPTE:", &bytes);
    return bytes;
}

uint64_t procfs_sleeps(int pid)
{
    static const char key[] = "\nvoluntary_ctxt_switches:";
    unsigned long long count;
    char text[4096];
    const char *p;

    read_file(pid, "status", text, sizeof(text));
    p = strstr(text, key);
    return p && sscanf(p + sizeof(key) - 1, " %llu", &count) == 1 ? count : 0;
}

uint64_t procfs_faults(int pid)
{
    char text[512];
    unsigned long long faults;

    read_file(pid, "stat", text, sizeof(text));
    /* Field 10; the name, field 2, ends at the last parenthesis and may hold anything. */
    const char *p = strrchr(text, ')');
    if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %llu", &faults) != 1)
        return 0;
    return faults;
}

uint64_t procfs_cpu_ns(int pid)
{
    struct timespec t;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
        return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool is_one_of(unsigned cpu, const uint16_t *cpus, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (cpus[i] == cpu)
            return true;
    return false;
}

uint64_t procfs_idle_ns(const uint16_t *cpus, uint32_t count)
{
    const uint64_t tick_ns = 1000000000u / (uint64_t)sysconf(_SC_CLK_TCK);
    FILE *f = fopen("/proc/stat", "re");
    unsigned long long idle;
    uint64_t sum = 0;
    char line[512];
    unsigned cpu;

    while (f && fgets(line, sizeof(line), f) && !strncmp(line, "cpu", 3))
        if (sscanf(line, "cpu%u %*u %*u %*u %llu", &cpu, &idle) == 2 &&
            (!count || is_one_of(cpu, cpus, count)))
            sum += idle * tick_ns;
    if (f)
        fclose(f);
    return sum;
}

uint64_t procfs_uid(int pid)
{
    char text[2048];
    const char *p;

    read_file(pid, "status", text, sizeof(text));
    p = strstr(text, "\nUid:");
    return p ? strtoull(p + strlen("\nUid:"), NULL, 10) : 0;
}

static bool is_child_of(int pid, int parent)
{
    char text[512];
    const char *p;
    int its_parent;

    read_file(pid, "stat", text, sizeof(text));
    p = strrchr(text, ')'); /* a name may have anything in it */
    return p && sscanf(p, ") %*c %d", &its_parent) == 1 && its_parent == parent;
}

void procfs_children(int parent, void (*fn)(void *arg, int pid), void *arg)
{
    DIR *d = opendir("/proc");
    const struct dirent *e;

    while (d && (e = readdir(d)))
        if (atoi(e->d_name) > 0 && is_child_of(atoi(e->d_name), parent))
            fn(arg, atoi(e->d_name));
    if (d)
        closedir(d);
}
