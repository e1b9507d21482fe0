#include "dataplane/conn_parts.h"

/* ---- TIME_WAIT, in order of age ---- */

bool conn_is_waiting(const struct conn *c)
{
    return c->waiting_prev != NULL;
}

void conn_waiting_add(struct core *core, struct conn *c)
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

void conn_release_upper(struct core *core, struct conn *c)
{
    exchange_fini(core, c);
    if (c->tls) {
        tls_session_destroy(c->tls);
        c->tls = NULL;
    }
}

void conn_half_open_end(struct core *core, struct conn *c)
{
    if (c->is_half_open) {
        c->is_half_open = false;
        core->half_open--;
    }
}

void conn_free(struct core *core, struct conn *c)
{
    assert(c->state != CONN_FREE);
    conn_release_upper(core, c);
    conn_half_open_end(core, c);
    if (conn_is_waiting(c))
        waiting_remove(core, c);
    timer_cancel(&core->timers, &c->timer);
    age_remove(&c->hop_wait);
    age_remove(&c->turn_wait);
    bool was_there = flow_remove(&core->flows, &c->key);
    assert(was_there);
    tcp_fini(&c->tcp);
    conn_set_state(core, c, CONN_FREE);
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

static bool is_tls_port(const struct core *core, uint16_t port)
{
    return port == core->config.tls_port;
}

struct conn *conn_new(struct core *core, const struct flow_key *key)
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
    c->has_turn = false;
    c->syn_ns = core->now_ns;
    c->hello_ns = c->handshake_ns = c->script_hash = 0;
    sni_init(&c->sni);
    exchange_init(&c->exchange);
    c->deadline_ns = conn_after_ms(core, core->world->limits.hello_timeout_ms);
    conn_set_state(core, c, c->is_tls ? CONN_HELLO : CONN_OPEN);
    core->conn_count++;
    return c;
}
