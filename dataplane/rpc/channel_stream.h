/* channel_stream.h
 *
 * The streams of one channel: found by id, what arrives for them, what they want to send, and what
 * became of it.
 *
 *   id = generation << 12 | slot          slot 0, generation 0: the control stream, never ends
 *                                         even slots: opened by the node with the lower id; odd: by
 *                                         the other
 *
 * A side that opens takes the slot that was free the longest, and its next generation; so the other
 * finds a stream by one look into a table, and knows from the generation whether a late frame is
 * for a stream that is over (ignored), a new one (opened), or a lie. A slot is used again only when
 * its last stream is over for the side that opens; the other side may still have bytes of it that
 * its owner has not read, and lets go of the slot then (detached).
 *
 *   send:     OPEN --end--> END_DUE --sent--> END_SENT --all acknowledged--> DONE
 *   receive:  until the end is known and every byte before it has come
 *   over:     released by its owner, and both are through; or RESET, which needs no owner and no
 *             answer but its acknowledgement
 *
 * STOP tells the peer that nothing more is read. It answers with its end, wherever it is; what was
 * not sent never is.
 */
#ifndef HEARTH_CHANNEL_STREAM_H
#define HEARTH_CHANNEL_STREAM_H

#include "dataplane/rpc/channel_state.h"

/* What became of a frame. TAKEN: acknowledge it. REFUSED: no memory; it must come again. BAD: the
 * peer broke the protocol. GONE: an event of it closed the channel. */
enum frame_fate { FRAME_TAKEN = 0, FRAME_REFUSED, FRAME_BAD, FRAME_GONE };

/* For a new session: no streams but the control stream. */
void streams_init(struct channel *);
/* Frees all of them. No events. */
void streams_fini(struct channel *);

enum frame_fate stream_take_bytes(struct channel *, const struct frame_stream *);
enum frame_fate stream_take_credit(struct channel *, uint64_t id, uint32_t offset);
enum frame_fate stream_take_reset(struct channel *, uint64_t id, uint8_t code);
enum frame_fate stream_take_stop(struct channel *, uint64_t id);

/* Fills [p, end) from the streams that have something to say, with at most *records frames; writes
 * down each in record[first...] (a ring), and how many in *records. Returns where the frames
 * end. */
uint8_t *streams_write(struct channel *, uint8_t *p, uint8_t *end, uint32_t first,
                       uint32_t *records);

/* RESETs of streams that the peer opened and for which there was no memory. */
uint8_t *streams_write_refused(struct channel *, uint8_t *p, const uint8_t *end);

/* The packet with this frame arrived. False: an event closed the channel. */
bool stream_record_acked(struct channel *, const struct record *);
/* It is taken as lost: what the stream still needs of it is sent again; urgent: before anything
 * else. */
void stream_record_lost(struct channel *, const struct record *, bool is_urgent);

#define STARVED_AGAIN_NS (1000ull * 1000) /* at most so often: */
/* Owners that waited for chunks look again. False: an event closed the channel. */
bool streams_starved(struct channel *, uint64_t now);

#endif
