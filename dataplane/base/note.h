/* note.h
 *
 * Messages between the control threads of two nodes, carried by dp core 0 over its channels: a
 * bounded pair of rings between the control thread and the core.
 *
 *   control --note_put--> [ out ] --core 0: peers_note--> ... channel
 *     ... --core 0: notes_deliver--> [ in ] --eventfd--> control
 *
 * A note is JSON of at most NOTE_BYTES_MAX; who sent it is the channel's word (a member,
 * authenticated). Full rings drop and count. Thread: one producer and one consumer for each ring:
 * out is control's to fill, in is core 0's. Memory: the caller's, about 1 MiB.
 */
#ifndef HEARTH_NOTE_H
#define HEARTH_NOTE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NOTE_BYTES_MAX = 8192, NOTE_SLOTS = 64, NOTE_TO_ALL = UINT16_MAX };

struct note {
    uint16_t node; /* to or from: index of the member; NOTE_TO_ALL */
    uint32_t bytes;
    uint8_t body[NOTE_BYTES_MAX];
};

struct note_ring {
    _Alignas(64) _Atomic uint32_t tail; /* this and `dropped`: written by who puts */
    _Atomic uint64_t dropped;
    _Alignas(64) _Atomic uint32_t head; /* written by who takes */
    _Alignas(64) struct note slot[NOTE_SLOTS];
};
static_assert(offsetof(struct note_ring, head) == 64 && offsetof(struct note_ring, slot) == 128,
              "a line for each writer");

struct notes {
    struct note_ring out, in;
    int wake_fd; /* control's eventfd, not blocking: there is something in `in` */
};

/* -errno when there is no eventfd. */
int notes_init(struct notes *);
void notes_fini(struct notes *);

/* Core: into `in`, and wakes control. False: full (counted) or too long. */
bool notes_deliver(struct notes *, uint16_t node, const void *bytes, size_t len);

/* False: full (counted) or too long (counted). After a put into `out`, control wakes the core. */
bool note_put(struct note_ring *, uint16_t node, const void *bytes, size_t len);
/* The oldest one, valid until note_done, which takes it off; NULL: none. */
const struct note *note_peek(struct note_ring *);
void note_done(struct note_ring *);

#endif
