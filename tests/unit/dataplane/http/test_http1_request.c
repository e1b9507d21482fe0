#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/http/http1.h"

#define H "Host: a.test\r\n"

/* A head (without the empty line at its end, which the test adds), and the status and sentence that
 * refuse it; 0: accepted. */
struct row {
    const char *what;
    const char *head;
    uint16_t status;
    const char *error;
};

static const struct row rows[] = {
    /* the request line */
    {"the plainest request", "GET / HTTP/1.1\r\n" H, 0, NULL},
    {"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n", 0, NULL},
    {"one empty line in front", "\r\nGET / HTTP/1.1\r\n" H, 0, NULL},
    {"two empty lines in front", "\r\n\r\nGET / HTTP/1.1\r\n" H, 0, NULL},
    {"three empty lines in front", "\r\n\r\n\r\nGET / HTTP/1.1\r\n" H, 400,
     "too many empty lines before the request line"},
    {"a bare LF in front", "\nGET / HTTP/1.1\r\n" H, 400, "bare LF before the request line"},
    {"a bare CR in front", "\rGET / HTTP/1.1\r\n" H, 400, "bare CR before the request line"},
    {"a space in front", " GET / HTTP/1.1\r\n" H, 400, "malformed method"},
    {"a method of its own", "PURGE / HTTP/1.1\r\n" H, 0, NULL},
    {"a method of 32 bytes", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\n" H, 0, NULL},
    {"a method of 33 bytes", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" H, 501,
     "method too long"},
    {"no method", "/ HTTP/1.1\r\n" H, 400, "malformed method"},
    {"a method with a hyphen", "M-SEARCH / HTTP/1.1\r\n" H, 0, NULL},
    {"a hyphen first", "-GET / HTTP/1.1\r\n" H, 400, "malformed method"},
    {"a method in lower case", "get / HTTP/1.1\r\n" H, 400, "malformed method"},
    {"a method with a digit", "GET1 / HTTP/1.1\r\n" H, 400, "malformed method"},
    {"the rest of a body before the method", "12GET / HTTP/1.1\r\n" H, 400, "malformed method"},
    {"the rest of a chunk before the method", "!GET / HTTP/1.1\r\n" H, 400, "malformed method"},
    {"a digit behind 32 bytes of method", "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF1 / HTTP/1.1\r\n" H, 400,
     "malformed method"},
    {"a colon in the method", "GE:T / HTTP/1.1\r\n" H, 400, "malformed method"},
    {"a tab behind the method", "GET\t/ HTTP/1.1\r\n" H, 400, "malformed method"},
    {"a TLS hello", "\x16\x03\x01\x02", 400, "malformed method"},
    {"two spaces behind the method", "GET  / HTTP/1.1\r\n" H, 400, "no request target"},
    {"two spaces behind the target", "GET /  HTTP/1.1\r\n" H, 400, "malformed HTTP version"},
    {"a tab behind the target", "GET /\tHTTP/1.1\r\n" H, 400,
     "forbidden byte in the request target"},
    {"a space in the target", "GET /a b HTTP/1.1\r\n" H, 400, "malformed HTTP version"},
    {"a space behind the version", "GET / HTTP/1.1 \r\n" H, 400, "malformed HTTP version"},
    {"HTTP/0.9", "GET /\r\n", 400, "no HTTP version"},
    {"HTTP/0.9 by a bare LF", "GET /\n", 400, "no HTTP version"},
    {"a bare LF behind the version", "GET / HTTP/1.1\n" H, 400, "malformed HTTP version"},
    {"a bare CR behind the version", "GET / HTTP/1.1\r" H, 400, "malformed HTTP version"},
    {"a lower-case version", "GET / http/1.1\r\n" H, 400, "malformed HTTP version"},
    {"a version of one digit", "GET / HTTP/1\r\n" H, 400, "malformed HTTP version"},
    {"a version of three digits", "GET / HTTP/1.10\r\n" H, 400, "malformed HTTP version"},
    {"HTTP/1.2", "GET / HTTP/1.2\r\n" H, 0, NULL},
    {"HTTP/1.9 without Host", "GET / HTTP/1.9\r\n", 400, "no Host"},
    {"HTTP/0.1", "GET / HTTP/0.1\r\n" H, 505, "HTTP version not spoken"},
    {"HTTP/2.0", "GET / HTTP/2.0\r\n" H, 505, "HTTP version not spoken"},
    {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n", 505, "HTTP version not spoken"},
    /* the target */
    {"a query with what browsers leave as it is", "GET /a?q=\"{x}|^`[1]~'<>%zz HTTP/1.1\r\n" H, 0,
     NULL},
    {"a path of two slashes", "GET //b/c HTTP/1.1\r\n" H, 0, NULL},
    {"a fragment", "GET /a#b HTTP/1.1\r\n" H, 400, "forbidden byte in the request target"},
    {"a backslash", "GET /a\\..\\b HTTP/1.1\r\n" H, 400, "forbidden byte in the request target"},
    {"a backslash behind 20 bytes", "GET /aaaaaaaaaaaaaaaaaaaaaaaa\\b HTTP/1.1\r\n" H, 400,
     "forbidden byte in the request target"},
    {"a byte of 0x80", "GET /\x80 HTTP/1.1\r\n" H, 400, "forbidden byte in the request target"},
    {"a byte of 0x80 in the first 16",
     "GET /\x80"
     "aaaaaaaaaaaaaaaa HTTP/1.1\r\n" H,
     400, "forbidden byte in the request target"},
    {"a DEL", "GET /\x7f HTTP/1.1\r\n" H, 400, "forbidden byte in the request target"},
    {"no form", "GET a HTTP/1.1\r\n" H, 400, "request target of no known form"},
    {"a query without a path", "GET ?a HTTP/1.1\r\n" H, 400, "request target of no known form"},
    {"asterisk-form", "OPTIONS * HTTP/1.1\r\n" H, 0, NULL},
    {"asterisk-form with GET", "GET * HTTP/1.1\r\n" H, 400, "asterisk-form without OPTIONS"},
    {"absolute-form", "GET http://a.test/x HTTP/1.1\r\n" H, 0, NULL},
    {"absolute-form in capitals", "GET HTTPS://A.Test/x HTTP/1.1\r\n" H, 0, NULL},
    {"absolute-form without a path", "GET http://a.test HTTP/1.1\r\n" H, 0, NULL},
    {"absolute-form with a query only", "GET http://a.test?x HTTP/1.1\r\n" H, 0, NULL},
    {"absolute-form with an empty query only", "GET http://a.test? HTTP/1.1\r\n" H, 0, NULL},
    {"absolute-form of another scheme", "GET ftp://a.test/ HTTP/1.1\r\n" H, 400,
     "request target of no known form"},
    {"absolute-form with a user", "GET http://u@a.test/ HTTP/1.1\r\n" H, 400,
     "malformed authority in the request target"},
    {"absolute-form without an authority", "GET http:///x HTTP/1.1\r\n" H, 400,
     "malformed authority in the request target"},
    {"absolute-form of another host", "GET http://b.test/ HTTP/1.1\r\n" H, 400,
     "Host differs from the request target"},
    {"absolute-form of another port", "GET http://a.test:8080/ HTTP/1.1\r\n" H, 400,
     "Host differs from the request target"},
    {"absolute-form without Host", "GET http://a.test/ HTTP/1.1\r\n", 400, "no Host"},
    {"CONNECT", "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n", 0, NULL},
    {"CONNECT without a port", "CONNECT a.test HTTP/1.1\r\n" H, 400,
     "CONNECT without host and port"},
    {"CONNECT with a path", "CONNECT /a HTTP/1.1\r\n" H, 400, "CONNECT without host and port"},
    {"CONNECT elsewhere than Host", "CONNECT a.test:443 HTTP/1.1\r\n" H, 400,
     "Host differs from the request target"},
    /* Host */
    {"no Host", "GET / HTTP/1.1\r\nA: b\r\n", 400, "no Host"},
    {"two Hosts", "GET / HTTP/1.1\r\n" H H, 400, "more than one Host"},
    {"two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" H H, 400, "more than one Host"},
    {"an empty Host", "GET / HTTP/1.1\r\nHost:\r\n", 400, "malformed Host"},
    {"a Host with a port", "GET / HTTP/1.1\r\nHost: a.test:8443\r\n", 0, NULL},
    {"a Host with an empty port", "GET / HTTP/1.1\r\nHost: a.test:\r\n", 400, "malformed Host"},
    {"a Host with port 0", "GET / HTTP/1.1\r\nHost: a.test:0\r\n", 400, "malformed Host"},
    {"a Host with port 65536", "GET / HTTP/1.1\r\nHost: a.test:65536\r\n", 400, "malformed Host"},
    {"a Host with a port of letters", "GET / HTTP/1.1\r\nHost: a.test:80a\r\n", 400,
     "malformed Host"},
    {"a Host with two ports", "GET / HTTP/1.1\r\nHost: a.test:80:81\r\n", 400, "malformed Host"},
    {"a Host list", "GET / HTTP/1.1\r\nHost: a.test, b.test\r\n", 400, "malformed Host"},
    {"a Host with a user", "GET / HTTP/1.1\r\nHost: u@a.test\r\n", 400, "malformed Host"},
    {"a Host with a path", "GET / HTTP/1.1\r\nHost: a.test/x\r\n", 400, "malformed Host"},
    {"a Host with an escape", "GET / HTTP/1.1\r\nHost: a%2etest\r\n", 400, "malformed Host"},
    {"an IPv4 Host", "GET / HTTP/1.1\r\nHost: 192.0.2.1:80\r\n", 0, NULL},
    {"a Host that is an IPv4 address of three numbers", "GET / HTTP/1.1\r\nHost: 192.0.1\r\n", 400,
     "malformed Host"},
    {"a Host that is one number", "GET / HTTP/1.1\r\nHost: 3221225985\r\n", 400, "malformed Host"},
    {"a Host that is a number in hex", "GET / HTTP/1.1\r\nHost: 0xC0000201\r\n", 400,
     "malformed Host"},
    {"a Host that ends in a number", "GET / HTTP/1.1\r\nHost: a.test.1\r\n", 400, "malformed Host"},
    {"a Host that ends in a hex number", "GET / HTTP/1.1\r\nHost: a.test.0x1f:80\r\n", 400,
     "malformed Host"},
    {"an IPv4 Host with a number in octal", "GET / HTTP/1.1\r\nHost: 192.0.02.1\r\n", 400,
     "malformed Host"},
    {"a Host whose last label only begins as a number", "GET / HTTP/1.1\r\nHost: a.0xtest\r\n", 0,
     NULL},
    {"an IPv6 Host", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n", 0, NULL},
    {"an IPv6 Host without brackets", "GET / HTTP/1.1\r\nHost: 2001:db8::1\r\n", 400,
     "malformed Host"},
    {"an IPv6 Host that is none", "GET / HTTP/1.1\r\nHost: [2001:db8::g]\r\n", 400,
     "malformed Host"},
    {"an IPv6 Host that does not end", "GET / HTTP/1.1\r\nHost: [2001:db8::1\r\n", 400,
     "malformed Host"},
    {"an IPv6 Host with text behind it", "GET / HTTP/1.1\r\nHost: [::1]a:80\r\n", 400,
     "malformed Host"},
    /* fields */
    {"a field without white space", "GET / HTTP/1.1\r\n" H "A:b\r\n", 0, NULL},
    {"an empty value", "GET / HTTP/1.1\r\n" H "A:\r\n", 0, NULL},
    {"a value of white space", "GET / HTTP/1.1\r\n" H "A: \t \r\n", 0, NULL},
    {"tabs and UTF-8 in a value", "GET / HTTP/1.1\r\n" H "A: b\tc \xc3\xa4\r\n", 0, NULL},
    {"a space before the colon", "GET / HTTP/1.1\r\n" H "A : b\r\n", 400,
     "white space in a field name"},
    {"a tab before the colon", "GET / HTTP/1.1\r\n" H "Transfer-Encoding\t: chunked\r\n", 400,
     "white space in a field name"},
    {"no colon", "GET / HTTP/1.1\r\n" H "A\r\n", 400, "malformed field name"},
    {"no name", "GET / HTTP/1.1\r\n" H ": b\r\n", 400, "malformed field name"},
    {"a folded line", "GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n", 400, "folded field line"},
    {"a line folded by a tab", "GET / HTTP/1.1\r\n" H "A: b\r\n\tc\r\n", 400, "folded field line"},
    {"a fold behind the request line", "GET / HTTP/1.1\r\n A: b\r\n" H, 400, "folded field line"},
    {"a name in quotes", "GET / HTTP/1.1\r\n" H "\"A\": b\r\n", 400, "malformed field name"},
    {"a control byte in a name", "GET / HTTP/1.1\r\n" H "A\x01: b\r\n", 400,
     "malformed field name"},
    {"a byte of 0x80 in a name", "GET / HTTP/1.1\r\n" H "A\x80: b\r\n", 400,
     "malformed field name"},
    {"a control byte in a value", "GET / HTTP/1.1\r\n" H "A: b\x01\r\n", 400,
     "control byte in a field"},
    {"a DEL in a value", "GET / HTTP/1.1\r\n" H "A: b\x7f\r\n", 400, "control byte in a field"},
    {"a vertical tab before chunked",
     "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
     "chunked\r\n",
     400, "control byte in a field"},
    {"a bare CR in a value", "GET / HTTP/1.1\r\n" H "A: b\rc\r\n", 400, "bare CR in a field"},
    {"a bare CR before LF", "GET / HTTP/1.1\r\n" H "A: b\r\r\n", 400, "bare CR in a field"},
    {"a bare LF at the end of a field", "GET / HTTP/1.1\r\n" H "A: b\nC: d\r\n", 400,
     "bare LF in a field"},
    {"a bare LF as the empty line", "GET / HTTP/1.1\r\n" H "\n", 400, "malformed field name"},
    {"a CR without LF as the empty line", "GET / HTTP/1.1\r\n" H "\rX", 400, "bare CR in a field"},
    /* the body's framing */
    {"a length", "POST / HTTP/1.1\r\n" H "Content-Length: 12\r\n", 0, NULL},
    {"a length of 0", "POST / HTTP/1.1\r\n" H "Content-Length: 0\r\n", 0, NULL},
    {"a length of 18 digits", "POST / HTTP/1.1\r\n" H "Content-Length: 999999999999999999\r\n", 0,
     NULL},
    {"a length of 19 digits", "POST / HTTP/1.1\r\n" H "Content-Length: 1000000000000000000\r\n",
     400, "malformed Content-Length"},
    {"a length that wraps 64 bits",
     "POST / HTTP/1.1\r\n" H "Content-Length: 18446744073709551617\r\n", 400,
     "malformed Content-Length"},
    {"an empty length", "POST / HTTP/1.1\r\n" H "Content-Length:\r\n", 400,
     "malformed Content-Length"},
    {"a length with a sign", "POST / HTTP/1.1\r\n" H "Content-Length: +5\r\n", 400,
     "malformed Content-Length"},
    {"a negative length", "POST / HTTP/1.1\r\n" H "Content-Length: -5\r\n", 400,
     "malformed Content-Length"},
    {"a length in hex", "POST / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n", 400,
     "malformed Content-Length"},
    {"a length in octal", "POST / HTTP/1.1\r\n" H "Content-Length: 010\r\n", 400,
     "malformed Content-Length"},
    {"a length with a space in it", "POST / HTTP/1.1\r\n" H "Content-Length: 5 0\r\n", 400,
     "malformed Content-Length"},
    {"a list of equal lengths", "POST / HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n", 400,
     "malformed Content-Length"},
    {"a length with a fraction", "POST / HTTP/1.1\r\n" H "Content-Length: 5.0\r\n", 400,
     "malformed Content-Length"},
    {"two equal lengths", "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n", 400,
     "more than one Content-Length"},
    {"two lengths", "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\ncontent-length: 6\r\n", 400,
     "more than one Content-Length"},
    {"chunked", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n", 0, NULL},
    {"chunked in capitals", "POST / HTTP/1.1\r\n" H "TRANSFER-ENCODING: Chunked\r\n", 0, NULL},
    {"length, then chunked",
     "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400,
     "Content-Length with Transfer-Encoding"},
    {"chunked, then length",
     "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400,
     "Content-Length with Transfer-Encoding"},
    {"length and a coding that is none",
     "POST / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: x\r\n", 400,
     "Content-Length with Transfer-Encoding"},
    {"chunked twice",
     "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400,
     "more than one Transfer-Encoding"},
    {"a list of chunked", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n", 501,
     "Transfer-Encoding other than chunked"},
    {"gzip, then chunked", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n", 501,
     "Transfer-Encoding other than chunked"},
    {"chunked, then identity", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, identity\r\n",
     400, "Transfer-Encoding other than chunked"},
    {"identity", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n", 400,
     "Transfer-Encoding other than chunked"},
    {"an empty coding", "POST / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n", 400,
     "Transfer-Encoding other than chunked"},
    {"xchunked", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n", 400,
     "Transfer-Encoding other than chunked"},
    {"chunked in quotes", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n", 400,
     "Transfer-Encoding other than chunked"},
    {"chunked with a parameter", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n", 400,
     "Transfer-Encoding other than chunked"},
    {"chunked behind a comma", "POST / HTTP/1.1\r\n" H "Transfer-Encoding: ,chunked\r\n", 400,
     "Transfer-Encoding other than chunked"},
    {"chunked in HTTP/1.0", "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n", 400,
     "Transfer-Encoding in HTTP/1.0"},
    {"a name that is nearly a length",
     "POST / HTTP/1.1\r\n" H "Content_Length: 5\r\nContent-Length: 5\r\n", 0, NULL},
    /* Expect */
    {"100-continue", "POST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 5\r\n", 0,
     NULL},
    {"another expectation", "POST / HTTP/1.1\r\n" H "Expect: tea\r\n", 417,
     "expectation that is not known"},
};

static enum http1_result parse(struct http1_request *r, const char *bytes, size_t len)
{
    return http1_request_parse(r, bytes, len, 0);
}

static void the_table_of_heads(void **state)
{
    static struct http1_request r;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char head[512];
        int len = snprintf(head, sizeof(head), "%s\r\n", rows[i].head);
        enum http1_result result = parse(&r, head, (size_t)len);
        if (rows[i].status == 0) {
            if (result != HTTP1_OK)
                fail_msg("%s: refused: %s", rows[i].what, result == HTTP1_BAD ? r.error : "more");
            assert_int_equal(r.head_bytes, len);
        } else if (result != HTTP1_BAD || r.error_status != rows[i].status ||
                   strcmp(r.error, rows[i].error) != 0) {
            fail_msg("%s: %d, %d %s", rows[i].what, result, r.error_status, r.error ? r.error : "");
        }
    }
}

static void a_nul_is_refused_everywhere(void **state)
{
    static const char head[] =
        "\r\nGET /path HTTP/1.1\r\nHost: a.test\r\nLong: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n";
    static struct http1_request r;
    for (size_t i = 0; i < sizeof(head) - 1; i++) {
        char copy[sizeof(head)];
        memcpy(copy, head, sizeof(head));
        copy[i] = 0;
        if (parse(&r, copy, sizeof(head) - 1) != HTTP1_BAD)
            fail_msg("NUL at %zu", i);
    }
}

/* Feeds in the given pieces; what an owner of a growing buffer does. */
static enum http1_result parse_split(struct http1_request *r, const char *bytes, size_t len,
                                     const size_t *cuts, size_t count)
{
    size_t seen = 0;
    enum http1_result result = HTTP1_MORE;
    for (size_t i = 0; i <= count && result == HTTP1_MORE; i++) {
        size_t to = i < count ? cuts[i] : len;
        result = http1_request_parse(r, bytes, to, seen);
        seen = to;
    }
    return result;
}

static void assert_same(const struct http1_request *a, const struct http1_request *b,
                        const char *what)
{
    bool is_same = a->error_status == b->error_status && a->error == b->error;
    if (is_same && a->error_status == 0)
        is_same = memcmp(a, b, offsetof(struct http1_request, field)) == 0 &&
                  memcmp(a->field, b->field, a->field_count * sizeof(a->field[0])) == 0;
    if (!is_same)
        fail_msg("%s: split gives %s, whole gives %s", what, b->error, a->error);
}

static void a_split_at_every_byte_gives_the_same_outcome(void **state)
{
    static struct http1_request whole, split;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char head[512];
        size_t len = (size_t)snprintf(head, sizeof(head), "%s\r\n", rows[i].head), every[512];
        enum http1_result result = parse(&whole, head, len);
        for (size_t cut = 0; cut < len; cut++) {
            every[cut] = cut;
            assert_int_equal(parse_split(&split, head, len, &cut, 1), result);
            assert_same(&whole, &split, rows[i].what);
        }
        assert_int_equal(parse_split(&split, head, len, every, len), result);
        assert_same(&whole, &split, rows[i].what);
    }
}

static void a_cut_head_waits_for_more(void **state)
{
    static const char head[] =
        "\r\nPOST /path?q HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\n";
    static struct http1_request r;
    for (size_t len = 0; len < sizeof(head) - 1; len++)
        assert_int_equal(parse(&r, head, len), HTTP1_MORE);
    assert_int_equal(parse(&r, head, sizeof(head) - 1), HTTP1_OK);
}

static bool is(struct head_view v, const char *text)
{
    return v.len == strlen(text) && memcmp(v.p, text, v.len) == 0;
}

static void a_request_is_described(void **state)
{
    static struct http1_request r;
    static const char bytes[] = "\r\nPOST /a/b?c=d HTTP/1.1\r\nHOST: Shop.Example.:8443 "
                                "\r\nX-Empty:\r\nCookie: \t a=b; c \t\r\n"
                                "Content-Length: 5\r\nExpect: 100-continue\r\nConnection: Upgrade "
                                ", x\r\nUpgrade: websocket\r\n\r\nhello";
    assert_int_equal(parse(&r, bytes, sizeof(bytes) - 1), HTTP1_OK);
    assert_true(is(r.method, "POST") && is(r.path, "/a/b?c=d"));
    assert_true(is(r.authority, "Shop.Example.:8443") && is(r.host, "Shop.Example"));
    assert_int_equal(r.port, 8443);
    assert_int_equal(r.minor, 1);
    assert_true(r.keep_alive && r.expects_continue && r.wants_upgrade && !r.is_head &&
                !r.is_idempotent && !r.scheme_given);
    assert_int_equal(r.body, HTTP1_BODY_LENGTH);
    assert_int_equal(r.content_length, 5);
    assert_int_equal(r.head_bytes, sizeof(bytes) - 1 - 5);
    assert_int_equal(r.field_count, 7);
    assert_true(is(r.field[1].name, "X-Empty") && is(r.field[1].value, ""));
    assert_true(is(r.field[2].name, "Cookie") && is(r.field[2].value, "a=b; c"));

    static const char absolute[] = "HEAD httpS://A.test HTTP/1.1\r\nHost: a.TEST\r\n\r\n";
    assert_int_equal(parse(&r, absolute, sizeof(absolute) - 1), HTTP1_OK);
    assert_true(is(r.path, "/") && r.scheme_given && r.scheme_is_https && r.is_head &&
                r.is_idempotent);
    assert_int_equal(r.body, HTTP1_BODY_NONE);
}

static void a_connection_is_kept_or_not(void **state)
{
    static struct http1_request r;
    static const struct {
        const char *head;
        bool keep_alive;
    } heads[] = {
        {"GET / HTTP/1.1\r\n" H "\r\n", true},
        {"GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" H "Connection: x,\tCLOSE , y\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" H "Connection: closed\r\n\r\n", true},
        {"GET / HTTP/1.1\r\n" H "Connection: keep-alive\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
    };
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        assert_int_equal(parse(&r, heads[i].head, strlen(heads[i].head)), HTTP1_OK);
        if (r.keep_alive != heads[i].keep_alive)
            fail_msg("%s", heads[i].head);
    }
}

static void the_limits_are_exact(void **state)
{
    static struct http1_request r;
    static char head[2 * HTTP_HEAD_BYTES_MAX];
    /* the target */
    for (int over = 0; over <= 1; over++) {
        char *p = head + sprintf(head, "GET /");
        size_t fill = HTTP_TARGET_BYTES_MAX - 1 + (size_t)over;
        memset(p, 'a', fill);
        p += fill;
        p += sprintf(p, " HTTP/1.1\r\n" H "\r\n");
        enum http1_result result = parse(&r, head, (size_t)(p - head));
        assert_int_equal(result, over ? HTTP1_BAD : HTTP1_OK);
        assert_int_equal(r.error_status, over ? 414 : 0);
    }
    /* the number of fields */
    for (int over = 0; over <= 1; over++) {
        char *p = head + sprintf(head, "GET / HTTP/1.1\r\n" H);
        for (int i = 0; i < HTTP_FIELDS_MAX - 1 + over; i++)
            p += sprintf(p, "A: %d\r\n", i);
        p += sprintf(p, "\r\n");
        assert_int_equal(parse(&r, head, (size_t)(p - head)), over ? HTTP1_BAD : HTTP1_OK);
        assert_int_equal(r.error_status, over ? 431 : 0);
    }
    /* the head */
    for (int over = 0; over <= 1; over++) {
        char *p = head + sprintf(head, "GET / HTTP/1.1\r\n" H "A: ");
        size_t fill = HTTP_HEAD_BYTES_MAX + (size_t)over - (size_t)(p - head) - 4;
        memset(p, 'a', fill);
        p += fill;
        p += sprintf(p, "\r\n\r\n");
        assert_int_equal(parse(&r, head, (size_t)(p - head)), over ? HTTP1_BAD : HTTP1_OK);
        assert_int_equal(r.error_status, over ? 431 : 0);
        /* ... and without an end in sight, by drops. */
        size_t seen = 0;
        enum http1_result result = HTTP1_MORE;
        for (; seen < HTTP_HEAD_BYTES_MAX - 4 && result == HTTP1_MORE; seen++)
            result = http1_request_parse(&r, head, seen + 1, seen);
        assert_int_equal(result, HTTP1_MORE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_heads),
        cmocka_unit_test(a_nul_is_refused_everywhere),
        cmocka_unit_test(a_split_at_every_byte_gives_the_same_outcome),
        cmocka_unit_test(a_cut_head_waits_for_more),
        cmocka_unit_test(a_request_is_described),
        cmocka_unit_test(a_connection_is_kept_or_not),
        cmocka_unit_test(the_limits_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
