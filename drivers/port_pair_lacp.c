/* port_pair_lacp.c: both members send and receive, as their partner agrees to. */
#include "drivers/port_pair_impl.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BOTH = (1 << PORT_PAIR_MEMBERS) - 1, AT_TYPE = 12, HEADER_BYTES = 14 };

static bool is_slow(const struct frame *f)
{
    return f->len >= HEADER_BYTES && f->bytes[AT_TYPE] == LACP_ETHERTYPE >> 8 &&
           f->bytes[AT_TYPE + 1] == (LACP_ETHERTYPE & 0xff);
}

/* ---- the packet path ---- */

/* For control's next look; one that comes before that is lost: each says all. */
static void keep_slow(struct port_pair *p, uint32_t member, const struct frame *f)
{
    struct pair_box *box = &p->in[member];

    if (atomic_load_explicit(&box->is_full, memory_order_acquire))
        return;
    box->bytes = (uint16_t)(f->len < LACP_FRAME_BYTES ? f->len : LACP_FRAME_BYTES);
    memcpy(box->frame, f->bytes, box->bytes);
    atomic_store_explicit(&box->is_full, true, memory_order_release);
}

static void send_slow(struct port_pair *p, uint32_t member)
{
    struct pair_box *box = &p->out[member];
    struct frame f;

    if (!atomic_load_explicit(&box->is_full, memory_order_acquire) ||
        !port_tx_alloc(p->member[member], 0, &f))
        return;
    memcpy(f.bytes, box->frame, box->bytes);
    f.len = box->bytes;
    atomic_store_explicit(&box->is_full, false, memory_order_release);
    port_tx(p->member[member], 0, &f, 1);
}

static uint16_t keep_data(struct port_pair *p, uint32_t member, uint16_t queue, struct frame *f,
                          uint16_t count)
{
    const bool is_taken = atomic_load_explicit(&p->taken_from, memory_order_relaxed) >> member & 1;
    uint16_t kept = 0;

    for (uint16_t i = 0; i < count; i++) {
        const bool is_control = is_slow(&f[i]);

        if (is_taken && !is_control) {
            f[kept++] = f[i];
            continue;
        }
        if (is_control && queue == 0)
            keep_slow(p, member, &f[i]);
        p->queue[queue].rx_standby += !is_control;
        pair_drop(p, p->member[member], queue, &f[i]);
    }
    return kept;
}

/* Both have work, so they take turns in being first. */
static uint16_t lacp_rx(struct port *port, uint16_t queue, struct frame *f, uint16_t count)
{
    struct port_pair *p = pair_self(port);
    uint32_t turn = p->queue[queue].turn++;
    uint16_t n = 0;

    for (uint32_t i = 0; i < PORT_PAIR_MEMBERS; i++) {
        const uint32_t member = (turn + i) % PORT_PAIR_MEMBERS;

        if (queue == 0)
            send_slow(p, member);
        uint16_t more = port_rx(p->member[member], queue, f + n, count - n);
        n += keep_data(p, member, queue, f + n, more);
    }
    return n;
}

static void tx_both(struct port_pair *p, uint16_t queue, const struct frame *f, uint16_t count)
{
    struct frame of[PORT_PAIR_MEMBERS][PORT_BURST];
    uint16_t n[PORT_PAIR_MEMBERS] = {0};

    for (uint16_t i = 0; i < count; i++) {
        const uint16_t member = spread_queue(&p->flows, f[i].bytes, f[i].len);
        of[member][n[member]++] = f[i];
    }
    for (int i = 0; i < PORT_PAIR_MEMBERS; i++)
        if (n[i] > 0)
            port_tx(p->member[i], queue, of[i], n[i]);
}

static void lacp_tx(struct port *port, uint16_t queue, struct frame *f, uint16_t count)
{
    struct port_pair *p = pair_self(port);
    const uint32_t by = atomic_load_explicit(&p->sent_by, memory_order_relaxed);

    if (by != BOTH) {
        port_tx(p->member[by == 2], queue, f, count);
        return;
    }
    for (uint16_t n; count > 0; f += n, count -= n) {
        n = count < PORT_BURST ? count : PORT_BURST;
        tx_both(p, queue, f, n);
    }
}

static void ring(struct port_pair *p)
{
    const uint64_t one = 1;
    ssize_t wrote = write(p->wake_fd, &one, sizeof(one));

    assert(wrote == sizeof(one)); /* an eventfd blocks only near 2^64 */
}

/* Control fills the box, then rings; we take what rang, then look into the box. */
static int lacp_wait_fds(struct port *port, uint16_t queue, int *fds, int max)
{
    struct port_pair *p = pair_self(port);
    int n = port_pair_wait_fds(port, queue, fds, max - 1);
    uint64_t rung;

    if (queue != 0 || n == 0)
        return n;
    ssize_t ignored = read(p->wake_fd, &rung, sizeof(rung));
    (void)ignored; /* there need not have been one */
    for (uint32_t i = 0; i < PORT_PAIR_MEMBERS; i++)
        if (atomic_load(&p->out[i].is_full))
            ring(p);
    fds[n] = p->wake_fd;
    return n + 1;
}

const struct port_ops port_pair_lacp_ops = {
    .rx = lacp_rx,
    .free = port_pair_free,
    .tx_alloc = port_pair_tx_alloc,
    .tx_alloc_large = port_pair_tx_alloc_large,
    .tx = lacp_tx,
    .wait_fds = lacp_wait_fds,
    .stats = port_pair_stats,
    .close = port_pair_close,
};

/* ---- control ---- */

int port_pair_lacp_open(struct port_pair *p)
{
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->wake_fd < 0)
        return -errno;
    p->base.ops = &port_pair_lacp_ops;
    atomic_store(&p->taken_from, 1);
    atomic_store(&p->sent_by, 1);
    lacp_init(&p->lacp, p->base.caps.mac);
    return 0;
}

static void hear(struct port_pair *p, uint32_t member, uint64_t now_ns)
{
    struct pair_box *box = &p->in[member];

    if (!atomic_load_explicit(&box->is_full, memory_order_acquire))
        return;
    lacp_input(&p->lacp, member, box->frame, box->bytes, now_ns);
    atomic_store_explicit(&box->is_full, false, memory_order_release);
}

static void speak(struct port_pair *p, uint32_t member, uint64_t now_ns)
{
    struct pair_box *box = &p->out[member];

    if (atomic_load_explicit(&box->is_full, memory_order_acquire) ||
        !lacp_output(&p->lacp, member, p->member[member]->caps.mac, box->frame, now_ns))
        return;
    box->bytes = LACP_FRAME_BYTES;
    atomic_store(&box->is_full, true);
    ring(p);
}

bool port_pair_lacp_look(struct port_pair *p, uint64_t now_ns)
{
    for (uint32_t i = 0; i < PORT_PAIR_MEMBERS; i++) {
        const struct port *m = p->member[i];
        lacp_set_link(&p->lacp, i, pair_has_link(m), m->link.speed_mbps, now_ns);
        hear(p, i, now_ns);
    }
    lacp_timeout(&p->lacp, now_ns);
    for (uint32_t i = 0; i < PORT_PAIR_MEMBERS; i++)
        speak(p, i, now_ns);

    const uint32_t alone = 1u << atomic_load(&p->active), before = atomic_load(&p->sent_by);
    uint32_t from = lacp_collecting(&p->lacp), by = lacp_distributing(&p->lacp);
    if (by == 0)
        by = from ? from & -from : alone; /* the lower one */
    atomic_store(&p->taken_from, from | by);
    atomic_store(&p->sent_by, by);
    /* The one that counts as active has a link if any has. */
    if (!(by & alone))
        atomic_store(&p->active, by == 2);
    return by != before;
}

struct port_pair_partner port_pair_partner(const struct port *port, uint32_t member)
{
    const struct port_pair *p = (const struct port_pair *)port;
    const struct lacp_port *l = &p->lacp.port[member];
    const uint8_t state = l->actor.state;
    struct port_pair_partner out = {
        .is_heard = l->receive == LACP_CURRENT,
        .key = l->partner.key,
        .received = l->received,
        .sent = l->sent,
        .bad = l->bad,
    };

    memcpy(out.system, l->partner.system, sizeof(out.system));
    out.state = l->receive == LACP_DOWN           ? "no link"
                : l->receive == LACP_EXPIRED      ? "asks"
                : l->receive == LACP_DEFAULTED    ? "no partner"
                : !(state & LACP_SYNCHRONIZATION) ? "another partner"
                : !(state & LACP_COLLECTING)      ? "in sync"
                : !(state & LACP_DISTRIBUTING)    ? "collecting"
                                                  : "distributing";
    return out;
}
