#include "drivers/socket_set.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/socket.h>

static int compare_int(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

void socket_set_read(struct socket_set *s, int domain)
{
    s->count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return;
    for (struct dirent *e; (e = readdir(dir)) && s->count < SOCKET_SET_MAX;) {
        int fd = atoi(e->d_name), d;
        socklen_t bytes = sizeof(d);
        if (e->d_name[0] != '.' && getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &d, &bytes) == 0 &&
            d == domain)
            s->fds[s->count++] = fd;
    }
    closedir(dir);
    qsort(s->fds, (size_t)s->count, sizeof(s->fds[0]), compare_int);
}

void socket_set_subtract(struct socket_set *now, const struct socket_set *before)
{
    int n = 0;
    for (int i = 0; i < now->count; i++)
        if (!bsearch(&now->fds[i], before->fds, (size_t)before->count, sizeof(before->fds[0]),
                     compare_int))
            now->fds[n++] = now->fds[i];
    now->count = n;
}
