/* steer.h
 *
 * What this core knows when a request is to be placed: which node is home, how loaded this node is.
 * And what is started ahead of requests.
 *
 *   ClientHello, a call  -->  steer  -->  ring, peers, heat, warmth, shed  -->  place() or WARM
 *
 * Thread: the core.
 */
#ifndef HEARTH_STEER_H
#define HEARTH_STEER_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/place/verdict.h"

struct core;
struct job_link;

/* Which node would serve the script for a client here, as far as warming is concerned: its home, or
 * this node if the script is hot here. */
uint16_t steer_home(struct core *, uint64_t script_hash);
/* Asks for a cell here: demanded if the script is hot here, else as a guess within the budget.
 * True: it was asked for. */
bool steer_warm(struct core *, uint64_t script_hash, uint64_t script_handle);
/* Its width is about to double: asks the homes that it gets then. */
void steer_warm_next_homes(struct core *, uint64_t script_hash, uint64_t version, uint8_t width);
/* How loaded this node is as far as this core can tell: per mille, and the worst queueing delay.
 * For STATE. */
uint16_t steer_load(const struct core *, uint32_t *queue_us);
/* Why this node should not run one more job of that script now; 0: it may. link: of its cell; NULL:
 * it has none yet. is_last: nobody else would. */
enum bounce_reason steer_shed(struct core *, const struct job_link *, uint64_t script_hash,
                              bool is_last);

#endif
