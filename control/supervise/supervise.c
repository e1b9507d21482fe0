#include "control/supervise/supervise.h"

#include <assert.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control/base/log.h"
#include "control/config/install.h"
#include "control/supervise/process.h"
#include "control/supervise/procfs.h"

/* The runtime keeps its isolates within the budget; this is for what it cannot stop, like a
 * builtin of V8 that copies one huge array without looking up. Better one process than the
 * machine. */
static bool is_bloated(const struct process *p)
{
    const struct supervise_config *c = &p->owner->config;
    return procfs_resident_bytes((int)p->pid) > c->memory_bytes + c->memory_slack_bytes;
}

static bool is_hung(struct process *p)
{
    const uint64_t hang_ns = (uint64_t)p->owner->config.hang_ms * PROCESS_MS;

    if (!p->ping.since_ns || p->state != SUPERVISE_UP || loop_now_ns() - p->ping.since_ns < hang_ns)
        return false;
    /* This thread may have waited for a CPU itself, and the answer is here. */
    process_hear(p);
    if (p->is_unheard)
        process_watch_socket(p);
    if (!p->ping.since_ns)
        return false;
    uint64_t spent_ns = patience_spent_ns(&p->ping, (int)p->pid, loop_now_ns());
    return spent_ns >= hang_ns &&
           (procfs_cpu_seconds((int)p->pid) - p->ping_cpu_s) * 4e9 < (double)spent_ns;
}

/* It computes, or it does not say so: what it has been told need not wait for it any longer. */
static void give_up_waiting(struct process *p)
{
    bool is_late = p->state == SUPERVISE_UP && p->taken < p->told &&
                   loop_now_ns() - p->untaken_ns >= (uint64_t)SUPERVISE_TAKE_MS * PROCESS_MS;

    if (is_late)
        p->taken = p->told;
}

/* A link that broke and a region that is lost follow each other; either is the end of the
 * process. */
static bool is_condemned(struct process *p)
{
    uint32_t condemned = atomic_load_explicit(&p->region->condemned, memory_order_acquire);

    if (!condemned || p->state == SUPERVISE_ENDING)
        return condemned;
    p->regions_lost += condemned == REGION_LOST;
    process_kill(p, condemned == REGION_LOST ? "it took pages of its region away"
                                             : "it broke the contract of the job rings");
    return true;
}

static void look_at_processes(void *arg)
{
    struct supervise *s = arg;
    bool pings = s->looks % SUPERVISE_PING_LOOKS == 0;
    bool looks_at_memory = ++s->looks % SUPERVISE_MEMORY_LOOKS == 0, has_change = false;
    uint64_t taken;

    for (uint32_t i = 0; i < s->config.count; i++) {
        struct process *p = &s->process[i];

        if (!p->region || p->pid <= 0)
            continue;
        taken = p->taken;
        process_hear_again(p);
        process_words_again(p);
        if (is_condemned(p))
            ;
        else if (looks_at_memory && is_bloated(p))
            process_kill(p, "its memory is far over its budget");
        else if (is_hung(p))
            process_kill(p, "it does not answer");
        else if (pings && p->state == SUPERVISE_UP && !p->ping.since_ns)
            process_ping(p);
        give_up_waiting(p);
        has_change |= p->taken != taken;
    }
    if (has_change && s->config.on_change)
        s->config.on_change(s->config.arg);
    loop_timer_set(s->config.loop, &s->look_timer, (uint64_t)SUPERVISE_LOOK_MS * PROCESS_MS,
                   look_at_processes, s);
}

/* ---- life of the supervisor ---- */

struct supervise *supervise_create(const struct supervise_config *config, char *error,
                                   size_t error_bytes)
{
    struct supervise *s;

    assert(config->count <= RUNTIMES_MAX && config->lanes <= 64 && config->cpus_count <= 64);
    if (!install_is_good(INSTALL_NODE_EXE, config->node_exe, error, error_bytes) ||
        !install_is_good(INSTALL_PROGRAM, config->program, error, error_bytes) ||
        !install_is_good(INSTALL_BLOB, config->blob, error, error_bytes))
        return NULL;
    s = calloc(1, sizeof(*s));
    if (!s || region_guard_start())
        goto fail;
    s->config = *config;
    if (!s->config.hang_ms)
        s->config.hang_ms = SUPERVISE_HANG_MS;
    if (!s->config.memory_slack_bytes)
        s->config.memory_slack_bytes = (uint64_t)SUPERVISE_MEMORY_SLACK_MB << 20;
    if (config->cpus_count)
        memcpy(s->cpus, config->cpus, config->cpus_count * sizeof(s->cpus[0]));
    s->node_exe = strdup(config->node_exe);
    s->program = strdup(config->program);
    s->blob = strdup(config->blob);
    /* jemalloc must be preloaded itself: symbols of a preloaded object's dependencies come after
     * libc's. */
    if (asprintf(&s->preload, "LD_PRELOAD=libjemalloc.so.2:%s", config->program) < 0)
        s->preload = NULL;
    if (!s->node_exe || !s->program || !s->blob || !s->preload)
        goto fail;
    for (uint32_t i = 0; i < config->count; i++)
        s->process[i] =
            (struct process){.owner = s, .index = i, .pidfd = -1, .socket = -1, .words_fd = -1};
    return s;
fail:
    snprintf(error, error_bytes, "no memory");
    if (s)
        supervise_destroy(s);
    return NULL;
}

/* Runtime processes of root's hearthd become nobody's (sandbox.h). */
static bool may_kill(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2] = {0};

    return geteuid() != 0 || syscall(SYS_capget, &header, caps) ||
           (caps[0].effective & 1u << CAP_KILL);
}

void supervise_start(struct supervise *s)
{
    if (!may_kill())
        log_line("runtime",
                 "advice=\"hearthd has no CAP_KILL: it cannot end a runtime process that hangs; "
                 "add it to the unit's CapabilityBoundingSet\"");
    for (uint32_t i = 0; i < s->config.count; i++)
        process_respawn(&s->process[i]);
    look_at_processes(s);
}

void supervise_destroy(struct supervise *s)
{
    uint64_t deadline_ns;

    s->is_stopping = true;
    loop_timer_cancel(s->config.loop, &s->look_timer);
    loop_timer_cancel(s->config.loop, &s->hold_timer);
    for (uint32_t i = 0; i < s->config.count; i++) {
        struct process *p = &s->process[i];

        loop_timer_cancel(s->config.loop, &p->respawn_timer);
        process_kill(p, "hearthd ends");
    }
    deadline_ns = loop_now_ns() + (uint64_t)SUPERVISE_STOP_MS * PROCESS_MS;
    for (uint32_t i = 0; i < s->config.count; i++) {
        struct process *p = &s->process[i];

        if (p->state != SUPERVISE_DOWN)
            process_await_end(p, deadline_ns);
        free(p->forgets);
    }
    free(s->node_exe);
    free(s->program);
    free(s->blob);
    free(s->preload);
    free(s);
}

/* ---- what others ask ---- */

void supervise_tell(struct supervise *s)
{
    for (uint32_t i = 0; i < s->config.count; i++)
        process_feed(&s->process[i]);
}

bool supervise_try(struct supervise *s, uint32_t i, uint64_t handle, bool keeps)
{
    struct process *p = &s->process[i];

    return p->state == SUPERVISE_UP && p->told >= handle && process_try(p, handle, keeps);
}

void supervise_forget(struct supervise *s, uint64_t handle)
{
    for (uint32_t i = 0; i < s->config.count; i++) {
        struct process *p = &s->process[i];

        if (p->state == SUPERVISE_DOWN || p->state == SUPERVISE_ENDING || p->told < handle)
            continue;
        if (p->forget_count == p->forget_room) {
            uint32_t room = p->forget_room ? 2 * p->forget_room : 64;
            uint64_t *more = realloc(p->forgets, room * sizeof(*more));

            if (!more)
                continue; /* it keeps a script that nobody asks for, until its next life */
            p->forgets = more;
            p->forget_room = room;
        }
        p->forgets[p->forget_count++] = handle;
        process_feed(p);
    }
}

bool supervise_is_told(const struct supervise *s, uint64_t handle)
{
    for (uint32_t i = 0; i < s->config.count; i++) {
        const struct process *p = &s->process[i];
        const struct script *next = process_next_script(p);

        if (p->state != SUPERVISE_UP)
            continue;
        if (p->taken < p->told || (next && next->handle <= handle))
            return false;
    }
    return true;
}

uint32_t supervise_count(const struct supervise *s)
{
    return s->config.count;
}

uint32_t supervise_up_count(const struct supervise *s)
{
    uint32_t up = 0;

    for (uint32_t i = 0; i < s->config.count; i++)
        up += s->process[i].state == SUPERVISE_UP;
    return up;
}

struct world_runtime supervise_runtime(const struct supervise *s, uint32_t i, struct part **region)
{
    const struct process *p = &s->process[i];

    *region = NULL;
    struct world_runtime r = {
        .wake_fd = -1, .life = p->life, .ended_life = p->ended_life, .ended_by = p->ended_by};
    if (p->state != SUPERVISE_UP)
        return r;
    *region = &p->region->part;
    r.region = p->region->map;
    r.wake_fd = p->region->wake_fd;
    r.condemned = &p->region->condemned;
    return r;
}

const struct script_row *supervise_script(const struct supervise *s, uint32_t i,
                                          const struct script *script)
{
    const struct process *p = &s->process[i];
    const struct script_row *row = script->slot < p->rows ? &p->row[script->slot] : NULL;

    return row && row->handle == script->handle ? row : NULL;
}

uint32_t supervise_held(const struct supervise *s, uint64_t handle[WORLD_HELD_MAX])
{
    return hold_list(&s->holds, loop_now_ns(), handle);
}

void supervise_status(const struct supervise *s, uint32_t i, struct supervise_status *out)
{
    const struct process *p = &s->process[i];

    *out = (struct supervise_status){
        .state = p->state,
        .pid = (int)p->pid,
        .life = p->life,
        .restarts = p->restarts,
        .since_ns = p->since_ns,
        .has_huge = p->region && p->region->has_huge,
        .isolates = p->isolates,
        .memory_bytes = p->memory_bytes,
        .bad_packets = p->bad_packets,
        .logs_dropped = p->logs_dropped,
        .regions_lost = p->regions_lost,
    };
    snprintf(out->v8, sizeof(out->v8), "%s", p->v8);
    snprintf(out->last_exit, sizeof(out->last_exit), "%s", p->last_exit);
}
