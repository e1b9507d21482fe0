/* port_sim.h
 *
 * An in-memory wire between two ports, with faults decided by a seed and time that the caller sets. Same seed and
 * same calls: same frames at the same nanosecond.
 *
 *     port a  --- loss, delay + jitter (reorder), duplication, corruption, rate --->  port b
 *             <---------------------------- the same, drawn apart -----------------
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

/* Both ends share the clock. NULL only for want of memory. Closing either end keeps the other usable. */
struct port_sim_wire;
struct port_sim_wire *port_sim_wire_create(const struct clock *, uint64_t seed, uint16_t mtu,
                                           struct port_sim_faults a_to_b,
                                           struct port_sim_faults b_to_a);
struct port *port_sim_end(struct port_sim_wire *, int end /* 0 or 1 */, const uint8_t mac[6]);
/* When the next frame arrives at either end, or UINT64_MAX. */
uint64_t port_sim_next_ns(const struct port_sim_wire *);
void port_sim_set_faults(struct port_sim_wire *, struct port_sim_faults a_to_b, struct port_sim_faults b_to_a);
void port_sim_wire_destroy(struct port_sim_wire *);

#endif
