/* Two ports as one, over members that are only these functions: who is active as links come and go,
 * what is announced when, and which frames of the standby come through. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/lacp.h"
#include "drivers/port_pair.h"

#define MS       1000000ull
#define FAILBACK (60000 * MS)

enum { FRAME_BYTES = LACP_FRAME_BYTES, FRAMES_MAX = 8 };

static const uint8_t mac_of[2][6] = {{2, 0, 0, 0, 0, 0xa}, {2, 0, 0, 0, 0, 0xb}};
static const uint8_t broadcast[6] = {255, 255, 255, 255, 255, 255}, other[6] = {2, 0, 0, 0, 0, 0xc};

struct member {
    struct port base;
    uint8_t waiting[FRAMES_MAX][FRAME_BYTES]; /* to be received */
    uint16_t waiting_count, rx_calls;
    uint32_t sent, freed;
    uint8_t room[FRAMES_MAX][LACP_FRAME_BYTES]; /* of frames to send, in turn */
    uint32_t rooms;
    uint8_t last_sent[LACP_FRAME_BYTES];
    struct port_stats stats;
    int fds;
    bool is_closed;
};

static struct member member[2];
static struct port *pair;
static uint64_t now_ns;

/* ---- the members ---- */

static uint16_t member_rx(struct port *p, uint16_t queue, struct frame *f, uint16_t count)
{
    struct member *m = (struct member *)p;
    uint16_t n = 0;

    m->rx_calls++;
    for (; n < count && n < m->waiting_count; n++)
        f[n] = (struct frame){.bytes = m->waiting[n], .len = FRAME_BYTES, .handle = m};
    m->waiting_count -= n;
    m->stats.rx_frames += n;
    m->stats.rx_bytes += n * FRAME_BYTES;
    return n;
}

static void member_free(struct port *p, uint16_t queue, struct frame *f, uint16_t count)
{
    ((struct member *)p)->freed += count;
}

static bool member_tx_alloc(struct port *p, uint16_t queue, struct frame *f)
{
    struct member *m = (struct member *)p;

    *f = (struct frame){.handle = p, .bytes = m->room[m->rooms++ % FRAMES_MAX]};
    return true;
}

static void member_tx(struct port *p, uint16_t queue, struct frame *f, uint16_t count)
{
    struct member *m = (struct member *)p;

    m->sent += count;
    memcpy(m->last_sent, f[count - 1].bytes, LACP_FRAME_BYTES);
}

static int member_wait_fds(struct port *p, uint16_t queue, int *fds, int max)
{
    int n = ((struct member *)p)->fds;

    assert_true(n <= max);
    for (int i = 0; i < n; i++)
        fds[i] = i;
    return n;
}

static void member_stats(struct port *p, uint16_t queue, struct port_stats *out)
{
    *out = ((struct member *)p)->stats;
}

static void member_close(struct port *p)
{
    ((struct member *)p)->is_closed = true;
}

static const struct port_ops member_ops = {
    .rx = member_rx,
    .free = member_free,
    .tx_alloc = member_tx_alloc,
    .tx_alloc_large = member_tx_alloc,
    .tx = member_tx,
    .wait_fds = member_wait_fds,
    .stats = member_stats,
    .close = member_close,
};

/* ---- helpers ---- */

static int setup_as(struct port_pair_config config)
{
    memset(member, 0, sizeof(member));
    for (int i = 0; i < 2; i++) {
        struct port *p = &member[i].base;
        p->ops = &member_ops;
        p->caps.queues = 1;
        p->caps.mtu = 1500;
        p->caps.has_rx_wait = true;
        p->frame_bytes_max = 1518;
        p->large_bytes_max = 65280;
        p->link.is_up = true;
        memcpy(p->caps.mac, mac_of[i], 6);
        member[i].fds = 2;
    }
    now_ns = 1000 * MS;
    pair = port_pair_create(&member[0].base, &member[1].base, &config);
    assert_non_null(pair);
    assert_int_equal(port_pair_look(pair, now_ns), PORT_PAIR_FOUND);
    return 0;
}

static int setup_with(uint64_t failback_ns)
{
    return setup_as((struct port_pair_config){.failback_ns = failback_ns});
}

static int setup(void **state)
{
    return setup_with(FAILBACK);
}

static int teardown(void **state)
{
    port_close(pair);
    assert_true(member[0].is_closed && member[1].is_closed);
    return 0;
}

/* As a member's own look would. */
static void set_link(int i, bool is_up)
{
    struct port *p = &member[i].base;

    if (is_up && !p->link.is_up)
        atomic_fetch_add(&p->epoch, 1);
    p->link.is_up = is_up;
}

static enum port_pair_news look_after(uint64_t ns)
{
    now_ns += ns;
    return port_pair_look(pair, now_ns);
}

static void put(int i, const uint8_t to[6])
{
    uint8_t *frame = member[i].waiting[member[i].waiting_count++];

    memset(frame, 0, FRAME_BYTES);
    memcpy(frame, to, 6);
}

static uint16_t receive(struct frame f[FRAMES_MAX])
{
    return port_rx(pair, 0, f, FRAMES_MAX);
}

static void assert_sends_by(int i)
{
    struct frame f;
    const uint32_t before[2] = {member[0].sent, member[1].sent};

    assert_true(port_tx_alloc(pair, 0, &f));
    port_tx(pair, 0, &f, 1);
    assert_int_equal(member[i].sent, before[i] + 1);
    assert_int_equal(member[!i].sent, before[!i]);
    assert_true(port_pair_is_active(pair, (uint32_t)i));
    assert_false(port_pair_is_active(pair, (uint32_t)!i));
    assert_memory_equal(pair->caps.mac, mac_of[i], 6);
}

/* ---- who is active ---- */

static void the_first_is_active_while_it_has_a_link(void **state)
{
    assert_sends_by(0);
    assert_int_equal(look_after(100 * MS), PORT_PAIR_NO_NEWS);
    set_link(1, false);
    assert_int_equal(look_after(100 * MS), PORT_PAIR_NO_NEWS);
    assert_sends_by(0);
    assert_int_equal(port_pair_switches(pair), 0);
}

static void a_lost_link_switches_over_and_it_is_announced_twice(void **state)
{
    uint32_t epoch = port_epoch(pair);

    set_link(0, false);
    assert_int_equal(look_after(100 * MS), PORT_PAIR_SWITCHED);
    assert_sends_by(1);
    assert_int_equal(port_pair_switches(pair), 1);
    assert_int_equal(port_epoch(pair), epoch + 1);
    assert_true(port_is_usable(pair));
    assert_int_equal(pair->link.downs, 0);
    assert_int_equal(look_after(900 * MS), PORT_PAIR_NO_NEWS);
    assert_int_equal(port_epoch(pair), epoch + 1);
    assert_int_equal(look_after(100 * MS), PORT_PAIR_NO_NEWS);
    assert_int_equal(port_epoch(pair), epoch + 2);
    assert_int_equal(look_after(10000 * MS), PORT_PAIR_NO_NEWS);
    assert_int_equal(port_epoch(pair), epoch + 2);
}

static void a_device_that_the_kernel_took_back_is_one_without_a_link(void **state)
{
    member[0].base.link.is_released = true;
    assert_int_equal(look_after(100 * MS), PORT_PAIR_SWITCHED);
    assert_sends_by(1);
}

static void the_first_takes_over_again_when_it_has_been_up_for_long_enough(void **state)
{
    set_link(0, false);
    look_after(100 * MS);
    set_link(0, true);
    look_after(100 * MS);
    assert_int_equal(look_after(FAILBACK - 1), PORT_PAIR_NO_NEWS);
    assert_sends_by(1);
    assert_int_equal(look_after(1), PORT_PAIR_FAILED_BACK);
    assert_sends_by(0);
    assert_int_equal(port_pair_switches(pair), 2);
}

static void without_failback_the_second_stays(void **state)
{
    port_close(pair);
    setup_with(0);
    set_link(0, false);
    look_after(100 * MS);
    set_link(0, true);
    for (int i = 0; i < 100; i++)
        assert_int_equal(look_after(FAILBACK), PORT_PAIR_NO_NEWS);
    assert_sends_by(1);
    set_link(1, false);
    assert_int_equal(look_after(100 * MS), PORT_PAIR_SWITCHED);
    assert_sends_by(0);
}

static void a_link_that_flaps_switches_once(void **state)
{
    for (int i = 0; i < 1000; i++) { /* 1.7 hours of it */
        set_link(0, i & 1);
        look_after(6000 * MS);
    }
    assert_int_equal(port_pair_switches(pair), 1);
    assert_sends_by(1);
}

static void a_link_that_comes_back_is_taken_at_once_when_there_is_no_other(void **state)
{
    set_link(0, false);
    look_after(100 * MS);
    set_link(0, true);
    look_after(100 * MS);
    set_link(1, false);
    assert_int_equal(look_after(100 * MS), PORT_PAIR_SWITCHED);
    assert_sends_by(0);
}

static void with_both_down_it_is_not_usable_and_the_one_that_comes_first_is_taken(void **state)
{
    uint32_t epoch = port_epoch(pair);

    set_link(0, false);
    set_link(1, false);
    assert_int_equal(look_after(100 * MS), PORT_PAIR_LOST);
    assert_false(port_is_usable(pair));
    assert_int_equal(look_after(100 * MS), PORT_PAIR_NO_NEWS);
    assert_int_equal(port_pair_switches(pair), 0);
    assert_int_equal(pair->link.downs, 1);
    set_link(1, true);
    assert_int_equal(look_after(100 * MS), PORT_PAIR_SWITCHED);
    assert_true(port_is_usable(pair));
    assert_int_equal(port_epoch(pair), epoch + 1);
    set_link(1, false);
    assert_int_equal(look_after(5000 * MS), PORT_PAIR_LOST);
    epoch = port_epoch(pair);
    set_link(1, true);
    assert_int_equal(look_after(100 * MS), PORT_PAIR_FOUND);
    assert_int_equal(port_epoch(pair), epoch + 1); /* the same one, and it says who it is */
}

static void a_device_with_a_new_address_is_announced_if_it_is_active(void **state)
{
    uint32_t epoch = port_epoch(pair);

    member[1].base.caps.mac[5] = 0x1b;
    atomic_fetch_add(&member[1].base.epoch, 1);
    look_after(100 * MS);
    assert_int_equal(port_epoch(pair), epoch);
    member[0].base.caps.mac[5] = 0x1a;
    atomic_fetch_add(&member[0].base.epoch, 1);
    look_after(100 * MS);
    assert_int_equal(port_epoch(pair), epoch + 1);
    assert_int_equal(pair->caps.mac[5], 0x1a);
}

/* ---- frames ---- */

static void of_the_standbys_frames_only_its_own_come_through_with_the_pairs_address(void **state)
{
    struct frame f[FRAMES_MAX];
    struct port_stats s;

    put(0, broadcast);
    put(0, mac_of[0]);
    put(1, broadcast);
    put(1, mac_of[1]); /* whoever has not heard of a switch-over */
    put(1, mac_of[0]); /* a switch that floods */
    put(1, other);
    assert_int_equal(receive(f), 3);
    assert_memory_equal(f[0].bytes, broadcast, 6);
    assert_memory_equal(f[1].bytes, mac_of[0], 6);
    assert_memory_equal(f[2].bytes, mac_of[0], 6);
    assert_ptr_equal(f[2].handle, &member[1]);
    assert_int_equal(member[1].freed, 3);
    port_stats(pair, 0, &s);
    assert_int_equal(s.rx_standby, 3);
    assert_int_equal(s.rx_frames, 3);
    assert_int_equal(s.rx_bytes, 3 * FRAME_BYTES);
}

static void what_is_for_a_standby_without_a_link_the_active_one_takes(void **state)
{
    struct frame f[FRAMES_MAX];

    put(0, mac_of[1]); /* a copy: the other has its own */
    assert_int_equal(receive(f), 1);
    assert_memory_equal(f[0].bytes, mac_of[1], 6);
    set_link(0, false);
    look_after(100 * MS);
    put(1, mac_of[0]);
    assert_int_equal(receive(f), 1);
    assert_memory_equal(f[0].bytes, mac_of[1], 6);
}

static void two_devices_with_one_address_do_not_double_frames(void **state)
{
    struct frame f[FRAMES_MAX];

    memcpy(member[1].base.caps.mac, mac_of[0], 6);
    put(0, mac_of[0]);
    put(1, mac_of[0]);
    assert_int_equal(receive(f), 1);
}

static void the_standby_is_read_however_much_the_active_one_has(void **state)
{
    struct frame f[2];

    put(0, mac_of[0]);
    put(0, mac_of[0]);
    put(1, mac_of[1]);
    assert_int_equal(port_rx(pair, 0, f, 2), 2);
    assert_int_equal(member[1].rx_calls, 1); /* it may be waited for (a pause) */
    assert_int_equal(port_rx(pair, 0, f, 2), 1);
}

static void who_cannot_wait_for_both_does_not_wait(void **state)
{
    int fds[PORT_WAIT_FDS_MAX];

    assert_int_equal(port_wait_fds(pair, 0, fds, PORT_WAIT_FDS_MAX), 4);
    member[1].fds = 0;
    assert_int_equal(port_wait_fds(pair, 0, fds, PORT_WAIT_FDS_MAX), 0);
}

static void the_pair_can_what_both_can(void **state)
{
    struct member a = {.base.ops = &member_ops}, b = a;
    struct port *p;

    a.base.caps = (struct port_caps){.mtu = 9000,
                                     .queues = 1,
                                     .rx_csum = PORT_CSUM_ALL,
                                     .has_tso = true,
                                     .driver = "net_ice",
                                     .needs = 1};
    b.base.caps = (struct port_caps){
        .mtu = 1500, .queues = 1, .rx_csum = PORT_CSUM_TCP, .driver = "net_ixgbe_vf", .needs = 2};
    a.base.frame_bytes_max = 9018;
    b.base.frame_bytes_max = 1518;
    a.base.large_bytes_max = 16128;
    p = port_pair_create(&a.base, &b.base, &(struct port_pair_config){0});
    assert_non_null(p);
    assert_int_equal(p->caps.mtu, 1500);
    assert_int_equal(p->frame_bytes_max, 1518);
    assert_int_equal(p->large_bytes_max, 0);
    assert_int_equal(p->caps.rx_csum, PORT_CSUM_TCP);
    assert_false(p->caps.has_tso);
    assert_string_equal(p->caps.driver, "net_ice+net_ixgbe_vf");
    assert_int_equal(p->caps.needs, 3);
    port_close(p);
}

/* ---- LACP ---- */

static struct lacp partner;

static int setup_lacp(void **state)
{
    static const uint8_t system[6] = {2, 0, 0, 0, 9, 9};

    setup_as((struct port_pair_config){.mode = PORT_PAIR_LACP, .flow_key = 1234567});
    lacp_init(&partner, system);
    lacp_set_link(&partner, 0, true, 0, now_ns);
    lacp_set_link(&partner, 1, true, 0, now_ns);
    return 0;
}

/* Both ends say what they have to, with looks and turns of the core between. */
static enum port_pair_news talk(uint32_t looks)
{
    enum port_pair_news news = PORT_PAIR_NO_NEWS, now;
    struct frame f[FRAMES_MAX];

    for (uint32_t n = 0; n < looks; n++) {
        now = look_after(100 * MS);
        news = now != PORT_PAIR_NO_NEWS ? now : news;
        const uint32_t before[2] = {member[0].sent, member[1].sent};
        assert_int_equal(receive(f), 0); /* LACP is not the data plane's */
        lacp_timeout(&partner, now_ns);
        for (uint32_t i = 0; i < 2; i++) {
            struct member *m = &member[i];

            if (m->sent > before[i]) {
                assert_memory_equal(m->last_sent + 6, mac_of[i], 6);
                lacp_input(&partner, i, m->last_sent, LACP_FRAME_BYTES, now_ns);
            }
            if (m->base.link.is_up && m->waiting_count < FRAMES_MAX &&
                lacp_output(&partner, i, other, m->waiting[m->waiting_count], now_ns))
                m->waiting_count++;
        }
    }
    return news;
}

/* A flow's frame: IPv4, UDP, of that source port. */
static void send_flow(uint16_t port)
{
    struct frame f;
    uint8_t *p;

    assert_true(port_tx_alloc(pair, 0, &f));
    p = f.bytes;
    memset(p, 0, LACP_FRAME_BYTES);
    p[12] = 8;
    p[14] = 0x45;
    p[17] = 60;
    p[23] = 17;
    p[34] = (uint8_t)(port >> 8);
    p[35] = (uint8_t)port;
    f.len = 74;
    port_tx(pair, 0, &f, 1);
}

static void without_a_partner_one_is_used_alone(void **state)
{
    struct frame f[FRAMES_MAX];

    assert_true(port_pair_is_active(pair, 0) && !port_pair_is_active(pair, 1));
    put(0, broadcast);
    put(1, broadcast); /* two ports of a switch that knows nothing of it: a copy */
    put(1, mac_of[0]);
    assert_int_equal(receive(f), 1);
    set_link(0, false);
    assert_int_equal(look_after(100 * MS), PORT_PAIR_CHANGED);
    assert_true(port_pair_is_active(pair, 1) && !port_pair_is_active(pair, 0));
    assert_memory_equal(pair->caps.mac, mac_of[0], 6); /* of both */
    put(1, mac_of[0]);
    assert_int_equal(receive(f), 1);
    assert_string_equal(port_pair_partner(pair, 0).state, "no link");
    assert_string_equal(port_pair_partner(pair, 1).state, "asks");
    look_after(4000 * MS);
    assert_string_equal(port_pair_partner(pair, 1).state, "no partner");
}

static void with_a_partner_both_are_used_and_a_flow_keeps_its_link(void **state)
{
    struct frame f[FRAMES_MAX];
    uint32_t epoch = port_epoch(pair), used[2] = {0};

    assert_int_equal(talk(10), PORT_PAIR_CHANGED);
    assert_true(port_pair_is_active(pair, 0) && port_pair_is_active(pair, 1));
    assert_true(port_epoch(pair) > epoch);
    assert_string_equal(port_pair_partner(pair, 1).state, "distributing");
    assert_int_equal(port_pair_partner(pair, 1).system[5], 9);
    for (uint16_t flow = 1; flow <= 100; flow++) {
        const uint32_t before = member[0].sent;
        send_flow(flow);
        const bool by_first = member[0].sent > before;
        for (int again = 0; again < 3; again++) {
            const uint32_t then = member[0].sent;
            send_flow(flow);
            assert_int_equal(member[0].sent > then, by_first);
        }
        used[by_first]++;
    }
    assert_in_range(used[0], 25, 75);
    put(0, broadcast);
    put(1, mac_of[0]);
    assert_int_equal(receive(f), 2);
}

static void of_an_aggregate_a_lost_link_is_left_out_and_taken_again(void **state)
{
    talk(10);
    set_link(1, false);
    assert_int_equal(look_after(100 * MS), PORT_PAIR_CHANGED);
    assert_true(port_pair_is_active(pair, 0) && !port_pair_is_active(pair, 1));
    lacp_set_link(&partner, 1, false, 0, now_ns);
    talk(5);
    set_link(1, true);
    lacp_set_link(&partner, 1, true, 0, now_ns);
    assert_int_equal(talk(15), PORT_PAIR_CHANGED);
    assert_true(port_pair_is_active(pair, 0) && port_pair_is_active(pair, 1));
    set_link(0, false);
    assert_int_equal(look_after(100 * MS), PORT_PAIR_CHANGED);
    assert_true(!port_pair_is_active(pair, 0) && port_pair_is_active(pair, 1));
    assert_true(port_is_usable(pair));
    set_link(1, false);
    assert_int_equal(look_after(100 * MS), PORT_PAIR_LOST);
    assert_false(port_is_usable(pair));
}

static void a_core_that_sleeps_wakes_to_say_what_is_to_be_said(void **state)
{
    int fds[PORT_WAIT_FDS_MAX];
    struct frame f[FRAMES_MAX];
    struct pollfd rung = {.events = POLLIN};

    receive(f);
    assert_int_equal(port_wait_fds(pair, 0, fds, PORT_WAIT_FDS_MAX), 5);
    rung.fd = fds[4];
    assert_int_equal(poll(&rung, 1, 0), 0);
    look_after(1100 * MS); /* the next one is due */
    assert_int_equal(poll(&rung, 1, 0), 1);
    port_wait_fds(pair, 0, fds, PORT_WAIT_FDS_MAX);
    assert_int_equal(poll(&rung, 1, 0), 1); /* still to be sent */
    receive(f);
    port_wait_fds(pair, 0, fds, PORT_WAIT_FDS_MAX);
    assert_int_equal(poll(&rung, 1, 0), 0);
    assert_int_equal(member[0].last_sent[13], 9);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(the_first_is_active_while_it_has_a_link),
        CASE(a_lost_link_switches_over_and_it_is_announced_twice),
        CASE(a_device_that_the_kernel_took_back_is_one_without_a_link),
        CASE(the_first_takes_over_again_when_it_has_been_up_for_long_enough),
        CASE(without_failback_the_second_stays),
        CASE(a_link_that_flaps_switches_once),
        CASE(a_link_that_comes_back_is_taken_at_once_when_there_is_no_other),
        CASE(with_both_down_it_is_not_usable_and_the_one_that_comes_first_is_taken),
        CASE(a_device_with_a_new_address_is_announced_if_it_is_active),
        CASE(of_the_standbys_frames_only_its_own_come_through_with_the_pairs_address),
        CASE(what_is_for_a_standby_without_a_link_the_active_one_takes),
        CASE(two_devices_with_one_address_do_not_double_frames),
        CASE(the_standby_is_read_however_much_the_active_one_has),
        CASE(who_cannot_wait_for_both_does_not_wait),
        cmocka_unit_test(the_pair_can_what_both_can),
#define LACP(f) cmocka_unit_test_setup_teardown(f, setup_lacp, teardown)
        LACP(without_a_partner_one_is_used_alone),
        LACP(with_a_partner_both_are_used_and_a_flow_keeps_its_link),
        LACP(of_an_aggregate_a_lost_link_is_left_out_and_taken_again),
        LACP(a_core_that_sleeps_wakes_to_say_what_is_to_be_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
