#include "tests/sim/sim_switch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "drivers/rng.h"

enum { ETHER_BYTES = 14, UDP_CHECKSUM_AT = ETHER_BYTES + 20 + 6, IP_PROTOCOL_AT = ETHER_BYTES + 9 };

struct station {
    struct port_sim_wire *wire;
    struct port *port; /* the switch's end */
    uint8_t mac[6];
};

struct sim_switch {
    const struct clock *clock;
    struct rng rng;
    uint16_t mtu;
    double corrupt;
    sim_switch_tap tap;
    void *tap_arg;
    uint32_t count;
    struct station station[SIM_SWITCH_PORTS_MAX];
    bool blocked[SIM_SWITCH_PORTS_MAX][SIM_SWITCH_PORTS_MAX]; /* from, to */
};

struct sim_switch *sim_switch_create(const struct clock *clock, uint64_t seed, uint16_t mtu)
{
    struct sim_switch *w = calloc(1, sizeof(*w));
    assert(w);
    w->clock = clock;
    w->mtu = mtu;
    w->rng.state = rng_mix(seed);
    return w;
}

void sim_switch_destroy(struct sim_switch *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        port_sim_wire_destroy(w->station[i].wire);
    free(w);
}

void sim_switch_set_tap(struct sim_switch *w, sim_switch_tap tap, void *arg)
{
    w->tap = tap;
    w->tap_arg = arg;
}

void sim_switch_set_corrupt(struct sim_switch *w, double probability)
{
    w->corrupt = probability;
}

struct port *sim_switch_plug(struct sim_switch *w, const uint8_t mac[6],
                             struct port_sim_faults faults)
{
    static const uint8_t own_mac[6] = {2, 0, 0, 0, 0xff, 0xff};
    assert(w->count < SIM_SWITCH_PORTS_MAX);
    struct station *s = &w->station[w->count++];
    s->wire = port_sim_wire_create(w->clock, rng_next(&w->rng), w->mtu, faults, faults);
    s->port = port_sim_end(s->wire, 0, own_mac);
    memcpy(s->mac, mac, 6);
    return port_sim_end(s->wire, 1, mac);
}

struct port *sim_switch_replug(struct sim_switch *w, uint32_t station)
{
    return port_sim_end(w->station[station].wire, 1, w->station[station].mac);
}

void sim_switch_block(struct sim_switch *w, uint32_t from, uint32_t to, bool is_blocked)
{
    w->blocked[from][to] = is_blocked;
}

bool sim_switch_is_blocked(const struct sim_switch *w, uint32_t from, uint32_t to)
{
    return from < SIM_SWITCH_PORTS_MAX && to < SIM_SWITCH_PORTS_MAX && w->blocked[from][to];
}

void sim_switch_cut(struct sim_switch *w, uint32_t station, bool is_cut)
{
    for (uint32_t i = 0; i < w->count; i++)
        w->blocked[station][i] = w->blocked[i][station] = is_cut;
}

static uint32_t destination(const struct sim_switch *w, const uint8_t *frame)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (memcmp(w->station[i].mac, frame, 6) == 0)
            return i;
    }
    return SIM_SWITCH_PORTS_MAX;
}

static void send_to(struct sim_switch *w, uint32_t from, uint32_t to, const uint8_t *frame,
                    uint32_t len)
{
    struct frame out;
    struct port *port = w->station[to].port;
    if (sim_switch_is_blocked(w, from, to) || !port_tx_alloc(port, 0, &out))
        return;
    assert(len <= port->frame_bytes_max);
    memcpy(out.bytes, frame, len);
    out.len = len;
    port_tx(port, 0, &out, 1);
}

static void deliver(struct sim_switch *w, uint32_t from, const uint8_t *frame, uint32_t len)
{
    uint32_t to = destination(w, frame);
    if (to != SIM_SWITCH_PORTS_MAX) {
        send_to(w, from, to, frame, len);
        return;
    }
    for (uint32_t i = 0; i < w->count; i++) {
        if (i != from)
            send_to(w, from, i, frame, len);
    }
}

void sim_switch_inject(struct sim_switch *w, const uint8_t *frame, uint32_t len)
{
    deliver(w, SIM_SWITCH_PORTS_MAX, frame, len);
}

/* One bit; half of the UDP datagrams then go without the checksum that would tell. False: a frame
 * check stops it. */
static bool corrupt(struct sim_switch *w, uint8_t *frame, uint32_t len)
{
    bool is_ip4 = frame[12] == 0x08 && frame[13] == 0x00;
    if (!rng_chance(&w->rng, w->corrupt))
        return true;
    if (!is_ip4 || len <= UDP_CHECKSUM_AT + 2 || rng_chance(&w->rng, 0.3))
        return false;
    if (frame[IP_PROTOCOL_AT] == 17 && rng_chance(&w->rng, 0.5)) {
        uint64_t bit = rng_below(&w->rng, (len - UDP_CHECKSUM_AT - 2) * 8ull);
        frame[UDP_CHECKSUM_AT] = frame[UDP_CHECKSUM_AT + 1] = 0;
        frame[UDP_CHECKSUM_AT + 2 + bit / 8] ^= (uint8_t)(1u << bit % 8);
        return true;
    }
    uint64_t bit = rng_below(&w->rng, (len - ETHER_BYTES) * 8ull);
    frame[ETHER_BYTES + bit / 8] ^= (uint8_t)(1u << bit % 8);
    return true;
}

uint32_t sim_switch_work(struct sim_switch *w)
{
    struct frame frame[PORT_BURST];
    uint32_t total = 0;
    for (uint32_t i = 0; i < w->count; i++) {
        uint16_t count;
        while ((count = port_rx(w->station[i].port, 0, frame, PORT_BURST)) > 0) {
            for (uint16_t k = 0; k < count; k++) {
                uint8_t *bytes = frame[k].bytes;
                uint32_t len = frame[k].len;
                bool is_dropped = len < ETHER_BYTES || (w->tap && !w->tap(w->tap_arg, bytes, len, i,
                                                                          destination(w, bytes)));
                if (!is_dropped && corrupt(w, bytes, len))
                    deliver(w, i, bytes, len);
            }
            port_free(w->station[i].port, 0, frame, count);
            total += count;
        }
    }
    return total;
}

uint64_t sim_switch_next_ns(const struct sim_switch *w)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < w->count; i++) {
        uint64_t at = port_sim_next_ns(w->station[i].wire);
        if (at < next)
            next = at;
    }
    return next;
}
