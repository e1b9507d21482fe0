#include "dataplane/core.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>

#include "dataplane/core_state.h"
#include "dataplane/http1.h"

enum {
    RUNTIME_MESSAGES_PER_ITERATION = 256,
    SPIN_NS = 5 * 1000,          /* found nothing: look again for so long before sleeping */
    BLIND_SLEEP_NS = 200 * 1000, /* a port that cannot wake us is looked at this often */
    SLEEP_NS_MAX = 100 * 1000 * 1000,
    BATCH_FDS = PORT_WAIT_FDS_MAX + 1,
};

/* ---- start and end ---- */

static void *take_memory(size_t bytes, int numa_node)
{
    return rte_zmalloc_socket(NULL, bytes, 64, numa_node < 0 ? SOCKET_ID_ANY : numa_node);
}

size_t core_bytes(uint32_t conns_max, uint32_t chunks, uint32_t runtimes)
{
    return sizeof(struct core) + conns_max * sizeof(struct conn) + chunks * sizeof(struct chunk) +
           flow_table_bytes(conns_max) + runtimes * sizeof(struct runtime_link);
}

static bool take_parts(struct core *core)
{
    const struct core_config *config = &core->config;
    int node = config->numa_node;
    void *chunks = take_memory(config->chunks * sizeof(struct chunk), node);
    void *flows = take_memory(flow_table_bytes(config->conns_max), node);
    core->conns = take_memory(config->conns_max * sizeof(struct conn), node);
    core->chunk_memory = chunks;
    core->flow_memory = flows;
    if (!chunks || !flows || !core->conns)
        return false;
    uint64_t seed;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed) ||
        getrandom(&core->request_seed, sizeof(core->request_seed), 0) !=
            sizeof(core->request_seed) ||
        getrandom(core->tcp_env.cookie_key, sizeof(core->tcp_env.cookie_key), 0) !=
            sizeof(core->tcp_env.cookie_key))
        return false;
    chunk_pool_init(&core->chunks, chunks, config->chunks);
    flow_table_init(&core->flows, flows, config->conns_max, seed);
    for (uint32_t i = config->conns_max; i-- > 0;) {
        core->conns[i].index = i;
        core->conns[i].next_free = core->free_conns;
        core->free_conns = &core->conns[i];
    }
    for (uint32_t i = 0; i < config->runtimes_max; i++) {
        core->link[i] = take_memory(sizeof(struct runtime_link), node);
        if (!core->link[i])
            return false;
        runtime_link_init(core->link[i], config->index, config->jobs_max, &core->counters, core,
                          &exchange_events);
        core->link_count++;
    }
    core->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return core->wake_fd >= 0;
}

struct core *core_create(const struct core_config *config, char *error, size_t error_bytes)
{
    assert(config->conns_max > 0 && config->chunks > 0);
    struct core *core = take_memory(sizeof(*core), config->numa_node);
    if (!core) {
        snprintf(error, error_bytes, "core %u: no memory for its own state", config->index);
        return NULL;
    }
    core->config = *config;
    core->net_config = *config->net;
    core->config.net = &core->net_config;
    core->wake_fd = -1;
    core->dirty_last = &core->dirty_first;
    core->waiting_last = &core->waiting_first;
    if (!take_parts(core)) {
        snprintf(error, error_bytes,
                 "core %u: %zu MiB for %u connections and %u chunks are not to be had: lower "
                 "limits.conns or raise memory_mb",
                 config->index,
                 core_bytes(config->conns_max, config->chunks, config->runtimes_max) >> 20,
                 config->conns_max, config->chunks);
        core_destroy(core);
        return NULL;
    }
    clock_init_tsc(&core->clock);
    core->now_ns = clock_now_ns(&core->clock);
    timers_init(&core->timers, core->now_ns);
    tx_init(&core->tx, config->port, config->queue, &core->counters);
    net_init(&core->net, &core->net_config, config->neighbours, &core->counters, &core->tx);
    core->tcp_env.pool = &core->chunks;
    core->tcp_env.counters = &core->counters;
    core->tcp_env.mss_max = (uint16_t)(config->net->mtu - 40);
    return core;
}

void core_destroy(struct core *core)
{
    if (!core)
        return;
    if (core->wake_fd >= 0)
        close(core->wake_fd);
    for (uint32_t i = 0; i < core->link_count; i++)
        rte_free(core->link[i]);
    rte_free(core->conns);
    rte_free(core->flow_memory);
    rte_free(core->chunk_memory);
    rte_free(core);
}

/* ---- for the core's parts ---- */

struct runtime_link *core_link_of(struct core *core, uint64_t script_hash)
{
    uint32_t count = core->world->runtime_count;
    for (uint32_t i = 0; i < count; i++) {
        struct runtime_link *link = core->link[((script_hash >> 32) + i) % count];
        if (link->region)
            return link;
    }
    return NULL;
}

uint32_t core_link_index(const struct core *core, const struct runtime_link *link)
{
    for (uint32_t i = 0; i < core->link_count; i++) {
        if (core->link[i] == link)
            return i;
    }
    assert(!"a link of this core");
    return 0;
}

/* splitmix64 (Steele et al. 2014): a bijection of the counter, so ids of one core never repeat. */
uint64_t core_next_request_id(struct core *core)
{
    uint64_t z = core->request_seed + ++core->request_count * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

const char *core_date(struct core *core)
{
    if (core->now_ns >= core->date_until_ns) {
        struct timespec t;
        clock_gettime(CLOCK_REALTIME_COARSE, &t);
        http1_date(core->date, t.tv_sec);
        core->date_until_ns = core->now_ns + (uint64_t)(1000000000 - t.tv_nsec);
    }
    return core->date;
}

/* ---- the iteration ---- */

static void follow_world(struct core *core)
{
    const struct world *world = world_current(core->config.world);
    if (world == core->world)
        return;
    assert(world && world->runtime_count <= core->link_count);
    core->world = world;
    for (uint32_t i = 0; i < world->runtime_count; i++)
        runtime_link_follow(core->link[i], &world->runtime[i]);
}

static void on_packet(struct core *core, const struct frame *f)
{
    struct net_packet packet;
    core->counters.rx_frames++;
    switch (net_input(&core->net, f, core->now_ns, &packet)) {
    case NET_DONE:
        break;
    case NET_TCP:
        conn_packet(core, &packet);
        break;
    case NET_UDP:
        core->counters.drop_udp_no_port++;
        break;
    }
}

static uint32_t run_port(struct core *core)
{
    struct port *port = core->config.port;
    uint32_t frames = 0;
    for (int burst = 0; burst < CORE_BURSTS_PER_ITERATION; burst++) {
        struct frame frame[PORT_BURST];
        uint16_t count = port_rx(port, core->config.queue, frame, PORT_BURST);
        for (uint16_t i = 0; i < count; i++)
            on_packet(core, &frame[i]);
        if (count > 0)
            port_free(port, core->config.queue, frame, count);
        frames += count;
        if (count < PORT_BURST)
            break;
    }
    return frames;
}

static uint32_t run_links(struct core *core)
{
    uint32_t messages = 0;
    for (uint32_t i = 0; i < core->world->runtime_count; i++)
        messages += runtime_link_poll(core->link[i], RUNTIME_MESSAGES_PER_ITERATION);
    return messages;
}

static uint32_t run_timers(struct core *core)
{
    uint32_t count = 0;
    struct timer *t;
    while ((t = timers_expired(&core->timers, core->now_ns))) {
        conn_timeout(core, (struct conn *)((char *)t - offsetof(struct conn, timer)));
        count++;
    }
    return count;
}

/* What becomes dirty while we are at it waits for the next iteration: no connection can hold the
 * core. */
static uint32_t run_dirty(struct core *core)
{
    struct conn *c = core->dirty_first;
    uint32_t count = 0;
    core->dirty_first = NULL;
    core->dirty_last = &core->dirty_first;
    while (c) {
        struct conn *next = c->next_dirty;
        c->is_dirty = false;
        conn_run(core, c);
        c = next;
        count++;
    }
    return count;
}

static void start_stopping(struct core *core)
{
    core->is_stopping = true;
    for (uint32_t i = 0; i < core->config.conns_max; i++) {
        if (core->conns[i].state != CONN_FREE)
            conn_mark(core, &core->conns[i]);
    }
}

/* True: the drain is over. */
static bool is_drained(struct core *core)
{
    uint64_t stop_at_ns = atomic_load_explicit(&core->stop_at_ns, memory_order_acquire);
    if (stop_at_ns == 0)
        return false;
    if (!core->is_stopping)
        start_stopping(core);
    uint32_t waiting = 0;
    for (struct conn *c = core->waiting_first; c; c = c->waiting_next)
        waiting++;
    return core->conn_count == waiting || core->now_ns >= stop_at_ns;
}

static uint32_t iterate(struct core *core)
{
    core->now_ns = clock_now_ns(&core->clock);
    follow_world(core);
    uint32_t work = run_port(core);
    work += run_links(core);
    work += run_timers(core);
    work += run_dirty(core);
    tx_flush(&core->tx);
    for (uint32_t i = 0; i < core->world->runtime_count; i++)
        runtime_link_flush(core->link[i]);
    return work;
}

/* ---- idle ---- */

static uint64_t sleep_limit_ns(const struct core *core, bool can_be_woken)
{
    uint64_t limit = can_be_woken ? SLEEP_NS_MAX : BLIND_SLEEP_NS;
    uint64_t next = timers_next_ns(&core->timers);
    uint64_t now = clock_now_ns(&core->clock);
    if (next <= now)
        return 0;
    return next - now < limit ? next - now : limit;
}

static void sleep_until_event(struct core *core)
{
    struct rte_rcu_qsbr *qsbr = core->config.world->qsbr;
    struct pollfd fds[BATCH_FDS];
    int port_fds[PORT_WAIT_FDS_MAX];
    bool has_work = core->dirty_first != NULL;
    for (uint32_t i = 0; i < core->world->runtime_count; i++)
        has_work |= runtime_link_sleep(core->link[i]);

    int count = port_wait_fds(core->config.port, core->config.queue, port_fds, PORT_WAIT_FDS_MAX);
    for (int i = 0; i < count; i++)
        fds[i] = (struct pollfd){.fd = port_fds[i], .events = POLLIN};
    fds[count] = (struct pollfd){.fd = core->wake_fd, .events = POLLIN};
    uint64_t limit_ns = has_work ? 0 : sleep_limit_ns(core, count > 0);
    if (limit_ns > 0) {
        struct timespec timeout = {.tv_sec = (time_t)(limit_ns / 1000000000),
                                   .tv_nsec = (long)(limit_ns % 1000000000)};
        rte_rcu_qsbr_thread_offline(qsbr, core->config.index);
        ppoll(fds, (nfds_t)(count + 1), &timeout, NULL);
        rte_rcu_qsbr_thread_online(qsbr, core->config.index);
        if (fds[count].revents & POLLIN) {
            uint64_t ignored;
            ssize_t n = read(core->wake_fd, &ignored, sizeof(ignored));
            (void)n;
        }
    }
    for (uint32_t i = 0; i < core->world->runtime_count; i++)
        runtime_link_woke(core->link[i]);
}

static void publish_gauges(struct core *core, uint64_t busy_ns, uint64_t idle_ns)
{
    struct core_gauges *g = &core->gauges;
    g->busy_ns += busy_ns;
    g->idle_ns += idle_ns;
    g->conns = core->conn_count;
    g->jobs = 0;
    for (uint32_t i = 0; i < core->link_count; i++)
        g->jobs += core->link[i]->live_jobs;
    g->chunks = core->chunks.count;
    g->chunks_free = core->chunks.free_count;
}

int core_run(void *arg)
{
    struct core *core = arg;
    struct rte_rcu_qsbr *qsbr = core->config.world->qsbr;
    uint64_t idle_since_ns = 0;
    rte_rcu_qsbr_thread_register(qsbr, core->config.index);
    rte_rcu_qsbr_thread_online(qsbr, core->config.index);
    core->world = NULL;
    follow_world(core);
    net_announce(&core->net, core->now_ns);
    while (!is_drained(core)) {
        uint64_t start_ns = core->now_ns;
        bool has_worked = iterate(core) > 0;
        rte_rcu_qsbr_quiescent(qsbr, core->config.index);
        if (has_worked) {
            idle_since_ns = 0;
            uint64_t now_ns = clock_now_ns(&core->clock);
            publish_gauges(core, now_ns - core->now_ns, core->now_ns - start_ns);
            core->now_ns = now_ns;
            continue;
        }
        if (idle_since_ns == 0)
            idle_since_ns = core->now_ns;
        if (core->config.idle_adaptive && core->now_ns - idle_since_ns >= SPIN_NS)
            sleep_until_event(core);
        publish_gauges(core, 0, core->now_ns - start_ns);
    }
    for (uint32_t i = 0; i < core->config.conns_max; i++) {
        if (core->conns[i].state != CONN_FREE)
            conn_drop(core, &core->conns[i]);
    }
    tx_flush(&core->tx);
    tx_fini(&core->tx);
    rte_rcu_qsbr_thread_offline(qsbr, core->config.index);
    rte_rcu_qsbr_thread_unregister(qsbr, core->config.index);
    return 0;
}

void core_stop(struct core *core, uint32_t drain_ms)
{
    uint64_t at = clock_now_ns(&core->clock) + (uint64_t)drain_ms * 1000000 + 1;
    atomic_store_explicit(&core->stop_at_ns, at, memory_order_release);
    ssize_t ignored = write(core->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    (void)ignored;
}

const struct counters *core_counters(const struct core *core)
{
    return &core->counters;
}

int core_wake_fd(const struct core *core)
{
    return core->wake_fd;
}

void core_gauges(const struct core *core, struct core_gauges *out)
{
    *out = core->gauges;
}
