#include "dataplane/core/core.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/least.h"
#include "dataplane/base/mutant.h"
#include "dataplane/base/slice.h"
#include "dataplane/base/trace.h"
#include "dataplane/call/call.h"
#include "dataplane/call/cells.h"
#include "dataplane/call/serve.h"
#include "dataplane/call/steer.h"
#include "dataplane/call/sub.h"
#include "dataplane/call/trace_sink.h"
#include "dataplane/conn/conn.h"
#include "dataplane/conn/exchange.h"
#include "dataplane/core/core_tap.h"
#include "dataplane/core_state.h"
#include "dataplane/egress/egress.h"
#include "dataplane/http/http1.h"
#include "dataplane/net/ip.h"
#include "dataplane/place/place.h"
#include "dataplane/place/warmth.h"
#include "dataplane/rpc/channel.h"
#include "dataplane/rpc/peers.h"
#include "dataplane/world/cell_mail.h"
#include "dataplane/world/ring.h"
#include "dataplane/world/world.h"
#include "drivers/rng.h"

/* ---- start and end ---- */

static void *take_memory(const struct core_config *config, size_t bytes)
{
    void *memory = config->memory.take(bytes, config->numa_node);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

size_t core_bytes(uint32_t conns_max, uint32_t chunks, uint32_t links, uint32_t larges)
{
    return sizeof(struct core) + conns_max * (sizeof(struct conn) + sizeof(struct exchange)) +
           chunks * sizeof(struct chunk) + flow_table_bytes(conns_max + EGRESS_CONNS_MAX) +
           sources_bytes(conns_max) + egress_bytes() + cells_bytes(links, larges) +
           calls_bytes(CALLS_DEFAULT) + subs_bytes(SUBS_DEFAULT) + sizeof(struct heat) +
           sizeof(struct trace);
}

/* What a cluster takes beside that. */
size_t core_cluster_bytes(uint32_t channels)
{
    return served_bytes(SERVED_DEFAULT) + stream_pool_bytes(STREAMS_DEFAULT) +
           peers_bytes(channels) + CAPABILITIES_MAX * sizeof(struct capability_slot) +
           trace_sinks_bytes();
}

static uint32_t or_default(uint32_t count, uint32_t otherwise)
{
    return count ? count : otherwise;
}

/* Requests on their way, here and to other nodes. */
static bool take_call_parts(struct core *core)
{
    const struct core_config *config = &core->config;
    uint32_t calls = or_default(config->calls, CALLS_DEFAULT);
    void *call_memory = take_memory(config, calls_bytes(calls));
    void *sub_memory = take_memory(config, subs_bytes(SUBS_DEFAULT));
    void *egress_memory = take_memory(config, egress_bytes());
    core->heat = take_memory(config, sizeof(*core->heat));
    core->trace = take_memory(config, sizeof(*core->trace));
    core->calls =
        call_memory ? calls_init(call_memory, calls, subs_drop, clock_now_ns(config->clock)) : NULL;
    core->subs = sub_memory ? subs_init(sub_memory, SUBS_DEFAULT) : NULL;
    core->egress = egress_memory
                       ? egress_init(egress_memory, config->egress, clock_now_ns(config->clock))
                       : NULL;
    if (!core->calls || !core->subs || !core->egress || !core->heat || !core->trace)
        return false;
    heat_init(core->heat);
    trace_init(core->trace, 0, (uint8_t)config->index);
    return true;
}

/* ---- what peers ask and tell ---- */

static uint16_t on_load(void *core, uint32_t *queue_us)
{
    return steer_load(core, queue_us);
}

static enum warmth_state on_warmth(void *core, const struct world_script *script)
{
    return cells_warmth(core, script->handle);
}

static bool on_warm(void *core, const struct world_script *script, bool is_demanded,
                    uint64_t now_ns)
{
    return cells_ask(core, script->handle, is_demanded);
}

static void on_spans(void *core, uint16_t node, const struct record_event *event)
{
    trace_sink_take(core, node, event);
}

static void on_channel_down(void *core, struct channel *channel)
{
    calls_channel_down(core, channel);
    serve_channel_down(core, channel);
}

static const struct peers_events peers_events = {
    .load = on_load,
    .warmth = on_warmth,
    .warm = on_warm,
    .spans = on_spans,
    .opened = serve_opened,
    .channel_down = on_channel_down,
    .fin = serve_fin,
    .ours = {.readable = call_readable, .writable = call_writable, .reset = call_reset},
    .theirs = {.readable = serve_readable, .writable = serve_writable, .reset = serve_reset},
};

static struct peers_env peers_env_of(struct core *core)
{
    return (struct peers_env){.core = core,
                              .events = &peers_events,
                              .index = core->config.index,
                              .clock = core->config.clock,
                              .now_ns = &core->now_ns,
                              .world = &core->world,
                              .net = &core->net,
                              .chunks = &core->chunks,
                              .streams = core->streams,
                              .counters = &core->counters,
                              .guesses = &core->warm,
                              .notes = core->config.notes,
                              .hash_key = core->config.secret[3],
                              .random = core->config.random,
                              .random_arg = core->config.random_arg};
}

static bool take_cluster_parts(struct core *core)
{
    const struct core_config *config = &core->config;
    uint32_t served = or_default(config->served, SERVED_DEFAULT),
             streams = or_default(config->streams, STREAMS_DEFAULT),
             channels = or_default(config->channels, PEERS_CHANNELS_MAX);
    void *served_memory = take_memory(config, served_bytes(served));
    void *stream_memory = take_memory(config, stream_pool_bytes(streams));
    void *peer_memory = take_memory(config, peers_bytes(channels));
    void *sink_memory = take_memory(config, trace_sinks_bytes());
    core->capability_memory =
        take_memory(config, CAPABILITIES_MAX * sizeof(struct capability_slot));
    core->stream_memory = stream_memory;
    core->served = served_memory ? served_init(served_memory, served) : NULL;
    core->streams = stream_memory ? stream_pool_init(stream_memory, streams) : NULL;
    core->sinks = sink_memory ? trace_sinks_init(sink_memory) : NULL;
    if (!core->served || !core->streams || !core->sinks || !peer_memory ||
        !core->capability_memory) {
        config->memory.give(peer_memory);
        return false;
    }
    struct peers_env env = peers_env_of(core);
    core->peers = peers_init(peer_memory, &env, channels);
    return true;
}

/* Beyond, SYNs are answered by cookies, which cost no place. */
static uint32_t half_open_max(uint32_t conns_max)
{
    uint32_t part = (conns_max + 3) / 4;
    return part < TCP_SYN_RCVD_MAX ? part : TCP_SYN_RCVD_MAX;
}

static bool take_parts(struct core *core)
{
    const struct core_config *config = &core->config;
    /* Not cleared: what a chunk holds is undefined until it is written (chunk.h). */
    void *chunks = config->memory.take(config->chunks * sizeof(struct chunk), config->numa_node);
    void *flows = take_memory(config, flow_table_bytes(config->conns_max + EGRESS_CONNS_MAX));
    void *sources = take_memory(config, sources_bytes(config->conns_max));
    core->conns = take_memory(config, config->conns_max * sizeof(struct conn));
    core->exchanges = take_memory(config, config->conns_max * sizeof(struct exchange));
    core->chunk_memory = chunks;
    core->flow_memory = flows;
    core->source_memory = sources;
    if (!chunks || !flows || !sources || !core->conns || !core->exchanges ||
        !take_call_parts(core) || (config->rpc_port && !take_cluster_parts(core)))
        return false;
    request_ids_init(&core->request_ids, (const uint64_t[]){config->secret[0], config->secret[3]},
                     config->index, config->cores);
    chunk_pool_init(&core->chunks, chunks, config->chunks);
    flow_table_init(&core->flows, flows, config->conns_max + EGRESS_CONNS_MAX, config->secret[3]);
    core->half_open_max = half_open_max(config->conns_max);
    const uint32_t most[SOURCE_KINDS] = {[SOURCE_CONNS] = config->conns_max,
                                         [SOURCE_HALF_OPEN] = core->half_open_max,
                                         [SOURCE_HANDSHAKES] = HANDSHAKES_WAITING_MAX,
                                         [SOURCE_CHUNKS] = config->chunks};
    sources_init(&core->sources, sources, config->conns_max, most, config->secret[3]);
    for (uint32_t i = config->conns_max; i-- > 0;) {
        struct conn *c = &core->conns[i];
        c->core = core;
        c->index = i;
        c->app = &exchange_app;
        c->app_state = &core->exchanges[i];
        core->exchanges[i].conn = c;
        c->next_free = core->free_conns;
        core->free_conns = c;
    }
    void *cells = take_memory(config, cells_bytes(cell_mail_links(config->mail), config->larges));
    if (!cells)
        return false;
    core->cells =
        cells_init(cells, core, config->mail, config->larges, &call_job_events, &sub_job_events);
    core->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return core->wake_fd >= 0;
}

/* What a balancer puts before a packet must fit in its MTU too. */
static uint16_t mss_spare(const struct net_config *net)
{
    bool has_ip6 = false;
    for (uint32_t i = 0; i < net->address_count; i++)
        has_ip6 |= !ip_is_ip4(net->address[i].ip);
    return decapsulation_bytes(&net->decapsulation, has_ip6);
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
    if (!take_parts(core)) {
        snprintf(error, error_bytes,
                 "core %u: the memory for %u connections, %u chunks (%zu MiB) and its share of a "
                 "cluster is not to be had: lower limits, or raise memory_mb",
                 config->index, config->conns_max, config->chunks,
                 core_bytes(config->conns_max, config->chunks, cell_mail_links(config->mail),
                            config->larges) >>
                     20);
        core_destroy(core);
        return NULL;
    }
    core->now_ns = clock_now_ns(config->clock);
    ledger_init(&core->ledger, clock_ticks_per_us(config->clock));
    timers_init(&core->timers, core->now_ns);
    tx_init(&core->tx, config->port, config->queue, &core->counters);
    net_init(&core->net, &core->net_config, config->neighbours, &core->counters, &core->tx);
    core_tap_init(core);
    core->tcp_env4 = (struct tcp_env){.pool = &core->chunks,
                                      .counters = &core->counters,
                                      .mss_max = (uint16_t)(config->net->mtu - 40),
                                      .mss_spare = mss_spare(config->net)};
    memcpy(core->tcp_env4.cookie_key, &config->secret[1], sizeof(core->tcp_env4.cookie_key));
    if (config->cookie_secret) {
        memcpy(core->tcp_env4.cookie_key, config->cookie_secret, sizeof(core->tcp_env4.cookie_key));
        core->tcp_env4.cookies_last = true;
    }
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
    give(core->cells);
    if (core->peers)
        peers_fini(core->peers);
    give(core->peers);
    give(core->served);
    give(core->stream_memory);
    give(core->sinks);
    give(core->capability_memory);
    give(core->calls);
    give(core->subs);
    if (core->egress)
        egress_fini(core->egress);
    give(core->egress);
    give(core->heat);
    give(core->trace);
    give(core->exchanges);
    give(core->conns);
    give(core->flow_memory);
    give(core->source_memory);
    give(core->chunk_memory);
    give(core);
}

/* ---- the iteration ---- */

/* What is said of a node is split among its cores. */
static uint32_t milli_per_s(uint64_t requests, uint32_t seconds, uint32_t cores)
{
    uint64_t milli = requests * 1000 / seconds / cores;
    return milli < UINT32_MAX ? (uint32_t)milli : UINT32_MAX;
}

static void take_tune(struct core *core)
{
    const struct world_tune *t = &core->world->tune;
    uint32_t cores = core->config.cores;
    core->heat_tune =
        (struct heat_tune){.enter_rps_milli = milli_per_s(t->hot_enter_rpm, 60, cores),
                           .leave_rps_milli = milli_per_s(t->hot_leave_rpm, 60, cores),
                           .widen_rps_milli = milli_per_s(t->widen_rps, 1, cores),
                           .narrow_rps_milli = milli_per_s(t->narrow_rps, 1, cores)};
    core->shed_tune = (struct shed_tune){.target_us = t->shed_target_us,
                                         .interval_us = t->shed_interval_ms * 1000,
                                         .jobs_percent = t->shed_jobs_percent,
                                         .chunks_percent = t->shed_chunks_percent,
                                         .share_percent = t->shed_share_percent};
    core->full_tune = core->shed_tune;
    core->full_tune.target_us = t->shed_target_us * SHED_FULL_TARGETS;
    if (t->warm_per_s != core->warm_per_s)
        token_bucket_init(&core->warm, t->warm_per_s, WARM_BURST, core->now_ns);
    core->warm_per_s = t->warm_per_s;
    core->sources.share_percent = t->source_share_percent;
}

static void start_capabilities(struct core *core)
{
    const struct world_cluster *cluster = &core->world->cluster;
    uint8_t key[16];
    core->config.random(core->config.random_arg, key, sizeof(key));
    capability_table_init(&core->capabilities, cluster->member[cluster->self].id,
                          (uint16_t)core->config.index, key, core->capability_memory,
                          CAPABILITIES_MAX);
}

static void follow_world(struct core *core)
{
    const struct world *world = world_current(core->config.world);
    assert(world);
    /* Not the pointer: the old world may be gone, and the new one at its address. */
    if (core->world && world->epoch == core->world_epoch)
        return;
    core->world = world;
    core->world_epoch = world->epoch;
    take_tune(core);
    core->trace->node = world->cluster.self;
    if (!core->peers)
        return;
    if (!core->capabilities.slot)
        start_capabilities(core);
    peers_follow(core->peers);
}

/* Cells first: a world may route to what they run. */
void core_follow(struct core *core)
{
    cells_follow(core, calls_look_again);
    follow_world(core);
}

static bool is_rpc(const struct core *core, const struct net_packet *p)
{
    return p->l4_bytes >= 8 && (p->l4[2] << 8 | p->l4[3]) == core->config.rpc_port;
}

/* At once: net keeps one report, and a burst may bring several. */
static void follow_path_mtu(struct core *core)
{
    struct net_pmtu report;
    if (net_take_pmtu(&core->net, &report))
        conn_path_mtu(core, &report);
}

static void on_udp(struct core *core, const struct net_packet *packet)
{
    if (core->peers && is_rpc(core, packet))
        peers_input(core->peers, packet, core->now_ns);
    else if (egress_datagram(core, packet))
        core->counters.rx_dns++;
    else
        core->counters.drop_udp_no_port++;
}

/* What is in a row for one of both is one lap. */
static void take_packets(struct core *core, const struct conn_arrival *arrival,
                         const enum net_verdict *verdict, uint16_t count)
{
    uint32_t segments = 0, datagrams = 0;
    for (uint16_t i = 0; i < count; i++) {
        if (verdict[i] == NET_TCP) {
            ledger_lap(&core->ledger, LEDGER_rpc, datagrams);
            datagrams = 0;
            segments++;
            conn_packet(core, &arrival[i]);
        } else if (verdict[i] == NET_UDP) {
            ledger_lap(&core->ledger, LEDGER_tcp, segments);
            segments = 0;
            datagrams++;
            on_udp(core, &arrival[i].packet);
        }
    }
    ledger_lap(&core->ledger, LEDGER_tcp, segments);
    ledger_lap(&core->ledger, LEDGER_rpc, datagrams);
}

/* What is the host's. */
static void give_to_tap(struct core *core, const struct frame *frame,
                        const struct conn_arrival *arrival, const enum net_verdict *verdict,
                        uint16_t count)
{
    uint32_t given = 0;
    for (uint16_t i = 0; i < count; i++) {
        if (verdict[i] == NET_HOST)
            core_tap_give(core, &frame[i], arrival[i].packet.is_near);
        else if (verdict[i] == NET_BOTH)
            core_tap_show(core, &frame[i]);
        else
            continue;
        given++;
    }
    ledger_lap(&core->ledger, LEDGER_tap, given);
}

static void on_burst(struct core *core, const struct frame *frame, uint16_t count)
{
    struct conn_arrival arrival[PORT_BURST];
    enum net_verdict verdict[PORT_BURST];
    core->counters.rx_frames += count;
    for (uint16_t i = 0; i < count; i++) {
        verdict[i] = net_input(&core->net, &frame[i], core->now_ns, &arrival[i].packet);
        if (verdict[i] == NET_TCP)
            conn_expect(core, &arrival[i]);
        else if (core->net.pmtu.is_set)
            follow_path_mtu(core);
    }
    ledger_lap(&core->ledger, LEDGER_net, count);
    take_packets(core, arrival, verdict, count);
    give_to_tap(core, frame, arrival, verdict, count);
}

static uint32_t run_port(struct core *core)
{
    struct port *port = core->config.port;
    uint32_t frames = 0, bytes = 0;
    struct slice slice = slice_of(core->config.clock, CORE_BURSTS_PER_ITERATION);
    while (slice_take(&slice)) {
        struct frame frame[PORT_BURST];
        uint16_t count = port_rx(port, core->config.queue, frame, PORT_BURST);
        ledger_lap(&core->ledger, LEDGER_receive, count);
        on_burst(core, frame, count);
        for (uint16_t i = 0; i < count; i++)
            bytes += frame[i].len;
        if (count > 0)
            port_free(port, core->config.queue, frame, count);
        frames += count;
        if (count < PORT_BURST)
            break;
    }
    moderation_hear(&core->moderation, frames, bytes);
    return frames;
}

static uint32_t run_timers(struct core *core)
{
    struct slice slice = slice_of(core->config.clock, CORE_SLICE_UNITS);
    uint32_t count = 0;
    struct timer *t;
    while (slice_take(&slice) && (t = timers_expired(&core->timers, core->now_ns))) {
        conn_timeout((struct conn *)((char *)t - offsetof(struct conn, timer)));
        count++;
    }
    return count;
}

/* What becomes dirty while we are at it waits for the next iteration: no connection can hold the
 * core. So do those that the slice had no time for, ahead of it. */
static uint32_t run_dirty(struct core *core)
{
    struct slice slice = slice_of(core->config.clock, CORE_SLICE_UNITS);
    struct conn *c = core->dirty_first, **end = core->dirty_last;
    uint32_t count = 0;
    core->dirty_first = NULL;
    core->dirty_last = &core->dirty_first;
    while (c && slice_take(&slice)) {
        struct conn *next = c->next_dirty;
        c->is_dirty = false;
        conn_run(c);
        c = next;
        count++;
    }
    conns_warm_scripts(core);
    if (c) {
        *end = core->dirty_first;
        if (!core->dirty_first)
            core->dirty_last = end;
        core->dirty_first = c;
    }
    return count;
}

static void start_stopping(struct core *core)
{
    core->is_stopping = true;
    for (uint32_t i = 0; i < core->config.conns_max; i++) {
        if (core->conns[i].state != CONN_FREE)
            conn_mark(&core->conns[i]);
    }
}

/* Every answer has arrived at the peer that asked: a stream is there until it has. */
static bool is_all_delivered(const struct core *core)
{
    uint32_t streams = or_default(core->config.streams, STREAMS_DEFAULT);
    return !core->peers ||
           (served_live(core->served) == 0 && stream_pool_free_count(core->streams) == streams);
}

/* True: the drain is over. */
bool core_is_drained(struct core *core)
{
    uint64_t stop_at_ns = atomic_load_explicit(&core->stop_at_ns, memory_order_acquire);
    if (stop_at_ns == 0)
        return false;
    if (!core->is_stopping)
        start_stopping(core);
    uint32_t waiting = core->resting[CONN_REST_TIME_WAIT].count;
    /* Calls of peers and of waitUntil too. */
    bool is_idle =
        core->conn_count == waiting && calls_live(core->calls) == 0 && is_all_delivered(core);
    return is_idle || core->now_ns >= stop_at_ns;
}

/* A stage is over: its pieces of work. */
static uint32_t of_stage(struct core *core, enum ledger_stage stage, uint32_t pieces)
{
    ledger_lap(&core->ledger, stage, pieces);
    return pieces;
}

uint32_t core_iterate(struct core *core)
{
    core->now_ns = clock_now_ns(core->config.clock);
    core->is_behind = false;
    core_follow(core);
    uint32_t port_epoch_now = port_epoch(core->config.port);
    if (!core->is_announced || core->port_epoch != port_epoch_now) {
        core->is_announced = true;
        core->port_epoch = port_epoch_now;
        net_announce(&core->net, core->now_ns);
    }
    cells_look(
        core); /* before anything is placed: what was known when the core fell asleep is old */
    /* Of hellos of the iteration before: what they asked for left at its end, so that a cell
     * starts while this is computed, and not after it. */
    ledger_begin(&core->ledger);
    uint32_t work = of_stage(core, LEDGER_handshake, conns_run_handshakes(core));
    work += run_port(core);
    work += of_stage(core, LEDGER_tap, core_tap_run(core));
    work += conns_run_hops(core) + conns_run_starving(core);
    work += of_stage(core, LEDGER_cells, cells_run(core));
    work += of_stage(core, LEDGER_timers, run_timers(core));
    work += of_stage(core, LEDGER_calls, calls_run(core) + subs_run(core));
    work += of_stage(core, LEDGER_conn, run_dirty(core) + egress_run(core));
    if (core->peers)
        work += of_stage(core, LEDGER_rpc, peers_run(core->peers, core->now_ns));
    uint32_t frames = core->tx.count;
    tx_flush(&core->tx);
    of_stage(core, LEDGER_transmit, frames);
    of_stage(core, LEDGER_wake, cells_flush(core));
    return work;
}

uint64_t core_next_ns(const struct core *core)
{
    if (core->is_behind || core->tap.is_readable || core->dirty_first ||
        handshakes_wait(&core->handshakes))
        return core->now_ns;
    uint64_t next_ns = timers_next_ns(&core->timers);
    next_ns = min_u64(next_ns, hops_next_ns(&core->hops, core->now_ns));
    next_ns = min_u64(next_ns, conns_starving_next_ns(core));
    next_ns = min_u64(next_ns, calls_next_ns(core->calls));
    next_ns = min_u64(next_ns, subs_next_ns(core->subs));
    next_ns = min_u64(next_ns, egress_next_ns(core));
    return core->peers ? min_u64(next_ns, peers_next_ns(core->peers)) : next_ns;
}

void core_end(struct core *core)
{
    for (uint32_t i = 0; i < core->config.conns_max; i++) {
        if (core->conns[i].state != CONN_FREE)
            conn_drop(&core->conns[i]);
    }
    calls_end(core);
    egress_end(core);
    if (core->peers)
        peers_leave(core->peers, core->now_ns);
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

const struct ledger *core_ledger(const struct core *core)
{
    return &core->ledger;
}

int core_wake_fd(const struct core *core)
{
    return core->wake_fd;
}

const struct peers *core_peers(const struct core *core)
{
    return core->peers;
}

const struct trace *core_trace(const struct core *core)
{
    return core->trace;
}

void core_gauges(const struct core *core, struct core_gauges *out)
{
    *out = core->gauges;
}
