#include "dataplane/base/siphash.h"

#include <endian.h>
#include <string.h>

/* All of it in one function, so that the state stays in registers: left to itself the compiler
 * keeps it in memory between calls, and 46 bytes take 30.6 ns instead of 22.4. */
#define INLINE static inline __attribute__((always_inline))

INLINE uint64_t rotl(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

INLINE void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

INLINE void start(uint64_t v[4], const uint8_t key[16])
{
    uint64_t k[2];

    memcpy(k, key, sizeof(k));
    k[0] = le64toh(k[0]);
    k[1] = le64toh(k[1]);
    v[0] = k[0] ^ 0x736f6d6570736575;
    v[1] = k[1] ^ 0x646f72616e646f6d;
    v[2] = k[0] ^ 0x6c7967656e657261;
    v[3] = k[1] ^ 0x7465646279746573;
}

INLINE void absorb(uint64_t v[4], uint64_t m)
{
    v[3] ^= m;
    sip_round(v);
    sip_round(v);
    v[0] ^= m;
}

INLINE void absorb_all(uint64_t v[4], const uint8_t *p, size_t len)
{
    uint64_t m, last = (uint64_t)len << 56;

    for (; len >= 8; len -= 8, p += 8) {
        memcpy(&m, p, sizeof(m));
        absorb(v, le64toh(m));
    }
    for (size_t i = 0; i < len; i++)
        last |= (uint64_t)p[i] << (8 * i);
    absorb(v, last);
}

INLINE uint64_t squeeze(uint64_t v[4])
{
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t siphash_64(const uint8_t key[16], const void *bytes, size_t len)
{
    uint64_t v[4];

    start(v, key);
    absorb_all(v, bytes, len);
    v[2] ^= 0xff;
    return squeeze(v);
}

void siphash_128(const uint8_t key[16], const void *bytes, size_t len, uint8_t out[16])
{
    uint64_t v[4], half[2];

    start(v, key);
    v[1] ^= 0xee;
    absorb_all(v, bytes, len);
    v[2] ^= 0xee;
    half[0] = htole64(squeeze(v));
    v[1] ^= 0xdd;
    half[1] = htole64(squeeze(v));
    memcpy(out, half, sizeof(half));
}
