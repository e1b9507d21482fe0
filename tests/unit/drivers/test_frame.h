/* test_frame.h
 *
 * Frames for tests of drivers/, built the slow and obvious way: 16-bit words, one carry at a time.
 */
#ifndef HEARTH_TEST_FRAME_H
#define HEARTH_TEST_FRAME_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { TEST_FRAME_MAX = 1518, TEST_UDP = 17, TEST_TCP = 6 };

struct test_flow {
    int ip_version;
    int protocol;
    uint8_t source[16], destination[16];
    uint16_t source_port, destination_port;
};

static inline uint16_t test_sum(const uint8_t *p, uint32_t len, uint32_t sum)
{
    for (uint32_t i = 0; i < len; i++) {
        sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
        if (sum > 0xffff)
            sum = (sum & 0xffff) + 1;
    }
    return (uint16_t)sum;
}

static inline void test_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

/* Sum over pseudo-header and segment: 0xffff when the checksum in it is right. */
static inline uint16_t test_l4_sum(const uint8_t *ip, const uint8_t *l4, uint32_t l4_bytes,
                                   int protocol)
{
    bool v4 = ip[0] >> 4 == 4;
    uint16_t sum = v4 ? test_sum(ip + 12, 8, 0) : test_sum(ip + 8, 32, 0);
    uint8_t rest[4] = {0, (uint8_t)protocol, (uint8_t)(l4_bytes >> 8), (uint8_t)l4_bytes};
    return test_sum(l4, l4_bytes, test_sum(rest, 4, sum));
}

/* Returns the frame's length. fill_csum false leaves both checksums zero. */
static inline uint32_t test_frame(uint8_t *frame, const struct test_flow *f, const void *payload,
                                  uint32_t payload_bytes, bool fill_csum)
{
    bool v4 = f->ip_version == 4;
    uint32_t l4_header = f->protocol == TEST_TCP ? 20 : 8, l4_bytes = l4_header + payload_bytes;
    uint8_t *ip = frame + 14, *l4 = ip + (v4 ? 20 : 40);

    memset(frame, 0, 14 + (v4 ? 20 : 40) + l4_header);
    memcpy(frame, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
    test_put16(frame + 12, v4 ? 0x0800 : 0x86dd);
    if (v4) {
        ip[0] = 0x45;
        test_put16(ip + 2, 20 + l4_bytes);
        ip[8] = 64;
        ip[9] = (uint8_t)f->protocol;
        memcpy(ip + 12, f->source, 4);
        memcpy(ip + 16, f->destination, 4);
        if (fill_csum)
            test_put16(ip + 10, (uint16_t)~test_sum(ip, 20, 0));
    } else {
        ip[0] = 0x60;
        test_put16(ip + 4, l4_bytes);
        ip[6] = (uint8_t)f->protocol;
        ip[7] = 64;
        memcpy(ip + 8, f->source, 16);
        memcpy(ip + 24, f->destination, 16);
    }
    test_put16(l4, f->source_port);
    test_put16(l4 + 2, f->destination_port);
    if (f->protocol == TEST_TCP)
        l4[12] = 0x50;
    else
        test_put16(l4 + 4, l4_bytes);
    memcpy(l4 + l4_header, payload, payload_bytes);
    if (fill_csum) {
        uint16_t sum = (uint16_t)~test_l4_sum(ip, l4, l4_bytes, f->protocol);
        test_put16(l4 + (f->protocol == TEST_TCP ? 16 : 6),
                   f->protocol == TEST_UDP && sum == 0 ? 0xffff : sum);
    }
    return (uint32_t)(l4 - frame) + l4_bytes;
}

#endif
