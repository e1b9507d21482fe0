/* test_port_sim.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/port_sim.h"
#include "drivers/rng.h"
#include "tests/unit/drivers/test_large.h"

enum { FRAMES = 20000, GAP_NS = 1000, PAYLOAD = 100 };

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 1}, mac_b[6] = {2, 0, 0, 0, 0, 2};
static const struct test_flow flow = {4, TEST_UDP, {10, 0, 0, 1}, {10, 0, 0, 2}, 1, 2};
static const struct port_sim_faults perfect;

/* What happened, boiled down. */
struct outcome {
    uint64_t digest; /* of every arrival: when, what, verdict */
    uint32_t arrived, good, bad, reordered;
    uint64_t last_ns, first_ns;
    struct port_sim_counts counts;
};

static void send_one(struct port *p, uint32_t number)
{
    uint8_t payload[PAYLOAD] = {0};
    struct frame f;
    memcpy(payload, &number, sizeof(number));
    assert_true(port_tx_alloc(p, 0, &f));
    f.len = test_frame(f.bytes, &flow, payload, sizeof(payload), false);
    f.tx_csum = FRAME_TX_UDP;
    f.l3_offset = 14;
    f.l4_offset = 34;
    port_tx(p, 0, &f, 1);
}

static void receive_all(struct port *p, uint64_t now, struct outcome *o, uint32_t *highest)
{
    struct frame f[PORT_BURST];
    for (uint16_t n; (n = port_rx(p, 0, f, PORT_BURST)) > 0;) {
        for (uint16_t i = 0; i < n; i++) {
            uint32_t number;
            memcpy(&number, f[i].bytes + 42, sizeof(number));
            o->arrived++;
            o->first_ns = o->first_ns ? o->first_ns : now;
            o->last_ns = now;
            for (uint32_t j = 0; j < f[i].len; j++)
                o->digest = rng_mix(o->digest ^ f[i].bytes[j] ^ now << 8);
            o->digest = rng_mix(o->digest ^ f[i].rx_csum);
            if (f[i].rx_csum != FRAME_CSUM_GOOD) {
                o->bad++;
                continue;
            }
            o->good++;
            if (number < *highest)
                o->reordered++;
            else
                *highest = number;
        }
        port_free(p, 0, f, n);
    }
}

static struct outcome run(uint64_t seed, struct port_sim_faults faults, uint32_t frames)
{
    struct clock clock;
    struct outcome o = {0};
    uint32_t highest = 0;

    clock_init_virtual(&clock, 1);
    struct port_sim_wire *w = port_sim_wire_create(&clock, seed, 1500, faults, perfect);
    struct port *a = port_sim_end(w, 0, mac_a), *b = port_sim_end(w, 1, mac_b);
    uint64_t send_at = 1;
    for (uint32_t sent = 0; sent < frames || port_sim_next_ns(w) != UINT64_MAX;) {
        uint64_t arrival = port_sim_next_ns(w);
        bool is_send = sent < frames && send_at <= arrival;
        clock_set_ns(&clock, is_send ? send_at : arrival);
        if (is_send) {
            send_one(a, sent++);
            send_at += GAP_NS;
        } else {
            receive_all(b, arrival, &o, &highest);
        }
        struct port_sim_counts c = port_sim_counts(w, 0);
        assert_int_equal(c.sent + c.duplicated, c.arrived + c.lost + c.overflow + c.in_flight);
    }
    o.counts = port_sim_counts(w, 0);
    port_close(a);
    port_close(b);
    port_sim_wire_destroy(w);
    return o;
}

static void a_perfect_wire_changes_nothing(void **state)
{
    struct outcome o = run(1, (struct port_sim_faults){.delay_ns = 5000}, 100);
    assert_int_equal(o.good, 100);
    assert_int_equal(o.reordered + o.bad, 0);
    assert_int_equal(o.first_ns, 1 + 5000);
    assert_int_equal(o.last_ns, 1 + 99 * GAP_NS + 5000);
}

static void the_same_seed_gives_the_same_trace(void **state)
{
    struct port_sim_faults f = {.loss = 0.1,
                                .duplicate = 0.1,
                                .corrupt = 0.1,
                                .delay_ns = 5000,
                                .jitter_ns = 20000,
                                .rate_bps = 10000000000};
    struct outcome first = run(7, f, 2000), again = run(7, f, 2000), other = run(8, f, 2000);
    assert_memory_equal(&first, &again, sizeof(first));
    assert_true(first.digest != other.digest);
}

static void faults_happen_as_often_as_asked(void **state)
{
    static const struct {
        const char *what;
        struct port_sim_faults faults;
        double lost, doubled, damaged;
    } rows[] = {
        {"none", {.delay_ns = 1}, 0, 0, 0},
        {"loss", {.loss = 0.05}, 0.05, 0, 0},
        {"duplication", {.duplicate = 0.2}, 0, 0.2, 0},
        {"corruption", {.corrupt = 0.1}, 0, 0, 0.1},
        {"everything lost", {.loss = 1}, 1, 0, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct outcome o = run(3, rows[i].faults, FRAMES);
        double slack =
            0.012; /* over six standard deviations of 20,000 draws at 0.05..0.2: 0.0015..0.0028 */
        double n = FRAMES;
        if (o.counts.lost < (rows[i].lost - slack) * n ||
            o.counts.lost > (rows[i].lost + slack) * n ||
            o.counts.duplicated < (rows[i].doubled - slack) * n ||
            o.counts.duplicated > (rows[i].doubled + slack) * n ||
            o.counts.corrupted < (rows[i].damaged - slack) * n ||
            o.counts.corrupted > (rows[i].damaged + slack) * n)
            fail_msg("%s: %lu lost, %lu doubled, %lu damaged of %d", rows[i].what,
                     (unsigned long)o.counts.lost, (unsigned long)o.counts.duplicated,
                     (unsigned long)o.counts.corrupted, FRAMES);
        assert_int_equal(o.arrived, o.counts.arrived);
        /* One flipped bit never passes a checksum; in the Ethernet header nothing looks at it. */
        assert_in_range(o.bad, o.counts.corrupted * 8 / 10, o.counts.corrupted);
    }
}

static void jitter_above_the_gap_reorders(void **state)
{
    struct outcome calm =
        run(5, (struct port_sim_faults){.delay_ns = 100, .jitter_ns = GAP_NS - 1}, 2000);
    struct outcome wild =
        run(5, (struct port_sim_faults){.delay_ns = 100, .jitter_ns = 10 * GAP_NS}, 2000);
    assert_int_equal(calm.reordered, 0);
    assert_true(wild.reordered > 500);
    assert_int_equal(wild.good, 2000);
}

static void a_rate_spaces_frames_out(void **state)
{
    /* 142 bytes + 24 on the wire at 100 Mbit/s are 13,280 ns a frame: slower than they are sent. */
    struct outcome o = run(6, (struct port_sim_faults){.rate_bps = 100000000}, 1000);
    assert_int_equal(o.good, 1000);
    assert_int_equal(o.reordered, 0);
    assert_int_equal(o.last_ns - o.first_ns, 999 * 13280);
}

static void a_full_wire_counts_what_does_not_fit(void **state)
{
    struct clock clock;
    clock_init_virtual(&clock, 0);
    struct port_sim_wire *w =
        port_sim_wire_create(&clock, 1, 1500, (struct port_sim_faults){.delay_ns = 1000}, perfect);
    struct port *a = port_sim_end(w, 0, mac_a);
    port_sim_end(w, 1, mac_b);
    for (uint32_t i = 0; i < PORT_SIM_IN_FLIGHT_MAX + 10; i++)
        send_one(a, i);
    struct port_sim_counts c = port_sim_counts(w, 0);
    assert_int_equal(c.in_flight, PORT_SIM_IN_FLIGHT_MAX);
    assert_int_equal(c.overflow, 10);
    port_sim_wire_destroy(w);
}

static void a_closed_end_swallows_and_the_other_goes_on(void **state)
{
    struct clock clock;
    struct frame f[PORT_BURST];
    clock_init_virtual(&clock, 0);
    struct port_sim_wire *w = port_sim_wire_create(&clock, 1, 1500, perfect, perfect);
    struct port *a = port_sim_end(w, 0, mac_a), *b = port_sim_end(w, 1, mac_b);
    assert_memory_equal(b->caps.mac, mac_b, 6);
    send_one(b, 1);
    send_one(a, 2);
    port_close(b);
    send_one(a, 3);
    assert_int_equal(port_rx(a, 0, f, PORT_BURST), 1); /* b's last words */
    port_free(a, 0, f, 1);
    struct port_sim_counts c = port_sim_counts(w, 0);
    assert_int_equal(c.sent, 2);
    assert_int_equal(c.lost, 2);
    port_close(a);
    port_sim_wire_destroy(w);
}

/* Half of the ends are such cards. */
static void a_large_frame_arrives_in_segments(void **state)
{
    uint32_t cards = 0;

    for (uint64_t seed = 0; seed < 16; seed++) {
        struct clock clock;
        struct frame f[PORT_BURST];
        struct test_large_reader r = {.what = "large"};
        clock_init_virtual(&clock, 0);
        struct port_sim_wire *w = port_sim_wire_create(&clock, seed, 1500, perfect, perfect);
        struct port *a = port_sim_end(w, 0, mac_a), *b = port_sim_end(w, 1, mac_b);
        assert_int_equal(a->caps.has_tso, port_tx_alloc_large(a, 0, &f[0]));
        if (a->caps.has_tso) {
            cards++;
            test_large_frame(&f[0], 4, 30000, 1400);
            port_tx(a, 0, f, 1);
            assert_int_equal(port_sim_counts(w, 0).sent, 22);
            uint16_t n = port_rx(b, 0, f, PORT_BURST);
            for (uint16_t i = 0; i < n; i++)
                test_large_read(&r, f[i].bytes, f[i].len);
            test_large_end(&r, 30000);
            port_free(b, 0, f, n);
        }
        port_sim_wire_destroy(w);
    }
    assert_in_range(cards, 4, 12);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_perfect_wire_changes_nothing),
        cmocka_unit_test(the_same_seed_gives_the_same_trace),
        cmocka_unit_test(faults_happen_as_often_as_asked),
        cmocka_unit_test(jitter_above_the_gap_reorders),
        cmocka_unit_test(a_rate_spaces_frames_out),
        cmocka_unit_test(a_full_wire_counts_what_does_not_fit),
        cmocka_unit_test(a_closed_end_swallows_and_the_other_goes_on),
        cmocka_unit_test(a_large_frame_arrives_in_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
