/* core.h
 *
 * One dp core: everything it owns, and the iteration that drives it. Share nothing: no lock, no
 * blocking call, no allocation after core_create except wolfSSL's own.
 *
 *   while running:
 *       quiescent                              old worlds can go
 *       now                                    the only clock read of the iteration
 *       world = current                        cells that came and went are heard of (cells.h)
 *       cells: how long work waits             what follows is placed by it
 *       handshakes that have their turn        cells that their hellos asked for start meanwhile
 *       rx bursts  -> net_input -> flow -> conn_segment          marks connections dirty
 *       cells      -> call events -> exchanges, served calls     marks connections dirty
 *       timers     -> conn_timeout                               marks connections dirty
 *       calls and sub-requests that waited
 *       dirty connections: conn_run (pump, then segments out)
 *       peers: channels' timers, datagrams out
 *       tx_flush, cells_flush                  one doorbell each
 *       nothing done? spin, then sleep until a frame, a cell, the control thread or a timer
 *
 * Each kind of work has a slice (slice.h): strangers and scripts decide how much there is, so what
 * there is no time for waits for the next iteration, and an iteration is bounded by their sum. The
 * longest ones are in the gauges, and what each kind takes in the ledger (ledger.h).
 *
 * Thread: core_run is the lcore's function; core_stop and the readers may be called by the control
 * thread.
 *
 * Rejected: hellos and handshakes in the order of events. What a hello asks for leaves at the end
 * of the iteration, so the cell's start, here or at home, began behind the arithmetic of the
 * handshake that was to hide it.
 */
#ifndef HEARTH_CORE_H
#define HEARTH_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/core_config.h"

struct core;
struct counters;
struct ledger;

/* NULL and a sentence. */
struct core *core_create(const struct core_config *, char *error, size_t error_bytes);
void core_destroy(struct core *);

/* Takes up the current world. At the start of an iteration, and first thing after a sleep: what the
 * old one pointed to may be gone. */
void core_follow(struct core *);

/* One iteration at the clock's time; returns how much there was to do. */
uint32_t core_iterate(struct core *);
/* When it next has something to do on its own (never later than that), or UINT64_MAX. */
uint64_t core_next_ns(const struct core *);

/* Accept nothing new, finish what runs, at the latest after drain_ms. Any thread. */
void core_stop(struct core *, uint32_t drain_ms);
/* True after core_stop, when the drain is over; then core_end resets what is left. */
bool core_is_drained(struct core *);
void core_end(struct core *);

const struct counters *core_counters(const struct core *);
/* Where its time went, by stage. */
const struct ledger *core_ledger(const struct core *);
/* eventfd that wakes the core: for the cells and the control thread. */
int core_wake_fd(const struct core *);

void core_gauges(const struct core *, struct core_gauges *);

/* What the control thread reads of a core while it runs. */
struct peers;
struct trace;
const struct peers *core_peers(const struct core *); /* NULL: no cluster */
const struct trace *core_trace(const struct core *);

/* Bytes that one core of this shape allocates, for limits_print. */
size_t core_bytes(uint32_t conns_max, uint32_t chunks, uint32_t links, uint32_t larges);
size_t
core_cluster_bytes(uint32_t channels); /* and what a cluster adds, otherwise at the default sizes */

#endif
