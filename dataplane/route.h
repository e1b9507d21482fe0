/* route.h
 *
 * Which script answers a host and path. Exact hosts by hash table; wildcards in hosts ("*.example.com") and paths
 * ("example.com/api/*") by Hyperscan. Immutable after routes_build; part of the world; one scratch per core.
 *
 * Patterns are Workers' routes: host[/path], `*` matches any run of bytes in the host's leftmost part and at the path's end. The most
 * specific pattern wins: exact host before wildcard host, then the longer path, then the longer host, then the lower script.
 * A script called NAME also answers NAME.<zone> for every configured zone, below explicit routes.
 */
#ifndef HEARTH_ROUTE_H
#define HEARTH_ROUTE_H

#include <stddef.h>
#include <stdint.h>

enum { ROUTE_NONE = UINT32_MAX };

struct routes;
struct route_scratch;

struct route_source {
    const char *pattern; /* "example.com", "*.example.com/x/*" */
    uint32_t script;     /* index into the world's scripts */
};

/* NULL and a sentence that names the pattern. */
struct routes *routes_build(const struct route_source *, uint32_t count, char *error, size_t error_bytes);
void routes_destroy(struct routes *);

/* Scratch is per thread and fits every routes_build result given to it; NULL: no memory. */
struct route_scratch *route_scratch_create(void);
int route_scratch_fit(struct route_scratch *, const struct routes *); /* before the world is published: control thread */
void route_scratch_destroy(struct route_scratch *);

/* Index of the script, or ROUTE_NONE. host lower case; path starts with '/', query excluded. Never allocates. */
uint32_t routes_find(const struct routes *, struct route_scratch *, const char *host, size_t host_bytes,
                     const char *path, size_t path_bytes);

/* Scripts that some path of this host can reach, for warming: up to max indices; returns how many. */
uint32_t routes_of_host(const struct routes *, struct route_scratch *, const char *host, size_t host_bytes,
                        uint32_t *scripts, uint32_t max);

#endif
