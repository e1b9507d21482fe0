/* footprint.h
 *
 * The pages that the start of a script touches, so that a cell has them before there is a script.
 *
 *   zygote   footprint_learn: a forked child rehearses a start, and notes which pages it has then
 *   cell     footprint_take: as soon as it is forked, while nobody waits
 *
 * A child of a fork has none of the files' pages that its parent has mapped (V8's code), and a page
 * of memory that it writes is copied for it then: some 240 faults on the way of a first request, 3
 * us each, which is most of a start. They are the same in every cell, for all of them begin with
 * the same memory at the same addresses. What is taken is what a start takes in any case, so a cell
 * with a script is hardly larger; a spare one is, by what it will need. That holds as long as a
 * cell allocates what was rehearsed: with a rehearsal that was told less than hearthd tells, cells
 * were 110 KB larger.
 *
 * Of what cannot be learned nothing is taken, and a start is slower; nothing else depends on it.
 *
 * Source: proc_pid_pagemap(5), proc_pid_smaps(5), pkeys(7).
 *
 * Rejected: a list made when hearth is built: addresses are other ones in each zygote. A rehearsal
 * in each cell, which leaves a heap with its rest.
 */
#ifndef HEARTH_WORKER_FOOTPRINT_H
#define HEARTH_WORKER_FOOTPRINT_H

#include <stdbool.h>
#include <stdint.h>

enum { FOOTPRINT_RANGES_MAX = 1024 };

struct footprint_range {
    uintptr_t at;
    uint32_t bytes;
    bool is_written; /* else read */
};

struct footprint {
    uint32_t count;
    struct footprint_range range[FOOTPRINT_RANGES_MAX];
};

/* Lets a child rehearse and waits for its end. In a process of one thread that may read its /proc.
 * NULL, or why there is none. */
const char *footprint_learn(struct footprint *, void (*rehearse)(void *arg), void *arg);
/* In a process that has been forked since, and has no other thread yet. */
void footprint_take(const struct footprint *);

#endif
