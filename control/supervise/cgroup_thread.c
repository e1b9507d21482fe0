#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/supervise/cgroup_parts.h"

void cgroup_failed(struct cgroup *g, int error)
{
    atomic_store(&g->last_error, error);
    atomic_fetch_add(&g->failed, 1);
}

/* Living or not, nobody else can have its number. */
static bool is_ours(pid_t pid)
{
    siginfo_t info;

    return !waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
}

static void carry_out(struct cgroup *g, const struct cgroup_order *o)
{
    int rc;

    if (!o->pid)
        rc = cgroup_set_memory(g, o->group, o->memory_bytes);
    else
        rc = is_ours(o->pid) ? cgroup_put(g, o->group, o->pid) : -ESRCH;
    if (!rc)
        atomic_fetch_add(&g->moved, o->pid != 0);
    else if (rc != -ESRCH) /* it has ended meanwhile */
        cgroup_failed(g, -rc);
}

/* The files are its user's: it needs none of what the control thread holds. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[2] = {0};

    syscall(SYS_capset, &header, none);
}

static void *work(void *arg)
{
    struct cgroup *g = arg;

    drop_capabilities();

    pthread_mutex_lock(&g->lock);
    while (!g->is_ending) {
        struct cgroup_order o;

        if (!g->count) {
            pthread_cond_wait(&g->bell, &g->lock);
            continue;
        }
        o = g->queue[g->head];
        g->head = (g->head + 1) % CGROUP_QUEUE_MAX;
        g->count--;
        pthread_mutex_unlock(&g->lock);
        carry_out(g, &o);
        pthread_mutex_lock(&g->lock);
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

int cgroup_start(struct cgroup *g)
{
    sigset_t all, before;
    int rc;

    if (g->kind == CGROUP_NONE)
        return 0;
    g->queue = calloc(CGROUP_QUEUE_MAX, sizeof(*g->queue));
    if (!g->queue)
        return -ENOMEM;
    pthread_mutex_init(&g->lock, NULL);
    pthread_cond_init(&g->bell, NULL);
    sigfillset(&all); /* signals are the control thread's */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    rc = pthread_create(&g->thread, NULL, work, g);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!rc)
        return 0;
    free(g->queue);
    g->queue = NULL;
    return -rc;
}

void cgroup_stop(struct cgroup *g)
{
    if (!g->queue)
        return;
    pthread_mutex_lock(&g->lock);
    g->is_ending = true;
    pthread_cond_signal(&g->bell);
    pthread_mutex_unlock(&g->lock);
    pthread_join(g->thread, NULL);
    pthread_cond_destroy(&g->bell);
    pthread_mutex_destroy(&g->lock);
    free(g->queue);
    g->queue = NULL;
}

static void order(struct cgroup *g, struct cgroup_order o, const char *group)
{
    bool is_full;

    if (!g->queue)
        return;
    snprintf(o.group, sizeof(o.group), "%s", group);
    pthread_mutex_lock(&g->lock);
    is_full = g->count == CGROUP_QUEUE_MAX;
    if (!is_full)
        g->queue[(g->head + g->count++) % CGROUP_QUEUE_MAX] = o;
    pthread_cond_signal(&g->bell);
    pthread_mutex_unlock(&g->lock);
    if (is_full)
        cgroup_failed(g, ENOBUFS);
}

void cgroup_limit(struct cgroup *g, const char *account, uint64_t memory_bytes)
{
    order(g, (struct cgroup_order){.memory_bytes = memory_bytes}, account);
}

void cgroup_move(struct cgroup *g, const char *account, pid_t pid)
{
    order(g, (struct cgroup_order){.pid = pid}, account);
}
