#include "control/supervise/patience.h"

struct patience patience_begin(int pid, uint64_t now_ns)
{
    return (struct patience){.since_ns = now_ns, .then = procfs_turns(pid)};
}

uint64_t patience_spent_ns(const struct patience *p, int pid, uint64_t now_ns)
{
    struct procfs_turns now = procfs_turns(pid);
    uint64_t elapsed_ns = now_ns - p->since_ns, queued_ns = now.queued_ns - p->then.queued_ns;

    /* The kernel adds a wait when it is over: of one that goes on only the bounds are known. */
    if (now.is_held_up)
        return now.ran_ns - p->then.ran_ns;
    return elapsed_ns > queued_ns ? elapsed_ns - queued_ns : 0;
}
