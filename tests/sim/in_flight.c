#include "tests/sim/in_flight.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct packet *packet_new(uint32_t to, const uint8_t *bytes, size_t len)
{
    struct packet *p = malloc(sizeof(*p) + len);

    *p = (struct packet){.to = to, .bytes = (uint32_t)len};
    memcpy(p->data, bytes, len);
    return p;
}

static bool earlier(const struct packet *a, const struct packet *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void in_flight_add(struct in_flight *f, struct packet *p, uint64_t at)
{
    uint32_t i = f->count++;

    if (f->count > IN_FLIGHT_MAX) {
        fprintf(stderr, "the wire holds too many packets\n");
        abort();
    }
    p->at = at;
    p->order = f->order++;
    for (; i > 0 && earlier(p, f->heap[(i - 1) / 2]); i = (i - 1) / 2)
        f->heap[i] = f->heap[(i - 1) / 2];
    f->heap[i] = p;
}

uint64_t in_flight_at(const struct in_flight *f)
{
    return f->count > 0 ? f->heap[0]->at : UINT64_MAX;
}

struct packet *in_flight_take(struct in_flight *f)
{
    assert(f->count > 0);

    struct packet *top = f->heap[0], *last = f->heap[--f->count];
    uint32_t i = 0;

    for (;;) {
        uint32_t child = 2 * i + 1;

        if (child >= f->count)
            break;
        if (child + 1 < f->count && earlier(f->heap[child + 1], f->heap[child]))
            child++;
        if (!earlier(f->heap[child], last))
            break;
        f->heap[i] = f->heap[child];
        i = child;
    }
    f->heap[i] = last;
    return top;
}

void in_flight_fini(struct in_flight *f)
{
    while (f->count > 0)
        free(in_flight_take(f));
}
