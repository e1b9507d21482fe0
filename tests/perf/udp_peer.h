/* udp_peer.h
 *
 * The same calls by the kernel, without any crypto: datagrams of RPC_CALL_BYTES over loopback,
 * recvfrom and sendto, busy-polling or blocking. What hearth's RPC is compared with.
 */
#ifndef HEARTH_UDP_PEER_H
#define HEARTH_UDP_PEER_H

#include <stdbool.h>
#include <stdint.h>

struct udp_peer {
    int fd[2]; /* the caller's and the echo's, connected to each other */
};

/* Before the processes part. 0 or -errno. */
int udp_peer_init(struct udp_peer *);

/* Echoes what has come, for a few milliseconds at most if nothing comes. */
void udp_peer_echo(struct udp_peer *, bool is_blocking);

/* Makes calls for duration_ns, keeping `outstanding` under way (one if it blocks); answered is told
 * of each. Returns how many were answered; those that got lost (the socket's buffer is finite) are
 * made good for. */
uint64_t udp_peer_call(struct udp_peer *, uint32_t outstanding, bool is_blocking,
                       uint64_t duration_ns,
                       void (*answered)(void *arg, uint64_t sent_ns, uint64_t now_ns), void *arg);

#endif
