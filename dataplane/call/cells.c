#include "dataplane/call/cells.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/mutant.h"
#include "dataplane/base/power.h"
#include "dataplane/base/slice.h"
#include "dataplane/call/job_link.h"
#include "dataplane/core_state.h"
#include "dataplane/world/cell_mail.h"
#include "dataplane/world/world.h"

enum {
    LINK_NONE = UINT32_MAX,
    MESSAGES_AT_ONCE = 32, /* between two looks at the clock */
    WARMTH_SWEEP_SLOTS = 4,
    QUIET_NS = 1000 * 1000, /* a cell with jobs that says nothing for so long rings from then on */
    RUNG_NS = 50 * 1000,    /* a core that is awake looks so often whether one has */
    OUTGROWN_AGAIN_MS = 1000, /* a wish for a larger region is made again after that */
};

/* Of those that are looked at. */
enum cell_set {
    CELLS_AT_REST, /* no set: it has no work */
    CELLS_BUSY,    /* looked at in each iteration */
    CELLS_QUIET,   /* rings when it has something to say */
    CELL_SETS
};

enum cell_state { CELL_FREE = 0, CELL_STARTING, CELL_READY, CELL_SPENT, CELL_RETIRED };

struct cell {
    struct job_link link;
    uint64_t script;
    uint64_t outgrown_ns; /* when it was told that it is too small; 0: never */
    uint32_t next;        /* of the same bucket of scripts */
    uint32_t next_ended;  /* of those that are cut, and not detached yet */
    uint32_t place;       /* in its set */
    uint32_t counted;     /* jobs, as the mail's pulse has them */
    uint64_t busy_ns;     /* when it was touched, or heard, last */
    uint8_t state;        /* enum cell_state */
    uint8_t set;          /* enum cell_set */
    uint16_t large;       /* 1 + the number of its large table; 0: it has its own small one */
};

struct cells {
    struct cell_mail *mail;
    struct job_link_env env; /* of all links */
    uint32_t count, larges, larges_free;
    uint32_t turn;
    uint32_t counted;    /* jobs of all, as the mail's pulses have them */
    uint32_t jobs, load; /* of all, as of the last look */
    uint64_t delay_ns;   /* the worst */
    uint64_t rung_ns;    /* when the bell was looked at */
    bool was_rung;       /* the core was woken by it since */
    uint32_t bucket_mask;
    uint32_t *bucket; /* by script: first link, LINK_NONE */
    struct {
        uint32_t count, *at;
    } set[CELL_SETS];
    uint16_t *large_free;   /* numbers of free large tables */
    uint8_t *small, *large; /* tables */
    size_t small_bytes, large_bytes;
    struct warmth warmth;
    uint8_t head[JOB_HEAD_BYTES_MAX]; /* that an event shows */
    struct cell cell[];
};

static size_t lines(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

size_t cells_bytes(uint32_t links, uint32_t larges)
{
    return lines(sizeof(struct cells) + links * sizeof(struct cell)) +
           lines((power_of_two(links) + 2 * links) * sizeof(uint32_t)) +
           lines(larges * sizeof(uint16_t)) +
           links * lines(job_link_table_bytes(&job_geometry_small)) +
           larges * lines(job_link_table_bytes(&job_geometry_large));
}

struct cells *cells_init(void *memory, struct core *core, struct cell_mail *mail, uint32_t larges,
                         const struct job_link_events *events,
                         const struct runtime_sub_events *sub_events)
{
    struct cells *t = memory;
    uint32_t links = cell_mail_links(mail), buckets = power_of_two(links);
    uint8_t *next = memory;

    t->mail = mail;
    t->env = (struct job_link_env){.core = core,
                                   .counters = &core->counters,
                                   .events = events,
                                   .sub_events = sub_events,
                                   .head_copy = t->head,
                                   .lane = core->config.index,
                                   .jobs_max = core->config.jobs_max};
    t->count = links;
    t->larges = t->larges_free = larges;
    t->bucket_mask = buckets - 1;
    t->small_bytes = lines(job_link_table_bytes(&job_geometry_small));
    t->large_bytes = lines(job_link_table_bytes(&job_geometry_large));
    next += lines(sizeof(struct cells) + links * sizeof(struct cell));
    t->bucket = (uint32_t *)next;
    t->set[CELLS_BUSY].at = t->bucket + buckets;
    t->set[CELLS_QUIET].at = t->set[CELLS_BUSY].at + links;
    next += lines((buckets + 2 * links) * sizeof(uint32_t));
    t->large_free = (uint16_t *)next;
    next += lines(larges * sizeof(uint16_t));
    t->small = next;
    t->large = next + links * t->small_bytes;
    for (uint32_t i = 0; i < buckets; i++)
        t->bucket[i] = LINK_NONE;
    for (uint32_t i = 0; i < larges; i++)
        t->large_free[i] = (uint16_t)(larges - 1 - i);
    for (uint32_t i = 0; i < links; i++)
        job_link_init(&t->cell[i].link, i, &t->env);
    warmth_init(&t->warmth, &core->counters);
    return t;
}

/* ---- by script ---- */

/* Handles are dense numbers: their low bits spread well. */
static uint32_t *bucket_of(const struct cells *t, uint64_t script)
{
    return &t->bucket[script & t->bucket_mask];
}

static void chain(struct cells *t, struct cell *c)
{
    uint32_t *first = bucket_of(t, c->script);

    c->next = *first;
    *first = c->link.index;
}

static void unchain(struct cells *t, struct cell *c)
{
    uint32_t *at = bucket_of(t, c->script);

    while (*at != c->link.index)
        at = &t->cell[*at].next;
    *at = c->next;
}

/* One whose region is gone broke the contract; its end is the control thread's to tell. */
static bool takes_jobs(const struct cell *c)
{
    bool is_closed = c->state == CELL_RETIRED ? !MUTANT(RETIRED_USED) : c->state == CELL_SPENT;
    return !is_closed && c->link.region;
}

/* The next cell of the script that takes jobs; from: LINK_NONE ends. */
static const struct cell *next_of(const struct cells *t, uint32_t from, uint64_t script)
{
    for (uint32_t i = from; i != LINK_NONE; i = t->cell[i].next)
        if (t->cell[i].script == script && takes_jobs(&t->cell[i]))
            return &t->cell[i];
    return NULL;
}

static const struct cell *first_of(const struct cells *t, uint64_t script)
{
    return next_of(t, *bucket_of(t, script), script);
}

static bool is_better(const struct cell *a, const struct cell *b)
{
    if (a->state != b->state)
        return a->state == CELL_READY;
    return a->link.live_jobs < b->link.live_jobs;
}

/* How long work waits there. Returns the delay that counts. */
static uint64_t look(struct core *core, struct cell *c)
{
    struct job_link *link = &c->link;
    uint64_t delay_ns = job_link_look(link, core->now_ns);

    shed_observe(&link->shed, &core->shed_tune, delay_ns, core->now_ns);
    shed_observe(&link->full, &core->full_tune, delay_ns, core->now_ns);
    return delay_ns;
}

struct job_link *cells_pick(struct core *core, uint64_t script)
{
    struct cells *t = core->cells;
    const struct cell *best = first_of(t, script);
    struct cell *picked;

    if (!best)
        return NULL;
    for (const struct cell *c = best; c; c = next_of(t, c->next, script))
        if (is_better(c, best))
            best = c;
    picked = &t->cell[best->link.index];
    if (picked->set != CELLS_BUSY)
        look(core, picked); /* what was known when it was looked at last is old */
    return &picked->link;
}

struct job_link *cells_at(struct core *core, uint32_t link)
{
    assert(link < core->cells->count);
    return &core->cells->cell[link].link;
}

static struct cell *cell_of(struct cells *t, const struct job_link *link)
{
    return &t->cell[link->index];
}

enum warmth_state cells_warmth(const struct core *core, uint64_t script)
{
    const struct cells *t = core->cells;
    const struct cell *first = first_of(t, script);
    enum warmth_state asked;

    for (const struct cell *c = first; c; c = next_of(t, c->next, script))
        if (c->state == CELL_READY)
            return WARMTH_WARM;
    asked = warmth_of(&t->warmth, script);
    return first || asked == WARMTH_ASKED ? WARMTH_ASKED : WARMTH_UNKNOWN;
}

uint64_t cells_load_ns(const struct core *core, uint64_t script)
{
    return warmth_load_us(&core->cells->warmth, script) * 1000ull;
}

/* ---- wishes ---- */

static bool wish_start(struct core *core, uint64_t script, bool is_demanded)
{
    return cell_mail_wish(
        core->cells->mail,
        &(struct cell_wish){.type = CELL_WISH_START, .script = script, .is_demanded = is_demanded});
}

/* What is in demand may have been here a moment ago, when its deploy was tried; and a guess may
 * have been refused, of which nobody tells. */
static bool may_ask(struct core *core, uint64_t script, bool is_demanded)
{
    struct warmth *w = &core->cells->warmth;
    bool is_new = warmth_ask(w, script, core->now_ns);

    return (is_demanded && warmth_need(w, script, core->now_ns)) || is_new;
}

bool cells_ask(struct core *core, uint64_t script, bool is_demanded)
{
    struct cells *t = core->cells;

    if (first_of(t, script) || !core->world->can_start_cells ||
        !may_ask(core, script, is_demanded) || !wish_start(core, script, is_demanded))
        return false;
    core->counters.warm_sent++;
    core->counters.warm_demanded += is_demanded;
    return true;
}

void cells_need(struct core *core, uint64_t script)
{
    if (core->world->can_start_cells && warmth_need(&core->cells->warmth, script, core->now_ns))
        wish_start(core, script, true);
}

void cells_outgrown(struct core *core, struct job_link *link)
{
    struct cells *t = core->cells;
    struct cell *c = cell_of(t, link);
    bool is_told = c->outgrown_ns && core->now_ns - c->outgrown_ns < OUTGROWN_AGAIN_MS * 1000000ull;

    if (c->large || !takes_jobs(c) || is_told)
        return;
    if (cell_mail_wish(t->mail, &(struct cell_wish){.type = CELL_WISH_LARGER, .link = link->index}))
        c->outgrown_ns = core->now_ns;
}

/* ---- those with work ---- */

static void leave(struct cells *t, struct cell *c)
{
    uint32_t *at = t->set[c->set].at, last;

    if (c->set == CELLS_AT_REST)
        return;
    last = at[--t->set[c->set].count];
    assert(at[c->place] == c->link.index);
    at[c->place] = last;
    t->cell[last].place = c->place;
    if (c->set == CELLS_QUIET)
        job_link_woke(&c->link);
    c->set = CELLS_AT_REST;
}

static void enter(struct cells *t, struct cell *c, enum cell_set set)
{
    leave(t, c);
    c->set = (uint8_t)set;
    c->place = t->set[set].count++;
    t->set[set].at[c->place] = c->link.index;
}

void cells_touched(void *arg, uint32_t link)
{
    struct core *core = arg;
    struct cell *c = &core->cells->cell[link];

    c->busy_ns = core->now_ns;
    if (c->set != CELLS_BUSY)
        enter(core->cells, c, CELLS_BUSY);
}

/* It rings from now on, unless it has said something meanwhile. */
static void hush(struct cells *t, struct cell *c)
{
    enter(t, c, CELLS_QUIET);
    if (job_link_sleep(&c->link))
        enter(t, c, CELLS_BUSY);
}

static void count_jobs(struct cells *t, struct cell *c)
{
    for (; c->counted > c->link.live_jobs; c->counted--, t->counted--)
        cell_mail_count(t->mail, c->link.index, -1);
}

/* The core is through with it. */
static void release(struct core *core, struct cell *c)
{
    struct cells *t = core->cells;

    job_link_detach(&c->link, (struct job_blame){0});
    count_jobs(t, c);
    assert(c->counted == 0);
    leave(t, c);
    unchain(t, c);
    if (c->large)
        t->large_free[t->larges_free++] = (uint16_t)(c->large - 1);
    c->state = CELL_FREE;
    c->large = 0;
    cell_mail_wish(t->mail, &(struct cell_wish){.type = CELL_RELEASED, .link = c->link.index});
}

/* Its last job is over. */
static void let_go(struct core *core, struct cell *c)
{
    release(core, c);
    if (!first_of(core->cells, c->script))
        warmth_evicted(&core->cells->warmth, c->script);
}

void cells_started(struct core *core, struct job_link *link)
{
    struct cells *t = core->cells;
    struct cell *c = cell_of(t, link);

    cell_mail_count(t->mail, link->index, 1);
    c->counted++;
    t->counted++;
    warmth_started(&t->warmth, c->script, core->now_ns);
    if (link->live_jobs > link->jobs_max / 2)
        cells_outgrown(core, link);
}

void cells_warmed(void *arg, uint32_t link, uint64_t script, uint32_t took_us)
{
    struct core *core = arg;
    struct cell *c = &core->cells->cell[link];

    warmth_warmed(&core->cells->warmth, c->script, took_us, core->now_ns);
    if (c->state == CELL_STARTING)
        c->state = CELL_READY;
}

/* As if it had died: who waits may ask for another one at once. */
void cells_spent(void *arg, uint32_t link)
{
    struct core *core = arg;
    struct cells *t = core->cells;
    struct cell *c = &t->cell[link];

    if (!takes_jobs(c))
        return;
    c->state = CELL_SPENT;
    cell_mail_wish(t->mail, &(struct cell_wish){.type = CELL_SAID_SPENT, .link = link});
    if (!first_of(t, c->script))
        warmth_lost(&t->warmth, c->script);
}

/* ---- news ---- */

static void attach(struct core *core, const struct cell_news *news)
{
    struct cells *t = core->cells;
    struct cell *c = &t->cell[news->link];
    bool is_large = news->geometry.jobs > job_geometry_small.jobs;
    uint8_t *table = t->small + news->link * t->small_bytes;

    assert(c->state == CELL_FREE && (!is_large || t->larges_free > 0));
    c->script = news->script;
    c->outgrown_ns = 0;
    c->counted = 0;
    c->large = 0;
    if (is_large) {
        c->large = 1 + t->large_free[--t->larges_free];
        table = t->large + (c->large - 1) * t->large_bytes;
    }
    job_link_attach(&c->link, &(struct job_link_end){.region = news->region,
                                                     .geometry = news->geometry,
                                                     .wake_fd = news->wake_fd,
                                                     .condemned = news->condemned,
                                                     .table = table});
    c->state = news->is_ready ? CELL_READY : CELL_STARTING;
    chain(t, c);
    if (c->state == CELL_STARTING)
        cells_touched(core, news->link); /* it will say JOB_WARMED */
}

static void retire(struct core *core, struct cell *c)
{
    if (c->state == CELL_FREE)
        return; /* it broke the contract, and was released */
    c->state = CELL_RETIRED;
    if (c->link.live_jobs == 0)
        let_go(core, c);
    else
        cells_touched(core, c->link.index);
}

/* Returns the list of those that have ended. */
static uint32_t cut(struct cells *t, uint32_t ended, const struct cell_news *news)
{
    struct cell *c = &t->cell[news->link];

    if (c->state == CELL_FREE)
        return ended;
    c->state = CELL_RETIRED; /* nobody whom it tells starts anything there */
    job_link_cut(&c->link, news->ended_by);
    c->next_ended = ended;
    return news->link;
}

/* Nobody is suspected any more: they have been told. */
static void detach(struct core *core, struct cell *c)
{
    job_link_detach(&c->link, (struct job_blame){0});
    release(core, c);
    if (!first_of(core->cells, c->script))
        warmth_lost(&core->cells->warmth, c->script);
}

void cells_follow(struct core *core, void (*came)(struct core *, uint64_t script))
{
    struct cells *t = core->cells;
    struct cell_news news;
    uint32_t ended = LINK_NONE;

    while (cell_mail_next(t->mail, &news)) {
        assert(news.link < t->count);
        switch ((enum cell_news_type)news.type) {
        case CELL_ATTACH:
            attach(core, &news);
            came(core, news.script);
            break;
        case CELL_RETIRE:
            retire(core, &t->cell[news.link]);
            break;
        case CELL_DETACH:
            ended = cut(t, ended, &news);
            break;
        }
    }
    for (; ended != LINK_NONE; ended = t->cell[ended].next_ended)
        detach(core, &t->cell[ended]);
}

/* ---- the core's iteration ---- */

void cells_look(struct core *core)
{
    struct cells *t = core->cells;
    const struct shed calm = {0};
    uint16_t by_jobs;

    t->load = 0;
    t->delay_ns = 0;
    for (uint32_t i = 0; i < t->set[CELLS_BUSY].count; i++) {
        struct cell *c = &t->cell[t->set[CELLS_BUSY].at[i]];
        uint64_t delay_ns = look(core, c);
        uint16_t load = shed_load(&c->link.shed, &core->shed_tune, 0, core->config.jobs_max);

        count_jobs(t, c);
        if (load > t->load)
            t->load = load;
        if (delay_ns > t->delay_ns)
            t->delay_ns = delay_ns;
    }
    t->jobs = t->counted;
    by_jobs = shed_load(&calm, &core->shed_tune, t->jobs, core->config.jobs_max);
    if (by_jobs > t->load)
        t->load = by_jobs;
}

uint16_t cells_load(const struct core *core, uint64_t *delay_ns)
{
    *delay_ns = core->cells->delay_ns;
    return (uint16_t)core->cells->load;
}

uint32_t cells_jobs(const struct core *core)
{
    return core->cells->jobs;
}

/* Nothing more is expected of it. */
static bool is_over(const struct cell *c)
{
    return !c->link.region || (c->state != CELL_STARTING && c->link.live_jobs == 0) ||
           (MUTANT(RELEASED_EARLY) && c->state == CELL_RETIRED);
}

/* False: the slice is over, and it has said more. */
static bool run_cell(struct core *core, struct cell *c, struct slice *slice, uint32_t *messages)
{
    uint32_t some = MESSAGES_AT_ONCE;

    while (some >= MESSAGES_AT_ONCE && job_link_pending(&c->link)) {
        if (!slice_take(slice))
            return false;
        some = job_link_poll(&c->link, MESSAGES_AT_ONCE);
        *messages += some;
        c->busy_ns = core->now_ns;
    }
    return true;
}

/* The rest of a busy cell's iteration, after what it has said. */
static void settle(struct core *core, struct cell *c)
{
    struct cells *t = core->cells;
    bool has_start = c->link.region && c->link.watched_ns; /* in the ring still */
    bool is_calm = !has_start && c->link.shed.delay_ns == 0;

    count_jobs(t, c);
    if (is_over(c)) {
        job_link_flush(&c->link);
        if (c->state == CELL_RETIRED)
            let_go(core, c);
        else if (!has_start)
            leave(t, c);
    } else if (is_calm && core->now_ns - c->busy_ns >= QUIET_NS) {
        hush(t, c);
    }
}

/* Somebody may have. So often at most: all quiet ones are looked at then, and a cell may ring for
 * nothing as often as it likes. */
static bool has_rung(struct core *core)
{
    struct cells *t = core->cells;
    bool was_rung = t->was_rung;
    uint64_t count;

    if (t->set[CELLS_QUIET].count == 0 || core->now_ns - t->rung_ns < RUNG_NS)
        return false;
    t->rung_ns = core->now_ns;
    t->was_rung = false;
    return was_rung || read(core->wake_fd, &count, sizeof(count)) == sizeof(count);
}

/* One that was held up between what it said and its ring has been heard already: its bell is left
 * on again. */
static void look_who_rang(struct cells *t)
{
    for (uint32_t i = t->set[CELLS_QUIET].count; i-- > 0;) {
        struct cell *c = &t->cell[t->set[CELLS_QUIET].at[i]];

        if (job_link_has_rung(&c->link) && job_link_sleep(&c->link))
            enter(t, c, CELLS_BUSY);
    }
}

/* One slice for all of them. The first is another one each time: the next, or where it ended. */
uint32_t cells_run(struct core *core)
{
    struct cells *t = core->cells;
    struct slice slice = slice_of(core->config.clock, CORE_SLICE_UNITS / MESSAGES_AT_ONCE);
    const uint32_t *busy = t->set[CELLS_BUSY].at;
    uint32_t messages = 0, count, i = 0;

    if (has_rung(core))
        look_who_rang(t);
    count = t->set[CELLS_BUSY].count;
    while (i < count && run_cell(core, &t->cell[busy[(t->turn + i) % count]], &slice, &messages))
        i++;
    core->is_behind |= i < count;
    t->turn += i < count ? i : 1;
    for (i = t->set[CELLS_BUSY].count; i-- > 0;)
        settle(core, &t->cell[busy[i]]);
    warmth_sweep(&t->warmth, WARMTH_SWEEP_SLOTS, core->now_ns);
    return messages;
}

uint32_t cells_flush(struct core *core)
{
    struct cells *t = core->cells;
    uint32_t woken = 0;

    for (uint32_t i = 0; i < t->set[CELLS_BUSY].count; i++)
        woken += job_link_flush(&t->cell[t->set[CELLS_BUSY].at[i]].link);
    cell_mail_ring(t->mail);
    return woken;
}

bool cells_sleep(struct core *core)
{
    struct cells *t = core->cells;
    bool has_work = t->was_rung && t->set[CELLS_QUIET].count > 0;

    for (uint32_t i = 0; i < t->set[CELLS_BUSY].count; i++)
        has_work |= job_link_sleep(&t->cell[t->set[CELLS_BUSY].at[i]].link);
    return has_work;
}

void cells_woke(struct core *core, bool was_rung)
{
    struct cells *t = core->cells;

    for (uint32_t i = 0; i < t->set[CELLS_BUSY].count; i++)
        job_link_woke(&t->cell[t->set[CELLS_BUSY].at[i]].link);
    t->was_rung |= was_rung;
}
