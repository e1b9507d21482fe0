#include "control/base/loop.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

uint64_t loop_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int loop_init(struct loop *l)
{
    *l = (struct loop){.epoll_fd = epoll_create1(EPOLL_CLOEXEC)};
    return l->epoll_fd < 0 ? -errno : 0;
}

void loop_fini(struct loop *l)
{
    close(l->epoll_fd);
    l->epoll_fd = -1;
}

int loop_watch(struct loop *l, struct loop_watch *w, int fd, uint32_t events,
               void (*fn)(void *, uint32_t), void *arg)
{
    struct epoll_event event = {.events = events, .data.ptr = w};

    *w = (struct loop_watch){.fn = fn, .arg = arg, .fd = fd};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
        w->fd = -1;
        return -errno;
    }
    return 0;
}

void loop_rewatch(struct loop *l, struct loop_watch *w, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = w};

    epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &event);
}

void loop_unwatch(struct loop *l, struct loop_watch *w)
{
    if (w->fn && w->fd >= 0)
        epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    w->fd = -1;
}

void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t delay_ns, void (*fn)(void *),
                    void *arg)
{
    loop_timer_cancel(l, t);
    t->fn = fn;
    t->arg = arg;
    t->deadline_ns = loop_now_ns() + delay_ns;
    t->next = l->timers;
    l->timers = t;
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
    if (!t->deadline_ns)
        return;
    for (struct loop_timer **p = &l->timers; *p; p = &(*p)->next) {
        if (*p == t) {
            *p = t->next;
            break;
        }
    }
    t->deadline_ns = 0;
}

/* The list is short (a few per zygote, node and client, none per cell): a scan costs less than a
 * heap's upkeep. */
static struct loop_timer *earliest(const struct loop *l)
{
    struct loop_timer *best = l->timers;

    for (struct loop_timer *t = best; t; t = t->next)
        if (t->deadline_ns < best->deadline_ns)
            best = t;
    return best;
}

void loop_step(struct loop *l, int wait_ms)
{
    struct loop_timer *t = earliest(l);
    struct epoll_event event;
    int n;

    if (t) {
        uint64_t now = loop_now_ns();
        uint64_t left_ms = t->deadline_ns > now ? (t->deadline_ns - now + 999999) / 1000000 : 0;

        if (wait_ms < 0 || left_ms < (uint64_t)wait_ms)
            wait_ms = left_ms > 3600000 ? 3600000 : (int)left_ms;
    }
    n = epoll_wait(l->epoll_fd, &event, 1, wait_ms);
    if (n == 1) {
        struct loop_watch *w = event.data.ptr;

        w->fn(w->arg, event.events);
    }
    t = earliest(l);
    if (t && t->deadline_ns <= loop_now_ns()) {
        loop_timer_cancel(l, t);
        t->fn(t->arg);
    }
}

void loop_run(struct loop *l)
{
    while (!l->is_stopped)
        loop_step(l, -1);
}

void loop_stop(struct loop *l)
{
    l->is_stopped = true;
}
