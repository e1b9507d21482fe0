/* What stays warm: histories by hand, victims against the formula written out, and a pool under random use beside a naive one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/rng.h"
#include "runtime/worker/warm_pool.h"

#define SECOND_NS 1000000000ull

static const struct warm_weights weights = {.memory_s = 3600, .prior_s = 10, .floor_us = 1000};

/* ---- histories ---- */

static void a_burst_is_one_arrival_and_a_stream_one_a_second(void **state)
{
    struct warm_history h = {0};
    uint64_t now = 50 * SECOND_NS;
    for (int i = 0; i < 100; i++)
        warm_history_ask(&h, &weights, now + (uint64_t)i * 5000000);
    assert_true(h.arrivals == 1 && h.seconds == 0);
    for (int i = 0; i <= 100; i++) /* ten a second for ten seconds */
        warm_history_ask(&h, &weights, now + (uint64_t)i * 100000000);
    assert_true(h.arrivals > 10.9f && h.arrivals <= 11);
    assert_true(h.seconds > 9.9f && h.seconds <= 10);
}

static void what_was_long_ago_fades(void **state)
{
    struct warm_history h = {0};
    uint64_t now = SECOND_NS;
    for (int i = 0; i < 1000; i++)
        warm_history_ask(&h, &weights, now += 10 * SECOND_NS);
    float before = h.arrivals / h.seconds;
    assert_true(before > 0.09f && before < 0.11f);
    warm_history_ask(&h, &weights, now += 30 * 86400 * SECOND_NS);
    assert_true(h.arrivals == 1 && h.seconds > 3599);
    warm_history_ask(&h, &weights, now += UINT64_MAX / 4); /* ages of it: no infinity, no NaN */
    assert_true(h.arrivals == 1 && h.seconds > 3599 && h.seconds <= 3600);
}

static void starts_are_smoothed(void **state)
{
    struct warm_history h = {0};
    warm_history_started(&h, 8000);
    assert_int_equal(h.reload_us, 8000);
    warm_history_started(&h, 4000);
    assert_int_equal(h.reload_us, 7000);
    warm_history_started(&h, UINT32_MAX);
    warm_history_started(&h, 0);
    assert_in_range(h.reload_us, 1u << 29, UINT32_MAX);
}

/* ---- who goes ---- */

enum { PAIR = 2 };

struct side {
    uint32_t arrivals, seconds, reload_us, unused_s;
    size_t bytes;
    uint32_t pins;
};

struct duel {
    const char *name;
    struct side side[PAIR];
    uint32_t idle_s;
    int loser; /* -1: nobody goes */
};

static const struct duel duels[] = {
    {"equal in all: the one longer unused",
     {{1, 0, 1000, 9, 100, 0}, {1, 0, 1000, 8, 100, 0}},
     0,
     0},
    {"the rarer", {{9, 100, 1000, 1, 100, 0}, {3, 100, 1000, 1, 100, 0}}, 0, 1},
    {"the quicker to start", {{3, 100, 90000, 1, 100, 0}, {3, 100, 1000, 1, 100, 0}}, 0, 1},
    {"the larger", {{3, 100, 1000, 1, 100, 0}, {3, 100, 1000, 1, 900, 0}}, 0, 1},
    {"the silent one, though it was busier",
     {{9, 60, 1000, 90000, 100, 0}, {3, 100, 1000, 1, 100, 0}},
     0,
     0},
    {"the rare and cheap one, though it was used last",
     {{50, 600, 90000, 60, 100, 0}, {1, 600, 1000, 1, 100, 0}},
     0,
     1},
    {"never one in use", {{1, 900, 1000, 900, 100, 1}, {90, 900, 90000, 1, 100, 0}}, 0, 1},
    {"never one that was used within the idle time",
     {{1, 900, 1000, 5, 100, 0}, {90, 900, 90000, 70, 100, 0}},
     60,
     1},
    {"nobody, when all are in use",
     {{1, 900, 1000, 900, 100, 1}, {1, 900, 1000, 900, 100, 2}},
     0,
     -1},
    {"nobody, when all were used", {{1, 900, 1000, 9, 100, 0}, {1, 900, 1000, 9, 100, 0}}, 60, -1},
};

static void the_least_valuable_goes(void **state)
{
    uint64_t now = 1000000 * SECOND_NS;
    for (size_t d = 0; d < sizeof(duels) / sizeof(duels[0]); d++) {
        struct warm_pool pool;
        struct warm_entry entry[PAIR];
        struct warm_history history[PAIR];
        warm_pool_init(&pool, &weights, 1000);
        for (int i = 0; i < PAIR; i++) {
            const struct side *s = &duels[d].side[i];
            history[i] = (struct warm_history){.arrivals = (float)s->arrivals,
                                               .seconds = (float)s->seconds,
                                               .reload_us = s->reload_us};
            warm_pool_add(&pool, &entry[i], &history[i], s->bytes, now - s->unused_s * SECOND_NS);
            for (uint32_t k = 0; k < s->pins; k++)
                warm_pool_pin(&pool, &entry[i]);
        }
        struct warm_entry *victim = warm_pool_victim(&pool, duels[d].idle_s * SECOND_NS, now);
        if (victim != (duels[d].loser < 0 ? NULL : &entry[duels[d].loser]))
            fail_msg("%s", duels[d].name);
        warm_pool_remove(&pool, &entry[0]);
        warm_pool_remove(&pool, &entry[1]);
        warm_pool_fini(&pool);
    }
}

/* ---- beside a naive one ---- */

enum { SCRIPTS = 200, STEPS = 20000 };

struct naive {
    struct warm_entry entry;
    struct warm_history history;
    bool is_in;
    size_t bytes;
    uint32_t pins;
    uint64_t used_ns;
    struct warm_history weighed; /* as of its last use */
};

static struct naive *naive_victim(struct naive *all, uint64_t idle_ns, uint64_t now)
{
    struct naive *least = NULL;
    float least_value = 0;
    for (uint32_t i = 0; i < SCRIPTS; i++) {
        struct naive *n = &all[i];
        if (!n->is_in || n->pins || now - n->used_ns < idle_ns)
            continue;
        float worth = ((float)n->weighed.reload_us + weights.floor_us) / (float)n->bytes;
        float value =
            (n->weighed.arrivals + 1) * worth /
            (n->weighed.seconds + (float)((double)(now - n->used_ns) * 1e-9) + weights.prior_s);
        if (!least || value < least_value ||
            (value == least_value && n->used_ns < least->used_ns)) {
            least = n;
            least_value = value;
        }
    }
    return least;
}

static void step(struct warm_pool *pool, struct naive *n, struct rng *rng, uint64_t now)
{
    uint32_t what = (uint32_t)rng_below(rng, 10);
    if (!n->is_in) {
        n->bytes = 1 + rng_below(rng, 5000);
        n->pins = 0;
        warm_history_ask(&n->history, &weights, now);
        warm_history_started(&n->history, (uint32_t)rng_below(rng, 100000));
        warm_pool_add(pool, &n->entry, &n->history, n->bytes, now);
        n->is_in = true;
    } else if (what < 6) {
        warm_history_ask(&n->history, &weights, now);
        warm_pool_use(pool, &n->entry, now);
    } else if (what == 6) {
        warm_pool_pin(pool, &n->entry);
        n->pins++;
        return;
    } else if (what == 7 && n->pins) {
        warm_pool_unpin(pool, &n->entry);
        n->pins--;
        return;
    } else if (what == 8) {
        n->bytes = rng_below(rng, 5000);
        n->bytes += n->bytes == 0;
        warm_pool_resize(pool, &n->entry, n->bytes);
        n->weighed = n->history;
        return;
    } else {
        return;
    }
    n->used_ns = now;
    n->weighed = n->history;
}

static void agrees_with_a_naive_pool(void **state)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        static struct naive all[SCRIPTS];
        struct rng rng = {seed};
        struct warm_pool pool;
        uint64_t now = SECOND_NS;
        memset(all, 0, sizeof(all));
        warm_pool_init(&pool, &weights, 200000);
        for (uint32_t k = 0; k < STEPS; k++) {
            now += rng_below(&rng, rng_chance(&rng, 0.1) ? 100 * SECOND_NS : SECOND_NS);
            step(&pool, &all[rng_below(&rng, SCRIPTS)], &rng, now);
            size_t bytes = 0;
            uint32_t count = 0;
            for (uint32_t i = 0; i < SCRIPTS; i++) {
                bytes += all[i].is_in ? all[i].bytes : 0;
                count += all[i].is_in;
                if (all[i].is_in)
                    assert_int_equal(warm_pool_used_ns(&pool, &all[i].entry), all[i].used_ns);
            }
            assert_int_equal(pool.bytes, bytes);
            assert_int_equal(pool.count, count);
            uint64_t idle_ns = rng_below(&rng, 2) * 60 * SECOND_NS;
            struct naive *expected = naive_victim(all, idle_ns, now);
            assert_ptr_equal(warm_pool_victim(&pool, idle_ns, now),
                             expected ? &expected->entry : NULL);
            if (!expected || warm_pool_fits(&pool, 0))
                continue;
            warm_pool_remove(&pool, &expected->entry);
            expected->is_in = false;
        }
        for (uint32_t i = 0; i < SCRIPTS; i++) {
            if (all[i].is_in)
                warm_pool_remove(&pool, &all[i].entry);
        }
        warm_pool_fini(&pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_is_one_arrival_and_a_stream_one_a_second),
        cmocka_unit_test(what_was_long_ago_fades),
        cmocka_unit_test(starts_are_smoothed),
        cmocka_unit_test(the_least_valuable_goes),
        cmocka_unit_test(agrees_with_a_naive_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
