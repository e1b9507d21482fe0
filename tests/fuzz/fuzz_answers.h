/* fuzz_answers.h: first messages of a server, for what is fuzzed without one: a HelloRetryRequest
 * for X25519, ServerHellos of TLS 1.3 and 1.2. */
#ifndef HEARTH_FUZZ_ANSWERS_H
#define HEARTH_FUZZ_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

struct fuzz_answer {
    size_t len;
    uint8_t bytes[64];
};

#define FUZZ_HELLO_HEADER(len) 22, 3, 3, 0, len, 2, 0, 0, (len)-4, 3, 3
#define FUZZ_RETRY_RANDOM                                                                          \
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8,      \
        0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8,  \
        0x33, 0x9c
/* behind the random: no session id, suite, compression, extensions supported_versions and
 * key_share's group */
#define FUZZ_TLS13 0, 0x13, 1, 0, 0, 12, 0, 43, 0, 2, 3, 4, 0, 51, 0, 2, 0, 29

static const struct fuzz_answer fuzz_answers[] = {
    {11 + 32 + 18, {FUZZ_HELLO_HEADER(56), FUZZ_RETRY_RANDOM, FUZZ_TLS13}},
    {11 + 32 + 18, {FUZZ_HELLO_HEADER(56), [43] = FUZZ_TLS13}},
    {11 + 32 + 4, {FUZZ_HELLO_HEADER(42), [44] = 0xc0, 0x2f, 0}},
};

#endif
