/* budget.h
 *
 * What a request may still make of sub-requests, with all that these make in turn: one book for a
 * whole tree of calls. Without it a script may make 1,000 calls, each of these 1,000 more, and so
 * on to the depth limit.
 *
 *   client --> A --+--> B --> C       tree: left = S of A
 *                  +--> B             each call: left = the least of its script's limit and its
 *                                     binding's
 *
 * Here: exact. A sub-request costs 1 at the call that makes it, at each call above it that lives,
 * and at the tree; where one of these has nothing left it is refused. So N calls one after another,
 * or side by side, fit into S = N. What a call made is spent, whether it failed, was cancelled or
 * answered.
 *
 * Elsewhere: granted and returned. A call that goes to another node takes a grant along (in its
 * context), which is spent here at once; there it is the S of a tree of its own. What that did not
 * spend comes back with the end of the answer, or with a bounce.
 *   - A script without bindings can call nothing, and takes nothing along: all S of a request can
 *     be such calls at other nodes at the same time.
 *   - Others take half of what is left, or a quarter while others are away with theirs, as long as
 *     an eighth of S stays here, and BUDGET_GRANT_LEAST at least: of S = 1,000 that are five at a
 *     time, or a chain over six homes. Beyond, they do not travel: they run here, where the book is
 *     exact. No call is refused for what is granted to others until what stayed here is used up.
 *   - What does not come back is lost, that is, spent: of a call that is cancelled or whose node is
 *     lost, and of one whose tree lives on there behind its answer (waitUntil).
 *
 * Run again: a call from outside that runs again because its process or node died begins with its
 * whole S, as if its client had asked again; it does so once. What ran before keeps the old book.
 * Where a script's call runs again, what the first run spent stays spent.
 *
 * The limit of a binding binds as long as the call lives that it was given to; the tree's binds
 * whatever lives on (waitUntil).
 *
 * Who is believed: the runtime never, it keeps no book that counts here. A peer's grant is capped
 * by the limit of the script here; what it says to have spent is at least 0 and at most the grant.
 *
 * Thread: the core: all calls of a tree at this node are the same core's. Pure. Memory: as many
 * trees as calls, the caller's.
 *
 * Rejected: a share for each callee here too; a tree that fans out would run out of what it has. A
 * home that asks for more when its grant is used up: a round trip with a call that waits for it, to
 * spare a large tree over several homes that its lower parts have S/2, S/4, ... A part of S for
 * each call that travels, however many: fans of calls end early while what was granted is unused.
 * Half of what is left for each: the third side by side ran here and started cold. A quarter for
 * each: the fourth of a chain did (tools/sim cluster --seed 7, and 1).
 */
#ifndef HEARTH_BUDGET_H
#define HEARTH_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BUDGET_GRANT_LEAST = 16 }; /* as deep as calls may go */

/* The book of all calls of one request at this node. */
struct budget_tree {
    struct budget_tree *next_free;
    uint32_t calls; /* of it, that live */
    uint32_t total, left;
    uint32_t away; /* of them, that run elsewhere and have a grant */
};

/* A call's part. It may not move. */
struct budget {
    struct budget_tree *tree; /* NULL: not in use */
    uint64_t life;            /* grows with each use */
    struct budget *parent;    /* NULL: this is the tree's first call */
    uint64_t parent_life;     /* another by now: the parent is over */
    uint32_t total, left;
    uint32_t granted; /* to where it runs now: not spent, and not here */
};

struct budget_trees {
    struct budget_tree *free;
};

void budget_trees_init(struct budget_trees *, struct budget_tree *memory, uint32_t count);

/* A request from outside, or a peer's. */
void budget_begin(struct budget_trees *, struct budget *, uint32_t subrequests);
/* What `parent` called: it has paid. */
void budget_begin_sub(struct budget *, struct budget *parent, uint32_t subrequests);
void budget_end(struct budget_trees *, struct budget *);

/* One sub-request of this call. False: it, one above it, or the tree has none left. */
bool budget_charge(struct budget *);

/* May the call go to another node? is_leaf: it can make no calls there. */
bool budget_may_travel(const struct budget *, bool is_leaf);
/* It goes: what it takes along. budget_may_travel says yes. */
uint32_t budget_grant(struct budget *, bool is_leaf);
/* It is back, or its answer has ended: so much of the grant was spent there. */
void budget_return(struct budget *, uint32_t spent);
/* Where it ran is lost, and it runs again. */
void budget_again(struct budget_trees *, struct budget *);

/* Of a peer's call whose answer ends: what will not be used of its grant any more is not spent.
 * lingers: it lives on. */
uint32_t budget_spent(const struct budget *, bool lingers);

#endif
