#include "dataplane/conn/conn_parts.h"
#include "dataplane/world/world.h"

void conn_release_upper(struct conn *c)
{
    c->app->fini(c->app_state);
    if (c->tls) {
        tls_session_destroy(c->tls);
        c->tls = NULL;
    }
}

void conn_half_open_end(struct conn *c)
{
    struct core *core = c->core;
    if (c->is_half_open) {
        c->is_half_open = false;
        core->half_open--;
        sources_hold(&core->sources, c->source, SOURCE_HALF_OPEN, -1);
    }
}

void conn_free(struct conn *c)
{
    struct core *core = c->core;
    assert(c->state != CONN_FREE);
    conn_release_upper(c);
    conn_half_open_end(c);
    conn_disturb(c);
    timer_cancel(&core->timers, &c->timer);
    age_remove(&c->hop_wait);
    age_remove(&c->starving);
    age_remove(&c->turn_wait);
    bool was_there = flow_remove(&core->flows, &c->key);
    assert(was_there);
    tcp_fini(&c->tcp);
    conn_set_state(c, CONN_FREE);
    core->conn_count--;
    sources_hold(&core->sources, c->source, SOURCE_CHUNKS, -(int32_t)c->chunks);
    sources_hold(&core->sources, c->source, SOURCE_HANDSHAKES, -(int32_t)c->is_turn_charged);
    sources_leave(&core->sources, c->source);
    /* A dirty connection stays on the list until conn_run meets it there. */
    if (!c->is_dirty) {
        c->next_free = core->free_conns;
        core->free_conns = c;
    }
}

static struct conn *conn_take(struct core *core)
{
    struct conn *c = core->free_conns;
    if (!c) {
        c = conn_evict(core);
        if (!c || c->is_dirty)
            return c; /* it stays on the dirty list, as somebody else */
    }
    core->free_conns = c->next_free;
    c->next_free = NULL;
    return c;
}

static bool is_tls_port(const struct core *core, uint16_t port)
{
    return port == core->config.tls_port;
}

struct conn *conn_new(struct core *core, const struct flow_key *key, bool *is_over_share)
{
    struct source *source[SOURCE_LEVELS];
    sources_find(&core->sources, key->remote, source);
    *is_over_share =
        !sources_may(&core->sources, source, SOURCE_CONNS) && !conn_evict_own(core, source);
    struct conn *c = *is_over_share ? NULL : conn_take(core);
    if (!c)
        return NULL;
    bool added = flow_add(&core->flows, key, c->index);
    assert(added); /* the table has room for every connection */
    c->key = *key;
    c->tls = NULL;
    c->chunks = 0;
    c->is_turn_charged = false;
    c->is_tls = is_tls_port(core, key->local_port);
    c->is_half_open = false;
    c->is_read_ended = false;
    c->is_starved = false;
    c->has_turn = false;
    c->syn_ns = core->now_ns;
    c->hello_ns = c->handshake_ns = c->script_hash = 0;
    guard_init(&c->guard);
    c->app->init(c->app_state);
    c->deadline_ns = conn_after_ms(core, core->world->limits.hello_timeout_ms);
    conn_set_state(c, c->is_tls ? CONN_HELLO : CONN_OPEN);
    core->conn_count++;
    sources_join(&core->sources, key->remote, c->source);
    return c;
}
