/* tap.h
 *
 * A tap: an interface of the host's kernel whose other end are frames, read and written here. The
 * port's frames that are the kernel's go in (dataplane/net/exception.h), what the kernel sends
 * comes out.
 *
 *   bird, sshd ... kernel --- hearth0 --- tap_read  --> core 0 --> port
 *                                    \--- tap_write <-- every core, for itself
 *
 * It has the port's MAC and MTU and, of what struct tap_config names, its addresses; no router
 * advertisements are heard there, and without an IPv6 address no IPv6 is spoken. It is there from
 * tap_open until tap_close or the end of the process, whatever that is: then the kernel's routes
 * over it go, and what was announced over it is withdrawn. If an interface of that name exists and
 * is a tap that nobody holds, it is taken, and stays behind.
 *
 * Frames are whole Ethernet frames without a VLAN tag (the port's is taken off and put back by the
 * caller), checksums done: the kernel is offered no offload.
 *
 * tap_open wants CAP_NET_ADMIN and sockets; afterwards nothing does: the descriptor is leave enough
 * for reads, writes, the carrier and the MAC. Setup: control thread, 0 or -errno and a sentence.
 * tap_write: any thread. tap_read: one thread.
 *
 * Rejected:
 *   net_tap (DPDK): a queue that is empty costs a system call in each iteration of its core, it
 *     wants buffers of its own and a signal, and still needs the address set elsewhere.
 *   virtio_user with vhost-net: no system call while frames flow, which is what a path for BGP and
 *     ssh does not need; a kernel thread that polls, a kernel module that small machines lack, and
 *     again a queue to look at.
 *   a core that hands frames on to core 0: a write into a tap is safe from every thread, so the
 *     ring would only add a copy and a wake-up.
 */
#ifndef HEARTH_TAP_H
#define HEARTH_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TAP_NAME_BYTES = 16, TAP_ADDRESSES_MAX = 8 };

struct tap_address {
    bool is_ip6;
    uint8_t ip[16]; /* of IPv4 the first four */
    uint8_t prefix_len;
};

struct tap_config {
    const char *name;
    uint8_t mac[6];
    uint16_t mtu;
    uint32_t address_count;
    struct tap_address address[TAP_ADDRESSES_MAX];
};

struct tap {
    int fd; /* readable: tap_read has something */
};

int tap_open(struct tap *, const struct tap_config *, char *error, size_t error_bytes);
void tap_close(struct tap *);

/* Gives a frame of two parts to the kernel. False: it did not take it. */
bool tap_write(const struct tap *, const void *head, size_t head_bytes, const void *rest,
               size_t rest_bytes);
/* The next frame that the kernel sends; its bytes, 0: there is none. */
size_t tap_read(const struct tap *, void *bytes, size_t room);

/* The port has another MAC; its link went or came. False: the kernel refused. */
bool tap_set_mac(const struct tap *, const uint8_t mac[6]);
bool tap_set_carrier(const struct tap *, bool is_up);

#endif
