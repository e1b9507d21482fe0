/* Calls between nodes under a member that says anything: a whole core whose channel is a few buffers. The input is a program: bytes and
 * records on streams of the peer and on our own, resets, ends, credit; what the runtime process says (within its contract) and what
 * origins of calls do, at times inside an event; channels and processes that die.
 *
 *   origins (here) --call.h--> [ core: call, serve, sub, peers ] --stream_*--> buffers <-- the input
 *                                          |
 *                                        region <-- the input, as an honest runtime
 *
 * Checked: what call.h promises to an origin, that an honest runtime is never condemned, every assertion; and after each input, when all
 * have left, that every chunk, stream, call, sub-request and job is back. Channel and packets have targets and simulations of their own. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/core_state.h"
#include "dataplane/ring.h"
#include "drivers/port_sim.h"
#include "runtime/context.h"

enum {
    STREAMS = 24,
    BUFFER = 48 * 1024,
    SEEN = 512,
    ORIGINS = 6,
    JOBS = 24,
    SUBS = 8,
    CHUNKS = 700
};

struct input {
    const uint8_t *p, *end;
};

static uint32_t take(struct input *in, size_t bytes)
{
    uint32_t v = 0;
    for (size_t i = 0; i < bytes && in->p < in->end; i++)
        v |= (uint32_t)*in->p++ << (8 * i);
    return v;
}

/* ---- a channel without packets ---- */

struct stream {
    struct channel *channel; /* NULL: free */
    void *user;
    uint64_t id;
    bool has_ended, is_finished, is_stopped;
    uint32_t start, end; /* of what has come */
    uint32_t room;
    uint32_t turn; /* of records that come as they should */
    uint32_t seen_bytes;
    uint8_t seen[SEEN]; /* what the core wrote first: of a CALL, its capability */
    uint8_t in[BUFFER];
};

struct channel {
    struct channel_config config;
    uint8_t state;
    uint64_t next_id[2];
    struct stream control;
};

static struct {
    struct core *core;
    struct stream stream[STREAMS];
    uint32_t part_bytes; /* how much lies contiguous */
    struct channel *channel;
} fake;

size_t channel_bytes(void)
{
    return (sizeof(struct channel) + CHANNEL_ALIGN - 1) / CHANNEL_ALIGN * CHANNEL_ALIGN;
}

static void drop_streams(struct channel *c)
{
    for (uint32_t i = 0; i < STREAMS; i++) {
        if (fake.stream[i].channel == c)
            fake.stream[i].channel = NULL;
    }
}

void channel_init(struct channel *c, const struct channel_config *config, uint64_t now_ns)
{
    memset(c, 0, sizeof(*c));
    c->config = *config;
    fake.channel = c;
}

void channel_fini(struct channel *c)
{
    drop_streams(c);
    c->state = CHANNEL_CLOSED;
}

enum channel_state channel_state(const struct channel *c)
{
    return c->state;
}

const struct channel_config *channel_config(const struct channel *c)
{
    return &c->config;
}

void channel_connect(struct channel *c, uint64_t now_ns)
{
    c->state = CHANNEL_INIT; /* the input opens it */
}

void channel_close(struct channel *c, uint64_t now_ns)
{
    channel_fini(c);
}

enum datagram_kind datagram_peek(const uint8_t *bytes, size_t len, uint32_t *receiver_index)
{
    return DATAGRAM_BAD;
}

bool datagram_open_init(struct datagram_init *init, const struct noise_identity *identity,
                        const uint8_t secret[32], const uint8_t *bytes, size_t len)
{
    return false;
}

void channel_accept(struct channel *c, struct datagram_init *init, uint64_t now_ns)
{
}

enum channel_result channel_input(struct channel *c, uint8_t *bytes, size_t len, uint64_t now_ns)
{
    return CHANNEL_REFUSED_BAD;
}

size_t channel_output(struct channel *c, uint8_t *out, size_t cap, uint64_t now_ns)
{
    return 0;
}

bool channel_has_output(const struct channel *c, uint64_t now_ns)
{
    return false;
}

uint64_t channel_deadline(const struct channel *c)
{
    return UINT64_MAX;
}

void channel_timeout(struct channel *c, uint64_t now_ns)
{
}

void channel_stats(const struct channel *c, struct channel_stats *out)
{
    *out = (struct channel_stats){.srtt_us = 100};
}

static struct stream *new_stream(struct channel *c, bool is_ours)
{
    bool is_odd = is_ours == (c->config.own_id > c->config.peer_id);
    for (uint32_t i = 0; i < STREAMS; i++) {
        struct stream *s = &fake.stream[i];
        if (s->channel)
            continue;
        memset(s, 0, offsetof(struct stream, seen));
        s->channel = c;
        s->room = CHANNEL_STREAM_BUFFER;
        s->id = 2 * ++c->next_id[is_ours] + is_odd;
        return s;
    }
    return NULL;
}

struct stream *channel_open_stream(struct channel *c, void *user)
{
    struct stream *s = c->state == CHANNEL_OPEN ? new_stream(c, true) : NULL;
    if (s)
        s->user = user;
    return s;
}

struct stream *channel_control(struct channel *c)
{
    return c->state == CHANNEL_OPEN ? &c->control : NULL;
}

void *stream_user(const struct stream *s)
{
    return s->user;
}

void stream_set_user(struct stream *s, void *user)
{
    s->user = user;
}

uint64_t stream_id(const struct stream *s)
{
    return s->id;
}

static void assert_owned(const struct channel *c, const struct stream *s)
{
    assert(s->channel == c);
}

size_t stream_room(struct channel *c, struct stream *s)
{
    assert_owned(c, s);
    return s->is_stopped ? CHANNEL_STREAM_BUFFER : s->room;
}

size_t stream_write(struct channel *c, struct stream *s, const void *bytes, size_t len)
{
    assert_owned(c, s);
    if (s == &c->control || s->is_stopped)
        return len;
    assert(!s->is_finished);
    len = len < s->room ? len : s->room;
    s->room -= (uint32_t)len;
    size_t part = len < SEEN - s->seen_bytes ? len : SEEN - s->seen_bytes;
    memcpy(s->seen + s->seen_bytes, bytes, part);
    s->seen_bytes += (uint32_t)part;
    return len;
}

void stream_end(struct channel *c, struct stream *s)
{
    assert_owned(c, s);
    s->is_finished = true;
}

const uint8_t *stream_peek(struct stream *s, uint32_t offset, size_t *len)
{
    uint32_t left = s->end - s->start;
    *len = 0;
    if (offset >= left)
        return NULL;
    /* Pieces end at multiples of part_bytes. */
    uint32_t at = s->start + offset, piece = fake.part_bytes - at % fake.part_bytes;
    *len = piece < left - offset ? piece : left - offset;
    return s->in + at;
}

size_t stream_available(const struct stream *s)
{
    return s->end - s->start;
}

void stream_consume(struct channel *c, struct stream *s, uint32_t bytes)
{
    assert_owned(c, s);
    assert(bytes <= s->end - s->start);
    s->start += bytes;
}

bool stream_expect(struct channel *c, struct stream *s, uint32_t bytes)
{
    assert_owned(c, s);
    return s->room % 8 != 7; /* chunks are short at times */
}

bool stream_is_ended(const struct stream *s)
{
    return s->has_ended && s->start == s->end;
}

bool stream_is_complete(const struct stream *s)
{
    return s->has_ended;
}

bool stream_is_delivered(const struct stream *s)
{
    return true;
}

bool stream_is_stopped(const struct stream *s)
{
    return s->is_stopped;
}

void stream_release(struct channel *c, struct stream *s)
{
    assert_owned(c, s);
    assert(s != &c->control);
    s->channel = NULL;
}

void stream_reset(struct channel *c, struct stream *s, enum stream_reset why)
{
    stream_release(c, s);
}

size_t stream_pool_bytes(uint32_t streams)
{
    return 64;
}

struct stream_pool *stream_pool_init(void *memory, uint32_t streams)
{
    return memory;
}

uint32_t stream_pool_free_count(const struct stream_pool *pool)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < STREAMS; i++)
        count += fake.stream[i].channel == NULL;
    return count;
}

/* ---- the world: this node and one other, a script at home at each, which call each other ---- */

static struct {
    struct clock clock;
    struct world world;
    struct world_shared shared;
    struct world_member member[2];
    struct noise_identity identity;
    uint8_t secret[32];
    struct world_script script[2]; /* 0: at home here; 1: there */
    struct world_binding binding[2];
    uint32_t script_index[16];
    /* the runtime's end */
    void *region;
    _Atomic uint32_t condemned;
    struct job_consumer down;
    struct job_producer up;
    struct arena_owner arena_up;
    struct arena_peer arena_down;
} all;

struct origin {
    struct call_ref ref;
    bool is_live, has_head, has_body, cancels;
    struct byte_queue answer;
};

struct job {
    bool is_live, has_input, has_head, lingers;
    uint32_t index, generation, credit, taken;
};

struct nested {
    bool is_live, has_ended;
    uint32_t generation, credit, reply_credit, job;
};

static struct origin origin[ORIGINS];
static struct job job[JOBS];
static struct nested nested[SUBS];

static void *take_memory(size_t bytes, int node)
{
    return aligned_alloc(64, (bytes + 63) & ~(size_t)63);
}

static void draw(void *arg, void *out, size_t bytes)
{
    static uint64_t state = 1;
    for (size_t i = 0; i < bytes; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)out)[i] = (uint8_t)(state >> 56);
    }
}

static void start_runtime(void)
{
    if (all.region)
        munmap(all.region, job_region_bytes(1));
    all.region =
        mmap(NULL, job_region_bytes(1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert(all.region != MAP_FAILED);
    job_region_format(all.region, 1);
    struct job_lane_shared *lane = job_region_lane(all.region, 0);
    job_consumer_init(&all.down, &lane->down);
    job_producer_init(&all.up, &lane->up);
    arena_owner_init(&all.arena_up, &lane->arena_up);
    arena_peer_init(&all.arena_down, &lane->arena_down);
    memset(job, 0, sizeof(job));
    memset(nested, 0, sizeof(nested));
    all.world.runtime[0].region = all.region;
    all.world.runtime[0].life++;
    all.world.epoch++;
}

static void add_script(const struct ring *ring, uint32_t i)
{
    struct world_script *s = &all.script[i];
    uint32_t number = 0;
    do {
        snprintf(s->name, sizeof(s->name), "s%u", number++);
        s->id_hash = XXH3_64bits(s->name, strlen(s->name));
    } while (ring_home(ring, s->id_hash) != i);
    s->handle = 1 + i;
    s->version_bits = 7;
    s->binding_count = 1;
    s->bindings = &all.binding[i];
    uint32_t place = (uint32_t)s->id_hash & 15;
    while (all.script_index[place])
        place = (place + 1) & 15;
    all.script_index[place] = i + 1;
}

static void start_world(void)
{
    struct ring_member ring_member[2];
    for (uint32_t i = 0; i < 2; i++) {
        struct world_member *m = &all.member[i];
        snprintf(m->name, sizeof(m->name), "n%u", i);
        m->id = XXH3_64bits(m->name, strlen(m->name));
        m->address[10] = m->address[11] = 0xff;
        m->address[12] = 10;
        m->address[15] = (uint8_t)(1 + i);
        m->port = 7400;
        m->cores = 1;
        m->weight = RING_WEIGHT_ONE;
        ring_member[i] =
            (struct ring_member){.id = m->id, .node = (uint16_t)i, .weight = m->weight};
    }
    const struct ring *ring =
        ring_build(take_memory(ring_bytes(ring_member, 2), -1), ring_member, 2, 1);
    add_script(ring, 0);
    add_script(ring, 1);
    all.binding[0].script = all.script[1].id_hash;
    all.binding[1].script = all.script[0].id_hash;
    all.world = (struct world){.epoch = 1,
                               .tune = world_tune_default,
                               .cluster = {.member_count = 2,
                                           .own_state = NODE_SERVING,
                                           .member = all.member,
                                           .ring = ring,
                                           .identity = &all.identity,
                                           .secret = all.secret},
                               .script_count = 2,
                               .scripts = all.script,
                               .script_index = all.script_index,
                               .script_index_mask = 15,
                               .runtime_count = 1};
    all.world.tune.hot_enter_rpm = UINT32_MAX / 2000;
    all.world.runtime[0].wake_fd = -1;
    all.world.runtime[0].condemned = &all.condemned;
    atomic_store(&all.shared.current, &all.world);
}

static void start_core(void)
{
    char error[160];
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
    struct net_config net = {.mtu = 1500, .address_count = 1};
    memcpy(net.mac, mac, 6);
    memcpy(net.address[0].ip, all.member[0].address, 16);
    net.address[0].prefix_len = 120;
    clock_init_virtual(&all.clock, 1000000000);
    struct port_sim_faults none = {.delay_ns = 0};
    struct port_sim_wire *wire = port_sim_wire_create(&all.clock, 1, 1500, none, none);
    struct neighbours *neighbours = take_memory(neighbours_bytes(), -1);
    neighbours_init(neighbours, 1);
    struct core_config config = {.cores = 1,
                                 .port = port_sim_end(wire, 1, mac),
                                 .net = &net,
                                 .neighbours = neighbours,
                                 .world = &all.shared,
                                 .clock = &all.clock,
                                 .memory = {.take = take_memory, .give = free},
                                 .plain_port = 80,
                                 .conns_max = 4,
                                 .chunks = CHUNKS,
                                 .runtimes_max = 1,
                                 .jobs_max = JOBS,
                                 .rpc_port = 7400,
                                 .calls = 20,
                                 .served = 8,
                                 .streams = STREAMS,
                                 .channels = 2,
                                 .numa_node = -1,
                                 .secret = {1, 2, 3, 4},
                                 .random = draw};
    fake.core = core_create(&config, error, sizeof(error));
    assert(fake.core);
}

/* ---- origins ---- */

static struct origin *origin_at(uint32_t owner)
{
    assert(owner < ORIGINS && origin[owner].is_live);
    return &origin[owner];
}

/* What was granted finds room: the queue has a floor for it. */
static void keep(struct core *core, struct origin *o, const struct head_view *body, uint32_t views)
{
    for (uint32_t i = 0; i < views; i++) {
        size_t kept = byte_queue_append(&o->answer, &core->chunks, body[i].p, body[i].len);
        assert(kept == body[i].len && o->answer.account.held <= o->answer.account.floor);
    }
}

static void had_enough(struct core *core, struct origin *o, bool is_end)
{
    if (is_end || o->cancels) {
        call_cancel(core, o->ref); /* of one that is over: nothing */
        o->is_live = false;
    }
}

static void on_head(void *core, uint32_t owner, const uint8_t *head, size_t head_bytes,
                    uint64_t cold_us, const struct head_view *body, uint32_t views, bool is_end)
{
    struct origin *o = origin_at(owner);
    assert(!o->has_head && head_bytes > 0 && (is_end || views == 0));
    o->has_head = true;
    keep(core, o, body, views);
    had_enough(core, o, is_end);
}

static void on_data(void *core, uint32_t owner, const struct head_view *body, uint32_t views,
                    bool is_end)
{
    struct origin *o = origin_at(owner);
    assert(o->has_head);
    keep(core, o, body, views);
    had_enough(core, o, is_end);
}

static void on_error(void *core, uint32_t owner, uint32_t error)
{
    assert(error > 0 && error < CALL_ERROR_KINDS);
    had_enough(core, origin_at(owner), true);
}

static void on_credit(void *core, uint32_t owner)
{
    struct origin *o = origin_at(owner);
    assert(o->has_body);
}

static const struct call_events origin_events = {
    .head = on_head, .data = on_data, .error = on_error, .credit = on_credit};

/* A request's head with a stack of that depth. */
static size_t make_head(uint8_t *out, size_t cap, uint64_t script, uint32_t depth)
{
    struct context context = {0};
    struct head_writer w;
    uint8_t stack[CONTEXT_BYTES_MAX], span[8] = {1};
    for (uint32_t i = 0; i < depth; i++)
        context_push(&context, script, span);
    size_t bytes = context_write(&context, stack);
    head_write_request(&w, out, cap, (struct head_view){(const char *)stack, bytes},
                       (struct head_view){"PUT", 3}, (struct head_view){"https://a/", 10});
    return head_write_end(&w);
}

static void start_origin(struct input *in, struct origin *o)
{
    struct core *core = fake.core;
    uint32_t shape = take(in, 1), error;
    uint8_t head[4096];
    struct byte_queue queue = {0};
    const struct world_script *script = &all.script[shape & 1];
    size_t bytes = make_head(head, sizeof(head), script->id_hash, 1);
    byte_queue_fini(&o->answer, &core->chunks);
    if (byte_queue_append(&queue, &core->chunks, head, bytes) == bytes) {
        struct call_request r = {.events = &origin_events,
                                 .owner = (uint32_t)(o - origin),
                                 .script = script,
                                 .request_id = 1 + take(in, 1),
                                 .head = &queue,
                                 .answer = &o->answer,
                                 .has_body = shape & 2,
                                 .is_idempotent = shape & 4,
                                 .is_traced = shape & 8,
                                 .started_ns = core->now_ns};
        *o = (struct origin){.is_live = true, .has_body = r.has_body, .cancels = shape & 16};
        o->is_live = call_start(core, &r, &o->ref, &error);
        assert(o->is_live || queue.bytes == bytes);
    }
    byte_queue_clear(&queue, &core->chunks);
}

static void use_origin(struct input *in)
{
    static const uint8_t zero[RECORD_BODY_BYTES_MAX];
    struct origin *o = &origin[take(in, 1) % ORIGINS];
    struct core *core = fake.core;
    uint32_t what = take(in, 1), bytes;
    if (!o->is_live) {
        start_origin(in, o);
        return;
    }
    switch (what % 4) {
    case 0:
    case 1:
        bytes = (uint32_t)call_body_room(core, o->ref);
        if (!o->has_body)
            break;
        bytes = bytes < sizeof(zero) ? bytes : sizeof(zero);
        bytes = what & 8 ? bytes : bytes * take(in, 1) / 256;
        o->has_body = !(what & 16);
        if (bytes > 0 || !o->has_body)
            call_body(core, o->ref, zero, bytes, !o->has_body);
        break;
    case 2:
        bytes = take(in, 2);
        byte_queue_consume(&o->answer, &core->chunks,
                           bytes < o->answer.bytes ? bytes : o->answer.bytes);
        call_credit(core, o->ref, 4 * bytes);
        break;
    case 3:
        call_cancel(core, o->ref);
        o->is_live = false;
        break;
    }
}

/* ---- the peer ---- */

static bool is_open(void)
{
    return fake.channel && fake.channel->state == CHANNEL_OPEN;
}

static void say(struct stream *s, const uint8_t *bytes, size_t len)
{
    if (s->start > 0) {
        memmove(s->in, s->in + s->start, s->end - s->start);
        s->end -= s->start;
        s->start = 0;
    }
    len = len < BUFFER - s->end ? len : BUFFER - s->end;
    memcpy(s->in + s->end, bytes, len);
    s->end += (uint32_t)len;
}

static void tell(struct channel *c, struct stream *s)
{
    c->config.events->readable(c->config.arg, c, s);
    if (c->state == CHANNEL_OPEN)
        peers_mark(fake.core->peers, c);
}

static void open_channel(struct channel *c)
{
    uint8_t out[64];
    struct record_state state = {.state = NODE_SERVING};
    if (c->state != CHANNEL_INIT)
        return;
    c->state = CHANNEL_OPEN;
    memset(&c->control, 0, sizeof(c->control));
    c->control.channel = c;
    c->control.room = CHANNEL_STREAM_BUFFER;
    c->config.events->up(c->config.arg, c);
    say(&c->control, out, record_write_state(out, sizeof(out), &state));
    tell(c, &c->control);
}

static void take_down(struct channel *c)
{
    if (c->state != CHANNEL_OPEN)
        return;
    c->state = CHANNEL_CLOSED;
    drop_streams(c);
    c->config.events->down(c->config.arg, c, CHANNEL_SILENT);
}

static void open_by_peer(struct channel *c, struct input *in)
{
    static uint8_t head[4096], out[8192];
    struct stream *s = new_stream(c, false);
    uint32_t shape = take(in, 1);
    if (!s)
        return;
    const struct world_script *script = &all.script[shape & 1];
    struct record_call call = {.request_id = 5,
                               .script = script->id_hash,
                               .version = shape & 2 ? script->version_bits : 8,
                               .flags = shape >> 2 & 7,
                               .head = head};
    call.head_bytes =
        (uint32_t)make_head(head, sizeof(head), script->id_hash, 1 + (shape >> 5) * 2);
    c->config.events->opened(c->config.arg, c, s);
    if (s->channel != c)
        return; /* refused */
    say(s, out, record_write_call(out, sizeof(out), &call));
    tell(c, s);
}

/* A record that is one, in or out of turn. */
static void say_record(struct stream *s, struct input *in)
{
    static uint8_t out[RECORD_HEADER_BYTES + RECORD_BODY_BYTES_MAX];
    uint32_t bytes;
    size_t len = 0;
    struct record_accept accept = {.width = 1};
    struct record_bounce bounce = {.reason = BOUNCE_OVERLOAD};
    struct head_writer w;
    uint8_t response[64];
    struct record_head answer = {.head = response};
    static const uint8_t in_turn[] = {0, 2, 3, 3, 5}; /* ACCEPT HEAD DATA DATA DATA_END */
    static const uint8_t theirs_in_turn[] = {4, 4, 4, 6};
    bool is_ours = (s->id & 1) == (all.member[0].id > all.member[1].id);
    uint32_t which = take(in, 1) % 16;
    if (which >= 8)
        which = is_ours ? in_turn[s->turn++ % sizeof(in_turn)]
                        : theirs_in_turn[s->turn++ % sizeof(theirs_in_turn)];
    switch (which) {
    case 0:
        len = record_write_accept(out, sizeof(out), &accept);
        break;
    case 1: /* with the capability that the CALL brought */
        memcpy(bounce.lazy, s->seen + RECORD_HEADER_BYTES + 32, CAPABILITY_BYTES);
        len = record_write_bounce(out, sizeof(out), &bounce);
        break;
    case 2:
        head_write_response(&w, response, sizeof(response), 200);
        answer.head_bytes = (uint32_t)head_write_end(&w);
        len = record_write_head(out, sizeof(out), &answer);
        break;
    case 3:
    case 4:
        bytes = take(in, 2) % (RECORD_BODY_BYTES_MAX + 1);
        record_write_header(out, which == 4 ? RECORD_BODY : RECORD_DATA, bytes);
        len = RECORD_HEADER_BYTES + bytes;
        break;
    case 5:
        len = record_write_empty(out, sizeof(out), RECORD_DATA_END);
        break;
    case 6:
        len = record_write_empty(out, sizeof(out), RECORD_BODY_END);
        break;
    case 7:
        len = record_write_error(out, sizeof(out), 1 + take(in, 1) % (JOB_ERROR_KINDS - 1));
        break;
    }
    say(s, out, len);
}

/* One that is open: the n-th, round and round. */
static struct stream *any_stream(struct channel *c, uint32_t n)
{
    uint32_t open = 0;
    for (uint32_t i = 0; i < STREAMS; i++)
        open += fake.stream[i].channel == c;
    n = open ? n % open : 0;
    for (uint32_t i = 0; open && i < STREAMS; i++) {
        if (fake.stream[i].channel == c && n-- == 0)
            return &fake.stream[i];
    }
    return NULL;
}

static void use_peer(struct input *in)
{
    struct channel *c = fake.channel;
    if (!is_open()) {
        if (c)
            open_channel(c);
        return;
    }
    uint32_t what = take(in, 1);
    struct stream *s = any_stream(c, take(in, 1));
    if (what % 8 == 0 || !s) {
        open_by_peer(c, in);
        return;
    }
    switch (what % 8) {
    case 1: {
        uint8_t bytes[64];
        uint32_t len = 1 + take(in, 1) % sizeof(bytes);
        for (uint32_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)take(in, 1);
        if (!s->has_ended)
            say(s, bytes, len);
        tell(c, s);
        break;
    }
    case 2:
    case 3:
    case 4:
        if (!s->has_ended)
            say_record(s, in);
        if (!(what & 32)) /* else with the next one */
            tell(c, s);
        break;
    case 5:
        s->has_ended = true;
        tell(c, s);
        break;
    case 6:
        s->room = what & 16 ? take(in, 2) : CHANNEL_STREAM_BUFFER;
        s->is_stopped |= (what & 64) != 0;
        if (s->room >= CHANNEL_STREAM_BUFFER / 4 && !s->is_finished) {
            c->config.events->writable(c->config.arg, c, s);
            peers_mark(fake.core->peers, c);
        }
        break;
    case 7:
        if (what & 128 && what & 64) {
            take_down(c);
            break;
        }
        c->config.events->reset(c->config.arg, c, s, (enum stream_reset)(1 + (what >> 3) % 3));
        s->channel = NULL;
        break;
    }
}

/* ---- the runtime: honest ---- */

static void push(const struct job_slot *s)
{
    bool ok = job_producer_push(&all.up, s);
    assert(ok);
    job_producer_publish(&all.up);
}

static void fill(struct job_slot *s, const uint8_t *bytes, size_t len)
{
    s->bytes = (uint32_t)len;
    for (size_t at = 0; at < len; at += JOB_CHUNK_BYTES) {
        size_t part = len - at < JOB_CHUNK_BYTES ? len - at : JOB_CHUNK_BYTES;
        uint32_t chunk = arena_take(&all.arena_up);
        assert(chunk != ARENA_NONE);
        memcpy(arena_bytes(&all.arena_up, chunk), bytes + at, part);
        s->chunk[s->chunk_count++] = chunk;
    }
}

static struct job *job_of(const struct job_slot *s)
{
    struct job *j = &job[s->job % JOBS];
    return j->is_live && j->generation == s->generation ? j : NULL;
}

static void read_ring(void)
{
    struct job_slot s;
    while (job_consumer_pop(&all.down, &s) == JOB_RING_OK) {
        struct job *j = job_of(&s);
        struct nested *n = &nested[(uint32_t)s.arg % SUBS];
        bool is_nested = n->is_live && s.arg == ((uint64_t)n->generation << 32 | (n - nested));
        switch (s.type) {
        case JOB_START:
            job[s.job] = (struct job){.is_live = true,
                                      .has_input = s.flags & JOB_F_END,
                                      .index = s.job,
                                      .generation = s.generation,
                                      .credit = JOB_CREDIT_INITIAL};
            break;
        case JOB_BODY:
            assert(!j || !j->has_input);
            if (j) {
                j->has_input = s.flags & JOB_F_END;
                j->taken += s.bytes;
            }
            break;
        case JOB_CREDIT:
            if (j)
                j->credit += (uint32_t)s.arg;
            break;
        case JOB_CANCEL:
            if (j)
                j->is_live = false;
            break;
        case JOB_REPLY:
        case JOB_REPLY_DATA:
        case JOB_REPLY_ERROR:
            if (!is_nested)
                break;
            assert(s.type != JOB_REPLY_DATA || s.bytes <= n->reply_credit);
            if (s.type == JOB_REPLY_DATA)
                n->reply_credit -= s.bytes;
            if (s.flags & JOB_F_END || s.type == JOB_REPLY_ERROR)
                n->is_live = false;
            break;
        case JOB_SUB_CREDIT:
            if (is_nested)
                n->credit += (uint32_t)s.arg2;
            break;
        }
        for (uint32_t i = 0; i < s.chunk_count; i++) {
            bool ok = arena_give_back(&all.arena_down, s.chunk[i]);
            assert(ok);
        }
    }
    job_consumer_release(&all.down);
}

static void answer(struct job *j, uint32_t what, struct input *in)
{
    static const uint8_t zero[JOB_HEAD_BYTES_MAX];
    uint8_t head[64];
    struct head_writer w;
    struct job_slot s = {.job = j->index, .generation = j->generation};
    bool is_end = what & 16;
    if (j->lingers) {
        s.type = JOB_DONE;
        j->is_live = false;
        push(&s);
        return;
    }
    s.type = j->has_head ? JOB_DATA : JOB_HEAD;
    if (what & 32) {
        s.type = JOB_ERROR;
        s.arg = 1 + take(in, 1) % (JOB_ERROR_REFUSED - 1);
        j->is_live = false;
        push(&s);
        return;
    }
    if (s.type == JOB_HEAD) {
        head_write_response(&w, head, sizeof(head), 200);
        fill(&s, head, head_write_end(&w));
    } else {
        uint32_t bytes = take(in, 2) % JOB_HEAD_BYTES_MAX;
        bytes = bytes < j->credit ? bytes : j->credit;
        j->credit -= bytes;
        fill(&s, zero, bytes);
    }
    j->has_head = true;
    if (is_end) {
        j->lingers = what & 64;
        j->is_live = j->lingers;
        s.flags = JOB_F_END | (j->lingers ? JOB_F_LINGERS : 0);
    }
    push(&s);
}

static void call_another(struct job *j, struct nested *n, uint32_t what)
{
    uint8_t head[128];
    struct head_writer w;
    struct job_slot s = {.type = JOB_SUB, .job = j->index, .generation = j->generation};
    *n = (struct nested){.is_live = true,
                         .generation = n->generation + 1,
                         .has_ended = what & 16,
                         .credit = JOB_CREDIT_INITIAL,
                         .reply_credit = JOB_CREDIT_INITIAL,
                         .job = j->index};
    head_write_request(&w, head, sizeof(head), (struct head_view){"", 0},
                       what & 32 ? (struct head_view){"GET", 3} : (struct head_view){"POST", 4},
                       (struct head_view){"https://b/", 10});
    fill(&s, head, head_write_end(&w));
    s.flags = n->has_ended ? JOB_F_END : 0;
    s.arg = (uint64_t)n->generation << 32 | (uint64_t)(n - nested);
    push(&s);
}

static void use_nested(struct nested *n, uint32_t what, struct input *in)
{
    static const uint8_t zero[JOB_HEAD_BYTES_MAX];
    struct job_slot s = {.arg = (uint64_t)n->generation << 32 | (uint64_t)(n - nested)};
    switch (what >> 4 & 3) {
    case 0:
    case 1:
        if (n->has_ended)
            return;
        s.type = JOB_SUB_BODY;
        uint32_t bytes = take(in, 2) % JOB_HEAD_BYTES_MAX;
        bytes = bytes < n->credit ? bytes : n->credit;
        n->credit -= bytes;
        fill(&s, zero, bytes);
        n->has_ended = what & 64;
        s.flags = n->has_ended ? JOB_F_END : 0;
        break;
    case 2:
        s.type = JOB_SUB_CREDIT;
        s.arg2 = take(in, 2);
        n->reply_credit += (uint32_t)s.arg2;
        break;
    case 3:
        s.type = JOB_SUB_CANCEL;
        n->is_live = false;
        break;
    }
    push(&s);
}

static struct job *any_job(uint32_t n)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < JOBS; i++)
        live += job[i].is_live;
    n = live ? n % live : 0;
    for (uint32_t i = 0; i < JOBS; i++) {
        if (job[i].is_live && n-- == 0)
            return &job[i];
    }
    return &job[0];
}

static void use_runtime(struct input *in)
{
    uint32_t what = take(in, 1);
    struct job *j = any_job(take(in, 1));
    struct nested *n = &nested[what >> 2 & (SUBS - 1)];
    if (what % 4 != 3)
        read_ring();
    if (job_producer_free(&all.up, 16) < 16 || arena_available(&all.arena_up, 64) < 64)
        return;
    if (n->is_live && (!job[n->job].is_live || what & 1)) {
        if (job[n->job].is_live)
            use_nested(n, what, in);
        else
            n->is_live = false; /* with its parent, without a word */
        return;
    }
    if (!j->is_live)
        return;
    if (what % 4 == 0) {
        answer(j, what, in);
    } else if (what % 4 == 1 && !n->is_live) {
        call_another(j, n, what);
    } else if (!j->has_input && j->taken > 0 && !j->lingers) {
        push(&(struct job_slot){
            .type = JOB_CREDIT, .job = j->index, .generation = j->generation, .arg = j->taken});
        j->taken = 0;
    }
}

/* ---- the run ---- */

static void iterate(uint32_t us)
{
    clock_set_ns(&all.clock, clock_now_ns(&all.clock) + us * 1000ull);
    core_iterate(fake.core);
    assert(atomic_load(&all.condemned) == 0);
}

/* Everybody leaves, and nothing is left. */
static void end_all(void)
{
    struct core *core = fake.core;
    for (uint32_t i = 0; i < ORIGINS; i++) {
        if (origin[i].is_live)
            call_cancel(core, origin[i].ref);
        origin[i].is_live = false;
        byte_queue_fini(&origin[i].answer, &core->chunks);
    }
    if (fake.channel)
        take_down(fake.channel);
    for (int i = 0; i < 3; i++) {
        start_runtime();
        iterate(3000000);
    }
    read_ring();
    start_runtime();
    iterate(200000);
    assert(calls_live(core->calls) == 0 && served_live(core->served) == 0);
    assert(subs_live(core->subs) == 0 && core->link[0]->live_jobs == 0);
    assert(core->chunks.free_count == core->chunks.count && core->chunks.owed == 0);
    assert(stream_pool_free_count(core->streams) == STREAMS);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct input in = {bytes, bytes + len};
    if (!fake.core) {
        start_world();
        start_runtime();
        start_core();
        iterate(1);
    }
    fake.part_bytes = 1 + take(&in, 1) * 16;
    if (fake.channel)
        open_channel(fake.channel);
    while (in.p < in.end) {
        uint32_t op = take(&in, 1);
        switch (op % 8) {
        case 0:
        case 1:
        case 2:
            use_peer(&in);
            break;
        case 3:
        case 4:
            use_origin(&in);
            break;
        case 5:
        case 6:
            use_runtime(&in);
            break;
        case 7:
            if (op & 64 && op & 128 && op & 32)
                start_runtime(); /* the old one died */
            break;
        }
        if (op & 16)
            iterate(op & 8 ? 1000 : 10);
    }
    end_all();
    return 0;
}
