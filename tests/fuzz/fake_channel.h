/* fake_channel.h
 *
 * channel.h without packets: streams are buffers, and the peer is whoever fills them. In place of
 * channel.c, channel_packet.c, ... in a target that fuzzes what lies above a channel.
 *
 *   core --channel_*, stream_*--> struct channel, struct stream <--fake_channel_*, and the fields
 *                                                                  themselves-- the target
 *
 * The streams stand in the pool that the core took memory for; so does what the target sets. A
 * channel opens, hears and goes down when the target says so: it calls config.events as channel.c
 * would. What the core writes is counted against `room` and dropped, but for the first bytes.
 * Single thread.
 */
#ifndef HEARTH_FUZZ_FAKE_CHANNEL_H
#define HEARTH_FUZZ_FAKE_CHANNEL_H

#include "dataplane/rpc/channel.h"

enum { FAKE_STREAM_BUFFER = 48 * 1024, FAKE_STREAM_SEEN = 512 };

struct stream {
    struct channel *channel; /* NULL: free */
    void *user;
    uint64_t id;
    bool has_ended, is_finished, is_stopped;
    uint32_t start, end; /* of what has come */
    uint32_t room;
    uint32_t turn; /* the target's: of records that come as they should */
    uint32_t seen_bytes;
    uint8_t seen[FAKE_STREAM_SEEN]; /* what the core wrote first: of a CALL, its capability */
    uint8_t in[FAKE_STREAM_BUFFER];
};

struct channel {
    struct channel_config config;
    uint8_t state;
    uint64_t next_id[2];
    struct stream control;
};

struct stream_pool {
    struct channel *channel; /* the last one that was made; NULL: none was */
    uint32_t part_bytes;     /* how much of a stream lies contiguous; the target sets it */
    uint32_t count;
    struct stream stream[];
};

/* A stream of the core's, or of the peer's. NULL: the pool is empty. No event. */
struct stream *fake_channel_open_stream(struct channel *, bool is_ours);
/* Bytes come, as many as there is room for. No event. */
void fake_channel_say(struct stream *, const uint8_t *bytes, size_t len);
/* The n-th of those that are open, round and round. NULL: none is. */
struct stream *fake_channel_any_stream(struct channel *, uint32_t n);
/* The peer falls silent. The event tells. */
void fake_channel_take_down(struct channel *);

#endif
