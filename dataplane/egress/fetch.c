#include "dataplane/egress/fetch.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "dataplane/base/memory.h"
#include "dataplane/egress/egress_state.h"
#include "dataplane/egress/fetch_wire.h"
#include "dataplane/tls/tls.h"
#include "dataplane/world/world.h"
#include "runtime/head.h"

enum {
    READS_PER_PUMP = 16,
    CHUNK_FRAME_BYTES = 24,
    RETRY_MS = 10,
    ANSWER_ROOM_BYTES = 128 * 1024,
};
#define MS 1000000ull

/* ---- the table ---- */

static struct fetch *find(struct core *core, struct fetch_ref ref)
{
    struct fetch *f = &core->egress->fetch[ref.index];
    return ref.generation && f->generation == ref.generation && f->state != FETCH_FREE ? f : NULL;
}

static void arm(struct core *core, struct fetch *f)
{
    uint64_t at = f->deadline_ns < f->race_ns ? f->deadline_ns : f->race_ns;
    timer_set(&core->egress->timers, &f->timer, at);
}

static void expect_within(struct core *core, struct fetch *f, uint32_t ms)
{
    f->deadline_ns = core->now_ns + ms * MS;
    arm(core, f);
}

static void drop(struct core *core, struct origin **o)
{
    if (*o)
        origin_abort(core, *o);
    *o = NULL;
}

static void free_fetch(struct core *core, struct fetch *f)
{
    struct egress *e = core->egress;
    uint32_t index = f->index, generation = f->generation + 1;
    drop(core, &f->origin);
    drop(core, &f->rival);
    resolver_forget(f);
    timer_cancel(&e->timers, &f->timer);
    byte_queue_fini(&f->head, &core->chunks);
    byte_queue_fini(&f->in, &core->chunks);
    if (f->answer)
        chunk_reserve(&core->chunks, &f->answer->account, 0, CHUNK_MUST);
    f->account->fetches--;
    *f = (struct fetch){
        .index = index, .generation = generation ? generation : 1, .next_free = e->free_fetches};
    e->free_fetches = f;
    e->fetches_live--;
}

static void count(struct core *core, enum job_error error)
{
    struct counters *c = &core->counters;
    c->egress_off += error == JOB_ERROR_WORLD_OFF;
    c->egress_bad_url += error == JOB_ERROR_WORLD_URL;
    c->egress_bad_port += error == JOB_ERROR_WORLD_PORT;
    c->egress_forbidden += error == JOB_ERROR_WORLD_FORBIDDEN;
    c->egress_busy += error == JOB_ERROR_WORLD_BUSY;
    c->egress_no_name += error == JOB_ERROR_WORLD_NAME;
    c->egress_no_connection += error == JOB_ERROR_WORLD_CONNECT;
    c->egress_tls_failed += error == JOB_ERROR_WORLD_TLS;
    c->egress_bad_answer += error == JOB_ERROR_WORLD_ANSWER;
    c->egress_timeout += error == JOB_ERROR_WORLD_TIMEOUT;
    c->egress_bad_body += error == JOB_ERROR_WORLD_BODY;
}

/* To what its account has done. */
#define ADD(counts, what, n)                                                                       \
    ((counts) ? (void)atomic_fetch_add_explicit(&(counts)->what, n, memory_order_relaxed) : (void)0)

static void fail(struct core *core, struct fetch *f, enum job_error error)
{
    const struct fetch_events *events = f->events;
    uint32_t owner = f->owner;
    count(core, error);
    ADD(f->counts, failed, 1);
    free_fetch(core, f);
    events->error(core, owner, error);
}

/* ---- connecting ---- */

static const struct origin_events origin_events;

static void add_address(struct core *core, struct fetch *f, const uint8_t ip[16])
{
    if (f->address_count < sizeof(f->address) / sizeof(f->address[0]) && egress_may_reach(core, ip))
        memmove(f->address[f->address_count++], ip, 16);
}

/* The next address that takes a connection at all. NULL: there is none. */
static struct origin *open_next(struct core *core, struct fetch *f)
{
    while (f->address_next < f->address_count) {
        const uint8_t *ip = f->address[f->address_next++];
        struct origin *o = origin_open(core, ip, f->port, &origin_events, f->index);
        if (o)
            return o;
    }
    return NULL;
}

static void start_race(struct core *core, struct fetch *f)
{
    bool has_next = f->address_next < f->address_count;
    f->race_ns = has_next ? core->now_ns + EGRESS_RACE_MS * MS : UINT64_MAX;
    arm(core, f);
}

/* JOB_ERROR_NONE: a connection is on its way. */
static enum job_error connect_it(struct core *core, struct fetch *f)
{
    f->state = FETCH_CONNECT;
    if (f->address_count == 0)
        return JOB_ERROR_WORLD_FORBIDDEN;
    f->failure = JOB_ERROR_WORLD_CONNECT;
    f->origin = open_next(core, f);
    if (!f->origin)
        return JOB_ERROR_WORLD_CONNECT;
    start_race(core, f);
    return JOB_ERROR_NONE;
}

/* Answer addresses of both families in turn (RFC 8305 4). */
static void take_name(struct core *core, struct fetch *f, const struct name *n)
{
    uint32_t first4 = 0;
    while (first4 < n->count && !ip_is_ip4(n->ip[first4]))
        first4++;
    for (uint32_t i = 0; i < n->count; i++) {
        if (i < first4)
            add_address(core, f, n->ip[i]);
        if (first4 + i < n->count)
            add_address(core, f, n->ip[first4 + i]);
    }
}

void fetch_resolved(struct core *core, struct fetch *f, const struct name *n)
{
    assert(f->state == FETCH_RESOLVE);
    enum job_error error = JOB_ERROR_WORLD_NAME;
    if (n) {
        take_name(core, f, n);
        error = connect_it(core, f);
    }
    if (error != JOB_ERROR_NONE)
        fail(core, f, error);
}

/* "localhost" is ourselves, whoever answers for it (RFC 6761 6.3). */
static bool is_localhost(const char *host)
{
    static const char word[] = "localhost";
    size_t len = strlen(host), bytes = sizeof(word) - 1;
    return len >= bytes && strcmp(host + len - bytes, word) == 0 &&
           (len == bytes || host[len - bytes - 1] == '.');
}

static enum job_error resolve(struct core *core, struct fetch *f)
{
    const struct name *n;
    uint8_t ip[16];
    f->address_count = f->address_next = 0;
    if (f->is_address) {
        memcpy(ip, f->address[0], sizeof(ip));
        add_address(core, f, ip);
        return connect_it(core, f);
    }
    if (is_localhost(f->host))
        return JOB_ERROR_WORLD_FORBIDDEN;
    f->state = FETCH_RESOLVE;
    switch (resolver_ask(core, f->host, f, &n)) {
    case RESOLVED:
        take_name(core, f, n);
        return connect_it(core, f);
    case RESOLVING:
        return JOB_ERROR_NONE;
    case RESOLVED_BUSY:
        return JOB_ERROR_WORLD_BUSY;
    case RESOLVED_NONE:
    case RESOLVED_SILENCE:
        break;
    }
    return JOB_ERROR_WORLD_NAME;
}

static void on_connected(struct core *core, uint32_t owner, struct origin *o)
{
    struct fetch *f = &core->egress->fetch[owner];
    assert(f->state == FETCH_CONNECT);
    if (f->rival == o) {
        f->rival = f->origin;
        f->origin = o;
    }
    drop(core, &f->rival);
    f->race_ns = UINT64_MAX;
    arm(core, f);
    struct egress *e = core->egress;
    const struct tls_resumption *resumption =
        sessions_find(&e->sessions, f->account->account, f->server);
    if (f->is_secure &&
        !origin_secure(core, o, e->config->tls, f->host, f->is_address, resumption)) {
        /* The library, as it is built, takes no certificate for an address (tls.h). */
        f->failure = f->is_address ? JOB_ERROR_WORLD_TLS : JOB_ERROR_WORLD_BUSY;
        tcp_abort(&o->tcp);
        origin_mark(core, o);
    }
}

/* ---- the answer ---- */

/* All is said. Keeps the connection if it may be used again. */
static void finish(struct core *core, struct fetch *f)
{
    struct origin *o = f->origin;
    bool is_whole = f->is_sent && f->body_ended && f->keep_alive && f->in.bytes == 0;
    f->origin = NULL;
    if (o->tls)
        sessions_keep(&core->egress->sessions, f->account->account, f->server, o->tls);
    if (!is_whole || !pool_keep(core, o, f->account, f->server))
        origin_close(core, o);
    free_fetch(core, f);
}

/* The answer's head for the script, in core->out: without the fields of one connection. */
static size_t encode(struct core *core, const struct http1_answer *a)
{
    struct head_writer w;
    char name[256];
    head_write_response(&w, core->out, JOB_HEAD_BYTES_MAX, a->status);
    for (uint16_t i = 0; i < a->field_count; i++) {
        struct head_view n = a->field[i].name;
        if (n.len > sizeof(name) || http1_answer_is_hop(a, n) ||
            (n.len > 9 && strncasecmp(n.p, "x-hearth-", 9) == 0))
            continue;
        for (size_t k = 0; k < n.len; k++)
            name[k] = (char)(n.p[k] >= 'A' && n.p[k] <= 'Z' ? n.p[k] | 0x20 : n.p[k]);
        head_write_field(&w, (struct head_view){name, n.len}, a->field[i].value);
    }
    return head_write_end(&w);
}

static void take_answer(struct core *core, struct fetch *f)
{
    const struct http1_answer *a = &core->egress->answer;
    const struct fetch_events *events = f->events;
    uint32_t owner = f->owner;
    size_t bytes = encode(core, a);
    if (bytes == 0) {
        fail(core, f, JOB_ERROR_WORLD_ANSWER);
        return;
    }
    core->counters.egress_answers++;
    http1_body_init_answer(&f->body, a);
    f->ends_with_connection = a->ends_with_connection;
    f->keep_alive = a->keep_alive;
    byte_queue_consume(&f->in, &core->chunks, (uint32_t)a->head_bytes);
    byte_queue_fini(&f->head, &core->chunks);
    f->state = FETCH_BODY;
    /* Faster, while chunks abound: fewer turns between the server and the script. */
    chunk_reserve(&core->chunks, &f->answer->account, byte_queue_chunks(ANSWER_ROOM_BYTES),
                  CHUNK_SPARES);
    bool is_end = !f->ends_with_connection && a->body == HTTP1_BODY_NONE;
    expect_within(core, f, core->egress->config->stall_ms);
    /* First, for the floor of the answer's queue goes with the fetch. */
    events->head(core, owner, core->out, bytes, is_end);
    if (is_end)
        finish(core, f);
}

/* Something of the answer came. False: it is over. */
static bool parse_head(struct core *core, struct fetch *f)
{
    struct http1_answer *a = &core->egress->answer;
    for (;;) {
        uint32_t bytes = f->in.bytes;
        byte_queue_copy(&f->in, 0, core->scratch, bytes);
        switch (
            http1_answer_parse(a, (const char *)core->scratch, bytes, f->in_seen, f->is_to_head)) {
        case HTTP1_MORE:
            f->in_seen = bytes;
            return true;
        case HTTP1_BAD:
            fail(core, f, JOB_ERROR_WORLD_ANSWER);
            return false;
        case HTTP1_OK:
            break;
        }
        f->in_seen = 0;
        if (!a->is_interim) {
            take_answer(core, f);
            return f->state == FETCH_BODY;
        }
        /* Nobody has asked for another protocol. */
        if (a->status == 101 || ++f->interims > EGRESS_INTERIM_MAX) {
            fail(core, f, JOB_ERROR_WORLD_ANSWER);
            return false;
        }
        byte_queue_consume(&f->in, &core->chunks, (uint32_t)a->head_bytes);
        if (f->in.bytes == 0)
            return true;
    }
}

/* Room in the owner's queue. */
static size_t answer_room(const struct fetch *f)
{
    uint32_t own = byte_queue_own_bytes(f->answer);
    return own > f->answer->bytes ? own - f->answer->bytes : 0;
}

/* Passes on as much of these bytes as belongs to the body. False: the fetch is over. */
static bool pass_on(struct core *core, struct fetch *f, const uint8_t *bytes, size_t len)
{
    const struct fetch_events *events = f->events;
    uint32_t owner = f->owner, generation = f->generation;
    while (len > 0) {
        struct head_view payload = {(const char *)bytes, len};
        size_t eaten = len;
        enum http1_result result = HTTP1_MORE;
        if (!f->ends_with_connection)
            result = http1_body_input(&f->body, bytes, len, &eaten, &payload);
        bytes += eaten;
        len -= eaten;
        core->counters.egress_in_bytes += payload.len;
        ADD(f->counts, in_bytes, payload.len);
        if (result == HTTP1_BAD) {
            fail(core, f, JOB_ERROR_WORLD_ANSWER);
            return false;
        }
        if (result == HTTP1_OK) {
            f->keep_alive &= len == 0; /* what follows was not asked for */
            events->data(core, owner, payload, true);
            finish(core, f);
            return false;
        }
        if (payload.len > 0)
            events->data(core, owner, payload, false);
        if (f->generation != generation || f->state != FETCH_BODY)
            return false;
    }
    return true;
}

/* What came with the head. */
static bool pass_on_rest(struct core *core, struct fetch *f)
{
    while (f->in.bytes > 0) {
        size_t len = f->in.bytes, room = answer_room(f);
        len = len < room ? len : room;
        if (len == 0)
            return true;
        byte_queue_copy(&f->in, 0, core->scratch, (uint32_t)len);
        byte_queue_consume(&f->in, &core->chunks, (uint32_t)len);
        if (!pass_on(core, f, core->scratch, len))
            return false;
    }
    return true;
}

static void end_of_stream(struct core *core, struct fetch *f, struct origin *o)
{
    bool is_whole = f->state == FETCH_BODY && f->ends_with_connection && !origin_is_cut(o);
    if (!is_whole) {
        fail(core, f, JOB_ERROR_WORLD_ANSWER);
        return;
    }
    const struct fetch_events *events = f->events;
    uint32_t owner = f->owner;
    f->keep_alive = false;
    events->data(core, owner, (struct head_view){"", 0}, true);
    finish(core, f);
}

/* A kept connection that had gone: once more, on one of its own. */
static bool try_again(struct core *core, struct fetch *f, struct origin *o)
{
    bool is_safe = !f->is_sent || (f->is_idempotent && !f->has_body);
    if (!o->was_kept || f->was_retried || f->state != FETCH_HEAD || f->in.bytes > 0 ||
        f->interims > 0 || !is_safe)
        return false;
    core->counters.egress_retried++;
    f->was_retried = true;
    f->is_sent = false;
    f->origin = NULL;
    origin_abort(core, o);
    expect_within(core, f, core->egress->config->connect_ms);
    /* The address stands in f->address where the URL has it; a name is looked up. */
    enum job_error error = resolve(core, f);
    if (error != JOB_ERROR_NONE)
        fail(core, f, error);
    return true;
}

static void read_head(struct core *core, struct fetch *f, struct origin *o)
{
    size_t len, room = byte_queue_room(&f->in, &core->chunks, CHUNK_BEGINS);
    size_t most = HTTP_HEAD_BYTES_MAX - f->in.bytes;
    bool has_more = false;
    if (room == 0) { /* others will give chunks back */
        o->retry_ns = core->now_ns + RETRY_MS * MS;
        return;
    }
    if (most > room)
        most = room;
    if (origin_read(core, o, core->scratch, most, &len)) {
        size_t taken = byte_queue_append(&f->in, &core->chunks, core->scratch, len);
        assert(taken == len);
        if (!parse_head(core, f))
            return;
        has_more = true;
    }
    if (f->state == FETCH_HEAD && !has_more && (origin_read_ended(o) || origin_is_cut(o)) &&
        !try_again(core, f, o))
        fail(core, f, JOB_ERROR_WORLD_ANSWER);
    else if (has_more)
        origin_mark(core, o);
    else if (f->in.bytes > 0)
        origin_await_more(o);
}

static void read_body(struct core *core, struct fetch *f, struct origin *o)
{
    if (!pass_on_rest(core, f))
        return;
    for (int i = 0; i < READS_PER_PUMP; i++) {
        size_t len, room = answer_room(f);
        if (room == 0 || f->in.bytes > 0)
            return; /* fetch_credit tells */
        if (room > sizeof(core->scratch))
            room = sizeof(core->scratch);
        if (!origin_read(core, o, core->scratch, room, &len)) {
            if (origin_read_ended(o) || origin_is_cut(o))
                end_of_stream(core, f, o);
            else
                origin_await_more(o);
            return;
        }
        f->deadline_ns = core->now_ns + core->egress->config->stall_ms * MS;
        if (!pass_on(core, f, core->scratch, len))
            return;
    }
    origin_mark(core, o);
}

/* ---- the connection ---- */

static bool send_head(struct core *core, struct fetch *f, struct origin *o)
{
    size_t bytes = fetch_wire_head(core, f);
    if (bytes == 0) {
        fail(core, f, JOB_ERROR_WORLD_URL);
        return false;
    }
    if (origin_write_room(o) < bytes) {
        o->retry_ns = core->now_ns + RETRY_MS * MS; /* of chunks: no event tells */
        return false;
    }
    f->is_sent = true;
    return origin_write(core, o, core->out, bytes);
}

static void on_pump(struct core *core, uint32_t owner, struct origin *o)
{
    struct fetch *f = &core->egress->fetch[owner];
    uint32_t generation = f->generation;
    if (f->state == FETCH_CONNECT) {
        f->state = FETCH_HEAD;
        f->race_ns = UINT64_MAX;
        expect_within(core, f, core->egress->config->answer_ms);
    }
    if (!f->is_sent && !send_head(core, f, o))
        return;
    if (f->has_body && !f->body_ended && origin_write_room(o) > CHUNK_FRAME_BYTES)
        f->events->credit(core, f->owner);
    if (f->generation == generation && f->state == FETCH_HEAD)
        read_head(core, f, o);
    if (f->generation == generation && f->state == FETCH_BODY && f->origin == o)
        read_body(core, f, o);
}

static enum job_error error_of(enum origin_end why)
{
    return why == ORIGIN_END_TLS ? JOB_ERROR_WORLD_TLS : JOB_ERROR_WORLD_CONNECT;
}

static void on_ended(struct core *core, uint32_t owner, struct origin *o, enum origin_end why)
{
    struct fetch *f = &core->egress->fetch[owner];
    if (f->state == FETCH_CONNECT) {
        if (f->failure == JOB_ERROR_WORLD_CONNECT)
            f->failure = error_of(why);
        if (f->origin == o) {
            f->origin = f->rival;
            f->rival = NULL;
        } else {
            f->rival = NULL;
        }
        if (!f->origin && why == ORIGIN_END_CONNECT)
            f->origin = open_next(core, f);
        if (f->origin) {
            start_race(core, f);
            return;
        }
        fail(core, f, f->failure);
        return;
    }
    f->origin = NULL;
    if (!try_again(core, f, o))
        fail(core, f, f->state == FETCH_BODY ? JOB_ERROR_WORLD_ANSWER : error_of(why));
}

static const struct origin_events origin_events = {
    .connected = on_connected, .pump = on_pump, .ended = on_ended};

void fetch_timeout(struct core *core, struct fetch *f)
{
    /* The script is slow, not the server. */
    if (f->state == FETCH_BODY && answer_room(f) == 0)
        f->deadline_ns = core->now_ns + core->egress->config->stall_ms * MS;
    if (f->deadline_ns <= core->now_ns) {
        fail(core, f, JOB_ERROR_WORLD_TIMEOUT);
        return;
    }
    if (f->race_ns <= core->now_ns) {
        if (f->state == FETCH_CONNECT && !f->rival)
            f->rival = open_next(core, f);
        f->race_ns = UINT64_MAX;
    }
    arm(core, f);
}

/* ---- for the owner ---- */

static enum job_error start(struct core *core, struct fetch *f, const struct fetch_request *r)
{
    struct egress *e = core->egress;
    if (!fetch_wire_take(f, r->head, r->head_bytes))
        return JOB_ERROR_WORLD_URL;
    if (address_port_is_bad(f->port))
        return JOB_ERROR_WORLD_PORT;
    if (f->is_secure && !e->config->tls)
        return JOB_ERROR_WORLD_TLS;
    if (byte_queue_append(&f->head, &core->chunks, r->head, r->head_bytes) != r->head_bytes ||
        !chunk_reserve(&core->chunks, &r->answer->account, ANSWER_CHUNKS_LEAST, CHUNK_WAITS))
        return JOB_ERROR_WORLD_BUSY;
    f->answer = r->answer;
    f->server = pool_server(core->config.secret[2], f->is_secure, f->host, f->port);
    expect_within(core, f, e->config->connect_ms);
    struct origin *kept = pool_take(core, f->account, f->server);
    if (!kept)
        return resolve(core, f);
    core->counters.egress_reused++;
    f->origin = kept;
    f->state = FETCH_HEAD;
    expect_within(core, f, e->config->answer_ms);
    origin_give(kept, &origin_events, f->index);
    origin_mark(core, kept);
    return JOB_ERROR_NONE;
}

bool fetch_start(struct core *core, const struct fetch_request *r, struct fetch_ref *ref,
                 enum job_error *error)
{
    struct egress *e = core->egress;
    *ref = (struct fetch_ref){0};
    *error = JOB_ERROR_WORLD_OFF;
    core->counters.egress_fetches++;
    ADD(r->counts, begun, 1);
    if (!egress_is_on(core)) {
        count(core, *error);
        ADD(r->counts, failed, 1);
        return false;
    }
    struct egress_account *account = egress_account_of(core, r->account);
    struct fetch *f = e->free_fetches;
    bool is_full = account && account->fetches >= e->config->account_fetches;
    if (!account || is_full || !f) {
        core->counters.egress_account_limit += is_full;
        *error = JOB_ERROR_WORLD_BUSY;
        count(core, *error);
        ADD(r->counts, failed, 1);
        return false;
    }
    e->free_fetches = f->next_free;
    e->fetches_live++;
    account->fetches++;
    f->account = account;
    f->counts = r->counts;
    f->events = r->events;
    f->owner = r->owner;
    f->has_body = r->has_body;
    f->body_ended = !r->has_body;
    f->deadline_ns = f->race_ns = UINT64_MAX;
    f->state = FETCH_RESOLVE;
    *error = start(core, f, r);
    if (*error == JOB_ERROR_NONE) {
        *ref = (struct fetch_ref){f->index, f->generation};
        return true;
    }
    count(core, *error);
    ADD(r->counts, failed, 1);
    free_fetch(core, f);
    return false;
}

size_t fetch_body_room(struct core *core, struct fetch_ref ref)
{
    struct fetch *f = find(core, ref);
    if (!f || !f->is_sent || f->body_ended || !f->origin)
        return 0;
    size_t room = origin_write_room(f->origin);
    return room > CHUNK_FRAME_BYTES ? room - CHUNK_FRAME_BYTES : 0;
}

static void send_body(struct core *core, struct fetch *f, const uint8_t *bytes, size_t len,
                      bool is_end)
{
    size_t count = fetch_wire_body(core, f, bytes, len, is_end);
    if (count > 0) /* if it breaks, the connection's end tells */
        origin_write(core, f->origin, core->out, count);
}

void fetch_body(struct core *core, struct fetch_ref ref, const uint8_t *bytes, size_t len,
                bool is_end)
{
    struct fetch *f = find(core, ref);
    if (!f)
        return;
    assert(f->is_sent && f->origin && !f->body_ended);
    if (f->has_length && (len > f->body_left || (is_end && len < f->body_left))) {
        fail(core, f, JOB_ERROR_WORLD_BODY);
        return;
    }
    f->body_left -= f->has_length ? len : 0;
    f->body_ended = is_end;
    core->counters.egress_out_bytes += len;
    ADD(f->counts, out_bytes, len);
    if (f->state == FETCH_HEAD) /* the server may wait for all of it */
        expect_within(core, f, core->egress->config->answer_ms);
    send_body(core, f, bytes, len, is_end);
}

void fetch_credit(struct core *core, struct fetch_ref ref)
{
    struct fetch *f = find(core, ref);
    if (f && f->state == FETCH_BODY && f->origin)
        origin_mark(core, f->origin);
}

void fetch_cancel(struct core *core, struct fetch_ref ref)
{
    struct fetch *f = find(core, ref);
    if (f)
        free_fetch(core, f);
}
