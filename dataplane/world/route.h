/* route.h
 *
 * Which script answers a host and path. Exact hosts by hash table; wildcards in hosts
 * ("*.example.com") and paths
 * ("example.com/api/" and then `*`) by Hyperscan. Immutable after routes_build, except for the
 * scratch that it holds for each core; part of the world.
 *
 *   host --hash--> rule for every path? done.       host + path --Hyperscan--> every pattern that
 * matches otherwise ------------------------------^                   the lowest rank wins
 *
 * Patterns are Workers' routes: host[/path]. `*` matches any run of bytes: as the host's first
 * character, and as the path's last. No path means every path; a path without `*` is the whole
 * path. The most specific pattern wins: exact host before wildcard host; the longer path, a whole
 * path before a prefix of the same length; the longer host; the lower script. A script's own
 * NAME.<zone> (is_implied) comes after its own other patterns, and there a wildcard of another
 * script does not count.
 *
 * Bounded: ROUTES_MAX patterns of ROUTE_PATTERN_BYTES_MAX bytes.
 */
#ifndef HEARTH_ROUTE_H
#define HEARTH_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROUTE_NONE = UINT32_MAX, ROUTE_PATTERN_BYTES_MAX = 1024 };

struct routes;

struct route_source {
    const char *pattern; // "example.com", "*.example.com/x/*"
    uint32_t script;     /* index into the world's scripts */
    bool is_implied;     /* NAME.<zone>: below the script's explicit routes */
    uint64_t account;    /* whose script it is: for who builds, not for the look up */
};

/* cores: how many threads may look up at once. NULL and a sentence that names the pattern. */
struct routes *routes_build(const struct route_source *, uint32_t count, uint32_t cores,
                            char *error, size_t error_bytes);
void routes_destroy(struct routes *);

/* The host is going to be looked up: its cache line is on its way. */
void routes_expect(const struct routes *, const char *host, size_t host_bytes);

/* Index of the script, or ROUTE_NONE. host lower case; path as url_path.h writes it, query
 * excluded: bytes are compared, so "%61" does not match "a". *slow counts texts that Hyperscan gave
 * up on, which took a comparison with each pattern. Never allocates. */
uint32_t routes_find(const struct routes *, uint32_t core, const char *host, size_t host_bytes,
                     const char *path, size_t path_bytes, uint64_t *slow);

/* Scripts that some path of this host can reach, for warming: up to max indices; returns how many.
 */
uint32_t routes_of_host(const struct routes *, uint32_t core, const char *host, size_t host_bytes,
                        uint32_t *scripts, uint32_t max, uint64_t *slow);

/* Is it a pattern, and one that requests can match? If not, why. routes_build asks only the first:
 * a script that is deployed already must not keep the node from starting. */
bool route_pattern_check(const char *pattern, char *error, size_t error_bytes);

#endif
