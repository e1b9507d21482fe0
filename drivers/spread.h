/* spread.h
 *
 * Which queue a frame belongs to when the device cannot say.
 *
 *   UDP to port rpc_port + q, q < queues     queue q: the dp core whose channel it is
 *   TCP, UDP to one of own_ports             the queue whose part of them it is: the dp core that
 *                                            opened the connection (dataplane/egress/egress.h)
 *   other flows                              a keyed hash of addresses and ports, the same in both
 *                                            directions
 *   ICMP errors                              where the flow goes that they speak of
 *   a packet inside of a balancer's          as if it had come by itself, so that it does not
 *                                            matter by which balancer
 *   fragments                                by addresses alone
 *   what is not IP                           queue 0
 *
 * Pure. The key keeps a stranger from aiming all flows at one queue.
 *
 * Rejected: to compute by the card's own key and table which queue it gives the flow that an error
 * speaks of. What is hashed is the driver's secret (a mask of types, one or two tables, 32 bits or
 * 16 of them), and where the guess is wrong a path of a small MTU is a black hole that nobody sees.
 */
#ifndef HEARTH_SPREAD_H
#define HEARTH_SPREAD_H

#include <stdbool.h>
#include <stdint.h>

struct spread {
    uint64_t key;
    uint16_t queues;
    uint16_t rpc_port;            /* 0: none */
    uint16_t own_first, own_each; /* queue q has own_each ports from own_first + q * own_each on; */
    uint16_t listen[2];           /* but for these, on which clients come: any flow's */
    bool has_ipip;                /* balancers send IP in IP (dataplane/net/decapsulation.h) */
    uint16_t gue_port;            /* and GUE in UDP to this port; 0: none */
};

uint16_t spread_queue(const struct spread *, const uint8_t *frame, uint32_t len);

enum spread_detour {
    SPREAD_STAYS,  /* with the queue that the device chose */
    SPREAD_TO_ONE, /* RPC, an ICMP error that speaks of it, a balancer's packet: *queue */
    SPREAD_TO_ALL, /* "packet too big": only the queue of the flow it speaks of can use it */
};

/* Where the device keeps flows apart by itself: it knows nothing of RPC ports, unless it has taken
 * rules for them, puts an ICMP error where its own addresses hash to, and a balancer's packets
 * where the balancer's do: all of them to one queue, or, when another balancer takes a flow over,
 * to another one. A flow that comes by balancers and by itself in turn is not kept together. */
enum spread_detour spread_detour(const struct spread *, const uint8_t *frame, uint32_t len,
                                 uint16_t *queue);

#endif
