/* fuzz_record: any bytes as a record, header and content: views stay inside, and what reads well is
 * written back as the same bytes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/rpc/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t out[RECORD_HEADER_BYTES + RECORD_BYTES_MAX];

static void check_view(const uint8_t *view, size_t view_bytes, const uint8_t *in, size_t len)
{
    assert(view >= in && view_bytes <= len && view + view_bytes <= in + len);
}

/* Bytes of the record when written again, or 0 if it does not read. */
static size_t again(uint8_t type, const uint8_t *in, size_t len)
{
    union {
        struct record_call call;
        struct record_accept accept;
        struct record_bounce bounce;
        struct record_head head;
        struct record_error error;
        struct record_end end;
        struct record_state state;
        struct record_ring ring;
        struct record_warm warm;
        struct record_warmed warmed;
        enum record_release release;
        struct record_event event;
        struct record_fin fin;
    } u;

    switch (type) {
    case RECORD_CALL:
        if (!record_read_call(&u.call, in, len))
            return 0;
        check_view(u.call.head, u.call.head_bytes, in, len);
        return record_write_call(out, sizeof(out), &u.call);
    case RECORD_ACCEPT:
        return record_read_accept(&u.accept, in, len)
                   ? record_write_accept(out, sizeof(out), &u.accept)
                   : 0;
    case RECORD_BOUNCE:
        return record_read_bounce(&u.bounce, in, len)
                   ? record_write_bounce(out, sizeof(out), &u.bounce)
                   : 0;
    case RECORD_HEAD:
        if (!record_read_head(&u.head, in, len))
            return 0;
        check_view(u.head.head, u.head.head_bytes, in, len);
        return record_write_head(out, sizeof(out), &u.head);
    case RECORD_ERROR:
        return record_read_error(&u.error, in, len) ? record_write_error(out, sizeof(out), &u.error)
                                                    : 0;
    case RECORD_DATA_END:
        return record_read_end(&u.end, in, len) ? record_write_end(out, sizeof(out), &u.end) : 0;
    case RECORD_STATE:
        return record_read_state(&u.state, in, len) ? record_write_state(out, sizeof(out), &u.state)
                                                    : 0;
    case RECORD_RING:
        return record_read_ring(&u.ring, in, len) ? record_write_ring(out, sizeof(out), &u.ring)
                                                  : 0;
    case RECORD_WARM:
        return record_read_warm(&u.warm, in, len) ? record_write_warm(out, sizeof(out), &u.warm)
                                                  : 0;
    case RECORD_WARMED:
        return record_read_warmed(&u.warmed, in, len)
                   ? record_write_warmed(out, sizeof(out), &u.warmed)
                   : 0;
    case RECORD_RELEASE:
        return record_read_release(&u.release, in, len)
                   ? record_write_release(out, sizeof(out), u.release)
                   : 0;
    case RECORD_FIN:
        return record_read_fin(&u.fin, in, len) ? record_write_fin(out, sizeof(out), &u.fin) : 0;
    case RECORD_EVENT:
        if (!record_read_event(&u.event, in, len))
            return 0;
        check_view(u.event.payload, u.event.payload_bytes, in, len);
        return record_write_event(out, sizeof(out), &u.event);
    default:
        return 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_header h;
    uint8_t header[RECORD_HEADER_BYTES];

    if (size < RECORD_HEADER_BYTES)
        return 0;
    const uint8_t *content = data + RECORD_HEADER_BYTES;
    size_t len = size - RECORD_HEADER_BYTES;

    /* The content whatever its header says: readers do not rely on it. */
    size_t written = again(data[0], content, len);
    if (written > 0)
        assert(written == size && out[0] == data[0] &&
               memcmp(out + RECORD_HEADER_BYTES, content, len) == 0);

    if (!record_read_header(&h, data))
        return 0;
    record_write_header(header, (enum record_type)h.type, h.bytes);
    assert(memcmp(header, data, sizeof(header)) == 0 && h.bytes <= RECORD_BYTES_MAX);
    return 0;
}
