/* templates.h
 *
 * Which scripts have a template (template.h).
 *
 *   a start took SUPERVISE_DEAR_US of CPU, and      the script was asked for in two different
 *   another one is likely                           seconds, or has been started twice
 *   there is room for it                            without anything that was used within
 *                                                   WARM_IDLE_NS having to go
 *
 * One is made at a time, looked for once a second: never on the way of a request. It is an entry of
 * the warm table as cells are, with the script's arrivals and what a start without it costs; the
 * cells' own worth sinks with what they cost from now on. One that made room is not wanted for
 * SUPERVISE_TEMPLATE_AGAIN_S.
 *
 * Control thread only.
 */
#ifndef HEARTH_CONTROL_TEMPLATES_H
#define HEARTH_CONTROL_TEMPLATES_H

#include <stdint.h>

struct script_cells;
struct supervise;
struct template;
struct warm_entry;

/* Once a second. */
void templates_judge(struct supervise *, uint64_t now_ns);
/* Requests came for it. */
void templates_asked(struct supervise *, struct script_cells *, uint64_t now_ns);
/* Its next cell can be forked there; NULL: not now. */
struct template *templates_of(const struct script_cells *);
/* Another zygote serves. */
void templates_renew(struct supervise *);
/* It makes room. */
void templates_evict(struct supervise *, struct warm_entry *);

#endif
