/* bench_channel.c
 *
 * What a call costs a channel: two of them in one process, datagrams handed over by memcpy. One
 * call: open a stream, write 32 bytes and the end; the other side reads them, writes 32 bytes and
 * the end, releases; the first side reads, releases. Time is both ends' together, AEAD included;
 * the network and the call's own work are not.
 *
 *   bench_channel [SECONDS]      one line per batch size: how many calls are under way at once
 */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "../unit/dataplane/rpc/channel_rig.h"

enum { CALL_BYTES = 32 };

static uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static const uint8_t text[CALL_BYTES] = "to be or not to be, says a call";
static uint64_t answered, packets;

static void read_whole(struct rig_end *e, struct stream *s)
{
    size_t len;
    const uint8_t *view = stream_peek(s, 0, &len);

    if (view != NULL) {
        assert(len == CALL_BYTES && memcmp(view, text, CALL_BYTES) == 0);
        stream_consume(e->channel, s, CALL_BYTES);
    }
}

static void serve(struct rig_end *e, struct stream *s)
{
    read_whole(e, s);
    if (!stream_is_ended(s))
        return;
    stream_write(e->channel, s, text, CALL_BYTES);
    stream_end(e->channel, s);
    stream_release(e->channel, s);
}

static void collect(struct rig_end *e, struct stream *s)
{
    read_whole(e, s);
    if (!stream_is_ended(s))
        return;
    stream_release(e->channel, s);
    answered++;
}

/* All datagrams of one end to the other, as the bursts of two cores would go. */
static void hand_over(struct rig_end *from, struct rig_end *to, uint64_t now)
{
    static uint8_t bytes[CHANNEL_DATAGRAM_MAX], copy[CHANNEL_DATAGRAM_MAX];
    size_t len;

    while (channel_has_output(from->channel, now) &&
           (len = channel_output(from->channel, bytes, sizeof(bytes), now)) > 0) {
        memcpy(copy, bytes, len);
        packets++;
        channel_input(to->channel, copy, len, now);
    }
    if (channel_deadline(from->channel) <= now)
        channel_timeout(from->channel, now);
}

static void measure(uint32_t batch, double seconds)
{
    struct rig r;

    rig_init(&r, 1);
    r.end[1].on_readable = serve;
    r.end[0].on_readable = collect;
    rig_open(&r);
    rig_advance(&r, 20000000);

    uint64_t from = clock_ns(), now = from, offset = r.now - from, calls = 0;

    answered = packets = 0;
    while (now - from < (uint64_t)(seconds * 1e9)) {
        for (uint32_t i = 0; i < batch; i++) {
            struct stream *s = channel_open_stream(r.end[0].channel, NULL);

            assert(s != NULL);
            stream_write(r.end[0].channel, s, text, CALL_BYTES);
            stream_end(r.end[0].channel, s);
        }
        calls += batch;
        now = clock_ns();
        hand_over(&r.end[0], &r.end[1], now + offset);
        hand_over(&r.end[1], &r.end[0], now + offset);
    }
    while (answered < calls) {
        now = clock_ns();
        hand_over(&r.end[0], &r.end[1], now + offset);
        hand_over(&r.end[1], &r.end[0], now + offset);
    }
    printf("batch %4u: %7.1f ns a call, %6.2f M calls/s, %5.2f packets a call\n", batch,
           (double)(now - from) / (double)calls, (double)calls * 1e3 / (double)(now - from),
           (double)packets / (double)calls);
    r.now = now + offset;
    rig_settle(&r);
    rig_fini(&r);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;

    if (aead_init() != 0)
        return 1;
    measure(1, seconds);
    measure(8, seconds);
    measure(32, seconds);
    measure(256, seconds);
    aead_fini();
    return 0;
}
