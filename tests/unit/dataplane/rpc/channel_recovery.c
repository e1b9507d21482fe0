/* Losses, clocks and sizes: a wire with a delay that drops what a test tells it to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "channel_rig.h"
#include "dataplane/rpc/channel_recovery.h"

#define MS_NS 1000000ull
#define US_NS 1000ull

enum { WIRE_MAX = 4096 };

struct wire {
    struct rig rig;
    uint64_t delay_ns;
    size_t mtu;
    uint32_t drop[2]; /* that many of this end's next datagrams */
    uint32_t sent[2], count;
    struct {
        uint64_t at;
        int to;
        size_t len;
        uint8_t bytes[1500];
    } flying[WIRE_MAX];
};

static uint8_t text[CHANNEL_STREAM_BUFFER];

static void wire_init(struct wire *w, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    w->delay_ns = 50 * US_NS;
    w->mtu = 1500;
    rig_init(&w->rig, seed);
}

static void wire_pump(struct wire *w)
{
    for (int i = 0; i < 2; i++) {
        uint8_t bytes[CHANNEL_DATAGRAM_MAX];
        size_t len;

        while ((len = rig_output(&w->rig.end[i], bytes)) > 0) {
            w->sent[i]++;
            if (w->drop[i] > 0) {
                w->drop[i]--;
                continue;
            }
            if (len > w->mtu)
                continue;
            assert_true(w->count < WIRE_MAX && len <= sizeof(w->flying[0].bytes));
            w->flying[w->count].at = w->rig.now + w->delay_ns;
            w->flying[w->count].to = 1 - i;
            w->flying[w->count].len = len;
            memcpy(w->flying[w->count].bytes, bytes, len);
            w->count++;
        }
    }
}

/* To the next thing that happens, or until. */
static void wire_step(struct wire *w, uint64_t until)
{
    uint64_t at = until;

    wire_pump(w);
    for (int i = 0; i < 2; i++) {
        uint64_t due = channel_deadline(w->rig.end[i].channel);

        at = due < at ? due : at;
    }
    if (w->count > 0 && w->flying[0].at < at)
        at = w->flying[0].at;
    w->rig.now = at > w->rig.now ? at : w->rig.now;
    while (w->count > 0 && w->flying[0].at <= w->rig.now) {
        rig_input(&w->rig.end[w->flying[0].to], w->flying[0].bytes, w->flying[0].len);
        memmove(&w->flying[0], &w->flying[1], --w->count * sizeof(w->flying[0]));
    }
    for (int i = 0; i < 2; i++) {
        if (channel_deadline(w->rig.end[i].channel) <= w->rig.now)
            channel_timeout(w->rig.end[i].channel, w->rig.now);
    }
    wire_pump(w);
}

static void wire_run(struct wire *w, uint64_t ns)
{
    uint64_t until = w->rig.now + ns;

    while (w->rig.now < until)
        wire_step(w, until);
}

static void wire_open(struct wire *w)
{
    channel_connect(w->rig.end[0].channel, w->rig.now);
    wire_run(w, 20 * MS_NS);
    assert_int_equal(channel_state(w->rig.end[0].channel), CHANNEL_OPEN);
}

static struct channel_stats stats_of(struct wire *w, int end)
{
    struct channel_stats stats;

    channel_stats(w->rig.end[end].channel, &stats);
    return stats;
}

static void consume_all(struct rig_end *e, struct stream *s)
{
    stream_consume(e->channel, s, (uint32_t)stream_available(s));
}

/* Writes so many bytes into a new stream and waits for them. Returns how long it took; 0: they did
 * not come. */
static uint64_t send_bytes(struct wire *w, uint64_t bytes, uint64_t patience)
{
    struct channel *a = w->rig.end[0].channel;
    struct stream *s = channel_open_stream(a, NULL);
    uint64_t from = w->rig.now, left = bytes;

    w->rig.end[1].on_readable = consume_all;
    while (w->rig.now < from + patience) {
        if (left > 0)
            left -= stream_write(a, s, text, left < sizeof(text) ? left : sizeof(text));
        if (left == 0)
            stream_end(a, s);
        if (left == 0 && stream_is_delivered(s))
            break;
        wire_step(w, w->rig.now + MS_NS);
    }

    uint64_t took = stream_is_delivered(s) && left == 0 ? w->rig.now - from : 0;

    stream_reset(a, s, STREAM_CANCELLED);
    return took;
}

static void the_round_trip_is_measured(void **state)
{
    static struct wire w;

    wire_init(&w, 1);
    wire_open(&w);
    for (int i = 0; i < 20; i++)
        send_bytes(&w, 100, 50 * MS_NS);
    assert_true(stats_of(&w, 0).srtt_us >= 100 && stats_of(&w, 0).srtt_us < 130);
    rig_fini(&w.rig);
}

static void a_burst_after_idling_leaves_at_once(void **state)
{
    static struct wire w;

    wire_init(&w, 2);
    w.delay_ns = 10 * MS_NS;
    wire_open(&w);
    wire_run(&w, 300 * MS_NS);

    uint32_t before = w.sent[0];
    struct stream *s = channel_open_stream(w.rig.end[0].channel, NULL);

    stream_write(w.rig.end[0].channel, s, text, 15 * 1200);
    wire_pump(&w);
    assert_true(w.sent[0] - before >= 12);
    /* More is paced. */
    stream_write(w.rig.end[0].channel, s, text, 50 * 1200);
    wire_pump(&w);
    assert_true(w.sent[0] - before <= 20);
    assert_true(channel_deadline(w.rig.end[0].channel) < w.rig.now + 2 * MS_NS);
    rig_fini(&w.rig);
}

static void a_lost_packet_in_a_flow_is_sent_again_without_a_timeout(void **state)
{
    static struct wire w;

    wire_init(&w, 3);
    wire_open(&w);
    send_bytes(&w, 200000, 500 * MS_NS);

    struct stream *s = channel_open_stream(w.rig.end[0].channel, NULL);
    uint64_t from = w.rig.now;

    w.drop[0] = 1;
    stream_write(w.rig.end[0].channel, s, text, 30000);
    while (!stream_is_delivered(s) && w.rig.now < from + 100 * MS_NS)
        wire_step(&w, w.rig.now + MS_NS);
    assert_true(w.rig.now - from < 2 * MS_NS);
    assert_int_equal(stats_of(&w, 0).lost_packets, 1);
    rig_fini(&w.rig);
}

static void a_lost_tail_is_probed_for(void **state)
{
    static struct wire w;

    wire_init(&w, 4);
    wire_open(&w);
    for (uint32_t lost = 1; lost < 6; lost++) {
        w.drop[0] = lost;

        uint64_t took = send_bytes(&w, 500, 1000 * MS_NS);

        assert_true(took > 0 && took < (5 * MS_NS << lost));
    }
    assert_int_equal(w.rig.end[0].downs, 0);
    rig_fini(&w.rig);
}

static void an_acknowledgement_waits_a_millisecond_for_company(void **state)
{
    static struct wire w;

    wire_init(&w, 5);
    wire_open(&w);
    wire_run(&w, 30 * MS_NS);

    struct channel *a = w.rig.end[0].channel, *b = w.rig.end[1].channel;
    uint64_t at = w.rig.now;
    uint32_t before = w.sent[1];

    stream_write(a, channel_control(a), "x", 1);
    wire_run(&w, w.delay_ns);
    assert_int_equal(channel_deadline(b), at + w.delay_ns + RECOVERY_ACK_DELAY_NS);
    assert_int_equal(w.sent[1], before);
    /* Company: it rides along. */
    stream_write(b, channel_control(b), "y", 1);
    wire_run(&w, w.delay_ns + 1);
    assert_int_equal(w.sent[1], before + 1);
    assert_int_equal(stats_of(&w, 0).in_flight_bytes, 0);
    /* A batch of four is acknowledged at once. */
    before = w.sent[1];
    for (int i = 0; i < 4; i++) {
        stream_write(a, channel_control(a), "x", 1);
        wire_pump(&w);
    }
    wire_run(&w, w.delay_ns + 1);
    assert_int_equal(w.sent[1], before + 1);
    rig_fini(&w.rig);
}

static void datagrams_grow_to_what_the_path_carries(void **state)
{
    static const struct {
        const char *what;
        size_t path;
        uint16_t at_least;
    } rows[] = {
        {"all that the port carries", 1500, 1472},
        {"less than the port", 1400, 1400 - RECOVERY_MTU_STEP},
        {"the least", 1200, 1200},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        static struct wire w;

        wire_init(&w, 6);
        w.mtu = rows[i].path;
        wire_open(&w);
        wire_run(&w, 2000 * MS_NS);

        uint16_t found = stats_of(&w, 0).datagram_bytes;

        if (found < rows[i].at_least || found > rows[i].path)
            fail_msg("%s: %u", rows[i].what, found);
        assert_int_equal(stats_of(&w, 0).lost_packets, 0);
        rig_fini(&w.rig);
    }
}

static void a_path_that_loses_its_size_is_survived(void **state)
{
    static struct wire w;

    wire_init(&w, 7);
    wire_open(&w);
    assert_int_not_equal(send_bytes(&w, 2000000, 5000 * MS_NS), 0);
    assert_int_equal(stats_of(&w, 0).datagram_bytes, 1472);
    w.mtu = 1250;
    assert_int_not_equal(send_bytes(&w, 2000000, 5000 * MS_NS), 0);
    assert_true(stats_of(&w, 0).datagram_bytes <= 1250);
    assert_int_equal(w.rig.end[0].downs + w.rig.end[1].downs, 0);
    /* And it comes back. */
    w.mtu = 1500;
    wire_run(&w, 130000 * MS_NS);
    assert_int_equal(stats_of(&w, 0).datagram_bytes, 1472);
    rig_fini(&w.rig);
}

static void keys_change_in_the_middle_of_traffic(void **state)
{
    static struct wire w;

    wire_init(&w, 8);
    for (int i = 0; i < 2; i++) {
        w.rig.end[i].config.rekey_packets = 20;
        channel_fini(w.rig.end[i].channel);
        channel_init(w.rig.end[i].channel, &w.rig.end[i].config, w.rig.now);
    }
    wire_open(&w);
    assert_int_not_equal(send_bytes(&w, 8000000, 20000 * MS_NS), 0);
    assert_true(stats_of(&w, 0).rekeys > 30);
    assert_int_equal(stats_of(&w, 0).lost_packets, 0);
    rig_fini(&w.rig);
}

static void keys_change_with_time(void **state)
{
    static struct wire w;

    wire_init(&w, 9);
    wire_open(&w);
    wire_run(&w, 250000 * MS_NS);
    assert_int_equal(stats_of(&w, 0).rekeys, 2);
    assert_int_equal(stats_of(&w, 1).rekeys, 2);
    assert_int_equal(w.rig.end[0].downs, 0);
    rig_fini(&w.rig);
}

static void nothing_is_due_that_does_not_go_away(void **state)
{
    static struct wire w;

    wire_init(&w, 10);
    wire_open(&w);
    /* An idle minute: pings and their answers, no more. */
    uint32_t before = w.sent[0] + w.sent[1];

    wire_run(&w, 60000 * MS_NS);
    assert_true(w.sent[0] + w.sent[1] - before < 60000 / 160 * 4 + 20);
    rig_fini(&w.rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_round_trip_is_measured),
        cmocka_unit_test(a_burst_after_idling_leaves_at_once),
        cmocka_unit_test(a_lost_packet_in_a_flow_is_sent_again_without_a_timeout),
        cmocka_unit_test(a_lost_tail_is_probed_for),
        cmocka_unit_test(an_acknowledgement_waits_a_millisecond_for_company),
        cmocka_unit_test(datagrams_grow_to_what_the_path_carries),
        cmocka_unit_test(a_path_that_loses_its_size_is_survived),
        cmocka_unit_test(keys_change_in_the_middle_of_traffic),
        cmocka_unit_test(keys_change_with_time),
        cmocka_unit_test(nothing_is_due_that_does_not_go_away),
    };

    assert(aead_init() == 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    aead_fini();
    return failed;
}
