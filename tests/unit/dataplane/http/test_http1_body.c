#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/http/http1.h"

struct outcome {
    enum http1_result result;
    size_t eaten;
    char body[512];
    size_t body_bytes;
};

/* Feeds pieces of at most `piece` bytes, and what is left uneaten first. */
static struct outcome decode(enum http1_body_kind kind, uint64_t length, const char *bytes,
                             size_t len, size_t piece)
{
    struct http1_request request = {.body = kind, .content_length = length};
    struct http1_body body;
    struct outcome o = {.result = HTTP1_MORE};
    http1_body_init(&body, &request);
    do {
        size_t n = len - o.eaten < piece ? len - o.eaten : piece, eaten;
        struct head_view payload;
        o.result = http1_body_input(&body, (const uint8_t *)bytes + o.eaten, n, &eaten, &payload);
        assert_true(eaten <= n && (eaten > 0 || n == 0 || o.result != HTTP1_MORE));
        assert_true(payload.len == 0 || (payload.p >= bytes + o.eaten &&
                                         payload.p + payload.len <= bytes + o.eaten + eaten));
        memcpy(o.body + o.body_bytes, payload.p, payload.len);
        o.body_bytes += payload.len;
        o.eaten += eaten;
    } while (o.result == HTTP1_MORE && o.eaten < len);
    return o;
}

static void the_table_of_chunked_bodies(void **state)
{
    static const struct {
        const char *what, *bytes;
        enum http1_result result;
        const char *body;
        size_t left; /* uneaten */
    } rows[] = {
        {"two chunks", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", HTTP1_OK, "hello world", 0},
        {"the next request behind it", "1\r\na\r\n0\r\n\r\nGET /", HTTP1_OK, "a", 5},
        {"no content", "0\r\n\r\n", HTTP1_OK, "", 0},
        {"zeros as the last chunk", "000\r\n\r\n", HTTP1_OK, "", 0},
        {"hex in both cases", "0aA\r\n", HTTP1_MORE, "", 0},
        {"15 digits", "00000000000000a\r\n0123456789\r\n0\r\n\r\n", HTTP1_OK, "0123456789", 0},
        {"16 digits", "000000000000000a\r\n", HTTP1_BAD, "", 0},
        {"a size over 64 bits", "ffffffffffffffff1\r\n", HTTP1_BAD, "", 0},
        {"no size", "\r\n", HTTP1_BAD, "", 0},
        {"0x", "0x5\r\nhello\r\n", HTTP1_BAD, "", 0},
        {"a sign", "+5\r\nhello\r\n", HTTP1_BAD, "", 0},
        {"a negative size", "-1\r\n", HTTP1_BAD, "", 0},
        {"a space in front", " 5\r\nhello\r\n", HTTP1_BAD, "", 0},
        {"a space behind", "5 \r\nhello\r\n", HTTP1_BAD, "", 0},
        {"a tab behind", "5\t\r\nhello\r\n", HTTP1_BAD, "", 0},
        {"an underscore", "1_0\r\n", HTTP1_BAD, "", 0},
        {"a bare LF behind the size", "5\nhello\r\n", HTTP1_BAD, "", 0},
        {"a bare CR behind the size", "5\rhello\r\n", HTTP1_BAD, "", 0},
        {"an extension", "5;a=b;c=\"d e\"\r\nhello\r\n0;x\r\n\r\n", HTTP1_OK, "hello", 0},
        {"a space before an extension", "5 ;a=b\r\nhello\r\n", HTTP1_BAD, "", 0},
        {"a bare LF in an extension", "5;a\nhello\r\n", HTTP1_BAD, "", 0},
        {"a bare CR in an extension", "5;a\rb\r\nhello\r\n", HTTP1_BAD, "", 0},
        {"a control byte in an extension", "5;a\x01\r\nhello\r\n", HTTP1_BAD, "", 0},
        {"content longer than its size", "5\r\nhello!\r\n", HTTP1_BAD, "hello", 0},
        {"content shorter than its size", "5\r\nhell\r\n0\r\n\r\n", HTTP1_BAD, "hell\r", 0},
        {"a bare LF behind the content", "1\r\na\n0\r\n\r\n", HTTP1_BAD, "a", 0},
        {"a bare LF at the end", "0\r\n\n", HTTP1_BAD, "", 0},
        {"a bare CR at the end", "0\r\n\rx", HTTP1_BAD, "", 0},
        {"trailers", "1\r\na\r\n0\r\nA: b\r\nContent-Length:\r\n\r\n", HTTP1_OK, "a", 0},
        {"a folded trailer", "0\r\nA: b\r\n c\r\n\r\n", HTTP1_BAD, "", 0},
        {"a space in a trailer's name", "0\r\nA : b\r\n\r\n", HTTP1_BAD, "", 0},
        {"a trailer without a colon", "0\r\nA\r\n\r\n", HTTP1_BAD, "", 0},
        {"a trailer without a name", "0\r\n: b\r\n\r\n", HTTP1_BAD, "", 0},
        {"a bare LF in a trailer", "0\r\nA: b\n\r\n", HTTP1_BAD, "", 0},
        {"a bare CR in a trailer", "0\r\nA: b\rc\r\n\r\n", HTTP1_BAD, "", 0},
        {"a DEL in a trailer", "0\r\nA: \x7f\r\n\r\n", HTTP1_BAD, "", 0},
        {"a cut chunk", "5\r\nhel", HTTP1_MORE, "hel", 0},
        {"a cut end", "0\r\n\r", HTTP1_MORE, "", 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = strlen(rows[i].bytes);
        for (size_t piece = 1; piece <= len; piece++) {
            struct outcome o = decode(HTTP1_BODY_CHUNKED, 0, rows[i].bytes, len, piece);
            if (o.result != rows[i].result || o.body_bytes != strlen(rows[i].body) ||
                memcmp(o.body, rows[i].body, o.body_bytes) != 0)
                fail_msg("%s in pieces of %zu: %d \"%.*s\"", rows[i].what, piece, o.result,
                         (int)o.body_bytes, o.body);
            if (o.result == HTTP1_OK)
                assert_int_equal(len - o.eaten, rows[i].left);
        }
    }
}

static void a_body_by_length_ends_by_length(void **state)
{
    for (size_t piece = 1; piece < 20; piece++) {
        struct outcome o = decode(HTTP1_BODY_LENGTH, 5, "helloGET /", 10, piece);
        assert_int_equal(o.result, HTTP1_OK);
        assert_int_equal(o.eaten, 5);
        assert_memory_equal(o.body, "hello", 5);
        assert_int_equal(decode(HTTP1_BODY_LENGTH, 5, "hell", 4, piece).result, HTTP1_MORE);
    }
    struct outcome none = decode(HTTP1_BODY_NONE, 0, "GET /", 5, 5);
    assert_int_equal(none.result, HTTP1_OK);
    assert_int_equal(none.eaten, 0);
}

static void extensions_and_trailers_are_bounded(void **state)
{
    static char bytes[2 * HTTP_HEAD_BYTES_MAX];
    for (int over = 0; over <= 1; over++) {
        char *p = bytes + sprintf(bytes, "1;");
        memset(p, 'x', HTTP_CHUNK_EXT_BYTES_MAX + (size_t)over);
        p += HTTP_CHUNK_EXT_BYTES_MAX + over;
        p += sprintf(p, "\r\na\r\n0\r\n\r\n");
        assert_int_equal(decode(HTTP1_BODY_CHUNKED, 0, bytes, (size_t)(p - bytes), 7).result,
                         over ? HTTP1_BAD : HTTP1_OK);

        p = bytes + sprintf(bytes, "0\r\n");
        size_t fill = HTTP_HEAD_BYTES_MAX - 6 + (size_t)over;
        p += sprintf(p, "A:");
        memset(p, 'x', fill);
        p += fill;
        p += sprintf(p, "\r\n\r\n");
        assert_int_equal(decode(HTTP1_BODY_CHUNKED, 0, bytes, (size_t)(p - bytes), 1000).result,
                         over ? HTTP1_BAD : HTTP1_OK);
    }
}

static void a_body_that_broke_stays_broken(void **state)
{
    struct http1_request request = {.body = HTTP1_BODY_CHUNKED};
    struct http1_body body;
    size_t eaten;
    struct head_view payload;
    http1_body_init(&body, &request);
    assert_int_equal(http1_body_input(&body, (const uint8_t *)"x", 1, &eaten, &payload), HTTP1_BAD);
    assert_int_equal(http1_body_input(&body, (const uint8_t *)"0\r\n\r\n", 5, &eaten, &payload),
                     HTTP1_BAD);
    assert_int_equal(eaten, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_chunked_bodies),
        cmocka_unit_test(a_body_by_length_ends_by_length),
        cmocka_unit_test(extensions_and_trailers_are_bounded),
        cmocka_unit_test(a_body_that_broke_stays_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
