/* cpu_cost.h
 *
 * Work that costs time, in a simulation whose clock stands still within an iteration: each run of a
 * connection, and each step of a TLS handshake, moves the clock of the core that does it on.
 *
 *   core_iterate --> conn_run, conns_run_handshakes --> tls_handshake
 *                       |                                  |      wrapped by the linker
 *                       +----------------------------------+--> clock of the core
 *
 * The linker (meson.build: cpu_cost) does not see calls within a file: the conn_run of a
 * handshake's turn costs nothing by itself.
 *
 * So a core's clock is what a thread on a slow machine would see, and an iteration has a length
 * that can be checked. Zero: nothing costs anything. Whoever drives the core takes its clock over
 * afterwards.
 */
#ifndef HEARTH_SIM_CPU_COST_H
#define HEARTH_SIM_CPU_COST_H

#include <stdint.h>

struct core;

extern uint64_t cpu_cost_conn_ns, cpu_cost_handshake_ns;

/* By the seed; draws nothing from the random stream. */
void cpu_cost_draw(void);
/* An iteration was no longer than its slices allow, each with one piece of work over. */
void cpu_cost_check(const struct core *, uint64_t took_ns);

#endif
