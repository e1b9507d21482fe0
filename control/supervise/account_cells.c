#include "control/supervise/account_cells.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *name_of(const struct account *a)
{
    return a ? a->name : ACCOUNT_DEFAULT;
}

void account_table_follow(struct account_table *t, struct account_cells *row,
                          const struct account *a)
{
    const uint64_t most = a ? (uint64_t)a->ceiling[CEILING_CELLS_MEMORY_MB] << 20 : 0;

    if (most == row->bytes_max)
        return;
    row->bytes_max = most;
    if (t->cgroup)
        cgroup_limit(t->cgroup, row->name, most);
}

struct account_cells *account_table_take(struct account_table *t, const struct script *s)
{
    const char *name = name_of(s->account);
    struct account_cells *row = t->first;

    while (row && strcmp(row->name, name))
        row = row->next;
    if (!row) {
        row = calloc(1, sizeof(*row));
        if (!row)
            return NULL;
        snprintf(row->name, sizeof(row->name), "%s", name);
        row->next = t->first;
        t->first = row;
        if (t->cgroup)
            cgroup_add(t->cgroup, name);
    }
    account_table_follow(t, row, s->account);
    row->scripts++;
    return row;
}

void account_table_drop(struct account_table *t, struct account_cells *row)
{
    struct account_cells **p = &t->first;

    if (--row->scripts)
        return;
    while (*p != row)
        p = &(*p)->next;
    *p = row->next;
    if (t->cgroup)
        cgroup_remove(t->cgroup, row->name);
    free(row);
}
