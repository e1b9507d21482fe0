#include "runtime/worker/intake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/job.h"

static uint32_t credit(struct intake *in, size_t bytes)
{
    uint32_t owed = in->owed += (uint32_t)bytes;
    if (in->is_ended || owed < INTAKE_CREDIT_STEP)
        return 0;
    in->owed = 0;
    return owed;
}

uint8_t *intake_room(struct intake *in, size_t bytes)
{
    if (in->is_unwanted)
        return NULL;
    assert(in->len + bytes <= JOB_CREDIT_INITIAL);
    if (in->len + bytes > in->cap) {
        size_t cap = in->cap ? in->cap : ARENA_CHUNK_BYTES;
        while (cap < in->len + bytes)
            cap *= 2;
        in->bytes = realloc(in->bytes, cap);
        assert(in->bytes);
        in->cap = cap;
    }
    return in->bytes + in->len;
}

uint32_t intake_put(struct intake *in, size_t bytes, bool is_end)
{
    in->is_ended |= is_end;
    if (in->is_unwanted)
        return credit(in, bytes);
    in->len += bytes;
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
