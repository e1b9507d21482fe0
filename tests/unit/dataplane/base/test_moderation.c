/* Frames gather only behind a row of large ones, and never for long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/base/moderation.h"

enum { SEGMENT = 1514, ACK = 66, REQUEST = 400 };
static const uint64_t most_ns = CORE_MODERATION_US * 1000ull;

/* So many sleeps, each behind so many frames of one size. Returns what the last one was told, less
 * the time at which it began. */
static uint64_t sleeps(struct moderation *m, uint32_t count, uint32_t frames, uint32_t frame_bytes,
                       uint64_t *now_ns)
{
    uint64_t until_ns = 0;
    for (uint32_t i = 0; i < count; i++) {
        *now_ns += 1000000;
        moderation_hear(m, frames, frames * frame_bytes);
        until_ns = moderation_until_ns(m, *now_ns);
    }
    return until_ns ? until_ns - *now_ns : 0;
}

static void frames_gather_behind_a_row_of_large_ones(void **state)
{
    struct moderation m = {0};
    uint64_t now_ns = 0;
    assert_int_equal(sleeps(&m, MODERATION_ROW - 1, 12, SEGMENT, &now_ns), 0);
    assert_int_equal(sleeps(&m, 1, 12, SEGMENT, &now_ns), most_ns);
    assert_int_equal(sleeps(&m, 100, 40, SEGMENT, &now_ns), most_ns);
}

static void other_frames_never_do(void **state)
{
    static const struct {
        const char *what;
        uint32_t frames, bytes;
    } row[] = {
        {"acknowledgements of what we send", 200, ACK},
        {"requests", 64, REQUEST},
        {"a few segments of a slow start", 4, SEGMENT},
        {"nothing", 0, 0},
    };
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct moderation m = {0};
        uint64_t now_ns = 0;
        assert_int_equal(sleeps(&m, 100, row[i].frames, row[i].bytes, &now_ns), 0);
        sleeps(&m, MODERATION_ROW, 12, SEGMENT, &now_ns);
        assert_int_equal(sleeps(&m, 1, row[i].frames, row[i].bytes, &now_ns), 0);
        if (row[i].frames > 0) /* and the row begins anew */
            assert_int_equal(sleeps(&m, MODERATION_ROW - 1, 12, SEGMENT, &now_ns), 0);
    }
}

static void who_rings_meanwhile_does_not_make_it_longer(void **state)
{
    struct moderation m = {0};
    uint64_t now_ns = 0;
    sleeps(&m, MODERATION_ROW, 12, SEGMENT, &now_ns);
    assert_int_equal(moderation_until_ns(&m, now_ns + most_ns / 3), now_ns + most_ns);
    assert_int_equal(moderation_until_ns(&m, now_ns + most_ns - 1), now_ns + most_ns);
    assert_int_equal(moderation_until_ns(&m, now_ns + most_ns), 0);
}

static void a_transfer_that_pauses_begins_anew(void **state)
{
    struct moderation m = {0};
    uint64_t now_ns = 0;
    sleeps(&m, MODERATION_ROW, 12, SEGMENT, &now_ns);
    assert_int_equal(sleeps(&m, 1, 0, 0, &now_ns), 0);
    assert_int_equal(sleeps(&m, MODERATION_ROW - 1, 12, SEGMENT, &now_ns), 0);
    assert_int_equal(sleeps(&m, 1, 12, SEGMENT, &now_ns), most_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_gather_behind_a_row_of_large_ones),
        cmocka_unit_test(other_frames_never_do),
        cmocka_unit_test(who_rings_meanwhile_does_not_make_it_longer),
        cmocka_unit_test(a_transfer_that_pauses_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
