#include "dataplane/base/pace.h"

void pace_init(struct pace *p, uint64_t budget_ns)
{
    *p = (struct pace){.budget_ns = budget_ns};
}

void pace_turn(struct pace *p, bool is_its_turn, uint64_t now_ns)
{
    uint64_t spent_ns = p->turn_ns ? now_ns - p->turn_ns : 0;

    p->budget_ns -= spent_ns < p->budget_ns ? spent_ns : p->budget_ns;
    p->turn_ns = is_its_turn ? now_ns : 0;
}

void pace_moved(struct pace *p, uint32_t bytes, uint32_t rate, uint64_t budget_max_ns,
                uint64_t now_ns)
{
    uint64_t earned_ns = bytes * 1000000000ull / rate;

    pace_turn(p, p->turn_ns != 0, now_ns);
    /* A budget that began with more keeps it. */
    if (p->budget_ns >= budget_max_ns)
        return;
    p->budget_ns =
        earned_ns < budget_max_ns - p->budget_ns ? p->budget_ns + earned_ns : budget_max_ns;
}

uint64_t pace_deadline_ns(const struct pace *p)
{
    return p->turn_ns ? p->turn_ns + p->budget_ns : UINT64_MAX;
}
