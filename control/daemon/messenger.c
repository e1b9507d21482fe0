#include "control/daemon/messenger.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct messenger {
    struct notes notes; /* aligned as the rings are */
    struct loop *loop;
    struct loop_watch watch;
    messenger_handler handler;
    void *arg;
    int core_wake_fd;
    struct messenger_counts counts;
};

static void take(struct messenger *m, const struct note *n)
{
    json_t *note = json_loadb((const char *)n->body, n->bytes, JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(note, "type"));

    if (type) {
        m->counts.received++;
        m->handler(m->arg, n->node, type, note);
    } else {
        m->counts.bad++;
    }
    json_decref(note);
}

static void on_wake(void *arg, uint32_t events)
{
    struct messenger *m = arg;
    const struct note *n = NULL;
    uint64_t bell;
    ssize_t ignored = read(m->notes.wake_fd, &bell, sizeof(bell));

    for (int i = 0; i < MESSENGER_BURST && (n = note_peek(&m->notes.in)); i++) {
        take(m, n);
        note_done(&m->notes.in);
    }
    if (n) { /* perhaps more: after the others in the loop had their turn */
        bell = 1;
        ignored = write(m->notes.wake_fd, &bell, sizeof(bell));
    }
    (void)ignored;
}

struct messenger *messenger_create(struct loop *loop, messenger_handler handler, void *arg,
                                   char *error, size_t error_bytes)
{
    size_t bytes = (sizeof(struct messenger) + 63) / 64 * 64;
    struct messenger *m = aligned_alloc(64, bytes);
    int rc;

    if (!m) {
        snprintf(error, error_bytes, "no memory for notes");
        return NULL;
    }
    memset(m, 0, sizeof(*m));
    m->loop = loop;
    m->handler = handler;
    m->arg = arg;
    m->core_wake_fd = -1;
    rc = notes_init(&m->notes);
    if (!rc) {
        rc = loop_watch(loop, &m->watch, m->notes.wake_fd, EPOLLIN, on_wake, m);
        if (rc)
            notes_fini(&m->notes);
    }
    if (rc) {
        snprintf(error, error_bytes, "notes: %s", strerror(-rc));
        free(m);
        return NULL;
    }
    return m;
}

void messenger_destroy(struct messenger *m)
{
    if (!m)
        return;
    loop_unwatch(m->loop, &m->watch);
    notes_fini(&m->notes);
    free(m);
}

struct notes *messenger_notes(struct messenger *m)
{
    return &m->notes;
}

void messenger_set_wake(struct messenger *m, int core_wake_fd)
{
    m->core_wake_fd = core_wake_fd;
}

bool messenger_send(struct messenger *m, uint16_t node, json_t *note)
{
    char body[NOTE_BYTES_MAX];
    size_t len = note ? json_dumpb(note, body, sizeof(body), JSON_COMPACT) : 0;
    bool ok = len && len <= sizeof(body) && note_put(&m->notes.out, node, body, len);

    json_decref(note);
    if (!ok) {
        m->counts.unsent++;
        return false;
    }
    m->counts.sent++;
    if (m->core_wake_fd >= 0) {
        ssize_t ignored = write(m->core_wake_fd, &(uint64_t){1}, sizeof(uint64_t));
        (void)ignored; /* full: it is awake enough */
    }
    return true;
}

struct messenger_counts messenger_counts(const struct messenger *m)
{
    struct messenger_counts counts = m->counts;

    counts.dropped = atomic_load(&m->notes.in.dropped);
    return counts;
}
