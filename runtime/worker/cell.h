/* cell.h
 *
 * The process that runs one script: one event loop that serves every dp core's lane.
 *
 *   cell_prepare --(fork)--> cell_begin ---(seal)--> cell_serve
 *   the isolate              region, monitor          rings down -> requests -> JavaScript -> rings
 *                                                     start socket -> script   timers --^
 *
 * What is before the fork knows of no script and of no hearthd; what is behind it is this cell's
 * alone. All is one thread, but for the monitor (CPU limits).
 *
 * With no request alive a cell does nothing at all: it waits for its eventfd and its start socket
 * without a timeout, and so does the monitor for it.
 */
#ifndef HEARTH_WORKER_CELL_H
#define HEARTH_WORKER_CELL_H

struct v8c_native_entry;
struct worker;

/* In a zeroed worker with its base snapshot, in a process that has started V8: all that cells have
 * in common. */
void cell_prepare(struct worker *, const struct v8c_native_entry *natives);
/* Waits for the region on w->start_fd, and starts the monitor. 0, or -errno: *what failed. */
int cell_begin(struct worker *, const char **what);
/* Says "ready", and serves until hearthd is gone. */
void cell_serve(struct worker *);

#endif
