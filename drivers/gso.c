#include "drivers/gso.h"

#include <assert.h>
#include <string.h>

enum {
    IP4_LENGTH_AT = 2,
    IP4_ID_AT = 4,
    IP6_LENGTH_AT = 4,
    IP6_BYTES = 40,
    TCP_SEQ_AT = 4,
    TCP_OFFSET_AT = 12,
    TCP_FLAGS_AT = 13,
    TCP_FIN_PSH = 0x01 | 0x08,
};

static uint32_t get(const uint8_t *p, int bytes)
{
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static void put(uint8_t *p, int bytes, uint32_t v)
{
    for (int i = bytes - 1; i >= 0; i--, v >>= 8)
        p[i] = (uint8_t)v;
}

uint32_t gso_header_bytes(const struct frame *f)
{
    return f->l4_offset + (uint32_t)(f->bytes[f->l4_offset + TCP_OFFSET_AT] >> 4) * 4;
}

uint32_t gso_count(const struct frame *f)
{
    if (f->gso_size == 0)
        return 1;
    return (f->len - gso_header_bytes(f) + f->gso_size - 1) / f->gso_size;
}

uint64_t gso_wire_bytes(const struct frame *f)
{
    if (f->gso_size == 0)
        return f->len;
    return f->len + (uint64_t)(gso_count(f) - 1) * gso_header_bytes(f);
}

void gso_segment(const struct frame *large, uint32_t index, struct frame *out)
{
    uint32_t header = gso_header_bytes(large), before = index * large->gso_size;
    uint32_t left = large->len - header - before;
    uint32_t bytes = left < large->gso_size ? left : large->gso_size;
    uint8_t *ip = out->bytes + large->l3_offset, *tcp = out->bytes + large->l4_offset;

    assert(large->gso_size > 0 && index < gso_count(large));
    memcpy(out->bytes, large->bytes, header);
    memcpy(out->bytes + header, large->bytes + header + before, bytes);
    out->len = header + bytes;
    out->l3_offset = large->l3_offset;
    out->l4_offset = large->l4_offset;
    out->tx_csum = large->tx_csum;
    out->gso_size = 0;
    if (ip[0] >> 4 == 4) {
        put(ip + IP4_LENGTH_AT, 2, out->len - large->l3_offset);
        put(ip + IP4_ID_AT, 2, get(ip + IP4_ID_AT, 2) + index);
    } else {
        put(ip + IP6_LENGTH_AT, 2, out->len - large->l3_offset - IP6_BYTES);
    }
    put(tcp + TCP_SEQ_AT, 4, get(tcp + TCP_SEQ_AT, 4) + before);
    if (bytes < left)
        tcp[TCP_FLAGS_AT] &= (uint8_t)~TCP_FIN_PSH;
}
