/* sim_channel.c
 *
 * Two channels over an in-memory wire on virtual time; everything that happens follows from one
 * seed.
 *
 *   end 0  --- loss, delay, reorder, duplication, corruption, forgery, replay, cuts, --->  end 1
 *          <-- an MTU that changes -------------------------------------------------------
 *
 * Each end opens streams, writes and reads in random pieces, answers what the other opens, and now
 * and then gives a stream up, in either way and at any moment. Ends restart; blackouts outlast the
 * silence limit; memory may be short. Then the wire heals, nothing new is opened, and all must come
 * to rest.
 *
 * Checked: a stream's bytes come once, in order, whole, with its end, unless somebody gave it up;
 * nothing is opened twice; no buffer passes its limit; nothing forged or repeated is taken; a
 * channel goes down only for a reason that there was; timers do not loop; at rest both pools are
 * full again.
 *
 *   sim_channel --seed N      one run, told in detail (repeats a failure)
 *   sim_channel --seeds A B   runs [A, B); every tenth twice, to compare the traces
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/channel_parts.h"
#include "tests/sim/seeds.h"

enum { STEPS_MAX = 3000000, CHUNKS = 3000, STREAMS = 1000 };

void fail(struct sim *s, const char *format, ...)
{
    va_list args;

    if (s->has_failed)
        return;
    s->has_failed = true;
    va_start(args, format);
    vsnprintf(s->failure, sizeof(s->failure), format, args);
    va_end(args);
}

void tell(struct sim *s, const char *format, ...)
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

static void carry(struct sim *s, struct packet *p)
{
    uint64_t at = s->now + s->delay_ns + (s->jitter_ns > 0 ? below(s, s->jitter_ns) : 0);

    if (chance(s, s->reorder))
        at += s->delay_ns + below(s, 3 * MS_NS);
    in_flight_add(&s->wire, p, at);
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

static void fill(void *arg, void *out, size_t bytes)
{
    struct sim *s = arg;

    for (uint8_t *p = out; bytes > 0; bytes--)
        *p++ = (uint8_t)rng_next(&s->rng);
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
            .events = &app_events,
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
    app_forget(e);
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
    if (in_flight_at(&s->wire) < at)
        at = in_flight_at(&s->wire);
    if (s->now < s->calm_at && at >= s->calm_at)
        heal(s);
    if (at > s->now)
        s->now = at;
    if (s->restart_at <= s->now)
        restart(s);

    while (in_flight_at(&s->wire) <= s->now) {
        struct packet *p = in_flight_take(&s->wire);

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

struct sums { /* over all runs */
    struct counters counters;
    uint64_t refused[5];
};

static uint64_t run(void *arg, uint64_t seed, bool is_told, bool *has_failed)
{
    struct sums *sums = arg;
    struct sim *s = calloc(1, sizeof(*s));

    s->seed = s->rng.state = seed;
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

        for (size_t k = 0; k < sizeof(sums->counters) / sizeof(uint64_t); k++)
            ((uint64_t *)&sums->counters)[k] += ((uint64_t *)&e->counters)[k];
        for (uint32_t k = 0; k < 5; k++)
            sums->refused[k] += e->refused[k];
        channel_fini(e->channel);
        free(e->channel);
        free(e->chunk_memory);
        free(e->stream_memory);
    }
    in_flight_fini(&s->wire);
    for (uint32_t i = 0; i < REPLAYS; i++)
        free(s->kept[i]);
    free(s->book);
    free(s);
    return trace;
}

static void report(void *arg)
{
    const struct sums *s = arg;

    printf("  taken %" PRIu64 ", refused: bad %" PRIu64 " session %" PRIu64 " auth %" PRIu64
           " replay %" PRIu64 "\n",
           s->refused[CHANNEL_TAKEN], s->refused[CHANNEL_REFUSED_BAD],
           s->refused[CHANNEL_REFUSED_NO_SESSION], s->refused[CHANNEL_REFUSED_AUTH],
           s->refused[CHANNEL_REFUSED_REPLAY]);
    printf("  handshakes %" PRIu64 " downs %" PRIu64 " lost packets %" PRIu64 " rekeys %" PRIu64
           " no memory %" PRIu64 "\n",
           s->counters.rpc_handshakes, s->counters.rpc_down, s->counters.rpc_lost_packets,
           s->counters.rpc_rekeys, s->counters.rpc_no_memory);
}

int main(int argc, char **argv)
{
    struct sums sums = {0};
    const struct seeds seeds = {.usage = "sim_channel --seed N | --seeds FROM TO",
                                .run = run,
                                .report = report,
                                .arg = &sums};

    if (aead_init() != 0)
        return 2;
    return seeds_main(&seeds, argc, argv);
}
