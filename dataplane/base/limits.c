#include "dataplane/base/limits.h"

#include <inttypes.h>

uint64_t limits_print(FILE *out, const struct limits_memory *memory, uint32_t count)
{
    static const struct {
        const char *name, *text;
        uint64_t value;
    } limit[] = {
#define LIMIT_ROW(name, value, text) {#name, text, value},
        LIMIT_LIST(LIMIT_ROW)
#undef LIMIT_ROW
    };
    uint64_t sum = 0;

    fprintf(out, "%-28s %10s  %s\n", "limit", "value", "of");
    for (size_t i = 0; i < sizeof(limit) / sizeof(limit[0]); i++)
        fprintf(out, "%-28s %10" PRIu64 "  %s\n", limit[i].name, limit[i].value, limit[i].text);

    fprintf(out, "\n%-28s %10s %10s %12s\n", "memory of one core", "count", "bytes", "KiB");
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bytes = memory[i].count * memory[i].bytes_each;

        fprintf(out, "%-28s %10" PRIu64 " %10" PRIu64 " %12" PRIu64 "\n", memory[i].what,
                memory[i].count, memory[i].bytes_each, (bytes + 1023) / 1024);
        sum += bytes;
    }
    fprintf(out, "%-28s %10s %10s %12" PRIu64 "\n", "sum", "", "", (sum + 1023) / 1024);
    return sum;
}
