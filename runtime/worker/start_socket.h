/* start_socket.h
 *
 * The start socket's way down (start.h): the region at the beginning, then scripts coming and
 * going.
 */
#ifndef HEARTH_WORKER_START_SOCKET_H
#define HEARTH_WORKER_START_SOCKET_H

struct worker;

/* Waits for the region packet and makes the lanes. 0 or -errno. */
int start_socket_region(struct worker *);
/* Reads what has come, without waiting. Sets worker->is_orphaned when hearthd is gone. */
void start_socket_read(struct worker *);

#endif
