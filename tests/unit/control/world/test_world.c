/* Worlds out of their parts, and when an old one may go. Certificates, the
 * ring's memory and X25519 are doubles; scripts, routes, members, the ring itself and
 * quiescent-state tracking are the real ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>
#include <rte_rcu_qsbr.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "control/config/key.h"
#include "control/world/publisher.h"
#include "control/world/world_build.h"
#include "dataplane/rpc/record.h"
#include "dataplane/tls/cert.h"
#include "dataplane/world/ring.h"

/* ---- doubles ---- */

struct tls_context {
    char names[64];
};

static int contexts_alive;
static int certs_alive;
static uint32_t certs_default;
static char certs_sources[256];

struct tls_context *tls_context_create(const char *chain, const char *key,
                                       const struct tls_tickets *keys, char *error,
                                       size_t error_bytes)
{
    struct tls_context *c;

    if (!strcmp(chain, "/bad")) {
        snprintf(error, error_bytes, "/bad: no certificate");
        return NULL;
    }
    c = calloc(1, sizeof(*c));
    snprintf(c->names, sizeof(c->names), "%s.test", chain + 1);
    contexts_alive++;
    return c;
}

void tls_context_destroy(struct tls_context *c)
{
    contexts_alive--;
    free(c);
}

size_t tls_context_names(const struct tls_context *c, char (*out)[256], size_t max)
{
    snprintf(out[0], 256, "%s", c->names);
    return 1;
}

struct certs *certs_build(struct tls_context *const *contexts, uint32_t context_count,
                          const struct cert_source *sources, uint32_t count,
                          uint32_t default_context)
{
    certs_sources[0] = 0;
    for (uint32_t i = 0; i < count; i++)
        snprintf(certs_sources + strlen(certs_sources),
                 sizeof(certs_sources) - strlen(certs_sources), "%s=%u ", sources[i].name,
                 sources[i].context);
    certs_default = default_context;
    certs_alive++;
    return calloc(1, 1);
}

void certs_destroy(struct certs *c)
{
    certs_alive--;
    free(c);
}

/* Versions of the ring, as many as the test allows. */
static int rings_alive, rings_room = 2;

static void ring_gone(struct part *p)
{
    free((struct ring *)((struct ring_part *)p)->ring);
    free(p);
    rings_alive--;
}

struct ring_part *ring_store_build(struct ring_store *s, const struct ring_member *member,
                                   uint32_t count, uint64_t epoch)
{
    struct ring_part *p;

    if (rings_alive == rings_room) {
        errno = EBUSY;
        return NULL;
    }
    p = calloc(1, sizeof(*p));
    part_init(&p->part, ring_gone);
    p->ring = ring_build(aligned_alloc(64, (ring_bytes(member, count) + 63) / 64 * 64), member,
                         count, epoch);
    rings_alive++;
    return p;
}

/* The public key is the private one, upside down. */
int noise_identity_init(struct noise_identity *id, const uint8_t private_key[NOISE_KEY_BYTES])
{
    memmove(id->private_key, private_key, NOISE_KEY_BYTES);
    for (int i = 0; i < NOISE_KEY_BYTES; i++)
        id->public_key[i] = (uint8_t)~private_key[i];
    return 0;
}

/* ---- frame ---- */

static char root[64];
static char error[512];
static struct store store;
static struct catalog catalog;
static struct conf conf;
static struct conf_certificate certificates[2];
static uint64_t gone[64];
static int gone_count;

static void on_gone(void *arg, uint64_t handle)
{
    gone[gone_count++] = handle;
}

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

static struct script *adopt_with(const char *name, const char *route, json_t *more)
{
    struct script *s = load_with(name, route, more);

    catalog_adopt(&catalog, s);
    script_release(s);
    return s;
}

static struct script *adopt(const char *name, const char *route)
{
    return adopt_with(name, route, NULL);
}

static struct conf_member conf_members[3];
static struct conf_cluster conf_cluster;
static struct cluster_keys keys;

static void put_member(uint32_t i, const char *name, const char *address, uint8_t private_key,
                       uint32_t weight)
{
    uint8_t public_key[KEY_BYTES];

    memset(public_key, ~private_key, sizeof(public_key));
    conf_members[i] = (struct conf_member){.weight = weight, .cores = 1, .port = 4433};
    snprintf(conf_members[i].name, sizeof(conf_members[i].name), "%s", name);
    snprintf(conf_members[i].address, sizeof(conf_members[i].address), "%s", address);
    key_format(conf_members[i].key, public_key);
}

/* n3, n1 and n2, in this order; this node is n1. */
static void make_cluster(void)
{
    put_member(0, "n3", "10.77.0.3", 3, 100);
    put_member(1, "n1", "10.77.0.1", 1, 100);
    put_member(2, "n2", "fd77::2", 2, 200);
    conf_cluster = (struct conf_cluster){.members = conf_members, .members_count = 3};
    conf.cluster = &conf_cluster;
    memset(keys.identity.private_key, 1, KEY_BYTES);
    noise_identity_init(&keys.identity, keys.identity.private_key);
    memset(keys.secret, 7, sizeof(keys.secret));
    keys.is_set = true;
}

static int set_up(void **state)
{
    snprintf(root, sizeof(root), "/tmp/hearth-test-world-XXXXXX");
    assert_non_null(mkdtemp(root));
    if (store_open(&store, root, error, sizeof(error)))
        fail_msg("%s", error);
    catalog_init(&catalog, on_gone, NULL);
    gone_count = 0;
    conf = (struct conf){.node = "n1", .cores_count = 1, .zones_count = 1};
    strcpy(conf.zones[0], "zone.test");
    strcpy(certificates[0].chain, "/a");
    strcpy(certificates[1].chain, "/b");
    certificates[1].is_default = true;
    conf.certificates = certificates;
    conf.certificates_count = 2;
    conf.limits.request_body_mb = 3;
    conf.tune = world_tune_default;
    strcpy(conf.port.addresses[0], "10.77.0.1/24");
    memset(&keys, 0, sizeof(keys));
    rings_room = 2;
    return 0;
}

static int tear_down(void **state)
{
    char command[128];

    catalog_fini(&catalog);
    store_close(&store);
    snprintf(command, sizeof(command), "rm -rf %s", root);
    assert_int_equal(contexts_alive, 0);
    assert_int_equal(certs_alive, 0);
    assert_int_equal(rings_alive, 0);
    return system(command);
}

static struct scripts_part *build_scripts(struct script *candidate, const struct script *left_out)
{
    return scripts_part_build(&catalog, candidate, left_out, &conf, error, sizeof(error));
}

static const char *found(const struct scripts_part *p, const char *host)
{
    uint32_t i = routes_find(p->routes, 0, host, strlen(host), "/", 1, &(uint64_t){0});

    return i == ROUTE_NONE ? "" : p->scripts[i].name;
}

/* ---- tests ---- */

static void certificates_serve_the_names_they_carry(void **state)
{
    struct certs_part *p = certs_part_build(&conf, NULL, error, sizeof(error));

    assert_non_null(p);
    assert_string_equal(certs_sources, "a.test=0 b.test=1 ");
    assert_int_equal(certs_default, 1);
    part_release(&p->part);
}

static void one_bad_certificate_refuses_them_all(void **state)
{
    strcpy(certificates[1].chain, "/bad");
    certificates[1].line = 12;
    assert_null(certs_part_build(&conf, NULL, error, sizeof(error)));
    assert_string_equal(error, "certificates[1], line 12: /bad: no certificate");
}

static void scripts_answer_their_routes_and_their_own_names(void **state)
{
    struct scripts_part *p;

    adopt("alpha", "a.test");
    adopt("beta", "*.b.test/*");
    p = build_scripts(NULL, NULL);
    if (!p)
        fail_msg("%s", error);
    assert_int_equal(p->script_count, 2);
    assert_string_equal(found(p, "a.test"), "alpha");
    assert_string_equal(found(p, "x.b.test"), "beta");
    assert_string_equal(found(p, "beta.zone.test"), "beta");
    assert_string_equal(found(p, "gamma.zone.test"), "");
    part_release(&p->part);
}

static void a_candidate_stands_in_for_the_current_one(void **state)
{
    struct script *next;
    struct scripts_part *p;

    adopt("alpha", "old.test");
    next = load("alpha", "new.test");
    p = build_scripts(next, NULL);
    assert_non_null(p);
    assert_int_equal(p->script_count, 1);
    assert_string_equal(found(p, "new.test"), "alpha");
    assert_string_equal(found(p, "old.test"), "");
    part_release(&p->part);
    script_release(next);
    assert_int_equal(gone_count, 1);
}

static void a_script_can_be_left_out(void **state)
{
    struct script *s = adopt("alpha", "a.test");
    struct scripts_part *p;

    adopt("beta", "b.test");
    p = build_scripts(NULL, s);
    assert_string_equal(found(p, "a.test"), "");
    assert_string_equal(found(p, "b.test"), "beta");
    part_release(&p->part);
}

static void a_route_belongs_to_one_script(void **state)
{
    struct script *thief;

    adopt("alpha", "a.test/*");
    thief = load("beta", "a.test/*");
    assert_null(build_scripts(thief, NULL));
    assert_string_equal(error, "route \"a.test/*\" is wanted by alpha and by beta");
    script_release(thief);
}

static void every_script_is_found_by_its_hash(void **state)
{
    struct world w = {0};
    struct scripts_part *p;
    char name[16];

    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        adopt(name, name);
    }
    p = build_scripts(NULL, NULL);
    if (!p)
        fail_msg("%s", error);
    w.scripts = p->scripts;
    w.script_index = p->index;
    w.script_index_mask = p->index_mask;
    assert_true(2 * p->script_count <= p->index_mask + 1);
    for (uint32_t i = 0; i < p->script_count; i++)
        assert_ptr_equal(world_script(&w, p->scripts[i].id_hash), &p->scripts[i]);
    assert_null(world_script(&w, XXH3_64bits("nobody", 6)));
    part_release(&p->part);
}

static void without_scripts_none_is_found(void **state)
{
    struct world w = {0};
    struct scripts_part *p = build_scripts(NULL, NULL);

    assert_non_null(p);
    w.scripts = p->scripts;
    w.script_index = p->index;
    w.script_index_mask = p->index_mask;
    assert_null(world_script(&w, 0));
    assert_null(world_script(&w, UINT64_MAX));
    part_release(&p->part);
}

static void a_script_carries_its_version_owner_and_bindings(void **state)
{
    struct scripts_part *p;
    struct script *s;

    adopt("alone", "x.test");
    s = adopt_with("caller", "c.test",
                   json_pack("{s:s, s:{s:i}, s:[{s:s, s:s}, {s:s, s:s, s:{s:i, s:i, s:i, s:i}}]}",
                             "account", "acme", "limits", "cpu_ms", 9, "services", "binding", "ONE",
                             "service", "callee", "binding", "TWO", "service", "caller", "limits",
                             "cpu_ms", 5, "memory_mb", 6, "subrequests", 7, "wall_ms", 8));
    conf.limits = (struct conf_limits){.cpu_ms = 23, .wall_ms = 29};
    p = build_scripts(NULL, NULL);
    if (!p)
        fail_msg("%s", error);
    assert_int_equal(p->scripts[0].binding_count, 0);
    assert_int_equal(p->scripts[0].owner, 0);
    assert_int_equal(p->scripts[0].cpu_ms, 23);
    assert_int_equal(p->scripts[1].cpu_ms, 9);
    assert_int_equal(p->scripts[1].wall_ms, 29);
    assert_int_equal(p->scripts[1].owner, XXH3_64bits("acme", 4));
    assert_int_equal(p->scripts[1].version_bits, strtoull(s->version, NULL, 16));
    assert_int_equal(p->scripts[1].binding_count, 2);
    assert_int_equal(p->scripts[1].bindings[0].script, XXH3_64bits("callee", 6));
    assert_int_equal(p->scripts[1].bindings[0].cpu_ms, 0);
    assert_int_equal(p->scripts[1].bindings[1].script, p->scripts[1].id_hash);
    assert_int_equal(p->scripts[1].bindings[1].cpu_ms, 5);
    assert_int_equal(p->scripts[1].bindings[1].memory_mb, 6);
    assert_int_equal(p->scripts[1].bindings[1].subrequests, 7);
    assert_int_equal(p->scripts[1].bindings[1].wall_ms, 8);
    part_release(&p->part);
}

/* ---- the cluster ---- */

static int changes;

static void on_change(void *arg)
{
    changes++;
}

static void a_node_alone_is_its_only_member(void **state)
{
    struct members *m = members_static_create(&conf, NULL, NULL);
    struct cluster_part *p;

    assert_true(cluster_check(m, "n1", &keys, error, sizeof(error)));
    p = cluster_part_build(m, "n1", &keys, NULL, 1);
    assert_non_null(p);
    assert_int_equal(p->member_count, 1);
    assert_int_equal(p->self, 0);
    assert_string_equal(p->member[0].name, "n1");
    assert_memory_equal(p->member[0].address, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x4d\0\x01", 16);
    assert_int_equal(ring_home(p->ring->ring, 12345), 0);
    part_release(&p->part);
    members_destroy(m);
}

static void members_are_sorted_by_name_whatever_the_order_of_the_file(void **state)
{
    struct members *m;
    struct cluster_part *p;
    uint64_t digest;

    make_cluster();
    m = members_static_create(&conf, on_change, NULL);
    assert_true(cluster_check(m, "n1", &keys, error, sizeof(error)));
    p = cluster_part_build(m, "n1", &keys, NULL, 1);
    assert_int_equal(p->member_count, 3);
    assert_int_equal(p->self, 0);
    assert_string_equal(cluster_name(p, 1), "n2");
    assert_string_equal(cluster_name(p, 3), "?");
    assert_int_equal(p->member[2].id, XXH3_64bits("n3", 2));
    assert_int_equal(p->member[1].weight, 200);
    assert_memory_equal(p->member[1].address, "\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", 16);
    assert_int_equal(p->member[0].public_key[0], 0xfe);
    digest = ring_digest(p->ring->ring);
    part_release(&p->part);

    /* Another order of the same members is not another list. */
    changes = 0;
    put_member(0, "n1", "10.77.0.1", 1, 100);
    put_member(1, "n3", "10.77.0.3", 3, 100);
    assert_int_equal(members_follow(m, &conf, error, sizeof(error)), 0);
    assert_int_equal(changes, 0);
    p = cluster_part_build(m, "n1", &keys, NULL, 2);
    assert_int_equal(ring_digest(p->ring->ring), digest);
    assert_int_equal(ring_epoch(p->ring->ring), 2);
    assert_true(cluster_part_has(p, m));

    /* A weight more is. */
    conf_members[0].weight = 101;
    assert_int_equal(members_follow(m, &conf, error, sizeof(error)), 0);
    assert_int_equal(changes, 1);
    assert_false(cluster_part_has(p, m));
    part_release(&p->part);
    members_destroy(m);
}

static void a_list_that_this_node_cannot_be_in_is_refused(void **state)
{
    struct members *m;

    make_cluster();
    m = members_static_create(&conf, NULL, NULL);
    assert_false(cluster_check(m, "n4", &keys, error, sizeof(error)));
    assert_string_equal(error, "this node, \"n4\", is not a member of its cluster");
    assert_false(cluster_check(m, "n2", &keys, error, sizeof(error)));
    assert_non_null(strstr(error, "has another key for n2 than the one of its private key, /v7+"));
    members_destroy(m);
}

static void keys_come_from_their_files(void **state)
{
    char key_file[80], secret_file[80];
    uint8_t private_key[KEY_BYTES], secret[KEY_BYTES];

    make_cluster();
    memset(private_key, 1, sizeof(private_key));
    memset(secret, 9, sizeof(secret));
    snprintf(key_file, sizeof(key_file), "%s/node.key", root);
    snprintf(secret_file, sizeof(secret_file), "%s/secret", root);
    snprintf(conf_cluster.key, sizeof(conf_cluster.key), "%s", key_file);
    snprintf(conf_cluster.secret, sizeof(conf_cluster.secret), "%s", secret_file);
    assert_int_equal(cluster_keys_read(&keys, &conf, error, sizeof(error)), -1);
    assert_int_equal(key_file_create(key_file, private_key, error, sizeof(error)), 0);
    assert_int_equal(key_file_create(secret_file, secret, error, sizeof(error)), 0);
    assert_int_equal(cluster_keys_read(&keys, &conf, error, sizeof(error)), 0);
    assert_true(keys.is_set);
    assert_int_equal(keys.identity.public_key[5], 0xfe);
    assert_memory_equal(keys.secret, secret, sizeof(secret));
    assert_int_equal(chmod(secret_file, 0644), 0);
    assert_int_equal(cluster_keys_read(&keys, &conf, error, sizeof(error)), -1);
    assert_false(keys.is_set);
    conf.cluster = NULL;
    assert_int_equal(cluster_keys_read(&keys, &conf, error, sizeof(error)), 0);
    assert_false(keys.is_set);
}

static void a_ring_without_memory_is_busy_until_an_old_one_goes(void **state)
{
    struct members *m;
    struct cluster_part *one, *two;

    make_cluster();
    rings_room = 1;
    m = members_static_create(&conf, NULL, NULL);
    one = cluster_part_build(m, "n1", &keys, NULL, 1);
    assert_non_null(one);
    assert_null(cluster_part_build(m, "n1", &keys, NULL, 2));
    assert_int_equal(errno, EBUSY);
    part_release(&one->part);
    two = cluster_part_build(m, "n1", &keys, NULL, 2);
    assert_non_null(two);
    part_release(&two->part);
    members_destroy(m);
}

static struct world *build_world(uint64_t epoch, struct certs_part *certs,
                                 struct scripts_part *scripts, struct cluster_part *cluster)
{
    static const uint64_t held[] = {77};

    return world_build(&(struct world_plan){.epoch = epoch,
                                            .conf = &conf,
                                            .tune = &conf.tune,
                                            .certs = certs,
                                            .scripts = scripts,
                                            .cluster = cluster,
                                            .own_state = NODE_SERVING,
                                            .is_leaving = true,
                                            .can_start_cells = epoch > 1,
                                            .held_count = 1,
                                            .held = held});
}

static void an_old_world_goes_when_the_core_has_moved_on(void **state)
{
    size_t bytes = (rte_rcu_qsbr_get_memsize(1) + 63) / 64 * 64;
    struct world_shared shared = {.qsbr = aligned_alloc(64, bytes)};
    struct publisher publisher;
    struct certs_part *certs = certs_part_build(&conf, NULL, error, sizeof(error));
    struct scripts_part *one, *two;
    struct members *members;
    struct cluster_part *cluster;
    uint64_t old_handle;

    make_cluster();
    conf.tune.widen_rps = 77;
    members = members_static_create(&conf, NULL, NULL);
    cluster = cluster_part_build(members, "n1", &keys, NULL, 1);
    rte_rcu_qsbr_init(shared.qsbr, 1);
    publisher_init(&publisher, &shared, NULL, NULL);
    old_handle = adopt("alpha", "a.test")->handle;
    one = build_scripts(NULL, NULL);
    world_publish(&publisher, build_world(1, certs, one, cluster));
    assert_false(publisher_reclaim(&publisher));
    assert_int_equal(world_current(&shared)->epoch, 1);
    assert_false(world_current(&shared)->can_start_cells);
    assert_int_equal(world_current(&shared)->held_count, 1);
    assert_int_equal(world_current(&shared)->held[0], 77);
    assert_int_equal(world_current(&shared)->limits.request_body_bytes_max, 3 << 20);
    assert_int_equal(world_current(&shared)->tune.widen_rps, 77);
    assert_int_equal(world_current(&shared)->cluster.member_count, 3);
    assert_int_equal(world_current(&shared)->cluster.own_state, NODE_SERVING);
    assert_true(world_current(&shared)->cluster.is_leaving);
    assert_ptr_equal(world_current(&shared)->cluster.identity, &keys.identity);
    assert_ptr_equal(world_current(&shared)->cluster.secret, keys.secret);
    assert_non_null(world_script(world_current(&shared), XXH3_64bits("alpha", 5)));

    /* A core is at work in the first world. */
    rte_rcu_qsbr_thread_register(shared.qsbr, 0);
    rte_rcu_qsbr_thread_online(shared.qsbr, 0);
    adopt("alpha", "b.test");
    two = build_scripts(NULL, NULL);
    part_release(&one->part);
    world_publish(&publisher, build_world(2, certs, two, cluster));
    assert_true(world_current(&shared)->can_start_cells);
    assert_true(publisher_reclaim(&publisher));
    assert_int_equal(gone_count, 0);

    /* It ends its iteration: the old version is forgotten. */
    rte_rcu_qsbr_quiescent(shared.qsbr, 0);
    assert_false(publisher_reclaim(&publisher));
    assert_int_equal(gone_count, 1);
    assert_int_equal(gone[0], old_handle);

    /* A sleeping core holds nothing back. */
    rte_rcu_qsbr_thread_offline(shared.qsbr, 0);
    world_publish(&publisher, build_world(3, certs, two, cluster));
    assert_false(publisher_reclaim(&publisher));
    part_release(&two->part);
    part_release(&certs->part);
    part_release(&cluster->part);
    members_destroy(members);
    assert_int_equal(rings_alive, 1);
    publisher_fini(&publisher);
    assert_null(world_current(&shared));
    free(shared.qsbr);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(certificates_serve_the_names_they_carry),
        TEST(one_bad_certificate_refuses_them_all),
        TEST(scripts_answer_their_routes_and_their_own_names),
        TEST(a_candidate_stands_in_for_the_current_one),
        TEST(a_script_can_be_left_out),
        TEST(a_route_belongs_to_one_script),
        TEST(every_script_is_found_by_its_hash),
        TEST(without_scripts_none_is_found),
        TEST(a_script_carries_its_version_owner_and_bindings),
        TEST(a_node_alone_is_its_only_member),
        TEST(members_are_sorted_by_name_whatever_the_order_of_the_file),
        TEST(a_list_that_this_node_cannot_be_in_is_refused),
        TEST(keys_come_from_their_files),
        TEST(a_ring_without_memory_is_busy_until_an_old_one_goes),
        TEST(an_old_world_goes_when_the_core_has_moved_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
