/* A core and the host's tap, which is one end of a socket pair here: what goes in is what comes
 * out. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/core/core_tap.h"
#include "dataplane/core_state.h"
#include "drivers/tap.h"
#include "tests/unit/dataplane/net/port_memory.h"

enum { RATE = 1000, LOOK_NS = EXCEPTION_LOOK_US * 1000 };

#define MACS "\x02\0\0\0\0\x01\x02\0\0\0\0\x02"
static const char plain[] = MACS "\x08\x06"
                                 "who has";
static const char tagged[] = MACS "\x81\x00\x60\x64\x08\x06"
                                  "who has";
/* As the kernel's comes back: without a priority. */
static const char sent_tagged[] = MACS "\x81\x00\x00\x64\x08\x06"
                                       "who has";

static struct core *core;
static struct port_memory port;
static struct tap tap;
static int kernel; /* the other end */

static int start(void **state)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends))
        return -1;
    tap.fd = ends[0];
    kernel = ends[1];
    core = calloc(1, sizeof(*core));
    port_memory_init(&port, (const uint8_t[6]){2, 0, 0, 0, 0, 1});
    core->now_ns = 1000000000;
    core->config = (struct core_config){.port = &port.port, .tap = &tap, .tap_rate = RATE};
    tx_init(&core->tx, &port.port, 0, &core->counters);
    core_tap_init(core);
    return 0;
}

static int stop(void **state)
{
    tx_fini(&core->tx);
    assert_int_equal(port.buffers_out, 0);
    free(core);
    close(tap.fd);
    if (kernel >= 0)
        close(kernel);
    return 0;
}

static struct frame frame_of(const char *bytes, size_t len)
{
    return (struct frame){.bytes = (uint8_t *)(uintptr_t)bytes, .len = (uint32_t)len};
}

static void assert_heard(const char *bytes, size_t len)
{
    char heard[2048];

    assert_int_equal(read(kernel, heard, sizeof(heard)), len);
    assert_memory_equal(heard, bytes, len);
}

static void a_frame_is_given_as_it_is_but_for_its_tag(void **state)
{
    struct frame f = frame_of(plain, sizeof(plain) - 1), t = frame_of(tagged, sizeof(tagged) - 1);

    core_tap_give(core, &f, true);
    assert_heard(plain, sizeof(plain) - 1);
    core_tap_give(core, &t, true);
    assert_heard(plain, sizeof(plain) - 1);
    core_tap_show(core, &t);
    assert_heard(plain, sizeof(plain) - 1);
    assert_int_equal(core->counters.tap_tx, 2);
    assert_int_equal(core->counters.tap_shown, 1);
}

static void who_is_afar_takes_nothing_from_neighbours(void **state)
{
    struct frame f = frame_of(plain, sizeof(plain) - 1);
    char heard[64];

    for (int i = 0; i < EXCEPTION_BURST + 10; i++) {
        core_tap_give(core, &f, false);
        while (read(kernel, heard, sizeof(heard)) > 0)
            ;
    }
    assert_int_equal(core->counters.tap_tx, EXCEPTION_BURST);
    assert_int_equal(core->counters.tap_limited, 10);
    core_tap_give(core, &f, true);
    assert_int_equal(core->counters.tap_tx, EXCEPTION_BURST + 1);

    core->now_ns += 5 * 1000000000ull / RATE;
    for (int i = 0; i < 10; i++)
        core_tap_give(core, &f, false);
    assert_int_equal(core->counters.tap_tx, EXCEPTION_BURST + 6);
}

static void what_the_kernel_does_not_take_is_counted(void **state)
{
    struct frame f = frame_of(plain, sizeof(plain) - 1);

    close(kernel);
    kernel = -1;
    core_tap_give(core, &f, true);
    core_tap_show(core, &f);
    assert_int_equal(core->counters.tap_dropped, 1);
    assert_int_equal(core->counters.tap_unshown, 1);
    assert_int_equal(core->counters.tap_tx + core->counters.tap_shown, 0);
}

static void say(const char *bytes, size_t len, int times)
{
    for (int i = 0; i < times; i++)
        assert_int_equal(write(kernel, bytes, len), len);
}

static void what_the_kernel_sends_leaves_at_the_port(void **state)
{
    say(plain, sizeof(plain) - 1, 2);
    assert_int_equal(core_tap_run(core), 2);
    tx_flush(&core->tx);
    assert_int_equal(port.sent_count, 2);
    assert_int_equal(port.sent[0].len, sizeof(plain) - 1);
    assert_memory_equal(port.sent[0].bytes, plain, sizeof(plain) - 1);
    assert_int_equal(port.sent[0].tx_csum, FRAME_TX_NONE);
    assert_int_equal(core->counters.tap_rx, 2);
}

static void it_leaves_with_the_ports_tag(void **state)
{
    core->net.config.vlan = 100;
    say(plain, sizeof(plain) - 1, 1);
    assert_int_equal(core_tap_run(core), 1);
    tx_flush(&core->tx);
    assert_int_equal(port.sent[0].len, sizeof(sent_tagged) - 1);
    assert_memory_equal(port.sent[0].bytes, sent_tagged, sizeof(sent_tagged) - 1);
}

static void a_busy_core_looks_from_time_to_time_one_that_was_woken_at_once(void **state)
{
    assert_int_equal(core_tap_run(core), 0); /* looked */
    say(plain, sizeof(plain) - 1, 1);
    core->now_ns += LOOK_NS - 1;
    assert_int_equal(core_tap_run(core), 0);
    core_tap_woke(core);
    assert_int_equal(core_tap_run(core), 1);
    say(plain, sizeof(plain) - 1, 1);
    core->now_ns += LOOK_NS;
    assert_int_equal(core_tap_run(core), 1);
}

static void one_look_takes_so_many_frames_and_the_next_comes_at_once(void **state)
{
    say(plain, sizeof(plain) - 1, EXCEPTION_FRAMES_PER_LOOK + 3);
    assert_int_equal(core_tap_run(core), EXCEPTION_FRAMES_PER_LOOK);
    assert_int_equal(core_tap_run(core), 3);
    assert_int_equal(core_tap_run(core), 0);
}

static void without_a_buffer_nothing_is_lost(void **state)
{
    port.buffers_limit = 0;
    say(plain, sizeof(plain) - 1, 1);
    assert_int_equal(core_tap_run(core), 0);
    port.buffers_limit = 8;
    core->now_ns += LOOK_NS;
    assert_int_equal(core_tap_run(core), 1);
}

static void only_core_0_reads_and_none_without_a_tap(void **state)
{
    say(plain, sizeof(plain) - 1, 1);
    core->config.index = 1;
    assert_int_equal(core_tap_run(core), 0);
    assert_int_equal(core_tap_fd(core), -1);
    core->config.index = 0;
    assert_int_equal(core_tap_fd(core), tap.fd);
    core->config.tap = NULL;
    assert_int_equal(core_tap_run(core), 0);
    assert_int_equal(core_tap_fd(core), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_frame_is_given_as_it_is_but_for_its_tag),
        TEST(who_is_afar_takes_nothing_from_neighbours),
        TEST(what_the_kernel_does_not_take_is_counted),
        TEST(what_the_kernel_sends_leaves_at_the_port),
        TEST(it_leaves_with_the_ports_tag),
        TEST(a_busy_core_looks_from_time_to_time_one_that_was_woken_at_once),
        TEST(one_look_takes_so_many_frames_and_the_next_comes_at_once),
        TEST(without_a_buffer_nothing_is_lost),
        TEST(only_core_0_reads_and_none_without_a_tap),
    };
#undef TEST
    signal(SIGPIPE, SIG_IGN); /* a tap has none */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
