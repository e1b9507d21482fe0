#include "tools/gen/answer.h"

#include <string.h>

#include "dataplane/net/net_wire.h"

const char *const answer_name[ANSWER_KIND_COUNT] = {
#define NAME(id, name) [ANSWER_##id] = name,
    ANSWER_KINDS(NAME)
#undef NAME
};

static const uint64_t again_ns = 1000000000;

/* sent: the time that the answer brings back. */
static enum answer_kind timed(struct answers *a, enum answer_kind kind, uint32_t sent,
                              uint64_t now_ns)
{
    uint64_t took_ns = (uint64_t)(packet_time(now_ns) - sent) << 6;
    if (took_ns < again_ns)
        histogram_add(&a->wait[kind], took_ns);
    else
        a->again++;
    return kind;
}

/* Who has our address, that it may answer? */
static enum answer_kind on_arp(struct answers *a, const uint8_t *p, uint32_t bytes)
{
    const struct packet_config *c = &a->packets->config;
    if (bytes < ARP_BYTES || wire_u16(p + ARP_OP) != ARP_REQUEST ||
        wire_u32(p + ARP_TPA) != c->our_ip)
        return ANSWER_ARP; /* an announcement, or the answer to the first question */
    uint8_t *out = sender_begin(a->sender);
    if (!out)
        return ANSWER_ARP;
    memcpy(out, p + ARP_SHA, 6);
    memcpy(out + ETHER_SRC, c->our_mac, 6);
    wire_put_u16(out + ETHER_TYPE, ETHERTYPE_ARP);
    out += ETHER_BYTES;
    memcpy(out, p, ARP_OP);
    wire_put_u16(out + ARP_OP, ARP_REPLY);
    memcpy(out + ARP_SHA, c->our_mac, 6);
    wire_put_u32(out + ARP_SPA, c->our_ip);
    memcpy(out + ARP_THA, p + ARP_SHA, 10); /* with the address behind it */
    sender_end(a->sender, PACKET_ARP, ETHER_BYTES + ARP_BYTES, FRAME_TX_NONE);
    return ANSWER_ARP;
}

static void reply(struct answers *a, uint32_t ip, const struct tcp_segment *s,
                  enum packet_kind kind, uint8_t flags, const void *payload, size_t bytes,
                  uint64_t now_ns)
{
    struct packet_segment out = {.ip = ip,
                                 .port = s->dst_port,
                                 .to_port = s->src_port,
                                 .seq = s->ack,
                                 .ack = s->seq + s->payload_bytes + ((s->flags & TCP_SYN) != 0),
                                 .ts_val = packet_time(now_ns),
                                 .ts_ecr = s->ts_val,
                                 .flags = flags,
                                 .payload = payload,
                                 .payload_bytes = (uint32_t)bytes};
    uint8_t *buf = a->is_speaking ? sender_begin(a->sender) : NULL;
    if (buf)
        sender_end(a->sender, kind, packet_segment_write(a->packets, &out, buf), FRAME_TX_TCP);
}

static void send_hello(struct answers *a, uint32_t ip, const struct tcp_segment *s, uint64_t now_ns)
{
    const struct packet_template *t =
        &a->packets->template[PACKET_HELLO][a->hellos++ % a->packets->count[PACKET_HELLO]];
    reply(a, ip, s, PACKET_ACK_HELLO, TCP_ACK | TCP_PSH, t->bytes + PACKET_L4 + TCP_HEADER_BYTES,
          t->len - PACKET_L4 - TCP_HEADER_BYTES, now_ns);
}

static enum answer_kind on_syn_ack(struct answers *a, uint32_t ip, const struct tcp_segment *s,
                                   uint64_t now_ns)
{
    if (s->ack != packet_seq(ip, s->dst_port) + 1 || !s->has_ts || s->dst_port >= PACKET_PORT_HELLO)
        return ANSWER_STRANGE;
    if (s->dst_port >= PACKET_PORT_HANDSHAKE)
        send_hello(a, ip, s, now_ns);
    return timed(a, ANSWER_SYN_ACK, s->ts_ecr, now_ns);
}

static enum answer_kind on_reset(struct answers *a, uint32_t ip, const struct tcp_segment *s,
                                 uint64_t now_ns)
{
    const struct packet_config *c = &a->packets->config;
    if (s->dst_port >= PACKET_PORT_HELLO)
        return timed(a, ANSWER_RST_HELLO, packet_time_of(s->seq), now_ns);
    if (s->dst_port >= PACKET_PORT_HANDSHAKE || s->src_port == c->tls_port)
        return ANSWER_END;
    return s->ack == packet_seq(ip, s->dst_port) + 1 ? ANSWER_RST_NO_PORT : ANSWER_STRANGE;
}

static enum answer_kind on_stranger(struct answers *a, uint32_t ip, const struct tcp_segment *s,
                                    uint64_t now_ns)
{
    if (s->flags & TCP_RST)
        return on_reset(a, ip, s, now_ns);
    if (s->flags & TCP_SYN)
        return on_syn_ack(a, ip, s, now_ns);
    if (s->dst_port >= PACKET_PORT_HELLO)
        return ANSWER_STRANGE;
    if (s->payload_bytes > 0) {
        if (s->dst_port < PACKET_PORT_HANDSHAKE)
            return ANSWER_STRANGE;
        reply(a, ip, s, PACKET_LEAVE, TCP_RST | TCP_ACK, NULL, 0, now_ns); /* it is enough */
        return s->has_ts ? timed(a, ANSWER_FLIGHT, s->ts_ecr, now_ns) : ANSWER_FLIGHT;
    }
    return s->flags & TCP_FIN ? ANSWER_END : ANSWER_ACK;
}

static enum answer_kind on_ip4(struct answers *a, const uint8_t *p, uint32_t bytes, uint64_t now_ns)
{
    const struct packet_config *c = &a->packets->config;
    struct tcp_segment s;
    uint32_t length = bytes >= IP4_BYTES ? wire_u16(p + IP4_LENGTH) : 0;
    if (length < IP4_BYTES || length > bytes || p[0] != (4 << 4 | IP4_BYTES / 4) ||
        p[IP4_PROTOCOL] != PROTOCOL_TCP || wire_u32(p + IP4_SRC) != c->ip ||
        !tcp_segment_parse(&s, p + IP4_BYTES, length - IP4_BYTES))
        return ANSWER_STRANGE;
    uint32_t ip = wire_u32(p + IP4_DST);
    if (clients_input(a->clients, a->packets, a->sender, ip, &s, now_ns))
        return ANSWER_CLIENT;
    return packet_is_source(a->packets, ip) ? on_stranger(a, ip, &s, now_ns) : ANSWER_STRANGE;
}

void answer_input(struct answers *a, const struct frame *f, uint64_t now_ns)
{
    enum answer_kind kind = ANSWER_STRANGE;
    uint16_t type = f->len >= ETHER_BYTES ? wire_u16(f->bytes + ETHER_TYPE) : 0;
    if (f->rx_csum == FRAME_CSUM_BAD_IP || f->rx_csum == FRAME_CSUM_BAD_L4)
        kind = ANSWER_STRANGE;
    else if (type == ETHERTYPE_ARP)
        kind = on_arp(a, f->bytes + ETHER_BYTES, f->len - ETHER_BYTES);
    else if (type == ETHERTYPE_IP4)
        kind = on_ip4(a, f->bytes + ETHER_BYTES, f->len - ETHER_BYTES, now_ns);
    else if (type == ETHERTYPE_IP6)
        kind = ANSWER_IP6;
    a->seen[kind]++;
    if (kind == ANSWER_STRANGE && a->strange_bytes == 0) {
        a->strange_bytes = f->len < ANSWER_STRANGE_BYTES ? f->len : ANSWER_STRANGE_BYTES;
        memcpy(a->strange, f->bytes, a->strange_bytes);
    }
}
