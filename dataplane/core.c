#include "dataplane/core.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/core_state.h"
#include "dataplane/http1.h"

enum {
    RUNTIME_MESSAGES_PER_ITERATION = 256,
};

/* ---- start and end ---- */

static void *take_memory(const struct core_config *config, size_t bytes)
{
    void *memory = config->memory.take(bytes, config->numa_node);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

size_t core_bytes(uint32_t conns_max, uint32_t chunks, uint32_t runtimes)
{
    return sizeof(struct core) + conns_max * sizeof(struct conn) + chunks * sizeof(struct chunk) +
           flow_table_bytes(conns_max) + runtimes * sizeof(struct runtime_link);
}

static bool take_parts(struct core *core)
{
    const struct core_config *config = &core->config;
    void *chunks = take_memory(config, config->chunks * sizeof(struct chunk));
    void *flows = take_memory(config, flow_table_bytes(config->conns_max));
    core->conns = take_memory(config, config->conns_max * sizeof(struct conn));
    core->chunk_memory = chunks;
    core->flow_memory = flows;
    if (!chunks || !flows || !core->conns)
        return false;
    core->request_seed = config->secret[0];
    chunk_pool_init(&core->chunks, chunks, config->chunks);
    flow_table_init(&core->flows, flows, config->conns_max, config->secret[3]);
    for (uint32_t i = config->conns_max; i-- > 0;) {
        core->conns[i].index = i;
        core->conns[i].next_free = core->free_conns;
        core->free_conns = &core->conns[i];
    }
    for (uint32_t i = 0; i < config->runtimes_max; i++) {
        core->link[i] = take_memory(config, sizeof(struct runtime_link));
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
    struct core *core = take_memory(config, sizeof(*core));
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
    core->now_ns = clock_now_ns(config->clock);
    timers_init(&core->timers, core->now_ns);
    token_bucket_init(&core->warm, WARM_PER_SECOND, WARM_BURST, core->now_ns);
    tx_init(&core->tx, config->port, config->queue, &core->counters);
    net_init(&core->net, &core->net_config, config->neighbours, &core->counters, &core->tx);
    core->tcp_env4 = (struct tcp_env){.pool = &core->chunks,
                                      .counters = &core->counters,
                                      .mss_max = (uint16_t)(config->net->mtu - 40)};
    memcpy(core->tcp_env4.cookie_key, &config->secret[1], sizeof(core->tcp_env4.cookie_key));
    core->tcp_env6 = core->tcp_env4;
    core->tcp_env6.mss_max = (uint16_t)(config->net->mtu - 60);
    return core;
}

void core_destroy(struct core *core)
{
    if (!core)
        return;
    void (*give)(void *) = core->config.memory.give;
    if (core->wake_fd >= 0)
        close(core->wake_fd);
    for (uint32_t i = 0; i < core->link_count; i++)
        give(core->link[i]);
    give(core->conns);
    give(core->flow_memory);
    give(core->chunk_memory);
    give(core);
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

/* splitmix64 (Steele et al. 2014): a bijection of the counter, of which each core has its own numbers, so the ids
 * of a node never repeat. */
uint64_t core_next_request_id(struct core *core)
{
    uint64_t number = ++core->request_count * core->config.cores + core->config.index;
    uint64_t z = core->request_seed + number * 0x9e3779b97f4a7c15u;
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

void core_follow_world(struct core *core)
{
    const struct world *world = world_current(core->config.world);
    assert(world && world->runtime_count <= core->link_count);
    /* Not the pointer: the old world may be gone, and the new one at its address. */
    if (core->world && world->epoch == core->world_epoch)
        return;
    core->world = world;
    core->world_epoch = world->epoch;
    static const struct world_runtime gone = {.wake_fd = -1};
    for (uint32_t i = 0; i < core->link_count; i++)
        runtime_link_follow(core->link[i], i < world->runtime_count ? &world->runtime[i] : &gone);
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
        struct net_pmtu report;
        if (net_take_pmtu(&core->net, &report))
            conn_path_mtu(core, &report);
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
bool core_is_drained(struct core *core)
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

uint32_t core_iterate(struct core *core)
{
    core->now_ns = clock_now_ns(core->config.clock);
    core_follow_world(core);
    if (!core->is_announced) {
        core->is_announced = true;
        net_announce(&core->net, core->now_ns);
    }
    uint32_t work = run_port(core);
    work += run_links(core);
    work += run_timers(core);
    work += run_dirty(core);
    tx_flush(&core->tx);
    for (uint32_t i = 0; i < core->world->runtime_count; i++)
        runtime_link_flush(core->link[i]);
    return work;
}

uint64_t core_next_ns(const struct core *core)
{
    return core->dirty_first ? core->now_ns : timers_next_ns(&core->timers);
}

void core_end(struct core *core)
{
    for (uint32_t i = 0; i < core->config.conns_max; i++) {
        if (core->conns[i].state != CONN_FREE)
            conn_drop(core, &core->conns[i]);
    }
    tx_flush(&core->tx);
    tx_fini(&core->tx);
}

void core_stop(struct core *core, uint32_t drain_ms)
{
    uint64_t at = clock_now_ns(core->config.clock) + (uint64_t)drain_ms * 1000000 + 1;
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
