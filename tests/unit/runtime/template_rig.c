#include "template_rig.h"

#include <assert.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void *keep_door(void *arg)
{
    struct template_rig *t = arg;
    for (;;) {
        struct pollfd fd = {.fd = t->door.listener, .events = POLLIN};
        poll(&fd, 1, 20);
        pthread_mutex_lock(&t->lock);
        bool is_over = t->is_over;
        enum door_knock knock = is_over ? DOOR_NOBODY : door_answer(&t->door);
        t->forks += knock == DOOR_FORK;
        t->threads += knock == DOOR_THREAD;
        t->attacks += knock == DOOR_ATTACK;
        pthread_mutex_unlock(&t->lock);
        if (is_over)
            return NULL;
    }
}

/* Takes a descriptor with it, -1: none came. */
static json_t *hear(struct template_rig *t, int *fd)
{
    static char text[START_PACKET_BYTES_MAX];
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {text, sizeof(text)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(t->fd, &msg, MSG_CMSG_CLOEXEC);
    *fd = -1;
    if (n <= 0)
        return NULL;
    if (CMSG_FIRSTHDR(&msg))
        memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(*fd));
    json_t *packet = json_loadb(text, (size_t)n, 0, NULL);
    assert(packet);
    return packet;
}

static bool is_type(const json_t *packet, const char *type)
{
    return strcmp(json_string_value(json_object_get(packet, "type")), type) == 0;
}

static void send_with(int socket, const void *bytes, size_t len, const int *fds, int fd_count)
{
    char control[CMSG_SPACE(2 * sizeof(int))] = {0};
    struct iovec iov = {(void *)bytes, len};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int))};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, (size_t)fd_count * sizeof(int));
    ssize_t n = sendmsg(socket, &msg, MSG_NOSIGNAL);
    assert(n == (ssize_t)len);
    (void)n;
}

static void await_word(struct template_rig *t)
{
    json_t *packet;
    int fd;
    while ((packet = hear(t, &fd)) && is_type(packet, "log")) {
        t->lines++;
        json_decref(packet);
    }
    assert(packet && is_type(packet, "loaded") && fd == -1);
    t->load_us = (uint64_t)json_integer_value(json_object_get(packet, "us"));
    snprintf(t->refusal, sizeof(t->refusal), "%s",
             json_string_value(json_object_get(packet, "error")));
    json_decref(packet);
}

void template_rig_start(struct template_rig *t, struct zygote_rig *z, uint32_t handle,
                        const char *packet, int sources_fd)
{
    const struct zygote_packet order = {
        .type = ZYGOTE_FORK, .uid = zygote_rig_uid(), .what = ZYGOTE_TEMPLATE};
    int pair[2], listener, none;
    *t = (struct template_rig){.handle = handle};
    int error = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
    assert(error == 0);
    pthread_mutex_init(&t->lock, NULL);
    t->fd = pair[0];
    t->pid = zygote_rig_send(z, &order, sizeof(order), (const int[]){pair[1], STDERR_FILENO},
                             ZYGOTE_FORK_FDS);
    assert(t->pid > 0);
    close(pair[1]);
    json_t *door = hear(t, &listener), *ready = hear(t, &none);
    assert(is_type(door, "door") && is_type(ready, "ready") && none == -1);
    json_decref(door);
    json_decref(ready);
    bool ok = door_open(&t->door, listener, t->pid);
    assert(ok);
    error = pthread_create(&t->keeper, NULL, keep_door, t);
    assert(error == 0 && ok);
    send_with(t->fd, packet, strlen(packet), &sources_fd, 1);
    await_word(t);
}

pid_t template_rig_fork(struct template_rig *t, int start_fd, int output_fd)
{
    struct zygote_packet p = {.type = ZYGOTE_FORK, .uid = ZYGOTE_UID_SAME};
    pthread_mutex_lock(&t->lock);
    door_allow(&t->door);
    pthread_mutex_unlock(&t->lock);
    send_with(t->fd, &p, sizeof(p), (const int[]){start_fd, output_fd}, ZYGOTE_FORK_FDS);
    ssize_t n = recv(t->fd, &p, sizeof(p), 0);
    assert(n == sizeof(p) && p.type == ZYGOTE_FORKED);
    (void)n;
    return p.pid;
}

void template_rig_stop(struct template_rig *t)
{
    int status = -1;
    shutdown(t->fd, SHUT_RDWR);
    close(t->fd);
    waitpid(t->pid, &status, 0);
    assert(status == 0);
    pthread_mutex_lock(&t->lock);
    t->is_over = true;
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->keeper, NULL);
    door_close(&t->door);
    pthread_mutex_destroy(&t->lock);
}
