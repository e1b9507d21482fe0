#include "dataplane/base/token_bucket.h"

#include <assert.h>

static const uint64_t second_ns = 1000000000;

void token_bucket_init(struct token_bucket *b, uint32_t rate_per_s, uint32_t burst, uint64_t now_ns)
{
    assert(rate_per_s <= second_ns && burst >= 1);

    b->cost_ns = rate_per_s ? second_ns / rate_per_s : 0;
    b->burst_ns = burst * b->cost_ns;
    b->saved_ns = b->burst_ns;
    b->refilled_at_ns = now_ns;
}

bool token_bucket_take(struct token_bucket *b, uint64_t now_ns)
{
    assert(now_ns >= b->refilled_at_ns);

    uint64_t earned_ns = now_ns - b->refilled_at_ns;
    uint64_t room_ns = b->burst_ns - b->saved_ns;

    /* Saved time is the balance itself, so no division is needed on the packet path. */
    b->saved_ns += earned_ns < room_ns ? earned_ns : room_ns;
    b->refilled_at_ns = now_ns;
    if (b->cost_ns == 0 || b->saved_ns < b->cost_ns)
        return false;
    b->saved_ns -= b->cost_ns;
    return true;
}
