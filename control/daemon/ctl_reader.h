/* ctl_reader.h
 *
 * Requests of the control socket, out of bytes in any pieces (the format: ctl.h).
 *
 *   ctl_reader_room --where, how many--> the caller reads --> ctl_reader_took --> MORE | WHOLE ...
 *                                                 json, payload; ctl_reader_next <---'
 *
 * Bounded before anything is allocated for it: a frame by CTL_FRAME_BYTES_MAX, a payload by
 * CTL_PAYLOAD_BYTES_MAX, the nesting of the JSON by CTL_DEPTH_MAX. BAD is for good, with a
 * sentence. Sans-I/O; any thread.
 */
#ifndef HEARTH_CTL_READER_H
#define HEARTH_CTL_READER_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/limits.h"

enum {
    CTL_FRAME_BYTES_MAX = 2 << 20,
    CTL_PAYLOAD_BYTES_MAX = 32 << 20, /* = BUNDLE_BYTES_MAX */
};

enum ctl_read { CTL_READ_MORE, CTL_READ_WHOLE, CTL_READ_BAD };

struct ctl_reader {
    enum { CTL_READS_LENGTH, CTL_READS_JSON, CTL_READS_PAYLOAD, CTL_READS_NOTHING } phase;
    uint8_t head[4];
    uint8_t *bytes; /* of the frame, then of the payload */
    size_t used, wanted;
    json_t *json;       /* an object with a "command"; when it is WHOLE */
    const char *reason; /* when it is BAD */
};

void ctl_reader_init(struct ctl_reader *);
void ctl_reader_fini(struct ctl_reader *);

/* Where the next bytes go, and at most how many: 1 at least, unless it is WHOLE or BAD. */
size_t ctl_reader_room(struct ctl_reader *, uint8_t **at);
/* So many have come there. WHOLE: json, and `used` bytes of payload, stay until ctl_reader_next. */
enum ctl_read ctl_reader_took(struct ctl_reader *, size_t bytes);
/* Forgets the request and awaits the next one. */
void ctl_reader_next(struct ctl_reader *);

/* Nothing of a request has come. */
static inline int ctl_reader_is_idle(const struct ctl_reader *r)
{
    return r->phase == CTL_READS_LENGTH && r->used == 0;
}

#endif
