#include "tls_pair.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/tls/tls_ticket.h"
#include "drivers/rng.h"

/* Directory of make_certs.sh: argv[1]. */
static const char *certs;
static struct tls_pair pair;

static struct tls_tickets keys = {.slot = {{{1}, {2}}}};

static WOLFSSL_CTX *client_of(WOLFSSL_METHOD *method)
{
    char ca[512];
    snprintf(ca, sizeof(ca), "%s/ca.pem", certs);
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(method);
    assert_int_equal(wolfSSL_CTX_load_verify_locations(ctx, ca, NULL), WOLFSSL_SUCCESS);
    wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_PEER, NULL);
    return ctx;
}

static struct rng random_numbers = {1};

static uint32_t random_below(uint32_t n)
{
    return (uint32_t)rng_below(&random_numbers, n);
}

static void assert_echo(struct tls_pair *p)
{
    char buf[64];
    size_t len;
    assert_int_equal(wolfSSL_write(p->client, "ping", 4), 4);
    assert_int_equal(tls_read(p->server, buf, sizeof(buf), &len), TLS_OK);
    assert_int_equal(len, 4);
    assert_memory_equal(buf, "ping", 4);
    assert_int_equal(tls_read(p->server, buf, sizeof(buf), &len), TLS_WANT);
    assert_int_equal(tls_write(p->server, "pong", 4, &len), TLS_OK);
    assert_int_equal(len, 4);
    assert_int_equal(wolfSSL_read(p->client, buf, sizeof(buf)), 4);
    assert_memory_equal(buf, "pong", 4);
}

static void both_versions_work_with_both_kinds_of_key(void **state)
{
    static const struct {
        const char *cert;
        WOLFSSL_METHOD *(*method)(void);
        const char *version, *cipher;
    } rows[] = {
        {"ec", wolfTLSv1_3_client_method, "TLSv1.3", "TLS13-AES128-GCM-SHA256"},
        {"rsa", wolfTLSv1_3_client_method, "TLSv1.3", "TLS13-AES128-GCM-SHA256"},
        {"ec", wolfTLSv1_2_client_method, "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"},
        {"rsa", wolfTLSv1_2_client_method, "TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tls_context *context = tls_pair_context(certs, rows[i].cert, &keys);
        WOLFSSL_CTX *ctx = client_of(rows[i].method());
        tls_pair_init(&pair, context, ctx);
        assert_int_equal(tls_pair_handshake(&pair), TLS_OK);
        assert_string_equal(tls_version(pair.server), rows[i].version);
        assert_string_equal(tls_cipher(pair.server), rows[i].cipher);
        assert_string_equal(tls_alpn(pair.server), "");
        assert_false(tls_is_resumed(pair.server));
        assert_echo(&pair);
        tls_pair_fini(&pair);
        wolfSSL_CTX_free(ctx);
        tls_context_destroy(context);
    }
}

/* Several times each: a fault that depends on the numbers drawn does not show in one handshake. */
static void every_group_works_with_every_certificate_and_version(void **state)
{
    static const struct {
        const char *name;
        int id, version_min;
    } groups[] = {
        {"X25519", WOLFSSL_ECC_X25519, 2},
        {"P-256", WOLFSSL_ECC_SECP256R1, 2},
        {"P-384", WOLFSSL_ECC_SECP384R1, 2},
        {"P-521", WOLFSSL_ECC_SECP521R1, 2},
#ifdef WOLFSSL_HAVE_MLKEM
        {"X25519MLKEM768", WOLFSSL_X25519MLKEM768, 3},
#endif
    };
    for (size_t i = 0; i < 4 * sizeof(groups) / sizeof(groups[0]); i++) {
        const char *cert = i % 2 ? "ec" : "rsa";
        int version = i / 2 % 2 ? 2 : 3, group = groups[i / 4].id;
        /* In TLS 1.2 the list of groups is also that of the certificate's curves. */
        bool is_alone = version == 3 || i % 2 == 0 || group == WOLFSSL_ECC_SECP256R1;
        int list[] = {group, WOLFSSL_ECC_SECP256R1}, count = is_alone ? 1 : 2;
        if (version < groups[i / 4].version_min)
            continue;
        struct tls_context *context = tls_pair_context(certs, cert, &keys);
        WOLFSSL_CTX *ctx =
            client_of(version == 2 ? wolfTLSv1_2_client_method() : wolfTLSv1_3_client_method());
        if (version == 3)
            assert_int_equal(wolfSSL_CTX_set_groups(ctx, list, count), WOLFSSL_SUCCESS);
        for (int k = 0; version == 2 && k < count; k++)
            assert_int_equal(wolfSSL_CTX_UseSupportedCurve(ctx, (unsigned short)list[k]),
                             WOLFSSL_SUCCESS);
        for (int turn = 0; turn < 8; turn++) {
            tls_pair_init(&pair, context, ctx);
            if (tls_pair_handshake(&pair) != TLS_OK)
                fail_msg("%s, %s, TLS 1.%d: %s", groups[i / 4].name, cert, version,
                         tls_error(pair.server));
            assert_echo(&pair);
            tls_pair_fini(&pair);
        }
        wolfSSL_CTX_free(ctx);
        tls_context_destroy(context);
    }
}

/* What a client offers a share for is taken, if we speak it at all: no HelloRetryRequest for a
 * group that we like better. */
static void a_share_at_hand_is_taken(void **state)
{
    static const int shares[] = {WOLFSSL_ECC_X25519, WOLFSSL_ECC_SECP256R1, WOLFSSL_ECC_SECP384R1};
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        /* All groups that it knows are on the client's list. */
        WOLFSSL_CTX *ctx = client_of(wolfTLSv1_3_client_method());
        tls_pair_init(&pair, context, ctx);
        assert_int_equal(wolfSSL_UseKeyShare(pair.client, (unsigned short)shares[i]),
                         WOLFSSL_SUCCESS);
        wolfSSL_connect(pair.client);
        size_t hello_bytes = pair.to_server.total;
        assert_int_equal(tls_handshake(pair.server), TLS_WANT);
        wolfSSL_connect(pair.client); /* after a retry: another hello; else: Finished */
        assert_true(pair.to_server.total - hello_bytes < 150);
        assert_int_equal(tls_pair_handshake(&pair), TLS_OK);
        tls_pair_fini(&pair);
        wolfSSL_CTX_free(ctx);
    }
    tls_context_destroy(context);
}

#if !defined(__SANITIZE_ADDRESS__)
static void an_idle_session_takes_what_the_limits_say(void **state)
{
    enum { COUNT = 32 };
    static struct tls_pair pairs[2];
    struct tls_session *idle[COUNT];
    for (int i = 0; i < 4; i++) {
        struct tls_context *context = tls_pair_context(certs, i % 2 ? "ec" : "rsa", &keys);
        WOLFSSL_CTX *ctx =
            client_of(i / 2 ? wolfTLSv1_2_client_method() : wolfTLSv1_3_client_method());
        tls_pair_init(&pairs[0], context, ctx); /* what is allocated once */
        assert_int_equal(tls_pair_handshake(&pairs[0]), TLS_OK);
        struct mallinfo2 before = mallinfo2();
        for (int k = 0; k < COUNT; k++) {
            tls_pair_init(&pairs[1], context, ctx);
            assert_int_equal(tls_pair_handshake(&pairs[1]), TLS_OK);
            assert_echo(&pairs[1]);
            idle[k] = pairs[1].server;
            wolfSSL_free(pairs[1].client);
        }
        size_t bytes = (mallinfo2().uordblks - before.uordblks) / COUNT;
        if (bytes > tls_session_bytes())
            fail_msg("TLS 1.%d: %zu bytes", i / 2 ? 2 : 3, bytes);
        for (int k = 0; k < COUNT; k++)
            tls_session_destroy(idle[k]);
        tls_pair_fini(&pairs[0]);
        wolfSSL_CTX_free(ctx);
        tls_context_destroy(context);
    }
}
#endif

static void weak_clients_are_refused(void **state)
{
    static const char *const ciphers[] = {
        "ECDHE-RSA-AES128-SHA", "AES128-GCM-SHA256",       "DHE-RSA-AES128-GCM-SHA256",
        "ADH-AES128-SHA",       "ECDHE-RSA-AES128-SHA256",
    };
    struct tls_context *context = tls_pair_context(certs, "rsa", &keys);
    for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
        WOLFSSL_CTX *ctx = client_of(wolfTLSv1_2_client_method());
        if (wolfSSL_CTX_set_cipher_list(ctx, ciphers[i]) == WOLFSSL_SUCCESS) {
            tls_pair_init(&pair, context, ctx);
            if (tls_pair_handshake(&pair) != TLS_FAILED)
                fail_msg("%s was accepted", ciphers[i]);
            tls_pair_fini(&pair);
        }
        wolfSSL_CTX_free(ctx);
    }
    tls_context_destroy(context);
}

static void every_suite_of_ours_works(void **state)
{
    static const char *const ciphers[] = {
        "TLS13-AES128-GCM-SHA256",        "TLS13-AES256-GCM-SHA384",
        "TLS13-CHACHA20-POLY1305-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES256-GCM-SHA384",    "ECDHE-RSA-CHACHA20-POLY1305",
    };
    struct tls_context *context = tls_pair_context(certs, "rsa", &keys);
    for (size_t i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
        WOLFSSL_CTX *ctx =
            client_of(i < 3 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method());
        assert_int_equal(wolfSSL_CTX_set_cipher_list(ctx, ciphers[i]), WOLFSSL_SUCCESS);
        tls_pair_init(&pair, context, ctx);
        assert_int_equal(tls_pair_handshake(&pair), TLS_OK);
        assert_string_equal(tls_cipher(pair.server), ciphers[i]);
        assert_echo(&pair);
        tls_pair_fini(&pair);
        wolfSSL_CTX_free(ctx);
    }
    tls_context_destroy(context);
}

static void alpn_is_http1_or_an_alert(void **state)
{
    static const struct {
        char offer[32];
        enum tls_result result;
    } rows[] = {{"h2,http/1.1", TLS_OK},
                {"http/1.1", TLS_OK},
                {"h2", TLS_FAILED},
                {"http/1.0,spdy/3", TLS_FAILED}};
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int version = 2; version <= 3; version++) {
            WOLFSSL_CTX *ctx =
                client_of(version == 2 ? wolfTLSv1_2_client_method() : wolfTLSv1_3_client_method());
            tls_pair_init(&pair, context, ctx);
            char offer[32];
            strcpy(offer, rows[i].offer);
            wolfSSL_UseALPN(pair.client, offer, (unsigned)strlen(offer),
                            WOLFSSL_ALPN_CONTINUE_ON_MISMATCH);
            assert_int_equal(tls_pair_handshake(&pair), rows[i].result);
            assert_string_equal(tls_alpn(pair.server), rows[i].result == TLS_OK ? "http/1.1" : "");
            if (rows[i].result == TLS_FAILED) {
                WOLFSSL_ALERT_HISTORY alerts;
                wolfSSL_connect(pair.client);
                wolfSSL_get_alert_history(pair.client, &alerts);
                assert_int_equal(alerts.last_rx.code, no_application_protocol);
                assert_non_null(strstr(tls_error(pair.server), "alert sent 120"));
                assert_int_equal(tls_handshake(pair.server), TLS_FAILED);
            }
            tls_pair_fini(&pair);
            wolfSSL_CTX_free(ctx);
        }
    }
    tls_context_destroy(context);
}

/* One connection; the session that its tickets allow is put into *session. */
static bool connect_with(struct tls_context *context, WOLFSSL_CTX *ctx, WOLFSSL_SESSION **session)
{
    tls_pair_init(&pair, context, ctx);
    if (*session)
        assert_int_equal(wolfSSL_set_session(pair.client, *session), WOLFSSL_SUCCESS);
    else
        wolfSSL_UseSessionTicket(pair.client);
    if (tls_pair_handshake(&pair) != TLS_OK)
        fail_msg("%s", tls_error(pair.server));
    assert_echo(&pair);
    bool is_resumed = tls_is_resumed(pair.server);
    assert_int_equal(is_resumed, wolfSSL_session_reused(pair.client));
    wolfSSL_SESSION_free(*session);
    *session = wolfSSL_get1_session(pair.client);
    tls_pair_fini(&pair);
    return is_resumed;
}

static void tickets_resume_across_contexts_and_two_rotations(void **state)
{
    const struct tls_tickets
        rotated = {.rotations = 1, .slot = {{{1}, {2}}, {{3}, {4}}}},
        twice_more = {.rotations = 3, .slot = {{{1}, {2}}, {{3}, {4}}, {{5}, {6}}, {{7}, {8}}}},
        and_thrice = {.rotations = 6,
                      .slot = {{{9}, {10}}, {{11}, {12}}, {{13}, {14}}, {{7}, {8}}}},
        same_name = {.rotations = 6, .slot = {{{9}, {10}}, {{11}, {12}}, {{13}, {15}}, {{7}, {8}}}};
    for (int version = 2; version <= 3; version++) {
        WOLFSSL_CTX *ctx =
            client_of(version == 2 ? wolfTLSv1_2_client_method() : wolfTLSv1_3_client_method());
        WOLFSSL_SESSION *session = NULL;
        const struct {
            const struct tls_tickets *keys;
            bool is_resumed;
        } steps[] = {{&keys, false},      {&keys, true},       {&rotated, true},
                     {&rotated, true},    {&twice_more, true}, {&and_thrice, false},
                     {&and_thrice, true}, {&same_name, false}};
        for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
            /* wolfSSL's client keeps its first ticket of TLS 1.2, and takes no refusal of it:
             * test_tls_openssl does that one. */
            if (version == 2 && i > 3)
                break;
            struct tls_context *context = tls_pair_context(certs, "ec", steps[i].keys);
            if (connect_with(context, ctx, &session) != steps[i].is_resumed)
                fail_msg("TLS 1.%d, step %zu", version, i);
            tls_context_destroy(context);
        }
        wolfSSL_SESSION_free(session);
        wolfSSL_CTX_free(ctx);
    }
}

/* A ticket's number within its chain is one byte in wolfSSL, which ends the handshake that would
 * overflow it: it must not get there. */
static void a_chain_of_resumptions_does_not_end(void **state)
{
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    for (int version = 2; version <= 3; version++) {
        WOLFSSL_CTX *ctx =
            client_of(version == 2 ? wolfTLSv1_2_client_method() : wolfTLSv1_3_client_method());
        WOLFSSL_SESSION *session = NULL;
        int full = 0;
        for (int i = 0; i < 600; i++)
            full += !connect_with(context, ctx, &session);
        assert_in_range(full, 1, 4);
        wolfSSL_SESSION_free(session);
        wolfSSL_CTX_free(ctx);
    }
    tls_context_destroy(context);
}

static void any_fragmentation_of_the_stream_works(void **state)
{
    struct tls_context *context = tls_pair_context(certs, "rsa", &keys);
    for (int version = 2; version <= 3; version++) {
        WOLFSSL_CTX *ctx =
            client_of(version == 2 ? wolfTLSv1_2_client_method() : wolfTLSv1_3_client_method());
        for (int round = 0; round < 20; round++) {
            tls_pair_init(&pair, context, ctx);
            enum tls_result result;
            do {
                pair.to_client.piece = 1 + random_below(round == 0 ? 1 : 700);
                pair.to_server.piece = 1 + random_below(round == 0 ? 1 : 700);
                pair.to_client.room = 1 + random_below(900);
            } while (!tls_pair_step(&pair, &result) && result != TLS_FAILED);
            assert_int_equal(result, TLS_OK);
            pair.to_client.room = pair.to_client.piece = pair.to_server.piece = SIZE_MAX;
            assert_echo(&pair);
            tls_pair_fini(&pair);
        }
        wolfSSL_CTX_free(ctx);
    }
    tls_context_destroy(context);
}

/* The n-th byte of either direction. */
static uint8_t byte_at(uint64_t n)
{
    return (uint8_t)((n * 0x9e3779b97f4a7c15u) >> 56);
}

static void bulk_both_ways_through_narrow_pipes(WOLFSSL_METHOD *method, bool has_key_updates)
{
    enum { TOTAL = 20 << 20, BLOCK = 100000 };
    static uint8_t out[BLOCK], in[BLOCK];
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    WOLFSSL_CTX *ctx = client_of(method);
    tls_pair_init(&pair, context, ctx);
    assert_int_equal(tls_pair_handshake(&pair), TLS_OK);
    uint64_t down_sent = 0, down_got = 0, up_sent = 0, up_got = 0, waits = 0;
    int client_pending = 0; /* wolfSSL wants the same arguments again */
    while (down_got < TOTAL || up_got < TOTAL) {
        pair.to_client.room = 1 + random_below(60000);
        pair.to_client.piece = 1 + random_below(20000);
        pair.to_server.room = 30000 + random_below(60000);
        pair.to_server.piece = 1 + random_below(20000);

        size_t want = 1 + random_below(BLOCK), taken, len;
        if (want > TOTAL - down_sent)
            want = TOTAL - down_sent;
        for (size_t i = 0; i < want; i++)
            out[i] = byte_at(down_sent + i);
        enum tls_result result = tls_write(pair.server, out, want, &taken);
        assert_true(result == TLS_OK ? taken == want : result == TLS_WANT && taken <= want);
        waits += result == TLS_WANT;
        down_sent += taken;

        if (has_key_updates && !client_pending && random_below(50) == 0)
            wolfSSL_update_keys(pair.client);
        int n = wolfSSL_read(pair.client, in, (int)(1 + random_below(BLOCK)));
        for (int i = 0; i < n; i++)
            if (in[i] != byte_at(down_got + (uint64_t)i))
                fail_msg("down, byte %llu", (unsigned long long)down_got + (unsigned long long)i);
        down_got += n > 0 ? (uint64_t)n : 0;

        n = client_pending ? client_pending : 1 + (int)random_below(40000);
        if ((uint64_t)n > TOTAL - up_sent)
            n = (int)(TOTAL - up_sent);
        if (n > 0) {
            for (int i = 0; i < n; i++)
                out[i] = byte_at(up_sent + (uint64_t)i);
            int wrote = wolfSSL_write(pair.client, out, n);
            client_pending = wrote > 0 ? 0 : n;
            up_sent += wrote > 0 ? (uint64_t)wrote : 0;
        }
        result = tls_read(pair.server, in, 1 + random_below(BLOCK), &len);
        assert_true(result == TLS_OK ? len > 0 : result == TLS_WANT && len == 0);
        for (size_t i = 0; i < len; i++)
            if (in[i] != byte_at(up_got + i))
                fail_msg("up, byte %llu", (unsigned long long)(up_got + i));
        up_got += len;
    }
    assert_true(waits > 100);
    assert_int_equal(down_got, TOTAL);
    assert_int_equal(up_got, TOTAL);
    tls_pair_fini(&pair);
    wolfSSL_CTX_free(ctx);
    tls_context_destroy(context);
}

static void bulk_by_tls13(void **state)
{
    bulk_both_ways_through_narrow_pipes(wolfTLSv1_3_client_method(), false);
}

static void bulk_by_tls12(void **state)
{
    bulk_both_ways_through_narrow_pipes(wolfTLSv1_2_client_method(), false);
}

/* The client only writes KeyUpdates here: its own partial sends are what wolfSSL gets wrong, so
 * its pipe is wide. */
static void key_updates_between_held_records_lose_nothing(void **state)
{
    enum { TOTAL = 4 << 20 };
    static uint8_t out[TLS_RECORD_BYTES], in[TLS_RECORD_BYTES];
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    WOLFSSL_CTX *ctx = client_of(wolfTLSv1_3_client_method());
    tls_pair_init(&pair, context, ctx);
    assert_int_equal(tls_pair_handshake(&pair), TLS_OK);
    uint64_t sent = 0, got = 0, updates = 0;
    while (got < TOTAL) {
        pair.to_client.room = 1 + random_below(20000);
        size_t want = TOTAL - sent < sizeof(out) ? TOTAL - sent : sizeof(out), taken, len;
        for (size_t i = 0; i < want; i++)
            out[i] = byte_at(sent + i);
        if (want > 0)
            assert_true(tls_write(pair.server, out, want, &taken) != TLS_FAILED);
        sent += want > 0 ? taken : 0;
        int required = 1;
        if (random_below(3) == 0 && wolfSSL_key_update_response(pair.client, &required) == 0 &&
            !required) {
            assert_int_equal(wolfSSL_update_keys(pair.client), WOLFSSL_SUCCESS);
            updates++;
        }
        assert_int_equal(tls_read(pair.server, in, sizeof(in), &len), TLS_WANT);
        int n = wolfSSL_read(pair.client, in, sizeof(in));
        for (int i = 0; i < n; i++)
            if (in[i] != byte_at(got + (uint64_t)i))
                fail_msg("byte %llu", (unsigned long long)got + (unsigned long long)i);
        got += n > 0 ? (uint64_t)n : 0;
    }
    assert_true(updates > 20);
    assert_echo(&pair);
    tls_pair_fini(&pair);
    wolfSSL_CTX_free(ctx);
    tls_context_destroy(context);
}

/* A connected pair of the version. */
static void open_pair(struct tls_context **context, WOLFSSL_CTX **ctx, int version)
{
    *context = tls_pair_context(certs, "ec", &keys);
    *ctx = client_of(version == 2 ? wolfTLSv1_2_client_method() : wolfTLSv1_3_client_method());
    tls_pair_init(&pair, *context, *ctx);
    assert_int_equal(tls_pair_handshake(&pair), TLS_OK);
}

static void close_pair(struct tls_context *context, WOLFSSL_CTX *ctx)
{
    tls_pair_fini(&pair);
    wolfSSL_CTX_free(ctx);
    tls_context_destroy(context);
}

static void the_end_is_told_after_the_data(void **state)
{
    struct tls_context *context;
    WOLFSSL_CTX *ctx;
    char buf[100];
    size_t len;
    for (int version = 2; version <= 3; version++) {
        for (int is_clean = 0; is_clean <= 1; is_clean++) {
            open_pair(&context, &ctx, version);
            assert_int_equal(wolfSSL_write(pair.client, "last", 4), 4);
            if (is_clean)
                wolfSSL_shutdown(pair.client);
            pair.to_server.is_closed = true;
            assert_int_equal(tls_read(pair.server, buf, sizeof(buf), &len), TLS_OK);
            assert_int_equal(len, 4);
            for (int again = 0; again < 2; again++)
                assert_int_equal(tls_read(pair.server, buf, sizeof(buf), &len),
                                 is_clean ? TLS_CLOSED : TLS_FAILED);
            assert_int_equal(len, 0);
            if (!is_clean)
                assert_string_equal(tls_error(pair.server), "the peer left without close_notify");
            close_pair(context, ctx);
        }
    }
}

static void an_answer_may_follow_the_peers_close_notify(void **state)
{
    struct tls_context *context;
    WOLFSSL_CTX *ctx;
    char buf[100];
    size_t len;
    open_pair(&context, &ctx, 3);
    wolfSSL_shutdown(pair.client);
    assert_int_equal(tls_read(pair.server, buf, sizeof(buf), &len), TLS_CLOSED);
    assert_int_equal(tls_write(pair.server, "late", 4, &len), TLS_OK);
    assert_int_equal(tls_finish(pair.server), TLS_OK);
    close_pair(context, ctx);
}

static void our_close_notify_arrives_once(void **state)
{
    struct tls_context *context;
    WOLFSSL_CTX *ctx;
    char buf[100];
    for (int version = 2; version <= 3; version++) {
        open_pair(&context, &ctx, version);
        pair.to_client.room = pair.to_client.to - pair.to_client.from + 3;
        assert_int_equal(tls_finish(pair.server), TLS_WANT);
        assert_true(tls_is_holding(pair.server));
        pair.to_client.room = SIZE_MAX;
        assert_int_equal(tls_finish(pair.server), TLS_OK);
        uint64_t total = pair.to_client.total;
        assert_int_equal(tls_finish(pair.server), TLS_OK);
        assert_int_equal(pair.to_client.total, total);
        int n = wolfSSL_read(pair.client, buf, sizeof(buf));
        assert_int_equal(wolfSSL_get_error(pair.client, n), WOLFSSL_ERROR_ZERO_RETURN);
        close_pair(context, ctx);
    }
}

static void a_changed_byte_is_refused(void **state)
{
    struct tls_context *context;
    WOLFSSL_CTX *ctx;
    char buf[100];
    size_t len;
    for (int version = 2; version <= 3; version++) {
        open_pair(&context, &ctx, version);
        assert_int_equal(wolfSSL_write(pair.client, "data", 4), 4);
        pair.to_server.bytes[pair.to_server.to - 1] ^= 1;
        assert_int_equal(tls_read(pair.server, buf, sizeof(buf), &len), TLS_FAILED);
        assert_int_equal(len, 0);
        assert_int_equal(tls_write(pair.server, "x", 1, &len), TLS_FAILED);
        assert_true(strlen(tls_error(pair.server)) > 0);
        close_pair(context, ctx);
    }
}

static void bytes_that_are_no_tls_are_refused(void **state)
{
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    tls_pair_init(&pair, context, NULL);
    static const char http[] = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
    pipe_write(&pair.to_server, http, sizeof(http) - 1);
    assert_int_equal(tls_handshake(pair.server), TLS_FAILED);
    assert_true(strlen(tls_error(pair.server)) > 0);
    tls_pair_fini(&pair);

    tls_pair_init(&pair, context, NULL);
    assert_int_equal(tls_handshake(pair.server), TLS_WANT);
    pair.to_server.is_closed = true;
    assert_int_equal(tls_handshake(pair.server), TLS_FAILED);
    tls_pair_fini(&pair);
    tls_context_destroy(context);
}

static void a_certificate_is_described(void **state)
{
    char names[4][256];
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    assert_int_equal(tls_context_names(context, names, 4), 2);
    bool is_in_order = strcmp(names[0], "ec.test") == 0;
    assert_string_equal(names[!is_in_order], "ec.test");
    assert_string_equal(names[is_in_order], "*.ec.test");
    assert_int_equal(tls_context_names(context, names, 1), 1);
    assert_int_equal(tls_context_expires(context), 2524607999);
    tls_context_destroy(context);
}

static void a_bad_certificate_is_told_in_a_sentence(void **state)
{
    static const struct {
        const char *chain, *key, *sentence;
    } rows[] = {
        {"none.pem", "ec.key", "none.pem: cannot be read"},
        {"ec.key", "ec.key", "the certificate chain cannot be used"},
        {"ec.pem", "none.key", "none.key: cannot be read"},
        {"ec.pem", "other.key", "the private key is not the certificate's"},
        {"rsa.pem", "ec.key", "the private key is not the certificate's"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char chain[512], key[512], error[256] = "";
        snprintf(chain, sizeof(chain), "%s/%s", certs, rows[i].chain);
        snprintf(key, sizeof(key), "%s/%s", certs, rows[i].key);
        if (tls_context_create(chain, key, &keys, error, sizeof(error)) ||
            !strstr(error, rows[i].sentence))
            fail_msg("%s with %s: %s", rows[i].chain, rows[i].key, error);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_versions_work_with_both_kinds_of_key),
        cmocka_unit_test(every_group_works_with_every_certificate_and_version),
        cmocka_unit_test(a_share_at_hand_is_taken),
#if !defined(__SANITIZE_ADDRESS__)
        cmocka_unit_test(an_idle_session_takes_what_the_limits_say),
#endif
        cmocka_unit_test(weak_clients_are_refused),
        cmocka_unit_test(every_suite_of_ours_works),
        cmocka_unit_test(alpn_is_http1_or_an_alert),
        cmocka_unit_test(tickets_resume_across_contexts_and_two_rotations),
        cmocka_unit_test(a_chain_of_resumptions_does_not_end),
        cmocka_unit_test(any_fragmentation_of_the_stream_works),
        cmocka_unit_test(bulk_by_tls13),
        cmocka_unit_test(bulk_by_tls12),
        cmocka_unit_test(key_updates_between_held_records_lose_nothing),
        cmocka_unit_test(the_end_is_told_after_the_data),
        cmocka_unit_test(an_answer_may_follow_the_peers_close_notify),
        cmocka_unit_test(our_close_notify_arrives_once),
        cmocka_unit_test(a_changed_byte_is_refused),
        cmocka_unit_test(bytes_that_are_no_tls_are_refused),
        cmocka_unit_test(a_certificate_is_described),
        cmocka_unit_test(a_bad_certificate_is_told_in_a_sentence),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: test_tls DIRECTORY-OF-CERTIFICATES\n");
        return 2;
    }
    certs = argv[1];
    if (tls_start() != 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tls_stop();
    return failed;
}
