#include "control/supervise/urgency.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { KEEP_POLICY = 8 }; /* SCHED_FLAG_KEEP_POLICY */

/* <linux/sched/types.h> has it, and cannot be included beside <sched.h>. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t slice_ns, deadline_ns, period_ns;
};

static const struct attributes of_urgency[] = {
    [URGENCY_HEARTHD] = {.nice = -10, .slice_ns = 100 * 1000},
    [URGENCY_CONTROL] = {.nice = -10, .slice_ns = 3 * 1000 * 1000},
    [URGENCY_CELL] = {.nice = 0, .slice_ns = 100 * 1000},
    [URGENCY_COMPUTES] = {.nice = 10, .slice_ns = 100 * 1000 * 1000},
};

int urgency_set(pid_t thread, enum urgency urgency)
{
    struct attributes a = of_urgency[urgency], now;

    a.size = sizeof(a);
    a.flags = KEEP_POLICY;
    if (!syscall(SYS_sched_setattr, thread, &a, 0))
        return 0;
    if (errno != EPERM || syscall(SYS_sched_getattr, thread, &now, sizeof(now), 0))
        return -errno;
    a.nice = now.nice;
    return syscall(SYS_sched_setattr, thread, &a, 0) ? -errno : 0;
}

bool urgency_judge(struct urgency_watch *w, uint64_t cpu_ns, uint64_t sleeps, bool *computes)
{
    const uint64_t used_ns = cpu_ns - w->cpu_ns, slept = sleeps - w->sleeps;

    if (used_ns < (uint64_t)URGENCY_TURN_US * 1000)
        return false;
    *computes = used_ns >= (slept + 1) * URGENCY_TURN_US * 1000;
    *w = (struct urgency_watch){cpu_ns, sleeps};
    return true;
}
