#include "control/supervise/door.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/zygote.h"

/* The kernel may know longer ones than this program was built for, and writes all of them. */
union notice {
    struct seccomp_notif said;
    char room[256];
};
union reply {
    struct seccomp_notif_resp said;
    char room[256];
};

static bool sizes_fit(void)
{
    struct seccomp_notif_sizes sizes;

    return !syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) &&
           sizes.seccomp_notif <= sizeof(union notice) &&
           sizes.seccomp_notif_resp <= sizeof(union reply);
}

bool door_open(struct door *d, int listener, pid_t template)
{
    *d = (struct door){.listener = listener, .template = template};
    /* Of no notification that is valid; of another kind of file it is no such request. */
    const uint64_t nobody = 0;

    if (sizes_fit() && ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &nobody) && errno == ENOENT)
        return true;
    door_close(d);
    return false;
}

void door_close(struct door *d)
{
    if (d->listener >= 0)
        close(d->listener);
    d->listener = -1;
}

void door_allow(struct door *d)
{
    d->forks++;
    d->threads++;
}

static bool take(uint32_t *left)
{
    if (!*left)
        return false;
    --*left;
    return true;
}

static enum door_knock judge(struct door *d, const struct seccomp_notif *n)
{
    const uint64_t flags = n->data.args[0], stack = n->data.args[1];

    if (n->data.nr != SYS_clone)
        return DOOR_ATTACK;
    if (flags == ZYGOTE_FORK_FLAGS && !stack && (pid_t)n->pid == d->template && take(&d->forks))
        return DOOR_FORK;
    if (flags == ZYGOTE_THREAD_FLAGS && (pid_t)n->pid != d->template && take(&d->threads))
        return DOOR_THREAD;
    return DOOR_ATTACK;
}

enum door_knock door_answer(struct door *d)
{
    struct pollfd there = {.fd = d->listener, .events = POLLIN};
    union notice notice;
    union reply reply;
    enum door_knock knock;

    memset(&notice, 0, sizeof(notice));
    memset(&reply, 0, sizeof(reply));
    /* Not there any more: who has knocked was killed. */
    if (poll(&there, 1, 0) != 1 || !(there.revents & POLLIN) ||
        ioctl(d->listener, SECCOMP_IOCTL_NOTIF_RECV, &notice))
        return DOOR_NOBODY;
    knock = judge(d, &notice.said);
    if (knock == DOOR_ATTACK)
        return knock;
    reply.said.id = notice.said.id;
    reply.said.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ioctl(d->listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
    return knock;
}
