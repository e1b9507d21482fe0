#include "pipe.h"

#include <string.h>

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

size_t pipe_write(struct pipe *p, const void *bytes, size_t len)
{
    size_t filled = p->to - p->from;
    size_t room = p->room > filled ? p->room - filled : 0;
    size_t n = min3(len, p->piece, room);
    if (n > PIPE_BYTES_MAX - p->to) {
        memmove(p->bytes, p->bytes + p->from, filled);
        p->from = 0;
        p->to = filled;
        n = min3(n, PIPE_BYTES_MAX - filled, SIZE_MAX);
    }
    memcpy(p->bytes + p->to, bytes, n);
    p->to += n;
    p->total += n;
    return n;
}

size_t pipe_read(struct pipe *p, void *bytes, size_t len)
{
    size_t n = min3(len, p->piece, p->to - p->from);
    memcpy(bytes, p->bytes + p->from, n);
    p->from += n;
    if (p->from == p->to)
        p->from = p->to = 0;
    return n;
}
