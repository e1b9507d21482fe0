/* cell_mail: nothing is lost, the order stays, there is always room for what must be said. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/world/cell_mail.h"

enum { LINKS = 5, LIVES = 20000 };

static struct cell_mail *mail_of(uint32_t links, int wake_fd)
{
    void *memory = aligned_alloc(64, (cell_mail_bytes(links) + 63) / 64 * 64);

    assert_non_null(memory);
    memset(memory, 0, cell_mail_bytes(links));
    return cell_mail_init(memory, links, wake_fd);
}

static void test_order(void **state)
{
    struct cell_mail *m = mail_of(LINKS, -1);
    struct cell_news news;

    assert_false(cell_mail_next(m, &news));
    for (uint32_t i = 0; i < LINKS; i++)
        for (uint32_t type = CELL_ATTACH; type <= CELL_DETACH; type++)
            cell_mail_tell(m, &(struct cell_news){.type = type, .link = i, .script = 7 + i});
    for (uint32_t i = 0; i < LINKS; i++)
        for (uint32_t type = CELL_ATTACH; type <= CELL_DETACH; type++) {
            assert_true(cell_mail_next(m, &news));
            assert_int_equal(news.type, type);
            assert_int_equal(news.link, i);
            assert_int_equal(news.script, 7 + i);
        }
    assert_false(cell_mail_next(m, &news));
    free(m);
}

/* However many starts are wished for, what must be said finds room. */
static void test_released_has_room(void **state)
{
    struct cell_mail *m = mail_of(LINKS, -1);
    struct cell_wish wish;
    uint32_t starts = 0, released = 0;

    while (cell_mail_wish(m, &(struct cell_wish){.type = CELL_WISH_START, .script = 1}))
        assert_true(++starts < 1000);
    assert_true(starts >= LINKS);
    assert_false(cell_mail_wish(m, &(struct cell_wish){.type = CELL_WISH_LARGER, .link = 1}));
    for (uint32_t i = 0; i < LINKS; i++)
        assert_true(cell_mail_wish(m, &(struct cell_wish){.type = CELL_RELEASED, .link = i}));
    for (uint32_t i = 0; i < starts + LINKS; i++) {
        assert_true(cell_mail_hear(m, &wish));
        assert_int_equal(wish.type, i < starts ? CELL_WISH_START : CELL_RELEASED);
        released += wish.type == CELL_RELEASED;
    }
    assert_int_equal(released, LINKS);
    assert_false(cell_mail_hear(m, &wish));
    free(m);
}

static void test_bell_and_pulse(void **state)
{
    int bell = eventfd(0, EFD_NONBLOCK);
    struct cell_mail *m = mail_of(LINKS, bell);
    uint64_t rung;

    cell_mail_ring(m);
    assert_int_equal(read(bell, &rung, sizeof(rung)), -1);
    cell_mail_wish(m, &(struct cell_wish){.type = CELL_WISH_START, .script = 1});
    cell_mail_wish(m, &(struct cell_wish){.type = CELL_WISH_START, .script = 2});
    cell_mail_ring(m);
    cell_mail_ring(m);
    assert_int_equal(read(bell, &rung, sizeof(rung)), sizeof(rung));
    assert_int_equal(rung, 1);
    cell_mail_count(m, 3, 1);
    cell_mail_count(m, 3, 1);
    cell_mail_count(m, 3, -1);
    assert_int_equal(cell_mail_pulse(m, 3).started, 2);
    assert_int_equal(cell_mail_pulse(m, 3).live, 1);
    assert_int_equal(cell_mail_pulse(m, 2).started, 0);
    close(bell);
    free(m);
}

/* The core's end: releases each link as soon as it is told that it ended. */
static void *release_all(void *arg)
{
    struct cell_mail *m = arg;
    struct cell_news news;
    uint32_t expected[LINKS] = {0};

    for (uint32_t ended = 0; ended < LIVES;) {
        if (!cell_mail_next(m, &news))
            continue;
        if (expected[news.link] != news.type - CELL_ATTACH)
            return "out of order";
        expected[news.link] = (expected[news.link] + 1) % 3;
        if (news.type != CELL_DETACH)
            continue;
        ended++;
        if (!cell_mail_wish(m, &(struct cell_wish){.type = CELL_RELEASED, .link = news.link}))
            return "no room";
    }
    return NULL;
}

static void test_two_threads(void **state)
{
    struct cell_mail *m = mail_of(LINKS, -1);
    bool is_free[LINKS] = {true, true, true, true, true};
    struct cell_wish wish;
    pthread_t core;
    void *why;

    assert_int_equal(pthread_create(&core, NULL, release_all, m), 0);
    for (uint32_t begun = 0, released = 0; released < LIVES;) {
        for (uint32_t i = 0; i < LINKS && begun < LIVES; i++) {
            if (!is_free[i])
                continue;
            is_free[i] = false;
            begun++;
            for (uint32_t type = CELL_ATTACH; type <= CELL_DETACH; type++)
                cell_mail_tell(m, &(struct cell_news){.type = type, .link = i});
        }
        while (cell_mail_hear(m, &wish)) {
            assert_int_equal(wish.type, CELL_RELEASED);
            assert_false(is_free[wish.link]);
            is_free[wish.link] = true;
            released++;
        }
    }
    pthread_join(core, &why);
    if (why)
        fail_msg("%s", (const char *)why);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_released_has_room),
        cmocka_unit_test(test_bell_and_pulse),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
