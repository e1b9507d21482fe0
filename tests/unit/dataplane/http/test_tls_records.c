/* What a client says under its keys, in records as no library writes them: messages cut anywhere,
 * things between their parts, and floods. */
#include "tls_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cutting_client.h"
#include "dataplane/tls/tls_ticket.h"

/* Directory of make_certs.sh: argv[1]. */
static const char *certs;
static struct tls_pair pair;
static struct tls_context *context;

static const struct tls_tickets keys = {.slot = {{{1}, {2}}}};

/* Where a handshake message is cut: one part of that size, then parts of that size. */
struct cut {
    size_t first, rest;
};

static void cut_message(struct client *c, uint8_t type, const uint8_t *content, size_t len,
                        void *arg)
{
    const struct cut *cut = arg;
    for (size_t done = 0; done < len;) {
        size_t part = type != TLS_RECORD_HANDSHAKE ? len : done == 0 ? cut->first : cut->rest;
        part = part < len - done ? part : len - done;
        client_seal(c, type, content + done, part);
        done += part;
    }
    if (type == TLS_RECORD_HANDSHAKE && content[0] == 24)
        client_next_keys(c);
}

/* Steps of both sides until nothing more happens; the server's last word. */
static enum tls_result shake(struct client *c)
{
    enum tls_result result = TLS_WANT;
    for (int i = 0; i < 6 && result == TLS_WANT; i++) {
        client_step(c);
        result = tls_handshake(pair.server);
    }
    client_step(c);
    return result;
}

static void echo(struct client *c, const char *what, const struct cut *cut)
{
    char buf[64];
    size_t len;
    client_write(c, "ping", 4);
    enum tls_result result = tls_read(pair.server, buf, sizeof(buf), &len);
    if (result != TLS_OK || len != 4 || tls_write(pair.server, "pong", 4, &len) != TLS_OK ||
        client_step(c) != 4)
        fail_msg("%s, %zu, then %zu: %d %s", what, cut->first, cut->rest, result,
                 tls_error(pair.server));
}

static struct client *begin(int version, client_cut cut, void *arg)
{
    tls_pair_init(&pair, context, NULL);
    return client_create(version, &pair.to_server, &pair.to_client, cut, arg);
}

static void end(struct client *c)
{
    client_destroy(c);
    tls_pair_fini(&pair);
}

static void a_finished_works_however_it_is_cut(void **state)
{
    enum { FINISHED_12 = 4 + 12, FINISHED_13 = 4 + 32 };
#ifndef HEARTH_SEALED_PARTS
    skip();
#endif
    for (int version = 2; version <= 3; version++) {
        size_t len = version == 2 ? FINISHED_12 : FINISHED_13;
        for (size_t i = 1; i <= 2 * len; i++) {
            struct cut cut = {i <= len ? i : i - len, i <= len ? len : i - len};
            struct client *c = begin(version, cut_message, &cut);
            if (shake(c) != TLS_OK || !client_is_open(c))
                fail_msg("TLS 1.%d, %zu, then %zu: %s", version, cut.first, cut.rest,
                         tls_error(pair.server));
            echo(c, "Finished", &cut);
            end(c);
        }
    }
}

static void a_key_update_works_however_it_is_cut(void **state)
{
#ifndef HEARTH_SEALED_PARTS
    skip();
#endif
    static const struct cut cuts[] = {{5, 5}, {1, 4}, {2, 3}, {3, 2}, {4, 1}, {1, 1}, {2, 1}};
    struct cut cut = {64, 64};
    struct client *c = begin(3, cut_message, &cut);
    assert_int_equal(shake(c), TLS_OK);
    for (size_t i = 0; i < 3 * sizeof(cuts) / sizeof(cuts[0]); i++) {
        cut = cuts[i % (sizeof(cuts) / sizeof(cuts[0]))];
        client_update_keys(c);
        echo(c, "KeyUpdate", &cut);
    }
    end(c);
}

/* Part by part, each with its own turn of the server. */
static void parts_may_come_one_by_one(void **state)
{
#ifndef HEARTH_SEALED_PARTS
    skip();
#endif
    static const uint8_t update[] = {24, 0, 0, 1, 0};
    char buf[64];
    size_t len;
    struct cut cut = {1, 1};
    struct client *c = begin(3, cut_message, &cut);
    assert_int_equal(shake(c), TLS_OK);
    for (size_t i = 0; i < sizeof(update); i++) {
        client_seal(c, TLS_RECORD_HANDSHAKE, update + i, 1);
        assert_int_equal(tls_read(pair.server, buf, sizeof(buf), &len), TLS_WANT);
        assert_int_equal(tls_write(pair.server, "x", 1, &len), TLS_OK);
        assert_int_equal(client_step(c), 1);
    }
    client_next_keys(c);
    client_seal(c, TLS_RECORD_APPLICATION_DATA, (const uint8_t *)"ping", 4);
    assert_int_equal(tls_read(pair.server, buf, sizeof(buf), &len), TLS_OK);
    assert_int_equal(len, 4);
    end(c);
}

struct said {
    uint8_t type;
    const char *content;
    size_t len;
};
#define SAID(type, content)                                                                        \
    {                                                                                              \
        type, content, sizeof(content) - 1                                                         \
    }

/* Reads until the server ends it. */
static enum tls_result read_all(void)
{
    char buf[64];
    size_t len;
    enum tls_result result;
    while ((result = tls_read(pair.server, buf, sizeof(buf), &len)) == TLS_OK)
        ;
    return result;
}

static void what_may_not_be_is_refused_with_an_alert(void **state)
{
#ifndef HEARTH_SEALED_PARTS
    skip();
#endif
    static const struct {
        const char *what;
        int version, alert;
        struct said said[3];
    } rows[] = {
        {"data in a KeyUpdate",
         3,
         10,
         {SAID(TLS_RECORD_HANDSHAKE, "\x18"), SAID(TLS_RECORD_APPLICATION_DATA, "x")}},
        {"no data in a KeyUpdate",
         3,
         10,
         {SAID(TLS_RECORD_HANDSHAKE, "\x18\0\0\1"), SAID(TLS_RECORD_APPLICATION_DATA, "")}},
        {"an empty part",
         3,
         10,
         {SAID(TLS_RECORD_HANDSHAKE, "\x18"), SAID(TLS_RECORD_HANDSHAKE, "")}},
        {"an empty record", 3, 10, {SAID(TLS_RECORD_HANDSHAKE, "")}},
        {"two KeyUpdates in a record",
         3,
         10,
         {SAID(TLS_RECORD_HANDSHAKE, "\x18\0\0\1\0\x18\0\0\1\0")}},
        {"a byte behind a KeyUpdate", 3, 10, {SAID(TLS_RECORD_HANDSHAKE, "\x18\0\0\1\0\x18")}},
        {"a byte behind its last part",
         3,
         10,
         {SAID(TLS_RECORD_HANDSHAKE, "\x18\0"), SAID(TLS_RECORD_HANDSHAKE, "\0\1\0\x18")}},
        {"a long KeyUpdate in parts",
         3,
         50,
         {SAID(TLS_RECORD_HANDSHAKE, "\x18"), SAID(TLS_RECORD_HANDSHAKE, "\1\0\0")}},
        {"a ClientHello in parts",
         3,
         10,
         {SAID(TLS_RECORD_HANDSHAKE, "\1"), SAID(TLS_RECORD_HANDSHAKE, "\0\2\0")}},
        {"a KeyUpdate of another kind",
         3,
         47,
         {SAID(TLS_RECORD_HANDSHAKE, "\x18\0"), SAID(TLS_RECORD_HANDSHAKE, "\0\1\2")}},
        {"a ClientHello in parts, TLS 1.2",
         2,
         10,
         {SAID(TLS_RECORD_HANDSHAKE, "\1\0"), SAID(TLS_RECORD_HANDSHAKE, "\2\0")}},
        {"data in a message, TLS 1.2",
         2,
         10,
         {SAID(TLS_RECORD_HANDSHAKE, "\1"), SAID(TLS_RECORD_APPLICATION_DATA, "x")}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client *c = begin(rows[i].version, NULL, NULL);
        assert_int_equal(shake(c), TLS_OK);
        for (size_t j = 0; j < 3 && rows[i].said[j].content; j++)
            client_seal(c, rows[i].said[j].type, (const uint8_t *)rows[i].said[j].content,
                        rows[i].said[j].len);
        enum tls_result result = read_all();
        client_step(c);
        if (result != TLS_FAILED || client_alert(c) != rows[i].alert)
            fail_msg("%s: %d, alert %d, %s", rows[i].what, result, client_alert(c),
                     tls_error(pair.server));
        end(c);
    }
}

/* Records that bring no data, without end: the session has one, and the client is told. */
static void a_flood_ends_the_session(void **state)
{
#ifndef HEARTH_SILENT_ERRORS
    skip();
#endif
    static const struct {
        const char *what;
        int version, alert;
        bool is_flood; /* many are borne */
        struct said said[2];
    } rows[] = {
        {"empty data", 3, 10, true, {SAID(TLS_RECORD_APPLICATION_DATA, "")}},
        {"empty data, TLS 1.2", 2, 20, true, {SAID(TLS_RECORD_APPLICATION_DATA, "")}},
        {"user_canceled", 3, 10, true, {SAID(TLS_RECORD_ALERT, "\1\x5a")}},
        {"user_canceled, TLS 1.2", 2, 10, true, {SAID(TLS_RECORD_ALERT, "\1\x5a")}},
        {"no_renegotiation, TLS 1.2", 2, 10, true, {SAID(TLS_RECORD_ALERT, "\1\x64")}},
        {"a warning without a name, TLS 1.2", 2, 10, true, {SAID(TLS_RECORD_ALERT, "\1\xff")}},
        {"warnings and empty data",
         3,
         10,
         true,
         {SAID(TLS_RECORD_ALERT, "\1\x5a"), SAID(TLS_RECORD_APPLICATION_DATA, "")}},
        {"warnings and empty data, TLS 1.2",
         2,
         10,
         true,
         {SAID(TLS_RECORD_ALERT, "\1\x5a"), SAID(TLS_RECORD_APPLICATION_DATA, "")}},
        {"HelloRequest, TLS 1.2", 2, 10, false, {SAID(TLS_RECORD_HANDSHAKE, "\0\0\0\0")}},
        {"HelloRequest", 3, 10, false, {SAID(TLS_RECORD_HANDSHAKE, "\0\0\0\0")}},
        {"a ClientHello, TLS 1.2", 2, 10, false, {SAID(TLS_RECORD_HANDSHAKE, "\1\0\0\0")}},
        {"a ClientHello", 3, 10, false, {SAID(TLS_RECORD_HANDSHAKE, "\1\0\0\0")}},
        {"change_cipher_spec, TLS 1.2", 2, 10, false, {SAID(TLS_RECORD_CHANGE_CIPHER_SPEC, "\1")}},
        {"change_cipher_spec", 3, 10, false, {SAID(TLS_RECORD_CHANGE_CIPHER_SPEC, "\1")}},
        {"a record of no kind, TLS 1.2", 2, 10, false, {SAID(99, "x")}},
        {"a record of no kind", 3, 10, false, {SAID(99, "x")}},
        {"a record of kind 0", 3, 10, false, {SAID(0, "")}},
        {"an alert of one byte, TLS 1.2", 2, 10, false, {SAID(TLS_RECORD_ALERT, "\1")}},
        {"an alert of one byte", 3, 10, false, {SAID(TLS_RECORD_ALERT, "\1")}},
        {"an empty alert", 3, 10, false, {SAID(TLS_RECORD_ALERT, "")}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client *c = begin(rows[i].version, NULL, NULL);
        assert_int_equal(shake(c), TLS_OK);
        enum tls_result result = TLS_WANT;
        int count = 0, kinds = rows[i].said[1].content ? 2 : 1;
        for (; result == TLS_WANT && count <= 2 * TLS_IDLE_RECORDS_MAX; count++) {
            const struct said *said = &rows[i].said[count % kinds];
            client_seal(c, said->type, (const uint8_t *)said->content, said->len);
            result = read_all();
        }
        client_step(c);
        bool is_bounded = count <= (rows[i].is_flood ? TLS_IDLE_RECORDS_MAX + 1 : 1);
        if (result != TLS_FAILED || client_alert(c) != rows[i].alert || !is_bounded ||
            tls_is_flooded(pair.server) != rows[i].is_flood)
            fail_msg("%s: %d records, result %d, alert %d, %s", rows[i].what, count, result,
                     client_alert(c), tls_error(pair.server));
        end(c);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finished_works_however_it_is_cut),
        cmocka_unit_test(a_key_update_works_however_it_is_cut),
        cmocka_unit_test(parts_may_come_one_by_one),
        cmocka_unit_test(what_may_not_be_is_refused_with_an_alert),
        cmocka_unit_test(a_flood_ends_the_session),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: test_tls_records DIRECTORY-OF-CERTIFICATES\n");
        return 2;
    }
    certs = argv[1];
    if (tls_start() != 0)
        return 1;
    context = tls_pair_context(certs, "ec", &keys);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tls_context_destroy(context);
    tls_stop();
    return failed;
}
