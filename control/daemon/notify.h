/* notify.h
 *
 * Tells the service manager how far hearthd is: a datagram to the socket that it named in
 * NOTIFY_SOCKET, if it did.
 *
 * Source: sd_notify(3).
 */
#ifndef HEARTH_NOTIFY_H
#define HEARTH_NOTIFY_H

/* "READY=1", "STOPPING=1", "WATCHDOG=1". Whoever does not listen misses it. */
void notify(const char *state);

#endif
