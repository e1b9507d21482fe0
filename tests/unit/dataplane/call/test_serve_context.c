/* What a member says of who called whom: each lie about it, and what is no lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "dataplane/call/serve_context.h"

/* A (of owner 7) may call B (7) and C (8); D (of nobody) may call A. X is not known here. These are
 * the default account's; E and F are account 50's, G is account 60's: G lets E call it, not F. */
enum { A = 1, B, C, D, X, E, F, G, SCRIPTS = 7 };

static const struct world_binding of_a[] = {{.script = B, .cpu_ms = 50}, {.script = C}};
static const struct world_binding of_d[] = {{.script = A, .wall_ms = 9}};
static const struct world_binding of_e[] = {{.script = F}, {.script = G}, {.script = A}};
static const uint64_t callers_of_g[] = {E};
static struct world_script scripts[SCRIPTS] = {
    {.id_hash = A, .owner = 7, .binding_count = 2, .bindings = of_a},
    {.id_hash = B, .owner = 7, .outbound = C},
    {.id_hash = C, .owner = 8},
    {.id_hash = D, .binding_count = 1, .bindings = of_d},
    {.id_hash = E, .account = 50, .owner = 50, .binding_count = 3, .bindings = of_e},
    {.id_hash = F, .account = 50, .owner = 50, .binding_count = 3, .bindings = of_e},
    {.id_hash = G, .account = 60, .owner = 60, .caller_count = 1, .callers = callers_of_g},
};
static uint32_t index_of[16];
static struct world world = {
    .script_count = SCRIPTS, .scripts = scripts, .script_index = index_of, .script_index_mask = 15};

static int start(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SCRIPTS; i++)
        index_of[scripts[i].id_hash & 15] = i + 1;
    return 0;
}

static void each_word_that_can_be_checked_is(void **state)
{
    static const struct {
        const char *description;
        uint64_t script;
        uint32_t count;
        struct context_frame frame[3];
        enum serve_context result;
    } row[] = {
        {"a client's call", A, 1, {{.script = A, .owner = 7}}, SERVE_CONTEXT_TRUE},
        {"of a script that nobody owns", D, 1, {{.script = D}}, SERVE_CONTEXT_TRUE},
        {"of one that is not known here", X, 1, {{.script = X, .owner = 3}}, SERVE_CONTEXT_TRUE},
        {"through a binding, in one account",
         B,
         2,
         {{.script = A, .owner = 7},
          {.script = B, .owner = 7, .trust = CONTEXT_TRUSTED, .cpu_ms = 50}},
         SERVE_CONTEXT_TRUE},
        {"through a binding, into another account",
         C,
         2,
         {{.script = A, .owner = 7}, {.script = C, .owner = 8}},
         SERVE_CONTEXT_TRUE},
        {"what it fetches goes there",
         C,
         2,
         {{.script = B, .owner = 7}, {.script = C, .owner = 8}},
         SERVE_CONTEXT_TRUE},
        {"and has no limits of a binding",
         C,
         2,
         {{.script = B, .owner = 7}, {.script = C, .owner = 8, .cpu_ms = 1}},
         SERVE_CONTEXT_FALSE},
        {"three deep",
         C,
         3,
         {{.script = D}, {.script = A, .owner = 7, .wall_ms = 9}, {.script = C, .owner = 8}},
         SERVE_CONTEXT_TRUE},
        {"by a caller that is not known here",
         C,
         2,
         {{.script = X, .owner = 8}, {.script = C, .owner = 8, .cpu_ms = 4}},
         SERVE_CONTEXT_TRUE},
        {"another script's frame on top", A, 1, {{.script = B, .owner = 7}}, SERVE_CONTEXT_BAD},
        {"a client that is trusted",
         A,
         1,
         {{.script = A, .owner = 7, .trust = CONTEXT_TRUSTED}},
         SERVE_CONTEXT_BAD},
        {"somebody who gets its log lines",
         A,
         1,
         {{.script = A, .owner = 7, .tail_count = 1, .tail = {C}}},
         SERVE_CONTEXT_BAD},
        {"somebody whom its fetches go through",
         A,
         1,
         {{.script = A, .owner = 7, .outbound = C}},
         SERVE_CONTEXT_BAD},
        {"features", A, 1, {{.script = A, .owner = 7, .features = 1}}, SERVE_CONTEXT_BAD},
        {"the same, of a caller",
         C,
         2,
         {{.script = A, .owner = 7, .features = 1}, {.script = C, .owner = 8}},
         SERVE_CONTEXT_BAD},
        {"another owner", A, 1, {{.script = A, .owner = 8}}, SERVE_CONTEXT_FALSE},
        {"no owner", A, 1, {{.script = A}}, SERVE_CONTEXT_FALSE},
        {"another owner of the caller",
         C,
         2,
         {{.script = A, .owner = 8}, {.script = C, .owner = 8}},
         SERVE_CONTEXT_FALSE},
        {"trust into another account",
         C,
         2,
         {{.script = A, .owner = 7}, {.script = C, .owner = 8, .trust = CONTEXT_TRUSTED}},
         SERVE_CONTEXT_FALSE},
        {"trust between scripts of nobody",
         D,
         2,
         {{.script = D}, {.script = D, .trust = CONTEXT_TRUSTED}},
         SERVE_CONTEXT_FALSE},
        {"trust by a caller that is not known here",
         C,
         2,
         {{.script = X, .owner = 8}, {.script = C, .owner = 8, .trust = CONTEXT_TRUSTED}},
         SERVE_CONTEXT_FALSE},
        {"a binding that the caller does not have",
         A,
         2,
         {{.script = B, .owner = 7}, {.script = A, .owner = 7}},
         SERVE_CONTEXT_FALSE},
        {"a binding without its limits",
         B,
         2,
         {{.script = A, .owner = 7}, {.script = B, .owner = 7, .trust = CONTEXT_TRUSTED}},
         SERVE_CONTEXT_FALSE},
        {"a lie further below",
         C,
         3,
         {{.script = D}, {.script = A, .owner = 7}, {.script = C, .owner = 8}},
         SERVE_CONTEXT_FALSE},
        {"in one account",
         F,
         2,
         {{.script = E, .owner = 50}, {.script = F, .owner = 50, .trust = CONTEXT_TRUSTED}},
         SERVE_CONTEXT_TRUE},
        {"into an account that lists the caller",
         G,
         2,
         {{.script = E, .owner = 50}, {.script = G, .owner = 60}},
         SERVE_CONTEXT_TRUE},
        {"into an account that lists another of the caller's",
         G,
         2,
         {{.script = F, .owner = 50}, {.script = G, .owner = 60}},
         SERVE_CONTEXT_FALSE},
        {"into the default account, which lists nobody",
         A,
         2,
         {{.script = E, .owner = 50}, {.script = A, .owner = 7}},
         SERVE_CONTEXT_FALSE},
        {"into an account, by a caller that is not known here",
         G,
         2,
         {{.script = X, .owner = 60}, {.script = G, .owner = 60}},
         SERVE_CONTEXT_FALSE},
        {"another account's owner", E, 1, {{.script = E, .owner = 60}}, SERVE_CONTEXT_FALSE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct context context = {.count = row[i].count};
        memcpy(context.frame, row[i].frame, sizeof(row[i].frame));
        if (serve_context(&world, &context, row[i].script) != row[i].result)
            fail_msg("%s", row[i].description);
    }
}

/* An account_id is the operator's word for the default account; it may be any number. */
static void one_owner_in_two_accounts_is_no_trust(void **state)
{
    const struct world_script ours = {.id_hash = A, .owner = 50}, e = scripts[4], f = scripts[5];

    (void)state;
    assert_true(world_trusts(&e, &f));
    assert_false(world_trusts(&ours, &f));
    assert_false(world_trusts(&f, &ours));
}

static void the_named_caller_is_the_one_of_the_context(void **state)
{
    struct context context = {.count = 2};
    const struct head_view boss = {"acme/boss", 9}, other = {"acme/bos", 8};

    (void)state;
    context.frame[0].script = XXH3_64bits(boss.p, boss.len);
    assert_true(serve_caller(&context, &boss));
    assert_true(serve_caller(&context, NULL));
    assert_false(serve_caller(&context, &other));
    context.count = 1;
    assert_true(serve_caller(&context, NULL));
    assert_false(serve_caller(&context, &boss)); /* a client's own request has no caller */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_word_that_can_be_checked_is, start),
        cmocka_unit_test(one_owner_in_two_accounts_is_no_trust),
        cmocka_unit_test(the_named_caller_is_the_one_of_the_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
