#include "dataplane/tls/cert.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

/* One name of one certificate. A wildcard is kept as its parent with the dot: "*.example.com" is
 * ".example.com", which no exact name can equal. */
struct slot {
    uint64_t hash;
    const char *key; /* NULL: empty */
    uint32_t key_bytes;
    uint32_t source; /* order of the list: the lowest serves */
    struct tls_context *context;
};

struct certs {
    struct tls_context *fallback;
    char *keys;
    uint32_t mask;
    struct slot slots[]; /* open addressing, at most half full */
};

/* The first slot from *at on that holds the key; NULL: no more. *at moves behind it. */
static const struct slot *next(const struct certs *c, const char *key, size_t len, uint64_t hash,
                               uint32_t *at)
{
    for (;;) {
        const struct slot *s = &c->slots[(*at)++ & c->mask];
        if (!s->key)
            return NULL;
        if (s->hash == hash && s->key_bytes == len && memcmp(s->key, key, len) == 0)
            return s;
    }
}

static void insert(struct certs *c, struct slot s)
{
    uint32_t at = (uint32_t)s.hash;
    while (c->slots[at & c->mask].key)
        at++;
    c->slots[at & c->mask] = s;
}

struct certs *certs_build(struct tls_context *const *contexts, uint32_t context_count,
                          const struct cert_source *sources, uint32_t source_count,
                          uint32_t default_context)
{
    uint32_t slot_count = 4;
    size_t key_bytes = 1;
    while (slot_count < source_count * 2)
        slot_count *= 2;
    for (uint32_t i = 0; i < source_count; i++)
        key_bytes += strlen(sources[i].name);

    struct certs *c = calloc(1, sizeof(*c) + slot_count * sizeof(c->slots[0]));
    char *key = malloc(key_bytes);
    if (!c || !key) {
        free(c);
        free(key);
        return NULL;
    }
    c->keys = key;
    c->mask = slot_count - 1;
    if (default_context != CERT_NONE) {
        assert(default_context < context_count);
        c->fallback = contexts[default_context];
    }
    for (uint32_t i = 0; i < source_count; i++) {
        assert(sources[i].context < context_count);
        const char *name = sources[i].name;
        if (strncmp(name, "*.", 2) == 0)
            name++;
        size_t len = strlen(name);
        memcpy(key, name, len);
        insert(c, (struct slot){.hash = XXH3_64bits(key, len),
                                .key = key,
                                .key_bytes = (uint32_t)len,
                                .source = i,
                                .context = contexts[sources[i].context]});
        key += len;
    }
    return c;
}

void certs_destroy(struct certs *c)
{
    free(c->keys);
    free(c);
}

/* The context of the key that comes first in the list, or just this context; NULL: none. */
static struct tls_context *serving(const struct certs *c, const struct tls_context *only,
                                   const char *key, size_t len)
{
    uint64_t hash = XXH3_64bits(key, len);
    const struct slot *best = NULL;
    uint32_t at = (uint32_t)hash;
    for (const struct slot *s; (s = next(c, key, len, hash, &at));) {
        if (only ? s->context == only : !best || s->source < best->source)
            best = s;
    }
    return best ? best->context : NULL;
}

static struct tls_context *find(const struct certs *c, const struct tls_context *only,
                                const char *host, size_t len)
{
    if (len == 0 || host[0] == '.')
        return NULL;
    struct tls_context *found = serving(c, only, host, len);
    if (found)
        return found;
    const char *dot = memchr(host, '.', len);
    return dot ? serving(c, only, dot, len - (size_t)(dot - host)) : NULL;
}

struct tls_context *certs_find(const struct certs *c, const char *host, size_t host_bytes)
{
    struct tls_context *found = host ? find(c, NULL, host, host_bytes) : NULL;
    return found ? found : c->fallback;
}

bool certs_covers(const struct certs *c, const struct tls_context *context, const char *host,
                  size_t host_bytes)
{
    return find(c, context, host, host_bytes);
}
