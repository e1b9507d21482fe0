#include "tests/sim/model_host.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "control/base/log.h"
#include "control/supervise/supervise_state.h"
#include "dataplane/base/least.h"
#include "dataplane/call/cells.h"
#include "dataplane/call/job_link.h"
#include "dataplane/core/core.h"

enum {
    UID_FIRST = 0x7f000000, /* cell_life.c */
    FORK_US_MIN = 300,
    READY_US_MAX = 400,
    BOOT_MS_MIN = 10,
    BOOT_MS_SPAN = 40,
    LEAVES_MS = 5,
    GONE_US_MAX = 900,
    STUBBORN_MS_MAX = 2500,
    PONG_US_MAX = 300,
    PACKET_BYTES = 4096,
};

#define MS 1000000ull

struct host the_host;

/* ---- the clock, the log ---- */

int __wrap_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
    (void)clock;
    *t = (struct timespec){.tv_sec = (time_t)(sim_now_ns / 1000000000),
                           .tv_nsec = (long)(sim_now_ns % 1000000000)};
    return 0;
}

void log_line(const char *what, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    TRACE("log: %s %s", what, text);
}

bool __wrap_install_is_good(int file, const char *path, char *error, size_t error_bytes);
bool __wrap_install_is_good(int file, const char *path, char *error, size_t error_bytes)
{
    (void)file, (void)path, (void)error, (void)error_bytes;
    return true;
}

/* ---- regions: the supervisor's own, of 4 KiB pages, and gone when nobody looks ---- */

int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags)
{
    if (!(flags & MFD_HUGETLB))
        return __real_memfd_create(name, flags);
    errno = ENOMEM;
    return -1;
}

void __real_region_close(struct region *r);
void __wrap_region_close(struct region *r);
void __wrap_region_close(struct region *r)
{
    for (uint32_t i = 0; r->map && the_host.core && i < the_host.cores; i++) {
        struct job_link *l = the_host.core[i] ? cells_at(the_host.core[i], r->guard) : NULL;
        CHECK(!l || l->region != r->map, "region %u goes, and core %u looks at it", r->guard, i);
    }
    for (uint32_t i = 0; i < HOST_PROCESSES; i++) {
        struct model_runtime *m = the_host.process[i].runtime;
        for (uint32_t k = 0; m && k < MODEL_LANES; k++) {
            if (m->lane[k].region == r->map)
                model_runtime_close(m, k);
        }
    }
    __real_region_close(r);
}

/* ---- processes ---- */

static struct host_process *process_of(int32_t pid)
{
    for (uint32_t i = 0; i < HOST_PROCESSES; i++) {
        if (pid > 0 && the_host.process[i].pid == pid)
            return &the_host.process[i];
    }
    return NULL;
}

static struct host_process *free_process(void)
{
    struct host_process *p = the_host.process;
    while (p < the_host.process + HOST_PROCESSES && p->pid)
        p++;
    CHECK(p < the_host.process + HOST_PROCESSES, "more processes than there may be");
    return p;
}

static struct host_process *begin_process(uint32_t uid, int socket)
{
    struct host_process *p = free_process();
    *p = (struct host_process){.pid = ++the_host.last_pid,
                               .index = uid - UID_FIRST,
                               .socket = socket,
                               .pidfd = -1,
                               .ready_ns = sim_now_ns + below(READY_US_MAX) * 1000ull,
                               .dies_ns = UINT64_MAX,
                               .pong_ns = UINT64_MAX,
                               .bytes = the_host.weather.bytes / 2 +
                                        below((uint32_t)the_host.weather.bytes)};
    return p;
}

void host_end(struct host_process *p, uint64_t at_ns)
{
    p->dies_ns = min_u64(p->dies_ns, at_ns);
}

static void end_process(struct host_process *p)
{
    TRACE("process %d of cell %u ends", p->pid, p->index);
    p->has_ended = true;
    if (p->runtime && p->runtime->is_up) {
        p->runtime->death_ns = sim_now_ns;
        model_runtime_work(p->runtime);
    }
    close(p->socket);
    p->socket = -1;
    if (p->pidfd >= 0)
        eventfd_write(p->pidfd, 1);
}

static void forget_process(struct host_process *p)
{
    if (p->runtime)
        model_runtime_free(p->runtime);
    free(p->runtime);
    *p = (struct host_process){0};
}

void host_say(struct host_process *p, const char *packet)
{
    ssize_t n = send(p->socket, packet, strlen(packet), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)n; /* what does not fit is dropped */
}

static void open_lanes(struct host_process *p, const struct cell_link *l, uint32_t first)
{
    for (uint32_t i = 0; i < the_host.cores; i++)
        model_runtime_open(p->runtime, first + i, l->region.map, i, core_wake_fd(the_host.core[i]),
                           &l->region.geometry);
}

static void on_region(struct host_process *p)
{
    struct cell *c = &the_host.supervise->cell[p->index];
    if (!p->has_script)
        return; /* its first */
    CHECK(c->large && !p->runtime->lane[MODEL_CORES].region, "a larger region comes twice");
    open_lanes(p, c->large, MODEL_CORES);
    the_host.tally.grown++;
    p->slow_pong_ns = below((uint32_t)(the_host.weather.larger_late_ns / 1000) + 1) * 1000ull;
    the_host.weather.late_larges += p->slow_pong_ns > 100 * MS;
}

static void on_script(struct host_process *p, const char *packet)
{
    struct cell *c = &the_host.supervise->cell[p->index];
    const char *at = strstr(packet, "\"handle\":");
    CHECK(!p->has_script && at, "a script comes twice");
    p->has_script = true;
    p->runtime = calloc(1, sizeof(*p->runtime));
    CHECK(p->runtime, "no memory");
    model_runtime_start(p->runtime, &the_host.manner, &the_host.tally, strtoull(at + 9, NULL, 10));
    p->runtime->owner = p->index;
    open_lanes(p, c->first, 0);
    the_host.tally.cells++;
    if (!chance(the_host.weather.starting_percent))
        return;
    the_host.weather.died_starting++;
    host_end(p, sim_now_ns + below(p->runtime->took_us) * 1000ull);
}

static void hear(struct host_process *p)
{
    char packet[PACKET_BYTES];
    ssize_t n;
    while ((n = recv(p->socket, packet, sizeof(packet) - 1, MSG_DONTWAIT)) > 0) {
        packet[n] = 0;
        if (strstr(packet, "\"type\":\"region\"")) {
            on_region(p);
        } else if (strstr(packet, "\"type\":\"script\"")) {
            on_script(p, packet);
        } else {
            p->pings++;
            p->pong_ns =
                min_u64(p->pong_ns, sim_now_ns + p->slow_pong_ns + below(PONG_US_MAX) * 1000ull);
        }
    }
    if (n == 0)
        host_end(p, sim_now_ns);
}

static bool is_stalled(const struct host_process *p)
{
    return p->runtime && sim_now_ns < p->runtime->stalled_until_ns;
}

static void speak(struct host_process *p)
{
    char text[64];
    if (!p->is_ready && sim_now_ns >= p->ready_ns) {
        p->is_ready = true;
        host_say(p, "{\"type\":\"ready\"}");
    }
    if (p->runtime && !p->is_told && p->is_ready && model_runtime_is_ready(p->runtime)) {
        p->is_told = true;
        snprintf(text, sizeof(text), "{\"type\":\"loaded\",\"us\":%u,\"error\":\"\"}",
                 p->runtime->took_us);
        host_say(p, text);
    }
    for (; sim_now_ns >= p->pong_ns && p->pings > 0; p->pings--)
        host_say(p, "{\"type\":\"pong\"}");
    if (p->pings == 0)
        p->pong_ns = UINT64_MAX;
}

static void run_process(struct host_process *p)
{
    if (sim_now_ns >= p->dies_ns) {
        end_process(p);
        return;
    }
    if (is_stalled(p) && sim_now_ns < p->runtime->death_ns)
        return;
    hear(p);
    uint32_t lies = the_host.tally.lies;
    if (p->runtime && !model_runtime_work(p->runtime)) {
        end_process(p);
        return;
    }
    if (the_host.tally.lies > lies) /* as good as dead: the core looks no more */
        the_host.lied(the_host.arg, p->runtime->handle);
    speak(p);
}

struct host_process *host_pick(void)
{
    struct host_process *picked = NULL;
    uint32_t idle = 0, busy = 0;
    for (uint32_t i = 0; i < HOST_PROCESSES; i++) {
        struct host_process *p = &the_host.process[i];
        if (!p->pid || p->has_ended || !p->is_told || p->dies_ns != UINT64_MAX)
            continue;
        bool is_busy = p->runtime->jobs_end > 0;
        if (is_busy ? below(++busy) == 0 : busy == 0 && below(++idle) == 0)
            picked = p;
    }
    return picked;
}

void host_retired(uint32_t link)
{
    const struct cell_link *l = &the_host.supervise->link[link];
    for (uint32_t i = 0; i < HOST_PROCESSES; i++) {
        struct model_runtime *m = the_host.process[i].runtime;
        for (uint32_t k = 0; m && k < MODEL_LANES; k++) {
            struct model_lane *lane = &m->lane[k];
            if (!lane->region || lane->region != l->region.map || lane->is_closed)
                continue;
            lane->is_closed = true;
            lane->closed_tail = atomic_load(&lane->down.ring->tail);
        }
    }
}

/* ---- child.h ---- */

int child_adopt(struct child *c, struct loop *loop, pid_t pid, void (*on_end)(void *, uint32_t),
                void *arg)
{
    struct host_process *p = process_of(pid);
    if (!p)
        return -ECHILD;
    *c = (struct child){.loop = loop, .pid = pid, .watch.fd = -1};
    c->pidfd = p->pidfd = eventfd(p->has_ended, EFD_CLOEXEC | EFD_NONBLOCK);
    return loop_watch(loop, &c->watch, c->pidfd, EPOLLIN, on_end, arg);
}

bool child_strike(struct child *c, uint64_t now_ns, char *text, size_t room)
{
    struct host_process *p = process_of(c->pid);
    bool is_stubborn = c->strikes == 0 && chance(the_host.weather.stubborn_percent);
    CHECK(p, "nobody is struck");
    the_host.weather.stubborn += is_stubborn;
    host_end(p,
             now_ns + (is_stubborn ? below(STUBBORN_MS_MAX) * MS : below(GONE_US_MAX) * 1000ull));
    c->is_struck = true;
    c->struck_ns = now_ns;
    snprintf(text, room, "killed");
    return c->strikes++ == 0;
}

bool child_withstands(const struct child *c, uint64_t now_ns)
{
    return c->strikes && now_ns - c->struck_ns >= SUPERVISE_KILL_MS * MS;
}

bool child_has_ended(struct child *c, char *how, size_t room, uint64_t *cpu_ns)
{
    struct host_process *p = process_of(c->pid);
    CHECK(p, "a child is waited for twice");
    if (!p->has_ended)
        return false;
    *cpu_ns = p->cpu_ns;
    snprintf(how, room, "signal 9 (Killed)");
    return true;
}

bool child_await_end(struct child *c, uint64_t deadline_ns, char *how, size_t room)
{
    struct host_process *p = process_of(c->pid);
    uint64_t cpu_ns;
    (void)deadline_ns;
    if (!p->has_ended)
        end_process(p);
    return child_has_ended(c, how, room, &cpu_ns);
}

void child_release(struct child *c)
{
    struct host_process *p = process_of(c->pid);
    if (!c->pid)
        return;
    loop_unwatch(c->loop, &c->watch);
    close(c->pidfd);
    c->pidfd = -1;
    c->pid = 0;
    CHECK(p && p->has_ended, "a child is given up that lives");
    forget_process(p);
}

/* ---- zygote.h ---- */

static uint32_t place_of(const struct zygote *z)
{
    uint32_t i = 0;
    while (i < 2 && the_host.zygote[i] != z)
        i++;
    return i;
}

void zygote_init(struct zygote *z, const struct zygote_config *config)
{
    *z = (struct zygote){.config = config,
                         .socket = -1,
                         .words.fd = -1,
                         .child.pidfd = -1,
                         .socket_watch.fd = -1,
                         .words.watch.fd = -1};
}

int zygote_start(struct zygote *z)
{
    uint32_t place = place_of(NULL);
    CHECK(z->state == ZYGOTE_DOWN && place < 2, "a zygote too many");
    if (sim_now_ns < the_host.weather.zygotes_fail_ns) {
        the_host.weather.failed_zygotes++;
        snprintf(z->last_exit, sizeof(z->last_exit), "not started: no memory");
        return -ENOMEM;
    }
    z->kill_reason = NULL;
    z->started_ns = sim_now_ns;
    z->has_ids = true;
    z->state = ZYGOTE_BOOTING;
    the_host.zygote[place] = z;
    the_host.zygote_ns[place] = sim_now_ns + (BOOT_MS_MIN + below(BOOT_MS_SPAN)) * MS;
    return 0;
}

bool zygote_order(int socket, uint32_t uid, enum zygote_child what, const int fds[ZYGOTE_FORK_FDS])
{
    CHECK(false, "a template was asked, and there is none");
    return false;
}

bool zygote_fork(struct zygote *z, uint32_t uid, enum zygote_child what, int socket, int words)
{
    uint64_t at_ns =
        sim_now_ns + (FORK_US_MIN + below(the_host.weather.fork_us - FORK_US_MIN)) * 1000ull;
    (void)words;
    /* Cores see no difference between a template's cell and another. */
    if (z->state != ZYGOTE_UP || what == ZYGOTE_TEMPLATE)
        return false;
    CHECK(the_host.forks < HOST_FORKS, "more forks than may be open");
    for (uint32_t i = 0; i < the_host.forks; i++) { /* in order */
        if (the_host.fork[i].zygote == z && the_host.fork[i].at_ns > at_ns)
            at_ns = the_host.fork[i].at_ns;
    }
    the_host.fork[the_host.forks++] =
        (struct host_fork){.zygote = z, .uid = uid, .socket = dup(socket), .at_ns = at_ns};
    z->asked++;
    return true;
}

static struct host_fork take_fork(uint32_t i)
{
    struct host_fork f = the_host.fork[i];
    the_host.forks--;
    memmove(&the_host.fork[i], &the_host.fork[i + 1], (the_host.forks - i) * sizeof(f));
    return f;
}

/* Nobody answers what is open. */
static void leave(struct zygote *z)
{
    uint32_t place = place_of(z);
    for (uint32_t i = 0; i < the_host.forks;) {
        if (the_host.fork[i].zygote == z)
            close(take_fork(i).socket);
        else
            i++;
    }
    if (place < 2)
        the_host.zygote[place] = NULL;
    z->asked = 0;
    z->state = ZYGOTE_DOWN;
}

void zygote_close(struct zygote *z, const char *why)
{
    uint32_t place = place_of(z);
    if (z->state == ZYGOTE_DOWN || z->state == ZYGOTE_ENDING)
        return;
    CHECK(place < 2, "a zygote that nobody started");
    z->state = ZYGOTE_ENDING;
    z->kill_reason = why;
    the_host.zygote_ns[place] = sim_now_ns + below(LEAVES_MS) * MS;
}

void zygote_kill(struct zygote *z, const char *why)
{
    zygote_close(z, why);
}

void zygote_await_end(struct zygote *z, uint64_t deadline_ns)
{
    (void)deadline_ns;
    if (z->state != ZYGOTE_DOWN)
        leave(z);
}

bool host_end_zygote(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        if (!the_host.zygote[i] || the_host.zygote[i]->state != ZYGOTE_UP)
            continue;
        TRACE("the zygote ends");
        snprintf(the_host.zygote[i]->last_exit, sizeof(the_host.zygote[i]->last_exit), "signal 11");
        the_host.zygote_ns[i] = sim_now_ns;
        return true;
    }
    return false;
}

static void run_zygote(uint32_t i)
{
    struct zygote *z = the_host.zygote[i];
    if (!z || sim_now_ns < the_host.zygote_ns[i])
        return;
    if (z->state == ZYGOTE_BOOTING) {
        z->state = ZYGOTE_UP;
        z->up_ns = sim_now_ns;
        the_host.zygote_ns[i] = UINT64_MAX;
    } else {
        leave(z);
    }
    z->config->on_change(z->config->arg, z);
}

static void run_forks(void)
{
    for (uint32_t i = 0; i < the_host.forks;) {
        if (sim_now_ns < the_host.fork[i].at_ns || the_host.fork[i].zygote->state != ZYGOTE_UP) {
            i++;
            continue;
        }
        struct host_fork f = take_fork(i);
        int32_t pid = -EAGAIN;
        if (sim_now_ns < the_host.weather.forks_fail_ns) {
            the_host.weather.failed_forks++;
            close(f.socket);
        } else {
            pid = begin_process(f.uid, f.socket)->pid;
        }
        f.zygote->asked--;
        f.zygote->config->on_forked(f.zygote->config->arg, f.zygote, pid);
        i = 0; /* more may have been asked for */
    }
}

/* ---- procfs.h ---- */

static uint64_t bytes_of(int pid)
{
    struct host_process *p = process_of(pid);
    return p ? p->bytes : 0;
}

uint64_t procfs_resident_bytes(int pid)
{
    return bytes_of(pid);
}

bool procfs_private_bytes(int pid, uint64_t *bytes)
{
    *bytes = bytes_of(pid);
    return *bytes > 0;
}

uint64_t procfs_page_table_bytes(int pid)
{
    return bytes_of(pid) / 8;
}

uint64_t procfs_faults(int pid)
{
    return bytes_of(pid) / 4096;
}

uint64_t procfs_cpu_ns(int pid)
{
    struct host_process *p = process_of(pid);
    return p ? p->cpu_ns : 0;
}

/* It computes for 0.1 ms at a time. */
uint64_t procfs_sleeps(int pid)
{
    return procfs_cpu_ns(pid) / 100000;
}

struct procfs_turns procfs_turns(int pid)
{
    return (struct procfs_turns){.ran_ns = procfs_cpu_ns(pid)};
}

uint64_t procfs_uid(int pid)
{
    CHECK(false, "of a template only");
    return 0;
}

void procfs_children(int parent, void (*fn)(void *arg, int pid), void *arg)
{
    CHECK(false, "of a template only");
}

uint64_t procfs_idle_ns(const uint16_t *cpus, uint32_t count)
{
    (void)cpus, (void)count;
    return sim_now_ns;
}

/* ---- urgency.h ---- */

/* Its pids are nobody's. */
int __wrap_urgency_set(pid_t thread, enum urgency urgency);
int __wrap_urgency_set(pid_t thread, enum urgency urgency)
{
    (void)urgency;
    return process_of(thread) ? 0 : -ESRCH;
}

/* ---- all of it ---- */

void host_init(uint32_t cores, struct core **core, const struct model_manner *manner)
{
    the_host = (struct host){.cores = cores, .core = core, .manner = *manner, .last_pid = 1000};
    the_host.weather = (struct host_weather){.bytes = 1 << 20, .fork_us = 3000};
}

void host_fini(void)
{
    for (uint32_t i = 0; i < HOST_PROCESSES; i++)
        CHECK(the_host.process[i].pid == 0, "process %d is left", the_host.process[i].pid);
    CHECK(the_host.forks == 0 && !the_host.zygote[0] && !the_host.zygote[1], "a zygote is left");
}

void host_work(void)
{
    for (uint32_t i = 0; i < 2; i++)
        run_zygote(i);
    run_forks();
    for (uint32_t i = 0; i < HOST_PROCESSES; i++) {
        if (the_host.process[i].pid && !the_host.process[i].has_ended)
            run_process(&the_host.process[i]);
    }
}

static uint64_t process_next_ns(const struct host_process *p)
{
    uint64_t next = min_u64(p->dies_ns, p->pong_ns);
    if (!p->is_ready)
        next = min_u64(next, p->ready_ns);
    if (p->runtime)
        next = min_u64(next, model_runtime_next_ns(p->runtime));
    return next;
}

uint64_t host_next_ns(void)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < 2; i++)
        next = min_u64(next, the_host.zygote[i] ? the_host.zygote_ns[i] : UINT64_MAX);
    for (uint32_t i = 0; i < the_host.forks; i++)
        next = min_u64(next, the_host.fork[i].at_ns);
    for (uint32_t i = 0; i < HOST_PROCESSES; i++) {
        if (the_host.process[i].pid && !the_host.process[i].has_ended)
            next = min_u64(next, process_next_ns(&the_host.process[i]));
    }
    return next;
}
