/* A source map of any bytes: each place that it gives is one of its sources. The first byte says
 * which places are asked for. */
#include <assert.h>
#include <string.h>

#include "runtime/worker/source_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct source_map *m = len ? source_map_new((const char *)bytes + 1, len - 1) : NULL;
    struct source_place place;

    for (uint32_t line = 0; m && line < 64; line++) {
        for (uint32_t column = 0; column < 2000; column += 1u + bytes[0])
            if (source_map_find(m, line, column, &place))
                assert(place.source && place.line >= 1 && place.column >= 1);
        source_map_find(m, UINT32_MAX - line, UINT32_MAX - line, &place);
    }
    source_map_free(m);
    return 0;
}
