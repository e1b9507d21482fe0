/* socket_set.h
 *
 * The sockets of one domain that this process has open, as /proc tells. By it we learn which ones a
 * PMD opened: 22.11's af_packet and af_xdp offer no rx interrupts, but their sockets can be polled.
 *
 * Setup only, single thread. Without /proc a set is empty: no waiting then, only polling.
 */
#ifndef HEARTH_SOCKET_SET_H
#define HEARTH_SOCKET_SET_H

enum { SOCKET_SET_MAX = 1024 };

struct socket_set {
    int fds[SOCKET_SET_MAX];
    int count;
};

/* Every open socket of that domain (AF_PACKET, ...), ascending: the order in which they were
 * opened, when none was closed between. */
void socket_set_read(struct socket_set *, int domain);

/* Leaves in `now` only what is not in `before`. */
void socket_set_subtract(struct socket_set *now, const struct socket_set *before);

#endif
