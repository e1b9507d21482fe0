/* channel_stream_parts.h
 *
 * What the two files of the streams say to each other, and no one else:
 *
 *   channel_stream.c      their memory and ids, what arrives for them, opening and releasing
 *   channel_stream_out.c  what they want to send, what of it went, and what became of it
 */
#ifndef HEARTH_CHANNEL_STREAM_PARTS_H
#define HEARTH_CHANNEL_STREAM_PARTS_H

#include "dataplane/rpc/channel_stream.h"

enum {
    STREAM_FLOOR_CHUNKS = 2, /* each way: a small record is whole wherever in a chunk it begins */
};

/* ---- channel_stream.c ---- */

enum found { FOUND_OPEN, FOUND_OVER, FOUND_NEW, FOUND_REFUSED, FOUND_BAD };

/* By its id. *s is set where the stream is there, with OPEN; NULL or as it was, otherwise. */
enum found stream_find(struct channel *, uint64_t id, struct stream **s);
/* Out of all lists, its bytes and its memory given back. No event. */
void stream_free(struct channel *, struct stream *);
/* Frees it if it is over; else sees to its place among those that want to send. */
void stream_settle(struct channel *, struct stream *);

static inline bool is_received(const struct stream *s)
{
    return s->has_end && (s->is_released || s->rx.next == s->end_at);
}

static inline void assert_owned(const struct channel *c, const struct stream *s)
{
    assert(s->channel == c && !s->is_released);
}

/* ---- channel_stream_out.c ---- */

/* Whatever changes what a stream has to send ends with it: in channel.ready or not. urgent: before
 * the others. */
void stream_update_ready(struct channel *, struct stream *, bool is_urgent);

static inline uint32_t write_end(const struct stream *s)
{
    return s->una + s->tx.bytes;
}

#endif
