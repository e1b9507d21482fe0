#include "control/supervise/words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "control/base/clean.h"
#include "dataplane/base/limits.h"

static void put_line(struct words *w)
{
    uint64_t second = loop_now_ns() / 1000000000u;
    char text[2 * SUPERVISE_WORDS_LINE_BYTES];

    if (!w->used)
        return;
    if (second != w->second) {
        w->second = second;
        w->in_second = 0;
    }
    if (w->in_second++ >= SUPERVISE_WORDS_PER_SECOND) {
        (*w->dropped)++;
    } else {
        clean(text, sizeof(text), w->line, w->used, CLEAN_FIELD);
        w->on_line(w->arg, text);
    }
    w->used = 0;
}

static void put(struct words *w, const char *bytes, size_t len)
{
    if (!w->line && !(w->line = malloc(SUPERVISE_WORDS_LINE_BYTES))) {
        (*w->dropped)++;
        return;
    }
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n' || w->used == SUPERVISE_WORDS_LINE_BYTES)
            put_line(w);
        if (bytes[i] != '\n')
            w->line[w->used++] = bytes[i];
    }
    if (!w->used) {
        free(w->line);
        w->line = NULL;
    }
}

/* False: there is nothing more now, or ever. */
static bool read_some(struct words *w)
{
    char bytes[4096];
    ssize_t n = read(w->fd, bytes, sizeof(bytes));

    if (n <= 0)
        return false;
    w->bytes += (uint32_t)n;
    put(w, bytes, (size_t)n);
    return true;
}

/* It said so much that nobody reads until words_again. */
static bool is_full(const struct words *w)
{
    return w->bytes >= SUPERVISE_WORDS_BYTES_PER_LOOK;
}

static void on_words(void *arg, uint32_t events)
{
    struct words *w = arg;

    if (!read_some(w) && (events & EPOLLHUP)) {
        loop_unwatch(w->loop, &w->watch);
    } else if (is_full(w)) {
        loop_rewatch(w->loop, &w->watch, 0);
        if (w->on_full)
            w->on_full(w->arg);
    }
}

int words_open(struct words *w)
{
    int ends[2], rc;

    w->fd = -1;
    w->used = w->bytes = 0;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
        return -errno;
    rc = loop_watch(w->loop, &w->watch, ends[0], EPOLLIN, on_words, w);
    if (rc) {
        close(ends[0]);
        close(ends[1]);
        return rc;
    }
    w->fd = ends[0];
    return ends[1];
}

void words_close(struct words *w)
{
    if (w->fd < 0)
        return;
    loop_unwatch(w->loop, &w->watch);
    w->bytes = 0;
    while (!is_full(w) && read_some(w))
        ;
    put_line(w);
    free(w->line);
    w->line = NULL;
    close(w->fd);
    w->fd = -1;
}

void words_again(struct words *w)
{
    bool was_full = is_full(w);

    w->bytes = 0;
    if (was_full && w->watch.fd >= 0)
        loop_rewatch(w->loop, &w->watch, EPOLLIN);
}
