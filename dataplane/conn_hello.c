#include "dataplane/cert.h"
#include "dataplane/conn_parts.h"
#include "dataplane/route.h"

enum {
    WARM_SCRIPTS_MAX = 4, /* scripts of one host that a hello may warm */
};

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

/* A fatal unrecognized_name (RFC 6066 3), in the record version that every client reads. */
static void refuse_name(struct core *core, struct conn *c)
{
    static const uint8_t alert[] = {21, 3, 1, 0, 2, 2, 112};
    core->counters.tls_no_cert++;
    tcp_write(&c->tcp, alert, sizeof(alert));
    conn_close(core, c, true);
}

bool conn_run_hello(struct core *core, struct conn *c)
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
    if (handshakes_are_full(&core->handshakes)) {
        core->counters.tls_refused++;
        conn_abort(core, c);
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
    if (!certs_find(core->world->certs, host, c->sni.host_bytes)) {
        refuse_name(core, c);
        return false;
    }
    conn_set_state(core, c, CONN_HANDSHAKE);
    return true;
}

/* By the certificates of now: the world may have changed since the hello came. */
static bool begin_session(struct core *core, struct conn *c)
{
    const char *host = c->sni.result == SNI_OK ? c->sni.host : NULL;
    struct tls_context *context = certs_find(core->world->certs, host, c->sni.host_bytes);
    if (!context) {
        refuse_name(core, c);
        return false;
    }
    c->tls = tls_session_create(context, &conn_tls_io, c);
    if (!c->tls) {
        core->counters.conn_no_memory++;
        conn_abort(core, c);
        return false;
    }
    return true;
}

/* There is no step to take without bytes, or their end. */
static void wait_for_turn(struct core *core, struct conn *c)
{
    if (!c->tls || tcp_readable(&c->tcp) > 0 || conn_read_ended(c))
        handshakes_add(&core->handshakes, &c->turn_wait, c->tls != NULL);
}

bool conn_run_handshake(struct core *core, struct conn *c)
{
    if (!c->has_turn) {
        wait_for_turn(core, c);
        return false;
    }
    c->has_turn = false;
    if (!c->tls && !begin_session(core, c))
        return false;
    switch (tls_handshake(c->tls)) {
    case TLS_OK:
        core->counters.tls_handshakes++;
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
        conn_close(core, c, true);
        return false;
    }
    return false;
}
