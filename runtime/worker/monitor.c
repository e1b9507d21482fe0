#include "runtime/worker/monitor.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/libv8c/v8c.h"
#include "runtime/start.h"

/* Of the process: the monitor itself uses next to none. */
static uint64_t loop_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
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
    _exit(START_EXIT_CPU);
}

/* What the kernel sends for CPU time that was used; blocked in all threads, so that the monitor
 * alone takes it. */
static sigset_t ticks(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    return set;
}

static void await_tick(void)
{
    const sigset_t set = ticks();
    while (sigwaitinfo(&set, NULL) < 0)
        if (errno != EINTR)
            _exit(1); /* nobody would stop the script */
}

static void *monitor_main(void *arg)
{
    struct monitor *m = arg;
    uint64_t seen = 0, seen_cpu_ns = 0;

    for (await_tick(); !atomic_load(&m->ends); await_tick()) {
        uint64_t slice = atomic_load(&m->slice);
        if (slice == 0)
            continue;
        uint64_t cpu_ns = loop_cpu_ns();
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

/* 0 or -errno. It ends with the process; a child does not have it. */
static int start_ticks(void)
{
    const struct itimerspec each = {.it_interval.tv_nsec = MONITOR_TICK_US * 1000,
                                    .it_value.tv_nsec = MONITOR_TICK_US * 1000};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    int timer; /* the kernel's name of it: the C library's timer_create has another for the clock */

    if (syscall(SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, &event, &timer))
        return -errno;
    return syscall(SYS_timer_settime, timer, 0, &each, NULL) ? -errno : 0;
}

int monitor_start(struct monitor *m)
{
    const sigset_t set = ticks();
    *m = (struct monitor){.optimize_left_ns = MONITOR_OPTIMIZE_MS * 1000000ull};
    int error = -pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (!error)
        error = start_ticks();
    return error ? error : -pthread_create(&m->thread, NULL, monitor_main, m);
}

void monitor_stop(struct monitor *m)
{
    atomic_store(&m->ends, true);
    pthread_kill(m->thread, SIGRTMIN);
    pthread_join(m->thread, NULL);
}

void monitor_enter(struct monitor *m, struct v8c_isolate *isolate, uint64_t budget_ns)
{
    atomic_store_explicit(&m->isolate, isolate, memory_order_relaxed);
    atomic_store_explicit(&m->budget_ns, budget_ns, memory_order_relaxed);
    m->collect_left_ns = MONITOR_COLLECT_MS * 1000000ull;
    atomic_store_explicit(&m->excused_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&m->slice, ++m->serial * 2, memory_order_release);
}

bool monitor_has_struck(const struct monitor *m)
{
    return atomic_load(&m->slice) & 1;
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
    *e = (struct monitor_excuse){.cpu_ns = loop_cpu_ns(), .most_ns = most_ns};
    atomic_fetch_add(&m->excused_ns, most_ns);
}

/* What it took stays excused: the strike is obeyed only now. */
uint64_t monitor_excuse_end(struct monitor *m, const struct monitor_excuse *e)
{
    uint64_t took_ns = loop_cpu_ns() - e->cpu_ns;
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

uint64_t monitor_optimizes(struct monitor *m, bool begins)
{
    struct monitor_excuse *e = &m->optimization;
    if (begins) {
        *e = (struct monitor_excuse){loop_cpu_ns(), m->optimize_left_ns};
        atomic_fetch_add(&m->budget_ns, e->most_ns);
        return 0;
    }
    uint64_t took_ns = loop_cpu_ns() - e->cpu_ns;
    if (took_ns > e->most_ns)
        took_ns = e->most_ns;
    atomic_fetch_sub(&m->budget_ns, e->most_ns - took_ns);
    m->optimize_left_ns -= took_ns;
    return took_ns;
}
