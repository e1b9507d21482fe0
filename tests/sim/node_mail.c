/* The mail between cores and control thread, as it passes: what two cores do to one cell. */
#include "dataplane/call/cells.h"
#include "dataplane/call/job_link.h"
#include "tests/sim/node_parts.h"

enum { SOON_MS = 5, LONG_MS = 5 };

bool __real_cell_mail_wish(struct cell_mail *, const struct cell_wish *);
bool __wrap_cell_mail_wish(struct cell_mail *, const struct cell_wish *);
void __real_cell_mail_tell(struct cell_mail *, const struct cell_news *);
void __wrap_cell_mail_tell(struct cell_mail *, const struct cell_news *);

static uint32_t core_of(const struct node *n, const struct cell_mail *mail)
{
    uint32_t i = 0;
    while (i < n->cores && n->mail[i] != mail)
        i++;
    return i;
}

static void on_demand(struct node *n, uint32_t core, uint64_t handle)
{
    for (uint32_t i = 0; i < NODE_SCRIPTS; i++) {
        struct node_script *s = &n->script[i];
        if (s->current->handle != handle)
            continue;
        bool is_lately = sim_now_ns - s->demanded_ns < SOON_MS * MS;
        n->seen.both_demand += is_lately && s->demanded_by != core;
        n->seen.dry_spares += n->supervise->count[CELL_SPARE] == 0;
        s->demanded_ns = sim_now_ns;
        s->demanded_by = core;
    }
}

static void on_outgrown(struct node *n, uint32_t core, struct node_link *l)
{
    bool is_lately = l->outgrown_ns && sim_now_ns - l->outgrown_ns < 1000 * MS;
    n->seen.both_outgrow += is_lately && l->outgrown_by != core;
    l->outgrown_ns = sim_now_ns;
    l->outgrown_by = core;
}

bool __wrap_cell_mail_wish(struct cell_mail *mail, const struct cell_wish *wish)
{
    struct node *n = the_node;
    uint32_t core = core_of(n, mail);
    struct node_link *l = &n->link[wish->link];
    if (wish->type == CELL_WISH_START && wish->is_demanded)
        on_demand(n, core, wish->script);
    else if (wish->type == CELL_WISH_LARGER)
        on_outgrown(n, core, l);
    else if (wish->type == CELL_RELEASED) {
        n->seen.releases_apart += l->released_ns && sim_now_ns - l->released_ns > LONG_MS * MS;
        l->released_ns = sim_now_ns;
    }
    return __real_cell_mail_wish(mail, wish);
}

static bool is_busy(const struct node *n, uint32_t core, uint32_t link)
{
    return cells_at(n->core[core], link)->live_jobs > 0;
}

/* Once for a cell: a larger region, and each core, hear the same. */
static void on_detach(struct node *n, uint32_t core, uint32_t link)
{
    const struct cell *c = n->supervise->link[link].cell;
    bool is_told = n->link[c->first->number].is_detached;
    n->seen.late_detach += n->core_ns[core] > sim_now_ns;
    n->link[c->first->number].is_detached = true;
    if (!is_told)
        node_on_lost(n, c->script->handle);
}

void __wrap_cell_mail_tell(struct cell_mail *mail, const struct cell_news *news)
{
    struct node *n = the_node;
    uint32_t core = core_of(n, mail), busy = 0;
    struct node_link *l = &n->link[news->link];
    TRACE("core %u is told %u of link %u", core, news->type, news->link);
    if (news->type == CELL_ATTACH && core == 0)
        *l = (struct node_link){0};
    if (news->type == CELL_DETACH)
        on_detach(n, core, news->link);
    for (uint32_t i = 0; i < n->cores; i++)
        busy += is_busy(n, i, news->link);
    if (news->type == CELL_RETIRE && l->retired_ns == 0) {
        n->seen.one_is_busy += busy > 0 && busy < n->cores;
        l->retired_ns = sim_now_ns;
    }
    __real_cell_mail_tell(mail, news);
}

void node_mail_check(struct node *n)
{
    for (uint32_t i = 0; i < supervise_links(n->config.cells_max, n->config.larges); i++) {
        const struct cell_link *l = &n->supervise->link[i];
        if (l->cell && l->is_retired)
            host_retired(i);
    }
}
