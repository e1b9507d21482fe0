/* Route patterns and what is looked up: lines "pattern", an empty line, then "host path" as the
 * rest. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/world/route.h"

enum { PATTERNS_MAX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct route_source sources[PATTERNS_MAX];
    char *text = malloc(size + 1), *p = text, *line, *space;
    char error[512];
    uint32_t count = 0, script, scripts[4], n;
    struct routes *r;

    memcpy(text, data, size);
    text[size] = 0;
    while ((line = strsep(&p, "\n")) && *line && count < PATTERNS_MAX) {
        sources[count] = (struct route_source){line, count, line[0] == '!'};
        sources[count].pattern += sources[count].is_implied;
        count++;
    }
    r = routes_build(sources, count, 1, error, sizeof(error));
    if (!r) {
        assert(error[0]);
        free(text);
        return 0;
    }
    if (p && (space = strchr(p, '/'))) {
        size_t path_bytes = size - (size_t)(space - text);

        script = routes_find(r, 0, p, (size_t)(space - p), space, path_bytes, &(uint64_t){0});
        n = routes_of_host(r, 0, p, (size_t)(space - p), scripts, 4, &(uint64_t){0});
        assert(script == ROUTE_NONE || script < count);
        assert(n <= 4 && (script == ROUTE_NONE || n > 0));
    }
    routes_destroy(r);
    free(text);
    return 0;
}
