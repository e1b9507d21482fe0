#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/http/http1_answer.h"

/* Whole, and dripping in; the outcome is the same. */
static enum http1_result parse(struct http1_answer *a, const char *text, bool is_to_head)
{
    size_t len = strlen(text), seen = 0;
    enum http1_result whole = http1_answer_parse(a, text, len, 0, is_to_head), dripped = HTTP1_MORE;
    for (size_t n = 1; n <= len && dripped == HTTP1_MORE; n++) {
        dripped = http1_answer_parse(a, text, n, seen, is_to_head);
        seen = n;
    }
    if (whole != dripped)
        fail_msg("whole %d, dripped %d: %s", whole, dripped, text);
    return http1_answer_parse(a, text, len, 0, is_to_head);
}

static void answers_tell_what_their_body_is(void **state)
{
    static const struct {
        const char *what, *text;
        bool is_to_head;
        uint16_t status;
        enum http1_body_kind body;
        uint64_t length;
        bool ends_with_connection, keep_alive;
    } rows[] = {
        {"a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", false, 200, HTTP1_BODY_LENGTH,
         5, false, true},
        {"chunked", "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n", false, 200,
         HTTP1_BODY_CHUNKED, 0, false, true},
        {"neither", "HTTP/1.1 200 OK\r\n\r\n", false, 200, HTTP1_BODY_NONE, 0, true, false},
        {"length 0", "HTTP/1.1 404 \r\ncontent-length: 0\r\n\r\n", false, 404, HTTP1_BODY_NONE, 0,
         false, true},
        {"to HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", true, 200, HTTP1_BODY_NONE, 5,
         false, true},
        {"204", "HTTP/1.1 204 No\r\n\r\n", false, 204, HTTP1_BODY_NONE, 0, false, true},
        {"304 with a length", "HTTP/1.1 304 No\r\ncontent-length: 5\r\n\r\n", false, 304,
         HTTP1_BODY_NONE, 5, false, true},
        {"100", "HTTP/1.1 100 Continue\r\n\r\n", false, 100, HTTP1_BODY_NONE, 0, false, true},
        {"close", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\ncontent-length: 1\r\n\r\n", false,
         200, HTTP1_BODY_LENGTH, 1, false, false},
        {"HTTP/1.0", "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n", false, 200, HTTP1_BODY_LENGTH,
         1, false, false},
        {"HTTP/1.0, kept", "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\n",
         false, 200, HTTP1_BODY_LENGTH, 1, false, true},
        {"no reason, no space", "HTTP/1.1 200\r\ncontent-length: 1\r\n\r\n", false, 200,
         HTTP1_BODY_LENGTH, 1, false, true},
        {"a later minor version", "HTTP/1.9 599 x\r\ncontent-length: 1\r\n\r\n", false, 599,
         HTTP1_BODY_LENGTH, 1, false, true},
    };
    struct http1_answer a;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (parse(&a, rows[i].text, rows[i].is_to_head) != HTTP1_OK)
            fail_msg("%s: %s", rows[i].what, a.error);
        if (a.status != rows[i].status || a.body != rows[i].body ||
            a.content_length != rows[i].length ||
            a.ends_with_connection != rows[i].ends_with_connection ||
            a.keep_alive != rows[i].keep_alive || a.head_bytes != strlen(rows[i].text))
            fail_msg("%s", rows[i].what);
    }
}

static void what_two_parsers_read_differently_is_refused(void **state)
{
    static const char *const bad[] = {
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "http/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/1.1 200 O\rK\r\n\r\n",
        "HTTP/1.1 200 OK\nx: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx : y\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: y\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: y\r\n z\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: y\nz: a\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: \x01\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 0x1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    };
    struct http1_answer a;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (parse(&a, bad[i], false) != HTTP1_BAD || !a.error)
            fail_msg("taken: %s", bad[i]);
}

static void heads_have_their_limits(void **state)
{
    static char text[HTTP_HEAD_BYTES_MAX + 4096];
    struct http1_answer a;
    size_t len = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < HTTP_FIELDS_MAX; i++)
        len += (size_t)sprintf(text + len, "x: y\r\n");
    sprintf(text + len, "\r\n");
    assert_int_equal(http1_answer_parse(&a, text, strlen(text), 0, false), HTTP1_OK);
    assert_int_equal(a.field_count, HTTP_FIELDS_MAX);
    sprintf(text + len, "x: y\r\n\r\n");
    assert_int_equal(http1_answer_parse(&a, text, strlen(text), 0, false), HTTP1_BAD);
    memset(text + len, 'a', sizeof(text) - len);
    assert_int_equal(http1_answer_parse(&a, text, HTTP_HEAD_BYTES_MAX - 1, 0, false), HTTP1_MORE);
    assert_int_equal(http1_answer_parse(&a, text, HTTP_HEAD_BYTES_MAX, 0, false), HTTP1_BAD);
}

static bool is_hop(const struct http1_answer *a, const char *name)
{
    return http1_answer_is_hop(a, (struct head_view){name, strlen(name)});
}

static void fields_of_the_connection_are_known(void **state)
{
    struct http1_answer a;
    assert_int_equal(
        parse(&a, "HTTP/1.1 204 x\r\nconnection: close, X-Own\r\nx-own: 1\r\n\r\n", false),
        HTTP1_OK);
    assert_true(is_hop(&a, "x-own"));
    assert_true(is_hop(&a, "Transfer-Encoding"));
    assert_true(is_hop(&a, "connection"));
    assert_false(is_hop(&a, "content-length"));
    assert_false(is_hop(&a, "x-ow"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_tell_what_their_body_is),
        cmocka_unit_test(what_two_parsers_read_differently_is_refused),
        cmocka_unit_test(heads_have_their_limits),
        cmocka_unit_test(fields_of_the_connection_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
