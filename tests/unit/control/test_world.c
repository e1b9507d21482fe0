/* Worlds out of their parts, and when an old one may go. Certificates and runtime processes are doubles; scripts, routes and
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
#include <rte_rcu_qsbr.h>

#include "control/world_build.h"
#include "dataplane/cert.h"

/* ---- doubles ---- */

struct tls_context {
    char names[64];
};

static int contexts_alive;
static int certs_alive;
static uint32_t certs_default;
static char certs_sources[256];

struct tls_context *tls_context_create(const char *chain, const char *key,
                                       const struct tls_ticket_keys *keys, char *error,
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

/* One runtime whose region the test makes. */
static struct part *region;
static int regions_alive;

static void region_destroy(struct part *p)
{
    regions_alive--;
    free(p);
}

static void new_region(void)
{
    region = calloc(1, sizeof(*region));
    part_init(region, region_destroy);
    regions_alive++;
}

uint32_t supervise_count(const struct supervise *s)
{
    return 1;
}

struct world_runtime supervise_runtime(const struct supervise *s, uint32_t i, struct part **out)
{
    *out = region;
    return (struct world_runtime){.region = region, .wake_fd = -1};
}

/* ---- frame ---- */

static char root[64];
static char error[512];
static struct store store;
static struct catalog catalog;
static struct conf conf;
static struct conf_certificate certificates[2];
static uint64_t gone[16];
static int gone_count;

static void on_gone(void *arg, uint64_t handle)
{
    gone[gone_count++] = handle;
}

static struct script *load(const char *name, const char *route)
{
    char sha[65];
    json_t *m = json_pack("{s:s, s:s, s:[s], s:[{s:s, s:i}]}", "name", name, "main", "i.js",
                          "routes", route, "modules", "name", "i.js", "bytes", 1);
    struct script *s;

    if (store_put(&store, m, (const uint8_t *)"x", 1, sha, error, sizeof(error)))
        fail_msg("%s", error);
    json_decref(m);
    s = script_load(&catalog, &store, sha, 1, error, sizeof(error));
    if (!s)
        fail_msg("%s", error);
    return s;
}

static struct script *adopt(const char *name, const char *route)
{
    struct script *s = load(name, route);

    catalog_adopt(&catalog, s);
    script_release(s);
    return s;
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
    assert_int_equal(regions_alive, 0);
    return system(command);
}

static struct scripts_part *build_scripts(struct script *candidate, const struct script *left_out)
{
    return scripts_part_build(&catalog, candidate, left_out, &conf, error, sizeof(error));
}

static const char *found(const struct scripts_part *p, const char *host)
{
    uint32_t i = routes_find(p->routes, 0, host, strlen(host), "/", 1);

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
    assert_null(certs_part_build(&conf, NULL, error, sizeof(error)));
    assert_string_equal(error, "/bad: no certificate");
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

static void an_old_world_goes_when_the_core_has_moved_on(void **state)
{
    size_t bytes = (rte_rcu_qsbr_get_memsize(1) + 63) / 64 * 64;
    struct world_shared shared = {.qsbr = aligned_alloc(64, bytes)};
    struct publisher publisher;
    struct certs_part *certs = certs_part_build(&conf, NULL, error, sizeof(error));
    struct scripts_part *one, *two;
    struct part *first_region;
    uint64_t old_handle;

    rte_rcu_qsbr_init(shared.qsbr, 1);
    publisher_init(&publisher, &shared, NULL, NULL);
    new_region();
    first_region = region;
    old_handle = adopt("alpha", "a.test")->handle;
    one = build_scripts(NULL, NULL);
    world_publish(&publisher, world_build(1, &conf, certs, one, NULL));
    assert_false(publisher_reclaim(&publisher));
    assert_int_equal(world_current(&shared)->epoch, 1);
    assert_ptr_equal(world_current(&shared)->runtime[0].region, first_region);
    assert_int_equal(world_current(&shared)->limits.request_body_bytes_max, 3 << 20);

    /* A core is at work in the first world. */
    rte_rcu_qsbr_thread_register(shared.qsbr, 0);
    rte_rcu_qsbr_thread_online(shared.qsbr, 0);
    adopt("alpha", "b.test");
    two = build_scripts(NULL, NULL);
    part_release(&one->part);
    part_release(region);
    region = NULL;
    world_publish(&publisher, world_build(2, &conf, certs, two, NULL));
    assert_null(world_current(&shared)->runtime[0].region);
    assert_true(publisher_reclaim(&publisher));
    assert_int_equal(regions_alive, 1);
    assert_int_equal(gone_count, 0);

    /* It ends its iteration: the region is unmapped, the old version forgotten. */
    rte_rcu_qsbr_quiescent(shared.qsbr, 0);
    assert_false(publisher_reclaim(&publisher));
    assert_int_equal(regions_alive, 0);
    assert_int_equal(gone_count, 1);
    assert_int_equal(gone[0], old_handle);

    /* A sleeping core holds nothing back. */
    rte_rcu_qsbr_thread_offline(shared.qsbr, 0);
    world_publish(&publisher, world_build(3, &conf, certs, two, NULL));
    assert_false(publisher_reclaim(&publisher));
    part_release(&two->part);
    part_release(&certs->part);
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
        TEST(an_old_world_goes_when_the_core_has_moved_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
