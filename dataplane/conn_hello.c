#include "dataplane/cert.h"
#include "dataplane/conn_parts.h"
#include "dataplane/route.h"

enum {
    WARM_SCRIPTS_MAX = 4, /* scripts of one host that a hello may warm */
    CANCEL_TIMEOUT_MS =
        1000, /* a client that was too slow for a handshake gets no more to take leave */
};

/* The name is known and the handshake still runs: that is the time in which an isolate can start.
 */
static void warm_scripts_of(struct core *core, struct conn *c)
{
    const struct client_hello *hello = &c->guard.hello;
    uint32_t scripts[WARM_SCRIPTS_MAX];
    uint32_t count = routes_of_host(core->world->routes, core->config.index, hello->host,
                                    hello->host_bytes, scripts, WARM_SCRIPTS_MAX);
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

/* A fatal alert in clear, and the end. */
static void refuse(struct core *core, struct conn *c, enum tls_alert alert)
{
    uint8_t record[TLS_ALERT_RECORD_BYTES];
    tls_alert_record(record, alert);
    tcp_write(&c->tcp, record, sizeof(record));
    conn_close(core, c, true);
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

bool conn_run_hello(struct core *core, struct conn *c)
{
    const struct client_hello *hello = &c->guard.hello;
    switch (guard_look(&c->guard, &conn_tls_io, c)) {
    case GUARD_MORE:
        if (tcp_peer_finished(&c->tcp))
            conn_close(core, c, true);
        return false;
    case GUARD_BAD:
        count_refusal(&core->counters, &c->guard);
        refuse(core, c, c->guard.alert);
        return false;
    case GUARD_OK:
        break;
    case GUARD_TRY:
        assert(!"nothing is encrypted yet");
    }
    c->hello_ns = core->now_ns;
    count_name(&core->counters, hello);
    const char *host = NULL;
    if (hello->name == CLIENT_HELLO_HOST) {
        host = hello->host;
        warm_scripts_of(core, c);
    }
    struct tls_context *context = certs_find(core->world->certs, host, hello->host_bytes);
    if (!context) {
        core->counters.tls_no_cert++;
        refuse(core, c, TLS_ALERT_UNRECOGNIZED_NAME); /* RFC 6066 3 */
        return false;
    }
    c->tls = tls_session_create(context, &c->guard, &conn_tls_io, c);
    if (!c->tls) {
        core->counters.conn_no_memory++;
        refuse(core, c, TLS_ALERT_INTERNAL_ERROR);
        return false;
    }
    conn_set_state(core, c, CONN_HANDSHAKE);
    return true;
}

static void count_guard(struct counters *count, const struct guard *guard)
{
    count->hello_retried += guard->is_retried;
    count->hello_changed += guard->is_changed;
    count->tls_dropped_records += guard->dropped_records;
}

bool conn_run_handshake(struct core *core, struct conn *c)
{
    switch (tls_handshake(c->tls)) {
    case TLS_OK:
        core->counters.tls_handshakes++;
        count_guard(&core->counters, &c->guard);
        c->handshake_ns = core->now_ns;
        if (tls_is_resumed(c->tls))
            core->counters.tls_resumed++;
        conn_set_state(core, c, CONN_OPEN);
        return true;
    case TLS_WANT:
        if (conn_read_ended(c))
            conn_close(core, c, true);
        return false;
    case TLS_CLOSED:
    case TLS_FAILED:
        core->counters.tls_failed++;
        count_guard(&core->counters, &c->guard);
        conn_close(core, c, true);
        return false;
    }
    return false;
}

void conn_cancel_hello(struct core *core, struct conn *c)
{
    if (c->state == CONN_HELLO && tcp_readable(&c->tcp) == 0) {
        conn_abort(core, c); /* it never said that it speaks TLS */
        return;
    }
    if (c->tls)
        tls_cancel(c->tls);
    else
        tcp_write(&c->tcp, tls_alerts_cancel, sizeof(tls_alerts_cancel));
    conn_close(core, c, true);
    conn_set_deadline(c, conn_after_ms(core, CANCEL_TIMEOUT_MS));
}
