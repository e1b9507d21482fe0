/* template.h
 *
 * One template of the supervisor (runtime/worker/template.h): a process that has run the top level
 * of one script, and from which cells of that script are forked. Inside of supervise.
 *
 *            zygote answers    "door", "ready"       "loaded"
 *     FREE -> FORKING -------> SEALING -------> LOADING ----> FROZEN -- FORK, FORKED --> cells
 *       ^        |  too slow, breaks the contract, cannot be one, makes room, is as old as a zygote
 *       |        v  that is no more, its script is gone
 *       +---- ENDING     the process is gone, and the last cell with its ids too
 *
 * Its ids are a template's alone, as a cell's are: its number is free again when nobody has them.
 * Its door (door.h) is kept until then. Who knocks there unasked has broken out of V8: template and
 * cells are killed, and so is each child of hearthd's that it does not know; the script is blamed,
 * and gets no template again.
 *
 * What it says is hostile input: TEMPLATE_PACKETS_MAX packets before it is frozen, then FORKED as
 * often as it was asked. Frozen, it computes TEMPLATE_CPU_MS in all, and
 * TEMPLATE_FORK_CPU_MS for each fork. It costs hearthd this struct and four descriptors.
 *
 * Control thread only.
 */
#ifndef HEARTH_CONTROL_TEMPLATE_H
#define HEARTH_CONTROL_TEMPLATE_H

#include "control/supervise/cell_memory.h"
#include "control/supervise/child.h"
#include "control/supervise/door.h"
#include "control/supervise/forks.h"
#include "control/supervise/patience.h"
#include "control/supervise/warm_pool.h"
#include "control/supervise/words.h"

struct script_cells;
struct supervise;
struct zygote;

enum { TEMPLATE_PACKETS_MAX = 512, TEMPLATE_CPU_MS = 200, TEMPLATE_FORK_CPU_MS = 20 };

enum template_state {
    TEMPLATE_FREE,
    TEMPLATE_FORKING,
    TEMPLATE_SEALING,
    TEMPLATE_LOADING,
    TEMPLATE_FROZEN,
    TEMPLATE_ENDING,
};

struct template
{
    struct supervise *owner;
    uint32_t number;
    enum template_state state;
    const struct zygote *zygote; /* that it is of */
    struct fork fork;            /* its own */
    struct child child;
    int socket;
    struct loop_watch socket_watch, door_watch;
    struct words words;
    struct door door;
    struct forks orders; /* of cells */
    uint32_t let, begun; /* clones that were let through; cells that came of them */
    uint32_t cells;      /* that have its ids */
    struct loop_timer timer;
    struct patience wait;
    uint32_t packets;
    struct script_cells *script; /* NULL: it is not its template any more */
    struct warm_history history;
    struct warm_entry warm; /* while is_pooled */
    struct cell_memory memory;
    bool is_pooled;
    const char *kill_reason;
    uint64_t bytes;            /* that its script's account is charged with */
    uint64_t began_ns, cpu_ns; /* cpu: when it was frozen */
};

/* In zeroed memory. */
void template_init(struct template *, struct supervise *, uint32_t number);
/* It is FREE, and the script has none. False: not now, and it is FREE still. bytes: a guess. */
bool template_start(struct template *, struct script_cells *, uint64_t bytes);
/* It is FROZEN: asks for a cell, whose fork that is. Borrows the descriptors. False: not now. */
bool template_ask(struct template *, struct fork *, int socket, int words);
/* No cell is forked there any more. why: a constant. Nothing happens if it is FREE or ENDING. */
void template_end(struct template *, const char *why);
/* False: that process has other ids, and so is none of its cells. */
bool template_has_id(const struct template *, int pid);
/* Once a second: does it take what it should not? */
void template_look(struct template *);
/* A cell has its ids; has them no more. */
void template_keep(struct template *);
void template_leave(struct template *);
/* hearthd ends: waits, and gives its descriptors up, come what may. */
void template_await_end(struct template *, uint64_t deadline_ns);

#endif
