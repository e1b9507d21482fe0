/* Room for the channels that a growing cluster needs: peers.h tells the story.
 *
 * Nobody ends a channel under the other's hands: a call that was on its way there could not run
 * again if it may not. So both ends agree first, and each keeps its word from the moment that it
 * asks or agrees on:
 *
 *   IN_USE --we ask--> ASKED --YES--> OVER --no streams--> CLOSE, and the slot is free
 *      ^                 |NO
 *      +-----------------+
 *   IN_USE --the peer asks, we have no stream--> GRANTED --its CLOSE--> the slot is free
 *
 * A peer that does not answer for RELEASE_WAIT_MS is taken to have agreed: it is not held to hold
 * on to ours.
 */
#include <assert.h>

#include "dataplane/rpc/peers_parts.h"

enum {
    RELEASE_MS = 250,         /* between two looks */
    RELEASE_WAIT_MS = 2000,   /* for an answer */
    RELEASE_IDLE_MS = 10000,  /* to have some spare, what was in use lately is not given up */
    RELEASE_AGAIN_MS = 10000, /* after a NO */
    SPARE_PART = 32,          /* of all slots are kept free, */
    SPARE_MAX = 16,           /* and that is enough */
};

#define MS 1000000ull

static uint32_t spare(const struct peers *p)
{
    uint32_t part = p->capacity / SPARE_PART;
    return part < SPARE_MAX ? part : SPARE_MAX;
}

/* Slots that should be free, and are not. */
static uint32_t shortage(const struct peers *p)
{
    uint32_t wanted = p->missing + spare(p), free = p->capacity - p->used;
    return wanted > free ? wanted - free : 0;
}

uint64_t peers_release_next_ns(const struct peers *p)
{
    bool is_due = shortage(p) > 0 || p->releasing > 0 || p->missing > 0;
    return is_due && !p->is_gone ? p->release_ns : UINT64_MAX;
}

static uint32_t streams_of(const struct peers_slot *s)
{
    struct channel_stats stats;
    channel_stats(s->channel, &stats);
    return stats.streams;
}

static bool is_idle(const struct peers_slot *s)
{
    return s->is_used && s->is_open && !s->is_always && !s->is_condemned &&
           s->release == RELEASE_IN_USE && !s->is_walking && s->asked == 0 &&
           s->pending_count == 0 && streams_of(s) == 0;
}

static struct peers_slot *idle_longest(struct peers *p, uint64_t now_ns)
{
    uint64_t idle_ns = p->missing ? 0 : RELEASE_IDLE_MS * MS;
    struct peers_slot *found = NULL;
    for (uint32_t i = 0; i < p->capacity; i++) {
        struct peers_slot *s = &p->slot[i];
        if (is_idle(s) && now_ns - s->used_ns >= idle_ns && now_ns >= s->keep_ns &&
            (!found || s->used_ns < found->used_ns))
            found = s;
    }
    return found;
}

static void set_release(struct peers *p, struct peers_slot *s, enum slot_release to)
{
    p->releasing += (to == RELEASE_ASKED || to == RELEASE_OVER);
    p->releasing -= (s->release == RELEASE_ASKED || s->release == RELEASE_OVER);
    s->release = (uint8_t)to;
}

void peers_release_end(struct peers *p, struct peers_slot *s)
{
    set_release(p, s, RELEASE_IN_USE);
}

bool peers_release_heard(struct peers *p, struct peers_slot *s, enum record_release what,
                         uint64_t now_ns)
{
    if (what == RELEASE_ASK) {
        if (is_idle(s))
            set_release(p, s, RELEASE_GRANTED);
        s->wants |= WANT_ANSWER;
        peers_slot_mark(p, s);
        return true;
    }
    if (s->release != RELEASE_ASKED)
        return false;
    set_release(p, s, what == RELEASE_YES ? RELEASE_OVER : RELEASE_IN_USE);
    s->keep_ns = now_ns + RELEASE_AGAIN_MS * MS;
    s->is_condemned = s->release == RELEASE_OVER && streams_of(s) == 0;
    return true;
}

/* What was agreed, and what a silent peer is taken to have agreed, ends when its last stream has.
 * */
static void end_some(struct peers *p, uint64_t now_ns)
{
    for (uint32_t i = 0; i < p->capacity; i++) {
        struct peers_slot *s = &p->slot[i];
        bool is_silent =
            s->release == RELEASE_ASKED && now_ns - s->release_ns >= RELEASE_WAIT_MS * MS;
        if (!s->is_used || (s->release != RELEASE_OVER && !is_silent) || streams_of(s) > 0)
            continue;
        set_release(p, s, RELEASE_OVER);
        peers_slot_drop(p, s);
    }
}

void peers_release_run(struct peers *p, uint64_t now_ns)
{
    if (now_ns < peers_release_next_ns(p))
        return;
    p->release_ns = now_ns + RELEASE_MS * MS;
    if (p->releasing > 0)
        end_some(p, now_ns);
    if (p->missing > 0 && p->free_slot != SLOT_NONE)
        peers_slots_fill(p);
    for (uint32_t due = shortage(p); due > p->releasing;) {
        struct peers_slot *s = idle_longest(p, now_ns);
        if (!s)
            break;
        set_release(p, s, RELEASE_ASKED);
        s->release_ns = now_ns;
        s->wants |= WANT_ASK;
        peers_slot_mark(p, s);
    }
}
