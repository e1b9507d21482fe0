/* pipe.h
 *
 * A stream in memory. It holds at most `room` bytes and moves at most `piece` bytes per call; both
 * may change between calls.
 */
#ifndef HEARTH_TEST_PIPE_H
#define HEARTH_TEST_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PIPE_BYTES_MAX = 1 << 20 };

struct pipe {
    uint8_t bytes[PIPE_BYTES_MAX];
    size_t from, to;    /* filled: bytes[from..to) */
    size_t room, piece; /* limits; SIZE_MAX: none */
    uint64_t total;     /* ever written */
    bool is_closed;     /* by the writer */
};

/* How many bytes were moved. */
size_t pipe_write(struct pipe *, const void *bytes, size_t len);
size_t pipe_read(struct pipe *, void *bytes, size_t len);

#endif
