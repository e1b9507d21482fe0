#include "dataplane/call/call.h"
#include "dataplane/call/serve.h"
#include "tests/sim/cluster_parts.h"

/* A client whose reset was lost is there until the stall timeout; what ran for it elsewhere a
 * little longer. */
static bool is_idle(const struct sim *s)
{
    for (uint32_t i = 0; i < s->nodes; i++) {
        const struct core *core = s->cluster.node[i].core;
        if (core->conn_count > 0 || calls_live(core->calls) > 0 || served_live(core->served) > 0)
            return false;
    }
    return true;
}

static bool is_excused(const struct sim *s)
{
    for (uint32_t kind = 0; kind < TROUBLES; kind++) {
        if (sim_excuses(s, kind, sim_now_ns))
            return true;
    }
    return false;
}

static void enter(struct sim *s, enum phase phase)
{
    static const char *const names[] = {"start",     "first pass", "load",
                                        "clears up", "last pass",  "end"};
    TRACE("%s (iteration %u)", names[phase], s->iterations);
    s->phase = phase;
    s->pass = 0;
    s->phase_ns = sim_now_ns;
}

static void clear_up(struct sim *s)
{
    bool is_over = gusts_are_over(s);
    clients_open_some(s);
    if (!is_over)
        s->phase_ns = sim_now_ns;
    CHECK(cluster_is_settled(&s->cluster) || sim_now_ns < s->phase_ns + SETTLE_MS * MS,
          "%d seconds after the last event nodes do not see each other as they are",
          SETTLE_MS / 1000);
    if (weather_is_over(s) && !is_excused(s) && clients_are_quiet(s))
        enter(s, PHASE_LAST_PASS);
}

/* True: all is over. */
static bool run_phase(struct sim *s)
{
    switch (s->phase) {
    case PHASE_START:
        if (cluster_is_settled(&s->cluster))
            enter(s, PHASE_FIRST_PASS);
        break;
    case PHASE_FIRST_PASS:
        clients_open_some(s);
        if (s->pass < SCRIPTS || !clients_are_quiet(s))
            break;
        enter(s, PHASE_LOAD);
        s->load_until_ns = s->time_ns ? sim_now_ns + s->time_ns : 0;
        weather_load_begins(s);
        break;
    case PHASE_LOAD:
        weather_run(s);
        clients_open_some(s);
        if (s->load_until_ns ? sim_now_ns < s->load_until_ns : s->requests < s->quota)
            break;
        s->end_ns = sim_now_ns + END_MS * MS;
        enter(s, PHASE_CLEAR_UP);
        break;
    case PHASE_CLEAR_UP:
        weather_run(s);
        clear_up(s);
        break;
    case PHASE_LAST_PASS:
        clients_open_some(s);
        if (s->pass == SCRIPTS && clients_are_quiet(s))
            enter(s, PHASE_END);
        break;
    case PHASE_END: /* what servers do behind their answers */
        if (!is_idle(s))
            s->phase_ns = sim_now_ns;
        return sim_now_ns >= s->phase_ns + 3000 * MS;
    }
    return false;
}

static void start(struct sim *s, const struct cluster_options *options)
{
    s->record = calloc(RECORDS, sizeof(*s->record));
    s->book = calloc(1, sizeof(*s->book));
    s->next_id = 1;
    killer_init(s);
    s->quota = SCRIPTS + 150 + below(250);
    s->time_ns = options->time_ns;
    s->end_ns = UINT64_MAX;
    struct cluster_config config =
        weather_draw(s, options->nodes ? options->nodes : 2 + below(4), options);
    cluster_init(&s->cluster, &config);
    sim_switch_set_tap(s->cluster.net, weather_on_frame, s);
    clients_start(s);
    for (uint32_t i = 0; i < s->nodes; i++)
        cluster_start(&s->cluster, i);
}

static void end(struct sim *s, struct cluster_report *report)
{
    TRACE("answered %u (2xx %u, 5xx %u), cut %u, left %u; forwarded %u, bounced %u; %lu datagrams, "
          "%lu injected",
          s->ends[CALLER_ANSWERED], s->by_status[2], s->by_status[5], s->ends[CALLER_CUT],
          s->ends[CALLER_LEFT], s->forwarded, s->bounced, (unsigned long)s->datagrams,
          (unsigned long)s->attacker.injected);
    watch_idle(s);
    for (uint32_t i = 0; i < s->nodes; i++)
        cluster_stop(&s->cluster, i);
    books_check(s);
    books_report(s, report);
    clients_end(s);
    cluster_fini(&s->cluster);
    free(s->record);
    free(s->book);
    free(s);
}

static uint64_t next_ns(const struct sim *s)
{
    uint64_t clients = clients_next_ns(s), weather = weather_next_ns(s);
    uint64_t next = clients < weather ? clients : weather;
    if (s->phase == PHASE_END && sim_now_ns < s->phase_ns + 3000 * MS)
        return next < s->phase_ns + 3000 * MS ? next : s->phase_ns + 3000 * MS;
    for (uint32_t kind = 0; s->phase == PHASE_CLEAR_UP && kind < TROUBLES; kind++) {
        if (sim_excuses(s, kind, sim_now_ns) && s->trouble_ns[kind] < next)
            next = s->trouble_ns[kind];
    }
    return next;
}

void cluster_run(const struct cluster_options *options, struct cluster_report *report)
{
    sim_seed_with(options->seed);
    struct sim *s = calloc(1, sizeof(*s));
    start(s, options);
    while (!run_phase(s)) {
        CHECK(sim_now_ns < s->end_ns, "not over %d virtual seconds after the load", END_MS / 1000);
        cluster_work(&s->cluster);
        watch_run(s);
        clients_work(s);
        cluster_advance(&s->cluster, next_ns(s));
    }
    end(s, report);
}
