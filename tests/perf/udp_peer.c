#include "tests/perf/udp_peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { CALL_BYTES = 32, BUFFER_BYTES = 8 << 20, ECHO_SPINS = 2000, LOST_NS = 100000000 };

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int open_socket(struct sockaddr_in *at)
{
    int bytes = BUFFER_BYTES;
    struct timeval patience = {.tv_usec = 20000};
    socklen_t at_bytes = sizeof(*at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (bind(fd, (struct sockaddr *)at, sizeof(*at)) != 0 ||
        getsockname(fd, (struct sockaddr *)at, &at_bytes) != 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd;
}

int udp_peer_init(struct udp_peer *p)
{
    struct sockaddr_in at[2];

    for (int i = 0; i < 2; i++) {
        p->fd[i] = open_socket(&at[i]);
        if (p->fd[i] < 0)
            return p->fd[i];
    }
    for (int i = 0; i < 2; i++)
        if (connect(p->fd[i], (struct sockaddr *)&at[!i], sizeof(at[0])) != 0)
            return -errno;
    return 0;
}

void udp_peer_echo(struct udp_peer *p, bool is_blocking)
{
    uint8_t bytes[CALL_BYTES];

    for (int i = 0; i < ECHO_SPINS; i++) {
        ssize_t n =
            recvfrom(p->fd[1], bytes, sizeof(bytes), is_blocking ? 0 : MSG_DONTWAIT, NULL, NULL);
        if (n > 0)
            sendto(p->fd[1], bytes, (size_t)n, 0, NULL, 0);
        else if (is_blocking)
            return;
    }
}

uint64_t udp_peer_call(struct udp_peer *p, uint32_t outstanding, bool is_blocking,
                       uint64_t duration_ns,
                       void (*answered)(void *arg, uint64_t sent_ns, uint64_t now_ns), void *arg)
{
    uint8_t bytes[CALL_BYTES] = {0};
    uint64_t started_ns = now(), at_ns = started_ns, heard_ns = started_ns, calls = 0;
    uint32_t under_way = 0;

    while (recvfrom(p->fd[0], bytes, sizeof(bytes), MSG_DONTWAIT, NULL, NULL) > 0)
        ; /* answers to an earlier measurement */
    while (at_ns - started_ns < duration_ns) {
        for (; under_way < outstanding; under_way++) {
            at_ns = now();
            memcpy(bytes, &at_ns, sizeof(at_ns));
            if (sendto(p->fd[0], bytes, sizeof(bytes), 0, NULL, 0) < 0)
                break;
        }
        ssize_t n =
            recvfrom(p->fd[0], bytes, sizeof(bytes), is_blocking ? 0 : MSG_DONTWAIT, NULL, NULL);
        at_ns = now();
        if (n == sizeof(bytes)) {
            uint64_t sent_ns;
            memcpy(&sent_ns, bytes, sizeof(sent_ns));
            answered(arg, sent_ns, at_ns);
            calls++;
            under_way--;
            heard_ns = at_ns;
        } else if (at_ns - heard_ns > LOST_NS) {
            under_way = 0;
            heard_ns = at_ns;
        }
    }
    return calls;
}
