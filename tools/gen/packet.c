#include "tools/gen/packet.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/net/ip.h"
#include "dataplane/net/net_wire.h"
#include "dataplane/tcp/tcp_wire.h"
#include "drivers/csum.h"

enum {
    NOISE_TEMPLATES = 256,
    NOISE_BYTES_MIN = 14,
    NOISE_BYTES_MAX = 300,
    WINDOW = 65535,
    UDP_BYTES = 8,
    TS_BYTES = 12, /* the option with its padding (RFC 7323 appendix A) */
    /* In a SYN: MSS 4, SACK permitted 2, then kind and length of the timestamps. */
    SYN_TS_AT = PACKET_L4 + TCP_HEADER_BYTES + 8,
};

const struct packet_rule packet_rule[PACKET_KINDS] = {
#define RULE(id, name, ends) [PACKET_##id] = {name, ends},
    PACKET_MIX(RULE) PACKET_GARBAGE(RULE) PACKET_OTHER(RULE)
#undef RULE
};

/* ---- parts of a frame ---- */

static void write_ether(const struct packet_config *c, uint8_t *buf, uint16_t type)
{
    memcpy(buf, c->mac, 6);
    memcpy(buf + ETHER_SRC, c->our_mac, 6);
    wire_put_u16(buf + ETHER_TYPE, type);
}

static void write_ip4(const struct packet_config *c, uint8_t *buf, uint8_t protocol,
                      uint32_t l4_bytes, uint32_t source)
{
    uint8_t *ip = buf + PACKET_L3;
    write_ether(c, buf, ETHERTYPE_IP4);
    memset(ip, 0, IP4_BYTES);
    ip[0] = 4 << 4 | IP4_BYTES / 4;
    wire_put_u16(ip + IP4_LENGTH, (uint16_t)(IP4_BYTES + l4_bytes));
    wire_put_u16(ip + IP4_FRAGMENT, IP4_DONT_FRAGMENT);
    ip[IP4_TTL] = 64;
    ip[IP4_PROTOCOL] = protocol;
    wire_put_u32(ip + IP4_SRC, source);
    wire_put_u32(ip + IP4_DST, c->ip);
}

static void fill_checksums(uint8_t *buf, uint32_t len, enum frame_tx_csum what)
{
    struct frame f = {.bytes = buf,
                      .len = len,
                      .l3_offset = PACKET_L3,
                      .l4_offset = PACKET_L4,
                      .tx_csum = (uint8_t)what};
    csum_fill(&f);
}

static uint32_t write_syn(const struct packet_config *c, uint8_t *buf, uint16_t port)
{
    struct tcp_offer offer = {.mss = 1460, .wscale = 7, .has_sack_permitted = true, .has_ts = true};
    struct tcp_header h = {
        .src_port = PACKET_PORT_SYN, .dst_port = port, .flags = TCP_SYN, .window = WINDOW};
    uint8_t *l4 = buf + PACKET_L4;
    size_t bytes = tcp_header_write(&h, l4, tcp_offer_write(&offer, l4 + TCP_HEADER_BYTES));
    write_ip4(c, buf, PROTOCOL_TCP, (uint32_t)bytes, PACKET_SOURCE_FIRST);
    return PACKET_L4 + (uint32_t)bytes;
}

static void name_of(const struct packet_config *c, uint32_t number, char name[64])
{
    if (c->names == 1)
        snprintf(name, 64, "%s", c->name);
    else
        snprintf(name, 64, "n%u.%s", number, c->name);
}

static enum hello_shape shape_of(const struct packet_config *c, uint32_t number)
{
    uint32_t count = (uint32_t)__builtin_popcount(c->shapes), skip = number % count, shape = 0;
    while (!(c->shapes >> shape & 1) || skip-- > 0)
        shape++;
    return (enum hello_shape)shape;
}

/* Text behind a header without options: a ClientHello, or a request. */
static uint32_t write_text(const struct packet_config *c, uint8_t *buf, uint32_t number,
                           bool is_plain)
{
    char name[64];
    struct tcp_header h = {.src_port = PACKET_PORT_HELLO,
                           .dst_port = is_plain ? c->plain_port : c->tls_port,
                           .flags = TCP_ACK | TCP_PSH,
                           .window = WINDOW};
    uint8_t *l4 = buf + PACKET_L4;
    name_of(c, number, name);
    size_t bytes = tcp_header_write(&h, l4, l4 + TCP_HEADER_BYTES);
    if (is_plain)
        bytes += (size_t)snprintf((char *)l4 + bytes, HELLO_BYTES,
                                  "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", name);
    else
        bytes += hello_write(l4 + bytes, shape_of(c, number), name, c->seed + number);
    write_ip4(c, buf, PROTOCOL_TCP, (uint32_t)bytes, PACKET_SOURCE_FIRST);
    return PACKET_L4 + (uint32_t)bytes;
}

/* ---- garbage ---- */

static uint32_t write_udp(const struct packet_config *c, uint8_t *buf)
{
    uint8_t *l4 = buf + PACKET_L4;
    uint32_t bytes = UDP_BYTES + 18; /* the least that fills an Ethernet frame */
    memset(l4, 0, bytes);
    wire_put_u16(l4, 5353);
    wire_put_u16(l4 + 2, 9); /* discard */
    wire_put_u16(l4 + 4, (uint16_t)bytes);
    write_ip4(c, buf, PROTOCOL_UDP, bytes, PACKET_SOURCE_FIRST);
    fill_checksums(buf, PACKET_L4 + bytes, FRAME_TX_UDP);
    return PACKET_L4 + bytes;
}

static uint32_t write_arp_bad(const struct packet_config *c, uint8_t *buf)
{
    write_ether(c, buf, ETHERTYPE_ARP);
    memset(buf + ETHER_BYTES, 0, ARP_BYTES);
    buf[ETHER_BYTES + 1] = 1;
    return ETHER_BYTES + ARP_BYTES; /* for Ethernet and no protocol */
}

static uint32_t write_vlan(const struct packet_config *c, uint8_t *buf, uint16_t vlan)
{
    write_udp(c, buf);
    memmove(buf + ETHER_TYPE + VLAN_TAG_BYTES, buf + ETHER_TYPE, 48);
    wire_put_u16(buf + ETHER_TYPE, ETHERTYPE_VLAN);
    wire_put_u16(buf + ETHER_BYTES, vlan);
    return 64;
}

static uint32_t write_tcp_bad(const struct packet_config *c, uint8_t *buf)
{
    uint32_t len = write_syn(c, buf, c->tls_port);
    buf[PACKET_L4 + 12] = 4 << 4; /* a header of 16 bytes */
    fill_checksums(buf, len, FRAME_TX_TCP);
    return len;
}

static uint32_t write_garbage(const struct packet_config *c, enum packet_kind kind, uint8_t *buf)
{
    uint8_t *ip = buf + PACKET_L3;
    uint32_t len = write_udp(c, buf);
    switch (kind) {
    case PACKET_SHORT:
        wire_put_u16(buf + ETHER_TYPE, ETHERTYPE_VLAN); /* and no tag */
        return ETHER_BYTES;
    case PACKET_OTHER_MAC:
        buf[5] ^= 1;
        return len;
    case PACKET_VLAN:
        return write_vlan(c, buf, 4094);
    case PACKET_ETHERTYPE:
        wire_put_u16(buf + ETHER_TYPE, 0x88cc); /* LLDP */
        return len;
    case PACKET_ARP_BAD:
        return write_arp_bad(c, buf);
    case PACKET_IP_BAD:
        ip[0] = 4 << 4 | 4; /* a header of 16 bytes */
        return len;
    case PACKET_IP_CHECKSUM:
        ip[IP4_CHECKSUM] ^= 0x55;
        return len;
    case PACKET_IP_OTHER:
        wire_put_u32(ip + IP4_DST, c->ip ^ 0x40);
        break;
    case PACKET_IP_SOURCE:
        wire_put_u32(ip + IP4_SRC, 127u << 24 | 1);
        break;
    case PACKET_FRAGMENT:
        wire_put_u16(ip + IP4_FRAGMENT, 0x2000); /* more follow */
        fill_checksums(buf, len, FRAME_TX_IP);
        return len;
    case PACKET_PROTOCOL:
        ip[IP4_PROTOCOL] = 132; /* SCTP */
        fill_checksums(buf, len, FRAME_TX_IP);
        return len;
    case PACKET_L4_CHECKSUM:
        buf[PACKET_L4 + CSUM_AT_UDP] ^= 0x55;
        return len;
    case PACKET_ICMP_BAD: /* an echo whose checksum is wrong */
        ip[IP4_PROTOCOL] = PROTOCOL_ICMP4;
        memset(buf + PACKET_L4, 0, 26);
        buf[PACKET_L4] = ICMP4_ECHO;
        fill_checksums(buf, len, FRAME_TX_IP);
        return len;
    case PACKET_UDP:
        return len;
    default:
        assert(kind == PACKET_TCP_BAD);
        return write_tcp_bad(c, buf);
    }
    fill_checksums(buf, len, FRAME_TX_UDP);
    return len;
}

static uint32_t write_noise(const struct packet_config *c, struct rng *rng, uint8_t *buf)
{
    uint32_t len = NOISE_BYTES_MIN + rng_below(rng, NOISE_BYTES_MAX - NOISE_BYTES_MIN);
    rng_fill(rng, buf, len);
    write_ether(c, buf, rng_below(rng, 2) ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
    return len;
}

/* ---- templates ---- */

static uint32_t write_template(struct packets *p, enum packet_kind kind, uint32_t number,
                               uint8_t *buf, bool *has_stamp)
{
    const struct packet_config *c = &p->config;
    *has_stamp = true;
    switch (kind) {
    case PACKET_SYN:
    case PACKET_HANDSHAKE:
        return write_syn(c, buf, c->tls_port);
    case PACKET_NO_PORT:
        return write_syn(c, buf, 9);
    case PACKET_HELLO:
    case PACKET_REPLAY:
        return write_text(c, buf, number, false);
    case PACKET_REPLAY_HTTP:
        return write_text(c, buf, number, true);
    default:
        *has_stamp = false;
        return kind == PACKET_NOISE ? write_noise(c, &p->rng, buf) : write_garbage(c, kind, buf);
    }
}

static uint64_t sum_of(const uint8_t *p, uint32_t bytes)
{
    uint64_t sum = 0;
    for (; bytes >= 4; p += 4, bytes -= 4) {
        uint32_t word;
        memcpy(&word, p, 4);
        sum += word;
    }
    uint32_t word = 0;
    memcpy(&word, p, bytes);
    return sum + word;
}

static uint16_t fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* What a stamp changes is zero in the template, so that its sum need only be added to. */
static void prepare_stamp(struct packet_template *t, bool has_ts)
{
    uint8_t *ip = t->bytes + PACKET_L3, *l4 = t->bytes + PACKET_L4;
    memset(ip + IP4_CHECKSUM, 0, 2);
    memset(ip + IP4_SRC, 0, 4);
    wire_put_u16(l4, 0);
    memset(l4 + 4, 0, 8); /* sequence number and acknowledgement */
    memset(l4 + CSUM_AT_TCP, 0, 2);
    if (has_ts)
        memset(t->bytes + SYN_TS_AT, 0, 4);
    t->ip_sum = (uint32_t)fold(sum_of(ip, IP4_BYTES));
    t->l4_sum = sum_of(l4, t->len - PACKET_L4) + csum_pseudo(ip, PROTOCOL_TCP, t->len - PACKET_L4);
}

static bool is_replay(enum packet_kind kind)
{
    return kind == PACKET_REPLAY || kind == PACKET_REPLAY_HTTP;
}

static bool is_text(enum packet_kind kind)
{
    return kind == PACKET_HELLO || is_replay(kind);
}

static uint32_t templates_of(const struct packets *p, enum packet_kind kind)
{
    return is_text(kind) ? p->config.names : kind == PACKET_NOISE ? NOISE_TEMPLATES : 1;
}

static bool make_templates(struct packets *p, enum packet_kind kind)
{
    uint32_t count = templates_of(p, kind);

    p->template[kind] = calloc(count, sizeof(struct packet_template));
    if (!p->template[kind])
        return false;
    p->count[kind] = count;
    for (uint32_t i = 0; i < count; i++) {
        struct packet_template *t = &p->template[kind][i];
        uint8_t bytes[PACKET_BYTES_MAX];
        t->len = (uint16_t)write_template(p, kind, i, bytes, &t->has_stamp);
        t->bytes = malloc(t->len);
        if (!t->bytes)
            return false;
        memcpy(t->bytes, bytes, t->len);
        if (t->has_stamp)
            prepare_stamp(t, !is_text(kind));
    }
    return true;
}

bool packets_init(struct packets *p, const struct packet_config *config)
{
    *p = (struct packets){.config = *config, .cookies.cookies_last = true};
    memcpy(p->cookies.cookie_key, config->cookie_secret, sizeof(p->cookies.cookie_key));
    p->cookies.counters = &p->counters;
    rng_init(&p->rng, config->seed);
    for (int kind = 0; kind < PACKET_MIX_END; kind++) {
        if (!make_templates(p, (enum packet_kind)kind)) {
            packets_fini(p);
            return false;
        }
    }
    return true;
}

void packets_fini(struct packets *p)
{
    for (int kind = 0; kind < PACKET_MIX_END; kind++) {
        for (uint32_t i = 0; i < p->count[kind]; i++)
            free(p->template[kind][i].bytes);
        free(p->template[kind]);
    }
    *p = (struct packets){0};
}

/* ---- the path ---- */

/* The same in all runs: what comes late, for a SYN of the run before, is recognised too. */
uint32_t packet_seq(uint32_t ip, uint16_t port)
{
    return (uint32_t)rng_mix((uint64_t)ip << 16 | port);
}

bool packet_is_source(const struct packets *p, uint32_t ip)
{
    return ip - PACKET_SOURCE_FIRST < p->config.sources;
}

static uint32_t put_word(uint8_t *at, uint32_t value)
{
    uint32_t word = __builtin_bswap32(value);
    memcpy(at, &word, 4);
    return word;
}

/* What acknowledges the cookie that the node would have given to such a SYN. */
static uint32_t cookie_ack(const struct packets *p, uint32_t source, uint16_t port,
                           uint16_t to_port, uint32_t seq)
{
    const struct packet_config *c = &p->config;
    struct tcp_segment syn = {.src_port = port,
                              .dst_port = to_port,
                              .seq = seq,
                              .flags = TCP_SYN,
                              .mss = 1460,
                              .wscale = -1};
    uint8_t ip4[4], local[16], remote[16], buf[TCP_HEADER_BYTES_MAX];
    wire_put_u32(ip4, c->ip);
    ip_from_ip4(local, ip4);
    wire_put_u32(ip4, source);
    ip_from_ip4(remote, ip4);
    tcp_cookie_syn_ack(&p->cookies, local, remote, &syn, buf, sizeof(buf), 0);
    return wire_u32(buf + 4) + 1;
}

static void stamp(struct packets *p, enum packet_kind kind, const struct packet_template *t,
                  uint8_t *buf, uint32_t time)
{
    static const uint16_t first_port[] = {[PACKET_SYN] = PACKET_PORT_SYN,
                                          [PACKET_HANDSHAKE] = PACKET_PORT_HANDSHAKE,
                                          [PACKET_HELLO] = PACKET_PORT_HELLO,
                                          [PACKET_REPLAY] = PACKET_PORT_HANDSHAKE,
                                          [PACKET_REPLAY_HTTP] = PACKET_PORT_HANDSHAKE,
                                          [PACKET_NO_PORT] = PACKET_PORT_SYN};
    uint8_t *ip = buf + PACKET_L3, *l4 = buf + PACKET_L4;
    uint64_t random = rng_next(&p->rng);
    uint32_t source =
        PACKET_SOURCE_FIRST + (uint32_t)((uint64_t)(uint32_t)random * p->config.sources >> 32);
    uint16_t port =
        (uint16_t)(first_port[kind] + (((uint32_t)(random >> 48) * PACKET_PORTS_EACH) >> 16));
    uint16_t wire_port = __builtin_bswap16(port);
    uint64_t word = put_word(ip + IP4_SRC, source), sum = word + t->l4_sum + wire_port;
    uint16_t ip_sum = (uint16_t)~fold(t->ip_sum + word);

    memcpy(ip + IP4_CHECKSUM, &ip_sum, 2);
    memcpy(l4, &wire_port, 2);
    uint32_t seq = packet_seq(source, port);
    sum += put_word(l4 + 4, is_replay(kind) ? seq + 1 : seq);
    if (kind == PACKET_HELLO)
        sum += put_word(l4 + 8, packet_ack_of(time));
    else if (is_replay(kind))
        sum += put_word(l4 + 8, cookie_ack(p, source, port, wire_u16(l4 + 2), seq));
    else
        sum += put_word(buf + SYN_TS_AT, time);
    uint16_t l4_sum = (uint16_t)~fold(sum);
    memcpy(l4 + CSUM_AT_TCP, &l4_sum, 2);
}

uint32_t packet_write(struct packets *p, enum packet_kind kind, uint8_t *buf, uint32_t time)
{
    uint32_t count = p->count[kind];
    const struct packet_template *t = &p->template[kind][count > 1 ? rng_below(&p->rng, count) : 0];
    memcpy(buf, t->bytes, t->len);
    if (t->has_stamp)
        stamp(p, kind, t, buf, time);
    return t->len;
}

uint32_t packet_segment_write(const struct packets *p, const struct packet_segment *s, uint8_t *buf)
{
    struct tcp_header h = {.src_port = s->port,
                           .dst_port = s->to_port,
                           .seq = s->seq,
                           .ack = s->ack,
                           .flags = s->flags,
                           .window = WINDOW};
    uint8_t *l4 = buf + PACKET_L4, *option = l4 + TCP_HEADER_BYTES;
    if (s->flags & TCP_SYN) {
        struct tcp_offer offer = {.mss = 1460,
                                  .wscale = 7,
                                  .has_sack_permitted = true,
                                  .has_ts = true,
                                  .ts_val = s->ts_val};
        option = tcp_offer_write(&offer, option);
    } else {
        *option++ = TCP_OPTION_NOP;
        *option++ = TCP_OPTION_NOP;
        option = tcp_ts_write(option, s->ts_val, s->ts_ecr);
    }
    size_t bytes = tcp_header_write(&h, l4, option);
    assert(PACKET_L4 + bytes + s->payload_bytes <= PACKET_BYTES_MAX);
    if (s->payload_bytes > 0)
        memcpy(l4 + bytes, s->payload, s->payload_bytes);
    bytes += s->payload_bytes;
    write_ip4(&p->config, buf, PROTOCOL_TCP, (uint32_t)bytes, s->ip);
    return PACKET_L4 + (uint32_t)bytes;
}
