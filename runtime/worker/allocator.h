/* allocator.h
 *
 * What jemalloc (v8c_host.h) does with memory that a cell has freed: gives it back at once.
 *
 * By default it keeps it for ten seconds, and looks at the clock only when it is asked for more: a
 * cell that loaded a script and then waits keeps for ever what the compiler took. After a bundle of
 * 0.9 MB with 6,000 functions a cell has 8.5 MB of its own instead of 19; a small script has what
 * it had, and CPU time per request shows no difference.
 *
 * Rejected: MALLOC_CONF. It would be the business of whoever starts the process.
 */
#ifndef HEARTH_WORKER_ALLOCATOR_H
#define HEARTH_WORKER_ALLOCATOR_H

/* In the zygote; with another allocator it does nothing. */
void allocator_keep_nothing(void);

#endif
