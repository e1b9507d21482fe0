#include "dataplane/core/core_thread.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>

#include "dataplane/base/least.h"
#include "dataplane/call/cells.h"
#include "dataplane/core/core_tap.h"
#include "dataplane/core_state.h"
#include "dataplane/world/world.h"
#include "drivers/clock.h"

enum {
    SPIN_NS = 5 * 1000,          /* found nothing: look again for so long before sleeping,
                                    unless what is waited for needs this CPU */
    BLIND_SLEEP_NS = 200 * 1000, /* a port that cannot wake us is looked at this often */
    SLEEP_NS_MAX = 100 * 1000 * 1000,
    POLL_FDS = PORT_WAIT_FDS_MAX + 2,
};

static void *take_huge(size_t bytes, int numa_node)
{
    return rte_malloc_socket(NULL, bytes, 64, numa_node < 0 ? SOCKET_ID_ANY : numa_node);
}

const struct core_memory core_memory_huge = {.take = take_huge, .give = rte_free};

static uint64_t sleep_limit_ns(const struct core *core, bool can_be_woken, uint64_t now)
{
    uint64_t limit = can_be_woken ? SLEEP_NS_MAX : BLIND_SLEEP_NS;
    uint64_t next = core_next_ns(core);
    if (next <= now)
        return 0;
    return next - now < limit ? next - now : limit;
}

/* What wakes the core: the port, which comes first, its own eventfd, and the tap. */
struct bells {
    struct pollfd fd[POLL_FDS];
    int port, all;
};

/* The port's do not ring while frames gather. */
static void hang_up(struct bells *b, struct core *core, bool may_gather)
{
    int fds[PORT_WAIT_FDS_MAX];
    b->port = may_gather
                  ? 0
                  : port_wait_fds(core->config.port, core->config.queue, fds, PORT_WAIT_FDS_MAX);
    for (int i = 0; i < b->port; i++)
        b->fd[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    b->fd[b->port] = (struct pollfd){.fd = core->wake_fd, .events = POLLIN};
    b->fd[b->port + 1] = (struct pollfd){.fd = core_tap_fd(core), .events = POLLIN};
    b->all = b->port + 2;
}

static void sleep_until_event(struct core *core)
{
    struct rte_rcu_qsbr *qsbr = core->config.world->qsbr;
    const struct clock *clock = core->config.clock;
    struct bells bells;
    bool has_work = cells_sleep(core) || core->dirty_first;
    uint64_t until_ns = moderation_until_ns(&core->moderation, core->now_ns);

    hang_up(&bells, core, until_ns > 0);
    uint64_t ticks = clock_ticks(clock), now_ns = clock_at_ns(clock, ticks);
    uint64_t limit_ns = has_work ? 0 : sleep_limit_ns(core, bells.port > 0, now_ns);
    if (until_ns > 0 && limit_ns > 0) {
        limit_ns = until_ns <= now_ns ? 0 : min_u64(limit_ns, until_ns - now_ns);
        core->counters.core_moderated++;
    }
    bool was_rung = false;
    ledger_rest(&core->ledger, LEDGER_idle, ticks);
    if (limit_ns > 0) {
        struct timespec timeout = {.tv_sec = (time_t)(limit_ns / 1000000000),
                                   .tv_nsec = (long)(limit_ns % 1000000000)};
        rte_rcu_qsbr_thread_offline(qsbr, core->config.index);
        ppoll(bells.fd, (nfds_t)bells.all, &timeout, NULL);
        rte_rcu_qsbr_thread_online(qsbr, core->config.index);
        ticks = clock_ticks(clock);
        core->now_ns = clock_at_ns(clock, ticks);
        ledger_rest(&core->ledger, LEDGER_sleep, ticks);
        core_follow(core);
        if (bells.fd[bells.port + 1].revents & POLLIN)
            core_tap_woke(core);
        uint64_t rings;
        was_rung = bells.fd[bells.port].revents & POLLIN &&
                   read(core->wake_fd, &rings, sizeof(rings)) == sizeof(rings);
    }
    cells_woke(core, was_rung);
}

static void publish_gauges(struct core *core, uint64_t busy_ns, uint64_t idle_ns)
{
    struct core_gauges *g = &core->gauges;
    g->iterations++;
    g->busy_ns += busy_ns;
    g->idle_ns += idle_ns;
    g->conns = core->conn_count;
    g->conns_idle = core->resting[CONN_REST_IDLE].count;
    g->conns_fresh = core->resting[CONN_REST_FRESH].count;
    g->conns_ending =
        core->resting[CONN_REST_TIME_WAIT].count + core->resting[CONN_REST_ENDING].count;
    g->sources_over = sources_over_count(&core->sources);
    g->jobs = cells_jobs(core);
    g->chunks = core->chunks.count;
    g->chunks_free = chunk_shared(&core->chunks);
    longest_note(&core->longest, busy_ns, core->now_ns);
    core->counters.core_long_iterations += busy_ns >= CORE_LONG_ITERATION_US * 1000ull;
    g->longest_ns = core->longest.ever_ns;
    g->longest_lately_ns = longest_lately_ns(&core->longest);
}

int core_run(void *arg)
{
    struct core *core = arg;
    struct rte_rcu_qsbr *qsbr = core->config.world->qsbr;
    uint64_t idle_since_ns = 0, spin_ns = core->config.shares_cpu ? 0 : SPIN_NS;
    rte_rcu_qsbr_thread_register(qsbr, core->config.index);
    rte_rcu_qsbr_thread_online(qsbr, core->config.index);
    while (!core_is_drained(core)) {
        uint64_t start_ns = core->now_ns;
        /* Here and not after the iteration: the core keeps hold of its world until core_iterate
         * takes up the current one; sleep and core_end use it. */
        rte_rcu_qsbr_quiescent(qsbr, core->config.index);
        bool has_worked = core_iterate(core) > 0;
        if (has_worked) {
            idle_since_ns = 0;
            uint64_t now_ns = clock_now_ns(core->config.clock);
            publish_gauges(core, now_ns - core->now_ns, core->now_ns - start_ns);
            core->now_ns = now_ns;
            continue;
        }
        if (idle_since_ns == 0)
            idle_since_ns = core->now_ns;
        if (core->config.idle_adaptive && core->now_ns - idle_since_ns >= spin_ns)
            sleep_until_event(core);
        else
            ledger_rest(&core->ledger, LEDGER_idle, clock_ticks(core->config.clock));
        publish_gauges(core, 0, core->now_ns - start_ns);
    }
    core_end(core);
    rte_rcu_qsbr_thread_offline(qsbr, core->config.index);
    rte_rcu_qsbr_thread_unregister(qsbr, core->config.index);
    return 0;
}
