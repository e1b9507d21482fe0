/* channel_state.h
 *
 * What a channel is made of, for the files that implement it and for no one else.
 *
 *   channel.c             the state, handshakes, one datagram in, one datagram out, deadlines
 *   channel_packet.c      layouts and protection
 *   channel_recovery.c    packets in flight: acknowledgements, losses, clock, congestion, pacing,
 *                         path MTU
 *   channel_stream.c      streams: their memory and table, what arrives for them
 *   channel_stream_out.c  what streams want to send, and what became of it
 */
#ifndef HEARTH_CHANNEL_STATE_H
#define HEARTH_CHANNEL_STATE_H

#include <assert.h>

#include "dataplane/rpc/channel_packet.h"

/* ---- intrusive lists, circular ---- */

struct link {
    struct link *next, *prev; /* next NULL: in no list */
};

static inline void link_init(struct link *head)
{
    head->next = head->prev = head;
}

static inline bool link_is_empty(const struct link *head)
{
    return head->next == head;
}

static inline void link_add(struct link *before, struct link *l)
{
    l->next = before;
    l->prev = before->prev;
    before->prev->next = l;
    before->prev = l;
}

static inline void link_remove(struct link *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    l->next = NULL;
}

#define LINK_OWNER(link, type, field) ((type *)(void *)((uint8_t *)(link)-offsetof(type, field)))

/* ---- streams ---- */

enum { RANGES_MAX = 12 };

struct ranges { /* sorted, apart */
    uint32_t count;
    struct tcp_range range[RANGES_MAX];
};

enum send_end {
    SEND_OPEN = 0, /* more may be written */
    SEND_END_DUE,  /* the end is to be sent, alone or behind the last byte */
    SEND_END_SENT,
    SEND_DONE, /* everything was acknowledged */
};

struct stream {
    struct link ready; /* channel.ready: there is something to send */
    struct link all;   /* channel.all; in a free one, next is the pool's list */
    struct channel *channel;
    void *user;
    uint64_t id;

    /* Sending: offsets, of which the queue holds [una, una + tx.bytes). */
    struct byte_queue tx;
    uint32_t una, nxt, limit;
    uint8_t send_end; /* enum send_end */
    uint8_t reset_code;
    bool end_acked;
    bool is_reset;   /* RESET is to be sent, or in flight; nothing else is left of the stream */
    bool is_stopped; /* the peer reads no more */
    bool reset_due, stop_due, credit_due;
    bool is_short; /* the owner had more to write than there was room for */

    /* Receiving. */
    bool is_released; /* no owner: what comes is dropped */
    bool has_end;     /* end_at is known */
    bool is_detached; /* the id's slot is in use by another stream already */
    uint32_t end_at;
    uint32_t granted; /* the peer may send up to here */
    uint32_t high;    /* the highest offset that came */

    /* Touched only in disorder. */
    struct ranges lost;  /* sent, to be sent again; in [una, nxt) */
    struct ranges acked; /* beyond una */
    struct tcp_rx rx;
};

struct stream_pool {
    struct link *free; /* of streams, by all.next */
    uint32_t count, free_count;
    struct stream stream[];
};

/* A stream's id is a slot and a generation. Rejected: ids that count, and a hash table. This is 118
 * ns a call and side with 32 calls in a batch, AEAD included, and tells late and lying frames
 * apart. */
enum {
    SLOTS = CHANNEL_STREAMS_MAX,
    SLOT_BITS = 12,
    SLOTS_OWN = SLOTS / 2, /* those that one side opens */
    GENERATION_BITS = 36,
};

enum {
    REFUSED_MAX = 32
}; /* RESETs for refused streams in one packet; more follow when the peer sends again */

static_assert(1 << SLOT_BITS == SLOTS, "a slot is the low bits of an id");

/* What a slot of the id space has seen. */
struct slot {
    uint64_t
        generations : 40; /* how many streams it has had; the last one's generation is one less */
    uint64_t index : 24;  /* in the pool, plus one, while that one is there; 0: it is over */
};

/* ---- packets in flight ---- */

/* What a packet carried of a stream. */
struct record {
    uint64_t id : 48;
    uint64_t type : 8; /* enum frame_type */
    uint64_t is_end : 8;
    uint32_t offset, bytes;
};

enum {
    RECORDS = 4096, /* of one channel's packets in flight; a power of two */
    RECORDS_PER_PACKET_MAX = 256,
    SPARE_PACKETS =
        64, /* of the table, for what must go out whatever happens: acknowledgements, probes */
};

enum sent_state { SENT_OVER = 0, SENT_FLYING };

struct sent {
    uint64_t at_ns;
    uint64_t told; /* the acknowledgement in it covered everything up to here; 0: none did */
    uint32_t record;
    uint16_t record_count;
    uint16_t bytes;
    uint8_t state; /* enum sent_state */
    bool is_mtu_probe;
};

struct recovery {
    uint64_t una; /* packets before it are over */
    uint64_t next;
    uint64_t largest_acked; /* 0: none */
    uint32_t flying;        /* packets */
    uint32_t in_flight;     /* their bytes */
    uint32_t record_first, record_next;

    uint64_t rtt_latest, rtt_min, srtt, rttvar; /* ns; srtt 0: no sample */
    uint64_t last_sent_ns;                      /* the last that wants an acknowledgement */
    uint64_t loss_at; /* UINT64_MAX: nothing waits for the time threshold */
    uint32_t pto_count, probes;

    struct tcp_cc cc;
    uint64_t reduced_ns;                   /* losses of what was sent before tell nothing new */
    bool is_limited;                       /* by cwnd */
    uint64_t pace_ns;                      /* when what was sent will have gone at the paced rate */
    uint64_t pace_per_byte, pace_burst_ns; /* ns * 1024; 0: no sample, no pacing */

    uint16_t mtu; /* bytes of a datagram that the path carries */
    uint16_t mtu_low, mtu_high;
    uint16_t mtu_probe; /* a probe of this size is to be sent; 0: none */
    uint8_t mtu_tries, large_lost;
    /* When to probe next; UINT64_MAX: a probe is due or in flight, or there is no more to gain. */
    uint64_t mtu_at;

    uint64_t lost_packets, retransmitted_bytes;
    struct sent sent[CHANNEL_IN_FLIGHT_MAX];
    struct record record[RECORDS];
};

/* ---- the whole ---- */

struct channel {
    struct packet_keys keys;
    struct channel_config config;
    uint8_t state;  /* enum channel_state */
    uint8_t parity; /* of the slots of streams that we open */
    bool is_ping_due, is_ack_due;
    bool is_proven;     /* the peer has used this session's keys */
    uint8_t ack_eager;  /* packets that are acknowledged at once, after a gap */
    uint32_t ack_count; /* packets that want to be acknowledged */
    uint64_t ack_at;
    uint64_t top_at_ns; /* when window.top arrived */
    struct number_window window;
    uint64_t heard_ns, ping_at;
    uint64_t phase_first; /* the number of the first packet under the send key */
    uint64_t phase_ns;

    /* handshakes */
    struct noise init; /* ours, under way */
    bool has_init;
    uint32_t init_tries;
    uint64_t init_at; /* INIT: when to send it next */
    uint8_t init_datagram[INIT_BYTES];
    /* RESPONDED: keys that no packet has used yet */
    struct noise_keys responded;
    uint32_t responded_index;
    bool has_responded, is_response_due;
    uint64_t responded_ns;
    uint8_t responded_ephemeral[NOISE_KEY_BYTES];
    uint8_t
        open_ephemeral[NOISE_KEY_BYTES]; /* of the init that opened this session; zero: ours did */
    uint8_t response_datagram[RESPONSE_BYTES];
    uint8_t farewell[DATA_BYTES_MIN]; /* CLOSE, sealed */
    bool is_farewell_due;

    struct link ready, all;
    struct stream control;
    uint64_t refused[REFUSED_MAX];
    uint32_t refused_count;
    uint32_t streams; /* besides the control stream */
    uint64_t fed_ns;  /* when those without room were told last to look again */
    bool is_starved;  /* an owner was told of less room than there would be with more chunks */
    uint16_t own_free[SLOTS_OWN]; /* a ring: the slot that was free the longest is taken */
    uint32_t own_free_first, own_free_count;
    struct slot slot[SLOTS];

    struct recovery recovery;

    uint64_t rx_datagrams, tx_datagrams, rekeys;
};

/* channel.c: the peer broke the protocol, or says good-bye. The channel is closed after it. */
void channel_go_down(struct channel *, enum channel_down);
/* Takes keys into use: OPEN. For channel.c, and for tests that need no handshake. */
void channel_install(struct channel *, const struct noise_keys *, uint32_t peer_index,
                     uint64_t now_ns);
/* The frames of a packet that authenticated. False: not all of them were taken, or the channel is
 * closed. */
bool channel_take_frames(struct channel *, const uint8_t *frames, size_t len, bool *wants_ack,
                         uint64_t now_ns);

#endif
