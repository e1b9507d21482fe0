/* Datagrams of the channels: UDP in and out, handshakes of strangers, and when which channel is
 * looked at. */
#include <assert.h>
#include <string.h>

#include "dataplane/base/least.h"
#include "dataplane/base/mutant.h"
#include "dataplane/base/slice.h"
#include "dataplane/net/ip.h"
#include "dataplane/net/net_wire.h"
#include "dataplane/rpc/peers_parts.h"

enum { UDP_SRC = 0, UDP_DST = 2, UDP_LENGTH = 4, UDP_CHECKSUM = 6 };

/* ---- in ---- */

/* The events of an input or a timeout are over: what they decided is done now. */
static void settle(struct peers *p, struct peers_slot *s)
{
    if (s->is_condemned) {
        peers_slot_drop(p, s);
        return;
    }
    peers_slot_mark(p, s);
}

/* From cheap to expensive: where from, made by whom, how often, who (two X25519), and only then
 * something is remembered. */
static void on_init(struct peers *p, uint16_t node, uint16_t core, const uint8_t *bytes, size_t len,
                    uint64_t now_ns)
{
    struct counters *counters = p->env.counters;
    struct datagram_init init;
    if (p->free_slot == SLOT_NONE && !peers_slot_find(p, node, core, false)) {
        counters->drop_rpc_slot++;
        return;
    }
    if (!datagram_is_sealed(p->seal_key, bytes, len)) {
        counters->drop_rpc_seal++;
        return;
    }
    /* Sealed ones can be sent again by who has seen them: those of one member leave the others
     * theirs. */
    if (!token_bucket_take(&p->peer[node].handshakes, now_ns) ||
        !token_bucket_take(&p->handshakes, now_ns)) {
        counters->drop_rpc_rate++;
        return;
    }
    if (!datagram_open_init(&init, &p->identity, p->secret, bytes, len)) {
        counters->drop_rpc_auth++;
        return;
    }
    const struct peer *peer = &p->peer[node];
    if (init.node_id != peer->id || init.core != core || init.to_core != p->env.index ||
        memcmp(init.static_key, peer->key, NOISE_KEY_BYTES) != 0) {
        noise_fini(&init.noise);
        counters->drop_rpc_auth++;
        return;
    }
    struct peers_slot *s = peers_slot_find(p, node, core, true);
    assert(s); /* there was one */
    counters->rx_rpc++;
    channel_accept(s->channel, &init, now_ns);
    s->connect_ns = now_ns + PEERS_RECONNECT_MS * 1000000ull; /* theirs first */
    settle(p, s);
}

static void on_packet(struct peers *p, uint16_t node, uint16_t core, uint32_t index, uint8_t *bytes,
                      size_t len, uint64_t now_ns)
{
    uint32_t number = index & ((1u << SLOT_BITS) - 1);
    struct peers_slot *s = number < p->capacity ? &p->slot[number] : NULL;
    if (!s || !s->is_used || channel_config(s->channel)->index != index || s->node != node ||
        s->core != core) {
        p->env.counters->drop_rpc_index++;
        return;
    }
    switch (channel_input(s->channel, bytes, len, now_ns)) {
    case CHANNEL_TAKEN:
        p->env.counters->rx_rpc++;
        p->peer[node].heard_ns = now_ns;
        break;
    case CHANNEL_REFUSED_BAD:
        p->env.counters->drop_rpc_bad++;
        return;
    case CHANNEL_REFUSED_NO_SESSION:
        p->env.counters->drop_rpc_index++;
        return;
    case CHANNEL_REFUSED_AUTH:
        p->env.counters->drop_rpc_auth++;
        return;
    case CHANNEL_REFUSED_REPLAY:
        p->env.counters->drop_rpc_replay++;
        return;
    }
    settle(p, s);
}

void peers_input(struct peers *p, const struct net_packet *packet, uint64_t now_ns)
{
    struct counters *counters = p->env.counters;
    uint8_t *udp = (uint8_t *)packet->l4; /* the frame is the core's until port_free */
    uint16_t core, node;
    uint32_t index;
    if (packet->l4_bytes < UDP_BYTES || wire_u16(udp + UDP_LENGTH) < UDP_BYTES ||
        wire_u16(udp + UDP_LENGTH) > packet->l4_bytes) {
        counters->drop_rpc_bad++;
        return;
    }
    size_t len = wire_u16(udp + UDP_LENGTH) - (size_t)UDP_BYTES;
    enum datagram_kind kind = datagram_peek(udp + UDP_BYTES, len, &index);
    if (kind == DATAGRAM_BAD) {
        counters->drop_rpc_bad++;
        return;
    }
    node = peers_node_by_address(p, packet->src, wire_u16(udp + UDP_SRC), &core);
    if (node == NODE_NONE) {
        counters->drop_rpc_auth += !MUTANT(UNACCOUNTED);
        return;
    }
    if (kind == DATAGRAM_INIT)
        on_init(p, node, core, udp + UDP_BYTES, len, now_ns);
    else
        on_packet(p, node, core, index, udp + UDP_BYTES, len, now_ns);
}

/* ---- out ---- */

/* False: not now; try again at blocked_ns. */
static bool send_one(struct peers *p, struct peers_slot *s, uint64_t now_ns)
{
    const struct peer *peer = &p->peer[s->node];
    struct net_route route = {.ecn = 0};
    size_t room;
    memcpy(route.src, p->own_address, 16);
    memcpy(route.dst, peer->address, 16);
    uint8_t *udp = ip_is_ip4(route.src) == ip_is_ip4(route.dst)
                       ? net_begin(p->env.net, &route, PROTOCOL_UDP, &room, now_ns)
                       : NULL;
    if (!udp) {
        s->blocked_ns = now_ns + (UNRESOLVED_MS * 1000000ull << s->blocked_times);
        s->blocked_times += s->blocked_times < UNRESOLVED_DOUBLINGS;
        return false;
    }
    s->blocked_times = 0;
    size_t bytes = channel_output(s->channel, udp + UDP_BYTES, room - UDP_BYTES, now_ns);
    if (bytes == 0) {
        net_end(p->env.net, 0);
        return false;
    }
    wire_put_u16(udp + UDP_SRC, (uint16_t)(p->own_port + p->env.index));
    wire_put_u16(udp + UDP_DST, (uint16_t)(peer->port + s->core));
    wire_put_u16(udp + UDP_LENGTH, (uint16_t)(UDP_BYTES + bytes));
    wire_put_u16(udp + UDP_CHECKSUM, 0); /* the port's (FRAME_TX_UDP) */
    net_end(p->env.net, UDP_BYTES + bytes);
    return true;
}

void peers_slot_say_goodbye(struct peers *p, struct peers_slot *s)
{
    uint64_t now_ns = peers_now(p);
    channel_close(s->channel, now_ns);
    (void)send_one(p, s, now_ns); /* if it is lost, silence says the same */
}

static uint64_t deadline_of(const struct peers *p, const struct peers_slot *s)
{
    uint64_t due = channel_deadline(s->channel);
    if (s->is_open)
        due = min_u64(due, s->state_ns);
    else if (!s->is_always)
        due = min_u64(due, s->born_ns + ON_CALL_OPEN_MS * 1000000ull);
    if (!s->is_open && channel_state(s->channel) == CHANNEL_CLOSED && !p->is_gone)
        due = min_u64(due, s->connect_ns);
    if (s->blocked_ns == 0)
        return due;
    /* What is to be said is said then; and as nothing can be sent before, what is due waits too. */
    bool has_output = channel_has_output(s->channel, peers_now(p));
    return has_output || s->blocked_ns > due ? s->blocked_ns : due;
}

/* Says, connects and sends what this channel can now. False: the slot is free. */
static bool run_slot(struct peers *p, struct peers_slot *s, uint64_t now_ns, uint32_t *sent)
{
    uint32_t number = peers_slot_number(p, s);
    if (!s->is_used)
        return false;
    if (s->is_condemned) {
        peers_slot_drop(p, s);
        return s->is_used;
    }
    if (!s->is_open && !s->is_always &&
        (s->was_open || now_ns >= s->born_ns + ON_CALL_OPEN_MS * 1000000ull)) {
        peers_slot_free(p, s);
        return false;
    }
    if (!s->is_open && !p->is_gone && channel_state(s->channel) == CHANNEL_CLOSED &&
        now_ns >= s->connect_ns) {
        s->connect_ns = now_ns + PEERS_RECONNECT_MS * 1000000ull;
        channel_connect(s->channel, now_ns);
    }
    bool is_more = false;
    if (s->is_open) {
        peers_control_run(p, s, now_ns); /* what we are goes before what we hand over */
        is_more = peers_handover_run_slot(p, s);
        peers_control_run(p, s, now_ns);
    }
    uint32_t burst = 0;
    if (now_ns >= s->blocked_ns) {
        s->blocked_ns = 0;
        while (burst < OUTPUT_BURST && channel_has_output(s->channel, now_ns) &&
               send_one(p, s, now_ns))
            burst++;
    }
    *sent += burst;
    if (is_more || burst == OUTPUT_BURST)
        peers_slot_mark(p, s);
    p->deadline_ns[number] = deadline_of(p, s);
    p->next_ns = min_u64(p->next_ns, p->deadline_ns[number]);
    return true;
}

/* ---- the run ---- */

static void on_due(struct peers *p, struct peers_slot *s, uint64_t now_ns)
{
    if (now_ns >= channel_deadline(s->channel)) {
        channel_timeout(s->channel, now_ns);
        if (s->is_condemned)
            peers_slot_drop(p, s);
    }
    if (s->is_open && now_ns >= s->state_ns)
        s->wants |= WANT_STATE;
    if (s->is_used)
        peers_slot_mark(p, s);
}

/* A few hundred words in a row, some thousand times a second: less than a heap would cost to keep.
 * The slice is for a day when many channels go down at once. */
static void run_deadlines(struct peers *p, uint64_t now_ns)
{
    struct slice slice = slice_of(p->env.clock, CORE_SLICE_UNITS);
    p->next_ns = UINT64_MAX;
    for (uint32_t i = 0; i < p->capacity; i++) {
        if (p->deadline_ns[i] <= now_ns && slice_take(&slice))
            on_due(p, &p->slot[i], now_ns);
        else
            p->next_ns = min_u64(p->next_ns, p->deadline_ns[i]);
    }
}

/* What becomes dirty while we are at it waits for the next iteration; ahead of it, what the slice
 * had no time for. */
static uint32_t run_dirty(struct peers *p, uint64_t now_ns)
{
    struct slice slice = slice_of(p->env.clock, CORE_SLICE_UNITS);
    uint32_t number = p->dirty_first, last = p->dirty_last, work = 0;
    p->dirty_first = p->dirty_last = SLOT_NONE;
    while (number != SLOT_NONE && slice_take(&slice)) {
        struct peers_slot *s = &p->slot[number];
        number = s->next_dirty;
        s->is_dirty = false;
        run_slot(p, s, now_ns, &work);
    }
    if (number != SLOT_NONE) {
        p->slot[last].next_dirty = p->dirty_first;
        if (p->dirty_first == SLOT_NONE)
            p->dirty_last = last;
        p->dirty_first = number;
    }
    return work;
}

uint32_t peers_run(struct peers *p, uint64_t now_ns)
{
    uint32_t work = 0;
    if (p->env.notes)
        work += peers_control_notes(p);
    work += peers_handover_run(p, now_ns);
    peers_release_run(p, now_ns);
    if (now_ns >= p->next_ns)
        run_deadlines(p, now_ns);
    return work + run_dirty(p, now_ns);
}

uint64_t peers_next_ns(const struct peers *p)
{
    uint64_t now_ns = peers_now(p);
    if (p->dirty_first != SLOT_NONE)
        return now_ns;
    return min_u64(min_u64(p->next_ns, peers_release_next_ns(p)),
                   peers_handover_next_ns(p, now_ns));
}

void peers_leave(struct peers *p, uint64_t now_ns)
{
    uint8_t goaway[RECORD_HEADER_BYTES];
    size_t bytes = record_write_empty(goaway, sizeof(goaway), RECORD_GOAWAY);
    p->is_gone = true;
    for (uint32_t i = 0; i < p->capacity; i++) {
        struct peers_slot *s = &p->slot[i];
        if (!s->is_used || !s->is_open || !peers_control_say(p, s, goaway, bytes))
            continue;
        while (channel_has_output(s->channel, now_ns) && send_one(p, s, now_ns))
            ;
    }
}
