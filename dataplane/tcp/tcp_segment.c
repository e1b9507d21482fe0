#include "dataplane/tcp/tcp_wire.h"

#include <assert.h>

static_assert((65535u << TCP_RX_WSCALE) >= TCP_RX_WINDOW_BYTES, "the window fits the scale");
static_assert(TCP_RX_WINDOW_BYTES >= 65535, "a SYN may show a full window");

static bool parse_sack(struct tcp_segment *seg, const uint8_t *value, uint32_t len)
{
    if (len == 0 || len % 8 != 0 || len / 8 > TCP_SACK_BLOCKS_MAX)
        return false;
    seg->sack_count = (uint8_t)(len / 8);
    for (uint32_t i = 0; i < seg->sack_count; i++) {
        seg->sack[i].start = wire_get32(value + 8 * i);
        seg->sack[i].end = wire_get32(value + 8 * i + 4);
    }
    return true;
}

/* value: len bytes. False: malformed. Unknown kinds are skipped (RFC 9293 MUST-6). */
static bool parse_option(struct tcp_segment *seg, uint8_t kind, const uint8_t *value, uint32_t len)
{
    bool is_syn = (seg->flags & TCP_SYN) != 0;

    switch (kind) {
    case TCP_OPTION_MSS:
        if (len != 2)
            return false;
        if (is_syn)
            seg->mss = wire_get16(value);
        return true;
    case TCP_OPTION_WSCALE:
        if (len != 1)
            return false;
        if (is_syn) /* RFC 7323 2.3: above 14 means 14 */
            seg->wscale = (int8_t)(value[0] > TCP_WSCALE_MAX ? TCP_WSCALE_MAX : value[0]);
        return true;
    case TCP_OPTION_SACK_PERMITTED:
        if (len != 0)
            return false;
        seg->has_sack_permitted = is_syn;
        return true;
    case TCP_OPTION_SACK:
        return parse_sack(seg, value, len);
    case TCP_OPTION_TS:
        if (len != 8)
            return false;
        seg->has_ts = true;
        seg->ts_val = wire_get32(value);
        seg->ts_ecr = wire_get32(value + 4);
        return true;
    default:
        return true;
    }
}

static bool parse_options(struct tcp_segment *seg, const uint8_t *p, const uint8_t *end)
{
    /* The layout of nearly every segment (RFC 7323 appendix A). */
    if (end - p == 12 && wire_get32(p) == 0x0101080a) {
        seg->has_ts = true;
        seg->ts_val = wire_get32(p + 4);
        seg->ts_ecr = wire_get32(p + 8);
        return true;
    }
    while (p < end && *p != TCP_OPTION_END) {
        if (*p == TCP_OPTION_NOP) {
            p++;
            continue;
        }
        if (end - p < 2 || p[1] < 2 || p[1] > end - p)
            return false;
        if (!parse_option(seg, p[0], p + 2, p[1] - 2u))
            return false;
        p += p[1];
    }
    return true;
}

bool tcp_segment_parse(struct tcp_segment *seg, const uint8_t *l4, size_t bytes)
{
    if (bytes < TCP_HEADER_BYTES)
        return false;

    size_t header = (size_t)(l4[12] >> 4) * 4;

    if (header < TCP_HEADER_BYTES || header > bytes)
        return false;

    seg->src_port = wire_get16(l4);
    seg->dst_port = wire_get16(l4 + 2);
    seg->seq = wire_get32(l4 + 4);
    seg->ack = wire_get32(l4 + 8);
    seg->flags = l4[13];
    seg->window = wire_get16(l4 + 14);
    seg->ecn = 0;
    seg->has_ts = seg->has_sack_permitted = false;
    seg->wscale = -1;
    seg->sack_count = 0;
    seg->mss = 0;
    seg->payload = l4 + header;
    seg->payload_bytes = (uint32_t)(bytes - header);
    return parse_options(seg, l4 + TCP_HEADER_BYTES, l4 + header);
}

size_t tcp_header_write(const struct tcp_header *h, uint8_t *buf, const uint8_t *end)
{
    size_t bytes = (size_t)(end - buf);

    assert(bytes % 4 == 0 && bytes >= TCP_HEADER_BYTES && bytes <= TCP_HEADER_BYTES_MAX);

    uint8_t *p = wire_put16(buf, h->src_port);

    p = wire_put16(p, h->dst_port);
    p = wire_put32(p, h->seq);
    p = wire_put32(p, h->ack);
    *p++ = (uint8_t)(bytes / 4 << 4);
    *p++ = h->flags;
    p = wire_put16(p, h->window);
    wire_put32(p, 0); /* checksum, urgent pointer */
    return bytes;
}

uint8_t *tcp_ts_write(uint8_t *p, uint32_t val, uint32_t ecr)
{
    *p++ = TCP_OPTION_TS;
    *p++ = 10;
    p = wire_put32(p, val);
    return wire_put32(p, ecr);
}

uint8_t *tcp_offer_write(const struct tcp_offer *o, uint8_t *p)
{
    *p++ = TCP_OPTION_MSS;
    *p++ = 4;
    p = wire_put16(p, o->mss);
    if (o->has_sack_permitted) {
        if (!o->has_ts) {
            *p++ = TCP_OPTION_NOP;
            *p++ = TCP_OPTION_NOP;
        }
        *p++ = TCP_OPTION_SACK_PERMITTED;
        *p++ = 2;
    } else if (o->has_ts) {
        *p++ = TCP_OPTION_NOP;
        *p++ = TCP_OPTION_NOP;
    }
    if (o->has_ts)
        p = tcp_ts_write(p, o->ts_val, o->ts_ecr);
    if (o->wscale >= 0) {
        *p++ = TCP_OPTION_NOP;
        *p++ = TCP_OPTION_WSCALE;
        *p++ = 3;
        *p++ = (uint8_t)o->wscale;
    }
    return p;
}

size_t tcp_reset_for(const struct tcp_segment *seg, uint8_t *buf, size_t cap)
{
    struct tcp_header h = {.src_port = seg->dst_port, .dst_port = seg->src_port};

    if ((seg->flags & TCP_RST) || cap < TCP_HEADER_BYTES)
        return 0;
    if (seg->flags & TCP_ACK) {
        h.flags = TCP_RST;
        h.seq = seg->ack;
    } else {
        h.flags = TCP_RST | TCP_ACK;
        h.ack = seg->seq + seg->payload_bytes + ((seg->flags & TCP_SYN) != 0) +
                ((seg->flags & TCP_FIN) != 0);
    }
    return tcp_header_write(&h, buf, buf + TCP_HEADER_BYTES);
}
