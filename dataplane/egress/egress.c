#include "dataplane/egress/egress.h"

#include <string.h>

#include "dataplane/base/least.h"
#include "dataplane/base/slice.h"
#include "dataplane/egress/egress_state.h"
#include "dataplane/tls/tls.h"
#include "dataplane/world/world.h"

enum { ACCOUNT_PROBES = 16, PORT_PROBES = 64 };

size_t egress_bytes(void)
{
    return sizeof(struct egress);
}

struct egress *egress_init(void *memory, const struct egress_config *config, uint64_t now_ns)
{
    struct egress *e = memory;
    memset(e, 0, sizeof(*e));
    e->config = config;
    e->dirty_last = &e->dirty_first;
    timers_init(&e->timers, now_ns);
    resolver_init(&e->resolver);
    for (uint32_t i = EGRESS_CONNS_MAX; i-- > 0;) {
        e->origin[i].index = i;
        e->origin[i].next_free = e->free_origins;
        e->free_origins = &e->origin[i];
    }
    for (uint32_t i = EGRESS_FETCHES_MAX; i-- > 0;) {
        e->fetch[i] = (struct fetch){.index = i, .generation = 1, .next_free = e->free_fetches};
        e->free_fetches = &e->fetch[i];
    }
    return e;
}

bool egress_is_on(const struct core *core)
{
    const struct egress *e = core->egress;
    return e && e->config && e->config->is_on;
}

/* ---- what the room asks ---- */

uint64_t egress_random(struct core *core)
{
    uint64_t out;
    core->config.random(core->config.random_arg, &out, sizeof(out));
    return out;
}

const uint8_t *egress_source(const struct core *core, const uint8_t ip[16])
{
    const uint8_t *source = net_source_for(&core->net, ip);
    bool is_useless = source && ip6_is_link_local(source) && !ip6_is_link_local(ip);
    return is_useless ? NULL : source;
}

/* A node's own cluster: its members come and go with the world. */
static bool is_member(const struct world *world, const uint8_t ip[16])
{
    for (uint16_t i = 0; i < world->cluster.member_count; i++)
        if (ip_equal(world->cluster.member[i].address, ip))
            return true;
    return false;
}

bool egress_may_reach(struct core *core, const uint8_t ip[16])
{
    enum address_verdict verdict = address_judge(&core->egress->config->rules, ip);
    bool is_open =
        !net_is_local(&core->net, ip) && /* link-local too, which net makes itself */
        (verdict == ADDRESS_ALLOWED || (verdict == ADDRESS_OPEN && !is_member(core->world, ip)));
    core->counters.egress_forbidden_addresses += !is_open;
    return is_open;
}

struct egress_account *egress_account_of(struct core *core, uint64_t account)
{
    struct egress_account *free = NULL;
    uint64_t at = account ^ account >> 32;
    for (uint32_t i = 0; i < ACCOUNT_PROBES; i++) {
        struct egress_account *a = &core->egress->account[(at + i) % EGRESS_ACCOUNTS];
        bool is_free = a->fetches == 0 && a->kept == 0;
        if (!is_free && a->account == account)
            return a;
        if (is_free && !free)
            free = a;
    }
    if (free)
        free->account = account;
    return free;
}

/* One that is somebody's already. */
static bool is_taken(const struct core *core, uint16_t port)
{
    const struct core_config *c = &core->config;
    const uint32_t rpc = c->rpc_port ? c->rpc_port - c->index : 0;
    return port == c->tls_port || port == c->plain_port || port == c->net->decapsulation.gue_port ||
           (rpc && port >= rpc && port < rpc + c->cores);
}

uint16_t egress_pick_port(struct core *core, const uint8_t local[16], const uint8_t remote[16],
                          uint16_t remote_port)
{
    uint16_t first, count = egress_ports(core->config.index, core->config.cores, &first);
    uint64_t random = egress_random(core);
    struct flow_key key = {.remote_port = remote_port};
    memcpy(key.local, local, sizeof(key.local));
    memcpy(key.remote, remote, sizeof(key.remote));
    for (uint32_t i = 0; i < PORT_PROBES; i++) {
        key.local_port = (uint16_t)(first + (random + i) % count);
        if (!is_taken(core, key.local_port) &&
            flow_find(&core->flows, &key, flow_expect(&core->flows, &key)) == UINT32_MAX)
            return key.local_port;
    }
    return 0;
}

uint16_t egress_pick_udp_port(struct core *core)
{
    uint16_t first, count = egress_ports(core->config.index, core->config.cores, &first);
    uint64_t random = egress_random(core);
    for (uint32_t i = 0; i < PORT_PROBES; i++) {
        uint16_t port = (uint16_t)(first + (random + i) % count);
        if (!is_taken(core, port) && !resolver_has_port(&core->egress->resolver, port))
            return port;
    }
    return 0;
}

/* ---- what comes ---- */

void egress_segment(struct core *core, uint32_t index, const struct tcp_segment *s)
{
    struct origin *o = &core->egress->origin[index];
    core->counters.rx_tcp++;
    tcp_input(&o->tcp, s, core->now_ns);
    origin_mark(core, o);
}

void egress_path_mtu(struct core *core, uint32_t index, const struct net_pmtu *report)
{
    struct origin *o = &core->egress->origin[index];
    uint16_t headers = (ip_is_ip4(o->key.remote) ? 20 : 40) + TCP_HEADER_BYTES;
    tcp_path_mtu(&o->tcp, report->seq, (uint16_t)(report->mtu - headers));
    origin_mark(core, o);
}

bool egress_datagram(struct core *core, const struct net_packet *p)
{
    uint16_t first, count = egress_ports(core->config.index, core->config.cores, &first);
    if (p->l4_bytes < 8)
        return false;
    uint16_t port = (uint16_t)(p->l4[2] << 8 | p->l4[3]);
    if ((uint16_t)(port - first) >= count)
        return false;
    bool is_answer = resolver_datagram(core, p);
    core->counters.dns_bad += !is_answer;
    return true;
}

/* ---- the core's part ---- */

static bool is_fetchs(const struct egress *e, const struct timer *t)
{
    return (const void *)t >= (const void *)e->fetch &&
           (const void *)t < (const void *)(e->fetch + EGRESS_FETCHES_MAX);
}

static uint32_t run_timers(struct core *core)
{
    struct egress *e = core->egress;
    struct slice slice = slice_of(core->config.clock, CORE_SLICE_UNITS);
    struct timer *t;
    uint32_t count = 0;
    while (slice_take(&slice) && (t = timers_expired(&e->timers, core->now_ns))) {
        if (is_fetchs(e, t))
            fetch_timeout(core, (struct fetch *)((char *)t - offsetof(struct fetch, timer)));
        else
            origin_timeout(core, (struct origin *)((char *)t - offsetof(struct origin, timer)));
        count++;
    }
    return count;
}

/* As the core runs clients' connections: what becomes dirty meanwhile waits for the next
 * iteration, behind what the slice had no time for. */
static uint32_t run_dirty(struct core *core)
{
    struct egress *e = core->egress;
    struct slice slice = slice_of(core->config.clock, CORE_SLICE_UNITS);
    struct origin *o = e->dirty_first, **end = e->dirty_last;
    uint32_t count = 0;
    e->dirty_first = NULL;
    e->dirty_last = &e->dirty_first;
    while (o && slice_take(&slice)) {
        struct origin *next = o->next_dirty;
        o->is_dirty = false;
        origin_run(core, o);
        o = next;
        count++;
    }
    if (o) {
        *end = e->dirty_first;
        if (!e->dirty_first)
            e->dirty_last = end;
        e->dirty_first = o;
    }
    return count;
}

uint32_t egress_run(struct core *core)
{
    return run_timers(core) + resolver_run(core) + pool_run(core) + run_dirty(core);
}

uint64_t egress_next_ns(const struct core *core)
{
    const struct egress *e = core->egress;
    if (e->dirty_first)
        return core->now_ns;
    uint64_t next = min_u64(timers_next_ns(&e->timers), resolver_next_ns(&e->resolver));
    return min_u64(next, pool_next_ns(&e->pool));
}

void egress_end(struct core *core)
{
    for (uint32_t i = 0; i < EGRESS_CONNS_MAX; i++) {
        if (core->egress->origin[i].state != ORIGIN_FREE)
            origin_drop(core, &core->egress->origin[i]);
    }
}

void egress_fini(struct egress *e)
{
    sessions_fini(&e->sessions);
    for (uint32_t i = 0; i < EGRESS_CONNS_MAX; i++) {
        if (e->origin[i].tls)
            tls_session_destroy(e->origin[i].tls);
    }
}
