/* test_budget: a tree of calls makes as many sub-requests as its request may, computes for as long,
 * and lasts for as long, and no more, wherever they run (dataplane/call/budget.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/call/budget.h"
#include "drivers/rng.h"

enum { CALLS = 4096, MUCH = 1 << 20, LIMIT_US = 50000 };

#define MS      1000000ull
#define WALL_NS (30000 * MS)
#define NOW_NS  (7 * MS)

/* A node: its calls, and how many are in use. */
struct node {
    struct budget_trees trees;
    struct budget_tree tree[CALLS];
    struct budget call[CALLS];
    uint32_t used;
};

static struct node here, there;

static int set_up(void **state)
{
    for (struct node *n = &here; n; n = n == &here ? &there : NULL) {
        memset(n, 0, sizeof(*n));
        budget_trees_init(&n->trees, n->tree, CALLS);
    }
    return 0;
}

static uint32_t trees_free(const struct node *n)
{
    uint32_t count = 0;
    for (const struct budget_tree *t = n->trees.free; t; t = t->next_free)
        count++;
    return count;
}

static struct budget *begin(struct node *n, uint32_t subrequests)
{
    struct budget *b = &n->call[n->used++];
    budget_begin(&n->trees, b, (struct budget_sum){subrequests, LIMIT_US}, WALL_NS, NOW_NS);
    return b;
}

static struct budget_sum calls(uint32_t count)
{
    return (struct budget_sum){.subrequests = count};
}

/* NULL: it may not. */
static struct budget *call_from(struct node *n, struct budget *parent, uint32_t subrequests)
{
    if (!budget_charge(parent))
        return NULL;
    struct budget *b = &n->call[n->used++];
    budget_begin_sub(b, parent, (struct budget_sum){subrequests, LIMIT_US});
    return b;
}

/* Every call makes `fan` calls, down to that depth; how many were made. */
static uint32_t grow(struct node *n, struct budget *b, uint32_t depth, uint32_t fan)
{
    uint32_t made = 0;
    for (uint32_t i = 0; depth > 0 && i < fan; i++) {
        struct budget *sub = call_from(n, b, MUCH);
        if (sub)
            made += 1 + grow(n, sub, depth - 1, fan);
    }
    return made;
}

static void a_tree_makes_exactly_its_budget(void **state)
{
    static const struct {
        const char *name;
        uint32_t budget, depth, fan, expected;
    } row[] = {
        {"none", 0, 3, 10, 0},
        {"one", 1, 3, 10, 1},
        {"it wants more than it may", 100, 3, 10, 100},
        {"it wants one more than it may", 1109, 3, 10, 1109},
        {"it wants just what it may", 1110, 3, 10, 1110},
        {"it wants less", 1111, 3, 10, 1110},
        {"side by side", 7, 1, 100, 7},
        {"one below the other", 7, 15, 1, 7},
    };

    for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
        set_up(state);
        struct budget *root = begin(&here, row[i].budget);
        uint32_t made = grow(&here, root, row[i].depth, row[i].fan);
        if (made != row[i].expected)
            fail_msg("%s: %u", row[i].name, made);
        if (made == row[i].budget)
            assert_null(call_from(&here, root, MUCH));
        while (here.used > 0)
            budget_end(&here.trees, &here.call[--here.used]);
        assert_int_equal(trees_free(&here), CALLS);
    }
}

static void a_binding_limits_all_that_is_below_it(void **state)
{
    struct budget *root = begin(&here, 100), *child = call_from(&here, root, 5);
    assert_int_equal(grow(&here, child, 3, 10), 5);
    assert_int_equal(grow(&here, root, 1, 1000), 94);
}

static void what_lives_on_behind_its_caller_spends_of_the_same_tree(void **state)
{
    struct budget *root = begin(&here, 10);
    struct budget *a = call_from(&here, root, MUCH), *b = call_from(&here, root, MUCH);
    budget_end(&here.trees, root);
    begin(&here, 3);                                      /* another's, in another place */
    budget_begin(&here.trees, root, calls(0), 0, NOW_NS); /* and in the same */
    assert_int_equal(grow(&here, a, 1, 5) + grow(&here, b, 1, 5), 8);
}

static void calls_of_leaves_elsewhere_take_nothing_along(void **state)
{
    struct budget *root = begin(&here, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        struct budget *leaf = call_from(&here, root, MUCH);
        assert_true(leaf && budget_may_travel(leaf, BUDGET_CALLS_NOTHING));
        assert_int_equal(budget_grant(leaf, BUDGET_CALLS_NOTHING), 0);
    }
    assert_null(call_from(&here, root, MUCH));
}

/* A fan of scripts that may ask the world: some 50 travel at a time, with 16 calls each. */
static void calls_that_ask_the_world_alone_take_little_along(void **state)
{
    struct budget *root = begin(&here, 1000);
    uint32_t away = 0;
    assert_int_equal(budget_grant(root, BUDGET_CALLS_WORLD), 1000); /* a client's own */
    budget_return(root, (struct budget_sum){0});
    for (uint32_t i = 0; i < 200; i++) {
        struct budget *sub = call_from(&here, root, MUCH);
        assert_non_null(sub);
        if (!budget_may_travel(sub, BUDGET_CALLS_WORLD))
            continue;
        assert_int_equal(budget_grant(sub, BUDGET_CALLS_WORLD), BUDGET_GRANT_LEAST);
        away++;
    }
    assert_in_range(away, 40, 60);
}

static void what_is_granted_comes_back_unless_spent(void **state)
{
    struct budget *root = begin(&here, 1000);
    for (uint32_t i = 0; i < 1000; i++) { /* one after another */
        struct budget *sub = call_from(&here, root, MUCH);
        assert_non_null(sub);
        if (budget_may_travel(sub, BUDGET_CALLS_SCRIPTS)) {
            struct budget *home = begin(&there, budget_grant(sub, BUDGET_CALLS_SCRIPTS));
            budget_return(sub, budget_spent(home, false));
            budget_end(&there.trees, home);
            there.used--;
        }
        budget_end(&here.trees, sub);
        here.used--;
    }
    assert_null(call_from(&here, root, MUCH));
    assert_int_equal(root->tree->left.subrequests, 0);
}

static void a_peer_cannot_give_back_more_than_it_got(void **state)
{
    struct budget *root = begin(&here, 1000), *sub = call_from(&here, root, MUCH);
    uint32_t granted = budget_grant(sub, BUDGET_CALLS_SCRIPTS);
    assert_int_equal(granted, 499);
    budget_return(sub, calls(UINT32_MAX));
    assert_int_equal(root->left.subrequests, 500);
    budget_return(sub, calls(0)); /* a second time */
    assert_int_equal(root->left.subrequests, 500);
}

static void an_eighth_stays_and_what_does_not_travel_runs_here(void **state)
{
    struct budget *root = begin(&here, 1000);
    uint32_t gone = 0, granted = 0;
    for (;;) {
        struct budget *sub = call_from(&here, root, MUCH);
        if (!budget_may_travel(sub, BUDGET_CALLS_SCRIPTS))
            break;
        granted += budget_grant(sub, BUDGET_CALLS_SCRIPTS);
        gone++;
    }
    assert_int_equal(gone, 5);
    assert_true(root->left.subrequests >= 125);
    assert_int_equal(grow(&here, root, 1, 1000), 1000 - (gone + 1) - granted);
}

static void a_chain_as_deep_as_chains_go_has_room_at_sixteen_homes(void **state)
{
    static struct node node[16];
    uint32_t budget = 1000;
    uint32_t at = 0;
    for (uint32_t i = 0; i < 16; i++) {
        memset(&node[i], 0, sizeof(node[i]));
        budget_trees_init(&node[i].trees, node[i].tree, CALLS);
    }
    struct budget *b = begin(&node[0], budget);
    for (uint32_t depth = 1; depth < 16; depth++) {
        struct budget *sub = call_from(&node[at], b, MUCH);
        assert_non_null(sub);
        if (budget_may_travel(sub, BUDGET_CALLS_SCRIPTS)) {
            budget = budget_grant(sub, BUDGET_CALLS_SCRIPTS);
            b = begin(&node[++at], budget);
        } else {
            b = sub;
        }
    }
    assert_int_equal(at, 5);
}

static void what_lives_on_elsewhere_is_spent(void **state)
{
    struct budget *home = begin(&there, 40), *sub = call_from(&there, home, MUCH);
    assert_int_equal(budget_spent(home, false).subrequests, 40); /* its callee runs still */
    budget_end(&there.trees, sub);
    assert_int_equal(budget_spent(home, false).subrequests, 1);
    assert_int_equal(budget_spent(home, true).subrequests, 40);
}

static void a_request_that_runs_again_begins_anew_and_a_call_in_it_does_not(void **state)
{
    struct budget *root = begin(&here, 10), *sub = call_from(&here, root, MUCH);
    struct budget *old = call_from(&here, sub, MUCH);
    budget_again(&here.trees, sub, NOW_NS);
    assert_int_equal(root->left.subrequests, 8);
    budget_again(&here.trees, root, NOW_NS);
    assert_int_equal(grow(&here, old, 1, 100), 8); /* of the old book */
    assert_int_equal(grow(&here, root, 1, 100), 10);
    budget_grant(root, BUDGET_CALLS_SCRIPTS);
}

/* Random trees over two nodes: calls, ends, losses, lies. Never more than S. */
static void no_tree_has_more_than_its_budget_whatever_happens(void **state)
{
    for (uint32_t seed = 1; seed <= 300; seed++) {
        struct rng r = {seed};
        set_up(state);
        struct {
            struct budget *b, *home; /* home: where it runs, there */
        } live[256] = {{begin(&here, 1 + (uint32_t)rng_below(&r, 300)), NULL}};
        uint32_t count = 1, made = 0, total = live[0].b->total.subrequests;
        for (int step = 0; step < 2000 && here.used < 3000 && there.used < 3000; step++) {
            uint32_t i = (uint32_t)rng_below(&r, count);
            struct budget *b = live[i].home ? live[i].home : live[i].b;
            struct node *n = live[i].home ? &there : &here;
            bool ends = i > 0 && rng_below(&r, 3) == 0;
            if (ends && live[i].home) {
                if (rng_below(&r, 4)) /* else it is lost, and what ran there runs on */
                    budget_return(live[i].b, budget_spent(b, false));
                if (budget_spent(b, false).subrequests < b->total.subrequests || rng_below(&r, 2))
                    budget_end(&there.trees, b);
                budget_end(&here.trees, live[i].b);
                live[i] = live[--count];
            } else if (ends) {
                budget_end(&n->trees, b);
                live[i] = live[--count];
            } else if (count < 256) {
                struct budget *sub = call_from(n, b, (uint32_t)rng_below(&r, 200));
                if (!sub)
                    continue;
                made++;
                live[count].b = sub;
                live[count].home = NULL;
                if (n == &here && rng_below(&r, 2) && budget_may_travel(sub, BUDGET_CALLS_SCRIPTS))
                    live[count].home = begin(&there, budget_grant(sub, BUDGET_CALLS_SCRIPTS));
                if (n == &here || rng_below(&r, 2))
                    count++;
                else
                    budget_end(&there.trees, sub);
            }
            if (made > total)
                fail_msg("seed %u: %u of %u", seed, made, total);
        }
    }
}

/* ---- CPU time ---- */

/* A call that runs here and ends, having used that much of what it might. Returns how much it
 * used. */
static uint32_t run(struct budget *b, uint32_t wants_us)
{
    uint32_t most_us = b->total.cpu_us, used_us = wants_us < most_us ? wants_us : most_us;
    budget_runs(b);
    budget_ran(b, used_us);
    return used_us;
}

/* As sub.c makes it. NULL: it may not. */
static struct budget *call_with_time(struct node *n, struct budget *parent, uint32_t limit_us)
{
    uint32_t left_us = budget_cpu_left(parent);
    if (left_us == 0 || !budget_charge(parent))
        return NULL;
    struct budget *b = &n->call[n->used++];
    budget_begin_sub(b, parent, (struct budget_sum){MUCH, left_us < limit_us ? left_us : limit_us});
    return b;
}

/* Every call uses that much, makes `fan` calls, each after the one before has ended, and uses that
 * much again. Returns what all have used. */
static uint32_t compute(struct node *n, struct budget *b, uint32_t depth, uint32_t fan, uint32_t us)
{
    uint32_t used_us = run(b, us), below_us = 0;
    for (uint32_t i = 0; depth > 0 && i < fan; i++) {
        struct budget *sub = call_with_time(n, b, LIMIT_US);
        if (!sub)
            break;
        below_us += compute(n, sub, depth - 1, fan, us);
        budget_end(&n->trees, sub);
        n->used--;
    }
    uint32_t more_us = used_us + us < b->total.cpu_us ? us : b->total.cpu_us - used_us;
    budget_ran(b, used_us + more_us);
    return used_us + below_us + more_us;
}

static void a_tree_computes_for_as_long_as_its_request_may(void **state)
{
    static const struct {
        const char *name;
        uint32_t depth, fan, us, most_us;
    } row[] = {
        {"it needs less", 1, 10, 1000, 22000},
        {"1,111 calls that each take all that they get", 3, 10, LIMIT_US, LIMIT_US},
        {"the same, one below the other", 15, 1, LIMIT_US, LIMIT_US},
        /* Behind what it called, a caller has its own limit. */
        {"a wide tree of small calls", 3, 10, 500, LIMIT_US + 4 * 500},
        {"a deep one of small calls", 15, 2, 500, LIMIT_US + 16 * 500},
    };

    for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
        set_up(state);
        struct budget *root = begin(&here, MUCH);
        uint32_t used_us = compute(&here, root, row[i].depth, row[i].fan, row[i].us);
        if (used_us > row[i].most_us)
            fail_msg("%s: %u us", row[i].name, used_us);
        assert_int_equal(budget_cpu_used(root), used_us);
    }
}

static void calls_side_by_side_use_what_was_left_when_they_began(void **state)
{
    struct budget *root = begin(&here, MUCH), *sub[10];
    for (int i = 0; i < 10; i++)
        assert_non_null(sub[i] = call_with_time(&here, root, 20000));
    for (int i = 0; i < 10; i++)
        run(sub[i], LIMIT_US);
    assert_int_equal(budget_cpu_used(root), 200000);
    assert_null(call_with_time(&here, root, 20000));
    assert_null(call_with_time(&here, sub[3], 20000));
}

static void a_binding_limits_the_cpu_time_of_all_that_is_below_it(void **state)
{
    struct budget *root = begin(&here, MUCH), *child = call_with_time(&here, root, 5000);
    run(call_with_time(&here, child, LIMIT_US), 3000);
    assert_int_equal(budget_cpu_left(child), 2000);
    run(call_with_time(&here, child, LIMIT_US), LIMIT_US);
    assert_null(call_with_time(&here, child, LIMIT_US));
    assert_int_equal(budget_cpu_left(root), LIMIT_US - 5000);
}

static void a_process_cannot_say_more_than_its_job_may_use_nor_take_it_back(void **state)
{
    struct budget *root = begin(&here, MUCH), *sub = call_with_time(&here, root, 5000);
    budget_runs(sub);
    budget_ran(sub, 2000);
    budget_ran(sub, 0);
    assert_int_equal(budget_cpu_used(root), 2000);
    budget_ran(sub, UINT64_MAX);
    budget_ran(sub, UINT64_MAX);
    budget_ran(sub, 1);
    budget_end(&here.trees, sub);
    assert_int_equal(budget_cpu_used(root), 5000);
    assert_int_equal(budget_cpu_left(root), LIMIT_US - 5000);
}

static void what_was_used_elsewhere_comes_back_and_a_peer_cannot_say_more_than_can_be(void **state)
{
    static const struct {
        const char *name;
        bool is_leaf;
        struct budget_sum said;
        uint32_t expected_us;
    } row[] = {
        {"less than it might", true, {0, 3000}, 3000},
        {"a leaf has its own limit", true, {0, UINT32_MAX}, 4000},
        {"and made no calls, whatever it says", true, {9, UINT32_MAX}, 4000},
        {"with two calls in flight", false, {2, 11000}, 11000},
        {"more than these can have used", false, {2, 13000}, 12000},
    };

    for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
        set_up(state);
        struct budget *root = begin(&here, 1000), *sub = call_with_time(&here, root, 4000);
        budget_grant(sub, row[i].is_leaf ? BUDGET_CALLS_NOTHING : BUDGET_CALLS_SCRIPTS);
        budget_runs(sub);
        budget_return(sub, row[i].said);
        budget_end(&here.trees, sub);
        if (budget_cpu_used(root) != row[i].expected_us)
            fail_msg("%s: %u us", row[i].name, budget_cpu_used(root));
    }
}

static void who_calls_and_lets_go_pays_an_eighth(void **state)
{
    struct budget *root = begin(&here, MUCH), *sub = call_with_time(&here, root, 4000);
    budget_runs(sub);
    budget_end(&here.trees, sub);
    assert_int_equal(budget_cpu_used(root), 500);

    set_up(state);
    root = begin(&here, MUCH);
    uint64_t might_us = 0;
    while ((sub = call_with_time(&here, root, LIMIT_US))) {
        might_us += sub->total.cpu_us;
        budget_runs(sub);
        budget_end(&here.trees, sub);
        here.used--;
    }
    assert_true(might_us <= BUDGET_UNSAID_PART * LIMIT_US);
}

static void what_runs_again_still_has_time_to_call(void **state)
{
    struct budget *root = begin(&here, 10), *sub = call_with_time(&here, root, LIMIT_US);
    budget_runs(sub);
    budget_again(&here.trees, sub, NOW_NS); /* a home that nobody heard of for long */
    budget_runs(sub);
    assert_non_null(call_with_time(&here, sub, LIMIT_US));
    assert_int_equal(budget_cpu_used(root), LIMIT_US / BUDGET_UNSAID_PART);
}

static void what_never_ran_costs_nothing(void **state)
{
    struct budget *root = begin(&here, 1000), *sub = call_with_time(&here, root, 4000);
    budget_grant(sub, BUDGET_CALLS_SCRIPTS);
    budget_runs(sub);
    budget_return(sub, calls(0)); /* handed back, and refused here */
    budget_end(&here.trees, sub);
    assert_int_equal(budget_cpu_used(root), 0);
}

static void what_lives_on_elsewhere_costs_an_eighth_at_least(void **state)
{
    struct budget *home = begin(&there, 40);
    run(home, 1000);
    assert_int_equal(budget_spent(home, false).cpu_us, 1000);
    assert_int_equal(budget_spent(home, true).cpu_us, LIMIT_US / 8);
    budget_ran(home, 9000);
    assert_int_equal(budget_spent(home, true).cpu_us, 9000);
}

static void a_request_that_runs_again_has_all_its_cpu_time_and_a_call_in_it_has_not(void **state)
{
    struct budget *root = begin(&here, 10), *sub = call_with_time(&here, root, LIMIT_US);
    run(sub, 8000);
    budget_again(&here.trees, sub, NOW_NS);
    assert_int_equal(budget_cpu_left(root), LIMIT_US - 8000);
    budget_again(&here.trees, root, NOW_NS);
    assert_int_equal(budget_cpu_left(root), LIMIT_US);
    run(sub, 9000);
    assert_int_equal(budget_cpu_left(root), LIMIT_US);
}

/* Random trees over two nodes, honest processes. No more than the limit, and as much for each call
 * that was in flight. */
static void no_tree_uses_more_than_its_limit_and_that_of_calls_in_flight(void **state)
{
    for (uint32_t seed = 1; seed <= 300; seed++) {
        struct rng r = {seed};
        set_up(state);
        struct {
            struct budget *b, *home;
            uint32_t parent, subs, used_us;
        } call[256] = {{.b = begin(&here, 250)}};
        uint32_t live = 1, most_live = 1, made = 1;
        uint64_t used_us = 0;
        budget_runs(call[0].b);
        for (int step = 0; step < 4000 && live > 0; step++) {
            uint32_t i = (uint32_t)rng_below(&r, made);
            struct budget *b = call[i].home ? call[i].home : call[i].b;
            if (!call[i].b)
                continue;
            uint32_t more_us = (uint32_t)rng_below(&r, 4000);
            more_us = rng_below(&r, 3) ? 0 : more_us;
            if (more_us > b->total.cpu_us - call[i].used_us)
                more_us = b->total.cpu_us - call[i].used_us;
            call[i].used_us += more_us;
            used_us += more_us;
            if (rng_below(&r, 2) && made < 256) {
                struct node *n = call[i].home ? &there : &here;
                budget_ran(b, call[i].used_us);
                struct budget *sub = call_with_time(n, b, 1000 + (uint32_t)rng_below(&r, LIMIT_US));
                if (!sub)
                    continue;
                call[made].b = sub;
                call[made].parent = i;
                call[i].subs++;
                budget_runs(sub);
                if (n == &here && rng_below(&r, 2) &&
                    budget_may_travel(sub, BUDGET_CALLS_SCRIPTS)) {
                    struct budget_sum sum = {budget_grant(sub, BUDGET_CALLS_SCRIPTS),
                                             sub->total.cpu_us};
                    call[made].home = &there.call[there.used++];
                    budget_begin(&there.trees, call[made].home, sum, WALL_NS, NOW_NS);
                    budget_runs(call[made].home);
                }
                made++;
                most_live = ++live > most_live ? live : most_live;
            } else if (call[i].subs == 0) {
                budget_ran(b, call[i].used_us);
                if (call[i].home) {
                    budget_return(call[i].b, budget_spent(b, false));
                    budget_end(&there.trees, b);
                }
                if (i > 0)
                    call[call[i].parent].subs--;
                budget_end(&here.trees, call[i].b);
                call[i].b = NULL;
                live--;
            }
        }
        if (used_us > (1ull + most_live) * LIMIT_US)
            fail_msg("seed %u: %lu us, %u in flight", seed, (unsigned long)used_us, most_live);
    }
}

/* ---- time ---- */

static void a_tree_has_until_its_wall_limit_has_passed_since_a_byte_moved(void **state)
{
    struct budget *root = begin(&here, 10), *sub = call_from(&here, root, MUCH);
    assert_int_equal(budget_wall_left_ns(sub, NOW_NS), WALL_NS);
    assert_int_equal(budget_wall_left_ns(sub, NOW_NS + WALL_NS - 1), 1);
    budget_moved(root, NOW_NS + WALL_NS - 1);
    assert_int_equal(budget_wall_left_ns(sub, NOW_NS + WALL_NS), WALL_NS - 1);
    budget_moved(sub, NOW_NS + WALL_NS); /* between scripts: no client's */
    budget_lingers(sub, MS, NOW_NS + WALL_NS);
    assert_int_equal(budget_wall_left_ns(root, NOW_NS + 2 * WALL_NS - 1), 0);
}

static void behind_its_answer_a_tree_has_as_long_as_a_script_may_take_there(void **state)
{
    struct budget *root = begin(&here, 10), *sub = call_from(&here, root, MUCH);
    budget_lingers(root, 3 * MS, NOW_NS + WALL_NS);
    assert_int_equal(budget_wall_left_ns(root, NOW_NS + WALL_NS + MS), 2 * MS);
    budget_end(&here.trees, root);
    assert_int_equal(budget_wall_left_ns(sub, NOW_NS + WALL_NS + MS), 2 * MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_tree_makes_exactly_its_budget, set_up),
        cmocka_unit_test_setup(a_binding_limits_all_that_is_below_it, set_up),
        cmocka_unit_test_setup(what_lives_on_behind_its_caller_spends_of_the_same_tree, set_up),
        cmocka_unit_test_setup(calls_of_leaves_elsewhere_take_nothing_along, set_up),
        cmocka_unit_test_setup(calls_that_ask_the_world_alone_take_little_along, set_up),
        cmocka_unit_test_setup(what_is_granted_comes_back_unless_spent, set_up),
        cmocka_unit_test_setup(a_peer_cannot_give_back_more_than_it_got, set_up),
        cmocka_unit_test_setup(an_eighth_stays_and_what_does_not_travel_runs_here, set_up),
        cmocka_unit_test_setup(a_chain_as_deep_as_chains_go_has_room_at_sixteen_homes, set_up),
        cmocka_unit_test_setup(what_lives_on_elsewhere_is_spent, set_up),
        cmocka_unit_test_setup(a_request_that_runs_again_begins_anew_and_a_call_in_it_does_not,
                               set_up),
        cmocka_unit_test_setup(no_tree_has_more_than_its_budget_whatever_happens, set_up),
        cmocka_unit_test_setup(a_tree_computes_for_as_long_as_its_request_may, set_up),
        cmocka_unit_test_setup(calls_side_by_side_use_what_was_left_when_they_began, set_up),
        cmocka_unit_test_setup(a_binding_limits_the_cpu_time_of_all_that_is_below_it, set_up),
        cmocka_unit_test_setup(a_process_cannot_say_more_than_its_job_may_use_nor_take_it_back,
                               set_up),
        cmocka_unit_test_setup(
            what_was_used_elsewhere_comes_back_and_a_peer_cannot_say_more_than_can_be, set_up),
        cmocka_unit_test_setup(who_calls_and_lets_go_pays_an_eighth, set_up),
        cmocka_unit_test_setup(what_runs_again_still_has_time_to_call, set_up),
        cmocka_unit_test_setup(what_never_ran_costs_nothing, set_up),
        cmocka_unit_test_setup(what_lives_on_elsewhere_costs_an_eighth_at_least, set_up),
        cmocka_unit_test_setup(
            a_request_that_runs_again_has_all_its_cpu_time_and_a_call_in_it_has_not, set_up),
        cmocka_unit_test_setup(no_tree_uses_more_than_its_limit_and_that_of_calls_in_flight,
                               set_up),
        cmocka_unit_test_setup(a_tree_has_until_its_wall_limit_has_passed_since_a_byte_moved,
                               set_up),
        cmocka_unit_test_setup(behind_its_answer_a_tree_has_as_long_as_a_script_may_take_there,
                               set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
