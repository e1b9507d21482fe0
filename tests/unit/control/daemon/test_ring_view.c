/* test_ring_view.c: what hearthctl ring says, of worlds made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <xxhash.h>

#include "control/daemon/ring_view.h"
#include "dataplane/world/ring.h"
#include "dataplane/world/route.h"

enum { SCRIPTS = 200, INDEX_SIZE = 512, CONTROL = 1 /* the scratch behind one core's */ };

/* ---- a world ---- */

static struct fixture {
    struct world world;
    struct world_member member[MEMBERS_MAX];
    struct world_script script[SCRIPTS];
    uint32_t index[INDEX_SIZE];
    void *ring;
} f;

static uint64_t hash_of(const char *text)
{
    return XXH3_64bits(text, strlen(text));
}

static void add_scripts(void)
{
    for (uint32_t i = 0; i < SCRIPTS; i++) {
        struct world_script *s = &f.script[i];
        uint32_t at;

        snprintf(s->name, sizeof(s->name), "script-%u", i);
        snprintf(s->version, sizeof(s->version), "%016x", i);
        s->id_hash = hash_of(s->name);
        for (at = (uint32_t)s->id_hash % INDEX_SIZE; f.index[at]; at = (at + 1) % INDEX_SIZE)
            ;
        f.index[at] = i + 1;
    }
    f.world.scripts = f.script;
    f.world.script_count = SCRIPTS;
    f.world.script_index = f.index;
    f.world.script_index_mask = INDEX_SIZE - 1;
}

static void add_routes(void)
{
    static const struct route_source routes[] = {
        {"shop.test", 3, false},
        {"shop.test/api/*", 7, false},
        {"*.wild.test", 11, false},
        {"script-5.zone.test", 5, true},
    };
    char error[256];

    f.world.routes =
        routes_build(routes, sizeof(routes) / sizeof(routes[0]), CONTROL + 1, error, sizeof(error));
    assert_non_null(f.world.routes);
}

/* n0, n1, ...; this node is n1. members 0: a world that says nothing of a cluster. */
static void make_world(uint32_t members)
{
    struct ring_member m[MEMBERS_MAX];

    f = (struct fixture){.world.node = "n1"};
    for (uint32_t i = 0; i < members; i++) {
        snprintf(f.member[i].name, sizeof(f.member[i].name), "n%u", i);
        f.member[i].id = hash_of(f.member[i].name);
        f.member[i].weight = RING_WEIGHT_ONE;
        m[i] = (struct ring_member){f.member[i].id, (uint16_t)i, RING_WEIGHT_ONE};
    }
    if (members) {
        f.ring = aligned_alloc(64, ring_bytes(m, members));
        f.world.cluster.ring = ring_build(f.ring, m, members, 42);
        f.world.cluster.member = f.member;
        f.world.cluster.member_count = (uint16_t)members;
        f.world.cluster.self = 1;
    }
    add_scripts();
    add_routes();
}

static void drop_world(void)
{
    routes_destroy((struct routes *)f.world.routes);
    free(f.ring);
}

static const struct ring_view_states all_serve = {
    .is_known = true, .state = {NODE_SERVING, NODE_SERVING, NODE_SERVING}};

static const char *text(const json_t *j, const char *key)
{
    const char *s = json_string_value(json_object_get(j, key));

    assert_non_null(s);
    return s;
}

static json_int_t number(const json_t *j, const char *key)
{
    assert_true(json_is_integer(json_object_get(j, key)));
    return json_integer_value(json_object_get(j, key));
}

static double share(const json_t *j, const char *key)
{
    assert_true(json_is_real(json_object_get(j, key)));
    return json_real_value(json_object_get(j, key));
}

static bool is_close(double x, double y)
{
    return x - y < 1e-9 && y - x < 1e-9;
}

/* ---- show ---- */

static void show_accounts_for_the_whole_ring_and_every_script(void **state)
{
    struct ring_view_states states = all_serve;
    const json_t *members, *m;
    json_int_t scripts = 0, points = 0;
    double sum = 0;
    size_t i;
    json_t *j;

    make_world(3);
    states.state[2] = NODE_DOWN;
    j = ring_view_show(&f.world, &states);
    assert_int_equal(number(j, "epoch"), 42);
    assert_string_equal(text(j, "self"), "n1");
    assert_int_equal(strlen(text(j, "digest")), 16);
    assert_true(strtoull(text(j, "digest"), NULL, 16) == ring_digest(f.world.cluster.ring));
    members = json_object_get(j, "members");
    assert_int_equal(json_array_size(members), 3);
    json_array_foreach(members, i, m)
    {
        assert_string_equal(text(m, "name"), f.member[i].name);
        assert_int_equal(json_is_true(json_object_get(m, "self")), i == 1);
        assert_int_equal(number(m, "weight"), RING_WEIGHT_ONE);
        scripts += number(m, "scripts");
        points += number(m, "points");
        sum += share(m, "share");
    }
    assert_string_equal(text(json_array_get(members, 0), "state"), "serving");
    assert_string_equal(text(json_array_get(members, 2), "state"), "down");
    assert_int_equal(scripts, SCRIPTS);
    assert_int_equal(points, number(j, "points"));
    assert_true(is_close(sum, 1));
    json_decref(j);
    drop_world();
}

static void a_world_without_members_is_a_node_alone(void **state)
{
    const json_t *m;
    char error[256];
    json_t *j;

    make_world(0);
    j = ring_view_show(&f.world, &all_serve);
    m = json_array_get(json_object_get(j, "members"), 0);
    assert_int_equal(json_array_size(json_object_get(j, "members")), 1);
    assert_string_equal(text(m, "name"), "n1");
    assert_true(share(m, "share") == 1);
    json_decref(j);
    j = ring_view_locate(&f.world, &all_serve, "script-9", CONTROL, error, sizeof(error));
    assert_string_equal(text(json_array_get(json_object_get(j, "scripts"), 0), "home"), "n1");
    json_decref(j);
    drop_world();
}

static void without_peers_states_are_unknown(void **state)
{
    struct ring_view_states none = {.is_known = false};
    json_t *j;

    make_world(2);
    j = ring_view_show(&f.world, &none);
    assert_string_equal(text(json_array_get(json_object_get(j, "members"), 0), "state"), "unknown");
    json_decref(j);
    drop_world();
}

/* ---- locate ---- */

static void locate_says_what_the_ring_says(void **state)
{
    char error[256];

    make_world(3);
    for (uint32_t i = 0; i < SCRIPTS; i++) {
        json_t *j =
            ring_view_locate(&f.world, &all_serve, f.script[i].name, CONTROL, error, sizeof(error));
        const json_t *s = json_array_get(json_object_get(j, "scripts"), 0);
        const json_t *successors = json_object_get(s, "successors");
        uint16_t nodes[3];

        assert_int_equal(ring_successors(f.world.cluster.ring, f.script[i].id_hash, nodes, 3), 3);
        assert_int_equal(json_array_size(json_object_get(j, "scripts")), 1);
        assert_string_equal(text(s, "name"), f.script[i].name);
        assert_true(strtoull(text(s, "hash"), NULL, 16) == f.script[i].id_hash);
        assert_string_equal(text(s, "home"), f.member[nodes[0]].name);
        assert_int_equal(json_is_true(json_object_get(s, "here")), nodes[0] == 1);
        assert_int_equal(json_array_size(successors), 2);
        for (uint32_t k = 0; k < 2; k++)
            assert_string_equal(json_string_value(json_array_get(successors, k)),
                                f.member[nodes[k + 1]].name);
        json_decref(j);
    }
    drop_world();
}

struct host_row {
    const char *description, *what;
    uint32_t count, script[2]; /* 0 scripts: refused */
};

static void locate_finds_the_scripts_of_a_host(void **state)
{
    static const struct host_row rows[] = {
        {"a host with two routes has both scripts", "shop.test", 2, {3, 7}},
        {"a host is found in any case, with a dot at its end", "Shop.TEST.", 2, {3, 7}},
        {"a wildcard takes any host below", "a.b.wild.test", 1, {11}},
        {"a zone's host", "script-5.zone.test", 1, {5}},
        {"a host that no route takes", "nowhere.test", 0, {0}},
        {"neither script nor host", "script-9999", 0, {0}},
        {"nothing", "", 0, {0}},
        {"no host name at all", "!!", 0, {0}},
    };

    make_world(3);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char error[256] = "";
        json_t *j =
            ring_view_locate(&f.world, &all_serve, rows[i].what, CONTROL, error, sizeof(error));
        const json_t *scripts = json_object_get(j, "scripts");
        uint32_t found = 0;

        if (json_array_size(scripts) != rows[i].count || !j != !rows[i].count ||
            (!j && !strstr(error, rows[i].what)))
            fail_msg("%s: %s", rows[i].description, error);
        for (uint32_t k = 0; k < rows[i].count; k++)
            for (uint32_t n = 0; n < rows[i].count; n++)
                found += !strcmp(text(json_array_get(scripts, k), "name"),
                                 f.script[rows[i].script[n]].name);
        assert_int_equal(found, rows[i].count);
        json_decref(j);
    }
    drop_world();
}

/* ---- plan ---- */

/* What the plan says of scripts and shares is what the two rings say. */
static void must_be_true(const json_t *plan, const struct ring_view_change *c)
{
    const json_t *moves = json_object_get(plan, "moves"), *move, *name;
    struct ring_member m[4];
    uint32_t count = 0, named = 0, moved = 0;
    const struct ring *before = f.world.cluster.ring;
    double sum = 0;
    struct ring *after;
    size_t i, k;

    for (uint32_t n = 0; n < 3; n++)
        if (!c->is_removal || strcmp(f.member[n].name, c->node))
            m[count++] = (struct ring_member){f.member[n].id, (uint16_t)n, RING_WEIGHT_ONE};
    if (!c->is_removal)
        m[count++] = (struct ring_member){hash_of(c->node), 3, c->weight};
    after = ring_build(aligned_alloc(64, ring_bytes(m, count)), m, count, 1);
    snprintf(f.member[3].name, sizeof(f.member[3].name), "%s", c->node);
    for (uint32_t s = 0; s < SCRIPTS; s++)
        moved += ring_home(before, f.script[s].id_hash) != ring_home(after, f.script[s].id_hash);
    json_array_foreach(moves, i, move)
    {
        sum += share(move, "share");
        json_array_foreach(json_object_get(move, "scripts"), k, name)
        {
            uint64_t hash = hash_of(json_string_value(name));

            assert_string_equal(text(move, "from"), f.member[ring_home(before, hash)].name);
            assert_string_equal(text(move, "to"), f.member[ring_home(after, hash)].name);
            named++;
        }
    }
    assert_true(moved > 0);
    assert_int_equal(named, moved);
    assert_int_equal(number(plan, "scripts_moved"), moved);
    assert_int_equal(number(plan, "scripts"), SCRIPTS);
    assert_true(is_close(sum, share(plan, "share")));
    assert_true(strtoull(text(plan, "digest_after"), NULL, 16) == ring_digest(after));
    assert_true(strtoull(text(plan, "digest"), NULL, 16) == ring_digest(before));
    json_array_foreach(json_object_get(plan, "members"), i, move)
    {
        assert_true(is_close(share(move, "share_after"), ring_share(after, (uint16_t)i)));
    }
    free(after);
}

static void a_plan_says_what_moves_and_changes_nothing(void **state)
{
    static const struct ring_view_change changes[] = {
        {"n9", 100, false}, {"n9", 300, false}, {"n0", 0, true}, {"n1", 0, true}, {"n2", 0, true}};

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        char error[256];
        uint64_t digest;
        json_t *j;

        make_world(3);
        digest = ring_digest(f.world.cluster.ring);
        j = ring_view_plan(&f.world, &changes[i], error, sizeof(error));
        assert_non_null(j);
        assert_string_equal(text(j, "node"), changes[i].node);
        must_be_true(j, &changes[i]);
        assert_int_equal(f.world.cluster.member_count, 3);
        assert_true(ring_digest(f.world.cluster.ring) == digest);
        json_decref(j);
        drop_world();
    }
}

static void a_plan_that_makes_no_sense_is_refused(void **state)
{
    static const struct {
        const char *description;
        uint32_t members;
        struct ring_view_change change;
        const char *sentence;
    } rows[] = {
        {"a member again", 3, {"n2", 100, false}, "n2 is a member already"},
        {"a stranger", 3, {"n7", 0, true}, "n7 is not a member"},
        {"the last one", 0, {"n1", 0, true}, "n1 is the only member"},
        {"one too many", MEMBERS_MAX, {"x", 100, false}, "no more are possible"},
        {"too much weight", 3, {"n7", RING_WEIGHT_MAX + 1, false}, "a weight is 0 to"},
        {"no name", 3, {"", 100, false}, "a name of 1 to"},
        {"a name too long",
         3,
         {"n234567890123456789012345678901234567890123456789012345678901234", 100, false},
         "a name of 1 to"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char error[256] = "";
        json_t *j;

        make_world(rows[i].members);
        j = ring_view_plan(&f.world, &rows[i].change, error, sizeof(error));
        if (j || !strstr(error, rows[i].sentence))
            fail_msg("%s: \"%s\"", rows[i].description, error);
        drop_world();
    }
}

static void a_member_of_weight_0_moves_nothing(void **state)
{
    struct ring_view_change change = {"n9", 0, false};
    char error[256];
    json_t *j;

    make_world(3);
    j = ring_view_plan(&f.world, &change, error, sizeof(error));
    assert_int_equal(number(j, "scripts_moved"), 0);
    assert_int_equal(json_array_size(json_object_get(j, "moves")), 0);
    assert_true(share(j, "share") == 0);
    json_decref(j);
    drop_world();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(show_accounts_for_the_whole_ring_and_every_script),
        cmocka_unit_test(a_world_without_members_is_a_node_alone),
        cmocka_unit_test(without_peers_states_are_unknown),
        cmocka_unit_test(locate_says_what_the_ring_says),
        cmocka_unit_test(locate_finds_the_scripts_of_a_host),
        cmocka_unit_test(a_plan_says_what_moves_and_changes_nothing),
        cmocka_unit_test(a_plan_that_makes_no_sense_is_refused),
        cmocka_unit_test(a_member_of_weight_0_moves_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
