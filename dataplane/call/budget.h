/* budget.h
 *
 * What a request may still spend, with all that it calls in turn: sub-requests, CPU time, time. One
 * book for a whole tree of calls. Without it a script may make 1,000 calls, each of these 1,000
 * more, and so on to the depth limit, and each of them may compute for as long as the first.
 *
 *   client --> A --+--> B --> C       tree: left = S of A, and its CPU time
 *                  +--> B             each call: left = the least of its script's limit and its
 *                                     binding's
 *
 * Sub-requests, here: exact. One costs 1 at the call that makes it, at each call above it that
 * lives, and at the tree; where one of these has nothing left it is refused. So N calls one after
 * another, or side by side, fit into S = N. What a call made is spent, whether it failed, was
 * cancelled or answered.
 *
 * Elsewhere: granted and returned. A call that goes to another node takes a grant along (in its
 * context), which is spent here at once; there it is the S of a tree of its own. What that did not
 * spend comes back with the end of the answer, or with a bounce.
 *   - A script that can call nothing takes nothing along: all S of a request can be such calls at
 *     other nodes at the same time.
 *   - Nor does it where it can ask the world only, but for as many calls as BUDGET_GRANT_LEAST: a
 *     fan of such calls is common, and few of them make more. A client's own takes as others do.
 *   - Others take half of what is left, or a quarter while others are away with theirs, as long as
 *     an eighth of S stays here, and BUDGET_GRANT_LEAST at least: of S = 1,000 that are five at a
 *     time, or a chain over six homes. Beyond, they do not travel: they run here, where the book is
 *     exact. No call is refused for what is granted to others until what stayed here is used up.
 *   - What does not come back is lost, that is, spent: of a call that is cancelled or whose node is
 *     lost, and of one whose tree lives on there behind its answer (waitUntil).
 *
 * CPU time: microseconds, known afterwards. A call that starts may use the least of its script's
 * limit, its binding's, and what the calls above it and the tree have left; its context says how
 * much that is, here and elsewhere. What it used is charged like a sub-request: to itself, to those
 * above it, and to the tree. A process says how much its job has used with each call that the job
 * makes and with its last message (runtime/job.h), another node with the end of the answer. Where
 * nothing is left, nothing more is called.
 *   - Calls that are under way at the same time do not know of each other: each may use what was
 *     left when it began. So a tree uses at most its limit, and as much again for each call that is
 *     in flight when the last one begins. Calls one after another stay within the limit, and what
 *     their callers use behind them.
 *   - A call that ends without a word (cancelled at another node, its process or node lost) is
 *     charged with an eighth of what it might use; so is at least one that lives on at another node
 *     behind its answer. Who calls and lets go gets 8 times the limit so, and no more.
 *
 * Time: the tree has until the first call's wall limit has passed since its origin gave or took a
 * byte of a body (runtime/start.h), or, behind its answer, as long as a script may take there. What
 * is called has what is left of that, as a wall limit (context.h). That ends the tree: the first
 * call fails, and with it goes what it called.
 *
 * Run again: a call from outside that runs again because its process or node died begins with its
 * whole budget, as if its client had asked again; it does so once. What ran before keeps the old
 * book. Where a script's call runs again, what the first run spent stays spent.
 *
 * The limit of a binding binds as long as the call lives that it was given to; the tree's binds
 * whatever lives on (waitUntil).
 *
 * Who is believed: of sub-requests the runtime never, it keeps no book that counts here. Of CPU
 * time there is only its word: what it has said does not become less, and counts up to what the
 * job might use. So a process that says too much spends what it could have spent by computing; one
 * that says too little computes for as long as each job may, and has as many jobs of a request as
 * the request may make calls. A peer's grant is capped by the limit of the script here; what it
 * says to have spent is at least 0 and at most the grant, and for each call that this comes to,
 * what the call might use.
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
 * CPU time in leases that come back: of calls side by side the first would take what the others
 * need, or each has a part, and one of ten fails that uses a fifth of what there is while nine use
 * nothing. Their number is limited already. Of a call without a word all that it might use, or the
 * time that it took: what runs again because a node was lost could call nothing any more (tools/sim
 * cluster --seed 17), and who gives up on a slow callee could not ask another one.
 */
#ifndef HEARTH_BUDGET_H
#define HEARTH_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BUDGET_GRANT_LEAST = 16, /* as deep as calls may go */
    BUDGET_UNSAID_PART = 8,  /* of what a call might use: what its silence costs */
};

/* Of a call, or spent by one. */
struct budget_sum {
    uint32_t subrequests;
    uint32_t cpu_us;
};

/* The book of all calls of one request at this node. */
struct budget_tree {
    struct budget_tree *next_free;
    uint32_t calls; /* of it, that live */
    uint32_t away;  /* of them, that run elsewhere and have a grant */
    struct budget_sum total, left;
    uint32_t cpu_used_us;       /* may be more than the total */
    uint64_t moved_ns, wall_ns; /* it has until the sum of both */
};

/* A call's part. It may not move. */
struct budget {
    struct budget_tree *tree; /* NULL: not in use */
    uint64_t life;            /* grows with each use */
    struct budget *parent;    /* NULL: this is the tree's first call */
    uint64_t parent_life;     /* another by now: the parent is over */
    struct budget_sum total, left;
    uint32_t granted;     /* to where it runs now: not spent, and not here */
    uint32_t cpu_said_us; /* by the process that runs it, and charged */
    bool is_unheard;      /* it runs, and nobody has said yet what it has used */
};

struct budget_trees {
    struct budget_tree *free;
};

void budget_trees_init(struct budget_trees *, struct budget_tree *memory, uint32_t count);

/* A request from outside, or a peer's. wall_ns: its limit. */
void budget_begin(struct budget_trees *, struct budget *, struct budget_sum, uint64_t wall_ns,
                  uint64_t now_ns);
/* What `parent` called: it has paid. */
void budget_begin_sub(struct budget *, struct budget *parent, struct budget_sum);
void budget_end(struct budget_trees *, struct budget *);

/* One sub-request of this call. False: it, one above it, or the tree has none left. */
bool budget_charge(struct budget *);

/* Whom a call's script can call. */
enum budget_reach {
    BUDGET_CALLS_NOTHING, /* it has no bindings, and the node lets nothing out */
    BUDGET_CALLS_WORLD,   /* it has no bindings */
    BUDGET_CALLS_SCRIPTS,
};

/* May the call go to another node? */
bool budget_may_travel(const struct budget *, enum budget_reach);
/* It goes: what it takes along of sub-requests. budget_may_travel says yes. */
uint32_t budget_grant(struct budget *, enum budget_reach);
/* It is back, or its answer has ended: so much was spent there. */
void budget_return(struct budget *, struct budget_sum spent);
/* Where it ran is lost, and it runs again. */
void budget_again(struct budget_trees *, struct budget *, uint64_t now_ns);

/* Of a peer's call whose answer ends: what will not be used of its grant any more is not spent.
 * lingers: it lives on. */
struct budget_sum budget_spent(const struct budget *, bool lingers);

/* ---- CPU time ---- */

/* Microseconds that a call which this one makes now might use. 0: none. */
uint32_t budget_cpu_left(const struct budget *);
/* It is given to a process, or to another node. */
void budget_runs(struct budget *);
/* The process says: so much, since it began. */
void budget_ran(struct budget *, uint64_t cpu_us);
/* By this call and all that it called, as far as is known, with those that share its tree. */
uint32_t budget_cpu_used(const struct budget *);

/* ---- time ---- */

/* Its origin gave or took a byte of a body. Only the first call of a tree makes a difference. */
void budget_moved(struct budget *, uint64_t now_ns);
/* It is answered, and has so long for what is to come (waitUntil). The same. */
void budget_lingers(struct budget *, uint64_t wall_ns, uint64_t now_ns);
/* Of the tree. 0: none. */
uint64_t budget_wall_left_ns(const struct budget *, uint64_t now_ns);

#endif
