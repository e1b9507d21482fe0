/* ledger.h
 *
 * Where a core's time goes: ticks of the clock and pieces of work by stage.
 *
 *   mark ---- look ---- first | stage, n pieces | stage, n pieces | ...            one iteration
 *             (world, mail)   ledger_lap        ledger_lap
 *
 * The clock is read once at the end of a stage that found something, for all its pieces together. A
 * stage that found nothing reads no clock: what its look took goes to the next one that did. An
 * iteration in which no stage found anything is idle, all of it. Work in the middle of another
 * stage's (a TLS record while a connection runs) is taken out of that: ledger_in, ledger_out.
 *
 * Units: ticks of the TSC, which runs at one rate while the core sleeps or waits for its CPU too:
 * what the kernel does meanwhile is in the stage that it interrupts. Off, nothing is read or
 * written: where time is simulated, and there is none to see.
 *
 * Thread: written by its core, read by the control thread without a lock, as counters.h.
 * Never fails, never allocates.
 */
#ifndef HEARTH_LEDGER_H
#define HEARTH_LEDGER_H

#include <stdint.h>
#include <x86intrin.h>

/* name, its pieces, what is in it */
#define LEDGER_STAGES(S)                                                                           \
    S(look, "iterations", "what comes first: the world, news of cells, how long work waits")       \
    S(handshake, "turns", "TLS handshakes that had their turn")                                    \
    S(receive, "frames", "frames out of the port, and their buffers back")                         \
    S(net, "frames", "Ethernet and IP, and to which flow")                                         \
    S(tcp, "segments", "TCP segments into their connections")                                      \
    S(tap, "frames", "frames into the host's tap, and out of it")                                  \
    S(conn, "runs", "connections that had something to do: HTTP, segments out")                    \
    S(tls, "calls", "of what other stages do: TLS records, opened and sealed")                     \
    S(cells, "messages", "what cells said")                                                        \
    S(calls, "calls", "calls and sub-requests that had waited")                                    \
    S(timers, "timers", "timers of connections")                                                   \
    S(rpc, "datagrams", "datagrams of other nodes, and channels that had something to do")         \
    S(transmit, "frames", "frames into the port at the iteration's end")                           \
    S(wake, "doorbells", "cells that slept, woken")                                                \
    S(idle, "iterations", "looked, and found nothing")                                             \
    S(sleep, "sleeps", "waited for an event")

enum ledger_stage {
#define LEDGER_ENUM(name, unit, text) LEDGER_##name,
    LEDGER_STAGES(LEDGER_ENUM)
#undef LEDGER_ENUM
        LEDGER_STAGE_COUNT
};

struct ledger {
    uint32_t ticks_per_us; /* of the clock; 0: off */
    uint64_t mark;         /* all ticks before it are somebody's */
    uint64_t first;        /* the look's end, if no stage has found anything yet; else 0 */
    uint64_t inner;        /* since the mark, and somebody's already */
    uint64_t ticks[LEDGER_STAGE_COUNT], pieces[LEDGER_STAGE_COUNT];
};

/* ticks_per_us: clock_ticks_per_us. */
void ledger_init(struct ledger *, uint32_t ticks_per_us);

static inline void ledger_charge(struct ledger *l, enum ledger_stage stage, uint32_t pieces,
                                 uint64_t now)
{
    l->ticks[stage] += now - l->mark - l->inner;
    l->pieces[stage] += pieces;
    l->mark = now;
    l->inner = 0;
}

/* The look is over; the stages begin. */
static inline void ledger_begin(struct ledger *l)
{
    if (l->ticks_per_us)
        l->first = __rdtsc();
}

/* A stage is over that found so many pieces. */
static inline void ledger_lap(struct ledger *l, enum ledger_stage stage, uint32_t pieces)
{
    if (!l->ticks_per_us || pieces == 0)
        return;
    if (l->first) { /* all that is inner came behind it */
        l->ticks[LEDGER_look] += l->first - l->mark;
        l->pieces[LEDGER_look]++;
        l->mark = l->first;
        l->first = 0;
    }
    ledger_charge(l, stage, pieces, __rdtsc());
}

/* Nothing of the iteration is anybody's: it was idle, or sleep, until these ticks. */
static inline void ledger_rest(struct ledger *l, enum ledger_stage stage, uint64_t ticks)
{
    if (!l->ticks_per_us)
        return;
    l->first = 0;
    ledger_charge(l, stage, 1, ticks);
}

/* Around one piece of work of a stage in the middle of another's; not one in the other. 0: it is
 * not looked at. */
static inline uint64_t ledger_in(const struct ledger *l)
{
    return l->ticks_per_us ? __rdtsc() : 0;
}

static inline void ledger_out(struct ledger *l, enum ledger_stage stage, uint64_t in)
{
    if (in == 0)
        return;
    uint64_t took = __rdtsc() - in;
    l->ticks[stage] += took;
    l->inner += took;
    l->pieces[stage]++;
}

typedef void (*ledger_visit)(void *arg, const char *name, const char *unit, const char *text,
                             uint64_t ticks, uint64_t pieces);

/* Calls visit for each stage in the order of the list. Any thread. */
void ledger_each(const struct ledger *, ledger_visit visit, void *arg);

#endif
