/* start_socket.h
 *
 * The start socket's way down (start.h): a region at the beginning, the script, perhaps a larger
 * region.
 */
#ifndef HEARTH_WORKER_START_SOCKET_H
#define HEARTH_WORKER_START_SOCKET_H

struct worker;

/* Waits for the first region and makes its lanes. 0 or -errno. */
int start_socket_region(struct worker *);
/* Waits for the script, in a process that has no lane, and runs its top level. NULL, or why it does
 * not load, until the worker's end; -EPIPE to *error: hearthd is gone. */
const char *start_socket_script(struct worker *, int *error);
/* Reads what has come, without waiting: starts the script, and says whether it loads. Sets
 * worker->is_orphaned when hearthd is gone. */
void start_socket_read(struct worker *);

#endif
