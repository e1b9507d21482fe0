/* Layouts, the window of numbers and the change of keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "channel_rig.h"

static uint64_t rng_state = 1;

static uint32_t rng(uint32_t below)
{
    rng_state = rng_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(rng_state >> 33) % below;
}

/* ---- the window ---- */

enum { NUMBERS = 60000 };

static void the_window_knows_what_a_list_of_all_numbers_knows(void **state)
{
    static uint8_t model[NUMBERS]; /* 1: seen, 2: taken too */
    struct number_window w = {0};
    uint64_t top = 0, near = 1;

    memset(model, 0, sizeof(model));
    for (uint32_t round = 0; round < 200000; round++) {
        uint64_t n;

        if (rng(1000) == 0)
            near += rng(5000);
        else if (rng(3) == 0)
            near++;
        if (near >= NUMBERS - 10)
            break;
        n = near + rng(8) > rng(2500) ? near + rng(8) - (rng(4) == 0 ? rng((uint32_t)near) : 0)
                                      : near;
        if (n == 0)
            n = 1;

        bool is_new = n > top || (top - n < CHANNEL_REPLAY_PACKETS && model[n] == 0);

        assert_int_equal(window_is_new(&w, n), is_new);
        if (!is_new)
            continue;
        window_see(&w, n);
        model[n] = 1;
        if (rng(10) > 0) {
            window_take(&w, n);
            model[n] = 2;
        }
        top = n > top ? n : top;
        assert_int_equal(w.top, top);

        if (round % 50 != 0)
            continue;

        /* An acknowledgement tells what was taken, no more; and all of it when it says so. */
        uint8_t frame[400];
        uint64_t largest = 0;
        bool is_whole = false;
        uint8_t *end = window_write_ack(&w, frame, frame + sizeof(frame), 7, &largest, &is_whole);
        uint64_t low = top >= CHANNEL_REPLAY_PACKETS ? top - CHANNEL_REPLAY_PACKETS + 1 : 1;
        uint64_t told = 0, known = 0;

        if (end == frame)
            continue;

        struct frame_reader r = {.p = frame + 1, .end = end};
        struct frame_ack ack;

        frame_read_ack(&r, top + 1, &ack);
        assert_false(r.bad);
        assert_ptr_equal(r.p, end);
        assert_int_equal(ack.delay_us, 7);
        assert_int_equal(ack.range[0].high, largest);
        for (uint32_t i = 0; i < ack.range_count; i++) {
            for (uint64_t k = ack.range[i].low; k <= ack.range[i].high; k++, told++)
                assert_int_equal(model[k], 2);
        }
        for (uint64_t k = low; k <= top; k++)
            known += model[k] == 2;
        if (is_whole)
            assert_int_equal(told, known);
        else
            assert_int_equal(ack.range_count, 1 + ACK_RANGES_MAX);
    }
}

static void what_lies_under_the_floor_is_not_told_again_but_late_numbers_are(void **state)
{
    struct number_window w = {0};
    uint8_t frame[400];
    uint64_t largest;
    bool is_whole;

    for (uint64_t n = 1; n <= 10; n++) {
        if (n == 5)
            continue;
        window_see(&w, n);
        window_take(&w, n);
    }
    w.floor = 10;
    assert_ptr_equal(window_write_ack(&w, frame, frame + sizeof(frame), 0, &largest, &is_whole),
                     frame);
    window_see(&w, 5);
    window_take(&w, 5);
    assert_true(window_write_ack(&w, frame, frame + sizeof(frame), 0, &largest, &is_whole) > frame);
    assert_int_equal(largest, 10);
}

/* ---- acknowledgements that no honest peer makes ---- */

static void a_bad_acknowledgement_is_seen(void **state)
{
    static const struct {
        const char *what;
        uint8_t bytes[16];
        size_t len;
        bool is_bad;
    } rows[] = {
        {"the last number sent", {0, 0, 0, 0, 0, 0, 99, 0, 0}, 9, false},
        {"a number that was not sent", {0, 0, 0, 0, 0, 0, 100, 0, 0}, 9, true},
        {"number 0", {0, 0, 0, 0, 0, 0, 0, 0, 0}, 9, true},
        {"down to number 1", {0, 0, 0, 0, 0, 0, 99, 0, 98}, 9, false},
        {"down to number 0", {0, 0, 0, 0, 0, 0, 99, 0, 99}, 9, true},
        {"two ranges", {1, 0, 0, 0, 0, 0, 99, 0, 9, 0, 1, 0, 5}, 13, false},
        {"no gap between ranges", {1, 0, 0, 0, 0, 0, 99, 0, 9, 0, 0, 0, 5}, 13, true},
        {"a second range below 1", {1, 0, 0, 0, 0, 0, 99, 0, 9, 0, 1, 0, 88}, 13, true},
        {"fewer ranges than it says", {2, 0, 0, 0, 0, 0, 99, 0, 9, 0, 1, 0, 5}, 13, true},
        {"more ranges than there may be", {33, 0, 0, 0, 0, 0, 99, 0, 9}, 9, true},
        {"too short", {0, 0, 0, 0, 0, 0, 99, 0}, 8, true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct frame_reader r = {.p = rows[i].bytes, .end = rows[i].bytes + rows[i].len};
        struct frame_ack ack;

        frame_read_ack(&r, 100, &ack);
        if (r.bad != rows[i].is_bad)
            fail_msg("%s", rows[i].what);
    }
}

/* ---- keys ---- */

static void keys_advance_one_step_at_a_time_on_both_sides(void **state)
{
    static struct packet_keys a, b;
    static const struct noise_keys to = {.send = {1}, .receive = {2}, .hash = {3, 4}};
    static const struct noise_keys fro = {.send = {2}, .receive = {1}, .hash = {3, 4}};
    uint8_t late[100], packet[100], first[100];
    struct packet_header h;

    packet_keys_init(&a, &to, 5);
    packet_keys_init(&b, &fro, 6);
    memset(late, 0, sizeof(late));
    memset(first, 0, sizeof(first));

    size_t first_len = packet_seal(&a, first, 20, 1);
    uint8_t sealed[100];

    for (uint64_t n = 2; n < 600; n++) {
        size_t late_len = packet_seal(&a, late, 20, n * 2);

        packet_keys_advance_send(&a);
        memset(packet, 9, sizeof(packet));

        size_t len = packet_seal(&a, packet, 20, n * 2 + 1);

        memcpy(sealed, packet, len);
        /* One that says the next phase, and does not authenticate, changes nothing. */
        packet[40] ^= 1;
        h = packet_read_header(packet);
        assert_false(packet_open(&b, packet, len, &h));
        memcpy(packet, sealed, len);
        assert_true(packet_open(&b, packet, len, &h));
        assert_int_equal(packet[DATA_HEADER_BYTES], 9);
        /* The packet before the change may come after it. */
        h = packet_read_header(late);
        assert_true(packet_open(&b, late, late_len, &h));
        memset(late, 0, sizeof(late));
    }
    h = packet_read_header(first);
    assert_false(packet_open(&b, first, first_len, &h));
    assert_true(a.send_phase != 0 && a.send_phase == b.receive_phase);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_knows_what_a_list_of_all_numbers_knows),
        cmocka_unit_test(what_lies_under_the_floor_is_not_told_again_but_late_numbers_are),
        cmocka_unit_test(a_bad_acknowledgement_is_seen),
        cmocka_unit_test(keys_advance_one_step_at_a_time_on_both_sides),
    };

    assert(aead_init() == 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    aead_fini();
    return failed;
}
