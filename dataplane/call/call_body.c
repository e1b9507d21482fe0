#include <assert.h>

#include "dataplane/base/mutant.h"
#include "dataplane/call/call_state.h"
#include "dataplane/core_state.h"
#include "dataplane/world/world.h"

enum { KEEP_CHUNKS = 40 }; /* a piece of body, kept and in a stream */

/* ---- what is kept ---- */

static void keep_no_more(struct core *core, struct call *c)
{
    byte_queue_clear(&c->head, &core->chunks);
    if (!c->keeps)
        return;
    c->keeps = false;
    byte_queue_consume(&c->kept, &core->chunks, c->fed);
    c->fed = 0;
}

/* Bytes that may be needed again are kept; the others go. */
void call_review_kept(struct core *core, struct call *c)
{
    bool may_rerun = (c->is_idempotent || c->body_complete) &&
                     (!c->has_head || MUTANT(RERUN_ANSWERED)) && !c->was_rerun &&
                     c->body_total <= core->world->tune.optimistic_bytes;
    bool is_awaited =
        c->state == CALL_PLACE || (c->state == CALL_SENT && !MUTANT(KEPT_DROPPED_EARLY));
    if (!is_awaited && !(may_rerun && c->keeps))
        keep_no_more(core, c);
}

/* ---- body, to where it runs ---- */

static size_t room_there(struct core *core, struct call *c)
{
    if (c->state == CALL_LOCAL)
        return job_link_body_room(call_link(core, c), c->job);
    return call_is_remote(c) ? call_remote_room(core, c) : 0;
}

/* False: the end found no room. */
static bool give_there(struct core *core, struct call *c, const uint8_t *bytes, size_t len,
                       bool is_end)
{
    if (c->state != CALL_LOCAL)
        return call_write_body(core, c, bytes, len, is_end);
    bool ended;
    size_t taken = job_link_body(call_link(core, c), c->job, bytes, len, is_end, &ended);
    assert(taken == len);
    return ended || !is_end;
}

/* Kept bytes, and the end of the body, as far as there is room. */
void call_feed(struct core *core, struct call *c)
{
    if (c->state != CALL_LOCAL && !call_is_remote(c))
        return;
    while (call_is_replaying(c)) {
        size_t room = room_there(core, c), len = c->kept.bytes - c->fed;
        if (len > room)
            len = room;
        if (len > sizeof(core->calls->piece))
            len = sizeof(core->calls->piece);
        if (len == 0)
            break;
        byte_queue_copy(&c->kept, c->fed, core->calls->piece, len);
        give_there(core, c, core->calls->piece, len, false);
        if (c->keeps)
            c->fed += (uint32_t)len;
        else
            byte_queue_consume(&c->kept, &core->chunks, (uint32_t)len);
    }
    if (c->has_body && c->body_complete && !c->end_told && !call_is_replaying(c))
        c->end_told = give_there(core, c, NULL, 0, true);
    if (call_is_replaying(c) || (c->has_body && c->body_complete && !c->end_told))
        call_wait(core, c, core->now_ns + CALL_SHORT_NS);
}

/* No room, and nobody but us will notice when there is. */
static bool is_short(struct core *core, struct call *c)
{
    bool has_room = !c->keeps || chunk_room(&core->chunks, &(struct chunk_account){0},
                                            CHUNK_BEGINS) >= KEEP_CHUNKS;
    /* That it could run again is a luxury: calls that keep what they have, and wait for more, would
     * wait for each other. */
    if (!has_room && (c->state == CALL_LOCAL || c->state == CALL_REMOTE)) {
        keep_no_more(core, c);
        has_room = true;
    }
    return !has_room || (c->state == CALL_LOCAL && job_link_is_short(call_link(core, c)));
}

size_t call_body_room(struct core *core, struct call_ref ref)
{
    struct call *c = call_find(core, ref);
    if (!c || c->body_complete || call_is_replaying(c))
        return 0;
    if (is_short(core, c)) {
        call_wait(core, c, core->now_ns + CALL_SHORT_NS);
        return 0;
    }
    return room_there(core, c);
}

void call_body(struct core *core, struct call_ref ref, const uint8_t *bytes, size_t len,
               bool is_end)
{
    struct call *c = call_find(core, ref);
    assert(c && c->has_body && !c->body_complete && (len == 0 || len <= room_there(core, c)));
    c->body_total += len;
    c->body_complete = is_end;
    c->moved_ns = core->now_ns;
    budget_moved(&c->budget, core->now_ns);
    if (is_end)
        call_end_upload(core, c);
    /* First there: a stream's room is what the pool has above its reserve. What is kept may take of
     * the reserve. */
    if (len > 0)
        c->end_told = give_there(core, c, bytes, len, is_end) && is_end;
    if (c->keeps && len > 0) {
        size_t kept = byte_queue_append(&c->kept, &core->chunks, bytes, len);
        assert(kept == len);
        c->fed += (uint32_t)len;
    }
    call_review_kept(core, c);
    if (is_end && !c->end_told)
        call_feed(core, c);
}

void call_on_room(struct core *core, struct call *c)
{
    call_feed(core, c);
    if (!c->body_complete && !call_is_replaying(c))
        c->events->credit(core, c->owner);
}
