#include <stddef.h>

#include "dataplane/base/mutant.h"
#include "dataplane/call/call_state.h"
#include "dataplane/core_state.h"

/* What it waits for is here, or may be. */
void call_stop_waiting(struct core *core, struct call *c)
{
    age_remove(&c->due);
    timer_cancel(&core->calls->later, &c->later);
    age_remove(&c->for_cell);
}

void call_make_due(struct core *core, struct call *c)
{
    call_stop_waiting(core, c);
    age_add(&core->calls->due, &c->due);
}

/* The earlier of two times: who asks often must not put off what is due. */
void call_wait(struct core *core, struct call *c, uint64_t at_ns)
{
    if (age_is_in(&c->due))
        return;
    if (at_ns <= core->now_ns)
        call_make_due(core, c);
    else if (!timer_is_set(&c->later) || at_ns < c->later.deadline_ns)
        timer_set(&core->calls->later, &c->later, at_ns);
}

/* Handles are dense numbers. */
static struct age_list *for_cell_of(struct calls *t, uint64_t script)
{
    return &t->for_cell[script & t->for_cell_mask];
}

/* A cell of its script that comes makes a difference. */
void call_wait_for_cell(struct core *core, struct call *c)
{
    if (!age_is_in(&c->for_cell))
        age_add(for_cell_of(core->calls, c->script_handle), &c->for_cell);
}

void calls_look_again(struct core *core, uint64_t script)
{
    struct age_link *next;

    if (MUTANT(ATTACH_UNSEEN))
        return;
    for (struct age_link *l = for_cell_of(core->calls, script)->oldest; l; l = next) {
        struct call *c = (struct call *)((char *)l - offsetof(struct call, for_cell));

        next = l->newer;
        if (c->script_handle == script)
            call_make_due(core, c);
    }
}
