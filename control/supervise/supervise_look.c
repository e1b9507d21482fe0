#include "control/base/log.h"
#include "control/supervise/procfs.h"
#include "control/supervise/region_guard.h"
#include "control/supervise/supervise_state.h"
#include "control/supervise/templates.h"

static const uint64_t s_ns = 1000000000;

/* ---- every look: who something is awaited of ---- */

/* A link that broke and a region that is lost follow each other; either is the end of the cell. */
static void look_at_contracts(struct supervise *s)
{
    const uint32_t links = supervise_links(s->config.cells_max, s->config.larges);

    for (uint32_t i = 0; i < links; i++) {
        const uint32_t condemned = atomic_load_explicit(&s->condemned[i], memory_order_acquire);
        struct cell *c = s->link[i].cell;

        if (!condemned || !c || c->state == CELL_ENDING)
            continue;
        s->regions_lost += condemned == REGION_LOST;
        cell_kill(c, condemned == REGION_LOST ? "it took pages of its region away"
                                              : "it broke the contract of the job rings");
    }
}

static void look_at_watched(struct supervise *s, uint64_t now_ns)
{
    struct cell *next;

    for (struct cell *c = s->watched; c; c = next) {
        next = c->watch_next;
        if (!cell_look(c, now_ns))
            cell_unwatch(c);
    }
}

static void look_at_zygotes(struct supervise *s)
{
    struct zygote *other = &s->zygote[1 - s->current];

    words_again(&s->zygote[0].words);
    words_again(&s->zygote[1].words);
    for (uint32_t i = 0; i < SUPERVISE_TEMPLATES_MAX; i++)
        words_again(&s->template[i].words);
    if (other->state == ZYGOTE_UP && !other->asked)
        zygote_close(other, "another one has taken its place");
}

/* ---- the counters of the cores ---- */

static uint32_t new_requests(struct cell_link *l)
{
    const uint32_t started = cell_link_count(l).started, new = started - l->started;

    l->started = started;
    return new;
}

static void look_at_cpu(struct cell *c)
{
    const uint64_t cpu_ns = procfs_cpu_ns((int)c->child.pid);

    if (cpu_ns <= c->cpu_ns)
        return;
    c->script->cpu_ns += cpu_ns - c->cpu_ns;
    c->cpu_ns = cpu_ns;
}

/* On a busy machine a start may be over before the core that waits for it has woken up. */
static void judge_start(struct cell *c, uint32_t requests, uint64_t now_ns)
{
    if (!c->is_awaited || c->state != CELL_WARM)
        return;
    if (requests)
        c->script->cold++;
    else if (now_ns - c->since_ns >= (uint64_t)2 * SUPERVISE_LOOK_MS * CELL_MS)
        c->script->ahead++;
    else
        return;
    c->is_awaited = false;
}

static void look_at_pulse(struct supervise *s, struct cell *c, uint64_t now_ns)
{
    uint32_t requests = new_requests(c->first) + (c->large ? new_requests(c->large) : 0);

    cell_pin(c);
    judge_start(c, requests, now_ns);
    if (requests) {
        c->script->requests += requests;
        warm_history_ask(&c->script->history, &warm_weights_default, now_ns);
        if (c->is_pooled)
            warm_pool_use(&s->pool, &c->warm, now_ns);
        templates_asked(s, c->script, now_ns);
    }
    if (!requests && !c->live && !c->has_run)
        return;
    c->has_run = true;
    cell_watch(c);
    look_at_cpu(c);
}

static void look_at_pulses(struct supervise *s, uint64_t now_ns)
{
    for (uint32_t i = 0; i < s->config.cells_max; i++)
        if (s->cell[i].script && s->cell[i].child.pid && s->cell[i].is_ready)
            look_at_pulse(s, &s->cell[i], now_ns);
}

/* ---- memory ---- */

/* Its heap, as much again in buffers, and the rest. V8 stops a script at its limits; this is for
 * what it cannot stop, like a builtin that copies one huge array without looking up. */
bool supervise_is_bloated(const struct supervise *s, uint64_t bytes)
{
    return bytes > 2 * ((uint64_t)s->config.heap_mb << 20) + s->config.slack_bytes;
}

static void look_at_memory_of(struct supervise *s, struct cell *c)
{
    const uint64_t bytes = cell_memory_bytes(&c->memory, (int)c->child.pid);

    c->has_run = false;
    s->is_memory_exact = c->memory.is_exact;
    if (bytes && c->is_pooled)
        warm_pool_resize(&s->pool, &c->warm, bytes);
    if (bytes)
        cell_charge(c, bytes);
    if (supervise_is_bloated(s, bytes)) {
        c->fault = JOB_ERROR_MEMORY_LIMIT;
        cell_kill(c, "its memory is far over its script's limit");
    }
}

/* Of those that have run since the last look. A walk through the pages of one takes up to 2 ms: all
 * of them at once, and for so long nothing is started, and no packet comes in on this CPU. */
static void look_at_memory(struct supervise *s)
{
    const uint64_t until_ns = loop_now_ns() + SUPERVISE_MEMORY_US * 1000ull;

    if (!s->memory_left)
        return;
    for (; s->memory_left && loop_now_ns() < until_ns; s->memory_left--) {
        struct cell *c = &s->cell[s->next_memory];

        s->next_memory = (s->next_memory + 1) % s->config.cells_max;
        if (c->has_run && c->child.pid && c->state != CELL_ENDING)
            look_at_memory_of(s, c);
    }
    supervise_fit(s);
}

/* ---- CPUs, and who is there ---- */

static void ping_busy(struct supervise *s)
{
    for (struct cell *c = s->watched; c; c = c->watch_next) {
        const bool is_at_work = c->live || c->state == CELL_STARTING;

        if (is_at_work && c->is_ready && c->child.pid && c->state != CELL_ENDING &&
            !c->ping.since_ns)
            cell_ping(c); /* what does not go in waits for the next time */
    }
}

/* One of those that requests may go to. */
static struct cell *least_busy(const struct script_cells *row)
{
    struct cell *least = NULL;

    for (struct cell *c = row->first; c; c = c->next_of_script)
        if (cell_serves(c) && (!least || c->live < least->live))
            least = c;
    return least;
}

static void judge_width(struct supervise *s, struct script_cells *row, uint64_t used, bool has_idle)
{
    const int more =
        width_judge(&row->width, script_cells_serving(row), used, has_idle, s->config.per_script);

    if (more > 0)
        supervise_want(s, row);
    if (more < 0)
        cell_retire(least_busy(row), "its script needs fewer");
}

static void look_at_cpus(struct supervise *s, uint64_t now_ns)
{
    const uint64_t elapsed_ns = now_ns - s->seconds_ns;
    const uint64_t idle_ns = procfs_idle_ns(s->cpus, s->config.cpus_count);
    const bool has_idle = (idle_ns - s->idle_ns) * 5 > elapsed_ns;

    s->idle_ns = idle_ns;
    s->seconds_ns = now_ns;
    for (uint32_t i = 0; i < s->scripts.room; i++) {
        struct script_cells *row = s->scripts.by_slot[i];
        const struct script *script;
        uint64_t used;

        if (!row || !row->first)
            continue;
        script = catalog_by_handle(s->config.catalog, row->handle);
        if (script)
            account_table_follow(&s->accounts, row->account, script->account);
        used = (row->cpu_ns - row->judged_cpu_ns) * 1000 / elapsed_ns;
        row->judged_cpu_ns = row->cpu_ns;
        judge_width(s, row, used, has_idle);
    }
}

void supervise_look(void *arg)
{
    struct supervise *s = arg;
    const uint64_t now_ns = loop_now_ns();

    s->looks++;
    look_at_contracts(s);
    look_at_watched(s, now_ns);
    look_at_zygotes(s);
    if (s->looks % SUPERVISE_PULSE_LOOKS == 0) {
        look_at_pulses(s, now_ns);
        s->memory_left = s->config.cells_max;
    }
    look_at_memory(s);
    if (s->looks % SUPERVISE_SECOND_LOOKS == 0) {
        ping_busy(s);
        templates_judge(s, now_ns);
        if (now_ns - s->seconds_ns >= s_ns / 2)
            look_at_cpus(s, now_ns);
    }
    supervise_serve_accounts(s, now_ns);
    supervise_serve(s);
    loop_timer_set(s->config.loop, &s->look_timer, (uint64_t)SUPERVISE_LOOK_MS * CELL_MS,
                   supervise_look, s);
}
