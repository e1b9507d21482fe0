/* Worlds: when the next one is built, how it comes to the cores, and who is told. */
#include <unistd.h>

#include "control/base/log.h"
#include "control/daemon/hearthd.h"
#include "control/daemon/notify.h"

enum { RECLAIM_NS = 2 * 1000 * 1000 };

static void wake_cores(void *arg)
{
    struct hearthd *h = arg;

    for (uint32_t i = 0; i < h->core_count; i++) {
        ssize_t n = write(core_wake_fd(h->core[i].core), &(uint64_t){1}, sizeof(uint64_t));
        (void)n; /* full: it is awake enough */
    }
}

static void reclaim(void *arg)
{
    struct hearthd *h = arg;

    if (publisher_reclaim(&h->publisher))
        loop_timer_set(&h->loop, &h->reclaim_timer, RECLAIM_NS, reclaim, h);
    else if (h->is_dirty)
        hearthd_publish(h); /* it may have waited for the memory of a ring */
}

static void answer_waiting(struct hearthd *h)
{
    for (uint32_t i = 0; i < h->waiting_count; i++) {
        struct ctl_client *client = h->ctl ? ctl_find(h->ctl, h->waiting[i].client) : NULL;

        if (client)
            ctl_reply(client, h->waiting[i].reply);
        else
            json_decref(h->waiting[i].reply);
    }
    h->waiting_count = 0;
}

void hearthd_publish_start(struct hearthd *h)
{
    publisher_init(&h->publisher, &h->shared, wake_cores, h);
    h->has_publisher = true;
    hearthd_change(h);
}

void hearthd_publish_stop(struct hearthd *h)
{
    answer_waiting(h);
    if (h->has_loop)
        loop_timer_cancel(&h->loop, &h->reclaim_timer);
    if (h->has_publisher)
        publisher_fini(&h->publisher);
}

/* The first world with a zygote and the spares. */
static void become_ready(struct hearthd *h)
{
    h->has_been_ready = true;
    log_line("ready", "node=%s epoch=%llu start_ms=%llu", h->conf->node,
             (unsigned long long)h->epoch,
             (unsigned long long)(loop_now_ns() - h->started_ns) / 1000000);
    notify("READY=1");
}

void hearthd_publish(struct hearthd *h)
{
    uint64_t held[WORLD_HELD_MAX], held_full;
    uint32_t held_count;
    struct world *w;

    if (!h->is_dirty || !hearthd_cluster_follow(h))
        return;
    held_count = supervise_held(h->supervise, held, &held_full);
    w = world_build(&(struct world_plan){
        .epoch = h->epoch + 1,
        .conf = h->conf,
        .tune = &h->tune,
        .certs = h->certs,
        .scripts = h->scripts,
        .cluster = h->cluster,
        .own_state = (uint8_t)node_life_state(&h->life),
        .is_leaving = node_life_is_leaving(&h->life),
        .can_start_cells = supervise_can_serve(h->supervise),
        .held_count = held_count,
        .held = held,
        .held_full = held_full,
    });
    if (!w) {
        log_line("world", "not built: no memory");
        return;
    }
    h->epoch++;
    h->is_dirty = false;
    world_publish(&h->publisher, w);
    reclaim(h);
    answer_waiting(h);
    if (!h->has_been_ready && supervise_is_ready(h->supervise))
        become_ready(h);
    hearthd_cluster_look(h);
}

void hearthd_reply_when_published(struct hearthd *h, struct ctl_client *client, json_t *reply)
{
    if (h->waiting_count == CTL_CLIENTS_MAX) {
        ctl_reply(client, reply);
    } else {
        h->waiting[h->waiting_count++] =
            (struct waiting_reply){.client = ctl_client_id(client), .reply = reply};
    }
    hearthd_change(h);
}

void hearthd_change(struct hearthd *h)
{
    h->is_dirty = true;
    hearthd_publish(h);
}
