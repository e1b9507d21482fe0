#include "tests/sim/datacentre/sweep.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void work(const struct sweep_run *r, int fd)
{
    struct centre *c = calloc(1, sizeof(*c));
    assert(c);
    centre_init(c, &r->config);
    centre_run(c, NULL, NULL);
    const char *at = (const char *)&c->count;
    for (size_t left = sizeof(c->count); left > 0;) {
        ssize_t n = write(fd, at, left);
        if (n <= 0)
            _exit(1);
        at += n;
        left -= (size_t)n;
    }
    _exit(0);
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

static int start(const struct sweep_run *r)
{
    int fd[2];
    if (pipe(fd) < 0)
        return -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(fd[0]);
        work(r, fd[1]);
    }
    close(fd[1]);
    if (pid > 0)
        return fd[0];
    close(fd[0]);
    return -1;
}

int sweep(struct sweep_run *runs, uint32_t count)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    int *fd = calloc(count, sizeof(*fd)), result = 0;
    uint32_t begun = 0;
    assert(fd);
    for (uint32_t i = 0; i < count; i++) {
        for (; begun < count && begun < i + cpus; begun++)
            fd[begun] = start(&runs[begun]);
        if (fd[i] < 0 || !read_all(fd[i], &runs[i].counts, sizeof(runs[i].counts))) {
            fprintf(stderr, "sim_datacentre: a run of %s failed\n", runs[i].config.variant->name);
            result = -1;
        }
        if (fd[i] >= 0)
            close(fd[i]);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
    free(fd);
    return result;
}

double sweep_warm(const struct centre_counts *c)
{
    return c->requests ? 1 - (double)(c->cold + c->refused) / (double)c->requests : 1;
}

int sweep_memory(const struct centre_config *config, uint32_t count, double warm, size_t *result)
{
    enum { STEPS = 40 };
    struct sweep_run *run = calloc(count, sizeof(*run));
    double *low = calloc(count, sizeof(*low)), *high = calloc(count, sizeof(*high));
    uint32_t *which = calloc(count, sizeof(*which));
    assert(run && low && high && which);
    int status = 0;
    for (uint32_t i = 0; i < count; i++) {
        low[i] = 0;
        high[i] = (double)config[i].bytes_max * 8;
        result[i] = 0;
    }
    for (int step = 0; step < STEPS && status == 0; step++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (low[i] > 0 && high[i] < low[i] * 1.02)
                continue;
            double middle = step == 0    ? (double)config[i].bytes_max
                            : low[i] > 0 ? (low[i] + high[i]) / 2
                                         : high[i] / 3;
            if (middle < 16e6) { /* no server has less */
                low[i] = high[i] = result[i] ? (double)result[i] : 16e6;
                continue;
            }
            run[n].config = config[i];
            run[n].config.bytes_max = (size_t)middle;
            which[n++] = i;
        }
        if (n == 0)
            break;
        status = sweep(run, n);
        for (uint32_t k = 0; k < n; k++) {
            uint32_t i = which[k];
            if (sweep_warm(&run[k].counts) >= warm) {
                high[i] = (double)run[k].config.bytes_max;
                result[i] = run[k].config.bytes_max;
            } else {
                low[i] = (double)run[k].config.bytes_max;
            }
        }
    }
    free(run);
    free(low);
    free(high);
    free(which);
    return status;
}
