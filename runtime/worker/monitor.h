/* monitor.h
 *
 * A thread that stops JavaScript which computes for too long.
 *
 *   loop     enter(isolate, budget) ---- JavaScript runs ---- exit() -> was it struck?
 *   monitor      ... tick ... tick ... same slice still, CPU time over budget: terminate
 *
 * A tick is a signal of the kernel for each MONITOR_TICK_US of CPU time of the process, in which
 * nobody else computes; the kernel looks when its own clock ticks (1 to 10 ms). So a slice may pass
 * its budget by one of each, waiting for the disk or another process costs a script nothing, a
 * slice costs the loop two stores, and a cell that hardly computes hardly wakes its monitor.
 *
 * A strike that is not obeyed within MONITOR_OBEY_MS of CPU time (a builtin that never looks) ends
 * the process (START_EXIT_CPU): hearthd answers its requests and starts another.
 *
 * What ends by itself and looks at nothing meanwhile is excused: its CPU time, up to a bound, is no
 * disobedience. So are a parse of known length, and collections of the whole heap, up to
 * MONITOR_COLLECT_MS of a slice: one of 120 MB of small objects takes 160 to 370 ms, and a script
 * near its heap limit spends most of its time in them.
 *
 * What V8's optimizing compilers take, MONITOR_OPTIMIZE_MS in a cell's life, is no part of any
 * budget, nor of what a request is charged with (meter.h): they work on the loop's thread, once for
 * each function that is hot, and whichever request comes then would be struck for the script's
 * speed. Of six scripts (tests/perf/scripts) it was up to 45 ms in one request, on a busy machine.
 * Of a function of 400 calls Maglev alone takes 25 ms, Turbofan 160; of 3,000 branches Maglev
 * 1.5 s.
 *
 * A strike can not hit the slice after the one it was meant for: it is announced in the slice's own
 * word first, and exit waits for one that was announced.
 *
 * Rejected: the clock of the loop's thread. It has another name in each process, and the filter of
 * system calls would have to know it (sandbox.h). Ticks of the clock on the wall while the loop is
 * awake: a cell with 20 requests a second slept and woke twice for each tick between two of them.
 */
#ifndef HEARTH_WORKER_MONITOR_H
#define HEARTH_WORKER_MONITOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct v8c_isolate;

enum {
    MONITOR_TICK_US = 5000,
    MONITOR_OBEY_MS = 100,
    MONITOR_COLLECT_MS = 1000,
    MONITOR_OPTIMIZE_MS = 2000,
};

/* The caller's, while it lasts. */
struct monitor_excuse {
    uint64_t cpu_ns, most_ns;
};

struct monitor {
    pthread_t thread;
    uint64_t serial;
    _Atomic uint64_t slice;  /* serial * 2, +1 once a strike is announced; 0: nothing runs */
    _Atomic uint64_t struck; /* the slice of the last strike that is done */
    _Atomic uint64_t budget_ns;
    _Atomic uint64_t excused_ns;                    /* of this slice */
    struct monitor_excuse collection, optimization; /* the loop's own */
    uint64_t collect_left_ns;                       /* that will be excused in this slice */
    uint64_t optimize_left_ns;                      /* the same in this cell */
    struct v8c_isolate *_Atomic isolate;
    _Atomic bool ends;
};

/* Called by the loop's thread; starts the monitor's. 0 or -errno. */
int monitor_start(struct monitor *);
/* Nothing runs: ends the thread, and waits for its end. */
void monitor_stop(struct monitor *);

void monitor_enter(struct monitor *, struct v8c_isolate *, uint64_t budget_ns);
/* The slice is over its budget: nothing more should begin. */
bool monitor_has_struck(const struct monitor *);
/* True: the slice was terminated, or is marked to be; resume the isolate. */
bool monitor_exit(struct monitor *);

/* Around what is excused, at most so much of it; by the loop's thread. */
void monitor_excuse_begin(struct monitor *, struct monitor_excuse *, uint64_t most_ns);
/* Returns what it took. */
uint64_t monitor_excuse_end(struct monitor *, const struct monitor_excuse *);
/* A collection of the whole heap begins, or has ended. */
void monitor_collects(struct monitor *, bool begins);

/* An optimizing compiler begins, or has ended: returns what of its time is nobody's. */
uint64_t monitor_optimizes(struct monitor *, bool begins);

#endif
