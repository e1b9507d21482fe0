#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "dataplane/http/http1.h"

#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"

static struct head_view view(const char *text)
{
    return (struct head_view){text, strlen(text)};
}

static void the_table_of_starts(void **state)
{
    static const struct {
        struct http1_response response;
        const char *bytes;
    } rows[] = {
        {{200, HTTP1_FRAME_LENGTH, 0, true, 1},
         "HTTP/1.1 200 OK\r\nDate: " DATE "\r\nContent-Length: 0\r\n"},
        {{200, HTTP1_FRAME_CHUNKED, 0, true, 1},
         "HTTP/1.1 200 OK\r\nDate: " DATE "\r\nTransfer-Encoding: chunked\r\n"},
        {{304, HTTP1_FRAME_NONE, 0, true, 1}, "HTTP/1.1 304 Not Modified\r\nDate: " DATE "\r\n"},
        {{200, HTTP1_FRAME_CLOSE, 0, false, 0},
         "HTTP/1.1 200 OK\r\nDate: " DATE "\r\nConnection: close\r\n"},
        {{200, HTTP1_FRAME_LENGTH, UINT64_MAX, true, 0},
         "HTTP/1.1 200 OK\r\nDate: " DATE
         "\r\nContent-Length: 18446744073709551615\r\nConnection: keep-alive\r\n"},
        {{599, HTTP1_FRAME_LENGTH, 12, false, 1},
         "HTTP/1.1 599 \r\nDate: " DATE "\r\nContent-Length: 12\r\nConnection: close\r\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char buf[HTTP1_RESPONSE_START_MAX];
        size_t len = http1_response_start(buf, sizeof(buf), &rows[i].response, DATE);
        assert_int_equal(len, strlen(rows[i].bytes));
        assert_memory_equal(buf, rows[i].bytes, len);
        assert_int_equal(http1_response_start(buf, sizeof(buf) - 1, &rows[i].response, DATE), 0);
    }
}

static void every_status_fits_and_has_its_reason(void **state)
{
    for (uint16_t status = 100; status <= 599; status++) {
        char buf[HTTP1_RESPONSE_START_MAX], line[80];
        struct http1_response r = {status, HTTP1_FRAME_LENGTH, UINT64_MAX, true, 0};
        assert_true(http1_response_start(buf, sizeof(buf), &r, DATE) > 0);
        int len = snprintf(line, sizeof(line), "HTTP/1.1 %d %s\r\n", status, http1_reason(status));
        assert_memory_equal(buf, line, (size_t)len);
    }
}

static void a_field_cannot_split_the_response(void **state)
{
    static const struct {
        const char *what;
        struct head_view name, value;
        const char *bytes; /* NULL: refused */
    } rows[] = {
        {"a field", {"x-a", 3}, {"b", 1}, "x-a: b\r\n"},
        {"an empty value", {"x-a", 3}, {"", 0}, "x-a: \r\n"},
        {"UTF-8 and a tab", {"x-a", 3}, {"\xc3\xa4\t", 3}, "x-a: \xc3\xa4\t\r\n"},
        {"a control byte that ends nothing", {"x-a", 3}, {"\x01", 1}, "x-a: \x01\r\n"},
        {"CR LF", {"x-a", 3}, {"b\r\nx: y", 7}, NULL},
        {"CR", {"x-a", 3}, {"b\r", 2}, NULL},
        {"LF behind 16 bytes", {"x-a", 3}, {"0123456789abcdef0\n", 18}, NULL},
        {"NUL", {"x-a", 3}, {"b\0c", 3}, NULL},
        {"no name", {"", 0}, {"b", 1}, NULL},
        {"a colon in the name", {"x:a", 3}, {"b", 1}, NULL},
        {"a line end in the name", {"x\r\n", 3}, {"b", 1}, NULL},
        {"a space in the name", {"x a", 3}, {"b", 1}, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char buf[64];
        size_t want = rows[i].bytes ? strlen(rows[i].bytes) : 0;
        size_t len = http1_response_field(buf, sizeof(buf), rows[i].name, rows[i].value);
        if (len != want || (want && memcmp(buf, rows[i].bytes, len) != 0))
            fail_msg("%s: %zu", rows[i].what, len);
        if (want) {
            assert_int_equal(http1_response_field(buf, want, rows[i].name, rows[i].value), want);
            assert_int_equal(http1_response_field(buf, want - 1, rows[i].name, rows[i].value), 0);
        }
    }
}

static void hop_fields_are_known(void **state)
{
    assert_true(http1_is_hop_field(view("Transfer-Encoding")));
    assert_true(http1_is_hop_field(view("content-length")));
    assert_true(http1_is_hop_field(view("Connection")));
    assert_true(http1_is_hop_field(view("te")));
    assert_false(http1_is_hop_field(view("content-type")));
    assert_false(http1_is_hop_field(view("t")));
}

static void a_chunk_starts_with_its_size(void **state)
{
    char buf[32];
    assert_int_equal(http1_chunk_start(buf, sizeof(buf), 0x1a2b), 6);
    assert_memory_equal(buf, "1a2b\r\n", 6);
    assert_int_equal(http1_chunk_start(buf, 3, 1), 3);
    assert_int_equal(http1_chunk_start(buf, 2, 1), 0);
    assert_int_equal(http1_chunk_start(buf, sizeof(buf), SIZE_MAX), 18);
}

static void dates_agree_with_the_c_library(void **state)
{
    char ours[30], theirs[30];
    http1_date(ours, 784111777);
    assert_string_equal(ours, DATE);
    for (int64_t t = 0; t < 253402300800; t += 86399 * 13) {
        struct tm tm;
        time_t time = (time_t)t;
        gmtime_r(&time, &tm);
        strftime(theirs, sizeof(theirs), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        http1_date(ours, t);
        assert_string_equal(ours, theirs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_starts),
        cmocka_unit_test(every_status_fits_and_has_its_reason),
        cmocka_unit_test(a_field_cannot_split_the_response),
        cmocka_unit_test(hop_fields_are_known),
        cmocka_unit_test(a_chunk_starts_with_its_size),
        cmocka_unit_test(dates_agree_with_the_c_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
