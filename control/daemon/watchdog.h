/* watchdog.h
 *
 * Tells the service manager that this process works, for as long as it does: WATCHDOG=1, only while
 * every dp core goes through its loop. A core that hangs, or a control thread that does, is
 * silence; after WatchdogSec= of the unit the service manager ends and restarts hearthd.
 *
 *   look ------------ look ------------ look          WATCHDOG_LOOKS in the time that it waits
 *   iterations: 7     1200              1200 -> silence
 *
 * A core that has nothing to do looks for work ten times a second (core_thread.c), so that one
 * which has not moved between two looks is not asleep. One that has returned (a stop) counts as
 * moving.
 *
 * Thread: control. Source: sd_watchdog_enabled(3), sd_notify(3).
 *
 * Rejected: RCU's quiescent states, which cores report too: a core is offline while it sleeps, and
 * would be for ever if it never woke.
 */
#ifndef HEARTH_WATCHDOG_H
#define HEARTH_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "control/config/conf.h"

enum { WATCHDOG_LOOKS = 4 };

struct watchdog {
    bool has_seen; /* the first look has nothing to compare with */
    uint64_t iterations[CONF_CORES_MAX];
};

/* Between two looks, of what the service manager has put into the environment; 0: it does not ask,
 * or not this process. usec, pid: WATCHDOG_USEC and WATCHDOG_PID, NULL if they are not set. */
uint64_t watchdog_interval_ns(const char *usec, const char *pid, int own_pid);

/* What each core has gone through since its start; UINT64_MAX: it has returned. Gives the core that
 * has not moved since the last look, or count if all have. */
uint32_t watchdog_look(struct watchdog *, const uint64_t *iterations, uint32_t count);

#endif
