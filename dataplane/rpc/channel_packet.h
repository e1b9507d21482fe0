/* channel_packet.h
 *
 * The bytes of a channel: headers of its three datagrams, the frames in a data packet, their
 * protection, and the window of numbers that were received. Knows nothing of streams or of time.
 *
 *   init      | 1 | zero 24 | sender index 32 | noise init: node id 64, core 16, to core 16 sealed
 *             in it | seal 128 |
 *   response  | 2 | zero 24 | sender index 32 | receiver index 32 | noise response: both indices
 *             sealed in it |
 *   data      | 3 | phase 8 | session 16 | receiver index 32 | number 64 | sealed frames | tag 128
 *
 *   PAD      00                                          the rest of the packet is padding
 *   PING     01                                          wants an acknowledgement
 *   ACK      02 | n 8 | delay us 16 | largest 32 | below 16 | n * { missing 16 | below 16 }
 *            largest and `below` under it; then, for each range, `missing` numbers that are not
 *            acknowledged, one that is, `below` under it
 *   CREDIT   03 | id 48 | offset 32                      bytes up to here may be sent
 *   RESET    04 | id 48 | code 8                         both directions are given up
 *   STOP     05 | id 48                                  the sender reads no more
 *   CLOSE    06                                          the channel ends
 *   STREAM   1f | bytes 16 | id 48 | [offset 32] | bytes
 *            f: 1 the end is behind these bytes, 2 an offset follows (else 0)
 *
 * Integers are big-endian. Offsets and largest are the low 32 bits: what they are compared with is
 * nearer than 2^31. A stream's id is generation << 12 | slot; see channel_stream.h.
 *
 * Keys. Nonce: zero 32 | number 64; numbers start at 1, never repeat in a session, and go on over a
 * change of key. The next key of a direction is REKEY of Noise: 32 zero bytes sealed under the
 * number 2^64 - 1, which no packet has. So no raw key is kept, and an old key cannot be computed
 * from a new one.
 *
 * Seal of an init: SipHash-2-4-128 of all that stands before it, with a key of the receiver's
 * (noise_seal_key). It proves that a member has made the init, not that one sent it: whoever has
 * seen an init can send it again.
 *
 * Sources: The Noise Protocol Framework, revision 34, sections 4.2 and 11.3; RFC 6479 for the
 * window's shape.
 */
#ifndef HEARTH_CHANNEL_PACKET_H
#define HEARTH_CHANNEL_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/rpc/channel.h"

enum {
    INIT_HEADER_BYTES = 8,
    INIT_PAYLOAD_BYTES = 12,
    INIT_SEAL_BYTES = 16,
    INIT_SEALED_BYTES = INIT_HEADER_BYTES + NOISE_INIT_BYTES + INIT_PAYLOAD_BYTES,
    INIT_BYTES = INIT_SEALED_BYTES + INIT_SEAL_BYTES,
    RESPONSE_HEADER_BYTES = 12,
    RESPONSE_PAYLOAD_BYTES = 8,
    RESPONSE_BYTES = RESPONSE_HEADER_BYTES + NOISE_RESPONSE_BYTES + RESPONSE_PAYLOAD_BYTES,
    DATA_HEADER_BYTES = 16,
    DATA_OVERHEAD_BYTES = DATA_HEADER_BYTES + AEAD_TAG_BYTES,
    DATA_BYTES_MIN = DATA_OVERHEAD_BYTES + 1,
};

static_assert(INIT_BYTES == 1 + 3 + 4 + 32 + (32 + 16) + (8 + 2 + 2 + 16) + 16, "init");
static_assert(RESPONSE_BYTES == 1 + 3 + 4 + 4 + 32 + (4 + 4 + 16), "response");
static_assert(DATA_HEADER_BYTES == 1 + 1 + 2 + 4 + 8, "data");

enum frame_type {
    FRAME_PAD = 0,
    FRAME_PING,
    FRAME_ACK,
    FRAME_CREDIT,
    FRAME_RESET,
    FRAME_STOP,
    FRAME_CLOSE,
    FRAME_STREAM = 0x10,
};

enum { FRAME_STREAM_FIN = 1, FRAME_STREAM_OFFSET = 2 };

enum {
    FRAME_ACK_BYTES = 10,
    FRAME_ACK_RANGE_BYTES = 4,
    FRAME_CREDIT_BYTES = 11,
    FRAME_RESET_BYTES = 8,
    FRAME_STOP_BYTES = 7,
    FRAME_STREAM_BYTES = 9,
    FRAME_STREAM_OFFSET_BYTES = 4,
    ACK_RANGES_MAX = 32, /* beyond the first */
};

/* The seal of an init of which the first INIT_SEALED_BYTES stand there. */
void init_seal(uint8_t seal[INIT_SEAL_BYTES], const uint8_t key[NOISE_SEAL_KEY_BYTES],
               const uint8_t *bytes);

/* ---- integers ---- */

static inline uint8_t *put_u16(uint8_t *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, 2);
    return p + 2;
}

static inline uint8_t *put_u32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
    return p + 4;
}

static inline uint8_t *put_u48(uint8_t *p, uint64_t v)
{
    return put_u32(put_u16(p, (uint16_t)(v >> 32)), (uint32_t)v);
}

static inline uint8_t *put_u64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, 8);
    return p + 8;
}

static inline uint64_t get_u64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}

static inline uint32_t get_u32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}

static inline uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* A length-checked walk over a packet's frames; bad sticks. */
struct frame_reader {
    const uint8_t *p, *end;
    bool bad;
};

/* The next n bytes, or NULL. */
static inline const uint8_t *read_bytes(struct frame_reader *r, size_t n)
{
    const uint8_t *at = r->p;

    if ((size_t)(r->end - at) < n) {
        r->bad = true;
        r->p = r->end;
        return NULL;
    }
    r->p = at + n;
    return at;
}

static inline uint64_t get_u48(const uint8_t *p)
{
    return (uint64_t)get_u16(p) << 32 | get_u32(p + 2);
}

/* ---- frames ---- */

struct number_range { /* both included */
    uint64_t low, high;
};

struct frame_ack {
    uint16_t delay_us;
    uint8_t range_count;
    struct number_range range[1 + ACK_RANGES_MAX]; /* downwards, apart */
};

struct frame_stream {
    uint64_t id;
    uint32_t offset, bytes;
    bool is_end;
    const uint8_t *data;
};

/* Behind the type. next: the first number that was not sent; a peer that acknowledges it, or says
 * nonsense, makes r bad. */
void frame_read_ack(struct frame_reader *, uint64_t next, struct frame_ack *);
void frame_read_stream(struct frame_reader *, uint8_t type, struct frame_stream *);

static inline uint32_t frame_stream_header_bytes(uint32_t offset)
{
    return FRAME_STREAM_BYTES + (offset != 0 ? FRAME_STREAM_OFFSET_BYTES : 0);
}
/* The header; returns where the data goes. */
static inline uint8_t *frame_write_stream(uint8_t *p, uint64_t id, uint32_t offset, uint32_t bytes,
                                          bool is_end)
{
    *p++ = (uint8_t)(FRAME_STREAM | (is_end ? FRAME_STREAM_FIN : 0) |
                     (offset != 0 ? FRAME_STREAM_OFFSET : 0));
    p = put_u16(p, (uint16_t)bytes);
    p = put_u48(p, id);
    return offset != 0 ? put_u32(p, offset) : p;
}

/* ---- numbers received ---- */

enum { WINDOW_WORDS = CHANNEL_REPLAY_PACKETS / 64 };

/* seen: authenticated, never accepted again. taken: all its frames were, so that it is
 * acknowledged. */
struct number_window {
    uint64_t top;   /* the highest number seen; 0: none */
    uint64_t floor; /* the peer knows all there is to know up to here */
    uint64_t seen[WINDOW_WORDS], taken[WINDOW_WORDS];
};

/* False: seen before, or too old. */
bool window_is_new(const struct number_window *, uint64_t number);
void window_see(struct number_window *, uint64_t number);
void window_take(struct number_window *, uint64_t number);
/* Writes an ACK of what was taken above the floor; returns its end, p if there is nothing to say or
 * no room. *is_whole: every range was told, so that its acknowledgement lets the floor rise to
 * *largest. */
uint8_t *window_write_ack(const struct number_window *, uint8_t *p, const uint8_t *end,
                          uint16_t delay_us, uint64_t *largest, bool *is_whole);

/* ---- protection ---- */

struct packet_keys {
    struct aead_key send, receive, receive_before;
    uint32_t index;   /* the peer's: what our packets carry */
    uint16_t session; /* of the handshake's hash: tells the packets of two sessions apart */
    uint8_t send_phase, receive_phase;
    bool has_before;
};

struct packet_header {
    uint8_t phase;
    uint16_t session;
    uint64_t number;
};

void packet_keys_init(struct packet_keys *, const struct noise_keys *, uint32_t peer_index);
void packet_keys_wipe(struct packet_keys *);
void packet_keys_advance_send(struct packet_keys *);

static inline uint16_t packet_session(const struct noise_keys *keys)
{
    return get_u16(keys->hash);
}

/* Of a datagram that datagram_peek called DATA. */
struct packet_header packet_read_header(const uint8_t *bytes);

/* bytes: room for the header, frames_bytes of frames, room for the tag. Returns the whole. */
size_t packet_seal(const struct packet_keys *, uint8_t *bytes, size_t frames_bytes,
                   uint64_t number);

/* Decrypts in place; follows the peer's change of key. False: it does not authenticate. */
bool packet_open(struct packet_keys *, uint8_t *bytes, size_t len, const struct packet_header *);

#endif
