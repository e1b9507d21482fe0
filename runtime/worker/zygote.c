#include "runtime/worker/zygote.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/libv8c/v8c.h"
#include "runtime/worker/cell.h"
#include "runtime/worker/sandbox.h"
#include "runtime/worker/template.h"
#include "runtime/worker/worker.h"
#include "runtime/zygote.h"

enum { FDS_MAX = 8 }; /* of one packet, for those that should not be there to be closed */

struct zygote {
    struct worker *worker;
    struct sandbox sandbox;
    bool is_template; /* it was the zygote once: its children are cells of its script */
    pid_t *thread_id; /* the C library's: a word in its descriptor of this thread */
};

struct order {
    struct zygote_packet packet;
    ssize_t bytes;
    int fds[FDS_MAX];
    int fd_count;
};

/* ---- packets ---- */

/* False: hearthd is gone. */
static bool receive(struct order *o)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control;
    struct iovec iov = {&o->packet, sizeof(o->packet)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};

    *o = (struct order){0};
    do
        o->bytes = recvmsg(START_FD, &msg, MSG_CMSG_CLOEXEC | MSG_TRUNC);
    while (o->bytes < 0 && errno == EINTR);
    if (o->bytes <= 0)
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        o->fd_count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(o->fds, CMSG_DATA(c), (size_t)o->fd_count * sizeof(int));
    }
    return true;
}

static bool answer(const struct zygote_packet *p)
{
    return send(START_FD, p, sizeof(*p), MSG_NOSIGNAL) == sizeof(*p);
}

static bool say_ready(void)
{
    struct zygote_packet ready = {.type = ZYGOTE_READY};
    snprintf(ready.v8, sizeof(ready.v8), "%s", v8c_version());
    return answer(&ready);
}

/* ---- fork ---- */

/* 0 or -errno. */
static int check(const struct zygote *z, const struct order *o)
{
    if (o->bytes != sizeof(o->packet) || o->packet.type != ZYGOTE_FORK ||
        o->packet.what > ZYGOTE_TEMPLATE || o->fd_count != ZYGOTE_FORK_FDS)
        return -EPROTO;
    if (z->is_template)
        return o->packet.what == ZYGOTE_CELL && o->packet.uid == ZYGOTE_UID_SAME ? 0 : -EINVAL;
    return z->sandbox.has_ids == (o->packet.uid != ZYGOTE_UID_SAME) ? 0 : -EINVAL;
}

_Noreturn static void give_up(const char *what, int error)
{
    fprintf(stderr, "hearth-cell: what=%s error=%s\n", what, strerror(-error));
    _exit(1);
}

/* Nothing is worth tearing down: the system does it faster. */
_Noreturn static void end(void)
{
    fflush(stderr);
    _exit(0);
}

_Noreturn static void be_cell(struct zygote *z)
{
    const char *what;
    z->worker->start_fd = START_FD;
    int error = cell_begin(z->worker, &what);
    if (error)
        give_up(what, error);
    error = sandbox_seal(&z->sandbox);
    if (error)
        give_up("seccomp", error);
    cell_serve(z->worker);
    end();
}

static void serve(struct zygote *z);

_Noreturn static void be_template(struct zygote *z)
{
    const char *what;
    z->is_template = true;
    int error = template_begin(z->worker, &z->sandbox, &what);
    if (error && what)
        give_up(what, error);
    if (!error)
        serve(z);
    end();
}

_Noreturn static void be_child(struct zygote *z, const struct order *o)
{
    if (!z->is_template) /* whose memory is not the zygote's any more */
        footprint_take(&z->worker->footprint);
    dup2(o->fds[0], START_FD);
    dup2(o->fds[1], STDOUT_FILENO);
    dup2(o->fds[1], STDERR_FILENO);
    close_range(START_FD + 1, ~0u, 0);
    if (z->is_template) {
        sandbox_follow();
        template_leave(z->worker);
        be_cell(z);
    }
    prctl(PR_SET_NAME, "hearth-cell", 0, 0, 0);
    int error = sandbox_become(&z->sandbox, o->packet.uid);
    if (error)
        give_up("ids", error);
    if (o->packet.what == ZYGOTE_TEMPLATE)
        be_template(z);
    be_cell(z);
}

static pid_t fork_child(struct zygote *z, const struct order *o)
{
    int error = check(z, o);
    if (error)
        return error;
    long pid = syscall(SYS_clone, ZYGOTE_FORK_FLAGS, NULL, NULL, z->thread_id, 0);
    if (pid == 0)
        be_child(z, o);
    return pid > 0 ? (pid_t)pid : -errno;
}

static void serve(struct zygote *z)
{
    struct order o;
    while (receive(&o)) {
        const struct zygote_packet told = {.type = ZYGOTE_FORKED, .pid = fork_child(z, &o)};
        for (int i = 0; i < o.fd_count; i++)
            close(o.fds[i]);
        if (!answer(&told))
            return;
    }
}

/* ---- start ---- */

/* Of the kernel, which writes there when the thread ends; the C library gave it the address of its
 * own word. */
static int find_thread_id(struct zygote *z)
{
    if (prctl(PR_GET_TID_ADDRESS, &z->thread_id, 0, 0, 0))
        return -errno;
    return z->thread_id && *z->thread_id == gettid() ? 0 : -ENOTSUP;
}

/* What is open here is open in every cell: output, the socket, and for SANDBOX_BELL_FD an eventfd
 * that nobody has, so that nothing else gets the number. */
static int keep_descriptors(void)
{
    int fd = eventfd(0, EFD_NONBLOCK);
    if (fd < 0 || dup2(fd, SANDBOX_BELL_FD) < 0 || close_range(START_FD + 1, ~0u, 0))
        return -errno;
    return 0;
}

static int begin(struct zygote *z, const struct zygote_options *options, const char **what)
{
    int error;

    if (options->limits_speculation && !sandbox_limit_speculation())
        fprintf(stderr, "hearth-zygote: what=speculation error=\"not switched by the kernel\"\n");
    *what = "thread id";
    if ((error = find_thread_id(z)))
        return error;
    *what = "descriptors";
    if ((error = keep_descriptors()))
        return error;
    *what = "sandbox";
    if ((error = sandbox_prepare(&z->sandbox)))
        return error;
    /* From here to the fork nothing is allocated, so that a cell begins as the one that rehearses,
     * which needs /proc. */
    const char *why = zygote_learn(z->worker);
    if (why)
        fprintf(stderr, "hearth-zygote: what=footprint why=\"%s\"\n", why);
    if ((error = sandbox_enter(&z->sandbox)))
        return error;
    if (!z->sandbox.has_namespaces || !z->sandbox.has_empty_root) {
        fprintf(stderr, "hearth-zygote: namespaces=%d empty_root=%d\n", z->sandbox.has_namespaces,
                z->sandbox.has_empty_root);
        if (!options->may_be_weaker)
            return -EPERM;
    }
    *what = "seccomp";
    return sandbox_seal_zygote(&z->sandbox);
}

int zygote_run(struct worker *w, const struct zygote_options *options, const char **what)
{
    static struct zygote z;
    z.worker = w;
    int error = begin(&z, options, what);
    if (error)
        return error;
    if (say_ready())
        serve(&z);
    return 0;
}
