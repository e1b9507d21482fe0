#include "zygote_rig.h"

#include <assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/libv8c/v8c_host.h"

extern char **environ;

static void exec_zygote(int fd, const char *option)
{
    dup2(fd, START_FD);
    fcntl(START_FD, F_SETFD, 0);
    char *argv[] = {"hearth-zygote", ZYGOTE_BLOB, (char *)option, NULL};
    int error = v8c_exec(ZYGOTE_NODE, ZYGOTE_PROGRAM, "libjemalloc.so.2", argv, environ);
    fprintf(stderr, "exec: %s\n", strerror(-error));
    _exit(127);
}

static struct zygote_packet receive(struct zygote_rig *z, enum zygote_type type)
{
    struct zygote_packet p;
    ssize_t n = recv(z->fd, &p, sizeof(p), MSG_TRUNC);
    assert(n == sizeof(p) && p.type == type && p.what == 0);
    return p;
}

int zygote_rig_without(int capability, const char *option)
{
    int pair[2], status = -1;
    int error = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
    assert(error == 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0))
            _exit(126);
        exec_zygote(pair[1], option);
    }
    close(pair[1]);
    struct zygote_packet p;
    bool is_ready = recv(pair[0], &p, sizeof(p), 0) == sizeof(p) && p.type == ZYGOTE_READY;
    close(pair[0]);
    waitpid(pid, &status, 0);
    assert(!is_ready || status == 0);
    return is_ready ? 0 : WEXITSTATUS(status);
}

void zygote_rig_start(struct zygote_rig *z, const char *option)
{
    int pair[2];
    int error = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
    assert(error == 0);
    z->pid = fork();
    if (z->pid == 0)
        exec_zygote(pair[1], option);
    close(pair[1]);
    z->fd = pair[0];
    struct zygote_packet ready = receive(z, ZYGOTE_READY);
    memcpy(z->v8, ready.v8, sizeof(z->v8));
}

void zygote_rig_stop(struct zygote_rig *z)
{
    int status = -1;
    close(z->fd);
    waitpid(z->pid, &status, 0);
    assert(status == 0);
}

uint32_t zygote_rig_uid(void)
{
    return geteuid() == 0 ? ZYGOTE_RIG_UID : ZYGOTE_UID_SAME;
}

pid_t zygote_rig_send(struct zygote_rig *z, const void *bytes, size_t len, const int *fds,
                      int fd_count)
{
    char control[CMSG_SPACE(4 * sizeof(int))] = {0};
    struct iovec iov = {(void *)bytes, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd_count) {
        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, (size_t)fd_count * sizeof(int));
    }
    ssize_t n = sendmsg(z->fd, &msg, MSG_NOSIGNAL);
    assert(n == (ssize_t)len);
    return receive(z, ZYGOTE_FORKED).pid;
}

pid_t zygote_rig_fork(struct zygote_rig *z, int start_fd, int output_fd)
{
    const struct zygote_packet packet = {.type = ZYGOTE_FORK, .uid = zygote_rig_uid()};
    return zygote_rig_send(z, &packet, sizeof(packet), (const int[]){start_fd, output_fd},
                           ZYGOTE_FORK_FDS);
}
