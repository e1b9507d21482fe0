#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/tls/client_hello.h"
#include "hello.h"

static const char shop[] = "shop.example.com";

struct row {
    const char *what;
    enum tls_alert alert;
    enum client_hello_name name;
    void (*build)(struct hello *);
};

static void no_name(struct hello *h)
{
    hello_start(h);
    hello_extension(h, 0x2a2a, "", 0);
    hello_extension(h, 43, "\x02\x03\x03", 3);
    hello_end(h);
}
static void no_extensions(struct hello *h)
{
    hello_start(h);
    h->len = h->extensions_at;
    h->bytes[3] = (uint8_t)(h->len - 4);
}
static void empty_extensions(struct hello *h)
{
    hello_start(h);
    hello_end(h);
}
static void name_last(struct hello *h)
{
    hello_start(h);
    hello_name(h, shop);
    hello_end(h);
}
static void two_names(struct hello *h)
{
    hello_start(h);
    hello_name(h, shop);
    hello_name(h, shop);
    hello_end(h);
}
static void two_hosts_in_one_list(struct hello *h)
{
    hello_start(h);
    hello_extension(h, 0,
                    "\x00\x0a\x00\x00\x02"
                    "a."
                    "\x00\x00\x02"
                    "b.",
                    12);
    hello_end(h);
}
static void empty_name_extension(struct hello *h)
{
    hello_start(h);
    hello_extension(h, 0, "", 0);
    hello_end(h);
}
static void empty_name(struct hello *h)
{
    hello_start(h);
    hello_extension(h, 0, "\x00\x03\x00\x00\x00", 5);
    hello_end(h);
}
static void unknown_name_type(struct hello *h)
{
    hello_start(h);
    hello_extension(h, 0,
                    "\x00\x06\x01\x00\x03"
                    "a.b",
                    8);
    hello_end(h);
}
static void name_longer_than_its_list(struct hello *h)
{
    hello_start(h);
    hello_extension(h, 0,
                    "\x00\x06\x00\x00\x04"
                    "a.b",
                    8);
    hello_end(h);
}
static void list_longer_than_its_extension(struct hello *h)
{
    hello_start(h);
    hello_extension(h, 0,
                    "\x00\x07\x00\x00\x03"
                    "a.b",
                    8);
    hello_end(h);
}
static void byte_behind_the_list(struct hello *h)
{
    hello_start(h);
    hello_extension(h, 0,
                    "\x00\x06\x00\x00\x03"
                    "a.bX",
                    9);
    hello_end(h);
}
static void extensions_shorter_than_the_message(struct hello *h)
{
    name_last(h);
    h->bytes[h->extensions_at + 1]--;
}
static void extensions_longer_than_the_message(struct hello *h)
{
    name_last(h);
    h->bytes[h->extensions_at + 1]++;
}
static void extension_longer_than_the_extensions(struct hello *h)
{
    no_name(h);
    h->bytes[h->len - 4]++;
}
static void extension_header_cut(struct hello *h)
{
    hello_start(h);
    hello_name(h, shop);
    hello_put(h, "\x00\x2b\x00", 3);
    hello_end(h);
}
static void message_longer_than_its_extensions(struct hello *h)
{
    name_last(h);
    hello_put(h, "junk", 4);
    h->bytes[3] += 4;
}
static void odd_suites(struct hello *h)
{
    name_last(h);
    h->bytes[4 + 34 + 5 + 1] = 5;
}
static void no_suites(struct hello *h)
{
    name_last(h);
    h->bytes[4 + 34 + 5 + 1] = 0;
}
static void long_session_id(struct hello *h)
{
    name_last(h);
    h->bytes[4 + 34] = 33;
}
static void no_compression(struct hello *h)
{
    name_last(h);
    h->bytes[4 + 34 + 5 + 8] = 0;
}

static void old_version(struct hello *h)
{
    name_last(h);
    h->bytes[5] = 2;
}
static void version_1_3_in_the_old_field(struct hello *h)
{
    name_last(h);
    h->bytes[5] = 4;
}
static void fallback_from_1_3(struct hello *h)
{
    name_last(h);
    memcpy(h->bytes + 4 + 34 + 5 + 2, "\x56\x00", 2);
}
static void post_quantum(struct hello *h)
{
    hello_post_quantum(h, shop);
}
static void deflate_too(struct hello *h)
{
    hello_start(h);
    h->len -= 4;
    hello_put(h, "\x02\x01\x00", 3);
    h->extensions_at = h->len;
    hello_put_u16(h, 0);
    hello_name(h, shop);
    hello_end(h);
}
static void deflate_only(struct hello *h)
{
    name_last(h);
    h->bytes[h->extensions_at - 1] = 1;
}

static void the_table_of_hellos(void **state)
{
    static const struct row rows[] = {
        {"GREASE and no name", 0, CLIENT_HELLO_NO_NAME, no_name},
        {"no extensions at all", 0, CLIENT_HELLO_NO_NAME, no_extensions},
        {"an empty list of extensions", 0, CLIENT_HELLO_NO_NAME, empty_extensions},
        {"the name alone", 0, CLIENT_HELLO_HOST, name_last},
        {"a browser's", 0, CLIENT_HELLO_HOST, post_quantum},
        {"two server_name extensions", TLS_ALERT_ILLEGAL_PARAMETER, 0, two_names},
        {"two names in the list", TLS_ALERT_ILLEGAL_PARAMETER, CLIENT_HELLO_HOST,
         two_hosts_in_one_list},
        {"an empty server_name extension", TLS_ALERT_DECODE_ERROR, 0, empty_name_extension},
        {"an empty name", TLS_ALERT_DECODE_ERROR, 0, empty_name},
        {"a name of an unknown type", 0, CLIENT_HELLO_NO_NAME, unknown_name_type},
        {"a name longer than its list", TLS_ALERT_DECODE_ERROR, 0, name_longer_than_its_list},
        {"a list longer than its extension", TLS_ALERT_DECODE_ERROR, 0,
         list_longer_than_its_extension},
        {"a byte behind the list", TLS_ALERT_DECODE_ERROR, 0, byte_behind_the_list},
        {"extensions shorter than the message", TLS_ALERT_DECODE_ERROR, 0,
         extensions_shorter_than_the_message},
        {"extensions longer than the message", TLS_ALERT_DECODE_ERROR, 0,
         extensions_longer_than_the_message},
        {"an extension longer than the extensions", TLS_ALERT_DECODE_ERROR, 0,
         extension_longer_than_the_extensions},
        {"half an extension header at the end", TLS_ALERT_DECODE_ERROR, 0, extension_header_cut},
        {"a message longer than its extensions", TLS_ALERT_DECODE_ERROR, 0,
         message_longer_than_its_extensions},
        {"an odd number of suite bytes", TLS_ALERT_DECODE_ERROR, 0, odd_suites},
        {"no suites", TLS_ALERT_DECODE_ERROR, 0, no_suites},
        {"a session id of 33 bytes", TLS_ALERT_DECODE_ERROR, 0, long_session_id},
        {"no compression method", TLS_ALERT_DECODE_ERROR, 0, no_compression},
        {"TLS 1.1", TLS_ALERT_PROTOCOL_VERSION, 0, old_version},
        {"1.3 in the field of old versions", 0, CLIENT_HELLO_HOST, version_1_3_in_the_old_field},
        {"a client that fell back to 1.2", TLS_ALERT_INAPPROPRIATE_FALLBACK, 0, fallback_from_1_3},
        {"TLS 1.2, compression or none", 0, CLIENT_HELLO_HOST, deflate_too},
        {"TLS 1.2, compression only", TLS_ALERT_ILLEGAL_PARAMETER, CLIENT_HELLO_HOST, deflate_only},
    };
    static struct hello h;
    static struct client_hello hello;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rows[i].build(&h);
        enum tls_alert alert = client_hello_read(&hello, h.bytes, h.len);
        if (alert != rows[i].alert || hello.name != rows[i].name)
            fail_msg("%s: alert %d, name %d", rows[i].what, alert, hello.name);
    }
}

struct extension {
    uint16_t type, len;
    const char *bytes;
};
#define EXTENSION(type, text)                                                                      \
    {                                                                                              \
        type, sizeof(text) - 1, text                                                               \
    }
#define VERSIONS   EXTENSION(43, "\x02\x03\x04")
#define GROUPS     EXTENSION(10, "\0\6\0\x1d\0\x17\0\x1e")
#define SIGNATURES EXTENSION(13, "\0\2\4\3")
#define KEY        "0123456789abcdef0123456789abcdef"
#define SHARES     EXTENSION(51, "\0\x24\0\x1d\0\x20" KEY)
#define NAME       EXTENSION(0, "\0\4\0\0\1a")
#define PSK        EXTENSION(41, "\0\7\0\1T\0\0\0\0\0\x21\x20" KEY)
#define PSK_MODES  EXTENSION(45, "\1\1")

static void hello_of(struct hello *h, const struct extension *list, size_t count)
{
    hello_start(h);
    for (size_t i = 0; i < count && list[i].bytes; i++)
        hello_extension(h, list[i].type, list[i].bytes, list[i].len);
    hello_end(h);
}

static void the_table_of_extensions(void **state)
{
    static const struct {
        const char *what;
        enum tls_alert alert;
        struct extension list[8];
    } rows[] = {
        {"all that TLS 1.3 wants", 0, {VERSIONS, GROUPS, SIGNATURES, SHARES}},
        {"no shares yet", 0, {VERSIONS, GROUPS, SIGNATURES, EXTENSION(51, "\0\0")}},
        {"no key_share", TLS_ALERT_MISSING_EXTENSION, {VERSIONS, GROUPS, SIGNATURES}},
        {"no groups", TLS_ALERT_MISSING_EXTENSION, {VERSIONS, SIGNATURES, SHARES}},
        {"neither", TLS_ALERT_MISSING_EXTENSION, {VERSIONS, SIGNATURES}},
        {"no signature algorithms", TLS_ALERT_MISSING_EXTENSION, {VERSIONS, GROUPS, SHARES}},
        {"a PSK instead", 0, {VERSIONS, GROUPS, SHARES, PSK_MODES, PSK}},
        {"a PSK without its modes", TLS_ALERT_MISSING_EXTENSION, {VERSIONS, GROUPS, SHARES, PSK}},
        {"a PSK that is not last",
         TLS_ALERT_ILLEGAL_PARAMETER,
         {VERSIONS, GROUPS, SHARES, PSK_MODES, PSK, SIGNATURES}},
        {"no group of ours", /* X448 */
         TLS_ALERT_HANDSHAKE_FAILURE,
         {VERSIONS, EXTENSION(10, "\0\2\0\x1e"), SIGNATURES, EXTENSION(51, "\0\5\0\x1e\0\1k")}},
        {"TLS 1.2, no group of ours", TLS_ALERT_HANDSHAKE_FAILURE, {EXTENSION(10, "\0\2\0\x1e")}},
        {"a share for another's group",
         0, /* of any length */
         {VERSIONS, GROUPS, SIGNATURES, EXTENSION(51, "\0\5\0\x1e\0\1k")}},
        {"a share for a group that was not asked for",
         TLS_ALERT_ILLEGAL_PARAMETER,
         {VERSIONS, EXTENSION(10, "\0\2\0\x17"), SIGNATURES, SHARES}},
        {"two shares for one group",
         TLS_ALERT_ILLEGAL_PARAMETER,
         {VERSIONS, GROUPS, SIGNATURES,
          EXTENSION(51, "\0\x48\0\x1d\0\x20" KEY "\0\x1d\0\x20" KEY)}},
        {"a share that is a byte short",
         TLS_ALERT_ILLEGAL_PARAMETER,
         {VERSIONS, GROUPS, SIGNATURES,
          EXTENSION(51, "\0\x23\0\x1d\0\x1f"
                        "0123456789abcdef0123456789abcde")}},
        {"an empty share",
         TLS_ALERT_DECODE_ERROR,
         {VERSIONS, GROUPS, SIGNATURES, EXTENSION(51, "\0\4\0\x1d\0\0")}},
        {"a share longer than the list",
         TLS_ALERT_DECODE_ERROR,
         {VERSIONS, GROUPS, SIGNATURES, EXTENSION(51, "\0\x24\0\x1d\0\x21" KEY)}},
        {"half a group", TLS_ALERT_DECODE_ERROR, {VERSIONS, EXTENSION(10, "\0\1\0")}},
        {"an empty list of groups", TLS_ALERT_DECODE_ERROR, {VERSIONS, EXTENSION(10, "\0\0")}},
        {"no signature algorithm", TLS_ALERT_DECODE_ERROR, {VERSIONS, EXTENSION(13, "\0\0")}},
        {"no version", TLS_ALERT_DECODE_ERROR, {EXTENSION(43, "\0")}},
        {"half a version", TLS_ALERT_DECODE_ERROR, {EXTENSION(43, "\3\3\4\3")}},
        {"a version of the future", TLS_ALERT_PROTOCOL_VERSION, {EXTENSION(43, "\2\3\5")}},
        {"a version of the past", TLS_ALERT_PROTOCOL_VERSION, {EXTENSION(43, "\2\3\2")}},
        {"early data with content", TLS_ALERT_DECODE_ERROR, {VERSIONS, EXTENSION(42, "x")}},
        {"an ALPN list that lies", TLS_ALERT_DECODE_ERROR, {EXTENSION(16, "\0\3\3h2")}},
        {"an empty ALPN name", TLS_ALERT_DECODE_ERROR, {EXTENSION(16, "\0\4\2h2\0")}},
        {"an empty ALPN list", TLS_ALERT_DECODE_ERROR, {EXTENSION(16, "\0\0")}},
        {"one unknown extension twice",
         TLS_ALERT_ILLEGAL_PARAMETER,
         {EXTENSION(0x8a8a, "a"), NAME, EXTENSION(0x8a8a, "a")}},
        {"a name behind one of another type", 0, {EXTENSION(0, "\0\x9\1\0\2xy\0\0\1a")}},
        {"an empty name of another type", 0, {EXTENSION(0, "\0\3\1\0\0")}},
        {"half a name of another type", TLS_ALERT_DECODE_ERROR, {EXTENSION(0, "\0\3\1\0\1")}},
        {"an empty list of names", TLS_ALERT_DECODE_ERROR, {EXTENSION(0, "\0\0")}},
    };
    static struct hello h;
    static struct client_hello hello;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        hello_of(&h, rows[i].list, 8);
        enum tls_alert alert = client_hello_read(&hello, h.bytes, h.len);
        if (alert != rows[i].alert)
            fail_msg("%s: alert %d", rows[i].what, alert);
    }
}

/* As many as are kept in a list, and more; the first is of a type below 64. */
static void any_extension_twice_is_refused_among_many(void **state)
{
    static struct hello h;
    static struct client_hello hello;
    for (size_t count = 2; count < 40; count++) {
        for (size_t twice = 0; twice < count; twice++) {
            for (size_t is_there = 0; is_there < 2; is_there++) {
                hello_start(&h);
                for (size_t i = 0; i < count; i++)
                    hello_extension(&h, 60 + 0x101 * i, "", 0);
                if (is_there)
                    hello_extension(&h, 60 + 0x101 * twice, "x", 1);
                hello_end(&h);
                enum tls_alert alert = client_hello_read(&hello, h.bytes, h.len);
                if (alert != (is_there ? TLS_ALERT_ILLEGAL_PARAMETER : 0))
                    fail_msg("%zu extensions, number %zu twice: alert %d", count, twice, alert);
            }
        }
    }
}

static enum tls_alert read_with_digest(struct client_hello *hello, const uint8_t *message,
                                       size_t len)
{
    enum tls_alert alert = client_hello_read(hello, message, len);
    hello->digest = client_hello_digest(message, len);
    return alert;
}

static void the_table_of_second_hellos(void **state)
{
    static const struct extension first[] = {
        VERSIONS,          GROUPS,    SIGNATURES, EXTENSION(51, "\0\0"), NAME,
        EXTENSION(42, ""), PSK_MODES, PSK};
    static const struct {
        const char *what;
        bool follows;
        size_t at; /* of the byte that is changed by 1; 0: none */
        struct extension list[9];
    } rows[] = {
        {"a share, no early data",
         true,
         0,
         {VERSIONS, GROUPS, SIGNATURES, SHARES, NAME, PSK_MODES, PSK}},
        {"in another order", true, 0, {NAME, SHARES, GROUPS, SIGNATURES, VERSIONS, PSK_MODES, PSK}},
        {"without the PSK", true, 0, {VERSIONS, GROUPS, SIGNATURES, SHARES, NAME, PSK_MODES}},
        {"with padding",
         true,
         0,
         {VERSIONS, GROUPS, SIGNATURES, SHARES, NAME, EXTENSION(21, "\0\0"), PSK_MODES}},
        {"still no share",
         false,
         0,
         {VERSIONS, GROUPS, SIGNATURES, EXTENSION(51, "\0\0"), NAME, PSK_MODES}},
        {"a share of another group",
         false,
         0,
         {VERSIONS, GROUPS, SIGNATURES, EXTENSION(51, "\0\5\0\x1e\0\1k"), NAME, PSK_MODES}},
        {"early data again",
         false,
         0,
         {VERSIONS, GROUPS, SIGNATURES, SHARES, NAME, EXTENSION(42, ""), PSK_MODES, PSK}},
        {"another name",
         false,
         0,
         {VERSIONS, GROUPS, SIGNATURES, SHARES, EXTENSION(0, "\0\4\0\0\1b"), PSK_MODES}},
        {"no name", false, 0, {VERSIONS, GROUPS, SIGNATURES, SHARES, PSK_MODES}},
        {"one extension more",
         false,
         0,
         {VERSIONS, GROUPS, SIGNATURES, SHARES, NAME, PSK_MODES, EXTENSION(0x8a8a, "")}},
        {"a cookie that nobody gave",
         false,
         0,
         {VERSIONS, GROUPS, SIGNATURES, SHARES, NAME, EXTENSION(44, "\0\1c"), PSK_MODES}},
        {"fewer groups",
         false,
         0,
         {VERSIONS, EXTENSION(10, "\0\2\0\x1d"), SIGNATURES, SHARES, NAME, PSK_MODES}},
        {"another random",
         false,
         4 + 2 + 7,
         {VERSIONS, GROUPS, SIGNATURES, SHARES, NAME, PSK_MODES}},
        {"another session id",
         false,
         4 + 34 + 1 + 1,
         {VERSIONS, GROUPS, SIGNATURES, SHARES, NAME, PSK_MODES}},
        {"another cipher suite",
         false,
         4 + 34 + 5 + 2 + 3,
         {VERSIONS, GROUPS, SIGNATURES, SHARES, NAME, PSK_MODES}},
        {"another old version", false, 5, {VERSIONS, GROUPS, SIGNATURES, SHARES, NAME, PSK_MODES}},
    };
    static struct hello h;
    static struct client_hello before, hello;
    hello_of(&h, first, sizeof(first) / sizeof(first[0]));
    assert_int_equal(read_with_digest(&before, h.bytes, h.len), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        hello_of(&h, rows[i].list, 9);
        if (rows[i].at > 0)
            h.bytes[rows[i].at]++;
        if (read_with_digest(&hello, h.bytes, h.len) != 0 ||
            client_hello_follows(&before, &hello, 29) != rows[i].follows)
            fail_msg("%s: alert or verdict", rows[i].what);
    }
    /* A PSK that was not there before. */
    hello_of(&h, rows[2].list, 9);
    assert_int_equal(read_with_digest(&before, h.bytes, h.len), 0);
    hello_of(&h, rows[0].list, 9);
    assert_int_equal(read_with_digest(&hello, h.bytes, h.len), 0);
    assert_false(client_hello_follows(&before, &hello, 29));
}

static void the_table_of_names(void **state)
{
    static char long_name[300], long_label[80] = "a.";
    memset(long_name, 'a', sizeof(long_name));
    for (size_t i = 50; i < sizeof(long_name); i += 50)
        long_name[i] = '.';
    memset(long_label + 2, 'x', 64);
    char name_253[300], name_254[300];
    snprintf(name_253, sizeof(name_253), "%.253s", long_name);
    snprintf(name_254, sizeof(name_254), "%.254s", long_name);
    const struct {
        const char *name, *host; /* NULL: none */
        bool is_address;         /* or else refused */
    } rows[] = {
        {"a", "a"},
        {"EXAMPLE.com", "example.com"},
        {"example.com.", "example.com"},
        {"x_y.example.com", "x_y.example.com"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"1.example.com", "1.example.com"},
        {"1-2", "1-2"},
        {name_253, name_253},
        {name_254, NULL},
        {long_label, NULL},
        {".", NULL},
        {"..", NULL},
        {".example.com", NULL},
        {"example..com", NULL},
        {"example.com..", NULL},
        {"-a.com", NULL},
        {"a-.com", NULL},
        {"a.com-", NULL},
        {"a.-com", NULL},
        {"192.0.2.1", NULL, true},
        {"192.0.2.1.", NULL, true},
        {"a.1", NULL, true},
        {"2001:db8::1", NULL, true},
        {"[2001:db8::1]", NULL, true},
        {"::", NULL, true},
        {"::ffff:192.0.2.1", NULL, true},
        {"2001:db8::1::", NULL},
        {"[2001:db8::1", NULL},
        {"[]", NULL},
        {":", NULL},
        {"192.0.2.1:443", NULL},
        {"example.com:443", NULL},
        {"*.example.com", NULL},
        {"exa mple.com", NULL},
        {"ex\xc3\xa4mple.com", NULL},
        {"a/b", NULL},
    };
    static struct hello h;
    static struct client_hello hello;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        hello_start(&h);
        hello_name(&h, rows[i].name);
        hello_end(&h);
        enum tls_alert alert = client_hello_read(&hello, h.bytes, h.len);
        bool is_refused = !rows[i].host && !rows[i].is_address;
        enum client_hello_name name = rows[i].host         ? CLIENT_HELLO_HOST
                                      : rows[i].is_address ? CLIENT_HELLO_ADDRESS
                                                           : CLIENT_HELLO_BAD_NAME;
        if (alert != (is_refused ? TLS_ALERT_ILLEGAL_PARAMETER : 0) || hello.name != name ||
            (rows[i].host && strcmp(hello.host, rows[i].host) != 0) ||
            strlen(hello.host) != hello.host_bytes)
            fail_msg("\"%s\": alert %d, \"%s\"", rows[i].name, alert, hello.host);
    }
}

static void a_name_with_a_zero_byte_is_refused(void **state)
{
    static struct hello h;
    static struct client_hello hello;
    static const struct extension list[] = {EXTENSION(0, "\0\6\0\0\3a\0b")};
    hello_of(&h, list, 1);
    assert_int_equal(client_hello_read(&hello, h.bytes, h.len), TLS_ALERT_ILLEGAL_PARAMETER);
    assert_int_equal(hello.name, CLIENT_HELLO_BAD_NAME);
}

static void a_message_cut_anywhere_cannot_be_decoded(void **state)
{
    static struct hello h;
    static struct client_hello hello;
    hello_post_quantum(&h, shop);
    for (size_t len = TLS_MESSAGE_HEADER_BYTES; len < h.len; len++) {
        /* All but the end of the compression methods: a hello without extensions. */
        enum tls_alert alert = client_hello_read(&hello, h.bytes, len);
        if (alert != (len == h.extensions_at ? 0 : TLS_ALERT_DECODE_ERROR))
            fail_msg("%zu bytes: alert %d", len, alert);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_hellos),
        cmocka_unit_test(the_table_of_extensions),
        cmocka_unit_test(any_extension_twice_is_refused_among_many),
        cmocka_unit_test(the_table_of_second_hellos),
        cmocka_unit_test(the_table_of_names),
        cmocka_unit_test(a_name_with_a_zero_byte_is_refused),
        cmocka_unit_test(a_message_cut_anywhere_cannot_be_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
