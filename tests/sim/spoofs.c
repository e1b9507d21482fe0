#include "tests/sim/spoofs.h"

#include <string.h>

#include "dataplane/http/reserved.h"
#include "tests/sim/sim.h"

void spoofs_write(struct head_writer *w)
{
    static const char *const names[] = {"x-real-ip",   "X-Real-IP",  "x-hearth-caller",
                                        "traceparent", "forwarded",  "x-hearth-request-id",
                                        "Forwarded",   "X-HEARTH-A", "x-forwarded-proto"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        head_write_field(w, (struct head_view){names[i], strlen(names[i])},
                         (struct head_view){"spoofed", 7});
}

void spoofs_check(const uint8_t *head, size_t bytes)
{
    static const char *const always[] = {"traceparent", "x-hearth-request-id"};
    uint32_t seen[2] = {0}, of_client = 0;
    struct head_reader r;
    struct head_field f;
    head_read_request(&r, head, bytes);
    while (head_read_field(&r, &f)) {
        if (!reserved_field(f.name.p, f.name.len))
            continue;
        CHECK(f.value.len != 7 || memcmp(f.value.p, "spoofed", 7) != 0,
              "a script believes \"%.*s\"", (int)f.name.len, f.name.p);
        for (int i = 0; i < 2; i++)
            seen[i] += f.name.len == strlen(always[i]) && !memcmp(f.name.p, always[i], f.name.len);
        of_client += f.name.len == 9 && !memcmp(f.name.p, "x-real-ip", 9);
    }
    CHECK(seen[0] == seen[1] && seen[0] <= 1 && of_client <= 1, "hearth's fields: %u, %u, %u",
          seen[0], seen[1], of_client);
}
