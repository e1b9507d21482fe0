/* handshakes.c: TLS 1.3 connections over the kernel's sockets, for tools/bench: full handshakes
 * and resumed ones that really are, or connections that are kept and do nothing. wolfSSL's client,
 * because it knows the post-quantum group.
 *
 *   handshakes ADDRESS PORT NAME GROUP full|resumed SECONDS CLIENTS
 *       CLIENTS at a time, as many handshakes as there is time for
 *   handshakes ADDRESS PORT NAME GROUP hold COUNT
 *       COUNT connections, one request each; then idle until stdin ends
 *
 * Prints one JSON object when it is done, or when all connections are there:
 * {"count":N,"seconds":S}. A handshake that fails, or is full where it should be resumed, ends the
 * program: it would be measured as something else.
 */
#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/ssl.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 64 };

static struct {
    struct sockaddr_in address;
    const char *name;
    WOLFSSL_CTX *ctx;
} to;

static void die(const char *what)
{
    fprintf(stderr, "handshakes: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* session NULL: a full handshake. */
static WOLFSSL *open_connection(WOLFSSL_SESSION *session)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    WOLFSSL *ssl = wolfSSL_new(to.ctx);
    if (fd < 0 || !ssl)
        die("socket");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(fd, (struct sockaddr *)&to.address, sizeof(to.address)))
        die("connect");
    wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, to.name, (unsigned short)strlen(to.name));
    if (session && wolfSSL_set_session(ssl, session) != WOLFSSL_SUCCESS)
        die("session");
    wolfSSL_set_fd(ssl, fd);
    if (wolfSSL_connect(ssl) != WOLFSSL_SUCCESS) {
        char text[WOLFSSL_MAX_ERROR_SZ];
        fprintf(stderr, "handshakes: %s\n",
                wolfSSL_ERR_error_string((unsigned long)wolfSSL_get_error(ssl, 0), text));
        exit(1);
    }
    if (wolfSSL_session_reused(ssl) != (session != NULL)) {
        fprintf(stderr, "handshakes: a handshake was %s\n", session ? "full" : "resumed");
        exit(1);
    }
    return ssl;
}

/* With a reset: no TIME_WAIT, so ports do not run out. */
static void close_connection(WOLFSSL *ssl)
{
    struct linger linger = {.l_onoff = 1};
    int fd = wolfSSL_get_fd(ssl);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(fd);
    wolfSSL_free(ssl);
}

/* One request and its answer's first bytes; tickets come with them. */
static void ask(WOLFSSL *ssl)
{
    char request[512], answer[4096];
    int n = snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", to.name);
    if (wolfSSL_write(ssl, request, n) != n || wolfSSL_read(ssl, answer, sizeof(answer)) <= 0)
        die("request");
}

static uint64_t client(bool is_resumed, double until_s)
{
    WOLFSSL_SESSION *session = NULL;
    uint64_t count = 0;
    if (is_resumed) {
        WOLFSSL *first = open_connection(NULL);
        ask(first);
        session = wolfSSL_get1_session(first);
        close_connection(first);
    }
    for (; now_s() < until_s; count++)
        close_connection(open_connection(session));
    return count;
}

static int run(bool is_resumed, double seconds, int clients)
{
    int pipes[2], failed = 0;
    uint64_t sum = 0, count;
    double start = now_s();
    if (pipe(pipes) || clients < 1 || clients > CLIENTS_MAX)
        die("clients");
    for (int i = 0; i < clients; i++) {
        if (fork() == 0) {
            count = client(is_resumed, start + seconds);
            exit(write(pipes[1], &count, sizeof(count)) != sizeof(count));
        }
    }
    close(pipes[1]);
    for (int status; wait(&status) > 0;)
        failed += status != 0;
    while (read(pipes[0], &count, sizeof(count)) == sizeof(count))
        sum += count;
    printf("{\"count\":%llu,\"seconds\":%.3f}\n", (unsigned long long)sum, now_s() - start);
    return failed > 0;
}

static int hold(int count)
{
    struct rlimit limit;
    double start = now_s();
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < count; i++)
        ask(open_connection(NULL)); /* ends with the program */
    printf("{\"count\":%d,\"seconds\":%.3f}\n", count, now_s() - start);
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    return 0;
}

static int group_of(const char *name)
{
    if (strcmp(name, "X25519") == 0)
        return WOLFSSL_ECC_X25519;
    if (strcmp(name, "P-256") == 0)
        return WOLFSSL_ECC_SECP256R1;
#ifdef WOLFSSL_HAVE_MLKEM
    if (strcmp(name, "X25519MLKEM768") == 0)
        return WOLFSSL_X25519MLKEM768;
#endif
    fprintf(stderr, "handshakes: no group %s in this build\n", name);
    exit(2);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 5 ? argv[5] : "";
    bool is_hold = strcmp(mode, "hold") == 0 && argc == 7;
    if (!is_hold && !((strcmp(mode, "full") == 0 || strcmp(mode, "resumed") == 0) && argc == 8)) {
        fprintf(stderr, "usage: handshakes ADDRESS PORT NAME GROUP full|resumed SECONDS CLIENTS\n"
                        "       handshakes ADDRESS PORT NAME GROUP hold COUNT\n");
        return 2;
    }
    to.address.sin_family = AF_INET;
    to.address.sin_port = htons((uint16_t)atoi(argv[2]));
    if (inet_pton(AF_INET, argv[1], &to.address.sin_addr) != 1)
        die(argv[1]);
    to.name = argv[3];
    wolfSSL_Init();
    to.ctx = wolfSSL_CTX_new(wolfTLSv1_3_client_method());
    int group = group_of(argv[4]);
    if (!to.ctx || wolfSSL_CTX_set_groups(to.ctx, &group, 1) != WOLFSSL_SUCCESS)
        die("group");
    wolfSSL_CTX_set_verify(to.ctx, WOLFSSL_VERIFY_NONE, NULL);
    wolfSSL_CTX_UseSessionTicket(to.ctx);
    return is_hold ? hold(atoi(argv[6]))
                   : run(strcmp(mode, "resumed") == 0, atof(argv[6]), atoi(argv[7]));
}
