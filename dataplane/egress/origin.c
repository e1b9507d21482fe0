#include "dataplane/egress/origin.h"

#include <assert.h>
#include <string.h>

#include "dataplane/base/memory.h"
#include "dataplane/egress/egress_state.h"
#include "dataplane/tls/tls.h"

enum { SEGMENTS_PER_RUN = 64 };
#define MS 1000000ull

/* ---- birth and death ---- */

void origin_mark(struct core *core, struct origin *o)
{
    struct egress *e = core->egress;
    if (o->is_dirty)
        return;
    o->is_dirty = true;
    o->next_dirty = NULL;
    *e->dirty_last = o;
    e->dirty_last = &o->next_dirty;
}

static void free_origin(struct core *core, struct origin *o)
{
    struct egress *e = core->egress;
    assert(o->state != ORIGIN_FREE && !o->events);
    if (o->tls)
        tls_session_destroy(o->tls);
    o->tls = NULL;
    timer_cancel(&e->timers, &o->timer);
    age_remove(&o->resting);
    bool was_there = flow_remove(&core->flows, &o->key);
    assert(was_there);
    tcp_fini(&o->tcp);
    o->state = ORIGIN_FREE;
    e->origins_live--;
    if (!o->is_dirty) { /* else origin_run meets it */
        o->next_free = e->free_origins;
        e->free_origins = o;
    }
}

/* Room for another one: what only waits for time to pass, or for a request that may never come. */
static void make_room(struct core *core)
{
    struct egress *e = core->egress;
    struct age_link *link = e->time_wait.oldest;
    if (link) {
        struct origin *o = (struct origin *)((char *)link - offsetof(struct origin, resting));
        free_origin(core, o);
        return;
    }
    pool_give_way(core);
}

static struct origin *take_origin(struct core *core)
{
    struct egress *e = core->egress;
    if (!e->free_origins)
        make_room(core);
    struct origin *o = e->free_origins;
    if (!o)
        return NULL;
    e->free_origins = o->next_free;
    e->origins_live++;
    return o;
}

static void give_back(struct core *core, struct origin *o)
{
    struct egress *e = core->egress;
    e->origins_live--;
    o->next_free = e->free_origins;
    e->free_origins = o;
}

struct origin *origin_open(struct core *core, const uint8_t ip[16], uint16_t port,
                           const struct origin_events *events, uint32_t owner)
{
    struct egress *e = core->egress;
    const uint8_t *local = egress_source(core, ip);
    struct origin *o = local ? take_origin(core) : NULL;
    if (!o)
        return NULL;
    uint16_t local_port = egress_pick_port(core, local, ip, port);
    struct flow_key key = {.local_port = local_port, .remote_port = port};
    memcpy(key.local, local, sizeof(key.local));
    memcpy(key.remote, ip, sizeof(key.remote));
    if (local_port == 0 || !flow_add(&core->flows, &key, core->config.conns_max + o->index)) {
        give_back(core, o);
        return NULL;
    }
    struct tcp_env *env = ip_is_ip4(ip) ? &core->tcp_env4 : &core->tcp_env6;
    uint32_t iss = tcp_isn(env, key.local, key.remote, local_port, port, core->now_ns);
    tcp_open_active(&o->tcp, env, local_port, port, iss, core->now_ns);
    o->events = events;
    o->owner = owner;
    o->state = ORIGIN_CONNECT;
    o->key = key;
    o->tls = NULL;
    o->was_kept = o->is_read_ended = o->is_broken = false;
    o->deadline_ns = o->retry_ns = UINT64_MAX;
    o->account = NULL;
    if (!tcp_reserve(&o->tcp, CONN_RX_CHUNKS, CONN_TX_CHUNKS, CHUNK_WAITS)) {
        o->events = NULL;
        free_origin(core, o);
        return NULL;
    }
    core->counters.egress_conns++;
    timer_set(&e->timers, &o->timer, tcp_deadline(&o->tcp));
    origin_mark(core, o);
    return o;
}

/* ---- TLS over the stream ---- */

static const uint8_t *tls_peek(void *arg, size_t offset, size_t *len)
{
    struct origin *o = arg;
    return tcp_peek(&o->tcp, (uint32_t)offset, len);
}

static void tls_consume(void *arg, size_t len)
{
    struct origin *o = arg;
    tcp_consume(&o->tcp, (uint32_t)len);
}

static size_t tls_send(void *arg, const void *buf, size_t len)
{
    struct origin *o = arg;
    return tcp_write(&o->tcp, buf, len);
}

static bool tls_is_finished(void *arg)
{
    struct origin *o = arg;
    return tcp_peer_finished(&o->tcp);
}

static const struct tls_io tls_io = {
    .peek = tls_peek, .consume = tls_consume, .send = tls_send, .is_finished = tls_is_finished};

bool origin_secure(struct core *core, struct origin *o, struct tls_context *context,
                   const char *name, bool is_address, const struct tls_resumption *resumption)
{
    assert(o->state == ORIGIN_CONNECT && !o->tls);
    o->tls = tls_session_create_client(context, name, is_address, resumption, &tls_io, o);
    return o->tls;
}

void origin_give(struct origin *o, const struct origin_events *events, uint32_t owner)
{
    o->events = events;
    o->owner = owner;
}

/* ---- the stream ---- */

static size_t read_plain(struct origin *o, uint8_t *buf, size_t cap)
{
    size_t done = 0, part;
    while (done < cap) {
        const uint8_t *bytes = tcp_peek(&o->tcp, 0, &part);
        if (part == 0)
            break;
        part = part < cap - done ? part : cap - done;
        memcpy(buf + done, bytes, part);
        tcp_consume(&o->tcp, (uint32_t)part);
        done += part;
    }
    return done;
}

bool origin_read(struct core *core, struct origin *o, void *buf, size_t cap, size_t *len)
{
    *len = 0;
    if (!o->tls) {
        *len = read_plain(o, buf, cap);
        return *len > 0;
    }
    if (o->is_broken || o->is_read_ended)
        return false;
    switch (tls_read(o->tls, buf, cap, len)) {
    case TLS_OK:
        return *len > 0;
    case TLS_WANT:
        return false;
    case TLS_CLOSED:
        o->is_read_ended = true;
        return false;
    case TLS_FAILED:
        o->is_broken = true;
        return false;
    }
    return false;
}

void origin_await_more(struct origin *o)
{
    tcp_ack_now(&o->tcp);
}

bool origin_read_ended(const struct origin *o)
{
    if (o->tls)
        return o->is_read_ended;
    return tcp_peer_finished(&o->tcp) && tcp_readable(&o->tcp) == 0;
}

bool origin_is_cut(const struct origin *o)
{
    return o->is_broken;
}

size_t origin_write_room(const struct origin *o)
{
    size_t room = tcp_writable(&o->tcp);
    if (o->state != ORIGIN_OPEN || (o->tls && tls_is_holding(o->tls)))
        return 0;
    if (!o->tls)
        return room;
    size_t overhead = tls_wire_bytes(room) - room;
    return room > overhead ? room - overhead : 0;
}

bool origin_write(struct core *core, struct origin *o, const void *bytes, size_t len)
{
    size_t taken = 0;
    if (!o->tls)
        taken = tcp_write(&o->tcp, bytes, len);
    else if (tls_write(o->tls, bytes, len, &taken) == TLS_FAILED)
        taken = 0;
    origin_mark(core, o);
    if (taken == len)
        return true;
    /* The room was looked at first, so the session broke, or the core's chunks have run out. */
    tcp_abort(&o->tcp);
    return false;
}

/* ---- the end ---- */

/* Nobody's any more. */
static void let_go(struct core *core, struct origin *o)
{
    age_remove(&o->resting);
    o->events = NULL;
    o->state = ORIGIN_CLOSING;
    o->deadline_ns = core->now_ns + ORIGIN_CLOSING_MS * MS;
    origin_mark(core, o);
}

void origin_close(struct core *core, struct origin *o)
{
    if (o->tls && !o->is_broken && tls_finish(o->tls) == TLS_WANT)
        tcp_abort(&o->tcp);
    else
        tcp_close(&o->tcp, core->now_ns);
    let_go(core, o);
}

void origin_abort(struct core *core, struct origin *o)
{
    tcp_abort(&o->tcp);
    let_go(core, o);
}

static void end(struct core *core, struct origin *o, enum origin_end why)
{
    const struct origin_events *events = o->events;
    uint32_t owner = o->owner;
    origin_abort(core, o);
    if (events)
        events->ended(core, owner, o, why);
}

/* ---- the run ---- */

static void connected(struct core *core, struct origin *o)
{
    o->events->connected(core, o->owner, o);
    /* Its owner may have given it up: without TLS it must not look open. */
    if (o->state == ORIGIN_CONNECT && tcp_state(&o->tcp) != TCP_CLOSED)
        o->state = o->tls ? ORIGIN_HANDSHAKE : ORIGIN_OPEN;
}

static void shake_hands(struct core *core, struct origin *o)
{
    switch (tls_handshake(o->tls)) {
    case TLS_OK:
        o->state = ORIGIN_OPEN;
        core->counters.egress_resumed += tls_is_resumed(o->tls);
        return;
    case TLS_WANT:
        origin_await_more(o);
        return;
    default:
        end(core, o, ORIGIN_END_TLS);
    }
}

static void pump(struct core *core, struct origin *o)
{
    if (o->state == ORIGIN_CONNECT) {
        if (tcp_state(&o->tcp) < TCP_ESTABLISHED)
            return;
        connected(core, o);
    }
    if (o->tls && o->state != ORIGIN_CLOSING && tls_is_holding(o->tls)) {
        size_t none;
        tls_write(o->tls, NULL, 0, &none);
    }
    if (o->state == ORIGIN_HANDSHAKE)
        shake_hands(core, o);
    if (o->state == ORIGIN_OPEN)
        o->events->pump(core, o->owner, o);
}

/* False: not all that is due could be sent. */
static bool send_due(struct core *core, struct origin *o)
{
    struct net_route route = {0};
    memcpy(route.src, o->key.local, sizeof(route.src));
    memcpy(route.dst, o->key.remote, sizeof(route.dst));
    for (uint32_t segments = 0; segments < SEGMENTS_PER_RUN;) {
        uint32_t due = tcp_segments_due(&o->tcp, core->now_ns);
        if (due == 0)
            return true;
        size_t room, bytes;
        uint16_t gso_size = 0;
        uint8_t *l4 = due > 1 ? net_begin_large(&core->net, &route, &room, core->now_ns)
                              : net_begin(&core->net, &route, 6, &room, core->now_ns);
        if (!l4)
            return false;
        if (room > net_l4_room(&core->net, route.dst))
            bytes = tcp_output_large(&o->tcp, l4, room, &gso_size, core->now_ns);
        else
            bytes = tcp_output(&o->tcp, l4, room, core->now_ns);
        net_end_large(&core->net, bytes, gso_size);
        if (bytes == 0)
            return true;
        segments += gso_size ? (uint32_t)bytes / gso_size : 1;
    }
    origin_mark(core, o);
    return true;
}

static void discard(struct origin *o)
{
    size_t len = tcp_readable(&o->tcp);
    if (len > 0)
        tcp_consume(&o->tcp, (uint32_t)len);
}

static void arm(struct core *core, struct origin *o)
{
    uint64_t deadline = tcp_deadline(&o->tcp);
    if (o->deadline_ns < deadline)
        deadline = o->deadline_ns;
    if (o->retry_ns < deadline)
        deadline = o->retry_ns;
    if (deadline != o->timer.deadline_ns || !timer_is_set(&o->timer))
        timer_set(&core->egress->timers, &o->timer, deadline);
}

void origin_run(struct core *core, struct origin *o)
{
    struct egress *e = core->egress;
    if (o->state == ORIGIN_FREE) { /* freed while it was on the dirty list */
        o->next_free = e->free_origins;
        e->free_origins = o;
        return;
    }
    o->retry_ns = UINT64_MAX;
    if (o->events && tcp_state(&o->tcp) == TCP_CLOSED)
        end(core, o, o->state == ORIGIN_CONNECT ? ORIGIN_END_CONNECT : ORIGIN_END_LOST);
    else if (o->events)
        pump(core, o);
    if (o->state == ORIGIN_CLOSING)
        discard(o);
    tcp_feed(&o->tcp);
    if (!send_due(core, o)) {
        if (core->net.blocked.why == NET_NO_ROUTE || tcp_state(&o->tcp) == TCP_CLOSED) {
            if (o->events)
                end(core, o, o->state == ORIGIN_CONNECT ? ORIGIN_END_CONNECT : ORIGIN_END_LOST);
            free_origin(core, o);
            return;
        }
        o->retry_ns = core->now_ns + ORIGIN_HOP_RETRY_MS * MS;
    }
    if (tcp_is_done(&o->tcp) && !o->events) {
        free_origin(core, o);
        return;
    }
    if (tcp_is_starved(&o->tcp))
        o->retry_ns = core->now_ns + ORIGIN_HOP_RETRY_MS * MS;
    if (tcp_state(&o->tcp) == TCP_TIME_WAIT && !o->events && !age_is_in(&o->resting)) {
        o->deadline_ns = UINT64_MAX;
        age_add(&e->time_wait, &o->resting);
    }
    arm(core, o);
}

void origin_timeout(struct core *core, struct origin *o)
{
    if (tcp_deadline(&o->tcp) <= core->now_ns)
        tcp_timeout(&o->tcp, core->now_ns);
    if (o->deadline_ns <= core->now_ns) {
        o->deadline_ns = UINT64_MAX;
        tcp_abort(&o->tcp);
    }
    origin_mark(core, o);
}

void origin_drop(struct core *core, struct origin *o)
{
    age_remove(&o->resting);
    o->events = NULL;
    tcp_abort(&o->tcp);
    send_due(core, o);
    free_origin(core, o);
}
