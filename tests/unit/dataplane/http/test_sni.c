#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/sni.h"
#include "hello.h"

static const char shop[] = "shop.example.com";

static struct sni fed(const uint8_t *bytes, size_t len, size_t split)
{
    struct sni s;
    sni_init(&s);
    if (sni_input(&s, bytes, split) == SNI_MORE)
        sni_input(&s, bytes + split, len - split);
    return s;
}

static struct sni fed_bytewise(const uint8_t *bytes, size_t len)
{
    struct sni s;
    sni_init(&s);
    for (size_t i = 0; i < len && s.result == SNI_MORE; i++)
        sni_input(&s, bytes + i, 1);
    return s;
}

static void a_split_at_every_byte_gives_the_same_name(void **state)
{
    static struct hello h;
    static uint8_t wire[8192];
    hello_post_quantum(&h, "Shop.Example.COM.");
    size_t len = hello_record(wire, h.bytes, h.len);
    assert_true(len > 1300);
    for (size_t split = 0; split <= len; split++) {
        struct sni s = fed(wire, len, split);
        assert_int_equal(s.result, SNI_OK);
        assert_string_equal(s.host, shop);
        assert_int_equal(s.host_bytes, strlen(shop));
        assert_int_equal(s.fed_bytes, len);
    }
    struct sni s = fed_bytewise(wire, len);
    assert_int_equal(s.result, SNI_OK);
    assert_string_equal(s.host, shop);
}

static void fragments_over_records_at_every_byte_give_the_same_name(void **state)
{
    static struct hello h;
    static uint8_t wire[8192];
    hello_post_quantum(&h, shop);
    for (size_t cut = 1; cut < h.len; cut++) {
        size_t len = hello_record(wire, h.bytes, cut);
        len += hello_record(wire + len, h.bytes + cut, h.len - cut);
        struct sni whole = fed(wire, len, len), split = fed(wire, len, cut),
                   bytewise = fed_bytewise(wire, len);
        assert_int_equal(whole.result, SNI_OK);
        assert_string_equal(whole.host, shop);
        assert_memory_equal(&whole, &split, sizeof(whole));
        assert_memory_equal(&whole, &bytewise, sizeof(whole));
    }
    /* Records of one byte each. */
    size_t len = 0;
    for (size_t i = 0; i < h.len; i++)
        len += hello_record(wire + len, h.bytes + i, 1);
    assert_int_equal(fed(wire, len, 3).result, SNI_OK);
}

static void a_cut_hello_waits_for_more(void **state)
{
    static struct hello h;
    static uint8_t wire[8192];
    hello_post_quantum(&h, shop);
    size_t len = hello_record(wire, h.bytes, h.len);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(fed(wire, cut, cut).result, SNI_MORE);
}

struct row {
    const char *what;
    enum sni_result result;
    void (*build)(struct hello *);
};

static void no_name(struct hello *h)
{
    hello_start(h);
    hello_extension(h, 0x2a2a, "", 0);
    hello_extension(h, 43, "\x02\x03\x04", 3);
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
static void bytes_behind_the_message(struct hello *h)
{
    name_last(h);
    hello_put(h, "junk", 4);
}
static void message_over_the_limit(struct hello *h)
{
    name_last(h);
    h->bytes[1] = 1;
}
static void message_too_short(struct hello *h)
{
    name_last(h);
    h->bytes[2] = 0;
    h->bytes[3] = 33;
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
static void server_hello(struct hello *h)
{
    name_last(h);
    h->bytes[0] = 2;
}

static void the_table_of_hellos(void **state)
{
    static const struct row rows[] = {
        {"GREASE and no name", SNI_NONE, no_name},
        {"no extensions at all", SNI_NONE, no_extensions},
        {"an empty list of extensions", SNI_NONE, empty_extensions},
        {"the name alone", SNI_OK, name_last},
        {"two server_name extensions", SNI_BAD, two_names},
        {"two names in the list", SNI_BAD, two_hosts_in_one_list},
        {"an empty server_name extension", SNI_BAD, empty_name_extension},
        {"an empty name", SNI_BAD, empty_name},
        {"a name of an unknown type", SNI_BAD, unknown_name_type},
        {"a name longer than its list", SNI_BAD, name_longer_than_its_list},
        {"a list longer than its extension", SNI_BAD, list_longer_than_its_extension},
        {"a byte behind the list", SNI_BAD, byte_behind_the_list},
        {"extensions shorter than the message", SNI_BAD, extensions_shorter_than_the_message},
        {"extensions longer than the message", SNI_BAD, extensions_longer_than_the_message},
        {"an extension longer than the extensions", SNI_BAD, extension_longer_than_the_extensions},
        {"half an extension header at the end", SNI_BAD, extension_header_cut},
        {"a message longer than its extensions", SNI_BAD, message_longer_than_its_extensions},
        {"bytes behind the message in its record", SNI_BAD, bytes_behind_the_message},
        {"a message over the limit", SNI_BAD, message_over_the_limit},
        {"a message shorter than its fixed part", SNI_BAD, message_too_short},
        {"an odd number of suite bytes", SNI_BAD, odd_suites},
        {"no suites", SNI_BAD, no_suites},
        {"a session id of 33 bytes", SNI_BAD, long_session_id},
        {"no compression method", SNI_BAD, no_compression},
        {"a ServerHello", SNI_BAD, server_hello},
    };
    static struct hello h;
    static uint8_t wire[8192];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        rows[i].build(&h);
        size_t len = hello_record(wire, h.bytes, h.len);
        for (size_t split = 0; split <= len; split++) {
            if (fed(wire, len, split).result != rows[i].result)
                fail_msg("%s, split at %zu: %d", rows[i].what, split, fed(wire, len, split).result);
        }
    }
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
        const char *name, *host; /* NULL: refused */
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
        {"192.0.2.1", NULL},
        {"192.0.2.1.", NULL},
        {"a.1", NULL},
        {"2001:db8::1", NULL},
        {"[2001:db8::1]", NULL},
        {"example.com:443", NULL},
        {"*.example.com", NULL},
        {"exa mple.com", NULL},
        {"ex\xc3\xa4mple.com", NULL},
        {"a/b", NULL},
    };
    static struct hello h;
    static uint8_t wire[8192];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        hello_start(&h);
        hello_name(&h, rows[i].name);
        hello_end(&h);
        size_t len = hello_record(wire, h.bytes, h.len);
        struct sni s = fed(wire, len, 60);
        if (s.result != (rows[i].host ? SNI_OK : SNI_BAD) ||
            (rows[i].host && strcmp(s.host, rows[i].host) != 0))
            fail_msg("\"%s\": %d \"%s\"", rows[i].name, s.result, s.host);
    }
}

static void the_table_of_records(void **state)
{
    static const struct {
        const char *what;
        const char *bytes;
        size_t len;
        enum sni_result result;
    } rows[] = {
        {"application data", "\x17", 1, SNI_BAD},
        {"an alert", "\x15\x03\x01", 3, SNI_BAD},
        {"an SSL 2 hello", "\x80\x2e\x01", 3, SNI_BAD},
        {"HTTP", "GET / HTTP/1.1\r\n", 16, SNI_BAD},
        {"a version of 2.x", "\x16\x02", 2, SNI_BAD},
        {"a version of 3.5", "\x16\x03\x05", 3, SNI_BAD},
        {"an empty record", "\x16\x03\x01\x00\x00", 5, SNI_BAD},
        {"an empty second record", "\x16\x03\x01\x00\x01\x01\x16\x03\x01\x00\x00", 11, SNI_BAD},
        {"a record over 2^14", "\x16\x03\x01\x40\x01", 5, SNI_BAD},
        {"a record of 2^14", "\x16\x03\x01\x40\x00", 5, SNI_MORE},
        {"an alert between two fragments", "\x16\x03\x01\x00\x01\x01\x15", 7, SNI_BAD},
        {"nothing", "", 0, SNI_MORE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sni whole = fed((const uint8_t *)rows[i].bytes, rows[i].len, rows[i].len);
        struct sni bytewise = fed_bytewise((const uint8_t *)rows[i].bytes, rows[i].len);
        if (whole.result != rows[i].result || bytewise.result != rows[i].result)
            fail_msg("%s: %d, %d", rows[i].what, whole.result, bytewise.result);
    }
}

static void an_endless_hello_is_refused_at_the_limit(void **state)
{
    /* The largest message that is allowed, in records of one byte: the headers count. */
    struct sni s;
    sni_init(&s);
    uint8_t record[6] = {22, 3, 1, 0, 1, 0};
    /* ... version and random, no session id, and suites to the end. */
    const uint8_t start[] = {[0] = 1, 0, 0x3f, 0xff, [38] = 0, 0x3f, 0xd0};
    size_t fed_bytes = 0;
    for (size_t i = 0; s.result == SNI_MORE; i++, fed_bytes += sizeof(record)) {
        record[5] = i < sizeof(start) ? start[i] : 0;
        sni_input(&s, record, sizeof(record));
        assert_true(fed_bytes <= SNI_HELLO_BYTES_MAX);
    }
    assert_int_equal(s.result, SNI_BAD);
    assert_true(fed_bytes > SNI_HELLO_BYTES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_split_at_every_byte_gives_the_same_name),
        cmocka_unit_test(fragments_over_records_at_every_byte_give_the_same_name),
        cmocka_unit_test(a_cut_hello_waits_for_more),
        cmocka_unit_test(the_table_of_hellos),
        cmocka_unit_test(the_table_of_names),
        cmocka_unit_test(the_table_of_records),
        cmocka_unit_test(an_endless_hello_is_refused_at_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
