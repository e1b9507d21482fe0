/* sealed.h: a hostile process's rows, and what it has to work with (sealed.c). */
#ifndef HEARTH_ATTACK_SEALED_H
#define HEARTH_ATTACK_SEALED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/job.h"

struct row {
    const char *what;
    /* Of a call: negative with errno when it was refused, as it should be. */
    long (*attempt)(void);
    bool is_call;
};

struct hostile {
    void *region; /* a mapping of its own, as the worker's */
    size_t region_bytes;
    struct job_geometry geometry;
    int own_bell, core_bell;
    pid_t parent;
};
extern struct hostile hostile;

/* The job that is executing, in a message of that type. */
struct job_slot own_job(uint8_t type);
struct job_lane own_lane(void);
/* Into the ring, past its book; the core is woken. */
void say(struct job_slot);
void ring_core_bell(void);

extern const struct row sealed_lies[], sealed_calls[];
extern const unsigned sealed_lies_count, sealed_calls_count;

#endif
