/* sim_switch.h
 *
 * An Ethernet switch on virtual time: one port_sim wire to each station, frames forwarded by destination MAC.
 *
 *   station 0 == wire ==+
 *   station 1 == wire ==+-- switch -- tap: sees every frame that is forwarded, may say drop
 *   station 2 == wire ==+
 *
 * Loss, delay, reordering and duplication are the wires' (port_sim.h). Corruption is the switch's: it flips bits behind the Ethernet
 * header of IPv4 frames only, as a frame check would stop the rest; some of them pass for intact because their UDP checksum
 * is taken away.
 */
#ifndef HEARTH_SIM_SWITCH_H
#define HEARTH_SIM_SWITCH_H

#include "drivers/port_sim.h"

enum { SIM_SWITCH_PORTS_MAX = 64 };

/* False: the frame is dropped. to: a station's number, or SIM_SWITCH_PORTS_MAX for all. */
typedef bool (*sim_switch_tap)(void *arg, uint8_t *frame, uint32_t len, uint32_t from, uint32_t to);

struct sim_switch;

struct sim_switch *sim_switch_create(const struct clock *, uint64_t seed, uint16_t mtu);
void sim_switch_destroy(struct sim_switch *);
void sim_switch_set_tap(struct sim_switch *, sim_switch_tap, void *arg);
void sim_switch_set_corrupt(struct sim_switch *, double probability);

/* A new station; its number counts from 0. */
struct port *sim_switch_plug(struct sim_switch *, const uint8_t mac[6], struct port_sim_faults);
/* The station's end, after it was closed, opens again. */
struct port *sim_switch_replug(struct sim_switch *, uint32_t station);
void sim_switch_set_faults(struct sim_switch *, uint32_t station, struct port_sim_faults);
/* No frame passes to or from it while it is cut. */
void sim_switch_cut(struct sim_switch *, uint32_t station, bool is_cut);
/* Sends a frame to its destination as if it came from nowhere; the tap does not see it. */
void sim_switch_inject(struct sim_switch *, const uint8_t *frame, uint32_t len);

/* Forwards what has arrived; returns how many frames. */
uint32_t sim_switch_work(struct sim_switch *);
/* When the next frame arrives anywhere, or UINT64_MAX. */
uint64_t sim_switch_next_ns(const struct sim_switch *);

#endif
