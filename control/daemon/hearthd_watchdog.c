/* Asks the cores whether they move, and tells the service manager. */
#include <stdlib.h>
#include <unistd.h>

#include "control/base/log.h"
#include "control/daemon/hearthd.h"
#include "control/daemon/notify.h"

static void look(void *arg)
{
    struct hearthd *h = arg;
    uint64_t iterations[CONF_CORES_MAX];
    uint32_t stuck;

    for (uint32_t i = 0; i < h->core_count; i++) {
        struct core_gauges g;

        core_gauges(h->core[i].core, &g);
        iterations[i] = atomic_load(&h->core[i].is_done) ? UINT64_MAX : g.iterations;
    }
    stuck = watchdog_look(&h->watchdog, iterations, h->core_count);
    if (stuck == h->core_count)
        notify("WATCHDOG=1");
    else
        log_line("watchdog",
                 "core=%u stuck iterations=%llu: the service manager is not told that "
                 "this node works",
                 stuck, (unsigned long long)iterations[stuck]);
    loop_timer_set(&h->loop, &h->watchdog_timer, h->watchdog_ns, look, h);
}

void hearthd_watchdog_start(struct hearthd *h)
{
    h->watchdog_ns =
        watchdog_interval_ns(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"), (int)getpid());
    if (!h->watchdog_ns)
        return;
    log_line("start", "step=watchdog every_ms=%llu", (unsigned long long)h->watchdog_ns / 1000000);
    look(h);
}
