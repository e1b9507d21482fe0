/* allocator.h
 *
 * What jemalloc (v8c_host.h) does with memory that a cell has freed: keeps it for a second while
 * the cell works, and gives all of it back when the cell has nothing to do.
 *
 * By default it keeps it for ten seconds, and looks at the clock only when it is asked for more: a
 * cell that loaded a script and then waits keeps for ever what the compiler took. After a bundle of
 * 0.9 MB with 6,000 functions a cell has 8.5 MB of its own instead of 19.
 *
 * Rejected: giving it back at once, always: page faults were the most of what a script that makes
 * and drops large buffers spent, beside those of calloc (libv8c/inside.hh). MALLOC_CONF: it would
 * be the business of whoever starts the process.
 */
#ifndef HEARTH_WORKER_ALLOCATOR_H
#define HEARTH_WORKER_ALLOCATOR_H

/* In the zygote, before the others; with another allocator both do nothing. */
void allocator_start(void);

/* Gives back what is free. */
void allocator_tidy(void);

#endif
