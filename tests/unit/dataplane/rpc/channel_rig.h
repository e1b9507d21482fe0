/* channel_rig.h
 *
 * Two channels face to face, with a memory of what happened to each: for tests and measurements.
 * Datagrams go from one's output to the other's input at once, or are kept for a test to lose,
 * repeat or spoil.
 */
#ifndef CHANNEL_RIG_H
#define CHANNEL_RIG_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/rpc/channel_state.h"
#include "drivers/aead.h"
#include "drivers/rng.h"

enum { RIG_CHUNKS = 16384, RIG_STREAMS = 6000 };

struct rig;

struct rig_end {
    struct rig *rig;
    struct channel *channel;
    struct channel_config config;
    struct noise_identity identity;
    struct counters counters;
    struct chunk_pool chunks;
    void *chunk_memory, *stream_memory;
    uint32_t ups, downs, opened, readable, writable, resets;
    enum channel_down why;
    enum stream_reset code;
    struct stream *last; /* that was opened by the peer */
    /* What a test wants to do in an event, before it is counted; NULL: nothing. */
    void (*on_readable)(struct rig_end *, struct stream *);
    void (*on_opened)(struct rig_end *, struct stream *);
};

struct rig {
    uint64_t now;
    struct rng rng;
    struct rig_end end[2];
};

static inline void rig_fill(void *arg, void *out, size_t bytes)
{
    struct rig *r = arg;

    for (uint8_t *p = out; bytes > 0; bytes--)
        *p++ = (uint8_t)rng_next(&r->rng);
}

static inline void rig_up(void *arg, struct channel *c)
{
    struct rig_end *e = arg;

    assert(c == e->channel);
    e->ups++;
}

static inline void rig_down(void *arg, struct channel *c, enum channel_down why)
{
    struct rig_end *e = arg;

    e->downs++;
    e->why = why;
}

static inline void rig_opened(void *arg, struct channel *c, struct stream *s)
{
    struct rig_end *e = arg;

    e->opened++;
    e->last = s;
    if (e->on_opened != NULL)
        e->on_opened(e, s);
}

static inline void rig_readable(void *arg, struct channel *c, struct stream *s)
{
    struct rig_end *e = arg;

    e->readable++;
    if (e->on_readable != NULL)
        e->on_readable(e, s);
}

static inline void rig_writable(void *arg, struct channel *c, struct stream *s)
{
    struct rig_end *e = arg;

    e->writable++;
}

static inline void rig_reset(void *arg, struct channel *c, struct stream *s, enum stream_reset code)
{
    struct rig_end *e = arg;

    e->resets++;
    e->code = code;
}

static const struct channel_events rig_events = {
    .up = rig_up,
    .down = rig_down,
    .opened = rig_opened,
    .readable = rig_readable,
    .writable = rig_writable,
    .reset = rig_reset,
};

static const uint8_t rig_secret[32] = {1, 2, 3};

static inline void rig_init(struct rig *r, uint64_t seed)
{
    memset(r, 0, sizeof(*r));
    r->rng.state = seed;
    r->now = 1000000000;
    for (int i = 0; i < 2; i++) {
        uint8_t key[32];

        rig_fill(r, key, sizeof(key));
        assert(noise_identity_init(&r->end[i].identity, key) == 0);
    }
    for (int i = 0; i < 2; i++) {
        struct rig_end *e = &r->end[i];

        e->rig = r;
        e->chunk_memory = malloc(RIG_CHUNKS * sizeof(struct chunk));
        e->stream_memory = malloc(stream_pool_bytes(RIG_STREAMS));
        chunk_pool_init(&e->chunks, e->chunk_memory, RIG_CHUNKS);
        e->config = (struct channel_config){
            .arg = e,
            .events = &rig_events,
            .chunks = &e->chunks,
            .streams = stream_pool_init(e->stream_memory, RIG_STREAMS),
            .counters = &e->counters,
            .identity = &e->identity,
            .secret = rig_secret,
            .own_id = 100 + (uint64_t)i,
            .peer_id = 101 - (uint64_t)i,
            .own_core = 3,
            .peer_core = 5,
            .index = 7 + (uint32_t)i,
            .datagram_bytes_max = 1472,
            .silence_ns = 800000000,
            .random = rig_fill,
            .random_arg = r,
        };
        memcpy(e->config.peer_key, r->end[1 - i].identity.public_key, NOISE_KEY_BYTES);
        e->channel = aligned_alloc(CHANNEL_ALIGN, channel_bytes());
        channel_init(e->channel, &e->config, r->now);
    }
}

/* Everything came back to its pool. */
static inline bool rig_is_clean(const struct rig_end *e)
{
    /* An open channel owes its control stream a floor. */
    return e->chunks.free_count == RIG_CHUNKS && e->chunks.owed <= 4 &&
           stream_pool_free_count(e->config.streams) == RIG_STREAMS;
}

static inline void rig_fini(struct rig *r)
{
    for (int i = 0; i < 2; i++) {
        struct rig_end *e = &r->end[i];

        channel_fini(e->channel);
        assert(rig_is_clean(e));
        free(e->channel);
        free(e->chunk_memory);
        free(e->stream_memory);
    }
}

/* As if a node had started anew: nothing is left of its channel. */
static inline void rig_restart(struct rig_end *e)
{
    channel_fini(e->channel);
    channel_init(e->channel, &e->config, e->rig->now);
}

static inline size_t rig_output(struct rig_end *e, uint8_t *out)
{
    bool has = channel_has_output(e->channel, e->rig->now);
    size_t len = channel_output(e->channel, out, CHANNEL_DATAGRAM_MAX, e->rig->now);

    assert(has == (len > 0));
    return len;
}

/* What an owner does with a datagram. */
static inline enum channel_result rig_input(struct rig_end *e, const uint8_t *bytes, size_t len)
{
    uint8_t copy[CHANNEL_DATAGRAM_MAX];
    struct datagram_init init;
    uint32_t index;

    assert(len <= sizeof(copy));
    memcpy(copy, bytes, len);
    if (datagram_peek(copy, len, &index) != DATAGRAM_INIT)
        return channel_input(e->channel, copy, len, e->rig->now);
    if (!datagram_open_init(&init, &e->identity, rig_secret, copy, len))
        return CHANNEL_REFUSED_AUTH;
    if (init.node_id != e->config.peer_id ||
        memcmp(init.static_key, e->config.peer_key, NOISE_KEY_BYTES) != 0) {
        noise_fini(&init.noise);
        return CHANNEL_REFUSED_AUTH;
    }
    channel_accept(e->channel, &init, e->rig->now);
    return CHANNEL_TAKEN;
}

/* Carries all that both have to say now. */
static inline void rig_settle(struct rig *r)
{
    uint8_t bytes[CHANNEL_DATAGRAM_MAX];
    bool is_idle;

    do {
        is_idle = true;
        for (int i = 0; i < 2; i++) {
            for (size_t len; (len = rig_output(&r->end[i], bytes)) > 0; is_idle = false)
                rig_input(&r->end[1 - i], bytes, len);
        }
    } while (!is_idle);
}

/* Time passes; timers run when they are due. */
static inline void rig_advance(struct rig *r, uint64_t ns)
{
    uint64_t until = r->now + ns;

    for (;;) {
        uint64_t at = until;

        rig_settle(r);
        for (int i = 0; i < 2; i++) {
            uint64_t due = channel_deadline(r->end[i].channel);

            at = due < at ? due : at;
        }
        if (at > r->now)
            r->now = at;
        for (int i = 0; i < 2; i++) {
            if (channel_deadline(r->end[i].channel) <= r->now)
                channel_timeout(r->end[i].channel, r->now);
        }
        rig_settle(r);
        if (r->now >= until)
            return;
    }
}

static inline void rig_open(struct rig *r)
{
    channel_connect(r->end[0].channel, r->now);
    rig_settle(r);
    assert(channel_state(r->end[0].channel) == CHANNEL_OPEN);
    assert(channel_state(r->end[1].channel) == CHANNEL_OPEN);
}

#endif
