/* mutant.h
 *
 * Deliberate bugs, to prove that the simulations of a cluster, of a crowd and of hellos find them.
 *
 *   if (MUTANT(BOUNCE_LOST))      false at compile time in every build that runs anywhere; the
 * chosen
 *       return;                   one in tests/sim/sim_mutants.c, compiled with HEARTH_MUTANTS
 *
 * A mutant is one line where a slip would be plausible, and nothing beside it. The list is the
 * specification of the simulations: X(NAME, SIMULATION, first, seeds, what is broken). SIMULATION
 * is the one that must find it, in seeds 1 to `seeds`; `first` is the seed that did when somebody
 * last looked, and is tried first. One that survives means that an invariant or a fault is missing
 * there. tests/sim/README.md tells what finds which, and how to add one.
 *
 * Source: mutation analysis (DeMillo, Lipton, Sayward, "Hints on test data selection", 1978).
 */
#ifndef HEARTH_MUTANT_H
#define HEARTH_MUTANT_H

#include <stdbool.h>

#define MUTANTS(X)                                                                                 \
    X(ACCEPT_LOST, CLUSTER, 1, 8, "a home runs a call without saying ACCEPT")                      \
    X(BOUNCE_LOST, CLUSTER, 2, 8, "a home that refuses a call says nothing")                       \
    X(SERVED_RUNS_ON, CLUSTER, 1, 8, "a home runs on for a peer that has cancelled")               \
    X(HOP_LIMIT_IGNORED, CLUSTER, 8, 16, "a call that was forwarded is forwarded again")           \
    X(VERSION_IGNORED, CLUSTER, 2, 8,                                                              \
      "a home runs another version of the script than the caller has")                             \
    X(ANSWER_LEAKS, CLUSTER, 1, 8,                                                                 \
      "an answer that waits for a peer that has left keeps its chunks")                            \
    X(KEPT_DROPPED_EARLY, CLUSTER, 2, 8, "body bytes are dropped once sent, before ACCEPT")        \
    X(KEPT_SENT_TWICE, CLUSTER, 1, 8, "body bytes that went with the CALL go again after ACCEPT")  \
    X(REPLAY_SKIPS, CLUSTER, 2, 8, "after a bounce the cell here does not get what home had got")  \
    X(DOWN_UNTOLD, CLUSTER, 10, 16, "a call does not hear that the channel to its home went down") \
    X(UNACCOUNTED, CLUSTER, 1, 16, "a datagram from a stranger is dropped without being counted")  \
    X(CRASH_UNTOLD, CLUSTER, 4, 8, "calls do not hear that their cell died")                       \
    X(CREDIT_NOT_RESENT, CLUSTER, 99, 100,                                                         \
      "a stream's credit is not sent again when its packet is lost")                               \
    X(RERUN_ANSWERED, CLUSTER, 4, 16, "a call runs again though its answer has begun")             \
    X(SUSPECT_RERUN, CLUSTER, 6, 60, "what a cell executed when it died runs again")               \
    X(POST_RERUN, CLUSTER, 36, 60, "a request that is not idempotent runs again")                  \
    X(BOUNCED_AGAIN, CLUSTER, 2, 8, "a call that was bounced is forwarded again")                  \
    X(IN_FLIGHT_LEAKED, CLUSTER, 1, 8, "a script's jobs in flight are not counted down")           \
    X(WINDOW_EXCEEDED, CLUSTER, 4, 16, "more than W body bytes are sent before ACCEPT")            \
    X(CANCEL_UNSAID, CLUSTER, 1, 8, "a cell is not told that a job's client has left")             \
    X(FIN_UNTOLD, CLUSTER, 1, 8, "a cell is not told that a job's client has closed its half")     \
    X(CANCEL_FORGETS, CLUSTER, 4, 40,                                                              \
      "a job is forgotten when its client leaves, and what it still does")                         \
    X(GENERATION_IGNORED, DOORS, 1, 40, "a late message of one job is taken for another's")        \
    X(BODY_CREDIT_UNCOUNTED, CLUSTER, 2, 8, "request body is given to a cell beyond its credit")   \
    X(SUB_RUNS_ON, CLUSTER, 1, 40,                                                                 \
      "what a script called is not cancelled when the script's job ends")                          \
    X(TREE_UNCOUNTED, CLUSTER, 6, 8, "a request's sub-requests are not counted")                   \
    X(CPU_UNCHARGED, CLUSTER, 1, 8, "what a job says of its CPU time is not charged")              \
    X(CPU_UNTOLD, CLUSTER, 3, 8, "what a call used at another node is not charged")                \
    X(SILENCE_FREE, CLUSTER, 363, 400, "a call that ends without a word is not charged")           \
    X(CPU_NOT_CARRIED, CLUSTER, 1, 8, "a callee may use what its script may")                      \
    X(CPU_ANEW, CLUSTER, 1, 16, "at another node a call begins with all that its script may use")  \
    X(WALL_NOT_CARRIED, CLUSTER, 1, 16, "a callee has as long as its script may take")             \
    X(WALL_ANEW, CLUSTER, 1, 16, "a tree's time begins again with each call")                      \
    X(DRAINING_IS_HOME, PLANNED, 1, 16, "a node that drains stays the home of its scripts")        \
    X(WORD_UNCHECKED, CLUSTER, 14, 24, "a member's word about owners and trust is taken")          \
    X(MAC_UNCHECKED, CLUSTER, 1, 60, "the seal of a capability is not checked")                    \
    X(REVOKE_FORGOTTEN, CLUSTER, 1, 8, "a revoked capability is honoured")                         \
    X(EXPIRY_IGNORED, CLUSTER, 1, 60, "an expired capability is honoured")                         \
    X(LAZY_NOT_SPENT, CLUSTER, 2, 8, "a single-use capability can be redeemed again")              \
    X(REPLAY_TAKEN, CLUSTER, 14, 32, "a packet is taken as often as it arrives")                   \
    X(INIT_ENDS_SESSION, CLUSTER, 1, 40,                                                           \
      "a session ends at an init, before its sender proved to be there")                           \
    X(DEATH_UNNOTICED, CLUSTER, 17, 24, "silence does not end a channel")                          \
    X(END_NOT_RESENT, CLUSTER, 41, 60,                                                             \
      "the end of a stream is not sent again when its packet is lost")                             \
    X(RESET_LEAKS, CLUSTER, 1, 8, "a stream that the peer resets keeps its place in the pool")     \
    X(FLOORS_IGNORED, CLUSTER, 30, 40, "chunks that a floor promises are given to others")         \
    X(HEAD_WITHOUT_MEMORY, CLUSTER, 1, 24,                                                         \
      "a call begins without chunks for the head of its answer")                                   \
    X(FLOOR_KEPT, DOORS, 1, 8, "a call that is over keeps the floor of its answer")                \
    X(UNBOUNDED_ITERATION, CLUSTER, 20, 40, "an iteration does all the work there is")             \
    X(STALE_CLOCK, CLUSTER, 1, 16, "a job's start is stamped with an older time of its link")      \
    X(EVICT_BUSY, DOORS, 1, 16,                                                                    \
      "a connection whose script runs is taken for an idle one, and gives way")                    \
    X(SHARES_IGNORED, DOORS, 3, 24, "one source may have all connections")                         \
    X(HOP_NOT_WAITED, DOORS, 1, 24, "what waits for a next hop is tried again in every iteration") \
    X(HELD_BOUNCED, KILLER, 1, 16, "a home hands back what it holds back")                         \
    X(HOLD_IGNORED, KILLER, 46, 60,                                                                \
      "a call that waits for its cell runs, though its script is held back")                       \
    X(RETIRED_USED, CLUSTER, 21, 40, "a link that was retired gets new jobs")                      \
    X(RELEASED_EARLY, CLUSTER, 2, 24, "a link is released while its last job is under way")        \
    X(ATTACH_UNSEEN, CLUSTER, 1, 24, "calls that wait do not look again when a cell is there")     \
    X(GUARD_SKIPPED, HELLOS, 1, 8, "a ClientHello that breaks a rule goes to the library")         \
    X(HELLO_CUT_TRUSTED, HELLOS, 1, 8,                                                             \
      "a ClientHello ends with the record in which its length is known")                           \
    X(PARTS_MIXED, HELLOS, 3, 8, "other records may come between the parts of a ClientHello")      \
    X(REFUSED_BARE, HELLOS, 1, 8, "a ClientHello is refused with a bare reset")

enum mutant {
    MUTANT_NONE = 0,
#define MUTANT_ENUM(name, simulation, first, seeds, text) MUTANT_##name,
    MUTANTS(MUTANT_ENUM)
#undef MUTANT_ENUM
        MUTANT_COUNT,
};

#ifdef HEARTH_MUTANTS
extern enum mutant mutant_chosen;
#define MUTANT(name) (mutant_chosen == MUTANT_##name)
#else
#define MUTANT(name) (MUTANT_##name == MUTANT_NONE)
#endif

#endif
