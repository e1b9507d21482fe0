#include "dataplane/net/hop.h"

#include <string.h>

#include "dataplane/net/ip.h"
#include "dataplane/net/net.h"

static const uint64_t ms_ns = 1000000;

enum {
    HOP_PATIENCE_MS = NEIGHBOUR_QUERIES_MAX * NEIGHBOUR_QUERY_INTERVAL_MS,
    HOPS_GATEWAYS = 2, /* one of each family */
};

/* Whoever comes back from a hop that is known or lost, while others still wait there for their
 * turn, begins another wait. */
static struct hop *find(struct hops *h, const uint8_t ip[16])
{
    for (uint32_t i = 0; i < h->end; i++)
        if (h->hop[i].state == HOP_ASKED && memcmp(h->hop[i].ip, ip, 16) == 0)
            return &h->hop[i];
    return NULL;
}

static struct hop *ask(struct hops *h, const struct net *net, const uint8_t ip[16], uint64_t now_ns)
{
    bool is_gateway = ip_equal(ip, net->config.gateway4) || ip_equal(ip, net->config.gateway6);
    uint32_t i = 0;

    if (h->count >= (is_gateway ? HOPS_MAX : HOPS_MAX - HOPS_GATEWAYS))
        return NULL;
    while (h->hop[i].state != HOP_FREE)
        i++;
    if (h->count++ == 0) { /* net_begin has just looked, and asked */
        h->look_ns = now_ns + NEIGHBOUR_QUERY_INTERVAL_MS * ms_ns;
        h->learned = neighbours_learned(net->neighbours);
    }
    if (i >= h->end)
        h->end = i + 1;
    h->hop[i] = (struct hop){.state = HOP_ASKED, .since_ns = now_ns};
    memcpy(h->hop[i].ip, ip, 16);
    return &h->hop[i];
}

static void forget(struct hops *h, struct hop *hop)
{
    h->told -= hop->state != HOP_ASKED;
    hop->state = HOP_FREE;
    h->count--;
    while (h->end > 0 && h->hop[h->end - 1].state == HOP_FREE)
        h->end--;
}

static bool stand_in(struct age_list *list, struct age_link *waiter)
{
    if (waiter->list != list) {
        age_remove(waiter);
        age_add(list, waiter);
    }
    return true;
}

bool hops_wait(struct hops *h, const struct net *net, struct age_link *waiter, uint64_t now_ns)
{
    if (net->blocked.why == NET_NO_BUFFER) {
        if (h->unbuffered.count == 0)
            h->buffer_ns = now_ns + HOPS_BUFFER_MS * ms_ns;
        return stand_in(&h->unbuffered, waiter);
    }

    bool is_lost = net->blocked.why == NET_NO_ROUTE;
    struct hop *hop = is_lost ? NULL : find(h, net->blocked.hop);

    if (!hop && !is_lost)
        hop = ask(h, net, net->blocked.hop, now_ns);
    if (!hop) {
        age_remove(waiter);
        return false;
    }
    return stand_in(&hop->waiters, waiter);
}

static void resolve_asked(struct hops *h, struct net *net, uint64_t now_ns)
{
    h->learned = neighbours_learned(net->neighbours);
    h->look_ns = now_ns + NEIGHBOUR_QUERY_INTERVAL_MS * ms_ns;
    for (uint32_t i = 0; i < h->end; i++) {
        struct hop *hop = &h->hop[i];

        if (hop->state != HOP_ASKED)
            continue;
        if (hop->waiters.count == 0) { /* they have left */
            forget(h, hop);
            continue;
        }
        if (net_resolve(net, hop->ip, now_ns))
            hop->state = HOP_KNOWN;
        else if (now_ns - hop->since_ns >= HOP_PATIENCE_MS * ms_ns)
            hop->state = HOP_LOST;
        h->told += hop->state != HOP_ASKED;
    }
}

static struct age_link *take_oldest(struct age_list *list)
{
    struct age_link *waiter = list->oldest;

    if (waiter)
        age_remove(waiter);
    return waiter;
}

static struct age_link *next_unbuffered(struct hops *h, uint64_t now_ns)
{
    if (h->unbuffered.count > 0 && now_ns >= h->buffer_ns) {
        h->buffer_ns = now_ns + HOPS_BUFFER_MS * ms_ns;
        h->buffer_turns = HOPS_BUFFER_WAITERS;
    }
    if (h->buffer_turns == 0)
        return NULL;

    struct age_link *waiter = take_oldest(&h->unbuffered);

    h->buffer_turns = waiter ? h->buffer_turns - 1 : 0;
    return waiter;
}

struct age_link *hops_next(struct hops *h, struct net *net, uint64_t now_ns, bool *is_lost)
{
    *is_lost = false;
    if (h->count > 0 && (now_ns >= h->look_ns || h->learned != neighbours_learned(net->neighbours)))
        resolve_asked(h, net, now_ns);
    for (uint32_t i = 0; h->told > 0 && i < h->end; i++) {
        struct hop *hop = &h->hop[i];

        if (hop->state != HOP_KNOWN && hop->state != HOP_LOST)
            continue;

        struct age_link *waiter = take_oldest(&hop->waiters);

        *is_lost = hop->state == HOP_LOST;
        if (hop->waiters.count == 0)
            forget(h, hop);
        if (waiter)
            return waiter;
    }
    *is_lost = false;
    return next_unbuffered(h, now_ns);
}

uint64_t hops_next_ns(const struct hops *h, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    if (h->told > 0 || h->buffer_turns > 0)
        return now_ns;
    if (h->unbuffered.count > 0)
        next_ns = h->buffer_ns;
    if (h->count > 0 && now_ns + HOPS_LOOK_MS * ms_ns < next_ns)
        next_ns = now_ns + HOPS_LOOK_MS * ms_ns;
    return h->count > 0 && h->look_ns < next_ns ? h->look_ns : next_ns;
}
