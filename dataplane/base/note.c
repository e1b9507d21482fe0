#include "dataplane/base/note.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <sys/eventfd.h>
#include <unistd.h>

/* head and tail count up and never meet a mask but in the index, so that full and empty differ. */
static_assert((NOTE_SLOTS & (NOTE_SLOTS - 1)) == 0, "a slot is a mask away");

static void ring_init(struct note_ring *r)
{
    atomic_init(&r->tail, 0);
    atomic_init(&r->head, 0);
    atomic_init(&r->dropped, 0);
}

int notes_init(struct notes *n)
{
    ring_init(&n->out);
    ring_init(&n->in);
    n->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return n->wake_fd < 0 ? -errno : 0;
}

void notes_fini(struct notes *n)
{
    close(n->wake_fd);
    n->wake_fd = -1;
}

bool notes_deliver(struct notes *n, uint16_t node, const void *bytes, size_t len)
{
    bool is_in = note_put(&n->in, node, bytes, len);

    if (is_in)
        eventfd_write(n->wake_fd,
                      1); /* its only failure is a full counter: then control is awake */
    return is_in;
}

bool note_put(struct note_ring *r, uint16_t node, const void *bytes, size_t len)
{
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    uint32_t used = tail - atomic_load_explicit(&r->head, memory_order_acquire);

    assert(used <= NOTE_SLOTS);
    if (used == NOTE_SLOTS || len > NOTE_BYTES_MAX) {
        atomic_fetch_add_explicit(&r->dropped, 1, memory_order_relaxed);
        return false;
    }

    struct note *slot = &r->slot[tail % NOTE_SLOTS];

    slot->node = node;
    slot->bytes = (uint32_t)len;
    if (len > 0)
        memcpy(slot->body, bytes, len);
    atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
    return true;
}

const struct note *note_peek(struct note_ring *r)
{
    uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

    if (head == atomic_load_explicit(&r->tail, memory_order_acquire))
        return NULL;
    return &r->slot[head % NOTE_SLOTS];
}

void note_done(struct note_ring *r)
{
    uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

    assert(head != atomic_load_explicit(&r->tail, memory_order_relaxed));
    atomic_store_explicit(&r->head, head + 1, memory_order_release);
}
