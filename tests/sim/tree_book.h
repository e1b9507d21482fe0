/* tree_book.h
 *
 * What the calls of a request's tree were given of CPU time and time, by the word of the cells that
 * ran them: the other side of dataplane/call/budget.h, which keeps hearthd's books.
 *
 *   run of A: was given G, has said S ---makes---> call B: may be given at most
 *                                                    G - S - what earlier calls of this run cost
 *   run of B, here, at its home, or again <--------- its context says how much it was given
 *
 * A call costs what the run that answered it had said by then, with the cost of what that had
 * called and heard the end of; one that was lost without a word costs an eighth of what it was
 * given. What nobody here can know (a call that was let go, or ran at a node that is gone) costs 0:
 * the bound is loose there, never too tight.
 *
 * So all that a tree uses is bounded by what its first run was given, link by link, whichever nodes
 * it goes over, and with runs that end without a word: what a lying cell says counts as what it
 * said.
 *
 * Time: of a first call that has moved no byte of a body a callee has what is left of its wall
 * limit, up to TREE_WALL_SLACK_MS: of nodes' clocks, and the step of the limit.
 *
 * Numbers are never 0; what is long over is forgotten, and then costs 0 and is not checked.
 */
#ifndef HEARTH_SIM_TREE_BOOK_H
#define HEARTH_SIM_TREE_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/job.h"

enum { TREE_BOOK_ROWS = 16384, TREE_WALL_SLACK_MS = 40 };

struct tree_call {
    uint32_t number, most_us, most_wall_ms;
    uint32_t caller_node, runs, last_run;
    uint32_t silent_us; /* what runs of it cost that died without a word where the caller runs */
};

struct tree_run {
    uint32_t number, call, node;
    uint32_t given_us, wall_ms;
    uint64_t began_ns;
    uint32_t said_us, calls_us;
    uint32_t cost_us; /* since its answer has ended */
    bool has_said, has_answered;
};

struct tree_book {
    uint32_t calls, runs;             /* so many were there */
    uint32_t checked, silent, waited; /* so often that was worth something */
    struct tree_call call[TREE_BOOK_ROWS];
    struct tree_run run[TREE_BOOK_ROWS];
};

/* A call that a run makes, which has said so much by then. is_still: no body byte of the request
 * has moved, and the run is that of a first call. Returns its number. */
uint32_t tree_book_call(struct tree_book *, uint32_t run, uint32_t said_us, bool is_still);
/* A run begins. call: 0 for a request from outside. given_us, wall_ms: by its context and its
 * script. Returns its number. */
uint32_t tree_book_run(struct tree_book *, uint32_t call, uint32_t node, uint32_t given_us,
                       uint32_t wall_ms);
/* Its cell says so much of it. is_answer: with the end of its answer. */
void tree_book_said(struct tree_book *, uint32_t run, uint64_t us, bool is_answer);
/* Its cell died. */
void tree_book_died(struct tree_book *, uint32_t run);
/* A run hears the end of a call that it made. by: the run that answered, 0 if none said. error:
 * JOB_ERROR_NONE: it was answered whole. */
void tree_book_heard(struct tree_book *, uint32_t run, uint32_t call, uint32_t by,
                     enum job_error error);

#endif
