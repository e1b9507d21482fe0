/* LACP between two systems on virtual time, and with partners that are made here byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/lacp.h"

#define MS     1000000ull
#define SECOND (1000 * MS)

enum { BOTH = 3, LOOK_MS = 100 };

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xa}, mac_b[6] = {2, 0, 0, 0, 0, 0xb};

static struct lacp a, b;
static uint64_t now_ns;
static bool is_cut[LACP_PORTS]; /* what is sent there is lost */
static uint32_t sent;

static int setup(void **state)
{
    lacp_init(&a, mac_a);
    lacp_init(&b, mac_b);
    memset(is_cut, 0, sizeof(is_cut));
    now_ns = 5 * SECOND;
    sent = 0;
    return 0;
}

static void carry(struct lacp *from, const uint8_t source[6], struct lacp *to)
{
    uint8_t frame[LACP_FRAME_BYTES];

    for (uint32_t i = 0; i < LACP_PORTS; i++)
        while (lacp_output(from, i, source, frame, now_ns)) {
            sent++;
            assert_memory_equal(frame, lacp_group, 6);
            assert_memory_equal(frame + 6, source, 6);
            if (!is_cut[i])
                lacp_input(to, i, frame, sizeof(frame), now_ns);
        }
}

static void run(uint64_t ns)
{
    for (uint64_t until = now_ns + ns; now_ns < until; now_ns += LOOK_MS * MS) {
        lacp_timeout(&a, now_ns);
        lacp_timeout(&b, now_ns);
        carry(&a, mac_a, &b);
        carry(&b, mac_b, &a);
    }
}

static void set_links(bool is_up, uint32_t mbps)
{
    for (uint32_t i = 0; i < LACP_PORTS; i++) {
        lacp_set_link(&a, i, is_up, mbps, now_ns);
        lacp_set_link(&b, i, is_up, mbps, now_ns);
    }
}

/* ---- two of us ---- */

static void two_systems_come_together_within_a_second(void **state)
{
    set_links(true, 10000);
    assert_int_equal(lacp_collecting(&a), 0);
    run(SECOND);
    assert_int_equal(lacp_distributing(&a), BOTH);
    assert_int_equal(lacp_collecting(&a), BOTH);
    assert_int_equal(lacp_distributing(&b), BOTH);
    assert_memory_equal(a.port[0].partner.system, mac_b, 6);
    assert_int_equal(a.port[1].partner.port, 2);
    assert_int_equal(a.port[1].partner.key, 101);
    assert_int_equal(a.port[0].bad, 0);
}

static void both_send_once_a_second(void **state)
{
    set_links(true, 0);
    run(5 * SECOND);
    sent = 0;
    run(100 * SECOND);
    assert_in_range(sent, 4 * 90, 4 * 101);
}

static void a_port_without_a_link_is_out_at_once_and_comes_back(void **state)
{
    set_links(true, 0);
    run(SECOND);
    lacp_set_link(&a, 0, false, 0, now_ns);
    assert_int_equal(lacp_distributing(&a), 2);
    assert_int_equal(lacp_collecting(&a), 2);
    run(5 * SECOND); /* the other end hears nothing any more */
    assert_int_equal(lacp_distributing(&b), 2);
    lacp_set_link(&a, 0, true, 0, now_ns);
    run(SECOND);
    assert_int_equal(lacp_distributing(&a), BOTH);
    assert_int_equal(lacp_distributing(&b), BOTH);
}

static void a_port_that_hears_nothing_for_three_seconds_is_out(void **state)
{
    set_links(true, 0);
    run(2 * SECOND);
    is_cut[1] = true;
    run(2 * SECOND);
    assert_int_equal(lacp_distributing(&a), BOTH);
    run(2 * SECOND);
    assert_int_equal(lacp_distributing(&a), 1);
    assert_int_equal(a.port[1].receive, LACP_EXPIRED);
    run(3 * SECOND);
    assert_int_equal(a.port[1].receive, LACP_DEFAULTED);
    assert_true(a.port[1].actor.state & LACP_STATE_DEFAULTED);
    is_cut[1] = false;
    run(2 * SECOND);
    assert_int_equal(lacp_distributing(&a), BOTH);
    assert_int_equal(lacp_distributing(&b), BOTH);
}

static void ports_of_different_speed_do_not_lie_together(void **state)
{
    set_links(true, 10000);
    lacp_set_link(&a, 1, true, 1000, now_ns);
    lacp_set_link(&b, 1, true, 1000, now_ns);
    run(3 * SECOND);
    assert_int_equal(lacp_distributing(&a), 1);
    lacp_set_link(&a, 1, true, 10000, now_ns);
    lacp_set_link(&b, 1, true, 10000, now_ns);
    run(3 * SECOND);
    assert_int_equal(lacp_distributing(&a), BOTH);
}

static void a_restarted_partner_is_taken_anew(void **state)
{
    set_links(true, 0);
    run(2 * SECOND);
    lacp_init(&b, mac_b);
    lacp_set_link(&b, 0, true, 0, now_ns);
    lacp_set_link(&b, 1, true, 0, now_ns);
    run(2 * SECOND);
    assert_int_equal(lacp_distributing(&a), BOTH);
    assert_int_equal(lacp_distributing(&b), BOTH);
}

/* ---- partners made by hand ---- */

struct pdu {
    const uint8_t *system;
    uint16_t key, port;
    uint8_t state;
    const struct lacp_port *of_us; /* what it says that it knows of us; NULL: nothing */
};

static void make(uint8_t frame[LACP_FRAME_BYTES], const struct pdu *p)
{
    memset(frame, 0, LACP_FRAME_BYTES);
    memcpy(frame, lacp_group, 6);
    memcpy(frame + 6, mac_b, 6);
    memcpy(frame + 12, (uint8_t[]){0x88, 0x09, 1, 1, 1, 20, 0x80, 0x00}, 8);
    memcpy(frame + 20, p->system, 6);
    frame[26] = (uint8_t)(p->key >> 8);
    frame[27] = (uint8_t)p->key;
    frame[31] = (uint8_t)p->port;
    frame[32] = p->state;
    frame[36] = 2;
    frame[37] = 20;
    if (p->of_us) {
        const struct lacp_info *us = &p->of_us->actor;
        memcpy(frame + 38, (uint8_t[]){0xff, 0xff}, 2);
        memcpy(frame + 40, us->system, 6);
        memcpy(frame + 46,
               (uint8_t[]){(uint8_t)(us->key >> 8), (uint8_t)us->key, 0xff, 0xff, 0,
                           (uint8_t)us->port, us->state},
               7);
    }
    frame[56] = 3;
    frame[57] = 16;
}

static enum lacp_outcome tell(uint32_t port, struct pdu p)
{
    uint8_t frame[LACP_FRAME_BYTES];

    make(frame, &p);
    return lacp_input(&a, port, frame, sizeof(frame), now_ns);
}

enum { IN_SYNC = LACP_ACTIVITY | LACP_AGGREGATION | LACP_SYNCHRONIZATION };

static void only_ports_with_one_partner_lie_together_and_the_first_decides(void **state)
{
    static const uint8_t other[6] = {2, 0, 0, 0, 0, 0xc};

    set_links(true, 0);
    tell(0, (struct pdu){mac_b, 7, 1, IN_SYNC | LACP_COLLECTING, &a.port[0]});
    tell(1, (struct pdu){other, 7, 1, IN_SYNC | LACP_COLLECTING, &a.port[1]});
    assert_int_equal(lacp_distributing(&a), 1);
    tell(1, (struct pdu){mac_b, 8, 2, IN_SYNC | LACP_COLLECTING, &a.port[1]});
    assert_int_equal(lacp_distributing(&a), 1);
    tell(1, (struct pdu){mac_b, 7, 2, IN_SYNC | LACP_COLLECTING, &a.port[1]});
    assert_int_equal(lacp_distributing(&a), BOTH);
    tell(1, (struct pdu){other, 7, 1, IN_SYNC | LACP_COLLECTING, &a.port[1]});
    lacp_set_link(&a, 0, false, 0, now_ns);
    assert_int_equal(lacp_distributing(&a), 2);
}

static void what_the_partner_knows_of_us_comes_before_what_it_does(void **state)
{
    set_links(true, 0);
    assert_int_equal(tell(0, (struct pdu){mac_b, 7, 1, IN_SYNC | LACP_COLLECTING, NULL}),
                     LACP_TAKEN);
    assert_int_equal(lacp_collecting(&a), 0); /* in sync, but not with us */
    tell(0, (struct pdu){mac_b, 7, 1, IN_SYNC & ~LACP_SYNCHRONIZATION, &a.port[0]});
    assert_int_equal(lacp_collecting(&a), 0);
    tell(0, (struct pdu){mac_b, 7, 1, IN_SYNC, &a.port[0]});
    assert_int_equal(lacp_collecting(&a), 1);
    assert_int_equal(lacp_distributing(&a), 0);
    tell(0, (struct pdu){mac_b, 7, 1, IN_SYNC | LACP_COLLECTING, &a.port[0]});
    assert_int_equal(lacp_distributing(&a), 1);
}

static void a_slow_partner_is_told_each_half_a_minute(void **state)
{
    uint8_t frame[LACP_FRAME_BYTES];
    uint32_t told = 0;

    set_links(true, 0);
    for (uint32_t i = 0; i < 1200; i++, now_ns += LOOK_MS * MS) { /* two minutes */
        if (i % 10 == 0)
            tell(0, (struct pdu){mac_b, 7, 1, IN_SYNC | LACP_COLLECTING, &a.port[0]});
        lacp_timeout(&a, now_ns);
        told += lacp_output(&a, 0, mac_a, frame, now_ns);
    }
    assert_in_range(told, 4, 8);
    assert_int_equal(lacp_distributing(&a), 1);
}

static void nobody_makes_us_send_more_than_three_a_second(void **state)
{
    uint8_t frame[LACP_FRAME_BYTES];
    uint32_t told = 0;

    set_links(true, 0);
    for (uint32_t i = 0; i < 10000; i++, now_ns += MS) { /* ten seconds */
        tell(0, (struct pdu){mac_b, (uint16_t)i, 1, IN_SYNC, NULL});
        while (lacp_output(&a, 0, mac_a, frame, now_ns))
            told++;
    }
    assert_in_range(told, 25, 33);
}

static void a_marker_is_answered(void **state)
{
    uint8_t marker[LACP_FRAME_BYTES] = {[12] = 0x88, 0x09, 2, 1, 1,   16, 0, 5, 2,
                                        0,           0,    0, 0, 0xb, 1,  2, 3, 4},
            frame[LACP_FRAME_BYTES];

    set_links(true, 0);
    now_ns += 10 * SECOND;
    assert_int_equal(lacp_input(&a, 1, marker, sizeof(marker), now_ns), LACP_MARKER);
    assert_true(lacp_output(&a, 1, mac_a, frame, now_ns));
    assert_memory_equal(frame, lacp_group, 6);
    assert_memory_equal(frame + 6, mac_a, 6);
    assert_int_equal(frame[16], 2);
    assert_memory_equal(frame + 17, marker + 17, 15);
    frame[6] = 2;
    assert_int_equal(lacp_input(&a, 1, frame, sizeof(frame), now_ns), LACP_IGNORED); /* an answer */
}

static void what_is_none_is_refused_and_counted(void **state)
{
    static const struct {
        const char *what;
        uint32_t at;
        uint8_t byte;
        uint32_t bytes;
        enum lacp_outcome outcome;
    } rows[] = {
        {"a good one", 0, 0x01, LACP_FRAME_BYTES, LACP_TAKEN},
        {"a later version, longer", 15, 9, LACP_FRAME_BYTES, LACP_TAKEN},
        {"no header", 0, 0x01, 13, LACP_BAD},
        {"cut within the partner", 0, 0x01, 55, LACP_BAD},
        {"all that is read", 0, 0x01, 56, LACP_TAKEN},
        {"another type", 13, 0x08, LACP_FRAME_BYTES, LACP_BAD},
        {"another slow protocol (OAM)", 14, 3, LACP_FRAME_BYTES, LACP_IGNORED},
        {"version 0", 15, 0, LACP_FRAME_BYTES, LACP_BAD},
        {"no actor", 16, 2, LACP_FRAME_BYTES, LACP_BAD},
        {"an actor of another length", 17, 19, LACP_FRAME_BYTES, LACP_BAD},
        {"no partner", 36, 0, LACP_FRAME_BYTES, LACP_BAD},
        {"a partner of another length", 37, 21, LACP_FRAME_BYTES, LACP_BAD},
        {"our own", 25, 0xa, LACP_FRAME_BYTES, LACP_SELF},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t frame[LACP_FRAME_BYTES];

        setup(NULL);
        set_links(true, 0);
        make(frame, &(struct pdu){mac_b, 7, 1, IN_SYNC, &a.port[0]});
        frame[rows[i].at] = rows[i].byte;
        if (lacp_input(&a, 0, frame, rows[i].bytes, now_ns) != rows[i].outcome)
            fail_msg("%s", rows[i].what);
        assert_int_equal(a.port[0].bad,
                         rows[i].outcome == LACP_BAD || rows[i].outcome == LACP_SELF);
        assert_int_equal(a.port[0].received, rows[i].outcome == LACP_TAKEN);
    }
}

static void without_a_link_nothing_is_heard_or_said(void **state)
{
    uint8_t frame[LACP_FRAME_BYTES];

    assert_int_equal(tell(0, (struct pdu){mac_b, 7, 1, IN_SYNC, &a.port[0]}), LACP_IGNORED);
    assert_false(lacp_output(&a, 0, mac_a, frame, now_ns));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        CASE(two_systems_come_together_within_a_second),
        CASE(both_send_once_a_second),
        CASE(a_port_without_a_link_is_out_at_once_and_comes_back),
        CASE(a_port_that_hears_nothing_for_three_seconds_is_out),
        CASE(ports_of_different_speed_do_not_lie_together),
        CASE(a_restarted_partner_is_taken_anew),
        CASE(only_ports_with_one_partner_lie_together_and_the_first_decides),
        CASE(what_the_partner_knows_of_us_comes_before_what_it_does),
        CASE(a_slow_partner_is_told_each_half_a_minute),
        CASE(nobody_makes_us_send_more_than_three_a_second),
        CASE(a_marker_is_answered),
        CASE(what_is_none_is_refused_and_counted),
        CASE(without_a_link_nothing_is_heard_or_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
