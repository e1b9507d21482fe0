/* in_flight.h
 *
 * Packets under way on a simulated wire, the next to arrive first: a binary heap by time, and by
 * the order sent where times are equal.
 *
 *   packet_new -> in_flight_add ... in_flight_at <= now -> in_flight_take -> free
 *
 * A packet belongs to whoever took or made it, and to the heap in between. More than IN_FLIGHT_MAX
 * end the program: a wire that nobody empties is a bug of the simulation.
 */
#ifndef HEARTH_SIM_IN_FLIGHT_H
#define HEARTH_SIM_IN_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IN_FLIGHT_MAX = 32768 };

struct packet {
    uint64_t at, order;
    uint32_t to, bytes;
    bool is_false; /* must be refused */
    uint8_t data[];
};

struct in_flight {
    struct packet *heap[IN_FLIGHT_MAX];
    uint32_t count;
    uint64_t order;
};

struct packet *packet_new(uint32_t to, const uint8_t *bytes, size_t len);

void in_flight_add(struct in_flight *, struct packet *, uint64_t at);
/* When the next one arrives; UINT64_MAX: none is under way. */
uint64_t in_flight_at(const struct in_flight *);
/* That one. There is one. */
struct packet *in_flight_take(struct in_flight *);
/* Frees all of them. */
void in_flight_fini(struct in_flight *);

#endif
