/* request_id.h
 *
 * Numbers for requests and spans that nobody guesses: a keyed permutation of a counter.
 *
 *   count * cores + index --4 rounds of Feistel, SipHash-2-4 under the key--> id
 *
 * Unique in a node while its cores have one key and an index each; who has seen any number of them
 * knows nothing of the others, for an id is what `hearthctl why` and log lines are asked by, and a
 * script sees its own.
 *
 * Never fails, never allocates. Each core has its own. Source: Luby and Rackoff, "How to construct
 * pseudorandom permutations from pseudorandom functions", 1988.
 *
 * Rejected: a fixed mix of seed and counter: whoever has one id has all of them. SipHash of the
 * counter alone: it repeats after some 2^32 requests.
 */
#ifndef HEARTH_REQUEST_ID_H
#define HEARTH_REQUEST_ID_H

#include <stdint.h>

enum { REQUEST_ID_KEY_BYTES = 16, REQUEST_ID_TRACE_BYTES = 16 };

struct request_ids {
    uint8_t key[REQUEST_ID_KEY_BYTES];
    uint64_t count; /* given so far */
    uint32_t index, cores;
};

/* secret: the same for all cores of a node, of this start. index: of the core, below cores. */
void request_ids_init(struct request_ids *, const uint64_t secret[2], uint32_t index,
                      uint32_t cores);
uint64_t request_ids_next(struct request_ids *);
/* A trace id for that request, of which the request id cannot be told. */
void request_ids_trace(const struct request_ids *, uint64_t id,
                       uint8_t out[REQUEST_ID_TRACE_BYTES]);

#endif
