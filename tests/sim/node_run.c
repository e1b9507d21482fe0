/* One whole node on virtual time, by seed: its cores, which share every cell, and its control
 * thread's supervisor.
 *
 *   callers -- station -- switch --+-- core 0 --mail--+
 *                                  +-- core 1 --mail--+-- supervise --> zygote, processes
 *                                  |     ...          |                 (model_host.h)
 *                                  +-- core 3 --mail--+
 *
 * Real: the cores, the mail, and all of control/supervise with its event loop, sockets and regions.
 * Modelled: what would be other processes, and the kernel's word of them. Cores have an address
 * each instead of a queue each of one device; nothing here is about that.
 *
 * Checked: node_parts.h, node_books.c, model_host.h, model_runtime.h. */
#include "tests/sim/node_run.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dataplane/base/least.h"
#include "dataplane/call/call.h"
#include "dataplane/core/core.h"
#include "dataplane/world/route.h"
#include "tests/sim/node_parts.h"

enum {
    TICK_NS = 100 * 1000,
    LOOP_STEPS = 16,
    CHUNKS = 16384,
    CONNS = 512,
    CALM_MS = 90 * 1000, /* until all is there again: backoffs are 30 s at most */
    QUIET_MS = 3000,
    PATIENCE_MS = 15 * 1000,
};

struct node *the_node;

/* ---- start ---- */

static void on_gone(void *arg, uint64_t handle)
{
    struct node *n = arg;
    if (n->supervise)
        supervise_forget(n->supervise, handle);
}

static void start_scripts(struct node *n)
{
    char error[160] = "", pattern[NODE_SCRIPTS][16];
    struct route_source routes[NODE_SCRIPTS];
    n->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    catalog_init(&n->catalog, on_gone, n);
    for (uint32_t i = 0; i < NODE_SCRIPTS; i++) {
        struct world_script *w = &n->scripts[i];
        snprintf(w->name, sizeof(w->name), "s%u", i);
        snprintf(pattern[i], sizeof(pattern[i]), "s%u.test", i);
        routes[i] = (struct route_source){.pattern = pattern[i], .script = i};
        struct script *s = node_new_version(n, i);
        catalog_adopt(&n->catalog, s);
        n->script[i].current = s;
        w->handle = s->handle;
        w->id_hash = 100 + i;
        n->script_index[(100 + i) % 32] = i + 1;
    }
    n->member = (struct world_member){.name = "node", .id = 1, .cores = (uint16_t)n->cores};
    n->world = (struct world){
        .epoch = 1,
        .node = "node",
        .limits = {.hello_timeout_ms = HELLO_TIMEOUT_MS,
                   .head_timeout_ms = HTTP_HEAD_TIMEOUT_MS,
                   .idle_timeout_ms = HTTP_IDLE_TIMEOUT_MS,
                   .stall_timeout_ms = HTTP_BODY_STALL_MS},
        .routes = routes_build(routes, NODE_SCRIPTS, n->cores, error, sizeof(error)),
        .script_count = NODE_SCRIPTS,
        .scripts = n->scripts,
        .script_index = n->script_index,
        .script_index_mask = 31,
        .tune = world_tune_default,
        .cluster = {.member_count = 1, .member = &n->member, .own_state = NODE_SERVING}};
    n->world.tune.source_share_percent = 100; /* all callers have one address */
    CHECK(n->world.routes, "%s", error);
    atomic_store(&n->shared.current, &n->world);
}

static void start_core(struct node *n, uint32_t i)
{
    char error[160] = "";
    struct net_config net = {.mtu = 1500, .address_count = 1};
    const uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)(1 + i)};
    char address[32];
    memcpy(net.mac, mac, 6);
    snprintf(address, sizeof(address), "10.0.0.%u/24", 1 + i);
    bool ok = net_parse_address(address, &net.address[0]);
    assert(ok);
    memcpy(n->ip[i], net.address[0].ip, 16);
    n->neighbours[i] = sim_take(neighbours_bytes(), -1);
    neighbours_init(n->neighbours[i], rng());
    struct core_config config = {.index = i,
                                 .cores = n->cores,
                                 .port = n->port[i],
                                 .net = &net,
                                 .neighbours = n->neighbours[i],
                                 .world = &n->shared,
                                 .clock = &n->clock,
                                 .memory = {.take = sim_take, .give = free},
                                 .plain_port = 80,
                                 .conns_max = CONNS,
                                 .chunks = CHUNKS,
                                 .mail = n->mail[i],
                                 .larges = n->config.larges,
                                 .jobs_max = MODEL_JOBS,
                                 .numa_node = -1,
                                 .secret = {rng(), rng(), rng(), rng()}};
    n->core[i] = core_create(&config, error, sizeof(error));
    CHECK(n->core[i], "%s", error);
    n->config.core_wake_fd[i] = core_wake_fd(n->core[i]);
}

static void on_change(void *arg)
{
    struct node *n = arg;
    n->has_changed = true;
}

static void on_loaded(void *arg, uint64_t handle, const char *error)
{
    struct node *n = arg;
    for (uint32_t i = 0; i < NODE_SCRIPTS; i++) {
        struct node_script *s = &n->script[i];
        if (!s->trial || s->trial->handle != handle)
            continue;
        s->is_tried = true;
        s->is_bad = error != NULL;
    }
}

static void start_supervise(struct node *n)
{
    char error[160] = "";
    n->config = (struct supervise_config){.cells_max = n->is_tight ? 4 + below(6) : NODE_CELLS,
                                          .spares = 1 + below(3),
                                          .larges = 1 + below(NODE_LARGES),
                                          .per_script = 1 + below(3),
                                          .memory_bytes = 200 << 20,
                                          .renew_s = 3600,
                                          .hang_ms = 800,
                                          .node_exe = "node",
                                          .program = "program",
                                          .blob = "blob",
                                          .cpu_ms = 50,
                                          .wall_ms = 30000,
                                          .heap_mb = 128,
                                          .subrequests = 50,
                                          .lanes = n->cores,
                                          .mail_fd = n->mail_fd,
                                          .loop = &n->loop,
                                          .catalog = &n->catalog,
                                          .on_change = on_change,
                                          .on_loaded = on_loaded,
                                          .arg = n};
    uint32_t links = supervise_links(n->config.cells_max, n->config.larges);
    size_t bytes = cell_mail_bytes(links);
    for (uint32_t i = 0; i < n->cores; i++) {
        n->mail[i] = n->config.mail[i] =
            cell_mail_init(memset(sim_take(bytes, -1), 0, bytes), links, n->mail_fd);
        start_core(n, i);
    }
    n->supervise = supervise_create(&n->config, error, sizeof(error));
    CHECK(n->supervise, "%s", error);
    the_host.supervise = n->supervise;
    supervise_start(n->supervise);
}

static struct node *start(void)
{
    struct node *n = the_node = calloc(1, sizeof(*n));
    struct port_sim_faults faults = {.delay_ns = below(500) * 1000ull,
                                     .jitter_ns = below(200) * 1000ull};
    clock_init_virtual(&n->clock, 1000000000);
    sim_now_ns = n->clock.virtual_ns;
    n->cores = 1u << below(3);
    node_weather_draw(n);
    n->record = calloc(NODE_RECORDS, sizeof(*n->record));
    n->next_id = 1;
    n->net = sim_switch_create(&n->clock, rng(), 1500);
    for (uint32_t i = 0; i < n->cores; i++)
        n->port[i] = sim_switch_plug(n->net, (uint8_t[6]){2, 0, 0, 0, 0, (uint8_t)(1 + i)}, faults);
    station_init(&n->station, sim_switch_plug(n->net, station_mac, faults), 1500, 65536);
    n->callers = (struct callers){.station = &n->station,
                                  .patience_ns = PATIENCE_MS * MS,
                                  .last_port = 10000,
                                  .done = node_on_done,
                                  .arg = n};
    for (uint32_t i = 0; i < NODE_CALLERS; i++)
        n->caller[i].index = i;
    struct model_manner manner = {.make_us = 2000 + below(20000),
                                  .started = node_on_started,
                                  .suspected = node_on_suspected,
                                  .arg = n};
    host_init(n->cores, n->core, &manner);
    the_host.lied = node_on_lost;
    the_host.arg = n;
    int rc = loop_init(&n->loop);
    n->mail_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(rc == 0 && n->mail_fd >= 0, "no descriptors");
    start_scripts(n);
    start_supervise(n);
    TRACE("%u cores, %u cells, %u spares, %u larges, %u a script%s", n->cores, n->config.cells_max,
          n->config.spares, n->config.larges, n->config.per_script, n->is_tight ? ", tight" : "");
    return n;
}

/* ---- callers ---- */

static void open_caller(struct node *n, struct caller *c, uint32_t script, uint32_t core)
{
    uint32_t id = n->next_id++;
    struct caller_request q = {.method = chance(75) ? "GET" : "POST",
                               .host = n->host[c->index],
                               .server_ip = n->ip[core],
                               .answer = ANSWER_GENERATE,
                               .bytes = chance(20) ? below(40000) : below(2000),
                               .leave_ns = UINT64_MAX,
                               .id = id};
    bool is_post = q.method[0] == 'P';
    if (is_post) {
        q.answer = ANSWER_ECHO;
        q.body_bytes = q.bytes;
    }
    if (n->phase == NODE_LOAD && chance(4))
        q.leave_ns = sim_now_ns + below(30) * MS;
    snprintf(n->host[c->index], sizeof(n->host[0]), "s%u.test", script);
    n->record[id % NODE_RECORDS] = (struct node_record){.id = id,
                                                        .script = script,
                                                        .core = core,
                                                        .deaths = n->script[script].deaths,
                                                        .is_post = is_post,
                                                        .opened_ns = sim_now_ns};
    TRACE("request %u for script %u at core %u", id, script, core);
    caller_open(&n->callers, c, &q);
}

/* Most want few scripts. */
static uint32_t draw_script(const struct node *n)
{
    if (sim_now_ns < n->burst_until_ns && n->burst_script < NODE_SCRIPTS)
        return n->burst_script;
    if (n->has[NODE_KILLER] && chance(10))
        return NODE_SCRIPTS - 1;
    return chance(60) ? below(3) : below(NODE_SCRIPTS - 1);
}

static void open_some(struct node *n)
{
    uint32_t count = sim_now_ns < n->burst_until_ns ? NODE_CALLERS : NODE_USUAL;
    for (uint32_t i = 0; n->phase == NODE_LOAD && i < count; i++) {
        if (!n->caller[i].is_open && sim_now_ns >= n->opens_ns[i])
            open_caller(n, &n->caller[i], draw_script(n), below(n->cores));
    }
    /* One after the other: each script by each core. */
    if (n->phase == NODE_LAST_PASS && n->pass < NODE_SCRIPTS * n->cores && !n->caller[0].is_open) {
        open_caller(n, &n->caller[0], n->pass / n->cores, n->pass % n->cores);
        n->pass++;
    }
}

static bool is_quiet(const struct node *n)
{
    for (uint32_t i = 0; i < NODE_CALLERS; i++) {
        if (n->caller[i].is_open)
            return false;
    }
    for (uint32_t i = 0; i < n->cores; i++) {
        if (n->core[i]->conn_count > 0 || calls_live(n->core[i]->calls) > 0)
            return false;
    }
    return true;
}

static struct tcp *find_tcp(void *arg, uint16_t port)
{
    struct node *n = arg;
    for (uint32_t i = 0; i < NODE_CALLERS; i++) {
        if (n->caller[i].is_open && n->caller[i].port == port)
            return &n->caller[i].tcp;
    }
    return NULL;
}

static void work_outside(struct node *n)
{
    station_input(&n->station, find_tcp, n);
    open_some(n);
    for (uint32_t i = 0; i < NODE_CALLERS; i++)
        caller_work(&n->callers, &n->caller[i]);
    tx_flush(&n->station.tx);
}

/* ---- the control thread ---- */

static void publish(struct node *n)
{
    n->has_changed = false;
    n->world.can_start_cells = supervise_can_serve(n->supervise);
    uint32_t held = supervise_held(n->supervise, n->world.held, &n->world.held_full);
    n->seen.holds += held > n->world.held_count;
    n->world.held_count = held;
    n->world.epoch++;
}

/* What cannot be had soon is excused. */
static void look_for_trouble(struct node *n)
{
    const struct supervise *s = n->supervise;
    bool is_short = !supervise_can_serve(s) || sim_now_ns < s->fork_after_ns ||
                    n->world.held_count > 0 || s->wanted.first || n->is_tight ||
                    n->has[NODE_MEMORY];
    if (is_short)
        node_excuse(n, sim_now_ns + NODE_FULL_MS * MS);
    n->seen.widenings += s->wanted.first && script_cells_serving(s->wanted.first) == 1;
}

static bool is_ready(const struct loop *l)
{
    struct pollfd p = {.fd = l->epoll_fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

static uint64_t timer_ns(const struct loop *l)
{
    uint64_t next = UINT64_MAX;
    for (const struct loop_timer *t = l->timers; t; t = t->next)
        next = min_u64(next, t->deadline_ns);
    return next;
}

static void work_control(struct node *n)
{
    if (sim_now_ns < n->control_ns)
        return;
    for (int i = 0; i < LOOP_STEPS && (is_ready(&n->loop) || timer_ns(&n->loop) <= sim_now_ns); i++)
        loop_step(&n->loop, 0);
    if (n->has_changed)
        publish(n);
    node_deploys_run(n);
    node_mail_check(n);
    look_for_trouble(n);
}

/* ---- time ---- */

static uint64_t next_ns(struct node *n)
{
    uint64_t next = min_u64(sim_switch_next_ns(n->net), host_next_ns());
    next = min_u64(next, node_weather_next_ns(n));
    uint64_t control_ns = is_ready(&n->loop) ? sim_now_ns : timer_ns(&n->loop);
    next = min_u64(next, control_ns > n->control_ns ? control_ns : n->control_ns);
    for (uint32_t i = 0; i < n->cores; i++) {
        uint64_t core_ns = core_next_ns(n->core[i]);
        next = min_u64(next, core_ns > n->core_ns[i] ? core_ns : n->core_ns[i]);
    }
    for (uint32_t i = 0; i < NODE_CALLERS; i++) {
        next = min_u64(next, caller_next_ns(&n->callers, &n->caller[i]));
        if (n->phase == NODE_LOAD && i < NODE_USUAL && !n->caller[i].is_open)
            next = min_u64(next, n->opens_ns[i]);
    }
    return next;
}

static void step(struct node *n)
{
    sim_switch_work(n->net);
    work_control(n);
    for (uint32_t i = 0; i < n->cores; i++) {
        if (sim_now_ns < n->core_ns[i])
            continue;
        core_iterate(n->core[i]);
        CHECK(counters_unaccounted(&n->core[i]->counters) == 0, "core %u: frames unaccounted", i);
    }
    host_work();
    work_outside(n);
    uint64_t next = sim_now_ns + TICK_NS, due = next_ns(n);
    if (due > next && due != UINT64_MAX)
        next = due < next + 1000 * MS ? due : next + 1000 * MS;
    sim_now_ns = next;
    clock_set_ns(&n->clock, next);
}

/* ---- phases ---- */

static void enter(struct node *n, enum node_phase phase)
{
    static const char *const names[] = {"start", "load", "clears up", "last pass", "end"};
    TRACE("%s", names[phase]);
    n->phase = phase;
    n->phase_ns = sim_now_ns;
}

static bool is_calm(const struct node *n)
{
    const struct supervise *s = n->supervise;
    for (uint32_t i = 0; i < NODE_SCRIPTS; i++) {
        if (n->script[i].trial || n->script[i].old)
            return false;
    }
    return is_quiet(n) && supervise_can_serve(s) && !s->wants_zygote && !s->wanted.first &&
           n->world.held_count == 0 && sim_now_ns >= s->fork_after_ns &&
           s->count[CELL_SPARE] == n->config.spares &&
           s->count[CELL_RETIRED] + s->count[CELL_ENDING] == 0;
}

/* True: all is over. */
static bool run_phase(struct node *n)
{
    switch (n->phase) {
    case NODE_START:
        if (!supervise_is_ready(n->supervise))
            break;
        enter(n, NODE_LOAD);
        n->load_until_ns = sim_now_ns + (1500 + below(2500)) * MS;
        node_weather_begin(n);
        break;
    case NODE_LOAD:
        node_weather_run(n);
        if (sim_now_ns < n->load_until_ns)
            break;
        node_weather_end(n);
        enter(n, NODE_CLEAR_UP);
        break;
    case NODE_CLEAR_UP:
        CHECK(sim_now_ns < n->phase_ns + CALM_MS * MS,
              "%d seconds after the last event not all is there again", CALM_MS / 1000);
        if (is_calm(n))
            enter(n, NODE_LAST_PASS);
        break;
    case NODE_LAST_PASS:
        n->load_ns = n->is_tight || n->has[NODE_MEMORY] ? n->load_ns : 0; /* no excuse */
        if (n->pass == NODE_SCRIPTS * n->cores && is_quiet(n))
            enter(n, NODE_END);
        break;
    case NODE_END:
        if (!is_calm(n))
            n->phase_ns = sim_now_ns;
        return sim_now_ns >= n->phase_ns + QUIET_MS * MS;
    }
    return false;
}

static void end(struct node *n)
{
    node_check_end(n);
    for (uint32_t i = 0; i < n->cores; i++) {
        core_end(n->core[i]);
        CHECK(n->core[i]->chunks.free_count == n->core[i]->chunks.count, "core %u lost chunks", i);
    }
    the_host.core = NULL; /* no core runs any more */
    n->seen.evictions += n->supervise->evicted;
    n->seen.memory_fits += n->has[NODE_MEMORY] ? n->supervise->evicted : 0;
    supervise_destroy(n->supervise);
    n->supervise = NULL;
    host_fini();
    for (uint32_t i = 0; i < NODE_SCRIPTS; i++)
        script_release(n->script[i].current);
    catalog_fini(&n->catalog);
    for (uint32_t i = 0; i < n->cores; i++) {
        core_destroy(n->core[i]);
        free(n->mail[i]);
        free(n->neighbours[i]);
    }
    for (uint32_t i = 0; i < NODE_CALLERS; i++)
        caller_free(&n->caller[i]);
    station_fini(&n->station);
    sim_switch_destroy(n->net);
    routes_destroy((struct routes *)n->world.routes);
    loop_fini(&n->loop);
    close(n->mail_fd);
    close(n->null_fd);
}

static void add_up(const struct node *n, struct node_report *report)
{
    const uint64_t *from = (const uint64_t *)&n->seen;
    uint64_t *to = (uint64_t *)report;
    for (size_t i = 0; i < sizeof(*report) / sizeof(uint64_t); i++)
        to[i] += from[i];
    report->deaths += the_host.tally.deaths;
    report->lies += the_host.tally.lies;
    report->larges += the_host.tally.grown;
    report->starting_deaths += the_host.weather.died_starting;
    report->stubborns += the_host.weather.stubborn;
    report->late_larges += the_host.weather.late_larges;
    report->failed_forks += the_host.weather.failed_forks;
    report->failed_zygotes += the_host.weather.failed_zygotes;
    report->virtual_ms += sim_now_ns / MS;
    report->hash = sim_story_hash();
}

void node_run(uint64_t seed, struct node_report *report)
{
    sim_seed_with(seed);
    sim_pads = false;
    struct node *n = start();
    while (!run_phase(n))
        step(n);
    end(n);
    add_up(n, report);
    free(n->record);
    free(n);
    the_node = NULL;
}
