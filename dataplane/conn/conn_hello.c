#include "dataplane/base/mutant.h"
#include "dataplane/call/steer.h"
#include "dataplane/conn/conn_parts.h"
#include "dataplane/rpc/peers.h"
#include "dataplane/tls/cert.h"
#include "dataplane/world/route.h"
#include "dataplane/world/world.h"

enum {
    WARM_SCRIPTS_MAX = 4, /* scripts of one host that a hello may warm */
};

static void warm(struct conn *c, const uint32_t *scripts, uint32_t count)
{
    struct core *core = c->core;
    for (uint32_t i = 0; i < count; i++) {
        const struct world_script *script = &core->world->scripts[scripts[i]];
        uint16_t home = steer_home(core, script->id_hash);
        if (home != core->world->cluster.self)
            peers_warm(core->peers, home, script->id_hash, script->version_bits, false,
                       core->now_ns);
        else
            steer_warm(core, script->id_hash, script->handle);
        if (i == 0) {
            c->script_hash = script->id_hash;
            c->warmed_at = home;
        }
    }
}

void conns_warm_scripts(struct core *core)
{
    uint32_t scripts[PORT_BURST][WARM_SCRIPTS_MAX], count[PORT_BURST];
    for (uint32_t i = 0; i < core->hello_count; i++) {
        const struct client_hello *hello = &core->hellos[i]->guard.hello;
        count[i] =
            routes_of_host(core->world->routes, core->config.index, hello->host, hello->host_bytes,
                           scripts[i], WARM_SCRIPTS_MAX, &core->counters.route_slow);
        for (uint32_t k = 0; k < count[i]; k++)
            __builtin_prefetch(&core->world->scripts[scripts[i][k]]);
    }
    for (uint32_t i = 0; i < core->hello_count; i++)
        warm(core->hellos[i], scripts[i], count[i]);
    core->hello_count = 0;
}

/* The name is known and the handshake still runs: that is the time in which a cell can start. Names
 * of one run are looked up together at its end, so that what no cache has comes from memory side by
 * side: a third of the time. Until then the connection may end, but not become another one. */
static void warm_scripts_of(struct conn *c)
{
    struct core *core = c->core;
    const struct client_hello *hello = &c->guard.hello;
    routes_expect(core->world->routes, hello->host, hello->host_bytes);
    core->hellos[core->hello_count++] = c;
    if (core->hello_count == PORT_BURST)
        conns_warm_scripts(core);
}

/* A fatal alert in clear, and the end; without a chunk to say it in, the bare end. */
static void refuse(struct conn *c, enum tls_alert alert)
{
    uint8_t record[TLS_ALERT_RECORD_BYTES];
    tls_alert_record(record, alert);
    if (tcp_write(&c->tcp, record, sizeof(record)) == sizeof(record) && !MUTANT(REFUSED_BARE))
        conn_close(c, true);
    else
        conn_abort(c);
}

/* The guard refused the first ClientHello. */
static void count_refusal(struct counters *count, const struct guard *guard)
{
    if (guard->hello.name == CLIENT_HELLO_BAD_NAME)
        count->sni_bad++;
    else if (guard->alert == TLS_ALERT_DECODE_ERROR ||
             guard->alert == TLS_ALERT_UNEXPECTED_MESSAGE ||
             guard->alert == TLS_ALERT_RECORD_OVERFLOW)
        count->hello_bad++;
    else
        count->hello_refused++;
}

static void count_name(struct counters *count, const struct client_hello *hello)
{
    switch ((enum client_hello_name)hello->name) {
    case CLIENT_HELLO_HOST:
        count->sni_ok++;
        break;
    case CLIENT_HELLO_ADDRESS:
        count->sni_address++;
        break;
    case CLIENT_HELLO_NO_NAME:
        count->sni_none++;
        break;
    case CLIENT_HELLO_BAD_NAME:
        assert(!"it was refused");
    }
}

/* NULL: there is none, and the client is told. */
static struct tls_context *find_certificate(struct conn *c)
{
    struct core *core = c->core;
    const struct client_hello *hello = &c->guard.hello;
    const char *host = hello->name == CLIENT_HELLO_HOST ? hello->host : NULL;
    struct tls_context *context = certs_find(core->world->certs, host, hello->host_bytes);
    if (context)
        return context;
    core->counters.tls_no_cert++;
    refuse(c, TLS_ALERT_UNRECOGNIZED_NAME); /* RFC 6066 3 */
    return NULL;
}

bool conn_run_hello(struct conn *c)
{
    struct core *core = c->core;
    const struct client_hello *hello = &c->guard.hello;
    switch (guard_look(&c->guard, &conn_tls_io, c)) {
    case GUARD_MORE:
        if (tcp_peer_finished(&c->tcp))
            conn_close(c, true);
        return false;
    case GUARD_BAD:
        count_refusal(&core->counters, &c->guard);
        refuse(c, c->guard.alert);
        return false;
    case GUARD_OK:
        break;
    case GUARD_TRY:
        assert(!"nothing is encrypted yet");
    }
    bool has_share = sources_may(&core->sources, c->source, SOURCE_HANDSHAKES);
    if (handshakes_are_full(&core->handshakes) || !has_share) {
        core->counters.tls_refused++;
        core->counters.tls_source_refused += !has_share;
        refuse(c, TLS_ALERT_INTERNAL_ERROR);
        return false;
    }
    c->hello_ns = core->now_ns;
    count_name(&core->counters, hello);
    if (hello->name == CLIENT_HELLO_HOST)
        warm_scripts_of(c);
    if (!find_certificate(c))
        return false;
    conn_set_state(c, CONN_HANDSHAKE);
    return true;
}

/* By the certificates of now: the world may have changed since the hello came. */
static bool begin_session(struct conn *c)
{
    struct tls_context *context = find_certificate(c);
    if (!context)
        return false;
    c->tls = tls_session_create(context, &c->guard, &conn_tls_io, c);
    if (!c->tls) {
        c->core->counters.conn_no_memory++;
        refuse(c, TLS_ALERT_INTERNAL_ERROR);
        return false;
    }
    return true;
}

/* There is no step to take without bytes, or their end. */
static void wait_for_turn(struct conn *c)
{
    if (!c->tls || tcp_readable(&c->tcp) > 0 || conn_read_ended(c))
        handshakes_add(&c->core->handshakes, &c->turn_wait, c->tls != NULL);
}

static void count_guard(struct counters *count, const struct guard *guard)
{
    count->hello_retried += guard->is_retried;
    count->hello_changed += guard->is_changed;
    count->tls_dropped_records += guard->dropped_records;
}

bool conn_run_handshake(struct conn *c)
{
    struct core *core = c->core;
    if (!c->has_turn) {
        wait_for_turn(c);
        return false;
    }
    c->has_turn = false;
    if (!c->tls && !begin_session(c))
        return false;
    switch (tls_handshake(c->tls)) {
    case TLS_OK:
        core->counters.tls_handshakes++;
        count_guard(&core->counters, &c->guard);
        c->handshake_ns = core->now_ns;
        if (tls_is_resumed(c->tls))
            core->counters.tls_resumed++;
        conn_set_state(c, CONN_OPEN);
        return true;
    case TLS_WANT:
        if (conn_read_ended(c))
            conn_close(c, true);
        return false;
    case TLS_CLOSED:
    case TLS_FAILED:
        core->counters.tls_failed++;
        count_guard(&core->counters, &c->guard);
        conn_close(c, true);
        return false;
    }
    return false;
}

void conn_cancel_hello(struct conn *c)
{
    if (c->state == CONN_HELLO && tcp_readable(&c->tcp) == 0) {
        conn_abort(c); /* it never said that it speaks TLS */
        return;
    }
    if (c->tls)
        tls_cancel(c->tls);
    else
        tcp_write(&c->tcp, tls_alerts_cancel, sizeof(tls_alerts_cancel));
    conn_close(c, true);
    conn_set_deadline(c, conn_after_ms(c->core, HELLO_CANCEL_MS));
}
