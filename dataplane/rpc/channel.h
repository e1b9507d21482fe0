/* channel.h
 *
 * A protected, reliable connection between one dp core here and one dp core of another node, over
 * UDP: a Noise handshake (noise.h), then numbered AEAD packets that carry many independent streams.
 * Sans-I/O, like TCP.
 *
 *   stream_write --> [ send queue ] --+                        +--> [ reassembly ] --> stream_peek,
 *                                     |                        |                  stream_consume
 *   stream_write --> [ send queue ] --+- packets, acks, loss --+--> [ reassembly ] --> ...
 *                                     (a lost packet delays only the streams with bytes in it)
 *
 *   CLOSED    awaits channel_connect, or a peer's init
 *   INIT      awaits the response to our init (sent again with backoff)
 *   RESPONDED awaits the first packet under the new keys: it proves that the init was not a replay.
 *             An older session goes on meanwhile; RESPONDED never takes the channel down
 *   OPEN      awaits everything else; silence for channel_config.silence_ns, or a peer that starts
 *             anew, closes it
 *
 * Datagrams. Integers big-endian.
 *   init       u8 1 | u24 zero | u32 sender index | noise init (payload: sender's node id, core) |
 *              seal 16
 *   response   u8 2 | u24 zero | u32 sender index | u32 receiver index | noise response
 *   data       u8 3 | u8 key phase | u16 session | u32 receiver index | u64 number |
 *              sealed frames | tag 16
 * All of the header is authenticated (AAD). Frames in data packets (layouts in channel_packet.h):
 *   STREAM{id, offset, fin, bytes}  ACK{ranges, delay}  CREDIT{id, offset}  RESET{id, code}
 *   STOP{id}  PING{}  CLOSE{}  PAD{}
 *
 * Streams are opened by either side (ids: even ones by the node with the lower id, odd ones by the
 * other), and end in both directions independently. Stream CHANNEL_CONTROL exists on both sides
 * while the channel is open.
 *
 * Keys: AES-256-GCM by drivers/aead.h, nonce from the packet number. A sender changes its key
 * (phase + 1, key = Noise's REKEY of the old) after CHANNEL_REKEY_PACKETS or CHANNEL_REKEY_NS; a
 * receiver keeps the previous one for late packets. A replay window of CHANNEL_REPLAY_PACKETS
 * packets; older numbers are refused.
 *
 * Loss: packet threshold 3 and time threshold 9/8 rtt, probe timeout with backoff (RFC 9002);
 * congestion control by tcp_cc.h; pacing at 1.25 cwnd per srtt. Bytes of lost packets are sent
 * again in new packets.
 *
 * Flow control: a stream may have CHANNEL_STREAM_WINDOW bytes beyond what its reader has consumed.
 * Memory is the core's chunk pool (chunk.h): each stream has a small floor each way, and shared
 * chunks beyond. When they run short, early bytes are refused (not acknowledged) before bytes in
 * order, and those before none can be sent. A reader that needs many bytes at once says so
 * (stream_expect).
 *
 * Path MTU: starts at CHANNEL_DATAGRAM_MIN, is raised by padded probes up to what the caller
 * allows, falls back when probes or large packets vanish (RFC 8899).
 *
 * Anything that does not authenticate is dropped and counted, and changes nothing. Validation is
 * from cheap to expensive: an init is sealed, or nothing is computed for it; then handshakes are
 * opened at most CHANNEL_HANDSHAKES_PER_S times a second, of each member at most
 * CHANNEL_HANDSHAKES_OF_MEMBER_PER_S times (token buckets of the caller: peers.c).
 *
 * Thread: the core. Memory: struct channel is the caller's; streams come from the caller's pool.
 * Never allocates.
 * Sources: RFC 9000 and 9002 for the shape of streams, acknowledgements and recovery; WireGuard
 * (Donenfeld 2017) for the handshake's.
 *
 * Rejected: a new session that replaces the old one at the handshake. As it does so at the first
 * packet under its keys, a replayed init cannot take a channel down, and no clock is needed against
 * replays.
 */
#ifndef HEARTH_CHANNEL_H
#define HEARTH_CHANNEL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/base/chunk.h"
#include "dataplane/base/counters.h"
#include "dataplane/rpc/noise.h"
#include "dataplane/tcp/tcp_cc.h"
#include "dataplane/tcp/tcp_rx.h"
#include "drivers/aead.h"

enum {
    CHANNEL_DATAGRAM_MIN = 1200, /* UDP payload that every path is taken to carry */
    CHANNEL_DATAGRAM_MAX = 8952, /* jumbo frames */
    CHANNEL_STREAM_WINDOW = 128 * 1024,
    /* Bytes that one stream's sender may hold: a CALL with its head and the optimistic body. */
    CHANNEL_STREAM_BUFFER = 192 * 1024,
    CHANNEL_STREAMS_MAX = 4096,   /* of one channel, both sides' */
    CHANNEL_CONTROL = 0,          /* user-visible id of the control stream */
    CHANNEL_IN_FLIGHT_MAX = 1024, /* packets without an acknowledgement; a power of two */
    CHANNEL_REPLAY_PACKETS = 2048,
    CHANNEL_HANDSHAKES_PER_S = 200,
    CHANNEL_HANDSHAKES_OF_MEMBER_PER_S = 20,
    CHANNEL_HANDSHAKES_OF_MEMBER_BURST = 64, /* twice its cores may start at once */
    CHANNEL_INIT_RETRY_MS = 50,              /* doubling to 1 s */
};
#define CHANNEL_REKEY_PACKETS (1ull << 28)
#define CHANNEL_REKEY_NS      (120ull * 1000000000)

enum channel_state { CHANNEL_CLOSED = 0, CHANNEL_INIT, CHANNEL_OPEN };

enum channel_down { CHANNEL_SILENT = 1, CHANNEL_RESTARTED, CHANNEL_MISBEHAVED, CHANNEL_DROPPED };

enum stream_reset { STREAM_CANCELLED = 1, STREAM_REFUSED, STREAM_BROKEN };

struct channel;
struct stream;

/* Calls to the owner, from channel_input and channel_timeout only. A stream handle is good until
 * its `reset`, or until the owner releases or resets it. In `up` the control stream can be written.
 * After `down` all streams are gone without further calls (the owner walks its own books). Every
 * call on the channel and its streams is allowed in them, but channel_init, channel_fini,
 * channel_accept, channel_input, channel_output and channel_timeout. */
struct channel_events {
    void (*up)(void *arg, struct channel *);
    void (*down)(void *arg, struct channel *, enum channel_down);
    /* The peer opened one. The owner sets stream->user. */
    void (*opened)(void *arg, struct channel *, struct stream *);
    /* There are new bytes, or the end. */
    void (*readable)(void *arg, struct channel *, struct stream *);
    /* There is room for a quarter of CHANNEL_STREAM_BUFFER again, after there was not or after
     * stream_write took less than it was given. Also when the peer reads no more: see
     * stream_is_stopped. */
    void (*writable)(void *arg, struct channel *, struct stream *);
    /* The peer gave it up, or had no memory for it (STREAM_REFUSED): the handle is gone with this
     * call. */
    void (*reset)(void *arg, struct channel *, struct stream *, enum stream_reset);
};

struct stream_pool; /* channel_stream.c: struct streams of a core, shared by its channels */

struct channel_config {
    void *arg;
    const struct channel_events *events;
    struct chunk_pool *chunks;
    struct stream_pool *streams;
    struct counters *counters;
    const struct noise_identity *identity;
    const uint8_t *secret;    /* 32 bytes, shared by all members */
    uint64_t own_id, peer_id; /* hashes of the nodes' names */
    uint16_t own_core, peer_core;
    uint8_t peer_key[NOISE_KEY_BYTES];
    uint32_t index; /* ours: what the peer puts into its packets; not 0 */
    uint16_t
        datagram_bytes_max; /* UDP payload that the port carries; at most CHANNEL_DATAGRAM_MAX */
    uint64_t silence_ns;    /* nothing heard for so long: down. PINGs go out after a fifth of it */
    uint64_t rekey_packets, rekey_ns; /* 0: CHANNEL_REKEY_PACKETS, CHANNEL_REKEY_NS */
    void (*random)(void *arg, void *out,
                   size_t bytes); /* secret-grade in production, seeded in simulation */
    void *random_arg;
};

enum { CHANNEL_ALIGN = 64 }; /* of a channel's memory */

/* sizeof(struct channel) is channel.c's own business. A multiple of CHANNEL_ALIGN. */
size_t channel_bytes(void);
/* The config is copied; own_id and peer_id differ. */
void channel_init(struct channel *, const struct channel_config *, uint64_t now_ns);
/* Wipes keys, frees streams and chunks; no events. The peer is told nothing: see channel_close. */
void channel_fini(struct channel *);

enum channel_state channel_state(const struct channel *);
const struct channel_config *channel_config(const struct channel *);

/* Starts a handshake unless one is under way or the channel is open. */
void channel_connect(struct channel *, uint64_t now_ns);
/* Gives the channel up: streams are gone, a handshake ends, no event. If it was open, the next
 * channel_output says good-bye: the peer sees CHANNEL_DROPPED if that arrives, else silence. Good
 * in events too. */
void channel_close(struct channel *, uint64_t now_ns);

/* ---- datagrams ---- */

enum datagram_kind { DATAGRAM_BAD = 0, DATAGRAM_INIT, DATAGRAM_RESPONSE, DATAGRAM_DATA };
/* What it claims to be, by length and header alone; *receiver_index (0 for an init) says which
 * channel. */
enum datagram_kind datagram_peek(const uint8_t *bytes, size_t len, uint32_t *receiver_index);

/* Of a datagram that datagram_peek called an INIT: was it made by somebody who knows the secret,
 * for the node of that key (noise_seal_key)? A thousandth of what opening it costs: to be asked
 * before a stranger can spend the budget for that. */
bool datagram_is_sealed(const uint8_t key[NOISE_SEAL_KEY_BYTES], const uint8_t *bytes, size_t len);

/* Who sent an init: opens it with our identity. False: is not sealed or does not authenticate
 * (counted by the caller). The state goes to channel_accept, or noise_fini. */
struct datagram_init {
    struct noise noise;
    uint8_t static_key[NOISE_KEY_BYTES];
    uint64_t node_id;
    uint16_t core;    /* the sender's */
    uint16_t to_core; /* whom it is meant for */
    uint32_t sender_index;
};
bool datagram_open_init(struct datagram_init *, const struct noise_identity *,
                        const uint8_t secret[32], const uint8_t *bytes, size_t len);
/* The init was this peer's (key and node_id were compared by the caller): answers with the next
 * channel_output, unless it is a copy of the init that opened this session. When both ends sent
 * inits, that of the lower node id wins: the other end's is ignored here, and ours goes unanswered
 * there. Ends the state in datagram_init. */
void channel_accept(struct channel *, struct datagram_init *, uint64_t now_ns);

/* What became of a datagram; the owner counts it. */
enum channel_result {
    CHANNEL_TAKEN = 0,   /* rx_rpc */
    CHANNEL_REFUSED_BAD, /* drop_rpc_bad: neither RESPONSE nor DATA */
    /* drop_rpc_index: the channel is closed, or has another session by now */
    CHANNEL_REFUSED_NO_SESSION,
    CHANNEL_REFUSED_AUTH,   /* drop_rpc_auth */
    CHANNEL_REFUSED_REPLAY, /* drop_rpc_replay */
};

/* A RESPONSE or DATA datagram for this channel. *bytes is decrypted in place. Refused ones change
 * nothing. */
enum channel_result channel_input(struct channel *, uint8_t *bytes, size_t len, uint64_t now_ns);

/* Builds the next datagram to send now, at most cap bytes (cap is at least CHANNEL_DATAGRAM_MIN,
 * and should be config.datagram_bytes_max); 0: nothing, or pacing and the congestion window say
 * wait. */
size_t channel_output(struct channel *, uint8_t *out, size_t cap, uint64_t now_ns);
/* Is there something that channel_output would send now? Cheap: the owner asks after each call that
 * may have made it so. */
bool channel_has_output(const struct channel *, uint64_t now_ns);

/* When channel_timeout is due; UINT64_MAX: never. */
uint64_t channel_deadline(const struct channel *);
void channel_timeout(struct channel *, uint64_t now_ns);

/* ---- streams; all of them end with the channel ---- */

/* NULL: the channel is not open, or has CHANNEL_STREAMS_MAX, or no stream is free, or there are no
 * chunks for its floors. */
struct stream *channel_open_stream(struct channel *, void *user);
struct stream *channel_control(struct channel *); /* NULL: not open */

void *stream_user(const struct stream *);
void stream_set_user(struct stream *, void *user);
uint64_t stream_id(const struct stream *);
/* A stream that the peer opened and the owner has not released; NULL: none of that id. */
struct stream *channel_peer_stream(struct channel *, uint64_t id);

/* Bytes that stream_write is sure to take now. */
size_t stream_room(struct channel *, struct stream *);
/* Sees to it that stream_write takes so many bytes now; the chunks are given back as they are
 * acknowledged. False: there are not so many. */
bool stream_set_aside(struct channel *, struct stream *, size_t bytes);
/* Takes up to len bytes; returns how many. */
size_t stream_write(struct channel *, struct stream *, const void *bytes, size_t len);
/* Nothing follows what was written. */
void stream_end(struct channel *, struct stream *);

/* A view of received bytes at offset: *len is what lies contiguous there; 0 at the end of what has
 * come. */
const uint8_t *stream_peek(struct stream *, uint32_t offset, size_t *len);
size_t stream_available(const struct stream *); /* bytes in order and not consumed */
/* Copies len bytes from offset on, which have come. */
static inline void stream_copy(struct stream *s, uint32_t offset, uint8_t *out, size_t len)
{
    while (len > 0) {
        size_t part;
        const uint8_t *at = stream_peek(s, offset, &part);
        assert(at && part > 0);
        if (part > len)
            part = len;
        memcpy(out, at, part);
        out += part;
        offset += (uint32_t)part;
        len -= part;
    }
}
void stream_consume(struct channel *, struct stream *, uint32_t bytes);
/* Nothing will be consumed until that many bytes are available: they are sure to find room. Holds
 * until the next stream_consume. False: there are not so many chunks, and waiting for them could be
 * for ever. */
bool stream_expect(struct channel *, struct stream *, uint32_t bytes);
/* The peer ended it and everything was consumed. */
bool stream_is_ended(const struct stream *);
/* The peer ended it and all of it is here, consumed or not: what is missing will never come. */
bool stream_is_complete(const struct stream *);
/* Every byte that was written, and the end if it was said, has been acknowledged. */
bool stream_is_delivered(const struct stream *);
/* The peer reads no more: what is written is taken, and goes nowhere. */
bool stream_is_stopped(const struct stream *);

/* The owner is done with it. What was written is still delivered if the stream was ended, else it
 * is reset; what still comes is dropped, and the peer is told that nothing more is wanted. The
 * handle is gone. Not for the control stream. */
void stream_release(struct channel *, struct stream *);
/* Gives both directions up at once. The handle is gone. */
void stream_reset(struct channel *, struct stream *, enum stream_reset);

struct channel_stats {
    uint64_t rx_datagrams, tx_datagrams, lost_packets, retransmitted_bytes, rekeys;
    uint32_t srtt_us, rtt_min_us, cwnd, in_flight_bytes, streams;
    uint16_t datagram_bytes; /* what the path is believed to carry */
};
void channel_stats(const struct channel *, struct channel_stats *);

/* ---- memory ---- */

/* Aligned to 8; at most 2^24 - 2 streams. */
size_t stream_pool_bytes(uint32_t streams);
struct stream_pool *stream_pool_init(void *memory, uint32_t streams);
uint32_t stream_pool_free_count(const struct stream_pool *);

#endif
