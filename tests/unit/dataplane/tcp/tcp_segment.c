/* The header and option parser. */
#include "fixture.h"

struct row {
    const char *what;
    uint8_t flags;
    uint8_t options[40];
    uint32_t bytes; /* of options, as the header says */
    bool is_good;
    uint16_t mss;
    int8_t wscale;
    bool has_sack_permitted, has_ts;
    uint8_t sack_count;
};

#define SYN TCP_SYN
#define ACK TCP_ACK

static const struct row rows[] = {
    {"no options", ACK, {0}, 0, true, 0, -1, false, false, 0},
    {"only NOPs", ACK, {1, 1, 1, 1}, 4, true, 0, -1, false, false, 0},
    {"end of list hides garbage", ACK, {0, 99, 1, 200}, 4, true, 0, -1, false, false, 0},
    {"MSS", SYN, {2, 4, 5, 180}, 4, true, 1460, -1, false, false, 0},
    {"MSS counts in a SYN only", ACK, {2, 4, 5, 180}, 4, true, 0, -1, false, false, 0},
    {"MSS of the wrong length", SYN, {2, 3, 5, 1}, 4, false, 0, 0, false, false, 0},
    {"window scale", SYN, {1, 3, 3, 7}, 4, true, 0, 7, false, false, 0},
    {"window scale over 14 means 14", SYN, {1, 3, 3, 255}, 4, true, 0, 14, false, false, 0},
    {"window scale counts in a SYN only", ACK, {1, 3, 3, 7}, 4, true, 0, -1, false, false, 0},
    {"window scale of the wrong length", SYN, {3, 4, 7, 7}, 4, false, 0, 0, false, false, 0},
    {"SACK permitted", SYN, {4, 2, 1, 1}, 4, true, 0, -1, true, false, 0},
    {"SACK permitted counts in a SYN only", ACK, {4, 2, 1, 1}, 4, true, 0, -1, false, false, 0},
    {"SACK permitted of the wrong length", SYN, {4, 3, 1, 1}, 4, false, 0, 0, false, false, 0},
    {"one SACK block",
     ACK,
     {1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9},
     12,
     true,
     0,
     -1,
     false,
     false,
     1},
    {"four SACK blocks", ACK, {1, 1, 5, 34}, 36, true, 0, -1, false, false, 4},
    {"no SACK block", ACK, {5, 2, 1, 1}, 4, false, 0, 0, false, false, 0},
    {"half a SACK block", ACK, {1, 1, 5, 6, 0, 0, 0, 1}, 8, false, 0, 0, false, false, 0},
    {"timestamps", ACK, {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 9}, 12, true, 0, -1, false, true, 0},
    {"timestamps elsewhere",
     ACK,
     {8, 10, 0, 0, 0, 1, 0, 0, 0, 9, 1, 1},
     12,
     true,
     0,
     -1,
     false,
     true,
     0},
    {"timestamps of the wrong length",
     ACK,
     {8, 9, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1},
     12,
     false,
     0,
     0,
     false,
     false,
     0},
    {"an unknown kind is skipped",
     SYN,
     {254, 4, 9, 9, 2, 4, 5, 180},
     8,
     true,
     1460,
     -1,
     false,
     false,
     0},
    {"length 0", SYN, {254, 0, 1, 1}, 4, false, 0, 0, false, false, 0},
    {"length 1", SYN, {254, 1, 1, 1}, 4, false, 0, 0, false, false, 0},
    {"length over the end", SYN, {254, 5, 1, 1}, 4, false, 0, 0, false, false, 0},
    {"kind without a length", SYN, {1, 1, 1, 2}, 4, false, 0, 0, false, false, 0},
    {"all of a SYN",
     SYN,
     {2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7},
     20,
     true,
     1460,
     7,
     true,
     true,
     0},
};

static void options_are_read_or_refused(void **state)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *r = &rows[i];
        size_t bytes = 20 + r->bytes + 3;
        uint8_t *l4 = calloc(1, bytes); /* so that the sanitizer sees a step outside */
        struct tcp_segment s;

        l4[12] = (uint8_t)((20 + r->bytes) / 4 << 4);
        l4[13] = r->flags;
        memcpy(l4 + 20, r->options, r->bytes);

        bool is_good = tcp_segment_parse(&s, l4, bytes);

        if (is_good != r->is_good)
            fail_msg("%s", r->what);
        if (is_good &&
            (s.mss != r->mss || s.wscale != r->wscale || s.has_ts != r->has_ts ||
             s.has_sack_permitted != r->has_sack_permitted || s.sack_count != r->sack_count ||
             s.payload_bytes != 3 || s.payload != l4 + 20 + r->bytes))
            fail_msg("%s: mss %d wscale %d ts %d sack %d %d", r->what, s.mss, s.wscale, s.has_ts,
                     s.has_sack_permitted, s.sack_count);
        free(l4);
    }
}

static void headers_shorter_than_they_say_are_refused(void **state)
{
    uint8_t l4[60] = {0};
    struct tcp_segment s;

    for (size_t bytes = 0; bytes <= sizeof(l4); bytes++) {
        for (uint32_t words = 0; words < 16; words++) {
            l4[12] = (uint8_t)(words << 4);
            assert_int_equal(tcp_segment_parse(&s, l4, bytes),
                             bytes >= 20 && words >= 5 && words * 4 <= bytes);
        }
    }
}

static void fields_are_in_host_order(void **state)
{
    static const uint8_t l4[20] = {0x01, 0x02, 0x03, 0x04, 0x11, 0x12, 0x13, 0x14, 0x21, 0x22,
                                   0x23, 0x24, 0x50, 0x18, 0x31, 0x32, 0,    0,    0,    0};
    struct tcp_segment s;

    assert_true(tcp_segment_parse(&s, l4, sizeof(l4)));
    assert_int_equal(s.src_port, 0x0102);
    assert_int_equal(s.dst_port, 0x0304);
    assert_int_equal(s.seq, 0x11121314);
    assert_int_equal(s.ack, 0x21222324);
    assert_int_equal(s.flags, TCP_ACK | TCP_PSH);
    assert_int_equal(s.window, 0x3132);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_read_or_refused),
        cmocka_unit_test(headers_shorter_than_they_say_are_refused),
        cmocka_unit_test(fields_are_in_host_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
