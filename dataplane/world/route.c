#include "dataplane/world/route.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hs/hs.h>
#include <xxhash.h>

#include "dataplane/base/limits.h"
#include "dataplane/world/url_path.h"

/* One pattern, taken apart. Rules lie in order of rank: the first that matches wins. */
struct rule {
    char *host; /* without its `*` */
    /* host and path without their `*`, backwards; the path is "/" when none was given */
    char *literal;
    uint16_t host_bytes, path_bytes;
    bool is_wild_host; /* host is a suffix */
    bool is_prefix;    /* path is a prefix */
    bool is_implied;
    uint32_t script;
};

/* An exact host: where its rules are. */
struct host_entry {
    uint64_t hash;
    const char *host; /* NULL: empty */
    uint32_t host_bytes;
    uint32_t every_path;                 /* rank of its rule for every path, or ROUTE_NONE */
    uint32_t script_first, script_count; /* in host_scripts */
    bool has_paths;                      /* some rule of it looks at the path */
};

struct routes {
    uint32_t rule_count;
    struct rule *rules;
    uint32_t mask;
    struct host_entry *hosts;
    uint32_t *host_scripts;
    size_t path_bytes_max; /* of all patterns: what of a path can matter */
    uint32_t wild_count;
    hs_database_t *patterns;   /* over host + path; id = rank. NULL: no rule needs it */
    hs_database_t *wild_hosts; /* over the host and one "/"; id = rank. NULL: none */
    uint32_t cores;
    hs_scratch_t **scratch;
};

/* ---- patterns ---- */

static bool is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

static const char *pattern_fault(const char *pattern)
{
    const char *host = pattern;
    const char *slash = strchr(pattern, '/');
    size_t host_bytes = slash ? (size_t)(slash - pattern) : strlen(pattern);
    const char *star;

    if (strlen(pattern) > ROUTE_PATTERN_BYTES_MAX)
        return "too long";
    if (strstr(pattern, "://"))
        return "a scheme is not part of a route";
    if (*host == '*') {
        host++;
        host_bytes--;
    } else if (!host_bytes) {
        return "the host is missing";
    }
    if (host_bytes > HOST_BYTES_MAX)
        return "the host is too long";
    for (size_t i = 0; i < host_bytes; i++) {
        if (host[i] == '*')
            return "in the host, * must be its first character";
        if (!is_host_byte(host[i]))
            return "the host has a character that no host has (it must be lower case, without a "
                   "port)";
    }
    if (!slash)
        return NULL;
    star = strchr(slash, '*');
    if (star && star[1])
        return "in the path, * must be its last character";
    if (strpbrk(slash, "?#"))
        return "a route has no query";
    return NULL;
}

/* A path that no request has: requests are matched as url_path writes them. */
static bool is_never_asked(const char *path)
{
    char some[ROUTE_PATTERN_BYTES_MAX + 1], written[3 * sizeof(some)];
    size_t len = strlen(path), path_bytes;
    memcpy(some, path, len);
    if (some[len - 1] == '*')
        some[len - 1] = 'x'; /* "/." of "/.*" is no dot segment */
    size_t bytes = url_path_write(written, sizeof(written), some, len, &path_bytes);
    return bytes != len || memcmp(some, written, len) != 0;
}

static bool check(const char *pattern, bool for_requests, char *error, size_t error_bytes)
{
    const char *fault = pattern_fault(pattern), *slash = strchr(pattern, '/');

    if (!fault && for_requests && slash && is_never_asked(slash))
        fault = "the path must be as URLs have it: without \".\" and \"..\" segments, and with "
                "percent-encoding for what is not ASCII and for \" < > ^ ` { }";

    if (fault)
        snprintf(error, error_bytes, "route \"%.200s\": %s", pattern, fault);
    return !fault;
}

bool route_pattern_check(const char *pattern, char *error, size_t error_bytes)
{
    return check(pattern, true, error, error_bytes);
}

static char *put_backwards(char *to, const char *from, size_t bytes)
{
    while (bytes)
        *to++ = from[--bytes];
    return to;
}

static bool rule_init(struct rule *r, const struct route_source *source)
{
    const char *slash = strchr(source->pattern, '/');
    const char *path = slash ? slash : "/*";
    const char *host = source->pattern;
    size_t host_bytes = slash ? (size_t)(slash - host) : strlen(host);
    size_t path_bytes = strlen(path);

    r->script = source->script;
    r->is_implied = source->is_implied;
    r->is_wild_host = *host == '*';
    r->is_prefix = path[path_bytes - 1] == '*';
    r->host_bytes = (uint16_t)(host_bytes - r->is_wild_host);
    r->path_bytes = (uint16_t)(path_bytes - r->is_prefix);
    r->host = strndup(host + r->is_wild_host, r->host_bytes);
    r->literal = malloc((size_t)r->host_bytes + r->path_bytes);
    if (!r->host || !r->literal)
        return false;
    put_backwards(put_backwards(r->literal, path, r->path_bytes), r->host, r->host_bytes);
    return true;
}

static bool rule_takes_every_path(const struct rule *r)
{
    return r->is_prefix && r->path_bytes == 1;
}

/* The order of the header, most specific first. */
static int by_rank(const void *a, const void *b)
{
    const struct rule *x = a, *y = b;

    if (x->is_implied != y->is_implied)
        return x->is_implied ? 1 : -1;
    if (x->is_wild_host != y->is_wild_host)
        return x->is_wild_host ? 1 : -1;
    if (x->path_bytes != y->path_bytes)
        return x->path_bytes > y->path_bytes ? -1 : 1;
    if (x->is_prefix != y->is_prefix)
        return x->is_prefix ? 1 : -1;
    if (x->host_bytes != y->host_bytes)
        return x->host_bytes > y->host_bytes ? -1 : 1;
    return x->script < y->script ? -1 : x->script > y->script;
}

/* ---- exact hosts ---- */

/* The entry of a host, or the empty one where it would be: the table is never full. */
static struct host_entry *entry_at(const struct routes *r, const char *host, size_t bytes)
{
    uint64_t hash = XXH3_64bits(host, bytes);

    for (uint64_t i = hash;; i++) {
        struct host_entry *e = &r->hosts[i & r->mask];

        if (!e->host ||
            (e->hash == hash && e->host_bytes == bytes && !memcmp(e->host, host, bytes)))
            return e;
    }
}

static bool build_hosts(struct routes *r)
{
    uint32_t slots = 2;
    uint32_t at = 0;

    while (slots < 2 * r->rule_count)
        slots *= 2;
    r->mask = slots - 1;
    r->hosts = calloc(slots, sizeof(*r->hosts));
    r->host_scripts = calloc(r->rule_count + 1, sizeof(*r->host_scripts));
    if (!r->hosts || !r->host_scripts)
        return false;
    for (uint32_t i = 0; i < r->rule_count; i++) {
        const struct rule *rule = &r->rules[i];
        struct host_entry *e;

        if (rule->is_wild_host)
            continue;
        e = entry_at(r, rule->host, rule->host_bytes);
        if (!e->host) {
            e->hash = XXH3_64bits(rule->host, rule->host_bytes);
            e->host = rule->host;
            e->host_bytes = rule->host_bytes;
            e->every_path = ROUTE_NONE;
        }
        e->script_count++;
        if (!rule_takes_every_path(rule))
            e->has_paths = true;
        else if (e->every_path == ROUTE_NONE)
            e->every_path = i; /* rules come in order of rank: the first one is the best */
    }
    for (uint32_t i = 0; i < slots; i++) {
        r->hosts[i].script_first = at;
        at += r->hosts[i].script_count;
        r->hosts[i].script_count = 0;
    }
    for (uint32_t i = 0; i < r->rule_count; i++) {
        const struct rule *rule = &r->rules[i];
        struct host_entry *e;
        bool is_known = false;

        if (rule->is_wild_host)
            continue;
        e = entry_at(r, rule->host, rule->host_bytes);
        for (uint32_t k = 0; k < e->script_count; k++)
            is_known |= r->host_scripts[e->script_first + k] == rule->script;
        if (!is_known)
            r->host_scripts[e->script_first + e->script_count++] = rule->script;
    }
    return true;
}

/* ---- Hyperscan ----
 *
 * Every rule is one plain literal, host and path end to end and backwards ("*.a.test/x*" is
 * "x/tset.a."), looked for anywhere in the text "host/path" backwards; where it must lie is checked
 * in the callback by comparing offsets. Anchored expressions say the same and are far worse: 10,000
 * of "^[^/]*\.wN\.test/" took 18 s to compile and 22 us to look up. Backwards, because literals
 * with the same last bytes cost a comparison each, and routes of a node have the same zone and path
 * more often than the same first label.
 */

/* Compiles one literal per chosen rule. *out stays NULL when there are none. False: error says why.
 */
static bool compile(const struct routes *r, bool (*is_chosen)(const struct rule *), bool with_path,
                    hs_database_t **out, char *error, size_t error_bytes)
{
    const char **texts = calloc(r->rule_count + 1, sizeof(*texts));
    size_t *lens = calloc(r->rule_count + 1, sizeof(*lens));
    unsigned *flags = calloc(r->rule_count + 1, sizeof(*flags));
    unsigned *ids = calloc(r->rule_count + 1, sizeof(*ids));
    unsigned count = 0;
    bool ok = texts && lens && flags && ids;

    snprintf(error, error_bytes, "no memory for the routes");
    for (uint32_t i = 0; ok && i < r->rule_count; i++) {
        const struct rule *rule = &r->rules[i];

        if (!is_chosen(rule))
            continue;
        ids[count] = i;
        texts[count] = with_path ? rule->literal : rule->literal + rule->path_bytes - 1;
        lens[count++] = rule->host_bytes + (with_path ? rule->path_bytes : 1u);
    }
    if (ok && count) {
        hs_compile_error_t *fault = NULL;

        ok = hs_compile_lit_multi(texts, flags, ids, lens, count, HS_MODE_BLOCK, NULL, out,
                                  &fault) == HS_SUCCESS;
        if (!ok)
            snprintf(error, error_bytes, "routes: %s", fault ? fault->message : "Hyperscan failed");
        if (fault)
            hs_free_compile_error(fault);
    }
    free(texts);
    free(lens);
    free(flags);
    free(ids);
    return ok;
}

static bool needs_pattern(const struct rule *r)
{
    return r->is_wild_host || !rule_takes_every_path(r);
}

static bool is_wild(const struct rule *r)
{
    return r->is_wild_host;
}

static bool alloc_scratch(struct routes *r)
{
    r->scratch = calloc(r->cores, sizeof(*r->scratch));
    if (!r->scratch)
        return false;
    if (!r->patterns)
        return true;
    for (uint32_t i = 0; i < r->cores; i++) {
        if (i ? hs_clone_scratch(r->scratch[0], &r->scratch[i]) != HS_SUCCESS
              : hs_alloc_scratch(r->patterns, &r->scratch[0]) != HS_SUCCESS)
            return false;
        if (!i && r->wild_hosts && hs_alloc_scratch(r->wild_hosts, &r->scratch[0]) != HS_SUCCESS)
            return false;
    }
    return true;
}

/* ---- build ---- */

struct routes *routes_build(const struct route_source *source, uint32_t count, uint32_t cores,
                            char *error, size_t error_bytes)
{
    struct routes *r;

    assert(cores > 0);
    if (count > ROUTES_MAX) {
        snprintf(error, error_bytes, "%u routes: at most %u are possible", count, ROUTES_MAX);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++)
        if (!check(source[i].pattern, false, error, error_bytes))
            return NULL;
    snprintf(error, error_bytes, "no memory for the routes");
    r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->cores = cores;
    r->rules = calloc(count + 1, sizeof(*r->rules));
    if (!r->rules)
        goto fail;
    for (; r->rule_count < count; r->rule_count++)
        if (!rule_init(&r->rules[r->rule_count], &source[r->rule_count]))
            goto fail;
    qsort(r->rules, count, sizeof(*r->rules), by_rank);
    for (uint32_t i = 0; i < count; i++) {
        r->wild_count += r->rules[i].is_wild_host;
        if (r->rules[i].path_bytes > r->path_bytes_max)
            r->path_bytes_max = r->rules[i].path_bytes;
    }
    if (!build_hosts(r) || !compile(r, needs_pattern, true, &r->patterns, error, error_bytes) ||
        !compile(r, is_wild, false, &r->wild_hosts, error, error_bytes))
        goto fail;
    snprintf(error, error_bytes, "no memory for the routes");
    if (!alloc_scratch(r))
        goto fail;
    *error = 0;
    return r;

fail:
    routes_destroy(r);
    return NULL;
}

void routes_destroy(struct routes *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; r->scratch && i < r->cores; i++)
        hs_free_scratch(r->scratch[i]);
    free(r->scratch);
    hs_free_database(r->wild_hosts);
    hs_free_database(r->patterns);
    free(r->host_scripts);
    free(r->hosts);
    for (uint32_t i = 0; i < r->rule_count; i++) {
        free(r->rules[i].host);
        free(r->rules[i].literal);
    }
    free(r->rules);
    free(r);
}

/* ---- look up ---- */

struct search {
    const struct rule *rules;
    size_t host_bytes, text_bytes;
    uint32_t best;
};

static int keep_lowest(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                       void *arg)
{
    struct search *s = arg;
    const struct rule *r = &s->rules[id];

    /* The literal must begin where the rule's path ends, so that its host's end is the host's
     * end. */
    if (id < s->best && to == s->text_bytes - s->host_bytes + r->host_bytes &&
        (r->is_wild_host || r->host_bytes == s->host_bytes) &&
        (r->is_prefix || r->path_bytes == s->text_bytes - s->host_bytes))
        s->best = id;
    return 0;
}

uint32_t routes_find(const struct routes *r, uint32_t core, const char *host, size_t host_bytes,
                     const char *path, size_t path_bytes)
{
    /* A byte more than any pattern has: what lies behind can change no verdict. */
    char text[HOST_BYTES_MAX + ROUTE_PATTERN_BYTES_MAX + 1];
    const struct host_entry *e;
    struct search s = {.rules = r->rules, .host_bytes = host_bytes, .best = ROUTE_NONE};

    assert(core < r->cores);
    if (host_bytes > HOST_BYTES_MAX)
        return ROUTE_NONE;
    e = entry_at(r, host, host_bytes);
    if (e->host) {
        s.best = e->every_path;
        if (s.best != ROUTE_NONE && !e->has_paths &&
            (!r->rules[s.best].is_implied || !r->wild_count))
            return r->rules[s.best].script;
    }
    if (r->patterns && (r->wild_count || (e->host && e->has_paths))) {
        if (path_bytes > r->path_bytes_max + 1)
            path_bytes = r->path_bytes_max + 1;
        put_backwards(put_backwards(text, path, path_bytes), host, host_bytes);
        s.text_bytes = host_bytes + path_bytes;
        if (hs_scan(r->patterns, text, (unsigned)s.text_bytes, 0, r->scratch[core], keep_lowest,
                    &s) != HS_SUCCESS)
            assert(!"a scratch is used by its core only");
    }
    return s.best == ROUTE_NONE ? ROUTE_NONE : r->rules[s.best].script;
}

struct gathering {
    const struct routes *routes;
    uint32_t *scripts;
    uint32_t count, max;
};

static void gather_script(struct gathering *g, uint32_t script)
{
    for (uint32_t i = 0; i < g->count; i++)
        if (g->scripts[i] == script)
            return;
    if (g->count < g->max)
        g->scripts[g->count++] = script;
}

static int gather_rule(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                       void *arg)
{
    struct gathering *g = arg;

    if (to == g->routes->rules[id].host_bytes + 1u)
        gather_script(g, g->routes->rules[id].script);
    return 0;
}

uint32_t routes_of_host(const struct routes *r, uint32_t core, const char *host, size_t host_bytes,
                        uint32_t *scripts, uint32_t max)
{
    struct gathering g = {.routes = r, .scripts = scripts, .max = max};
    char text[HOST_BYTES_MAX + 1];
    const struct host_entry *e;

    assert(core < r->cores);
    if (host_bytes > HOST_BYTES_MAX)
        return 0;
    e = entry_at(r, host, host_bytes);
    if (e->host) {
        for (uint32_t i = 0; i < e->script_count; i++)
            gather_script(&g, r->host_scripts[e->script_first + i]);
        /* A rule for every path of the exact host hides the wildcards. */
        if (e->every_path != ROUTE_NONE && !r->rules[e->every_path].is_implied)
            return g.count;
    }
    if (r->wild_hosts) {
        text[0] = '/';
        put_backwards(text + 1, host, host_bytes);
        if (hs_scan(r->wild_hosts, text, (unsigned)host_bytes + 1, 0, r->scratch[core], gather_rule,
                    &g) != HS_SUCCESS)
            assert(!"a scratch is used by its core only");
    }
    return g.count;
}
