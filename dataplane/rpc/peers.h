/* peers.h
 *
 * The other nodes as one dp core knows them: its channels to their cores, their states and loads,
 * and what is said on the control streams. Owns every channel; calls own their streams. What it
 * needs of the core it is given (struct peers_env), and what it hears it tells through events: it
 * knows neither calls nor cells.
 *
 *   world.member[] --follow--> [ struct peer: state, load, channels to its cores ]
 *   datagrams  --> peers_input  --> channel --> streams: events
 *   datagrams <--  peers_output <-- channel
 *
 * A node's state is what it says of itself (STATE), or DOWN when no channel to it is open. This
 * core keeps one channel to core (own index mod their cores) of every node, always; others are
 * opened when somebody asks (peers_channel), and given back when slots run short: the one that has
 * been idle for longest, never one with streams, and only when the other end agrees (RELEASE), for
 * a call may be on its way. A member for which there is no slot is DOWN; that is counted
 * (rpc_no_slot), told (peers_unreached), and tried again.
 *
 * Joining. A node starts as JOINING. When a channel to it opens, every core of every other node
 * sends it a WARM (handover) for each script that is warm there and whose home it will be, then
 * HANDED. It is SERVING when all channels that are open have said HANDED and every WARM was
 * answered, at the latest after PEERS_JOIN_MS; nobody places anything there before it says so.
 * Leaving. `node drain`: the node says that it leaves, sends WARM (handover) for each script that
 * is warm on it to the script's next home, waits for their WARMEDs, at the latest
 * PEERS_HANDOVER_MS, and only then says DRAINING. So neither causes a cold start.
 * Several at once. Who joins or leaves does not count as the one that stays: a script goes to all
 * that may be its home until the first that stays, and again when a state changes. That a node
 * leaves is said on a channel before it hands or answers anything there, so either the giver knows
 * that the taker leaves, or the taker has it in time to hand it on.
 * The control thread turns what the cores report (peers_handover) into the node's state in the next
 * world.
 *
 * The same for a node that crashed: it comes back as JOINING.
 *
 * Datagrams. From port + own core to port + their core, between the addresses that the membership
 * gives. A datagram from elsewhere is refused before anything is computed. Addresses can be
 * spoofed: an init costs a handshake only if it carries a member's seal, and if its member's share
 * and CHANNEL_HANDSHAKES_PER_S allow. Our channel index names a slot (10 bits) and a life of it (22
 * random bits): demultiplexing is one load.
 *
 * Streams. Who opened a stream owns it, and its id's parity says who did (channel.h): whoever uses
 * peers hears of those we opened, and of those the peer opened, through two tables of events. The
 * user pointer is theirs alone.
 *
 * Bad input: from a stranger it is counted and dropped before anything is remembered; from a member
 * it ends the channel.
 * Limits: MEMBERS_MAX nodes, PEERS_CHANNELS_MAX channels, handshakes by token bucket.
 * Thread: the core. Memory: taken at core_create.
 *
 * Rejected: a node's state by the list of members. As its own word, joining, leaving and coming
 * back after a crash are one mechanism, and no two nodes need the same epoch at the same time. A
 * failure detector of its own beside silence (PEERS_SILENCE_MS): channels speak every 100 ms
 * anyway. Handing a joining node its part of the ring only, not what it will be home of as things
 * stand: it stands in for members that are away, and two leaves that overlapped cost cold starts
 * (`tools/sim cluster`). Room for 1,024 channels always: sized by the list of members at start,
 * with 64 to spare, 147 MB of each core became 10.
 */
#ifndef HEARTH_PEERS_H
#define HEARTH_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/limits.h"
#include "dataplane/net/net.h"
#include "dataplane/place/warmth.h"
#include "dataplane/rpc/channel.h"
#include "dataplane/rpc/record.h"

struct chunk_pool;
struct clock;
struct counters;
struct notes;
struct peers;
struct stream_pool;
struct token_bucket;
struct world;
struct world_script;

enum {
    PEERS_SILENCE_MS = 800,   /* nothing heard: the node is down */
    PEERS_STATE_MS = 100,     /* between two STATEs, and sooner when the state changes */
    PEERS_RECONNECT_MS = 100, /* between two tries to reach a node that is down */
    PEERS_JOIN_MS = 5000,
    PEERS_HANDOVER_MS = 5000,
    PEERS_DEMANDS_PER_S = 50, /* WARMs of one member that say they are no guess */
    PEERS_DEMANDS_BURST = 200,
};

struct peers_stream_events {
    void (*readable)(void *core, struct stream *);
    void (*writable)(void *core, struct stream *);
    void (*reset)(void *core, struct stream *, enum stream_reset);
};

struct peers_events {
    /* ---- asked of this node ---- */
    uint16_t (*load)(void *core, uint32_t *queue_us); /* per mille; the worst queueing delay */
    enum warmth_state (*warmth)(void *core, const struct world_script *);
    /* Asks for a warm cell. False: it could not be asked. */
    bool (*warm)(void *core, const struct world_script *, bool is_demanded, uint64_t now_ns);
    /* ---- told ---- */
    void (*spans)(void *core, uint16_t node, const struct record_event *);
    void (*opened)(void *core, struct channel *, struct stream *); /* by the peer */
    void (*fin)(void *core, struct stream *);           /* the peer's client has closed its half */
    void (*channel_down)(void *core, struct channel *); /* its streams are gone */
    struct peers_stream_events ours, theirs;            /* by who opened it */
};

/* What peers are given of their core; all of it outlives them. */
struct peers_env {
    void *core; /* for the events */
    const struct peers_events *events;
    uint32_t index; /* of the core */
    const struct clock *clock;
    const uint64_t *now_ns;           /* of the iteration: the core's one stored clock */
    const struct world *const *world; /* of the iteration */
    struct net *net;
    struct chunk_pool *chunks;
    struct stream_pool *streams;
    struct counters *counters;
    struct token_bucket *guesses; /* cells that guesses may cost, of ClientHellos too */
    struct notes *notes;          /* of core 0, else NULL */
    uint64_t hash_key;            /* random: of the table of addresses */
    void (*random)(void *arg, void *out, size_t bytes); /* for keys */
    void *random_arg;
};

/* Bytes of struct peers with that many channels: 1 to PEERS_CHANNELS_MAX, and one for each other
 * member at least: those beyond are not reached. 64-byte aligned. */
size_t peers_bytes(uint32_t channels);
struct peers *peers_init(void *memory, const struct peers_env *, uint32_t channels);
/* Says GOAWAY on every channel, so that the others need not wait for silence: once, when the core
 * ends, before its tx does. */
void peers_leave(struct peers *, uint64_t now_ns);
/* Wipes keys, gives chunks and streams back; tells nobody. Nothing the second time. */
void peers_fini(struct peers *);

/* The world changed: new members, own state. A member whose address, port or key changed starts
 * anew. */
void peers_follow(struct peers *);

/* A UDP datagram (l4: its UDP header) to this core's RPC port: counts its disposition (rx_rpc,
 * drop_rpc_*). It is decrypted in place. */
void peers_input(struct peers *, const struct net_packet *, uint64_t now_ns);
/* Timers, handshakes, handover; sends what channels have to say, in bursts. Once per iteration;
 * returns how much there was to do. */
uint32_t peers_run(struct peers *, uint64_t now_ns);
/* When peers_run must be called at the latest. */
uint64_t peers_next_ns(const struct peers *);
/* A stream of the channel was written, ended, consumed or released: peers_run looks at it. */
void peers_mark(struct peers *, struct channel *);

/* ---- what placement asks ---- */

enum node_state peers_state(const struct peers *, uint16_t node);
uint16_t peers_load(const struct peers *, uint16_t node);
/* Over nodes that are SERVING, this one included with its own load. */
uint32_t peers_mean_load(const struct peers *, uint16_t own_load);

/* An open channel to the core of that node which serves the script; another core of it while that
 * one's channel is being opened. NULL: none is open. */
struct channel *peers_channel(struct peers *, uint16_t node, uint64_t script_hash);
/* To a certain core of a node by its id (a capability's owner). */
struct channel *peers_channel_of(struct peers *, uint64_t node_id, uint16_t core);
/* The node at the other end. */
uint16_t peers_node_of(const struct peers *, const struct channel *);
/* The shortest round trip to it so far, the way without any waiting; 0: not known. */
uint32_t peers_rtt_min_us(const struct peers *, uint16_t node);

/* ---- the control stream ---- */

/* Asks a home of the script for a warm cell. is_demanded: no guess, requests are about to
 * follow. False: not sent (down, or asked within the last second). */
bool peers_warm(struct peers *, uint16_t node, uint64_t script_hash, uint64_t version,
                bool is_demanded, uint64_t now_ns);
/* Tells the home of a call on that stream that its client has closed its half. False: no room
 * now. */
bool peers_fin(struct peers *, struct channel *, const struct stream *);
/* Sends a trace sink its events. False: no way there; the events are lost, counted. */
bool peers_event(struct peers *, const uint8_t sink[CAPABILITY_BYTES], const uint8_t *payload,
                 size_t len);
/* A message from control thread to control thread (note.h). False: down, or too much unsent. */
bool peers_note(struct peers *, uint16_t node, const uint8_t *bytes, size_t len);

/* ---- what the control thread reads; racy, for eyes and for the handover ---- */

struct peer_view {
    uint8_t state; /* enum node_state */
    uint16_t load;
    uint32_t queue_us;
    uint32_t channels; /* open ones */
    uint32_t rtt_us;   /* of the first */
    uint64_t heard_ns;
    bool ring_differs; /* its digest is not ours */
};
void peers_view(const struct peers *, uint16_t node, struct peer_view *);
/* Members that this core has no slot left for. */
uint32_t peers_unreached(const struct peers *);

struct peers_handover {
    /* Of the world that the rest was judged by: older than the one published means ask again. */
    uint64_t epoch;
    /* Channels open; of these, those that said HANDED since this node joins. */
    uint32_t open, handed;
    /* WARMs of a handover not answered yet: by us as the new home, by new homes if we leave. */
    uint32_t asked;
    bool is_done; /* as far as this core is concerned the state may change */
};
void peers_handover(const struct peers *, struct peers_handover *);

#endif
