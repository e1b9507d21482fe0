#include "drivers/csum.h"

#include <assert.h>
#include <string.h>

#include "drivers/layers.h"

enum { TCP_BYTES_MIN = 20, UDP_BYTES = 8 };

static uint16_t fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

/* In 32-bit words, which no frame has enough of to overflow 64 bits: no carry to handle. */
static uint64_t add64(uint64_t sum, const uint8_t *p)
{
    uint64_t words;
    memcpy(&words, p, sizeof(words));
    return sum + (words & UINT32_MAX) + (words >> 32);
}

/* Compiled for what CPUs have, and chosen when the program is loaded; vectorized (meson.build). */
__attribute__((target_clones("avx512f", "avx2", "default"))) static uint64_t
add_long(uint64_t sum, const uint8_t *p, size_t len)
{
    for (; len >= 8; len -= 8, p += 8)
        sum = add64(sum, p);
    return sum;
}

/* Not folded yet. */
static uint64_t add(uint64_t sum, const uint8_t *p, size_t len)
{
    if (len >= 64) {
        sum = add_long(sum, p, len);
        p += len / 8 * 8;
        len %= 8;
    }
    for (; len >= 8; len -= 8, p += 8)
        sum = add64(sum, p);
    uint64_t tail = 0; /* an odd last byte is padded with zero (RFC 1071) */
    for (size_t i = 0; i < len; i++)
        tail |= (uint64_t)p[i] << 8 * i;
    return sum + (tail & UINT32_MAX) + (tail >> 32);
}

uint16_t csum_add(uint16_t start, const void *bytes, size_t len)
{
    return fold(add(start, bytes, len));
}

static uint64_t add_pseudo(const uint8_t *ip, uint8_t protocol, uint32_t l4_bytes)
{
    uint64_t sum = (uint64_t)__builtin_bswap32(l4_bytes) + ((uint32_t)protocol << 24);
    return ip[0] >> 4 == 4 ? add(sum, ip + 12, 8) : add(sum, ip + 8, 32);
}

uint16_t csum_pseudo(const uint8_t *ip, uint8_t protocol, uint32_t l4_bytes)
{
    return fold(add_pseudo(ip, protocol, l4_bytes));
}

static enum frame_rx_csum verify_l4(const uint8_t *bytes, const struct layers *l)
{
    if (l->is_fragment || l->l4_offset == 0)
        return FRAME_CSUM_NONE;

    const uint8_t *l4 = bytes + l->l4_offset;
    uint32_t l4_bytes = l->end - l->l4_offset;
    if (l->protocol == LAYERS_UDP) {
        if (l4_bytes < UDP_BYTES)
            return FRAME_CSUM_NONE;
        /* UDP says its own length; what lies behind it is not covered. */
        uint32_t said = (uint32_t)(l4[4] << 8 | l4[5]);
        if (said < UDP_BYTES || said > l4_bytes)
            return FRAME_CSUM_NONE;
        l4_bytes = said;
        if (l4[CSUM_AT_UDP] == 0 && l4[CSUM_AT_UDP + 1] == 0)
            return l->ip_version == 4 ? FRAME_CSUM_NONE : FRAME_CSUM_BAD_L4;
    } else if (l->protocol != LAYERS_TCP || l4_bytes < TCP_BYTES_MIN) {
        return FRAME_CSUM_NONE;
    }
    uint64_t sum = add_pseudo(bytes + l->l3_offset, l->protocol, l4_bytes);
    return fold(add(sum, l4, l4_bytes)) == 0xffff ? FRAME_CSUM_GOOD : FRAME_CSUM_BAD_L4;
}

enum frame_rx_csum csum_verify_l4(const uint8_t *bytes, uint32_t len)
{
    struct layers l;
    return layers_find(bytes, len, &l) ? verify_l4(bytes, &l) : FRAME_CSUM_NONE;
}

enum frame_rx_csum csum_verify(const uint8_t *bytes, uint32_t len)
{
    struct layers l;
    if (!layers_find(bytes, len, &l))
        return FRAME_CSUM_NONE;
    if (l.ip_version == 4 && csum_add(0, bytes + l.l3_offset, l.l4_offset - l.l3_offset) != 0xffff)
        return FRAME_CSUM_BAD_IP;
    return verify_l4(bytes, &l);
}

enum frame_rx_csum csum_verify_ip(const uint8_t *bytes, uint32_t len)
{
    struct layers l;
    if (!layers_find(bytes, len, &l))
        return FRAME_CSUM_NONE;
    return l.ip_version == 4 &&
                   csum_add(0, bytes + l.l3_offset, l.l4_offset - l.l3_offset) != 0xffff
               ? FRAME_CSUM_BAD_IP
               : FRAME_CSUM_GOOD;
}

static void put(uint8_t *field, uint16_t sum)
{
    uint16_t value = (uint16_t)~sum;
    memcpy(field, &value, sizeof(value)); /* sums are in memory order, so no swap */
}

void csum_fill_ip(struct frame *f)
{
    uint8_t *ip = f->bytes + f->l3_offset;
    assert(f->l3_offset < f->l4_offset && f->l4_offset <= f->len);
    if (ip[0] >> 4 == 4) {
        put(ip + CSUM_AT_IPV4, 0xffff);
        put(ip + CSUM_AT_IPV4, csum_add(0, ip, (ip[0] & 15u) * 4));
    }
}

void csum_fill(struct frame *f)
{
    if (f->tx_csum == FRAME_TX_NONE)
        return;

    uint8_t *ip = f->bytes + f->l3_offset;
    csum_fill_ip(f);
    if (f->tx_csum == FRAME_TX_IP)
        return;

    bool is_tcp = f->tx_csum == FRAME_TX_TCP;
    uint8_t *l4 = f->bytes + f->l4_offset;
    uint32_t l4_bytes = f->len - f->l4_offset;
    assert(l4_bytes >= (is_tcp ? TCP_BYTES_MIN : UDP_BYTES));
    uint8_t *field = l4 + (is_tcp ? CSUM_AT_TCP : CSUM_AT_UDP);
    put(field, 0xffff);
    uint16_t sum =
        csum_add(csum_pseudo(ip, is_tcp ? LAYERS_TCP : LAYERS_UDP, l4_bytes), l4, l4_bytes);
    if (!is_tcp && sum == 0xffff)
        sum = 0; /* zero would mean "no checksum" (RFC 768) */
    put(field, sum);
}
