#include "dataplane/conn.h"

#include <assert.h>
#include <string.h>

#include "dataplane/cert.h"
#include "dataplane/core_state.h"
#include "dataplane/route.h"
#include "dataplane/tls.h"

enum {
    SEGMENTS_PER_RUN = 64,             /* fairness: a bulk connection gives way after so many */
    OUTPUT_RETRY_NS = 2 * 1000 * 1000, /* the neighbour or a buffer was missing */
    STARVED_RETRY_NS = 5 * 1000 * 1000,
    CLOSING_TIMEOUT_MS = 10000,
    CLOSING_BYTES_MIN =
        4096, /* in that time a slow reader takes as much of its answer, or all of it */
    COOKIE_LIFE_MS =
        60000, /* an ACK without a connection is looked at for so long after the last cookie */
    WARM_SCRIPTS_MAX = 4, /* scripts of one host that a hello may warm */
};

static uint64_t after_ms(const struct core *core, uint32_t ms)
{
    return core->now_ns + (uint64_t)ms * 1000000;
}

static void set_state(struct core *core, struct conn *c, enum conn_state state)
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
        exchange_start(core, c); /* the deadline is its own from here on */
        break;
    case CONN_CLOSING:
        c->deadline_ns = after_ms(core, CLOSING_TIMEOUT_MS);
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

void conn_mark(struct core *core, struct conn *c)
{
    if (c->is_dirty)
        return;
    c->is_dirty = true;
    c->next_dirty = NULL;
    *core->dirty_last = c;
    core->dirty_last = &c->next_dirty;
}

/* ---- TIME_WAIT: kept in order of age, so that the oldest gives way when connections run out ----
 */

static bool is_waiting(const struct conn *c)
{
    return c->waiting_prev != NULL;
}

static void waiting_add(struct core *core, struct conn *c)
{
    c->waiting_next = NULL;
    c->waiting_prev = core->waiting_last;
    *core->waiting_last = c;
    core->waiting_last = &c->waiting_next;
}

static void waiting_remove(struct core *core, struct conn *c)
{
    *c->waiting_prev = c->waiting_next;
    if (c->waiting_next)
        c->waiting_next->waiting_prev = c->waiting_prev;
    else
        core->waiting_last = c->waiting_prev;
    c->waiting_prev = NULL;
}

/* ---- birth and death ---- */

static void release_upper(struct core *core, struct conn *c)
{
    exchange_fini(core, c);
    if (c->tls) {
        tls_session_destroy(c->tls);
        c->tls = NULL;
    }
}

static void half_open_end(struct core *core, struct conn *c)
{
    if (c->is_half_open) {
        c->is_half_open = false;
        core->half_open--;
    }
}

static void conn_free(struct core *core, struct conn *c)
{
    assert(c->state != CONN_FREE);
    release_upper(core, c);
    half_open_end(core, c);
    if (is_waiting(c))
        waiting_remove(core, c);
    timer_cancel(&core->timers, &c->timer);
    bool was_there = flow_remove(&core->flows, &c->key);
    assert(was_there);
    tcp_fini(&c->tcp);
    set_state(core, c, CONN_FREE);
    core->conn_count--;
    /* A dirty connection stays on the list until conn_run meets it there. */
    if (!c->is_dirty) {
        c->next_free = core->free_conns;
        core->free_conns = c;
    }
}

static struct conn *conn_take(struct core *core)
{
    if (!core->free_conns && core->waiting_first && !core->waiting_first->is_dirty)
        conn_free(core, core->waiting_first);
    struct conn *c = core->free_conns;
    if (!c)
        return NULL;
    core->free_conns = c->next_free;
    c->next_free = NULL;
    return c;
}

static bool is_ip4(const uint8_t ip[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

/* The two differ in the largest segment. */
static struct tcp_env *env_of(struct core *core, const uint8_t remote[16])
{
    return is_ip4(remote) ? &core->tcp_env4 : &core->tcp_env6;
}

static bool is_tls_port(const struct core *core, uint16_t port)
{
    return port == core->config.tls_port;
}

static bool is_listening(const struct core *core, uint16_t port)
{
    return port != 0 && (port == core->config.tls_port || port == core->config.plain_port);
}

/* Everything of a new connection but its TCP, which the caller opens. */
static struct conn *conn_new(struct core *core, const struct flow_key *key)
{
    struct conn *c = conn_take(core);
    if (!c)
        return NULL;
    bool added = flow_add(&core->flows, key, c->index);
    assert(added); /* the table has room for every connection */
    c->key = *key;
    c->tls = NULL;
    c->waiting_prev = NULL;
    c->is_tls = is_tls_port(core, key->local_port);
    c->is_half_open = false;
    c->is_read_ended = false;
    c->is_starved = false;
    c->syn_ns = core->now_ns;
    c->hello_ns = c->handshake_ns = c->script_hash = 0;
    sni_init(&c->sni);
    exchange_init(&c->exchange);
    c->deadline_ns = after_ms(core, core->world->limits.hello_timeout_ms);
    set_state(core, c, c->is_tls ? CONN_HELLO : CONN_OPEN);
    core->conn_count++;
    return c;
}

/* ---- packets ---- */

static void send_reply(struct core *core, const struct net_packet *p,
                       size_t (*write)(void *, uint8_t *, size_t), void *arg)
{
    struct net_route route = {0};
    memcpy(route.src, p->dst, sizeof(route.src));
    memcpy(route.dst, p->src, sizeof(route.dst));
    size_t room;
    uint8_t *l4 = net_begin(&core->net, &route, 6, &room, core->now_ns);
    if (l4)
        net_end(&core->net, write(arg, l4, room));
}

static size_t write_reset(void *arg, uint8_t *buf, size_t cap)
{
    return tcp_reset_for(arg, buf, cap);
}

struct cookie_args {
    struct core *core;
    const struct net_packet *packet;
    const struct tcp_segment *segment;
};

static size_t write_cookie(void *arg, uint8_t *buf, size_t cap)
{
    struct cookie_args *a = arg;
    return tcp_cookie_syn_ack(env_of(a->core, a->packet->src), a->packet->dst, a->packet->src,
                              a->segment, buf, cap, a->core->now_ns);
}

static struct flow_key key_of(const struct net_packet *p, const struct tcp_segment *s)
{
    struct flow_key key = {.local_port = s->dst_port, .remote_port = s->src_port};
    memcpy(key.local, p->dst, sizeof(key.local));
    memcpy(key.remote, p->src, sizeof(key.remote));
    return key;
}

/* A SYN for nobody: a new connection, a cookie, or a refusal. */
static void on_syn(struct core *core, const struct net_packet *p, struct tcp_segment *s,
                   const struct flow_key *key)
{
    struct counters *count = &core->counters;
    if (core->is_stopping) {
        count->drop_tcp_no_port++;
        send_reply(core, p, write_reset, s);
        return;
    }
    if (core->half_open >= TCP_SYN_RCVD_MAX) {
        count->rx_tcp++;
        core->cookies_until_ns = after_ms(core, COOKIE_LIFE_MS);
        send_reply(core, p, write_cookie, &(struct cookie_args){core, p, s});
        return;
    }
    struct conn *c = conn_new(core, key);
    if (!c) {
        count->drop_tcp_conn_limit++;
        return;
    }
    count->rx_tcp++;
    struct tcp_env *env = env_of(core, key->remote);
    uint32_t iss =
        tcp_isn(env, key->local, key->remote, key->local_port, key->remote_port, core->now_ns);
    tcp_open_passive(&c->tcp, env, key->local_port, key->remote_port, s, iss, core->now_ns);
    c->is_half_open = true;
    core->half_open++;
    conn_mark(core, c);
}

/* An ACK for nobody may carry a cookie of ours. */
static bool on_cookie(struct core *core, const struct net_packet *p, const struct tcp_segment *s,
                      const struct flow_key *key)
{
    bool is_plain_ack = (s->flags & TCP_ACK) && !(s->flags & (TCP_SYN | TCP_RST));
    if (!is_plain_ack || core->is_stopping || core->now_ns >= core->cookies_until_ns)
        return false;
    struct tcp opened;
    if (!tcp_cookie_open(&opened, env_of(core, p->src), p->dst, p->src, s, core->now_ns))
        return false;
    struct conn *c = conn_new(core, key);
    if (!c) {
        tcp_fini(&opened);
        return false;
    }
    c->tcp = opened; /* holds no pointer to itself */
    tcp_input(&c->tcp, s, core->now_ns);
    conn_mark(core, c);
    return true;
}

void conn_packet(struct core *core, const struct net_packet *p)
{
    struct counters *count = &core->counters;
    struct tcp_segment s;
    if (!tcp_segment_parse(&s, p->l4, p->l4_bytes)) {
        count->drop_tcp_bad++;
        return;
    }
    s.ecn = p->ecn;
    struct flow_key key = key_of(p, &s);
    uint32_t index = flow_find(&core->flows, &key);
    struct conn *c = index == UINT32_MAX ? NULL : &core->conns[index];
    bool is_syn = (s.flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;

    if (c && is_syn && tcp_may_reuse(&c->tcp, &s)) {
        conn_free(core, c); /* RFC 6191: a new incarnation takes the TIME_WAIT's place */
        c = NULL;
    }
    if (c) {
        count->rx_tcp++;
        tcp_input(&c->tcp, &s, core->now_ns);
        conn_mark(core, c);
        return;
    }
    if (!is_listening(core, s.dst_port)) {
        count->drop_tcp_no_port++;
        send_reply(core, p, write_reset, &s);
        return;
    }
    if (is_syn) {
        on_syn(core, p, &s, &key);
        return;
    }
    if (on_cookie(core, p, &s, &key)) {
        count->rx_tcp++;
        return;
    }
    count->drop_tcp_no_conn++;
    send_reply(core, p, write_reset, &s);
}

void conn_path_mtu(struct core *core, const struct net_pmtu *report)
{
    struct flow_key key = {.local_port = report->local_port, .remote_port = report->remote_port};
    memcpy(key.local, report->local, sizeof(key.local));
    memcpy(key.remote, report->remote, sizeof(key.remote));
    uint32_t index = flow_find(&core->flows, &key);
    if (index == UINT32_MAX)
        return;
    struct conn *c = &core->conns[index];
    tcp_path_mtu(&c->tcp, report->seq,
                 (uint16_t)(report->mtu - (is_ip4(key.remote) ? 20 : 40) - TCP_HEADER_BYTES));
    conn_mark(core, c);
}

/* ---- TLS over the TCP stream ---- */

static size_t tls_recv(void *arg, void *buf, size_t len)
{
    struct conn *c = arg;
    size_t done = 0;
    while (done < len) {
        size_t part;
        const uint8_t *bytes = tcp_peek(&c->tcp, 0, &part);
        if (part == 0)
            break;
        if (part > len - done)
            part = len - done;
        memcpy((uint8_t *)buf + done, bytes, part);
        tcp_consume(&c->tcp, (uint32_t)part);
        done += part;
    }
    return done;
}

static size_t tls_send(void *arg, const void *buf, size_t len)
{
    struct conn *c = arg;
    return tcp_write(&c->tcp, buf, len);
}

static bool tls_is_finished(void *arg)
{
    struct conn *c = arg;
    return tcp_peer_finished(&c->tcp) && tcp_readable(&c->tcp) == 0;
}

static const struct tls_io tls_io = {
    .recv = tls_recv, .send = tls_send, .is_finished = tls_is_finished};

bool conn_read_ended(const struct conn *c)
{
    return c->is_read_ended || (tcp_peer_finished(&c->tcp) && tcp_readable(&c->tcp) == 0);
}

bool conn_read(struct core *core, struct conn *c, void *buf, size_t cap, size_t *len)
{
    *len = 0;
    if (!c->tls) {
        *len = tls_recv(c, buf, cap);
        return *len > 0;
    }
    switch (tls_read(c->tls, buf, cap, len)) {
    case TLS_OK:
        return *len > 0;
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
        conn_close(core, c, true);
        return false;
    }
    return false;
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

bool conn_write(struct core *core, struct conn *c, const void *bytes, size_t len)
{
    size_t taken = 0;
    if (!c->tls) {
        taken = tcp_write(&c->tcp, bytes, len);
    } else if (tls_write(c->tls, bytes, len, &taken) == TLS_FAILED) {
        core->counters.tls_failed++; /* the peer has broken the session since it asked */
        conn_abort(core, c);
        return false;
    }
    if (taken == len)
        return true;
    /* The room was looked at first, so only the core's chunks can have run out. */
    conn_give_up(core, c);
    return false;
}

void conn_give_up(struct core *core, struct conn *c)
{
    if (tcp_state(&c->tcp) != TCP_CLOSED)
        core->counters.conn_no_memory++;
    conn_abort(core, c);
}

/* The FIN goes behind what TLS still holds. */
static void finish_stream(struct conn *c)
{
    size_t none;
    if (!c->tls || !tls_is_holding(c->tls) || tls_write(c->tls, NULL, 0, &none) != TLS_WANT)
        tcp_finish(&c->tcp);
}

void conn_close(struct core *core, struct conn *c, bool truncated)
{
    if (c->state == CONN_CLOSING || c->state == CONN_FREE)
        return;
    if (c->tls && !truncated)
        tls_finish(c->tls);
    exchange_fini(core, c);
    set_state(core, c, CONN_CLOSING);
    finish_stream(c);
    conn_mark(core, c);
}

void conn_abort(struct core *core, struct conn *c)
{
    exchange_fini(core, c);
    tcp_abort(&c->tcp);
    set_state(core, c, CONN_CLOSING);
    conn_mark(core, c);
}

/* ---- hello and handshake ---- */

/* The name is known and the handshake still runs: that is the time in which an isolate can start.
 */
static void warm_scripts_of(struct core *core, struct conn *c)
{
    uint32_t scripts[WARM_SCRIPTS_MAX];
    uint32_t count = routes_of_host(core->world->routes, core->config.index, c->sni.host,
                                    c->sni.host_bytes, scripts, WARM_SCRIPTS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const struct world_script *script = &core->world->scripts[scripts[i]];
        uint16_t home = core_home_of(core, script->id_hash);
        if (home != core->world->cluster.self)
            peers_warm(core->peers, home, script->id_hash, script->version_bits, false,
                       core->now_ns);
        else
            core_warm(core, script->id_hash, script->handle);
        if (i == 0) {
            c->script_hash = script->id_hash;
            c->warmed_at = home;
        }
    }
}

void conn_trace(struct core *core, struct conn *c)
{
    const struct exchange *x = &c->exchange;
    if (!x->is_traced || c->syn_ns == 0)
        return;
    uint64_t id = x->request_id;
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

/* True: there is more to do in the next state. */
static bool run_hello(struct core *core, struct conn *c)
{
    enum sni_result result = SNI_MORE;
    while (result == SNI_MORE) {
        size_t len;
        const uint8_t *bytes = tcp_peek(&c->tcp, c->sni.fed_bytes, &len);
        if (len == 0)
            break;
        result = sni_input(&c->sni, bytes, len);
    }
    if (result == SNI_MORE) {
        if (tcp_peer_finished(&c->tcp))
            conn_close(core, c, true);
        return false;
    }
    if (result == SNI_BAD) {
        /* A fatal decode_error alert (RFC 8446 6.2), in the record version that every client reads.
         */
        static const uint8_t alert[] = {21, 3, 1, 0, 2, 2, 50};
        core->counters.sni_bad++;
        tcp_write(&c->tcp, alert, sizeof(alert));
        conn_close(core, c, true);
        return false;
    }
    const char *host = NULL;
    c->hello_ns = core->now_ns;
    if (result == SNI_OK) {
        core->counters.sni_ok++;
        host = c->sni.host;
        warm_scripts_of(core, c);
    } else {
        core->counters.sni_none++;
    }
    struct tls_context *context = certs_find(core->world->certs, host, c->sni.host_bytes);
    if (!context) {
        static const uint8_t alert[] = {21, 3, 1, 0, 2, 2, 112}; /* unrecognized_name, RFC 6066 3 */
        core->counters.tls_no_cert++;
        tcp_write(&c->tcp, alert, sizeof(alert));
        conn_close(core, c, true);
        return false;
    }
    c->tls = tls_session_create(context, &tls_io, c);
    if (!c->tls) {
        core->counters.conn_no_memory++;
        conn_abort(core, c);
        return false;
    }
    set_state(core, c, CONN_HANDSHAKE);
    return true;
}

static bool run_handshake(struct core *core, struct conn *c)
{
    switch (tls_handshake(c->tls)) {
    case TLS_OK:
        core->counters.tls_handshakes++;
        c->handshake_ns = core->now_ns;
        if (tls_is_resumed(c->tls))
            core->counters.tls_resumed++;
        set_state(core, c, CONN_OPEN);
        return true;
    case TLS_WANT:
        if (conn_read_ended(c))
            conn_close(core, c, true);
        return false;
    case TLS_CLOSED:
    case TLS_FAILED:
        core->counters.tls_failed++;
        conn_close(core, c, true);
        return false;
    }
    return false;
}

/* What the peer still sends is of no interest, but its FIN is. */
static void run_closing(struct conn *c)
{
    finish_stream(c);
    size_t len = tcp_readable(&c->tcp);
    if (len > 0)
        tcp_consume(&c->tcp, (uint32_t)len);
}

static void pump(struct core *core, struct conn *c)
{
    if (c->tls && c->state != CONN_CLOSING && tls_is_holding(c->tls)) {
        size_t none;
        tls_write(c->tls, NULL, 0, &none);
    }
    if (c->state == CONN_HELLO && !run_hello(core, c))
        return;
    if (c->state == CONN_HANDSHAKE && !run_handshake(core, c))
        return;
    if (c->state == CONN_OPEN)
        exchange_pump(core, c);
}

/* ---- the run ---- */

/* False: no buffer or no neighbour yet, try again soon. */
static bool send_segments(struct core *core, struct conn *c)
{
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
    conn_mark(core, c);
    return true;
}

static void end_upper(struct core *core, struct conn *c)
{
    exchange_fini(core, c);
    if (c->state != CONN_CLOSING)
        set_state(core, c,
                  CONN_CLOSING); /* a last RST may still wait for a neighbour, but not for ever */
}

/* Does a busy connection perhaps wait for chunks that others hold? */
static bool is_short_of_chunks(const struct core *core, const struct conn *c)
{
    const struct chunk_pool *pool = &core->chunks;
    bool is_busy = c->state == CONN_HANDSHAKE ||
                   (c->state == CONN_OPEN && !exchange_is_idle(&c->exchange)) ||
                   (c->state == CONN_OPEN && tcp_readable(&c->tcp) > 0);
    return is_busy &&
           chunk_shared(pool) < (pool->count >> CHUNK_WAITS) + TCP_TX_BUFFER_BYTES / CHUNK_ROOM + 1;
}

void conn_run(struct core *core, struct conn *c)
{
    if (c->state == CONN_FREE) { /* freed while it was on the dirty list */
        c->next_free = core->free_conns;
        core->free_conns = c;
        return;
    }
    enum tcp_state state = tcp_state(&c->tcp);
    if (state != TCP_SYN_RECEIVED)
        half_open_end(core, c);
    c->is_starved = false;
    if (state == TCP_CLOSED)
        end_upper(core, c); /* the client is gone */
    else if (state != TCP_SYN_RECEIVED)
        pump(core, c);
    if (c->state == CONN_CLOSING)
        run_closing(c);

    bool is_sent = send_segments(core, c);
    state = tcp_state(&c->tcp);
    if (tcp_is_done(&c->tcp)) {
        conn_free(core, c);
        return;
    }
    if (state == TCP_TIME_WAIT && !is_waiting(c)) {
        release_upper(core, c);
        set_state(core, c, CONN_CLOSING);
        c->deadline_ns = UINT64_MAX;
        waiting_add(core, c);
    }
    uint64_t deadline = tcp_deadline(&c->tcp);
    if (c->deadline_ns < deadline)
        deadline = c->deadline_ns;
    if (!is_sent && core->now_ns + OUTPUT_RETRY_NS < deadline)
        deadline = core->now_ns + OUTPUT_RETRY_NS;
    if ((c->is_starved || is_short_of_chunks(core, c)) &&
        core->now_ns + STARVED_RETRY_NS < deadline)
        deadline = core->now_ns + STARVED_RETRY_NS;
    if (deadline != c->timer.deadline_ns || !timer_is_set(&c->timer))
        timer_set(&core->timers, &c->timer, deadline);
}

/* Is the peer still reading what was said? */
static bool is_taking(const struct conn *c)
{
    size_t left = tcp_unacked(&c->tcp);
    return c->unsaid > 0 && (left == 0 || left + CLOSING_BYTES_MIN <= c->unsaid);
}

void conn_timeout(struct core *core, struct conn *c)
{
    if (tcp_deadline(&c->tcp) <= core->now_ns)
        tcp_timeout(&c->tcp, core->now_ns);
    if (c->deadline_ns <= core->now_ns) {
        c->deadline_ns = UINT64_MAX;
        switch ((enum conn_state)c->state) {
        case CONN_HELLO:
        case CONN_HANDSHAKE:
            core->counters.conn_timeout_hello++;
            conn_abort(core, c);
            break;
        case CONN_OPEN:
            exchange_timeout(core, c);
            break;
        case CONN_CLOSING:
            if (tcp_state(&c->tcp) == TCP_CLOSED) {
                conn_free(core, c); /* its RST found no way out */
                return;
            }
            if (is_taking(c))
                set_state(core, c, CONN_CLOSING);
            else
                conn_abort(core, c);
            break;
        case CONN_FREE:
            assert(!"a free connection has no timer");
        }
    }
    conn_mark(core, c);
}

void conn_drop(struct core *core, struct conn *c)
{
    exchange_fini(core, c);
    tcp_abort(&c->tcp);
    send_segments(core, c);
    conn_free(core, c);
}
