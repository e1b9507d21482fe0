#include "control/supervise/forks.h"

#include <stddef.h>

void forks_init(struct forks *q)
{
    *q = (struct forks){.last = &q->first};
}

void forks_ask(struct forks *q, struct fork *f)
{
    f->next = NULL;
    f->is_asked = true;
    *q->last = f;
    q->last = &f->next;
}

bool forks_answer(struct forks *q, int32_t pid)
{
    struct fork *f = q->first;

    if (!f)
        return false;
    q->first = f->next;
    if (!q->first)
        q->last = &q->first;
    f->is_asked = false;
    f->on_forked(f->owner, pid);
    return true;
}

void forks_fail(struct forks *q, int error)
{
    while (forks_answer(q, error))
        ;
}
