/* The memory of an account's cells in all: its own make room, its own go, and nobody else's. */
#include <stdio.h>
#include <string.h>

#include "control/supervise/supervise_state.h"
#include "supervise_rig.h"

static struct accounts accounts;

static void set_ceiling(int mb)
{
    json_t *document = json_pack("{s:[{s:s, s:[], s:{s:i}, s:[]}]}", "accounts", "name", "acme",
                                 "hosts", "ceilings", "cells_memory_mb", mb, "tokens");

    assert_true(accounts_check(document, error, sizeof(error)));
    assert_true(accounts_take(&accounts, document));
    json_decref(document);
}

static int set_up_accounts(void **state)
{
    int rc = set_up(state);

    accounts_init(&accounts);
    catalog.accounts = &accounts;
    return rc;
}

static int tear_down_accounts(void **state)
{
    int rc = tear_down(state);

    accounts_fini(&accounts);
    return rc;
}

static struct script *of_acme(const char *name, const char *source)
{
    json_t *owner = json_pack("{s:s}", "owner", "acme");
    struct script *s = add_script_with(name, source, "", owner);

    assert_string_equal(s->account->name, "acme");
    return s;
}

static uint64_t bytes_of_acme(void)
{
    for (const struct account_cells *a = supervise->accounts.first; a; a = a->next)
        if (!strcmp(a->name, "acme"))
            return a->bytes;
    return 0;
}

static uint32_t held(uint64_t *full)
{
    uint64_t handle[WORLD_HELD_MAX];

    return supervise_held(supervise, handle, full);
}

static void an_account_that_is_full_makes_room_among_its_own(void **state)
{
    const struct script *other = add_script("other", "v1"), *a, *b;

    set_ceiling(2); /* beside one there is no room for what has not been looked at */
    a = of_acme("a", "v1");
    b = of_acme("b", "v1");
    start("good");
    warm(other); /* the oldest, and of the least value */
    warm(a);
    warm(b);
    assert_int_equal(script_now(a).cells, 0);
    assert_int_equal(script_now(a).evicted, 1);
    assert_int_equal(script_now(other).cells, 1);
    assert_int_equal(status_now().accounts_evicted, 1);
    assert_int_equal(status_now().accounts_refused, 0);
}

static void without_a_ceiling_nothing_goes(void **state)
{
    const struct script *a, *b;

    set_ceiling(1024);
    a = of_acme("a", "v1");
    b = of_acme("b", "v1");
    start("good");
    warm(a);
    warm(b);
    assert_int_equal(script_now(a).cells + script_now(b).cells, 2);
    assert_int_equal(status_now().evicted, 0);
}

static void a_start_that_finds_no_room_is_refused_and_others_do_not_wait_for_it(void **state)
{
    const struct script *a, *b;
    struct seen_link *l;
    uint64_t full;

    set_ceiling(2);
    a = of_acme("a", "v1");
    b = of_acme("b", "v1");
    start("good");
    l = warm(a);
    count(l, 1);
    wish(b, true);
    UNTIL(held(&full) == 1);
    assert_int_equal(full, 1);
    assert_true(script_now(b).is_held);
    assert_int_equal(status_now().accounts_refused, 1);
    warm(add_script("other", "v1"));
    assert_int_equal(script_now(a).cells, 1);
    /* A second later it is tried again. */
    count(l, -1);
    UNTIL(held(&full) == 0);
    warm(b);
    assert_int_equal(script_now(a).cells, 0);
}

static void a_deploy_that_finds_no_room_says_so(void **state)
{
    const struct script *a, *b;

    set_ceiling(2);
    a = of_acme("a", "v1");
    b = of_acme("b", "v1");
    start("good");
    count(warm(a), 1);
    loads = 0;
    supervise_try(supervise, b, true);
    UNTIL(loads == 1);
    assert_int_equal(loaded_handle, b->handle);
    assert_non_null(strstr(loaded_error, "memory"));
}

static void one_that_grows_over_it_loses_its_largest_cell(void **state)
{
    const struct script *other = add_script("other", "hungry"), *small, *large;
    struct seen_link *l;
    uint64_t full;

    rig_config.heap_mb = 1024; /* no cell is too large by itself */
    set_ceiling(100);
    small = of_acme("small", "v1");
    large = of_acme("large", "hungry");
    start("good");
    l = warm(other);
    count(l, 1);
    wake(l);
    count(warm(small), 1);
    l = warm(large);
    count(l, 1);
    wake(l); /* takes 200 MB */
    UNTIL(status_now().accounts_killed == 1);
    UNTIL(!script_now(large).cells);
    assert_int_equal(script_now(small).cells, 1);
    assert_int_equal(script_now(other).cells, 1);
    assert_true(bytes_of_acme() > 0 && bytes_of_acme() < 100 << 20);
    assert_int_equal(held(&full), 0);
}

static void what_grows_over_the_budget_goes_before_what_others_use(void **state)
{
    const struct script *bystander, *large = add_script("large", "hungry");
    struct seen_link *l;

    rig_config.heap_mb = 1024;
    rig_config.memory_bytes = 100 << 20;
    set_ceiling(1000);
    bystander = of_acme("bystander", "v1");
    start("good");
    warm(bystander);
    l = warm(large);
    count(l, 1);
    wake(l); /* takes 200 MB */
    UNTIL(!script_now(large).cells);
    assert_int_equal(status_now().accounts_killed, 1);
    assert_int_equal(status_now().evicted, 0);
    assert_int_equal(script_now(bystander).cells, 1);
}

static void what_ends_anyway_does_not_pay_for_it(void **state)
{
    struct script *old = add_script("old", "hungry");
    const struct script *bystander, *large;
    struct seen_link *l;

    rig_config.heap_mb = 1024;
    rig_config.memory_bytes = 100 << 20;
    set_ceiling(1000);
    start("good");
    l = warm(old);
    count(l, 1);
    wake(l);
    UNTIL(status_now().memory_bytes > 200 << 20);
    catalog_remove(&catalog, old);
    UNTIL(cells_in(CELL_RETIRED) == 1);
    bystander = of_acme("bystander", "v1");
    warm(bystander);
    large = add_script("large", "hungry");
    l = warm(large);
    count(l, 1);
    wake(l);
    UNTIL(!script_now(large).cells);
    assert_int_equal(status_now().accounts_killed, 1);
    assert_int_equal(cells_in(CELL_RETIRED), 1);
    assert_int_equal(script_now(bystander).cells, 1);
}

static void an_account_alone_may_have_more_than_the_budget(void **state)
{
    const struct script *large = add_script("large", "hungry");
    struct seen_link *l;

    rig_config.heap_mb = 1024;
    rig_config.memory_bytes = 100 << 20;
    start("good");
    l = warm(large);
    count(l, 1);
    wake(l);
    UNTIL(status_now().memory_bytes > 200 << 20);
    assert_int_equal(status_now().accounts_killed, 0);
    assert_int_equal(script_now(large).cells, 1);
}

static void one_with_its_part_waits_for_its_own(void **state)
{
    enum { PLACES = CELLS - SPARES };
    const struct script *bystander, *other[PLACES];
    struct seen_link *l[PLACES];
    char name[8];

    set_ceiling(1000);
    bystander = of_acme("bystander", "v1");
    for (int i = 0; i < PLACES; i++) {
        snprintf(name, sizeof(name), "other%d", i);
        other[i] = add_script(name, "v1");
    }
    start("good");
    warm(bystander);
    for (int i = 0; i < PLACES - 1; i++) {
        l[i] = warm(other[i]);
        count(l[i], 1);
    }
    wish(other[PLACES - 1], true);
    for (int i = 0; i < 5; i++)
        loop_step(&loop, 50);
    assert_int_equal(script_now(bystander).cells, 1);
    assert_int_equal(script_now(other[PLACES - 1]).cells, 0);
    count(l[0], -1);
    UNTIL(is_warm(other[PLACES - 1]));
    assert_int_equal(script_now(bystander).cells, 1);
    assert_int_equal(script_now(other[0]).cells, 0);
}

static void a_ceiling_that_is_lowered_holds_for_what_runs(void **state)
{
    const struct script *a;
    struct seen_link *l;

    rig_config.heap_mb = 1024;
    set_ceiling(1000);
    a = of_acme("a", "hungry");
    start("good");
    l = warm(a);
    count(l, 1);
    wake(l);
    UNTIL(bytes_of_acme() > 200 << 20);
    assert_int_equal(status_now().accounts_killed, 0);
    count(l, -1);
    set_ceiling(100);
    UNTIL(!script_now(a).cells);
    assert_int_equal(status_now().accounts_killed + status_now().accounts_evicted, 1);
    UNTIL(cells_in(CELL_ENDING) + cells_in(CELL_RETIRED) == 0);
    assert_int_equal(bytes_of_acme(), 0);
}

static void an_account_is_forgotten_with_its_last_script(void **state)
{
    struct script *a;

    set_ceiling(0x1000);
    a = of_acme("a", "v1");
    start("good");
    warm(a);
    assert_non_null(supervise->accounts.first);
    catalog_remove(&catalog, a);
    UNTIL(!supervise->accounts.first);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up_accounts, tear_down_accounts)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_account_that_is_full_makes_room_among_its_own),
        TEST(without_a_ceiling_nothing_goes),
        TEST(a_start_that_finds_no_room_is_refused_and_others_do_not_wait_for_it),
        TEST(a_deploy_that_finds_no_room_says_so),
        TEST(one_that_grows_over_it_loses_its_largest_cell),
        TEST(what_grows_over_the_budget_goes_before_what_others_use),
        TEST(what_ends_anyway_does_not_pay_for_it),
        TEST(an_account_alone_may_have_more_than_the_budget),
        TEST(one_with_its_part_waits_for_its_own),
        TEST(a_ceiling_that_is_lowered_holds_for_what_runs),
        TEST(an_account_is_forgotten_with_its_last_script),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
