/* mutant.h
 *
 * Deliberate bugs, to prove that the cluster simulation finds them.
 *
 *   if (MUTANT(BOUNCE_LOST))      false at compile time in every build that runs anywhere
 *       return;                   the chosen one in tests/sim/sim_mutants.c, whose objects are compiled with HEARTH_MUTANTS
 *
 * A mutant is one line where a slip would be plausible, and nothing beside it. The list is the specification of the simulation: X(NAME,
 * seeds, what is broken), where seeds says how many of them are enough to find it. One that survives means that an invariant or a
 * fault is missing there. tests/sim/README.md tells what finds which, and how to add one.
 *
 * Source: mutation analysis (DeMillo, Lipton, Sayward, "Hints on test data selection", 1978).
 */
#ifndef HEARTH_MUTANT_H
#define HEARTH_MUTANT_H

#include <stdbool.h>

#define MUTANTS(X)                                                                                 \
    X(ACCEPT_LOST, 10, "a home runs a call without saying ACCEPT")                                 \
    X(BOUNCE_LOST, 20, "a home that refuses a call says nothing")                                  \
    X(SERVED_RUNS_ON, 10, "a home runs on for a peer that has cancelled")                          \
    X(HOP_LIMIT_IGNORED, 40, "a call that was forwarded is forwarded again")                       \
    X(VERSION_IGNORED, 20, "a home runs another version of the script than the caller has")        \
    X(BOUNCE_LEAKS, 40, "a call that finds no job at home keeps the chunks of its head")           \
    X(KEPT_DROPPED_EARLY, 20, "body bytes are dropped once sent, before ACCEPT")                   \
    X(KEPT_SENT_TWICE, 10, "body bytes that went with the CALL go again after ACCEPT")             \
    X(REPLAY_SKIPS, 20, "after a bounce the isolate here does not get what home had got")          \
    X(RERUN_ANSWERED, 20, "a call runs again though its answer has begun")                         \
    X(POST_RERUN, 20, "a request that is not idempotent runs again")                               \
    X(BOUNCED_AGAIN, 20, "a call that was bounced is forwarded again")                             \
    X(IN_FLIGHT_LEAKED, 10, "a script's jobs in flight are not counted down")                      \
    X(WINDOW_EXCEEDED, 10, "more than W body bytes are sent before ACCEPT")                        \
    X(CANCEL_UNSAID, 10, "a runtime is not told that a job's client has left")                     \
    X(GENERATION_IGNORED, 20, "a late message of one job is taken for another's")                  \
    X(BODY_CREDIT_UNCOUNTED, 10, "request body is given to a runtime beyond its credit")           \
    X(SUB_RUNS_ON, 10, "what a script called is not cancelled when the script's job ends")         \
    X(DRAINING_IS_HOME, 20, "a node that drains stays the home of its scripts")                    \
    X(MAC_UNCHECKED, 20, "the seal of a capability is not checked")                                \
    X(REVOKE_FORGOTTEN, 10, "a revoked capability is honoured")                                    \
    X(EXPIRY_IGNORED, 20, "an expired capability is honoured")                                     \
    X(LAZY_NOT_SPENT, 20, "a single-use capability can be redeemed again")                         \
    X(REPLAY_TAKEN, 10, "a packet is taken as often as it arrives")                                \
    X(INIT_ENDS_SESSION, 30, "a session ends at an init, before its sender proved to be there")    \
    X(DEATH_UNNOTICED, 20, "silence does not end a channel")                                       \
    X(LOST_FORGOTTEN, 10, "what a lost packet carried is not sent again")                          \
    X(END_NOT_RESENT, 10, "the end of a stream is not sent again when its packet is lost")         \
    X(RESET_LEAKS, 10, "a stream that the peer resets keeps its place in the pool")                \
    X(LEAVE_EARLY, 80, "a node leaves before its scripts are warm elsewhere")                      \
    X(JOIN_EARLY, 30, "a node serves before its scripts are warm")

enum mutant {
    MUTANT_NONE = 0,
#define MUTANT_ENUM(name, seeds, text) MUTANT_##name,
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
