/* core_tap.h
 *
 * A core's side of the host's tap (dataplane/net/exception.h, drivers/tap.h).
 *
 *   port --> net_input: NET_HOST --> core_tap_give --> kernel        every core
 *   port <-- tx                  <-- core_tap_run  <-- kernel        core 0
 *
 * Who comes from afar, and who is a neighbour on the link, has a bucket each of exception.rate: a
 * flood from anywhere does not silence the router that speaks BGP here. A frame to the tap is a
 * system call, in which the kernel does all that it does with it (1 to 2 us: a SYN and its answer):
 * the rate is what strangers can take of a core by it, 2 % each at 10,000 a second.
 *
 * The tap is read when the core was woken for it, or else each EXCEPTION_LOOK_US: a look that finds
 * nothing is a system call too, of 0.15 us. What the kernel sends goes out as it is, but for the
 * port's VLAN tag, which the tap does not have.
 *
 * Thread: the core's. Without a tap all of these do nothing.
 */
#ifndef HEARTH_CORE_TAP_H
#define HEARTH_CORE_TAP_H

#include <stdbool.h>
#include <stdint.h>

struct core;
struct frame;

void core_tap_init(struct core *);

/* A frame that net_input said is the host's; counts it. */
void core_tap_give(struct core *, const struct frame *, bool is_near);
/* One that was taken already, and that the host has to see as well. */
void core_tap_show(struct core *, const struct frame *);

/* Sends what the kernel wants sent; returns how many frames. */
uint32_t core_tap_run(struct core *);

/* What to sleep on beside the port's; -1: nothing. core_tap_woke: it was readable. */
int core_tap_fd(const struct core *);
void core_tap_woke(struct core *);

#endif
