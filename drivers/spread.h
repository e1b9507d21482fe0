/* spread.h
 *
 * Which queue a frame belongs to when the device cannot say: a keyed hash of addresses and ports
 * that is the same in both directions of a flow. ICMP errors go where the flow that they speak of
 * goes. Fragments go by addresses alone; what is not IP goes to queue 0.
 *
 * Pure. The key keeps a stranger from aiming all flows at one queue.
 */
#ifndef HEARTH_SPREAD_H
#define HEARTH_SPREAD_H

#include <stdint.h>

uint16_t spread_queue(const uint8_t *frame, uint32_t len, uint16_t queues, uint64_t key);

#endif
