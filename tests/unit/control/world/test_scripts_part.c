/* Scripts of several accounts in one world: names, routes and hosts, bindings and callers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "control/deploy/accounts.h"
#include "control/deploy/catalog.h"
#include "control/deploy/store.h"
#include "control/world/scripts_part.h"

static char root[64];
static char error[512];
static struct store store;
static struct catalog catalog;
static struct accounts accounts;
static struct conf conf;

/* Consumes more: keys of the manifest besides the usual. */
static struct script *load_with(const char *name, const char *route, json_t *more)
{
    char sha[65];
    json_t *m = json_pack("{s:s, s:s, s:[s], s:[{s:s, s:i}]}", "name", name, "main", "i.js",
                          "routes", route, "modules", "name", "i.js", "bytes", 1);
    struct script *s;

    json_object_update(m, more);
    json_decref(more);
    if (store_put(&store, m, (const uint8_t *)"x", 1, sha, error, sizeof(error)))
        fail_msg("%s", error);
    json_decref(m);
    s = script_load(&catalog, &store, sha, 1, error, sizeof(error));
    if (!s)
        fail_msg("%s", error);
    return s;
}

static struct script *load(const char *name, const char *route)
{
    return load_with(name, route, NULL);
}

static void adopt_with(const char *name, const char *route, json_t *more)
{
    struct script *s = load_with(name, route, more);

    catalog_adopt(&catalog, s);
    script_release(s);
}

static void adopt(const char *name, const char *route)
{
    adopt_with(name, route, NULL);
}

static struct scripts_part *build_scripts(struct script *candidate, const struct script *left_out)
{
    return scripts_part_build(&catalog, candidate, left_out, &conf, error, sizeof(error));
}

/* It cannot be beside what is current; a look at it says what a build does. */
static void refuse(struct script *candidate)
{
    struct scripts_part *p = build_scripts(NULL, NULL);
    char said[sizeof(error)];

    assert_non_null(p);
    assert_null(build_scripts(candidate, NULL));
    strcpy(said, error);
    assert_false(scripts_part_admits(p, candidate, &conf, error, sizeof(error)));
    assert_string_equal(error, said);
    part_release(&p->part);
}

/* And the other way round. */
static struct scripts_part *admit(struct script *candidate)
{
    struct scripts_part *before = build_scripts(NULL, NULL);

    assert_true(scripts_part_admits(before, candidate, &conf, error, sizeof(error)));
    part_release(&before->part);
    return build_scripts(candidate, NULL);
}

/* Of the script that answers there; "": none does. */
static const char *found(const struct scripts_part *p, const char *host)
{
    uint32_t i = routes_find(p->routes, 0, host, strlen(host), "/", 1, &(uint64_t){0});

    return i == ROUTE_NONE ? "" : p->scripts[i].name;
}

/* acme has shop.test and all below it; beta has nothing but its implied hosts. */
static void make_accounts(void)
{
    json_t *document =
        json_pack("{s:[{s:s, s:[s,s], s:{s:i, s:i, s:i, s:i}, s:[]}, {s:s, s:[], s:{}, s:[]}]}",
                  "accounts", "name", "acme", "hosts", "shop.test", "*.shop.test", "ceilings",
                  "requests", 3, "subrequests", 20, "cpu_ms", 7, "wall_ms", 900, "tokens", "name",
                  "beta", "hosts", "ceilings", "tokens");

    accounts_init(&accounts);
    assert_true(accounts_check(document, error, sizeof(error)));
    assert_true(accounts_take(&accounts, document));
    json_decref(document);
    catalog.accounts = &accounts;
}

static int set_up(void **state)
{
    snprintf(root, sizeof(root), "/tmp/hearth-test-scripts-XXXXXX");
    assert_non_null(mkdtemp(root));
    if (store_open(&store, root, error, sizeof(error)))
        fail_msg("%s", error);
    catalog_init(&catalog, NULL, NULL);
    conf = (struct conf){.node = "n1", .cores_count = 1, .zones_count = 1};
    strcpy(conf.zones[0], "zone.test");
    make_accounts();
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    catalog_fini(&catalog);
    accounts_fini(&accounts);
    store_close(&store);
    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

static json_t *of(const char *owner)
{
    return json_pack("{s:s}", "owner", owner);
}

static const struct world_script *script_in(const struct scripts_part *p, const char *id)
{
    for (uint32_t i = 0; i < p->script_count; i++)
        if (!strcmp(p->scripts[i].name, id))
            return &p->scripts[i];
    fail_msg("no script %s", id);
    return NULL;
}

static void one_name_in_two_accounts_is_two_scripts(void **state)
{
    const struct world_script *ours, *theirs;
    struct scripts_part *p;

    adopt("hello", "a.test");
    adopt_with("hello", "shop.test", of("acme"));
    p = build_scripts(NULL, NULL);
    if (!p)
        fail_msg("%s", error);
    ours = script_in(p, "hello");
    theirs = script_in(p, "acme/hello");
    assert_int_equal(ours->id_hash, XXH3_64bits("hello", 5)); /* as before there were accounts */
    assert_int_equal(theirs->id_hash, XXH3_64bits("acme/hello", 10));
    assert_int_equal(ours->account, 0);
    assert_int_equal(theirs->account, XXH3_64bits("acme/*", 6));
    assert_int_equal(theirs->owner, theirs->account);
    assert_int_equal(ours->at_once_max, 0);
    assert_int_equal(theirs->at_once_max, 3);
    assert_int_equal(theirs->subrequests, 20);
    assert_int_equal(theirs->cpu_ms, 7);
    assert_int_equal(theirs->wall_ms, 900);
    assert_string_equal(found(p, "hello.zone.test"), "hello");
    assert_string_equal(found(p, "hello.acme.zone.test"), "acme/hello");
    assert_string_equal(found(p, "shop.test"), "acme/hello");
    part_release(&p->part);
}

static void an_accounts_script_needs_its_account(void **state)
{
    char sha[65];
    json_t *m = json_pack("{s:s, s:s, s:[], s:[{s:s, s:i}], s:s}", "name", "x", "main", "i.js",
                          "routes", "modules", "name", "i.js", "bytes", 1, "owner", "nobody");

    assert_int_equal(store_put(&store, m, (const uint8_t *)"x", 1, sha, error, sizeof(error)), 0);
    json_decref(m);
    assert_null(script_load(&catalog, &store, sha, 1, error, sizeof(error)));
    assert_string_equal(error, "there is no account nobody, whose script it is");
}

static void a_route_outside_of_the_accounts_hosts_is_refused_and_leads_nowhere(void **state)
{
    static const struct {
        const char *route;
        bool is_own;
    } row[] = {
        {"shop.test", true},
        {"shop.test/x*", true},
        {"a.b.shop.test/", true},
        {"*.shop.test", true},
        {"*x.shop.test", true},
        {"*.acme.zone.test", true},
        {"new.acme.zone.test", true},
        {"other.test", false},
        {"*", false},
        {"*shop.test", false},
        {"*.test", false},
        {"myshop.test", false},
        {"x.zone.test", false},
        {"*.zone.test", false},
        {"acme.zone.test", false},
        {"x.beta.zone.test", false},
        {"*acme.zone.test/x", false},
    };
    struct scripts_part *p;

    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct script *s = load_with("x", row[i].route, of("acme"));

        if (scripts_part_hosts_are_own(s, &conf, error, sizeof(error)) != row[i].is_own)
            fail_msg("%s", row[i].route);
        script_release(s);
    }
    adopt_with("x", "other.test", of("acme")); /* its account had the host when it was deployed */
    p = build_scripts(NULL, NULL);
    assert_string_equal(found(p, "other.test"), "");
    assert_string_equal(found(p, "x.acme.zone.test"), "acme/x");
    part_release(&p->part);
}

static void nobody_takes_the_implied_host_of_another_accounts_script(void **state)
{
    struct script *thief;
    struct scripts_part *p;

    adopt_with("pay", "shop.test", of("acme"));
    thief = load("mine", "pay.acme.zone.test/login*");
    refuse(thief);
    assert_string_equal(error, "route \"pay.acme.zone.test/login*\" is wanted by mine and by "
                               "acme/pay");
    script_release(thief);
    thief = load("every", "*");
    p = admit(thief);
    assert_non_null(p);
    assert_string_equal(found(p, "pay.acme.zone.test"), "acme/pay");
    assert_string_equal(found(p, "other.test"), "every");
    part_release(&p->part);
    script_release(thief);
}

static void a_hosts_claims_are_told_apart(void **state)
{
    static const struct {
        const char *text, *name, *route;
        bool is_admitted;
    } rows[] = {
        {"a path of a host that another has a path of", "new", "a.test/c", true},
        {"that path itself", "new", "a.test/b", false},
        {"a prefix is another route than the path", "new", "a.test/b*", true},
        {"the whole host, of which others have paths", "new", "a.test", true},
        {"a host that sorts between a host and its paths", "new", "a.test-x", true},
        {"its own route again", "one", "a.test/b", true},
        {"its own implied host", "new", "new.zone.test/x", true},
        {"a path of another's implied host", "new", "two.zone.test/x", false},
        {"another's implied host", "new", "two.zone.test", false},
        {"a name whose implied host has a route of another", "taken", "b.test", false},
        {"the same of a path there", "half", "b.test", false},
        {"its own former route to its implied host", "self", "b.test", true},
        {"another account's implied host", "new", "x.acme.zone.test", false},
    };
    json_t *routes;

    adopt("one", "a.test/b");
    adopt("two", "a.test/a*");
    routes = json_pack("{s:[s,s,s,s]}", "routes", "taken.zone.test", "half.zone.test/p", "z.test",
                       "a.test/z");
    adopt_with("three", "", routes);
    adopt("self", "self.zone.test/own");
    adopt_with("x", "shop.test", of("acme"));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct script *s = load(rows[i].name, rows[i].route);
        struct scripts_part *p = NULL;

        print_message("%s\n", rows[i].text);
        if (rows[i].is_admitted)
            assert_non_null(p = admit(s));
        else
            refuse(s);
        part_release(p ? &p->part : NULL);
        script_release(s);
    }
}

static void who_is_not_the_operator_learns_no_names_of_others(void **state)
{
    struct script *thief;

    adopt("secret-name", "shop.test/x");
    thief = load_with("mine", "shop.test/x", of("acme"));
    refuse(thief);
    assert_string_equal(error, "route \"shop.test/x\" belongs to a script of another account");
    script_release(thief);
}

static void a_binding_is_of_the_same_account_unless_it_says_whose(void **state)
{
    static const char *const callees[] = {"one", "beta/one", "default/one"};
    static const char *const ids[] = {"acme/one", "beta/one", "one"};
    json_t *services = json_array();
    const struct world_script *caller;
    struct scripts_part *p;

    for (int i = 0; i < 3; i++)
        json_array_append_new(services, json_pack("{s:o, s:s}", "binding", json_sprintf("B%d", i),
                                                  "service", callees[i]));
    adopt_with("caller", "shop.test",
               json_pack("{s:s, s:o}", "owner", "acme", "services", services));
    p = build_scripts(NULL, NULL);
    caller = script_in(p, "acme/caller");
    for (int i = 0; i < 3; i++)
        assert_int_equal(caller->bindings[i].script, XXH3_64bits(ids[i], strlen(ids[i])));
    part_release(&p->part);
}

static void another_account_may_call_only_whom_the_callee_lists(void **state)
{
    static const struct {
        const char *callee, *caller;
        bool may;
    } row[] = {
        {"open", "acme/a", true},   {"open", "acme/b", true},   {"open", "beta/a", false},
        {"open", "plain", true},    {"beta/a", "acme/a", true}, {"beta/a", "acme/b", false},
        {"beta/a", "plain", true},  {"acme/a", "acme/b", true}, {"acme/a", "plain", false},
        {"plain", "acme/a", false},
    };
    struct scripts_part *p;

    adopt_with("open", "o.test", json_pack("{s:[s]}", "allow_callers", "acme/*"));
    adopt("plain", "p.test");
    adopt_with("a", "1.shop.test", of("acme"));
    adopt_with("b", "2.shop.test", of("acme"));
    adopt_with(
        "a", "x.beta.zone.test",
        json_pack("{s:s, s:[s,s]}", "owner", "beta", "allow_callers", "acme/a", "default/*"));
    p = build_scripts(NULL, NULL);
    if (!p)
        fail_msg("%s", error);
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
        if (world_may_call(script_in(p, row[i].caller), script_in(p, row[i].callee)) != row[i].may)
            fail_msg("%s by %s", row[i].callee, row[i].caller);
    part_release(&p->part);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_name_in_two_accounts_is_two_scripts),
        TEST(an_accounts_script_needs_its_account),
        TEST(a_route_outside_of_the_accounts_hosts_is_refused_and_leads_nowhere),
        TEST(nobody_takes_the_implied_host_of_another_accounts_script),
        TEST(a_hosts_claims_are_told_apart),
        TEST(who_is_not_the_operator_learns_no_names_of_others),
        TEST(a_binding_is_of_the_same_account_unless_it_says_whose),
        TEST(another_account_may_call_only_whom_the_callee_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
