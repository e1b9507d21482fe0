#include "runtime/worker/start_socket.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/start.h"
#include "runtime/worker/lane.h"
#include "runtime/worker/worker.h"

enum { FDS_MAX = 2 + JOB_LANES_MAX };

struct packet {
    json_t *json; /* NULL: not JSON */
    int fds[FDS_MAX];
    int fd_count;
};

/* 1: a packet; 0: nothing there now; -errno, or -EPIPE when the other end is gone. */
static int receive(int socket_fd, int flags, struct packet *out)
{
    static char bytes[START_PACKET_BYTES_MAX];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control;
    struct iovec iov = {bytes, sizeof(bytes)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};

    *out = (struct packet){0};
    ssize_t n;
    do
        n = recvmsg(socket_fd, &msg, flags | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : -errno;
    if (n == 0)
        return -EPIPE;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        out->fd_count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(out->fds, CMSG_DATA(c), (size_t)out->fd_count * sizeof(int));
    }
    out->json = json_loadb(bytes, (size_t)n, 0, NULL);
    return 1;
}

static void close_fds(struct packet *p)
{
    for (int i = 0; i < p->fd_count; i++)
        close(p->fds[i]);
    p->fd_count = 0;
}

static bool is_type(const struct packet *p, const char *type)
{
    const char *is = json_string_value(json_object_get(p->json, "type"));
    return is && strcmp(is, type) == 0;
}

static int take_region(struct worker *w, struct packet *p)
{
    json_int_t lanes = json_integer_value(json_object_get(p->json, "lanes"));
    json_int_t memory = json_integer_value(json_object_get(p->json, "memory_bytes"));
    struct stat st;
    if (!is_type(p, "region") || lanes < 1 || lanes > JOB_LANES_MAX ||
        p->fd_count != 2 + (int)lanes || fstat(p->fds[0], &st) != 0)
        return -EPROTO;
    w->region_bytes = (size_t)st.st_size;
    w->region = mmap(NULL, w->region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, p->fds[0], 0);
    if (w->region == MAP_FAILED)
        return -errno;
    close(p->fds[0]);
    int error = job_region_check(w->region, w->region_bytes);
    if (error || ((struct job_region_header *)w->region)->lanes != (uint32_t)lanes)
        return -EPROTO;
    w->event_fd = p->fds[1];
    w->lane_count = (uint32_t)lanes;
    for (uint32_t i = 0; i < w->lane_count; i++) {
        w->lanes[i] = malloc(sizeof(struct lane));
        assert(w->lanes[i]);
        lane_init(w->lanes[i], w->region, i, p->fds[2 + i]);
    }
    p->fd_count = 0; /* ours now */
    warm_pool_init(&w->pool, &warm_weights_default,
                   memory > 0 ? (size_t)memory : (size_t)256 << 20);
    return 0;
}

int start_socket_region(struct worker *w)
{
    struct packet p;
    int n = receive(w->start_fd, 0, &p);
    if (n <= 0)
        return n ? n : -EPROTO;
    int error = take_region(w, &p);
    close_fds(&p);
    json_decref(p.json);
    return error;
}

/* What is known of how a script is asked for, from the version that this one replaces: the same
 * handle, or the same name if that one is warm. */
static struct warm_history former_history(const struct worker *w, const struct script *old,
                                          const char *name)
{
    if (old)
        return old->history;
    const struct isolate *i = name && *name ? isolate_named(w, name) : NULL;
    return i ? i->script->history : (struct warm_history){0};
}

static void tell_warmed(struct worker *w, const struct script *s, uint32_t us)
{
    struct job_slot told = {.type = JOB_WARMED, .arg = s->handle, .arg2 = us};
    for (uint32_t l = 0; l < w->lane_count; l++)
        lane_send(w->lanes[l], &told);
}

/* Requests for the new version follow as soon as hearthd knows that we have it (start.h): its
 * isolate is made now, so that none of them waits for it. If it does not load, the log says so
 * before anybody asks. What the older version serves goes on. Only one that is warm counts: there
 * is none while hearthd tells all it has to a new process. */
static void succeed(struct worker *w, struct script *s)
{
    const struct isolate *before = isolate_named(w, s->name);
    if (!before)
        return;
    bool is_in_use = before->warm.pins > 0 ||
                     w->now_ns - warm_pool_used_ns(&w->pool, &before->warm) < WARM_IDLE_NS;
    enum job_error why;
    struct cold_start cold;
    bool is_warm = isolate_warm(w, s, is_in_use, &cold, &why);
    if (is_warm)
        tell_warmed(w, s, cold.us);
    if (is_warm || s->load_error)
        report_loaded(w, s->handle, s->load_error);
}

static void take_try(struct worker *w, const struct packet *p)
{
    uint32_t handle = (uint32_t)json_integer_value(json_object_get(p->json, "handle"));
    struct script *s = script_find(&w->scripts, handle);
    struct cold_start cold;
    if (!s) {
        report_loaded(w, handle, "the script's packet was refused");
        return;
    }
    /* It was tried when it came, or the answer was lost: a second time is no better. */
    bool keeps = json_is_true(json_object_get(p->json, "keep"));
    if (!s->load_error && isolate_try(w, s, keeps, &cold) && s->isolate)
        tell_warmed(w, s, cold.us);
    report_loaded(w, handle, s->load_error);
}

static void take_script(struct worker *w, struct packet *p)
{
    const char *why;
    uint32_t handle = (uint32_t)json_integer_value(json_object_get(p->json, "handle"));
    struct script *old = script_find(&w->scripts, handle);
    if (old && old->isolate && !old->isolate->warm.pins)
        isolate_free(old->isolate);
    const struct warm_history history =
        former_history(w, old, json_string_value(json_object_get(p->json, "name")));
    int fd = p->fd_count == 1 ? p->fds[0] : -1;
    if (p->fd_count == 1)
        p->fd_count = 0;
    if (script_add(&w->scripts, p->json, fd, &why) != 0) {
        char text[160];
        int n = snprintf(text, sizeof(text), "script packet refused: %s", why);
        report_log(w, handle, 0, "error", text, (size_t)n);
        report_loaded(w, handle, text);
        return;
    }
    struct script *s = script_find(&w->scripts, handle);
    s->history = history;
    succeed(w, s);
}

static void take_ping(struct worker *w, const struct packet *p)
{
    worker_publish(w); /* first what the cores should know when hearthd lets them ask for it */
    report_pong(w, json_integer_value(json_object_get(p->json, "told")));
}

static void take_forget(struct worker *w, struct packet *p)
{
    uint32_t handle = (uint32_t)json_integer_value(json_object_get(p->json, "handle"));
    struct script *s = script_find(&w->scripts, handle);
    if (!s)
        return;
    struct isolate *idle = s->isolate && !s->isolate->warm.pins ? s->isolate : NULL;
    if (idle)
        isolate_free(idle);
    script_forget(&w->scripts, handle);
}

void start_socket_read(struct worker *w)
{
    struct packet p;
    int n;
    while ((n = receive(w->start_fd, MSG_DONTWAIT, &p)) > 0) {
        if (is_type(&p, "script"))
            take_script(w, &p);
        else if (is_type(&p, "forget"))
            take_forget(w, &p);
        else if (is_type(&p, "try"))
            take_try(w, &p);
        else if (is_type(&p, "ping"))
            take_ping(w, &p);
        close_fds(&p);
        json_decref(p.json);
    }
    if (n < 0)
        w->is_orphaned = true;
}
