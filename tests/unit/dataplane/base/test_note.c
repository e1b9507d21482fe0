/* test_note: notes between the control thread and a core arrive whole, once and in order, or are
 * counted as dropped (note.h).
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sys/eventfd.h>

#include "dataplane/base/note.h"

static struct notes notes;

static int setup(void **state)
{
    return notes_init(&notes);
}

static int teardown(void **state)
{
    notes_fini(&notes);
    return 0;
}

static bool is_awake(int timeout_ms)
{
    struct pollfd p = {.fd = notes.wake_fd, .events = POLLIN};

    return poll(&p, 1, timeout_ms) == 1;
}

static void notes_arrive_in_order(void **state)
{
    assert_null(note_peek(&notes.out));
    assert_true(note_put(&notes.out, 3, "first", 5));
    assert_true(note_put(&notes.out, NOTE_TO_ALL, "", 0));
    assert_true(note_put(&notes.out, 4, "third", 5));

    const struct note *n = note_peek(&notes.out);
    assert_true(n->node == 3 && n->bytes == 5 && memcmp(n->body, "first", 5) == 0);
    assert_ptr_equal(note_peek(&notes.out), n); /* until it is done */
    note_done(&notes.out);
    n = note_peek(&notes.out);
    assert_true(n->node == NOTE_TO_ALL && n->bytes == 0);
    note_done(&notes.out);
    n = note_peek(&notes.out);
    assert_true(n->node == 4 && n->bytes == 5 && memcmp(n->body, "third", 5) == 0);
    note_done(&notes.out);
    assert_null(note_peek(&notes.out));
    assert_null(note_peek(&notes.in)); /* the other direction is another ring */
}

static void the_longest_fits_and_a_longer_one_is_dropped(void **state)
{
    static uint8_t body[NOTE_BYTES_MAX + 1];

    memset(body, 'x', sizeof(body));
    assert_false(note_put(&notes.out, 1, body, NOTE_BYTES_MAX + 1));
    assert_int_equal(atomic_load(&notes.out.dropped), 1);
    assert_null(note_peek(&notes.out));
    assert_true(note_put(&notes.out, 1, body, NOTE_BYTES_MAX));
    assert_int_equal(note_peek(&notes.out)->bytes, NOTE_BYTES_MAX);
    assert_memory_equal(note_peek(&notes.out)->body, body, NOTE_BYTES_MAX);
}

static void a_full_ring_drops_and_counts(void **state)
{
    /* Several times around, so that every slot is the first of a full ring once. */
    for (uint32_t round = 0; round < 3 * NOTE_SLOTS; round++) {
        uint32_t i = 0;
        while (note_put(&notes.in, 1, &i, sizeof(i)))
            i++;
        assert_int_equal(i, NOTE_SLOTS);
        assert_int_equal(atomic_load(&notes.in.dropped), round + 1);
        for (i = 0; i < NOTE_SLOTS; i++) {
            assert_memory_equal(note_peek(&notes.in)->body, &i, sizeof(i));
            note_done(&notes.in);
        }
        assert_null(note_peek(&notes.in));
        assert_true(note_put(&notes.in, 1, &i, sizeof(i)));
        note_done(&notes.in);
    }
}

static void control_is_woken_by_what_is_delivered(void **state)
{
    eventfd_t count;

    assert_false(is_awake(0));
    assert_true(notes_deliver(&notes, 5, "hello", 5));
    assert_true(notes_deliver(&notes, 5, "again", 5));
    assert_true(is_awake(0));
    assert_int_equal(eventfd_read(notes.wake_fd, &count), 0);
    assert_false(is_awake(0));
    assert_memory_equal(note_peek(&notes.in)->body, "hello", 5);
    assert_false(notes_deliver(&notes, 5, "x", NOTE_BYTES_MAX + 1));
    assert_false(is_awake(0)); /* nothing came in */
}

/* ---- two threads ---- */

enum { NOTES = 20000 };

/* Says as much as its number allows, so that half of one and half of another show. */
static size_t body_of(uint32_t number, uint32_t *body)
{
    size_t words = 1 + number % 61;

    for (size_t i = 0; i < words; i++)
        body[i] = number;
    return words * sizeof(*body);
}

static void *deliver_all(void *arg)
{
    for (uint32_t number = 0; number < NOTES;) {
        uint32_t body[64];
        number += notes_deliver(&notes, (uint16_t)number, body, body_of(number, body));
    }
    return NULL;
}

static void notes_cross_threads_whole_once_and_in_order(void **state)
{
    pthread_t core;

    assert_int_equal(pthread_create(&core, NULL, deliver_all, NULL), 0);
    for (uint32_t number = 0; number < NOTES;) {
        const struct note *n = note_peek(&notes.in);
        if (!n) {
            eventfd_t count;
            assert_true(is_awake(20000)); /* a lost wake-up would show here */
            eventfd_read(notes.wake_fd, &count);
            continue;
        }
        uint32_t body[64];
        size_t len = body_of(number, body);
        assert_int_equal(n->node, (uint16_t)number);
        assert_int_equal(n->bytes, len);
        assert_memory_equal(n->body, body, len);
        note_done(&notes.in);
        number++;
    }
    pthread_join(core, NULL);
    assert_null(note_peek(&notes.in));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(notes_arrive_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(the_longest_fits_and_a_longer_one_is_dropped, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_ring_drops_and_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(control_is_woken_by_what_is_delivered, setup, teardown),
        cmocka_unit_test_setup_teardown(notes_cross_threads_whole_once_and_in_order, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
