/* port_dpdk_io.c: the packet path of port_dpdk. Nothing here allocates but from the port's own
 * pools. */
#include "drivers/port_dpdk_impl.h"

#include <assert.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "drivers/csum.h"
#include "drivers/gso.h"

enum { PREFETCH_AHEAD = 4, LOCK_SPINS = 64 };

static struct port_dpdk *self(struct port *p)
{
    return (struct port_dpdk *)p; /* base is the first member */
}

/* Hardware's verdict where it gave one, our own otherwise. */
static enum frame_rx_csum rx_verdict(const struct port_dpdk *p, const struct rte_mbuf *m)
{
    const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *);
    uint64_t ip = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
    uint64_t l4 = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

    if (!p->base.caps.rx_csum)
        return csum_verify(bytes, m->pkt_len);
    if (ip == RTE_MBUF_F_RX_IP_CKSUM_BAD)
        return FRAME_CSUM_BAD_IP;
    if (l4 == RTE_MBUF_F_RX_L4_CKSUM_BAD)
        return FRAME_CSUM_BAD_L4;
    /* NONE: a neighbour on this machine has left it to a card that there is not, and the bytes are
     * as it has them (virtio). */
    if (l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD || l4 == RTE_MBUF_F_RX_L4_CKSUM_NONE)
        return ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD ? FRAME_CSUM_GOOD
                                                 : csum_verify_ip(bytes, m->pkt_len);
    return ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD ? csum_verify_l4(bytes, m->pkt_len)
                                             : csum_verify(bytes, m->pkt_len);
}

/* Some PFs strip the tags of their VFs' frames and leave them no say: igb's does. Whoever is on
 * that VLAN sees frames as they were sent. */
static void put_tag_back(struct rte_mbuf *m)
{
    uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *tagged;
    const uint8_t tag[4] = {0x81, 0x00, (uint8_t)(m->vlan_tci >> 8), (uint8_t)m->vlan_tci};

    if (m->pkt_len < 2 * RTE_ETHER_ADDR_LEN)
        return;
    tagged = (uint8_t *)rte_pktmbuf_prepend(m, sizeof(tag)); /* into the headroom */
    if (!tagged)
        return;
    memmove(tagged, frame, 2 * RTE_ETHER_ADDR_LEN);
    memcpy(tagged + 2 * RTE_ETHER_ADDR_LEN, tag, sizeof(tag));
}

static void expect(const struct port_dpdk *p, const struct rte_mbuf *m)
{
    const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *);
    if (p->base.caps.rx_csum)
        rte_prefetch0(bytes);
    else
        csum_expect(bytes, m->data_len);
}

/* Of a frame that its driver has cut: into the first one's room, which holds any frame. */
static bool is_one_piece(const struct port_dpdk *p, struct rte_mbuf *m)
{
    return m->pkt_len <= p->base.frame_bytes_max &&
           (m->nb_segs == 1 || rte_pktmbuf_linearize(m) == 0);
}

/* Turns mbufs into frames; returns how many. Frames above the MTU are merged ones (GRO) or come
 * from a neighbour with another MTU; AF_PACKET would even cut them short in silence. */
static uint16_t deliver(const struct port_dpdk *p, struct lane *l, struct rte_mbuf **mbufs,
                        uint16_t count, struct frame *frames)
{
    uint16_t n = 0;
    for (uint16_t i = 0; i < count && i < CSUM_EXPECT_AHEAD; i++)
        expect(p, mbufs[i]);
    for (uint16_t i = 0; i < count; i++) {
        struct rte_mbuf *m = mbufs[i];
        if (i + CSUM_EXPECT_AHEAD < count)
            expect(p, mbufs[i + CSUM_EXPECT_AHEAD]);
        if (p->vlan != 0 && m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)
            put_tag_back(m);
        if (!is_one_piece(p, m)) {
            l->stats.rx_truncated++;
            rte_pktmbuf_free(m);
            continue;
        }
        l->stats.rx_frames++;
        l->stats.rx_bytes += m->pkt_len;
        frames[n++] = (struct frame){
            .bytes = rte_pktmbuf_mtod(m, uint8_t *),
            .len = m->pkt_len,
            .rx_csum = (uint8_t)rx_verdict(p, m),
            .handle = m,
        };
    }
    return n;
}

/* Wakes the lane's core if it said that it may sleep, and has not been woken since. */
static void wake(struct lane *l)
{
    if (atomic_load_explicit(&l->may_sleep, memory_order_relaxed) &&
        atomic_exchange(&l->may_sleep, 0)) {
        uint64_t one = 1;
        ssize_t wrote = write(l->wake_fd, &one, sizeof(one));
        assert(wrote == sizeof(one)); /* an eventfd blocks only near 2^64 */
    }
}

/* Puts frames into another core's inbox. */
static void hand_over(struct lane *from, struct lane *to, struct rte_mbuf **mbufs, uint16_t count)
{
    uint16_t put = (uint16_t)rte_ring_enqueue_burst(to->inbox, (void **)mbufs, count, NULL);
    if (put < count) {
        from->stats.spread_full += count - put;
        rte_pktmbuf_free_bulk(mbufs + put, count - put);
    }
    /* The sleeper sets may_sleep, then looks into the inbox; we fill the inbox, then look at
     * may_sleep. With a full fence on both sides at least one of us sees the other. */
    atomic_thread_fence(memory_order_seq_cst);
    wake(to);
}

/* Is there time for so many copies? A bucket of tokens, kept as the time at which it is full. */
static bool can_copy(struct lane *l, uint32_t copies)
{
    const uint64_t cost = rte_get_tsc_hz() / PORT_DPDK_COPIES_PER_S,
                   burst = cost * PORT_DPDK_COPIES_BURST, now = rte_get_tsc_cycles();
    uint64_t paid = RTE_MAX(l->copies_paid, now > burst ? now - burst : 0);

    if (paid > now)
        return false;
    l->copies_paid = paid + cost * copies;
    return true;
}

/* The frame itself stays with lane `me`. */
static void show_to_others(struct port_dpdk *p, uint16_t me, const struct rte_mbuf *m)
{
    struct lane *l = &p->lane[me];

    if (!can_copy(l, p->lanes - 1u)) {
        l->stats.errors_kept++;
        return;
    }
    for (uint16_t q = 0; q < p->lanes; q++) {
        struct rte_mbuf *copy = q == me ? NULL : rte_pktmbuf_copy(m, l->pool, 0, UINT32_MAX);
        if (copy)
            hand_over(l, &p->lane[q], &copy, 1);
        else if (q != me)
            l->stats.spread_full++;
    }
    l->stats.errors_told++;
}

static uint16_t owner_of(struct port_dpdk *p, uint16_t me, const struct rte_mbuf *m)
{
    const uint8_t *bytes = rte_pktmbuf_mtod(m, const uint8_t *);
    uint16_t owner = me;

    if (p->hand_over == HAND_OVER_ALL)
        return spread_queue(&p->spread, bytes, m->data_len);
    if (spread_detour(&p->spread, bytes, m->data_len, &owner) == SPREAD_TO_ALL)
        show_to_others(p, me, m);
    return owner;
}

/* Keeps what belongs to lane `me` (moved to the front; the count is returned) and hands over the
 * rest. */
static uint16_t spread(struct port_dpdk *p, uint16_t me, struct rte_mbuf **mbufs, uint16_t count)
{
    uint16_t owner[PORT_BURST], kept = 0;
    struct rte_mbuf *batch[PORT_BURST];
    uint64_t others = 0;

    for (uint16_t i = 0; i < count; i++) {
        const struct rte_mbuf *m = mbufs[i];
        if (i + PREFETCH_AHEAD < count)
            rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + PREFETCH_AHEAD], void *));
        owner[i] = owner_of(p, me, m);
        if (owner[i] != me)
            others |= 1ull << owner[i];
    }
    for (; others; others &= others - 1) {
        uint16_t to = (uint16_t)__builtin_ctzll(others), n = 0;
        for (uint16_t i = 0; i < count; i++)
            if (owner[i] == to)
                batch[n++] = mbufs[i];
        hand_over(&p->lane[me], &p->lane[to], batch, n);
    }
    for (uint16_t i = 0; i < count; i++)
        if (owner[i] == me)
            mbufs[kept++] = mbufs[i];
    return kept;
}

/* No driver says that its interrupts do not come. Frames that are found after a long sleep, which
 * nothing has ended but time, are judged: after a short one the interrupt may be on its way. */
static void judge_interrupts(struct lane *l)
{
    struct pollfd fds[PORT_DPDK_FDS_MAX], other = {.fd = l->wake_fd, .events = POLLIN};

    if (rte_get_tsc_cycles() - l->armed_at < rte_get_tsc_hz() / 1000 * PORT_DPDK_SLEEP_JUDGED_MS ||
        poll(&other, 1, 0) != 0)
        return;
    for (int i = 0; i < l->device_fd_count; i++)
        fds[i] = (struct pollfd){.fd = l->device_fds[i], .events = POLLIN};
    if (poll(fds, (nfds_t)l->device_fd_count, 0) != 0)
        l->silences = 0;
    else if (++l->silences == PORT_DPDK_SILENCES_MAX)
        atomic_store_explicit(&l->is_deaf, true, memory_order_relaxed);
}

static uint16_t read_device(struct port_dpdk *p, uint16_t queue, struct frame *frames,
                            uint16_t count)
{
    struct lane *l = &p->lane[queue];
    struct rte_mbuf *mbufs[PORT_BURST];
    uint16_t read = 1, delivered = 0;
    bool has_read = false;

    /* Reading only for others looks idle from outside, so go on for a while: the device must not
     * overflow meanwhile. */
    for (int burst = 0; read > 0 && delivered == 0 && burst < PORT_DPDK_BURSTS; burst++) {
        read = 0;
        for (uint16_t d = l->rx_first; d < l->rx_end && delivered < count; d += l->rx_step) {
            uint16_t n = rte_eth_rx_burst(p->port_id, d, mbufs, count - delivered);
            read += n;
            has_read |= n > 0;
            if (p->hand_over)
                n = spread(p, queue, mbufs, n);
            delivered += deliver(p, l, mbufs, n, frames + delivered);
        }
    }
    if (has_read && l->is_interrupt_armed)
        judge_interrupts(l);
    return delivered;
}

/* The device is being stopped: nothing of it may be touched. */
static bool is_pausing(const struct port_dpdk *p)
{
    return atomic_load_explicit(&p->pause, memory_order_acquire) & 1;
}

static uint16_t dpdk_rx(struct port *port, uint16_t queue, struct frame *frames, uint16_t count)
{
    struct port_dpdk *p = self(port);
    struct lane *l = &p->lane[queue];
    struct rte_mbuf *mbufs[PORT_BURST];
    uint16_t n = 0;

    if (unlikely(is_pausing(p))) {
        l->is_interrupt_armed = false;
        atomic_store_explicit(&l->paused, atomic_load(&p->pause), memory_order_release);
        return 0;
    }
    count = RTE_MIN(count, (uint16_t)PORT_BURST);
    if (!p->hand_over) {
        n = read_device(p, queue, frames, count);
    } else {
        /* Half for the inbox where there is a device to read as well, so that neither starves. */
        bool has_device = l->rx_first < l->rx_end;
        uint16_t share = has_device && count > 1 ? count / 2 : count;
        n = (uint16_t)rte_ring_dequeue_burst(l->inbox, (void **)mbufs, share, NULL);
        n = deliver(p, l, mbufs, n, frames);
        if (has_device)
            n += read_device(p, queue, frames + n, count - n);
    }
    if (n > 0 && l->is_interrupt_armed) {
        for (uint16_t d = l->rx_first; d < l->rx_end; d += l->rx_step)
            rte_eth_dev_rx_intr_disable(p->port_id, d);
        l->is_interrupt_armed = false;
    }
    return n;
}

static void dpdk_free(struct port *port, uint16_t queue, struct frame *frames, uint16_t count)
{
    struct rte_mbuf *mbufs[PORT_BURST];
    while (count > 0) {
        uint16_t n = RTE_MIN(count, (uint16_t)PORT_BURST);
        for (uint16_t i = 0; i < n; i++)
            mbufs[i] = frames[i].handle;
        rte_pktmbuf_free_bulk(mbufs, n);
        frames += n;
        count -= n;
    }
}

static bool dpdk_tx_alloc(struct port *port, uint16_t queue, struct frame *f)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(self(port)->lane[queue].pool);
    if (!m)
        return false;
    *f = (struct frame){.bytes = rte_pktmbuf_mtod(m, uint8_t *), .handle = m};
    return true;
}

static bool dpdk_tx_alloc_large(struct port *port, uint16_t queue, struct frame *f)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(self(port)->large_pool);
    if (!m)
        return false;
    *f = (struct frame){.bytes = rte_pktmbuf_mtod(m, uint8_t *), .handle = m};
    return true;
}

/* Tells the hardware what to compute, and computes the rest. It wants the pseudo-header's sum in
 * the TCP or UDP field. */
static void ask_hardware(const struct port_dpdk *p, struct rte_mbuf *m, struct frame *f)
{
    const uint8_t can = p->base.caps.tx_csum;
    uint8_t *ip = f->bytes + f->l3_offset;
    bool is_v4 = ip[0] >> 4 == 4;

    if (f->tx_csum == FRAME_TX_NONE)
        return;
    if ((f->tx_csum == FRAME_TX_TCP && !(can & PORT_CSUM_TCP)) ||
        (f->tx_csum == FRAME_TX_UDP && !(can & PORT_CSUM_UDP)) ||
        (f->tx_csum == FRAME_TX_IP && !(can & PORT_CSUM_IP4))) {
        csum_fill(f); /* a header is not worth a question of its own */
        return;
    }
    if (is_v4 && !(can & PORT_CSUM_IP4))
        csum_fill_ip(f);
    m->l2_len = f->l3_offset;
    m->l3_len = (is_v4 && f->tx_csum == FRAME_TX_IP ? (ip[0] & 15u) * 4
                                                    : (uint32_t)(f->l4_offset - f->l3_offset));
    m->ol_flags |= is_v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
    if (is_v4 && can & PORT_CSUM_IP4)
        m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
    if (f->tx_csum == FRAME_TX_IP)
        return;

    bool is_tcp = f->tx_csum == FRAME_TX_TCP;
    uint16_t sum = csum_pseudo(ip, is_tcp ? IPPROTO_TCP : IPPROTO_UDP, f->len - f->l4_offset);
    memcpy(f->bytes + f->l4_offset + (is_tcp ? CSUM_AT_TCP : CSUM_AT_UDP), &sum, sizeof(sum));
    m->ol_flags |= is_tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
}

/* A core that shares its CPU with another may find the holder off the CPU: let it run. */
static void lock_tx(rte_spinlock_t *lock)
{
    for (int spins = 0; !rte_spinlock_trylock(lock); spins++) {
        if (spins < LOCK_SPINS)
            rte_pause();
        else
            sched_yield();
    }
}

/* leaves: how many frames the device makes of each. */
static void send_burst(struct port_dpdk *p, struct lane *l, struct rte_mbuf **mbufs,
                       const uint32_t *leaves, uint16_t count)
{
    uint16_t sent = 0;
    bool is_closed = is_pausing(p);

    if (l->tx_lock)
        lock_tx(l->tx_lock);
    for (int tries = 0; !is_closed && sent < count && tries < PORT_DPDK_TX_TRIES; tries++) {
        uint16_t n = rte_eth_tx_burst(p->port_id, l->tx_queue, mbufs + sent, count - sent);
        if (n == 0)
            rte_pause();
        sent += n;
    }
    if (l->tx_lock)
        rte_spinlock_unlock(l->tx_lock);
    if (sent < count) {
        for (uint16_t i = sent; i < count; i++)
            l->stats.tx_bytes -= mbufs[i]->pkt_len;
        rte_pktmbuf_free_bulk(mbufs + sent, count - sent);
    }
    for (uint16_t i = 0; i < count; i++)
        *(i < sent ? &l->stats.tx_frames : &l->stats.tx_full) += leaves[i];
}

/* What the device needs to know of it. False: it does not go this way. */
static bool prepare(struct port_dpdk *p, struct lane *l, struct frame *f)
{
    struct rte_mbuf *m = f->handle;

    l->stats.tx_large += f->gso_size > 0;
    if (f->gso_size)
        return l->large_fd < 0 && port_dpdk_ask_tso(p, l, f);
    m->data_len = (uint16_t)f->len;
    m->pkt_len = f->len;
    if (p->base.caps.tx_csum)
        ask_hardware(p, m, f);
    else
        csum_fill(f);
    return true;
}

static void dpdk_tx(struct port *port, uint16_t queue, struct frame *frames, uint16_t count)
{
    struct port_dpdk *p = self(port);
    struct lane *l = &p->lane[queue];
    struct rte_mbuf *mbufs[PORT_BURST];
    uint32_t leaves[PORT_BURST]; /* frames for each of them */
    uint16_t n = 0;

    for (uint16_t i = 0; i < count; i++) {
        struct frame *f = &frames[i];
        assert(f->len > 0 &&
               f->len <= (f->gso_size ? port->large_bytes_max : port->frame_bytes_max));
        if (!prepare(p, l, f)) {
            send_burst(p, l, mbufs, leaves, n); /* in order */
            n = 0;
            port_dpdk_send_large(p, l, f);
            continue;
        }
        l->stats.tx_bytes += gso_wire_bytes(f);
        leaves[n] = gso_count(f);
        mbufs[n++] = f->handle;
        if (n == PORT_BURST) {
            send_burst(p, l, mbufs, leaves, n);
            n = 0;
        }
    }
    if (n > 0)
        send_burst(p, l, mbufs, leaves, n);
}

/* Makes wake_fd tell of frames from now on, those included that are there already. */
static void arm(struct port_dpdk *p, struct lane *l)
{
    uint64_t old;
    ssize_t ignored = read(l->wake_fd, &old, sizeof(old));
    (void)ignored; /* there need not have been a wake-up */
    atomic_store(&l->may_sleep, 1);
    atomic_thread_fence(memory_order_seq_cst); /* pairs with hand_over */
    bool has_frames = l->inbox && !rte_ring_empty(l->inbox);

    if (p->has_interrupts) {
        for (int i = 0; i < l->device_fd_count; i++) {
            ignored = read(l->device_fds[i], &old, sizeof(old));
            (void)ignored;
        }
        for (uint16_t d = l->rx_first; d < l->rx_end; d += l->rx_step) {
            rte_eth_dev_rx_intr_enable(p->port_id, d);
            has_frames |= rte_eth_rx_queue_count(p->port_id, d) > 0;
        }
        l->is_interrupt_armed = true;
        l->armed_at = rte_get_tsc_cycles();
    }
    if (has_frames)
        wake(l);
}

static int dpdk_wait_fds(struct port *port, uint16_t queue, int *fds, int max)
{
    struct port_dpdk *p = self(port);
    struct lane *l = &p->lane[queue];
    int n = 0;

    if (!port->caps.has_rx_wait || is_pausing(p) ||
        atomic_load_explicit(&l->is_deaf, memory_order_relaxed))
        return 0;
    for (int i = 0; i < l->device_fd_count && n < max; i++) {
        fds[n++] = l->device_fds[i];
        /* An interface that went down leaves an error on the socket, readable for ever: take it. */
        int error;
        socklen_t bytes = sizeof(error);
        if (p->is_af_packet)
            getsockopt(l->device_fds[i], SOL_SOCKET, SO_ERROR, &error, &bytes);
    }
    if (l->wake_fd >= 0 && n < max) {
        arm(p, l);
        fds[n++] = l->wake_fd;
    }
    return n;
}

static void dpdk_stats(struct port *port, uint16_t queue, struct port_stats *out)
{
    struct port_dpdk *p = self(port);
    struct rte_eth_stats device;

    *out = p->lane[queue].stats;
    if (queue != 0)
        return;
    /* What the device lost belongs to no queue that we know of: lane 0 tells it for all. */
    if (rte_eth_stats_get(p->port_id, &device) == 0) {
        out->rx_missed += device.imissed + device.rx_nombuf;
        out->rx_errors += device.ierrors;
    }
    if (p->is_af_packet) {
        for (uint16_t q = 0; q < p->lanes; q++) {
            for (int i = 0; i < p->lane[q].device_fd_count; i++) {
                struct tpacket_stats s = {0};
                socklen_t bytes = sizeof(s);
                if (getsockopt(p->lane[q].device_fds[i], SOL_PACKET, PACKET_STATISTICS, &s,
                               &bytes) == 0)
                    p->packet_drops += s.tp_drops;
            }
        }
        out->rx_missed += p->packet_drops;
    }
}

static void dpdk_close(struct port *port)
{
    port_dpdk_destroy(self(port));
}

const struct port_ops port_dpdk_ops = {
    .rx = dpdk_rx,
    .free = dpdk_free,
    .tx_alloc = dpdk_tx_alloc,
    .tx_alloc_large = dpdk_tx_alloc_large,
    .tx = dpdk_tx,
    .wait_fds = dpdk_wait_fds,
    .stats = dpdk_stats,
    .close = dpdk_close,
};
