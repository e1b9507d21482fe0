#include "runtime/worker/template.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/start.h"
#include "runtime/worker/isolate.h"
#include "runtime/worker/sandbox.h"
#include "runtime/worker/slice.h"
#include "runtime/worker/start_socket.h"
#include "runtime/worker/worker.h"

/* Before the seal: from then on nobody here sends descriptors. */
static int give_door(int listener)
{
    static const char text[] = "{\"type\":\"door\"}";
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {(char *)text, sizeof(text) - 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &listener, sizeof(int));
    int error = sendmsg(START_FD, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
    close(listener);
    return error;
}

static int wall_up(struct worker *w, struct sandbox *sandbox, const char **what)
{
    *what = "monitor";
    int error = monitor_start(&w->monitor);
    if (error)
        return error;
    *what = "door";
    int listener = sandbox_door();
    error = listener < 0 ? listener : give_door(listener);
    if (error)
        return error;
    *what = "seccomp";
    return sandbox_seal_template(sandbox);
}

/* What its copies would have in common and should not. NULL: nothing. */
static const char *has_taken(const struct worker *w)
{
    if (w->has_drawn)
        return "its top level draws random numbers";
    if (w->isolate->is_condemned)
        return "its top level leaves work behind that breaks a limit";
    if (w->clock.was_read)
        return "its top level reads the time";
    return NULL;
}

/* What V8 has put off, each of its cells would do for itself, and touch the whole heap: half a
 * collection, mostly. */
static void settle(struct worker *w)
{
    struct slice slice;
    w->isolate->slices_to_pump = 1;
    slice_enter(&slice, w, NULL);
    slice_exit(&slice);
}

int template_begin(struct worker *w, struct sandbox *sandbox, const char **what)
{
    w->start_fd = START_FD;
    int error = wall_up(w, sandbox, what);
    if (error)
        return error;
    worker_start_clock(w);
    report_init(&w->report, START_FD, w->now_ns);
    report_ready(&w->report);
    w->clock.was_read = w->has_drawn = false;
    *what = NULL;
    const char *why = start_socket_script(w, &error);
    if (error)
        return error;
    if (!why)
        settle(w);
    if (!why)
        why = has_taken(w);
    monitor_stop(&w->monitor);
    isolate_renew(w->isolate);
    report_loaded(&w->report, w->isolate->cold.us, why);
    return why ? -ECANCELED : 0;
}

void template_leave(struct worker *w)
{
    w->handle = 0; /* until hearthd says that it may serve */
    w->meter = (struct meter){0};
    isolate_copy_begins(w->isolate);
}
