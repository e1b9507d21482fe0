#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/tls/cert.h"

/* Certs never look into a context: any addresses will do. */
static char place[3];
static struct tls_context *const contexts[] = {(void *)&place[0], (void *)&place[1],
                                               (void *)&place[2]};
static const struct cert_source sources[] = {
    {"example.com", 0},     {"*.example.com", 1}, {"www.example.com", 0},
    {"www.example.com", 1}, {"*.com", 2},         {"a.example.com", 2},
};

static void the_table_of_hosts(void **state)
{
    static const struct {
        const char *host;
        int serves;    /* context; -1: none */
        int covers[3]; /* by context */
    } rows[] = {
        {"example.com", 0, {1, 0, 1}},      {"www.example.com", 0, {1, 1, 0}},
        {"a.example.com", 2, {0, 1, 1}},    {"b.example.com", 1, {0, 1, 0}},
        {"b.a.example.com", -1, {0, 0, 0}}, {".example.com", -1, {0, 0, 0}},
        {"*.example.com", 1, {0, 1, 0}}, /* no host is spelled like this: host.h */
        {"other.com", 2, {0, 0, 1}},        {"com", -1, {0, 0, 0}},
        {"example.org", -1, {0, 0, 0}},     {"", -1, {0, 0, 0}},
    };
    for (int has_default = 0; has_default <= 1; has_default++) {
        struct certs *certs = certs_build(contexts, 3, sources, 6, has_default ? 2 : CERT_NONE);
        struct tls_context *fallback = has_default ? contexts[2] : NULL;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            size_t len = strlen(rows[i].host);
            struct tls_context *want = rows[i].serves >= 0 ? contexts[rows[i].serves] : fallback;
            if (certs_find(certs, rows[i].host, len) != want)
                fail_msg("%s is served by another", rows[i].host);
            for (int c = 0; c < 3; c++)
                if (certs_covers(certs, contexts[c], rows[i].host, len) != rows[i].covers[c])
                    fail_msg("%s and context %d", rows[i].host, c);
        }
        assert_ptr_equal(certs_find(certs, NULL, 0), fallback);
        certs_destroy(certs);
    }
}

static void no_sources_serve_the_default(void **state)
{
    struct certs *certs = certs_build(contexts, 1, NULL, 0, 0);
    assert_ptr_equal(certs_find(certs, "a.test", 6), contexts[0]);
    assert_false(certs_covers(certs, contexts[0], "a.test", 6));
    certs_destroy(certs);
}

static void many_names_are_all_found(void **state)
{
    enum { COUNT = 4096 };
    static char names[COUNT][32];
    static struct cert_source many[COUNT];
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof(names[i]), "%sn%d.test", i % 2 ? "*." : "", i);
        many[i] = (struct cert_source){names[i], (uint32_t)i % 3};
    }
    struct certs *certs = certs_build(contexts, 3, many, COUNT, CERT_NONE);
    for (int i = 0; i < COUNT; i++) {
        char host[40];
        int len = snprintf(host, sizeof(host), "%s%s", i % 2 ? "x" : "", names[i] + i % 2);
        assert_ptr_equal(certs_find(certs, host, (size_t)len), contexts[i % 3]);
        assert_null(certs_find(certs, host, (size_t)len - 1));
    }
    certs_destroy(certs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_hosts),
        cmocka_unit_test(no_sources_serve_the_default),
        cmocka_unit_test(many_names_are_all_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
