#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "control/base/clean.h"
#include "control/base/log.h"
#include "control/supervise/process.h"

/* V8's last words stand here, and whatever an attacker likes: each line is marked as the process's,
 * is cut at SUPERVISE_WORDS_LINE_BYTES, and SUPERVISE_WORDS_PER_SECOND go to the log. Its end of
 * the pipe does not block: what nobody reads in time is lost. */
static void put_line(struct process *p)
{
    uint64_t second = loop_now_ns() / 1000000000u;
    char text[2 * SUPERVISE_WORDS_LINE_BYTES];

    if (!p->words_used)
        return;
    if (second != p->words_second) {
        p->words_second = second;
        p->words_in_second = 0;
    }
    if (p->words_in_second++ >= SUPERVISE_WORDS_PER_SECOND)
        p->logs_dropped++;
    else {
        clean(text, sizeof(text), p->words, p->words_used, CLEAN_FIELD);
        log_line("runtime", "index=%u pid=%d says=\"%s\"", p->index, (int)p->pid, text);
    }
    p->words_used = 0;
}

static void put(struct process *p, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n' || p->words_used == sizeof(p->words))
            put_line(p);
        if (bytes[i] != '\n')
            p->words[p->words_used++] = bytes[i];
    }
}

/* False: there is nothing more now, or ever. */
static bool read_some(struct process *p)
{
    char bytes[4096];
    ssize_t n = read(p->words_fd, bytes, sizeof(bytes));

    if (n <= 0)
        return false;
    p->words_bytes += (uint32_t)n;
    put(p, bytes, (size_t)n);
    return true;
}

static void on_words(void *arg, uint32_t events)
{
    struct process *p = arg;

    if (!read_some(p) && (events & EPOLLHUP))
        loop_unwatch(p->owner->config.loop, &p->words_watch);
    else if (p->words_bytes >= SUPERVISE_WORDS_BYTES_PER_LOOK)
        loop_rewatch(p->owner->config.loop, &p->words_watch, 0);
}

int process_words_open(struct process *p, int fd)
{
    p->words_fd = fd;
    p->words_used = p->words_bytes = 0;
    return loop_watch(p->owner->config.loop, &p->words_watch, fd, EPOLLIN, on_words, p);
}

void process_words_close(struct process *p)
{
    if (p->words_fd < 0)
        return;
    loop_unwatch(p->owner->config.loop, &p->words_watch);
    p->words_bytes = 0;
    while (p->words_bytes < SUPERVISE_WORDS_BYTES_PER_LOOK && read_some(p))
        ;
    put_line(p);
    close(p->words_fd);
    p->words_fd = -1;
}

void process_words_again(struct process *p)
{
    bool was_full = p->words_bytes >= SUPERVISE_WORDS_BYTES_PER_LOOK;

    p->words_bytes = 0;
    if (was_full && p->words_watch.fd >= 0)
        loop_rewatch(p->owner->config.loop, &p->words_watch, EPOLLIN);
}
