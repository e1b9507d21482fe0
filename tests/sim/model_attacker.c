#include "tests/sim/model_attacker.h"

#include <assert.h>
#include <string.h>

#include "dataplane/net/net_wire.h"
#include "dataplane/rpc/peers_parts.h"
#include "drivers/csum.h"
#include "runtime/context.h"
#include "runtime/head.h"

enum { UDP_AT = ETHER_BYTES + IP4_BYTES, RPC_AT = UDP_AT + 8, DATA_KIND = 3, INIT_KIND = 1 };

/* ---- from outside ---- */

bool attacker_is_rpc(const uint8_t *frame, uint32_t len)
{
    return len > RPC_AT && wire_u16(frame + ETHER_TYPE) == ETHERTYPE_IP4 &&
           frame[ETHER_BYTES + IP4_PROTOCOL] == PROTOCOL_UDP &&
           wire_u16(frame + UDP_AT + 2) == CLUSTER_PORT;
}

/* Every handshake, and some of the rest. */
void attacker_hear(struct attacker *a, const uint8_t *frame, uint32_t len)
{
    if (len > ATTACKER_FRAME_BYTES_MAX || (frame[RPC_AT] == DATA_KIND && !chance(10)))
        return;
    struct attacker_frame *place = frame[RPC_AT] == DATA_KIND
                                       ? &a->data[a->datas++ % ATTACKER_DATA]
                                       : &a->handshake[a->handshakes++ % ATTACKER_HANDSHAKES];
    memcpy(place->bytes, frame, len);
    place->len = len;
}

void attacker_forget_data(struct attacker *a)
{
    a->datas = 0;
}

/* One of those it has; NULL: none yet. */
static const struct attacker_frame *recall(const struct attacker *a)
{
    uint32_t handshakes = a->handshakes < ATTACKER_HANDSHAKES ? a->handshakes : ATTACKER_HANDSHAKES;
    uint32_t datas = a->datas < ATTACKER_DATA ? a->datas : ATTACKER_DATA;
    uint32_t which = below(handshakes + datas);
    if (handshakes + datas == 0)
        return NULL;
    return which < handshakes ? &a->handshake[which] : &a->data[which - handshakes];
}

static void write_ip_checksum(uint8_t *ip)
{
    wire_put_u16(ip + IP4_CHECKSUM, 0);
    uint16_t sum = (uint16_t)~csum_add(0, ip, IP4_BYTES); /* in memory order */
    memcpy(ip + IP4_CHECKSUM, &sum, sizeof(sum));
}

void attacker_strike(struct attacker *a, struct cluster *c)
{
    uint8_t frame[ATTACKER_FRAME_BYTES_MAX];
    const struct attacker_frame *heard = recall(a);
    if (!heard)
        return;
    uint32_t len = heard->len;
    memcpy(frame, heard->bytes, len);
    uint8_t *ip = frame + ETHER_BYTES, *udp = frame + UDP_AT, *rpc = frame + RPC_AT;
    uint32_t rpc_bytes = len - RPC_AT;
    wire_put_u16(udp + 6, 0); /* no checksum: the channel must see for itself */
    switch (below(7)) {
    case 0: /* as it was */
        break;
    case 1: /* a bit */
        rpc[below(rpc_bytes)] ^= (uint8_t)(1u << below(8));
        break;
    case 2: /* cut short */
        len = RPC_AT + below(rpc_bytes);
        wire_put_u16(udp + 4, (uint16_t)(len - UDP_AT));
        wire_put_u16(ip + IP4_LENGTH, (uint16_t)(len - ETHER_BYTES));
        break;
    case 3: /* another kind, or none */
        rpc[0] = (uint8_t)below(6);
        break;
    case 4: /* from a stranger, or another member */
        ip[IP4_SRC + 3] = (uint8_t)(1 + below(120));
        break;
    case 5: /* another packet number, or index */
        rpc[1 + below(15)] ^= (uint8_t)(1 + below(255));
        break;
    case 6: /* noise behind an honest header */
        sim_random(NULL, rpc + 1, rpc_bytes - 1);
        break;
    }
    write_ip_checksum(ip);
    a->injected++;
    a->injected_inits += len > RPC_AT && rpc[0] == INIT_KIND;
    sim_switch_inject(c->net, frame, len);
}

/* ---- from inside ---- */

/* Up, and has been through an iteration. */
static bool is_awake(const struct cluster *c, uint32_t node)
{
    return cluster_is_up(c, node) && c->node[node].core->world;
}

/* Two nodes that are. False: there are none. */
static bool pick_pair(struct cluster *c, uint32_t *from, uint32_t *to)
{
    *from = below(c->config.nodes);
    *to = below(c->config.nodes);
    return *from != *to && is_awake(c, *from) && is_awake(c, *to);
}

static struct channel *channel_to(struct cluster *c, uint32_t from, uint32_t to)
{
    const struct cluster_node *n = &c->node[from];
    uint16_t place = n->plan->place[to];
    bool is_current = n->core->world_epoch == n->world.epoch;
    return place == CLUSTER_NO_MEMBER || !is_current
               ? NULL
               : peers_channel(c->node[from].core->peers, place, rng());
}

/* A good one of node `owner`, told to a third node. */
static void misuse_elsewhere(struct attacker *a, struct cluster *c, uint32_t from, uint32_t owner,
                             uint64_t now_ms, const uint8_t payload[17])
{
    uint8_t out[128];
    uint32_t to = below(c->config.nodes);
    struct record_event event = {.payload = payload, .payload_bytes = 17};
    if (to == from || to == owner || !is_awake(c, to) ||
        !capability_issue(&c->node[owner].core->capabilities, CAPABILITY_TRACE_SINK, 0,
                          now_ms + 60000, event.sink))
        return;
    struct channel *channel = channel_to(c, from, to);
    size_t bytes = record_write_event(out, sizeof(out), &event);
    struct peers *peers = c->node[from].core->peers;
    a->foreign += channel && control_say(peers, slot_of(peers, channel), out, bytes);
    capability_revoke(&c->node[owner].core->capabilities, event.sink);
}

void attacker_misuse_sink(struct attacker *a, struct cluster *c)
{
    enum { FORGED, EXPIRED, REVOKED, FOREIGN, KINDS };
    uint8_t sink[CAPABILITY_BYTES], payload[17] = {0};
    uint32_t from, to, kind = below(KINDS);
    if (!pick_pair(c, &from, &to))
        return;
    struct capability_table *owner = &c->node[to].core->capabilities;
    uint64_t now_ms = cluster_clock_ns(c, to, sim_now_ns) / 1000000;
    if (kind == FOREIGN) {
        misuse_elsewhere(a, c, from, to, now_ms, payload);
        return;
    }
    if (!capability_issue(owner, CAPABILITY_TRACE_SINK, 0,
                          kind == EXPIRED ? now_ms - 1 : now_ms + 60000, sink))
        return;
    if (kind != EXPIRED) /* it must still be out, to be found expired and not spent */
        capability_revoke(owner, sink);
    if (kind == FORGED)
        sink[CAPABILITY_BYTES - 1 - below(16)] ^= (uint8_t)(1u << below(8));
    bool sent = peers_event(c->node[from].core->peers, sink, payload, sizeof(payload));
    a->forged += sent && kind == FORGED;
    a->expired += sent && kind == EXPIRED;
    a->revoked += sent && kind == REVOKED;
}

/* What could be a CALL, but for one thing. Returns its bytes. */
static size_t make_call(struct cluster *c, uint8_t *out, size_t cap)
{
    const struct world_script *script = &c->scripts[below(c->config.scripts)];
    uint8_t head[200];
    sim_random(NULL, head, sizeof(head));
    struct record_call call = {.request_id = rng(),
                               .script = script->id_hash,
                               .version = script->version_bits,
                               .flags = (uint8_t)below(8),
                               .head = head,
                               .head_bytes = 1 + below(sizeof(head))};
    sim_random(NULL, call.lazy, sizeof(call.lazy));
    sim_random(NULL, call.trace, sizeof(call.trace));
    if (chance(30))
        call.version++;
    size_t bytes = record_write_call(out, cap, &call);
    if (chance(20)) /* it ends in the middle */
        bytes = below((uint32_t)bytes);
    if (chance(20))
        out[below(bytes ? (uint32_t)bytes : 1)] ^= (uint8_t)(1 + below(255));
    return bytes;
}

/* A good CALL of a script that runs there, whose context is a lie: about the script, its owner,
 * trust, or a binding. Nobody made the request that is in it. */
static size_t make_lie(struct cluster *c, uint8_t *out, size_t cap)
{
    enum { SCRIPT, OWNER, TRUST, BINDING, TAIL, LIES };
    static const uint8_t span[8] = {1};
    uint32_t index = below(c->config.scripts), other = (index + 1) % c->config.scripts;
    const struct world_script *script = &c->scripts[index];
    uint8_t head[CONTEXT_BYTES_MAX + 200], stack[CONTEXT_BYTES_MAX];
    struct context context = {0};
    struct head_writer w;
    enum { NOBODYS = 1 << 30 };
    char url[128];
    uint32_t lie = below(LIES);
    if (lie == TRUST || lie == BINDING)
        context_push(&context, c->scripts[other].id_hash, span);
    struct context_frame *f =
        context_push(&context, lie == SCRIPT ? c->scripts[other].id_hash : script->id_hash, span);
    f->owner = lie == OWNER ? 1 + below(1000) : 0;
    f->trust = lie == TRUST ? CONTEXT_TRUSTED : CONTEXT_UNTRUSTED;
    f->tail_count = lie == TAIL;
    f->tail[0] = lie == TAIL ? c->scripts[other].id_hash : 0;
    if (lie == BINDING)
        f->cpu_ms = 1 + below(1000);
    size_t bytes = context_write(&context, stack);
    snprintf(url, sizeof(url), "http://%s.test/0/%u/1/0", script->name, NOBODYS);
    head_write_request(&w, head, sizeof(head), (struct head_view){(const char *)stack, bytes},
                       (struct head_view){"GET", 3}, (struct head_view){url, strlen(url)});
    struct record_call call = {.request_id = rng(),
                               .script = script->id_hash,
                               .version = script->version_bits,
                               .flags = RECORD_CALL_IDEMPOTENT,
                               .head = head,
                               .head_bytes = (uint32_t)head_write_end(&w)};
    sim_random(NULL, call.lazy, sizeof(call.lazy));
    return record_write_call(out, cap, &call);
}

/* The stream is let go at once: what it says is delivered, what comes back is not heard. */
void attacker_misuse_stream(struct attacker *a, struct cluster *c)
{
    uint8_t bytes[2048];
    uint32_t from, to;
    size_t len;
    if (!pick_pair(c, &from, &to))
        return;
    struct peers *peers = c->node[from].core->peers;
    struct channel *channel = channel_to(c, from, to);
    struct stream *stream = channel ? channel_open_stream(channel, NULL) : NULL;
    if (!stream)
        return;
    if (chance(40)) {
        len = make_lie(c, bytes, sizeof(bytes));
    } else if (chance(70)) {
        len = make_call(c, bytes, sizeof(bytes));
    } else {
        len = 1 + below(1024);
        sim_random(NULL, bytes, len);
        bytes[0] = (uint8_t)below(RECORD_TYPES + 2);
        if (chance(50)) /* a length that can be */
            bytes[1] = bytes[2] = 0;
    }
    stream_write(channel, stream, bytes, len);
    if (chance(80)) {
        stream_end(channel, stream);
        stream_release(channel, stream);
    } else {
        stream_reset(channel, stream, STREAM_CANCELLED);
    }
    peers_mark(peers, channel);
    a->streams++;
}
