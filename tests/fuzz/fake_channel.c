#include "fake_channel.h"

size_t channel_bytes(void)
{
    return (sizeof(struct channel) + CHANNEL_ALIGN - 1) / CHANNEL_ALIGN * CHANNEL_ALIGN;
}

static void drop_streams(struct channel *c)
{
    struct stream_pool *pool = c->config.streams;
    for (uint32_t i = 0; i < pool->count; i++) {
        if (pool->stream[i].channel == c)
            pool->stream[i].channel = NULL;
    }
}

void channel_init(struct channel *c, const struct channel_config *config, uint64_t now_ns)
{
    memset(c, 0, sizeof(*c));
    c->config = *config;
    c->config.streams->channel = c;
}

void channel_fini(struct channel *c)
{
    drop_streams(c);
    c->state = CHANNEL_CLOSED;
}

enum channel_state channel_state(const struct channel *c)
{
    return c->state;
}

const struct channel_config *channel_config(const struct channel *c)
{
    return &c->config;
}

void channel_connect(struct channel *c, uint64_t now_ns)
{
    c->state = CHANNEL_INIT; /* the input opens it */
}

void channel_close(struct channel *c, uint64_t now_ns)
{
    channel_fini(c);
}

enum datagram_kind datagram_peek(const uint8_t *bytes, size_t len, uint32_t *receiver_index)
{
    return DATAGRAM_BAD;
}

bool datagram_is_sealed(const uint8_t key[NOISE_SEAL_KEY_BYTES], const uint8_t *bytes, size_t len)
{
    return false;
}

bool datagram_open_init(struct datagram_init *init, const struct noise_identity *identity,
                        const uint8_t secret[32], const uint8_t *bytes, size_t len)
{
    return false;
}

void channel_accept(struct channel *c, struct datagram_init *init, uint64_t now_ns)
{
}

enum channel_result channel_input(struct channel *c, uint8_t *bytes, size_t len, uint64_t now_ns)
{
    return CHANNEL_REFUSED_BAD;
}

size_t channel_output(struct channel *c, uint8_t *out, size_t cap, uint64_t now_ns)
{
    return 0;
}

bool channel_has_output(const struct channel *c, uint64_t now_ns)
{
    return false;
}

uint64_t channel_deadline(const struct channel *c)
{
    return UINT64_MAX;
}

void channel_timeout(struct channel *c, uint64_t now_ns)
{
}

void channel_stats(const struct channel *c, struct channel_stats *out)
{
    *out = (struct channel_stats){.srtt_us = 100};
}

struct stream *fake_channel_open_stream(struct channel *c, bool is_ours)
{
    struct stream_pool *pool = c->config.streams;
    bool is_odd = is_ours == (c->config.own_id > c->config.peer_id);
    for (uint32_t i = 0; i < pool->count; i++) {
        struct stream *s = &pool->stream[i];
        if (s->channel)
            continue;
        memset(s, 0, offsetof(struct stream, seen));
        s->channel = c;
        s->room = CHANNEL_STREAM_BUFFER;
        s->id = 2 * ++c->next_id[is_ours] + is_odd;
        return s;
    }
    return NULL;
}

struct stream *channel_open_stream(struct channel *c, void *user)
{
    struct stream *s = c->state == CHANNEL_OPEN ? fake_channel_open_stream(c, true) : NULL;
    if (s)
        s->user = user;
    return s;
}

struct stream *channel_control(struct channel *c)
{
    return c->state == CHANNEL_OPEN ? &c->control : NULL;
}

struct stream *channel_peer_stream(struct channel *c, uint64_t id)
{
    const struct stream_pool *pool = c->config.streams;
    bool is_own = (id & 1) == (c->config.own_id > c->config.peer_id);
    for (uint32_t i = 0; c->state == CHANNEL_OPEN && !is_own && i < pool->count; i++) {
        if (pool->stream[i].channel == c && pool->stream[i].id == id)
            return (struct stream *)&pool->stream[i];
    }
    return NULL;
}

void *stream_user(const struct stream *s)
{
    return s->user;
}

void stream_set_user(struct stream *s, void *user)
{
    s->user = user;
}

uint64_t stream_id(const struct stream *s)
{
    return s->id;
}

static void assert_owned(const struct channel *c, const struct stream *s)
{
    assert(s->channel == c);
}

size_t stream_room(struct channel *c, struct stream *s)
{
    assert_owned(c, s);
    return s->is_stopped ? CHANNEL_STREAM_BUFFER : s->room;
}

bool stream_set_aside(struct channel *c, struct stream *s, size_t bytes)
{
    assert_owned(c, s);
    return s == &c->control || s->is_stopped || bytes <= s->room;
}

size_t stream_write(struct channel *c, struct stream *s, const void *bytes, size_t len)
{
    assert_owned(c, s);
    if (s == &c->control || s->is_stopped)
        return len;
    assert(!s->is_finished);
    len = len < s->room ? len : s->room;
    s->room -= (uint32_t)len;
    size_t part = len < FAKE_STREAM_SEEN - s->seen_bytes ? len : FAKE_STREAM_SEEN - s->seen_bytes;
    memcpy(s->seen + s->seen_bytes, bytes, part);
    s->seen_bytes += (uint32_t)part;
    return len;
}

void stream_end(struct channel *c, struct stream *s)
{
    assert_owned(c, s);
    s->is_finished = true;
}

const uint8_t *stream_peek(struct stream *s, uint32_t offset, size_t *len)
{
    uint32_t left = s->end - s->start, part_bytes = s->channel->config.streams->part_bytes;
    *len = 0;
    if (offset >= left)
        return NULL;
    /* Pieces end at multiples of part_bytes. */
    uint32_t at = s->start + offset, piece = part_bytes - at % part_bytes;
    *len = piece < left - offset ? piece : left - offset;
    return s->in + at;
}

size_t stream_available(const struct stream *s)
{
    return s->end - s->start;
}

void stream_consume(struct channel *c, struct stream *s, uint32_t bytes)
{
    assert_owned(c, s);
    assert(bytes <= s->end - s->start);
    s->start += bytes;
}

bool stream_expect(struct channel *c, struct stream *s, uint32_t bytes)
{
    assert_owned(c, s);
    return s->room % 8 != 7; /* chunks are short at times */
}

bool stream_is_ended(const struct stream *s)
{
    return s->has_ended && s->start == s->end;
}

bool stream_is_complete(const struct stream *s)
{
    return s->has_ended;
}

bool stream_is_delivered(const struct stream *s)
{
    return true;
}

bool stream_is_stopped(const struct stream *s)
{
    return s->is_stopped;
}

void stream_release(struct channel *c, struct stream *s)
{
    assert_owned(c, s);
    assert(s != &c->control);
    s->channel = NULL;
}

void stream_reset(struct channel *c, struct stream *s, enum stream_reset why)
{
    stream_release(c, s);
}

size_t stream_pool_bytes(uint32_t streams)
{
    return sizeof(struct stream_pool) + streams * sizeof(struct stream);
}

struct stream_pool *stream_pool_init(void *memory, uint32_t streams)
{
    struct stream_pool *pool = memset(memory, 0, stream_pool_bytes(streams));
    pool->count = streams;
    return pool;
}

uint32_t stream_pool_free_count(const struct stream_pool *pool)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < pool->count; i++)
        count += pool->stream[i].channel == NULL;
    return count;
}

/* ---- the peer's end ---- */

void fake_channel_say(struct stream *s, const uint8_t *bytes, size_t len)
{
    if (s->start > 0) {
        memmove(s->in, s->in + s->start, s->end - s->start);
        s->end -= s->start;
        s->start = 0;
    }
    len = len < FAKE_STREAM_BUFFER - s->end ? len : FAKE_STREAM_BUFFER - s->end;
    memcpy(s->in + s->end, bytes, len);
    s->end += (uint32_t)len;
}

void fake_channel_take_down(struct channel *c)
{
    if (c->state != CHANNEL_OPEN)
        return;
    c->state = CHANNEL_CLOSED;
    drop_streams(c);
    c->config.events->down(c->config.arg, c, CHANNEL_SILENT);
}

struct stream *fake_channel_any_stream(struct channel *c, uint32_t n)
{
    struct stream_pool *pool = c->config.streams;
    uint32_t open = 0;
    for (uint32_t i = 0; i < pool->count; i++)
        open += pool->stream[i].channel == c;
    n = open ? n % open : 0;
    for (uint32_t i = 0; open && i < pool->count; i++) {
        if (pool->stream[i].channel == c && n-- == 0)
            return &pool->stream[i];
    }
    return NULL;
}
