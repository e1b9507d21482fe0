#include "control/deploy/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct sink {
    int fd;
    char *text;
    size_t bytes;
};

/* False: no more will come. */
static bool sink_read(struct sink *s)
{
    char piece[16384];
    ssize_t n = read(s->fd, piece, sizeof(piece));
    size_t room = TOOL_OUTPUT_BYTES_MAX - s->bytes;

    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0)
        return false;
    if ((size_t)n < room)
        room = (size_t)n;
    memcpy(s->text + s->bytes, piece, room);
    s->bytes += room;
    return true;
}

static void read_both(struct sink sinks[2])
{
    bool is_open[2] = {true, true};

    while (is_open[0] || is_open[1]) {
        struct pollfd fds[2];

        for (int i = 0; i < 2; i++)
            fds[i] = (struct pollfd){.fd = is_open[i] ? sinks[i].fd : -1, .events = POLLIN};
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        for (int i = 0; i < 2; i++)
            if (is_open[i] && fds[i].revents)
                is_open[i] = sink_read(&sinks[i]);
    }
}

static void become(int dir, char *const argv[], int out, int err, int failed)
{
    int nothing = open("/dev/null", O_RDONLY);
    int error;

    if (!fchdir(dir) && dup2(nothing, 0) == 0 && dup2(out, 1) == 1 && dup2(err, 2) == 2)
        execv(argv[0], argv);
    error = errno;
    (void)!write(failed, &error, sizeof(error));
    _exit(127);
}

int tool_run(int dir, char *const argv[], struct tool_output *o)
{
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}}; /* out, err, why it did not begin */
    struct sink sinks[2] = {{0}};
    int error = 0, status = 0;
    pid_t child = -1;

    *o = (struct tool_output){.out = calloc(1, TOOL_OUTPUT_BYTES_MAX + 1),
                              .err = calloc(1, TOOL_OUTPUT_BYTES_MAX + 1)};
    if (!o->out || !o->err || pipe2(pipes[0], O_CLOEXEC) || pipe2(pipes[1], O_CLOEXEC) ||
        pipe2(pipes[2], O_CLOEXEC) || (child = fork()) < 0)
        error = errno ? errno : ENOMEM;
    if (child == 0)
        become(dir, argv, pipes[0][1], pipes[1][1], pipes[2][1]);
    for (int i = 0; i < 3; i++)
        if (pipes[i][1] >= 0)
            close(pipes[i][1]);
    if (child > 0) {
        sinks[0] = (struct sink){pipes[0][0], o->out, 0};
        sinks[1] = (struct sink){pipes[1][0], o->err, 0};
        read_both(sinks);
        if (read(pipes[2][0], &error, sizeof(error)) <= 0)
            error = 0;
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
        o->out_bytes = sinks[0].bytes;
        o->err_bytes = sinks[1].bytes;
        o->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    for (int i = 0; i < 3; i++)
        if (pipes[i][0] >= 0)
            close(pipes[i][0]);
    return -error;
}

void tool_output_fini(struct tool_output *o)
{
    free(o->out);
    free(o->err);
    *o = (struct tool_output){0};
}
