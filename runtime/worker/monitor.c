#include "runtime/worker/monitor.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/libv8c/v8c.h"

enum { TICKS_BEFORE_SLEEP = 20 }; /* so that a loop that naps between requests wakes nobody */

static uint64_t loop_cpu_ns(const struct monitor *m)
{
    struct timespec t;
    clock_gettime(m->loop_clock, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void strike(struct monitor *m, uint64_t slice)
{
    uint64_t expected = slice;
    struct v8c_isolate *isolate = atomic_load(&m->isolate);
    if (!atomic_compare_exchange_strong(&m->slice, &expected, slice + 1))
        return; /* it ended while we looked */
    v8c_isolate_terminate(isolate);
    atomic_store(&m->struck, slice);
}

static void give_up(void)
{
    static const char text[] = "hearth-runtime: what=\"a script cannot be stopped\"\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)n;
    _exit(70);
}

static void sleep_until_loop_wakes(struct monitor *m)
{
    atomic_store(&m->asleep, 1);
    while (atomic_load(&m->loop_asleep) && atomic_load(&m->asleep))
        syscall(SYS_futex, &m->asleep, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
    atomic_store(&m->asleep, 0);
}

static void *monitor_main(void *arg)
{
    struct monitor *m = arg;
    uint64_t seen = 0, seen_cpu_ns = 0;
    unsigned idle_ticks = 0;

    for (;;) {
        const struct timespec tick = {.tv_nsec = MONITOR_TICK_US * 1000};
        nanosleep(&tick, NULL);
        uint64_t slice = atomic_load(&m->slice);
        if (slice == 0 && atomic_load(&m->loop_asleep)) {
            if (++idle_ticks >= TICKS_BEFORE_SLEEP)
                sleep_until_loop_wakes(m);
            continue;
        }
        idle_ticks = 0;
        if (slice == 0)
            continue;
        uint64_t cpu_ns = loop_cpu_ns(m);
        if (slice & 1) {
            uint64_t most_ns = atomic_load(&m->budget_ns) + atomic_load(&m->excused_ns) +
                               MONITOR_OBEY_MS * 1000000ull;
            if (slice - 1 == seen && cpu_ns - seen_cpu_ns >= most_ns)
                give_up();
            continue;
        }
        if (slice != seen) {
            seen = slice;
            seen_cpu_ns = cpu_ns;
        }
        if (cpu_ns - seen_cpu_ns >= atomic_load(&m->budget_ns))
            strike(m, slice);
    }
    return NULL;
}

int monitor_start(struct monitor *m)
{
    *m = (struct monitor){0};
    int error = pthread_getcpuclockid(pthread_self(), &m->loop_clock);
    if (error == 0)
        error = pthread_create(&m->thread, NULL, monitor_main, m);
    return -error;
}

void monitor_enter(struct monitor *m, struct v8c_isolate *isolate, uint64_t budget_ns)
{
    atomic_store_explicit(&m->isolate, isolate, memory_order_relaxed);
    atomic_store_explicit(&m->budget_ns, budget_ns, memory_order_relaxed);
    m->collect_left_ns = MONITOR_COLLECT_MS * 1000000ull;
    atomic_store_explicit(&m->excused_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&m->slice, ++m->serial * 2, memory_order_release);
}

bool monitor_exit(struct monitor *m)
{
    uint64_t slice = atomic_exchange(&m->slice, 0);
    if (!(slice & 1))
        return false;
    while (atomic_load(&m->struck) != slice - 1)
        ; /* the other thread is inside v8c_isolate_terminate: a few hundred nanoseconds */
    return true;
}

void monitor_excuse_begin(struct monitor *m, struct monitor_excuse *e, uint64_t most_ns)
{
    *e = (struct monitor_excuse){.cpu_ns = loop_cpu_ns(m), .most_ns = most_ns};
    atomic_fetch_add(&m->excused_ns, most_ns);
}

/* What it took stays excused: the strike is obeyed only now. */
uint64_t monitor_excuse_end(struct monitor *m, const struct monitor_excuse *e)
{
    uint64_t took_ns = loop_cpu_ns(m) - e->cpu_ns;
    if (took_ns < e->most_ns)
        atomic_fetch_sub(&m->excused_ns, e->most_ns - took_ns);
    return took_ns;
}

void monitor_collects(struct monitor *m, bool begins)
{
    if (begins) {
        monitor_excuse_begin(m, &m->collection, m->collect_left_ns);
        return;
    }
    uint64_t took_ns = monitor_excuse_end(m, &m->collection);
    m->collect_left_ns -= took_ns < m->collect_left_ns ? took_ns : m->collect_left_ns;
}

void monitor_loop_sleeps(struct monitor *m)
{
    atomic_store(&m->loop_asleep, 1);
}

void monitor_loop_wakes(struct monitor *m)
{
    atomic_store(&m->loop_asleep, 0);
    if (atomic_exchange(&m->asleep, 0))
        syscall(SYS_futex, &m->asleep, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
