/* gso.h
 *
 * Large frames: the headers of one TCP segment, and the payload of many behind them (port.h). Who
 * cuts them is the card or the kernel; where neither does, these functions do.
 *
 *   a large frame    [ Ethernet | IP | TCP | gso_size | gso_size | ... | rest ]
 *   what leaves      [ Ethernet | IP | TCP | gso_size ] ... [ Ethernet | IP | TCP | rest ]
 *
 * Each segment has the headers' fields, but for lengths and sequence number of its own, an IPv4 ID
 * that counts up, and FIN and PSH only in the last one: what cards and Linux's tcp_gso_segment do.
 *
 * Pure. No IPv4 options, no IPv6 extension headers: net_out.c writes none.
 */
#ifndef HEARTH_GSO_H
#define HEARTH_GSO_H

#include <stdint.h>

#include "drivers/port.h"

/* Bytes of a TCP frame before its payload. */
uint32_t gso_header_bytes(const struct frame *);
/* How many frames leave for this one; 1 of an ordinary one. */
uint32_t gso_count(const struct frame *);
/* And their bytes together. */
uint64_t gso_wire_bytes(const struct frame *);

/* Writes the segment with that index below gso_count into out, whose bytes have room for it; its
 * checksums are still to be filled in, as its tx_csum says. */
void gso_segment(const struct frame *, uint32_t index, struct frame *out);

#endif
