/* sim_channel.c
 *
 * Two channels over an in-memory wire on virtual time; everything that happens follows from one seed.
 *
 *   end 0  --- loss, delay, reorder, duplication, corruption, forgery, replay, cuts, an MTU that changes --->  end 1
 *          <---------------------------------------------------------------------------------------------
 *
 * Each end opens streams, writes and reads in random pieces, answers what the other opens, and now and then gives a stream
 * up, in either way and at any moment. Ends restart; blackouts outlast the silence limit; memory may be short. Then the wire
 * heals, nothing new is opened, and all must come to rest.
 *
 * Checked: a stream's bytes come once, in order, whole, with its end, unless somebody gave it up; nothing is opened twice; no
 * buffer passes its limit; nothing forged or repeated is taken; a channel goes down only for a reason that there was; timers
 * do not loop; at rest both pools are full again.
 *
 *   sim_channel --seed N      one run, told in detail (repeats a failure)
 *   sim_channel --seeds A B   runs [A, B); every tenth twice, to compare the traces
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/rpc/channel_state.h"

#define MS_NS 1000000ull
#define S_NS  1000000000ull

enum {
    PACKETS_MAX = 32768,
    STEPS_MAX = 3000000,
    APP_STREAMS_MAX = 128,
    BOOKS = 1 << 15, /* a hash table */
    CHUNKS = 3000,
    STREAMS = 1000,
    REPLAYS = 64,
};

/* ---- randomness: splitmix64 ---- */

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static uint64_t next_random(uint64_t *state)
{
    return mix(*state += 0x9e3779b97f4a7c15);
}

/* ---- what there is ---- */

struct packet {
    uint64_t at, order; /* ties arrive in the order sent */
    uint32_t to, bytes;
    bool is_false; /* must be refused */
    uint8_t data[];
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
    uint64_t seed, rng;
    uint64_t now, calm_at, until;
    uint32_t loss, reorder, duplicate, corrupt, replay, forge; /* per 10,000 */
    uint64_t delay_ns, jitter_ns;
    uint32_t mtu, later_mtu;
    uint64_t mtu_at;
    uint64_t cut_from[2], cut_until[2]; /* by sender */
    uint64_t restart_at;
    struct end end[2];
    struct packet *heap[PACKETS_MAX];
    uint32_t heap_count;
    uint64_t order, trace, steps, sessions;
    struct packet *kept[REPLAYS];
    struct book *book;
    uint32_t books;
    bool is_told, has_failed, was_cut;
    char failure[256];
};

static uint32_t below(struct sim *s, uint64_t n)
{
    return n > 0 ? (uint32_t)(next_random(&s->rng) % n) : 0;
}

static bool chance(struct sim *s, uint32_t per_10000)
{
    return below(s, 10000) < per_10000;
}

__attribute__((format(printf, 2, 3))) static void fail(struct sim *s, const char *format, ...)
{
    va_list args;

    if (s->has_failed)
        return;
    s->has_failed = true;
    va_start(args, format);
    vsnprintf(s->failure, sizeof(s->failure), format, args);
    va_end(args);
}

__attribute__((format(printf, 2, 3))) static void tell(struct sim *s, const char *format, ...)
{
    va_list args;

    if (!s->is_told)
        return;
    printf("%12.6f ", (double)s->now / 1e9);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

/* ---- the wire ---- */

static bool earlier(const struct packet *a, const struct packet *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void heap_push(struct sim *s, struct packet *p)
{
    uint32_t i = s->heap_count++;

    if (s->heap_count > PACKETS_MAX) {
        fprintf(stderr, "seed %" PRIu64 ": the wire holds too many packets\n", s->seed);
        abort();
    }
    for (; i > 0 && earlier(p, s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = p;
}

static struct packet *heap_pop(struct sim *s)
{
    struct packet *top = s->heap[0], *last = s->heap[--s->heap_count];
    uint32_t i = 0;

    for (;;) {
        uint32_t child = 2 * i + 1;

        if (child >= s->heap_count)
            break;
        if (child + 1 < s->heap_count && earlier(s->heap[child + 1], s->heap[child]))
            child++;
        if (!earlier(s->heap[child], last))
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = last;
    return top;
}

static struct packet *packet_new(uint32_t to, const uint8_t *bytes, size_t len)
{
    struct packet *p = malloc(sizeof(*p) + len);

    *p = (struct packet){.to = to, .bytes = (uint32_t)len};
    memcpy(p->data, bytes, len);
    return p;
}

static void carry(struct sim *s, struct packet *p)
{
    p->order = s->order++;
    p->at = s->now + s->delay_ns + (s->jitter_ns > 0 ? below(s, s->jitter_ns) : 0);
    if (chance(s, s->reorder))
        p->at += s->delay_ns + below(s, 3 * MS_NS);
    heap_push(s, p);
}

static void wire_send(struct sim *s, uint32_t from, const uint8_t *bytes, size_t len)
{
    uint32_t mtu = s->now >= s->mtu_at ? s->later_mtu : s->mtu;
    bool is_cut = s->now >= s->cut_from[from] && s->now < s->cut_until[from];

    for (size_t i = 0; i < len; i += 7)
        s->trace = (s->trace ^ bytes[i] ^ s->now) * 0x100000001b3;

    if (chance(s, s->replay)) {
        /* An eavesdropper keeps some, and sends some that it kept. */
        struct packet **slot = &s->kept[below(s, REPLAYS)];
        struct packet *old = *slot;

        *slot = packet_new(1 - from, bytes, len);
        if (old != NULL && !is_cut)
            carry(s, old);
        else
            free(old);
    }
    if (chance(s, s->forge) && !is_cut) {
        struct packet *p = packet_new(1 - from, bytes, len);

        /* Any change of any part. */
        for (uint32_t n = 1 + below(s, 3); n > 0; n--)
            p->data[below(s, chance(s, 5000) ? 16 : len)] ^= (uint8_t)(1 + below(s, 255));
        p->is_false = memcmp(p->data, bytes, len) != 0;
        carry(s, p);
    }
    if (is_cut || len > mtu || chance(s, s->loss)) {
        tell(s, "%u lost %zu", from, len);
        return;
    }
    tell(s, "%u ->   %zu type %u", from, len, bytes[0]);

    struct packet *p = packet_new(1 - from, bytes, len);

    if (chance(s, s->corrupt)) {
        p->data[below(s, len)] ^= (uint8_t)(1 << below(s, 8));
        p->is_false = true;
    }
    carry(s, p);
    if (chance(s, s->duplicate))
        carry(s, packet_new(1 - from, bytes, len));
}

/* ---- books ---- */

static struct book *book_of(struct sim *s, uint64_t session, uint64_t id, uint32_t from)
{
    uint64_t h = mix(session * 0x9e3779b97f4a7c15 + id * 2 + from);

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

static void app_run(struct end *e)
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

static void forget_all(struct end *e)
{
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
    /* What the other end opened here, it will hear of. */
    for (uint32_t i = 0; i < BOOKS; i++) {
        if (s->book[i].session == e->session)
            s->book[i].is_given_up = true;
    }
    forget_all(e);
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

static const struct channel_events events = {
    .up = on_up,
    .down = on_down,
    .opened = on_opened,
    .readable = on_news,
    .writable = on_news,
    .reset = on_reset,
};

static void fill(void *arg, void *out, size_t bytes)
{
    struct sim *s = arg;

    for (uint8_t *p = out; bytes > 0; bytes--)
        *p++ = (uint8_t)next_random(&s->rng);
}

/* ---- an end and its datagrams ---- */

static const uint8_t secret[32] = {9, 9, 9};

static void end_input(struct end *e, struct packet *p)
{
    struct sim *s = e->sim;
    struct datagram_init init;
    enum channel_result result = CHANNEL_REFUSED_AUTH;
    uint32_t index, sessions = e->ups;

    if (datagram_peek(p->data, p->bytes, &index) == DATAGRAM_INIT) {
        if (datagram_open_init(&init, &e->identity, secret, p->data, p->bytes)) {
            if (p->is_false)
                fail(s, "end %u: a forged init was taken", e->me);
            channel_accept(e->channel, &init, s->now);
            result = CHANNEL_TAKEN;
        }
    } else {
        result = channel_input(e->channel, p->data, p->bytes, s->now);
        if (result == CHANNEL_TAKEN && p->is_false)
            fail(s, "end %u: a forged datagram was taken", e->me);
    }
    if (result == CHANNEL_TAKEN)
        e->taken++;
    else if (e->ups != sessions)
        fail(s, "end %u: refused, and up", e->me);
    e->refused[result]++;
}

static void settle(struct end *e)
{
    struct sim *s = e->sim;
    uint8_t bytes[CHANNEL_DATAGRAM_MAX];

    for (uint32_t i = 0;; i++) {
        bool has = channel_has_output(e->channel, s->now);
        size_t len = channel_output(e->channel, bytes, sizeof(bytes), s->now);

        if (has != (len > 0))
            fail(s, "end %u: channel_has_output and channel_output disagree", e->me);
        if (len == 0)
            break;
        if (len > e->config.datagram_bytes_max)
            fail(s, "end %u: a datagram of %zu bytes", e->me, len);
        wire_send(s, e->me, bytes, len);
        if (i > 3000) {
            fail(s, "end %u: output without end", e->me);
            break;
        }
    }
}

static void end_start(struct end *e)
{
    channel_init(e->channel, &e->config, e->sim->now);
    e->connect_at = e->sim->now + below(e->sim, 3 * MS_NS);
}

/* ---- a run ---- */

static void configure(struct sim *s)
{
    s->now = S_NS + below(s, S_NS);
    s->calm_at = s->now + 20 * MS_NS + below(s, 500 * MS_NS);
    s->until = s->calm_at + 30 * S_NS;
    if (chance(s, 7000))
        s->loss = below(s, chance(s, 3000) ? 1500 : 500);
    if (chance(s, 4000))
        s->reorder = below(s, 2000);
    if (chance(s, 4000))
        s->duplicate = below(s, 1500);
    if (chance(s, 3000))
        s->corrupt = below(s, 300);
    if (chance(s, 5000))
        s->replay = below(s, 2000);
    if (chance(s, 4000))
        s->forge = below(s, 1000);
    s->delay_ns = 2000 + below(s, chance(s, 6000) ? 100000 : 10 * MS_NS);
    s->jitter_ns = chance(s, 3000) ? below(s, 2 * MS_NS) : 0;
    s->mtu = chance(s, 6000) ? 9000 : 1200 + below(s, 7800);
    s->later_mtu = chance(s, 2000) ? 1200 + below(s, 7800) : s->mtu;
    s->mtu_at = s->now + below(s, 300 * MS_NS);
    s->restart_at = chance(s, 1500) ? s->now + below(s, s->calm_at - s->now) : UINT64_MAX;
    for (uint32_t i = 0; i < 2; i++) {
        if (!chance(s, 1500))
            continue;
        s->was_cut = true;
        s->cut_from[i] = s->now + below(s, s->calm_at - s->now);
        s->cut_until[i] = s->cut_from[i] + below(s, chance(s, 5000) ? 2 * S_NS : 100 * MS_NS);
        if (chance(s, 5000)) {
            s->cut_from[1 - i] = s->cut_from[i];
            s->cut_until[1 - i] = s->cut_until[i];
        }
    }
    for (uint32_t i = 0; i < 2; i++) {
        uint8_t key[32];

        fill(s, key, sizeof(key));
        if (noise_identity_init(&s->end[i].identity, key) != 0)
            abort();
    }

    uint64_t rekey = chance(s, 3000) ? 5 + below(s, 200) : 0;
    bool is_lower = chance(s, 5000);

    for (uint32_t i = 0; i < 2; i++) {
        struct end *e = &s->end[i];

        e->sim = s;
        e->me = i;
        e->chunk_count = chance(s, 1500) ? 40 + below(s, 200) : CHUNKS;
        e->stream_count = chance(s, 1000) ? 20 + below(s, 50) : STREAMS;
        e->chunk_memory = malloc(e->chunk_count * sizeof(struct chunk));
        e->stream_memory = malloc(stream_pool_bytes(e->stream_count));
        e->channel = aligned_alloc(CHANNEL_ALIGN, channel_bytes());
        chunk_pool_init(&e->chunks, e->chunk_memory, e->chunk_count);
        e->to_open = below(s, chance(s, 5000) ? 500 : 60);
        e->read_chance = chance(s, 3000) ? 1000 : 9000;
        e->write_chance = 2000 + below(s, 8000);
        e->give_up_chance = chance(s, 5000) ? below(s, 300) : 0;
        e->config = (struct channel_config){
            .arg = e,
            .events = &events,
            .chunks = &e->chunks,
            .streams = stream_pool_init(e->stream_memory, e->stream_count),
            .counters = &e->counters,
            .identity = &e->identity,
            .secret = secret,
            .own_id = 5 + (is_lower ? i : 1 - i),
            .peer_id = 5 + (is_lower ? 1 - i : i),
            .index = 1 + below(s, 1000),
            .datagram_bytes_max =
                (uint16_t)(chance(s, 3000) ? CHANNEL_DATAGRAM_MAX : 1200 + below(s, 300)),
            .silence_ns = 800 * MS_NS,
            .rekey_packets = rekey,
            .random = fill,
            .random_arg = s,
        };
        memcpy(e->config.peer_key, s->end[1 - i].identity.public_key, NOISE_KEY_BYTES);
        end_start(e);
        e->app_at = UINT64_MAX;
    }
    tell(s,
         "loss %u reorder %u duplicate %u corrupt %u replay %u forge %u delay %" PRIu64
         " mtu %u, %u rekey %" PRIu64,
         s->loss, s->reorder, s->duplicate, s->corrupt, s->replay, s->forge, s->delay_ns, s->mtu,
         s->later_mtu, rekey);
}

static void restart(struct sim *s)
{
    struct end *e = &s->end[below(s, 2)];

    tell(s, "%u restarts", e->me);
    s->restart_at = UINT64_MAX;
    e->has_restarted = true;
    for (uint32_t i = 0; i < BOOKS; i++) {
        if (s->book[i].session == e->session)
            s->book[i].is_given_up = true;
    }
    forget_all(e);
    channel_fini(e->channel);
    if (e->chunks.free_count != e->chunk_count)
        fail(s, "end %u: channel_fini leaks chunks", e->me);
    end_start(e);
}

/* From here on the wire only delays. */
static void heal(struct sim *s)
{
    s->loss = s->reorder = s->duplicate = s->corrupt = s->replay = s->forge = 0;
    for (uint32_t i = 0; i < 2; i++) {
        s->end[i].give_up_chance = 0;
        s->end[i].read_chance = s->end[i].write_chance = 9000;
    }
}

static bool is_at_rest(const struct end *e)
{
    return channel_state(e->channel) == CHANNEL_OPEN && e->chunks.free_count == e->chunk_count &&
           stream_pool_free_count(e->config.streams) == e->stream_count;
}

static void step(struct sim *s)
{
    uint64_t at = s->restart_at;

    for (uint32_t i = 0; i < 2; i++) {
        const struct end *e = &s->end[i];
        uint64_t due = channel_deadline(e->channel);

        at = due < at ? due : at;
        at = e->app_at < at ? e->app_at : at;
        at = e->connect_at < at ? e->connect_at : at;
    }
    if (s->heap_count > 0 && s->heap[0]->at < at)
        at = s->heap[0]->at;
    if (s->now < s->calm_at && at >= s->calm_at)
        heal(s);
    if (at > s->now)
        s->now = at;
    if (s->restart_at <= s->now)
        restart(s);

    while (s->heap_count > 0 && s->heap[0]->at <= s->now) {
        struct packet *p = heap_pop(s);

        end_input(&s->end[p->to], p);
        free(p);
        if (chance(s, 5000))
            break;
    }
    for (uint32_t i = 0; i < 2; i++) {
        struct end *e = &s->end[i];

        if (e->connect_at <= s->now) {
            e->connect_at = UINT64_MAX;
            channel_connect(e->channel, s->now);
        }
        if (channel_deadline(e->channel) <= s->now) {
            channel_timeout(e->channel, s->now);
            settle(e);
            if (channel_deadline(e->channel) <= s->now)
                fail(s, "end %u: a timer that does not go away", e->me);
        }
        if (e->app_at <= s->now)
            app_run(e);
        settle(e);
    }
    if (++s->steps > STEPS_MAX)
        fail(s, "too many steps");
}

static void tell_streams(const struct end *e)
{
    const struct channel *c = e->channel;

    for (const struct link *l = c->all.next; l != &c->all; l = l->next) {
        const struct stream *t = LINK_OWNER(l, struct stream, all);

        printf("end %u stream %" PRIu64
               ": send una %u nxt %u end %u limit %u state %d lost %u acked %u%s%s%s; "
               "receive start %u next %u high %u granted %u%s%s ranges %u\n",
               e->me, t->id, t->una, t->nxt, t->una + t->tx.bytes, t->limit, t->send_end,
               t->lost.count, t->acked.count, t->is_reset ? " reset" : "",
               t->is_stopped ? " stopped" : "", t->ready.next != NULL ? " ready" : "", t->rx.start,
               t->rx.next, t->high, t->granted, t->has_end ? " end" : "",
               t->is_released ? " released" : "", t->rx.range_count);
    }
}

static void judge(struct sim *s)
{
    for (uint32_t i = 0; i < BOOKS && !s->has_failed; i++) {
        const struct book *b = &s->book[i];

        if (b->session == 0 || b->is_given_up || b->session != s->end[0].session)
            continue;
        if (b->read != b->written || (b->id != 0 && (!b->is_ended || !b->end_read)))
            fail(s, "stream %" PRIu64 " of end %u: %" PRIu64 " written, %" PRIu64 " read, %s",
                 b->id, b->from, b->written, b->read, b->end_read ? "ended" : "no end");
    }
    for (uint32_t i = 0; i < 2; i++) {
        if (s->end[i].counters.rpc_bad_frame != 0)
            fail(s, "end %u: a frame was taken for bad", i);
    }
}

static uint64_t run(uint64_t seed, bool is_told, bool *has_failed, struct counters *sum,
                    uint64_t refused[5])
{
    struct sim *s = calloc(1, sizeof(*s));

    s->seed = s->rng = seed;
    s->is_told = is_told;
    s->book = calloc(BOOKS, sizeof(*s->book));
    configure(s);
    while (!s->has_failed) {
        step(s);
        if (s->now > s->calm_at && is_at_rest(&s->end[0]) && is_at_rest(&s->end[1]) &&
            s->end[0].session == s->end[1].session)
            break;
        if (s->now > s->until)
            fail(s, "no rest: states %d %d, chunks missing %u %u, streams missing %u %u",
                 channel_state(s->end[0].channel), channel_state(s->end[1].channel),
                 s->end[0].chunk_count - s->end[0].chunks.free_count,
                 s->end[1].chunk_count - s->end[1].chunks.free_count,
                 s->end[0].stream_count - stream_pool_free_count(s->end[0].config.streams),
                 s->end[1].stream_count - stream_pool_free_count(s->end[1].config.streams));
    }
    if (!s->has_failed)
        judge(s);
    if (is_told && s->has_failed) {
        tell_streams(&s->end[0]);
        tell_streams(&s->end[1]);
    }
    if (is_told)
        printf("seed %" PRIu64 ": steps %" PRIu64 ", trace %016" PRIx64 "\n", seed, s->steps,
               s->trace);
    if (s->has_failed)
        fprintf(stderr, "FAILED: %s\nrepeat: build/tests/sim/sim_channel --seed %" PRIu64 "\n",
                s->failure, seed);
    *has_failed |= s->has_failed;

    uint64_t trace = s->trace;

    for (uint32_t i = 0; i < 2; i++) {
        struct end *e = &s->end[i];

        for (size_t k = 0; k < sizeof(*sum) / sizeof(uint64_t); k++)
            ((uint64_t *)sum)[k] += ((uint64_t *)&e->counters)[k];
        for (uint32_t k = 0; k < 5; k++)
            refused[k] += e->refused[k];
        channel_fini(e->channel);
        free(e->channel);
        free(e->chunk_memory);
        free(e->stream_memory);
    }
    while (s->heap_count > 0)
        free(heap_pop(s));
    for (uint32_t i = 0; i < REPLAYS; i++)
        free(s->kept[i]);
    free(s->book);
    free(s);
    return trace;
}

int main(int argc, char **argv)
{
    struct counters sum = {0};
    uint64_t refused[5] = {0};
    bool has_failed = false;

    if (aead_init() != 0)
        return 2;
    if (argc == 3 && strcmp(argv[1], "--seed") == 0) {
        run(strtoull(argv[2], NULL, 0), true, &has_failed, &sum, refused);
        return has_failed;
    }
    if (argc != 4 || strcmp(argv[1], "--seeds") != 0) {
        fprintf(stderr, "usage: sim_channel --seed N | --seeds FROM TO\n");
        return 2;
    }

    uint64_t from = strtoull(argv[2], NULL, 0), to = strtoull(argv[3], NULL, 0);
    uint32_t failures = 0;

    for (uint64_t seed = from; seed < to && failures < 10; seed++) {
        bool failed = false;
        uint64_t trace = run(seed, false, &failed, &sum, refused);

        if (seed % 10 == 0 && !failed && run(seed, false, &failed, &sum, refused) != trace) {
            fprintf(stderr, "FAILED: seed %" PRIu64 " gave two traces\n", seed);
            failed = true;
        }
        failures += failed;
    }
    printf("seeds %" PRIu64 " to %" PRIu64 ": %u failed\n", from, to, failures);
    printf("  taken %" PRIu64 ", refused: bad %" PRIu64 " session %" PRIu64 " auth %" PRIu64
           " replay %" PRIu64 "\n",
           refused[CHANNEL_TAKEN], refused[CHANNEL_REFUSED_BAD],
           refused[CHANNEL_REFUSED_NO_SESSION], refused[CHANNEL_REFUSED_AUTH],
           refused[CHANNEL_REFUSED_REPLAY]);
    printf("  handshakes %" PRIu64 " downs %" PRIu64 " lost packets %" PRIu64 " rekeys %" PRIu64
           " no memory %" PRIu64 "\n",
           sum.rpc_handshakes, sum.rpc_down, sum.rpc_lost_packets, sum.rpc_rekeys,
           sum.rpc_no_memory);
    return failures > 0;
}
