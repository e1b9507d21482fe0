#include "control/cli/ctl_client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/daemon/ctl.h"

int ctl_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    if (strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    return fd;
}

static int send_all(int fd, const void *bytes, size_t len)
{
    const char *p = bytes;

    while (len) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static bool receive_all(int fd, void *bytes, size_t len)
{
    char *p = bytes;

    while (len) {
        ssize_t n = recv(fd, p, len, 0);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

int ctl_send(int fd, const json_t *request, const void *payload, size_t payload_bytes)
{
    char *text = json_dumps(request, JSON_COMPACT);
    size_t len = text ? strlen(text) : 0;
    uint8_t head[4];
    int rc;

    if (!text)
        return -ENOMEM;
    for (int i = 0; i < 4; i++)
        head[i] = (uint8_t)(len >> (8 * i));
    rc = send_all(fd, head, sizeof(head));
    if (!rc)
        rc = send_all(fd, text, len);
    if (!rc && payload_bytes)
        rc = send_all(fd, payload, payload_bytes);
    free(text);
    return rc;
}

json_t *ctl_receive(int fd)
{
    uint8_t head[4];
    uint32_t len;
    char *text;
    json_t *reply = NULL;

    if (!receive_all(fd, head, sizeof(head)))
        return NULL;
    len = head[0] | head[1] << 8 | head[2] << 16 | (uint32_t)head[3] << 24;
    if (len > CTL_REPLY_BYTES_MAX || !(text = malloc(len + 1)))
        return NULL;
    if (receive_all(fd, text, len))
        reply = json_loadb(text, len, 0, NULL);
    free(text);
    return reply;
}
