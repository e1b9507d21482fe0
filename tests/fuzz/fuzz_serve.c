/* Calls between nodes under a member that says anything: a whole core whose channel is a fake
 * (fake_channel.h). The input is a program: bytes and records on streams of the peer and on our
 * own, resets, ends, credit; what cells say (within their contract) and what origins of calls do,
 * at times inside an event; channels and cells that die, cells that are evicted and that grow.
 *
 *   origins (here) --call.h--> [ core: call, serve, sub, peers ] --stream_*--> buffers <-- input
 *                                          |
 *                                        regions <-- input, as honest runtimes (honest_runtime.h)
 *
 * Checked: that no call with a lie in its context runs, what call.h promises to an origin, that an
 * honest runtime is never condemned, that a link is released once it is retired or detached, every
 * assertion; and after each input, when all
 * have left, that every chunk, stream, call, sub-request and job is back. Channel and packets have
 * targets and simulations of their own. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/call/call_state.h"
#include "dataplane/call/cells.h"
#include "dataplane/call/serve.h"
#include "dataplane/call/sub.h"
#include "dataplane/core/core.h"
#include "dataplane/core_state.h"
#include "dataplane/rpc/peers.h"
#include "dataplane/world/cell_mail.h"
#include "dataplane/world/ring.h"
#include "dataplane/world/world.h"
#include "drivers/port_sim.h"
#include "fake_channel.h"
#include "honest_runtime.h"
#include "input.h"
#include "runtime/context.h"

enum { STREAMS = 24, ORIGINS = 6, CHUNKS = 700, LINKS = 8, LARGES = 2 };

enum link_state { LINK_FREE = 0, LINK_ATTACHED, LINK_RETIRED, LINK_DETACHED };

/* By the number of its link: one region of one cell. */
struct cell {
    enum link_state state;
    uint64_t script;
    struct honest_runtime runtime;
};

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
    struct cell_mail *mail;
    _Atomic uint32_t condemned;
    struct cell cell[LINKS];
    struct core *core;
} all;

struct origin {
    struct call_ref ref;
    bool is_live, has_head, has_body, cancels;
    struct byte_queue answer;
};

static struct origin origin[ORIGINS];

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

/* ---- the control thread's part of cells ---- */

static void tell(enum cell_news_type type, uint32_t link)
{
    cell_mail_tell(all.mail, &(struct cell_news){.type = type, .link = link});
}

static bool has_cell(uint64_t script, const struct job_geometry *g)
{
    for (uint32_t i = 0; i < LINKS; i++) {
        const struct cell *c = &all.cell[i];
        if (c->state == LINK_ATTACHED && c->script == script && c->runtime.geometry.jobs >= g->jobs)
            return true;
    }
    return false;
}

static void start_cell(uint64_t script, const struct job_geometry *g)
{
    uint32_t i = 0, larges = 0;
    for (uint32_t k = 0; k < LINKS; k++)
        larges += all.cell[k].state && all.cell[k].runtime.geometry.jobs > job_geometry_small.jobs;
    while (i < LINKS && all.cell[i].state)
        i++;
    if (i == LINKS || has_cell(script, g) || (g == &job_geometry_large && larges == LARGES))
        return;
    struct cell *c = &all.cell[i];
    c->state = LINK_ATTACHED;
    c->script = script;
    honest_runtime_start(&c->runtime, g);
    honest_runtime_say_loaded(&c->runtime, script);
    cell_mail_tell(all.mail, &(struct cell_news){.type = CELL_ATTACH,
                                                 .link = i,
                                                 .script = script,
                                                 .region = c->runtime.region,
                                                 .geometry = *g,
                                                 .wake_fd = -1,
                                                 .condemned = &all.condemned});
}

static void retire(uint32_t link)
{
    if (all.cell[link].state != LINK_ATTACHED)
        return;
    all.cell[link].state = LINK_RETIRED;
    tell(CELL_RETIRE, link);
}

static void detach(uint32_t link)
{
    if (all.cell[link].state != LINK_ATTACHED && all.cell[link].state != LINK_RETIRED)
        return;
    all.cell[link].state = LINK_DETACHED;
    tell(CELL_DETACH, link);
}

static void hear_wishes(void)
{
    struct cell_wish wish;
    while (cell_mail_hear(all.mail, &wish)) {
        struct cell *c = &all.cell[wish.link];
        switch ((enum cell_wish_type)wish.type) {
        case CELL_WISH_START:
            start_cell(wish.script, &job_geometry_small);
            break;
        case CELL_WISH_LARGER:
            start_cell(c->script, &job_geometry_large);
            if (has_cell(c->script, &job_geometry_large))
                retire(wish.link);
            break;
        case CELL_SAID_SPENT:
            retire(wish.link);
            break;
        case CELL_RELEASED:
            assert(c->state == LINK_RETIRED || c->state == LINK_DETACHED);
            honest_runtime_end(&c->runtime);
            c->state = LINK_FREE;
            break;
        }
    }
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
                               .can_start_cells = true};
    all.world.tune.hot_enter_rpm = UINT32_MAX / 2000;
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
    size_t mail_bytes = cell_mail_bytes(LINKS);
    all.mail = cell_mail_init(memset(take_memory(mail_bytes, -1), 0, mail_bytes), LINKS, -1);
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
                                 .mail = all.mail,
                                 .larges = LARGES,
                                 .jobs_max = HONEST_JOBS,
                                 .rpc_port = 7400,
                                 .calls = 20,
                                 .served = 8,
                                 .streams = STREAMS,
                                 .channels = 2,
                                 .numa_node = -1,
                                 .secret = {1, 2, 3, 4},
                                 .random = draw};
    all.core = core_create(&config, error, sizeof(error));
    assert(all.core);
}

/* ---- origins ---- */

static struct origin *origin_at(uint32_t owner)
{
    assert(owner < ORIGINS && origin[owner].is_live);
    return &origin[owner];
}

/* What was granted finds room: the queue has a floor for it. */
static void keep(struct core *core, struct origin *o, const struct answer_body *body)
{
    for (uint32_t i = 0; i < body->views; i++) {
        size_t kept =
            byte_queue_append(&o->answer, &core->chunks, body->view[i].p, body->view[i].len);
        assert(kept == body->view[i].len && o->answer.account.held <= o->answer.account.floor);
    }
}

static void had_enough(struct core *core, struct origin *o, bool is_end)
{
    if (is_end || o->cancels) {
        call_cancel(core, o->ref); /* of one that is over: nothing */
        o->is_live = false;
    }
}

static void on_head(void *core, uint32_t owner, const struct answer_head *head)
{
    struct origin *o = origin_at(owner);
    assert(!o->has_head && head->len > 0 && (head->body.is_end || head->body.views == 0));
    o->has_head = true;
    keep(core, o, &head->body);
    had_enough(core, o, head->body.is_end);
}

static void on_data(void *core, uint32_t owner, const struct answer_body *body)
{
    struct origin *o = origin_at(owner);
    assert(o->has_head);
    keep(core, o, body);
    had_enough(core, o, body->is_end);
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

enum lie { LIE_NONE, LIE_OWNER, LIE_TRUST, LIE_LIMIT, LIE_TAIL, LIES };

enum { LIE_REQUEST = 666 }; /* request id of a call whose context is a lie: it must not run */

/* A request's head with a stack of that depth, at least 1: the two scripts call each other by
 * turns. The top frame may lie. */
static size_t make_head(uint8_t *out, size_t cap, uint64_t script, uint32_t depth, enum lie lie)
{
    struct context context = {0};
    struct head_writer w;
    uint8_t stack[CONTEXT_BYTES_MAX], span[8] = {1};
    uint32_t top = script == all.script[1].id_hash;
    for (uint32_t i = depth; i-- > 0;)
        context_push(&context, all.script[(top + i) % 2].id_hash, span);
    struct context_frame *f = &context.frame[depth - 1];
    f->owner = lie == LIE_OWNER;
    f->trust = lie == LIE_TRUST;
    f->cpu_ms = lie == LIE_LIMIT;
    f->tail_count = lie == LIE_TAIL;
    context.granted = depth - 1;
    size_t bytes = context_write(&context, stack);
    head_write_request(&w, out, cap, (struct head_view){(const char *)stack, bytes},
                       (struct head_view){"PUT", 3}, (struct head_view){"https://a/", 10});
    return head_write_end(&w);
}

static void check_lies(void)
{
    const struct calls *t = all.core->calls;
    for (uint32_t i = 0; i < t->count; i++)
        assert(t->call[i].state == CALL_FREE || t->call[i].request_id != LIE_REQUEST);
}

static void start_origin(struct input *in, struct origin *o)
{
    struct core *core = all.core;
    uint32_t shape = input_take(in, 1), error;
    uint8_t head[4096];
    struct byte_queue queue = {0};
    const struct world_script *script = &all.script[shape & 1];
    size_t bytes = make_head(head, sizeof(head), script->id_hash, 1, LIE_NONE);
    byte_queue_fini(&o->answer, &core->chunks);
    if (byte_queue_append(&queue, &core->chunks, head, bytes) == bytes) {
        struct call_request r = {.events = &origin_events,
                                 .owner = (uint32_t)(o - origin),
                                 .script = script,
                                 .subrequests = shape,
                                 .request_id = 1 + input_take(in, 1),
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
    struct origin *o = &origin[input_take(in, 1) % ORIGINS];
    struct core *core = all.core;
    uint32_t what = input_take(in, 1), bytes;
    if (!o->is_live) {
        start_origin(in, o);
        return;
    }
    if (what & 128 && !o->has_body)
        call_fin(core, o->ref);
    switch (what % 4) {
    case 0:
    case 1:
        bytes = (uint32_t)call_body_room(core, o->ref);
        if (!o->has_body)
            break;
        bytes = bytes < sizeof(zero) ? bytes : sizeof(zero);
        bytes = what & 8 ? bytes : bytes * input_take(in, 1) / 256;
        o->has_body = !(what & 16);
        if (bytes > 0 || !o->has_body)
            call_body(core, o->ref, zero, bytes, !o->has_body);
        break;
    case 2:
        bytes = input_take(in, 2);
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
    return all.core->streams->channel && all.core->streams->channel->state == CHANNEL_OPEN;
}

static void show(struct channel *c, struct stream *s)
{
    c->config.events->readable(c->config.arg, c, s);
    if (c->state == CHANNEL_OPEN)
        peers_mark(all.core->peers, c);
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
    fake_channel_say(&c->control, out, record_write_state(out, sizeof(out), &state));
    show(c, &c->control);
}

static void open_by_peer(struct channel *c, struct input *in)
{
    static uint8_t head[4096], out[8192];
    struct stream *s = fake_channel_open_stream(c, false);
    uint32_t shape = input_take(in, 1);
    if (!s)
        return;
    const struct world_script *script = &all.script[shape & 1];
    uint32_t depth = 1 + (shape >> 5) * 2;
    uint32_t lie = input_take(in, 1) % (2 * LIES);
    if (lie >= LIES || (lie == LIE_LIMIT && depth == 1)) /* without a caller it is no lie */
        lie = LIE_NONE;
    struct record_call call = {.request_id = lie == LIE_NONE ? 5 : LIE_REQUEST,
                               .script = script->id_hash,
                               .version = shape & 2 ? script->version_bits : 8,
                               .flags = shape >> 2 & 7,
                               .head = head};
    call.head_bytes =
        (uint32_t)make_head(head, sizeof(head), script->id_hash, depth, (enum lie)lie);
    c->config.events->opened(c->config.arg, c, s);
    if (s->channel != c)
        return; /* refused */
    fake_channel_say(s, out, record_write_call(out, sizeof(out), &call));
    show(c, s);
    check_lies();
}

/* A record that is one, in or out of turn. */
static void say_record(struct stream *s, struct input *in)
{
    static uint8_t out[RECORD_HEADER_BYTES + RECORD_BODY_BYTES_MAX];
    uint32_t bytes;
    size_t len = 0;
    struct record_accept accept = {.width = 1};
    struct record_bounce bounce = {.reason = BOUNCE_OVERLOAD};
    struct record_error error = {.end = {s->turn}}; /* of a grant: more than that, or less */
    struct head_writer w;
    uint8_t response[64];
    struct record_head answer = {.head = response};
    static const uint8_t in_turn[] = {0, 2, 3, 3, 5}; /* ACCEPT HEAD DATA DATA DATA_END */
    static const uint8_t theirs_in_turn[] = {4, 4, 4, 6};
    bool is_ours = (s->id & 1) == (all.member[0].id > all.member[1].id);
    uint32_t which = input_take(in, 1) % 16;
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
        bytes = input_take(in, 2) % (RECORD_BODY_BYTES_MAX + 1);
        record_write_header(out, which == 4 ? RECORD_BODY : RECORD_DATA, bytes);
        len = RECORD_HEADER_BYTES + bytes;
        break;
    case 5:
        len = record_write_end(out, sizeof(out), &error.end);
        break;
    case 6:
        len = record_write_empty(out, sizeof(out), RECORD_BODY_END);
        break;
    case 7:
        error.error = 1 + input_take(in, 1) % (JOB_ERROR_KINDS - 1);
        len = record_write_error(out, sizeof(out), &error);
        break;
    }
    fake_channel_say(s, out, len);
}

/* Of any stream, ours too. */
static void say_fin(struct channel *c, const struct stream *s)
{
    uint8_t out[16];
    struct record_fin fin = {.stream = s->id};
    fake_channel_say(&c->control, out, record_write_fin(out, sizeof(out), &fin));
    show(c, &c->control);
}

static void use_peer(struct input *in)
{
    struct channel *c = all.core->streams->channel;
    if (!is_open()) {
        if (c)
            open_channel(c);
        return;
    }
    uint32_t what = input_take(in, 1);
    struct stream *s = fake_channel_any_stream(c, input_take(in, 1));
    if (what % 8 == 0 || !s) {
        open_by_peer(c, in);
        return;
    }
    switch (what % 8) {
    case 1: {
        uint8_t bytes[64];
        uint32_t len = 1 + input_take(in, 1) % sizeof(bytes);
        for (uint32_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)input_take(in, 1);
        if (!s->has_ended)
            fake_channel_say(s, bytes, len);
        show(c, s);
        break;
    }
    case 2:
    case 3:
    case 4:
        if (what & 128)
            say_fin(c, s);
        else if (!s->has_ended)
            say_record(s, in);
        if (!(what & 32)) /* else with the next one */
            show(c, s);
        break;
    case 5:
        s->has_ended = true;
        show(c, s);
        break;
    case 6:
        s->room = what & 16 ? input_take(in, 2) : CHANNEL_STREAM_BUFFER;
        s->is_stopped |= (what & 64) != 0;
        if (s->room >= CHANNEL_STREAM_BUFFER / 4 && !s->is_finished) {
            c->config.events->writable(c->config.arg, c, s);
            peers_mark(all.core->peers, c);
        }
        break;
    case 7:
        if (what & 128 && what & 64) {
            fake_channel_take_down(c);
            break;
        }
        c->config.events->reset(c->config.arg, c, s, (enum stream_reset)(1 + (what >> 3) % 3));
        s->channel = NULL;
        break;
    }
}

/* One that is up: the n-th of them. */
static void use_cell(struct input *in)
{
    uint32_t n = input_take(in, 1), up = 0;
    for (uint32_t i = 0; i < LINKS; i++)
        up += all.cell[i].state == LINK_ATTACHED || all.cell[i].state == LINK_RETIRED;
    n = up ? n % up : 0;
    for (uint32_t i = 0; i < LINKS && up; i++) {
        struct cell *c = &all.cell[i];
        if ((c->state == LINK_ATTACHED || c->state == LINK_RETIRED) && n-- == 0) {
            honest_runtime_step(&c->runtime, in);
            return;
        }
    }
}

/* ---- the run ---- */

static void iterate(uint32_t us)
{
    clock_set_ns(&all.clock, clock_now_ns(&all.clock) + us * 1000ull);
    core_iterate(all.core);
    hear_wishes();
    assert(atomic_load(&all.condemned) == 0);
}

/* Everybody leaves, and nothing is left. */
static void end_all(void)
{
    struct core *core = all.core;
    for (uint32_t i = 0; i < ORIGINS; i++) {
        if (origin[i].is_live)
            call_cancel(core, origin[i].ref);
        origin[i].is_live = false;
        byte_queue_fini(&origin[i].answer, &core->chunks);
    }
    if (all.core->streams->channel)
        fake_channel_take_down(all.core->streams->channel);
    for (int i = 0; i < 4; i++) {
        for (uint32_t k = 0; k < LINKS; k++)
            detach(k);
        iterate(3000000);
    }
    assert(calls_live(core->calls) == 0 && served_live(core->served) == 0);
    assert(subs_live(core->subs) == 0);
    for (uint32_t i = 0; i < LINKS; i++)
        assert(cells_at(core, i)->live_jobs == 0 && all.cell[i].state != LINK_DETACHED);
    assert(core->chunks.free_count == core->chunks.count && core->chunks.owed == 0);
    assert(stream_pool_free_count(core->streams) == STREAMS);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct input in = {bytes, bytes + len};
    if (!all.core) {
        start_world();
        start_core();
        iterate(1);
    }
    all.core->streams->part_bytes = 1 + input_take(&in, 1) * 16;
    if (all.core->streams->channel)
        open_channel(all.core->streams->channel);
    while (in.p < in.end) {
        uint32_t op = input_take(&in, 1);
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
            use_cell(&in);
            break;
        case 7:
            if (op & 64 && op & 128 && op & 32)
                detach(input_take(&in, 1) % LINKS); /* it died */
            else if (op & 64 && op & 128)
                retire(input_take(&in, 1) % LINKS); /* it is evicted */
            break;
        }
        if (op & 16)
            iterate(op & 8 ? 1000 : 10);
    }
    end_all();
    return 0;
}
