#include "dataplane/base/trace.h"
#include "dataplane/conn/conn_parts.h"
#include "dataplane/world/world.h"

enum {
    SEGMENTS_PER_RUN = 64,                /* fairness: a bulk connection gives way after so many */
    OUTPUT_RETRY_NS = 1000 * 1000 * 1000, /* there is no room to wait for the next hop in */
    STARVED_TURN_NS = 5 * 1000 * 1000,
    STARVED_PER_TURN = 256,
    CLOSING_TIMEOUT_MS = 10000,
    CLOSING_BYTES_MIN =
        4096, /* in that time a slow reader takes as much of its answer, or all of it */
};

void conn_set_state(struct conn *c, enum conn_state state)
{
    c->state = (uint8_t)state;
    switch (state) {
    case CONN_FREE:
        c->deadline_ns = UINT64_MAX;
        break;
    case CONN_HELLO:
    case CONN_HANDSHAKE:
        break; /* one deadline for both, set when the connection came */
    case CONN_OPEN:
        c->app->start(c->app_state);
        break;
    case CONN_CLOSING:
        age_remove(&c->turn_wait);
        c->deadline_ns = conn_after_ms(c->core, CLOSING_TIMEOUT_MS);
        c->unsaid = (uint32_t)tcp_unacked(&c->tcp);
        break;
    }
}

void conn_set_deadline(struct conn *c, uint64_t deadline_ns)
{
    c->deadline_ns = deadline_ns;
}

void conn_retry(struct conn *c)
{
    c->is_starved = true;
}

void conn_mark(struct conn *c)
{
    struct core *core = c->core;
    if (c->is_dirty)
        return;
    c->is_dirty = true;
    c->next_dirty = NULL;
    *core->dirty_last = c;
    core->dirty_last = &c->next_dirty;
}

/* ---- TLS over the TCP stream ---- */

static const uint8_t *tls_peek(void *arg, size_t offset, size_t *len)
{
    struct conn *c = arg;
    return tcp_peek(&c->tcp, (uint32_t)offset, len);
}

static void tls_consume(void *arg, size_t len)
{
    struct conn *c = arg;
    tcp_consume(&c->tcp, (uint32_t)len);
}

static size_t tls_send(void *arg, const void *buf, size_t len)
{
    struct conn *c = arg;
    return tcp_write(&c->tcp, buf, len);
}

static bool tls_is_finished(void *arg)
{
    struct conn *c = arg;
    return tcp_peer_finished(&c->tcp);
}

const struct tls_io conn_tls_io = {
    .peek = tls_peek, .consume = tls_consume, .send = tls_send, .is_finished = tls_is_finished};

static size_t read_plain(struct conn *c, uint8_t *buf, size_t len)
{
    size_t done = 0;
    while (done < len) {
        size_t part;
        const uint8_t *bytes = tcp_peek(&c->tcp, 0, &part);
        if (part == 0)
            break;
        if (part > len - done)
            part = len - done;
        memcpy(buf + done, bytes, part);
        tcp_consume(&c->tcp, (uint32_t)part);
        done += part;
    }
    return done;
}

bool conn_read_ended(const struct conn *c)
{
    return c->is_read_ended || (tcp_peer_finished(&c->tcp) && tcp_readable(&c->tcp) == 0);
}

/* What TLS says of reading, with len bytes read: true if there are some. */
static bool has_read(struct conn *c, enum tls_result result, size_t len)
{
    struct core *core = c->core;
    switch (result) {
    case TLS_OK:
        return len > 0;
    case TLS_WANT:
        return false;
    case TLS_CLOSED:
        c->is_read_ended = true; /* the peer's half: an answer may still be on its way out */
        return false;
    case TLS_FAILED:
        if (tcp_peer_finished(&c->tcp))
            core->counters.tls_truncated++; /* it left without close_notify, as many clients do */
        else
            core->counters.tls_failed++;
        core->counters.tls_flooded += tls_is_flooded(c->tls);
        conn_close(c, true);
        return false;
    }
    return false;
}

/* To find nothing costs less than to look at the clock twice. */
static uint64_t into_records(const struct conn *c)
{
    return tcp_readable(&c->tcp) > 0 ? ledger_in(&c->core->ledger) : 0;
}

bool conn_read(struct conn *c, void *buf, size_t cap, size_t *len)
{
    *len = 0;
    if (c->tls) {
        uint64_t in = into_records(c);
        enum tls_result result = tls_read(c->tls, buf, cap, len);
        ledger_out(&c->core->ledger, LEDGER_tls, in);
        return has_read(c, result, *len);
    }
    *len = read_plain(c, buf, cap);
    return *len > 0;
}

size_t conn_peek(struct conn *c, void *buf, size_t cap)
{
    size_t len = 0;
    if (c->tls) {
        uint64_t in = into_records(c);
        enum tls_result result = tls_look(c->tls, buf, cap, &len);
        ledger_out(&c->core->ledger, LEDGER_tls, in);
        return has_read(c, result, len) ? len : 0;
    }
    while (len < cap) {
        size_t part;
        const uint8_t *bytes = tcp_peek(&c->tcp, (uint32_t)len, &part);
        if (part == 0)
            break;
        if (part > cap - len)
            part = cap - len;
        memcpy((uint8_t *)buf + len, bytes, part);
        len += part;
    }
    return len;
}

void conn_skip(struct conn *c, size_t bytes)
{
    uint8_t dropped[2048];
    if (!c->tls) {
        tcp_consume(&c->tcp, (uint32_t)bytes);
        return;
    }
    while (bytes > 0) {
        size_t len = bytes < sizeof(dropped) ? bytes : sizeof(dropped);
        bool is_there = conn_read(c, dropped, len, &len);
        assert(is_there); /* of a record that has been shown */
        bytes -= len;
    }
}

size_t conn_pending(const struct conn *c)
{
    return tcp_readable(&c->tcp) + (c->tls ? tls_pending(c->tls) : 0);
}

bool conn_sees_end(struct conn *c)
{
    uint8_t next;
    if (c->tls && !c->is_read_ended && tls_pending(c->tls) == 0 && tcp_readable(&c->tcp) > 0)
        conn_peek(c, &next, sizeof(next)); /* a close_notify, perhaps */
    return c->is_read_ended || (tcp_peer_finished(&c->tcp) && conn_pending(c) == 0);
}

size_t conn_write_room(const struct conn *c)
{
    size_t room = tcp_writable(&c->tcp);
    if (!c->tls)
        return room;
    if (tls_is_holding(c->tls))
        return 0; /* that leaves first */
    /* A client may ask for records of 512 bytes (RFC 6066 4): 40 bytes more for each of them. */
    size_t overhead = tls_wire_bytes(room) - room + room / 512 * 40;
    return room > overhead ? room - overhead : 0;
}

static enum tls_result write_tls(struct conn *c, const void *bytes, size_t len, size_t *taken)
{
    uint64_t in = ledger_in(&c->core->ledger);
    enum tls_result result = tls_write(c->tls, bytes, len, taken);
    ledger_out(&c->core->ledger, LEDGER_tls, in);
    return result;
}

bool conn_write(struct conn *c, const void *bytes, size_t len)
{
    struct core *core = c->core;
    size_t taken = 0;
    if (!c->tls) {
        taken = tcp_write(&c->tcp, bytes, len);
    } else if (write_tls(c, bytes, len, &taken) == TLS_FAILED) {
        core->counters.tls_failed++; /* the peer has broken the session since it asked */
        conn_abort(c);
        return false;
    }
    if (taken == len)
        return true;
    /* The room was looked at first, so only the core's chunks can have run out. */
    conn_give_up(c);
    return false;
}

void conn_give_up(struct conn *c)
{
    if (tcp_state(&c->tcp) != TCP_CLOSED)
        c->core->counters.conn_no_memory++;
    conn_abort(c);
}

void conn_finish_stream(struct conn *c)
{
    size_t none;
    if (!c->tls || !tls_is_holding(c->tls) || tls_write(c->tls, NULL, 0, &none) != TLS_WANT)
        tcp_finish(&c->tcp);
}

void conn_close(struct conn *c, bool truncated)
{
    if (c->state == CONN_CLOSING || c->state == CONN_FREE)
        return;
    if (c->tls && !truncated)
        tls_finish(c->tls);
    c->app->fini(c->app_state);
    conn_set_state(c, CONN_CLOSING);
    conn_finish_stream(c);
    conn_mark(c);
}

void conn_cut(struct conn *c)
{
    assert(!c->tls);
    c->app->fini(c->app_state);
    tcp_cut(&c->tcp); /* which CLOSING's FIN does not change */
    conn_set_state(c, CONN_CLOSING);
    conn_mark(c);
}

void conn_abort(struct conn *c)
{
    c->app->fini(c->app_state);
    tcp_abort(&c->tcp);
    conn_set_state(c, CONN_CLOSING);
    conn_mark(c);
}

/* ---- hello and handshake ---- */

void conn_trace(struct conn *c, uint64_t id)
{
    struct core *core = c->core;
    if (c->syn_ns == 0)
        return;
    trace_write(core->trace, id, 0, TRACE_SYN, 0, 0, c->syn_ns);
    if (c->hello_ns) {
        bool is_here = c->warmed_at == core->world->cluster.self;
        trace_write(core->trace, id, 0, TRACE_HELLO, 0, c->script_hash, c->hello_ns);
        if (c->script_hash)
            trace_write(core->trace, id, 0, is_here ? TRACE_WARM_LOCAL : TRACE_WARM_REMOTE,
                        c->warmed_at, c->script_hash, c->hello_ns);
        trace_write(core->trace, id, 0, TRACE_HANDSHAKE, tls_is_resumed(c->tls), 0,
                    c->handshake_ns);
    }
    c->syn_ns = 0; /* it belongs to the connection's first request */
}

/* What the peer still sends is of no interest, but its FIN is. */
static void run_closing(struct conn *c)
{
    conn_finish_stream(c);
    size_t len = tcp_readable(&c->tcp);
    if (len > 0)
        tcp_consume(&c->tcp, (uint32_t)len);
}

static void pump(struct conn *c)
{
    if (c->tls && c->state != CONN_CLOSING && tls_is_holding(c->tls)) {
        size_t none;
        tls_write(c->tls, NULL, 0, &none);
    }
    if (c->state == CONN_HELLO && !conn_run_hello(c))
        return;
    if (c->state == CONN_HANDSHAKE && !conn_run_handshake(c))
        return;
    if (c->state == CONN_OPEN)
        c->app->pump(c->app_state);
}

/* ---- the run ---- */

bool conn_send(struct conn *c)
{
    struct core *core = c->core;
    struct net_route route = {0};
    memcpy(route.src, c->key.local, sizeof(route.src));
    memcpy(route.dst, c->key.remote, sizeof(route.dst));
    for (int i = 0; i < SEGMENTS_PER_RUN; i++) {
        if (!tcp_wants_output(&c->tcp, core->now_ns))
            return true;
        size_t room;
        uint8_t *l4 = net_begin(&core->net, &route, 6, &room, core->now_ns);
        if (!l4)
            return false;
        size_t bytes = tcp_output(&c->tcp, l4, room, core->now_ns);
        net_end(&core->net, bytes);
        if (bytes == 0)
            return true;
    }
    conn_mark(c);
    return true;
}

static void end_upper(struct conn *c)
{
    c->app->fini(c->app_state);
    if (c->state != CONN_CLOSING)
        conn_set_state(
            c, CONN_CLOSING); /* a last RST may still wait for a neighbour, but not for ever */
}

/* Does a busy connection perhaps wait for chunks that others hold? */
static bool is_short_of_chunks(const struct conn *c)
{
    const struct chunk_pool *pool = &c->core->chunks;
    bool is_busy = c->state == CONN_HANDSHAKE ||
                   (c->state == CONN_OPEN && !c->app->is_idle(c->app_state)) ||
                   (c->state == CONN_OPEN && tcp_readable(&c->tcp) > 0);
    return is_busy &&
           chunk_shared(pool) < (pool->count >> CHUNK_WAITS) + TCP_TX_BUFFER_BYTES / CHUNK_ROOM + 1;
}

/* What never was more than a SYN, or is no more than a RST, has nothing to wait for. */
static bool is_worth_waiting(const struct conn *c)
{
    enum tcp_state state = tcp_state(&c->tcp);
    return state != TCP_SYN_RECEIVED && state != TCP_CLOSED;
}

/* There is no way to the peer for now. True: the connection is gone. */
static bool end_unreachable(struct conn *c)
{
    if (is_worth_waiting(c))
        return false;
    c->core->counters.conn_unreachable += tcp_state(&c->tcp) == TCP_SYN_RECEIVED;
    conn_free(c);
    return true;
}

/* What could not be sent waits for its next hop. True: the connection is gone. */
static bool wait_for_hop(struct conn *c)
{
    struct core *core = c->core;
    if (hops_wait(&core->hops, &core->net, &c->hop_wait, core->now_ns))
        return false;
    core->counters.net_unresolved_dropped += core->net.blocked.why == NET_UNRESOLVED;
    return end_unreachable(c);
}

static struct conn *conn_of_hop_wait(struct age_link *link)
{
    return (struct conn *)((char *)link - offsetof(struct conn, hop_wait));
}

uint32_t conns_run_hops(struct core *core)
{
    struct age_link *link;
    uint32_t count = 0;
    bool is_lost;
    while (count < HOPS_PER_ITERATION &&
           (link = hops_next(&core->hops, &core->net, core->now_ns, &is_lost))) {
        struct conn *c = conn_of_hop_wait(link);
        count++;
        if (!is_lost || !end_unreachable(c))
            conn_mark(c);
    }
    return count;
}

/* No event tells when others have given back what it waits for. They all stand in one queue, of
 * which STARVED_PER_TURN try each STARVED_TURN_NS. Rejected: each tries by itself; a thousand would
 * run 200,000 times a second, and take the core's time from those that can give something back. */
static void starve(struct conn *c)
{
    struct core *core = c->core;
    if (age_is_in(&c->starving))
        return;
    if (core->starving.count == 0)
        core->starving_turn_ns = core->now_ns + STARVED_TURN_NS;
    age_add(&core->starving, &c->starving);
}

uint32_t conns_run_starving(struct core *core)
{
    if (core->starving.count == 0 || core->now_ns < core->starving_turn_ns)
        return 0;
    uint32_t count = 0;
    core->starving_turn_ns = core->now_ns + STARVED_TURN_NS;
    for (struct age_link *link; count < STARVED_PER_TURN && (link = core->starving.oldest);
         count++) {
        age_remove(link);
        conn_mark((struct conn *)((char *)link - offsetof(struct conn, starving)));
    }
    return count;
}

uint64_t conns_starving_next_ns(const struct core *core)
{
    return core->starving.count > 0 ? core->starving_turn_ns : UINT64_MAX;
}

static struct conn *conn_of_turn_wait(struct age_link *link)
{
    return (struct conn *)((char *)link - offsetof(struct conn, turn_wait));
}

uint32_t conns_run_handshakes(struct core *core)
{
    struct slice slice = slice_of(core->config.clock, HANDSHAKES_PER_ITERATION);
    uint32_t count = 0;
    while (handshakes_wait(&core->handshakes) && slice_take(&slice)) {
        struct conn *c = conn_of_turn_wait(handshakes_next(&core->handshakes));
        c->has_turn = true;
        conn_run(c);
        count++;
    }
    return count;
}

uint32_t conn_chunks(const struct conn *c)
{
    return chunk_kept(&c->tcp.rx.account) + chunk_kept(&c->tcp.tx.account) +
           c->app->chunks(c->app_state);
}

/* What it holds now is what its sources hold. */
static void charge(struct conn *c)
{
    struct core *core = c->core;
    bool waits = c->turn_wait.list == &core->handshakes.fresh;
    if (waits != c->is_turn_charged)
        sources_hold(&core->sources, c->source, SOURCE_HANDSHAKES, waits ? 1 : -1);
    c->is_turn_charged = waits;
    uint32_t chunks = conn_chunks(c);
    if (chunks == c->chunks)
        return;
    sources_hold(&core->sources, c->source, SOURCE_CHUNKS, (int32_t)(chunks - c->chunks));
    c->chunks = chunks;
}

void conn_run(struct conn *c)
{
    struct core *core = c->core;
    if (c->state == CONN_FREE) { /* freed while it was on the dirty list */
        c->next_free = core->free_conns;
        core->free_conns = c;
        return;
    }
    enum tcp_state state = tcp_state(&c->tcp);
    if (state != TCP_SYN_RECEIVED)
        conn_half_open_end(c);
    c->is_starved = false;
    if (state == TCP_CLOSED)
        end_upper(c); /* the client is gone */
    else if (state != TCP_SYN_RECEIVED)
        pump(c);
    if (c->state == CONN_CLOSING)
        run_closing(c);
    tcp_feed(&c->tcp);

    bool is_sent = conn_send(c);
    if (is_sent)
        age_remove(&c->hop_wait);
    else if (wait_for_hop(c))
        return;
    if (MUTANT(HOP_NOT_WAITED) && !is_sent)
        conn_mark(c);
    state = tcp_state(&c->tcp);
    if (tcp_is_done(&c->tcp)) {
        conn_free(c);
        return;
    }
    if (state == TCP_TIME_WAIT && c->resting != CONN_REST_TIME_WAIT) {
        conn_release_upper(c);
        conn_set_state(c, CONN_CLOSING);
        c->deadline_ns = UINT64_MAX;
    }
    conn_settle(c);
    charge(c);
    if (c->is_starved || tcp_is_starved(&c->tcp) || is_short_of_chunks(c))
        starve(c);
    else
        age_remove(&c->starving);
    uint64_t deadline = tcp_deadline(&c->tcp);
    if (c->deadline_ns < deadline)
        deadline = c->deadline_ns;
    if (!is_sent && !age_is_in(&c->hop_wait) && core->now_ns + OUTPUT_RETRY_NS < deadline)
        deadline = core->now_ns + OUTPUT_RETRY_NS;
    if (deadline != c->timer.deadline_ns || !timer_is_set(&c->timer))
        timer_set(&core->timers, &c->timer, deadline);
}

/* Is the peer still reading what was said? */
static bool is_taking(const struct conn *c)
{
    size_t left = tcp_unacked(&c->tcp);
    return c->unsaid > 0 && (left == 0 || left + CLOSING_BYTES_MIN <= c->unsaid);
}

void conn_timeout(struct conn *c)
{
    struct core *core = c->core;
    if (tcp_deadline(&c->tcp) <= core->now_ns)
        tcp_timeout(&c->tcp, core->now_ns);
    if (c->deadline_ns <= core->now_ns) {
        c->deadline_ns = UINT64_MAX;
        switch ((enum conn_state)c->state) {
        case CONN_HELLO:
        case CONN_HANDSHAKE:
            core->counters.conn_timeout_hello++;
            conn_cancel_hello(c);
            break;
        case CONN_OPEN:
            c->app->timeout(c->app_state);
            break;
        case CONN_CLOSING:
            if (tcp_state(&c->tcp) == TCP_CLOSED) {
                conn_free(c); /* its RST found no way out */
                return;
            }
            if (is_taking(c))
                conn_set_state(c, CONN_CLOSING);
            else
                conn_abort(c);
            break;
        case CONN_FREE:
            assert(!"a free connection has no timer");
        }
    }
    conn_mark(c);
}

void conn_drop(struct conn *c)
{
    c->app->fini(c->app_state);
    tcp_abort(&c->tcp);
    conn_send(c);
    conn_free(c);
}
