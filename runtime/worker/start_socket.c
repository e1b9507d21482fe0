#include "runtime/worker/start_socket.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/start.h"
#include "runtime/worker/isolate.h"
#include "runtime/worker/lane.h"
#include "runtime/worker/script.h"
#include "runtime/worker/sub.h"
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

/* NULL: it cannot be mapped, or is no region of that many lanes. */
static struct job_region_header *map_region(int fd, uint32_t lanes)
{
    struct stat st;
    /* Not the C library's fstat(), which is newfstatat: that takes a path too (sandbox.h). */
    if (syscall(SYS_fstat, fd, &st) != 0 || st.st_size < 0)
        return NULL;
    size_t bytes = (size_t)st.st_size;
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return NULL;
    struct job_region_header *region = map;
    if (job_region_check(map, bytes) == 0 && region->lanes == lanes)
        return region;
    munmap(map, bytes);
    return NULL;
}

static void add_lane(struct worker *w, struct job_region_header *region, uint32_t index,
                     int core_fd)
{
    assert(w->lane_count < WORKER_LANES_MAX);
    struct lane *l = lane_create(region, index, w->lane_count, core_fd);
    subs_init(l);
    w->lane[w->lane_count++] = l;
}

static int take_first_region(struct worker *w, struct packet *p)
{
    json_int_t lanes = json_integer_value(json_object_get(p->json, "lanes"));
    if (!is_type(p, "region") || lanes < 1 || lanes > JOB_LANES_MAX ||
        p->fd_count != 2 + (int)lanes)
        return -EPROTO;
    struct job_region_header *region = map_region(p->fds[0], (uint32_t)lanes);
    if (!region)
        return -EPROTO;
    close(p->fds[0]);
    w->event_fd = p->fds[1];
    w->region[w->region_count++] = region;
    for (uint32_t i = 0; i < (uint32_t)lanes; i++)
        add_lane(w, region, i, p->fds[2 + i]);
    p->fd_count = 0; /* ours now */
    return 0;
}

int start_socket_region(struct worker *w)
{
    struct packet p;
    int n = receive(w->start_fd, 0, &p);
    if (n <= 0)
        return n ? n : -EPROTO;
    int error = take_first_region(w, &p);
    close_fds(&p);
    json_decref(p.json);
    return error;
}

static void tell_warmed(struct worker *w, uint32_t lane_from, uint32_t us)
{
    struct job_slot told = {.type = JOB_WARMED, .arg = w->handle, .arg2 = us};
    for (uint32_t l = lane_from; l < w->lane_count; l++) {
        lane_send(w->lane[l], &told);
        lane_show(w->lane[l]);
    }
}

/* The cores that the first region's lanes belong to have lanes in this one too. */
static void take_larger_region(struct worker *w, struct packet *p)
{
    uint32_t lanes = w->region[0]->lanes;
    assert(p->fd_count == 1 && w->region_count < WORKER_REGIONS_MAX);
    struct job_region_header *region = map_region(p->fds[0], lanes);
    assert(region); /* hearthd made it */
    w->region[w->region_count++] = region;
    for (uint32_t i = 0; i < lanes; i++)
        add_lane(w, region, i, w->lane[i]->core_fd);
    if (w->script && w->refusal == JOB_ERROR_NONE)
        tell_warmed(w, lanes, 0);
}

/* What is in the rings now has come while the script was started. */
static void note_awaited(struct worker *w)
{
    for (uint32_t i = 0; i < w->lane_count; i++) {
        struct lane *l = w->lane[i];
        l->awaited_to = l->taken + job_consumer_waiting(&l->down);
    }
}

/* NULL, or why it does not load. */
static const char *load_script(struct worker *w, struct packet *p)
{
    static char text[160];
    const char *why;
    int fd = p->fd_count == 1 ? p->fds[0] : -1;
    if (p->fd_count == 1)
        p->fd_count = 0;
    w->script = script_new(p->json, fd, &why);
    if (!w->script) {
        int n = snprintf(text, sizeof(text), "script packet refused: %s", why);
        w->refusal = JOB_ERROR_LOAD;
        worker_log(w, 0, "error", text, (size_t)n);
        return text;
    }
    w->refusal = isolate_load(w);
    return w->isolate->load_error;
}

static void take_handle(struct worker *w, const struct packet *p)
{
    assert(!w->handle);
    w->handle = (uint64_t)json_integer_value(json_object_get(p->json, "handle"));
    assert(w->handle);
}

static void take_script(struct worker *w, struct packet *p)
{
    const char *error = NULL;
    take_handle(w, p);
    if (w->script) /* its template's */
        isolate_copy_ends(w->isolate);
    else
        error = load_script(w, p);
    uint32_t us = w->isolate->cold.us;
    note_awaited(w);
    if (w->refusal == JOB_ERROR_NONE)
        tell_warmed(w, 0, us);
    report_loaded(&w->report, us, error);
}

const char *start_socket_script(struct worker *w, int *error)
{
    struct packet p;
    const char *why = "hearthd is gone";
    int n = receive(w->start_fd, 0, &p);
    *error = n > 0 && is_type(&p, "script") ? 0 : -EPIPE;
    if (n <= 0)
        return why;
    if (!*error) {
        take_handle(w, &p);
        why = load_script(w, &p);
    }
    close_fds(&p);
    json_decref(p.json);
    return why;
}

void start_socket_read(struct worker *w)
{
    struct packet p;
    int n;
    while ((n = receive(w->start_fd, MSG_DONTWAIT, &p)) > 0) {
        if (is_type(&p, "script"))
            take_script(w, &p);
        else if (is_type(&p, "region"))
            take_larger_region(w, &p);
        else if (is_type(&p, "ping"))
            report_pong(&w->report);
        close_fds(&p);
        json_decref(p.json);
    }
    if (n < 0)
        w->is_orphaned = true;
}
