/* channel_parts.h
 *
 * struct sim of sim_channel in full, for the files that are its parts and for no one else:
 *
 *   sim_channel.c   the wire and its faults, the two ends' datagrams and timers, a run and what
 *                   must hold at its end
 *   channel_apps.c  the applications of the two ends, and the books by which they check each other
 */
#ifndef HEARTH_SIM_CHANNEL_PARTS_H
#define HEARTH_SIM_CHANNEL_PARTS_H

#include "dataplane/rpc/channel_state.h"
#include "drivers/rng.h"
#include "tests/sim/in_flight.h"

#define MS_NS 1000000ull
#define S_NS  1000000000ull

enum {
    APP_STREAMS_MAX = 128,
    BOOKS = 1 << 15, /* a hash table */
    REPLAYS = 64,
};

/* What both ends know of one direction of a stream of one session. */
struct book {
    uint64_t session, id; /* session 0: free */
    uint32_t from;
    uint64_t written, read;
    bool is_ended, end_read, is_given_up, was_opened;
};

struct app_stream {
    struct stream *stream; /* NULL: free */
    uint64_t id, to_write;
    bool is_ours, has_ended;
};

struct end {
    struct sim *sim;
    uint32_t me;
    struct channel *channel;
    struct channel_config config;
    struct noise_identity identity;
    struct counters counters;
    struct chunk_pool chunks;
    void *chunk_memory, *stream_memory;
    uint32_t chunk_count, stream_count;
    struct app_stream app[APP_STREAMS_MAX];
    uint32_t to_open;
    uint64_t app_at, connect_at, session;
    uint32_t read_chance, write_chance, give_up_chance;
    bool has_restarted; /* the other one may see CHANNEL_RESTARTED */
    uint32_t ups, downs[5];
    uint64_t refused[5], taken;
};

struct sim {
    uint64_t seed;
    struct rng rng;
    uint64_t now, calm_at, until;
    uint32_t loss, reorder, duplicate, corrupt, replay, forge; /* per 10,000 */
    uint64_t delay_ns, jitter_ns;
    uint32_t mtu, later_mtu;
    uint64_t mtu_at;
    uint64_t cut_from[2], cut_until[2]; /* by sender */
    uint64_t restart_at;
    struct end end[2];
    struct in_flight wire;
    uint64_t trace, steps, sessions;
    struct packet *kept[REPLAYS];
    struct book *book;
    uint32_t books;
    bool is_told, has_failed, was_cut;
    char failure[256];
};

static inline uint32_t below(struct sim *s, uint64_t n)
{
    return n > 0 ? (uint32_t)(rng_next(&s->rng) % n) : 0;
}

static inline bool chance(struct sim *s, uint32_t per_10000)
{
    return below(s, 10000) < per_10000;
}

/* The run has failed; the first reason counts. */
__attribute__((format(printf, 2, 3))) void fail(struct sim *, const char *format, ...);
/* A line of the story, for whoever repeats it. */
__attribute__((format(printf, 2, 3))) void tell(struct sim *, const char *format, ...);

/* ---- channel_apps.c ---- */

extern const struct channel_events app_events; /* arg: struct end */

/* What an end's application does when it looks: opens, reads, writes, gives up. Says when it looks
 * again. */
void app_run(struct end *);
/* The session is lost: whatever was under way in it is given up. */
void app_forget(struct end *);

#endif
