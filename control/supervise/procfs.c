#include "control/supervise/procfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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
    t.is_ready = p && !strncmp(p, ") R", 3);
    return t;
}

double procfs_cpu_seconds(int pid)
{
    char text[512];
    unsigned long long user, system;

    read_file(pid, "stat", text, sizeof(text));
    /* Fields 14 and 15; the name, field 2, ends at the last parenthesis and may hold anything. */
    const char *p = strrchr(text, ')');
    if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
                     &system) != 2)
        return 0;
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}
