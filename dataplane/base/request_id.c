#include "dataplane/base/request_id.h"

#include <string.h>

#include "dataplane/base/siphash.h"

enum { ROUNDS = 4 };

/* What one key is asked for, told apart by the first byte: rounds have their number. */
enum { ASKS_TRACE = 0x80 };

void request_ids_init(struct request_ids *r, const uint64_t secret[2], uint32_t index,
                      uint32_t cores)
{
    static const char label[] = "hearth request ids";
    uint8_t words[16];

    *r = (struct request_ids){.index = index, .cores = cores};
    memcpy(words, secret, sizeof(words));
    /* The words may key other tables: what is derived here says nothing of them. */
    siphash_128(words, label, sizeof(label) - 1, r->key);
}

static uint32_t half(const struct request_ids *r, uint8_t round, uint32_t in)
{
    uint8_t bytes[5] = {round, (uint8_t)in, (uint8_t)(in >> 8), (uint8_t)(in >> 16),
                        (uint8_t)(in >> 24)};

    return (uint32_t)siphash_64(r->key, bytes, sizeof(bytes));
}

uint64_t request_ids_next(struct request_ids *r)
{
    uint64_t number = ++r->count * r->cores + r->index;
    uint32_t left = (uint32_t)(number >> 32), right = (uint32_t)number;

    for (uint8_t round = 0; round < ROUNDS; round++) {
        uint32_t next = left ^ half(r, round, right);

        left = right;
        right = next;
    }
    return (uint64_t)left << 32 | right;
}

void request_ids_trace(const struct request_ids *r, uint64_t id,
                       uint8_t out[REQUEST_ID_TRACE_BYTES])
{
    uint8_t bytes[9] = {ASKS_TRACE};

    memcpy(bytes + 1, &id, sizeof(id));
    siphash_128(r->key, bytes, sizeof(bytes), out);
}
