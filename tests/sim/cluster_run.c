#include "tests/sim/cluster_parts.h"

static bool is_idle(const struct sim *s)
{
    for (uint32_t i = 0; i < s->nodes; i++) {
        const struct core *core = s->cluster.node[i].core;
        if (core->conn_count > 0 || calls_live(core->calls) > 0 || served_live(core->served) > 0)
            return false;
    }
    return true;
}

/* True: all is over. */
static bool run_phase(struct sim *s)
{
    switch (s->phase) {
    case PHASE_START:
        if (!cluster_is_settled(&s->cluster))
            break;
        TRACE("settled");
        s->phase = PHASE_FIRST_PASS;
        break;
    case PHASE_FIRST_PASS:
        clients_open_some(s);
        if (s->first_pass < SCRIPTS || !clients_are_quiet(s))
            break;
        TRACE("first pass done");
        s->phase = PHASE_LOAD;
        s->load_ns = sim_now_ns;
        weather_load_begins(s);
        break;
    case PHASE_LOAD:
        weather_run(s);
        if (s->requests >= s->quota && !weather_is_over(s) && s->next_id + CALLERS < REQUESTS_MAX)
            s->quota = s->requests + CALLERS;
        clients_open_some(s);
        if (s->requests < s->quota || !clients_are_quiet(s))
            break;
        CHECK(weather_is_over(s), "the nodes never settle: node %u in step %u, %u calls, %u served",
              s->victim, s->step,
              s->cluster.node[s->victim].core ? calls_live(s->cluster.node[s->victim].core->calls)
                                              : 0,
              s->cluster.node[s->victim].core ? served_live(s->cluster.node[s->victim].core->served)
                                              : 0);
        s->phase = PHASE_END;
        /* The last events, and what servers do behind their answers. */
        s->quiet_ns = sim_now_ns + 3000 * 1000000ull;
        break;
    case PHASE_END:
        return sim_now_ns >= s->quiet_ns && is_idle(s);
    }
    return false;
}

static void start(struct sim *s, uint32_t nodes)
{
    s->nodes = nodes;
    s->record = calloc(REQUESTS_MAX, sizeof(*s->record));
    s->next_id = 1;
    s->quota = SCRIPTS + 150 + below(250);
    struct cluster_config config = weather_draw(s, nodes);
    cluster_init(&s->cluster, &config);
    sim_switch_set_tap(s->cluster.net, weather_on_frame, s);
    clients_start(s, config.faults);
    for (uint32_t i = 0; i < nodes; i++)
        cluster_start(&s->cluster, i);
}

static void end(struct sim *s, struct cluster_report *report)
{
    books_report(s, report);
    for (uint32_t i = 0; i < s->nodes; i++)
        cluster_stop(&s->cluster, i);
    books_check(s);
    TRACE("answered %u (2xx %u, 5xx %u), cut %u, left %u; forwarded %u, bounced %u; %lu datagrams, "
          "%lu injected",
          s->ends[CALLER_ANSWERED], s->by_status[2], s->by_status[5], s->ends[CALLER_CUT],
          s->ends[CALLER_LEFT], s->forwarded, s->bounced, (unsigned long)s->datagrams,
          (unsigned long)s->attacker.injected);
    clients_end(s);
    cluster_fini(&s->cluster);
    free(s->record);
    free(s);
}
void cluster_run(const struct cluster_options *options, struct cluster_report *report)
{
    sim_seed_with(options->seed);
    struct sim *s = calloc(1, sizeof(*s));
    start(s, options->nodes ? options->nodes : 2 + below(3));
    while (!run_phase(s)) {
        CHECK(sim_now_ns < END_MS * 1000000ull, "not over in %d virtual seconds", END_MS / 1000);
        cluster_work(&s->cluster);
        clients_work(s);
        cluster_advance(&s->cluster, clients_next_ns(s));
    }
    end(s, report);
}
