#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client_hellos.h"
#include "dataplane/tls/guard.h"
#include "hello.h"

static const char shop[] = "shop.example.com";
/* Of fuzz_tls: argv[1]. */
static const char *corpus;

/* A stream whose bytes arrive up to `there`, seen in views of at most `piece`. */
struct stream {
    const uint8_t *bytes;
    size_t from, there, piece;
    bool is_finished;
};

static const uint8_t *stream_peek(void *arg, size_t offset, size_t *len)
{
    struct stream *s = arg;
    size_t have = s->there - s->from;
    *len = offset < have ? have - offset : 0;
    *len = *len < s->piece ? *len : s->piece;
    return s->bytes + s->from + offset;
}

static void stream_consume(void *arg, size_t len)
{
    struct stream *s = arg;
    assert_true(len <= s->there - s->from);
    s->from += len;
}

static bool stream_is_finished(void *arg)
{
    return ((struct stream *)arg)->is_finished;
}

static const struct tls_io io = {
    .peek = stream_peek, .consume = stream_consume, .is_finished = stream_is_finished};

static struct guard guard;
static struct stream stream;
static struct hello h;
static uint8_t wire[1 << 20], out[1 << 18];

static enum guard_result look(void)
{
    return guard_look(&guard, &io, &stream);
}

static void restart(size_t len, size_t piece)
{
    guard_init(&guard);
    stream = (struct stream){.bytes = wire, .there = len, .piece = piece};
}

/* Everything that the guard lets through now, in steps of that size. */
static size_t drain(size_t step)
{
    size_t done = 0;
    while (look() == GUARD_OK) {
        size_t n = guard_read(&guard, &io, &stream, out + done, step);
        assert_true(n > 0 && n <= step);
        done += n;
        if (guard.phase == GUARD_ANSWER)
            break;
    }
    return done;
}

/* The message of h in records of that size; wire bytes. */
static size_t records(uint8_t *to, size_t size)
{
    size_t len = 0;
    for (size_t at = 0; at < h.len; at += size)
        len += hello_record(to + len, h.bytes + at, h.len - at < size ? h.len - at : size);
    return len;
}

static void assert_hello_passes(size_t wire_bytes)
{
    assert_int_equal(look(), GUARD_OK);
    assert_int_equal(stream.from, 0);
    assert_string_equal(guard.hello.host, shop);
    size_t len = drain(100);
    assert_int_equal(stream.from, wire_bytes);
    assert_int_equal(guard.phase, GUARD_ANSWER);
    for (size_t at = 0, done = 0; done < h.len;) {
        size_t content = (size_t)out[at + 3] << 8 | out[at + 4];
        assert_int_equal(out[at], 22);
        assert_true(content == h.len - done || content == 1 << 14);
        assert_memory_equal(out + at + 5, h.bytes + done, content);
        at += 5 + content;
        done += content;
        assert_true(done < h.len || at == len);
    }
}

static void a_hello_passes_whole_however_its_bytes_come(void **state)
{
    hello_post_quantum(&h, shop);
    size_t len = records(wire, 1 << 14);
    for (size_t split = 0; split < len; split++) {
        restart(split, SIZE_MAX);
        assert_int_equal(look(), GUARD_MORE);
        assert_int_equal(stream.from, 0);
        stream.there = len;
        assert_hello_passes(len);
    }
    for (size_t piece = 1; piece < 9; piece++) {
        restart(len, piece);
        assert_hello_passes(len);
    }
}

static void a_hello_passes_whole_however_it_is_cut_into_records(void **state)
{
    hello_post_quantum(&h, shop);
    for (size_t cut = 1; cut < h.len; cut++) {
        size_t len = hello_record(wire, h.bytes, cut);
        len += hello_record(wire + len, h.bytes + cut, h.len - cut);
        restart(len, SIZE_MAX);
        assert_hello_passes(len);
    }
    for (size_t size = 1; size < 60; size++) {
        size_t len = records(wire, size);
        restart(len, 7);
        assert_hello_passes(len);
    }
}

static void assert_passes_as_it_was(const uint8_t *message, size_t len)
{
    assert_int_equal(drain(1 << 14), TLS_RECORD_HEADER_BYTES + len);
    assert_memory_equal(out + TLS_RECORD_HEADER_BYTES, message, len);
}

static void the_hellos_of_clients_pass_however_they_are_cut(void **state)
{
    static uint8_t whole[1 << 14];
    for (size_t i = 0; i < CLIENT_HELLOS; i++) {
        size_t bytes = client_hello_load(corpus, client_hellos[i], whole, sizeof(whole));
        const uint8_t *message = whole + TLS_RECORD_HEADER_BYTES;
        size_t len = bytes - TLS_RECORD_HEADER_BYTES;
        memcpy(wire, whole, bytes);
        for (size_t split = 1; split < bytes; split++) {
            restart(split, SIZE_MAX);
            assert_int_equal(look(), GUARD_MORE);
            stream.there = bytes;
            assert_passes_as_it_was(message, len);
        }
        for (size_t cut = 1; cut < len; cut++) {
            size_t cut_bytes = hello_record(wire, message, cut);
            cut_bytes += hello_record(wire + cut_bytes, message + cut, len - cut);
            restart(cut_bytes, SIZE_MAX);
            assert_passes_as_it_was(message, len);
        }
    }
}

/* What becomes of the bytes in wire, of which `first` come before the others. */
struct verdict {
    enum guard_result result;
    struct guard guard;
    size_t bytes; /* let through */
    uint8_t out[1 << 12];
};

static void judge(struct verdict *v, size_t len, size_t first)
{
    restart(first, SIZE_MAX);
    look();
    stream.there = len;
    v->result = look();
    v->bytes = drain(1000);
    v->guard = guard;
    assert_true(v->bytes <= sizeof(v->out));
    memcpy(v->out, out, v->bytes);
}

/* A hello that is there at once goes by its lengths, one whose first byte comes alone byte by byte.
 */
static void assert_both_ways_agree(const char *name, const char *how, size_t at, size_t len)
{
    static struct verdict whole, cut;
    const struct client_hello *a = &whole.guard.hello, *b = &cut.guard.hello;
    judge(&whole, len, 0);
    judge(&cut, len, 1);
    if (whole.result != cut.result || whole.guard.alert != cut.guard.alert ||
        whole.guard.phase != cut.guard.phase || whole.bytes != cut.bytes ||
        memcmp(whole.out, cut.out, whole.bytes) != 0 || a->name != b->name ||
        strcmp(a->host, b->host) != 0 || a->is_tls13 != b->is_tls13 || a->digest != b->digest)
        fail_msg("%s, %s at %zu: results %d and %d, alerts %d and %d", name, how, at, whole.result,
                 cut.result, whole.guard.alert, cut.guard.alert);
}

static void a_hello_broken_anywhere_is_judged_as_one_that_comes_slowly(void **state)
{
    static uint8_t whole[1 << 12];
    for (size_t i = 0; i < CLIENT_HELLOS; i++) {
        const char *name = client_hellos[i];
        size_t bytes = client_hello_load(corpus, name, whole, sizeof(whole));
        memcpy(wire, whole, bytes);
        for (size_t len = 1; len <= bytes; len++)
            assert_both_ways_agree(name, "cut", len, len);
        memcpy(wire + bytes, whole, 20);
        for (size_t more = 1; more < 20; more++)
            assert_both_ways_agree(name, "longer", bytes, bytes + more);
        for (size_t at = 0; at < bytes; at++) {
            static const uint8_t change[] = {1, 0xff, 0x80, 0x20};
            for (size_t k = 0; k < sizeof(change); k++) {
                wire[at] = (uint8_t)(whole[at] + change[k]);
                assert_both_ways_agree(name, "changed", at, bytes);
            }
            wire[at] = whole[at];
        }
    }
}

static void large_hello(size_t bytes)
{
    static uint8_t body[1 << 17];
    hello_start(&h);
    hello_name(&h, shop);
    hello_tls13(&h);
    hello_extension(&h, 51, "\0\0", 2);
    size_t rest = bytes - h.len - 4; /* that the padding's header takes */
    hello_extension(&h, 21, body, rest);
    hello_end(&h);
    assert_int_equal(h.len, bytes);
}

static void a_hello_of_64_kb_passes_and_no_larger_one(void **state)
{
    for (size_t size = 512; size <= 1 << 14; size *= 4) {
        large_hello(TLS_MESSAGE_HEADER_BYTES + HELLO_BYTES_MAX);
        size_t len = records(wire, size);
        restart(len, 1448);
        assert_hello_passes(len);
    }
    h.bytes[3]++;
    restart(records(wire, 1 << 14), SIZE_MAX);
    stream.there = 5 + 4; /* told by its header */
    assert_int_equal(look(), GUARD_BAD);
    assert_int_equal(guard.alert, TLS_ALERT_ILLEGAL_PARAMETER);
}

static void an_endless_hello_is_refused_at_the_limit(void **state)
{
    large_hello(TLS_MESSAGE_HEADER_BYTES + HELLO_BYTES_MAX);
    restart(records(wire, 1), SIZE_MAX);
    size_t len = stream.there;
    for (stream.there = 0; stream.there < len && look() == GUARD_MORE; stream.there++)
        assert_true(stream.there <= HELLO_WIRE_BYTES_MAX);
    assert_int_equal(look(), GUARD_BAD);
    assert_int_equal(guard.alert, TLS_ALERT_ILLEGAL_PARAMETER);
}

struct row {
    const char *what;
    enum tls_alert alert; /* 0: more is awaited */
    const char *bytes;
    size_t len;
};
#define ROW(what, alert, text)                                                                     \
    {                                                                                              \
        what, alert, text, sizeof(text) - 1                                                        \
    }

static void the_table_of_first_bytes(void **state)
{
    static const struct row rows[] = {
        ROW("nothing", 0, ""),
        ROW("application data", TLS_ALERT_UNEXPECTED_MESSAGE, "\x17"),
        ROW("an alert", TLS_ALERT_UNEXPECTED_MESSAGE, "\x15\x03\x01"),
        ROW("a change_cipher_spec", TLS_ALERT_UNEXPECTED_MESSAGE, "\x14\x03\x03\0\1\1"),
        ROW("an SSL 2 hello", TLS_ALERT_UNEXPECTED_MESSAGE, "\x80\x2e\x01"),
        ROW("HTTP", TLS_ALERT_UNEXPECTED_MESSAGE, "GET / HTTP/1.1\r\n"),
        ROW("a version of 2.x", TLS_ALERT_PROTOCOL_VERSION, "\x16\x02"),
        ROW("a version of 3.255", 0, "\x16\x03\xff\0\1"),
        ROW("an empty record", TLS_ALERT_UNEXPECTED_MESSAGE, "\x16\x03\x01\0\0"),
        ROW("an empty second record", TLS_ALERT_UNEXPECTED_MESSAGE, "\x16\3\1\0\1\1\x16\3\1\0\0"),
        ROW("a record over 2^14", TLS_ALERT_RECORD_OVERFLOW, "\x16\x03\x01\x40\x01"),
        ROW("a record of 2^14", 0, "\x16\x03\x01\x40\x00"),
        ROW("an alert between two fragments", TLS_ALERT_UNEXPECTED_MESSAGE, "\x16\3\1\0\1\1\x15"),
        ROW("a change_cipher_spec between them", TLS_ALERT_UNEXPECTED_MESSAGE,
            "\x16\3\1\0\1\1\x14"),
        ROW("a ServerHello", TLS_ALERT_UNEXPECTED_MESSAGE, "\x16\3\1\0\1\2"),
        ROW("a message that its record outlasts", TLS_ALERT_UNEXPECTED_MESSAGE,
            "\x16\3\1\0\6\1\0\0\1"),
        ROW("one that its second record outlasts", TLS_ALERT_UNEXPECTED_MESSAGE,
            "\x16\3\1\0\5\1\0\0\2x\x16\3\1\0\2"),
        ROW("an empty message", TLS_ALERT_DECODE_ERROR, "\x16\3\1\0\4\1\0\0\0"),
        ROW("a message of 64 KB and a byte", TLS_ALERT_ILLEGAL_PARAMETER, "\x16\3\1\0\4\1\1\0\1"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memcpy(wire, rows[i].bytes, rows[i].len);
        for (size_t split = 0; split <= rows[i].len; split++) {
            restart(split, SIZE_MAX);
            look();
            stream.there = rows[i].len;
            enum guard_result result = look();
            if (result != (rows[i].alert ? GUARD_BAD : GUARD_MORE) || guard.alert != rows[i].alert)
                fail_msg("%s, split at %zu: %d, alert %d", rows[i].what, split, result,
                         guard.alert);
        }
    }
}

/* ---- after the first hello ---- */

enum answer { RETRY, HELLO13, HELLO12 };

static void answer(enum answer kind)
{
    static const uint8_t retry[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
                                      0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
                                      0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
                                      0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
    static const char extensions[] = "\0\x0c\0\x2b\0\2\3\4\0\x33\0\2\0\x1d";
    uint8_t bytes[128] = {22, 3, 3, 0, 0, 2, 0, 0, 0, 3, 3};
    size_t len = 11 + 32 + 1 + 2 + 1;
    if (kind == RETRY)
        memcpy(bytes + 11, retry, 32);
    if (kind != HELLO12) {
        memcpy(bytes + len, extensions, sizeof(extensions) - 1);
        len += sizeof(extensions) - 1;
    }
    bytes[4] = (uint8_t)(len - 5);
    bytes[8] = (uint8_t)(len - 9);
    guard_answered(&guard, bytes, len);
}

#define KEY "0123456789abcdef0123456789abcdef"

static void hello_for(bool has_share, bool is_early)
{
    hello_start(&h);
    hello_name(&h, shop);
    hello_tls13(&h);
    if (has_share)
        hello_extension(&h, 51, "\0\x24\0\x1d\0\x20" KEY, 38);
    else
        hello_extension(&h, 51, "\0\0", 2);
    if (is_early)
        hello_extension(&h, 42, "", 0);
    hello_end(&h);
}

/* The first hello has been read and answered; what is written to wire + stream.from comes next. */
static void first_hello(enum answer kind, bool is_early)
{
    hello_for(kind != RETRY, is_early);
    restart(records(wire, 1 << 14), SIZE_MAX);
    drain(1 << 14);
    assert_int_equal(guard.phase, GUARD_ANSWER);
    answer(kind);
}

static void put(const void *bytes, size_t len)
{
    memcpy(wire + stream.there, bytes, len);
    stream.there += len;
}
#define PUT(text) put(text, sizeof(text) - 1)

static void put_record(uint8_t type, size_t content)
{
    put((uint8_t[]){type, 3, 3, (uint8_t)(content >> 8), (uint8_t)content}, 5);
    memset(wire + stream.there, 0xee, content);
    stream.there += content;
}

static void put_hello(size_t size)
{
    stream.there += records(wire + stream.there, size);
}

static void a_second_hello_passes_behind_what_is_dropped(void **state)
{
    for (int is_early = 0; is_early < 2; is_early++) {
        first_hello(RETRY, is_early);
        assert_int_equal(guard.phase, GUARD_HELLO_AGAIN);
        PUT("\x14\3\3\0\1\1");
        for (int i = 0; i < (is_early ? 3 : 0); i++)
            put_record(23, 5000);
        PUT("\x14\3\3\0\1\1");
        hello_for(true, false);
        put_hello(3);
        assert_int_equal(look(), GUARD_OK);
        assert_int_equal(guard.dropped_records, is_early ? 5 : 2);
        assert_int_equal(drain(9), 5 + h.len);
        assert_memory_equal(out + 5, h.bytes, h.len);
        answer(HELLO13);
        assert_int_equal(guard.phase, GUARD_FLIGHT13);
    }
}

static void what_may_not_come_before_the_second_hello_is_refused(void **state)
{
    static const struct row rows[] = {
        ROW("early data that was not announced", TLS_ALERT_UNEXPECTED_MESSAGE, "\x17\3\3\0\1x"),
        ROW("a change_cipher_spec of 2", TLS_ALERT_UNEXPECTED_MESSAGE, "\x14\3\3\0\1\2"),
        ROW("a long change_cipher_spec", TLS_ALERT_UNEXPECTED_MESSAGE, "\x14\3\3\0\2\1\1"),
        ROW("a Finished", TLS_ALERT_UNEXPECTED_MESSAGE, "\x16\3\3\0\4\x14\0\0\0"),
        ROW("an unknown record", TLS_ALERT_UNEXPECTED_MESSAGE, "\x18\3\3\0\1\1"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        first_hello(RETRY, false);
        put(rows[i].bytes, rows[i].len);
        if (look() != GUARD_BAD || guard.alert != rows[i].alert)
            fail_msg("%s: alert %d", rows[i].what, guard.alert);
    }
    first_hello(RETRY, true);
    put_record(23, EARLY_DATA_BYTES_MAX - 5);
    put_record(23, 1);
    assert_int_equal(look(), GUARD_BAD);
    assert_int_equal(guard.alert, TLS_ALERT_UNEXPECTED_MESSAGE);

    first_hello(RETRY, false);
    put_hello(1 << 14); /* the same once more */
    assert_int_equal(look(), GUARD_BAD);
    assert_int_equal(guard.alert, TLS_ALERT_ILLEGAL_PARAMETER);
    assert_true(guard.is_changed);

    first_hello(RETRY, false);
    PUT("\x15\3\3\0\2\2\x28"); /* an alert is the library's */
    assert_int_equal(drain(100), 7);
}

static void early_data_is_dropped_until_a_record_can_be_opened(void **state)
{
    static uint8_t record[TLS_RECORD_HEADER_BYTES + TLS_RECORD_SEALED_MAX];
    first_hello(HELLO13, true);
    PUT("\x14\3\3\0\1\1");
    put_record(23, 3000);
    assert_int_equal(look(), GUARD_TRY);
    assert_int_equal(guard_copy_record(&guard, &io, &stream, record), 3005);
    assert_memory_equal(record, wire + stream.from, 3005);
    guard_tried(&guard, &io, &stream, false);
    assert_int_equal(look(), GUARD_MORE);
    put_record(23, 60);
    stream.there--;
    assert_int_equal(look(), GUARD_MORE); /* not whole */
    stream.there++;
    assert_int_equal(look(), GUARD_TRY);
    guard_tried(&guard, &io, &stream, true);
    put_record(23, 10);
    assert_int_equal(drain(1 << 14), 65 + 15);
    assert_int_equal(guard.dropped_records, 2);

    /* Over the bound it is the library's, which has the keys for an alert. */
    first_hello(HELLO13, true);
    put_record(23, EARLY_DATA_BYTES_MAX);
    assert_int_equal(look(), GUARD_OK);
    /* Without the extension, nothing is tried. */
    first_hello(HELLO13, false);
    put_record(23, 100);
    assert_int_equal(look(), GUARD_OK);
    /* After a retry neither: early data was dropped before the second hello. */
    first_hello(RETRY, true);
    hello_for(true, false);
    put_hello(1 << 14);
    drain(1 << 14);
    answer(HELLO13);
    put_record(23, 100);
    assert_int_equal(look(), GUARD_OK);
}

static void the_flight_passes_without_change_cipher_specs(void **state)
{
    first_hello(HELLO13, false);
    for (int i = 0; i < 40; i++)
        PUT("\x14\3\3\0\1\1");
    put_record(23, 40);
    PUT("\x14\3\3\0\1\1");
    put_record(23, 20);
    PUT("\x14\3\3\0\1\2"); /* the library refuses it */
    assert_int_equal(drain(7), 45 + 25 + 6);
    assert_int_equal(guard.dropped_records, 41);
    /* Not without end. */
    first_hello(HELLO13, false);
    for (int i = 0; i < EARLY_DATA_BYTES_MAX / 6 + 1; i++)
        PUT("\x14\3\3\0\1\1");
    assert_int_equal(drain(6), 6);
    /* Nor in the open session. */
    first_hello(HELLO13, false);
    guard_open(&guard);
    PUT("\x14\3\3\0\1\1");
    put_record(23, 20);
    assert_int_equal(drain(6), 6 + 25);
    assert_int_equal(guard.records, 2);
}

static void a_key_exchange_has_a_sound_point(void **state)
{
    static const struct {
        const char *what;
        enum tls_alert alert;
        const char *message;
        size_t len;
    } rows[] = {
        ROW("a sound point", 0, "\x10\0\0\x21\x20" KEY),
        ROW("X25519's zero", TLS_ALERT_ILLEGAL_PARAMETER,
            "\x10\0\0\x21\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        ROW("of no curve", TLS_ALERT_ILLEGAL_PARAMETER, "\x10\0\0\3\2xy"),
        ROW("empty", TLS_ALERT_DECODE_ERROR, "\x10\0\0\1\0"),
        ROW("nothing", TLS_ALERT_DECODE_ERROR, "\x10\0\0\0"),
        ROW("shorter than it says", TLS_ALERT_DECODE_ERROR, "\x10\0\0\3\3xy"),
        ROW("longer than it says", TLS_ALERT_DECODE_ERROR, "\x10\0\0\3\1xy"),
        ROW("another message is the library's", 0, "\x14\0\0\1x"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t size = 1; size < 40; size += 3) {
            first_hello(HELLO12, false);
            assert_int_equal(guard.phase, GUARD_KEY12);
            memcpy(h.bytes, rows[i].message, rows[i].len);
            h.len = rows[i].len;
            put_hello(size);
            PUT("\x14\3\3\0\1\1");
            put_record(22, 40);
            if (rows[i].alert) {
                if (look() != GUARD_BAD || guard.alert != rows[i].alert)
                    fail_msg("%s: alert %d", rows[i].what, guard.alert);
            } else {
                assert_int_equal(drain(1 << 14), 5 + rows[i].len + 6 + 45);
                assert_memory_equal(out + 5, rows[i].message, rows[i].len);
                assert_int_equal(guard.phase, GUARD_REST);
            }
        }
    }
}

static void an_alert_is_no_answer(void **state)
{
    hello_for(true, false);
    restart(records(wire, 1 << 14), SIZE_MAX);
    drain(1 << 14);
    guard_answered(&guard, (const uint8_t *)"\x15\3\3\0\2\2\x28", 7);
    assert_int_equal(guard.phase, GUARD_ANSWER);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hello_passes_whole_however_its_bytes_come),
        cmocka_unit_test(a_hello_passes_whole_however_it_is_cut_into_records),
        cmocka_unit_test(the_hellos_of_clients_pass_however_they_are_cut),
        cmocka_unit_test(a_hello_broken_anywhere_is_judged_as_one_that_comes_slowly),
        cmocka_unit_test(a_hello_of_64_kb_passes_and_no_larger_one),
        cmocka_unit_test(an_endless_hello_is_refused_at_the_limit),
        cmocka_unit_test(the_table_of_first_bytes),
        cmocka_unit_test(a_second_hello_passes_behind_what_is_dropped),
        cmocka_unit_test(what_may_not_come_before_the_second_hello_is_refused),
        cmocka_unit_test(early_data_is_dropped_until_a_record_can_be_opened),
        cmocka_unit_test(the_flight_passes_without_change_cipher_specs),
        cmocka_unit_test(a_key_exchange_has_a_sound_point),
        cmocka_unit_test(an_alert_is_no_answer),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: test_guard DIRECTORY-OF-HELLOS\n");
        return 2;
    }
    corpus = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
