/* link_end.h: what a test says and hears as the cell at the end of a link. */
#ifndef HEARTH_TEST_LINK_END_H
#define HEARTH_TEST_LINK_END_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/dataplane/call/link_rig.h"

enum { NOW_NS = 1000000 };

/* The runtime's next message from hearthd, or type JOB_NONE. */
static inline struct job_slot end_receive(struct link_rig *r)
{
    struct job_slot s = {0};
    job_link_flush(&r->link);
    if (job_consumer_pop(&r->down, &s) != JOB_RING_OK)
        return (struct job_slot){.type = JOB_NONE};
    job_consumer_release(&r->down);
    return s;
}

static inline struct job_slot end_reply_to(const struct job_slot *start, enum job_type type,
                                           uint8_t flags)
{
    return (struct job_slot){
        .type = (uint8_t)type, .flags = flags, .job = start->job, .generation = start->generation};
}

static inline void end_fill(struct link_rig *r, struct job_slot *s, const char *bytes, size_t len)
{
    s->bytes = (uint32_t)len;
    while (len > 0) {
        size_t part = len < ARENA_CHUNK_BYTES ? len : ARENA_CHUNK_BYTES;
        uint32_t chunk = arena_take(&r->arena_up);
        assert_int_not_equal(chunk, ARENA_NONE);
        memcpy(arena_bytes(&r->arena_up, chunk), bytes, part);
        s->chunk[s->chunk_count++] = chunk;
        bytes += part;
        len -= part;
    }
}

static inline void end_send(struct link_rig *r, const struct job_slot *s)
{
    assert_true(job_producer_push(&r->up, s));
    job_producer_publish(&r->up);
}

static inline void end_send_head(struct link_rig *r, const struct job_slot *start, uint8_t flags)
{
    struct job_slot head = end_reply_to(start, JOB_HEAD, flags);
    end_fill(r, &head, "head", 4);
    end_send(r, &head);
}

#endif
