#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/channel_parts.h"

/* ---- books ---- */

static struct book *book_of(struct sim *s, uint64_t session, uint64_t id, uint32_t from)
{
    uint64_t h = rng_mix(session * 0x9e3779b97f4a7c15u + id * 2 + from);

    for (;; h++) {
        struct book *b = &s->book[h % BOOKS];

        if (b->session == session && b->id == id && b->from == from)
            return b;
        if (b->session == 0) {
            if (++s->books > BOOKS / 2) {
                fprintf(stderr, "seed %" PRIu64 ": too many streams\n", s->seed);
                abort();
            }
            *b = (struct book){.session = session, .id = id, .from = from};
            return b;
        }
    }
}

static uint8_t byte_of(const struct book *b, uint64_t at)
{
    return (uint8_t)(b->session * 31 + b->id * 7 + b->from * 101 + at * 5 + (at >> 8) * 3 +
                     (at >> 16));
}

static void give_up(struct sim *s, uint64_t session, uint64_t id)
{
    book_of(s, session, id, 0)->is_given_up = true;
    book_of(s, session, id, 1)->is_given_up = true;
}

/* ---- the applications ---- */

static struct app_stream *app_add(struct end *e, struct stream *stream, uint64_t to_write,
                                  bool is_ours)
{
    for (uint32_t i = 0; i < APP_STREAMS_MAX; i++) {
        struct app_stream *a = &e->app[i];

        if (a->stream != NULL)
            continue;
        *a = (struct app_stream){
            .stream = stream, .id = stream_id(stream), .to_write = to_write, .is_ours = is_ours};
        stream_set_user(stream, a);
        return a;
    }
    return NULL;
}

static uint64_t random_size(struct sim *s)
{
    switch (below(s, 10)) {
    case 0:
        return 0;
    case 1:
        return below(s, 300000);
    case 2:
    case 3:
        return below(s, 20000);
    default:
        return below(s, 400);
    }
}

/* Checks and consumes some of what came. */
static void app_read(struct end *e, struct stream *stream, struct book *b, uint64_t max)
{
    struct sim *s = e->sim;
    uint64_t taken = 0;
    size_t len;

    if (stream_available(stream) > CHANNEL_STREAM_WINDOW)
        fail(s, "end %u: more received than the window", e->me);
    while (taken < max) {
        const uint8_t *view = stream_peek(stream, (uint32_t)taken, &len);

        if (len == 0)
            break;
        if (len > max - taken)
            len = max - taken;
        for (size_t i = 0; i < len; i++) {
            if (view[i] != byte_of(b, b->read + i)) {
                fail(s, "end %u: stream %" PRIu64 ": wrong byte at %" PRIu64, e->me, b->id,
                     b->read + i);
                return;
            }
        }
        taken += len;
        b->read += len;
    }
    if (b->read > b->written)
        fail(s, "end %u: stream %" PRIu64 ": read more than was written", e->me, b->id);
    stream_consume(e->channel, stream, (uint32_t)taken);
}

static void app_write(struct end *e, struct stream *stream, struct book *b, uint64_t max)
{
    struct sim *s = e->sim;
    static uint8_t bytes[70000];
    size_t room = stream_room(e->channel, stream), len = max, taken;

    if (room > CHANNEL_STREAM_BUFFER)
        fail(s, "end %u: more room than a buffer has", e->me);
    if (len > sizeof(bytes))
        len = sizeof(bytes);
    for (size_t i = 0; i < len && i < room; i++)
        bytes[i] = byte_of(b, b->written + i);
    taken = stream_write(e->channel, stream, bytes, len);
    if (taken < len && taken < room)
        fail(s, "end %u: stream_write took less than stream_room promised", e->me);
    b->written += taken;
}

static void app_serve(struct end *e, struct app_stream *a)
{
    struct sim *s = e->sim;
    struct book *in = book_of(s, e->session, a->id, 1 - e->me);
    struct book *out = book_of(s, e->session, a->id, e->me);

    if (chance(s, e->give_up_chance)) {
        struct stream *stream = a->stream;

        give_up(s, e->session, a->id);
        a->stream = NULL;
        tell(s, "%u gives up %" PRIu64, e->me, a->id);
        if (chance(s, 5000))
            stream_reset(e->channel, stream, 1 + below(s, 3));
        else
            stream_release(e->channel, stream);
        return;
    }
    if (chance(s, e->read_chance))
        app_read(e, a->stream, in, 1 + below(s, chance(s, 5000) ? 300 : 200000));
    if (!a->has_ended && chance(s, e->write_chance)) {
        uint64_t left = a->to_write - out->written;

        if (left > 0)
            app_write(e, a->stream, out, 1 + below(s, left));
        if (out->written == a->to_write) {
            stream_end(e->channel, a->stream);
            out->is_ended = a->has_ended = true;
        }
    }
    if (stream_is_ended(a->stream)) {
        if (!in->is_given_up && (!in->is_ended || in->read != in->written))
            fail(s, "end %u: stream %" PRIu64 " ended after %" PRIu64 " of %" PRIu64, e->me, a->id,
                 in->read, in->written);
        in->end_read = true;
        if (a->has_ended) {
            struct stream *stream = a->stream;

            a->stream = NULL;
            stream_release(e->channel, stream);
        }
    }
}

void app_run(struct end *e)
{
    struct sim *s = e->sim;

    e->app_at = UINT64_MAX;
    if (channel_state(e->channel) != CHANNEL_OPEN)
        return;

    struct stream *control = channel_control(e->channel);

    app_read(e, control, book_of(s, e->session, 0, 1 - e->me), UINT32_MAX);
    if (chance(s, 300) && s->now < s->calm_at)
        app_write(e, control, book_of(s, e->session, 0, e->me), 1 + below(s, 200));

    while (e->to_open > 0 && s->now < s->calm_at && chance(s, 6000)) {
        struct stream *stream = channel_open_stream(e->channel, NULL);

        if (stream == NULL)
            break;
        e->to_open--;
        book_of(s, e->session, stream_id(stream), e->me)->was_opened = true;
        if (app_add(e, stream, random_size(s), true) == NULL) {
            give_up(s, e->session, stream_id(stream));
            stream_reset(e->channel, stream, STREAM_REFUSED);
            break;
        }
    }

    bool is_busy = e->to_open > 0 && s->now < s->calm_at;

    for (uint32_t i = 0; i < APP_STREAMS_MAX; i++) {
        if (e->app[i].stream == NULL)
            continue;
        app_serve(e, &e->app[i]);
        is_busy = true;
    }
    if (is_busy)
        e->app_at = s->now + 1000 + below(s, chance(s, 500) ? 5 * MS_NS : 100000);
}

/* ---- events ---- */

static void on_up(void *arg, struct channel *c)
{
    struct end *e = arg;
    struct sim *s = e->sim;

    /* Both ends know a session by its handshake. */
    e->session = 1 + c->keys.session;
    e->ups++;
    e->app_at = s->now;
    e->connect_at = UINT64_MAX;
    tell(s, "%u up, session %" PRIu64, e->me, e->session);
}

void app_forget(struct end *e)
{
    struct sim *s = e->sim;

    /* What the other end opened here, it will hear of. */
    for (uint32_t i = 0; i < BOOKS; i++) {
        if (s->book[i].session == e->session)
            s->book[i].is_given_up = true;
    }
    for (uint32_t i = 0; i < APP_STREAMS_MAX; i++) {
        if (e->app[i].stream != NULL)
            give_up(e->sim, e->session, e->app[i].id);
        e->app[i].stream = NULL;
    }
}

static void on_down(void *arg, struct channel *c, enum channel_down why)
{
    struct end *e = arg;
    struct sim *s = e->sim;

    tell(s, "%u down: %d", e->me, why);
    e->downs[why]++;
    app_forget(e);
    e->connect_at = s->now + below(s, 50 * MS_NS);
    if (why == CHANNEL_MISBEHAVED)
        fail(s, "end %u: took an honest peer for a liar", e->me);
    if (why == CHANNEL_RESTARTED && !s->was_cut && !s->end[1 - e->me].has_restarted)
        fail(s, "end %u: took its peer for one that restarted", e->me);
    if (why == CHANNEL_SILENT && !s->was_cut && !s->end[1 - e->me].has_restarted)
        fail(s, "end %u: took its peer for silent", e->me);
}

static void on_opened(void *arg, struct channel *c, struct stream *stream)
{
    struct end *e = arg;
    struct sim *s = e->sim;
    uint64_t id = stream_id(stream);
    struct book *b = book_of(s, e->session, id, 1 - e->me);

    if (!b->was_opened)
        fail(s, "end %u: stream %" PRIu64 " that nobody opened", e->me, id);
    if (book_of(s, e->session, id, e->me)->was_opened)
        fail(s, "end %u: stream %" PRIu64 " opened twice", e->me, id);
    book_of(s, e->session, id, e->me)->was_opened = true;
    if (app_add(e, stream, random_size(s), false) == NULL) {
        give_up(s, e->session, id);
        stream_reset(c, stream, STREAM_REFUSED);
    } else if (chance(s, 200)) {
        struct app_stream *a = stream_user(stream);

        give_up(s, e->session, id);
        a->stream = NULL;
        stream_release(c, stream);
    }
    if (e->app_at > s->now)
        e->app_at = s->now;
}

static void on_news(void *arg, struct channel *c, struct stream *stream)
{
    struct end *e = arg;

    if (e->app_at == UINT64_MAX)
        e->app_at = e->sim->now + below(e->sim, 20000);
}

static void on_reset(void *arg, struct channel *c, struct stream *stream, enum stream_reset code)
{
    struct end *e = arg;
    struct app_stream *a = stream_user(stream);

    if (a == NULL || a->stream != stream)
        fail(e->sim, "end %u: reset of a stream that has no owner", e->me);
    if (code == STREAM_REFUSED && a != NULL && a->is_ours)
        give_up(e->sim, e->session, a->id); /* no memory there */
    if (a != NULL && !book_of(e->sim, e->session, a->id, e->me)->is_given_up)
        fail(e->sim, "end %u: stream %" PRIu64 " was reset by nobody", e->me, a->id);
    if (a != NULL)
        a->stream = NULL;
}

const struct channel_events app_events = {
    .up = on_up,
    .down = on_down,
    .opened = on_opened,
    .readable = on_news,
    .writable = on_news,
    .reset = on_reset,
};
