#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/net/tx.h"
#include "port_memory.h"

static struct port_memory port;
static struct counters counters;
static struct tx tx;

static int setup(void **state)
{
    port_memory_init(&port, (const uint8_t[6]){2, 0, 0, 0, 0, 1});
    memset(&counters, 0, sizeof(counters));
    tx_init(&tx, &port.port, 0, &counters);
    return 0;
}

static void build(uint8_t mark)
{
    struct frame *f = tx_next(&tx);

    assert_non_null(f);
    f->bytes[0] = mark;
    f->len = 60;
    tx_commit(&tx);
}

static void frames_leave_in_order_at_flush(void **state)
{
    for (uint8_t i = 0; i < 3; i++)
        build(i);
    assert_int_equal(port.sent_count, 0);
    tx_flush(&tx);
    assert_int_equal(port.sent_count, 3);
    assert_int_equal(counters.tx_frames, 3);
    for (uint8_t i = 0; i < 3; i++)
        assert_int_equal(port.sent[i].bytes[0], i);
    tx_flush(&tx);
    assert_int_equal(port.sent_count, 3);
}

static void a_full_burst_leaves_by_itself(void **state)
{
    for (int i = 0; i < PORT_BURST * 2 + 1; i++)
        build((uint8_t)i);
    assert_int_equal(port.sent_count, PORT_BURST * 2);
    tx_flush(&tx);
    assert_int_equal(port.sent_count, PORT_BURST * 2 + 1);
    assert_int_equal(port.sent[PORT_BURST * 2].bytes[0], PORT_BURST * 2);
}

static void an_abandoned_frame_is_given_out_again_clean(void **state)
{
    struct frame *f = tx_next(&tx);
    void *handle = f->handle;

    f->len = 900;
    f->tx_csum = FRAME_TX_TCP;
    f->l4_offset = 34;
    f = tx_next(&tx);
    assert_ptr_equal(f->handle, handle);
    assert_int_equal(f->len, 0);
    assert_int_equal(f->tx_csum, FRAME_TX_NONE);
    assert_int_equal(f->l4_offset, 0);
    assert_int_equal(port.buffers_out, 1);
    tx_fini(&tx);
    assert_int_equal(port.buffers_out, 0);
}

static void an_abandoned_frame_survives_a_flush(void **state)
{
    build(1);

    void *handle = tx_next(&tx)->handle;

    tx_flush(&tx);
    assert_int_equal(port.sent_count, 1);
    assert_ptr_equal(tx_next(&tx)->handle, handle);
    build(2);
    tx_fini(&tx);
    assert_int_equal(port.sent_count, 2);
    assert_int_equal(port.sent[1].bytes[0], 2);
    assert_int_equal(port.buffers_out, 0);
}

static void no_buffer_is_counted(void **state)
{
    port.buffers_limit = 1;
    build(1);
    assert_null(tx_next(&tx));
    assert_int_equal(counters.tx_no_buffer, 1);
    tx_flush(&tx);
    assert_non_null(tx_next(&tx));
    tx_fini(&tx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(frames_leave_in_order_at_flush, setup),
        cmocka_unit_test_setup(a_full_burst_leaves_by_itself, setup),
        cmocka_unit_test_setup(an_abandoned_frame_is_given_out_again_clean, setup),
        cmocka_unit_test_setup(an_abandoned_frame_survives_a_flush, setup),
        cmocka_unit_test_setup(no_buffer_is_counted, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
