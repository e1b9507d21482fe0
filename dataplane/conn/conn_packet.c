#include "dataplane/conn/conn_parts.h"
#include "dataplane/egress/egress.h"

enum {
    COOKIE_LIFE_MS =
        60000, /* an ACK without a connection is looked at for so long after the last cookie */
};

/* The two differ in the largest segment. */
static struct tcp_env *env_of(struct core *core, const uint8_t remote[16])
{
    return conn_is_ip4(remote) ? &core->tcp_env4 : &core->tcp_env6;
}

static bool is_listening(const struct core *core, uint16_t port)
{
    return port != 0 && (port == core->config.tls_port || port == core->config.plain_port);
}

static void send_reply(struct core *core, const struct net_packet *p,
                       size_t (*write)(void *, uint8_t *, size_t), void *arg)
{
    struct net_route route = {0};
    memcpy(route.src, p->dst, sizeof(route.src));
    memcpy(route.dst, p->src, sizeof(route.dst));
    size_t room;
    uint8_t *l4 = net_begin(&core->net, &route, 6, &room, core->now_ns);
    if (l4)
        net_end(&core->net, write(arg, l4, room));
    else
        core->counters.net_unresolved_dropped += core->net.blocked.why == NET_UNRESOLVED;
}

static size_t write_reset(void *arg, uint8_t *buf, size_t cap)
{
    return tcp_reset_for(arg, buf, cap);
}

struct cookie_args {
    struct core *core;
    const struct net_packet *packet;
    const struct tcp_segment *segment;
};

static size_t write_cookie(void *arg, uint8_t *buf, size_t cap)
{
    struct cookie_args *a = arg;
    return tcp_cookie_syn_ack(env_of(a->core, a->packet->src), a->packet->dst, a->packet->src,
                              a->segment, buf, cap, a->core->now_ns);
}

/* Else it gets a cookie: too many are half-open, of all or of its source. */
static bool may_be_half_open(struct core *core, const struct flow_key *key)
{
    struct source *source[SOURCE_LEVELS];
    if (core->half_open >= core->half_open_max)
        return false;
    sources_find(&core->sources, key->remote, source);
    if (sources_may(&core->sources, source, SOURCE_HALF_OPEN))
        return true;
    core->counters.conn_source_cookies++;
    return false;
}

static void count_refusal(struct core *core, bool is_over_share)
{
    struct counters *count = &core->counters;
    *(is_over_share ? &count->drop_tcp_source_limit : &count->drop_tcp_conn_limit) += 1;
}

/* A SYN for nobody: a new connection, a cookie, or a refusal. */
static void on_syn(struct core *core, const struct net_packet *p, struct tcp_segment *s,
                   const struct flow_key *key)
{
    struct counters *count = &core->counters;
    if (core->is_stopping) {
        count->drop_tcp_no_port++;
        send_reply(core, p, write_reset, s);
        return;
    }
    bool is_over_share;
    if (!may_be_half_open(core, key)) {
        count->rx_tcp++;
        core->cookies_until_ns = conn_after_ms(core, COOKIE_LIFE_MS);
        send_reply(core, p, write_cookie, &(struct cookie_args){core, p, s});
        return;
    }
    struct conn *c = conn_new(core, key, &is_over_share);
    if (!c) {
        count_refusal(core, is_over_share);
        return;
    }
    count->rx_tcp++;
    struct tcp_env *env = env_of(core, key->remote);
    uint32_t iss =
        tcp_isn(env, key->local, key->remote, key->local_port, key->remote_port, core->now_ns);
    tcp_open_passive(&c->tcp, env, key->local_port, key->remote_port, s, iss, core->now_ns);
    c->is_half_open = true;
    core->half_open++;
    sources_hold(&core->sources, c->source, SOURCE_HALF_OPEN, 1);
    conn_mark(c);
}

static void on_segment(struct conn *c, const struct tcp_segment *s)
{
    struct core *core = c->core;
    core->counters.rx_tcp++;
    if (s->payload_bytes > 0 || (s->flags & (TCP_FIN | TCP_RST)))
        conn_disturb(c);
    tcp_input(&c->tcp, s, core->now_ns);
    conn_mark(c);
}

static bool has_cookies_out(const struct core *core)
{
    bool is_time = core->now_ns < core->cookies_until_ns || core->tcp_env4.cookies_last;

    return is_time && !core->is_stopping;
}

/* An ACK for nobody may carry a cookie of ours; so may one that a half-open connection does not
 * know: of a SYN that came twice, the first may have got a cookie and the second a place. */
static bool on_cookie(struct core *core, const struct net_packet *p, const struct tcp_segment *s,
                      const struct flow_key *key, struct conn *half_open)
{
    bool is_plain_ack = (s->flags & TCP_ACK) && !(s->flags & (TCP_SYN | TCP_RST));
    if (!is_plain_ack || !has_cookies_out(core))
        return false;
    struct tcp opened;
    if (!tcp_cookie_open(&opened, env_of(core, p->src), p->dst, p->src, s, core->now_ns))
        return false;
    bool is_over_share;
    if (half_open)
        conn_free(half_open);
    struct conn *c = conn_new(core, key, &is_over_share);
    if (!c) {
        /* Silence, as for a SYN: what it says comes again, and may find a place. */
        core->counters.conn_cookie_refused++;
        count_refusal(core, is_over_share);
        tcp_fini(&opened);
        return true;
    }
    core->counters.rx_tcp++;
    c->tcp = opened; /* holds no pointer to itself */
    tcp_input(&c->tcp, s, core->now_ns);
    conn_mark(c);
    return true;
}

void conn_expect(const struct core *core, struct conn_arrival *a)
{
    const struct net_packet *p = &a->packet;
    /* One that is too short for ports is too short for TCP, and refused as such. */
    bool has_ports = p->l4_bytes >= 4;
    a->key = (struct flow_key){
        .local_port = has_ports ? (uint16_t)(p->l4[2] << 8 | p->l4[3]) : 0,
        .remote_port = has_ports ? (uint16_t)(p->l4[0] << 8 | p->l4[1]) : 0,
    };
    memcpy(a->key.local, p->dst, sizeof(a->key.local));
    memcpy(a->key.remote, p->src, sizeof(a->key.remote));
    a->hash = flow_expect(&core->flows, &a->key);
}

void conn_packet(struct core *core, const struct conn_arrival *a)
{
    const struct net_packet *p = &a->packet;
    const struct flow_key *key = &a->key;
    struct counters *count = &core->counters;
    struct tcp_segment s;
    if (!tcp_segment_parse(&s, p->l4, p->l4_bytes)) {
        count->drop_tcp_bad++;
        return;
    }
    s.ecn = p->ecn;
    uint32_t index = flow_find(&core->flows, key, a->hash);
    if (index != UINT32_MAX && index >= core->config.conns_max) {
        egress_segment(core, index - core->config.conns_max, &s);
        return;
    }
    struct conn *c = index == UINT32_MAX ? NULL : &core->conns[index];
    bool is_syn = (s.flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;

    if (c && is_syn && tcp_may_reuse(&c->tcp, &s)) {
        conn_free(c); /* RFC 6191: a new incarnation takes the TIME_WAIT's place */
        c = NULL;
    }
    if (c && !(has_cookies_out(core) && tcp_is_unknown_ack(&c->tcp, &s))) {
        on_segment(c, &s);
        return;
    }
    if (!is_listening(core, s.dst_port)) {
        count->drop_tcp_no_port++;
        send_reply(core, p, write_reset, &s);
        return;
    }
    if (is_syn) {
        on_syn(core, p, &s, key);
        return;
    }
    if (on_cookie(core, p, &s, key, c))
        return;
    if (has_cookies_out(core) && tcp_cookie_may_follow(&core->tcp_env4, &s, core->now_ns)) {
        count->drop_tcp_cookie_early++;
        return;
    }
    if (c) {
        on_segment(c, &s);
        return;
    }
    count->drop_tcp_no_conn++;
    send_reply(core, p, write_reset, &s);
}

void conn_path_mtu(struct core *core, const struct net_pmtu *report)
{
    struct flow_key key = {.local_port = report->local_port, .remote_port = report->remote_port};
    memcpy(key.local, report->local, sizeof(key.local));
    memcpy(key.remote, report->remote, sizeof(key.remote));
    uint32_t index = flow_find(&core->flows, &key, flow_expect(&core->flows, &key));
    if (index == UINT32_MAX)
        return;
    if (index >= core->config.conns_max) {
        egress_path_mtu(core, index - core->config.conns_max, report);
        return;
    }
    struct conn *c = &core->conns[index];
    tcp_path_mtu(&c->tcp, report->seq,
                 (uint16_t)(report->mtu - (conn_is_ip4(key.remote) ? 20 : 40) - TCP_HEADER_BYTES));
    conn_mark(c);
}
