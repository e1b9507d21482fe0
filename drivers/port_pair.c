#include "drivers/port_pair_impl.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* An announcement may be lost, or come before the switch forwards. */
#define ANNOUNCE_AGAIN_NS (1000ull * 1000 * 1000)

static uint32_t active_of(const struct port_pair *p)
{
    return atomic_load_explicit(&p->active, memory_order_acquire);
}

static struct port *active_member(struct port_pair *p)
{
    return p->member[active_of(p)];
}

/* ---- the packet path ---- */

static bool is_to(const struct frame *f, const uint8_t mac[PAIR_MAC_BYTES])
{
    return f->len >= PAIR_MAC_BYTES && !memcmp(f->bytes, mac, PAIR_MAC_BYTES);
}

/* The data plane knows the pair's address only. */
static void readdress(const struct port_pair *p, struct frame *f)
{
    memcpy(f->bytes, p->base.caps.mac, PAIR_MAC_BYTES);
}

/* Keeps what is for the standby itself, moved to the front; the count is returned. */
static uint16_t keep_own(struct port_pair *p, struct port *standby, uint16_t queue, struct frame *f,
                         uint16_t count)
{
    const bool has_own = memcmp(standby->caps.mac, p->base.caps.mac, PAIR_MAC_BYTES) != 0;
    uint16_t kept = 0;

    for (uint16_t i = 0; i < count; i++) {
        if (has_own && is_to(&f[i], standby->caps.mac)) {
            readdress(p, &f[i]);
            f[kept++] = f[i];
            continue;
        }
        p->queue[queue].rx_standby++;
        pair_drop(p, standby, queue, &f[i]);
    }
    return kept;
}

/* Both are read even when there is room for none of one's frames: it looks at a pause there. */
static uint16_t pair_rx(struct port *port, uint16_t queue, struct frame *f, uint16_t count)
{
    struct port_pair *p = pair_self(port);
    const uint32_t active = active_of(p);
    struct port *standby = p->member[!active];
    uint16_t n = port_rx(p->member[active], queue, f, count);

    if (atomic_load_explicit(&p->is_other_down, memory_order_relaxed))
        for (uint16_t i = 0; i < n; i++)
            if (is_to(&f[i], standby->caps.mac))
                readdress(p, &f[i]);
    uint16_t more = port_rx(standby, queue, f + n, count - n);
    return n + keep_own(p, standby, queue, f + n, more);
}

void port_pair_free(struct port *port, uint16_t queue, struct frame *f, uint16_t count)
{
    port_free(pair_self(port)->member[0], queue, f, count);
}

bool port_pair_tx_alloc(struct port *port, uint16_t queue, struct frame *f)
{
    return port_tx_alloc(active_member(pair_self(port)), queue, f);
}

bool port_pair_tx_alloc_large(struct port *port, uint16_t queue, struct frame *f)
{
    return port_tx_alloc_large(active_member(pair_self(port)), queue, f);
}

static void pair_tx(struct port *port, uint16_t queue, struct frame *f, uint16_t count)
{
    port_tx(active_member(pair_self(port)), queue, f, count);
}

/* A core that cannot wait for one of them must not wait. */
int port_pair_wait_fds(struct port *port, uint16_t queue, int *fds, int max)
{
    struct port_pair *p = pair_self(port);
    int first = port_wait_fds(p->member[0], queue, fds, max);
    int second = port_wait_fds(p->member[1], queue, fds + first, max - first);

    return first > 0 && second > 0 ? first + second : 0;
}

void port_pair_stats(struct port *port, uint16_t queue, struct port_stats *out)
{
    struct port_pair *p = pair_self(port);
    struct port_stats s[PORT_PAIR_MEMBERS];

    for (int i = 0; i < PORT_PAIR_MEMBERS; i++)
        port_stats(p->member[i], queue, &s[i]);
#define SUM(count) .count = s[0].count + s[1].count
    *out = (struct port_stats){
        SUM(rx_frames),   SUM(rx_bytes), SUM(tx_frames),    SUM(tx_bytes),    SUM(rx_missed),
        SUM(rx_errors),   SUM(tx_full),  SUM(rx_truncated), SUM(spread_full), SUM(errors_told),
        SUM(errors_kept), SUM(tx_large), SUM(tx_cut),
    };
#undef SUM
    out->rx_standby = p->queue[queue].rx_standby;
    out->rx_frames -= p->queue[queue].rx_unseen;
    out->rx_bytes -= p->queue[queue].rx_unseen_bytes;
}

void port_pair_close(struct port *port)
{
    struct port_pair *p = pair_self(port);

    for (int i = 0; i < PORT_PAIR_MEMBERS; i++)
        port_close(p->member[i]);
    if (p->wake_fd >= 0)
        close(p->wake_fd);
    free(p);
}

static const struct port_ops pair_ops = {
    .rx = pair_rx,
    .free = port_pair_free,
    .tx_alloc = port_pair_tx_alloc,
    .tx_alloc_large = port_pair_tx_alloc_large,
    .tx = pair_tx,
    .wait_fds = port_pair_wait_fds,
    .stats = port_pair_stats,
    .close = port_pair_close,
};

/* ---- control ---- */

/* What both can. */
static struct port_caps caps_of(const struct port_caps *a, const struct port_caps *b)
{
#define LESS(field) (a->field < b->field ? a->field : b->field)
    struct port_caps c = {
        .mtu = LESS(mtu),
        .queues = a->queues,
        .has_rss = a->has_rss && b->has_rss,
        .has_rpc_rules = a->has_rpc_rules && b->has_rpc_rules,
        .has_rx_csum = a->has_rx_csum && b->has_rx_csum,
        .has_tx_csum = a->has_tx_csum && b->has_tx_csum,
        .rx_csum = a->rx_csum & b->rx_csum,
        .tx_csum = a->tx_csum & b->tx_csum,
        .rx_descriptors = LESS(rx_descriptors),
        .tx_descriptors = LESS(tx_descriptors),
        .has_tso = a->has_tso && b->has_tso,
        .has_link = true,
        .has_rx_wait = a->has_rx_wait && b->has_rx_wait,
        .numa_node = a->numa_node == b->numa_node ? a->numa_node : -1,
        .needs = a->needs | b->needs,
    };
#undef LESS
    const bool is_same = !strcmp(a->driver, b->driver);

    snprintf(c.name, sizeof(c.name), "%.30s + %.30s", a->name, b->name);
    snprintf(c.driver, sizeof(c.driver), "%.15s%s%.15s", a->driver, is_same ? "" : "+",
             is_same ? "" : b->driver);
    memcpy(c.mac, a->mac, sizeof(c.mac));
    return c;
}

struct port *port_pair_create(struct port *first, struct port *second,
                              const struct port_pair_config *config)
{
    struct port_pair *p = aligned_alloc(PAIR_CACHE_LINE, sizeof(*p));

    assert(first->caps.queues == second->caps.queues);
    if (!p)
        return NULL;
    memset(p, 0, sizeof(*p));
    p->base.ops = &pair_ops;
    p->base.caps = caps_of(&first->caps, &second->caps);
#define LESS(field) (first->field < second->field ? first->field : second->field)
    p->base.frame_bytes_max = LESS(frame_bytes_max);
    p->base.large_bytes_max = LESS(large_bytes_max);
#undef LESS
    p->member[0] = first;
    p->member[1] = second;
    p->mode = config->mode;
    p->failback_ns = config->failback_ns;
    p->flows = (struct spread){.key = config->flow_key, .queues = PORT_PAIR_MEMBERS};
    p->epoch_seen = port_epoch(first);
    p->wake_fd = -1;
    if (p->mode == PORT_PAIR_LACP && port_pair_lacp_open(p)) {
        free(p);
        return NULL;
    }
    return &p->base;
}

/* Both have the first one's address in mode lacp. */
static const struct port *addressed(struct port_pair *p)
{
    return p->mode == PORT_PAIR_LACP ? p->member[0] : active_member(p);
}

/* Cores see who is active no later than that there is something to announce. */
static void announce(struct port_pair *p)
{
    p->epoch_seen = port_epoch(active_member(p));
    memcpy(p->base.caps.mac, addressed(p)->caps.mac, PAIR_MAC_BYTES);
    atomic_fetch_add(&p->base.epoch, 1);
}

static uint32_t choose(const struct port_pair *p, uint64_t now_ns)
{
    const uint32_t active = active_of(p);

    if (!pair_has_link(p->member[active]))
        return pair_has_link(p->member[!active]) ? !active : active;
    bool is_first_trusted =
        p->failback_ns > 0 && p->up_since_ns[0] > 0 && now_ns - p->up_since_ns[0] >= p->failback_ns;
    return is_first_trusted ? 0 : active;
}

static void sum_links(struct port_pair *p)
{
    const struct port_link *a = &p->member[0]->link, *b = &p->member[1]->link;
    struct port_link *link = &p->base.link;
    const bool was_up = link->is_up;

    link->is_up = pair_has_link(active_member(p));
    link->speed_mbps = 0;
    for (uint32_t i = 0; i < PORT_PAIR_MEMBERS; i++)
        if (port_pair_is_active(&p->base, i))
            link->speed_mbps += p->member[i]->link.speed_mbps;
    link->downs += was_up && !link->is_up;
    link->restarts = a->restarts + b->restarts;
    link->restarts_failed = a->restarts_failed + b->restarts_failed;
    link->is_silent = a->is_silent || b->is_silent;
    link->is_released = a->is_released && b->is_released;
}

static void note_links(struct port_pair *p, uint64_t now_ns)
{
    for (int i = 0; i < PORT_PAIR_MEMBERS; i++) {
        if (!pair_has_link(p->member[i]))
            p->up_since_ns[i] = 0;
        else if (p->up_since_ns[i] == 0)
            p->up_since_ns[i] = now_ns;
    }
}

/* What has become of the members and their order. */
static enum port_pair_news follow_members(struct port_pair *p, uint64_t now_ns)
{
    const uint32_t before = active_of(p), active = choose(p, now_ns);
    const bool is_lacp = p->mode == PORT_PAIR_LACP;

    atomic_store_explicit(&p->active, active, memory_order_release);
    atomic_store_explicit(&p->is_other_down, !pair_has_link(p->member[!active]),
                          memory_order_relaxed);
    if (is_lacp)
        return port_pair_lacp_look(p, now_ns) ? PORT_PAIR_CHANGED : PORT_PAIR_NO_NEWS;
    if (active == before)
        return PORT_PAIR_NO_NEWS;
    return pair_has_link(p->member[before]) ? PORT_PAIR_FAILED_BACK : PORT_PAIR_SWITCHED;
}

enum port_pair_news port_pair_look(struct port *port, uint64_t now_ns)
{
    struct port_pair *p = pair_self(port);
    const bool was_up = port->link.is_up, is_first = !p->has_looked;

    p->has_looked = true;
    note_links(p, now_ns);
    enum port_pair_news news = follow_members(p, now_ns);
    const bool is_again = p->announce_at_ns && now_ns >= p->announce_at_ns;
    if (news != PORT_PAIR_NO_NEWS) {
        p->switches += !is_first;
        p->announce_at_ns = now_ns + ANNOUNCE_AGAIN_NS;
    } else if (is_again) {
        p->announce_at_ns = 0;
    }
    /* Or the active one has started anew, perhaps with another address; or its link is back. */
    if (news != PORT_PAIR_NO_NEWS || is_again || p->epoch_seen != port_epoch(active_member(p)))
        announce(p);
    sum_links(p);
    if (port->link.is_up != was_up && !port->link.is_up)
        return PORT_PAIR_LOST;
    if (news == PORT_PAIR_NO_NEWS && (port->link.is_up != was_up || is_first))
        return port->link.is_up ? PORT_PAIR_FOUND : PORT_PAIR_LOST;
    return news;
}

bool port_pair_is_active(const struct port *port, uint32_t member)
{
    const struct port_pair *p = (const struct port_pair *)port;

    return p->mode == PORT_PAIR_LACP ? atomic_load(&p->sent_by) >> member & 1
                                     : active_of(p) == member;
}

uint64_t port_pair_switches(const struct port *port)
{
    return ((const struct port_pair *)port)->switches;
}
