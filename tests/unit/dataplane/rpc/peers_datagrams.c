/* Datagrams that no member meant: each is refused for the cheapest reason there is, counted once,
 * and changes nothing. */
#include "tests/unit/dataplane/rpc/peers_rig.h"

#include "dataplane/net/net_wire.h"
#include "dataplane/rpc/channel_packet.h"
#include "dataplane/rpc/peers.h"
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

/* A datagram to that node, without a UDP checksum. */
static uint32_t make_frame(struct rig *r, uint8_t *frame, uint32_t to, uint8_t host, uint16_t port,
                           const uint8_t *payload, uint32_t bytes)
{
    uint8_t *ip = frame + ETHER_BYTES, *udp = frame + UDP_AT;
    memset(frame, 0, RPC_AT);
    memcpy(frame, r->c.node[to].mac, 6);
    memcpy(frame + ETHER_SRC, r->c.node[2].mac, 6);
    wire_put_u16(frame + ETHER_TYPE, ETHERTYPE_IP4);
    ip[0] = 0x45;
    wire_put_u16(ip + IP4_LENGTH, (uint16_t)(IP4_BYTES + 8 + bytes));
    ip[IP4_TTL] = 64;
    ip[IP4_PROTOCOL] = PROTOCOL_UDP;
    memcpy(ip + IP4_SRC, (uint8_t[]){10, 0, 0, host}, 4);
    memcpy(ip + IP4_DST, r->c.node[to].ip + 12, 4);
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
    SEALED_INIT,   /* the same, sealed */
    DATA_NOWHERE,  /* data for an index that was never given */
    DATA_OF_OTHER, /* a datagram of node 1 as it was, from somewhere else */
    DATA_AGAIN,    /* a datagram of node 1, again */
    DATA_BENT,     /* one bit of its ciphertext is another */
};

/* As a member would. */
static void seal(const struct rig *r, uint32_t to, uint8_t *init)
{
    uint8_t key[NOISE_SEAL_KEY_BYTES];
    noise_seal_key(key, r->c.secret, r->c.node[to].identity.public_key);
    init_seal(init + INIT_SEALED_BYTES, key, init);
}

static uint32_t make_payload(const struct rig *r, uint32_t to, enum payload kind,
                             const struct seen *seen, uint8_t *out)
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
    case SEALED_INIT:
        memset(out, 0, 200);
        out[0] = 1;
        out[7] = 9;
        if (kind == SEALED_INIT)
            seal(r, to, out);
        return INIT_BYTES;
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
        {"an init from a member's address without a seal", 2, CLUSTER_PORT, INIT,
         AT(drop_rpc_seal)},
        {"an init from a member's address that is sealed and does not open", 2, CLUSTER_PORT,
         SEALED_INIT, AT(drop_rpc_auth)},
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
        uint32_t bytes = make_payload(r, 0, row[i].payload, &seen, payload);
        uint32_t len = make_frame(r, frame, 0, row[i].host, row[i].port, payload, bytes);
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

static void flood(struct rig *r, uint32_t to, uint8_t host, enum payload kind, uint32_t count)
{
    struct seen seen = {.len = RPC_AT};
    uint8_t frame[FRAME_MAX], payload[FRAME_MAX];
    uint32_t bytes = make_payload(r, to, kind, &seen, payload);
    uint32_t len = make_frame(r, frame, to, host, CLUSTER_PORT, payload, bytes);
    for (uint32_t i = 0; i < count; i++)
        sim_switch_inject(r->c.net, frame, len);
}

static void handshakes_are_opened_at_a_limited_rate(void **state)
{
    enum { SECONDS = 2, EACH_MS = 2 };
    static const struct {
        const char *description;
        enum payload payload;
        uint8_t hosts;
        uint32_t per_s, burst; /* 0: none is opened */
    } row[] = {
        {"of no member", INIT, 1, 0, 0},
        {"of one member", SEALED_INIT, 1, CHANNEL_HANDSHAKES_OF_MEMBER_PER_S,
         CHANNEL_HANDSHAKES_OF_MEMBER_BURST},
        {"of all members", SEALED_INIT, 15, CHANNEL_HANDSHAKES_PER_S, CHANNEL_HANDSHAKES_PER_S},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct rig *r = rig_start(16, 1);
        const struct counters *c = &core_of(r, 0)->counters;
        rig_run(r, 10);
        for (uint32_t ms = 0; ms < 1000 * SECONDS; ms++) {
            flood(r, 0, (uint8_t)(2 + ms % row[i].hosts), row[i].payload, EACH_MS);
            rig_run(r, 1);
        }
        uint64_t all = 1000 * SECONDS * EACH_MS, opened = c->drop_rpc_auth;
        if (opened < row[i].per_s * SECONDS || opened > row[i].burst + row[i].per_s * (SECONDS + 1))
            fail_msg("%s: %lu opened", row[i].description, (unsigned long)opened);
        assert_int_equal(c->drop_rpc_seal + c->drop_rpc_rate + opened, all);
        assert_int_equal(c->drop_rpc_seal, row[i].payload == INIT ? all : 0);
        rig_free(r);
    }
}

/* In whose name they come, and whatever they are; each of the two that want to meet gets as many.
 * */
static void a_flood_of_inits_keeps_no_other_member_out(void **state)
{
    enum { JOIN_MS = 1000, EACH_TICK = 4 }; /* 40,000 a second */
    static const struct {
        const char *description;
        enum payload payload;
        bool
            is_of_other; /* in the name of node 2, who is not there; else of the other of the two */
    } row[] = {
        {"by a stranger, in the names of both", INIT, false},
        {"by a stranger, in another member's name", INIT, true},
        {"of another member's, sent again", SEALED_INIT, true},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct rig *r = rig_start(3, 1);
        uint64_t starts_ns = sim_now_ns + JOIN_MS * 1000000ull;
        bool is_in = false, is_up = false;
        while (!is_in && sim_now_ns < starts_ns + JOIN_MS * 1000000ull) {
            if (!is_up && sim_now_ns >= starts_ns) {
                cluster_start(&r->c, 1);
                is_up = true;
            }
            flood(r, 0, row[i].is_of_other ? 3 : 2, row[i].payload, EACH_TICK);
            flood(r, 1, row[i].is_of_other ? 3 : 1, row[i].payload, EACH_TICK);
            cluster_work(&r->c);
            cluster_advance(&r->c, 0);
            is_in = is_up && peers_state(peers_of(r, 0), 1) != NODE_DOWN;
        }
        if (!is_in)
            fail_msg("%s: it is out for more than %u ms", row[i].description, JOIN_MS);
        rig_free(r);
    }
}

/* Nine members whose machines are off: nobody answers the queries for their MACs. */
static void members_without_a_mac_are_tried_less_and_less(void **state)
{
    enum { NODES = 10, SECONDS = 5, TRIES_PER_S = 8 };
    struct rig *r = rig_start(NODES, 1);
    const struct counters *c = &core_of(r, 0)->counters;
    rig_run(r, 1000);
    uint64_t before = c->net_unresolved;
    rig_run(r, 1000 * SECONDS);
    assert_in_range(c->net_unresolved - before, 1, (NODES - 1) * SECONDS * TRIES_PER_S);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_member_sent_is_refused_and_counted),
        cmocka_unit_test(handshakes_are_opened_at_a_limited_rate),
        cmocka_unit_test(a_flood_of_inits_keeps_no_other_member_out),
        cmocka_unit_test(members_without_a_mac_are_tried_less_and_less),
    };
    return cmocka_run_group_tests(tests, start_engine, NULL);
}
