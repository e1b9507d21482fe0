/* loop.h
 *
 * The control thread's event loop: descriptors by epoll, timers by deadline. It sleeps when there
 * is nothing to do.
 *
 * Watches and timers are embedded in their owners and belong to them. One event is taken at a time,
 * so a handler may remove and free any watch, its own too. Single thread.
 */
#ifndef HEARTH_LOOP_H
#define HEARTH_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop_timer {
    void (*fn)(void *arg);
    void *arg;
    uint64_t deadline_ns; /* 0: not set */
    struct loop_timer *next;
};

struct loop_watch {
    void (*fn)(void *arg, uint32_t events); /* EPOLLIN ... */
    void *arg;
    int fd; /* -1: not watched */
};

struct loop {
    int epoll_fd;
    bool is_stopped;
    struct loop_timer *timers;
};

int loop_init(struct loop *);
void loop_fini(struct loop *);

/* 0 or -errno. events: EPOLLIN and so on, level-triggered. */
int loop_watch(struct loop *, struct loop_watch *, int fd, uint32_t events,
               void (*fn)(void *, uint32_t), void *arg);
void loop_rewatch(struct loop *, struct loop_watch *, uint32_t events);
/* Does not close the descriptor. Nothing happens if it is not watched. */
void loop_unwatch(struct loop *, struct loop_watch *);

/* Sets or moves; fires once, never early. */
void loop_timer_set(struct loop *, struct loop_timer *, uint64_t delay_ns, void (*fn)(void *),
                    void *arg);
void loop_timer_cancel(struct loop *, struct loop_timer *);

/* Waits for one event or timer and handles it; at most wait_ms (-1: as long as it takes). */
void loop_step(struct loop *, int wait_ms);
/* Until loop_stop. */
void loop_run(struct loop *);
void loop_stop(struct loop *);

uint64_t loop_now_ns(void); /* CLOCK_MONOTONIC */

#endif
