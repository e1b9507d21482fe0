/* messenger.h
 *
 * Control threads of two nodes talking: JSON over the rings of dataplane/base/note.h, which dp core
 * 0 carries.
 *
 *   messenger_send --> notes.out --> core 0
 *                                       :
 *             the other node's core 0 --> notes.in --eventfd--> handler(from, type, note)
 *
 * A note is an object with a "type". Nothing is acknowledged: a full ring, a node that is down or a
 * note that is too long loses it, counted. What arrives comes from a member (the channel's word),
 * which may be of another version or compromised: handlers check what they read; what is no note is
 * counted and dropped.
 *
 * Bounded by the rings, and by MESSENGER_BURST notes per turn of the loop. Control thread only.
 */
#ifndef HEARTH_MESSENGER_H
#define HEARTH_MESSENGER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/base/loop.h"
#include "dataplane/base/note.h"

enum { MESSENGER_BURST = 32 };

/* from: index of the member. Borrows note. */
typedef void (*messenger_handler)(void *arg, uint16_t from, const char *type, const json_t *note);

struct messenger_counts {
    uint64_t sent, unsent;  /* unsent: too long, or the ring was full */
    uint64_t received, bad; /* bad: no JSON object with a type */
    uint64_t dropped;       /* by a full ring, on their way in */
};

struct messenger;

/* NULL and a sentence. */
struct messenger *messenger_create(struct loop *, messenger_handler, void *arg, char *error,
                                   size_t error_bytes);
/* No core runs any more. NULL is nothing. */
void messenger_destroy(struct messenger *);

/* For core 0's configuration; lives as long as the messenger. */
struct notes *messenger_notes(struct messenger *);
/* The eventfd of core 0: rung after every note. */
void messenger_set_wake(struct messenger *, int core_wake_fd);

/* To a member, or NOTE_TO_ALL the others. Consumes note. False: not sent, counted. */
bool messenger_send(struct messenger *, uint16_t node, json_t *note);

struct messenger_counts messenger_counts(const struct messenger *);

#endif
