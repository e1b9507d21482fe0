#include "drivers/port_pair.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An announcement may be lost, or come before the switch forwards. */
#define ANNOUNCE_AGAIN_NS (1000ull * 1000 * 1000)

enum { MAC_BYTES = 6, CACHE_LINE = 64 };

struct pair_queue {
    _Alignas(CACHE_LINE) uint64_t rx_standby;
    uint64_t rx_standby_bytes;
};

struct port_pair {
    struct port base;
    struct port *member[PORT_PAIR_MEMBERS];
    _Atomic uint32_t active;
    _Atomic bool is_other_down; /* the one that is not active has no link */

    /* control's */
    uint64_t failback_ns, switches;
    uint64_t up_since_ns[PORT_PAIR_MEMBERS]; /* 0: it has no link */
    uint32_t epoch_seen;                     /* of the active one */
    uint64_t announce_at_ns;                 /* 0: all is said */
    bool has_looked;

    struct pair_queue queue[PORT_QUEUES_MAX];
};

static struct port_pair *self(struct port *p)
{
    return (struct port_pair *)p; /* base is the first member */
}

static uint32_t active_of(const struct port_pair *p)
{
    return atomic_load_explicit(&p->active, memory_order_acquire);
}

static struct port *active_member(struct port_pair *p)
{
    return p->member[active_of(p)];
}

/* ---- the packet path ---- */

static bool is_to(const struct frame *f, const uint8_t mac[MAC_BYTES])
{
    return f->len >= MAC_BYTES && !memcmp(f->bytes, mac, MAC_BYTES);
}

/* The data plane knows the pair's address only. */
static void readdress(const struct port_pair *p, struct frame *f)
{
    memcpy(f->bytes, p->base.caps.mac, MAC_BYTES);
}

/* Keeps what is for the standby itself, moved to the front; the count is returned. */
static uint16_t keep_own(struct port_pair *p, struct port *standby, uint16_t queue, struct frame *f,
                         uint16_t count)
{
    const bool has_own = memcmp(standby->caps.mac, p->base.caps.mac, MAC_BYTES) != 0;
    struct pair_queue *q = &p->queue[queue];
    uint16_t kept = 0;

    for (uint16_t i = 0; i < count; i++) {
        if (has_own && is_to(&f[i], standby->caps.mac)) {
            readdress(p, &f[i]);
            f[kept++] = f[i];
            continue;
        }
        q->rx_standby++;
        q->rx_standby_bytes += f[i].len;
        port_free(standby, queue, &f[i], 1);
    }
    return kept;
}

/* Both are read even when there is room for none of one's frames: its looks at a pause are there. */
static uint16_t pair_rx(struct port *port, uint16_t queue, struct frame *f, uint16_t count)
{
    struct port_pair *p = self(port);
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

static void pair_free(struct port *port, uint16_t queue, struct frame *f, uint16_t count)
{
    port_free(self(port)->member[0], queue, f, count);
}

static bool pair_tx_alloc(struct port *port, uint16_t queue, struct frame *f)
{
    return port_tx_alloc(active_member(self(port)), queue, f);
}

static bool pair_tx_alloc_large(struct port *port, uint16_t queue, struct frame *f)
{
    return port_tx_alloc_large(active_member(self(port)), queue, f);
}

static void pair_tx(struct port *port, uint16_t queue, struct frame *f, uint16_t count)
{
    port_tx(active_member(self(port)), queue, f, count);
}

/* A core that cannot wait for one of them must not wait. */
static int pair_wait_fds(struct port *port, uint16_t queue, int *fds, int max)
{
    struct port_pair *p = self(port);
    int first = port_wait_fds(p->member[0], queue, fds, max);
    int second = port_wait_fds(p->member[1], queue, fds + first, max - first);

    return first > 0 && second > 0 ? first + second : 0;
}

static void pair_stats(struct port *port, uint16_t queue, struct port_stats *out)
{
    struct port_pair *p = self(port);
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
    out->rx_frames -= p->queue[queue].rx_standby; /* the data plane has not seen them */
    out->rx_bytes -= p->queue[queue].rx_standby_bytes;
}

static void pair_close(struct port *port)
{
    struct port_pair *p = self(port);

    for (int i = 0; i < PORT_PAIR_MEMBERS; i++)
        port_close(p->member[i]);
    free(p);
}

static const struct port_ops pair_ops = {
    .rx = pair_rx,
    .free = pair_free,
    .tx_alloc = pair_tx_alloc,
    .tx_alloc_large = pair_tx_alloc_large,
    .tx = pair_tx,
    .wait_fds = pair_wait_fds,
    .stats = pair_stats,
    .close = pair_close,
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

struct port *port_pair_create(struct port *first, struct port *second, uint64_t failback_ns)
{
    struct port_pair *p = aligned_alloc(CACHE_LINE, sizeof(*p));

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
    p->failback_ns = failback_ns;
    p->epoch_seen = port_epoch(first);
    return &p->base;
}

static bool has_link(const struct port *member)
{
    return member->link.is_up && !member->link.is_released;
}

/* Cores see the new active one no later than that there is something to announce. */
static void make_active(struct port_pair *p, uint32_t member, uint64_t now_ns)
{
    p->switches++;
    p->announce_at_ns = now_ns + ANNOUNCE_AGAIN_NS;
    p->epoch_seen = port_epoch(p->member[member]);
    memcpy(p->base.caps.mac, p->member[member]->caps.mac, MAC_BYTES);
    atomic_store_explicit(&p->active, member, memory_order_release);
    atomic_fetch_add(&p->base.epoch, 1);
}

static uint32_t choose(const struct port_pair *p, uint64_t now_ns)
{
    const uint32_t active = active_of(p);

    if (!has_link(p->member[active]))
        return has_link(p->member[!active]) ? !active : active;
    bool is_first_trusted =
        p->failback_ns > 0 && p->up_since_ns[0] > 0 && now_ns - p->up_since_ns[0] >= p->failback_ns;
    return is_first_trusted ? 0 : active;
}

/* The active one has started anew, perhaps with another address, or its link is back; or what was
 * announced is to be said again. */
static void follow_active(struct port_pair *p, uint64_t now_ns)
{
    const struct port *active = active_member(p);
    const bool is_again = p->announce_at_ns && now_ns >= p->announce_at_ns;

    if (p->epoch_seen == port_epoch(active) && !is_again)
        return;
    if (is_again)
        p->announce_at_ns = 0;
    p->epoch_seen = port_epoch(active);
    memcpy(p->base.caps.mac, active->caps.mac, MAC_BYTES);
    atomic_fetch_add(&p->base.epoch, 1);
}

static void sum_links(struct port_pair *p)
{
    const struct port_link *a = &p->member[0]->link, *b = &p->member[1]->link;
    const struct port_link *active = &active_member(p)->link;
    struct port_link *link = &p->base.link;
    const bool was_up = link->is_up;

    link->is_up = has_link(active_member(p));
    link->speed_mbps = active->speed_mbps;
    link->downs += was_up && !link->is_up;
    link->restarts = a->restarts + b->restarts;
    link->restarts_failed = a->restarts_failed + b->restarts_failed;
    link->is_silent = a->is_silent || b->is_silent;
    link->is_released = a->is_released && b->is_released;
}

enum port_pair_news port_pair_look(struct port *port, uint64_t now_ns)
{
    struct port_pair *p = self(port);
    const bool was_up = port->link.is_up, is_first = !p->has_looked;
    const uint32_t before = active_of(p);

    p->has_looked = true;
    for (int i = 0; i < PORT_PAIR_MEMBERS; i++) {
        if (!has_link(p->member[i]))
            p->up_since_ns[i] = 0;
        else if (p->up_since_ns[i] == 0)
            p->up_since_ns[i] = now_ns;
    }
    const bool is_back = has_link(p->member[before]);
    const uint32_t active = choose(p, now_ns);
    if (active != before)
        make_active(p, active, now_ns);
    follow_active(p, now_ns);
    atomic_store_explicit(&p->is_other_down, !has_link(p->member[!active]), memory_order_relaxed);
    sum_links(p);
    if (active != before)
        return is_back ? PORT_PAIR_FAILED_BACK : PORT_PAIR_SWITCHED;
    if (port->link.is_up == was_up && !is_first)
        return PORT_PAIR_NO_NEWS;
    return port->link.is_up ? PORT_PAIR_FOUND : PORT_PAIR_LOST;
}

uint32_t port_pair_active(const struct port *port)
{
    return active_of((const struct port_pair *)port);
}

uint64_t port_pair_switches(const struct port *port)
{
    return ((const struct port_pair *)port)->switches;
}
