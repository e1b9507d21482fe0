#include "drivers/lacp.h"

#include <assert.h>
#include <string.h>

#define SECOND_NS (1000ull * 1000 * 1000)

enum {
    FAST_S = 1, /* 6.4.4 */
    SLOW_S = 30,
    SHORT_TIMEOUT_S = 3 * FAST_S,

    PRIORITY = 0xffff, /* the partner's decides */
    MAC_BYTES = 6,

    AT_SOURCE = 6,
    AT_TYPE = 12,
    AT_SUBTYPE = 14,
    AT_VERSION = 15,
    AT_ACTOR = 16,
    AT_PARTNER = 36,
    AT_COLLECTOR = 56,
    READ_BYTES = 56, /* as far as it is read; newer versions are longer */

    INFO_BYTES = 20, /* of a TLV, its type and length included */
    COLLECTOR_BYTES = 16,
    MARKER_BYTES = 16,
    SUBTYPE_LACP = 1,
    SUBTYPE_MARKER = 2,
    VERSION = 1,
    TLV_ACTOR = 1,
    TLV_PARTNER = 2,
    TLV_COLLECTOR = 3,
    TLV_MARKER = 1,
    TLV_MARKER_ANSWER = 2,
};

const uint8_t lacp_group[MAC_BYTES] = {0x01, 0x80, 0xc2, 0x00, 0x00, 0x02};

/* ---- the wire ---- */

static void put16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put_info(uint8_t *p, uint8_t type, const struct lacp_info *info)
{
    p[0] = type;
    p[1] = INFO_BYTES;
    put16(p + 2, info->system_priority);
    memcpy(p + 4, info->system, MAC_BYTES);
    put16(p + 10, info->key);
    put16(p + 12, info->port_priority);
    put16(p + 14, info->port);
    p[16] = info->state;
}

static struct lacp_info get_info(const uint8_t *p)
{
    struct lacp_info info = {
        .system_priority = get16(p + 2),
        .key = get16(p + 10),
        .port_priority = get16(p + 12),
        .port = get16(p + 14),
        .state = p[16],
    };

    memcpy(info.system, p + 4, MAC_BYTES);
    return info;
}

/* ---- the machines ---- */

static bool is_same_system(const struct lacp_info *a, const struct lacp_info *b)
{
    return a->system_priority == b->system_priority && !memcmp(a->system, b->system, MAC_BYTES);
}

static bool is_same_port(const struct lacp_info *a, const struct lacp_info *b)
{
    return is_same_system(a, b) && a->key == b->key && a->port_priority == b->port_priority &&
           a->port == b->port;
}

/* Does the port lie with that one, in one aggregator? (6.4.14) */
static bool is_together(const struct lacp_port *p, const struct lacp_port *first)
{
    if (p == first)
        return true;
    return (p->partner.state & first->partner.state & LACP_AGGREGATION) &&
           p->actor.key == first->actor.key && is_same_system(&p->partner, &first->partner) &&
           p->partner.key == first->partner.key;
}

static bool is_heard(const struct lacp_port *p)
{
    return p->receive == LACP_CURRENT;
}

/* What each end has said decides what we are and say. */
static void settle(struct lacp *l)
{
    const struct lacp_port *first = is_heard(&l->port[0]) ? &l->port[0] : &l->port[1];

    for (uint32_t i = 0; i < LACP_PORTS; i++) {
        struct lacp_port *p = &l->port[i];
        uint8_t state = LACP_ACTIVITY | LACP_SHORT_TIMEOUT | LACP_AGGREGATION;

        if (is_heard(p) && is_together(p, first)) {
            state |= LACP_SYNCHRONIZATION;
            if (p->partner.state & LACP_SYNCHRONIZATION)
                state |= LACP_COLLECTING;
            if ((state & LACP_COLLECTING) && (p->partner.state & LACP_COLLECTING))
                state |= LACP_DISTRIBUTING;
        }
        if (p->receive == LACP_EXPIRED)
            state |= LACP_STATE_EXPIRED;
        if (p->receive == LACP_DEFAULTED)
            state |= LACP_STATE_DEFAULTED;
        p->wants_send |= state != p->actor.state;
        p->actor.state = state;
    }
}

static void forget_partner(struct lacp_port *p)
{
    memset(&p->partner, 0, sizeof(p->partner));
}

static void set_receive(struct lacp_port *p, enum lacp_receive receive, uint64_t now_ns)
{
    p->receive = receive;
    switch (receive) {
    case LACP_DOWN:
        forget_partner(p);
        p->has_marker = false;
        break;
    case LACP_EXPIRED: /* asks, and is answered within that time if there is somebody */
        p->partner.state &= (uint8_t)~LACP_SYNCHRONIZATION;
        p->silent_at_ns = now_ns + SHORT_TIMEOUT_S * SECOND_NS;
        p->send_at_ns = now_ns;
        break;
    case LACP_DEFAULTED:
        forget_partner(p);
        break;
    case LACP_CURRENT:
        p->silent_at_ns = now_ns + SHORT_TIMEOUT_S * SECOND_NS;
    }
}

void lacp_init(struct lacp *l, const uint8_t system[MAC_BYTES])
{
    memset(l, 0, sizeof(*l));
    for (uint16_t i = 0; i < LACP_PORTS; i++) {
        struct lacp_info *actor = &l->port[i].actor;
        actor->system_priority = actor->port_priority = PRIORITY;
        actor->port = i + 1u;
        memcpy(actor->system, system, MAC_BYTES);
    }
    settle(l);
}

/* Ports of one key may lie together: so it is the speed's. */
static uint16_t key_of(uint32_t mbps)
{
    uint32_t hundreds = mbps / 100;
    return (uint16_t)(1 + (hundreds < UINT16_MAX - 1 ? hundreds : UINT16_MAX - 1));
}

void lacp_set_link(struct lacp *l, uint32_t port, bool is_up, uint32_t mbps, uint64_t now_ns)
{
    struct lacp_port *p = &l->port[port];

    assert(port < LACP_PORTS);
    if (is_up && p->actor.key != key_of(mbps)) {
        p->actor.key = key_of(mbps);
        p->wants_send = true;
    }
    if (is_up == (p->receive != LACP_DOWN))
        return;
    set_receive(p, is_up ? LACP_EXPIRED : LACP_DOWN, now_ns);
    settle(l);
}

static enum lacp_outcome read_pdu(struct lacp *l, struct lacp_port *p, const uint8_t *frame,
                                  uint64_t now_ns)
{
    const uint8_t told = LACP_ACTIVITY | LACP_SHORT_TIMEOUT | LACP_SYNCHRONIZATION |
                         LACP_AGGREGATION; /* what the partner must know of us (6.4.9) */
    struct lacp_info sender, us;

    if (frame[AT_ACTOR] != TLV_ACTOR || frame[AT_ACTOR + 1] != INFO_BYTES ||
        frame[AT_PARTNER] != TLV_PARTNER || frame[AT_PARTNER + 1] != INFO_BYTES)
        return LACP_BAD;
    sender = get_info(frame + AT_ACTOR);
    us = get_info(frame + AT_PARTNER);
    if (!memcmp(sender.system, p->actor.system, MAC_BYTES))
        return LACP_SELF;

    bool is_known = is_same_port(&us, &p->actor) &&
                    (us.state & LACP_AGGREGATION) == (p->actor.state & LACP_AGGREGATION);
    p->partner = sender;
    /* It is in sync with us only if it means us (6.4.9, recordPDU). */
    if (!is_known && (sender.state & LACP_AGGREGATION))
        p->partner.state &= (uint8_t)~LACP_SYNCHRONIZATION;
    set_receive(p, LACP_CURRENT, now_ns);
    settle(l);
    p->wants_send |= !is_same_port(&us, &p->actor) || ((us.state ^ p->actor.state) & told);
    return LACP_TAKEN;
}

static enum lacp_outcome read_marker(struct lacp_port *p, const uint8_t *frame, size_t bytes)
{
    if (bytes < AT_ACTOR + MARKER_BYTES || frame[AT_ACTOR + 1] != MARKER_BYTES)
        return LACP_BAD;
    if (frame[AT_ACTOR] != TLV_MARKER)
        return LACP_IGNORED;
    memset(p->marker, 0, sizeof(p->marker));
    memcpy(p->marker, frame, AT_ACTOR + MARKER_BYTES);
    p->marker[AT_ACTOR] = TLV_MARKER_ANSWER;
    p->has_marker = true;
    return LACP_MARKER;
}

static enum lacp_outcome read_frame(struct lacp *l, struct lacp_port *p, const uint8_t *frame,
                                    size_t bytes, uint64_t now_ns)
{
    if (bytes <= AT_VERSION || get16(frame + AT_TYPE) != LACP_ETHERTYPE)
        return LACP_BAD;
    if (frame[AT_SUBTYPE] == SUBTYPE_MARKER)
        return read_marker(p, frame, bytes);
    if (frame[AT_SUBTYPE] != SUBTYPE_LACP)
        return LACP_IGNORED;
    /* Of a later version the fields of the first are where they were (6.4.2.4.2). */
    return bytes < READ_BYTES || frame[AT_VERSION] < VERSION ? LACP_BAD
                                                             : read_pdu(l, p, frame, now_ns);
}

enum lacp_outcome lacp_input(struct lacp *l, uint32_t port, const uint8_t *frame, size_t bytes,
                             uint64_t now_ns)
{
    struct lacp_port *p = &l->port[port];

    assert(port < LACP_PORTS);
    if (p->receive == LACP_DOWN)
        return LACP_IGNORED;
    enum lacp_outcome outcome = read_frame(l, p, frame, bytes, now_ns);
    p->received += outcome == LACP_TAKEN;
    p->bad += outcome == LACP_BAD || outcome == LACP_SELF;
    return outcome;
}

void lacp_timeout(struct lacp *l, uint64_t now_ns)
{
    for (uint32_t i = 0; i < LACP_PORTS; i++) {
        struct lacp_port *p = &l->port[i];
        bool is_timed = p->receive == LACP_CURRENT || p->receive == LACP_EXPIRED;

        if (is_timed && now_ns >= p->silent_at_ns)
            set_receive(p, p->receive == LACP_CURRENT ? LACP_EXPIRED : LACP_DEFAULTED, now_ns);
    }
    settle(l);
}

/* ---- to send ---- */

/* At most so many within a fast period (6.4.16). Takes the place of the oldest. */
static bool may_send(struct lacp_port *p, uint64_t now_ns)
{
    uint32_t oldest = (uint32_t)(p->sent % LACP_SENDS_MAX);

    if (p->sent >= LACP_SENDS_MAX && now_ns - p->sent_at_ns[oldest] < FAST_S * SECOND_NS)
        return false;
    p->sent_at_ns[oldest] = now_ns;
    p->sent++;
    return true;
}

/* As often as the partner wants it; where there is none, often: it may be one that waits. */
static uint64_t period_ns(const struct lacp_port *p)
{
    bool is_slow = is_heard(p) && !(p->partner.state & LACP_SHORT_TIMEOUT);
    return (is_slow ? SLOW_S : FAST_S) * SECOND_NS;
}

static void put_pdu(const struct lacp_port *p, uint8_t frame[LACP_FRAME_BYTES])
{
    memset(frame, 0, LACP_FRAME_BYTES);
    frame[AT_SUBTYPE] = SUBTYPE_LACP;
    frame[AT_VERSION] = VERSION;
    put_info(frame + AT_ACTOR, TLV_ACTOR, &p->actor);
    put_info(frame + AT_PARTNER, TLV_PARTNER, &p->partner);
    frame[AT_COLLECTOR] = TLV_COLLECTOR; /* delay 0; behind it the terminator, zeros */
    frame[AT_COLLECTOR + 1] = COLLECTOR_BYTES;
}

bool lacp_output(struct lacp *l, uint32_t port, const uint8_t source[MAC_BYTES],
                 uint8_t frame[LACP_FRAME_BYTES], uint64_t now_ns)
{
    struct lacp_port *p = &l->port[port];

    assert(port < LACP_PORTS);
    if (p->receive == LACP_DOWN || !(p->has_marker || p->wants_send || now_ns >= p->send_at_ns) ||
        !may_send(p, now_ns))
        return false;
    if (p->has_marker) {
        memcpy(frame, p->marker, LACP_FRAME_BYTES);
        p->has_marker = false;
    } else {
        put_pdu(p, frame);
        p->wants_send = false;
        p->send_at_ns = now_ns + period_ns(p);
    }
    memcpy(frame, lacp_group, MAC_BYTES);
    memcpy(frame + AT_SOURCE, source, MAC_BYTES);
    put16(frame + AT_TYPE, LACP_ETHERTYPE);
    return true;
}

/* ---- what follows ---- */

static uint32_t ports_with(const struct lacp *l, uint8_t state)
{
    uint32_t ports = 0;

    for (uint32_t i = 0; i < LACP_PORTS; i++)
        if (l->port[i].actor.state & state)
            ports |= 1u << i;
    return ports;
}

uint32_t lacp_collecting(const struct lacp *l)
{
    return ports_with(l, LACP_COLLECTING);
}

uint32_t lacp_distributing(const struct lacp *l)
{
    return ports_with(l, LACP_DISTRIBUTING);
}
