/* token_bucket.h
 *
 * Limits how often something may happen, without a timer.
 *
 *   tokens  <- rate_per_s * elapsed, at most burst      one event costs one token
 *
 * Units: nanoseconds, tokens. Single thread. Never fails, never allocates.
 * Source: the classic token bucket; the lazy refill follows RFC 2697's committed bucket.
 */
#ifndef HEARTH_TOKEN_BUCKET_H
#define HEARTH_TOKEN_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct token_bucket {
    uint64_t saved_ns; /* tokens, kept as the time it takes to earn them */
    uint64_t refilled_at_ns;
    uint64_t cost_ns;  /* 1e9 / rate: the price of one event; 0: it may never happen */
    uint64_t burst_ns; /* burst * cost_ns: the most that can be saved */
};

/* Starts full. rate_per_s is 0 to 1e9, burst at least 1. Rate 0 grants nothing; nor does a bucket
 * that is all zero. */
void token_bucket_init(struct token_bucket *, uint32_t rate_per_s, uint32_t burst, uint64_t now_ns);

/* Takes one token. False: the event must not happen; the caller counts it. now_ns never runs
 * backwards. */
bool token_bucket_take(struct token_bucket *, uint64_t now_ns);

#endif
