/* Overload: CoDel's spells, and each reason to refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "dataplane/place/shed.h"
#include "drivers/rng.h"

#define MS_NS 1000000ull

static const struct shed_tune tune = {.target_us = 20000,
                                      .interval_us = 100000,
                                      .jobs_percent = 90,
                                      .chunks_percent = 90,
                                      .share_percent = 50};

/* Observes a delay every 10 ms from *now_ms on, for span_ms. */
static void observe(struct shed *s, uint64_t *now_ms, uint64_t span_ms, uint64_t delay_ms)
{
    for (uint64_t end = *now_ms + span_ms; *now_ms < end; *now_ms += 10)
        shed_observe(s, &tune, delay_ms * MS_NS, *now_ms * MS_NS);
}

static struct shed overloaded(uint64_t *now_ms)
{
    struct shed s;
    shed_init(&s);
    observe(&s, now_ms, 120, 25);
    assert_true(s.is_overloaded);
    return s;
}

static void a_short_spell_is_no_overload(void **state)
{
    struct shed s;
    uint64_t now_ms = 0;
    shed_init(&s);
    for (int i = 0; i < 10; i++) {
        observe(&s, &now_ms, 100, 500);
        assert_false(s.is_overloaded);
        observe(&s, &now_ms, 10, 20);
        now_ms += 100;
    }
}

static void a_whole_interval_over_target_is(void **state)
{
    struct shed s;
    uint64_t now_ms = 10;
    shed_init(&s);
    observe(&s, &now_ms, 100, 21);
    assert_false(s.is_overloaded);
    observe(&s, &now_ms, 10, 21);
    assert_true(s.is_overloaded);
}

static void slow_starts_far_apart_are_not(void **state)
{
    struct shed s;
    shed_init(&s);
    for (uint64_t ms = 0; ms < 5000; ms += 101) {
        shed_observe(&s, &tune, 90 * MS_NS, ms * MS_NS);
        assert_false(s.is_overloaded);
    }
}

static void once_under_target_ends_it(void **state)
{
    uint64_t now_ms = 5;
    struct shed s = overloaded(&now_ms);
    observe(&s, &now_ms, 2000, 21);
    assert_true(s.is_overloaded);
    observe(&s, &now_ms, 10, 20);
    assert_false(s.is_overloaded);
}

static void a_new_spell_waits_half_an_interval(void **state)
{
    uint64_t now_ms = 5;
    struct shed s = overloaded(&now_ms);
    observe(&s, &now_ms, 10, 0);
    observe(&s, &now_ms, 140, 30); /* the first 40 ms do not count */
    assert_false(s.is_overloaded);
    observe(&s, &now_ms, 10, 30);
    assert_true(s.is_overloaded);
}

struct row {
    const char *name;
    bool is_overloaded;
    uint32_t jobs_percent, share_percent;
    struct shed_query query;
    int reason;
};

static const struct row rows[] = {
    {"an idle process takes it", false, 90, 50, {0, 100, 0, 0}, 0},
    {"under jobs_percent it is taken", false, 90, 100, {89, 100, 89, 0}, 0},
    {"at jobs_percent it is refused", false, 90, 100, {90, 100, 9, 0}, BOUNCE_OVERLOAD},
    {"jobs_percent 0 refuses everything", false, 0, 50, {0, 100, 0, 0}, BOUNCE_OVERLOAD},
    {"jobs_percent 100 takes the last place", false, 100, 100, {99, 100, 0, 0}, 0},
    {"jobs_percent 1000 takes the last place", false, 1000, 100, {99, 100, 0, 0}, 0},
    {"a full table takes nothing", false, 1000, 100, {100, 100, 0, 0}, BOUNCE_OVERLOAD},
    {"no table takes nothing", false, 1000, 100, {0, 0, 0, 0}, BOUNCE_OVERLOAD},
    {"chunks at their limit are enough", false, 90, 50, {0, 100, 0, 90}, 0},
    {"chunks over their limit are not", false, 90, 50, {0, 100, 0, 91}, BOUNCE_OVERLOAD},
    {"overloaded by delay", true, 90, 50, {10, 100, 5, 0}, BOUNCE_OVERLOAD},
    {"overloaded by delay, and more than its share", true, 90, 50, {10, 100, 6, 0}, BOUNCE_SHARE},
    {"up to half of the jobs a script may have all", false, 90, 50, {50, 100, 50, 0}, 0},
    {"beyond half it may have its share", false, 90, 50, {60, 100, 30, 0}, 0},
    {"beyond half more than its share is refused", false, 90, 50, {60, 100, 31, 0}, BOUNCE_SHARE},
    {"and its neighbour is taken", false, 90, 50, {60, 100, 29, 0}, 0},
    {"a script without neighbours may have all", false, 90, 50, {60, 100, 60, 0}, 0},
    {"share_percent 100 is no limit", false, 90, 100, {60, 100, 60, 0}, 0},
};

static void refuses_by_its_rules(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        struct shed s = {.is_overloaded = r->is_overloaded};
        struct shed_tune t = tune;
        t.jobs_percent = r->jobs_percent;
        t.share_percent = r->share_percent;
        int reason = (int)shed_refuses(&s, &t, &r->query);
        if (reason != r->reason)
            fail_msg("%s: reason %d, not %d", r->name, reason, r->reason);
    }
}

static void says_its_load(void **state)
{
    struct shed s;
    struct shed_tune none = tune;
    none.jobs_percent = 0;
    shed_init(&s);
    assert_int_equal(shed_load(&s, &tune, 0, 1000), 0);
    assert_int_equal(shed_load(&s, &tune, 450, 1000), 500);
    assert_int_equal(shed_load(&s, &tune, 900, 1000), 1000);
    assert_int_equal(shed_load(&s, &none, 0, 1000), SHED_LOAD_MAX);
    s.delay_ns = 15 * MS_NS;
    assert_int_equal(shed_load(&s, &tune, 450, 1000), 750);
    assert_int_equal(shed_load(&s, &tune, 720, 1000), 800);
    s.delay_ns = UINT64_MAX;
    assert_int_equal(shed_load(&s, &tune, 0, 1000), SHED_LOAD_MAX);
    s = (struct shed){.is_overloaded = true};
    assert_int_equal(shed_load(&s, &tune, 0, 1000), 1000);
}

/* Whoever has less in flight is refused no sooner; and what can be taken while calm is under every
 * limit. */
static void holds_its_properties(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rng r = {seed};
        for (int i = 0; i < 20000; i++) {
            struct shed s = {.is_overloaded = rng_chance(&r, 0.2)};
            struct shed_tune t = {.target_us = (uint32_t)rng_below(&r, 100000),
                                  .interval_us = (uint32_t)rng_below(&r, 1000000),
                                  .jobs_percent = (uint32_t)rng_below(&r, 120),
                                  .chunks_percent = (uint32_t)rng_below(&r, 120),
                                  .share_percent = (uint32_t)rng_below(&r, 120)};
            struct shed_query q = {.jobs_max = (uint32_t)rng_below(&r, 2000),
                                   .chunks_used_percent = (uint32_t)rng_below(&r, 101)};
            q.jobs = (uint32_t)rng_below(&r, q.jobs_max + 1);
            q.script_jobs = (uint32_t)rng_below(&r, q.jobs + 1);
            enum bounce_reason reason = shed_refuses(&s, &t, &q);
            struct shed_query less = q;
            less.script_jobs /= 2;

            assert_true(reason == 0 || reason == BOUNCE_OVERLOAD || reason == BOUNCE_SHARE);
            if (reason == 0) {
                assert_false(s.is_overloaded);
                assert_true(q.jobs < q.jobs_max && t.jobs_percent > 0);
                if (q.script_jobs < q.jobs) /* alone it may have all */
                    assert_true(shed_refuses(&s, &t, &less) == 0);
                assert_true(shed_load(&s, &t, q.jobs, q.jobs_max) < 1000);
            }
            if (s.is_overloaded)
                assert_true(shed_load(&s, &t, q.jobs, q.jobs_max) >= 1000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_spell_is_no_overload),
        cmocka_unit_test(a_whole_interval_over_target_is),
        cmocka_unit_test(slow_starts_far_apart_are_not),
        cmocka_unit_test(once_under_target_ends_it),
        cmocka_unit_test(a_new_spell_waits_half_an_interval),
        cmocka_unit_test(refuses_by_its_rules),
        cmocka_unit_test(says_its_load),
        cmocka_unit_test(holds_its_properties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
