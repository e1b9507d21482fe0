#include "runtime/worker/intake.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/worker/lane.h"

static uint32_t credit(struct intake *in, size_t bytes)
{
    uint32_t owed = in->owed += (uint32_t)bytes;
    if (in->is_ended || (owed < INTAKE_CREDIT_STEP && in->len > 0))
        return 0;
    in->owed = 0;
    return owed;
}

uint32_t intake_put(struct intake *in, const struct lane *l, const struct job_slot *slot)
{
    if (slot->flags & JOB_F_END)
        in->is_ended = true;
    if (in->is_unwanted)
        return credit(in, slot->bytes);
    assert(in->len + slot->bytes <= JOB_CREDIT_INITIAL);
    if (in->len + slot->bytes > in->cap) {
        size_t cap = in->cap ? in->cap : ARENA_CHUNK_BYTES;
        while (cap < in->len + slot->bytes)
            cap *= 2;
        in->bytes = realloc(in->bytes, cap);
        assert(in->bytes);
        in->cap = cap;
    }
    if (slot->bytes) {
        lane_copy(l, slot, in->bytes + in->len);
        in->len += slot->bytes;
    }
    return 0;
}

uint32_t intake_took(struct intake *in, size_t bytes)
{
    assert(bytes <= in->len);
    in->len -= bytes;
    if (in->len && bytes)
        memmove(in->bytes, in->bytes + bytes, in->len);
    return credit(in, bytes);
}

uint32_t intake_discard(struct intake *in)
{
    in->is_unwanted = true;
    return intake_took(in, in->len);
}

bool intake_cut(struct intake *in)
{
    in->is_cut |= !in->is_ended;
    in->is_ended = in->is_unwanted = true;
    return in->is_cut;
}

void intake_fini(struct intake *in)
{
    free(in->bytes);
    *in = (struct intake){0};
}
