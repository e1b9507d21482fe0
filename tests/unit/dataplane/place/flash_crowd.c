/* A flash crowd on one script, in a closed loop: heat and place on each of a dozen nodes, loads
 * that they tell each other only every 100 ms, jobs that take their time, isolates that take theirs
 * to start. In virtual time, from a seed.
 *
 *   clients --> node 0..11 --place()--> home 0 | 1 | 2 | 3 --ACCEPT{width}--> that node's heat
 *                  WARMING: starts one       widening: the next homes start one
 *
 * A request that finds no isolate where it runs is a cold start: only home may have one, the first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/place/heat.h"
#include "dataplane/place/place.h"
#include "dataplane/place/warmth.h"
#include "drivers/rng.h"

#define MS_NS 1000000ull

enum {
    NODES = 12,
    JOBS_FULL = 200,
    SERVICE_MS = 20,
    STATE_MS = 100,
    SCRIPT = 4711,
    BOUND = 25,
    ISOLATE_MS = 100, /* the longest start; a top level may take 400 */
};

static const struct heat_tune nobodys_share_is_hot = {.enter_rps_milli = 2000000,
                                                      .leave_rps_milli = 1000000,
                                                      .widen_rps_milli = 1000000,
                                                      .narrow_rps_milli = 300000};
static const struct heat_tune everybodys_share_is_hot = {.enter_rps_milli = 50000,
                                                         .leave_rps_milli = 20000,
                                                         .widen_rps_milli = 1000000,
                                                         .narrow_rps_milli = 300000};

struct node {
    struct heat heat;
    struct warmth warmth;
    struct counters counters;
    uint64_t warm_ms;          /* when its isolate is there; 0: nobody has asked for one */
    uint32_t warms;            /* messages that asked */
    uint32_t other_jobs, jobs; /* of other scripts: they do not change */
    uint32_t ends_in[SERVICE_MS * 2];
    uint16_t said_load;
    uint64_t load_sum; /* over the milliseconds that are measured */
};

struct cluster {
    struct rng rng;
    uint64_t now_ms;
    const struct heat_tune *tune;
    uint64_t pick, due;            /* thousandths of requests */
    uint32_t hot, cold;            /* run because it is hot; cold starts */
    uint32_t width_changes, width; /* of home 0 */
    struct node node[NODES];
};

static struct cluster cluster;

static uint16_t load(const struct node *n)
{
    return (uint16_t)(1000 * (n->other_jobs + n->jobs) / JOBS_FULL);
}

static void make_isolate(struct node *n)
{
    if (n->warm_ms == 0)
        n->warm_ms = cluster.now_ms + 1 + rng_below(&cluster.rng, ISOLATE_MS);
}

/* What the core does with a WARM. */
static void warm(struct node *n)
{
    if (!warmth_ask(&n->warmth, SCRIPT, cluster.now_ms * MS_NS))
        return;
    n->warms++;
    make_isolate(n);
}

static void run_at(struct node *n)
{
    cluster.cold += n->warm_ms == 0 || cluster.now_ms < n->warm_ms;
    make_isolate(n);
    warmth_started(&n->warmth, SCRIPT, cluster.now_ms * MS_NS);
    n->jobs++;
    n->ends_in[(cluster.now_ms + SERVICE_MS / 2 + rng_below(&cluster.rng, SERVICE_MS)) %
               (SERVICE_MS * 2)]++;
}

static void warm_next_homes(const struct heat_script *s)
{
    for (uint32_t i = s->width; s->widening_ns && i < 2u * s->width; i++)
        warm(&cluster.node[i]);
}

static void request_at(uint16_t self)
{
    struct cluster *c = &cluster;
    struct node *n = &c->node[self];
    uint64_t now = c->now_ms * MS_NS;
    struct heat_script *s = heat_ask(&n->heat, c->tune, SCRIPT, now);
    struct place_query q = {
        .self = self,
        .width = heat_width(s, now),
        .is_hot = s->is_hot,
        .is_warm = warmth_of(&n->warmth, SCRIPT) == WARMTH_WARM,
        .bound_percent = BOUND,
        .pick = c->pick++,
        .count = PLACE_SUCCESSORS_MAX,
    };
    for (uint16_t i = 0; i < NODES; i++)
        q.mean_load += c->node[i].said_load;
    q.mean_load /= NODES;
    for (uint16_t i = 0; i < q.count; i++)
        q.successor[i] = (struct place_node){
            .node = i,
            .state = NODE_SERVING,
            .load = i == self ? load(n) : c->node[i].said_load,
        };
    struct place_verdict v = place(&q);
    uint16_t to = v.where == PLACE_HOME ? v.node : self;
    warm_next_homes(s);
    if (v.why == PLACE_WARMING)
        warm(n);
    c->hot += v.why == PLACE_HOT;
    run_at(&c->node[to]);
    if (to == self)
        return;
    s = heat_ask_home(&c->node[to].heat, c->tune, SCRIPT, now);
    warm_next_homes(s);
    heat_set_width(&n->heat, SCRIPT, s->width, now);
}

static void run(uint32_t rps, uint32_t seconds)
{
    struct cluster *c = &cluster;

    for (uint16_t i = 0; i < NODES; i++)
        c->node[i].load_sum = 0;
    for (uint64_t end = c->now_ms + seconds * 1000; c->now_ms < end; c->now_ms++) {
        for (uint16_t i = 0; i < NODES; i++) {
            struct node *n = &c->node[i];
            n->jobs -= n->ends_in[c->now_ms % (SERVICE_MS * 2)];
            n->ends_in[c->now_ms % (SERVICE_MS * 2)] = 0;
            n->load_sum += load(n);
            if (n->warm_ms == c->now_ms)
                warmth_warmed(&n->warmth, SCRIPT, 1, c->now_ms * MS_NS);
            if ((c->now_ms + i * 7) % STATE_MS == 0)
                n->said_load = load(n);
        }
        for (c->due += rng_below(&c->rng, 2 * rps + 1); c->due >= 1000; c->due -= 1000)
            request_at((uint16_t)rng_below(&c->rng, NODES));
        const struct heat_script *home = heat_find(&c->node[0].heat, SCRIPT);
        uint32_t width = home ? home->width : 1;
        c->width_changes += width != c->width;
        c->width = width;
    }
}

static void set_up_crowd(uint64_t seed, const struct heat_tune *tune)
{
    memset(&cluster, 0, sizeof(cluster));
    cluster.now_ms = 1000;
    cluster.rng.state = seed;
    cluster.tune = tune;
    for (int n = 0; n < NODES; n++)
        warmth_init(&cluster.node[n].warmth, &cluster.node[n].counters);
    cluster.node[0].warm_ms = 1; /* home has been asked for it before */
    warmth_warmed(&cluster.node[0].warmth, SCRIPT, 1, MS_NS);
    cluster.width = 1;
}

struct crowd {
    const char *name;
    uint32_t rps;
    uint32_t width, changes;
    uint32_t other_jobs[4]; /* of the four homes */
};

static const struct crowd crowds[] = {
    {"a small one stays at its home", 700, 1, 0, {0}},
    {"a larger one gets two homes", 1500, 2, 1, {0}},
    {"a large one gets four homes", 3200, 4, 2, {0}},
    {"a huge one too", 9000, 4, 2, {0}},
    {"two homes, of which one is busy anyway", 1500, 2, 1, {12, 0}},
    {"four homes, of which one is busy anyway", 9000, 4, 2, {0, 30, 0, 0}},
    {"four homes, all busy to some degree", 9000, 4, 2, {10, 30, 0, 20}},
};

static void settles_within_the_bound(void **state)
{
    for (size_t i = 0; i < sizeof(crowds) / sizeof(crowds[0]); i++) {
        const struct crowd *crowd = &crowds[i];
        for (uint64_t seed = 1; seed <= 3; seed++) {
            uint64_t sum = 0, most = 0;
            set_up_crowd(seed, &nobodys_share_is_hot);
            for (int n = 0; n < 4; n++)
                cluster.node[n].other_jobs = crowd->other_jobs[n];
            run(crowd->rps, 30);
            if (cluster.width != crowd->width || cluster.width_changes != crowd->changes)
                fail_msg("%s: seed %u: width %u after %u changes", crowd->name, (unsigned)seed,
                         cluster.width, cluster.width_changes);
            for (int window = 0; window < 12; window++) {
                sum = most = 0;
                run(crowd->rps, 5);
                for (uint32_t n = 0; n < crowd->width; n++) {
                    sum += cluster.node[n].load_sum;
                    most = cluster.node[n].load_sum > most ? cluster.node[n].load_sum : most;
                }
                if (most * crowd->width * 100 > sum * (100 + BOUND))
                    fail_msg("%s: seed %u, window %d: %u %% of the mean", crowd->name,
                             (unsigned)seed, window, (unsigned)(most * crowd->width * 100 / sum));
            }
            if (cluster.width_changes != crowd->changes)
                fail_msg("%s: seed %u: width oscillates", crowd->name, (unsigned)seed);
            if (cluster.cold > 0)
                fail_msg("%s: seed %u: %u cold starts", crowd->name, (unsigned)seed, cluster.cold);
        }
    }
}

static void narrows_when_it_is_over(void **state)
{
    set_up_crowd(1, &nobodys_share_is_hot);
    run(9000, 30);
    assert_int_equal(cluster.width, 4);
    run(200, 90);
    assert_int_equal(cluster.width, 1);
    assert_int_equal(cluster.width_changes, 4);
    for (uint32_t n = 1; n < 4; n++)
        cluster.node[n].load_sum = 0;
    run(200, 5);
    for (uint32_t n = 1; n < NODES; n++)
        assert_int_equal(cluster.node[n].load_sum, 0);
}

/* Between what widens and what narrows, each width is one to stay with. */
static void does_not_oscillate_at_any_rate(void **state)
{
    for (uint32_t rps = 200; rps <= 6000; rps += 290) {
        set_up_crowd(rps, &nobodys_share_is_hot);
        run(rps, 60);
        uint32_t changes = cluster.width_changes;
        assert_true(changes <= 2);
        run(rps, 60);
        assert_true(cluster.width_changes - changes <= 1); /* at a threshold one may come late */
    }
}

/* Each node asks its runtime once, sends home what comes until then, and runs it from then on. */
static void becomes_hot_everywhere_without_a_cold_start(void **state)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        set_up_crowd(seed, &everybodys_share_is_hot);
        run(9000, 10);
        for (int n = 0; n < NODES; n++) {
            assert_int_equal(warmth_of(&cluster.node[n].warmth, SCRIPT), WARMTH_WARM);
            assert_true(cluster.node[n].warms <= 1);
        }
        assert_int_equal(cluster.cold, 0);
        cluster.hot = 0;
        cluster.pick = 0;
        run(9000, 5);
        assert_int_equal(cluster.cold, 0);
        assert_true(cluster.hot > cluster.pick * 6 / 10); /* the rest enters at its homes */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settles_within_the_bound),
        cmocka_unit_test(narrows_when_it_is_over),
        cmocka_unit_test(does_not_oscillate_at_any_rate),
        cmocka_unit_test(becomes_hot_everywhere_without_a_cold_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
