/* tcp_wire.h
 *
 * Writing a TCP header and its options (RFC 9293 3.1, 7323, 2018). Values in host order.
 */
#ifndef HEARTH_TCP_WIRE_H
#define HEARTH_TCP_WIRE_H

#include <string.h>

#include "dataplane/tcp/tcp.h"

enum {
    TCP_OPTION_END = 0,
    TCP_OPTION_NOP = 1,
    TCP_OPTION_MSS = 2,
    TCP_OPTION_WSCALE = 3,
    TCP_OPTION_SACK_PERMITTED = 4,
    TCP_OPTION_SACK = 5,
    TCP_OPTION_TS = 8,

    TCP_WSCALE_MAX = 14,
    /* The smallest scale with which 16 bits express TCP_RX_WINDOW_BYTES. */
    TCP_RX_WSCALE = 3,
    TCP_MSS_DEFAULT = 536,
};

static inline uint16_t wire_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t wire_get32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return __builtin_bswap32(v);
}

static inline uint8_t *wire_put16(uint8_t *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof(v));
    return p + sizeof(v);
}

static inline uint8_t *wire_put32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof(v));
    return p + sizeof(v);
}

struct tcp_header {
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t window;
};

/* What a SYN or SYN-ACK offers. */
struct tcp_offer {
    uint16_t mss;
    int8_t wscale; /* -1: none */
    bool has_sack_permitted, has_ts;
    uint32_t ts_val, ts_ecr;
};

/* The header; options follow, ending at end, a multiple of 4 bytes. Returns the header's bytes. */
size_t tcp_header_write(const struct tcp_header *, uint8_t *buf, const uint8_t *end);
/* Both return where the next option goes. */
uint8_t *tcp_offer_write(const struct tcp_offer *, uint8_t *p);
uint8_t *tcp_ts_write(uint8_t *p, uint32_t val, uint32_t ecr);

/* The clock of our timestamps: 1 ms, from a secret point. */
uint32_t tcp_ts_offset(const struct tcp_env *);
static inline uint32_t tcp_ts_clock(uint32_t offset, uint64_t now_ns)
{
    return (uint32_t)(now_ns / 1000000) + offset;
}

#endif
