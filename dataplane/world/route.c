#include "dataplane/world/route.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hs/hs.h>

#define XXH_INLINE_ALL
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

enum { HOST_START_BYTES = 37 };

/* An exact host, in one cache line: what a look up of it wants to know, and nearly every host
 * itself. */
struct host_entry {
    uint32_t hash;         /* the upper half; the lower one is the place in the table */
    uint32_t rule;         /* rank of one of its rules: has the host in full */
    uint32_t every_path;   /* rank of its rule for every path, or ROUTE_NONE */
    uint32_t every_script; /* of that rule */
    uint32_t script_count;
    uint32_t script;    /* the script; of several, where they begin in host_scripts */
    uint8_t host_bytes; /* 0: empty */
    bool has_paths;     /* some rule of it looks at the path */
    bool is_implied;    /* the rule for every path is */
    char start[HOST_START_BYTES];
};
static_assert(sizeof(struct host_entry) == 64, "one cache line");

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

static uint64_t hash(const char *host, size_t bytes)
{
    return XXH3_64bits(host, bytes);
}

static bool is_of(const struct routes *r, const struct host_entry *e, const char *host,
                  size_t bytes)
{
    size_t start = bytes < HOST_START_BYTES ? bytes : HOST_START_BYTES;

    return e->host_bytes == bytes && !memcmp(e->start, host, start) &&
           (bytes == start || !memcmp(r->rules[e->rule].host + start, host + start, bytes - start));
}

/* The entry of a host, or the empty one where it would be: the table is never full. */
static struct host_entry *entry_at(const struct routes *r, const char *host, size_t bytes)
{
    uint64_t h = hash(host, bytes);

    for (uint64_t i = h;; i++) {
        struct host_entry *e = &r->hosts[i & r->mask];

        if (!e->host_bytes || (e->hash == h >> 32 && is_of(r, e, host, bytes)))
            return e;
    }
}

static const uint32_t *scripts_of(const struct routes *r, const struct host_entry *e)
{
    return e->script_count == 1 ? &e->script : r->host_scripts + e->script;
}

/* Rules come in order of rank: the first one for every path is the best. */
static void entry_add(struct host_entry *e, const struct rule *rule, uint32_t rank)
{
    if (!e->host_bytes) {
        *e = (struct host_entry){.hash = (uint32_t)(hash(rule->host, rule->host_bytes) >> 32),
                                 .rule = rank,
                                 .every_path = ROUTE_NONE,
                                 .host_bytes = (uint8_t)rule->host_bytes};
        memcpy(e->start, rule->host,
               rule->host_bytes < HOST_START_BYTES ? rule->host_bytes : HOST_START_BYTES);
    }
    e->script_count++; /* of rules, until fill_scripts */
    if (!rule_takes_every_path(rule)) {
        e->has_paths = true;
    } else if (e->every_path == ROUTE_NONE) {
        e->every_path = rank;
        e->every_script = rule->script;
        e->is_implied = rule->is_implied;
    }
}

/* Each script of a host once, in order of rank. */
static void fill_scripts(struct routes *r)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i <= r->mask; i++) {
        r->hosts[i].script = at;
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
            is_known |= r->host_scripts[e->script + k] == rule->script;
        if (!is_known)
            r->host_scripts[e->script + e->script_count++] = rule->script;
    }
    for (uint32_t i = 0; i <= r->mask; i++)
        if (r->hosts[i].script_count == 1)
            r->hosts[i].script = r->host_scripts[r->hosts[i].script];
}

static bool build_hosts(struct routes *r)
{
    uint32_t slots = 2;

    while (slots < 2 * r->rule_count)
        slots *= 2;
    r->mask = slots - 1;
    r->hosts = aligned_alloc(sizeof(*r->hosts), slots * sizeof(*r->hosts));
    r->host_scripts = calloc(r->rule_count + 1, sizeof(*r->host_scripts));
    if (!r->hosts || !r->host_scripts)
        return false;
    memset(r->hosts, 0, slots * sizeof(*r->hosts));
    for (uint32_t i = 0; i < r->rule_count; i++) {
        const struct rule *rule = &r->rules[i];

        if (!rule->is_wild_host)
            entry_add(entry_at(r, rule->host, rule->host_bytes), rule, i);
    }
    fill_scripts(r);
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

/* Rules that a database has: for host and path those whose host or path is no fixed one, for hosts
 * those with a wildcard. */
static bool is_chosen(const struct rule *r, bool with_path)
{
    return r->is_wild_host || (with_path && !rule_takes_every_path(r));
}

static const char *literal_of(const struct rule *r, bool with_path, size_t *bytes)
{
    *bytes = r->host_bytes + (with_path ? r->path_bytes : 1u);
    return with_path ? r->literal : r->literal + r->path_bytes - 1;
}

/* Compiles one literal per chosen rule. *out stays NULL when there are none. False: error says why.
 */
static bool compile(const struct routes *r, bool with_path, hs_database_t **out, char *error,
                    size_t error_bytes)
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

        if (!is_chosen(rule, with_path))
            continue;
        ids[count] = i;
        texts[count] = literal_of(rule, with_path, &lens[count]);
        count++;
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
    if (!build_hosts(r) || !compile(r, true, &r->patterns, error, error_bytes) ||
        !compile(r, false, &r->wild_hosts, error, error_bytes))
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

/* Nobody's wildcard shadows the implied host of another script. */
static bool may_shadow(const struct rule *r, const struct rule *implied)
{
    return !implied || !r->is_wild_host || r->script == implied->script;
}

static const struct rule *implied_of(const struct routes *r, const struct host_entry *e)
{
    return e->is_implied ? &r->rules[e->every_path] : NULL;
}

/* Tells on_match of the rules whose literal the text has. Hyperscan gives up on some texts, by what
 * some literals have in common (HS_UNKNOWN_ERROR): then each rule is tried by itself. */
static void scan(const struct routes *r, uint32_t core, bool with_path, const char *text,
                 size_t text_bytes, size_t host_bytes, match_event_handler on_match, void *arg,
                 uint64_t *slow)
{
    const hs_database_t *database = with_path ? r->patterns : r->wild_hosts;

    if (hs_scan(database, text, (unsigned)text_bytes, 0, r->scratch[core], on_match, arg) ==
        HS_SUCCESS)
        return;
    ++*slow;
    for (uint32_t i = 0; i < r->rule_count; i++) {
        size_t bytes, to = text_bytes - host_bytes + r->rules[i].host_bytes;
        const char *literal = literal_of(&r->rules[i], with_path, &bytes);

        if (is_chosen(&r->rules[i], with_path) && to <= text_bytes && bytes <= to &&
            memcmp(text + to - bytes, literal, bytes) == 0)
            on_match(i, 0, to, 0, arg);
    }
}

struct search {
    const struct rule *rules;
    const struct rule *implied; /* of this very host; NULL: none */
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
    if (id < s->best && may_shadow(r, s->implied) &&
        to == s->text_bytes - s->host_bytes + r->host_bytes &&
        (r->is_wild_host || r->host_bytes == s->host_bytes) &&
        (r->is_prefix || r->path_bytes == s->text_bytes - s->host_bytes))
        s->best = id;
    return 0;
}

void routes_expect(const struct routes *r, const char *host, size_t host_bytes)
{
    __builtin_prefetch(&r->hosts[hash(host, host_bytes) & r->mask]);
}

uint32_t routes_find(const struct routes *r, uint32_t core, const char *host, size_t host_bytes,
                     const char *path, size_t path_bytes, uint64_t *slow)
{
    /* A byte more than any pattern has: what lies behind can change no verdict. */
    char text[HOST_BYTES_MAX + ROUTE_PATTERN_BYTES_MAX + 1];
    const struct host_entry *e;
    struct search s = {.rules = r->rules, .host_bytes = host_bytes, .best = ROUTE_NONE};

    assert(core < r->cores);
    if (host_bytes > HOST_BYTES_MAX)
        return ROUTE_NONE;
    e = entry_at(r, host, host_bytes);
    s.implied = implied_of(r, e);
    if (e->host_bytes) {
        s.best = e->every_path;
        if (s.best != ROUTE_NONE && !e->has_paths && (!e->is_implied || !r->wild_count))
            return e->every_script;
    }
    if (r->patterns && (r->wild_count || e->has_paths)) {
        if (path_bytes > r->path_bytes_max + 1)
            path_bytes = r->path_bytes_max + 1;
        put_backwards(put_backwards(text, path, path_bytes), host, host_bytes);
        s.text_bytes = host_bytes + path_bytes;
        scan(r, core, true, text, s.text_bytes, host_bytes, keep_lowest, &s, slow);
    }
    return s.best == ROUTE_NONE ? ROUTE_NONE : r->rules[s.best].script;
}

struct gathering {
    const struct routes *routes;
    const struct rule *implied;
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

    const struct rule *r = &g->routes->rules[id];

    if (to == r->host_bytes + 1u && may_shadow(r, g->implied))
        gather_script(g, r->script);
    return 0;
}

uint32_t routes_of_host(const struct routes *r, uint32_t core, const char *host, size_t host_bytes,
                        uint32_t *scripts, uint32_t max, uint64_t *slow)
{
    struct gathering g = {.routes = r, .scripts = scripts, .max = max};
    char text[HOST_BYTES_MAX + 1];
    const struct host_entry *e;

    assert(core < r->cores);
    if (host_bytes > HOST_BYTES_MAX)
        return 0;
    e = entry_at(r, host, host_bytes);
    g.implied = implied_of(r, e);
    for (uint32_t i = 0; i < e->script_count; i++)
        gather_script(&g, scripts_of(r, e)[i]);
    /* A rule for every path of the exact host hides the wildcards. */
    if (e->host_bytes && e->every_path != ROUTE_NONE && !e->is_implied)
        return g.count;
    if (r->wild_hosts) {
        text[0] = '/';
        put_backwards(text + 1, host, host_bytes);
        scan(r, core, false, text, host_bytes + 1, host_bytes, gather_rule, &g, slow);
    }
    return g.count;
}
