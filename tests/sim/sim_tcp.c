/* sim_tcp.c
 *
 * Two struct tcp over an in-memory wire on virtual time; everything that happens follows from one
 * seed.
 *
 *   side 0  --- rate, queue, delay, loss, reorder, duplication, corruption, options stripped --->
 * side 1
 *           <--------------------------------------------------------------------------------
 *
 * Each side writes a stream in random pieces, reads in random pieces, pauses (so that windows
 * close), finishes its half when all is written. Checked: bytes arrive once and in order; both ends
 * terminate, and in order unless the scenario says otherwise; every chunk comes back; no timer
 * loops; the same seed gives the same trace.
 *
 *   sim_tcp --seed N      one run, told in detail (repeats a failure)
 *   sim_tcp --seeds A B   runs [A, B); every tenth twice, to compare the traces
 *   sim_tcp --bulk        throughput figures, and judged
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/tcp/tcp.h"
#include "drivers/rng.h"
#include "tests/sim/in_flight.h"
#include "tests/sim/seeds.h"

#define MS_NS 1000000ull
#define S_NS  1000000000ull

enum { PACKET_BYTES = 1600, STEPS_MAX = 6000000 };

static uint32_t below(struct rng *r, uint32_t n)
{
    return n > 0 ? (uint32_t)(rng_next(r) % n) : 0;
}

static bool chance(struct rng *r, uint32_t per_10000)
{
    return below(r, 10000) < per_10000;
}

/* ---- the wire ---- */

struct wire_config {
    uint32_t loss, reorder, duplicate, corrupt; /* per 10,000 */
    uint64_t delay_ns, jitter_ns;
    uint64_t bits_per_s;
    uint64_t queue_ns; /* how much may wait for the link */
    bool strip_sack, strip_ts, strip_wscale;
    uint64_t dead_at; /* from then on nothing arrives */
};

enum ending {
    ENDING_ORDERLY,
    ENDING_ABORT, /* side 0 aborts in the middle */
    ENDING_CLOSE, /* side 0 closes without reading on */
    ENDING_DEAD,  /* the path dies */
};

struct side {
    struct tcp tcp;
    struct tcp_env env;
    struct chunk_pool pool;
    struct counters counters;
    void *memory;
    bool is_open; /* tcp is in use */
    enum tcp_end end;
    uint64_t to_write, written, read;
    uint32_t write_max, read_max, pause_chance;
    uint64_t pause_ns;
    uint64_t app_at; /* when the application looks again; UINT64_MAX: on events only */
    bool was_closed;
};

struct sim {
    uint64_t seed;
    struct rng rng;
    uint64_t now;
    struct wire_config wire;
    enum ending ending;
    struct side side[2];
    uint64_t link_free_at[2];
    struct in_flight in_flight;
    uint64_t trace;
    uint64_t segments, dropped;
    uint64_t steps;
    uint64_t abort_after; /* bytes read by side 1 */
    bool is_told, has_failed, is_passive_opened;
    char failure[200];
};

static void fail(struct sim *s, const char *format, ...)
{
    va_list args;

    if (s->has_failed)
        return;
    s->has_failed = true;
    va_start(args, format);
    vsnprintf(s->failure, sizeof(s->failure), format, args);
    va_end(args);
}

static void trace(struct sim *s, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;

    for (size_t i = 0; i < len; i++)
        s->trace = (s->trace ^ p[i]) * 0x100000001b3;
}

/* A middlebox that does not like an option makes it NOPs. */
static void strip_options(const struct wire_config *w, uint8_t *l4)
{
    uint8_t *p = l4 + TCP_HEADER_BYTES, *end = l4 + (l4[12] >> 4) * 4;

    if (!(l4[13] & TCP_SYN))
        return;
    while (p < end && *p != 0) {
        uint32_t len = *p == 1 ? 1 : p[1];

        if ((*p == 3 && w->strip_wscale) || (*p == 4 && w->strip_sack) || (*p == 8 && w->strip_ts))
            memset(p, 1, len);
        p += len;
    }
}

static const char *flags_text(uint8_t flags)
{
    static char text[8];
    char *p = text;

    for (int i = 0; i < 5; i++) {
        if (flags & (1 << i))
            *p++ = "FSRPA"[i];
    }
    *p = 0;
    return text;
}

static void tell(struct sim *s, const char *what, uint32_t from, const uint8_t *l4, uint32_t bytes)
{
    struct tcp_segment seg;

    if (!s->is_told || !tcp_segment_parse(&seg, l4, bytes))
        return;
    printf("%12.6f %u %s %-5s seq %10u ack %10u win %5u len %4u", (double)s->now / 1e9, from, what,
           flags_text(seg.flags), seg.seq, seg.ack, seg.window, seg.payload_bytes);
    for (uint32_t i = 0; i < seg.sack_count; i++)
        printf(" [%u,%u)", seg.sack[i].start, seg.sack[i].end);
    printf("\n");
}

static void carry(struct sim *s, uint32_t from, const uint8_t *l4, uint32_t bytes, uint64_t sent_at)
{
    uint64_t at = sent_at + s->wire.delay_ns;

    if (s->wire.jitter_ns > 0)
        at += rng_next(&s->rng) % s->wire.jitter_ns;
    if (chance(&s->rng, s->wire.reorder))
        at += s->wire.delay_ns / 2 + rng_next(&s->rng) % (10 * MS_NS);
    in_flight_add(&s->in_flight, packet_new(1 - from, l4, bytes), at);
}

static void wire_send(struct sim *s, uint32_t from, uint8_t *l4, uint32_t bytes)
{
    struct wire_config *w = &s->wire;

    s->segments++;
    trace(s, &s->now, sizeof(s->now));
    trace(s, l4, bytes);
    strip_options(w, l4);

    uint64_t start = s->link_free_at[from] > s->now ? s->link_free_at[from] : s->now;

    if (start - s->now > w->queue_ns || s->now >= w->dead_at || chance(&s->rng, w->loss) ||
        chance(&s->rng, w->corrupt)) { /* the checksum is checked below TCP */
        s->dropped++;
        tell(s, "lost", from, l4, bytes);
        return;
    }
    tell(s, "->  ", from, l4, bytes);
    s->link_free_at[from] = start + (bytes + 38ull + 20) * 8 * S_NS / w->bits_per_s;
    carry(s, from, l4, bytes, s->link_free_at[from]);
    if (chance(&s->rng, w->duplicate))
        carry(s, from, l4, bytes, s->link_free_at[from]);
}

/* ---- the two ends ---- */

static const uint16_t port[2] = {40000, 443};

/* Byte i of a side's stream. */
static uint8_t stream_byte(const struct sim *s, uint32_t side, uint64_t i)
{
    return (uint8_t)(rng_mix(s->seed * 2 + side + (i >> 3) * 0x9e3779b97f4a7c15u) >> (8 * (i & 7)));
}

static void app_read(struct sim *s, uint32_t me)
{
    struct side *d = &s->side[me];
    size_t len;
    uint32_t taken = 0, wanted = 1 + below(&s->rng, d->read_max);

    while (taken < wanted) {
        const uint8_t *view = tcp_peek(&d->tcp, taken, &len);

        if (len == 0)
            break;
        if (len > wanted - taken)
            len = wanted - taken;
        for (size_t i = 0; i < len; i++) {
            if (view[i] != stream_byte(s, 1 - me, d->read + i)) {
                fail(s, "side %u: wrong byte at %" PRIu64, me, d->read + i);
                return;
            }
        }
        taken += (uint32_t)len;
        d->read += len;
    }
    tcp_consume(&d->tcp, taken);
    if (d->read > s->side[1 - me].written)
        fail(s, "side %u: read more than was written", me);
}

static void app_write(struct sim *s, uint32_t me)
{
    struct side *d = &s->side[me];
    static uint8_t buffer[65536];
    uint64_t left = d->to_write - d->written;
    size_t len = 1 + below(&s->rng, d->write_max);

    if (len > left)
        len = left;
    if (len > tcp_writable(&d->tcp))
        len = tcp_writable(&d->tcp);
    for (size_t i = 0; i < len; i++)
        buffer[i] = stream_byte(s, me, d->written + i);
    d->written += tcp_write(&d->tcp, buffer, len);
    if (d->written == d->to_write)
        tcp_finish(&d->tcp);
}

/* The application's turn. */
static void app_run(struct sim *s, uint32_t me)
{
    struct side *d = &s->side[me];

    if (tcp_state(&d->tcp) == TCP_CLOSED)
        return;
    if (s->ending == ENDING_ABORT && me == 0 && s->side[1].read >= s->abort_after) {
        tcp_abort(&d->tcp);
        return;
    }
    if (s->ending == ENDING_CLOSE && me == 0 && !d->was_closed &&
        s->side[1].read >= s->abort_after) {
        d->was_closed = true;
        tcp_close(&d->tcp, s->now);
        return;
    }
    if (d->app_at > s->now && d->app_at != UINT64_MAX)
        return; /* pausing */
    d->app_at = UINT64_MAX;
    if (chance(&s->rng, d->pause_chance)) {
        d->app_at = s->now + 1 + rng_next(&s->rng) % d->pause_ns;
        return;
    }
    if (tcp_readable(&d->tcp) > 0 && !d->was_closed)
        app_read(s, me);
    if (d->written < d->to_write || d->to_write == 0)
        app_write(s, me);
    if ((tcp_readable(&d->tcp) > 0 && !d->was_closed) ||
        (d->written < d->to_write && tcp_writable(&d->tcp) > 0))
        d->app_at = s->now + 10000; /* more to do at once */
}

static void settle(struct sim *s, uint32_t me)
{
    struct side *d = &s->side[me];
    uint8_t buffer[PACKET_BYTES];
    size_t bytes;

    if (!d->is_open)
        return;
    for (int i = 0;; i++) {
        bool wants = tcp_wants_output(&d->tcp, s->now);

        bytes = tcp_output(&d->tcp, buffer, d->env.mss_max + 20u, s->now);
        if (wants != (bytes > 0))
            fail(s, "side %u: tcp_wants_output and tcp_output disagree", me);
        if (bytes == 0)
            break;
        if (bytes > d->env.mss_max + 20u)
            fail(s, "side %u: segment of %zu bytes", me, bytes);
        wire_send(s, me, buffer, (uint32_t)bytes);
        if (i > 2000) {
            fail(s, "side %u: output without end", me);
            break;
        }
    }
    if (tcp_readable(&d->tcp) > TCP_RX_WINDOW_BYTES)
        fail(s, "side %u: receive buffer over its limit", me);
    if (tcp_is_done(&d->tcp) &&
        (tcp_readable(&d->tcp) == 0 || tcp_end(&d->tcp) != TCP_END_CLOSED || d->was_closed)) {
        d->end = tcp_end(&d->tcp);
        tcp_fini(&d->tcp);
        d->is_open = false;
        if (s->is_told)
            printf("%12.6f %u end %d\n", (double)s->now / 1e9, me, d->end);
    }
}

static void run_app(struct sim *s, uint32_t me)
{
    struct side *d = &s->side[me];

    if (d->is_open && tcp_state(&d->tcp) == TCP_CLOSED) {
        /* All there is to do is to read the rest. */
        if (tcp_readable(&d->tcp) > 0)
            app_read(s, me);
        d->app_at = tcp_readable(&d->tcp) > 0 ? s->now + 1000 : UINT64_MAX;
    } else if (d->is_open) {
        app_run(s, me);
    }
    settle(s, me);
}

static void deliver(struct sim *s, struct packet *p)
{
    struct side *d = &s->side[p->to];
    struct tcp_segment seg;
    uint8_t buffer[64];

    if (!tcp_segment_parse(&seg, p->data, p->bytes)) {
        fail(s, "a segment of ours is malformed");
        return;
    }
    tell(s, "  <-", p->to, p->data, p->bytes);
    if (!d->is_open && !s->is_passive_opened && p->to == 1 &&
        (seg.flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN) {
        uint32_t iss = (uint32_t)rng_next(&s->rng);

        if (chance(&s->rng, 3000))
            iss = 0u - below(&s->rng, 50000);
        s->is_passive_opened = true;
        d->is_open = true;
        tcp_open_passive(&d->tcp, &d->env, port[1], port[0], &seg, iss, s->now);
    } else if (d->is_open) {
        tcp_input(&d->tcp, &seg, s->now);
    } else {
        size_t bytes = tcp_reset_for(&seg, buffer, sizeof(buffer));

        if (bytes > 0)
            wire_send(s, p->to, buffer, (uint32_t)bytes);
        return;
    }
    settle(s, p->to);
    run_app(s, p->to);
}

/* ---- a run ---- */

static void side_init(struct side *d, uint32_t chunks, uint16_t mss, uint64_t key)
{
    memset(d, 0, sizeof(*d));
    d->memory = malloc(chunks * sizeof(struct chunk));
    chunk_pool_init(&d->pool, d->memory, chunks);
    d->env = (struct tcp_env){.pool = &d->pool, .counters = &d->counters, .mss_max = mss};
    memcpy(d->env.cookie_key, &key, sizeof(key));
    d->app_at = UINT64_MAX;
}

static void configure(struct sim *s)
{
    struct rng *r = &s->rng;
    static const uint64_t rates[] = {2000000, 10000000, 100000000, 1000000000};
    static const uint16_t sizes[] = {1460, 1440, 536, 1220, 100};
    struct wire_config *w = &s->wire;

    s->now = 1 + rng_next(r) % (1000 * S_NS);
    if (chance(r, 7000))
        w->loss = below(r, chance(r, 3000) ? 1000 : 300);
    if (chance(r, 4000))
        w->reorder = below(r, 2000);
    if (chance(r, 3000))
        w->duplicate = below(r, 1000);
    if (chance(r, 2000))
        w->corrupt = below(r, 200);
    w->delay_ns = 50000 + rng_next(r) % (chance(r, 5000) ? 2 * MS_NS : 80 * MS_NS);
    w->jitter_ns = chance(r, 3000) ? rng_next(r) % (5 * MS_NS) : 0;
    w->bits_per_s = rates[below(r, 4)];
    w->queue_ns = 5 * MS_NS + rng_next(r) % (200 * MS_NS);
    w->strip_sack = chance(r, 2500);
    w->strip_ts = chance(r, 2500);
    w->strip_wscale = chance(r, 2000);
    w->dead_at = UINT64_MAX;

    uint32_t kind = below(r, 100);

    s->ending = kind < 8    ? ENDING_ABORT
                : kind < 16 ? ENDING_CLOSE
                : kind < 20 ? ENDING_DEAD
                            : ENDING_ORDERLY;
    if (s->ending == ENDING_DEAD)
        w->dead_at = s->now + rng_next(r) % (2 * S_NS);
    for (uint32_t i = 0; i < 2; i++) {
        struct side *d = &s->side[i];
        uint32_t chunks = chance(r, 2000) ? 16 + below(r, 64) : 600;

        side_init(d, chunks, sizes[below(r, chance(r, 1000) ? 5 : 4)], rng_next(r));
        d->env.cc = chance(r, 3000) ? TCP_CC_NEWRENO : TCP_CC_CUBIC;
        d->to_write = chance(r, 1500) ? 0 : below(r, chance(r, 3000) ? 600000 : 20000);
        d->write_max = chance(r, 3000) ? 100 : 65536;
        d->read_max = chance(r, 3000) ? 500 : 300000;
        d->pause_chance = chance(r, 3000) ? below(r, 500) : 0;
        d->pause_ns = 1 + rng_next(r) % (3 * S_NS);
    }
    s->abort_after = rng_next(r) % (s->side[0].to_write + 1);
}

static void start(struct sim *s)
{
    uint32_t iss = (uint32_t)rng_next(&s->rng);

    if (chance(&s->rng, 3000))
        iss = 0u - below(&s->rng, 50000);
    s->side[0].is_open = true;
    tcp_open_active(&s->side[0].tcp, &s->side[0].env, port[0], port[1], iss, s->now);
    if (chance(&s->rng, 1000)) {
        s->is_passive_opened = true;
        s->side[1].is_open = true;
        tcp_open_active(&s->side[1].tcp, &s->side[1].env, port[1], port[0], iss * 7, s->now);
    }
    for (uint32_t i = 0; i < 2; i++)
        run_app(s, i);
}

static uint64_t next_event(const struct sim *s)
{
    uint64_t next = in_flight_at(&s->in_flight);

    for (uint32_t i = 0; i < 2; i++) {
        const struct side *d = &s->side[i];

        if (!d->is_open)
            continue;
        if (tcp_deadline(&d->tcp) < next)
            next = tcp_deadline(&d->tcp);
        if (d->app_at < next)
            next = d->app_at;
    }
    return next;
}

static bool is_over(const struct sim *s)
{
    return !s->side[0].is_open && !s->side[1].is_open && s->in_flight.count == 0;
}

static void step(struct sim *s)
{
    uint64_t next = next_event(s);

    if (next == UINT64_MAX) {
        fail(s, "nothing will ever happen again: states %d %d", tcp_state(&s->side[0].tcp),
             tcp_state(&s->side[1].tcp));
        return;
    }
    if (++s->steps > STEPS_MAX) {
        fail(s, "no end after %d events", STEPS_MAX);
        return;
    }
    if (next > s->now)
        s->now = next;
    while (in_flight_at(&s->in_flight) <= s->now) {
        struct packet *p = in_flight_take(&s->in_flight);

        deliver(s, p);
        free(p);
    }
    for (uint32_t i = 0; i < 2; i++) {
        struct side *d = &s->side[i];

        if (d->is_open && tcp_deadline(&d->tcp) <= s->now) {
            tcp_timeout(&d->tcp, s->now);
            settle(s, i);
            if (d->is_open && tcp_deadline(&d->tcp) <= s->now)
                fail(s, "side %u: a deadline that does not go away", i);
        }
        if (d->is_open && d->app_at <= s->now)
            run_app(s, i);
    }
}

static void judge(struct sim *s)
{
    for (uint32_t i = 0; i < 2; i++) {
        struct side *d = &s->side[i];

        if (d->pool.free_count != d->pool.count)
            fail(s, "side %u: %u of %u chunks came back", i, d->pool.free_count, d->pool.count);
        if (s->ending != ENDING_ORDERLY)
            continue;
        if (d->read != s->side[1 - i].to_write)
            fail(s, "side %u: read %" PRIu64 " of %" PRIu64 ", ends %d %d", i, d->read,
                 s->side[1 - i].to_write, s->side[0].end, s->side[1].end);
        /* The last ACK may be lost so often that TIME_WAIT ends first; then its RST, or silence,
         * ends the other. */
        if (d->end != TCP_END_CLOSED && s->side[1 - i].end != TCP_END_CLOSED)
            fail(s, "ends %d %d", s->side[0].end, s->side[1].end);
    }
}

static void sim_fini(struct sim *s)
{
    in_flight_fini(&s->in_flight);
    for (uint32_t i = 0; i < 2; i++)
        free(s->side[i].memory);
}

static uint64_t run(void *arg, uint64_t seed, bool is_told, bool *has_failed)
{
    struct counters *sum = arg;
    static struct sim sim;
    struct sim *s = &sim;

    memset(s, 0, sizeof(*s));
    s->seed = seed;
    s->rng.state = rng_mix(seed + 1);
    s->trace = 0xcbf29ce484222325;
    s->is_told = is_told;
    configure(s);
    start(s);
    while (!s->has_failed && !is_over(s)) {
        step(s);
        if (s->ending == ENDING_DEAD && !s->is_passive_opened && !s->side[0].is_open)
            break; /* side 1 never heard of it */
    }
    if (!s->has_failed)
        judge(s);
    for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
        ((uint64_t *)sum)[i] +=
            ((uint64_t *)&s->side[0].counters)[i] + ((uint64_t *)&s->side[1].counters)[i];
    if (is_told)
        printf("seed %" PRIu64 ": %" PRIu64 " segments, %" PRIu64
               " dropped, ends %d %d, trace %016" PRIx64 "\n",
               seed, s->segments, s->dropped, s->side[0].end, s->side[1].end, s->trace);
    if (s->has_failed)
        fprintf(stderr, "FAILED: %s\nrepeat: build/tests/sim/sim_tcp --seed %" PRIu64 "\n",
                s->failure, seed);
    *has_failed |= s->has_failed;
    sim_fini(s);
    return s->trace;
}

/* ---- bulk ---- */

struct bulk {
    const char *what;
    uint32_t loss;
    uint64_t delay_ns, bits_per_s, bytes;
    enum tcp_cc_kind cc;
    bool strip_sack;
    double mbit_min;
    uint32_t rto_max;
};

static bool bulk_run(const struct bulk *b)
{
    static struct sim sim;
    struct sim *s = &sim;

    memset(s, 0, sizeof(*s));
    s->seed = 7;
    s->rng.state = 7;
    s->now = S_NS;
    s->wire = (struct wire_config){
        .loss = b->loss,
        .delay_ns = b->delay_ns,
        .bits_per_s = b->bits_per_s,
        .queue_ns = 50 * MS_NS,
        .strip_sack = b->strip_sack,
        .dead_at = UINT64_MAX,
    };
    for (uint32_t i = 0; i < 2; i++) {
        side_init(&s->side[i], 1024, 1460, 1);
        s->side[i].env.cc = (uint8_t)b->cc;
        s->side[i].write_max = 65536;
        s->side[i].read_max = 1 << 20;
        s->side[i].pause_ns = 1;
    }
    s->side[0].to_write = b->bytes;
    s->side[1].to_write = 1;
    start(s);

    uint64_t from = s->now;

    while (!s->has_failed && s->side[1].read < b->bytes)
        step(s);

    double seconds = (double)(s->now - from) / 1e9;
    double mbit = (double)b->bytes * 8 / seconds / 1e6;
    struct counters *c = &s->side[0].counters;
    bool is_good = !s->has_failed && mbit >= b->mbit_min && c->tcp_rto <= b->rto_max;

    printf("%-44s %8.1f Mbit/s  %6.2f s  retransmits %5" PRIu64 "  recoveries %4" PRIu64
           "  rto %3" PRIu64 "  %s\n",
           b->what, mbit, seconds, c->tcp_retransmits, c->tcp_fast_recoveries, c->tcp_rto,
           is_good ? "ok" : "BAD");
    if (s->has_failed)
        fprintf(stderr, "FAILED: %s\n", s->failure);
    for (uint32_t i = 0; i < 2; i++)
        tcp_fini(&s->side[i].tcp);
    sim_fini(s);
    return is_good;
}

static bool bulk(void)
{
    /* 256 KiB per 20 ms is 104.8 Mbit/s; Reno's steady state at 1 % (Mathis) about 7 Mbit/s. */
    static const struct bulk rows[] = {
        {"no loss, 20 ms: the window is the limit", 0, 10 * MS_NS, 10000000000, 50 << 20,
         TCP_CC_CUBIC, false, 95, 0},
        {"no loss, 1 ms, 1 Gbit/s: the link is", 0, MS_NS / 2, 1000000000, 100 << 20, TCP_CC_CUBIC,
         false, 850, 0},
        {"10 Mbit/s, 50 ms queue, cubic", 0, 10 * MS_NS, 10000000, 10 << 20, TCP_CC_CUBIC, false,
         8.5, 2},
        {"10 Mbit/s, 50 ms queue, newreno", 0, 10 * MS_NS, 10000000, 10 << 20, TCP_CC_NEWRENO,
         false, 8.5, 2},
        {"1 % loss, 20 ms, cubic", 100, 10 * MS_NS, 1000000000, 10 << 20, TCP_CC_CUBIC, false, 5,
         12},
        {"1 % loss, 20 ms, newreno", 100, 10 * MS_NS, 1000000000, 10 << 20, TCP_CC_NEWRENO, false,
         4, 12},
        {"1 % loss, 20 ms, newreno without SACK", 100, 10 * MS_NS, 1000000000, 10 << 20,
         TCP_CC_NEWRENO, true, 3, 24},
        {"5 % loss, 20 ms, cubic", 500, 10 * MS_NS, 1000000000, 3 << 20, TCP_CC_CUBIC, false, 1,
         60},
    };
    bool is_good = true;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        is_good &= bulk_run(&rows[i]);
    return is_good;
}

static void report(void *arg)
{
    const struct counters *sum = arg;

#define PRINT(name, text) printf("  %-24s %10" PRIu64 "  %s\n", #name, sum->name, text);
#define SKIP(name, text)
    COUNTERS_TCP(SKIP, PRINT)
}

int main(int argc, char **argv)
{
    struct counters sum = {0};
    const struct seeds seeds = {.usage = "sim_tcp --seed N | --seeds FROM TO | --bulk",
                                .run = run,
                                .report = report,
                                .arg = &sum};

    if (argc == 2 && strcmp(argv[1], "--bulk") == 0)
        return bulk() ? 0 : 1;
    return seeds_main(&seeds, argc, argv);
}
