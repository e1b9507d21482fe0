#include "control/daemon/watchdog.h"

#include <errno.h>
#include <stdlib.h>

uint64_t watchdog_interval_ns(const char *usec, const char *pid, int own_pid)
{
    unsigned long long us;
    char *end;

    if (!usec || (pid && strtol(pid, NULL, 10) != own_pid))
        return 0;
    errno = 0;
    us = strtoull(usec, &end, 10);
    if (errno || end == usec || *end || us > UINT64_MAX / 1000)
        return 0;
    return us * 1000 / WATCHDOG_LOOKS;
}

uint32_t watchdog_look(struct watchdog *w, const uint64_t *iterations, uint32_t count)
{
    uint32_t stuck = count;

    for (uint32_t i = 0; i < count; i++) {
        if (w->has_seen && iterations[i] == w->iterations[i] && iterations[i] != UINT64_MAX &&
            stuck == count)
            stuck = i;
        w->iterations[i] = iterations[i];
    }
    w->has_seen = true;
    return stuck;
}
