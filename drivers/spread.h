/* spread.h
 *
 * Which queue a frame belongs to when the device cannot say.
 *
 *   UDP to port rpc_port + q, q < queues     queue q: the dp core whose channel it is
 *   other flows                              a keyed hash of addresses and ports, the same in both
 *                                            directions
 *   ICMP errors                              where the flow goes that they speak of
 *   fragments                                by addresses alone
 *   what is not IP                           queue 0
 *
 * Pure. The key keeps a stranger from aiming all flows at one queue.
 */
#ifndef HEARTH_SPREAD_H
#define HEARTH_SPREAD_H

#include <stdbool.h>
#include <stdint.h>

struct spread {
    uint64_t key;
    uint16_t queues;
    uint16_t rpc_port; /* 0: none */
};

uint16_t spread_queue(const struct spread *, const uint8_t *frame, uint32_t len);

/* Where the device keeps flows apart by itself but knows nothing of RPC ports: true if the frame is
 * an RPC datagram, or an ICMP error that speaks of one. */
bool spread_rpc_queue(const struct spread *, const uint8_t *frame, uint32_t len, uint16_t *queue);

#endif
