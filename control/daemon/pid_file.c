#include "control/daemon/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 8 };

/* Whoever ends removes its file: what we have locked may not be what lies there any more. */
static int is_current(int fd, const char *path)
{
    struct stat ours, there;

    return !fstat(fd, &ours) && !stat(path, &there) && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
}

static void tell_owner(int fd, const char *path, char *error, size_t error_bytes)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;

    if (pid > 0)
        snprintf(error, error_bytes,
                 "hearthd runs here already, as process %ld (%s): stop it first, or give this one "
                 "another `run` directory",
                 pid, path);
    else
        snprintf(error, error_bytes, "another hearthd is starting here (%s)", path);
}

int pid_file_take(const char *path, char *error, size_t error_bytes)
{
    for (int i = 0; i < TRIES; i++) {
        char text[32];
        int len, fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

        if (fd < 0) {
            snprintf(error, error_bytes, "%s: %s", path, strerror(errno));
            return -1;
        }
        if (flock(fd, LOCK_EX | LOCK_NB)) {
            if (errno == EWOULDBLOCK)
                tell_owner(fd, path, error, error_bytes);
            else
                snprintf(error, error_bytes, "%s: %s", path, strerror(errno));
            close(fd);
            return -1;
        }
        if (!is_current(fd, path)) {
            close(fd);
            continue;
        }
        len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
        if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)len, 0) != len) {
            snprintf(error, error_bytes, "%s: %s", path, strerror(errno));
            close(fd);
            return -1;
        }
        return fd;
    }
    snprintf(error, error_bytes, "%s: others come and go there", path);
    return -1;
}

void pid_file_give(int fd, const char *path)
{
    if (fd < 0)
        return;
    unlink(path); /* before the lock goes: the next one's file is its own */
    close(fd);
}
