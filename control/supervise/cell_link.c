#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "control/base/log.h"
#include "control/supervise/supervise_state.h"

static void tell(struct cell_link *l, const struct cell_news *news, uint64_t cores)
{
    const struct supervise_config *c = &l->cell->owner->config;

    for (uint32_t i = 0; i < c->lanes; i++) {
        if (!(cores >> i & 1))
            continue;
        cell_mail_tell(c->mail[i], news);
        ssize_t ignored = write(c->core_wake_fd[i], &(uint64_t){1}, sizeof(uint64_t));
        (void)ignored; /* full: it is awake enough */
    }
}

int cell_link_open(struct cell_link *l, struct cell *cell, const struct job_geometry *geometry)
{
    struct supervise *s = cell->owner;
    int rc;

    l->cell = cell;
    l->is_retired = l->is_detached = false;
    l->started = cell_link_count(l).started;
    rc = region_open(&l->region, s->config.lanes, geometry, l->number, &s->condemned[l->number]);
    if (rc)
        l->cell = NULL;
    return rc;
}

void cell_link_attach(struct cell_link *l)
{
    const struct cell *c = l->cell;
    const uint32_t lanes = c->owner->config.lanes;

    l->holders = lanes < 64 ? (1ull << lanes) - 1 : ~0ull;
    tell(l,
         &(struct cell_news){.type = CELL_ATTACH,
                             .link = l->number,
                             .script = c->script->handle,
                             .region = l->region.map,
                             .geometry = l->region.geometry,
                             .wake_fd = c->wake_fd,
                             .is_ready = c->state == CELL_WARM,
                             .condemned = l->region.condemned},
         l->holders);
}

void cell_link_retire(struct cell_link *l)
{
    if (!l->is_retired)
        tell(l, &(struct cell_news){.type = CELL_RETIRE, .link = l->number}, l->holders);
    l->is_retired = true;
}

struct job_blame cell_link_blame(const struct cell_link *l)
{
    const struct script_cells *script = l->cell->script;
    struct job_blame blame = job_region_blame(l->region.map);

    blame.error = l->cell->fault;
    return script && blame.script == script->handle ? blame : (struct job_blame){0};
}

void cell_link_detach(struct cell_link *l)
{
    if (!l->is_detached)
        tell(l,
             &(struct cell_news){
                 .type = CELL_DETACH, .link = l->number, .ended_by = cell_link_blame(l)},
             l->holders);
    l->is_detached = true;
}

void cell_link_released(struct cell_link *l, uint32_t core)
{
    l->holders &= ~(1ull << core);
    if (!l->holders && (l->is_retired || l->is_detached))
        cell_released(l->cell);
}

void cell_link_close(struct cell_link *l)
{
    region_close(&l->region);
    l->cell = NULL;
}

struct cell_count cell_link_count(const struct cell_link *l)
{
    const struct supervise_config *c = &l->cell->owner->config;
    struct cell_count sum = {0};

    for (uint32_t i = 0; i < c->lanes; i++) {
        const struct cell_count one = cell_mail_pulse(c->mail[i], l->number);

        sum.started += one.started;
        sum.live += one.live;
    }
    return sum;
}

/* ---- a larger region, beside the first ---- */

static struct cell_link *free_large(struct supervise *s)
{
    for (uint32_t i = 0; i < s->config.larges; i++)
        if (!s->link[s->config.cells_max + i].cell)
            return &s->link[s->config.cells_max + i];
    return NULL;
}

void cell_enlarge(struct cell *c)
{
    struct supervise *s = c->owner;
    struct cell_link *l = c->state == CELL_WARM && !c->large ? free_large(s) : NULL;
    int rc;

    if (!l)
        return;
    rc = cell_link_open(l, c, &job_geometry_large);
    if (rc) {
        log_line("cell", "index=%u pid=%d no larger region: %s", c->index, (int)c->child.pid,
                 strerror(-rc));
        return;
    }
    c->large = l;
    s->larges++;
    /* It answers the ping when it has mapped the region: only then nobody else may. */
    c->large_ping = c->pings + 1;
    if (!cell_tell_region(c, l) || !cell_ping(c))
        cell_kill(c, "it reads nothing");
}

void cell_enlarged(struct cell *c)
{
    int rc = region_seal(&c->large->region);

    if (rc)
        log_line("cell", "index=%u pid=%d its region cannot be sealed: %s", c->index,
                 (int)c->child.pid, strerror(-rc));
    c->large_is_up = true;
    if (c->state != CELL_WARM)
        return;
    cell_link_attach(c->large);
    cell_link_retire(c->first);
    log_line("cell", "index=%u pid=%d has a larger region hugepages=%s", c->index,
             (int)c->child.pid, c->large->region.has_huge ? "yes" : "no");
}
