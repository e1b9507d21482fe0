/* port_rig.h
 *
 * Real devices in a network namespace of the test's own, which ends with the process:
 *
 *     raw socket on hxb ---- veth ---- hxa: net_af_packet, net_af_xdp
 *     raw socket on its kernel end ------ net_tap
 *
 * hxc ---- hxd is another such pair, hxc with two queues. A breach fails the test. Single thread,
 * but for rig_check_wakes.
 */
#ifndef HEARTH_TEST_PORT_RIG_H
#define HEARTH_TEST_PORT_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "drivers/port.h"
#include "tests/unit/drivers/test_frame.h"

enum { RIG_PATIENCE_MS = 10000, RIG_FLOWS = 64 };

extern const struct test_flow rig_flow_v4, rig_flow_v6;

/* The links, and DPDK with two cores. Once per process; 0, or what main returns: without root the
 * test is skipped. Without hugepages memif can be used. */
int rig_start(const char *name, bool huge);

/* ---- the kernel's side ---- */

int rig_raw_socket(const char *iface);
void rig_raw_send(int fd, const uint8_t *bytes, uint32_t len);
/* The next frame that came in (not our own going out); 0 when none comes. */
uint32_t rig_raw_receive(int fd, uint8_t *bytes, uint32_t room);

/* ---- our side ---- */

struct port *rig_open(const char *device, uint16_t queues);
/* True if a descriptor of the queue is readable within the time. Arms as port.h says. */
bool rig_is_awake(struct port *, uint16_t queue, int timeout_ms);
void rig_drain_queue(struct port *, uint16_t queue);
void rig_drain(struct port *);
/* One frame on queue 0, sleeping until it comes; where the device cannot say, by polling. */
bool rig_receive_one(struct port *, struct frame *);

/* ---- what each device must do; raw is a socket on its other end ---- */

void rig_check_receives(struct port *, int raw);
void rig_check_sends(struct port *, uint16_t queue, int raw);
/* Flows come to one of two queues each, both directions of one to the same. */
void rig_check_spreads(struct port *, int raw);
/* Cores that sleep whenever they find nothing miss no frame. */
void rig_check_wakes(struct port *, int raw);
/* A socket that nobody reads must not wake anyone, and one frame must. */
void rig_check_waits(struct port *, int raw);

#endif
