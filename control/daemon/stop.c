/* The end of hearthd: hand-over, then the cores, then the event loop. What start made is undone
 * behind the loop (main.c). */
#include "control/base/log.h"
#include "control/daemon/hearthd.h"
#include "control/daemon/notify.h"

void hearthd_core_returned(struct hearthd *h)
{
    for (uint32_t i = 0; i < h->launched; i++)
        if (!atomic_load(&h->core[i].is_done))
            return;
    loop_stop(&h->loop);
}

void hearthd_stop_cores(struct hearthd *h, uint32_t drain_ms)
{
    log_line("stop", "drain_ms=%u", drain_ms);
    for (uint32_t i = 0; i < h->launched; i++)
        core_stop(h->core[i].core, drain_ms);
    hearthd_core_returned(h); /* all may have returned already, or none was launched */
}

void hearthd_stop(struct hearthd *h)
{
    bool is_second = h->is_draining;

    notify("STOPPING=1");
    h->is_draining = true;
    if (is_second || !h->conf->drain_ms)
        hearthd_stop_cores(h, 0);
    else if (!hearthd_has_others(h))
        hearthd_stop_cores(h, h->conf->drain_ms);
    else
        hearthd_drain(h, NULL, h->conf->drain_ms); /* the cores follow when it is over */
}
