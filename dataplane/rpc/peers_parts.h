/* peers_parts.h
 *
 * struct peers in full, for the files that are its parts and for no one else:
 *
 *   peers.c           members, channels' slots, what placement asks
 *   peers_datagram.c  UDP in and out, timers, the run
 *   peers_control.c   records of the control streams
 *   peers_handover.c  joining and leaving
 *   peers_release.c   channels given back when slots run short
 *
 * A slot is the place of one channel. Its address in memory is fixed; the channel's index names the
 * slot in its low bits and this life of it in the others, so that a datagram of an earlier life
 * finds nothing.
 *
 *   FREE     on the free list
 *   always   made with the member, stays as long as it; reconnects for ever
 *   on call  made when somebody asks, or when a peer's handshake comes for it; freed when it is
 * down, or released
 */
#ifndef HEARTH_PEERS_PARTS_H
#define HEARTH_PEERS_PARTS_H

#include "dataplane/base/token_bucket.h"
#include "dataplane/rpc/peers.h"
#include "dataplane/world/world.h"

enum {
    SLOT_BITS = 10,
    SLOT_NONE = UINT32_MAX,
    NODE_NONE = UINT16_MAX,
    MEMBER_TABLE = 2 * MEMBERS_MAX, /* hash tables of members: at most half full */
    UDP_BYTES = 8,
    OUTPUT_BURST = 32,    /* datagrams of one channel in one run */
    HANDOVER_WINDOW = 32, /* WARMs of a handover on one channel without a WARMED */
    HANDOVER_SLICE = 256, /* scripts looked at in one run */
    WARM_RECENT = 1024,   /* scripts that peers_warm remembers */
    WARM_RECENT_MS = 1000,
    /* A joining node waits so long for a member to answer at all: four to five inits. Rejected:
     * 300 ms; it must not serve before the node that stands in for it has handed over, even if a
     * few inits are lost. */
    FIRST_TRY_MS = 1000,
    UNRESOLVED_MS = 5,        /* until a neighbour that is not known is tried again */
    UNRESOLVED_DOUBLINGS = 5, /* of that time, while it stays unknown */
    ON_CALL_OPEN_MS = 2000,   /* a slot on call that has not opened by then is freed */
    WARM_RETRY_MS = 10,       /* there was no room for the wish, or no zygote */
    WARM_RETRIES = 100,
};
static_assert(1 << SLOT_BITS == PEERS_CHANNELS_MAX, "an index holds every slot");

/* A script that a peer hands over to us: owes it a WARMED. */
struct peers_pending {
    uint64_t script, asked_ns, try_ns;
    uint16_t tries;
    bool is_asked; /* the control thread was told */
};

enum peers_want {
    WANT_STATE = 1,
    WANT_RING = 2,
    WANT_HANDED = 4,
    WANT_ASK = 8,     /* RELEASE: may it end? */
    WANT_ANSWER = 16, /* RELEASE: what we think of the peer's question */
};

/* May a channel on call end? Only in the first state streams are opened on it. */
enum slot_release { RELEASE_IN_USE = 0, RELEASE_ASKED, RELEASE_OVER, RELEASE_GRANTED };

struct peers_slot {
    struct channel *channel;
    uint32_t next_of_peer, next_dirty, next_free;
    uint16_t node, core; /* the other end */
    uint8_t wants;       /* enum peers_want: to say as soon as there is room */
    bool is_used, is_always, is_open, is_dirty;
    bool was_open;     /* once at least */
    bool is_condemned; /* the peer broke the protocol, or goes: dropped when its events are over */
    bool is_handed;    /* it said HANDED since it is open, or since this node joins */
    uint8_t release;   /* enum slot_release */
    uint8_t said;      /* enum node_state: its last STATE; NODE_DOWN: none since it is open */
    bool is_walking;   /* we are handing over to it: from script `walk` on */
    uint16_t load;
    uint32_t queue_us;
    uint32_t walk, asked; /* asked: WARMs of ours without a WARMED */
    uint32_t pending_count;
    uint64_t born_ns, connect_ns, state_ns, blocked_ns;
    uint64_t used_ns;             /* somebody asked for it, or opened a stream on it */
    uint64_t release_ns, keep_ns; /* when we asked to end it; not to be asked before */
    uint8_t blocked_times;        /* in a row */
    struct peers_pending pending[HANDOVER_WINDOW];
};

struct peer {
    uint64_t id;
    uint8_t address[16];
    uint16_t port, cores;
    uint8_t key[NOISE_KEY_BYTES];
    uint32_t first_slot, open;
    uint8_t state;   /* enum node_state */
    bool is_leaving; /* it is SERVING, and said that it will not be for long */
    uint16_t load;
    uint32_t queue_us, rtt_us, rtt_min_us;
    uint64_t heard_ns, digest;
    struct token_bucket handshakes,
        demands; /* its shares: of handshakes, of WARMs that are no guess */
    bool has_digest;
};

struct peers {
    struct peers_env env;
    struct noise_identity identity;
    uint8_t secret[32];
    uint8_t seal_key[NOISE_SEAL_KEY_BYTES]; /* of inits to us */
    bool is_up;                             /* the world has given us an identity */
    uint64_t own_id;
    uint8_t own_address[16];
    uint16_t own_port, self;
    uint64_t own_digest;
    uint8_t own_state;
    bool is_leaving, is_gone;
    uint32_t pending; /* of all slots */
    uint32_t capacity, used, free_slot, dirty_first, dirty_last;
    uint64_t next_ns, release_ns; /* release_ns: the next look for channels to give back */
    uint32_t releasing;           /* slots that are ASKED or OVER */
    _Atomic uint32_t missing;     /* members to which there is no slot for a channel */
    struct token_bucket handshakes;

    uint16_t peer_count;
    struct peer peer[MEMBERS_MAX],
        previous[MEMBERS_MAX]; /* previous: peers_follow's, of the world before */
    uint16_t by_id[MEMBER_TABLE], by_address[MEMBER_TABLE]; /* index + 1 */
    uint32_t serving; /* peers that are SERVING, and the sum of their loads */
    uint64_t serving_load;

    struct {
        uint64_t key, at_ns;
    } warmed[WARM_RECENT];

    struct {
        uint64_t joining_ns; /* 0: not joining */
        uint64_t leaving_ns; /* 0: not leaving */
        uint32_t walk;
        bool is_walking, is_over; /* over: done once; stays so until the state changes */
        /* What the control thread reads: peers_handover says in which order. */
        _Atomic uint64_t epoch;
        _Atomic uint32_t open, handed, asked;
        _Atomic bool is_done;
    } handover;

    uint8_t record[RECORD_NOTE_BYTES_MAX];
    uint64_t *deadline_ns; /* of each slot */
    struct peers_slot *slot;
};

static inline uint64_t peers_now(const struct peers *p)
{
    return *p->env.now_ns;
}

static inline const struct world *peers_world(const struct peers *p)
{
    return *p->env.world;
}

/* ---- peers.c ---- */

struct peers_slot *peers_slot_of(struct peers *, const struct channel *);
static inline uint32_t peers_slot_number(const struct peers *p, const struct peers_slot *s)
{
    return (uint32_t)(s - p->slot);
}
/* The slot of that core of a node; made, and connecting, if there is none and is_wanted. NULL:
 * none. */
struct peers_slot *peers_slot_find(struct peers *, uint16_t node, uint16_t core, bool is_wanted);
void peers_slot_mark(struct peers *, struct peers_slot *);
/* Ends the channel, tells who has streams on it; the slot starts anew or is freed. Not from a
 * channel's events. */
void peers_slot_drop(struct peers *, struct peers_slot *);
void peers_slot_free(struct peers *, struct peers_slot *);
/* A slot for the channel that each member has always, as far as there are any. */
void peers_slots_fill(struct peers *);
uint16_t peers_node_by_id(const struct peers *, uint64_t id);
/* Whose RPC port that is: *core says which. NODE_NONE: no member's. */
uint16_t peers_node_by_address(const struct peers *, const uint8_t ip[16], uint16_t port,
                               uint16_t *core);
/* state and load as its channels tell them. */
void peers_node_changed(struct peers *, uint16_t node, uint8_t state, bool is_leaving);
uint64_t peers_ring_digest(const struct peers *);
extern const struct channel_events peers_channel_events;

/* ---- peers_control.c ---- */

void peers_control_up(struct peers *, struct peers_slot *, uint64_t now_ns);
void peers_control_readable(struct peers *, struct peers_slot *, struct stream *);
/* Says what is wanted, as far as there is room. */
void peers_control_run(struct peers *, struct peers_slot *, uint64_t now_ns);
/* One whole record, or nothing. */
bool peers_control_say(struct peers *, struct peers_slot *, const uint8_t *record, size_t bytes);
/* Of core 0: what the control thread wants to say. */
uint32_t peers_control_notes(struct peers *);

/* ---- peers_datagram.c ---- */

/* Closes the channel and says so, as far as one datagram can. Not from a channel's events. */
void peers_slot_say_goodbye(struct peers *, struct peers_slot *);

/* ---- peers_release.c ---- */

void peers_release_run(struct peers *, uint64_t now_ns);
uint64_t peers_release_next_ns(const struct peers *);
/* The peer asks, or answers. False: nothing was asked. */
bool peers_release_heard(struct peers *, struct peers_slot *, enum record_release, uint64_t now_ns);
/* The channel is down: whatever was asked of it is over. */
void peers_release_end(struct peers *, struct peers_slot *);

/* ---- peers_handover.c ---- */

void peers_handover_follow(struct peers *, uint64_t now_ns);
void peers_handover_up(struct peers *, struct peers_slot *);
/* A peer has another state: other nodes may be the next homes. */
void peers_handover_state(struct peers *);
/* A peer hands a script over. False: more than it may at once. */
bool peers_handover_warm(struct peers *, struct peers_slot *, const struct record_warm *,
                         uint64_t now_ns);
/* It answers ours. False: none was asked. */
bool peers_handover_warmed(struct peers *, struct peers_slot *, const struct record_warmed *);
/* The channel's part: its walk. True: there is more to do at once. */
bool peers_handover_run_slot(struct peers *, struct peers_slot *);
uint32_t peers_handover_run(struct peers *, uint64_t now_ns);
uint64_t peers_handover_next_ns(const struct peers *, uint64_t now_ns);

#endif
