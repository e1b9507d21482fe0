/* Datagrams that no member meant: each is refused for the cheapest reason there is, counted once, and changes nothing. */
#include "tests/unit/dataplane/rpc/peers_rig.h"

#include "dataplane/net_wire.h"
#include "drivers/csum.h"

enum { UDP_AT = ETHER_BYTES + IP4_BYTES, RPC_AT = UDP_AT + 8, FRAME_MAX = 1600 };

struct seen {
    uint8_t bytes[FRAME_MAX];
    uint32_t len; /* of the last DATA datagram from node 1 to node 0 */
};

static bool keep_data(void *arg, uint8_t *frame, uint32_t len, uint32_t from, uint32_t to)
{
    struct seen *s = arg;
    if (from == 1 && to == 0 && len > RPC_AT && len <= FRAME_MAX &&
        frame[ETHER_BYTES + IP4_PROTOCOL] == PROTOCOL_UDP && frame[RPC_AT] == 3) {
        memcpy(s->bytes, frame, len);
        s->len = len;
    }
    return true;
}

static void write_ip_checksum(uint8_t *ip)
{
    wire_put_u16(ip + IP4_CHECKSUM, 0);
    uint16_t sum = (uint16_t)~csum_add(0, ip, IP4_BYTES); /* in memory order */
    memcpy(ip + IP4_CHECKSUM, &sum, sizeof(sum));
}

/* A datagram to node 0, without a UDP checksum. */
static uint32_t make_frame(struct rig *r, uint8_t *frame, uint8_t host, uint16_t port,
                           const uint8_t *payload, uint32_t bytes)
{
    uint8_t *ip = frame + ETHER_BYTES, *udp = frame + UDP_AT;
    memset(frame, 0, RPC_AT);
    memcpy(frame, r->c.node[0].mac, 6);
    memcpy(frame + ETHER_SRC, r->c.node[1].mac, 6);
    wire_put_u16(frame + ETHER_TYPE, ETHERTYPE_IP4);
    ip[0] = 0x45;
    wire_put_u16(ip + IP4_LENGTH, (uint16_t)(IP4_BYTES + 8 + bytes));
    ip[IP4_TTL] = 64;
    ip[IP4_PROTOCOL] = PROTOCOL_UDP;
    memcpy(ip + IP4_SRC, (uint8_t[]){10, 0, 0, host}, 4);
    memcpy(ip + IP4_DST, r->c.node[0].ip + 12, 4);
    write_ip_checksum(ip);
    wire_put_u16(udp, port);
    wire_put_u16(udp + 2, CLUSTER_PORT);
    wire_put_u16(udp + 4, (uint16_t)(8 + bytes));
    memcpy(frame + RPC_AT, payload, bytes);
    return RPC_AT + bytes;
}

enum payload {
    NOTHING,
    NOISE,         /* no header */
    INIT,          /* an init's length and header, nothing behind */
    DATA_NOWHERE,  /* data for an index that was never given */
    DATA_OF_OTHER, /* a datagram of node 1 as it was, from somewhere else */
    DATA_AGAIN,    /* a datagram of node 1, again */
    DATA_BENT,     /* one bit of its ciphertext is another */
};

static uint32_t make_payload(enum payload kind, const struct seen *seen, uint8_t *out)
{
    uint32_t bytes = seen->len - RPC_AT;
    memset(out, 0x5a, FRAME_MAX);
    memcpy(out, seen->bytes + RPC_AT, bytes);
    switch (kind) {
    case NOTHING:
        return 0;
    case NOISE:
        memset(out, 0x5a, 64);
        return 64;
    case INIT:
        memset(out, 0, 200);
        out[0] = 1;
        out[7] = 9;
        return 8 + NOISE_INIT_BYTES + 12;
    case DATA_NOWHERE:
        out[4] ^= 0x55;
        return bytes;
    case DATA_BENT:
        out[bytes - 20] ^= 1;
        out[15] += 10; /* a number that is new */
        return bytes;
    default:
        return bytes;
    }
}

#define AT(name) offsetof(struct counters, name)

static void what_no_member_sent_is_refused_and_counted(void **state)
{
    static const struct {
        const char *description;
        uint8_t host;
        uint16_t port;
        enum payload payload;
        size_t counter;
    } row[] = {
        {"an empty datagram", 2, CLUSTER_PORT, NOTHING, AT(drop_rpc_bad)},
        {"no header of ours", 2, CLUSTER_PORT, NOISE, AT(drop_rpc_bad)},
        {"an init from a stranger's address", 99, CLUSTER_PORT, INIT, AT(drop_rpc_auth)},
        {"an init from a member's address and a foreign port", 2, 999, INIT, AT(drop_rpc_auth)},
        {"an init from a member's address that does not open", 2, CLUSTER_PORT, INIT,
         AT(drop_rpc_auth)},
        {"an init that says it comes from ourselves", 1, CLUSTER_PORT, INIT, AT(drop_ip_source)},
        {"data from a stranger's address", 99, CLUSTER_PORT, DATA_OF_OTHER, AT(drop_rpc_auth)},
        {"data from another member's address", 3, CLUSTER_PORT, DATA_OF_OTHER, AT(drop_rpc_index)},
        {"data for an index that was never given", 2, CLUSTER_PORT, DATA_NOWHERE,
         AT(drop_rpc_index)},
        {"data, again", 2, CLUSTER_PORT, DATA_AGAIN, AT(drop_rpc_replay)},
        {"data with one bit changed", 2, CLUSTER_PORT, DATA_BENT, AT(drop_rpc_auth)},
    };
    struct rig *r = rig_start(3, 3);
    struct seen seen = {.len = 0};
    sim_switch_set_tap(r->c.net, keep_data, &seen);
    rig_run(r, 300);
    assert_true(seen.len > RPC_AT);
    sim_switch_cut(r->c.net, 1, true); /* so that what was seen stays the last */
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        uint8_t frame[FRAME_MAX], payload[FRAME_MAX];
        uint32_t bytes = make_payload(row[i].payload, &seen, payload);
        uint32_t len = make_frame(r, frame, row[i].host, row[i].port, payload, bytes);
        const uint64_t *counter =
            (const uint64_t *)((const char *)&core_of(r, 0)->counters + row[i].counter);
        uint64_t before = *counter;
        sim_switch_inject(r->c.net, frame, len);
        rig_run(r, 1);
        if (*counter != before + 1)
            fail_msg("%s: %lu, not %lu", row[i].description, (unsigned long)*counter,
                     (unsigned long)before + 1);
    }
    assert_int_equal(peers_state(peers_of(r, 0), 2), NODE_SERVING);
    rig_free(r);
}

static void handshakes_are_opened_at_a_limited_rate(void **state)
{
    enum { FLOOD = 1000 };
    struct rig *r = rig_start(3, 3);
    struct seen seen = {.len = RPC_AT};
    uint8_t frame[FRAME_MAX], payload[FRAME_MAX];
    uint32_t bytes = make_payload(INIT, &seen, payload);
    uint32_t len = make_frame(r, frame, 2, CLUSTER_PORT, payload, bytes);
    uint64_t before = core_of(r, 0)->counters.drop_rpc_auth;
    for (uint32_t i = 0; i < FLOOD; i++) {
        sim_switch_inject(r->c.net, frame, len);
        rig_run(r, 1);
    }
    const struct counters *c = &core_of(r, 0)->counters;
    uint64_t opened = c->drop_rpc_auth - before;
    /* A full bucket, and a second's worth; those of members that are connected cost nothing. */
    assert_in_range(opened, CHANNEL_HANDSHAKES_PER_S, 3 * CHANNEL_HANDSHAKES_PER_S);
    assert_int_equal(c->drop_rpc_rate, FLOOD - opened);
    assert_int_equal(peers_state(peers_of(r, 0), 1), NODE_SERVING);
    assert_int_equal(c->rpc_down, 0);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_member_sent_is_refused_and_counted),
        cmocka_unit_test(handshakes_are_opened_at_a_limited_rate),
    };
    return cmocka_run_group_tests(tests, start_engine, NULL);
}
