#include "dataplane/rpc/peers.h"

#include <assert.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/net/ip.h"
#include "dataplane/rpc/peers_parts.h"
#include "dataplane/world/ring.h"

/* ---- memory ---- */

static size_t rounded(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

size_t peers_bytes(uint32_t channels)
{
    return rounded(sizeof(struct peers)) + rounded(channels * sizeof(struct peers_slot)) +
           rounded(channels * sizeof(uint64_t)) + channels * rounded(channel_bytes());
}

struct peers *peers_init(void *memory, const struct peers_env *env, uint32_t channels)
{
    assert(channels >= 1 && channels <= PEERS_CHANNELS_MAX);
    uint8_t *at = memory;
    struct peers *p = memory;
    memset(p, 0, sizeof(*p));
    at += rounded(sizeof(*p));
    p->slot = (struct peers_slot *)at;
    memset(p->slot, 0, channels * sizeof(struct peers_slot));
    at += rounded(channels * sizeof(struct peers_slot));
    p->deadline_ns = (uint64_t *)at;
    at += rounded(channels * sizeof(uint64_t));
    for (uint32_t i = 0; i < channels; i++) {
        p->slot[i].channel = (struct channel *)(at + i * rounded(channel_bytes()));
        p->slot[i].next_free = i + 1 < channels ? i + 1 : SLOT_NONE;
        p->deadline_ns[i] = UINT64_MAX;
    }
    p->env = *env;
    p->capacity = channels;
    p->dirty_first = p->dirty_last = SLOT_NONE;
    p->next_ns = UINT64_MAX;
    token_bucket_init(&p->handshakes, CHANNEL_HANDSHAKES_PER_S, CHANNEL_HANDSHAKES_PER_S,
                      peers_now(p));
    return p;
}

void peers_fini(struct peers *p)
{
    for (uint32_t i = 0; i < p->capacity; i++) {
        if (p->slot[i].is_used)
            channel_fini(p->slot[i].channel);
        p->slot[i].is_used = false;
    }
    explicit_bzero(&p->identity, sizeof(p->identity));
    explicit_bzero(p->secret, sizeof(p->secret));
    explicit_bzero(p->seal_key, sizeof(p->seal_key));
}

/* ---- slots ---- */

struct peers_slot *peers_slot_of(struct peers *p, const struct channel *c)
{
    uint32_t number = channel_config(c)->index & ((1u << SLOT_BITS) - 1);
    assert(number < p->capacity && p->slot[number].channel == c);
    return &p->slot[number];
}

void peers_slot_mark(struct peers *p, struct peers_slot *s)
{
    uint32_t number = peers_slot_number(p, s);
    if (s->is_dirty)
        return;
    s->is_dirty = true;
    s->next_dirty = SLOT_NONE;
    if (p->dirty_first == SLOT_NONE)
        p->dirty_first = number;
    else
        p->slot[p->dirty_last].next_dirty = number;
    p->dirty_last = number;
}

void peers_mark(struct peers *p, struct channel *c)
{
    peers_slot_mark(p, peers_slot_of(p, c));
}

static void init_channel(struct peers *p, struct peers_slot *s)
{
    const struct peer *peer = &p->peer[s->node];
    uint32_t life;
    p->env.random(p->env.random_arg, &life, sizeof(life));
    life >>= SLOT_BITS;
    if (life == 0) /* index 0 is nobody's */
        life = 1;
    uint16_t room = net_l4_room(p->env.net, peer->address);
    struct channel_config config = {
        .arg = p,
        .events = &peers_channel_events,
        .chunks = p->env.chunks,
        .streams = p->env.streams,
        .counters = p->env.counters,
        .identity = &p->identity,
        .secret = p->secret,
        .own_id = p->own_id,
        .peer_id = peer->id,
        .own_core = (uint16_t)p->env.index,
        .peer_core = s->core,
        .index = life << SLOT_BITS | peers_slot_number(p, s),
        .datagram_bytes_max = room - UDP_BYTES < CHANNEL_DATAGRAM_MAX ? (uint16_t)(room - UDP_BYTES)
                                                                      : CHANNEL_DATAGRAM_MAX,
        .silence_ns = PEERS_SILENCE_MS * 1000000ull,
        .random = p->env.random,
        .random_arg = p->env.random_arg,
    };
    memcpy(config.peer_key, peer->key, NOISE_KEY_BYTES);
    channel_init(s->channel, &config, peers_now(p));
}

static struct peers_slot *slot_make(struct peers *p, uint16_t node, uint16_t core, bool is_always)
{
    uint32_t number = p->free_slot;
    if (number == SLOT_NONE) {
        p->env.counters->rpc_no_slot++;
        return NULL;
    }
    struct peers_slot *s = &p->slot[number];
    struct peer *peer = &p->peer[node];
    p->free_slot = s->next_free;
    bool is_dirty = s->is_dirty; /* of its last life: it is still in the list */
    uint32_t next_dirty = s->next_dirty;
    *s = (struct peers_slot){.channel = s->channel,
                             .is_used = true,
                             .is_always = is_always,
                             .is_dirty = is_dirty,
                             .next_dirty = next_dirty,
                             .node = node,
                             .core = core,
                             .next_of_peer = peer->first_slot,
                             .born_ns = peers_now(p),
                             .used_ns = peers_now(p),
                             .connect_ns = peers_now(p)};
    peer->first_slot = number;
    p->used++;
    init_channel(p, s);
    peers_slot_mark(p, s);
    return s;
}

void peers_slot_free(struct peers *p, struct peers_slot *s)
{
    uint32_t number = peers_slot_number(p, s);
    assert(s->is_used && !s->is_open);
    if (s->node != NODE_NONE) {
        uint32_t *at = &p->peer[s->node].first_slot;
        while (*at != number)
            at = &p->slot[*at].next_of_peer;
        *at = s->next_of_peer;
    }
    channel_fini(s->channel);
    s->is_used = false;
    s->next_free = p->free_slot;
    p->free_slot = number;
    p->deadline_ns[number] = UINT64_MAX;
    p->used--;
}

struct peers_slot *peers_slot_find(struct peers *p, uint16_t node, uint16_t core, bool is_wanted)
{
    for (uint32_t i = p->peer[node].first_slot; i != SLOT_NONE; i = p->slot[i].next_of_peer) {
        if (p->slot[i].core == core)
            return &p->slot[i];
    }
    return is_wanted && !p->is_gone ? slot_make(p, node, core, false) : NULL;
}

/* ---- a channel opens and goes ---- */

static void on_up(void *arg, struct channel *c)
{
    struct peers *p = arg;
    struct peers_slot *s = peers_slot_of(p, c);
    assert(!s->is_open && s->node != NODE_NONE);
    s->is_open = s->was_open = true;
    p->peer[s->node].open++;
    peers_control_up(p, s, peers_now(p));
    peers_slot_mark(p, s);
}

/* Its streams are gone already. What the calls do now (run here, or go elsewhere) must not find
 * this slot open. */
static void close_slot(struct peers *p, struct peers_slot *s)
{
    if (!s->is_open)
        return;
    s->is_open = s->is_handed = s->is_walking = false;
    peers_release_end(p, s);
    s->said = NODE_DOWN;
    s->wants = 0;
    p->pending -= s->pending_count;
    s->asked = s->pending_count = 0;
    s->load = 0;
    s->queue_us = 0;
    s->connect_ns = peers_now(p) + PEERS_RECONNECT_MS * 1000000ull;
    if (s->node != NODE_NONE) {
        struct peer *peer = &p->peer[s->node];
        peer->open--;
        peers_node_changed(p, s->node, peer->open ? peer->state : NODE_DOWN,
                           peer->open && peer->is_leaving);
    }
    p->env.events->channel_down(p->env.core, s->channel);
    peers_slot_mark(p, s);
}

static void on_down(void *arg, struct channel *c, enum channel_down why)
{
    struct peers *p = arg;
    struct peers_slot *s = peers_slot_of(p, c);
    if (why == CHANNEL_DROPPED) {
        bool is_agreed = s->release != RELEASE_IN_USE;
        p->env.counters->rpc_released += is_agreed;
        p->env.counters->rpc_down += !is_agreed;
    }
    close_slot(p, s);
}

void peers_slot_drop(struct peers *p, struct peers_slot *s)
{
    bool is_agreed = s->release == RELEASE_OVER && s->node != NODE_NONE;
    p->env.counters->rpc_down += s->is_open && !is_agreed;
    p->env.counters->rpc_released += s->is_open && is_agreed;
    if (s->is_open && is_agreed)
        peers_slot_say_goodbye(p, s);
    channel_fini(s->channel);
    close_slot(p, s);
    s->is_condemned = false;
    if (s->node != NODE_NONE) {
        init_channel(p, s);
        if (!s->is_always)
            peers_slot_free(p, s);
        else
            peers_slot_mark(p, s);
        return;
    }
    /* Its member is gone. */
    s->is_used = false;
    s->next_free = p->free_slot;
    p->free_slot = peers_slot_number(p, s);
    p->deadline_ns[peers_slot_number(p, s)] = UINT64_MAX;
    p->used--;
}

/* The peer opened it: the parity of ids (channel.h) says so. */
static bool is_theirs(const struct channel *c, const struct stream *stream)
{
    const struct channel_config *config = channel_config(c);
    bool is_odd = stream_id(stream) & 1;
    return is_odd == (config->own_id < config->peer_id);
}

static const struct peers_stream_events *
stream_events(const struct peers *p, const struct channel *c, const struct stream *stream)
{
    return is_theirs(c, stream) ? &p->env.events->theirs : &p->env.events->ours;
}

static void on_opened(void *arg, struct channel *c, struct stream *stream)
{
    struct peers *p = arg;
    assert(is_theirs(c, stream));
    peers_slot_of(p, c)->used_ns = peers_now(p);
    p->env.events->opened(p->env.core, c, stream);
}

static void on_readable(void *arg, struct channel *c, struct stream *stream)
{
    struct peers *p = arg;
    if (stream_id(stream) == CHANNEL_CONTROL)
        peers_control_readable(p, peers_slot_of(p, c), stream);
    else
        stream_events(p, c, stream)->readable(p->env.core, stream);
}

static void on_writable(void *arg, struct channel *c, struct stream *stream)
{
    struct peers *p = arg;
    if (stream_id(stream) == CHANNEL_CONTROL)
        peers_slot_mark(p, peers_slot_of(p, c));
    else
        stream_events(p, c, stream)->writable(p->env.core, stream);
}

static void on_reset(void *arg, struct channel *c, struct stream *stream, enum stream_reset why)
{
    struct peers *p = arg;
    if (stream_id(stream) == CHANNEL_CONTROL)
        peers_slot_of(p, c)->is_condemned = true; /* it never ends before its channel */
    else
        stream_events(p, c, stream)->reset(p->env.core, stream, why);
}

const struct channel_events peers_channel_events = {.up = on_up,
                                                    .down = on_down,
                                                    .opened = on_opened,
                                                    .readable = on_readable,
                                                    .writable = on_writable,
                                                    .reset = on_reset};

/* ---- members ---- */

static uint32_t id_place(uint64_t id)
{
    return (uint32_t)(id * 0x9e3779b97f4a7c15u >> 54) & (MEMBER_TABLE - 1);
}

/* Keyed: an attacker who chooses addresses shall not choose chains. */
static uint32_t address_place(const struct peers *p, const uint8_t ip[16])
{
    return (uint32_t)XXH3_64bits_withSeed(ip, 16, p->env.hash_key) & (MEMBER_TABLE - 1);
}

uint16_t peers_node_by_id(const struct peers *p, uint64_t id)
{
    for (uint32_t i = id_place(id); p->by_id[i]; i = (i + 1) & (MEMBER_TABLE - 1)) {
        if (p->peer[p->by_id[i] - 1].id == id)
            return (uint16_t)(p->by_id[i] - 1);
    }
    return NODE_NONE;
}

uint16_t peers_node_by_address(const struct peers *p, const uint8_t ip[16], uint16_t port,
                               uint16_t *core)
{
    for (uint32_t i = address_place(p, ip); p->by_address[i]; i = (i + 1) & (MEMBER_TABLE - 1)) {
        const struct peer *peer = &p->peer[p->by_address[i] - 1];
        if (ip_equal(peer->address, ip) && (uint16_t)(port - peer->port) < peer->cores) {
            *core = (uint16_t)(port - peer->port);
            return (uint16_t)(p->by_address[i] - 1);
        }
    }
    return NODE_NONE;
}

static void build_tables(struct peers *p)
{
    memset(p->by_id, 0, sizeof(p->by_id));
    memset(p->by_address, 0, sizeof(p->by_address));
    for (uint16_t node = 0; node < p->peer_count; node++) {
        uint32_t i = id_place(p->peer[node].id);
        while (p->by_id[i])
            i = (i + 1) & (MEMBER_TABLE - 1);
        p->by_id[i] = (uint16_t)(node + 1);
        if (node == p->self)
            continue;
        i = address_place(p, p->peer[node].address);
        while (p->by_address[i])
            i = (i + 1) & (MEMBER_TABLE - 1);
        p->by_address[i] = (uint16_t)(node + 1);
    }
}

uint64_t peers_ring_digest(const struct peers *p)
{
    const struct ring *ring = peers_world(p)->cluster.ring;
    return ring ? ring_digest(ring) : 0;
}

static bool is_same_member(const struct peer *a, const struct world_member *m)
{
    return a->id == m->id && a->port == m->port && a->cores == m->cores &&
           memcmp(a->address, m->address, 16) == 0 &&
           memcmp(a->key, m->public_key, NOISE_KEY_BYTES) == 0;
}

/* True: we are who we were. */
static bool take_identity(struct peers *p, const struct world_cluster *cluster)
{
    const struct world_member *self = &cluster->member[cluster->self];
    bool is_same = p->is_up && p->own_id == self->id && p->own_port == self->port &&
                   memcmp(p->own_address, self->address, 16) == 0 &&
                   memcmp(&p->identity, cluster->identity, sizeof(p->identity)) == 0 &&
                   memcmp(p->secret, cluster->secret, sizeof(p->secret)) == 0;
    p->is_up = true;
    p->own_id = self->id;
    p->own_port = self->port;
    memcpy(p->own_address, self->address, 16);
    p->identity = *cluster->identity;
    memcpy(p->secret, cluster->secret, sizeof(p->secret));
    noise_seal_key(p->seal_key, p->secret, p->identity.public_key);
    return is_same;
}

/* The new list, with what is known of those that stay; the slots of the others are condemned. */
static void take_members(struct peers *p, const struct world_cluster *cluster, bool keeps)
{
    uint16_t previous_count = p->peer_count;
    static const struct peer unknown = {.first_slot = SLOT_NONE};
    memcpy(p->previous, p->peer, previous_count * sizeof(struct peer));
    uint16_t found[MEMBERS_MAX];
    for (uint16_t i = 0; i < cluster->member_count; i++)
        found[i] = keeps ? peers_node_by_id(p, cluster->member[i].id) : NODE_NONE;
    for (uint16_t i = 0; i < cluster->member_count; i++) {
        const struct world_member *m = &cluster->member[i];
        struct peer *old = found[i] == NODE_NONE ? NULL : &p->previous[found[i]];
        if (old && is_same_member(old, m) && i != cluster->self) {
            p->peer[i] = *old;
            for (uint32_t s = old->first_slot; s != SLOT_NONE; s = p->slot[s].next_of_peer)
                p->slot[s].node = i;
            old->first_slot = SLOT_NONE;
            continue;
        }
        p->peer[i] = unknown;
        p->peer[i].id = m->id;
        p->peer[i].port = m->port;
        p->peer[i].cores = m->cores ? m->cores : 1;
        memcpy(p->peer[i].address, m->address, 16);
        memcpy(p->peer[i].key, m->public_key, NOISE_KEY_BYTES);
        token_bucket_init(&p->peer[i].handshakes, CHANNEL_HANDSHAKES_OF_MEMBER_PER_S,
                          CHANNEL_HANDSHAKES_OF_MEMBER_BURST, peers_now(p));
        token_bucket_init(&p->peer[i].demands, PEERS_DEMANDS_PER_S, PEERS_DEMANDS_BURST,
                          peers_now(p));
    }
    for (uint16_t i = 0; i < previous_count; i++) {
        for (uint32_t s = p->previous[i].first_slot; s != SLOT_NONE; s = p->slot[s].next_of_peer) {
            p->slot[s].node = NODE_NONE;
            p->slot[s].is_condemned = true;
        }
    }
    p->peer_count = cluster->member_count;
    p->self = cluster->self;
    build_tables(p);
    p->serving = 0;
    p->serving_load = 0;
    for (uint16_t i = 0; i < p->peer_count; i++) {
        if (p->peer[i].state == NODE_SERVING) {
            p->serving++;
            p->serving_load += p->peer[i].load;
        }
    }
}

static void want_of_all(struct peers *p, uint8_t wants)
{
    for (uint32_t i = 0; i < p->capacity; i++) {
        if (p->slot[i].is_used && p->slot[i].is_open) {
            p->slot[i].wants |= wants;
            peers_slot_mark(p, &p->slot[i]);
        }
    }
}

void peers_slots_fill(struct peers *p)
{
    uint32_t missing = 0;
    for (uint16_t node = 0; node < p->peer_count && !p->is_gone; node++) {
        uint16_t core = (uint16_t)(p->env.index % p->peer[node].cores);
        if (node == p->self)
            continue;
        struct peers_slot *s = peers_slot_find(p, node, core, false);
        if (!s && p->free_slot != SLOT_NONE)
            s = slot_make(p, node, core, true);
        if (s)
            s->is_always = true;
        missing += !s;
    }
    p->env.counters->rpc_no_slot += missing > p->missing ? missing - p->missing : 0;
    p->missing = missing;
}

void peers_follow(struct peers *p)
{
    static const struct world_cluster alone;
    const struct world_cluster *cluster = &peers_world(p)->cluster;
    if (!cluster->identity || !cluster->secret || cluster->member_count == 0)
        cluster = &alone;
    assert(cluster->member_count <= MEMBERS_MAX);
    bool keeps = cluster != &alone && take_identity(p, cluster);
    p->is_up = cluster != &alone;
    take_members(p, cluster, keeps);
    for (uint32_t i = 0; i < p->capacity; i++) {
        struct peers_slot *s = &p->slot[i];
        if (s->is_used && s->is_condemned)
            peers_slot_drop(p, s);
        s->walk = 0; /* scripts have new places */
    }
    peers_slots_fill(p);
    uint64_t digest = peers_ring_digest(p);
    bool says_more = cluster->own_state != p->own_state || cluster->is_leaving != p->is_leaving;
    want_of_all(p, (says_more ? WANT_STATE : 0) | (digest != p->own_digest ? WANT_RING : 0));
    p->own_digest = digest;
    p->own_state = cluster->own_state;
    p->is_leaving = cluster->is_leaving;
    peers_handover_follow(p, peers_now(p));
}

void peers_node_changed(struct peers *p, uint16_t node, uint8_t state, bool is_leaving)
{
    struct peer *peer = &p->peer[node];
    if (peer->state != state || peer->is_leaving != is_leaving)
        peers_handover_state(p);
    if (peer->state == NODE_SERVING) {
        p->serving--;
        p->serving_load -= peer->load;
    }
    peer->state = state;
    peer->is_leaving = is_leaving;
    peer->load = 0;
    peer->queue_us = 0;
    for (uint32_t i = peer->first_slot; i != SLOT_NONE; i = p->slot[i].next_of_peer) {
        const struct peers_slot *s = &p->slot[i];
        if (s->load > peer->load)
            peer->load = s->load;
        if (s->queue_us > peer->queue_us)
            peer->queue_us = s->queue_us;
    }
    if (peer->state == NODE_SERVING) {
        p->serving++;
        p->serving_load += peer->load;
    }
}

/* ---- what placement asks ---- */

enum node_state peers_state(const struct peers *p, uint16_t node)
{
    assert(node < p->peer_count);
    return node == p->self ? p->own_state : p->peer[node].state;
}

uint16_t peers_load(const struct peers *p, uint16_t node)
{
    uint32_t queue_us;
    assert(node < p->peer_count);
    return node == p->self ? p->env.events->load(p->env.core, &queue_us) : p->peer[node].load;
}

uint32_t peers_mean_load(const struct peers *p, uint16_t own_load)
{
    return (uint32_t)((p->serving_load + own_load) / (p->serving + 1));
}

static bool is_usable(const struct peers_slot *s)
{
    return s->is_open && !s->is_condemned && s->release == RELEASE_IN_USE;
}

struct channel *peers_channel(struct peers *p, uint16_t node, uint64_t script_hash)
{
    assert(node < p->peer_count);
    const struct peer *peer = &p->peer[node];
    if (peer->open == 0)
        return NULL;
    /* One script, one core there: by the upper half of its hash. */
    struct peers_slot *s =
        peers_slot_find(p, node, (uint16_t)((script_hash >> 32) % peer->cores), true);
    for (uint32_t i = peer->first_slot; (!s || !is_usable(s)) && i != SLOT_NONE;
         i = p->slot[i].next_of_peer)
        s = &p->slot[i];
    if (!s || !is_usable(s))
        return NULL;
    s->used_ns = peers_now(p);
    return s->channel;
}

struct channel *peers_channel_of(struct peers *p, uint64_t node_id, uint16_t core)
{
    uint16_t node = peers_node_by_id(p, node_id);
    if (node == NODE_NONE || node == p->self || core >= p->peer[node].cores)
        return NULL;
    struct peers_slot *s = peers_slot_find(p, node, core, p->peer[node].open > 0);
    if (!s || !is_usable(s))
        return NULL;
    s->used_ns = peers_now(p);
    return s->channel;
}

uint32_t peers_unreached(const struct peers *p)
{
    return p->missing;
}

uint16_t peers_node_of(const struct peers *p, const struct channel *c)
{
    return peers_slot_of((struct peers *)p, c)->node;
}

uint32_t peers_rtt_min_us(const struct peers *p, uint16_t node)
{
    assert(node < p->peer_count);
    return p->peer[node].rtt_min_us;
}

/* ---- what the control thread reads ---- */

void peers_view(const struct peers *p, uint16_t node, struct peer_view *out)
{
    *out = (struct peer_view){0};
    if (node >= MEMBERS_MAX)
        return;
    const struct peer *peer = &p->peer[node];
    *out = (struct peer_view){.state = node == p->self ? p->own_state : peer->state,
                              .load = peer->load,
                              .queue_us = peer->queue_us,
                              .channels = peer->open,
                              .rtt_us = peer->rtt_us,
                              .heard_ns = peer->heard_ns,
                              .ring_differs = peer->has_digest && peer->digest != p->own_digest};
}
