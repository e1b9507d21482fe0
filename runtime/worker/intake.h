/* intake.h
 *
 * Body bytes on their way into JavaScript: of a request, or of the reply to a sub-request. They are
 * copied out of the arena at once and wait here for a read, never more than was granted; taking
 * them is what earns the sender new credit.
 *
 *   hearthd --room, put--> [ bytes ] --took--> JavaScript, or a relay
 *
 * Single thread.
 */
#ifndef HEARTH_WORKER_INTAKE_H
#define HEARTH_WORKER_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Credit is given back in portions of this: each wakes a core. What is held back is less than what
 * was granted first, so the sender is never without. */
enum { INTAKE_CREDIT_STEP = 32768 };

struct intake {
    uint8_t *bytes;
    size_t len, cap;
    uint32_t owed;    /* credit to give back */
    bool is_ended;    /* nothing more comes */
    bool is_cut;      /* and that was not all: whoever reads must learn of it */
    bool is_unwanted; /* what comes is dropped */
};

/* Where so many bytes are to be copied to, before intake_put; NULL: nobody wants them. */
uint8_t *intake_room(struct intake *, size_t bytes);
/* So many have come, perhaps the last. Returns the credit to send now, 0 for none: of bytes that
 * nobody wants. */
uint32_t intake_put(struct intake *, size_t bytes, bool is_end);
/* So many of the waiting bytes were used. Returns the credit to send now, 0 for none. */
uint32_t intake_took(struct intake *, size_t bytes);
/* Nobody wants the rest. Returns the credit to send now, 0 for none. */
uint32_t intake_discard(struct intake *);
/* Nothing more comes. False: all had come before. */
bool intake_cut(struct intake *);
void intake_fini(struct intake *);

#endif
