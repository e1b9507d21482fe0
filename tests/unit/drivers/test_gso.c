/* test_gso.c: a large frame, and the frames it is cut into. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/csum.h"
#include "drivers/gso.h"
#include "tests/unit/drivers/test_large.h"

static void every_segment_is_what_tcp_would_have_sent(void **state)
{
    static const struct {
        const char *what;
        int ip_version;
        uint32_t payload_bytes;
        uint16_t gso_size;
        uint32_t count;
    } rows[] = {
        {"two and a rest", 4, 2 * 1448 + 100, 1448, 3},
        {"two and no rest", 4, 2 * 1448, 1448, 2},
        {"one byte too many", 4, 1449, 1448, 2},
        {"IPv6", 6, 10 * 1428 + 1, 1428, 11},
        {"as many as a frame holds", 4, 64000, 1448, 45},
        {"small segments", 6, 6401, 64, 101},
        {"not large at all", 4, 1000, 0, 1},
    };
    static uint8_t large_bytes[TEST_LARGE_MAX], bytes[TEST_LARGE_MAX];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame large = {.bytes = large_bytes};
        test_large_frame(&large, rows[i].ip_version, rows[i].payload_bytes, rows[i].gso_size);
        if (gso_count(&large) != rows[i].count)
            fail_msg("%s: %u segments", rows[i].what, gso_count(&large));
        if (rows[i].gso_size == 0)
            continue;
        uint64_t wire_bytes = 0;
        struct test_large_reader r = {.what = rows[i].what};
        for (uint32_t s = 0; s < rows[i].count; s++) {
            struct frame f = {.bytes = bytes};
            gso_segment(&large, s, &f);
            csum_fill(&f);
            wire_bytes += f.len;
            test_large_read(&r, f.bytes, f.len);
        }
        test_large_end(&r, rows[i].payload_bytes);
        assert_int_equal(wire_bytes, gso_wire_bytes(&large));
    }
}

static void an_ordinary_frame_counts_as_itself(void **state)
{
    struct frame f = {.len = 60};

    assert_int_equal(gso_count(&f), 1);
    assert_int_equal(gso_wire_bytes(&f), 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_segment_is_what_tcp_would_have_sent),
        cmocka_unit_test(an_ordinary_frame_counts_as_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
