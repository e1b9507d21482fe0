/* route.h
 *
 * Which script answers a host and path. Exact hosts by hash table; wildcards in hosts ("*.example.com") and paths
 * ("example.com/api/" and then `*`) by Hyperscan. Immutable after routes_build, except for the scratch that it holds for each
 * core; part of the world.
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

struct route_source {
    const char *pattern; // "example.com", "*.example.com/x/*"
    uint32_t script;     /* index into the world's scripts */
};

/* cores: how many threads may look up at once. NULL and a sentence that names the pattern. */
struct routes *routes_build(const struct route_source *, uint32_t count, uint32_t cores, char *error,
                            size_t error_bytes);
void routes_destroy(struct routes *);

/* Index of the script, or ROUTE_NONE. host lower case; path starts with '/', query excluded. Never allocates. */
uint32_t routes_find(const struct routes *, uint32_t core, const char *host, size_t host_bytes,
                     const char *path, size_t path_bytes);

/* Scripts that some path of this host can reach, for warming: up to max indices; returns how many. */
uint32_t routes_of_host(const struct routes *, uint32_t core, const char *host, size_t host_bytes,
                        uint32_t *scripts, uint32_t max);

#endif
