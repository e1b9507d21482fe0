#include "control/world/claims.h"

#include <stdlib.h>
#include <string.h>

bool claims_add(struct claims *c, char *pattern, uint32_t script, bool is_implied, uint64_t account)
{
    if (c->count == c->room) {
        uint32_t room = c->room ? 2 * c->room : 256;
        struct route_source *more = realloc(c->source, room * sizeof(*more));

        if (!more) {
            free(pattern);
            return false;
        }
        c->source = more;
        c->room = room;
    }
    c->source[c->count++] = (struct route_source){
        .pattern = pattern, .script = script, .is_implied = is_implied, .account = account};
    return pattern != NULL;
}

void claims_fini(struct claims *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        free((char *)c->source[i].pattern);
    free(c->source);
    *c = (struct claims){0};
}

/* ---- the order ---- */

/* The slash before everything else: so a host's patterns come one after another. */
static int rank_of(char c)
{
    return c == '/' ? 1 : (uint8_t)c;
}

static int by_text(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return rank_of(*a) - rank_of(*b);
}

static int by_claim(const void *a, const void *b)
{
    const struct route_source *x = a, *y = b;
    int order = by_text(x->pattern, y->pattern);

    if (!order)
        order = (int)y->is_implied - (int)x->is_implied;
    return order ? order : x->script < y->script ? -1 : x->script > y->script;
}

void claims_sort(struct claims *c)
{
    if (c->count)
        qsort(c->source, c->count, sizeof(*c->source), by_claim);
}

static bool is_same_host(const struct route_source *x, const struct route_source *y)
{
    size_t bytes = strcspn(x->pattern, "/");

    return bytes == strcspn(y->pattern, "/") && !memcmp(x->pattern, y->pattern, bytes);
}

/* ---- who stands against whom ---- */

/* Both are of one host. */
static bool is_rival(const struct route_source *x, const struct route_source *y)
{
    if (x->script == y->script)
        return false;
    if (x->is_implied != y->is_implied)
        return true;
    return (!x->is_implied || x->account == y->account) && !strcmp(x->pattern, y->pattern);
}

/* Beside its neighbour, or the host's first one, which is implied if any is. */
bool claims_clash(const struct claims *c, const struct route_source **x,
                  const struct route_source **y)
{
    const struct route_source *first = c->source;

    for (uint32_t i = 1; i < c->count; i++) {
        const struct route_source *own = &c->source[i], *before = own - 1;

        if (!is_same_host(first, own)) {
            first = own;
            continue;
        }
        if (is_rival(before, own) || is_rival(first, own)) {
            *x = is_rival(before, own) ? before : first;
            *y = own;
            return true;
        }
    }
    return false;
}

/* The first that does not come before the text. */
static uint32_t lower_bound(const struct claims *c, const char *text)
{
    uint32_t low = 0, high = c->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (by_text(c->source[middle].pattern, text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A script has 256 routes at most, so its own are soon passed. */
static const struct route_source *rival_from(const struct claims *c, uint32_t at,
                                             const struct route_source *own)
{
    for (; at < c->count && is_same_host(&c->source[at], own); at++) {
        if (is_rival(&c->source[at], own))
            return &c->source[at];
        if (!own->is_implied && strcmp(c->source[at].pattern, own->pattern))
            return NULL; /* an explicit route's rivals are the same pattern, and the host's first */
    }
    return NULL;
}

const struct route_source *claims_rival(const struct claims *c, const struct route_source *own)
{
    char host[ROUTE_PATTERN_BYTES_MAX + 1];
    size_t bytes = strcspn(own->pattern, "/");
    uint32_t first;

    if (bytes >= sizeof(host))
        return NULL;
    memcpy(host, own->pattern, bytes);
    host[bytes] = 0;
    first = lower_bound(c, host);
    if (first == c->count || !is_same_host(&c->source[first], own))
        return NULL;
    if (is_rival(&c->source[first], own) && (c->source[first].is_implied || own->is_implied))
        return &c->source[first];
    return rival_from(c, own->is_implied ? first : lower_bound(c, own->pattern), own);
}
