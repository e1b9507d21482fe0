/* fuzz_ctl: any bytes as what a client says on the control socket, in pieces: the requests that are
 * read do not depend on the pieces, and each is within its bounds.
 *
 * Input: a seed for the pieces, then the bytes.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "control/daemon/ctl_reader.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REQUESTS_MAX = 64 };

struct told {
    uint32_t count;
    struct {
        size_t command_bytes, payload_bytes;
        uint32_t sum;
    } request[REQUESTS_MAX];
    const char *reason;
    size_t unread;
};

static unsigned depth_of(const json_t *j)
{
    unsigned deepest = 0, depth;
    const char *key;
    json_t *inner;
    size_t i;

    if (json_is_object(j)) {
        json_object_foreach((json_t *)j, key, inner)
        {
            depth = depth_of(inner);
            deepest = depth > deepest ? depth : deepest;
        }
    }
    json_array_foreach(j, i, inner)
    {
        depth = depth_of(inner);
        deepest = depth > deepest ? depth : deepest;
    }
    return json_is_object(j) || json_is_array(j) ? deepest + 1 : 0;
}

static void take(struct told *t, const struct ctl_reader *r)
{
    const json_t *command = json_object_get(r->json, "command");
    uint32_t sum = 0;

    assert(json_is_string(command) && depth_of(r->json) <= CTL_DEPTH_MAX);
    assert(r->used == (size_t)json_integer_value(json_object_get(r->json, "payload")));
    for (size_t i = 0; i < r->used; i++)
        sum = 31 * sum + r->bytes[i];
    if (t->count < REQUESTS_MAX) {
        t->request[t->count].command_bytes = json_string_length(command);
        t->request[t->count].payload_bytes = r->used;
        t->request[t->count].sum = sum;
    }
    t->count++;
}

/* piece: at most so many bytes at once, drawn anew each time; 0: as many as there is room for. */
static void read_all(struct told *t, const uint8_t *p, const uint8_t *end, uint32_t piece)
{
    struct ctl_reader r;
    enum ctl_read outcome = CTL_READ_MORE;

    memset(t, 0, sizeof(*t));
    ctl_reader_init(&r);
    while (p < end && outcome != CTL_READ_BAD) {
        uint8_t *at;
        size_t n = ctl_reader_room(&r, &at), left = (size_t)(end - p);

        assert(n > 0 && n <= CTL_PAYLOAD_BYTES_MAX);
        n = n < left ? n : left;
        if (piece) {
            piece = piece * 1664525 + 1013904223;
            n = n < 1 + (piece >> 24) ? n : 1 + (piece >> 24);
        }
        memcpy(at, p, n);
        p += n;
        outcome = ctl_reader_took(&r, n);
        if (outcome == CTL_READ_WHOLE) {
            take(t, &r);
            ctl_reader_next(&r);
            assert(ctl_reader_is_idle(&r));
        }
    }
    t->reason = r.reason;
    t->unread = (size_t)(end - p);
    assert((outcome == CTL_READ_BAD) == (r.reason != NULL));
    ctl_reader_fini(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct told whole, pieces;
    struct input in = {data, data + size};
    uint32_t seed = input_take(&in, 1);

    read_all(&whole, in.p, in.end, 0);
    read_all(&pieces, in.p, in.end, seed + 1);
    assert(!memcmp(&whole, &pieces, sizeof(whole)));
    return 0;
}
