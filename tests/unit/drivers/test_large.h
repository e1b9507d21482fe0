/* test_large.h
 *
 * A large frame (drivers/gso.h) with FIN and PSH whose payload counts, and a reader of what it was
 * cut into that fails the test at the first byte that is wrong.
 */
#ifndef HEARTH_TEST_LARGE_H
#define HEARTH_TEST_LARGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "drivers/csum.h"
#include "drivers/port.h"
#include "tests/unit/drivers/test_frame.h"

enum { TEST_LARGE_MAX = 65535, TEST_LARGE_SEQ = 0x7ffffff0, TEST_LARGE_ID = 0xfffe };

static inline uint8_t test_large_byte(uint32_t at)
{
    return (uint8_t)(at * 31 + at / 256);
}

/* Into f->bytes, which has room for it. */
static inline void test_large_frame(struct frame *f, int ip_version, uint32_t payload_bytes,
                                    uint16_t gso_size)
{
    static uint8_t payload[TEST_LARGE_MAX];
    struct test_flow flow = {ip_version, TEST_TCP, {10, 9, 0, 1}, {10, 9, 0, 2}, 4000, 5000};

    for (uint32_t i = 0; i < payload_bytes; i++)
        payload[i] = test_large_byte(i);
    f->len = test_frame(f->bytes, &flow, payload, payload_bytes, false);
    f->l3_offset = 14;
    f->l4_offset = ip_version == 4 ? 34 : 54;
    f->tx_csum = FRAME_TX_TCP;
    f->gso_size = gso_size;
    if (ip_version == 4)
        test_put16(f->bytes + 14 + 4, TEST_LARGE_ID);
    test_put16(f->bytes + f->l4_offset + 4, TEST_LARGE_SEQ >> 16);
    test_put16(f->bytes + f->l4_offset + 6, TEST_LARGE_SEQ & 0xffff);
    f->bytes[f->l4_offset + 13] = 0x10 | 0x08 | 0x01; /* ACK PSH FIN */
}

struct test_large_reader {
    const char *what;
    uint32_t at, count; /* bytes of payload, frames */
    bool is_over;
};

static inline uint32_t test_get16(const uint8_t *p)
{
    return (uint32_t)(p[0] << 8 | p[1]);
}

static inline void test_large_read(struct test_large_reader *r, const uint8_t *bytes, uint32_t len)
{
    const uint8_t *ip = bytes + 14;
    bool is_v4 = ip[0] >> 4 == 4;
    const uint8_t *tcp = ip + (is_v4 ? 20 : 40);
    uint32_t seq = test_get16(tcp + 4) << 16 | test_get16(tcp + 6);

    if (r->is_over)
        fail_msg("%s: frame %u comes behind the FIN", r->what, r->count);
    if (csum_verify(bytes, len) != FRAME_CSUM_GOOD)
        fail_msg("%s: frame %u: checksum", r->what, r->count);
    if (is_v4 && test_get16(ip + 2) != len - 14)
        fail_msg("%s: frame %u: length", r->what, r->count);
    if (is_v4 && test_get16(ip + 4) != ((TEST_LARGE_ID + r->count) & 0xffff))
        fail_msg("%s: frame %u: ID", r->what, r->count);
    if (!is_v4 && test_get16(ip + 4) != len - 54)
        fail_msg("%s: frame %u: length", r->what, r->count);
    if (seq != TEST_LARGE_SEQ + r->at)
        fail_msg("%s: frame %u: sequence number", r->what, r->count);
    for (const uint8_t *p = tcp + 20; p < bytes + len; p++)
        if (*p != test_large_byte(r->at++))
            fail_msg("%s: frame %u: payload", r->what, r->count);
    r->is_over = (tcp[13] & 0x01) != 0;
    if (r->is_over != ((tcp[13] & 0x08) != 0))
        fail_msg("%s: frame %u: PSH", r->what, r->count);
    r->count++;
}

static inline void test_large_end(const struct test_large_reader *r, uint32_t payload_bytes)
{
    if (r->at != payload_bytes || !r->is_over)
        fail_msg("%s: %u of %u bytes came", r->what, r->at, payload_bytes);
}

#endif
