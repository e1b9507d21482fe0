#include "tests/sim/datacentre/sweep.h"

#include <assert.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of a run, instead of its descriptor. */
enum { NOT_STARTED = -1, TOLD = -2 };

enum { SEARCH_UP = 8, SEARCH_LEAST = 16000000 /* bytes: no server has less */ };

/* A byte in `tokens` is a CPU: who has it may run. */
static void work(const struct sweep_run *r, const int *tokens, int fd)
{
    struct centre *c = calloc(1, sizeof(*c));
    const char *at = (const char *)&c->count;
    char token;
    assert(c);
    if (read(tokens[0], &token, 1) != 1)
        _exit(1);
    centre_init(c, &r->config);
    centre_run(c, NULL, NULL);
    for (size_t left = sizeof(c->count); left > 0;) {
        ssize_t n = write(fd, at, left);
        if (n <= 0)
            _exit(1);
        at += n;
        left -= (size_t)n;
    }
    _exit(write(tokens[1], &token, 1) != 1);
}

static bool read_all(int fd, void *to, size_t len)
{
    for (char *at = to; len > 0;) {
        ssize_t n = read(fd, at, len);
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* Returns where its counts can be read from, or -1. */
static int start(const struct sweep_run *r, const int *tokens)
{
    int fd[2];
    if (pipe(fd) < 0)
        return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(fd[0]);
        work(r, tokens, fd[1]);
    }
    close(fd[1]);
    if (pid > 0)
        return fd[0];
    close(fd[0]);
    return -1;
}

/* One that has counts to say, or that ends without; they end in any order, and one that dies holds
 * a CPU that another waits for. */
static uint32_t ended(struct pollfd *fds, uint32_t count)
{
    for (;;) {
        for (uint32_t i = 0; i < count; i++) {
            if (fds[i].fd == NOT_STARTED || fds[i].revents)
                return i;
        }
        poll(fds, count, -1);
    }
}

int sweep(struct sweep_run *runs, uint32_t count, void (*done)(const struct sweep_run *))
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int tokens[2], result = 0;
    struct pollfd *fds = calloc(count, sizeof(*fds));
    assert(fds);
    if (pipe(tokens) < 0) {
        free(fds);
        return -1;
    }
    for (uint32_t i = 0; i < count; i++)
        fds[i] = (struct pollfd){.fd = start(&runs[i], tokens), .events = POLLIN};
    for (long i = 0; i < cpus && result == 0; i++)
        result = write(tokens[1], "", 1) == 1 ? 0 : -1;
    for (uint32_t left = count, next = 0; left > 0; left--) {
        uint32_t i = ended(fds, count);
        if (!read_all(fds[i].fd, &runs[i].counts, sizeof(runs[i].counts))) {
            fprintf(stderr, "sim_datacentre: a run of %s failed\n", runs[i].config.variant->name);
            result = -1;
            (void)!write(tokens[1], "", 1); /* it has not given its own back */
        }
        if (fds[i].fd >= 0)
            close(fds[i].fd);
        fds[i] = (struct pollfd){.fd = TOLD};
        for (; done && result == 0 && next < count && fds[next].fd == TOLD; next++)
            done(&runs[next]);
    }
    close(tokens[0]);
    close(tokens[1]);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    free(fds);
    return result;
}

double sweep_warm(const struct centre_counts *c)
{
    return c->requests ? 1 - (double)(c->cold + c->refused) / (double)c->requests : 1;
}

/* ---- the search for memory ---- */

struct search {
    double start, failed,
        passed; /* bytes; the most that failed, the least that passed; 0: none yet */
};

/* What to try next; 0: it is over. */
static double next_try(const struct search *s)
{
    if (s->failed == 0 && s->passed == 0)
        return s->start;
    if (s->passed == 0)
        return s->failed < s->start * SEARCH_UP ? s->start * SEARCH_UP : 0;
    if (s->failed == 0)
        return s->passed / 3 < SEARCH_LEAST ? 0 : s->passed / 3;
    return s->passed < s->failed * 1.05 ? 0 : sqrt(s->passed * s->failed);
}

int sweep_memory(const struct centre_config *config, uint32_t count, double warm,
                 struct sweep_memory *result)
{
    struct sweep_run *run = calloc(count, sizeof(*run));
    struct search *search = calloc(count, sizeof(*search));
    uint32_t *which = calloc(count, sizeof(*which)), n;
    int status = 0;
    assert(run && search && which);
    for (uint32_t i = 0; i < count; i++)
        search[i].start = (double)config[i].bytes_max;
    do {
        n = 0;
        for (uint32_t i = 0; i < count; i++) {
            size_t bytes = (size_t)next_try(&search[i]);
            if (bytes == 0)
                continue;
            run[n].config = config[i];
            run[n].config.bytes_max = bytes;
            which[n++] = i;
        }
        status = sweep(run, n, NULL);
        for (uint32_t k = 0; k < n; k++) {
            struct search *s = &search[which[k]];
            *(sweep_warm(&run[k].counts) >= warm ? &s->passed : &s->failed) =
                (double)run[k].config.bytes_max;
        }
    } while (n > 0 && status == 0);
    for (uint32_t i = 0; i < count; i++)
        result[i] = search[i].passed > 0 ? (struct sweep_memory){(size_t)search[i].passed, true}
                                         : (struct sweep_memory){(size_t)search[i].failed, false};
    free(run);
    free(search);
    free(which);
    return status;
}
