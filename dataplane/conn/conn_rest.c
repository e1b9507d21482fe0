/* Connections at rest: those whose peer has the next word, in order of how long it has been
 * waited for. When connections run out, they give way; one that is busy never does. */
#include "dataplane/conn/conn_parts.h"

static struct conn *conn_of_rest(struct age_link *link)
{
    return (struct conn *)((char *)link - offsetof(struct conn, rest));
}

static struct conn *conn_of_source_rest(struct age_link *link, uint32_t level)
{
    return (struct conn *)((char *)(link - level) - offsetof(struct conn, source_rest));
}

/* Nothing is under way, and the client has all that it was told. */
static bool is_idle(const struct conn *c)
{
    return (c->app->is_idle(c->app_state) || MUTANT(EVICT_BUSY)) && tcp_readable(&c->tcp) == 0 &&
           tcp_unacked(&c->tcp) == 0 && !(c->tls && tls_is_holding(c->tls));
}

static enum conn_rest rest_of(const struct conn *c)
{
    enum tcp_state state = tcp_state(&c->tcp);
    if (state == TCP_TIME_WAIT)
        return CONN_REST_TIME_WAIT;
    if (state == TCP_SYN_RECEIVED)
        return CONN_REST_FRESH;
    switch ((enum conn_state)c->state) {
    case CONN_HELLO:
        return CONN_REST_FRESH;
    case CONN_HANDSHAKE: /* who waits for a turn waits for us */
        return age_is_in(&c->turn_wait) ? CONN_BUSY : CONN_REST_FRESH;
    case CONN_OPEN:
        if (!is_idle(c))
            return CONN_BUSY;
        return c->app->is_fresh(c->app_state) ? CONN_REST_FRESH : CONN_REST_IDLE;
    case CONN_CLOSING:
        return state != TCP_CLOSED && tcp_unacked(&c->tcp) == 0 ? CONN_REST_ENDING : CONN_BUSY;
    case CONN_FREE:
        break;
    }
    return CONN_BUSY;
}

void conn_disturb(struct conn *c)
{
    c->resting = CONN_BUSY;
    age_remove(&c->rest);
    for (uint32_t level = 0; level < SOURCE_LEVELS; level++)
        age_remove(&c->source_rest[level]);
}

void conn_settle(struct conn *c)
{
    enum conn_rest rest = rest_of(c);
    if (rest == c->resting)
        return;
    conn_disturb(c);
    c->resting = (uint8_t)rest;
    if (rest == CONN_BUSY)
        return;
    age_add(&c->core->resting[rest], &c->rest);
    for (uint32_t level = 0; level < SOURCE_LEVELS && c->source[level]; level++)
        age_add(&c->source[level]->resting, &c->source_rest[level]);
}

/* What is owed to a peer before it is forgotten: close_notify and FIN, or RST, once. */
static void part_from(struct conn *c)
{
    struct core *core = c->core;
    switch ((enum conn_rest)c->resting) {
    case CONN_BUSY:
        assert(!"a busy connection does not give way");
        break;
    case CONN_REST_TIME_WAIT:
        core->counters.conn_evicted_time_wait++;
        break;
    case CONN_REST_ENDING:
        core->counters.conn_evicted_ending++;
        break;
    case CONN_REST_IDLE:
        core->counters.conn_evicted_idle++;
        if (c->tls)
            tls_finish(c->tls);
        conn_finish_stream(c);
        conn_send(c);
        break;
    case CONN_REST_FRESH:
        core->counters.conn_evicted_fresh++;
        if (tcp_state(&c->tcp) == TCP_SYN_RECEIVED)
            break; /* it may come from anybody: no third packet to whom the SYN names */
        tcp_abort(&c->tcp);
        conn_send(c);
        break;
    case CONN_RESTS:
        break;
    }
}

static struct conn *longest_at_rest(struct core *core, enum conn_rest rest)
{
    struct age_link *oldest = core->resting[rest].oldest;
    return oldest ? conn_of_rest(oldest) : NULL;
}

bool conn_evict_own(struct core *core, struct source *const source[SOURCE_LEVELS])
{
    uint32_t level;
    struct age_link *own = sources_own_oldest(&core->sources, source, &level);
    if (!own)
        return false;
    struct conn *c = conn_of_source_rest(own, level);
    core->counters.conn_evicted_share++;
    part_from(c);
    conn_free(c);
    return true;
}

struct conn *conn_evict(struct core *core)
{
    uint32_t level;
    struct age_link *over;
    struct conn *c = longest_at_rest(core, CONN_REST_TIME_WAIT);
    if (!c && (over = sources_over_oldest(&core->sources, &level))) {
        c = conn_of_source_rest(over, level);
        core->counters.conn_evicted_share++;
    }
    for (int rest = CONN_REST_ENDING; !c && rest < CONN_RESTS; rest++)
        c = longest_at_rest(core, (enum conn_rest)rest);
    if (!c)
        return NULL;
    part_from(c);
    conn_free(c);
    return c;
}
