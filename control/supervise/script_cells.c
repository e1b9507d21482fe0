#include "control/supervise/script_cells.h"

#include <stdlib.h>
#include <string.h>

#include "control/supervise/account_cells.h"
#include "control/supervise/cell.h"

struct script_cells *script_table_find(const struct script_table *t, const struct script *s)
{
    struct script_cells *row = s && s->slot < t->room ? t->by_slot[s->slot] : NULL;

    return row && row->handle == s->handle ? row : NULL;
}

/* A slot is used again when its script is gone; its cells may take a moment longer, and keep their
 * row. */
static bool has_room(struct script_table *t, uint32_t slot)
{
    uint32_t room = t->room ? t->room : 64;
    struct script_cells **more;

    if (slot < t->room)
        return true;
    while (room <= slot)
        room *= 2;
    more = realloc(t->by_slot, room * sizeof(*more));
    if (!more)
        return false;
    memset(more + t->room, 0, (room - t->room) * sizeof(*more));
    t->by_slot = more;
    t->room = room;
    return true;
}

struct script_cells *script_table_take(struct script_table *t, const struct script *s)
{
    struct script_cells *row = script_table_find(t, s), *before;

    if (row)
        return row;
    if (!has_room(t, s->slot) || !(row = calloc(1, sizeof(*row))))
        return NULL;
    row->account = account_table_take(t->accounts, s);
    if (!row->account) {
        free(row);
        return NULL;
    }
    row->handle = s->handle;
    row->slot = s->slot;
    before = script_table_find(t, catalog_find(s->catalog, s->name));
    if (before) {
        row->history = before->history;
        row->computes = before->computes;
    }
    t->by_slot[s->slot] = row;
    return row;
}

void script_table_drop(struct script_table *t, struct script_cells *row)
{
    if (t->by_slot[row->slot] == row)
        t->by_slot[row->slot] = NULL;
    account_table_drop(t->accounts, row->account);
    free(row);
}

void script_table_fini(struct script_table *t)
{
    for (uint32_t i = 0; i < t->room; i++)
        if (t->by_slot[i])
            script_table_drop(t, t->by_slot[i]);
    free(t->by_slot);
    *t = (struct script_table){0};
}

void script_queue_put(struct script_queue *q, struct script_cells *row)
{
    if (!q->first)
        q->last = &q->first;
    row->queue = q;
    row->next_wanted = NULL;
    *q->last = row;
    q->last = &row->next_wanted;
}

void script_queue_take(struct script_cells *row)
{
    struct script_queue *q = row->queue;
    struct script_cells **p;

    if (!q)
        return;
    for (p = &q->first; *p != row; p = &(*p)->next_wanted)
        ;
    *p = row->next_wanted;
    if (q->last == &row->next_wanted)
        q->last = p;
    row->queue = NULL;
}

void script_cells_add(struct script_cells *row, struct cell *c)
{
    c->script = row;
    c->next_of_script = row->first;
    row->first = c;
}

void script_cells_remove(struct script_cells *row, struct cell *c)
{
    struct cell **p = &row->first;

    while (*p != c)
        p = &(*p)->next_of_script;
    *p = c->next_of_script;
    c->script = NULL;
}

bool script_cells_rests(struct script_cells *row, uint64_t now_ns)
{
    if (!row->rests_until_ns)
        return false;
    if (now_ns < row->rests_until_ns)
        return true;
    row->rests_until_ns = 0;
    row->renewed_ns = now_ns;
    return false;
}

uint32_t script_cells_serving(const struct script_cells *row)
{
    uint32_t count = 0;

    for (const struct cell *c = row->first; c; c = c->next_of_script)
        count += cell_serves(c);
    return count;
}
