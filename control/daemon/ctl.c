#include "control/daemon/ctl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/base/clean.h"
#include "control/daemon/ctl_reader.h"
#include "control/daemon/tail.h"
#include "control/deploy/script_id.h"
#include "dataplane/base/limits.h"

enum { MS = 1000 * 1000, OUT_BYTES_KEPT = 64 * 1024, SWEEPS = 8 /* in the time of patience */ };

enum awaited { AWAITS_REQUEST, AWAITS_REPLY, AWAITS_END };

struct buffer {
    uint8_t *bytes;
    size_t used, room;
};

struct ctl_client {
    struct ctl *owner;
    struct ctl_client *next;
    uint64_t id;
    struct loop_watch watch;
    enum awaited awaited;
    struct ctl_reader in;
    struct buffer out;
    size_t sent;       /* of out */
    uint64_t asked_ns; /* its connection, its last reply, or the first byte of a request */
    uint64_t sent_ns;  /* the last progress of what is sent, or when there began to be something */
    bool is_writing;   /* EPOLLOUT is on */
    bool is_guest;
    uid_t uid; /* of a guest */
    bool is_subscribed;
    char script[SCRIPT_ID_BYTES_MAX + 1];
    struct behalf behalf;
    uint64_t lines_lost;
};

/* A socket to come in by. */
struct door {
    struct ctl *owner;
    struct loop_watch watch;
    int fd; /* -1: there is none */
    char path[108];
    bool is_for_guests;
};

struct ctl {
    struct loop *loop;
    struct door door, guest_door;
    const char *(*admit)(void *arg, const json_t *request);
    ctl_handler handler;
    void *arg;
    uint64_t patience_ns;
    struct loop_timer sweep_timer;
    uint64_t last_id;
    struct ctl_counts counts;
    int spare_fd; /* -1: none could be had */
    struct ctl_client *clients;
};

static void client_close(struct ctl_client *c)
{
    struct ctl *s = c->owner;

    for (struct ctl_client **p = &s->clients; *p; p = &(*p)->next) {
        if (*p == c) {
            *p = c->next;
            break;
        }
    }
    s->counts.clients--;
    s->counts.guests -= c->is_guest;
    int fd = c->watch.fd;

    loop_unwatch(s->loop, &c->watch);
    close(fd);
    ctl_reader_fini(&c->in);
    free(c->out.bytes);
    free(c);
}

static bool buffer_room(struct buffer *b, size_t room)
{
    uint8_t *more;

    if (room <= b->room)
        return true;
    room = room > 2 * b->room ? room : 2 * b->room;
    more = realloc(b->bytes, room);
    if (!more)
        return false;
    b->bytes = more;
    b->room = room;
    return true;
}

/* ---- out ---- */

/* False: the client is gone. */
static bool flush(struct ctl_client *c)
{
    while (c->sent < c->out.used) {
        ssize_t n = send(c->watch.fd, c->out.bytes + c->sent, c->out.used - c->sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            return false;
        c->sent += (size_t)n;
        c->sent_ns = loop_now_ns();
    }
    if (c->sent == c->out.used) {
        c->sent = c->out.used = 0;
        if (c->out.room > OUT_BYTES_KEPT) {
            free(c->out.bytes);
            c->out = (struct buffer){0};
        }
        if (c->awaited == AWAITS_END)
            return false;
    }
    bool wants = c->sent < c->out.used;

    if (wants != c->is_writing) {
        c->is_writing = wants;
        loop_rewatch(c->owner->loop, &c->watch, wants ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
    return true;
}

static bool queue_frame(struct ctl_client *c, const json_t *json, size_t unsent_max)
{
    char *text = json_dumps(json, JSON_COMPACT);
    size_t len = text ? strlen(text) : 0;
    bool ok = text && len <= CTL_REPLY_BYTES_MAX && c->out.used - c->sent + len <= unsent_max;

    if (ok && c->sent) {
        memmove(c->out.bytes, c->out.bytes + c->sent, c->out.used - c->sent);
        c->out.used -= c->sent;
        c->sent = 0;
    }
    ok = ok && buffer_room(&c->out, c->out.used + 4 + len);
    if (ok && !c->out.used)
        c->sent_ns = loop_now_ns();
    if (ok) {
        for (int i = 0; i < 4; i++)
            c->out.bytes[c->out.used++] = (uint8_t)(len >> (8 * i));
        memcpy(c->out.bytes + c->out.used, text, len);
        c->out.used += len;
    }
    free(text);
    return ok;
}

/* Nothing is sent here but by the event loop: whoever replies need not expect the client to
 * vanish under him. */
static void want_flush(struct ctl_client *c)
{
    if (!c->is_writing) {
        c->is_writing = true;
        loop_rewatch(c->owner->loop, &c->watch, EPOLLIN | EPOLLOUT);
    }
}

void ctl_reply(struct ctl_client *c, json_t *reply)
{
    assert(c->awaited == AWAITS_REPLY);
    if (!reply || !queue_frame(c, reply, SIZE_MAX))
        c->awaited = AWAITS_END;
    else
        c->awaited = AWAITS_REQUEST;
    json_decref(reply);
    ctl_reader_next(&c->in);
    c->asked_ns = loop_now_ns();
    want_flush(c);
}

void ctl_refuse(struct ctl_client *c, const char *error)
{
    char text[CTL_REFUSAL_BYTES_MAX];

    /* A name of a tenant's file may be in it: JSON is UTF-8. */
    clean(text, sizeof(text), error, strlen(error), CLEAN_UTF8);
    ctl_reply(c, json_pack("{s:b, s:s}", "ok", 0, "error", text));
}

/* ---- in ---- */

/* The client broke the protocol: one sentence, then the end. */
static void end_with(struct ctl_client *c, const char *error)
{
    c->owner->counts.bad++;
    c->awaited = AWAITS_REPLY;
    ctl_refuse(c, error);
    c->awaited = AWAITS_END;
}

static void dispatch(struct ctl_client *c)
{
    struct ctl *s = c->owner;
    struct ctl_request r = {
        .command = json_string_value(json_object_get(c->in.json, "command")),
        .json = c->in.json,
        .payload = c->in.bytes,
        .payload_bytes = c->in.used,
    };

    c->awaited = AWAITS_REPLY;
    s->handler(s->arg, c, &r);
}

/* A guest's request is whole but for its payload, which is worth memory only if he may ask. */
static void turn_down(struct ctl_client *c)
{
    bool awaits_payload = c->in.phase == CTL_READS_PAYLOAD && c->in.used == 0;
    const char *why =
        c->is_guest && awaits_payload ? c->owner->admit(c->owner->arg, c->in.json) : NULL;

    if (why) {
        c->awaited = AWAITS_REPLY;
        ctl_refuse(c, why);
        c->awaited = AWAITS_END;
    }
}

/* False: the client is gone. */
static bool take_bytes(struct ctl_client *c)
{
    bool is_first = ctl_reader_is_idle(&c->in);
    uint8_t *at;
    size_t room = ctl_reader_room(&c->in, &at);
    ssize_t n = recv(c->watch.fd, at, room, MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (!n)
        return false;
    if (is_first)
        c->asked_ns = loop_now_ns();
    switch (ctl_reader_took(&c->in, (size_t)n)) {
    case CTL_READ_MORE:
        turn_down(c);
        break;
    case CTL_READ_WHOLE:
        dispatch(c);
        break;
    case CTL_READ_BAD:
        end_with(c, c->in.reason);
        break;
    }
    return true;
}

static void on_client(void *arg, uint32_t events)
{
    struct ctl_client *c = arg;
    char ignored[512];

    if (events & EPOLLIN) {
        if (c->awaited == AWAITS_REQUEST) {
            if (!take_bytes(c)) {
                client_close(c);
                return;
            }
        } else if (recv(c->watch.fd, ignored, sizeof(ignored), MSG_DONTWAIT) == 0) {
            client_close(c);
            return;
        }
    } else if (events & (EPOLLHUP | EPOLLERR)) {
        client_close(c);
        return;
    }
    if (!flush(c))
        client_close(c);
}

/* ---- time ---- */

static bool is_overdue(const struct ctl_client *c, uint64_t now_ns)
{
    uint64_t patience_ns = c->owner->patience_ns;

    if (c->sent < c->out.used)
        return now_ns >= c->sent_ns + patience_ns;
    return c->awaited == AWAITS_REQUEST && !c->is_subscribed && now_ns >= c->asked_ns + patience_ns;
}

/* Runs while there are clients. */
static void sweep(void *arg)
{
    struct ctl *s = arg;
    uint64_t now_ns = loop_now_ns();

    for (struct ctl_client *c = s->clients, *next; c; c = next) {
        next = c->next;
        /* It may have made room while this thread was busy elsewhere. */
        if (is_overdue(c, now_ns) && (!flush(c) || is_overdue(c, now_ns))) {
            s->counts.given_up++;
            client_close(c);
        }
    }
    if (s->clients)
        loop_timer_set(s->loop, &s->sweep_timer, s->patience_ns / SWEEPS, sweep, s);
}

void ctl_set_patience(struct ctl *s, uint32_t ms)
{
    s->patience_ns = (uint64_t)ms * MS;
    if (s->clients)
        loop_timer_set(s->loop, &s->sweep_timer, s->patience_ns / SWEEPS, sweep, s);
}

/* One sentence, as far as the socket takes it at once: it is new and empty. */
static void turn_away(int fd)
{
    static const char text[] = "{\"ok\":false,\"error\":\"hearthd has too many clients\"}";
    uint8_t frame[4 + sizeof(text) - 1] = {sizeof(text) - 1};

    memcpy(frame + 4, text, sizeof(text) - 1);
    ssize_t n = send(fd, frame, sizeof(frame), MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)n;
    close(fd);
}

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Who cannot be accepted stays in the queue, and the socket stays readable: the loop would turn for
 * nothing until a descriptor is free. The spare one makes room to send them away. */
static void turn_away_without_descriptor(struct ctl *s, const struct door *door)
{
    if (s->spare_fd < 0)
        return;
    close(s->spare_fd);
    int fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        turn_away(fd);
    s->spare_fd = open_spare();
    s->counts.turned_away++;
}

static uint32_t guests_of(const struct ctl *s, uid_t uid)
{
    uint32_t count = 0;

    for (const struct ctl_client *c = s->clients; c; c = c->next)
        count += c->is_guest && c->uid == uid;
    return count;
}

/* *uid: of a guest. */
static bool has_place(const struct ctl *s, const struct door *door, int fd, uid_t *uid)
{
    struct ucred peer;
    socklen_t bytes = sizeof(peer);

    if (s->counts.clients >= CTL_CLIENTS_MAX)
        return false;
    if (!door->is_for_guests)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes))
        return false;
    *uid = peer.uid;
    return s->counts.guests < CTL_GUESTS_MAX && guests_of(s, peer.uid) < CTL_GUESTS_OF_UID_MAX;
}

static void on_connect(void *arg, uint32_t events)
{
    const struct door *door = arg;
    struct ctl *s = door->owner;
    int fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ctl_client *c;
    uid_t uid = 0;

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE)
            turn_away_without_descriptor(s, door);
        return;
    }
    c = has_place(s, door, fd, &uid) ? calloc(1, sizeof(*c)) : NULL;
    if (!c) {
        s->counts.turned_away++;
        turn_away(fd);
        return;
    }
    c->owner = s;
    c->id = ++s->last_id;
    c->is_guest = door->is_for_guests;
    c->uid = uid;
    ctl_reader_init(&c->in);
    c->asked_ns = loop_now_ns();
    if (loop_watch(s->loop, &c->watch, fd, EPOLLIN, on_client, c)) {
        close(fd);
        free(c);
        return;
    }
    if (!s->clients)
        loop_timer_set(s->loop, &s->sweep_timer, s->patience_ns / SWEEPS, sweep, s);
    c->next = s->clients;
    s->clients = c;
    s->counts.clients++;
    s->counts.guests += c->is_guest;
}

/* ---- life ---- */

/* -ECONNREFUSED: the file is there, and nobody listens; -ENOENT: not even that. */
static int knock(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc;

    if (fd < 0)
        return -errno;
    rc = connect(fd, (const struct sockaddr *)address, sizeof(*address)) ? -errno : -EADDRINUSE;
    close(fd);
    return rc == -EAGAIN ? -EADDRINUSE : rc; /* it listens, and its queue is full */
}

/* 0, or -errno; -EADDRINUSE when somebody listens there. */
static int bind_socket(int fd, const char *path, mode_t mask)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    mode_t before;
    int rc;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    rc = knock(&address);
    if (rc != -ECONNREFUSED && rc != -ENOENT)
        return rc;
    unlink(path);
    before = umask(mask);
    rc = bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno : 0;
    umask(before);
    return rc;
}

static int open_door(struct door *door, struct ctl *s, const char *path, char *error,
                     size_t error_bytes)
{
    int rc;

    door->owner = s;
    door->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    rc = door->fd < 0 ? -errno : bind_socket(door->fd, path, door->is_for_guests ? 0111 : 0177);
    if (!rc && listen(door->fd, CTL_CLIENTS_MAX))
        rc = -errno;
    if (!rc)
        rc = loop_watch(s->loop, &door->watch, door->fd, EPOLLIN, on_connect, door);
    if (rc) {
        snprintf(error, error_bytes, "%s: %s", path,
                 rc == -EADDRINUSE ? "another hearthd answers there" : strerror(-rc));
        if (door->fd >= 0)
            close(door->fd);
        door->fd = -1;
        return -1;
    }
    snprintf(door->path, sizeof(door->path), "%s", path);
    return 0;
}

static void close_door(struct door *door)
{
    if (door->fd < 0)
        return;
    loop_unwatch(door->owner->loop, &door->watch);
    close(door->fd);
    unlink(door->path);
}

struct ctl *ctl_create(struct loop *loop, const char *path, ctl_handler handler, void *arg,
                       char *error, size_t error_bytes)
{
    static const struct door closed = {.fd = -1, .watch.fd = -1};
    struct ctl *s = calloc(1, sizeof(*s));

    if (!s) {
        snprintf(error, error_bytes, "no memory");
        return NULL;
    }
    *s = (struct ctl){
        .loop = loop, .handler = handler, .arg = arg, .door = closed, .guest_door = closed};
    s->spare_fd = open_spare();
    ctl_set_patience(s, CTL_PATIENCE_MS);
    if (open_door(&s->door, s, path, error, error_bytes)) {
        if (s->spare_fd >= 0)
            close(s->spare_fd);
        free(s);
        return NULL;
    }
    return s;
}

int ctl_open_to_guests(struct ctl *s, const char *path,
                       const char *(*admit)(void *arg, const json_t *request), char *error,
                       size_t error_bytes)
{
    s->admit = admit;
    s->guest_door.is_for_guests = true;
    return open_door(&s->guest_door, s, path, error, error_bytes);
}

bool ctl_is_guest(const struct ctl_client *c)
{
    return c->is_guest;
}

void ctl_destroy(struct ctl *s)
{
    while (s->clients) {
        flush(s->clients);
        client_close(s->clients);
    }
    loop_timer_cancel(s->loop, &s->sweep_timer);
    close_door(&s->door);
    close_door(&s->guest_door);
    if (s->spare_fd >= 0)
        close(s->spare_fd);
    free(s);
}

uint64_t ctl_client_id(const struct ctl_client *c)
{
    return c->id;
}

struct ctl_client *ctl_find(struct ctl *s, uint64_t id)
{
    for (struct ctl_client *c = s->clients; c; c = c->next)
        if (c->id == id)
            return c;
    return NULL;
}

struct ctl_counts ctl_counts(const struct ctl *s)
{
    return s->counts;
}

/* ---- tails ---- */

void ctl_subscribe(struct ctl_client *c, const char *scripts, const struct behalf *behalf)
{
    c->is_subscribed = true;
    snprintf(c->script, sizeof(c->script), "%s", scripts);
    c->behalf = *behalf;
}

static bool reads_for(const struct ctl_client *c, const char *account)
{
    return c->is_subscribed && !strcmp(c->behalf.account, account);
}

uint32_t ctl_subscribers_of(const struct ctl *s, const char *account)
{
    uint32_t count = 0;

    for (const struct ctl_client *c = s->clients; c; c = c->next)
        count += reads_for(c, account);
    return count;
}

void ctl_unsubscribe(struct ctl *s, const char *account)
{
    for (struct ctl_client *c = s->clients; c; c = c->next) {
        if (!reads_for(c, account) || c->awaited == AWAITS_REPLY)
            continue;
        c->is_subscribed = false;
        c->awaited = AWAITS_END;
        want_flush(c);
    }
}

bool ctl_has_subscribers(const struct ctl *s)
{
    for (const struct ctl_client *c = s->clients; c; c = c->next)
        if (c->is_subscribed)
            return true;
    return false;
}

static bool has_wish(const struct ctl_client *c, const struct tail_wish *w)
{
    return !strcmp(w->script, c->script) && behalf_is_same(w->behalf, &c->behalf);
}

uint32_t ctl_subscriptions(const struct ctl *s, struct tail_wish *wishes, uint32_t max)
{
    uint32_t count = 0;

    for (const struct ctl_client *c = s->clients; c && count < max; c = c->next) {
        uint32_t i = 0;

        if (!c->is_subscribed)
            continue;
        while (i < count && !has_wish(c, &wishes[i]))
            i++;
        if (i == count)
            wishes[count++] = (struct tail_wish){c->script, &c->behalf};
    }
    return count;
}

void ctl_broadcast(struct ctl *s, const char *script, const struct tail_wish *wish,
                   const json_t *line)
{
    for (struct ctl_client *c = s->clients; c; c = c->next) {
        if (!c->is_subscribed || !script_id_is_of(script, c->script) ||
            (wish && !has_wish(c, wish)))
            continue;
        if (c->lines_lost) {
            json_t *gap = json_pack("{s:I}", "lines_lost", (json_int_t)c->lines_lost);

            if (queue_frame(c, gap, CTL_UNSENT_BYTES_MAX))
                c->lines_lost = 0;
            json_decref(gap);
        }
        if (!queue_frame(c, line, CTL_UNSENT_BYTES_MAX))
            c->lines_lost++;
        want_flush(c);
    }
}
