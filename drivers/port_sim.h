/* port_sim.h
 *
 * An in-memory wire between two ports, with faults decided by a seed and time that the caller sets.
 * Same seed and same calls: same frames at the same nanosecond.
 *
 *     port a  --- loss, delay + jitter (reorder), duplication, corruption, rate --->  port b
 *             <---------------------------- the same, drawn apart -----------------
 *
 * By the seed an end is a card that cuts large frames (port.h), or one that does not.
 *
 * One queue per end. The directions draw from their own random streams, and every frame draws the
 * same number of times, so that a change to one fault leaves the fate of the other frames as it
 * was.
 *
 * Thread: one. Memory: grows to the most frames that were in flight at once, then stays.
 */
#ifndef HEARTH_PORT_SIM_H
#define HEARTH_PORT_SIM_H

#include "drivers/clock.h"
#include "drivers/port.h"

struct port_sim_faults {
    double loss, duplicate, corrupt; /* probability per frame, 0..1 */
    uint64_t delay_ns, jitter_ns;    /* delay + uniform(0, jitter): jitter above the gap reorders */
    uint64_t rate_bps;               /* 0: no limit */
};

enum { PORT_SIM_IN_FLIGHT_MAX = 65536 }; /* frames per direction; more are counted as overflow */

/* Every frame is accounted for: sent + duplicated = arrived + lost + overflow + in_flight, where
 * sent, arrived and bytes are told by port_stats too. */
struct port_sim_counts {
    uint64_t sent, duplicated, corrupted, lost, overflow, arrived, in_flight;
};

/* Both ends share the clock, which only the caller moves. NULL only for want of memory. Closing
 * either end keeps the other usable: what is sent to a closed end is lost. Frames still held by a
 * caller die with the wire. */
struct port_sim_wire;
struct port_sim_wire *port_sim_wire_create(const struct clock *, uint64_t seed, uint16_t mtu,
                                           struct port_sim_faults a_to_b,
                                           struct port_sim_faults b_to_a);
struct port *port_sim_end(struct port_sim_wire *, int end /* 0 or 1 */, const uint8_t mac[6]);
/* When the next frame arrives at either end, or UINT64_MAX. */
uint64_t port_sim_next_ns(const struct port_sim_wire *);
void port_sim_set_faults(struct port_sim_wire *, struct port_sim_faults a_to_b,
                         struct port_sim_faults b_to_a);
/* Of the direction that leaves from that end. */
struct port_sim_counts port_sim_counts(const struct port_sim_wire *, int from_end);
void port_sim_wire_destroy(struct port_sim_wire *);

#endif
