/* The timer wheel against a model: a plain list of deadlines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/timer.h"

#define MS_NS 1000000ull

enum { TIMERS = 200 };

static uint64_t rng_state;

static uint64_t rng(uint64_t below)
{
    rng_state = rng_state * 6364136223846793005ull + 1442695040888963407ull;
    return (rng_state >> 11) % below;
}

static struct timers wheel;
static struct timer timer[TIMERS];
static uint64_t model[TIMERS]; /* UINT64_MAX: not set */

/* Spans from within a tick to over the wheel's 49 days. */
static uint64_t span(void)
{
    static const uint64_t spans[] = {1,
                                     MS_NS,
                                     300 * MS_NS,
                                     70000 * MS_NS,
                                     20000000 * MS_NS,
                                     5000000000 * MS_NS,
                                     20000000000 * MS_NS};

    return rng(spans[rng(7)] + 1);
}

static uint64_t earliest(void)
{
    uint64_t min = UINT64_MAX;

    for (uint32_t i = 0; i < TIMERS; i++)
        min = model[i] < min ? model[i] : min;
    return min;
}

/* set_at: a deadline that had passed when it was set counts from then. */
static void drain(uint64_t now)
{
    struct timer *expired;
    uint64_t last_tick = 0;

    while ((expired = timers_expired(&wheel, now)) != NULL) {
        uint32_t i = (uint32_t)(expired - timer);
        uint64_t tick = (expired->deadline_ns + MS_NS - 1) / MS_NS;

        assert_true(model[i] == expired->deadline_ns);
        assert_true(model[i] <= now); /* never early */
        assert_true(tick >= last_tick);
        last_tick = tick;
        model[i] = UINT64_MAX;
        assert_false(timer_is_set(expired));
    }
    /* Late by at most a tick. */
    for (uint32_t i = 0; i < TIMERS; i++)
        assert_true(model[i] == UINT64_MAX || model[i] + MS_NS > now);
}

static void expires_as_a_sorted_list_would(void **state)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        uint64_t now = seed * 777777777777ull;

        rng_state = seed;
        memset(timer, 0, sizeof(timer));
        memset(model, 0xff, sizeof(model));
        timers_init(&wheel, now);
        for (uint32_t round = 0; round < 3000; round++) {
            uint32_t i = (uint32_t)rng(TIMERS);
            uint32_t action = (uint32_t)rng(10);

            if (action < 6) {
                /* After the tick that is under way, so that order is the deadlines'. */
                model[i] = (now / MS_NS + 1) * MS_NS + 1 + span();
                timer_set(&wheel, &timer[i], model[i]);
            } else if (action < 8) {
                model[i] = UINT64_MAX;
                if (rng(2) == 0)
                    timer_cancel(&wheel, &timer[i]);
                else
                    timer_set(&wheel, &timer[i], UINT64_MAX);
            } else {
                uint64_t next = timers_next_ns(&wheel);
                uint64_t first = earliest();

                assert_int_equal(next == UINT64_MAX, first == UINT64_MAX);
                /* The tick in which the first one expires, or before. */
                assert_true(first == UINT64_MAX || next <= (first + MS_NS - 1) / MS_NS * MS_NS);
                now += rng(4) == 0 || next == UINT64_MAX || next <= now ? span() / 50 : next - now;
                drain(now);
            }
        }
    }
}

static void sleeping_until_next_reaches_every_timer(void **state)
{
    uint64_t now = 5 * MS_NS;
    uint32_t wakes = 0, expired = 0;

    timers_init(&wheel, now);
    memset(timer, 0, sizeof(timer));
    timer_set(&wheel, &timer[0], 7 * 3600 * 1000 * MS_NS + 1);
    while (expired == 0) {
        uint64_t next = timers_next_ns(&wheel);

        assert_true(next > now && next != UINT64_MAX);
        now = next;
        while (timers_expired(&wheel, now) != NULL)
            expired++;
        wakes++;
    }
    assert_int_equal(now, 7 * 3600 * 1000 * MS_NS + MS_NS);
    assert_true(wakes <= TIMER_LEVELS);
}

static void a_passed_deadline_expires_with_the_next_tick(void **state)
{
    uint64_t now = 1000 * MS_NS;

    timers_init(&wheel, now);
    memset(timer, 0, sizeof(timer));
    timer_set(&wheel, &timer[0], 10);
    assert_null(timers_expired(&wheel, now));
    assert_int_equal(timers_next_ns(&wheel), now + MS_NS);
    assert_ptr_equal(timers_expired(&wheel, now + MS_NS), &timer[0]);
    assert_null(timers_expired(&wheel, now + MS_NS));
    assert_int_equal(timers_next_ns(&wheel), UINT64_MAX);
}

static void setting_again_what_just_expired_ends(void **state)
{
    uint64_t now = 1000 * MS_NS;
    uint32_t times = 0;

    timers_init(&wheel, now);
    memset(timer, 0, sizeof(timer));
    timer_set(&wheel, &timer[0], 1);
    now += 20 * MS_NS;
    while (timers_expired(&wheel, now) != NULL) {
        timer_set(&wheel, &timer[0], 1);
        times++;
    }
    assert_int_equal(times, 20); /* once per tick that has passed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expires_as_a_sorted_list_would),
        cmocka_unit_test(sleeping_until_next_reaches_every_timer),
        cmocka_unit_test(a_passed_deadline_expires_with_the_next_tick),
        cmocka_unit_test(setting_again_what_just_expired_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
