/* test_budget: a tree of calls makes as many sub-requests as its request may, and no more, wherever
 * they run (dataplane/call/budget.h).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/call/budget.h"
#include "drivers/rng.h"

enum { CALLS = 4096, MUCH = 1 << 20 };

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
    budget_begin(&n->trees, b, subrequests);
    return b;
}

/* NULL: it may not. */
static struct budget *call_from(struct node *n, struct budget *parent, uint32_t subrequests)
{
    if (!budget_charge(parent))
        return NULL;
    struct budget *b = &n->call[n->used++];
    budget_begin_sub(b, parent, subrequests);
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
    begin(&here, 3);                    /* another's, in another place */
    budget_begin(&here.trees, root, 0); /* and in the same */
    assert_int_equal(grow(&here, a, 1, 5) + grow(&here, b, 1, 5), 8);
}

static void calls_of_leaves_elsewhere_take_nothing_along(void **state)
{
    struct budget *root = begin(&here, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        struct budget *leaf = call_from(&here, root, MUCH);
        assert_true(leaf && budget_may_travel(leaf, true));
        assert_int_equal(budget_grant(leaf, true), 0);
    }
    assert_null(call_from(&here, root, MUCH));
}

static void what_is_granted_comes_back_unless_spent(void **state)
{
    struct budget *root = begin(&here, 1000);
    for (uint32_t i = 0; i < 1000; i++) { /* one after another */
        struct budget *sub = call_from(&here, root, MUCH);
        assert_non_null(sub);
        if (budget_may_travel(sub, false)) {
            struct budget *home = begin(&there, budget_grant(sub, false));
            budget_return(sub, budget_spent(home, false));
            budget_end(&there.trees, home);
            there.used--;
        }
        budget_end(&here.trees, sub);
        here.used--;
    }
    assert_null(call_from(&here, root, MUCH));
    assert_int_equal(root->tree->left, 0);
}

static void a_peer_cannot_give_back_more_than_it_got(void **state)
{
    struct budget *root = begin(&here, 1000), *sub = call_from(&here, root, MUCH);
    uint32_t granted = budget_grant(sub, false);
    assert_int_equal(granted, 499);
    budget_return(sub, UINT32_MAX);
    assert_int_equal(root->left, 500);
    budget_return(sub, 0); /* a second time */
    assert_int_equal(root->left, 500);
}

static void an_eighth_stays_and_what_does_not_travel_runs_here(void **state)
{
    struct budget *root = begin(&here, 1000);
    uint32_t gone = 0, granted = 0;
    for (;;) {
        struct budget *sub = call_from(&here, root, MUCH);
        if (!budget_may_travel(sub, false))
            break;
        granted += budget_grant(sub, false);
        gone++;
    }
    assert_int_equal(gone, 5);
    assert_true(root->left >= 125);
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
        if (budget_may_travel(sub, false)) {
            budget = budget_grant(sub, false);
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
    assert_int_equal(budget_spent(home, false), 40); /* its callee runs still */
    budget_end(&there.trees, sub);
    assert_int_equal(budget_spent(home, false), 1);
    assert_int_equal(budget_spent(home, true), 40);
}

static void a_request_that_runs_again_begins_anew_and_a_call_in_it_does_not(void **state)
{
    struct budget *root = begin(&here, 10), *sub = call_from(&here, root, MUCH);
    struct budget *old = call_from(&here, sub, MUCH);
    budget_again(&here.trees, sub);
    assert_int_equal(root->left, 8);
    budget_again(&here.trees, root);
    assert_int_equal(grow(&here, old, 1, 100), 8); /* of the old book */
    assert_int_equal(grow(&here, root, 1, 100), 10);
    budget_grant(root, false);
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
        uint32_t count = 1, made = 0, total = live[0].b->total;
        for (int step = 0; step < 2000 && here.used < 3000 && there.used < 3000; step++) {
            uint32_t i = (uint32_t)rng_below(&r, count);
            struct budget *b = live[i].home ? live[i].home : live[i].b;
            struct node *n = live[i].home ? &there : &here;
            bool ends = i > 0 && rng_below(&r, 3) == 0;
            if (ends && live[i].home) {
                if (rng_below(&r, 4)) /* else it is lost, and what ran there runs on */
                    budget_return(live[i].b, budget_spent(b, false));
                if (budget_spent(b, false) < b->total || rng_below(&r, 2))
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
                if (n == &here && rng_below(&r, 2) && budget_may_travel(sub, false))
                    live[count].home = begin(&there, budget_grant(sub, false));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_tree_makes_exactly_its_budget, set_up),
        cmocka_unit_test_setup(a_binding_limits_all_that_is_below_it, set_up),
        cmocka_unit_test_setup(what_lives_on_behind_its_caller_spends_of_the_same_tree, set_up),
        cmocka_unit_test_setup(calls_of_leaves_elsewhere_take_nothing_along, set_up),
        cmocka_unit_test_setup(what_is_granted_comes_back_unless_spent, set_up),
        cmocka_unit_test_setup(a_peer_cannot_give_back_more_than_it_got, set_up),
        cmocka_unit_test_setup(an_eighth_stays_and_what_does_not_travel_runs_here, set_up),
        cmocka_unit_test_setup(a_chain_as_deep_as_chains_go_has_room_at_sixteen_homes, set_up),
        cmocka_unit_test_setup(what_lives_on_elsewhere_is_spent, set_up),
        cmocka_unit_test_setup(a_request_that_runs_again_begins_anew_and_a_call_in_it_does_not,
                               set_up),
        cmocka_unit_test_setup(no_tree_has_more_than_its_budget_whatever_happens, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
