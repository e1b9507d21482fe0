#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/egress/dns.h"

static const struct dns_question ask_a = {
    .host = "www.example.com", .type = DNS_TYPE_A, .id = 0x1234, .case_seed = 0};

/* An answer in the making. */
struct message {
    uint8_t bytes[1024];
    size_t len;
    size_t answers, authorities;
};

static void put(struct message *m, const void *bytes, size_t len)
{
    memcpy(m->bytes + m->len, bytes, len);
    m->len += len;
}

static void put_u16(struct message *m, uint16_t v)
{
    put(m, (uint8_t[]){(uint8_t)(v >> 8), (uint8_t)v}, 2);
}

static struct message answer_to(const struct dns_question *q, uint16_t flags)
{
    struct message m = {0};
    uint8_t question[DNS_QUESTION_BYTES_MAX];
    size_t len = dns_write_question(q, question);
    assert_true(len > 0);
    put(&m, question, len - 11);
    m.bytes[2] = (uint8_t)(flags >> 8);
    m.bytes[3] = (uint8_t)flags;
    m.bytes[11] = 0;
    return m;
}

static void record(struct message *m, const char *owner, size_t owner_bytes, uint16_t type,
                   uint32_t ttl, const void *data, uint16_t bytes)
{
    put(m, owner, owner_bytes);
    put_u16(m, type);
    put_u16(m, 1);
    put_u16(m, (uint16_t)(ttl >> 16));
    put_u16(m, (uint16_t)ttl);
    put_u16(m, bytes);
    put(m, data, bytes);
    m->bytes[type == 6 ? 9 : 7]++;
}

#define OWNER "\xc0\x0c", 2

static void a_question_is_as_the_standard_has_it(void **state)
{
    static const uint8_t want[] = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"
                                  "\x03www\x07"
                                  "example\x03"
                                  "com\x00\x00\x01\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00";
    uint8_t buf[DNS_QUESTION_BYTES_MAX];
    size_t len = dns_write_question(&ask_a, buf);
    assert_int_equal(len, sizeof(want)); /* the last zero is the string's */
    assert_memory_equal(buf, want, len - 1);
    assert_int_equal(buf[len - 1], 0);
}

static void names_that_cannot_be_asked_for_are_not(void **state)
{
    char label[80] = {0}, whole[300] = {0};
    uint8_t buf[DNS_QUESTION_BYTES_MAX];
    struct dns_question q = ask_a;
    memset(label, 'a', 64);
    memset(whole, 'a', 254);
    for (int i = 20; i < 254; i += 20)
        whole[i] = '.';
    const char *bad[] = {"", ".", "a..b", ".a", label, whole};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        q.host = bad[i];
        assert_int_equal(dns_write_question(&q, buf), 0);
    }
    whole[253] = 0;
    q.host = whole;
    assert_true(dns_write_question(&q, buf) <= DNS_QUESTION_BYTES_MAX);
}

static void case_is_random_and_must_come_back(void **state)
{
    struct dns_question q = ask_a, other = ask_a;
    struct dns_answer a;
    int differing = 0;
    for (uint64_t seed = 1; seed < 50; seed++) {
        uint8_t x[DNS_QUESTION_BYTES_MAX], y[DNS_QUESTION_BYTES_MAX];
        q.case_seed = seed;
        other.case_seed = seed + 1;
        size_t len = dns_write_question(&q, x);
        assert_int_equal(dns_write_question(&other, y), len);
        differing += memcmp(x, y, len) != 0;
        struct message m = answer_to(&q, 0x8180);
        record(&m, OWNER, 1, 60, "\x01\x02\x03\x04", 4);
        assert_int_equal(dns_read_answer(&q, m.bytes, m.len, &a), DNS_ADDRESSES);
        if (memcmp(x, y, len) != 0)
            assert_int_equal(dns_read_answer(&other, m.bytes, m.len, &a), DNS_FOREIGN);
    }
    assert_true(differing > 40);
}

static void addresses_are_read_with_the_least_time(void **state)
{
    struct dns_answer a;
    struct message m = answer_to(&ask_a, 0x8180);
    record(&m, OWNER, 1, 60, "\x01\x02\x03\x04", 4);
    record(&m, OWNER, 1, 30, "\x05\x06\x07\x08", 4);
    record(&m, OWNER, 28, 1, "0123456789abcdef", 16);          /* not what was asked */
    record(&m, "\x03xxx\x00", 5, 1, 1, "\x09\x09\x09\x09", 4); /* nor whom */
    record(&m, OWNER, 1, 40, "\x01\x02\x03", 3);               /* nor an address */
    assert_int_equal(dns_read_answer(&ask_a, m.bytes, m.len, &a), DNS_ADDRESSES);
    assert_int_equal(a.count, 2);
    assert_int_equal(a.ttl_s, 30);
    assert_memory_equal(a.ip[1], "\0\0\0\0\0\0\0\0\0\0\xff\xff\5\6\7\x8", 16);
}

static void aliases_are_followed_in_any_order(void **state)
{
    struct dns_answer a;
    struct message m = answer_to(&ask_a, 0x8180);
    record(&m, "\x01y\x01z\x00", 5, 1, 50, "\x01\x02\x03\x04", 4);
    record(&m, "\x01x\x00", 3, 5, 70, "\x01Y\x01z\x00", 5);
    record(&m, OWNER, 5, 80, "\x01x\x00", 3);
    assert_int_equal(dns_read_answer(&ask_a, m.bytes, m.len, &a), DNS_ADDRESSES);
    assert_int_equal(a.count, 1);
    assert_int_equal(a.ttl_s, 50);
    m = answer_to(&ask_a, 0x8180); /* a ring */
    record(&m, OWNER, 5, 80, "\x01x\x00", 3);
    record(&m, "\x01x\x00", 3, 5, 70, "\xc0\x0c", 2);
    assert_int_equal(dns_read_answer(&ask_a, m.bytes, m.len, &a), DNS_NOTHING);
}

static void a_no_holds_as_long_as_the_zone_says(void **state)
{
    struct dns_answer a;
    struct message m = answer_to(&ask_a, 0x8183);
    uint8_t soa[22] = {0, 0};
    soa[21] = 7;
    record(&m,
           "\x03"
           "com\x00",
           5, 6, 900, soa, sizeof(soa));
    assert_int_equal(dns_read_answer(&ask_a, m.bytes, m.len, &a), DNS_NOTHING);
    assert_int_equal(a.ttl_s, 7);
    m = answer_to(&ask_a, 0x8180);
    assert_int_equal(dns_read_answer(&ask_a, m.bytes, m.len, &a), DNS_NOTHING);
    assert_int_equal(a.ttl_s, 0);
}

static void other_outcomes_have_their_names(void **state)
{
    struct dns_answer a;
    struct message m = answer_to(&ask_a, 0x8380);
    assert_int_equal(dns_read_answer(&ask_a, m.bytes, m.len, &a), DNS_CUT);
    m = answer_to(&ask_a, 0x8182);
    assert_int_equal(dns_read_answer(&ask_a, m.bytes, m.len, &a), DNS_FAILURE);
    m = answer_to(&ask_a, 0x0180); /* a question */
    assert_int_equal(dns_read_answer(&ask_a, m.bytes, m.len, &a), DNS_FOREIGN);
    m = answer_to(&ask_a, 0x8180);
    m.bytes[1] ^= 1; /* another id */
    assert_int_equal(dns_read_answer(&ask_a, m.bytes, m.len, &a), DNS_FOREIGN);
    m = answer_to(&ask_a, 0x8180);
    for (size_t len = 0; len < m.len; len++)
        assert_int_equal(dns_read_answer(&ask_a, m.bytes, len, &a), DNS_FOREIGN);
}

/* Pointers lead backwards only: none of these ends in a loop, or reads beyond the bytes. */
static void names_that_lie_are_no_names(void **state)
{
    struct dns_answer a;
    struct message m = answer_to(&ask_a, 0x8180);
    size_t at = m.len;
    char self[2] = {(char)(0xc0 | at >> 8), (char)at};
    record(&m, self, 2, 1, 60, "\x01\x02\x03\x04", 4);
    assert_int_equal(dns_read_answer(&ask_a, m.bytes, m.len, &a), DNS_NOTHING);
    m = answer_to(&ask_a, 0x8180);
    record(&m, "\xff\xff", 2, 1, 60, "\x01\x02\x03\x04", 4);
    assert_int_equal(dns_read_answer(&ask_a, m.bytes, m.len, &a), DNS_NOTHING);
    m = answer_to(&ask_a, 0x8180);
    record(&m, OWNER, 1, 60, "\x01\x02\x03\x04", 4);
    for (size_t cut = 1; cut < 16; cut++)
        assert_int_equal(dns_read_answer(&ask_a, m.bytes, m.len - cut, &a), DNS_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_as_the_standard_has_it),
        cmocka_unit_test(names_that_cannot_be_asked_for_are_not),
        cmocka_unit_test(case_is_random_and_must_come_back),
        cmocka_unit_test(addresses_are_read_with_the_least_time),
        cmocka_unit_test(aliases_are_followed_in_any_order),
        cmocka_unit_test(a_no_holds_as_long_as_the_zone_says),
        cmocka_unit_test(other_outcomes_have_their_names),
        cmocka_unit_test(names_that_lie_are_no_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
