/* monitor.h
 *
 * A thread that stops JavaScript which computes for too long.
 *
 *   loop     enter(isolate, budget) ---- JavaScript runs ---- exit() -> was it struck?
 *   monitor      ... tick ... tick ... same slice still, CPU time over budget: terminate
 *
 * It looks every MONITOR_TICK_US at the CPU clock of the loop's thread, so a slice may pass its
 * budget by one tick, waiting for the disk or another process costs a script nothing, and a slice
 * costs the loop two stores. It sleeps when the loop does.
 *
 * A strike that is not obeyed within MONITOR_OBEY_MS of CPU time (a builtin that never looks) ends
 * the process: hearthd answers its requests and starts another.
 *
 * What ends by itself and looks at nothing meanwhile is excused: its CPU time, up to a bound, is no
 * disobedience. So are a parse of known length, and collections of the whole heap, up to
 * MONITOR_COLLECT_MS of a slice: one of 120 MB of small objects takes 160 to 370 ms, and a script
 * near its heap limit spends most of its time in them.
 *
 * A strike can not hit the slice after the one it was meant for: it is announced in the slice's own
 * word first, and exit waits for one that was announced.
 */
#ifndef HEARTH_WORKER_MONITOR_H
#define HEARTH_WORKER_MONITOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct v8c_isolate;

enum { MONITOR_TICK_US = 5000, MONITOR_OBEY_MS = 150, MONITOR_COLLECT_MS = 1000 };

/* The caller's, while it lasts. */
struct monitor_excuse {
    uint64_t cpu_ns, most_ns;
};

struct monitor {
    pthread_t thread;
    clockid_t loop_clock;
    uint64_t serial;
    _Atomic uint64_t slice;  /* serial * 2, +1 once a strike is announced; 0: nothing runs */
    _Atomic uint64_t struck; /* the slice of the last strike that is done */
    _Atomic uint64_t budget_ns;
    _Atomic uint64_t excused_ns;      /* of this slice */
    struct monitor_excuse collection; /* the loop's own */
    uint64_t collect_left_ns;         /* that will be excused in this slice */
    struct v8c_isolate *_Atomic isolate;
    _Atomic uint32_t loop_asleep;
    _Atomic uint32_t asleep; /* futex */
};

/* Called by the loop's thread; starts the monitor's. 0 or -errno. */
int monitor_start(struct monitor *);

void monitor_enter(struct monitor *, struct v8c_isolate *, uint64_t budget_ns);
/* True: the slice was terminated, or is marked to be; resume the isolate. */
bool monitor_exit(struct monitor *);

/* Around what is excused, at most so much of it; by the loop's thread. */
void monitor_excuse_begin(struct monitor *, struct monitor_excuse *, uint64_t most_ns);
/* Returns what it took. */
uint64_t monitor_excuse_end(struct monitor *, const struct monitor_excuse *);
/* A collection of the whole heap begins, or has ended. */
void monitor_collects(struct monitor *, bool begins);

/* Around the loop's sleep. */
void monitor_loop_sleeps(struct monitor *);
void monitor_loop_wakes(struct monitor *);

#endif
