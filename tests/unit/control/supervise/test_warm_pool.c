/* test_warm_pool [SEED]: which cells stay warm (control/supervise/warm_pool.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "control/supervise/warm_pool.h"

#define S   (1000000000ull)
#define MIN (60 * S)
#define H   (60 * MIN)

static const struct warm_weights weights = {.memory_s = 3600, .prior_s = 60, .floor_us = 1000};

static uint64_t seed = 1;

/* ---- histories ---- */

static struct warm_history asked_every(uint64_t period_ns, uint32_t times)
{
    struct warm_history h = {0};
    for (uint32_t n = 0; n < times; n++)
        warm_history_ask(&h, &weights, n * period_ns);
    return h;
}

static void a_burst_is_one_arrival(void **state)
{
    struct warm_history once = asked_every(0, 1), burst = asked_every(S / 100, 100);
    assert_true(once.arrivals == 1 && once.seconds == 0);
    assert_memory_equal(&once, &burst, sizeof(once));
}

/* Else what is asked for all the time would be the least valuable of all. */
static void a_steady_stream_is_an_arrival_a_second(void **state)
{
    struct warm_history h = asked_every(S / 10, 1001);
    assert_true(h.arrivals > 95 && h.arrivals <= 101);
    assert_true(fabsf(h.seconds - 100) < 2);
}

static void histories_fade(void **state)
{
    struct warm_history h = asked_every(MIN, 61);
    float before = h.arrivals;
    warm_history_ask(&h, &weights, 2 * H); /* one memory_s of silence */
    assert_true(fabsf(h.arrivals - (before * expf(-1) + 1)) < 0.01f);
    warm_history_ask(&h, &weights, 200 * H);
    assert_true(h.arrivals < 1.001f);
    assert_true(h.seconds <= weights.memory_s && h.seconds > weights.memory_s * 0.99f);
}

static void the_rate_is_that_of_the_arrivals(void **state)
{
    struct warm_history h = asked_every(30 * S, 24 * 120);
    assert_true(fabsf(h.arrivals / h.seconds - 1 / 30.0f) < 0.001f);
}

static void a_reload_is_smoothed(void **state)
{
    static const struct {
        const char *what;
        uint32_t before, took, after;
    } rows[] = {
        {"the first one counts in full", 0, 5000, 5000},
        {"a quarter of the next is new", 4000, 8000, 5000},
        {"one slow start is not believed", 1000, 1001000, 251000},
        {"0 means unknown, so none takes 0", 0, 0, 1},
        {"nor fades to it", 1, 0, 1},
        {"the largest", UINT32_MAX, UINT32_MAX, UINT32_MAX},
    };
    for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++) {
        struct warm_history h = {.reload_us = rows[n].before};
        warm_history_started(&h, rows[n].took);
        if (h.reload_us != rows[n].after)
            fail_msg("%s: %u", rows[n].what, h.reload_us);
    }
}

/* ---- the victim of two ---- */

struct candidate {
    float arrivals, seconds;
    uint32_t reload_us;
    size_t bytes;
    uint64_t used_ns;
    bool is_pinned;
};

static void the_least_valuable_goes(void **state)
{
    enum { FIRST = 0, SECOND = 1, NONE = 2, MB = 1 << 20 };
    static const struct {
        const char *what;
        struct candidate of[2];
        uint64_t idle_ns;
        int victim;
    } rows[] = {
        {"the rarer, though used later",
         {{100, 3000, 5000, 2 * MB, H - MIN, false}, {2, 3000, 5000, 2 * MB, H - S, false}},
         0,
         SECOND},
        {"the cheaper to reload, though used later",
         {{5, 600, 200000, 2 * MB, H - MIN, false}, {5, 600, 500, 2 * MB, H - S, false}},
         0,
         SECOND},
        {"the larger, though used later",
         {{5, 600, 5000, 2 * MB, H - MIN, false}, {5, 600, 5000, 20 * MB, H - S, false}},
         0,
         SECOND},
        {"what was popular and has fallen silent",
         {{60, 3600, 5000, 2 * MB, 0, false}, {60, 3600, 5000, 2 * MB, H - S, false}},
         0,
         FIRST},
        {"never one in use",
         {{1, 0, 500, 20 * MB, H - MIN, true}, {100, 3000, 200000, 2 * MB, H - MIN, false}},
         0,
         SECOND},
        {"nobody if all are in use",
         {{1, 0, 500, 2 * MB, 0, true}, {1, 0, 500, 2 * MB, 0, true}},
         0,
         NONE},
        {"nor what was used within the idle time",
         {{1, 0, 500, 20 * MB, H - MIN + 1, false}, {100, 3000, 9000, 2 * MB, H - MIN, false}},
         MIN,
         SECOND},
        {"nobody if all were used within it",
         {{1, 0, 500, 2 * MB, H - S, false}, {1, 0, 500, 2 * MB, H - S, false}},
         MIN,
         NONE},
        {"of equals the longer unused: the sum of both times is the same",
         {{1, 100, 500, 2 * MB, H - 50 * S, false}, {1, 50, 500, 2 * MB, H - 100 * S, false}},
         0,
         SECOND},
        {"the same the other way round",
         {{1, 50, 500, 2 * MB, H - 100 * S, false}, {1, 100, 500, 2 * MB, H - 50 * S, false}},
         0,
         FIRST},
        {"one of no bytes is worth more than any",
         {{1, 0, 500, 0, 0, false}, {900, 3600, 900000, 2 * MB, H - S, false}},
         0,
         SECOND},
    };
    for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++) {
        struct warm_pool p;
        struct warm_history h[2];
        struct warm_entry e[2];
        warm_pool_init(&p, &weights, 0);
        for (int k = 0; k < 2; k++) {
            const struct candidate *c = &rows[n].of[k];
            h[k] = (struct warm_history){c->used_ns, c->arrivals, c->seconds, c->reload_us};
            warm_pool_add(&p, &e[k], &h[k], c->bytes, c->used_ns);
            if (c->is_pinned)
                warm_pool_pin(&p, &e[k]);
        }
        struct warm_entry *victim = warm_pool_victim(&p, rows[n].idle_ns, H);
        if (victim != (rows[n].victim == NONE ? NULL : &e[rows[n].victim]))
            fail_msg("%s", rows[n].what);
        for (int k = 0; k < 2; k++) {
            if (rows[n].of[k].is_pinned)
                warm_pool_unpin(&p, &e[k]);
            warm_pool_remove(&p, &e[k]);
        }
        warm_pool_fini(&p);
    }
}

static void what_came_back_without_a_request_is_as_old_as_its_last_one(void **state)
{
    struct warm_pool p;
    struct warm_history old = {0}, recent = {0};
    struct warm_entry e[2];
    warm_pool_init(&p, &weights, 0);
    warm_history_ask(&old, &weights, 0);
    warm_history_ask(&recent, &weights, H - MIN);
    warm_pool_add(&p, &e[0], &recent, 100, H - MIN);
    warm_pool_add(&p, &e[1], &old, 100, H); /* warmed as a guess */
    assert_ptr_equal(warm_pool_victim(&p, 0, H), &e[1]);
    warm_pool_remove(&p, &e[0]);
    warm_pool_remove(&p, &e[1]);
    warm_pool_fini(&p);
}

/* One with two entries, of which it uses the first, beside one with three. */
static void who_has_less_than_his_part_keeps_what_he_uses(void **state)
{
    struct warm_pool p;
    struct warm_owner small = {0}, large = {0};
    struct warm_history worthless = {.reload_us = 1}, dear = {.reload_us = 1000000};
    struct warm_entry e[5];
    warm_pool_init(&p, &weights, 0);
    for (uint32_t i = 0; i < 5; i++) {
        warm_pool_add(&p, &e[i], i < 2 ? &worthless : &dear, 100, i == 1 ? 0 : MIN);
        warm_pool_give(&p, &e[i], i < 2 ? &small : &large);
    }
    assert_ptr_equal(warm_pool_victim(&p, 0, MIN), &e[1]);
    warm_pool_remove(&p, &e[1]);
    assert_ptr_equal(warm_pool_victim(&p, 0, MIN)->owner, &large);
    assert_ptr_equal(warm_pool_victim_of(&p, &small, 0, MIN), &e[0]);
    assert_true(warm_pool_is_below(&p, &small) && !warm_pool_is_below(&p, &large));
    assert_true(warm_pool_keeps(&p, &e[0], MIN) && !warm_pool_keeps(&p, &e[2], MIN));
    assert_false(warm_pool_keeps(&p, &e[0], MIN + WARM_KEPT_NS));
    /* He does not use it any more; or he has his part. */
    assert_ptr_equal(warm_pool_victim(&p, 0, MIN + WARM_KEPT_NS), &e[0]);
    warm_pool_resize(&p, &e[0], 300);
    assert_ptr_equal(warm_pool_victim(&p, 0, MIN), &e[0]);
    warm_pool_resize(&p, &e[0], 100);
    for (uint32_t i = 2; i < 5; i++)
        warm_pool_pin(&p, &e[i]);
    assert_ptr_equal(warm_pool_victim(&p, 0, MIN), &e[0]); /* nothing else can go */
    for (uint32_t i = 2; i < 5; i++) {
        warm_pool_unpin(&p, &e[i]);
        warm_pool_remove(&p, &e[i]);
    }
    assert_ptr_equal(warm_pool_victim(&p, 0, MIN), &e[0]); /* there is nobody else */
    warm_pool_remove(&p, &e[0]);
    assert_int_equal(p.owners + small.bytes + large.bytes, 0);
    warm_pool_fini(&p);
}

/* Ten years of silence, the largest sizes and prices: always a victim, so no value was NaN. */
static void no_figure_is_too_large(void **state)
{
    struct warm_pool p;
    struct warm_history h = {.reload_us = UINT32_MAX};
    struct warm_entry e;
    const uint64_t end_ns = 87600 * H;
    warm_pool_init(&p, &weights, SIZE_MAX);
    warm_history_ask(&h, &weights, 0);
    warm_pool_add(&p, &e, &h, SIZE_MAX / 2, 0);
    assert_ptr_equal(warm_pool_victim(&p, 0, end_ns), &e);
    warm_pool_resize(&p, &e, 0);
    warm_history_ask(&h, &weights, end_ns);
    warm_pool_use(&p, &e, end_ns);
    assert_true(isfinite(h.arrivals) && isfinite(h.seconds) && isfinite(p.item[0].worth));
    assert_ptr_equal(warm_pool_victim(&p, 0, end_ns), &e);
    warm_pool_remove(&p, &e);
    warm_pool_fini(&p);
}

/* ---- against a naive model ---- */

enum { MODELS = 300, STEPS = 60000 };

struct model {
    bool is_in;
    struct warm_entry entry;
    struct warm_history history;
    size_t bytes;
    uint32_t pins;
    uint64_t used_ns, asked_ns; /* asked: as the history was when it was used */
    double arrivals, seconds;
};

static uint64_t rng;

static uint64_t draw(uint64_t below)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng % below;
}

static double value_of(const struct model *m, uint64_t now_ns)
{
    double idle_s = (double)(now_ns - (m->arrivals > 0 ? m->asked_ns : m->used_ns)) / 1e9;
    return (m->arrivals + 1) / (m->seconds + idle_s + weights.prior_s) *
           ((double)m->history.reload_us + weights.floor_us) / (double)(m->bytes ? m->bytes : 1);
}

static void note_use(struct model *m, uint64_t now_ns)
{
    m->used_ns = now_ns;
    m->asked_ns = m->history.asked_ns;
    m->arrivals = m->history.arrivals;
    m->seconds = m->history.seconds;
}

static void check_sums(const struct warm_pool *p, const struct model *all)
{
    size_t bytes = 0;
    uint32_t count = 0;
    for (uint32_t n = 0; n < MODELS; n++) {
        const struct model *m = &all[n];
        if (!m->is_in)
            continue;
        count++;
        bytes += m->bytes;
        assert_int_equal(m->entry.bytes, m->bytes);
        assert_int_equal(m->entry.pins, m->pins);
        assert_ptr_equal(p->item[m->entry.place].entry, &m->entry);
        assert_int_equal(warm_pool_used_ns(p, &m->entry), m->used_ns);
    }
    assert_int_equal(p->bytes, bytes);
    assert_int_equal(p->count, count);
    assert_int_equal(warm_pool_fits(p, 1), bytes + 1 <= p->bytes_max);
}

static struct model *check_victim(const struct warm_pool *p, struct model *all, uint64_t idle_ns,
                                  uint64_t now_ns)
{
    double least = INFINITY;
    for (uint32_t n = 0; n < MODELS; n++) {
        const struct model *m = &all[n];
        if (m->is_in && !m->pins && now_ns - m->used_ns >= idle_ns)
            least = fmin(least, value_of(m, now_ns));
    }
    struct warm_entry *e = warm_pool_victim(p, idle_ns, now_ns);
    if (!e) {
        assert_true(isinf(least));
        return NULL;
    }
    struct model *m = (struct model *)((char *)e - offsetof(struct model, entry));
    assert_true(m->is_in && !m->pins && now_ns - m->used_ns >= idle_ns);
    assert_true(value_of(m, now_ns) <= least * (1 + 1e-5)); /* float against double */
    return m;
}

static void take_out(struct warm_pool *p, struct model *m)
{
    while (m->pins) {
        warm_pool_unpin(p, &m->entry);
        m->pins--;
    }
    warm_pool_remove(p, &m->entry);
    m->is_in = false;
}

static void the_pool_is_as_a_naive_one(void **state)
{
    static struct model all[MODELS];
    struct warm_pool p;
    uint64_t now_ns = 0;
    rng = seed * 2654435761u + 1;
    printf("seed %lu: test_warm_pool %lu\n", (unsigned long)seed, (unsigned long)seed);
    memset(all, 0, sizeof(all));
    warm_pool_init(&p, &weights, 500 << 20);
    for (uint32_t step = 0; step < STEPS; step++) {
        struct model *m = &all[draw(MODELS)];
        now_ns += draw(4) ? draw(3 * S) : draw(500) ? draw(2 * MIN) : draw(5 * H);
        switch (draw(6)) {
        case 0:
        case 1: /* a request, or a guess */
            if (draw(3))
                warm_history_ask(&m->history, &weights, now_ns);
            else if (m->is_in)
                break;
            if (m->is_in) {
                warm_pool_use(&p, &m->entry, now_ns);
            } else {
                warm_history_started(&m->history, (uint32_t)draw(500000));
                m->bytes = draw(20 << 20);
                warm_pool_add(&p, &m->entry, &m->history, m->bytes, now_ns);
                m->is_in = true;
            }
            note_use(m, now_ns);
            break;
        case 2:
            if (m->is_in && m->pins < 3) {
                warm_pool_pin(&p, &m->entry);
                m->pins++;
            }
            break;
        case 3:
            if (m->pins) {
                warm_pool_unpin(&p, &m->entry);
                m->pins--;
            }
            break;
        case 4:
            if (m->is_in) {
                m->bytes = draw(20 << 20);
                warm_pool_resize(&p, &m->entry, m->bytes);
            }
            break;
        case 5:
            m = check_victim(&p, all, draw(2) ? 0 : MIN, now_ns);
            if (m && (draw(3) == 0 || !warm_pool_fits(&p, 0)))
                take_out(&p, m);
            break;
        }
        if (step % 64 == 0)
            check_sums(&p, all);
    }
    assert_true(p.room > 64); /* it grew */
    for (uint32_t n = 0; n < MODELS; n++)
        if (all[n].is_in)
            take_out(&p, &all[n]);
    check_sums(&p, all);
    warm_pool_fini(&p);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        seed = strtoull(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_is_one_arrival),
        cmocka_unit_test(a_steady_stream_is_an_arrival_a_second),
        cmocka_unit_test(histories_fade),
        cmocka_unit_test(the_rate_is_that_of_the_arrivals),
        cmocka_unit_test(a_reload_is_smoothed),
        cmocka_unit_test(the_least_valuable_goes),
        cmocka_unit_test(what_came_back_without_a_request_is_as_old_as_its_last_one),
        cmocka_unit_test(who_has_less_than_his_part_keeps_what_he_uses),
        cmocka_unit_test(no_figure_is_too_large),
        cmocka_unit_test(the_pool_is_as_a_naive_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
