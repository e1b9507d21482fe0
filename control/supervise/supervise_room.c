#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "control/base/log.h"
#include "control/supervise/cgroup.h"
#include "control/supervise/supervise_state.h"
#include "control/supervise/templates.h"

enum { MS = 1000 * 1000, STABLE_MS = 10000, REFILL_MS = 10 };

static void later(uint32_t *backoff_ms)
{
    *backoff_ms = *backoff_ms ? 2 * *backoff_ms : SUPERVISE_BACKOFF_FIRST_MS;
    if (*backoff_ms > SUPERVISE_BACKOFF_MAX_MS)
        *backoff_ms = SUPERVISE_BACKOFF_MAX_MS;
}

/* ---- the zygote ---- */

static struct zygote *asked(struct supervise *s)
{
    return &s->zygote[s->current];
}

static void start_zygote(void *arg)
{
    struct supervise *s = arg;
    const uint32_t place = asked(s)->state == ZYGOTE_DOWN ? s->current : 1 - s->current;
    struct zygote *z = &s->zygote[place];

    if (!s->wants_zygote || z->state != ZYGOTE_DOWN || s->is_stopping)
        return; /* tried again when that one is down */
    if (zygote_start(z)) {
        log_line("zygote", "cannot be started: %s", z->last_exit);
        later(&s->zygote_backoff_ms);
        loop_timer_set(s->config.loop, &s->zygote_timer, (uint64_t)s->zygote_backoff_ms * MS,
                       start_zygote, s);
        return;
    }
    if (s->config.cgroup)
        cgroup_move(s->config.cgroup, CGROUP_SPARE, z->child.pid);
}

void supervise_renew(struct supervise *s, const char *why)
{
    if (s->wants_zygote || s->is_stopping)
        return;
    s->wants_zygote = true;
    if (why)
        log_line("zygote", "pid=%d to be renewed because=\"%s\"", (int)asked(s)->child.pid, why);
    loop_timer_set(s->config.loop, &s->zygote_timer, (uint64_t)s->zygote_backoff_ms * MS,
                   start_zygote, s);
}

static void on_time(void *arg)
{
    supervise_renew(arg, "it has served its time");
}

static void on_up(struct supervise *s, struct zygote *z)
{
    s->wants_zygote = false;
    s->current = (uint32_t)(z - s->zygote);
    templates_renew(s);
    loop_timer_set(s->config.loop, &s->renew_timer, (uint64_t)s->config.renew_s * 1000 * MS,
                   on_time, s);
    supervise_serve(s);
}

/* Those that it was asked for will not come. */
static void drop_forks(struct supervise *s, struct zygote *z)
{
    forks_fail(&s->forks[z - s->zygote], -EPIPE);
}

static void on_down(struct supervise *s, struct zygote *z)
{
    const bool was_current = z == asked(s), was_up = z->up_ns > z->started_ns;

    drop_forks(s, z);
    if (was_up && loop_now_ns() - z->up_ns >= (uint64_t)STABLE_MS * MS)
        s->zygote_backoff_ms = 0;
    if (!was_current && was_up) {
        start_zygote(s); /* another one may have waited for its place */
        return;
    }
    s->restarts++;
    memcpy(s->last_exit, z->last_exit, sizeof(s->last_exit));
    s->wants_zygote = true;
    loop_timer_set(s->config.loop, &s->zygote_timer, (uint64_t)s->zygote_backoff_ms * MS,
                   start_zygote, s);
    later(&s->zygote_backoff_ms);
}

void supervise_on_zygote(void *arg, struct zygote *z)
{
    struct supervise *s = arg;

    if (s->is_stopping)
        return;
    if (z->state == ZYGOTE_UP)
        on_up(s, z);
    else
        on_down(s, z);
    supervise_changed(s);
}

/* ---- forks ---- */

void supervise_on_forked(void *arg, struct zygote *z, int32_t pid)
{
    struct supervise *s = arg;

    forks_answer(&s->forks[z - s->zygote], pid);
    if (!s->is_stopping)
        supervise_serve(s);
}

void supervise_fork_failed(struct supervise *s, bool is_zygotes_doing)
{
    const uint64_t now_ns = loop_now_ns();

    if (now_ns - s->fork_failed_ns >= (uint64_t)STABLE_MS * MS)
        s->fork_backoff_ms = 0;
    s->fork_failed_ns = now_ns;
    s->fork_after_ns = now_ns + (uint64_t)s->fork_backoff_ms * MS;
    later(&s->fork_backoff_ms);
    if (is_zygotes_doing && asked(s)->state == ZYGOTE_UP)
        supervise_renew(s, "a fork failed");
}

static bool may_ask(struct supervise *s)
{
    const struct zygote *z = asked(s);

    return z->state == ZYGOTE_UP && z->asked < SUPERVISE_FORKS_AT_ONCE &&
           loop_now_ns() >= s->fork_after_ns;
}

bool supervise_ask(struct supervise *s, struct fork *f, uint32_t uid, enum zygote_child what,
                   int socket, int words)
{
    struct zygote *z = asked(s);

    if (!may_ask(s) || !zygote_fork(z, z->has_ids ? uid : ZYGOTE_UID_SAME, what, socket, words))
        return false;
    forks_ask(&s->forks[s->current], f);
    return true;
}

/* t: NULL: by the zygote. */
static struct cell *fork_one(struct supervise *s, struct template *t)
{
    struct cell *c = s->free;
    int rc;

    if (!c || (!t && !may_ask(s)))
        return NULL;
    s->free = c->next;
    c->next = NULL;
    rc = cell_fork(c, t);
    if (!rc)
        return c;
    log_line("cell", "index=%u cannot be forked: %s", c->index, strerror(-rc));
    if (t)
        template_end(t, "it takes no order");
    else
        supervise_fork_failed(s, rc == -EPIPE);
    return NULL;
}

static struct cell *take_cell(struct supervise *s, const struct script_cells *row)
{
    struct template *t = templates_of(row);
    struct cell *c = t ? fork_one(s, t) : NULL;

    if (c)
        return c;
    c = s->spare;
    if (!c)
        return fork_one(s, NULL);
    s->spare = c->next;
    c->next = NULL;
    return c;
}

/* ---- room ---- */

/* NULL: it is a template's. */
static struct cell *cell_of(const struct supervise *s, const struct warm_entry *e)
{
    const char *at = (const char *)e, *first = (const char *)s->cell;

    return at >= first && at < (const char *)(s->cell + s->config.cells_max)
               ? (struct cell *)(at - offsetof(struct cell, warm))
               : NULL;
}

/* Who is through with his jobs since the last look at all counters would be in use still, and the
 * only one to make room whoever was idle then. */
static void pin_watched(struct supervise *s)
{
    for (struct cell *c = s->watched; c; c = c->watch_next)
        cell_pin(c);
}

/* Who asks for room, and where it may come from. */
struct room {
    const struct account_cells *of; /* among its own; NULL: of all */
    uint64_t idle_ns;               /* of what was not used for so long */
    bool may_take_kept;             /* also of those with less than their part */
};

/* True: one cell goes, or a template. The least valuable may have got a job since the last look. */
static bool evict(struct supervise *s, const struct room *room)
{
    const struct account_cells *of = room->of;
    const uint64_t now_ns = loop_now_ns();
    struct warm_entry *e;

    pin_watched(s);
    while ((e = warm_pool_victim_of(&s->pool, of ? &of->warm : NULL, room->idle_ns, now_ns))) {
        struct cell *c = cell_of(s, e);

        if (!of && !room->may_take_kept && warm_pool_keeps(&s->pool, e, now_ns))
            return false;
        if (!c) {
            templates_evict(s, e);
            return true;
        }
        cell_pin(c);
        if (c->warm.pins) {
            cell_watch(c);
            continue;
        }
        s->evicted++;
        s->accounts_evicted += of != NULL;
        c->script->evicted++;
        cell_charge(c, 0); /* it has no job: it is as good as gone */
        cell_retire(c, "it makes room");
        return true;
    }
    return false;
}

static bool make_bytes(struct supervise *s, uint64_t bytes, const struct room *room)
{
    while (s->pool.count && !warm_pool_fits(&s->pool, bytes))
        if (!evict(s, room))
            return false;
    return true;
}

bool supervise_make_bytes(struct supervise *s, uint64_t bytes, uint64_t idle_ns)
{
    return make_bytes(s, bytes, &(struct room){.idle_ns = idle_ns});
}

/* For one more cell of that account, among its own. */
static bool make_account_room(struct supervise *s, const struct account_cells *a, uint64_t idle_ns)
{
    while (!account_cells_fit(a, SUPERVISE_BYTES_GUESS))
        if (!evict(s, &(struct room){.of = a, .idle_ns = idle_ns}))
            return false;
    return true;
}

/* An account that is alone here has all there is, and takes it. */
static bool has_its_part(const struct supervise *s, const struct account_cells *a)
{
    return s->pool.owners > 1 && !warm_pool_is_below(&s->pool, &a->warm);
}

/* For one more cell with a script, of that account. A single one may have more than the budget. */
static bool make_room(struct supervise *s, const struct account_cells *a, uint64_t idle_ns)
{
    const uint32_t places = s->config.cells_max - s->config.spares;
    const struct room room = {.idle_ns = idle_ns, .may_take_kept = !has_its_part(s, a)};

    while (s->count[CELL_STARTING] + s->count[CELL_WARM] >= places)
        if (!evict(s, &room))
            return false;
    return make_bytes(s, SUPERVISE_BYTES_GUESS, &room);
}

/* What is busy goes by its size: its value would be that somebody asks for it. is_of_pool: of what
 * the budget counts, and not of what ends by itself with its last job. */
static bool kill_largest(struct supervise *s, const struct account_cells *a, bool is_of_pool,
                         const char *why)
{
    struct cell *largest = NULL;

    for (uint32_t i = 0; i < s->config.cells_max; i++) {
        struct cell *c = &s->cell[i];

        if (c->script && c->script->account == a && c->bytes && (c->is_pooled || !is_of_pool) &&
            (!largest || c->bytes > largest->bytes))
            largest = c;
    }
    if (!largest)
        return false;
    largest->fault = JOB_ERROR_MEMORY_LIMIT;
    s->accounts_killed++;
    cell_kill(largest, why);
    return true;
}

static void fit_accounts(struct supervise *s)
{
    for (struct account_cells *a = s->accounts.first; a; a = a->next)
        while (a->bytes_max && a->bytes > a->bytes_max &&
               (evict(s, &(struct room){.of = a}) ||
                kill_largest(s, a, false, "its account's cells have more memory than they may")))
            ;
}

/* What may go is gone, and it is not enough: those with less than their part are not to pay for
 * the one with the most. */
static bool kill_of_greediest(struct supervise *s)
{
    const struct account_cells *greediest = s->accounts.first;

    for (const struct account_cells *a = greediest; a; a = a->next)
        if (a->warm.bytes > greediest->warm.bytes)
            greediest = a;
    return greediest && has_its_part(s, greediest) &&
           kill_largest(s, greediest, true, "its account has more than its part of the memory");
}

void supervise_fit(struct supervise *s)
{
    fit_accounts(s);
    while (s->pool.count > 1 && !warm_pool_fits(&s->pool, 0))
        if (!evict(s, &(struct room){0}))
            break;
    while (s->pool.bytes > s->pool.bytes_max + s->pool.bytes_max / SUPERVISE_OVER_PART)
        if (!kill_of_greediest(s))
            return;
}

/* ---- who gets one ---- */

/* The others are not to wait for it. */
static void wait_among_its_own(struct script_cells *row)
{
    script_queue_take(row);
    script_queue_put(&row->account->waiting, row);
}

static void serve_wanted(struct supervise *s)
{
    struct script_cells *row;
    struct cell *c;

    while ((row = s->wanted.first)) {
        if (!make_account_room(s, row->account, 0)) {
            wait_among_its_own(row);
            continue;
        }
        if (!make_room(s, row->account, 0)) {
            if (!has_its_part(s, row->account))
                return;
            wait_among_its_own(row);
            continue;
        }
        if (!(c = take_cell(s, row)))
            return;
        script_queue_take(row);
        cell_assign(c, row);
    }
}

/* False: nobody has waited for long. */
static bool refuse_late(struct supervise *s, struct account_cells *a, uint64_t now_ns)
{
    struct script_cells *row = a->waiting.first;

    if (!row || now_ns - row->wanted_ns < (uint64_t)SUPERVISE_FULL_MS * MS)
        return false;
    script_queue_take(row);
    if (!script_cells_serving(row))
        supervise_refuse(s, row);
    return true;
}

void supervise_serve_accounts(struct supervise *s, uint64_t now_ns)
{
    struct account_cells *next;

    for (struct account_cells *a = s->accounts.first; a; a = next) {
        struct script_cells *row;

        next = a->next;
        while ((row = a->waiting.first) && make_account_room(s, a, 0)) {
            script_queue_take(row);
            script_queue_put(&s->wanted, row);
        }
        a->scripts++; /* a verdict may be the end of its last script */
        while (refuse_late(s, a, now_ns))
            ;
        account_table_drop(&s->accounts, a);
    }
}

static bool lacks_spares(const struct supervise *s)
{
    return s->count[CELL_SPARE] + s->count[CELL_FORKING] < s->config.spares;
}

static void refill(void *arg)
{
    struct supervise *s = arg;

    while (lacks_spares(s) && fork_one(s, NULL))
        ;
}

/* A fork and the boot of a cell take 2 ms of a CPU, which whoever waits for the start of the last
 * spare may need. */
static void refill_later(struct supervise *s)
{
    if (lacks_spares(s) && !s->refill_timer.deadline_ns)
        loop_timer_set(s->config.loop, &s->refill_timer, (uint64_t)REFILL_MS * MS, refill, s);
}

void supervise_serve(struct supervise *s)
{
    if (s->is_stopping)
        return;
    serve_wanted(s);
    if (s->was_ready)
        refill_later(s);
    else
        refill(s);
    if (!s->was_ready && s->count[CELL_SPARE] >= s->config.spares) {
        s->was_ready = true;
        supervise_changed(s);
    }
}

void supervise_want(struct supervise *s, struct script_cells *row)
{
    if (row->queue || row->is_gone || hold_has(&s->holds, row->handle, loop_now_ns()))
        return;
    row->wanted_ns = loop_now_ns();
    script_queue_put(&s->wanted, row);
    supervise_serve(s);
}

void supervise_guess(struct supervise *s, struct script_cells *row)
{
    struct cell *c;

    if (row->queue || row->is_gone || hold_has(&s->holds, row->handle, loop_now_ns()) ||
        !make_account_room(s, row->account, WARM_IDLE_NS) ||
        !make_room(s, row->account, WARM_IDLE_NS) || !(c = take_cell(s, row)))
        return;
    cell_assign(c, row);
    supervise_serve(s);
}
