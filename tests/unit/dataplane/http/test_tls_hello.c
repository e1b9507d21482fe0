/* The guard and the library together: what clients say first, however it is cut, and what an open
 * session is flooded with. */
#include "tls_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client_hellos.h"
#include "dataplane/tls/key_share.h"
#include "dataplane/tls/tls_ticket.h"
#include "hello.h"

/* Directory of make_certs.sh, of fuzz_tls's corpus: argv[1], argv[2]. */
static const char *certs, *corpus;
static struct tls_pair pair;

static const struct tls_tickets keys = {.slot = {{{1}, {2}}}};

static WOLFSSL_CTX *client_of(int version)
{
    WOLFSSL_CTX *ctx =
        wolfSSL_CTX_new(version == 2 ? wolfTLSv1_2_client_method() : wolfTLSv1_3_client_method());
    wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL);
    return ctx;
}

static void the_hellos_of_clients_are_answered(void **state)
{
    static uint8_t hello[1 << 14];
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    for (size_t i = 0; i < CLIENT_HELLOS; i++) {
        size_t len = client_hello_load(corpus, client_hellos[i], hello, sizeof(hello));
        tls_pair_init(&pair, context, NULL);
        pipe_write(&pair.to_server, hello, len);
        enum tls_result result = tls_handshake(pair.server);
        if (result != TLS_WANT || pair.to_client.to < 6 || pair.to_client.bytes[0] != 22 ||
            pair.to_client.bytes[5] != 2)
            fail_msg("%s: %d, %s", client_hellos[i], result, tls_error(pair.server));
        tls_pair_fini(&pair);
    }
    tls_context_destroy(context);
}

/* Cuts what waits in the pipe as plaintext of the handshake into records of that size; the first
 * cut comes after `first` bytes. */
static void recut(struct pipe *p, size_t first, size_t size)
{
    static uint8_t out[PIPE_BYTES_MAX];
    size_t len = 0, at = p->from;
    while (p->to - at >= 5 && p->bytes[at] == 22) {
        size_t content = (size_t)p->bytes[at + 3] << 8 | p->bytes[at + 4];
        for (size_t done = 0; done < content;) {
            size_t part = done == 0 ? first : size;
            part = part < content - done ? part : content - done;
            memcpy(out + len, p->bytes + at, 3);
            out[len + 3] = (uint8_t)(part >> 8);
            out[len + 4] = (uint8_t)part;
            memcpy(out + len + 5, p->bytes + at + 5 + done, part);
            len += 5 + part;
            done += part;
        }
        at += 5 + content;
    }
    memcpy(out + len, p->bytes + at, p->to - at);
    len += p->to - at;
    memcpy(p->bytes, out, len);
    p->from = 0;
    p->to = len;
}

static void handshake_cut(struct tls_context *context, WOLFSSL_CTX *ctx, size_t first, size_t size)
{
    tls_pair_init(&pair, context, ctx);
    for (int i = 0; i < 6; i++) {
        if (!pair.is_client_done)
            pair.is_client_done = wolfSSL_connect(pair.client) == WOLFSSL_SUCCESS;
        if (!(pair.guard.phase == GUARD_FLIGHT13)) /* sealed records cannot be cut */
            recut(&pair.to_server, first, size);
        if (tls_handshake(pair.server) == TLS_OK && pair.is_client_done)
            break;
    }
    if (!pair.is_client_done || tls_handshake(pair.server) != TLS_OK)
        fail_msg("%zu, then %zu: %s", first, size, tls_error(pair.server));
    tls_pair_fini(&pair);
}

static void a_handshake_works_however_its_plaintext_is_cut(void **state)
{
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    for (int version = 2; version <= 3; version++) {
        WOLFSSL_CTX *ctx = client_of(version);
        for (size_t first = 1; first < 80; first++)
            handshake_cut(context, ctx, first, 1 << 14);
        for (size_t size = 1; size < 12; size++)
            handshake_cut(context, ctx, size, size);
        wolfSSL_CTX_free(ctx);
    }
    tls_context_destroy(context);
}

/* The last record that the client was sent is an alert, in clear or sealed. */
static bool is_told(void)
{
    enum { SEALED_ALERT_13 = 2 + 1 + 16, SEALED_ALERT_12 = 8 + 2 + 16 };
    const struct pipe *p = &pair.to_client;
    size_t at = 0, last = 0;
    while (at < p->to) {
        last = at;
        at += 5 + ((size_t)p->bytes[at + 3] << 8 | p->bytes[at + 4]);
    }
    size_t content = at - last - 5;
    return at == p->to && at > 0 &&
           ((p->bytes[last] == 21 && (content == 2 || content == SEALED_ALERT_12)) ||
            (p->bytes[last] == 23 && content == SEALED_ALERT_13));
}

/* The first record that the client is sent begins with that. */
static bool is_answered(uint8_t record_type, uint8_t first)
{
    const struct pipe *p = &pair.to_client;
    return p->to > 6 && p->bytes[0] == record_type && p->bytes[5] == first;
}

enum { HYBRID_SHARE = 1184 + 32 };

/* With X25519's share alone, or behind a key of ML-KEM all of whose coefficients are 0. */
static bool is_taken13(struct tls_context *context, const uint8_t share[32], bool is_hybrid)
{
    static struct hello hello;
    uint8_t list[6 + HYBRID_SHARE] = {0, 4 + 32, 0, 0x1d, 0, 32}, record[1 << 12];
    size_t len = is_hybrid ? HYBRID_SHARE : 32;
    if (is_hybrid)
        memcpy(list, (uint8_t[]){0x04, 0xc4, 0x11, 0xec, 0x04, 0xc0}, 6);
    memcpy(list + 6 + len - 32, share, 32);
    hello_start(&hello);
    hello_tls13(&hello);
    hello_extension(&hello, 51, list, 6 + len);
    hello_end(&hello);
    tls_pair_init(&pair, context, NULL);
    pipe_write(&pair.to_server, record, hello_record(record, hello.bytes, hello.len));
    bool is_taken = tls_handshake(pair.server) == TLS_WANT && is_answered(22, 2);
    tls_pair_fini(&pair);
    return is_taken;
}

/* What the guard calls sound is what the library takes: a share in any of its encodings (RFC 7748
 * 5), the top bit set or a number from the prime on. */
static void every_sound_share_of_x25519_is_taken(void **state)
{
    static const uint8_t first[] = {0, 1, 2, 9, 0xeb, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xfe, 0xff};
    static const uint8_t last[] = {0, 1, 0x7f, 0x80, 0x81, 0xff};
#ifndef HEARTH_X25519_TOP_BIT
    skip();
#endif
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    for (size_t i = 0; i < sizeof(first); i++) {
        for (size_t j = 0; j < 2 * sizeof(last); j++) {
            uint8_t share[32];
            memset(share, j % 2 ? 0xff : 0, sizeof(share));
            share[0] = first[i];
            share[31] = last[j / 2];
            bool is_sound = key_share_is_sound(0x1d, share, 32);
            if (is_taken13(context, share, false) != is_sound ||
                (key_share_is_spoken(0x11ec) && is_taken13(context, share, true) != is_sound))
                fail_msg("%02x, %02x, %02x: sound %d", first[i], share[1], share[31], is_sound);
        }
    }
    tls_context_destroy(context);
}

/* Changes the byte of what the client says, counted over its flights. False: it says less. */
static bool handshake_with_changed_byte(struct tls_context *context, WOLFSSL_CTX *ctx, size_t byte)
{
    bool is_changed = false;
    enum tls_result result = TLS_WANT;
    size_t said = 0;
    tls_pair_init(&pair, context, ctx);
    for (int i = 0; i < 4 && result == TLS_WANT; i++) {
        wolfSSL_connect(pair.client);
        size_t flight = pair.to_server.to - pair.to_server.from;
        if (!is_changed && byte < said + flight) {
            pair.to_server.bytes[pair.to_server.from + byte - said] ^= 0x11;
            is_changed = true;
        }
        said += flight;
        pair.to_client.from = pair.to_client.to = 0; /* the client has read it */
        result = tls_handshake(pair.server);
    }
    if (result == TLS_FAILED && !strstr(tls_error(pair.server), "the peer sent alert") &&
        !is_told())
        fail_msg("byte %zu: %s", byte, tls_error(pair.server));
    tls_pair_fini(&pair);
    return is_changed;
}

static void a_byte_changed_anywhere_ends_with_an_alert(void **state)
{
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    for (int version = 2; version <= 3; version++) {
        WOLFSSL_CTX *ctx = client_of(version);
        size_t byte = 0;
        while (handshake_with_changed_byte(context, ctx, byte))
            byte++;
        assert_true(byte > 150);
        wolfSSL_CTX_free(ctx);
    }
    tls_context_destroy(context);
}

/* One KeyUpdate and our answer. */
static enum tls_result update_keys(void)
{
    char buf[64];
    size_t len;
    assert_int_equal(wolfSSL_update_keys(pair.client), WOLFSSL_SUCCESS);
    enum tls_result result = tls_read(pair.server, buf, sizeof(buf), &len);
    wolfSSL_read(pair.client, buf, sizeof(buf));
    return result;
}

static void key_updates_without_data_are_ended(void **state)
{
    char buf[64];
    size_t len;
    WOLFSSL_ALERT_HISTORY alerts;
    struct tls_context *context = tls_pair_context(certs, "ec", &keys);
    WOLFSSL_CTX *ctx = client_of(3);
    tls_pair_init(&pair, context, ctx);
    assert_int_equal(tls_pair_handshake(&pair), TLS_OK);
    for (int round = 0; round < 3; round++) {
        for (int i = 1; i < TLS_IDLE_RECORDS_MAX; i++)
            assert_int_equal(update_keys(), TLS_WANT);
        if (round == 0) { /* data either way begins the count anew */
            assert_int_equal(wolfSSL_write(pair.client, "ping", 4), 4);
            assert_int_equal(tls_read(pair.server, buf, sizeof(buf), &len), TLS_OK);
        } else if (round == 1) {
            assert_int_equal(tls_write(pair.server, "pong", 4, &len), TLS_OK);
            assert_int_equal(wolfSSL_read(pair.client, buf, sizeof(buf)), 4);
        }
    }
    assert_int_equal(update_keys(), TLS_WANT);
    assert_int_equal(update_keys(), TLS_FAILED);
    wolfSSL_get_alert_history(pair.client, &alerts);
    assert_int_equal(alerts.last_rx.code, TLS_ALERT_UNEXPECTED_MESSAGE);
    assert_int_equal(tls_read(pair.server, buf, sizeof(buf), &len), TLS_FAILED);
    tls_pair_fini(&pair);
    wolfSSL_CTX_free(ctx);
    tls_context_destroy(context);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hellos_of_clients_are_answered),
        cmocka_unit_test(a_handshake_works_however_its_plaintext_is_cut),
        cmocka_unit_test(every_sound_share_of_x25519_is_taken),
        cmocka_unit_test(a_byte_changed_anywhere_ends_with_an_alert),
        cmocka_unit_test(key_updates_without_data_are_ended),
    };
    if (argc != 3) {
        fprintf(stderr, "usage: test_tls_hello DIRECTORY-OF-CERTIFICATES DIRECTORY-OF-HELLOS\n");
        return 2;
    }
    certs = argv[1];
    corpus = argv[2];
    if (tls_start() != 0)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tls_stop();
    return failed;
}
