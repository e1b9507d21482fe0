/* The order of patterns by rows, and all of it against a naive matcher on random routes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/world/route.h"

static uint64_t slow;

static uint32_t find(const struct routes *r, const char *host, const char *path)
{
    return routes_find(r, 0, host, strlen(host), path, strlen(path), &slow);
}

static void each_request_finds_the_most_specific_pattern(void **state)
{
    static const struct route_source sources[] = {
        {"example.com", 0, false},
        {"example.com/api/*", 1, false},
        {"example.com/api/v2*", 2, false},
        {"example.com/api/v2/exact", 3, false},
        {"*.example.com/*", 4, false},
        {"*.example.com/api/*", 5, false},
        {"*.deep.example.com", 6, false},
        {"*shop.test", 7, false},
        {"paths.test/only/*", 8, false},
        {"alpha.hearth.test", 9, true},
        {"beta.hearth.test", 10, true},
        {"beta.hearth.test/x*", 11, false},
        {"*.hearth.test/status", 12, false},
        {"www.example.com", 13, false},
        {"twice.test", 15, false},
        {"twice.test/*", 14, false},
        {"same.test/a*", 16, false},
        {"same.test/a", 17, false},
        {"odd.test/a.b(c)[d]+$^|\\", 18, false},
    };
    static const struct {
        const char *what, *host, *path;
        uint32_t script;
    } rows[] = {
        {"a host without a path means every path", "example.com", "/", 0},
        {"the longer path wins", "example.com", "/api/x", 1},
        {"the still longer path wins", "example.com", "/api/v2/x", 2},
        {"a whole path wins over its prefix", "example.com", "/api/v2/exact", 3},
        {"a whole path is no prefix", "example.com", "/api/v2/exact/", 2},
        {"a prefix must be complete", "example.com", "/api", 0},
        {"paths are case sensitive", "example.com", "/API/x", 0},
        {"a wildcard takes one label", "a.example.com", "/", 4},
        {"a wildcard takes many labels", "a.b.example.com", "/", 4},
        {"a path under a wildcard", "a.example.com", "/api/x", 5},
        {"a wildcard with its dot does not take the bare domain", "xample.com", "/", ROUTE_NONE},
        {"among wildcards the longer path wins before the longer host", "a.deep.example.com",
         "/api/", 5},
        {"among wildcards of equal paths the longer host wins", "a.deep.example.com", "/", 6},
        {"an exact host wins over a wildcard's longer path", "www.example.com", "/api/x", 13},
        {"a wildcard without a dot takes the bare domain", "shop.test", "/", 7},
        {"a wildcard without a dot takes other names", "myshop.test", "/", 7},
        {"a host with paths only has no others", "paths.test", "/", ROUTE_NONE},
        {"a host with paths only has these", "paths.test", "/only/this", 8},
        {"a script's own name", "alpha.hearth.test", "/x", 9},
        {"an explicit path above a script's own name", "beta.hearth.test", "/xyz", 11},
        {"a script's own name below its explicit path", "beta.hearth.test", "/y", 10},
        {"a wildcard below another script's own name", "alpha.hearth.test", "/status", 9},
        {"of two equal patterns the lower script", "twice.test", "/", 14},
        {"a whole path before a prefix of the same length", "same.test", "/a", 17},
        {"the prefix behind it", "same.test", "/ab", 16},
        {"bytes that mean something in an expression", "odd.test", "/a.b(c)[d]+$^|\\", 18},
        {"and mean only themselves", "odd.test", "/axb(c)[d]+$^|\\", ROUTE_NONE},
        {"a newline at the end is a byte", "same.test", "/a\n", 16},
        {"an unknown host", "nobody.test", "/", ROUTE_NONE},
        {"an empty host", "", "/", ROUTE_NONE},
    };
    char error[256];
    struct routes *r =
        routes_build(sources, sizeof(sources) / sizeof(sources[0]), 2, error, sizeof(error));

    assert_non_null(r);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t script = find(r, rows[i].host, rows[i].path);

        if (script != rows[i].script)
            fail_msg("%s: %s%s gave %d", rows[i].what, rows[i].host, rows[i].path, (int)script);
        assert_int_equal(routes_find(r, 1, rows[i].host, strlen(rows[i].host), rows[i].path,
                                     strlen(rows[i].path), &slow),
                         script);
    }
    routes_destroy(r);
}

static void a_wildcard_does_not_shadow_another_scripts_implied_host(void **state)
{
    enum { OURS, OUR_WILD, THEIRS, THEIR_WILD, EVERYTHING };
    static const struct route_source sources[] = {
        {"ours.zone.test", OURS, true, 0},
        {"*.zone.test/deep/*", OUR_WILD, false, 0},
        {"theirs.acme.zone.test", THEIRS, true, 1},
        {"*.acme.zone.test/own*", THEIRS, false, 1},
        {"*.acme.zone.test/x*", THEIR_WILD, false, 1},
        {"*", EVERYTHING, false, 2},
    };
    static const struct {
        const char *what, *host, *path;
        uint32_t script;
    } rows[] = {
        {"a catch-all of another account", "ours.zone.test", "/", OURS},
        {"a wildcard of the same account", "ours.zone.test", "/deep/x", OURS},
        {"a longer wildcard of another account", "theirs.acme.zone.test", "/deep/x", THEIRS},
        {"another of the same account", "theirs.acme.zone.test", "/xyz", THEIRS},
        {"a wildcard of its own", "theirs.acme.zone.test", "/own", THEIRS},
        {"a host that is nobody's own", "free.acme.zone.test", "/y", EVERYTHING},
        {"another, by the longer path", "free.acme.zone.test", "/deep/x", OUR_WILD},
    };
    char error[256];
    uint32_t scripts[8], count;
    struct routes *r =
        routes_build(sources, sizeof(sources) / sizeof(sources[0]), 1, error, sizeof(error));

    assert_non_null(r);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (find(r, rows[i].host, rows[i].path) != rows[i].script)
            fail_msg("%s: %s%s gave %d", rows[i].what, rows[i].host, rows[i].path,
                     (int)find(r, rows[i].host, rows[i].path));
    count = routes_of_host(r, 0, "theirs.acme.zone.test", 21, scripts, 8, &slow);
    assert_int_equal(count, 1);
    assert_int_equal(scripts[0], THEIRS);
    routes_destroy(r);
}

static void a_bad_pattern_is_named(void **state)
{
    static const struct {
        const char *what, *pattern, *error;
    } rows[] = {
        {"nothing", "", "route \"\": the host is missing"},
        {"no host", "/x", "route \"/x\": the host is missing"},
        {"a scheme", "https://a.test/",
         "route \"https://a.test/\": a scheme is not part of a route"},
        {"a star inside the host", "a.*.test",
         "route \"a.*.test\": in the host, * must be its first character"},
        {"a star inside the path", "a.test/*/x",
         "route \"a.test/*/x\": in the path, * must be its last character"},
        {"a query", "a.test/?x", "route \"a.test/?x\": a route has no query"},
        {"upper case", "A.test",
         "route \"A.test\": the host has a character that no host has (it must be lower case, "
         "without a port)"},
    };
    char error[256];

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct route_source source = {rows[i].pattern, 0, false};

        assert_null(routes_build(&source, 1, 1, error, sizeof(error)));
        if (strcmp(error, rows[i].error))
            fail_msg("%s: %s", rows[i].what, error);
    }
}

static void the_scripts_of_a_host_are_all_that_its_paths_reach(void **state)
{
    static const struct route_source sources[] = {
        {"a.test", 0, false},       {"a.test/x*", 1, false}, {"a.test/y*", 1, false},
        {"b.test/x*", 2, false},    {"*.test/z", 3, false},  {"c.test", 4, true},
        {"*.other.test", 5, false},
    };
    char error[256];
    uint32_t scripts[4];
    struct routes *r = routes_build(sources, 7, 1, error, sizeof(error));

    assert_non_null(r);
    assert_int_equal(routes_of_host(r, 0, "a.test", 6, scripts, 4, &slow), 2);
    assert_int_equal(scripts[0] + scripts[1], 1);
    assert_int_equal(routes_of_host(r, 0, "a.test", 6, scripts, 1, &slow), 1);
    assert_int_equal(routes_of_host(r, 0, "b.test", 6, scripts, 4, &slow), 2);
    assert_int_equal(scripts[0] + scripts[1], 5);
    assert_int_equal(routes_of_host(r, 0, "c.test", 6, scripts, 4, &slow), 1);
    assert_int_equal(scripts[0], 4);
    assert_int_equal(routes_of_host(r, 0, "x.other.test", 12, scripts, 4, &slow), 2);
    assert_int_equal(routes_of_host(r, 0, "nobody", 6, scripts, 4, &slow), 0);
    routes_destroy(r);
}

static void no_routes_answer_nothing(void **state)
{
    char error[256];
    struct routes *r = routes_build(NULL, 0, 1, error, sizeof(error));
    uint32_t script;

    assert_non_null(r);
    assert_int_equal(find(r, "a.test", "/"), ROUTE_NONE);
    assert_int_equal(routes_of_host(r, 0, "a.test", 6, &script, 1, &slow), 0);
    routes_destroy(r);
}

/* ---- against a naive matcher ---- */

static uint64_t draw_state;

static uint32_t draw(uint32_t below)
{
    draw_state = draw_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(draw_state >> 33) % below;
}

static void draw_host(char *out)
{
    static const char *const labels[] = {"a", "b", "ab", "x-1", "test"};

    *out = 0;
    for (uint32_t i = 0, n = 1 + draw(3); i < n; i++) {
        strcat(out, i ? "." : "");
        strcat(out, labels[draw(5)]);
    }
}

static void draw_path(char *out)
{
    static const char letters[] = "ab/.";
    uint32_t n = draw(6);

    *out++ = '/';
    while (n--)
        *out++ = letters[draw(4)];
    *out = 0;
}

/* 3 numbers that order the matches; false: no match. */
static bool naive_match(const struct route_source *s, const char *host, const char *path,
                        int rank[6])
{
    char pattern_host[300];
    const char *slash = strchr(s->pattern, '/');
    const char *pattern_path = slash ? slash : "/*";
    size_t path_bytes = strlen(pattern_path);
    bool is_prefix = pattern_path[path_bytes - 1] == '*';
    bool is_wild = s->pattern[0] == '*';
    size_t suffix;

    snprintf(pattern_host, sizeof(pattern_host), "%.*s",
             slash ? (int)(slash - s->pattern) : (int)strlen(s->pattern), s->pattern);
    path_bytes -= is_prefix;
    suffix = strlen(pattern_host) - is_wild;
    if (is_wild ? strlen(host) < suffix || strcmp(host + strlen(host) - suffix, pattern_host + 1)
                : strcmp(host, pattern_host))
        return false;
    if (is_prefix ? strncmp(path, pattern_path, path_bytes) : strcmp(path, pattern_path))
        return false;
    rank[0] = s->is_implied;
    rank[1] = is_wild;
    rank[2] = -(int)path_bytes;
    rank[3] = is_prefix;
    rank[4] = -(int)suffix;
    rank[5] = (int)s->script;
    return true;
}

/* Whose own name the host is. */
static uint32_t naive_own(const struct route_source *s, uint32_t count, const char *host)
{
    uint32_t script = ROUTE_NONE;

    for (uint32_t i = 0; i < count; i++) {
        size_t len = strcspn(s[i].pattern, "/");
        const char *path = s[i].pattern + len;
        bool is_own = s[i].is_implied && strlen(host) == len && !strncmp(host, s[i].pattern, len);

        if (is_own && (!*path || !strcmp(path, "/*")) && s[i].script < script)
            script = s[i].script;
    }
    return script;
}

static uint32_t naive_find(const struct route_source *s, uint32_t count, const char *host,
                           const char *path)
{
    int best[6], rank[6];
    uint32_t script = ROUTE_NONE, own = naive_own(s, count, host);

    for (uint32_t i = 0; i < count; i++) {
        int k = 0;

        if (!naive_match(&s[i], host, path, rank) ||
            (rank[1] && own != ROUTE_NONE && own != s[i].script))
            continue;
        while (script != ROUTE_NONE && k < 5 && rank[k] == best[k])
            k++;
        if (script == ROUTE_NONE || rank[k] < best[k]) {
            memcpy(best, rank, sizeof(best));
            script = s[i].script;
        }
    }
    return script;
}

static void random_routes_agree_with_a_naive_matcher(void **state)
{
    enum { ROUTES = 24 };
    char text[ROUTES][128], host[64], path[32], error[256];
    struct route_source sources[ROUTES];

    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct routes *r;

        draw_state = seed;
        for (uint32_t i = 0; i < ROUTES; i++) {
            uint32_t kind = draw(4);

            draw_host(host);
            draw_path(path);
            snprintf(text[i], sizeof(text[i]), "%s%s%s%s",
                     kind == 1   ? "*."
                     : kind == 2 ? "*"
                                 : "",
                     host, draw(3) ? path : "", "");
            if (strchr(text[i], '/') && draw(2))
                strcat(text[i], "*");
            sources[i] = (struct route_source){text[i], draw(ROUTES), kind == 3 && draw(2)};
        }
        r = routes_build(sources, ROUTES, 1, error, sizeof(error));
        if (!r)
            fail_msg("seed %u: %s", (unsigned)seed, error);
        for (int i = 0; i < 400; i++) {
            uint32_t want, got;

            draw_host(host);
            draw_path(path);
            want = naive_find(sources, ROUTES, host, path);
            got = find(r, host, path);
            if (want != got)
                fail_msg("seed %u: %s%s gave %d, not %d", (unsigned)seed, host, path, (int)got,
                         (int)want);
        }
        routes_destroy(r);
    }
}

/* With these Hyperscan 5.4 gives up on the text (HS_UNKNOWN_ERROR), by AVX-512 VBMI at least. */
static void what_hyperscan_gives_up_on_is_found(void **state)
{
    static const char *const patterns[] = {
        "abbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbt",
        "e/sa",
        "t.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
        "bbbbbbbbbbbbbbbbbbbbbb",
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbrbbt",
        "e/sa",
        "t.b",
        "bbbbbbbbbbbbbbbbbbbbbbbbbb",
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbcbbbbbbbbbbbbb2bbbbbbbbbbbbb",
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/sa",
        "t.bbbbbbbbbbbbbbbbbbbbbbbbbbbrbbbbbbbbbbbb",
        "bbbbbbbbbbbbbb0078870430bbbbbbbbbbbbbbbbbbbbbbb",
        "bbbbbbbbbbbbbb",
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbrbbt",
        "e/sa",
        "t.b",
        "bbbbbbbbbbbbbbbbbbbbbbbbbb",
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb/s*",
    };
    static const char host[] = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    static const char path[] =
        "/sa\nt.bbbbbbbbbbbbbbbbbbbbbbbbbbbrbbbbbbbbbbbb\nbbbbbbbbbbbbbb0078870"
        "430bbbbbbbbbbbbbbbbbbbbbbb\nbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    struct route_source sources[sizeof(patterns) / sizeof(patterns[0])];
    uint32_t count = sizeof(patterns) / sizeof(patterns[0]);
    char error[256];
    struct routes *r;

    for (uint32_t i = 0; i < count; i++)
        sources[i] = (struct route_source){patterns[i], i, false};
    r = routes_build(sources, count, 1, error, sizeof(error));
    assert_non_null(r);
    slow = 0;
    assert_int_equal(naive_find(sources, count, host, path), count - 1);
    assert_int_equal(find(r, host, path), count - 1);
    print_message("Hyperscan gave up %s\n", slow ? "here" : "not here");
    for (uint32_t i = 0; i < count; i++) {
        char own[128];
        size_t bytes = strcspn(patterns[i], "/");

        snprintf(own, sizeof(own), "%.*s", (int)bytes, patterns[i]);
        assert_int_equal(find(r, own, path), naive_find(sources, count, own, path));
        assert_int_equal(find(r, own, "/sa"), naive_find(sources, count, own, "/sa"));
    }
    routes_destroy(r);
}

static void ten_thousand_routes_are_found(void **state)
{
    enum { ROUTES = 10000 };
    char(*text)[64] = calloc(ROUTES, sizeof(*text));
    struct route_source *sources = calloc(ROUTES, sizeof(*sources));
    char error[256], host[64];
    struct routes *r;

    for (uint32_t i = 0; i < ROUTES; i++) {
        static const char *const formats[] = {"h%u.test", "h%u.test", "h%u.test/api/*",
                                              "*.w%u.test/*"};

        snprintf(text[i], sizeof(text[i]), formats[i % 4], i);
        sources[i] = (struct route_source){text[i], i, false};
    }
    r = routes_build(sources, ROUTES, 1, error, sizeof(error));
    if (!r)
        fail_msg("%s", error);
    for (uint32_t i = 0; i < ROUTES; i++) {
        snprintf(host, sizeof(host), i % 4 == 3 ? "x.w%u.test" : "h%u.test", i);
        assert_int_equal(find(r, host, "/api/x"), i);
        assert_int_equal(find(r, host, "/"), i % 4 == 2 ? ROUTE_NONE : i);
    }
    routes_destroy(r);
    free(sources);
    free(text);
}

static void a_pattern_that_no_request_matches_is_refused_at_a_deploy(void **state)
{
    static const struct {
        const char *what, *pattern;
        bool is_good;
    } rows[] = {
        {"a path", "a.test/api/v1", true},
        {"a prefix", "a.test/api/*", true},
        {"a prefix that ends in a dot", "a.test/.*", true},
        {"a prefix that ends in two dots", "a.test/x/..*", true},
        {"an escape", "a.test/caf%C3%A9", true},
        {"a dot segment", "a.test/./api", false},
        {"two dots in a prefix", "a.test/x/../api/*", false},
        {"dots in an escape", "a.test/x/%2e%2e", false},
        {"letters that are not ASCII", "a.test/caf\xc3\xa9", false},
        {"a byte that a URL escapes", "a.test/{id}", false},
        {"a backslash", "a.test/a\\b", false},
    };
    char error[512];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct route_source source = {rows[i].pattern, 0, false};
        if (route_pattern_check(rows[i].pattern, error, sizeof(error)) != rows[i].is_good)
            fail_msg("%s", rows[i].what);
        /* What was deployed before is no reason not to start. */
        struct routes *r = routes_build(&source, 1, 1, error, sizeof(error));
        assert_non_null(r);
        routes_destroy(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_finds_the_most_specific_pattern),
        cmocka_unit_test(a_wildcard_does_not_shadow_another_scripts_implied_host),
        cmocka_unit_test(a_bad_pattern_is_named),
        cmocka_unit_test(a_pattern_that_no_request_matches_is_refused_at_a_deploy),
        cmocka_unit_test(the_scripts_of_a_host_are_all_that_its_paths_reach),
        cmocka_unit_test(no_routes_answer_nothing),
        cmocka_unit_test(random_routes_agree_with_a_naive_matcher),
        cmocka_unit_test(what_hyperscan_gives_up_on_is_found),
        cmocka_unit_test(ten_thousand_routes_are_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
