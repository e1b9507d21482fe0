#include "control/supervise/templates.h"

#include <stddef.h>

#include "control/supervise/supervise_state.h"

static const float arrivals_again = 1.5f; /* two, of which the first has faded a little */

static struct template *template_of(struct warm_entry *e)
{
    return (struct template *)((char *)e - offsetof(struct template, warm));
}

struct template *templates_of(const struct script_cells *row)
{
    return row->template && row->template->state == TEMPLATE_FROZEN ? row->template : NULL;
}

void templates_asked(struct supervise *s, struct script_cells *row, uint64_t now_ns)
{
    struct template *t = row->template;

    if (!t)
        return;
    warm_history_ask(&t->history, &warm_weights_default, now_ns);
    warm_pool_use(&s->pool, &t->warm, now_ns);
}

/* NULL: all are taken, or one is being made. */
static struct template *free_one(struct supervise *s)
{
    struct template *found = NULL;

    for (uint32_t i = 0; i < SUPERVISE_TEMPLATES_MAX; i++) {
        struct template *t = &s->template[i];

        if (t->state == TEMPLATE_FREE)
            found = t;
        else if (t->state != TEMPLATE_FROZEN && t->state != TEMPLATE_ENDING)
            return NULL;
    }
    return found;
}

static bool is_due(const struct supervise *s, const struct script_cells *row, uint64_t now_ns)
{
    return !row->template && !row->is_gone && !row->no_template[0] &&
           row->load_us >= SUPERVISE_DEAR_US && now_ns >= row->template_after_ns &&
           (row->loads >= 2 || row->history.arrivals >= arrivals_again) &&
           script_cells_serving(row) && !hold_has(&s->holds, row->handle, now_ns);
}

/* As much as the cell that has most. */
static uint64_t guess_bytes(const struct script_cells *row)
{
    uint64_t bytes = SUPERVISE_BYTES_GUESS;

    for (const struct cell *c = row->first; c; c = c->next_of_script)
        if (c->is_pooled && c->warm.bytes > bytes)
            bytes = c->warm.bytes;
    return bytes;
}

void templates_judge(struct supervise *s, uint64_t now_ns)
{
    struct template *t = free_one(s);

    for (uint32_t i = 0; i < SUPERVISE_TEMPLATES_MAX; i++)
        template_look(&s->template[i]);
    for (uint32_t i = 0; i < s->scripts.room && t; i++) {
        struct script_cells *row = s->scripts.by_slot[i];
        uint64_t bytes;

        if (!row || !is_due(s, row, now_ns))
            continue;
        bytes = guess_bytes(row);
        row->template_after_ns = now_ns + (uint64_t)SUPERVISE_TEMPLATE_AGAIN_S * 1000 * CELL_MS;
        /* Making room may take the script's own cell. */
        if (account_cells_fit(row->account, bytes) &&
            supervise_make_bytes(s, bytes, WARM_IDLE_NS) && template_start(t, row, bytes))
            return;
    }
}

void templates_renew(struct supervise *s)
{
    for (uint32_t i = 0; i < SUPERVISE_TEMPLATES_MAX; i++) {
        struct template *t = &s->template[i];
        struct script_cells *row = t->script;

        template_end(t, "its zygote was renewed");
        if (row)
            row->template_after_ns = 0;
    }
}

void templates_evict(struct supervise *s, struct warm_entry *e)
{
    struct template *t = template_of(e);

    s->evicted++;
    t->script->template_after_ns =
        loop_now_ns() + (uint64_t)SUPERVISE_TEMPLATE_AGAIN_S * 1000 * CELL_MS;
    template_end(t, "it makes room");
}
