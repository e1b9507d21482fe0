/* sim_switch.h
 *
 * An Ethernet switch on virtual time: one port_sim wire to each station, frames forwarded by
 * destination MAC.
 *
 *   station 0 == wire ==+
 *   station 1 == wire ==+-- switch -- tap: sees every frame that is forwarded, may say drop
 *   station 2 == wire ==+
 *
 * Loss, delay, reordering and duplication are the wires' (port_sim.h). Corruption is the switch's.
 * What a line bends, the frame check sequence at its end stops: such a frame is lost. What the
 * switch bends in its own memory goes out under a fresh frame check, so that only IP, TCP, UDP and
 * what they carry can tell: one bit behind the Ethernet header, and some of the UDP datagrams pass
 * for intact because their checksum is taken away. Of frames that carry nothing with a check of its
 * own (ARP) all that are hit are lost.
 *
 * A pair of stations can be blocked, in one direction: frames, broadcasts too, do not pass from the
 * one to the other.
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
void sim_switch_block(struct sim_switch *, uint32_t from, uint32_t to, bool is_blocked);
/* to: a station, or SIM_SWITCH_PORTS_MAX: no. */
bool sim_switch_is_blocked(const struct sim_switch *, uint32_t from, uint32_t to);
/* Blocks it from and to every other one that is plugged, or none of them. */
void sim_switch_cut(struct sim_switch *, uint32_t station, bool is_cut);
/* Sends a frame to its destination as if it came from nowhere; the tap does not see it. */
void sim_switch_inject(struct sim_switch *, const uint8_t *frame, uint32_t len);

/* Forwards what has arrived; returns how many frames. */
uint32_t sim_switch_work(struct sim_switch *);
/* When the next frame arrives anywhere, or UINT64_MAX. */
uint64_t sim_switch_next_ns(const struct sim_switch *);

#endif
