#include "tests/sim/model_cells.h"

#include <string.h>
#include <sys/mman.h>

#include "dataplane/call/call_state.h"
#include "dataplane/call/cells.h"
#include "dataplane/core_state.h"

enum {
    SPARE_US_MIN = 200, /* one is forked already */
    SPARE_US_MAX = 1000,
    FORK_US_MAX = 3000,
    LARGER_US_MAX = 100 * 1000,
    ANSWER_MS = 10, /* from a demand until its cell is attached */
    RETRY_MS = 20,  /* call.c: what waits looks again by itself */
};

static struct model_script *script_of(struct model_cells *c, uint64_t handle)
{
    struct model_script *s = c->script;
    while (s->handle && s->handle != handle) {
        s++;
        CHECK(s < c->script + MODEL_SCRIPTS, "more scripts than the model can tell apart");
    }
    s->handle = handle;
    return s;
}

void model_cells_init(struct model_cells *c, struct world *world, uint32_t room, uint32_t owner,
                      const struct model_manner *manner, void (*full)(void *arg, uint64_t script))
{
    memset(c, 0, sizeof(*c));
    c->world = world;
    c->manner = *manner;
    c->owner = owner;
    c->full = full;
    size_t bytes = cell_mail_bytes(MODEL_LINKS);
    c->mail = cell_mail_init(memset(sim_take(bytes, -1), 0, bytes), MODEL_LINKS, -1);
    warm_pool_init(&c->pool, &warm_weights_default, room);
    world->can_start_cells = true;
}

static void leave_pool(struct model_cells *c, struct model_cell *cell)
{
    if (cell->state != MODEL_CELL_FORKS && cell->state != MODEL_CELL_UP)
        return;
    if (cell->entry.pins > 0)
        warm_pool_unpin(&c->pool, &cell->entry);
    warm_pool_remove(&c->pool, &cell->entry);
}

static void close_lane(struct model_cell *cell, uint32_t lane)
{
    struct model_lane *l = &cell->runtime->lane[lane];
    void *region = l->region;
    size_t bytes = job_region_bytes(1, &l->geometry);
    model_runtime_close(cell->runtime, lane);
    if (region)
        munmap(region, bytes);
}

static void forget(struct model_cells *c, struct model_cell *cell)
{
    leave_pool(c, cell);
    for (uint32_t lane = 0; cell->runtime && lane < MODEL_LANES; lane++)
        close_lane(cell, lane);
    if (cell->runtime)
        model_runtime_free(cell->runtime);
    free(cell->runtime);
    *cell = (struct model_cell){0};
}

void model_cells_fini(struct model_cells *c)
{
    for (uint32_t i = 0; i < MODEL_CELLS; i++)
        forget(c, &c->cell[i]);
    warm_pool_fini(&c->pool);
    free(c->mail);
    c->mail = NULL;
}

/* ---- news ---- */

static void tell(struct model_cells *c, const struct cell_news *news)
{
    cell_mail_tell(c->mail, news);
    c->link[news->link].is_followed = false;
    c->has_news = true;
}

/* Of a lane of a cell; NULL: none. */
static struct model_link *link_of(struct model_cells *c, const struct model_cell *cell,
                                  uint32_t lane)
{
    return cell->link[lane] ? &c->link[cell->link[lane] - 1] : NULL;
}

static struct model_lane *lane_of(const struct model_link *l)
{
    return &l->cell->runtime->lane[l->lane];
}

/* A free one; NULL: there is none. */
static struct model_link *free_link(struct model_cells *c)
{
    uint32_t i = 0;
    while (i < MODEL_LINKS && c->link[i].state)
        i++;
    return i < MODEL_LINKS ? &c->link[i] : NULL;
}

/* A region of that geometry, and a way to it. */
static void attach(struct model_cells *c, struct model_cell *cell, uint32_t lane,
                   const struct job_geometry *g)
{
    struct model_link *l = free_link(c);
    uint32_t number = (uint32_t)(l - c->link);
    void *region = mmap(NULL, job_region_bytes(1, g), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(region != MAP_FAILED, "no memory for a region");
    job_region_format(region, 1, g);
    model_runtime_open(cell->runtime, lane, region, 0, c->bell, g);
    *l = (struct model_link){.state = MODEL_LINK_ATTACHED, .lane = lane, .cell = cell};
    cell->link[lane] = number + 1;
    if (c->links_end <= number)
        c->links_end = number + 1;
    TRACE("cell of %lu: link %u%s", (unsigned long)cell->script->handle, number,
          lane ? ", larger" : "");
    tell(c, &(struct cell_news){.type = CELL_ATTACH,
                                .link = number,
                                .script = cell->script->handle,
                                .region = cell->runtime->lane[lane].region,
                                .geometry = *g,
                                .wake_fd = -1,
                                .is_ready = lane && model_runtime_is_ready(cell->runtime) &&
                                            chance(80), /* else it has not heard of it yet */
                                .condemned = &cell->runtime->condemned});
}

static void retire(struct model_cells *c, struct model_link *l)
{
    if (!l || l->state != MODEL_LINK_ATTACHED)
        return;
    struct model_lane *lane = lane_of(l);
    l->state = MODEL_LINK_RETIRED;
    lane->is_closed = true;
    lane->closed_tail = atomic_load(&lane->down.ring->tail);
    tell(c, &(struct cell_news){.type = CELL_RETIRE, .link = (uint32_t)(l - c->link)});
}

/* It takes nothing new, and goes with its last job. */
static void end_cell(struct model_cells *c, struct model_cell *cell)
{
    TRACE("cell of %lu ends", (unsigned long)cell->script->handle);
    if (cell->state == MODEL_CELL_FORKS) {
        cell->script->demanded_ns = 0;
        forget(c, cell);
        return;
    }
    leave_pool(c, cell);
    cell->state = MODEL_CELL_ENDS;
    cell->larger_ns = 0;
    for (uint32_t lane = 0; lane < MODEL_LANES; lane++)
        retire(c, link_of(c, cell, lane));
}

static void on_death(struct model_cells *c, struct model_cell *cell)
{
    leave_pool(c, cell);
    cell->state = MODEL_CELL_ENDS;
    cell->larger_ns = 0;
    for (uint32_t lane = 0; lane < MODEL_LANES; lane++) {
        struct model_link *l = link_of(c, cell, lane);
        if (!l)
            continue;
        l->state = MODEL_LINK_DETACHED;
        tell(c, &(struct cell_news){.type = CELL_DETACH,
                                    .link = (uint32_t)(l - c->link),
                                    .ended_by = lane_of(l)->blame});
    }
}

/* ---- wishes ---- */

static struct model_cell *cell_for(struct model_cells *c, uint64_t handle)
{
    for (uint32_t i = 0; i < MODEL_CELLS; i++) {
        struct model_cell *cell = &c->cell[i];
        bool is_wanted = cell->state == MODEL_CELL_FORKS || cell->state == MODEL_CELL_UP;
        if (is_wanted && cell->script->handle == handle)
            return cell;
    }
    return NULL;
}

static bool is_deployed(const struct model_cells *c, uint64_t handle)
{
    const struct world *w = c->world;
    uint32_t i = 0;
    while (i < w->script_count && w->scripts[i].handle != handle)
        i++;
    return i < w->script_count && !world_holds(w, handle);
}

static bool make_room(struct model_cells *c, bool is_demanded)
{
    if (warm_pool_fits(&c->pool, 1))
        return free_link(c) != NULL;
    struct warm_entry *victim =
        warm_pool_victim(&c->pool, is_demanded ? 0 : WARM_IDLE_NS, sim_now_ns);
    if (!victim)
        return false;
    c->tally.evicted++;
    end_cell(c, (struct model_cell *)((char *)victim - offsetof(struct model_cell, entry)));
    return free_link(c) != NULL;
}

static struct model_cell *free_cell(struct model_cells *c)
{
    uint32_t i = 0;
    while (i < MODEL_CELLS && c->cell[i].state)
        i++;
    if (i == MODEL_CELLS)
        return NULL;
    if (c->cells_end <= i)
        c->cells_end = i + 1;
    return &c->cell[i];
}

static void on_start(struct model_cells *c, uint64_t handle, bool is_demanded)
{
    struct model_script *script = script_of(c, handle);
    struct model_cell *cell = free_cell(c);
    if (cell_for(c, handle) || !is_deployed(c, handle) || c->away_until_ns)
        return;
    if (!cell || !make_room(c, is_demanded)) {
        TRACE("no room for a cell of %lu", (unsigned long)handle);
        c->tally.fulls += is_demanded;
        if (is_demanded && c->full)
            c->full(c->manner.arg, handle);
        return;
    }
    bool is_spare = chance(70);
    uint32_t least = is_spare ? SPARE_US_MIN : SPARE_US_MAX;
    uint32_t most = is_spare ? SPARE_US_MAX : FORK_US_MAX;
    *cell = (struct model_cell){.state = MODEL_CELL_FORKS,
                                .at_ns = sim_now_ns + (least + below(most - least)) * 1000ull,
                                .script = script};
    warm_history_ask(&script->history, c->pool.weights, sim_now_ns);
    warm_pool_add(&c->pool, &cell->entry, &script->history, 1, sim_now_ns);
    script->demanded_ns = is_demanded ? sim_now_ns : 0;
}

static uint32_t larges(const struct model_cells *c)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < MODEL_LINKS; i++)
        count += c->link[i].state && c->link[i].lane > 0;
    for (uint32_t i = 0; i < MODEL_CELLS; i++)
        count += c->cell[i].larger_ns > 0;
    return count;
}

static void on_larger(struct model_cells *c, const struct model_link *l)
{
    struct model_cell *cell = l->cell;
    if (l->state != MODEL_LINK_ATTACHED || l->lane > 0 || cell->larger_ns ||
        larges(c) == MODEL_LARGES || !free_link(c))
        return;
    cell->larger_ns =
        sim_now_ns + (chance(80) ? below(SPARE_US_MAX) : below(LARGER_US_MAX)) * 1000ull + 1;
}

static void on_released(struct model_cells *c, struct model_link *l)
{
    struct model_cell *cell = l->cell;
    uint32_t number = (uint32_t)(l - c->link);
    CHECK(l->state == MODEL_LINK_RETIRED || l->state == MODEL_LINK_DETACHED,
          "link %u is released in state %u", number, l->state);
    if (cell->runtime->is_up && !atomic_load(&cell->runtime->condemned)) {
        model_runtime_read(cell->runtime);
        uint32_t jobs = model_runtime_jobs(cell->runtime, l->lane);
        CHECK(jobs == 0, "link %u is released, and has %u jobs", number, jobs);
    }
    TRACE("link %u is released", number);
    close_lane(cell, l->lane);
    cell->link[l->lane] = 0;
    *l = (struct model_link){0};
    if (!cell->link[0] && !cell->link[1])
        forget(c, cell);
}

static void hear(struct model_cells *c)
{
    struct cell_wish wish;
    while (cell_mail_hear(c->mail, &wish)) {
        switch ((enum cell_wish_type)wish.type) {
        case CELL_WISH_START:
            on_start(c, wish.script, wish.is_demanded);
            break;
        case CELL_WISH_LARGER:
            on_larger(c, &c->link[wish.link]);
            break;
        case CELL_SAID_SPENT:
            end_cell(c, c->link[wish.link].cell);
            break;
        case CELL_RELEASED:
            on_released(c, &c->link[wish.link]);
            break;
        }
    }
}

/* ---- cells ---- */

static bool has_started(struct model_cells *c, struct model_link *l, bool *is_busy)
{
    if (!l)
        return false;
    struct cell_count now = cell_mail_pulse(c->mail, (uint32_t)(l - c->link));
    bool has_more = now.started != l->started;
    *is_busy |= now.live > 0;
    l->started = now.started;
    return has_more;
}

static void feel_pulse(struct model_cells *c, struct model_cell *cell)
{
    bool is_busy = false, has_more = false;
    for (uint32_t lane = 0; lane < MODEL_LANES; lane++)
        has_more |= has_started(c, link_of(c, cell, lane), &is_busy);
    if (has_more) {
        warm_history_ask(&cell->script->history, c->pool.weights, sim_now_ns);
        warm_pool_use(&c->pool, &cell->entry, sim_now_ns);
    }
    if (is_busy && cell->entry.pins == 0)
        warm_pool_pin(&c->pool, &cell->entry);
    else if (!is_busy && cell->entry.pins > 0)
        warm_pool_unpin(&c->pool, &cell->entry);
}

static void come_up(struct model_cells *c, struct model_cell *cell)
{
    cell->runtime = calloc(1, sizeof(*cell->runtime));
    CHECK(cell->runtime, "no memory");
    model_runtime_start(cell->runtime, &c->manner, &c->tally, cell->script->handle);
    cell->runtime->owner = c->owner;
    cell->runtime->slow_ns = c->slow_ns;
    cell->state = MODEL_CELL_UP;
    cell->script->demanded_ns = 0;
    c->tally.cells++;
    attach(c, cell, 0, &job_geometry_small);
}

static void grow(struct model_cells *c, struct model_cell *cell)
{
    cell->larger_ns = 0;
    c->tally.grown++;
    attach(c, cell, 1, &job_geometry_large);
    retire(c, link_of(c, cell, 0));
}

static void work_on_cell(struct model_cells *c, struct model_cell *cell)
{
    if (cell->state == MODEL_CELL_FORKS) {
        bool may_start =
            is_deployed(c, cell->script->handle) && !c->away_until_ns && free_link(c) != NULL;
        if (!may_start) {
            cell->script->demanded_ns = 0;
            forget(c, cell);
        } else if (sim_now_ns >= cell->at_ns) {
            come_up(c, cell);
        }
        return;
    }
    if (!cell->runtime->is_up)
        return; /* until its links are released */
    if (cell->state == MODEL_CELL_UP)
        feel_pulse(c, cell);
    if (cell->larger_ns && sim_now_ns >= cell->larger_ns && free_link(c) != NULL)
        grow(c, cell);
    if (!model_runtime_work(cell->runtime))
        on_death(c, cell);
}

/* What was deployed over goes when the core knows. */
static void sweep(struct model_cells *c)
{
    if (c->followed_epoch != c->world->epoch || c->swept_epoch == c->followed_epoch)
        return;
    c->swept_epoch = c->followed_epoch;
    for (uint32_t i = 0; i < MODEL_CELLS; i++) {
        struct model_cell *cell = &c->cell[i];
        if (cell->state == MODEL_CELL_UP && !is_deployed(c, cell->script->handle))
            end_cell(c, cell);
    }
}

static void check_demands(const struct model_cells *c)
{
    for (uint32_t i = 0; i < MODEL_SCRIPTS && c->script[i].handle; i++)
        CHECK(!c->script[i].demanded_ns ||
                  sim_now_ns < c->script[i].demanded_ns + ANSWER_MS * 1000000ull,
              "script %lu was demanded, and got no cell", (unsigned long)c->script[i].handle);
}

static bool follow_zygote(struct model_cells *c)
{
    if (!c->away_until_ns || sim_now_ns < c->away_until_ns)
        return false;
    c->away_until_ns = 0;
    c->world->can_start_cells = true;
    return true;
}

bool model_cells_work(struct model_cells *c)
{
    bool is_back = follow_zygote(c);
    c->is_deaf = chance(15);
    if (!c->is_deaf)
        hear(c);
    sweep(c);
    for (uint32_t i = 0; i < c->cells_end; i++) {
        if (c->cell[i].state)
            work_on_cell(c, &c->cell[i]);
    }
    check_demands(c);
    return is_back;
}

bool model_cells_have_news(const struct model_cells *c)
{
    return c->has_news;
}

static uint64_t cell_next_ns(const struct model_cell *cell)
{
    if (cell->state == MODEL_CELL_FORKS)
        return cell->at_ns;
    uint64_t next = cell->runtime->is_up ? model_runtime_next_ns(cell->runtime) : UINT64_MAX;
    return cell->larger_ns && cell->larger_ns < next ? cell->larger_ns : next;
}

uint64_t model_cells_next_ns(const struct model_cells *c)
{
    uint64_t next = c->is_deaf ? sim_now_ns : UINT64_MAX;
    if (c->away_until_ns && c->away_until_ns < next)
        next = c->away_until_ns;
    for (uint32_t i = 0; i < c->cells_end; i++) {
        uint64_t at = c->cell[i].state ? cell_next_ns(&c->cell[i]) : UINT64_MAX;
        next = at < next ? at : next;
    }
    return next;
}

/* ---- checks ---- */

/* What waits for a cell of that script was looked at when it came: if it waits again, so long from
 * now on. */
static void check_waiting(const struct core *core, uint64_t script)
{
    const struct calls *t = core->calls;
    for (uint32_t i = 0, seen = 0; i < t->count && seen < t->live; i++) {
        const struct call *call = &t->call[i];
        seen += call->state != CALL_FREE;
        if (!age_is_in(&call->for_cell) || call->script_handle != script)
            continue;
        CHECK(call->later.deadline_ns >= core->now_ns + RETRY_MS * 1000000ull,
              "a call waits for a cell of %lu, which is there", (unsigned long)script);
    }
}

/* A cell that has read its ring knows whose client has left. */
static void check_cancelled(const struct model_cells *c, uint32_t i, const struct core *core)
{
    const struct model_runtime *m = c->link[i].cell->runtime;
    const struct job_link *link = cells_at((struct core *)core, i);
    if (!link->region || !m->is_up || job_consumer_pending(&lane_of(&c->link[i])->down))
        return;
    for (uint32_t k = 0; k < m->jobs_end; k++) {
        const struct model_job *j = &m->job[k];
        if (!j->is_live || j->lane != lane_of(&c->link[i]))
            continue;
        const struct runtime_job *known = &link->job[j->index];
        CHECK(known->generation != j->generation || !known->is_cancel_told || j->is_cancelled,
              "link %u of node %u is not told that the client of %u has left", i, c->owner, j->id);
    }
}

static void check_link(struct model_cells *c, uint32_t i, const struct core *core)
{
    struct model_link *l = &c->link[i];
    const struct model_runtime *m = l->cell->runtime;
    if (l->state != MODEL_LINK_ATTACHED)
        return;
    if (!l->is_followed)
        check_waiting(core, m->handle);
    l->is_followed = true;
    check_cancelled(c, i, core);
    queue_watch_check(&l->queue, m->is_up ? lane_of(l) : NULL, cells_at((struct core *)core, i));
}

void model_cells_check(struct model_cells *c, const struct core *core)
{
    c->followed_epoch = core->world_epoch;
    c->has_news = false;
    for (uint32_t i = 0; i < c->links_end; i++) {
        if (c->link[i].state)
            check_link(c, i, core);
    }
}

void model_cells_read(struct model_cells *c)
{
    for (uint32_t i = 0; i < MODEL_CELLS; i++) {
        if (c->cell[i].runtime && c->cell[i].runtime->is_up)
            model_runtime_read(c->cell[i].runtime);
    }
}

static void check_jobs_of(const struct model_cells *c, uint32_t i, struct core *core)
{
    const struct model_runtime *m = c->link[i].cell->runtime;
    for (uint32_t k = 0; k < m->jobs_end; k++) {
        const struct model_job *j = &m->job[k];
        if (!j->is_live || j->lane != &m->lane[c->link[i].lane])
            continue;
        const struct runtime_job *known = &cells_at(core, i)->job[j->index];
        CHECK(known->generation == j->generation && known->is_cancelled <= j->is_cancelled,
              "link %u of node %u runs request %u for nobody", i, c->owner, j->id);
    }
}

void model_cells_check_jobs(struct model_cells *c, struct core *core)
{
    model_cells_read(c);
    for (uint32_t i = 0; i < MODEL_LINKS; i++) {
        if (c->link[i].state)
            check_jobs_of(c, i, core);
    }
}

void model_cells_check_end(struct model_cells *c, const struct core *core)
{
    model_cells_read(c);
    for (uint32_t i = 0; i < MODEL_LINKS; i++) {
        struct job_link *link = cells_at((struct core *)core, i);
        const struct model_link *l = &c->link[i];
        CHECK(link->live_jobs == 0, "link %u has %u jobs left", i, link->live_jobs);
        CHECK(cell_mail_pulse(c->mail, i).live == 0, "link %u: %u jobs are counted", i,
              cell_mail_pulse(c->mail, i).live);
        if (l->state == MODEL_LINK_ATTACHED && l->is_followed && link->region)
            CHECK(arena_available(&link->arena_down) == lane_of(l)->geometry.chunks,
                  "link %u lost chunks of its arena", i);
    }
}

/* ---- what befalls them ---- */

void model_cells_end_zygote(struct model_cells *c, uint64_t until_ns)
{
    TRACE("the zygote ends, until %.3f ms", (double)until_ns / 1e6);
    c->away_until_ns = until_ns;
    c->world->can_start_cells = false;
}

struct model_runtime *model_cells_pick(const struct model_cells *c)
{
    struct model_runtime *picked = NULL;
    uint32_t seen = 0, busy = 0;
    for (uint32_t i = 0; i < MODEL_CELLS; i++) {
        struct model_runtime *m = c->cell[i].runtime;
        if (!m || !m->is_up || c->cell[i].state != MODEL_CELL_UP)
            continue;
        bool is_busy = m->jobs_end > 0;
        if (is_busy ? below(++busy) == 0 : busy == 0 && below(++seen) == 0)
            picked = m;
    }
    return picked;
}

void model_cells_end(struct model_cells *c, const struct model_runtime *m)
{
    struct model_cell *cell = c->cell;
    while (cell->runtime != m)
        cell++;
    end_cell(c, cell);
}

void model_cells_end_all(struct model_cells *c, uint64_t at_ns)
{
    for (uint32_t i = 0; i < MODEL_CELLS; i++) {
        if (c->cell[i].state == MODEL_CELL_UP)
            c->cell[i].runtime->death_ns = at_ns;
    }
}

void model_cells_stall(struct model_cells *c, struct model_runtime *m, uint64_t until_ns)
{
    struct model_script *s = script_of(c, m->handle);
    m->stalled_until_ns = until_ns;
    if (s->stalled_ns < until_ns)
        s->stalled_ns = until_ns;
}

void model_cells_slow(struct model_cells *c, uint64_t slow_ns)
{
    c->slow_ns = slow_ns;
    for (uint32_t i = 0; i < MODEL_CELLS; i++) {
        if (!c->cell[i].runtime)
            continue;
        c->cell[i].runtime->slow_ns = slow_ns;
        c->cell[i].runtime->read_ns = 0;
    }
}

uint64_t model_cells_stalled_ns(struct model_cells *c, uint64_t script)
{
    return script_of(c, script)->stalled_ns;
}
