/* strangers ADDRESS NAME RATE SECONDS [HOST]
 *
 * Strangers who begin TLS handshakes, RATE of them a second, and never finish one: a whole
 * ClientHello for NAME (TLS 1.3, X25519), then silence, and a reset half a second later. Beside
 * them a kept connection to port 80 asks HOST for / over and over, 1 ms after each answer, alone
 * for as many seconds first. One thread. Prints one JSON object: what the strangers got, and how
 * long the kept connection waited, in microseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { OPEN_MAX = 4096, SAMPLES_MAX = 1 << 20, HOLD_MS = 500 };
#define MS 1000000ull

struct stranger {
    uint64_t since_ns; /* 0: free */
    int fd;
    int has_said, has_heard;
};

struct probe {
    int fd;
    char request[256];
    uint64_t asked_ns, next_ns; /* asked 0: nothing is under way */
    uint32_t *sample_us, samples;
    int got, want; /* of the answer; want 0: its head is not whole */
    char answer[65536];
};

static struct stranger stranger[OPEN_MAX];
static uint64_t tried, said, heard, refused;
static uint8_t hello[1024];
static size_t hello_bytes;
static struct sockaddr_in server;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- the ClientHello ---- */

static uint8_t *put(uint8_t *p, const void *bytes, size_t len)
{
    memcpy(p, bytes, len);
    return p + len;
}

static uint8_t *put_u16(uint8_t *p, size_t value)
{
    *p++ = (uint8_t)(value >> 8);
    *p++ = (uint8_t)value;
    return p;
}

static void make_hello(const char *name)
{
    static const uint8_t suites[] = {0, 2, 0x13, 1, 1, 0}; /* AES-128-GCM; no compression */
    /* supported_groups X25519; ecdsa_secp256r1_sha256, rsa_pss_rsae_sha256; TLS 1.3; a key share */
    static const uint8_t rest[] = {0, 10,   0, 4, 0, 2, 0, 29, 0,    13, 0,  6, 0,  4, 4,  3, 8, 4,
                                   0, 0x2b, 0, 3, 2, 3, 4, 0,  0x33, 0,  38, 0, 36, 0, 29, 0, 32};
    size_t name_bytes = strlen(name);
    uint8_t *p = hello + 9, *extensions;
    p = put_u16(p, 0x303);
    for (int i = 0; i < 32; i++)
        *p++ = (uint8_t)(i * 37 + 11);
    *p++ = 0; /* no session id */
    p = put(p, suites, sizeof(suites));
    extensions = p;
    p = put_u16(p + 2, 0); /* server_name */
    p = put_u16(p, name_bytes + 5);
    p = put_u16(p, name_bytes + 3);
    *p++ = 0;
    p = put_u16(p, name_bytes);
    p = put(p, name, name_bytes);
    p = put(p, rest, sizeof(rest));
    for (int i = 0; i < 32; i++)
        *p++ = (uint8_t)(i * 59 + 9); /* any 32 bytes are a point */
    put_u16(extensions, (size_t)(p - extensions - 2));
    hello_bytes = (size_t)(p - hello);
    hello[0] = 22;
    put_u16(hello + 1, 0x301);
    put_u16(hello + 3, hello_bytes - 5);
    hello[5] = 1;
    put_u16(hello + 7, hello_bytes - 9);
}

/* ---- strangers ---- */

static void leave(struct stranger *s)
{
    struct linger hard = {.l_onoff = 1};
    setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(s->fd);
    s->since_ns = 0;
}

static void come(struct stranger *s)
{
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        fail("socket");
    struct sockaddr_in to = server;
    to.sin_port = htons(443);
    if (connect(s->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
        fail("connect");
    s->since_ns = now_ns();
    s->has_said = s->has_heard = 0;
    tried++;
}

static void work(struct stranger *s)
{
    uint8_t bytes[8192];
    ssize_t n;
    if (!s->has_said && (n = write(s->fd, hello, hello_bytes)) != (ssize_t)hello_bytes) {
        if (n >= 0 || (errno != EAGAIN && errno != ENOTCONN)) {
            refused++;
            leave(s);
        }
        return;
    }
    said += !s->has_said;
    s->has_said = 1;
    n = read(s->fd, bytes, sizeof(bytes));
    if (n > 0) {
        heard += !s->has_heard;
        s->has_heard = 1;
    } else if (n == 0 || errno != EAGAIN) {
        refused += !s->has_heard;
        leave(s);
    }
}

/* ---- the kept connection ---- */

static void probe_start(struct probe *p, const char *host)
{
    struct sockaddr_in to = server;
    to.sin_port = htons(80);
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        fail("the kept connection");
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    snprintf(p->request, sizeof(p->request), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    p->sample_us = malloc(SAMPLES_MAX * sizeof(*p->sample_us));
}

static void probe_work(struct probe *p, int is_readable)
{
    if (p->asked_ns && is_readable) {
        ssize_t n = read(p->fd, p->answer + p->got, sizeof(p->answer) - 1 - (size_t)p->got);
        if (n <= 0)
            fail("the kept connection ends");
        p->got += (int)n;
        p->answer[p->got] = 0;
        char *end = strstr(p->answer, "\r\n\r\n"),
             *length = strcasestr(p->answer, "\ncontent-length:");
        if (end && length)
            p->want = (int)(end + 4 - p->answer) + atoi(length + 16);
        if (p->want && p->got >= p->want) {
            uint64_t now = now_ns();
            if (p->samples < SAMPLES_MAX)
                p->sample_us[p->samples++] = (uint32_t)((now - p->asked_ns) / 1000);
            p->asked_ns = 0;
            p->next_ns = now + MS;
        }
    }
    if (!p->asked_ns && now_ns() >= p->next_ns) {
        p->got = p->want = 0;
        p->asked_ns = now_ns();
        if (write(p->fd, p->request, strlen(p->request)) < 0)
            fail("the kept connection");
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void print_waits(const char *name, struct probe *p)
{
    qsort(p->sample_us, p->samples, sizeof(*p->sample_us), by_size);
    uint32_t n = p->samples;
    printf("\"%s\": {\"requests\": %u, \"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u}", name, n,
           n ? p->sample_us[n / 2] : 0, n ? p->sample_us[(uint64_t)n * 99 / 100] : 0,
           n ? p->sample_us[n - 1] : 0);
    p->samples = 0;
}

/* ---- both ---- */

static void run(struct probe *p, double rate, double seconds)
{
    static struct pollfd fds[OPEN_MAX + 1];
    static struct stranger *who[OPEN_MAX];
    uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), now;
    uint64_t before = tried;
    while ((now = now_ns()) < end) {
        uint64_t due = (uint64_t)((double)(now - start) * rate / 1e9);
        int count = 1;
        fds[0] = (struct pollfd){.fd = p->fd, .events = POLLIN};
        for (int i = 0; i < OPEN_MAX; i++) {
            struct stranger *s = &stranger[i];
            if (s->since_ns && now >= s->since_ns + HOLD_MS * MS)
                leave(s);
            if (!s->since_ns && tried - before < due)
                come(s);
            if (!s->since_ns)
                continue;
            who[count - 1] = s;
            fds[count++] =
                (struct pollfd){.fd = s->fd, .events = s->has_said ? POLLIN : POLLIN | POLLOUT};
        }
        struct timespec wait = {.tv_nsec = 200 * 1000};
        ppoll(fds, (nfds_t)count, &wait, NULL);
        probe_work(p, fds[0].revents);
        for (int i = 1; i < count; i++) {
            if (fds[i].revents && who[i - 1]->since_ns)
                work(who[i - 1]);
        }
    }
}

int main(int argc, char **argv)
{
    static struct probe probe;
    if (argc < 5) {
        fprintf(stderr, "usage: strangers ADDRESS NAME RATE SECONDS [HOST]\n");
        return 2;
    }
    server.sin_family = AF_INET;
    if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1)
        fail("address");
    double rate = atof(argv[3]), seconds = atof(argv[4]);
    make_hello(argv[2]);
    probe_start(&probe, argc > 5 ? argv[5] : argv[2]);
    run(&probe, 0, seconds);
    printf("{");
    print_waits("alone", &probe);
    run(&probe, rate, seconds);
    printf(", ");
    print_waits("beside", &probe);
    printf(", \"strangers\": {\"came\": %lu, \"said\": %lu, \"heard\": %lu, \"refused\": %lu}}\n",
           (unsigned long)tried, (unsigned long)said, (unsigned long)heard, (unsigned long)refused);
    return 0;
}
