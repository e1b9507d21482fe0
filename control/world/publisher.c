#include "control/world/publisher.h"

#include <assert.h>
#include <stdlib.h>

#include <rte_rcu_qsbr.h>

#include "control/world/world_build.h"

struct retired_world {
    struct retired_world *next;
    struct world *world;
    uint64_t token;
};

void publisher_init(struct publisher *p, struct world_shared *shared, void (*wake)(void *),
                    void *arg)
{
    *p = (struct publisher){.shared = shared, .wake = wake, .arg = arg};
}

void world_publish(struct publisher *p, struct world *next)
{
    struct world *before =
        (struct world *)atomic_exchange_explicit(&p->shared->current, next, memory_order_acq_rel);
    struct retired_world **tail = &p->first;
    struct retired_world *r;

    if (before) {
        r = calloc(1, sizeof(*r));
        assert(r); /* a few bytes: without them nothing here can go on */
        r->world = before;
        r->token = rte_rcu_qsbr_start(p->shared->qsbr);
        while (*tail)
            tail = &(*tail)->next;
        *tail = r;
    }
    if (p->wake)
        p->wake(p->arg);
}

bool publisher_reclaim(struct publisher *p)
{
    struct retired_world *r;

    while ((r = p->first) && rte_rcu_qsbr_check(p->shared->qsbr, r->token, false) == 1) {
        p->first = r->next;
        world_free(r->world);
        free(r);
    }
    return p->first != NULL;
}

void publisher_fini(struct publisher *p)
{
    struct world *current =
        (struct world *)atomic_exchange_explicit(&p->shared->current, NULL, memory_order_acq_rel);

    while (p->first) {
        struct retired_world *r = p->first;

        p->first = r->next;
        world_free(r->world);
        free(r);
    }
    if (current)
        world_free(current);
}
