/* A cluster that grows while it runs: one whole core among hundreds of members, of which there is
 * only what its channels need.
 *
 *   node 0: a core with few slots --- switch --- the farm: every member at one address, each with
 * ports of its own;
 *                                               a channel for each core of theirs that node 0 has
 * spoken to
 */
#include "tests/unit/dataplane/rpc/peers_rig.h"

#include "dataplane/net/net_wire.h"
#include "drivers/csum.h"

enum {
    MEMBERS_FIRST = 10,
    MEMBERS_STEP = 29,
    MEMBERS_LAST = 300,
    CORES = 4,       /* of each member but node 0 */
    SLOTS_ALL = 320, /* of node 0: one for each member, and some */
    BUSY = 5,        /* channels on call with a stream */
    PORT_FIRST = 8000,
    FARM_STREAMS = 64,
    FARM_CHUNKS = 8192,
    UDP_AT = ETHER_BYTES + IP4_BYTES,
    RPC_AT = UDP_AT + 8,
    FRAME_MAX = 1600,
};

struct light { /* one core of a member */
    struct channel *channel;
    uint64_t index;
    struct stream *stream; /* a call that it has begun; NULL: none */
    bool is_open;
    bool refuses, is_mute; /* asked whether the channel may end, it says no, or nothing */
    uint32_t asked;
    uint8_t answered; /* enum record_release: what node 0 said to its own question */
};

struct farm {
    struct rig *rig;
    struct world_member *list; /* node 0 is the first */
    struct noise_identity identity[MEMBERS_LAST];
    struct light light[MEMBERS_LAST][CORES];
    struct chunk_pool chunks;
    struct stream_pool *streams;
    struct counters counters;
    void *chunk_memory, *ring;
    uint32_t lives;
};

static struct farm *farm;

/* ---- frames ---- */

static void send_datagram(uint32_t member, uint32_t core, const uint8_t *payload, size_t bytes)
{
    const struct cluster *c = &farm->rig->c;
    uint8_t frame[FRAME_MAX] = {0}, *ip = frame + ETHER_BYTES, *udp = frame + UDP_AT;
    memcpy(frame, c->node[0].mac, 6);
    memcpy(frame + ETHER_SRC, c->node[1].mac, 6);
    wire_put_u16(frame + ETHER_TYPE, ETHERTYPE_IP4);
    ip[0] = 0x45;
    wire_put_u16(ip + IP4_LENGTH, (uint16_t)(IP4_BYTES + 8 + bytes));
    ip[IP4_TTL] = 64;
    ip[IP4_PROTOCOL] = PROTOCOL_UDP;
    memcpy(ip + IP4_SRC, c->node[1].ip + 12, 4);
    memcpy(ip + IP4_DST, c->node[0].ip + 12, 4);
    uint16_t sum = (uint16_t)~csum_add(0, ip, IP4_BYTES);
    memcpy(ip + IP4_CHECKSUM, &sum, sizeof(sum));
    wire_put_u16(udp, (uint16_t)(farm->list[member].port + core));
    wire_put_u16(udp + 2, CLUSTER_PORT);
    wire_put_u16(udp + 4, (uint16_t)(8 + bytes));
    memcpy(frame + RPC_AT, payload, bytes);
    sim_switch_inject(c->net, frame, (uint32_t)(RPC_AT + bytes));
}

static void answer_arp(const uint8_t *request)
{
    enum { SENDER = ETHER_BYTES + 8, TARGET = ETHER_BYTES + 18, OP = ETHER_BYTES + 6, BYTES = 60 };
    const struct cluster *c = &farm->rig->c;
    uint8_t frame[BYTES] = {0};
    if (memcmp(request + TARGET + 6, c->node[1].ip + 12, 4) != 0)
        return;
    memcpy(frame, request, ETHER_BYTES + 28);
    memcpy(frame, c->node[0].mac, 6);
    memcpy(frame + ETHER_SRC, c->node[1].mac, 6);
    frame[OP + 1] = 2;
    memcpy(frame + SENDER, c->node[1].mac, 6);
    memcpy(frame + SENDER + 6, c->node[1].ip + 12, 4);
    memcpy(frame + TARGET, request + SENDER, 10);
    sim_switch_inject(c->net, frame, BYTES);
}

/* ---- a member's core ---- */

static void say(struct light *l, const uint8_t *record, size_t bytes)
{
    size_t written = stream_write(l->channel, channel_control(l->channel), record, bytes);
    assert_int_equal(written, bytes);
}

static void on_up(void *arg, struct channel *c)
{
    struct light *l = arg;
    uint8_t out[64];
    struct record_state state = {.state = NODE_SERVING};
    (void)c;
    l->is_open = true;
    say(l, out, record_write_state(out, sizeof(out), &state));
    say(l, out, record_write_empty(out, sizeof(out), RECORD_HANDED));
}

static void on_down(void *arg, struct channel *c, enum channel_down why)
{
    struct light *l = arg;
    (void)c;
    (void)why;
    l->is_open = false;
    l->stream = NULL;
}

static void on_release(struct light *l, const uint8_t *bytes, size_t len)
{
    enum record_release what;
    uint8_t out[16];
    assert_true(record_read_release(&what, bytes, len));
    if (what != RELEASE_ASK) {
        l->answered = (uint8_t)what;
        return;
    }
    l->asked++;
    if (!l->is_mute)
        say(l, out,
            record_write_release(out, sizeof(out),
                                 l->stream || l->refuses ? RELEASE_NO : RELEASE_YES));
}

static void on_readable(void *arg, struct channel *c, struct stream *s)
{
    struct light *l = arg;
    struct record_header h;
    uint8_t header[RECORD_HEADER_BYTES];
    while (stream_id(s) == CHANNEL_CONTROL && stream_available(s) >= sizeof(header)) {
        stream_copy(s, 0, header, sizeof(header));
        assert_true(record_read_header(&h, header));
        if (stream_available(s) < sizeof(header) + h.bytes)
            return;
        if (h.type == RECORD_RELEASE) {
            uint8_t content[8];
            stream_copy(s, RECORD_HEADER_BYTES, content, h.bytes);
            on_release(l, content, h.bytes);
        }
        stream_consume(c, s, RECORD_HEADER_BYTES + h.bytes);
    }
}

static void on_stream(void *arg, struct channel *c, struct stream *s)
{
    (void)arg;
    (void)c;
    (void)s;
}

static void on_reset(void *arg, struct channel *c, struct stream *s, enum stream_reset why)
{
    (void)arg;
    (void)c;
    (void)s;
    (void)why;
}

static const struct channel_events light_events = {.up = on_up,
                                                   .down = on_down,
                                                   .opened = on_stream,
                                                   .readable = on_readable,
                                                   .writable = on_stream,
                                                   .reset = on_reset};

static void start_light(uint32_t member, uint32_t core)
{
    struct light *l = &farm->light[member][core];
    const struct cluster_node *n = &farm->rig->c.node[0];
    struct channel_config config = {
        .arg = l,
        .events = &light_events,
        .chunks = &farm->chunks,
        .streams = farm->streams,
        .counters = &farm->counters,
        .identity = &farm->identity[member],
        .secret = farm->rig->c.secret,
        .own_id = farm->list[member].id,
        .peer_id = farm->list[0].id,
        .own_core = (uint16_t)core,
        .index = ++farm->lives,
        .datagram_bytes_max = 1400,
        .silence_ns = PEERS_SILENCE_MS * 1000000ull,
        .random = sim_random,
    };
    memcpy(config.peer_key, n->identity.public_key, NOISE_KEY_BYTES);
    l->channel = aligned_alloc(CHANNEL_ALIGN, channel_bytes());
    channel_init(l->channel, &config, sim_now_ns);
}

static void run_light(uint32_t member, uint32_t core)
{
    struct light *l = &farm->light[member][core];
    uint8_t out[FRAME_MAX];
    size_t bytes;
    if (sim_now_ns >= channel_deadline(l->channel))
        channel_timeout(l->channel, sim_now_ns);
    while ((bytes = channel_output(l->channel, out, 1400, sim_now_ns)) > 0)
        send_datagram(member, core, out, bytes);
}

static void hear(uint32_t member, uint32_t core, uint8_t *bytes, size_t len)
{
    struct light *l = &farm->light[member][core];
    uint32_t index;
    if (!l->channel)
        start_light(member, core);
    if (datagram_peek(bytes, len, &index) == DATAGRAM_INIT) {
        struct datagram_init init;
        assert_true(
            datagram_open_init(&init, &farm->identity[member], farm->rig->c.secret, bytes, len));
        channel_accept(l->channel, &init, sim_now_ns);
    } else {
        channel_input(l->channel, bytes, len, sim_now_ns);
    }
    run_light(member, core);
}

/* What node 0 sends goes no further than here. */
static bool on_frame(void *arg, uint8_t *frame, uint32_t len, uint32_t from, uint32_t to)
{
    (void)arg;
    (void)to;
    if (from != 0 || len < RPC_AT)
        return false;
    if (wire_u16(frame + ETHER_TYPE) == ETHERTYPE_ARP)
        answer_arp(frame);
    else if (frame[ETHER_BYTES + IP4_PROTOCOL] == PROTOCOL_UDP) {
        uint32_t port = wire_u16(frame + UDP_AT + 2) - PORT_FIRST;
        assert_true(port / CORES < MEMBERS_LAST);
        hear(port / CORES, port % CORES, frame + RPC_AT, wire_u16(frame + UDP_AT + 4) - (size_t)8);
    }
    return false;
}

/* ---- the cluster ---- */

static void farm_run(uint32_t ms)
{
    for (uint32_t i = 0; i < ms; i++) {
        rig_run(farm->rig, 1);
        for (uint32_t m = 1; m < MEMBERS_LAST; m++) {
            for (uint32_t k = 0; k < CORES; k++) {
                if (farm->light[m][k].channel)
                    run_light(m, k);
            }
        }
    }
}

/* Node 0 gets the list of the first so many. */
static void have_members(uint16_t count)
{
    struct world_cluster *w = &farm->rig->c.node[0].world.cluster;
    w->member = farm->list;
    w->member_count = count;
    w->self = 0;
    rig_publish(farm->rig, 0);
    farm_run(5);
}

static void make_members(void)
{
    farm->list = calloc(MEMBERS_LAST, sizeof(*farm->list));
    farm->list[0] = farm->rig->c.member[0];
    for (uint32_t i = 1; i < MEMBERS_LAST; i++) {
        struct world_member *m = &farm->list[i];
        uint8_t key[NOISE_KEY_BYTES];
        sim_random(NULL, key, sizeof(key));
        assert_int_equal(noise_identity_init(&farm->identity[i], key), 0);
        *m = farm->rig->c.member[1];
        snprintf(m->name, sizeof(m->name), "light%03u", i);
        m->id = 1000000ull + i;
        m->port = (uint16_t)(PORT_FIRST + i * CORES);
        m->cores = CORES;
        memcpy(m->public_key, farm->identity[i].public_key, NOISE_KEY_BYTES);
    }
}

static void farm_start(uint32_t slots)
{
    farm = calloc(1, sizeof(*farm));
    farm->rig = rig_make(2, slots);
    farm->chunk_memory = aligned_alloc(CHUNK_BYTES, (size_t)FARM_CHUNKS * CHUNK_BYTES);
    chunk_pool_init(&farm->chunks, farm->chunk_memory, FARM_CHUNKS);
    farm->streams = stream_pool_init(
        aligned_alloc(64, (stream_pool_bytes(FARM_STREAMS) + 63) & ~(size_t)63), FARM_STREAMS);
    make_members();
    sim_switch_set_tap(farm->rig->c.net, on_frame, NULL);
    cluster_start(&farm->rig->c, 0);
    have_members(MEMBERS_FIRST);
    farm_run(300);
}

static void farm_end(void)
{
    rig_free(farm->rig);
    for (uint32_t m = 1; m < MEMBERS_LAST; m++) {
        for (uint32_t k = 0; k < CORES; k++) {
            if (farm->light[m][k].channel)
                channel_fini(farm->light[m][k].channel);
            free(farm->light[m][k].channel);
        }
    }
    free(farm->chunk_memory);
    free(farm->streams);
    free(farm->list);
    free(farm);
}

static struct channel *call(uint32_t member, uint32_t core)
{
    return peers_channel_of(peers_of(farm->rig, 0), farm->list[member].id, (uint16_t)core);
}

/* The member's core begins a call on its channel, and does not go on with it. */
static void open_stream(uint32_t member, uint32_t core)
{
    struct light *l = &farm->light[member][core];
    struct stream *s = channel_open_stream(l->channel, NULL);
    assert_non_null(s);
    assert_int_equal(stream_write(l->channel, s, "\1", 1), 1);
    l->stream = s;
}

static void end_stream(uint32_t member, uint32_t core)
{
    struct light *l = &farm->light[member][core];
    stream_reset(l->channel, l->stream, STREAM_CANCELLED);
    l->stream = NULL;
}

static uint32_t unreachable(uint32_t members)
{
    uint32_t count = 0;
    for (uint32_t m = 1; m < members; m++)
        count += peers_state(peers_of(farm->rig, 0), (uint16_t)m) != NODE_SERVING;
    return count;
}

static void a_cluster_that_grows_to_300_members_reaches_all_of_them(void **state)
{
    (void)state;
    farm_start(SLOTS_ALL);
    const struct counters *counters = &core_of(farm->rig, 0)->counters;
    uint32_t had = 1;
    for (uint32_t members = MEMBERS_FIRST;; members += MEMBERS_STEP) {
        if (members > MEMBERS_LAST)
            members = MEMBERS_LAST;
        have_members((uint16_t)members);
        farm_run(200);
        for (uint32_t m = had; m < members; m++) /* whoever is new is wanted at all its cores */
            for (uint32_t k = 1; k < CORES; k++)
                (void)call(m, k);
        farm_run(100);
        for (uint32_t k = 0; had == 1 && k < BUSY; k++)
            open_stream(1 + k, 1);
        had = members;
        if (members == MEMBERS_LAST)
            break;
    }
    farm_run(3000);
    if (unreachable(MEMBERS_LAST) > 0)
        fail_msg("%u of %u members are unreachable", unreachable(MEMBERS_LAST), MEMBERS_LAST);
    assert_int_equal(peers_unreached(peers_of(farm->rig, 0)), 0);
    for (uint32_t k = 0; k < BUSY; k++) { /* never one with a stream */
        assert_non_null(call(1 + k, 1));
        assert_non_null(farm->light[1 + k][1].stream);
    }
    assert_true(counters->rpc_no_slot > 0);
    assert_true(counters->rpc_released > 0);
    assert_int_equal(counters->rpc_down, 0);
    farm_end();
}

/* As many slots as 10 members, three more channels to each and a spare need; then one more member.
 * */
static void who_will_not_end_a_channel_keeps_it_and_another_is_asked(void **state)
{
    enum { SLOTS = MEMBERS_FIRST + 4 };
    (void)state;
    farm_start(SLOTS);
    const struct counters *counters = &core_of(farm->rig, 0)->counters;
    for (uint32_t m = 1; m <= 5; m++) {
        (void)call(m, 1);
        farm_run(20); /* so that the first is the one that has been idle for longest */
    }
    assert_int_equal(counters->rpc_handshakes, SLOTS);
    farm->light[1][1].refuses = true;
    farm->light[2][1].is_mute = true;
    have_members(MEMBERS_FIRST + 1);
    assert_int_equal(peers_unreached(peers_of(farm->rig, 0)), 1);
    farm_run(1000);
    assert_int_equal(farm->light[1][1].asked, 1);
    assert_int_equal(farm->light[2][1].asked, 1);
    assert_true(farm->light[1][1].is_open && farm->light[2][1].is_open);
    assert_int_equal(counters->rpc_released, 0);
    assert_null(call(2, 1)); /* it may be gone by the time that a call comes there */
    farm_run(2500);          /* who says nothing has nothing against it */
    assert_true(farm->light[1][1].is_open && !farm->light[2][1].is_open);
    assert_int_equal(counters->rpc_released, 1);
    assert_int_equal(unreachable(MEMBERS_FIRST + 1), 0);
    have_members(MEMBERS_FIRST + 2);
    farm_run(1000);
    assert_int_equal(farm->light[1][1].asked, 1); /* it said no a moment ago */
    assert_true(farm->light[1][1].is_open && !farm->light[3][1].is_open);
    assert_int_equal(unreachable(MEMBERS_FIRST + 2), 0);
    assert_int_equal(counters->rpc_down, 0);
    farm_end();
}

static void a_member_that_found_no_slot_is_reached_when_a_stream_has_ended(void **state)
{
    enum { SLOTS = MEMBERS_FIRST };
    (void)state;
    farm_start(SLOTS);
    const struct counters *counters = &core_of(farm->rig, 0)->counters;
    (void)call(1, 1);
    farm_run(20);
    open_stream(1, 1);
    farm_run(20);
    have_members(MEMBERS_FIRST + 1);
    farm_run(3000);
    assert_int_equal(peers_unreached(peers_of(farm->rig, 0)), 1);
    assert_int_equal(peers_state(peers_of(farm->rig, 0), MEMBERS_FIRST), NODE_DOWN);
    assert_int_equal(counters->rpc_no_slot, 1);
    assert_non_null(call(1, 1));
    end_stream(1, 1);
    farm_run(1500);
    assert_int_equal(unreachable(MEMBERS_FIRST + 1), 0);
    assert_int_equal(peers_unreached(peers_of(farm->rig, 0)), 0);
    farm_end();
}

/* The peer's turn: it wants its slot back. */
static void what_a_peer_asks_for_is_granted_if_nobody_uses_it(void **state)
{
    static const struct {
        const char *description;
        uint32_t core;
        bool has_stream, is_open_after;
        uint8_t answer;
    } row[] = {
        {"on call and idle", 1, false, false, RELEASE_YES},
        {"on call and with a stream", 2, true, true, RELEASE_NO},
        {"the one that is kept always", 0, false, true, RELEASE_NO},
    };
    (void)state;
    farm_start(SLOTS_ALL);
    for (uint32_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct light *l = &farm->light[3][row[i].core];
        uint8_t out[16];
        (void)call(3, row[i].core);
        farm_run(20);
        if (row[i].has_stream)
            open_stream(3, row[i].core);
        farm_run(20);
        say(l, out, record_write_release(out, sizeof(out), RELEASE_ASK));
        farm_run(20);
        if (l->answered != row[i].answer)
            fail_msg("%s: %u", row[i].description, l->answered);
        assert_int_equal(call(3, row[i].core) != NULL, row[i].is_open_after);
        if (row[i].answer == RELEASE_YES)
            channel_close(l->channel, sim_now_ns);
        farm_run(20);
    }
    assert_int_equal(core_of(farm->rig, 0)->counters.rpc_released, 1);
    assert_int_equal(core_of(farm->rig, 0)->counters.rpc_down, 0);
    assert_int_equal(core_of(farm->rig, 0)->counters.rpc_bad_frame, 0);
    assert_null(call(3, 1)); /* it is made again */
    farm_run(20);
    assert_non_null(call(3, 1));
    farm_end();
}

static void an_answer_that_nobody_asked_for_ends_the_channel(void **state)
{
    (void)state;
    farm_start(SLOTS_ALL);
    for (uint8_t what = RELEASE_YES; what <= RELEASE_NO; what++) {
        struct light *l = &farm->light[what][0];
        uint8_t out[16];
        say(l, out, record_write_release(out, sizeof(out), (enum record_release)what));
        farm_run(5);
        assert_int_equal(peers_state(peers_of(farm->rig, 0), what), NODE_DOWN);
    }
    assert_int_equal(core_of(farm->rig, 0)->counters.rpc_bad_frame, 2);
    farm_end();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(who_will_not_end_a_channel_keeps_it_and_another_is_asked),
    cmocka_unit_test(a_member_that_found_no_slot_is_reached_when_a_stream_has_ended),
    cmocka_unit_test(what_a_peer_asks_for_is_granted_if_nobody_uses_it),
    cmocka_unit_test(an_answer_that_nobody_asked_for_ends_the_channel),

    cmocka_unit_test(a_cluster_that_grows_to_300_members_reaches_all_of_them),
};

int main(void)
{
    return cmocka_run_group_tests(tests, start_engine, NULL);
}
