/* The real `openssl s_client` against tls.h over a TCP socket on the loopback: handshake,
 * verification, resumption, ALPN. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/tls/tls_ticket.h"
#include "tls_pair.h"

/* Directory of make_certs.sh, the path of make_early_session.sh: argv[1], argv[2]. */
static const char *certs, *make_early_session;

struct end {
    int fd;
    bool is_finished;
    size_t from, to;
    uint8_t bytes[1 << 17];
};

static const uint8_t *end_peek(void *arg, size_t offset, size_t *len)
{
    struct end *e = arg;
    memmove(e->bytes, e->bytes + e->from, e->to - e->from);
    e->to -= e->from;
    e->from = 0;
    ssize_t n = recv(e->fd, e->bytes + e->to, sizeof(e->bytes) - e->to, MSG_DONTWAIT);
    if (n > 0)
        e->to += (size_t)n;
    else if (n == 0 || errno != EAGAIN)
        e->is_finished = true;
    *len = offset < e->to ? e->to - offset : 0;
    return e->bytes + offset;
}

static void end_consume(void *arg, size_t len)
{
    ((struct end *)arg)->from += len;
}

static size_t end_send(void *arg, const void *buf, size_t len)
{
    ssize_t n = send(((struct end *)arg)->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n > 0 ? (size_t)n : 0;
}

static bool end_is_finished(void *arg)
{
    return ((struct end *)arg)->is_finished;
}

static const struct tls_io io = {end_peek, end_consume, end_send, end_is_finished};

/* Waits for the peer's bytes. */
static void await(struct end *e)
{
    struct pollfd p = {.fd = e->fd, .events = POLLIN};
    assert_int_equal(poll(&p, 1, 20000), 1);
}

struct seen {
    enum tls_result handshake;
    bool is_resumed;
    char version[16], alpn[16], error[160], output[16384];
};

/* Serves one s_client: reads a line, answers "pong", closes. */
static void serve_once(struct tls_context *context, const char *options, struct seen *seen)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_bytes = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, address_bytes), 0);
    assert_int_equal(listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&address, &address_bytes);

    char command[2048];
    snprintf(
        command, sizeof(command),
        "echo ping | openssl s_client -connect 127.0.0.1:%d -CAfile %s/ca.pem -ign_eof %s 2>&1",
        ntohs(address.sin_port), certs, options);
    FILE *client = popen(command, "r");
    assert_non_null(client);
    static struct end end;
    end = (struct end){.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)};
    struct guard guard;
    guard_init(&guard);
    struct tls_session *s = tls_session_create(context, &guard, &io, &end);
    memset(seen, 0, sizeof(*seen));
    while ((seen->handshake = tls_handshake(s)) == TLS_WANT)
        await(&end);
    if (seen->handshake == TLS_OK) {
        char line[64];
        size_t len;
        enum tls_result result;
        while ((result = tls_read(s, line, sizeof(line), &len)) == TLS_WANT)
            await(&end);
        assert_int_equal(result, TLS_OK);
        assert_memory_equal(line, "ping\n", 5);
        assert_int_equal(tls_write(s, "pong\n", 5, &len), TLS_OK);
        assert_int_equal(tls_finish(s), TLS_OK);
        snprintf(seen->version, sizeof(seen->version), "%s", tls_version(s));
        snprintf(seen->alpn, sizeof(seen->alpn), "%s", tls_alpn(s));
        seen->is_resumed = tls_is_resumed(s);
    }
    snprintf(seen->error, sizeof(seen->error), "%s", tls_error(s));
    shutdown(end.fd, SHUT_WR);
    size_t n = fread(seen->output, 1, sizeof(seen->output) - 1, client);
    seen->output[n] = 0;
    tls_session_destroy(s);
    pclose(client);
    close(end.fd);
    close(listener);
}

static const struct tls_tickets keys = {.slot = {{{1}, {2}}}},
                                rotated = {.rotations = 1, .slot = {{{1}, {2}}, {{3}, {4}}}},
                                strange = {.slot = {{{5}, {6}}}};

static void the_table_of_clients(void **state)
{
    static const struct {
        const char *what, *cert, *options;
        enum tls_result handshake;
        const char *version, *alpn, *output;
    } rows[] = {
        {"TLS 1.3, ECDSA", "ec", "-verify_hostname ec.test -verify_return_error", TLS_OK, "TLSv1.3",
         "", "Verification: OK"},
        {"TLS 1.3, RSA", "rsa", "-verify_hostname rsa.test -verify_return_error", TLS_OK, "TLSv1.3",
         "", "Verification: OK"},
        {"TLS 1.2, ECDSA", "ec", "-tls1_2", TLS_OK, "TLSv1.2", "", "Verification: OK"},
        {"TLS 1.2, RSA", "rsa", "-tls1_2", TLS_OK, "TLSv1.2", "", "Verification: OK"},
        {"X25519 is preferred", "ec", "-groups P-256:X25519", TLS_OK, "TLSv1.3", "",
         "Verification: OK"},
        {"only P-256", "ec", "-groups P-256", TLS_OK, "TLSv1.3", "",
         "Server Temp Key: ECDH, prime256v1"},
        {"a first share that we do not speak", "ec", "-groups X448:X25519", TLS_OK, "TLSv1.3", "",
         "Server Temp Key: X25519"},
        {"only P-384", "ec", "-groups P-384", TLS_OK, "TLSv1.3", "",
         "Server Temp Key: ECDH, secp384r1"},
        {"only P-521", "ec", "-groups P-521", TLS_OK, "TLSv1.3", "",
         "Server Temp Key: ECDH, secp521r1"},
        {"only X448", "ec", "-groups X448", TLS_FAILED, "", "", "alert handshake failure"},
        {"only ffdhe2048", "ec", "-tls1_3 -groups ffdhe2048", TLS_FAILED, "", "",
         "alert handshake failure"},
        {"TLS 1.2, only X448", "ec", "-tls1_2 -groups X448", TLS_FAILED, "", "",
         "alert handshake failure"},
        {"TLS 1.1", "rsa", "-tls1_1 -cipher ALL:@SECLEVEL=0", TLS_FAILED, "", "", "alert"},
        {"TLS 1.2 with CBC", "rsa", "-tls1_2 -cipher ECDHE-RSA-AES128-SHA", TLS_FAILED, "", "",
         "alert handshake failure"},
        {"ALPN with ours", "ec", "-alpn h2,http/1.1", TLS_OK, "TLSv1.3", "http/1.1",
         "ALPN protocol: http/1.1"},
        {"ALPN without ours", "ec", "-alpn h2", TLS_FAILED, "", "",
         "alert no application protocol"},
        {"ALPN without ours, TLS 1.2", "ec", "-alpn h2 -tls1_2", TLS_FAILED, "", "",
         "alert no application protocol"},
    };
    static struct seen seen;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tls_context *context = tls_pair_context(certs, rows[i].cert, &keys);
        serve_once(context, rows[i].options, &seen);
        bool is_right =
            seen.handshake == rows[i].handshake && strcmp(seen.version, rows[i].version) == 0 &&
            strcmp(seen.alpn, rows[i].alpn) == 0 && strstr(seen.output, rows[i].output) &&
            (seen.handshake != TLS_OK || strstr(seen.output, "\npong\n"));
        if (!is_right)
            fail_msg("%s: %d %s %s\n%s", rows[i].what, seen.handshake, seen.version, seen.alpn,
                     seen.output);
        tls_context_destroy(context);
    }
}

static void every_group_works_with_every_certificate_and_version(void **state)
{
    static const char *const groups[] = {"X25519", "P-256", "P-384", "P-521"};
    static struct seen seen;
    for (size_t i = 0; i < 4 * sizeof(groups) / sizeof(groups[0]); i++) {
        const char *cert = i % 2 ? "ec" : "rsa", *version = i / 2 % 2 ? "2" : "3";
        char options[128];
        struct tls_context *context = tls_pair_context(certs, cert, &keys);
        /* In TLS 1.2 the list of groups is also that of the certificate's curves. */
        snprintf(options, sizeof(options), "-tls1_%s -groups %s%s", version, groups[i / 4],
                 i % 2 && i / 2 % 2 && i / 4 != 1 ? ":P-256" : "");
        serve_once(context, options, &seen);
        if (seen.handshake != TLS_OK || seen.version[6] != *version ||
            !strstr(seen.output, "Verification: OK") || !strstr(seen.output, "\npong\n"))
            fail_msg("%s with %s: %d %s\n%s", options, cert, seen.handshake, seen.version,
                     seen.output);
        tls_context_destroy(context);
    }
}

static void a_ticket_is_taken_replaced_or_refused(void **state)
{
    static struct seen seen;
    static const struct {
        const struct tls_tickets *keys;
        bool is_resumed;
    } steps[] = {
        {&keys, false}, {&keys, true}, {&rotated, true}, {&strange, false}, {&strange, true}};
    for (int version = 2; version <= 3; version++) {
        char options[1200];
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
            struct tls_context *context = tls_pair_context(certs, "ec", steps[i].keys);
            char file[512];
            snprintf(file, sizeof(file), "%s/session.%d", certs, (int)getpid());
            snprintf(options, sizeof(options), "-tls1_%d -sess_out %s %s%s", version, file,
                     i > 0 ? "-sess_in " : "", i > 0 ? file : "");
            serve_once(context, options, &seen);
            /* In TLS 1.2 wolfSSL gives no new ticket to a client whose ticket it refused. */
            bool is_resumed = steps[i].is_resumed && !(version == 2 && i == 4);
            if (seen.handshake != TLS_OK || seen.is_resumed != is_resumed ||
                !strstr(seen.output, "\npong\n"))
                fail_msg("TLS 1.%d, step %zu: %d %d\n%s", version, i, seen.handshake,
                         seen.is_resumed, seen.output);
            tls_context_destroy(context);
            if (i + 1 == sizeof(steps) / sizeof(steps[0]))
                unlink(file);
        }
    }
}

/* A visitor with another server's ticket for early data: all of it is skipped, and the handshake
 * goes on. */
static void early_data_for_a_foreign_ticket_is_skipped(void **state)
{
    static const struct {
        const char *groups, *suites;
    } rows[] = {
        {"X25519", "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"},
        {"X25519", "TLS_AES_256_GCM_SHA384"},
        {"X25519", "TLS_CHACHA20_POLY1305_SHA256"},
        {"X448:X25519", "TLS_AES_256_GCM_SHA384"}, /* with a retry */
    };
    static struct seen seen;
    char file[512], command[1200];
    if (LIBWOLFSSL_VERSION_HEX < 0x05007000) /* Debian 12's: see tls_early.h */
        skip();
    snprintf(file, sizeof(file), "%s/early.%d", certs, (int)getpid());
    snprintf(command, sizeof(command), "%s %s %s", make_early_session, certs, file);
    assert_int_equal(system(command), 0);
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char options[1600];
        snprintf(options, sizeof(options),
                 "-groups %s -ciphersuites %s -sess_in %s -early_data %s/ec.pem", rows[i].groups,
                 rows[i].suites, file, certs);
        serve_once(context, options, &seen);
        if (seen.handshake != TLS_OK || seen.is_resumed || !strstr(seen.output, "\npong\n") ||
            !strstr(seen.output, "Early data was rejected"))
            fail_msg("%s, %s: %s\n%s", rows[i].groups, rows[i].suites, seen.error, seen.output);
    }
    unlink(file);
    tls_context_destroy(context);
}

/* The suite that was chosen is of another hash than the ticket, so the second ClientHello comes
 * without it (RFC 8446 4.1.2). */
static void a_ticket_may_be_gone_after_a_retry(void **state)
{
    static struct seen seen;
    char file[512], options[1600];
#ifndef HEARTH_PSK_DROPPED
    skip();
#endif
    snprintf(file, sizeof(file), "%s/dropped.%d", certs, (int)getpid());
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    snprintf(options, sizeof(options), "-tls1_3 -ciphersuites %s -sess_out %s",
             "TLS_AES_256_GCM_SHA384", file);
    serve_once(context, options, &seen);
    assert_int_equal(seen.handshake, TLS_OK);
    tls_context_destroy(context);
    context = tls_pair_context(certs, "ec", &strange); /* or the ticket's suite is chosen */
    snprintf(options, sizeof(options), "-tls1_3 -ciphersuites %s -groups X448:X25519 -sess_in %s",
             "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384", file);
    serve_once(context, options, &seen);
    if (seen.handshake != TLS_OK || seen.is_resumed || !strstr(seen.output, "\npong\n"))
        fail_msg("%d, resumed %d, %s\n%s", seen.handshake, seen.is_resumed, seen.error,
                 seen.output);
    unlink(file);
    tls_context_destroy(context);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_clients),
        cmocka_unit_test(every_group_works_with_every_certificate_and_version),
        cmocka_unit_test(early_data_for_a_foreign_ticket_is_skipped),
        cmocka_unit_test(a_ticket_is_taken_replaced_or_refused),
        cmocka_unit_test(a_ticket_may_be_gone_after_a_retry),
    };
    if (argc != 3) {
        fprintf(stderr,
                "usage: test_tls_openssl DIRECTORY-OF-CERTIFICATES MAKE_EARLY_SESSION.SH\n");
        return 2;
    }
    certs = argv[1];
    make_early_session = argv[2];
    if (tls_start() != 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tls_stop();
    return failed;
}
